"""The desk: what follows from one item, given what is true of the account.

`decide` is total and pure: at most one event per item, or none. A "no" is an event too. What an
event leads to outside (a call, a read) is the worker's business; see `adapters/tiger_worker`.
"""

from typing import assert_never

from core import events, items
from core.account_state import AccountState, message_key
from core.commands import (
    CancelOrder,
    HaltAccount,
    PreviewOrder,
    ReleaseOrder,
    ResumeAccount,
    SubmitOrder,
)
from core.context import Context
from core.events import Event
from core.orders import DOUBTFUL_PHASES, CancelPhase, Phase
from core.previewing import decide_preview
from core.refusals import NEXT_STEP, Refusal
from core.sightings import decide_balances, decide_positions, decide_seen
from core.submitting import decide_submit, is_reducing


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
            return _cancel_answered(state, item)
        case items.ActAbandoned():
            return _abandoned(state, item)
        case items.OrderSeen():
            return decide_seen(state, item)
        case items.AbsenceConfirmed():
            return _absent(state, item, context)
        case items.PositionsSeen():
            return decide_positions(state, item)
        case items.BalancesSeen():
            return decide_balances(state, item)
        case _:
            return _account(state, item)


def waits(state: AccountState, item: items.Item) -> bool:
    """Say whether an item must wait for an act that is open, at most until its expiry.

    Opening orders of a symbol wait while one of that symbol is being sent; a cancel waits only
    for an earlier cancel of the same order.
    """
    if not isinstance(item, items.CommandItem) or item.command_id in state.handled:
        return False
    match item.command:
        case SubmitOrder(preview_id=preview_id):
            preview = state.previews.get(preview_id)
            return (
                preview is not None
                and not is_reducing(state, preview.spec)
                and any(
                    order.phase is Phase.SUBMITTING for order in state.open_of(preview.spec.symbol)
                )
            )
        case CancelOrder(order_id=order_id):
            order = state.orders.get(order_id)
            return order is not None and order.is_open and order.cancel is CancelPhase.STARTED
        case _:
            return False


def wants_reads(state: AccountState, item: items.Item) -> bool:
    """Say whether an item needs answers of the broker before it can be decided."""
    return (
        isinstance(item, items.CommandItem)
        and isinstance(item.command, PreviewOrder)
        and item.command_id not in state.handled
    )


def _command(state: AccountState, item: items.CommandItem, context: Context) -> Event | None:
    if item.command_id in state.handled:
        return None
    # A halt is never too late; everything else that expired would act on an old wish.
    if item.expires_at < context.now and not isinstance(item.command, HaltAccount):
        return refused(item, Refusal.COMMAND_EXPIRED, "it was asked too long ago")
    match item.command:
        case PreviewOrder():
            return None
        case SubmitOrder():
            return decide_submit(state, item, item.command, context)
        case CancelOrder():
            return _cancel(state, item, item.command)
        case HaltAccount(symbol=symbol, detail=detail):
            return events.AccountHalted(
                command_id=item.command_id, person=item.principal, symbol=symbol, detail=detail
            )
        case ResumeAccount(symbol=symbol):
            return events.AccountResumed(
                command_id=item.command_id, person=item.principal, symbol=symbol
            )
        case ReleaseOrder():
            return _release(state, item, item.command)
        case _:
            assert_never(item.command)


def refused(
    item: items.CommandItem, code: Refusal, detail: str, *, order_id: str = "", preview_id: str = ""
) -> events.OrderRefused:
    """Return the event of a "no", with what to do next in its text."""
    return events.OrderRefused(
        command_id=item.command_id,
        code=code,
        detail=f"{detail}. {NEXT_STEP[code]}",
        order_id=order_id,
        preview_id=preview_id,
    )


def _cancel(state: AccountState, item: items.CommandItem, command: CancelOrder) -> Event:
    order = state.orders.get(command.order_id)
    if order is None:
        return refused(item, Refusal.ORDER_UNKNOWN, f"there is no order {command.order_id[:40]}")
    match order.phase:
        case Phase.ACCEPTED | Phase.WORKING:
            return events.OrderCancelStarted(
                order_id=order.order_id,
                command_id=item.command_id,
                tiger_order_id=order.tiger_order_id,
            )
        case Phase.SUBMITTING | Phase.UNKNOWN | Phase.NOT_FOUND | Phase.RELEASED:
            return events.OrderCancelWanted(order_id=order.order_id, command_id=item.command_id)
        case Phase.FILLED | Phase.CANCELLED | Phase.EXPIRED | Phase.REJECTED | Phase.NOT_SENT:
            return refused(
                item,
                Refusal.ORDER_NOT_OPEN,
                f"order {order.order_id} is {order.phase}",
                order_id=order.order_id,
            )
        case _:
            assert_never(order.phase)


def _release(state: AccountState, item: items.CommandItem, command: ReleaseOrder) -> Event:
    order = state.orders.get(command.order_id)
    if order is None:
        return refused(item, Refusal.ORDER_UNKNOWN, f"there is no order {command.order_id[:40]}")
    if order.phase not in DOUBTFUL_PHASES:
        return refused(
            item,
            Refusal.ORDER_NOT_IN_DOUBT,
            f"order {order.order_id} is {order.phase}",
            order_id=order.order_id,
        )
    return events.OrderReleased(
        order_id=order.order_id, command_id=item.command_id, person=item.principal
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


def _cancel_answered(state: AccountState, item: items.CancelAnswered) -> Event | None:
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


def _abandoned(state: AccountState, item: items.ActAbandoned) -> Event | None:
    order = state.orders.get(item.order_id)
    if order is None:
        return None
    if order.phase is Phase.SUBMITTING:
        return events.OrderOutcomeUnknown(order_id=order.order_id, cause="worker_restarted")
    if order.cancel is CancelPhase.STARTED:
        return events.OrderCancelUnknown(order_id=order.order_id, cause="worker_restarted")
    return None


def _absent(state: AccountState, item: items.AbsenceConfirmed, context: Context) -> Event | None:
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
    items.RoundCompleted
    | items.GapNoticed
    | items.HaltFileSeen
    | items.AccountBegins
    | items.WorkerStarts
    | items.Unreadable
)


def _account(state: AccountState, item: _AccountItem) -> Event | None:
    match item:
        case items.RoundCompleted():
            if not state.is_stale or item.gaps < state.gap:
                return None
            return events.AccountReconciled(
                orders_read=item.orders_read, orders_since=item.orders_since
            )
        case items.GapNoticed():
            if item.gap <= state.gap:
                return None
            return events.AccountStale(gap=item.gap, cause=item.cause)
        case items.HaltFileSeen():
            if state.is_halted:
                return None
            return events.AccountHalted(
                command_id="", person="halt file", symbol="", detail=item.detail
            )
        case items.AccountBegins():
            if state.opened is not None:
                return None
            return events.AccountOpened(
                environment=item.environment,
                mode=item.mode,
                ledger_id=item.ledger_id,
                login=item.login,
            )
        case items.WorkerStarts():
            if state.run_id == item.run_id:
                return None
            return events.AccountWorkerStarted(run_id=item.run_id)
        case items.Unreadable():
            if message_key(item) in state.handled:
                return None
            return events.CommandUnreadable(
                code=item.code,
                subject=item.subject,
                stream=item.stream,
                sequence=item.sequence,
                body_digest=item.body_digest,
                detail=item.detail,
            )
        case _:
            assert_never(item)
