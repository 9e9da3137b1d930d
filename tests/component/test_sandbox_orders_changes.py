"""Cancels and modifies: taken first, done later, or too late."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.sandbox.broker.checks import OrderRefusedError
from tests.support.engine_world import NOW, PAPER, World


def test_modify_replaces_every_term() -> None:
    world = World()
    order = world.place("BUY", "10", "200.00")
    until = NOW + timedelta(days=3)
    changed = world.change(
        order,
        quantity="20",
        limit_price="201.00",
        time_in_force="GTD",
        expire_at=until,
        outside_rth=False,
    )
    assert (changed.quantity, changed.limit_price) == (Decimal(20), Decimal("201.00"))
    assert (changed.time_in_force, changed.lapses_at, changed.outside_rth) == ("GTD", until, False)
    assert (changed.replace_status, changed.change) == ("REPLACED", None)


def test_modified_order_that_crosses_fills_at_the_book() -> None:
    world = World()
    order = world.place("BUY", "10", "200.00")
    changed = world.change(order, limit_price="235.00")
    assert changed.status == "Filled"
    assert changed.filled_amount == Decimal("2300.10")


def test_stop_gets_a_new_trigger_and_a_trail_a_new_distance() -> None:
    world = World()
    stop = world.place("BUY", "1", order_type="STP", aux_price="240.00")
    world.change(stop, aux_price="250.00")
    trail = world.place("BUY", "1", order_type="TRAIL", aux_price="5")
    moved = world.change(trail, aux_price="3")
    assert moved.trail_stop_price == Decimal("233.00")
    world.price("241.00")
    assert world.order(stop).status == "PendingSubmit"
    assert world.order(trail).status == "Filled"


def test_deferred_modify_is_received_and_then_done() -> None:
    world = World(defer_modifies=True)
    order = world.place("BUY", "10", "200.00")
    asked = world.change(order, limit_price="201.00")
    assert (asked.replace_status, asked.limit_price) == ("RECEIVED", Decimal("200.00"))
    with pytest.raises(OrderRefusedError, match="can not be modified"):
        world.change(order, limit_price="202.00")
    world.engine.tick(world.now)
    assert world.order(order).replace_status == "RECEIVED"
    world.engine.advance(world.now, step_count=0)
    done = world.order(order)
    assert (done.replace_status, done.limit_price) == ("REPLACED", Decimal("201.00"))


def test_modify_that_comes_after_the_fill_has_failed() -> None:
    world = World(defer_modifies=True)
    order = world.place("BUY", "10", "229.00")
    world.change(order, limit_price="200.00")
    world.price("228.00")
    order = world.order(order)
    assert (order.status, order.replace_status, order.change) == ("Filled", "FAILED", None)
    assert order.limit_price == Decimal("229.00")


def test_modify_to_less_than_has_filled_meanwhile_fails() -> None:
    world = World(defer_modifies=True, fill_quantity_max=Decimal(4))
    order = world.place("BUY", "10", "231.00")
    world.change(order, quantity="6")
    world.engine.advance(world.now, step_count=0)
    order = world.order(order)
    assert (order.filled_quantity, order.quantity, order.replace_status) == (
        Decimal(8),
        Decimal(10),
        "FAILED",
    )
    assert order.status == "PendingSubmit"


def test_modify_to_what_is_left_of_money_fails_when_it_is_gone() -> None:
    world = World(defer_modifies=True)
    order = world.place("BUY", "10", "200.00")
    world.change(order, quantity="6000")
    world.place("BUY", "3000", symbol="NVDA")
    world.engine.advance(world.now, step_count=0)
    order = world.order(order)
    assert (order.quantity, order.replace_status) == (Decimal(10), "FAILED")


def test_own_want_does_not_stand_in_the_way_of_a_change() -> None:
    world = World()
    order = world.place("BUY", "7000", "200.00")
    assert world.change(order, limit_price="201.00").replace_status == "REPLACED"
    with pytest.raises(OrderRefusedError, match="buying power"):
        world.change(order, quantity="9000")


def test_deferred_cancel_that_comes_after_the_fill_has_failed() -> None:
    world = World(defer_cancels=True)
    order = world.place("BUY", "10", "229.00")
    asked = world.engine.cancel(order, world.now)
    assert (asked.status, asked.cancel_status) == ("PendingSubmit", "RECEIVED")
    world.price("228.00")
    order = world.order(order)
    assert (order.status, order.cancel_status) == ("Filled", "FAILED")


def test_cancel_ends_what_a_modify_was_promised() -> None:
    world = World(defer_modifies=True)
    order = world.place("BUY", "10", "200.00")
    world.change(order, quantity="20")
    done = world.engine.cancel(world.order(order), world.now)
    assert (done.status, done.replace_status, done.change) == ("Cancelled", "FAILED", None)
    assert world.engine.cancel(done, world.now) == done


def test_waiting_leg_can_be_changed_and_cancelled() -> None:
    world = World()
    attached = [{"role": "PROFIT", "price": "240"}, {"role": "LOSS", "price": "220"}]
    parent = world.place("BUY", "10", "229.00", attached=attached)
    profit, loss = world.engine.book.children_of(parent.global_id)
    assert world.change(profit, limit_price="241.00").limit_price == Decimal("241.00")
    assert world.engine.cancel(loss, world.now).status == "Cancelled"
    world.price("228.00")
    legs = world.engine.book.children_of(parent.global_id)
    assert [leg.status for leg in legs] == ["PendingSubmit", "Cancelled"]


def test_leg_does_not_grow_beyond_what_its_parent_filled() -> None:
    world = World()
    parent = world.place("BUY", "10", "231.00", attached=[{"role": "PROFIT", "price": "240"}])
    world.place("BUY", "10")
    leg = world.engine.book.children_of(parent.global_id)[0]
    assert world.change(leg, quantity="9").replace_status == "REPLACED"
    with pytest.raises(OrderRefusedError, match="exceeds"):
        world.change(leg, quantity="11")


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        ({"quantity": "0"}, "already filled"),
        ({"quantity": "0.5", "limit_price": "NaN"}, "limit price"),
        ({"limit_price": "-1"}, "limit price"),
        ({"limit_price": "200.001"}, "minimum price increment"),
        ({"time_in_force": "OPG"}, "do not support OPG"),
        ({"time_in_force": "GTD"}, "expire time"),
    ],
)
def test_change_to_wrong_terms_is_refused(terms: dict[str, Any], text: str) -> None:
    world = World()
    order = world.place("BUY", "10", "200.00")
    with pytest.raises(OrderRefusedError, match=text):
        world.change(order, **terms)
    assert world.order(order) == order


@pytest.mark.parametrize(
    ("account", "terms", "text"),
    [
        (PAPER, {"time_in_force": "GTC", "limit": "200.00"}, "Paper accounts do not support GTC"),
        (PAPER, {"quantity": "0.5"}, "Fractional"),
        (PAPER, {"quantity": "0", "cash_amount": "100"}, "by amount"),
        ("51", {"time_in_force": "GTC"}, "Market orders do not support GTC"),
        ("51", {"order_type": "MIT"}, "not supported"),
        ("51", {"order_type": "LMT"}, "limit price"),
        ("51", {"order_type": "STP"}, "stop price"),
        ("51", {"order_type": "STP_LMT", "aux_price": "240"}, "limit price"),
        ("51", {"order_type": "TRAIL"}, "trailing"),
        ("51", {"order_type": "TRAIL", "trailing_percent": "101"}, "trailing percent"),
        (
            "51",
            {"order_type": "TRAIL", "aux_price": "1", "trail_stop_price": "NaN"},
            "stop price",
        ),
        ("51", {"order_type": "AM"}, "Hong Kong"),
        ("51", {"time_in_force": "OPG"}, "do not support OPG"),
        ("51", {"symbol": "00700", "quantity": "100", "order_type": "VWAP"}, "VWAP"),
        ("51", {"order_type": "TWAP", "time_in_force": "GTC"}, "do not support GTC"),
        ("51", {"order_type": "TWAP", "algo": {"participation_rate": "0.1"}}, "Only VWAP"),
        ("51", {"order_type": "VWAP", "algo": {"participation_rate": "0.6"}}, "between"),
        ("51", {"order_type": "TWAP", "algo": {"end_at": NOW}}, "time range"),
        ("51", {"order_type": "ICEBERG", "limit": "200"}, "display size"),
        (
            "51",
            {"order_type": "ICEBERG", "limit": "200", "iceberg": {"display_size": "11"}},
            "display size",
        ),
        ("51", {"symbol": "NOSUCH"}, "We don't support trading of this stock now"),
        ("51", {"symbol": "ES", "key": "ES2501"}, "We don't support trading of this stock now"),
        ("51", {"quantity": "-1"}, "greater than 0"),
        ("51", {"quantity": "Infinity"}, "greater than 0"),
        ("51", {"symbol": "00700", "quantity": "150"}, "lot size 100"),
        ("51", {"quantity": "1", "cash_amount": "100"}, "not both"),
        ("51", {"session_type": "OVERNIGHT"}, "OVERNIGHT"),
        ("51", {"session_type": "HK_AUC"}, "HK_AUC"),
        (
            "51",
            {"time_in_force": "GTD", "limit": "200", "expire_at": NOW + timedelta(days=181)},
            "expire time",
        ),
    ],
)
def test_order_against_a_rule_is_refused_and_leaves_nothing(
    account: str, terms: dict[str, Any], text: str
) -> None:
    world = World()
    count = len(world.records)
    with pytest.raises(OrderRefusedError, match=text):
        world.place("BUY", account=account, **({"quantity": "10"} | terms))
    assert len(world.records) == count


def test_sale_from_long_to_short_in_one_order_is_refused() -> None:
    world = World()
    world.place("BUY", "10")
    with pytest.raises(OrderRefusedError, match="exceeds your currently available position"):
        world.place("SELL", "11")
    resting = world.place("SELL", "6", "240.00")
    with pytest.raises(OrderRefusedError, match="exceeds"):
        world.place("SELL", "5")
    world.engine.cancel(resting, world.now)
    world.place("SELL", "10")
    assert world.place("SELL", "5").status == "Filled"
    assert world.held() == -5


def test_fraction_is_never_sold_short() -> None:
    world = World()
    with pytest.raises(OrderRefusedError, match="does not support stock short"):
        world.place("SELL", "0.5")
