"""The desk: what follows from one item, given what is true of the account.

`decide` is total and pure: at most one event per item, or none. A "no" is an event too. What an
event leads to outside (a call, a read) is the worker's business; see `adapters/tiger_worker`.
"""

from datetime import datetime, timedelta
from typing import Final, assert_never

import msgspec

from core import account_events, events, items, readings
from core.account_state import KICKED, AccountState, kick_key, message_key
from core.balances import decide_balances
from core.cancelling import (
    decide_cancel,
    decide_cancel_again,
    decide_cancel_answered,
    decide_cancel_many,
    decide_cancel_unread,
    decide_journaled,
    is_open_under,
    named,
)
from core.commands import (
    AdoptPosition,
    CancelOrder,
    CancelOrders,
    Halt,
    HaltAccount,
    HaltTrading,
    ModifyOrder,
    PreviewOrder,
    ReleaseOrder,
    ResumeAccount,
    SetMode,
    SubmitOrder,
)
from core.context import CLOCK_SKEW_MAX_S, Context
from core.events import Event
from core.figures import decide_adopt, decide_positions
from core.halting import decide_halt, decide_halt_file, decide_release, decide_resume
from core.identity import decide_recognized
from core.lost_fills import decide_not_listed, decide_taken_back
from core.modes import Environment, Mode
from core.modifying import (
    decide_modify,
    decide_modify_answered,
    decide_not_shown,
    must_wait,
    objection_to,
)
from core.orders import CancelPhase, ModifyPhase, Phase
from core.previewing import decide_preview
from core.refusals import Refusal
from core.refusing import refused, refused_outright
from core.sightings import decide_seen, decide_unread, decide_unreadable
from core.submitting import decide_submit, is_reducing
from core.tokens import decide_token

# What takes risk away passes whatever the clocks say.
_NEVER_TOO_EARLY: Final = Halt | CancelOrder | CancelOrders
# How often it is recorded how far the listings went: rounds that change nothing record nothing.
LISTED_EVERY: Final = timedelta(days=1)


def decide(state: AccountState, item: items.Item, context: Context) -> Event | None:
    """Return the one event that follows from `item`, or None if nothing does."""
    match item:
        case items.CommandItem():
            return _command(state, item, context)
        case items.PreviewAnswered():
            return decide_preview(state, item, context)
        case items.PlaceAnswered():
            return _placed(state, item)
        case items.CancelAnswered():
            return decide_cancel_answered(state, item)
        case items.ModifyPrepared():
            return decide_modify(state, item, context)
        case items.ModifyAnswered():
            return decide_modify_answered(state, item)
        case readings.ModifyNotShown():
            return decide_not_shown(state, item, context)
        case items.ActAbandoned():
            return _abandoned(state, item)
        case readings.OrderSeen():
            return decide_recognized(state, item) or decide_seen(state, item, context)
        case readings.RowUnreadable():
            return decide_unreadable(state, item)
        case readings.UnreadOrderOpen():
            return decide_cancel_unread(state, item)
        case readings.OrderUnread():
            return decide_unread(state, item, context)
        case readings.AbsenceConfirmed():
            return _absent(state, item, context)
        case readings.FillsTakenBack():
            return decide_taken_back(state, item, context)
        case readings.FillsNotListed():
            return decide_not_listed(state, item, context)
        case readings.PositionsSeen():
            return decide_positions(state, item, context)
        case readings.BalancesSeen():
            return decide_balances(state, item, context)
        case _:
            return _account(state, item)


def waits(state: AccountState, item: items.Item) -> bool:
    """Say whether an item must wait for an act that is open, at most until its expiry.

    Opening orders of a symbol, and changes of its orders, wait while one of that symbol is being
    sent or changed; a cancel waits only for an earlier cancel of the same order.
    """
    if isinstance(item, items.ModifyPrepared):
        item = item.item
    if not isinstance(item, items.CommandItem):
        return False
    is_repeated = item.command_id in state.handled
    if is_repeated and not isinstance(item.command, CancelOrder):
        return False
    match item.command:
        case SubmitOrder(preview_id=preview_id):
            preview = state.preview_for(preview_id, item.owner)
            return (
                preview is not None
                and not is_reducing(state, preview.spec)
                and any(
                    order.phase is Phase.SUBMITTING or order.modify is ModifyPhase.STARTED
                    for order in state.open_of(preview.spec.symbol)
                )
            )
        case CancelOrder(order_id=order_id):
            order = named(state, order_id)
            may_live = order is not None and (order.is_open or order.phase is Phase.RELEASED)
            return order is not None and may_live and order.cancel is CancelPhase.STARTED
        case ModifyOrder():
            return must_wait(state, item.command)
        case _:
            return False


def wants_reads(state: AccountState, item: items.Item) -> bool:
    """Say whether an item needs answers of the broker before it can be decided."""
    if not isinstance(item, items.CommandItem) or item.command_id in state.handled:
        return False
    match item.command:
        case PreviewOrder():
            return refused_outright(state, item) is None
        case ModifyOrder():
            is_allowed = refused_outright(state, item) is None
            return is_allowed and objection_to(state, item.command) is None
        case _:
            return False


def is_taken_again(item: items.Item) -> bool:
    """Say whether an item may lead to several events, and is decided again after each."""
    match item:
        case (
            readings.OrderSeen()
            | items.ActAbandoned()
            | readings.FillsTakenBack()
            | readings.PositionsSeen()
            | readings.BalancesSeen()
        ):
            return True
        case items.CommandItem(command=CancelOrders()):
            return True
        case _:
            return False


def _command(state: AccountState, item: items.CommandItem, context: Context) -> Event | None:
    if item.command_id in state.handled:
        return decide_cancel_again(state, item, context)
    # A halt is never too late; everything else that expired would act on an old wish.
    if item.expires_at < context.now and not isinstance(item.command, Halt):
        return refused(item, Refusal.COMMAND_EXPIRED, "it was asked too long ago")
    ahead_s = _ahead_s(item, context)
    if ahead_s > CLOCK_SKEW_MAX_S and not isinstance(item.command, _NEVER_TOO_EARLY):
        return refused(
            item, Refusal.CLOCK_SKEWED, f"it was asked {ahead_s:.0f} s ahead of the worker's clock"
        )
    no = refused_outright(state, item)
    if no is not None:
        return no
    match item.command:
        case PreviewOrder():
            return None
        case SubmitOrder():
            return decide_submit(state, item, item.command, context)
        case CancelOrder():
            return decide_cancel(state, item, item.command)
        case CancelOrders():
            return decide_cancel_many(state, item, item.command)
        case ModifyOrder():
            objection = objection_to(state, item.command)
            return None if objection is None else refused(item, objection.code, objection.detail)
        case HaltAccount() | HaltTrading():
            return decide_halt(state, item, item.command)
        case ResumeAccount():
            return decide_resume(state, item, item.command)
        case AdoptPosition():
            return decide_adopt(state, item, item.command)
        case ReleaseOrder():
            return decide_release(state, item, item.command)
        case SetMode(mode=mode):
            return _mode_set(state, item, mode)
        case _:
            assert_never(item.command)


# Its end is reckoned by the clock of who asked: where that is ahead of this one, or this one was
# set back, a wish would outlive its end by as much.
def _ahead_s(item: items.CommandItem, context: Context) -> float:
    return ((item.issued_at or context.now) - context.now).total_seconds()


def _mode_set(state: AccountState, item: items.CommandItem, mode: Mode) -> Event:
    is_play_money = state.opened is not None and state.opened.environment is not Environment.LIVE
    if mode is not Mode.READ_ONLY and not is_play_money:
        return refused(
            item, Refusal.ACCOUNT_READ_ONLY, "live accounts wait for limits and approvals"
        )
    return account_events.AccountModeSet(
        command_id=item.command_id, person=item.principal, mode=mode
    )


def _placed(state: AccountState, item: items.PlaceAnswered) -> Event | None:
    order = state.orders.get(item.order_id)
    # What a listing has shown, no reply takes back.
    if order is None or order.tiger_order_id:
        return None
    if order.phase not in (Phase.SUBMITTING, Phase.UNKNOWN):
        return None
    match item.outcome:
        case items.Outcome.DONE:
            return _accepted_by_reply(state, item, order.phase)
        case items.Outcome.REFUSED:
            return events.OrderRejected(order_id=item.order_id, code=item.code, detail=item.detail)
        case items.Outcome.NOT_SENT:
            return events.OrderNotSent(order_id=item.order_id, cause=item.detail)
        case items.Outcome.UNKNOWN:
            if order.phase is Phase.UNKNOWN:
                return None
            return events.OrderOutcomeUnknown(order_id=item.order_id, cause=item.detail)
        case _:
            assert_never(item.outcome)


def _accepted_by_reply(
    state: AccountState, item: items.PlaceAnswered, phase: Phase
) -> Event | None:
    # A reply without an id, or with an id that another order of ours owns, proves nothing.
    if item.tiger_order_id.strip("0") and item.tiger_order_id not in state.by_tiger_id:
        return events.OrderAccepted(
            order_id=item.order_id, tiger_order_id=item.tiger_order_id, evidence="reply"
        )
    if phase is Phase.UNKNOWN:
        return None
    return events.OrderOutcomeUnknown(order_id=item.order_id, cause="reply_without_own_id")


def _abandoned(state: AccountState, item: items.ActAbandoned) -> Event | None:
    order = state.orders.get(item.order_id)
    if order is None:
        return None
    if order.phase is Phase.SUBMITTING:
        return events.OrderOutcomeUnknown(order_id=order.order_id, cause="worker_restarted")
    if order.cancel is CancelPhase.STARTED:
        return events.OrderCancelUnknown(order_id=order.order_id, cause="worker_restarted")
    if order.modify is ModifyPhase.STARTED:
        return events.OrderModifyUnknown(order_id=order.order_id, cause="worker_restarted")
    return None


def _absent(state: AccountState, item: readings.AbsenceConfirmed, context: Context) -> Event | None:
    order = state.orders.get(item.order_id)
    enough = item.listings >= context.timing.absence_listings_min
    if order is None or not enough or item.first_listing_at <= order.arrives_by:
        return None
    if order.phase is Phase.UNKNOWN:
        return events.OrderNotFound(
            order_id=order.order_id,
            listings=item.listings,
            first_listing_at=item.first_listing_at,
        )
    if order.phase in (Phase.ACCEPTED, Phase.WORKING):
        # The broker had it once and shows it no more: that is no end, but nobody knows it to live.
        return events.OrderOutcomeUnknown(order_id=order.order_id, cause="not_listed")
    return None


_AccountItem = (
    readings.RoundCompleted
    | items.GapNoticed
    | items.PushKicked
    | items.HaltFileSeen
    | items.CancelJournaled
    | items.TokenSeen
    | items.AccountBegins
    | items.WorkerStarts
    | items.Unreadable
)


def _account(state: AccountState, item: _AccountItem) -> Event | None:
    match item:
        case readings.RoundCompleted():
            return _round_completed(state, item)
        case items.CancelJournaled():
            return decide_journaled(state, item)
        case items.TokenSeen():
            return decide_token(state.token, item)
        case items.GapNoticed():
            if item.gap <= state.gap:
                return None
            return account_events.AccountStale(gap=item.gap, cause=item.cause)
        case items.PushKicked():
            if kick_key(item.connection) in state.frozen_for:
                return None
            return account_events.AccountFrozen(cause=KICKED, detail=item.connection)
        case items.HaltFileSeen():
            return decide_halt_file(state, item)
        case items.AccountBegins():
            if state.opened is not None:
                return None
            return account_events.AccountOpened(
                environment=item.environment,
                mode=item.mode,
                ledger_id=item.ledger_id,
                login=item.login,
            )
        case items.WorkerStarts():
            if state.run_id == item.run_id:
                return None
            return account_events.AccountWorkerStarted(
                run_id=item.run_id, number_check=item.number_check
            )
        case items.Unreadable():
            if message_key(item) in state.handled:
                return None
            return account_events.CommandUnreadable(
                code=item.code,
                subject=item.subject,
                stream=item.stream,
                sequence=item.sequence,
                body_digest=item.body_digest,
                detail=item.detail,
            )
        case _:
            assert_never(item)


def _round_completed(state: AccountState, item: readings.RoundCompleted) -> Event | None:
    if state.is_stale and item.gaps >= state.gap:
        return account_events.AccountReconciled(
            orders_read=item.orders_read,
            orders_since=item.orders_since,
            listed_at=item.listed_at or msgspec.UNSET,
        )
    return _verified(state, item) or _listed(state, item)


def _listed(state: AccountState, item: readings.RoundCompleted) -> Event | None:
    """Return how far the listings went, if that is not recorded for about a day."""
    if state.is_stale or item.listed_at is None:
        return None
    # A broker's clock that was ahead is corrected in the same way.
    if state.listed_at is not None and abs(item.listed_at - state.listed_at) < LISTED_EVERY:
        return None
    return account_events.AccountListed(listed_at=item.listed_at)


def _verified(state: AccountState, item: readings.RoundCompleted) -> Event | None:
    if item.open_symbols is None:
        # This ledger's own word for what is open at the broker is not enough.
        return None
    for scope, halted_n in sorted(state.unverified_halts.items()):
        # Counted, not timed: clocks are set, and the line only grows.
        is_later = item.after_n >= halted_n
        is_open = is_open_under(state, scope, item.open_symbols)
        if is_later and not is_open and not _may_arrive(state, scope, item.open_from):
            return account_events.AccountHaltVerified(symbol=scope, orders_read=item.orders_read)
    return None


def _may_arrive(state: AccountState, scope: str, open_from: datetime | None) -> bool:
    """Say whether an order that a person released might have reached the broker since then."""
    released = (state.orders[order_id] for order_id in state.released_orders)
    return any(
        open_from is None or order.arrives_by >= open_from
        for order in released
        if scope in ("", order.spec.symbol)
    )
