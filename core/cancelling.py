"""Cancels: of one order, of all that fit a filter, and what the broker answered."""

from collections.abc import Iterable
from typing import Final, assert_never

from msgspec.structs import replace

from core import account_events, events, items, readings
from core.account_state import AccountState
from core.commands import CancelOrder, CancelOrders
from core.context import Context
from core.events import Event
from core.halting import wants_strangers_cancelled
from core.ids import derived_id
from core.orders import CancelPhase, Order, Phase
from core.refusals import Refusal
from core.refusing import refused, refused_outright

_UNREAD: Final = "unread:"
# Where a request to cancel came to nothing, as far as anybody knows.
_TO_NOTHING: Final = frozenset({CancelPhase.REFUSED, CancelPhase.UNKNOWN})


def named(state: AccountState, order_id: str) -> Order | None:
    """Return the order that an id means: for an entry that was one of ours, that one of ours."""
    order = state.orders.get(order_id)
    if order is None or not order.owner_order_id:
        return order
    return state.orders.get(order.owner_order_id)


def decide_cancel(state: AccountState, item: items.CommandItem, command: CancelOrder) -> Event:
    """Return the intent to cancel one order, the wish to where it is in doubt, or the refusal."""
    order = named(state, command.order_id)
    if order is None:
        return refused(item, Refusal.ORDER_UNKNOWN, f"there is no order {command.order_id[:40]}")
    wish = _wish(order, item.command_id)
    if wish is None:
        return refused(
            item,
            Refusal.ORDER_NOT_OPEN,
            f"order {order.order_id} is {order.phase}",
            order_id=order.order_id,
        )
    return wish


def decide_cancel_again(
    state: AccountState, item: items.CommandItem, context: Context
) -> events.OrderCancelStarted | None:
    """Return the intent once more, where a command taken before is a cancel that came to nothing.

    A worker may have died between the intent and the call; then its successor is delivered the
    same command. An order may be asked away twice. The worker's own wish is the same one as long as
    its halt holds, and asks again also for what the broker took and left open.
    """
    if not isinstance(item.command, CancelOrder) or item.expires_at < context.now:
        return None
    order = named(state, item.command.order_id)
    if order is None or refused_outright(state, item):
        return None
    if not item.is_own and order.cancel not in _TO_NOTHING:
        return None
    wish = _wish(order, item.command_id)
    return wish if isinstance(wish, events.OrderCancelStarted) else None


def decide_cancel_many(
    state: AccountState, item: items.CommandItem, command: CancelOrders
) -> Event:
    """Return the wish for the next order that fits, and once all are asked the event that says so.

    Decided again after each event; a crash in between leaves the command to be taken again, and
    orders that were asked before are not asked twice, unless nothing came of it.
    """
    fitting = [order for order in _open_orders(state) if _fits(order, command)]
    for order in fitting:
        command_id = derived_id("cmd", state.account, item.command_id, order.order_id)
        if _is_asked(order) or (command_id in state.handled and order.cancel not in _TO_NOTHING):
            continue
        wish = _wish(order, command_id)
        if wish is not None:
            return wish
    if not fitting:
        return refused(item, Refusal.ORDER_NOT_OPEN, "no open order of the account fits")
    return account_events.AccountCancelsAsked(
        command_id=item.command_id,
        symbol=command.symbol,
        side=command.side,
        order_ids=tuple(order.order_id for order in fitting),
    )


def must_not_rest(state: AccountState, order: Order) -> bool:
    """Say whether this worker has to ask for a cancel of an open order by itself.

    A halt's orders, also those whose cancel the broker took and which are open all the same, and
    one wished away while it was in doubt. Once readings have verified a halt, an order from
    elsewhere, and what the broker makes of it, is a person's own deed: closing a position by hand,
    or guarding it by a stop, is not undone.
    """
    if order.cancel is CancelPhase.STARTED:
        return False
    if order.cancel is CancelPhase.WANTED:
        return order.phase is not Phase.RELEASED and bool(order.tiger_order_id)
    return _wants_cancelled(state, order)


def _wants_cancelled(state: AccountState, order: Order) -> bool:
    """Say whether a halt wants an order cancelled that is on the books."""
    if is_from_elsewhere(state, order):
        return wants_strangers_cancelled(state, order.spec.symbol)
    return state.halts(order.spec.symbol)


def is_halt_carried(state: AccountState) -> bool:
    """Say whether the account is halted, and nothing is left to cancel but a person's own deeds.

    That a cancel was asked, or even taken, is not enough: nobody may be there to ask again.
    """
    is_verified = state.is_halted and "" not in state.unverified_halts
    return is_verified and all(is_from_elsewhere(state, order) for order in _open_orders(state))


def is_open_under(state: AccountState, scope: str, open_symbols: Iterable[str]) -> bool:
    """Say whether an order is open that keeps a halt from being verified.

    `open_symbols` are those of the broker's open orders, "" for one that cannot be read. Where a
    symbol's own halt was verified, its orders from elsewhere are no matter of the account's.
    """
    let_be = () if scope else _let_be(state)
    if any(scope in ("", one) or not one for one in open_symbols if one not in let_be):
        return True
    known = (state.orders[order_id] for order_id in state.open_in(scope))
    return any(o.spec.symbol not in let_be or not is_from_elsewhere(state, o) for o in known)


def _let_be(state: AccountState) -> tuple[str, ...]:
    return tuple(one for one in state.spared_symbols if one not in state.unverified_halts)


def is_from_elsewhere(state: AccountState, order: Order) -> bool:
    """Say whether an order was not given here; what the broker made of one is its giver's."""
    # Of a parent that was never seen nobody knows; each is on the books before what it led to.
    parent = state.orders.get(order.parent_order_id)
    return order.is_external if parent is None else is_from_elsewhere(state, parent)


def is_ours(state: AccountState, tiger_order_id: str) -> bool:
    """Say whether the broker's id is that of an order given here, or of what was made of one."""
    order = _booked(state, tiger_order_id)
    return order is not None and not is_from_elsewhere(state, order)


def must_cancel_unread(state: AccountState, tiger_order_id: str, symbol: str) -> bool:
    """Say whether an order is to be cancelled that may be open, though it is not so on the books.

    Because of its row it is on none: then once readings have verified the halt it is a person's own
    deed, as any order from elsewhere. Or it is released or done there, and its row shows no end:
    the halt is about it as about any other, and a wish to cancel what was released holds as well.
    """
    order = _booked(state, tiger_order_id)
    if order is None:
        return bool(tiger_order_id) and wants_strangers_cancelled(state, symbol)
    if order.is_open or order.cancel is CancelPhase.STARTED:
        return False
    is_wished = order.phase is Phase.RELEASED and order.cancel is CancelPhase.WANTED
    return is_wished or _wants_cancelled(state, order)


def _booked(state: AccountState, tiger_order_id: str) -> Order | None:
    return state.orders.get(state.by_tiger_id.get(tiger_order_id) or "")


def decide_cancel_unread(state: AccountState, item: readings.UnreadOrderOpen) -> Event | None:
    """Return the intention to have an order cancelled whose id alone is sure."""
    if not must_cancel_unread(state, item.tiger_order_id, item.symbol):
        return None
    command_id = derived_id("cmd", state.account, "unread order", item.tiger_order_id)
    order = _booked(state, item.tiger_order_id)
    if order is not None:
        return events.OrderCancelStarted(
            order_id=order.order_id, command_id=command_id, tiger_order_id=item.tiger_order_id
        )
    return account_events.AccountCancelsAsked(
        command_id=command_id,
        symbol=item.symbol or None,
        side=None,
        order_ids=(),
        unread=item.tiger_order_id,
    )


def unread_key(tiger_order_id: str) -> str:
    """Return what such an order is called in place of an id of ours."""
    return f"{_UNREAD}{tiger_order_id}"


def decide_cancel_answered(state: AccountState, item: items.CancelAnswered) -> Event | None:
    """Return what the end of a request to cancel means for its order."""
    if item.order_id.startswith(_UNREAD):
        tiger_order_id = item.order_id.removeprefix(_UNREAD)
        return account_events.AccountCancelsAsked(
            command_id=derived_id("cmd", state.account, "unread order", tiger_order_id),
            symbol=None,
            side=None,
            order_ids=(),
            unread=tiger_order_id,
            outcome=str(item.outcome),
            detail=item.detail,
        )
    order = state.orders.get(item.order_id)
    if order is None or order.cancel is not CancelPhase.STARTED:
        return None
    match item.outcome:
        case items.Outcome.DONE:
            return events.OrderCancelRequested(order_id=item.order_id)
        case items.Outcome.REFUSED | items.Outcome.NOT_SENT:
            return events.OrderCancelRefused(
                order_id=item.order_id, code=item.code, detail=item.detail
            )
        case items.Outcome.UNKNOWN:
            return events.OrderCancelUnknown(order_id=item.order_id, cause=item.detail)
        case _:
            assert_never(item.outcome)


def with_unsent(
    state: AccountState,
    event: events.Event,
    tiger_order_id: str,
) -> AccountState:
    """Return the state with whether an order's last cancel was surely never sent."""
    match event:
        case account_events.AccountCancelsAsked():
            is_unsent = event.outcome == items.Outcome.NOT_SENT
        case events.OrderCancelRefused():
            # A broker's no has a code: only what is on the closed list is one.
            is_unsent = event.code is None
        case (
            events.OrderCancelStarted()
            | events.OrderCancelRequested()
            | events.OrderCancelUnknown()
        ):
            is_unsent = False
        case _:
            return state
    if not tiger_order_id or is_unsent == (tiger_order_id in state.unsent_cancels):
        return state
    return replace(state, unsent_cancels=state.unsent_cancels ^ {tiger_order_id})


def decide_journaled(state: AccountState, item: items.CancelJournaled) -> Event | None:
    """Return the record of a cancel that was made without this ledger.

    An order that no listing has shown yet may still come: its line waits in the journal for it. One
    that none will show, because it was opened too long ago, is recorded by the broker's id alone.
    """
    if item.key in state.handled:
        return None
    order_id = state.by_tiger_id.get(item.tiger_order_id)
    if order_id is not None:
        return events.OrderCancelImported(
            order_id=order_id,
            key=item.key,
            asked_at=item.asked_at,
            outcome=str(item.outcome),
            code=item.code,
            detail=item.detail,
        )
    if not item.is_unlisted:
        return None
    return account_events.AccountCancelsAsked(
        command_id=item.key,
        symbol=None,
        side=None,
        order_ids=(),
        unread=item.tiger_order_id,
        outcome=str(item.outcome),
        detail=item.detail,
    )


def _wish(
    order: Order, command_id: str
) -> events.OrderCancelStarted | events.OrderCancelWanted | None:
    match order.phase:
        case Phase.ACCEPTED | Phase.WORKING | Phase.UNKNOWN | Phase.NOT_FOUND | Phase.RELEASED if (
            order.tiger_order_id
        ):
            # The broker's id is all that a cancel needs, whatever else is in doubt.
            return events.OrderCancelStarted(
                order_id=order.order_id,
                command_id=command_id,
                tiger_order_id=order.tiger_order_id,
            )
        case (
            Phase.SUBMITTING
            | Phase.ACCEPTED
            | Phase.WORKING
            | Phase.UNKNOWN
            | Phase.NOT_FOUND
            | Phase.RELEASED
        ):
            return events.OrderCancelWanted(order_id=order.order_id, command_id=command_id)
        case Phase.FILLED | Phase.CANCELLED | Phase.EXPIRED | Phase.REJECTED | Phase.NOT_SENT:
            return None
        case _:
            assert_never(order.phase)


def _open_orders(state: AccountState) -> list[Order]:
    found = (state.orders[order_id] for order_id in state.open_orders)
    return sorted(found, key=lambda order: (order.started_at, order.order_id))


def _fits(order: Order, command: CancelOrders) -> bool:
    return command.symbol in (None, order.spec.symbol) and command.side in (None, order.spec.side)


def _is_asked(order: Order) -> bool:
    # One that the broker took, and that is open all the same, is asked again.
    return order.cancel is CancelPhase.STARTED
