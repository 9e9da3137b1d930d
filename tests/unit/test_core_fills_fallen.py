"""Fills that were told of once, and then of fewer: no row alone undoes what was told."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from core import account_events, events, items, readings
from core.lost_fills import FILLS_TAKEN_BACK
from core.orders import Phase
from core.readings import SeenPhase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_figures import balances_seen, breaks, held, positions_seen
from tests.unit.test_core_fills_taken_back import called_filled
from tests.unit.test_core_late_executions import told
from tests.unit.test_core_modify_table import settle

ORDER = facts.order_id_of()
GIVEN = (facts.previewed(), facts.started(), facts.accepted(), facts.working())


def told_of(filled: str, phase: SeenPhase = SeenPhase.LIVE) -> facts.TestDesk:
    """Return a desk that was told of so many fills of order 1, none of which is recorded."""
    desk = facts.TestDesk(*facts.ready(*GIVEN))
    desk.settle(told(filled, phase=phase))
    return desk


def part_filled(filled: str, *executions: readings.ExecutionSeen) -> readings.OrderSeen:
    return replace(called_filled(*executions), filled_quantity=Decimal(filled))


def stands(desk: facts.TestDesk) -> tuple[Phase, Decimal, Decimal]:
    order = desk.state.orders[ORDER]
    return order.phase, order.filled_quantity, order.recorded_quantity


@pytest.mark.parametrize("is_listed", [False, True])
def test_part_called_filled_of_an_order_that_was_told_as_filled_is_left_to_a_person(
    is_listed: bool,
) -> None:
    desk = told_of("100", SeenPhase.FILLED)
    assert stands(desk)[0] is Phase.FILLED
    executions = (core_items.execution("e2", "60"),) if is_listed else ()
    row = part_filled("60", *executions)
    recorded = Decimal(60 if is_listed else 0)
    # One row is no evidence, and no way back to life.
    desk.settle(row)
    assert stands(desk) == (Phase.FILLED, Decimal(100), recorded)
    frozen, doubted = desk.settle(core_items.taken_back(end=None, filled="60"))
    assert isinstance(frozen, account_events.AccountFrozen)
    assert (frozen.cause, frozen.symbol) == (FILLS_TAKEN_BACK, "AAPL")
    assert doubted == events.OrderOutcomeUnknown(
        order_id=ORDER, cause=FILLS_TAKEN_BACK, filled_quantity=Decimal(60)
    )
    assert desk.settle(row) == []
    assert isinstance(desk.when(core_items.release()), events.OrderReleased)
    assert desk.settle(row) == []
    assert stands(desk) == (Phase.RELEASED, Decimal(60), recorded)
    # It was the whole after all.
    whole = told("100", core_items.execution("e2", "60"), core_items.execution("e3", "40"))
    desk.settle(replace(whole, phase=SeenPhase.FILLED))
    assert stands(desk) == (Phase.FILLED, Decimal(100), Decimal(100))


@pytest.mark.parametrize(
    "phase", [SeenPhase.FILLED, SeenPhase.CANCELLED, SeenPhase.EXPIRED, SeenPhase.REJECTED]
)
def test_order_that_is_done_is_live_again_by_no_row_that_falls_short(phase: SeenPhase) -> None:
    desk = told_of("100" if phase is SeenPhase.FILLED else "70", phase)
    before = stands(desk)
    assert desk.settle(told("60")) == []
    assert stands(desk) == before
    *_, working = desk.settle(core_items.taken_back(is_over=False, filled="60"))
    assert isinstance(working, events.OrderWorking)
    assert stands(desk) == (Phase.WORKING, Decimal(60), Decimal(0))


@pytest.mark.parametrize(
    ("phase", "end"),
    [
        (SeenPhase.CANCELLED, events.OrderCancelled),
        (SeenPhase.EXPIRED, events.OrderExpired),
        (SeenPhase.REJECTED, events.OrderRejected),
    ],
)
def test_end_without_fills_that_were_told_is_told_once_it_is_evident(
    phase: SeenPhase, end: type[events.Event]
) -> None:
    desk = told_of("40")
    row = told("0", phase=phase)
    assert desk.settle(row) == []
    assert stands(desk) == (Phase.WORKING, Decimal(40), Decimal(0))
    frozen, doubted = desk.settle(core_items.taken_back(is_over=True))
    assert isinstance(frozen, account_events.AccountFrozen)
    assert isinstance(doubted, events.OrderOutcomeUnknown)
    back, ended = desk.settle(row)
    assert isinstance(back, events.OrderAccepted)
    assert isinstance(ended, end)
    assert desk.state.watched_orders == frozenset()


@pytest.mark.parametrize("phase", [SeenPhase.CANCELLED, SeenPhase.LIVE])
def test_row_that_is_whole_again_tells_its_own_state_at_once(phase: SeenPhase) -> None:
    desk = told_of("40")
    desk.settle(told("0", phase=SeenPhase.CANCELLED))
    desk.settle(told("40", core_items.execution("e1", "40"), phase=phase))
    wanted = {SeenPhase.CANCELLED: Phase.CANCELLED, SeenPhase.LIVE: Phase.WORKING}
    assert stands(desk) == (wanted[phase], Decimal(40), Decimal(40))
    assert desk.state.frozen_symbols == frozenset()


@pytest.mark.parametrize("release", [False, True])
def test_order_off_the_books_is_back_by_no_end_that_falls_short(release: bool) -> None:
    desk = told_of("40")
    desk.settle(core_items.absent(seconds=60))
    assert stands(desk)[0] is Phase.UNKNOWN
    if release:
        desk.when(core_items.release())
    row = told("0", phase=SeenPhase.CANCELLED)
    assert desk.settle(row) == []
    *_, doubted = desk.settle(core_items.taken_back(is_over=True))
    assert isinstance(doubted, events.OrderOutcomeUnknown)
    assert isinstance(desk.settle(row)[-1], events.OrderCancelled)
    assert stands(desk) == (Phase.CANCELLED, Decimal(0), Decimal(0))


def test_order_off_the_books_is_back_by_a_row_that_shows_it_live_whatever_its_fills() -> None:
    desk = told_of("40")
    desk.settle(core_items.absent(seconds=60))
    (back,) = desk.settle(told("0"))
    assert isinstance(back, events.OrderAccepted)
    # What was told of it falls by the same evidence.
    *_, working = desk.settle(core_items.taken_back(is_over=False))
    assert isinstance(working, events.OrderWorking)
    assert stands(desk) == (Phase.WORKING, Decimal(0), Decimal(0))


def test_change_is_not_applied_by_no_end_that_falls_short() -> None:
    changing = (facts.modify_started(quantity="80"),)
    desk = facts.TestDesk(*facts.ready(*GIVEN, facts.working(filled="40"), *changing))
    desk.when(core_items.modify_answered(items.Outcome.UNKNOWN))
    assert desk.settle(told("0", phase=SeenPhase.CANCELLED)) == []
    desk.settle(core_items.taken_back(is_over=True))
    found = desk.settle(told("0", phase=SeenPhase.CANCELLED))
    assert any(isinstance(event, events.OrderModifyNotApplied) for event in found)


def test_figure_that_falls_a_second_time_is_told_after_a_person_resumed() -> None:
    desk = told_of("40")
    desk.settle(core_items.taken_back(is_over=False))
    desk.when(core_items.resume("AAPL"))
    desk.settle(told("40"))
    assert desk.settle(told("0")) == []
    frozen, working = desk.settle(core_items.taken_back(is_over=False))
    assert isinstance(frozen, account_events.AccountFrozen)
    assert isinstance(working, events.OrderWorking)


@pytest.mark.parametrize(
    ("shown", "end"),
    [
        (SeenPhase.CANCELLED, events.OrderCancelled),
        (SeenPhase.EXPIRED, events.OrderExpired),
        (SeenPhase.REJECTED, events.OrderRejected),
        (SeenPhase.FILLED, events.OrderFilled),
        (None, events.OrderOutcomeUnknown),
    ],
)
def test_order_that_was_filled_comes_to_the_end_that_is_shown_without_its_fills(
    shown: SeenPhase | None, end: type[events.Event]
) -> None:
    desk = facts.TestDesk(*facts.ready(*GIVEN))
    desk.settle(told("100", core_items.execution("e1", "100"), phase=SeenPhase.FILLED))
    _, ended = desk.settle(core_items.taken_back(is_over=True, end=shown))
    assert type(ended) is end
    assert stands(desk)[1:] == (Decimal(0), Decimal(100))


# --- orders that are lost from sight ------------------------------------------------------------


def test_fills_of_an_order_that_is_lost_from_sight_hide_no_break() -> None:
    desk = held("0")
    desk.settle(told("40"))
    moved = positions_seen(facts.figure(quantity="500"))
    assert breaks(settle(desk, moved)) == []
    desk.settle(core_items.absent(seconds=60))
    assert stands(desk)[0] is Phase.UNKNOWN
    assert breaks(settle(desk, moved)) == [(Decimal(0), Decimal(500))]
    settle(desk, balances_seen(USD="-99999"))
    assert isinstance(desk.line[-1], account_events.AccountBalancesObserved)
    assert isinstance(desk.line[-2], account_events.AccountCashBreak)
    desk.when(core_items.release())
    assert desk.state.watched_orders == frozenset()
    # What it filled is recorded all the same, and is in the figures that were taken for the base.
    desk.settle(told("40", core_items.execution("e1", "40"), phase=SeenPhase.CANCELLED))
    assert stands(desk) == (Phase.CANCELLED, Decimal(40), Decimal(40))
    assert desk.state.cash_expected.get("USD") == -99999
