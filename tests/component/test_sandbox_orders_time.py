"""When orders trade and when they end: sessions, times in force, auctions."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.settings import Settings
from tests.support.engine_world import CALL, FUTURE, NOW, World

# Thursday 19 November 2026: New York is at UTC-5, Hong Kong at UTC+8.
PRE = datetime(2026, 11, 19, 13, tzinfo=UTC)
REGULAR = datetime(2026, 11, 19, 15, tzinfo=UTC)
CLOSE = datetime(2026, 11, 19, 21, tzinfo=UTC)
POST = datetime(2026, 11, 19, 22, tzinfo=UTC)
OVERNIGHT = datetime(2026, 11, 20, 3, tzinfo=UTC)
SATURDAY = datetime(2026, 11, 21, 15, tzinfo=UTC)
HK_OPENING = datetime(2026, 11, 19, 1, 5, tzinfo=UTC)
HK_NO_CANCEL = datetime(2026, 11, 19, 1, 16, tzinfo=UTC)
HK_MATCHING = datetime(2026, 11, 19, 1, 20, tzinfo=UTC)
HK_MORNING = datetime(2026, 11, 19, 2, tzinfo=UTC)
HK_LUNCH = datetime(2026, 11, 19, 4, 30, tzinfo=UTC)
HK_CLOSED = datetime(2026, 11, 19, 9, tzinfo=UTC)


def world_at(now: datetime) -> World:
    world = World(always_open=False)
    world.at(now)
    return world


@pytest.mark.parametrize(
    ("now", "terms", "is_filled"),
    [
        (REGULAR, {}, True),
        (PRE, {}, True),
        (POST, {}, True),
        (PRE, {"outside_rth": False}, False),
        (POST, {"outside_rth": False}, False),
        (OVERNIGHT, {}, False),
        (SATURDAY, {}, False),
        (PRE, {"session_type": "RTH"}, False),
        (PRE, {"session_type": "PRE_RTH_POST", "outside_rth": False}, True),
        (OVERNIGHT, {"session_type": "OVERNIGHT"}, True),
        (REGULAR, {"session_type": "OVERNIGHT"}, False),
        (OVERNIGHT, {"session_type": "FULL"}, True),
        (REGULAR, {"session_type": "FULL"}, True),
        (HK_MORNING, {"symbol": "00700"}, True),
        (HK_LUNCH, {"symbol": "00700"}, False),
        (HK_OPENING, {"symbol": "00700"}, False),
        (HK_CLOSED, {"symbol": "00700"}, False),
        (PRE, {"key": CALL}, False),
        (REGULAR, {"key": CALL}, True),
        (OVERNIGHT, {"symbol": "ES", "key": FUTURE}, True),
        (SATURDAY, {"symbol": "ES", "key": FUTURE}, False),
    ],
)
def test_marketable_limit_order_fills_in_its_sessions_only(
    now: datetime, terms: dict[str, Any], is_filled: bool
) -> None:
    world = world_at(now)
    world.fund("50000", segment="FUT")
    key = terms.get("key") or terms.get("symbol", "AAPL")
    ask = world.engine.prices.levels(key, "SELL")[0].price
    quantity = "100" if key == "00700" else "1"
    order = world.place("BUY", quantity, str(ask), **terms)
    assert (order.status == "Filled") is is_filled
    assert order.is_live is not is_filled


def test_order_that_waits_fills_when_its_session_begins() -> None:
    world = world_at(PRE)
    order = world.place("BUY", "1", "231.00", outside_rth=False)
    world.at(PRE + timedelta(minutes=30))
    assert world.order(order).filled_quantity == 0
    world.at(REGULAR)
    assert world.order(order).status == "Filled"


@pytest.mark.parametrize(
    ("now", "terms", "text"),
    [
        (PRE, {}, "Only limit orders can be placed during pre market or post market"),
        (POST, {}, "Only limit orders can be placed during pre market or post market"),
        (OVERNIGHT, {}, "Orders cannot be placed at this moment"),
        (SATURDAY, {}, "Orders cannot be placed at this moment"),
        (PRE, {"order_type": "STP", "aux_price": "240"}, "Only limit orders"),
        (PRE, {"order_type": "TRAIL", "aux_price": "5"}, "Only limit orders"),
        (PRE, {"key": CALL}, "Orders cannot be placed at this moment"),
        (HK_LUNCH, {"symbol": "00700", "quantity": "100"}, "Orders cannot be placed"),
        (PRE, {"order_type": "TWAP", "outside_rth": False}, "Orders cannot be placed"),
        (PRE, {"quantity": "0.5"}, "Only regular trading hours supported"),
        (PRE, {"quantity": "0", "cash_amount": "100"}, "Only regular trading hours supported"),
        (HK_MORNING, {"symbol": "00700", "quantity": "100", "order_type": "AM"}, "Auction order"),
    ],
)
def test_what_a_session_does_not_take_is_refused(
    now: datetime, terms: dict[str, Any], text: str
) -> None:
    world = world_at(now)
    with pytest.raises(OrderRefusedError, match=text):
        world.place("BUY", **({"quantity": "1"} | terms))


def test_market_order_for_regular_hours_waits_for_them() -> None:
    world = world_at(PRE)
    order = world.place("BUY", "1", outside_rth=False)
    assert order.status == "PendingSubmit"
    world.at(REGULAR)
    assert world.order(order).status == "Filled"


def test_stop_does_not_trigger_outside_regular_hours() -> None:
    world = world_at(REGULAR)
    stop = world.place("BUY", "1", order_type="STP", aux_price="235.00", time_in_force="GTC")
    world.at(PRE + timedelta(days=1))
    world.price("236.00")
    assert not world.order(stop).is_triggered
    world.at(REGULAR + timedelta(days=1))
    assert world.order(stop).status == "Filled"


@pytest.mark.parametrize(
    ("terms", "end"),
    [
        ({"outside_rth": False}, CLOSE),
        ({}, CLOSE + timedelta(hours=4)),
        ({"key": CALL}, CLOSE),
        ({"time_in_force": "GTC"}, REGULAR + timedelta(days=180)),
        (
            {"time_in_force": "GTD", "expire_at": REGULAR + timedelta(hours=30)},
            REGULAR + timedelta(hours=30),
        ),
    ],
)
def test_order_ends_inactive_when_its_time_in_force_does(
    terms: dict[str, Any], end: datetime
) -> None:
    world = world_at(REGULAR)
    limit = "0.05" if "key" in terms else "200.00"
    order = world.place("BUY", "1", limit, **terms)
    world.at(end - timedelta(milliseconds=1))
    assert world.order(order).status == "PendingSubmit"
    world.at(end)
    order = world.order(order)
    assert (order.status, order.remark) == ("Inactive", "The order has expired")


def test_open_market_keeps_day_orders_but_not_dated_ones() -> None:
    world = World()
    day = world.place("BUY", "1", "200.00")
    dated = world.place(
        "BUY", "1", "200.00", time_in_force="GTD", expire_at=NOW + timedelta(hours=1)
    )
    world.at(NOW + timedelta(days=30))
    assert world.order(day).status == "PendingSubmit"
    assert world.order(dated).status == "Inactive"


def test_expired_order_keeps_its_part_and_fills_no_more() -> None:
    world = world_at(REGULAR)
    world.engine.settings = Settings(
        price_drift=False, always_open=False, fill_quantity_max=Decimal(4)
    )
    order = world.place("BUY", "10", "231.00", outside_rth=False)
    world.at(CLOSE)
    world.engine.advance(CLOSE, step_count=1)
    order = world.order(order)
    assert (order.status, order.filled_quantity) == ("Inactive", Decimal(4))


def auction(world: World, quantity: str = "100", limit: str | None = None, **terms: Any) -> Any:
    kind = "AM" if limit is None else "AL"
    return world.place("BUY", quantity, limit, order_type=kind, symbol="00700", **terms)


def test_auction_orders_match_when_the_auction_does() -> None:
    world = world_at(HK_OPENING)
    last = world.engine.prices.last("00700")
    market, limited = auction(world), auction(world, limit=str(last), time_in_force="OPG")
    low = auction(world, limit=str(last - 1), time_in_force="OPG")
    assert (market.status, limited.status) == ("PendingSubmit", "PendingSubmit")
    world.at(HK_MATCHING)
    assert world.order(market).filled_amount == world.order(limited).filled_amount == 100 * last
    world.at(HK_MORNING)
    assert world.order(low).status == "Inactive"


def test_rest_of_an_auction_limit_order_goes_on_as_a_limit_order() -> None:
    world = world_at(HK_OPENING)
    last = world.engine.prices.last("00700")
    order = auction(world, limit=str(last - 5))
    world.at(HK_MATCHING)
    world.at(HK_MORNING)
    assert world.order(order).status == "PendingSubmit"
    world.price(str(last - 10), key="00700")
    assert world.order(order).filled_amount == 100 * (last - 5)


def test_auction_holds_its_orders_from_a_quarter_past_nine() -> None:
    world = world_at(HK_OPENING)
    order = auction(world, limit="500")
    world.at(HK_NO_CANCEL)
    with pytest.raises(OrderRefusedError, match="can not be cancelled"):
        world.engine.cancel(order, world.now)
    with pytest.raises(OrderRefusedError, match="can not be modified"):
        world.change(order, limit_price="510")
    auction(world)


def test_unmatched_auction_market_order_ends_with_the_auction() -> None:
    world = world_at(HK_OPENING)
    world.engine.settings = Settings(
        price_drift=False, always_open=False, fill_quantity_max=Decimal(100)
    )
    order = auction(world, "300")
    world.at(HK_MATCHING)
    world.at(HK_MORNING)
    order = world.order(order)
    assert (order.status, order.filled_quantity) == ("Inactive", Decimal(100))
