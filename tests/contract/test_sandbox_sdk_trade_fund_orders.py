"""Funds through the real SDK: bought by amount at their value, held, and sold again.

Source: the examples of Tiger's clients for C# and Java (`BuildFundContract` with
`BuildAmountOrder`; read 2026-11-23).
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import fund_contract
from tigeropen.common.util.order_utils import (
    limit_order_by_amount,
    market_order,
    market_order_by_amount,
)

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, running_sandbox

FUND = "IE00B11XZ988.USD"
IN_HONG_KONG_DOLLARS = "LU0476943708.HKD"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


@pytest.fixture
def sandbox(tmp_path: Any) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path, "--clock", f"virtual:{NOW.isoformat()}") as started:
        started.control.set_settings(Settings(price_drift=False))
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


def placed(client: Any, order: Any) -> Any:
    client.place_order(order)
    return client.get_order(account=order.account, id=order.id)


def refused(client: Any, order: Any) -> str:
    with pytest.raises(ApiException) as error:
        client.place_order(order)
    return str(error.value.msg)


def value_of(sandbox: Sandbox, symbol: str) -> Decimal:
    quote = sandbox.quote_client().get_fund_quote([symbol])
    return Decimal(str(quote["close"].iloc[0]))


@pytest.mark.parametrize("symbol", [FUND, IN_HONG_KONG_DOLLARS])
def test_amount_buys_shares_of_a_fund_at_its_value(
    sandbox: Sandbox, client: Any, symbol: str
) -> None:
    account, value = sandbox.account("main"), value_of(sandbox, symbol)
    contract = client.get_contract(symbol, sec_type="FUND")
    assert (contract.symbol, contract.sec_type, contract.market) == (symbol, "FUND", "MF")
    assert contract.currency == symbol[-3:]
    order = market_order_by_amount(account, fund_contract(symbol), "BUY", 500.0)
    preview = client.preview_order(order)
    assert (preview["is_pass"], preview["commission"]) == (True, 0.0)
    seen = placed(client, order)
    assert seen.status is OrderStatus.FILLED
    assert (seen.contract.sec_type, seen.contract.market) == ("FUND", "MF")
    assert Decimal(str(seen.avg_fill_price)) == value
    assert (seen.total_cash_amount, seen.commission) == (500.0, 0.0)
    assert 500 - value * Decimal("0.00001") < Decimal(str(seen.filled_cash_amount)) <= 500
    (held,) = client.get_positions(account=account, sec_type="FUND")
    assert (held.contract.symbol, held.contract.market) == (symbol, "MF")
    assert held.market_price == held.average_cost == float(value)
    assert held.position_qty == pytest.approx(float(500 / value), abs=0.0001)
    assert client.get_positions(account=account) == []


def test_what_is_held_of_a_fund_is_sold_by_shares_or_by_amount(
    sandbox: Sandbox, client: Any
) -> None:
    account, fund = sandbox.account("main"), fund_contract(FUND)
    placed(client, market_order_by_amount(account, fund, "BUY", 1_000.0))
    part = market_order(account, fund, "SELL", 12_5)
    part.quantity_scale = 1
    assert placed(client, part).status is OrderStatus.FILLED
    sold = placed(client, market_order_by_amount(account, fund, "SELL", 100.0))
    assert sold.status is OrderStatus.FILLED
    (held,) = client.get_positions(account=account, sec_type="FUND")
    value = value_of(sandbox, FUND)
    assert held.position_qty == pytest.approx(float(900 / value - Decimal("12.5")), abs=0.001)
    assert "available position" in refused(client, market_order(account, fund, "SELL", 900))


def test_subscription_of_the_night_is_done_when_funds_are_dealt_in(
    sandbox: Sandbox, client: Any
) -> None:
    account = sandbox.account("main")
    sandbox.control.set_settings(Settings(price_drift=False, always_open=False))
    sandbox.control.set_clock(NOW + timedelta(hours=12))
    order = market_order_by_amount(account, fund_contract(FUND), "BUY", 500.0)
    assert placed(client, order).filled == 0
    sandbox.control.set_clock(NOW + timedelta(days=1))
    done = client.get_order(account=account, id=order.id)
    assert done.status is OrderStatus.FILLED
    assert Decimal(str(done.avg_fill_price)) == value_of(sandbox, FUND)


def test_fund_is_bought_by_no_limit_and_by_no_number_of_shares(
    sandbox: Sandbox, client: Any
) -> None:
    account, fund = sandbox.account("main"), fund_contract(FUND)
    limit = limit_order_by_amount(account, fund, "BUY", 500.0, 20.0)
    assert "LMT is not supported for funds" in refused(client, limit)
    assert "bought by amount" in refused(client, market_order(account, fund, "BUY", 3))
    assert "short" in refused(client, market_order(account, fund, "SELL", 3))
    unknown = market_order_by_amount(account, fund_contract("AAPL"), "BUY", 500.0)
    assert "trading of this stock" in refused(client, unknown)
    paper = market_order_by_amount(sandbox.account("paper"), fund, "BUY", 500.0)
    assert "Orders by amount are not supported" in refused(client, paper)


def test_fund_counts_in_what_an_account_is_and_was_worth(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account("main")
    before = client.get_prime_assets(account=account).segments["S"]
    placed(client, market_order_by_amount(account, fund_contract(FUND), "BUY", 5_000.0))
    after = client.get_prime_assets(account=account).segments["S"]
    assert after.net_liquidation == pytest.approx(before.net_liquidation, abs=0.01)
    assert before.cash_balance - after.cash_balance == pytest.approx(5_000, abs=0.01)
    assert after.gross_position_value == pytest.approx(5_000, abs=0.01)
    sandbox.control.set_clock(NOW + timedelta(days=6))
    told = client.get_analytics_asset(
        account=account, start_date="2026-03-02", end_date="2026-03-07", seg_type="SEC"
    )
    assert all(abs(day["asset"] - before.net_liquidation) < 500 for day in told["history"])
