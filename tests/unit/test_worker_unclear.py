"""Under a halt an open order is cancelled by its id, though nobody can say whose it is."""

from typing import Any, Final

import pytest

from adapters.tiger_worker.open_looks import UNREAD_EVERY_S
from core.orders import CancelPhase, Phase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_worker_sweeps import LATE_S, ORDER, ROUNDS, TIGER, SweepRig

GIVEN: Final = (facts.previewed(), facts.started(), facts.unknown())
UNBOOKED: Final = f"unread:{TIGER}"
ROWS: Final = pytest.mark.parametrize(
    "row",
    [{"orderId": 0}, {"userMark": ""}, {"orderId": 0, "filledQuantity": -1}],
    ids=["no number", "no mark", "no size"],
)


def halted(monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], scope: str = "") -> SweepRig:
    rig = SweepRig(monkeypatch, *GIVEN)
    rig.after(LATE_S)
    rig.rig.take(core_items.halt(scope))
    rig.broker_side.book = [order_row(**row)]
    return rig


@ROWS
@pytest.mark.parametrize("scope", ["", "AAPL"])
def test_halt_cancels_an_order_of_unclear_identity_at_once(
    monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], scope: str
) -> None:
    rig = halted(monkeypatch, row, scope)
    rig.after(1.0)
    assert TIGER not in rig.rig.desk.state.by_tiger_id
    assert rig.rig.trace.of("cancel") == [UNBOOKED]
    # The intention stands in the record before the call.
    assert rig.rig.stored()[-1] == "account.cancels_asked"
    rig.after(1.0, rounds=ROUNDS)
    assert rig.rig.trace.of("cancel") == [UNBOOKED]
    rig.after(UNREAD_EVERY_S)
    assert rig.rig.trace.of("cancel")[1:2] == [UNBOOKED]


@pytest.mark.parametrize("away", ["prime_assets", "positions"])
def test_it_is_cancelled_though_no_round_is_complete(
    monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    rig = halted(monkeypatch, {"orderId": 0})
    rig.broker_side.away = {away}
    rig.rig.take(rig.gaps.note("slept"))
    rig.after(1.0)
    assert rig.rig.trace.of("cancel") == [UNBOOKED]
    assert rig.rig.desk.state.is_stale


def test_it_is_cancelled_as_ours_once_a_row_says_whose_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = halted(monkeypatch, {"orderId": 0})
    rig.after(1.0)
    rig.broker_side.book = [order_row()]
    rig.after(1.0)
    assert rig.rig.trace.of("cancel") == [UNBOOKED, ORDER]
    assert rig.order().cancel is CancelPhase.STARTED
    assert rig.order().phase in (Phase.ACCEPTED, Phase.WORKING)


def test_it_rests_without_a_halt_or_under_that_of_another_symbol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = halted(monkeypatch, {"orderId": 0}, "MSFT")
    rig.after(1.0, rounds=ROUNDS)
    assert "account.frozen" in rig.rig.stored()
    assert rig.rig.trace.of("cancel") == []


def test_what_is_over_is_cancelled_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = halted(monkeypatch, {"orderId": 0, "status": "Cancelled"})
    rig.after(1.0, rounds=ROUNDS)
    assert "account.frozen" in rig.rig.stored()
    assert rig.rig.trace.of("cancel") == []
