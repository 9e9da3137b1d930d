"""Fills that the broker takes back: found by rows and lists together, and by no one look."""

from decimal import Decimal
from typing import Any, Final

import pytest

from adapters.tiger_worker import rates
from adapters.tiger_worker.execution_calls import AGAIN_LEAVE, AGAIN_MAX_S
from adapters.tiger_worker.taken_back import LISTS_WAIT_S, TAKEN_BACK_AFTER_S
from adapters.tiger_worker.windows import LATE_EVERY_S
from core import events, readings
from core.lost_fills import FILLS_TAKEN_BACK
from core.orders import Phase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_poison import stranger
from tests.unit.test_worker_executions import SPREAD, causes, leg_row, reading_rig
from tests.unit.test_worker_reconcile import of, position_row
from tests.unit.test_worker_sweeps import DAY_S, EXECUTION, ORDER, WORKING, SweepRig, at_ms

# As long as one row that falls short takes until what the lists lack is evidence.
EVIDENT: Final = int(TAKEN_BACK_AFTER_S) + 5


def executed(execution_id: str, quantity: int, price: float = 10.5) -> dict[str, Any]:
    return EXECUTION | {"id": execution_id, "filledQuantity": quantity, "filledPrice": price}


def filled_rig(monkeypatch: pytest.MonkeyPatch, **more: Any) -> SweepRig:
    """Return the rounds of an order of 100 of which 40 are recorded, by `e1`, and listed so."""
    rig = SweepRig(monkeypatch, *WORKING, **more)
    show(rig, executed("e1", 40))
    rig.after(0.0, rounds=2)
    assert stands(rig) == (Phase.WORKING, Decimal(40))
    return rig


def show(rig: SweepRig, *executions: dict[str, Any], **row: Any) -> None:
    """Have the broker list these executions, and the order as filled by them."""
    filled = sum(each["filledQuantity"] for each in executions)
    rig.broker_side.book = [order_row(filledQuantity=filled) | row]
    rig.broker_side.executions = list(executions)


def stands(rig: SweepRig) -> tuple[Phase, Decimal]:
    """Return the order's phase, and how much of it is recorded."""
    return rig.order().phase, rig.order().recorded_quantity


def fills(rig: SweepRig) -> list[str]:
    """Return the executions recorded, oldest first, those taken back with a sign."""
    found = []
    for record in rig.rig.ledger.line():
        if isinstance(record.data, events.OrderFillRecorded):
            found.append(record.data.execution_id)
        if isinstance(record.data, events.OrderFillTakenBack):
            found.append(f"-{record.data.execution_id}")
    return found


# --- to its end ---------------------------------------------------------------------------------


def test_order_that_fills_again_after_a_bust_comes_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig)
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "-e1"]
    assert stands(rig) == (Phase.WORKING, Decimal(0))
    # It trades again what was taken back, at another price.
    show(rig, executed("e2", 40, 11.0))
    rig.after(1.0)
    assert rig.order().recorded_quantity == 40
    show(rig, executed("e2", 40, 11.0), executed("e3", 60), status="Filled")
    rig.after(1.0)
    assert fills(rig) == ["e1", "-e1", "e2", "e3"]
    assert stands(rig) == (Phase.FILLED, Decimal(100))
    assert rig.rig.desk.state.watched_orders == frozenset()
    assert dict(rig.rig.desk.state.expected.items()) == {"AAPL@US": 100}
    assert causes(rig) == [(FILLS_TAKEN_BACK, "AAPL")]


@pytest.mark.parametrize("quantity", [40, 60])
def test_what_fills_before_the_bust_is_evident_is_recorded_at_once(
    monkeypatch: pytest.MonkeyPatch, quantity: int
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig)
    rig.after(1.0, rounds=3)
    show(rig, executed("e2", quantity))
    rig.after(1.0)
    assert fills(rig) == ["e1", "e2"]
    rig.after(1.0, rounds=2 * EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e1"]
    assert rig.order().recorded_quantity == rig.order().filled_quantity == quantity
    show(rig, executed("e2", quantity), executed("e3", 100 - quantity), status="Filled")
    rig.after(1.0)
    assert stands(rig) == (Phase.FILLED, Decimal(100))


def test_bust_that_no_row_showed_is_found_once_more_is_recorded_than_filled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig, executed("e2", 40), executed("e3", 60), status="Filled")
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "e2", "e3", "-e1"]
    rig.after(1.0)
    assert stands(rig) == (Phase.FILLED, Decimal(100))


@pytest.mark.parametrize(
    ("status", "phase"), [("Cancelled", Phase.CANCELLED), ("Inactive", Phase.EXPIRED)]
)
def test_order_that_is_over_without_the_fills_comes_to_its_end_without_a_person(
    monkeypatch: pytest.MonkeyPatch, status: str, phase: Phase
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig, status=status)
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "-e1"]
    assert rig.order().phase is phase
    assert "order.outcome_unknown" not in rig.rig.stored()
    assert causes(rig) == [(FILLS_TAKEN_BACK, "AAPL")]
    # And that is all that is asked for.
    rig.after(1.0, rounds=600)
    asked = len(rig.asked("order_transactions"))
    rig.after(1.0, rounds=120)
    assert len(rig.asked("order_transactions")) == asked


def test_part_of_what_was_recorded_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    show(rig, executed("e1", 40), executed("e2", 20))
    rig.after(0.0, rounds=2)
    show(rig, executed("e2", 20), status="Cancelled")
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e1"]
    assert stands(rig) == (Phase.CANCELLED, Decimal(20))


def test_finished_order_loses_what_is_taken_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = filled_rig(monkeypatch)
    show(rig, executed("e1", 40), status="Cancelled")
    rig.after(1.0, rounds=2)
    assert rig.order().phase is Phase.CANCELLED
    show(rig, status="Cancelled")
    # It is in no listing but those of the sweeps.
    rig.after(600.0, rounds=300)
    assert fills(rig) == ["e1", "-e1"]
    assert stands(rig) == (Phase.CANCELLED, Decimal(0))
    assert rig.rig.desk.state.watched_orders == frozenset()


def test_position_and_cash_agree_once_it_is_known_what_was_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, figures_s=0.0)
    monkeypatch.setattr(rates, "time", rig.monotonic)
    show(rig, executed("e1", 40))
    rig.broker_side.positions = [position_row(positionQty=40)]
    rig.broker_side.cash = -420.0
    rig.after(0.0, rounds=5)
    assert list(rig.rig.desk.state.breaks.values()) == []
    show(rig)
    rig.broker_side.positions, rig.broker_side.cash = [], 0.0
    rig.after(1.0, rounds=5)
    rig.after(1.0, rounds=EVIDENT)
    # Nor were they in between: what fell short is waited for.
    assert {"account.position_break", "account.cash_break"}.isdisjoint(rig.rig.stored())
    assert fills(rig) == ["e1", "-e1"]
    # What nothing explains is told of all the same.
    rig.broker_side.positions = [position_row(positionQty=7)]
    rig.after(1.0, rounds=5)
    assert rig.rig.stored().count("account.position_break") == 1


# --- what proves nothing ------------------------------------------------------------------------


def test_lists_that_lack_it_now_and_then_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = filled_rig(monkeypatch)
    show(rig)
    for _ in range(20):
        rig.broker_side.executions = []
        rig.after(1.0, rounds=EVIDENT // 2)
        rig.broker_side.executions = [executed("e1", 40)]
        rig.after(1.0, rounds=EVIDENT // 2)
    assert fills(rig) == ["e1"]
    assert rig.order().recorded_quantity == 40


def test_rows_that_fall_short_for_a_moment_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = filled_rig(monkeypatch)
    for _ in range(20):
        show(rig)
        rig.after(1.0, rounds=int(TAKEN_BACK_AFTER_S) - 2)
        show(rig, executed("e1", 40))
        rig.after(1.0, rounds=2)
    assert fills(rig) == ["e1"]
    assert causes(rig) == []


def test_lists_that_cannot_be_read_prove_nothing_and_keep_no_round_from_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig, status="Cancelled")
    rig.broker_side.failing = {order_row()["id"]}
    told = rig.after(1.0, rounds=EVIDENT)
    assert len(of(told, readings.RoundCompleted)) == EVIDENT
    assert fills(rig) == ["e1"]
    # As ever where nobody can say what was taken back: a person may look.
    assert rig.order().phase is Phase.UNKNOWN
    assert causes(rig) == [(FILLS_TAKEN_BACK, "AAPL")]
    # Until the lists are back.
    rig.broker_side.failing = set()
    rig.after(1.0, rounds=4 * EVIDENT)
    assert fills(rig) == ["e1", "-e1"]
    assert rig.order().phase is Phase.CANCELLED


def test_lists_that_stop_after_a_look_are_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig, status="Cancelled")
    rig.after(1.0)
    rig.broker_side.failing = {order_row()["id"]}
    rig.after(1.0, rounds=int(LISTS_WAIT_S) - 1)
    assert rig.order().phase is Phase.WORKING
    rig.after(1.0)
    assert rig.order().phase is Phase.UNKNOWN
    assert fills(rig) == ["e1"]


def test_new_process_counts_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = filled_rig(monkeypatch)
    show(rig)
    rig.after(1.0, rounds=EVIDENT // 2)
    again = SweepRig(
        monkeypatch, *(r.data for r in rig.rig.ledger.line() if r.type.startswith("order."))
    )
    show(again)
    again.after(0.0, rounds=EVIDENT // 2)
    assert fills(again) == ["e1"]
    again.after(1.0, rounds=EVIDENT)
    assert fills(again) == ["e1", "-e1"]


def test_lists_of_rows_that_fall_short_leave_tokens_to_what_filled_just_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch, budgets={"order_transactions": AGAIN_LEAVE})
    monkeypatch.setattr(rates, "time", rig.monotonic)
    asked = len(rig.asked("order_transactions"))
    show(rig)
    told = rig.after(0.0, rounds=10)
    assert len(of(told, readings.RoundCompleted)) == 10
    assert len(rig.asked("order_transactions")) == asked


def test_bust_of_days_ago_is_found_by_the_sweeps_that_go_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig, executed("e1", 40), status="Cancelled")
    rig.after(1.0, rounds=2)
    rig.after(2 * DAY_S, rounds=2)
    show(rig, status="Cancelled")
    for _ in range(2 * facts.TIMING.absence_listings_min):
        rig.after(LATE_EVERY_S, rounds=2)
    assert fills(rig) == ["e1", "-e1"]


def test_second_bust_of_as_much_is_told_after_a_person_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig)
    rig.after(1.0, rounds=EVIDENT)
    resume = core_items.resume("AAPL").command
    rig.rig.take(core_items.command(resume, "cmd-r", expires_s=9 * DAY_S, principal="ann"))
    assert rig.rig.desk.state.frozen_symbols == frozenset()
    show(rig, executed("e2", 40))
    rig.after(1.0, rounds=3)
    show(rig)
    rig.after(1.0, rounds=2 * EVIDENT)
    assert fills(rig) == ["e1", "-e1", "e2", "-e2"]
    assert causes(rig) == 2 * [(FILLS_TAKEN_BACK, "AAPL")]
    assert rig.rig.desk.state.frozen_symbols == {"AAPL"}


def test_mean_price_that_was_looked_into_keeps_no_order_from_being_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch, *WORKING)
    rig.broker_side.call_s = {"order_transactions": 3.0}
    odd = order_row(id=7000, orderId=0, userMark="", filledQuantity=40, openTime=at_ms(-9))
    rig.broker_side.book = [odd | {"avgFillPrice": 10.52}, order_row()]
    rig.broker_side.executions = [executed("o1", 40)]
    rig.after(1.0, rounds=5)
    # The list of the next one is behind for a moment.
    rig.broker_side.executions = []
    rig.broker_side.book = [odd | {"avgFillPrice": 10.52}, order_row(filledQuantity=40)]
    rig.after(1.0, rounds=2)
    rig.broker_side.executions = [EXECUTION]
    rig.after(1.0, rounds=5)
    assert rig.order().recorded_quantity == 40


def test_slow_calls_about_rows_that_fall_short_keep_no_other_order_from_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    row = order_row(orderId=0, userMark="")
    rows = [row | {"id": 7000 + n, "filledQuantity": 40} for n in range(9)]
    rig.broker_side.book = rows
    for row in rows:
        rig.broker_side.executions = [executed(f"e{row['id']}", 40)]
        rig.broker_side.book = [row]
        rig.after(0.0, rounds=2)
    rig.broker_side.book = [row | {"filledQuantity": 0} for row in rows]
    rig.broker_side.call_s = {"order_transactions": 15.0}
    before = len(rig.asked("order_transactions"))
    rig.after(1.0)
    assert len(rig.asked("order_transactions")) == before + 1
    rig.after(1.0, rounds=len(rows))
    asked = {fields["order_id"] for fields in rig.asked("order_transactions")[before:]}
    assert len(asked) == len(rows)


# --- what was told, and every leg ---------------------------------------------------------------


@pytest.mark.parametrize("status", ["Submitted", "Cancelled"])
def test_fills_that_a_row_told_of_once_hide_no_break(
    monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, figures_s=0.0)
    show(rig)
    rig.after(0.0, rounds=5)
    show(rig, filledQuantity=40, status=status)
    rig.after(1.0, rounds=3)
    show(rig, status=status)
    rig.after(1.0, rounds=5)
    rig.broker_side.positions = [position_row(positionQty=500)]
    rig.after(1.0, rounds=EVIDENT + 5)
    assert rig.order().filled_quantity == 0
    assert causes(rig) == [(FILLS_TAKEN_BACK, "AAPL")]
    assert [broken.observed for broken in rig.rig.desk.state.breaks.values()] == [500]


def test_part_that_is_called_filled_after_a_bust_may_be_released(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_rig(monkeypatch)
    show(rig, executed("e1", 40), executed("e2", 60), status="Filled")
    rig.after(1.0, rounds=3)
    assert stands(rig) == (Phase.FILLED, Decimal(100))
    show(rig, executed("e2", 60), status="Filled")
    rig.after(1.0, rounds=EVIDENT)
    assert stands(rig) == (Phase.UNKNOWN, Decimal(60))
    given = core_items.command(
        core_items.release().command, "cmd-r", expires_s=9e5, principal="ann"
    )
    rig.rig.take(given)
    rig.after(1.0, rounds=EVIDENT)
    assert stands(rig) == (Phase.RELEASED, Decimal(60))
    # The rest of it may be live, so a halt has it cancelled all the same.
    assert rig.rig.trace.of("cancel") == []
    rig.rig.take(core_items.halt())
    rig.after(1.0)
    assert rig.rig.trace.of("cancel") == [ORDER]


def test_both_legs_of_a_combination_are_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch, figures_s=0.0)
    rig.broker_side.book = [stranger(**SPREAD)]
    rig.broker_side.executions = [leg_row("e1", "200", "BUY"), leg_row("e2", "210", "SELL")]
    rig.after(1.0, rounds=4)
    assert fills(rig) == ["e1", "e2"]
    # The second is found gone only after the first.
    rig.broker_side.book = [stranger(**(SPREAD | {"filledQuantity": 0, "status": "Cancelled"}))]
    rig.broker_side.executions = [leg_row("e2", "210", "SELL")]
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e1"]
    rig.broker_side.executions = []
    rig.after(1.0, rounds=int(AGAIN_MAX_S) + EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e1", "-e2"]
    assert {held for _, held in rig.rig.desk.state.expected.items()} == {0}
    assert len(rig.rig.desk.state.breaks) == 0
