"""The fold of an account's line of events into what is true of it."""

from datetime import timedelta
from decimal import Decimal
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from core import account_events, events, preview_events
from core.account_state import (
    HIDING_CAUSES,
    KICKED,
    AccountState,
    PositionBreak,
    Preview,
    freeze_key,
    is_rounding,
    message_key,
)
from core.balances import is_first_told
from core.bases import Traded, charged, moves_of, with_bases
from core.cancelling import with_unsent
from core.codec import Recorded
from core.halting import after_change, after_halt, after_resume, after_verified
from core.identity import with_moved
from core.keyed import Keyed
from core.order_folds import order_after
from core.orders import Order, Phase
from core.terms import OrderSpec, OrderType, SecurityType, Side, TimeInForce, position_key
from core.tokens import TokenState, state_after

# How long after its end a preview is remembered; far longer than one lives.
PREVIEWS_KEPT: Final = timedelta(hours=1)
# What answers a command about one order: the command is done with by it.
_ASKED: Final = (
    events.OrderReleased,
    events.OrderCancelStarted,
    events.OrderCancelWanted,
    events.OrderModifyStarted,
)


def evolve(state: AccountState, recorded: Recorded) -> AccountState:
    """Return what is true after one more event; never fails on an event that was stored."""
    return replace(_after(state, recorded), n=recorded.n)


def _after(state: AccountState, recorded: Recorded) -> AccountState:
    event = recorded.data
    match event:
        case preview_events.OrderPreviewed():
            return _previewed(_claimed(state, event), event, recorded)
        case events.OrderRefused():
            after = _claimed(state, event)
            return replace(after, handled=_handled(state, event.command_id, event.order_id))
        case events.OrderSubmissionStarted():
            return _started(state, event, recorded)
        case events.OrderExternalObserved():
            return _external(state, event, recorded)
        case events.OrderFillRecorded() | events.OrderFillTakenBack():
            return _traded(state, event, recorded)
        case events.OrderModifyStarted():
            return _order(_claimed(state, event), event, recorded)
        case (
            account_events.AccountOpened()
            | account_events.AccountWorkerStarted()
            | account_events.AccountReconciled()
            | account_events.AccountListed()
            | account_events.AccountStale()
            | account_events.AccountFrozen()
            | account_events.AccountCancelsAsked()
            | account_events.AccountHalted()
            | account_events.AccountHaltVerified()
            | account_events.AccountResumed()
            | account_events.AccountModeSet()
            | account_events.AccountPositionsObserved()
            | account_events.AccountBalancesObserved()
            | account_events.AccountPositionBreak()
            | account_events.AccountPositionAgreed()
            | account_events.AccountPositionAdopted()
            | account_events.AccountCashBreak()
        ):
            return with_bases(state, _account(state, event, recorded), event)
        case (
            account_events.TokenIssued()
            | account_events.TokenRefreshed()
            | account_events.TokenRefreshFailed()
            | account_events.TokenExpiring()
            | account_events.TokenExpired()
            | account_events.TokenRevoked()
        ):
            before = None if state.token is None else state.token.fact
            token = TokenState(fact=state_after(before, event), event=event)
            return replace(state, token=token)
        case account_events.CommandUnreadable():
            return replace(state, handled=state.handled.put(message_key(event), ""))
        case account_events.AccountAdded() | account_events.AccountRemoved():
            return state
        case _:
            return _order(state, event, recorded)


def _account(
    state: AccountState, event: account_events.AccountEvent, recorded: Recorded
) -> AccountState:
    match event:
        case account_events.AccountOpened():
            return replace(state, account=recorded.account, opened=event)
        case account_events.AccountWorkerStarted():
            check = state.number_check or event.number_check
            return replace(state, run_id=event.run_id, is_stale=True, gap=0, number_check=check)
        case account_events.AccountReconciled():
            # `recorded_at` may be ahead of every clock after a jump.
            listed_at = event.listed_at or event.orders_since
            return replace(state, is_stale=False, listed_at=listed_at)
        case account_events.AccountListed():
            return replace(state, listed_at=event.listed_at)
        case account_events.AccountStale():
            return replace(state, is_stale=True, gap=event.gap)
        case account_events.AccountFrozen():
            frozen_at = state.frozen_at.put(event.symbol, recorded.n)
            return replace(_frozen(state, event), frozen_at=frozen_at)
        case account_events.AccountCancelsAsked():
            after = replace(state, handled=_handled(state, event.command_id, ""))
            return with_unsent(after, event, event.unread)
        case account_events.AccountHalted():
            return after_halt(state, event, recorded.n)
        case account_events.AccountHaltVerified():
            return after_verified(state, event)
        case account_events.AccountResumed():
            return after_resume(state, event)
        case account_events.AccountModeSet():
            opened = None if state.opened is None else replace(state.opened, mode=event.mode)
            handled = _handled(state, event.command_id, "")
            return replace(state, opened=opened, handled=handled)
        case account_events.AccountPositionsObserved():
            positions = Keyed[Decimal]()
            for figure in event.positions:
                positions = positions.put(figure.key, figure.quantity)
            return replace(
                state,
                expected=positions if state.position_figures is None else state.expected,
                positions=positions,
                observed=positions,
                bought_since=Keyed[Decimal](),
                sold_since=Keyed[Decimal](),
                position_figures=event.positions,
            )
        case account_events.AccountBalancesObserved():
            return replace(state, balances=event, cash_expected=_cash_after(state, event))
        case account_events.AccountPositionBreak():
            broken = PositionBreak(
                break_id=recorded.event_id,
                symbol=event.symbol,
                market=event.market,
                observed=event.observed,
            )
            key = position_key(event.symbol, event.market)
            return replace(state, breaks=state.breaks.put(key, broken))
        case account_events.AccountPositionAgreed():
            key = position_key(event.symbol, event.market)
            return replace(state, breaks=state.breaks.without(key))
        case account_events.AccountPositionAdopted():
            key = position_key(event.symbol, event.market)
            return replace(
                state,
                breaks=state.breaks.without(key),
                expected=state.expected.put(key, event.quantity),
                handled=_handled(state, event.command_id, ""),
            )
        case account_events.AccountCashBreak():
            currency, amount = event.observed.currency, event.observed.amount
            return replace(state, cash_expected=state.cash_expected.put(currency, amount))
        case _:
            assert_never(event)


def _frozen(state: AccountState, event: account_events.AccountFrozen) -> AccountState:
    frozen_for = state.frozen_for.put(freeze_key(event), event.symbol)
    if event.cause in HIDING_CAUSES:
        state = replace(state, hidden_symbols=state.hidden_symbols | {event.symbol})
    if event.symbol:
        symbols = state.frozen_symbols | {event.symbol}
        return replace(state, frozen_symbols=symbols, frozen_for=frozen_for)
    kicks = state.kicks | {freeze_key(event)} if event.cause == KICKED else state.kicks
    return replace(state, frozen_cause=event.cause, frozen_for=frozen_for, kicks=kicks)


def _claimed(
    state: AccountState,
    event: preview_events.OrderPreviewed | events.OrderRefused | events.OrderModifyStarted,
) -> AccountState:
    # A key belongs to its first use.
    if isinstance(event.claim, msgspec.UnsetType) or event.claim.key in state.claims:
        return state
    return replace(state, claims=state.claims.put(event.claim.key, event.claim))


def _previewed(
    state: AccountState, event: preview_events.OrderPreviewed, recorded: Recorded
) -> AccountState:
    previews = state.previews
    # By the previews' own times: after a jump of the wall clock and back, `recorded_at` is ahead of
    # it for as long, and no preview would outlive the next.
    forgotten_before = event.expires_at - PREVIEWS_KEPT
    for old in state.previews.values():
        if old.expires_at < forgotten_before:
            previews = previews.without(old.preview_id)
    preview = Preview(
        preview_id=event.preview_id,
        spec=event.spec,
        reason=event.reason,
        digest=event.digest,
        correlation_id=recorded.correlation_id,
        expires_at=event.expires_at,
        all_passed=all(check.passed for check in event.checks),
        owner=event.owner or "",
    )
    return replace(
        state,
        previews=previews.put(event.preview_id, preview),
        handled=_handled(state, event.command_id, event.preview_id),
    )


def _started(
    state: AccountState, event: events.OrderSubmissionStarted, recorded: Recorded
) -> AccountState:
    order = Order(
        order_id=event.order_id,
        spec=event.spec,
        phase=Phase.SUBMITTING,
        started_at=recorded.recorded_at,
        arrives_by=event.arrives_by,
        # `recorded_at` may be ahead of every clock after a jump. The span after `send_by` holds
        # how far this clock and the broker's differed, whichever way.
        opened_from=event.send_by - (event.arrives_by - event.send_by),
        order_number=event.order_number,
        mark=event.mark,
        preview_id=event.preview_id,
        command_id=event.command_id,
        correlation_id=recorded.correlation_id,
        reason=event.reason,
    )
    return replace(
        _put(state, order, recorded),
        by_mark=state.by_mark.put(event.mark, event.order_id),
        numbers=state.numbers.put(event.order_number, event.order_id),
        handled=_handled(state, event.command_id, event.order_id),
    )


def _external(
    state: AccountState, event: events.OrderExternalObserved, recorded: Recorded
) -> AccountState:
    order = Order(
        order_id=event.order_id,
        spec=event.spec or _least_spec(event),
        phase=Phase.ACCEPTED,
        started_at=event.opened_at,
        arrives_by=event.opened_at,
        opened_from=event.opened_at,
        tiger_order_id=event.tiger_order_id,
        is_external=True,
        is_contract_unknown=event.spec is None,
        parent_order_id=event.parent_order_id,
    )
    return replace(
        _put(state, order, recorded),
        by_tiger_id=state.by_tiger_id.put(event.tiger_order_id, event.order_id),
    )


def _least_spec(event: events.OrderExternalObserved) -> OrderSpec:
    # What we have no words for still has size and side; the figures that a worst case needs are
    # kept, and the listing's own words are in the event. Which contract it is nobody knows.
    limit_price = event.limit_price if event.order_type is OrderType.LIMIT else None
    return OrderSpec(
        symbol=event.symbol,
        market=event.market,
        currency=event.currency,
        side=event.side,
        order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        quantity=event.quantity,
        limit_price=limit_price,
        time_in_force=TimeInForce.DAY,
        outside_regular_hours=False,
    )


def _traded(state: AccountState, event: Traded, recorded: Recorded) -> AccountState:
    order = state.orders.get(event.order_id)
    if order is None:
        return state
    key = position_key(event.contract or order.spec.contract, order.spec.market)
    held = state.positions.get(key) or Decimal(0)
    is_buy = event.side is Side.BUY
    if isinstance(event, events.OrderFillTakenBack):
        # It moves everything as its opposite would.
        is_buy = not is_buy
        executions = state.executions.without(event.execution_id)
        fills = state.fills.without(event.execution_id)
    else:
        executions = state.executions.put(event.execution_id, event.order_id)
        fills = state.fills.put(event.execution_id, event)
    moved = event.quantity if is_buy else -event.quantity
    since = state.bought_since if is_buy else state.sold_since
    since = since.put(key, (since.get(key) or Decimal(0)) + event.quantity)
    moves, broken = moves_of(state, order, event), state.breaks.get(key)
    if broken is not None:
        moved_on = replace(broken, observed=broken.observed + moves.shown)
        state = replace(state, breaks=state.breaks.put(key, moved_on))
    return replace(
        _put(state, order_after(order, event), recorded),
        executions=executions,
        fills=fills,
        positions=state.positions.put(key, held + moved),
        expected=state.expected.put(key, (state.expected.get(key) or Decimal(0)) + moves.expected),
        cash_expected=_paid(state, event.price.currency, moves.cash),
        unlisted=moves.unlisted,
        unseen=moves.unseen,
        bought_since=since if is_buy else state.bought_since,
        sold_since=state.sold_since if is_buy else since,
    )


def _cash_after(
    state: AccountState, event: account_events.AccountBalancesObserved
) -> Keyed[Decimal]:
    """Return what cash is expected: the first figures, and later ones where only rounding differs.

    Each fill is rounded by the broker; without this the differences would add up to a break.
    """
    cash = Keyed[Decimal]() if state.balances is None else state.cash_expected
    for figure in event.cash:
        is_first = is_first_told(state.balances, figure.currency)
        if is_first or is_rounding(figure.balance, cash.get(figure.currency)):
            cash = cash.put(figure.currency, figure.balance)
    return cash


def _order(state: AccountState, event: events.OrderEvent, recorded: Recorded) -> AccountState:
    order = state.orders.get(event.order_id)
    if order is None:
        return state
    # Only an answer that came too late has an id which another order may own.
    claimed = event.tiger_order_id if isinstance(event, events.OrderAnswerObserved) else ""
    changed = order_after(order, event, is_tiger_id_new=claimed not in state.by_tiger_id)
    after = with_unsent(_put(state, changed, recorded), event, order.tiger_order_id)
    if isinstance(event, events.OrderAccepted) and event.moved_from:
        after = with_moved(after, event)
    if isinstance(event, events.OrderCancelImported):
        return replace(after, handled=_handled(state, event.key, event.order_id))
    is_paid_here = order.spec.security is not SecurityType.FUTURE
    if isinstance(event, events.OrderChargesObserved) and is_paid_here:
        moved, unseen = charged(state, order, event)
        paid = _paid(state, event.charges.currency, moved)
        return replace(after, cash_expected=paid, unseen=unseen)
    if changed.tiger_order_id and changed.tiger_order_id != order.tiger_order_id:
        by_tiger_id = state.by_tiger_id.put(changed.tiger_order_id, order.order_id)
        return replace(after, by_tiger_id=by_tiger_id)
    if isinstance(event, _ASKED):
        return replace(after, handled=_handled(state, event.command_id, event.order_id))
    return after


def _paid(state: AccountState, currency: str, amount: Decimal) -> Keyed[Decimal]:
    before = state.cash_expected.get(currency) or Decimal(0)
    return state.cash_expected.put(currency, before + amount)


def _handled(state: AccountState, command_id: str, led_to: str) -> Keyed[str]:
    # A halt by the local file has no command.
    return state.handled.put(command_id, led_to) if command_id else state.handled


def _put(state: AccountState, order: Order, recorded: Recorded) -> AccountState:
    left_at, is_released = state.left_at, order.phase is Phase.RELEASED
    if order.is_watched:
        left_at = left_at.without(order.order_id)
    elif order.order_id in state.watched_orders:
        left_at = left_at.put(order.order_id, recorded.recorded_at)
    return replace(
        after_change(state, order, recorded.n),
        orders=state.orders.put(order.order_id, order),
        open_orders=_member(state.open_orders, order.order_id, wanted=order.is_open),
        watched_orders=_member(state.watched_orders, order.order_id, wanted=order.is_watched),
        released_orders=_member(state.released_orders, order.order_id, wanted=is_released),
        left_at=left_at,
    )


def _member(ids: frozenset[str], order_id: str, *, wanted: bool) -> frozenset[str]:
    if wanted == (order_id in ids):
        return ids
    return ids | {order_id} if wanted else ids - {order_id}
