"""Every order helper of the real SDK over the wire: what it sends, and what is read back.

The shapes are held against the replies in `tests/test_trade_client.py` of
tigerfintech/openapi-python-sdk (commit 47854414, read 2026-11-23).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus, PriceType
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import (
    option_contract,
    stock_contract,
)
from tigeropen.common.util.order_utils import (
    algo_order,
    algo_order_params,
    auction_limit_order,
    auction_market_order,
    combo_order,
    contract_leg,
    iceberg_order,
    limit_order,
    limit_order_by_amount,
    limit_order_with_legs,
    market_order,
    market_order_by_amount,
    oca_order,
    order_leg,
    stop_limit_order,
    stop_order,
    trail_order,
)

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

AAPL = stock_contract("AAPL", "USD")
TENCENT = stock_contract("00700", "HKD")
CALL = option_contract("AAPL  260320C00230000")
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    clock = f"virtual:{NOW.isoformat()}"
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), "--clock", clock) as started:
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    sandbox.control.set_settings(Settings(price_drift=False))
    sandbox.control.set_price("AAPL", Decimal("230.00"))
    return sandbox.account("main")


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


def placed(client: Any, order: Any) -> Any:
    client.place_order(order)
    return client.get_order(account=order.account, id=order.id)


def refused(client: Any, order: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as error:
        client.place_order(order)
    assert order.id is None
    return error.value.code, error.value.msg


def test_reply_to_a_placement_names_the_order_and_shows_it(client: Any, account: str) -> None:
    order = limit_order(account, AAPL, "BUY", 2, 90.5)
    assert client.place_order(order) == order.id
    assert order.id > 2**53
    assert order.sub_ids == []
    (shown,) = order.orders
    assert (shown["id"], shown["orderId"], shown["externalId"]) == (
        order.id,
        order.order_id,
        str(order.order_id),
    )
    expected = {
        "symbol": "AAPL",
        "market": "US",
        "secType": "STK",
        "currency": "USD",
        "identifier": "AAPL",
        "account": account,
        "action": "BUY",
        "orderType": "LMT",
        "limitPrice": 90.5,
        "totalQuantity": 2,
        "totalQuantityScale": 0,
        "filledQuantity": 0,
        "filledQuantityScale": 0,
        "filledCashAmount": 0.0,
        "avgFillPrice": 0.0,
        "timeInForce": "DAY",
        "outsideRth": True,
        "commission": 0.0,
        "gst": 0.0,
        "realizedPnl": 0.0,
        "liquidation": False,
        "openTime": NOW_MS,
        "updateTime": NOW_MS,
        "latestTime": NOW_MS,
        "name": "Apple",
        "latestPrice": 230.0,
        "attrDesc": "",
        "userMark": "",
        "attrList": [],
        "algoStrategy": "LMT",
        "source": "OpenApi",
        "discount": 0,
        "replaceStatus": "NONE",
        "cancelStatus": "NONE",
        "canModify": True,
        "canCancel": True,
        "isOpen": True,
        "orderDiscount": 0,
        "tradingSessionType": "PRE_RTH_POST",
    }
    assert {name: shown.get(name) for name in expected} == expected


def test_order_tells_whether_it_opens_a_holding(client: Any, account: str) -> None:
    microsoft = stock_contract("MSFT", "USD")
    opening = placed(client, market_order(account, microsoft, "BUY", 2))
    closing = placed(client, limit_order(account, microsoft, "SELL", 1, 900.0))
    client.cancel_order(account=account, id=closing.id)
    assert (opening.is_open, closing.is_open) == (True, False)
    adding = placed(client, limit_order(account, microsoft, "BUY", 1, 100.0))
    client.cancel_order(account=account, id=adding.id)
    assert client.get_order(account=account, id=adding.id).is_open


def test_what_a_stock_order_does_not_have_is_left_out(client: Any, account: str) -> None:
    order = limit_order(account, AAPL, "BUY", 2, 90.5)
    client.place_order(order)
    data = raw_call(client, "orders", {"account": account, "id": order.id})["data"]
    assert "strike" not in data
    assert "null" not in data


@pytest.mark.parametrize("is_limit", [False, True])
def test_order_by_amount_buys_for_the_amount(client: Any, account: str, is_limit: bool) -> None:
    order = (
        limit_order_by_amount(account, AAPL, "BUY", 500.0, 231.0)
        if is_limit
        else market_order_by_amount(account, AAPL, "BUY", 500.0)
    )
    shown = placed(client, order)
    assert (shown.status, shown.total_cash_amount) == (OrderStatus.FILLED, 500.0)
    spent = shown.filled * 10**-shown.filled_scale * 230.01
    assert shown.filled_cash_amount == pytest.approx(spent, abs=0.01)
    assert shown.filled_cash_amount + shown.refund_cash_amount == pytest.approx(500.0)


def test_stop_order_waits_for_its_trigger(sandbox: Sandbox, client: Any, account: str) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 3))
    order = stop_order(account, AAPL, "SELL", 3, 220.0)
    shown = placed(client, order)
    assert (shown.order_type, shown.aux_price, shown.limit_price) == ("STP", 220.0, None)
    assert shown.status == OrderStatus.HELD
    sandbox.control.set_price("AAPL", Decimal("219.50"))
    assert client.get_order(account=account, id=order.id).status == OrderStatus.FILLED


def test_stop_limit_order_carries_both_prices(client: Any, account: str) -> None:
    shown = placed(client, stop_limit_order(account, AAPL, "BUY", 1, 241.0, 240.0))
    assert (shown.order_type, shown.limit_price, shown.aux_price) == ("STP_LMT", 241.0, 240.0)


def test_trailing_orders_carry_percent_or_amount(client: Any, account: str) -> None:
    by_percent = placed(client, trail_order(account, AAPL, "BUY", 1, trailing_percent=5.0))
    assert (by_percent.order_type, by_percent.trailing_percent) == ("TRAIL", 5.0)
    assert by_percent.trail_stop_price == pytest.approx(241.5)
    by_amount = placed(client, trail_order(account, AAPL, "BUY", 1, aux_price=4.0))
    assert (by_amount.aux_price, by_amount.trailing_percent) == (4.0, None)
    assert by_amount.trail_stop_price == pytest.approx(234.0)


def test_auction_orders_are_taken_in_hong_kong(client: Any, account: str) -> None:
    limit = placed(client, auction_limit_order(account, TENCENT, "BUY", 100, 620.0, "OPG"))
    assert (limit.order_type, limit.time_in_force, limit.limit_price) == ("AL", "OPG", 620.0)
    at_market = placed(client, auction_market_order(account, TENCENT, "BUY", 100))
    assert (at_market.order_type, at_market.time_in_force) == ("AM", "DAY")
    code, text = refused(client, auction_market_order(account, AAPL, "BUY", 1))
    assert (code, "Hong Kong" in text) == (1200, True)


def test_bracket_order_shows_both_legs_below_it(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    legs = [
        order_leg("PROFIT", 250.0, time_in_force="GTC", outside_rth=True),
        order_leg("LOSS", 210.0, limit_price=209.0),
    ]
    order = limit_order_with_legs(account, AAPL, "BUY", 5, 225.0, order_legs=legs)
    client.place_order(order)
    assert [item["id"] for item in order.orders] == [order.id, *order.sub_ids]
    assert len(set(order.sub_ids)) == 2
    children = client.get_open_orders(account=account, parent_id=order.id)
    assert {item.id for item in children} == set(order.sub_ids)
    by_number = client.get_open_orders(account=account, parent_id=order.order_id)
    assert {item.id for item in by_number} == set(order.sub_ids)
    profit, loss = (
        next(item for item in children if item.order_type == kind) for kind in ("LMT", "STP_LMT")
    )
    assert (profit.parent_id, profit.action, profit.limit_price, profit.quantity) == (
        order.id,
        "SELL",
        250.0,
        5,
    )
    assert (profit.time_in_force, profit.outside_rth, profit.status) == (
        "GTC",
        True,
        OrderStatus.NEW,
    )
    assert (loss.aux_price, loss.limit_price, loss.time_in_force) == (210.0, 209.0, "DAY")
    sandbox.control.set_price("AAPL", Decimal("224.00"))
    assert client.get_order(account=account, id=profit.id).status == OrderStatus.HELD
    sandbox.control.set_price("AAPL", Decimal("251.00"))
    assert client.get_order(account=account, id=profit.id).status == OrderStatus.FILLED
    assert client.get_order(account=account, id=loss.id).status == OrderStatus.CANCELLED


@pytest.mark.parametrize(
    "leg, kind, distance",
    [
        (order_leg("LOSS", trailing_percent=5.0), "TRAIL", (5.0, None)),
        (order_leg("LOSS", trailing_amount=4.0), "TRAIL", (None, 4.0)),
        (order_leg("LOSS", 210.0), "STP", (None, 210.0)),
    ],
    ids=["percent", "amount", "price"],
)
def test_one_stop_loss_leg_is_attached(
    client: Any, account: str, leg: Any, kind: str, distance: tuple[float | None, float | None]
) -> None:
    order = limit_order_with_legs(account, AAPL, "BUY", 1, 200.0, order_legs=[leg])
    client.place_order(order)
    (child,) = client.get_open_orders(account=account, parent_id=order.id)
    assert (child.order_type, child.trailing_percent, child.aux_price) == (kind, *distance)


def test_oca_group_is_placed_as_one_and_one_fill_cancels_the_other(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 4))
    legs = [order_leg("LMT", limit_price=245.0), order_leg("STP", 215.0, time_in_force="GTC")]
    order = oca_order(account, AAPL, "SELL", legs, quantity=4)
    order.user_mark = "group-1"
    assert client.place_order(order) == order.id
    assert [item["id"] for item in order.orders] == order.sub_ids
    assert order.id == order.sub_ids[0]
    take, stop = (client.get_order(account=account, id=item) for item in order.sub_ids)
    assert (take.order_type, take.limit_price, take.user_mark) == ("LMT", 245.0, "group-1")
    assert (stop.order_type, stop.aux_price, stop.time_in_force) == ("STP", 215.0, "GTC")
    groups = {item["ocaGroupId"] for item in order.orders}
    assert len(groups) == 1
    sandbox.control.set_price("AAPL", Decimal("246.00"))
    assert client.get_order(account=account, id=take.id).status == OrderStatus.FILLED
    assert client.get_order(account=account, id=stop.id).status == OrderStatus.CANCELLED


@pytest.mark.parametrize("strategy", ["TWAP", "VWAP"])
def test_algo_order_tells_its_parameters(client: Any, account: str, strategy: str) -> None:
    rate = 0.1 if strategy == "VWAP" else None
    terms = algo_order_params(
        start_time=NOW_MS + HOUR_MS,
        end_time=NOW_MS + 2 * HOUR_MS,
        no_take_liq=True,
        allow_past_end_time=False,
        participation_rate=rate,
    )
    shown = placed(
        client,
        algo_order(account, AAPL, "BUY", 100, strategy, algo_params=terms, limit_price=229.0),
    )
    assert (shown.order_type, shown.algo_strategy, shown.limit_price) == (strategy, strategy, 229.0)
    assert shown.algo_params.to_dict() == terms.to_dict()


def test_algo_order_without_a_span_of_time_is_taken(client: Any, account: str) -> None:
    shown = placed(
        client, algo_order(account, AAPL, "BUY", 1, "TWAP", algo_params=algo_order_params())
    )
    assert (shown.order_type, shown.algo_params.start_time) == ("TWAP", None)


def test_iceberg_order_tells_its_slices(client: Any, account: str) -> None:
    order = iceberg_order(
        account,
        AAPL,
        "BUY",
        1000,
        180.0,
        display_size=100,
        min_display_size=50,
        check_intervals=30,
        price_type=PriceType.LIMIT_PRICE,
        start_time=NOW_MS,
        end_time=NOW_MS + HOUR_MS,
    )
    shown = placed(client, order)
    assert (shown.order_type, shown.quantity, shown.limit_price) == ("ICEBERG", 1000, 180.0)
    assert (shown.display_size, shown.min_display_size, shown.check_intervals) == (100, 50, 30)
    assert (shown.price_type, shown.start_time, shown.end_time) == (
        "LIMIT_PRICE",
        NOW_MS,
        NOW_MS + HOUR_MS,
    )


def test_combo_order_shows_its_legs(client: Any, account: str) -> None:
    legs = [
        contract_leg("AAPL", "OPT", "20260320", 230.0, "CALL", "BUY", 1),
        contract_leg("AAPL", "OPT", "20260320", 240.0, "CALL", "SELL", 1),
    ]
    order = combo_order(account, legs, "VERTICAL", "BUY", 2, limit_price=0.05)
    shown = placed(client, order)
    assert (shown.contract.sec_type, shown.contract.symbol, shown.contract.identifier) == (
        "MLEG",
        "AAPL",
        "AAPL",
    )
    assert (shown.combo_type, shown.combo_type_desc) == ("VERTICAL", "Vertical")
    first, second = shown.contract_legs
    assert (first.symbol, first.sec_type, first.expiry, first.strike, first.put_call) == (
        "AAPL",
        "OPT",
        "20260320",
        "230.0",
        "CALL",
    )
    assert (first.action, first.ratio, first.market, first.currency, first.multiplier) == (
        "BUY",
        1,
        "US",
        "USD",
        100,
    )
    assert (first.total_quantity, first.filled_quantity, first.avg_filled_price) == (2.0, 0.0, 0.0)
    assert (first.created_at, first.updated_at) == (NOW_MS, NOW_MS)
    assert (second.strike, second.action) == ("240.0", "SELL")


def test_filled_combo_tells_what_each_leg_did(client: Any, account: str) -> None:
    legs = [
        contract_leg("AAPL", "OPT", "20260320", 220.0, "PUT", "BUY", 1),
        contract_leg("AAPL", "OPT", "20260320", 210.0, "PUT", "SELL", 1),
    ]
    shown = placed(client, combo_order(account, legs, "VERTICAL", "BUY", 1, limit_price=20.0))
    assert shown.status == OrderStatus.FILLED
    assert [leg.filled_quantity for leg in shown.contract_legs] == [1.0, 1.0]
    bought, sold = (leg.avg_filled_price for leg in shown.contract_legs)
    assert shown.avg_fill_price == pytest.approx(bought - sold)
