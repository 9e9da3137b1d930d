"""A combination's fills: recorded leg by leg, and asked for until every leg's are there."""

from datetime import date
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from core import account_events, events, readings
from core.money import Money
from core.orders import Order, Phase
from core.readings import SeenPhase
from core.terms import OptionLeg, OptionRight, OrderSpec, SecurityType, Side
from tests.support import core_facts as facts
from tests.support import core_items

ORDER: Final = facts.order_id_of()
BOUGHT, SOLD = "AAPL261218C200", "AAPL261218C210"


def leg(strike: int, side: Side, ratio: int = 1) -> OptionLeg:
    return OptionLeg(
        right=OptionRight.CALL,
        expiry=date(2026, 12, 18),
        strike=Decimal(strike),
        side=side,
        ratio=ratio,
    )


def combination(*legs: OptionLeg, quantity: str = "1") -> OrderSpec:
    return replace(
        facts.spec(quantity=quantity, limit_price="2.00"),
        security=SecurityType.COMBINATION,
        multiplier=Decimal(100),
        legs=legs,
    )


SPREAD: Final = combination(leg(200, Side.BUY), leg(210, Side.SELL))
RATIO: Final = combination(leg(200, Side.BUY), leg(210, Side.SELL, 2), quantity="3")


def executed(
    execution_id: str, contract: str, side: Side, quantity: str = "1"
) -> readings.ExecutionSeen:
    return readings.ExecutionSeen(
        execution_id=execution_id,
        quantity=Decimal(quantity),
        price=Money(amount=Decimal("3.00"), currency="USD"),
        executed_at=facts.at(1),
        contract=contract,
        side=side,
    )


def working(terms: OrderSpec) -> facts.TestDesk:
    given = (facts.previewed("1", terms), facts.started(terms=terms), facts.accepted())
    return facts.TestDesk(*facts.ready(facts.positions(), facts.balances()), *given)


def listed(
    desk: facts.TestDesk,
    terms: OrderSpec,
    *executions: readings.ExecutionSeen,
    filled: str = "1",
    phase: SeenPhase = SeenPhase.FILLED,
) -> Order:
    """Have the desk take a row of the order with these executions, and return the order then."""
    row = replace(core_items.listed(terms, phase), filled_quantity=Decimal(filled))
    desk.settle(replace(row, executions=executions))
    return desk.state.orders[ORDER]


def test_combination_is_watched_until_the_fills_of_every_leg_are_recorded() -> None:
    desk = working(SPREAD)
    first = executed("e1", BOUGHT, Side.BUY)
    order = listed(desk, SPREAD, first)
    assert (order.phase, order.recorded_quantity) == (Phase.FILLED, Decimal(0))
    assert ORDER in desk.state.watched_orders
    order = listed(desk, SPREAD, first, executed("e2", SOLD, Side.SELL))
    assert order.recorded_quantity == order.filled_quantity == 1
    assert desk.state.watched_orders == frozenset()
    assert desk.state.expected.get(f"{SOLD}@US") == -1


def test_legs_are_counted_by_their_ratios_in_whatever_order_their_fills_come() -> None:
    desk = working(RATIO)
    fills = (
        executed("e1", SOLD, Side.SELL, "3"),
        executed("e2", BOUGHT, Side.BUY, "2"),
        executed("e3", SOLD, Side.SELL, "1"),
        executed("e4", BOUGHT, Side.BUY, "1"),
        executed("e5", SOLD, Side.SELL, "2"),
    )
    recorded = [
        listed(desk, RATIO, *fills[:count], filled="3", phase=SeenPhase.FILLED).recorded_quantity
        for count in range(1, len(fills) + 1)
    ]
    assert recorded == [0, Decimal("1.5"), 2, 2, 3]


def test_two_legs_of_one_contract_count_as_one_of_both_ratios() -> None:
    twice = combination(leg(200, Side.BUY), leg(200, Side.BUY), leg(210, Side.SELL))
    desk = working(twice)
    sold = executed("e1", SOLD, Side.SELL)
    assert listed(desk, twice, sold, executed("e2", BOUGHT, Side.BUY)).recorded_quantity == 0.5
    both = executed("e3", BOUGHT, Side.BUY)
    assert listed(desk, twice, sold, both).recorded_quantity == 1


def test_replay_counts_the_legs_the_same() -> None:
    desk = working(SPREAD)
    listed(desk, SPREAD, executed("e1", BOUGHT, Side.BUY))
    assert facts.snapshot(facts.fold(desk.line)) == facts.snapshot(desk.state)


def test_leg_that_is_taken_back_leaves_the_other_and_is_recorded_when_it_trades_again() -> None:
    desk = working(SPREAD)
    bought, sold = executed("e1", BOUGHT, Side.BUY), executed("e2", SOLD, Side.SELL)
    listed(desk, SPREAD, bought, sold)
    desk.settle(core_items.taken_back(is_over=False, gone=("e1",)))
    order = listed(desk, SPREAD, sold, filled="0", phase=SeenPhase.LIVE)
    assert (order.phase, order.recorded_quantity) == (Phase.WORKING, Decimal(0))
    assert dict(order.recorded_legs) == {BOUGHT: 0, SOLD: 1}
    assert desk.state.expected.get(f"{BOUGHT}@US") == 0
    assert desk.state.expected.get(f"{SOLD}@US") == -1
    order = listed(desk, SPREAD, sold, executed("e3", BOUGHT, Side.BUY))
    assert (order.phase, order.recorded_quantity) == (Phase.FILLED, Decimal(1))


def test_every_leg_that_is_gone_is_taken_back() -> None:
    desk = working(SPREAD)
    listed(desk, SPREAD, executed("e1", BOUGHT, Side.BUY), executed("e2", SOLD, Side.SELL))
    found = desk.settle(core_items.taken_back(gone=("e1", "e2")))
    assert [type(event) for event in found] == [
        account_events.AccountFrozen,
        events.OrderFillTakenBack,
        events.OrderFillTakenBack,
    ]
    assert {held for _, held in desk.state.expected.items()} == {0}
    assert {held for _, held in desk.state.orders[ORDER].recorded_legs} == {0}


def test_leg_that_is_found_gone_later_than_the_other_is_taken_back() -> None:
    desk = working(SPREAD)
    listed(desk, SPREAD, executed("e1", BOUGHT, Side.BUY), executed("e2", SOLD, Side.SELL))
    desk.settle(core_items.taken_back(gone=("e1",)))
    assert [type(event) for event in desk.settle(core_items.taken_back(gone=("e2",)))][-1] is (
        events.OrderFillTakenBack
    )
    assert {held for _, held in desk.state.orders[ORDER].recorded_legs} == {0}


def test_leg_that_is_ahead_of_the_others_is_no_finding_while_the_lists_have_it() -> None:
    desk = working(RATIO)
    ahead = executed("e1", SOLD, Side.SELL, "4"), executed("e2", BOUGHT, Side.BUY, "1")
    listed(desk, RATIO, *ahead, phase=SeenPhase.LIVE)
    assert desk.settle(core_items.taken_back(filled="1", is_over=False)) == []
    order = desk.state.orders[ORDER]
    assert (order.recorded_quantity, order.filled_quantity) == (Decimal(1), Decimal(1))
