"""Rows of the predecessors' table about orders and what they filled."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Final

from tests.e2e.parity_stage import NEW_YORK, Case, Stage
from tests.support.gateway import rows_of

MARKET: Final = {"order_type": "market", "limit_price": None}
STOP: Final = {"order_type": "stop", "limit_price": None, "stop_price": "5000.00"}
STOP_LIMIT: Final = {
    "order_type": "stop_limit",
    "stop_price": "5000.00",
    "limit_price": "5000.00",
}
FUTURE: Final = {"security": "future", "quantity": "1", "limit_price": "100.00"}
FUND: Final = "LU0109391861.USD"
BY_AMOUNT: Final = {"security": "fund", "quantity": None, "cash_amount": "500"}
Placed = tuple[str, dict[str, Any], dict[str, Any]]


def _placed(stage: Stage) -> tuple[Placed, ...]:
    """Return what is asked of us, and the fields by which it must stand in the broker's book."""
    good_till = datetime.combine(date.fromisoformat(stage.monthly), time(16), NEW_YORK)
    return (
        (
            "QQQ",
            {"time_in_force": "gtc", "outside_regular_hours": True},
            {"order_type": "LMT", "limit_price": Decimal(1), "time_in_force": "GTC"},
        ),
        ("QQQ", STOP, {"order_type": "STP", "aux_price": Decimal(5000)}),
        (
            "QQQ",
            STOP_LIMIT,
            {"order_type": "STP_LMT", "aux_price": Decimal(5000), "limit_price": Decimal(5000)},
        ),
        (
            "QQQ",
            {"time_in_force": "gtd", "good_till": good_till.isoformat()},
            {"time_in_force": "GTD", "expire_at": good_till.astimezone(UTC)},
        ),
        (
            "QQQ",
            {"session": "overnight", "outside_regular_hours": True},
            {"session_type": "OVERNIGHT"},
        ),
        (
            "AAPL",
            stage.call_option("230", "0.01"),
            {"key": stage.call_key("AAPL", 230), "limit_price": Decimal("0.01")},
        ),
        (
            stage.index_future,
            FUTURE,
            {"key": stage.index_future, "limit_price": Decimal(100)},
        ),
    )


async def tiger_place_order(stage: Stage) -> None:
    told = await stage.placed("AMZN", **MARKET, quantity="3")
    row = await stage.order(told["order_id"], "filled")
    order = stage.booked(told["tiger_order_id"])
    assert (order.symbol, order.side, order.order_type) == ("AMZN", "BUY", "MKT")
    assert order.status == "Filled"
    assert (str(order.filled_quantity), row["filled_quantity"]) == ("3", "3")
    for symbol, more, stands in (
        (
            "AMZN",
            {"side": "sell", "quantity": "3", "limit_price": "5000.00"},
            {"side": "SELL", "order_type": "LMT"},
        ),
        ("AMZN", STOP, {"order_type": "STP"}),
        ("AMZN", STOP_LIMIT, {"order_type": "STP_LMT", "time_in_force": "DAY"}),
    ):
        await _stands(stage, symbol, more, stands)


async def place_order(stage: Stage) -> None:
    for symbol, more, stands in _placed(stage):
        await _stands(stage, symbol, more, stands)
    told = await stage.placed(FUND, **MARKET, **BY_AMOUNT)
    await stage.order(told["order_id"], "filled")
    order, held = stage.booked(told["tiger_order_id"]), stage.book().positions[FUND]
    assert (order.cash_amount, order.sec_type) == (Decimal(500), "FUND")
    assert order.filled_quantity == held.quantity > 0
    (row,) = rows_of((await stage.own("get_positions", view="now", security="fund"))["positions"])
    assert (row["symbol"], row["security"]) == (FUND, "fund")
    assert Decimal(row["quantity"]) == held.quantity
    keyed = {"symbol": "QQQ", "limit_price": "1.02", "key": "one-wish"}
    first, again = await stage.preview(**keyed), await stage.preview(**keyed)
    assert first["preview_id"] == again["preview_id"]


async def preview_order(stage: Stage) -> None:
    sent = len(stage.book().orders)
    asked = stage.control.request_count("place_order")
    previews = [
        await stage.preview("AAPL", limit_price="200.00"),
        await stage.preview("AAPL", **stage.call_option("230", "0.01")),
        await stage.preview(stage.index_future, **FUTURE),
        await stage.preview(
            "AAPL",
            security="combination",
            quantity="1",
            limit_price="0.01",
            legs=[
                {"side": side, "right": "call", "expiry": stage.monthly, "strike": strike}
                for side, strike in (("buy", "230"), ("sell", "240"))
            ],
        ),
        await stage.preview(FUND, **MARKET, **BY_AMOUNT),
    ]
    assert previews[0]["estimate"]["notional"] == {"amount": "2000.00", "currency": "USD"}
    assert previews[0]["order"]["limit_price"] == "200.00"
    assert [each["order"].get("security", "stock") for each in previews] == [
        "stock",
        "option",
        "future",
        "combination",
        "fund",
    ]
    assert previews[4]["estimate"]["notional"] == {"amount": "500", "currency": "USD"}
    assert all(each["summary"] and each["costs"] for each in previews)
    assert (len(stage.book().orders), stage.control.request_count("place_order")) == (sent, asked)


async def tiger_cancel_order(stage: Stage) -> None:
    order_id, tiger_order_id = await _resting(stage, "GOOG")
    stage.switch(defer_cancels=True)
    told = await stage.own("cancel_orders", order_ids=[order_id])
    # The predecessor said CANCELLED here, whatever the broker did.
    assert [row["status"] for row in rows_of(told["cancels"])] == ["requested"]
    assert stage.booked(tiger_order_id).is_open
    stage.switch(defer_cancels=False)
    stage.control.advance()
    await stage.order(order_id, "cancelled")
    assert stage.booked(tiger_order_id).status == "Cancelled"


async def cancel_order(stage: Stage) -> None:
    first, first_at_tiger = await _resting(stage, "GOOG")
    other, other_at_tiger = await _resting(stage, "NVDA")
    await stage.cancelled(first)
    assert stage.booked(first_at_tiger).status == "Cancelled"
    assert stage.booked(other_at_tiger).is_open
    await stage.own("cancel_orders", symbol="NVDA")
    await stage.order(other, "cancelled")
    again = await stage.own("cancel_orders", order_ids=[other])
    assert [row["status"] for row in rows_of(again["cancels"])] in (["refused"], ["done"])


async def tiger_modify_order(stage: Stage) -> None:
    order_id, tiger_order_id = await _resting(stage, "SPY")
    asked = {"order_id": order_id, "reason": "a row of the table"}
    told = await stage.own("modify_order", **asked, quantity="12", limit_price="1.05")
    assert told["status"] == "replaced", told
    order = stage.booked(tiger_order_id)
    assert (order.quantity, order.limit_price) == (Decimal(12), Decimal("1.05"))
    await stage.cancelled(order_id)
    told = await stage.placed("SPY", **STOP)
    await stage.order(told["order_id"], "working")
    asked = {"order_id": told["order_id"], "reason": "a row of the table"}
    assert (await stage.own("modify_order", **asked, stop_price="4990.00"))["status"] == "replaced"
    assert stage.booked(told["tiger_order_id"]).aux_price == 4990
    await stage.cancelled(told["order_id"])


async def tiger_get_orders(stage: Stage) -> None:
    order_id, tiger_order_id = await _resting(stage, "BRK.A")
    in_app = stage.control.external_order(
        stage.number, "BRK.A", side="BUY", quantity=Decimal(1), limit_price=Decimal(2)
    )
    told = await stage.until(
        "get_orders",
        lambda seen: len(seen["orders"]["rows"]) == 2,
        status="open",
        symbol="BRK.A",
        since="today",
    )
    rows = {row["tiger_order_id"]: row for row in rows_of(told["orders"])}
    assert rows.keys() == {tiger_order_id, str(in_app.global_id)}
    assert rows[str(in_app.global_id)]["is_external"] is True
    assert rows[tiger_order_id]["order_id"] == order_id
    later = max(row["started_at"] for row in rows.values())
    cut = await stage.own("get_orders", symbol="BRK.A", since=later)
    assert [row["started_at"] for row in rows_of(cut["orders"])] == [later]
    await stage.own("cancel_orders", symbol="BRK.A")
    await stage.until(
        "get_orders", lambda seen: not seen["orders"]["rows"], status="open", symbol="BRK.A"
    )
    none = await stage.own("get_orders", symbol="BRK.A", until="2020-01-01")
    assert none["orders"]["rows"] == []


async def get_orders(stage: Stage) -> None:
    told = await stage.placed("MSFT", **MARKET, quantity="2")
    await stage.order(told["order_id"], "filled")
    rows: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await stage.own("get_orders", since="7d", limit=3, **cursor)
        assert len(page["orders"]["rows"]) <= 3
        rows += rows_of(page["orders"])
        if "cursor" not in page:
            break
        cursor = {"cursor": page["cursor"]}
    booked = {str(order.global_id) for order in stage.book().orders}
    assert {row["tiger_order_id"] for row in rows} == booked
    assert len(rows) == len(booked)
    done = rows_of((await stage.own("get_orders", status="done", limit=200))["orders"])
    closed = {str(order.global_id) for order in stage.book().orders if not order.is_open}
    assert {row["tiger_order_id"] for row in done} == closed


async def get_order(stage: Stage) -> None:
    told = await stage.placed("MSFT", **MARKET, quantity="4")
    row = await stage.order(told["order_id"], "filled")
    order = stage.booked(told["tiger_order_id"])
    assert Decimal(row["average_price"]) == order.filled_amount / order.filled_quantity
    assert Decimal(row["charges"]) == order.commission
    assert row["reason"] == "a row of the table"
    why = await stage.own("explain_order", order_id=told["order_id"])
    assert why["sending"]["outcome"] == "accepted"
    assert rows_of(why["facts"])


async def get_transactions(stage: Stage) -> None:
    told = await stage.placed("TSLA", **MARKET, quantity="5")
    await stage.order(told["order_id"], "filled")
    fills = [f for f in stage.book().fills if str(f.global_id) == told["tiger_order_id"]]
    assert fills
    # The order's end may be known before its executions are.
    page = await stage.until(
        "get_executions",
        lambda seen: len(seen["executions"]["rows"]) >= len(fills),
        order_id=told["order_id"],
    )
    assert {
        (row["execution_id"], Decimal(row["quantity"]), Decimal(row["price"]), row["currency"])
        for row in rows_of(page["executions"])
    } == {(str(f.fill_id), f.quantity, f.price, f.currency) for f in fills}
    seen = await stage.own("get_executions", symbol="TSLA", since="today", limit=200)
    assert len(seen["executions"]["rows"]) == sum(f.symbol == "TSLA" for f in stage.book().fills)
    other = await stage.placed("TSLA", **MARKET, quantity="1")
    page = await stage.until(
        "get_executions", lambda told: rows_of(told["executions"]) != [], order_id=other["order_id"]
    )
    since = min(row["executed_at"] for row in rows_of(page["executions"]))
    cut = await stage.own("get_executions", symbol="TSLA", since=since)
    assert {row["order_id"] for row in rows_of(cut["executions"])} == {other["order_id"]}
    past = await stage.own("get_executions", symbol="TSLA", until="2020-01-01")
    assert past["executions"]["rows"] == []


async def _stands(stage: Stage, symbol: str, more: dict[str, Any], stands: dict[str, Any]) -> None:
    told = await stage.placed(symbol, **more)
    order = stage.booked(told["tiger_order_id"])
    found = {name: getattr(order, name) for name in stands}
    assert found == stands, (symbol, more)
    assert order.is_open
    await stage.order(told["order_id"], "working")
    await stage.cancelled(told["order_id"])


async def _resting(stage: Stage, symbol: str) -> tuple[str, str]:
    told = await stage.placed(symbol)
    row = await stage.order(told["order_id"], "working")
    return told["order_id"], row["tiger_order_id"]


CASES: Final[dict[str, Case]] = {
    "seed tiger_get_orders": tiger_get_orders,
    "seed tiger_place_order": tiger_place_order,
    "seed tiger_cancel_order": tiger_cancel_order,
    "seed tiger_modify_order": tiger_modify_order,
    "official preview_order": preview_order,
    "official place_order": place_order,
    "official cancel_order": cancel_order,
    "official get_orders": get_orders,
    "official get_order": get_order,
    "official get_transactions": get_transactions,
}
