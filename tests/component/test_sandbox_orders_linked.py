"""Orders that hang together: attached legs, groups of which one cancels the others, option legs."""

from decimal import Decimal
from typing import Any

import pytest

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.records import Order
from tests.support.engine_world import CALL, HIGHER_CALL, NOW, PUT, World, request

PROFIT = {"role": "PROFIT", "price": "240.00"}
LOSS = {"role": "LOSS", "price": "220.00"}


def legs_of(world: World, parent: Order) -> list[Order]:
    return world.engine.book.children_of(parent.global_id)


def statuses(world: World, parent: Order) -> list[str]:
    return [leg.status for leg in legs_of(world, parent)]


def test_attached_legs_wait_and_bind_nothing() -> None:
    world = World()
    parent = world.place("BUY", "10", "229.00", attached=[PROFIT, LOSS])
    profit, loss = legs_of(world, parent)
    assert (profit.order_type, profit.side, profit.limit_price) == ("LMT", "SELL", Decimal(240))
    assert (loss.order_type, loss.side, loss.aux_price) == ("STP", "SELL", Decimal(220))
    assert statuses(world, parent) == ["Initial", "Initial"]
    assert profit.parent_id == loss.parent_id == parent.global_id
    assert len({parent.order_number, profit.order_number, loss.order_number}) == 3
    interest = world.engine.book.accounts["51"].open_interest["AAPL"]
    assert (interest.buy_quantity, interest.sell_quantity) == (Decimal(10), Decimal(0))
    # A price beyond both legs moves nothing before the parent has filled.
    world.price("245.00")
    assert statuses(world, parent) == ["Initial", "Initial"]


def test_legs_come_to_life_with_the_parent_and_one_cancels_the_other() -> None:
    world = World()
    parent = world.place("BUY", "10", attached=[PROFIT, LOSS], limit="231.00")
    assert parent.status == "Filled"
    assert statuses(world, parent) == ["PendingSubmit", "PendingSubmit"]
    # Both together sell no more than is held.
    interest = world.engine.book.accounts["51"].open_interest["AAPL"]
    assert interest.sell_quantity == 10
    world.price("241.00")
    assert statuses(world, parent) == ["Filled", "Cancelled"]
    assert world.held() == 0


def test_exits_end_in_the_next_round_once_there_is_nothing_left_to_close() -> None:
    world = World()
    parent = world.place("BUY", "10", "231.00", attached=[PROFIT, LOSS])
    assert statuses(world, parent) == ["PendingSubmit", "PendingSubmit"]
    world.bring("AAPL", "-10", "230.00")
    assert world.held() == 0
    world.engine.advance(world.now, step_count=0)
    assert statuses(world, parent) == ["Invalid", "Invalid"]


def test_leg_is_sized_to_what_a_parent_filled_before_it_ended() -> None:
    world = World(fill_quantity_max=Decimal(4))
    parent = world.place("BUY", "10", "231.00", attached=[LOSS])
    assert statuses(world, parent) == ["Initial"]
    world.engine.cancel(world.order(parent), world.now)
    leg = legs_of(world, parent)[0]
    assert (leg.status, leg.quantity) == ("PendingSubmit", Decimal(4))


def test_legs_end_with_a_parent_that_filled_nothing() -> None:
    world = World()
    parent = world.place("BUY", "10", "229.00", attached=[PROFIT, LOSS])
    world.engine.cancel(parent, world.now)
    assert statuses(world, parent) == ["Cancelled", "Cancelled"]
    assert not any(world.engine.book.open_ids.values())


def test_legs_of_a_late_rejected_parent_end_too() -> None:
    world = World()
    parent = world.place("BUY", "10", "229.001", attached=[PROFIT])
    assert (parent.status, statuses(world, parent)) == ("Invalid", ["Cancelled"])


@pytest.mark.parametrize(
    ("terms", "kind", "status"),
    [
        ({}, "STP", "Filled"),
        ({"limit_price": "219.00"}, "STP_LMT", "PendingSubmit"),
        ({"trailing_percent": "5"}, "TRAIL", "Filled"),
        ({"trailing_amount": "5"}, "TRAIL", "Filled"),
    ],
)
def test_stop_loss_takes_its_type_from_its_terms(
    terms: dict[str, str], kind: str, status: str
) -> None:
    world = World()
    parent = world.place("BUY", "10", "231.00", attached=[LOSS | terms])
    leg = legs_of(world, parent)[0]
    assert leg.order_type == kind
    # A trailing stop needs to have seen a price to fall from.
    world.price("229.00")
    world.price("215.00")
    leg = legs_of(world, parent)[0]
    assert (leg.is_triggered, leg.status) == (True, status)


def test_leg_of_what_is_no_longer_held_is_rejected() -> None:
    world = World(fill_quantity_max=Decimal(5))
    parent = world.place("BUY", "10", "231.00", attached=[LOSS])
    world.place("SELL", "5")
    world.engine.advance(world.now, step_count=0)
    assert world.order(parent).status == "Filled"
    leg = legs_of(world, parent)[0]
    assert (leg.status, world.held()) == ("Invalid", Decimal(5))


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"order_type": "MKT", "limit_price": None, "attached": [PROFIT]}, "limit orders only"),
        ({"attached": [PROFIT, PROFIT]}, "at most"),
        ({"attached": [PROFIT, LOSS, PROFIT]}, "at most"),
        ({"attached": [{"role": "PROFIT"}]}, "need a price"),
        ({"attached": [LOSS | {"trailing_percent": "101"}]}, "trailing percent"),
        ({"attached": [PROFIT | {"time_in_force": "GTD"}]}, "not supported"),
        ({"account": "2152", "attached": [PROFIT | {"time_in_force": "GTC"}]}, "GTC"),
    ],
)
def test_wrong_attached_legs_are_refused(terms: dict[str, Any], text: str) -> None:
    world = World()
    with pytest.raises(OrderRefusedError, match=text):
        world.place("BUY", "10", **({"limit": "229.00"} | terms))


def oca(world: World, *terms: dict[str, Any]) -> tuple[Order, ...]:
    requests = [request("SELL", "10", **item) for item in terms]
    return world.engine.place_oca(requests, world.now)


TAKE = {"order_type": "LMT", "limit_price": "240.00"}
STOP = {"order_type": "STP", "aux_price": "220.00"}


@pytest.mark.parametrize(("price", "ends"), [("241.00", (0, 1)), ("219.00", (1, 0))])
def test_first_of_a_group_to_fill_cancels_the_other(price: str, ends: tuple[int, int]) -> None:
    world = World()
    world.place("BUY", "10")
    orders = oca(world, TAKE, STOP)
    assert orders[0].oca_group == orders[1].oca_group != 0
    world.price(price)
    filled, cancelled = (world.order(orders[number]) for number in ends)
    assert (filled.status, cancelled.status) == ("Filled", "Cancelled")
    assert world.held() == 0


def test_first_part_of_a_fill_cancels_the_rest_of_the_group() -> None:
    world = World()
    world.place("BUY", "10")
    take, stop = oca(world, TAKE, STOP)
    world.engine.settings = type(world.engine.settings)(fill_quantity_max=Decimal(3))
    world.price("241.00")
    assert (world.order(take).filled_quantity, world.order(take).status) == (
        Decimal(3),
        "PendingSubmit",
    )
    assert world.order(stop).status == "Cancelled"


def test_group_that_fills_at_once_leaves_nothing_open() -> None:
    world = World()
    world.place("BUY", "10")
    take, stop = oca(world, TAKE | {"limit_price": "225.00"}, STOP)
    assert (take.status, stop.status, stop.filled_quantity) == ("Filled", "Cancelled", Decimal(0))


@pytest.mark.parametrize(
    "terms",
    [
        [TAKE],
        [TAKE, TAKE | {"symbol": "MSFT"}],
        [TAKE, {"order_type": "MKT"}],
        [TAKE, STOP, TAKE, STOP, TAKE],
        [TAKE | {"order_number": 7}, STOP | {"order_number": 7}],
    ],
)
def test_wrong_group_is_refused_whole(terms: list[dict[str, Any]]) -> None:
    world = World()
    world.place("BUY", "10")
    count = len(world.engine.book.orders)
    with pytest.raises(OrderRefusedError):
        oca(world, *terms)
    assert len(world.engine.book.orders) == count


SPREAD = [
    {"key": CALL, "side": "BUY", "ratio": 1},
    {"key": HIGHER_CALL, "side": "SELL", "ratio": 1},
]


def combo(world: World, side: str, quantity: str, limit: str | None, **terms: Any) -> Order:
    return world.place(side, quantity, limit, **({"legs": SPREAD} | terms))


def best(world: World, key: str, side: Any) -> Decimal:
    return world.engine.prices.levels(key, side)[0].price


def test_legs_trade_at_once_at_their_net_price() -> None:
    world = World()
    net = best(world, CALL, "SELL") - best(world, HIGHER_CALL, "BUY")
    order = combo(world, "BUY", "2", str(net))
    assert (order.status, order.sec_type) == ("Filled", "MLEG")
    assert order.filled_amount == 2 * net
    assert (world.held(CALL), world.held(HIGHER_CALL)) == (Decimal(2), Decimal(-2))
    assert len(world.engine.book.fills) == 2
    assert world.replayed().book.orders == world.engine.book.orders


def test_whole_below_its_net_price_trades_no_leg() -> None:
    world = World()
    net = best(world, CALL, "SELL") - best(world, HIGHER_CALL, "BUY")
    order = combo(world, "BUY", "2", str(net - Decimal("0.01")))
    assert (order.status, order.filled_quantity) == ("PendingSubmit", Decimal(0))
    assert world.held(CALL) == world.held(HIGHER_CALL) == 0
    # The price comes, and both legs with it.
    world.price("225.00")
    assert world.order(order).status == "Filled"
    assert (world.held(CALL), world.held(HIGHER_CALL)) == (Decimal(2), Decimal(-2))


def test_seller_of_a_whole_turns_every_leg() -> None:
    world = World()
    order = combo(world, "SELL", "1", None)
    assert order.status == "Filled"
    assert (world.held(CALL), world.held(HIGHER_CALL)) == (Decimal(-1), Decimal(1))


def test_credit_spread_has_a_limit_below_zero() -> None:
    world = World()
    legs = [SPREAD[0] | {"side": "SELL"}, SPREAD[1] | {"side": "BUY"}]
    order = combo(world, "BUY", "1", "-0.01", legs=legs)
    assert order.status == "Filled"
    assert order.filled_amount < 0


def test_ratio_takes_as_many_of_a_leg() -> None:
    world = World()
    legs = [SPREAD[0], SPREAD[1] | {"ratio": 2}]
    assert combo(world, "BUY", "1", None, legs=legs).status == "Filled"
    assert (world.held(CALL), world.held(HIGHER_CALL)) == (Decimal(1), Decimal(-2))


@pytest.mark.parametrize(
    "legs",
    [
        [SPREAD[0]],
        [SPREAD[0], SPREAD[0]],
        [SPREAD[0], {"key": "AAPL  261218C99999000", "side": "BUY", "ratio": 0}],
        [{"key": "NOSUCH", "side": "BUY", "ratio": 1}, SPREAD[0]],
    ],
)
def test_wrong_legs_are_refused(legs: list[dict[str, Any]]) -> None:
    with pytest.raises(OrderRefusedError):
        combo(World(), "BUY", "1", "5.00", legs=legs)


def test_short_leg_guard_holds_for_a_leg_of_a_whole() -> None:
    world = World()
    world.place("BUY", "1", key=PUT)
    legs = [SPREAD[0], {"key": PUT, "side": "SELL", "ratio": 2}]
    with pytest.raises(OrderRefusedError, match="exceeds"):
        combo(world, "BUY", "1", None, legs=legs)
    assert world.now == NOW
