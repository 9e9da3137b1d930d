"""What one stored fact changes in the views: pure, and complete over every event type.

The life of an order is not written here a second time: `core.account_state.evolve` moves it, on a
state that holds this order alone, so that the projector need not keep what a desk must remember
for ever (handled commands, numbers, marks).
"""

from typing import Final, TypeVar, assert_never

from msgspec.structs import replace

from core import account_events, events, parent_events, preview_events
from core.account_state import AccountState
from core.codec import Recorded
from core.errors import CorruptRecordError
from core.evolving import evolve
from core.keyed import Keyed
from core.order_folds import CancelEvent, ModifyEvent, order_after
from core.orders import Order
from core.subjects import SYSTEM
from projections.account_folds import (
    frozen_symbols,
    with_breaks,
    with_cash_break,
    with_halt,
    with_token,
    with_verified,
)
from projections.entries import AccountEntry, Change, OrderEntry, execution_of

_V = TypeVar("_V")


class _Forgotten(Keyed[_V]):
    """Takes what only a desk must remember, and keeps none of it; a copy per event would cost."""

    __slots__ = ()

    def put(self, key: str, value: _V) -> "_Forgotten[_V]":  # noqa: ARG002  # keeps nothing
        return self


class _Alone(Keyed[Order]):
    """A map of at most the one order that an event is about."""

    __slots__ = ("_order",)

    def __init__(self, order: Order | None = None) -> None:
        self._order = order

    def put(self, key: str, value: Order) -> "_Alone":
        assert key == value.order_id, "an order stands under its own id"
        return _Alone(value)

    def get(self, key: str) -> Order | None:
        return self._order if self._order is not None and self._order.order_id == key else None

    def __getitem__(self, key: str) -> Order:
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found


_BLANK: Final = AccountState(
    orders=_Alone(),
    by_tiger_id=_Forgotten(),
    by_mark=_Forgotten(),
    executions=_Forgotten(),
    fills=_Forgotten(),
    numbers=_Forgotten(),
    handled=_Forgotten(),
    positions=_Forgotten(),
    observed=_Forgotten(),
    frozen_for=_Forgotten(),
)
_NOTHING: Final = Change()

# An order event that moves the phase says why; a cancel's or a change's leaves the phase alone.
_PhaseEvent = (
    events.OrderAccepted
    | events.OrderNotSent
    | events.OrderOutcomeUnknown
    | events.OrderNotFound
    | events.OrderReleased
    | events.OrderWorking
    | events.OrderFilled
    | events.OrderCancelled
    | events.OrderExpired
    | events.OrderRejected
    | events.OrderAnswerObserved
    | events.OrderWasOurs
)
_SystemEvent = account_events.AccountAdded | account_events.AccountRemoved
_LaterOrderEvent = (
    _PhaseEvent
    | CancelEvent
    | ModifyEvent
    | events.OrderFillRecorded
    | events.OrderFillTakenBack
    | events.OrderTermsObserved
    | events.OrderChargesObserved
    | events.OrderCancelImported
    | parent_events.OrderParentObserved
)


def changed_order_id(event: events.Event) -> str | None:
    """Return the id of the order that must be known before the event can be folded."""
    return event.order_id if isinstance(event, _LaterOrderEvent) else None


def claimed_tiger_id(event: events.Event) -> str:
    """Return the broker's id that the event gives an order unless another order has it, or ""."""
    return event.tiger_order_id if isinstance(event, events.OrderAnswerObserved) else ""


def moved_from(event: events.Event) -> str:
    """Return the id of the stranger whose fills the event makes another order's, or ""."""
    return event.moved_from if isinstance(event, events.OrderAccepted) else ""


def changed_alias(recorded: Recorded) -> str:
    """Return the account whose entry the event is about: not always the one that recorded it."""
    event = recorded.data
    return event.alias if isinstance(event, _SystemEvent) else recorded.account


def fold(
    account: AccountEntry,
    order: OrderEntry | None,
    recorded: Recorded,
    *,
    stranger: OrderEntry | None = None,
    is_tiger_id_known: bool = False,
) -> Change:
    """Return what the event changes, but for whose the executions of a stranger are from then on.

    Args:
        account: the entry of `changed_alias(recorded)`, blank for a new one.
        order: the entry of `changed_order_id(recorded.data)`, where there is one.
        stranger: the entry of `moved_from(recorded.data)`, where there is one.
        is_tiger_id_known: an order of the account has the id `claimed_tiger_id(recorded.data)`.

    Raises:
        CorruptRecordError: the event names an order that its line never began, or stands in a
            line that may not hold it.
    """
    event = recorded.data
    if (recorded.account == SYSTEM) != isinstance(event, _SystemEvent):
        raise CorruptRecordError(f"expected no {recorded.type} in the line of {recorded.account}")
    match event:
        case (
            preview_events.OrderPreviewed()
            | events.OrderRefused()
            | account_events.CommandUnreadable()
            | account_events.AccountCancelsAsked()
            | account_events.AccountListed()
        ):
            return _NOTHING
        case account_events.AccountHaltVerified():
            return Change(account=with_verified(account, event.symbol))
        case account_events.AccountCashBreak():
            return Change(account=with_cash_break(account, event, recorded))
        case events.OrderSubmissionStarted() | events.OrderExternalObserved():
            return Change(order=_began(event, recorded))
        case events.OrderFillRecorded() | events.OrderFillTakenBack():
            moved = _moved(order, event, recorded).with_fill(event)
            return Change(order=moved, execution=execution_of(event, moved.order, recorded))
        case (
            events.OrderTermsObserved()
            | events.OrderChargesObserved()
            | events.OrderCancelImported()
            | parent_events.OrderParentObserved()
        ):
            return Change(order=_moved(order, event, recorded))
        case events.OrderAnswerObserved():
            moved = _moved(order, event, recorded, is_tiger_id_known=is_tiger_id_known)
            return Change(order=replace(moved, cause=_cause(event)))
        case events.OrderAccepted():
            moved = _moved(order, event, recorded)
            moved = moved if stranger is None else moved.with_moved(stranger)
            return Change(order=replace(moved, cause=_cause(event)))
        case events.OrderWasOurs():
            moved = _moved(order, event, recorded).without_prices()
            return Change(order=replace(moved, cause=_cause(event)))
        case (
            events.OrderNotSent()
            | events.OrderOutcomeUnknown()
            | events.OrderNotFound()
            | events.OrderReleased()
            | events.OrderWorking()
            | events.OrderFilled()
            | events.OrderCancelled()
            | events.OrderExpired()
            | events.OrderRejected()
        ):
            moved = _moved(order, event, recorded)
            return Change(order=replace(moved, cause=_cause(event)))
        case (
            events.OrderCancelStarted()
            | events.OrderCancelWanted()
            | events.OrderCancelRequested()
            | events.OrderCancelRefused()
            | events.OrderCancelUnknown()
        ):
            moved = _moved(order, event, recorded)
            return Change(order=replace(moved, cancel_cause=_cancel_cause(event)))
        case (
            events.OrderModifyStarted()
            | events.OrderModifyRequested()
            | events.OrderModifyRefused()
            | events.OrderModifyNotSent()
            | events.OrderModifyUnknown()
            | events.OrderModifyNotApplied()
            | events.OrderReplaced()
        ):
            moved = _moved(order, event, recorded)
            return Change(order=replace(moved, modify_cause=_modify_cause(event)))
        case account_events.AccountPositionsObserved():
            return Change(positions=event)
        case account_events.AccountBalancesObserved():
            return Change(balances=event)
        case account_events.AccountAdded():
            return Change(account=replace(account, added=event, is_removed=False))
        case account_events.AccountRemoved():
            return Change(account=replace(account, is_removed=True))
        case (
            account_events.TokenIssued()
            | account_events.TokenRefreshed()
            | account_events.TokenRefreshFailed()
            | account_events.TokenExpiring()
            | account_events.TokenExpired()
            | account_events.TokenRevoked()
        ):
            return Change(account=with_token(account, event, recorded))
        case (
            account_events.AccountPositionBreak()
            | account_events.AccountPositionAgreed()
            | account_events.AccountPositionAdopted()
        ):
            return Change(account=with_breaks(account, event, recorded))
        case (
            account_events.AccountOpened()
            | account_events.AccountWorkerStarted()
            | account_events.AccountReconciled()
            | account_events.AccountStale()
            | account_events.AccountFrozen()
            | account_events.AccountHalted()
            | account_events.AccountResumed()
            | account_events.AccountModeSet()
        ):
            return Change(account=_account(account, event, recorded))
        case _:
            assert_never(event)


def _began(
    event: events.OrderSubmissionStarted | events.OrderExternalObserved, recorded: Recorded
) -> OrderEntry:
    order = evolve(_BLANK, recorded).orders[event.order_id]
    return OrderEntry(order=order, n=recorded.n, updated_at=recorded.recorded_at)


def _moved(
    entry: OrderEntry | None,
    event: _LaterOrderEvent,
    recorded: Recorded,
    *,
    is_tiger_id_known: bool = False,
) -> OrderEntry:
    if entry is None:
        raise CorruptRecordError(
            f"expected an order that the line of {recorded.account} began, was {event.order_id}"
        )
    order = order_after(entry.order, event, is_tiger_id_new=not is_tiger_id_known)
    return replace(entry, order=order, updated_at=recorded.recorded_at)


def _cause(event: _PhaseEvent) -> str:
    match event:
        case events.OrderNotSent() | events.OrderOutcomeUnknown():
            return event.cause
        case events.OrderNotFound():
            return f"{event.listings} complete listings do not show it"
        case events.OrderReleased():
            return f"released by {event.person}"
        case events.OrderWasOurs():
            return f"it was ours: {event.owner_order_id}"
        case events.OrderRejected():
            return event.detail
        case events.OrderAnswerObserved(tiger_order_id=""):
            return f"a late answer of the broker: {event.outcome} {event.detail}".rstrip()
        case (
            events.OrderAccepted()
            | events.OrderWorking()
            | events.OrderFilled()
            | events.OrderCancelled()
            | events.OrderExpired()
            | events.OrderAnswerObserved()
        ):
            return ""
        case _:
            assert_never(event)


def _cancel_cause(event: CancelEvent) -> str:
    match event:
        case events.OrderCancelRefused():
            return f"cancel refused: {event.detail}"
        case events.OrderCancelUnknown():
            return f"cancel in doubt: {event.cause}"
        case (
            events.OrderCancelStarted() | events.OrderCancelWanted() | events.OrderCancelRequested()
        ):
            return ""
        case _:
            assert_never(event)


def _modify_cause(event: ModifyEvent) -> str:
    match event:
        case events.OrderModifyRefused():
            return f"change refused: {event.detail}"
        case events.OrderModifyNotSent():
            return f"change not sent: {event.cause}"
        case events.OrderModifyUnknown():
            return f"change in doubt: {event.cause}"
        case events.OrderModifyNotApplied():
            return f"change not applied: {event.listings} complete listings show the old terms"
        case events.OrderModifyStarted() | events.OrderModifyRequested() | events.OrderReplaced():
            return ""
        case _:
            assert_never(event)


def _account(
    entry: AccountEntry,
    event: (
        account_events.AccountOpened
        | account_events.AccountWorkerStarted
        | account_events.AccountReconciled
        | account_events.AccountStale
        | account_events.AccountFrozen
        | account_events.AccountHalted
        | account_events.AccountResumed
        | account_events.AccountModeSet
    ),
    recorded: Recorded,
) -> AccountEntry:
    state = evolve(
        replace(
            _BLANK,
            opened=entry.opened,
            run_id=entry.run_id,
            is_stale=entry.is_stale,
            frozen_cause=entry.frozen_cause,
            frozen_symbols=frozenset(frozen.symbol for frozen in entry.frozen_symbols),
            is_halted=entry.is_halted,
            halted_symbols=frozenset(entry.halted_symbols),
        ),
        recorded,
    )
    if isinstance(event, account_events.AccountHalted):
        entry = with_halt(entry, event, recorded.n)
    elif isinstance(event, account_events.AccountResumed):
        entry = with_verified(entry, event.symbol)
    elif isinstance(event, account_events.AccountReconciled):
        entry = replace(entry, reconciled_at=recorded.recorded_at)
    stale_cause, frozen_detail, halt_detail = (
        entry.stale_cause,
        entry.frozen_detail,
        entry.halt_detail,
    )
    if isinstance(event, account_events.AccountStale):
        stale_cause = event.cause
    elif isinstance(event, account_events.AccountWorkerStarted):
        stale_cause = ""
    elif isinstance(event, account_events.AccountFrozen) and not event.symbol:
        frozen_detail = event.detail
    elif isinstance(event, account_events.AccountHalted) and not (
        event.symbol or event.is_repeated
    ):
        halt_detail = f"by {event.person}: {event.detail}"
    return replace(
        entry,
        opened=state.opened,
        run_id=state.run_id,
        is_stale=state.is_stale,
        stale_cause=stale_cause if state.is_stale else "",
        frozen_cause=state.frozen_cause,
        frozen_detail=frozen_detail if state.frozen_cause else "",
        frozen_symbols=frozen_symbols(entry, event, state.frozen_symbols),
        is_halted=state.is_halted,
        halt_detail=halt_detail if state.is_halted else "",
        # The order of a set differs from process to process; a rebuilt view must not.
        halted_symbols=tuple(sorted(state.halted_symbols)),
    )
