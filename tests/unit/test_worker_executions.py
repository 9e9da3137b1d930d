"""Executions that come late, leg by leg, or never: asked for as seldom as that allows."""

from decimal import Decimal
from typing import Any, Final

import pytest

from adapters.tiger_worker import rates, reconcile
from adapters.tiger_worker.execution_calls import AGAIN_LEAVE, AGAIN_MAX_S, FAILED_AGAIN_S
from adapters.tiger_worker.executions import NOT_LISTED_AFTER_S
from adapters.tiger_worker.turns import ASKING_S
from adapters.tiger_worker.windows import SWEEP_EVERY_S
from core import account_events, events, items, readings
from core.lost_fills import FILLS_NOT_LISTED
from core.orders import Phase
from tests.support import core_facts as facts
from tests.support.scripted_broker import order_row
from tests.unit.test_poison import stranger
from tests.unit.test_worker_reconcile import of, position_row
from tests.unit.test_worker_sweeps import EXECUTION, WORKING, SweepRig, at_ms

# What quiet readings need, and one that begins the count.
READINGS: Final = facts.TIMING.quiet_reads_min + 1
FUND: Final = {"symbol": "FUNDX", "totalQuantity": 5, "filledQuantity": 5, "status": "Filled"}
LEGS: Final = [
    {"right": "CALL", "expiry": "20261218", "strike": strike, "action": action, "ratio": 1}
    for strike, action in (("200", "BUY"), ("210", "SELL"))
]
SPREAD: Final = {
    "secType": "MLEG",
    "totalQuantity": 1,
    "filledQuantity": 1,
    "status": "Filled",
    "legs": LEGS,
}


def leg_row(execution_id: str, strike: str, action: str) -> dict[str, Any]:
    return {
        "id": execution_id,
        "symbol": "AAPL",
        "action": action,
        "secType": "OPT",
        "expiry": "20261218",
        "strike": strike,
        "right": "CALL",
        "filledQuantity": 1,
        "filledPrice": 2.5,
        "currency": "USD",
        "transactionTime": at_ms(1),
    }


def reading_rig(monkeypatch: pytest.MonkeyPatch, *given: events.Event, **more: Any) -> SweepRig:
    """Return rounds that read positions and cash each time, on one clock."""
    rig = SweepRig(monkeypatch, *given, figures_s=0.0, **more)
    for module in (rates, reconcile):
        monkeypatch.setattr(module, "time", rig.monotonic)
    return rig


def causes(rig: SweepRig) -> list[tuple[str, str]]:
    """Return cause and symbol of each freeze, in order."""
    found = [record.data for record in rig.rig.ledger.line()]
    return [(e.cause, e.symbol) for e in found if isinstance(e, account_events.AccountFrozen)]


# --- executions that never come -----------------------------------------------------------------


def test_order_without_executions_keeps_no_break_of_another_symbol_from_being_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    rig.broker_side.book = [stranger(**FUND)]
    rig.after(0.0, rounds=READINGS)
    rig.broker_side.positions = [position_row(symbol="TSLA", positionQty=500)]
    rig.after(1.0, rounds=READINGS)
    (broken,) = rig.rig.desk.state.breaks.values()
    assert (broken.symbol, broken.observed) == ("TSLA", Decimal(500))


def test_fills_that_are_never_listed_are_told_after_a_while_and_their_position_is_a_break(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    rig.broker_side.book = [stranger(**FUND)]
    rig.broker_side.positions = [position_row(symbol="FUNDX", positionQty=5)]
    rig.after(0.0, rounds=int(NOT_LISTED_AFTER_S))
    # Until then they may be late, and are waited for.
    assert causes(rig) == []
    assert list(rig.rig.desk.state.breaks.values()) == []
    rig.after(1.0, rounds=int(AGAIN_MAX_S))
    assert causes(rig) == [(FILLS_NOT_LISTED, "FUNDX")]
    (broken,) = rig.rig.desk.state.breaks.values()
    assert (broken.symbol, broken.observed) == ("FUNDX", Decimal(5))
    # Nothing was made up in their place, and the order is watched on.
    (order,) = rig.rig.desk.state.orders.values()
    assert (order.phase, order.recorded_quantity) == (Phase.FILLED, Decimal(0))
    assert rig.rig.desk.state.watched_orders == {order.order_id}


def test_desk_that_is_behind_makes_no_fill_unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(filledQuantity=40)]
    rig.broker_side.executions = [EXECUTION]
    told: list[items.Item] = []
    for _ in range(int(2 * AGAIN_MAX_S)):
        rig.rig.clock.pass_s(1.0)
        told += rig.run()
    assert of(told, readings.FillsNotListed) == []
    # Whichever of its sights the desk takes in the end, it holds the executions.
    assert all(seen.executions for seen in of(told, readings.OrderSeen))


def test_cash_is_waited_for_as_long_as_the_fills_that_move_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(filledQuantity=40)]
    rig.broker_side.cash = -420.0
    rig.after(0.0, rounds=2 * READINGS)
    assert "account.cash_break" not in rig.rig.stored()
    rig.broker_side.executions = [EXECUTION]
    rig.after(10.0, rounds=2 * READINGS)
    assert rig.order().recorded_quantity == 40
    assert "account.cash_break" not in rig.rig.stored()


def test_cash_is_waited_for_no_longer_than_fills_may_be_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    rig.broker_side.book = [stranger(**FUND)]
    rig.broker_side.cash = -420.0
    rig.after(0.0, rounds=int(NOT_LISTED_AFTER_S + AGAIN_MAX_S))
    assert rig.rig.stored().count("account.cash_break") == 1


# --- how often they are asked for ---------------------------------------------------------------


def test_order_whose_executions_fail_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = reading_rig(monkeypatch, facts.previewed(), facts.started(), facts.unknown())
    fund = stranger(**FUND, openTime=at_ms(-5))
    rig.broker_side.book = [fund, order_row(openTime=at_ms(1))]
    rig.broker_side.failing = {fund["id"]}
    told = rig.after(2.0)
    assert rig.order().phase is Phase.WORKING
    assert of(told, readings.RoundCompleted)
    rig.after(1.0, rounds=int(NOT_LISTED_AFTER_S + FAILED_AGAIN_S))
    assert (FILLS_NOT_LISTED, "FUNDX") in causes(rig)
    before = len(rig.asked("order_transactions"))
    rig.after(1.0, rounds=int(2 * FAILED_AGAIN_S))
    assert len(rig.asked("order_transactions")) == before + 2


def test_orders_whose_executions_fail_one_after_another_keep_no_verdict_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch)
    rig.after(0.0, rounds=READINGS)
    for second in range(0, 180, 45):
        fund = stranger(**FUND, id=5000 + second, openTime=at_ms(second))
        rig.broker_side.book = [*rig.broker_side.book, fund]
        rig.broker_side.failing.add(fund["id"])
        told = rig.after(1.0, rounds=45)
        assert len(of(told, readings.RoundCompleted)) == 45
    assert not rig.rig.desk.state.is_stale
    rig.broker_side.positions = [position_row(symbol="TSLA", positionQty=500)]
    rig.after(1.0, rounds=READINGS)
    assert [broken.symbol for broken in rig.rig.desk.state.breaks.values()] == ["TSLA"]


@pytest.mark.parametrize("call_s", [ASKING_S / 10, 15.0], ids=["slow", "not_answered"])
def test_many_fills_at_once_keep_no_other_order_from_being_told(
    monkeypatch: pytest.MonkeyPatch, call_s: float
) -> None:
    rig = reading_rig(monkeypatch, facts.previewed(), facts.started(), facts.unknown())
    funds = [stranger(**FUND, id=5000 + n, openTime=at_ms(-9)) for n in range(300)]
    rig.broker_side.book = [*funds, order_row(openTime=at_ms(1))]
    rig.broker_side.call_s = {"order_transactions": call_s}
    told = rig.after(2.0)
    assert rig.order().phase is Phase.WORKING
    assert of(told, readings.RoundCompleted)
    assert len(rig.asked("order_transactions")) == max(1, ASKING_S / call_s)


@pytest.mark.parametrize(("count", "call_s"), [(3, 10.0), (8, 3.0), (30, 0.3)])
def test_slow_calls_about_old_orders_keep_no_new_fill_from_being_recorded(
    monkeypatch: pytest.MonkeyPatch, count: int, call_s: float
) -> None:
    rig = reading_rig(monkeypatch, *WORKING)
    funds = [stranger(**FUND, id=5000 + n, openTime=at_ms(-9)) for n in range(count)]
    rig.broker_side.failing = {fund["id"] for fund in funds}
    rig.broker_side.call_s = {"order_transactions": call_s}
    rig.broker_side.book = [*funds, order_row()]
    rig.after(1.0, rounds=60)
    rig.broker_side.book = [*funds, order_row(filledQuantity=40)]
    rig.broker_side.executions = [EXECUTION]
    rig.after(1.0, rounds=2)
    assert rig.order().recorded_quantity == 40
    # Nor does one of them keep another from being asked for.
    before = len(rig.asked("order_transactions"))
    rig.after(1.0, rounds=4 * count)
    again = {fields["order_id"] for fields in rig.asked("order_transactions")[before:]}
    assert rig.broker_side.failing <= again


def test_executions_that_come_after_they_failed_are_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = reading_rig(monkeypatch, *WORKING)
    row = order_row(filledQuantity=40)
    rig.broker_side.book, rig.broker_side.executions = [row], [EXECUTION]
    rig.broker_side.failing = {row["id"]}
    rig.after(1.0, rounds=2)
    assert rig.order().recorded_quantity == 0
    rig.broker_side.failing = set()
    rig.after(FAILED_AGAIN_S)
    assert rig.order().recorded_quantity == 40


def test_executions_that_do_not_come_are_asked_for_ever_more_seldom(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING)
    rig.broker_side.book = [order_row(filledQuantity=40)]
    asked: list[int] = []
    for second in range(40):
        before = len(rig.asked("order_transactions"))
        rig.after(1.0)
        asked += [second] * (len(rig.asked("order_transactions")) - before)
    assert asked == [0, 1, 3, 7, 15, 31]
    # More that filled is asked for at once.
    rig.broker_side.book = [order_row(filledQuantity=60)]
    rig.after(1.0)
    assert len(rig.asked("order_transactions")) == len(asked) + 1


def test_executions_asked_for_again_leave_tokens_to_what_filled_just_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, budgets={"order_transactions": AGAIN_LEAVE + 1})
    monkeypatch.setattr(rates, "time", rig.monotonic)
    rig.broker_side.book = [order_row(filledQuantity=40)]
    told = rig.after(0.0, rounds=int(rates.WINDOW_S))
    # Every round is complete without.
    assert len(of(told, readings.RoundCompleted)) == rates.WINDOW_S
    assert len(rig.asked("order_transactions")) == 1
    rig.broker_side.book = [order_row(filledQuantity=60)]
    rig.after(0.0)
    assert len(rig.asked("order_transactions")) == 2


# --- combinations -------------------------------------------------------------------------------


def test_legs_whose_executions_come_later_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = SweepRig(monkeypatch)
    rig.broker_side.book = [stranger(**SPREAD)]
    rig.broker_side.executions = [leg_row("e1", "200", "BUY")]
    rig.after(0.0)
    (order,) = rig.rig.desk.state.orders.values()
    assert (order.phase, order.recorded_quantity) == (Phase.FILLED, Decimal(0))
    rig.broker_side.executions = [leg_row("e1", "200", "BUY"), leg_row("e2", "210", "SELL")]
    rig.after(SWEEP_EVERY_S)
    (order,) = rig.rig.desk.state.orders.values()
    assert order.recorded_quantity == 1
    expected = dict(rig.rig.desk.state.expected.items())
    assert expected == {"AAPL261218C200@US": 1, "AAPL261218C210@US": -1}
    assert rig.rig.desk.state.watched_orders == frozenset()
