"""The first rows of our own order with others attached to it: half written, or in any order."""

from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from core import account_events, events, readings
from core.account_state import IDENTITY_UNCLEAR
from core.orders import Phase
from core.submitting import is_reducing
from core.terms import OrderSpec, Side, StopLoss, TakeProfit
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_worker_sweeps import LATE_S, SweepRig

ORDER: Final = facts.order_id_of()
STOP: Final = StopLoss(stop_price=Decimal(9))
ATTACHED: Final[dict[str, dict[str, Any]]] = {
    "take_profit": {"take_profit": TakeProfit(limit_price=Decimal(12))},
    "stop_loss": {"stop_loss": STOP},
    "or_stop": {"or_stop": STOP},
}
MIN: Final = facts.TIMING.absence_listings_min


def with_parts(name: str) -> OrderSpec:
    return replace(facts.spec(), **ATTACHED[name])


def in_doubt(terms: OrderSpec) -> facts.TestDesk:
    given = (facts.previewed("1", terms), facts.started("1", terms), facts.unknown())
    return facts.TestDesk(*facts.ready(*given))


def row_of(number: str, *, tiger: str = "t-1", side: Side = Side.BUY, **more: Any) -> Any:
    return replace(core_items.seen(tiger=tiger, number=number, side=side), **more)


def whole() -> readings.OrderSeen:
    return core_items.seen()


@pytest.mark.parametrize("parts", ATTACHED)
@pytest.mark.parametrize("number", ["", "0"])
def test_half_written_row_of_a_bracket_makes_no_leg_of_it(parts: str, number: str) -> None:
    desk = in_doubt(with_parts(parts))
    frozen = desk.settle(row_of(number))
    assert [type(event) for event in frozen] == [account_events.AccountFrozen]
    assert desk.state.frozen_symbols == {"AAPL"}
    assert [order.order_id for order in desk.state.orders.values()] == [ORDER]
    desk.settle(whole())
    order = desk.state.orders[ORDER]
    assert (order.phase, order.tiger_order_id) == (Phase.WORKING, "t-1")
    assert desk.state.frozen_cause == ""


@pytest.mark.parametrize("parts", ["take_profit", "stop_loss"])
def test_leg_that_is_listed_before_its_order_is_no_strangers(parts: str) -> None:
    desk = in_doubt(with_parts(parts))
    for tiger, parent in (("t-2", "t-1"), ("t-3", "")):
        leg = row_of("950", tiger=tiger, side=Side.SELL, parent_tiger_id=parent)
        observed, _ = desk.settle(leg)
        assert isinstance(observed, events.OrderExternalObserved)
        assert observed.parent_order_id == ORDER
    desk.settle(whole())
    assert desk.state.orders[ORDER].phase is Phase.WORKING
    assert (desk.state.frozen_cause, desk.state.frozen_symbols) == ("", frozenset())


def test_row_on_the_orders_own_side_is_no_leg_of_a_bracket_that_is_not_found() -> None:
    desk = in_doubt(with_parts("stop_loss"))
    alarm, observed, _ = desk.settle(row_of("950"))
    assert isinstance(alarm, account_events.AccountFrozen)
    assert isinstance(observed, events.OrderExternalObserved)
    assert (alarm.cause, alarm.symbol, observed.parent_order_id) == ("mark_mismatch", "", "")


def test_other_one_of_two_that_is_listed_first_waits_for_ours() -> None:
    desk = in_doubt(with_parts("or_stop"))
    other = row_of("950", tiger="t-2")
    assert desk.settle(other) == []
    desk.settle(whole())
    observed, _ = desk.settle(replace(other, listings=2))
    assert isinstance(observed, events.OrderExternalObserved)
    assert observed.parent_order_id == ORDER
    assert (desk.state.frozen_cause, desk.state.frozen_symbols) == ("", frozenset())


def test_other_one_of_two_whose_own_never_comes_freezes_and_is_a_strangers_in_the_end() -> None:
    desk = in_doubt(with_parts("or_stop"))
    other = row_of("950", tiger="t-2")
    (frozen,) = desk.settle(replace(other, listings=2))
    assert isinstance(frozen, account_events.AccountFrozen)
    assert (frozen.cause, frozen.symbol) == (IDENTITY_UNCLEAR, "AAPL")
    alarm, observed, _ = desk.settle(replace(other, listings=MIN))
    assert isinstance(alarm, account_events.AccountFrozen)
    assert isinstance(observed, events.OrderExternalObserved)
    assert (alarm.cause, observed.parent_order_id) == ("mark_mismatch", "")


def test_leg_that_is_not_listed_yet_counts_after_a_half_written_row() -> None:
    desk = in_doubt(with_parts("stop_loss"))
    desk.settle(row_of("0"))
    desk.settle(whole())
    desk.store(facts.positions(facts.figure(quantity="100")))
    assert not is_reducing(desk.state, facts.spec(side=Side.SELL, quantity="1"))


def test_bracket_whose_first_row_was_half_written_fills_on_its_own_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terms = with_parts("stop_loss")
    given = (facts.previewed("1", terms), facts.started("1", terms), facts.unknown())
    rig = SweepRig(monkeypatch, *given)
    rig.broker_side.book = [order_row(orderId=0)]
    rig.after(LATE_S)
    assert rig.rig.stored()[-1] == "account.frozen"
    rig.broker_side.book = [order_row()]
    rig.after(1.0)
    assert rig.order().phase is Phase.WORKING
    rig.broker_side.book = [order_row(status="Filled", filledQuantity=100)]
    rig.broker_side.executions = [
        {
            "id": "e1",
            "filledQuantity": 100,
            "filledPrice": 10.5,
            "currency": "USD",
            "symbol": "AAPL",
            "transactionTime": 1,
        }
    ]
    rig.after(1.0, rounds=2)
    assert (rig.order().phase, rig.order().recorded_quantity) == (Phase.FILLED, Decimal(100))
    assert list(rig.rig.desk.state.orders.values()) == [rig.order()]
