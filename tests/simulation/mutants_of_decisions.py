"""Deliberate mistakes in what is decided; see `tests.simulation.mutants`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime
from typing import Any, Final
from unittest.mock import patch

from msgspec.structs import replace

from adapters.tiger_worker import words
from adapters.tiger_worker.desk import Desk
from adapters.tiger_worker.evidence import Evidence
from adapters.tiger_worker.file_halt import FileHalt, Standing
from adapters.tiger_worker.halt_journal import HaltNote
from adapters.tiger_worker.parts import Work
from core import account_events, cancelling, events, items, readings, sightings
from core.account_state import AccountState
from core.commands import HaltAccount, ModifyOrder, SubmitOrder
from core.context import Context
from core.desk import decide as real_decide
from core.events import Event
from core.keyed import Keyed
from core.orders import DOUBTFUL_PHASES, CancelPhase, Phase

Mutant = Callable[[], AbstractContextManager[Any]]
Decide = Callable[[AccountState, items.Item, Context], Event | None]


def guess_that_abandoned_was_not_sent() -> AbstractContextManager[Any]:
    """An order found submitting at start counts as never sent."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        event = decide(state, item, context)
        if isinstance(item, items.ActAbandoned) and isinstance(event, events.OrderOutcomeUnknown):
            return events.OrderNotSent(order_id=event.order_id, cause="worker_restarted")
        return event

    return decides(mutate)


def trust_an_empty_list() -> AbstractContextManager[Any]:
    """A live order that one listing lacks counts as cancelled."""
    count = Evidence._count_absences

    def at_once(self: Evidence, listing: Any, *more: Any, **others: Any) -> None:
        count(self, listing, *more, **others)
        listed = {words.text(row, "userMark") for row in listing.rows}
        for order_id in self._state.open_orders:
            order = self._state.orders[order_id]
            live = (Phase.ACCEPTED, Phase.WORKING)
            if order.phase in live and order.mark and order.mark not in listed:
                absence = readings.AbsenceConfirmed(
                    order_id=order_id, listings=1, first_listing_at=order.arrives_by
                )
                self._tell(absence)

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.AbsenceConfirmed):
            order = state.orders.get(item.order_id)
            if order is not None and order.phase in (Phase.ACCEPTED, Phase.WORKING):
                return events.OrderCancelled(
                    order_id=order.order_id,
                    filled_quantity=order.filled_quantity,
                    average_price=None,
                )
        return decide(state, item, context)

    return both(patch.object(Evidence, "_count_absences", at_once), decides(mutate))


def match_by_tuple() -> AbstractContextManager[Any]:
    """An order in doubt is any order of the same symbol, side and quantity."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.OrderSeen) and item.tiger_order_id not in state.by_tiger_id:
            for order in state.orders.values():
                spec = order.spec
                is_like = (spec.symbol, spec.side, spec.quantity) == (
                    item.symbol,
                    item.side,
                    item.quantity,
                )
                if order.phase in DOUBTFUL_PHASES and not order.tiger_order_id and is_like:
                    return events.OrderAccepted(
                        order_id=order.order_id,
                        tiger_order_id=item.tiger_order_id,
                        evidence="listing",
                    )
        return decide(state, item, context)

    return decides(mutate)


def accept_foreign_marks() -> AbstractContextManager[Any]:
    """An order under a mark of ours that this ledger never wrote is a mere stranger."""
    return patch.object(sightings, "_foreign_claim", lambda *_: None)


def open_before_the_first_verdict() -> AbstractContextManager[Any]:
    """Orders are taken before the account is reconciled."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        is_submit = isinstance(item, items.CommandItem) and isinstance(item.command, SubmitOrder)
        is_asked = is_submit or isinstance(item, items.PreviewAnswered)
        return decide(replace(state, is_stale=False) if is_asked else state, item, context)

    return decides(mutate)


def open_while_halted() -> AbstractContextManager[Any]:
    """A halt is written down and changes nothing."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        is_submit = isinstance(item, items.CommandItem) and isinstance(item.command, SubmitOrder)
        is_preview = isinstance(item, items.PreviewAnswered)
        free = replace(state, is_halted=False, halted_symbols=frozenset())
        return decide(free if is_submit or is_preview else state, item, context)

    return decides(mutate)


def decide_again_on_redelivery() -> AbstractContextManager[Any]:
    """A command that comes again is decided again."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.CommandItem) and not isinstance(item.command, HaltAccount):
            return decide(replace(state, handled=Keyed[Any]()), item, context)
        return decide(state, item, context)

    return decides(mutate)


def count_unknown_as_nothing() -> AbstractContextManager[Any]:
    """An order in doubt neither blocks its symbol nor counts against it."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.CommandItem) and isinstance(item.command, SubmitOrder):
            doubtful = {
                order_id
                for order_id in state.open_orders
                if state.orders[order_id].phase in DOUBTFUL_PHASES
            }
            free = replace(
                state,
                open_orders=state.open_orders - doubtful,
                watched_orders=state.watched_orders - doubtful,
            )
            return decide(free, item, context)
        return decide(state, item, context)

    return decides(mutate)


def drop_the_fills_of_a_cancelled_order() -> AbstractContextManager[Any]:
    """A cancelled order is taken to have no fills."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.OrderSeen) and item.phase is readings.SeenPhase.CANCELLED:
            item = replace(item, executions=())
        return decide(state, item, context)

    return decides(mutate)


def record_a_fill_whenever_it_is_seen() -> AbstractContextManager[Any]:
    """Fills are not told apart by their execution ids."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.OrderSeen) and item.executions:
            order_id = state.by_tiger_id.get(item.tiger_order_id)
            order = state.orders.get(order_id) if order_id is not None else None
            if order is not None and order.recorded_quantity < 2 * item.filled_quantity:
                return decide(replace(state, executions=Keyed[Any]()), item, context)
        return decide(state, item, context)

    return decides(mutate)


def invent_the_missing_fill() -> AbstractContextManager[Any]:
    """A listing that says more was filled than is known gets a fill made up for it."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.OrderSeen) and item.executions:
            first = item.executions[0]
            whole = replace(first, execution_id="made up", quantity=item.filled_quantity)
            item = replace(item, executions=(whole,))
        return decide(state, item, context)

    return decides(mutate)


def take_not_found_for_cancelled() -> AbstractContextManager[Any]:
    """A refused cancel means that the order is gone."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.CancelAnswered) and item.outcome is items.Outcome.REFUSED:
            order = state.orders.get(item.order_id)
            if order is not None and order.is_open and order.cancel is CancelPhase.STARTED:
                return _cancelled(order)
        return decide(state, item, context)

    return decides(mutate)


def take_a_cancel_request_for_the_end() -> AbstractContextManager[Any]:
    """A cancel that the broker took ends the order at once."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.CancelAnswered) and item.outcome is items.Outcome.DONE:
            order = state.orders.get(item.order_id)
            if order is not None and order.is_open and order.cancel is CancelPhase.STARTED:
                return _cancelled(order)
        return decide(state, item, context)

    return decides(mutate)


def count_a_round_for_later_gaps() -> AbstractContextManager[Any]:
    """A round heals the gaps that were noticed while it ran."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.RoundCompleted):
            item = replace(item, gaps=state.gap)
        return decide(state, item, context)

    return decides(mutate)


def verify_halts_by_the_clock() -> AbstractContextManager[Any]:
    """A round is later than a halt when the clock says so that dates the ledger."""
    halted_at: dict[tuple[str, int], datetime] = {}
    record = Desk._record

    def note(self: Desk, event: Event, work: Work) -> bool:
        is_clean = record(self, event, work)
        if isinstance(event, account_events.AccountHalted) and self._tail.recorded_at is not None:
            halted_at[self.state.account, self.n] = self._tail.recorded_at
        return is_clean

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, readings.RoundCompleted):
            halts = [n for _, n in state.unverified_halts.items()]
            past = [n for n in halts if halted_at[state.account, n] < context.now]
            item = replace(item, after_n=max(past, default=0))
        return decide(state, item, context)

    return both(patch.object(Desk, "_record", note), decides(mutate))


def lay_a_change_over_whatever_holds() -> AbstractContextManager[Any]:
    """A change that was agreed to on some terms is made of an order that has others by now."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.ModifyPrepared) and isinstance(item.item.command, ModifyOrder):
            blind = replace(item.item.command, seen=None)
            item = replace(item, item=replace(item.item, command=blind))
        return decide(state, item, context)

    return decides(mutate)


def take_a_strangers_leg_for_ours() -> AbstractContextManager[Any]:
    """What the broker made of any order is ours."""
    return patch.object(
        cancelling,
        "is_from_elsewhere",
        lambda _, order: order.is_external and not order.parent_order_id,
    )


def halt_once_for_all_files() -> AbstractContextManager[Any]:
    """A halt file on an account that is halted already is that same halt."""

    def mutate(decide: Decide, state: AccountState, item: items.Item, context: Context) -> Any:
        if isinstance(item, items.HaltFileSeen) and state.is_halted:
            return None
        return decide(state, item, context)

    def is_told(_: Any, note: HaltNote, standing: Standing | None) -> bool:
        return note.is_told or (standing is not None and standing.is_halted)

    return both(decides(mutate), patch.object(FileHalt, "_is_told", is_told))


def _cancelled(order: Any) -> events.OrderCancelled:
    return events.OrderCancelled(
        order_id=order.order_id, filled_quantity=order.filled_quantity, average_price=None
    )


def decides(
    mutate: Callable[[Decide, AccountState, items.Item, Context], Event | None],
) -> AbstractContextManager[Any]:
    return patch(
        "adapters.tiger_worker.desk.decide",
        lambda state, item, context: mutate(real_decide, state, item, context),
    )


@contextmanager
def both(*parts: AbstractContextManager[Any]) -> Iterator[None]:
    """Make several changes for one mistake."""
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        yield


DECISIONS: Final[tuple[Mutant, ...]] = (
    guess_that_abandoned_was_not_sent,
    trust_an_empty_list,
    match_by_tuple,
    accept_foreign_marks,
    open_before_the_first_verdict,
    open_while_halted,
    decide_again_on_redelivery,
    count_unknown_as_nothing,
    drop_the_fills_of_a_cancelled_order,
    record_a_fill_whenever_it_is_seen,
    invent_the_missing_fill,
    take_not_found_for_cancelled,
    take_a_cancel_request_for_the_end,
    count_a_round_for_later_gaps,
    verify_halts_by_the_clock,
    lay_a_change_over_whatever_holds,
    take_a_strangers_leg_for_ours,
    halt_once_for_all_files,
)
