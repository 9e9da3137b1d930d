"""Figures that move by fills no listing tells of yet: once these are listed they move no more."""

from decimal import Decimal
from typing import Final

import pytest

from core.commands import AdoptPosition
from core.orders import Phase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_worker_fills_fallen import by_person
from tests.unit.test_worker_reconcile import position_row
from tests.unit.test_worker_sweeps import LATE_S, WORKING, SweepRig, at_ms
from tests.unit.test_worker_taken_back import executed, fills, stands

BREAKS: Final = ("account.position_break", "account.cash_break")


def adopt_and_resume(rig: SweepRig) -> None:
    (broken,) = rig.rig.desk.state.breaks.values()
    by_person(rig, AdoptPosition(break_id=broken.break_id), "ctl-a")
    by_person(rig, core_items.resume("AAPL").command, "ctl-r")


def told_once(rig: SweepRig) -> bool:
    """Say whether one break of the position and one of cash is all that was told."""
    return [rig.rig.stored().count(each) for each in BREAKS] == [1, 1]


def unreadable(monkeypatch: pytest.MonkeyPatch) -> SweepRig:
    """Return an order that fills 40 while its row cannot be read, and the figures show it."""
    rig = SweepRig(monkeypatch, *WORKING, figures_s=0.0)
    rig.after(0.0, rounds=4)
    rig.after(1.0, rounds=2)
    rig.broker_side.executions = [executed("e1", 40) | {"transactionTime": at_ms(0)}]
    rig.broker_side.book = [order_row(filledQuantity=40, action="??")]
    rig.broker_side.positions = [position_row(positionQty=40)]
    rig.broker_side.cash = -422.0
    rig.after(1.0, rounds=60)
    assert rig.order().recorded_quantity == 0
    assert told_once(rig)
    return rig


@pytest.mark.parametrize("is_adopted", [False, True])
def test_fill_of_a_row_that_could_not_be_read_moves_no_base_again(
    monkeypatch: pytest.MonkeyPatch, is_adopted: bool
) -> None:
    rig = unreadable(monkeypatch)
    if is_adopted:
        adopt_and_resume(rig)
    rig.broker_side.book = [order_row(filledQuantity=40, commission=2.0)]
    rig.after(1.0, rounds=60)
    assert stands(rig) == (Phase.WORKING, Decimal(40))
    assert fills(rig) == ["e1"]
    state = rig.rig.desk.state
    assert dict(state.expected.items()) == {"AAPL@US": 40}
    assert dict(state.cash_expected.items()) == {"USD": -422}
    assert told_once(rig)
    assert len(state.breaks) == 0


def test_order_that_no_list_showed_for_long_moves_no_base_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = (facts.previewed(), facts.started(), facts.unknown())
    rig = SweepRig(monkeypatch, *given, figures_s=0.0)
    rig.broker_side.is_late = True
    rig.broker_side.book = [order_row(filledQuantity=100, status="Filled")]
    rig.broker_side.executions = [executed("e1", 100) | {"transactionTime": at_ms(0)}]
    rig.after(0.0)
    rig.broker_side.positions = [position_row(positionQty=100)]
    rig.broker_side.cash = -1050.0
    rig.after(LATE_S, rounds=20)
    assert rig.order().phase is Phase.NOT_FOUND
    by_person(rig, core_items.release().command, "ctl-rel")
    adopt_and_resume(rig)
    rig.broker_side.is_late = False
    rig.after(100.0, rounds=60)
    assert stands(rig) == (Phase.FILLED, Decimal(100))
    assert fills(rig) == ["e1"]
    assert dict(rig.rig.desk.state.expected.items()) == {"AAPL@US": 100}
    assert told_once(rig)


def test_fill_after_the_reading_moves_what_was_adopted(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = unreadable(monkeypatch)
    adopt_and_resume(rig)
    now_ms = int(rig.rig.clock.now().timestamp() * 1000)
    rig.broker_side.executions.append(executed("e2", 20) | {"transactionTime": now_ms})
    rig.broker_side.positions = [position_row(positionQty=60)]
    rig.broker_side.cash = -632.0
    rig.broker_side.book = [order_row(filledQuantity=60, commission=2.0)]
    rig.after(1.0, rounds=60)
    assert fills(rig) == ["e1", "e2"]
    assert dict(rig.rig.desk.state.expected.items()) == {"AAPL@US": 60}
    assert dict(rig.rig.desk.state.cash_expected.items()) == {"USD": -632}
    assert told_once(rig)
