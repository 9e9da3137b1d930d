"""Findings of the review of the core on changes, gaps, ends and doubts of orders."""

from decimal import Decimal

import pytest

from core import account_events, events, items, readings
from core.codec import FIRST_PREV, decode, encode
from core.desk import decide
from core.evolving import evolve
from core.items import Outcome
from core.orders import Phase
from core.readings import SeenPhase
from core.refusals import Refusal
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_findings import (
    ACCEPTED_LINE,
    LONG_100,
    ORDER,
    STRANGER,
    WORKING_LINE,
    ended_filled,
    phase_of,
    sells,
    types_of,
)

# --- orders that were changed elsewhere -----------------------------------------------------


@pytest.mark.parametrize(
    "row,quantity,limit_price",
    [
        (core_items.seen(quantity="250"), "250", "10.50"),
        (core_items.seen(limit_price="11.00"), "100", "11.00"),
        (core_items.seen(order_type=None, limit_price="11.00"), "100", None),
    ],
)
def test_order_that_was_changed_elsewhere_is_recorded_with_its_new_terms(
    row: readings.OrderSeen, quantity: str, limit_price: str | None
) -> None:
    price = None if limit_price is None else Decimal(limit_price)
    desk = facts.TestDesk(*WORKING_LINE)
    assert desk.settle(row) == [
        events.OrderTermsObserved(order_id=ORDER, quantity=Decimal(quantity), limit_price=price)
    ]
    order = desk.state.orders[ORDER]
    assert (order.spec.quantity, order.spec.limit_price) == (Decimal(quantity), price)
    assert order.unsettled_quantity == Decimal(quantity)
    assert desk.settle(row) == []


def test_order_from_elsewhere_may_change_too() -> None:
    desk = facts.TestDesk(*facts.ready(LONG_100))
    desk.settle(core_items.external(quantity="60"))
    desk.settle(core_items.external(quantity="80"))
    assert (sells(desk.state, "20"), sells(desk.state, "21")) == (True, False)


def test_stop_order_from_elsewhere_has_no_change_of_terms() -> None:
    desk = facts.TestDesk(*facts.ready())
    row = core_items.seen(tiger="t-9", mark="", number="0", order_type=None, limit_price="9.00")
    assert events.OrderTermsObserved not in types_of(desk.settle(row))


@pytest.mark.parametrize("quantity", ["0", "0.123456789", "123456789012345678"])
def test_order_from_elsewhere_may_have_any_size(quantity: str) -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.settle(core_items.external(quantity=quantity))
    assert desk.state.orders[STRANGER].spec.quantity == Decimal(quantity)
    where, body = encode(facts.recorded(desk.line[-2], 1), prev=FIRST_PREV)
    assert decode(where, body, sequence=1).data == desk.line[-2]


# --- gaps -----------------------------------------------------------------------------------


def test_round_that_began_before_a_gap_does_not_heal_it() -> None:
    desk = facts.TestDesk(*facts.ready())
    assert desk.when(core_items.gap_noticed(1)) == facts.stale(1)
    assert desk.when(core_items.round_completed(0)) is None
    assert desk.state.is_stale
    assert isinstance(desk.when(core_items.round_completed(1)), account_events.AccountReconciled)
    assert not desk.state.is_stale


def test_second_gap_while_stale_is_stored_and_needs_a_round_of_its_own() -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.when(core_items.gap_noticed(1))
    assert desk.when(core_items.gap_noticed(2)) == facts.stale(2)
    assert desk.when(core_items.round_completed(1)) is None
    assert isinstance(desk.when(core_items.round_completed(2)), account_events.AccountReconciled)
    assert desk.when(core_items.gap_noticed(2)) is None


def test_gaps_of_a_new_worker_count_from_one_again() -> None:
    desk = facts.TestDesk(*facts.ready(facts.stale(5)))
    desk.when(items.WorkerStarts(run_id="run-2"))
    assert isinstance(desk.when(core_items.round_completed(0)), account_events.AccountReconciled)
    assert desk.when(core_items.gap_noticed(1)) == facts.stale(1)


# --- orders that were done ------------------------------------------------------------------


@pytest.mark.parametrize(
    "end", [SeenPhase.FILLED, SeenPhase.CANCELLED, SeenPhase.EXPIRED, SeenPhase.REJECTED]
)
def test_done_order_that_is_listed_live_is_open_again(end: SeenPhase) -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    filled = "100" if end is SeenPhase.FILLED else "0"
    desk.settle(core_items.seen(end, filled=filled))
    assert ORDER not in desk.state.open_orders
    assert desk.settle(core_items.seen(filled=filled)) == [facts.working(filled=filled)]
    assert desk.state.open_orders == {ORDER}


@pytest.mark.parametrize(
    "end,event_type",
    [
        (SeenPhase.CANCELLED, events.OrderCancelled),
        (SeenPhase.EXPIRED, events.OrderExpired),
        (SeenPhase.REJECTED, events.OrderRejected),
    ],
)
def test_done_order_may_turn_out_to_be_filled_further(
    end: SeenPhase, event_type: type[events.Event]
) -> None:
    first, second = core_items.execution("e1", "40"), core_items.execution("e2", "20")
    desk = facts.TestDesk(*WORKING_LINE)
    desk.settle(core_items.seen(end, first))
    assert desk.settle(core_items.seen(end, first)) == []
    more = core_items.seen(end, first, second)
    assert types_of(desk.settle(more)) == [events.OrderFillRecorded, event_type]
    order = desk.state.orders[ORDER]
    assert (order.filled_quantity, order.recorded_quantity) == (Decimal(60), Decimal(60))
    assert desk.settle(more) == []


def test_word_of_a_fill_below_the_quantity_leaves_the_order_live() -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    row = core_items.seen(SeenPhase.FILLED, core_items.execution("e1", "40"))
    assert types_of(desk.settle(row)) == [events.OrderFillRecorded, events.OrderWorking]
    assert desk.state.open_orders == {ORDER}
    assert desk.state.orders[ORDER].unsettled_quantity == Decimal(60)


# --- orders in doubt that have a broker's id ------------------------------------------------


@pytest.mark.parametrize(
    "doubt",
    [
        (facts.unknown(),),
        (facts.unknown(), facts.not_found()),
        (facts.unknown(), facts.released()),
    ],
)
def test_order_with_an_id_that_was_in_doubt_is_reopened_by_its_sighting(
    doubt: tuple[events.Event, ...],
) -> None:
    desk = facts.TestDesk(*WORKING_LINE, *doubt)
    assert desk.settle(core_items.seen()) == [
        facts.accepted(evidence="listing"),
        facts.working(),
    ]
    assert phase_of(desk) is Phase.WORKING


@pytest.mark.parametrize("line", [ACCEPTED_LINE, WORKING_LINE])
def test_order_that_the_broker_lists_no_more_is_in_doubt_and_no_longer_live(
    line: tuple[events.Event, ...],
) -> None:
    desk = facts.TestDesk(*line, facts.previewed("2"))
    assert desk.when(core_items.absent(seconds=24)) is None
    assert desk.when(core_items.absent(seconds=25, listings=2)) is None
    assert desk.when(core_items.absent(seconds=25)) == events.OrderOutcomeUnknown(
        order_id=ORDER, cause="not_listed"
    )
    refused = desk.when(core_items.submit("2", number="902"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.SYMBOL_IN_DOUBT


# --- orders that nobody knows ---------------------------------------------------------------


@pytest.mark.parametrize(
    "item",
    [
        *(core_items.placed(outcome) for outcome in Outcome),
        *(core_items.cancel_answered(outcome) for outcome in Outcome),
        items.ActAbandoned(order_id=ORDER),
        core_items.absent(seconds=9999),
    ],
)
def test_answer_about_an_order_that_no_ledger_has_leads_to_nothing(item: items.Item) -> None:
    assert decide(facts.fold(facts.ready()), item, facts.context()) is None


@pytest.mark.parametrize(
    "event",
    [
        facts.accepted(),
        facts.working(),
        facts.unknown(),
        facts.not_found(),
        facts.released(),
        facts.fill("e1", "40"),
        ended_filled("40"),
        events.OrderTermsObserved(order_id=ORDER, quantity=Decimal(1), limit_price=None),
        events.OrderCancelStarted(order_id=ORDER, command_id="c", tiger_order_id="t-1"),
        events.OrderCancelRequested(order_id=ORDER),
    ],
)
def test_fact_about_an_order_that_no_ledger_has_changes_nothing(event: events.Event) -> None:
    state = facts.fold(facts.ready())
    assert facts.snapshot(evolve(state, facts.recorded(event, 9))) == facts.snapshot(state)
