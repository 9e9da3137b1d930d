"""Rows that tell of fewer fills than were told, and lists that lack more than their row does."""

from decimal import Decimal

import pytest

from adapters.tiger_worker.taken_back import LISTS_WAIT_S
from core.commands import Command
from core.lost_fills import FILLS_TAKEN_BACK
from core.orders import Phase
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_worker_executions import causes
from tests.unit.test_worker_reconcile import position_row
from tests.unit.test_worker_sweeps import DAY_S, WORKING, SweepRig
from tests.unit.test_worker_taken_back import EVIDENT, executed, filled_rig, fills, show, stands


def by_person(rig: SweepRig, command: Command, command_id: str) -> None:
    rig.rig.take(core_items.command(command, command_id, expires_s=99 * DAY_S, principal="ann"))


def told_as_filled(monkeypatch: pytest.MonkeyPatch) -> SweepRig:
    """Return the rounds of an order of 100, told as filled, no execution of which is listed."""
    rig = SweepRig(monkeypatch, *WORKING)
    show(rig, filledQuantity=100, status="Filled")
    rig.after(0.0, rounds=3)
    assert stands(rig) == (Phase.FILLED, Decimal(0))
    return rig


@pytest.mark.parametrize("is_listed", [False, True])
def test_part_called_filled_of_an_order_told_as_filled_may_be_released(
    monkeypatch: pytest.MonkeyPatch, is_listed: bool
) -> None:
    rig = told_as_filled(monkeypatch)
    executions = [executed("e2", 60)] if is_listed else []
    show(rig, *executions, filledQuantity=60, status="Filled")
    rig.after(1.0, rounds=EVIDENT - 10)
    recorded = Decimal(60 if is_listed else 0)
    assert stands(rig) == (Phase.FILLED, recorded)
    rig.after(1.0, rounds=15)
    assert stands(rig) == (Phase.UNKNOWN, recorded)
    assert (FILLS_TAKEN_BACK, "AAPL") in causes(rig)
    assert "order.working" not in rig.rig.stored()[len(WORKING) :]
    by_person(rig, core_items.release().command, "ctl-rel")
    rig.rig.take(core_items.halt())
    rig.after(1.0, rounds=EVIDENT)
    assert stands(rig) == (Phase.RELEASED, recorded)
    # The broker has a row of it that may be live, and its symbol stays halted till that is over.
    show(rig, *executions, filledQuantity=60, status="Cancelled")
    rig.after(1.0, rounds=EVIDENT)
    assert rig.order().phase is Phase.CANCELLED
    assert len(rig.rig.desk.state.unverified_halts) == 0


def test_row_that_is_told_is_told_again_once_its_shortfall_is_evident(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = told_as_filled(monkeypatch)
    show(rig, filledQuantity=60, status="Cancelled")
    rig.after(1.0, rounds=EVIDENT)
    assert rig.order().phase is Phase.CANCELLED
    assert rig.order().filled_quantity == 60


def test_end_that_flips_with_fewer_fills_than_were_told_ends_no_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    for _ in range(9):
        show(rig, filledQuantity=40)
        rig.after(1.0, rounds=5)
        show(rig, status="Cancelled")
        rig.after(1.0, rounds=5)
        assert stands(rig) == (Phase.WORKING, Decimal(0))
    assert FILLS_TAKEN_BACK not in {cause for cause, _ in causes(rig)}


def test_same_execution_busted_again_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = filled_rig(monkeypatch)
    for n in range(3):
        show(rig)
        rig.after(1.0, rounds=EVIDENT + 5)
        assert fills(rig) == ["e1", "-e1"] * (n + 1)
        assert rig.rig.desk.state.frozen_symbols == {"AAPL"}
        assert causes(rig) == [(FILLS_TAKEN_BACK, "AAPL")] * (n + 1)
        by_person(rig, core_items.resume("AAPL").command, f"ctl-{n}")
        show(rig, executed("e1", 40))
        rig.after(1.0, rounds=5)


# --- lists that lack more than their row does ---------------------------------------------------


def filled_twice(monkeypatch: pytest.MonkeyPatch) -> SweepRig:
    """Return an order with `e1` and `e2` recorded, of which the broker has only `e1` left."""
    rig = SweepRig(monkeypatch, *WORKING, figures_s=0.0)
    show(rig, executed("e1", 40, 10.0), executed("e2", 40, 20.0))
    rig.broker_side.positions = [position_row(positionQty=80)]
    rig.broker_side.cash = -1200.0
    rig.after(0.0, rounds=4)
    assert fills(rig) == ["e1", "e2"]
    rig.broker_side.positions = [position_row(positionQty=40)]
    rig.broker_side.cash = -400.0
    return rig


def test_list_that_lacks_more_than_its_row_says_which_fill_is_gone_by_no_guess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_twice(monkeypatch)
    rig.broker_side.book = [order_row(filledQuantity=40, avgFillPrice=10.0)]
    rig.broker_side.executions = []
    rig.after(1.0, rounds=int(LISTS_WAIT_S) - 1)
    assert causes(rig) == []
    # Then the row is the finding, by itself.
    rig.after(1.0, rounds=3)
    assert fills(rig) == ["e1", "e2"]
    assert causes(rig) == [(FILLS_TAKEN_BACK, "AAPL")]
    assert rig.order().filled_quantity == 40
    rig.broker_side.executions = [executed("e1", 40, 10.0)]
    rig.after(1.0, rounds=4 * EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e2"]
    assert stands(rig) == (Phase.WORKING, Decimal(40))
    assert dict(rig.rig.desk.state.cash_expected.items()) == {"USD": -400}
    assert "account.cash_break" not in rig.rig.stored()


def test_list_that_is_behind_for_half_a_minute_takes_nothing_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = filled_twice(monkeypatch)
    rig.broker_side.book = [order_row(filledQuantity=40, avgFillPrice=10.0)]
    rig.broker_side.executions = []
    rig.after(1.0, rounds=EVIDENT)
    rig.broker_side.executions = [executed("e1", 40, 10.0)]
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e2"]
    assert {"account.cash_break", "account.position_break"}.isdisjoint(rig.rig.stored())
    assert dict(rig.rig.desk.state.cash_expected.items()) == {"USD": -400}


def test_fill_in_the_place_of_a_busted_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = filled_rig(monkeypatch)
    # 30 were bought anew, and are not listed yet: of the 40 recorded 10 fall short.
    show(rig, filledQuantity=30)
    rig.after(1.0, rounds=EVIDENT)
    assert fills(rig) == ["e1"]
    show(rig, executed("e2", 30))
    rig.after(1.0, rounds=int(LISTS_WAIT_S) + EVIDENT)
    assert fills(rig) == ["e1", "e2", "-e1"]
    assert rig.order().recorded_quantity == rig.order().filled_quantity == 30
