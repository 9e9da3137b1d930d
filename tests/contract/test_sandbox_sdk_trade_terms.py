"""What the real SDK's orders may say: times, sessions, malformed fields, changes, previews."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus, TradingSessionType
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import (
    future_contract,
    option_contract,
    stock_contract,
)
from tigeropen.common.util.order_utils import (
    combo_order,
    contract_leg,
    limit_order,
    market_order,
    stop_limit_order,
    trail_order,
)

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

AAPL = stock_contract("AAPL", "USD")
CALL = option_contract("AAPL  260320C00230000")
ES = future_contract("ES2606", "USD")
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


def pay_for_futures(client: Any, account: str) -> None:
    # The method takes no account: it uses the client's own.
    client._account = account
    client.transfer_segment_fund("SEC", "FUT", amount=50_000, currency="USD")


def placed(client: Any, order: Any) -> Any:
    client.place_order(order)
    return client.get_order(account=order.account, id=order.id)


def refused(client: Any, order: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as error:
        client.place_order(order)
    assert order.id is None
    return error.value.code, error.value.msg


def test_option_and_future_orders_name_their_contract(client: Any, account: str) -> None:
    option = placed(client, limit_order(account, CALL, "BUY", 1, 0.05))
    assert (option.contract.identifier, option.contract.sec_type, option.contract.multiplier) == (
        "AAPL  260320C00230000",
        "OPT",
        100.0,
    )
    assert (option.contract.expiry, option.contract.strike, option.contract.put_call) == (
        "20260320",
        "230.0",
        "CALL",
    )
    pay_for_futures(client, account)
    future = placed(client, limit_order(account, ES, "BUY", 1, 5000.0))
    assert (future.contract.identifier, future.contract.sec_type, future.contract.multiplier) == (
        "ES2606",
        "FUT",
        50.0,
    )


def test_warrant_is_found_by_its_code_or_its_local_symbol(client: Any, account: str) -> None:
    warrant = stock_contract("13719", "HKD")
    warrant.sec_type = "WAR"
    shown = placed(client, limit_order(account, warrant, "BUY", 10_000, 0.1))
    assert (shown.contract.symbol, shown.contract.expiry, shown.contract.strike) == (
        "13719",
        "20271220",
        "680.0",
    )
    warrant.symbol, warrant.local_symbol = "00700", "13719"
    assert placed(client, limit_order(account, warrant, "BUY", 10_000, 0.1)).contract.symbol == (
        "13719"
    )


def test_times_and_sessions_are_read_back(client: Any, account: str) -> None:
    until = limit_order(account, AAPL, "BUY", 1, 200.0, time_in_force="GTD")
    until.expire_time = NOW_MS + 24 * HOUR_MS
    shown = placed(client, until)
    assert (shown.time_in_force, shown.expire_time) == ("GTD", NOW_MS + 24 * HOUR_MS)
    inside = limit_order(account, AAPL, "BUY", 1, 200.0)
    inside.outside_rth = False
    shown = placed(client, inside)
    assert (shown.outside_rth, shown.trading_session_type) == (False, "RTH")
    overnight = limit_order(account, AAPL, "BUY", 1, 200.0)
    overnight.trading_session_type = TradingSessionType.OVERNIGHT
    assert placed(client, overnight).trading_session_type == "OVERNIGHT"


def test_limit_between_two_ticks_is_adjusted_when_that_is_allowed(
    client: Any, account: str
) -> None:
    order = limit_order(account, AAPL, "BUY", 1, 200.004)
    order.adjust_limit = 0.001
    shown = placed(client, order)
    assert (shown.limit_price, shown.status) == (200.01, OrderStatus.HELD)


@pytest.mark.parametrize(
    "changes, field",
    [
        ({"action": "HOLD"}, "action"),
        ({"action": ""}, "action"),
        ({"symbol": ""}, "symbol"),
        ({"sec_type": "BOND"}, "sec_type"),
        ({"right": "UP"}, "right"),
        ({"expiry": "tomorrow"}, "expiry"),
        ({"limit_price": "NaN"}, "limit_price"),
        ({"aux_price": "Infinity"}, "aux_price"),
        ({"total_quantity": None}, "total_quantity"),
        ({"total_quantity_scale": 40}, "total_quantity"),
        ({"order_id": -1}, "order_id"),
        ({"trading_session_type": "LUNCH"}, "trading_session_type"),
        ({"time_in_force": "GTD"}, "expire_time"),
        ({"time_in_force": "GTD", "expire_time": -5}, "expire_time"),
        ({"attach_type": "BOTH"}, "attach_type"),
        ({"attach_type": "PROFIT"}, "profit_taker_price"),
        ({"attach_type": "LOSS"}, "stop_loss_price"),
        ({"order_type": "TWAP", "algo_params": [{"tag": "mood", "value": 1}]}, "algo_params"),
        ({"order_type": "TWAP", "algo_params": [{"tag": "start_time", "value": 0}]}, "start_time"),
        ({"order_type": "ICEBERG"}, "display_size"),
        ({"order_type": "ICEBERG", "display_size": 1, "price_type": "MY_PRICE"}, "price_type"),
        ({"contract_legs": [{"symbol": "AAPL", "action": "BUY"}]}, "contract_legs"),
        ({"oca_orders": []}, "oca_orders"),
        ({"user_mark": "x" * 201}, "user_mark"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_field_is_named(
    client: Any, account: str, changes: dict[str, object], field: str
) -> None:
    terms: dict[str, object] = {
        "account": account,
        "symbol": "AAPL",
        "sec_type": "STK",
        "action": "BUY",
        "order_type": "LMT",
        "limit_price": 200.0,
        "total_quantity": 1,
    }
    reply = raw_call(client, "place_order", terms | changes)
    assert reply["code"] == 1010
    assert f"'{field}'" in reply["message"]


def test_contract_that_is_not_traded_is_refused(client: Any, account: str) -> None:
    expected = (
        1200,
        "standard account response error(bad_request:We don't support trading of this stock now)",
    )
    for contract in (
        stock_contract("NOSUCH", "USD"),
        stock_contract("AAPL", "HKD"),
        option_contract("AAPL  260320C00230100"),
        option_contract("AAPL  260321C00230000"),
        future_contract("XX2606", "USD"),
    ):
        assert refused(client, limit_order(account, contract, "BUY", 1, 1.0)) == expected


def test_every_term_of_an_open_order_can_be_changed(client: Any, account: str) -> None:
    order = placed(client, stop_limit_order(account, AAPL, "BUY", 1, 241.0, 240.0))
    changed_id = client.modify_order(
        order,
        quantity=2,
        limit_price=243.0,
        aux_price=242.0,
        time_in_force="GTD",
        expire_time=NOW_MS + 24 * HOUR_MS,
        outside_rth=False,
    )
    assert changed_id == order.id
    shown = client.get_order(account=account, id=order.id)
    assert (shown.quantity, shown.limit_price, shown.aux_price) == (2, 243.0, 242.0)
    assert (shown.time_in_force, shown.expire_time) == ("GTD", NOW_MS + 24 * HOUR_MS)
    assert shown.outside_rth is False
    trail = placed(client, trail_order(account, AAPL, "BUY", 1, trailing_percent=5.0))
    client.modify_order(trail, trailing_percent=10.0)
    assert client.get_order(account=account, id=trail.id).trailing_percent == 10.0


def test_type_of_an_order_can_not_be_changed(client: Any, account: str) -> None:
    order = placed(client, limit_order(account, AAPL, "BUY", 1, 200.0))
    order.order_type = "MKT"
    with pytest.raises(ApiException) as error:
        client.modify_order(order)
    assert error.value.code == 1200


def test_preview_reckons_options_and_combos(client: Any, account: str) -> None:
    option = client.preview_order(limit_order(account, CALL, "BUY", 1, 10.0))
    assert (option["is_pass"], option["commission"], option["commission_currency"]) == (
        True,
        2.99,
        "USD",
    )
    # A long option is paid in full: one contract of 100 at 10.
    assert option["init_margin"] - option["init_margin_before"] == pytest.approx(1000.0)
    legs = [
        contract_leg("AAPL", "OPT", "20260320", 230.0, "CALL", "BUY", 1),
        contract_leg("AAPL", "OPT", "20260320", 240.0, "CALL", "SELL", 1),
    ]
    combo = client.preview_order(combo_order(account, legs, "VERTICAL", "BUY", 1, limit_price=5.0))
    assert (combo["is_pass"], combo["commission"]) == (True, 5.98)
    unknown = client.preview_order(
        limit_order(account, stock_contract("NOSUCH", "USD"), "BUY", 1, 1.0)
    )
    assert (unknown["is_pass"], unknown["message"]) == (
        False,
        "We don't support trading of this stock now",
    )


def bound_by(client: Any, order: Any) -> tuple[float, float]:
    told = client.preview_order(order)
    return (
        round(told["init_margin"] - told["init_margin_before"], 2),
        round(told["maint_margin"] - told["maint_margin_before"], 2),
    )


def test_preview_reckons_the_margin_of_what_is_left_after_the_trade(
    client: Any, account: str
) -> None:
    placed(client, market_order(account, AAPL, "BUY", 20))
    (held,) = client.get_positions(account=account, symbol="AAPL", sec_type="STK")
    size = int(held.position_qty)
    part, more = size - 1, size + 10
    # Half of each share's price is bound, and a quarter must stay.
    assert bound_by(client, market_order(account, AAPL, "SELL", part)) == (
        -115.0 * part,
        -57.5 * part,
    )
    assert bound_by(client, limit_order(account, AAPL, "SELL", size, 240.0)) == (
        -115.0 * size,
        -57.5 * size,
    )
    # Beyond what is held it is sold short, at the order's own price.
    assert bound_by(client, limit_order(account, AAPL, "SELL", more, 240.0)) == (
        -115.0 * size + 120.0 * 10,
        -57.5 * size + 60.0 * 10,
    )
    assert bound_by(client, limit_order(account, AAPL, "BUY", 10, 200.0)) == (1000.0, 500.0)


def test_preview_values_a_trailing_order_at_the_market(client: Any, account: str) -> None:
    by_amount = bound_by(client, trail_order(account, AAPL, "BUY", 10, aux_price=3.0))
    by_percent = bound_by(client, trail_order(account, AAPL, "BUY", 10, trailing_percent=1.5))
    assert by_amount == by_percent
    assert by_amount[0] == pytest.approx(1150.0, abs=5.0)
