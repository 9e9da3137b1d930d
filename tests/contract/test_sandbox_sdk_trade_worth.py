"""The real SDK's methods about what an account is worth, was worth, and could still trade.

The shapes are held against the replies in `tests/test_trade_client.py` of
tigerfintech/openapi-python-sdk (commit 47854414) and Tiger's page "accounts-java", read 2026-11-23.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import SegmentType
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import future_contract, option_contract, stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order, stop_order

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

AAPL = stock_contract("AAPL", "USD")
TENCENT = stock_contract("00700", "HKD")
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
DAY_MS = 86_400_000


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    clock = f"virtual:{NOW.isoformat()}"
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), "--clock", clock) as started:
        started.control.set_settings(Settings(price_drift=False))
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    return sandbox.account("main")


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return client_of(sandbox)


def client_of(sandbox: Sandbox) -> Any:
    # The methods about segments take no account: they use the client's own.
    client = sandbox.trade_client()
    client._account = sandbox.account("main")
    return client


def test_prime_assets_have_every_segment_and_no_hole(client: Any, account: str) -> None:
    client.transfer_segment_fund("SEC", "FUT", amount=1000, currency="USD")
    client.place_order(market_order(account, AAPL, "BUY", 100))
    client.place_order(limit_order(account, AAPL, "BUY", 10, 200.0))
    assets = client.get_prime_assets(account=account)
    assert (assets.account, assets.update_timestamp) == (account, NOW_MS)
    assert set(assets.segments) == {"S", "C", "F"}
    securities, futures, funds = (assets.segments[name] for name in "SCF")
    assert (securities.capability, securities.currency) == ("RegTMargin", "USD")
    cash = 500_000 - 1000 - 23_001 - 1.99 + 2_000_000 * 0.128
    assert securities.cash_balance == pytest.approx(cash)
    assert securities.gross_position_value == 23_000.0
    assert securities.net_liquidation == pytest.approx(cash + 23_000)
    assert securities.equity_with_loan == securities.net_liquidation
    assert (securities.init_margin, securities.maintain_margin) == (11_500.0, 5750.0)
    assert (securities.overnight_margin, securities.locked_funds) == (5750.0, 1000.0)
    assert securities.excess_liquidation == pytest.approx(cash + 23_000 - 5750)
    assert securities.overnight_liquidation == securities.excess_liquidation
    free = cash + 23_000 - 11_500 - 1000
    assert securities.cash_available_for_trade == pytest.approx(free)
    assert securities.buying_power == pytest.approx(2 * free, abs=0.02)
    assert (securities.unrealized_pl, securities.realized_pl, securities.uncollected) == (-1, 0, 0)
    assert securities.consolidated_seg_types == ["SEC", "FUND"]
    rates = {name: item.forex_rate for name, item in securities.currency_assets.items()}
    assert rates == {"USD": 1.0, "HKD": 0.128}
    assert (futures.cash_balance, futures.net_liquidation, futures.buying_power) == (1000, 1000, 0)
    assert futures.consolidated_seg_types == ["FUT"]
    # The pool of securities and funds is told in both.
    assert (funds.cash_balance, funds.buying_power) == (0.0, securities.buying_power)


def test_prime_assets_are_told_in_another_currency(client: Any, account: str) -> None:
    dollars = client.get_prime_assets(account=account).segments["S"]
    other = client.get_prime_assets(account=account, base_currency="HKD").segments["S"]
    assert (dollars.currency, other.currency) == ("USD", "HKD")
    assert other.net_liquidation == pytest.approx(dollars.net_liquidation / 0.128)
    assert other.currency_assets["USD"].forex_rate == 7.8125
    with pytest.raises(ApiException) as error:
        client.get_prime_assets(account=account, base_currency="GBP")
    assert error.value.code == 1010


def test_assets_have_the_shape_of_a_global_account(client: Any, account: str) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 100))
    (asset,) = client.get_assets(account=account, segment=True)
    summary = asset.summary
    assert (asset.account, summary.currency, summary.timestamp) == (account, "USD", NOW_MS)
    cash = 500_000 - 23_001 - 1.99 + 2_000_000 * 0.128
    assert summary.cash == pytest.approx(cash)
    assert summary.net_liquidation == pytest.approx(cash + 23_000)
    assert summary.equity_with_loan == summary.net_liquidation
    assert summary.initial_margin_requirement == 11_500.0
    assert summary.maintenance_margin_requirement == 5750.0
    assert summary.available_funds == pytest.approx(cash + 11_500)
    assert summary.excess_liquidity == pytest.approx(cash + 17_250)
    assert summary.buying_power == pytest.approx(2 * (cash + 11_500))
    assert (summary.gross_position_value, summary.day_trades_remaining) == (23_000.0, -1)
    assert (summary.realized_pnl, summary.unrealized_pnl) == (0.0, -1.0)
    assert set(asset.segments) == {"S", "C"}
    assert asset.segments["S"].net_liquidation == summary.net_liquidation
    assert (asset.segments["C"].cash, asset.segments["C"].net_liquidation) == (0.0, 0.0)
    (plain,) = client.get_assets(account=account)
    assert dict(plain.segments) == {}


def test_aggregate_assets_add_up(client: Any, account: str) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 100))
    call = option_contract("AAPL  260320C00230000")
    client.place_order(market_order(account, call, "BUY", 1))
    asset = client.get_aggregate_assets(account=account, seg_type=SegmentType.SEC)
    assert (asset.currency, asset.stock_market_value) == ("USD", 23_000.0)
    assert asset.option_market_value > 0
    assert asset.gross_position_value == pytest.approx(
        asset.stock_market_value + asset.option_market_value
    )
    assert asset.net_liquidation == pytest.approx(asset.cash_balance + asset.gross_position_value)
    assert asset.excess_equity == pytest.approx(asset.net_liquidation - asset.init_margin)
    assert asset.excess_liquidity == pytest.approx(asset.net_liquidation - asset.maintain_margin)
    assert asset.cash_available_for_trade == pytest.approx(asset.excess_equity, abs=0.02)
    figures = {name: value for name, value in vars(asset).items() if name != "currency"}
    assert float("inf") not in figures.values()
    hong_kong = client.get_aggregate_assets(account=account, base_currency="HKD")
    assert hong_kong.net_liquidation == pytest.approx(asset.net_liquidation / 0.128, abs=0.1)
    futures = client.get_aggregate_assets(account=account, seg_type="FUT")
    assert (futures.net_liquidation, futures.stock_market_value) == (0.0, 0.0)


def test_past_worth_is_told_by_trading_day(sandbox: Sandbox, client: Any, account: str) -> None:
    client.place_order(market_order(account, TENCENT, "BUY", 100))
    sandbox.control.advance_clock(DAY_MS)
    sandbox.control.external_cash(account, "USD", Decimal(1000))
    found = client.get_analytics_asset(
        account=account, start_date="2026-02-26", end_date="2026-03-03", seg_type="SEC"
    )
    days = found["history"]
    assert [item["dt"] for item in days] == [
        "2026-02-26",
        "2026-02-27",
        "2026-03-02",
        "2026-03-03",
    ]
    # Midnight in New York.
    assert days[2]["date"] == int(datetime(2026, 3, 2, 5, tzinfo=UTC).timestamp()) * 1000
    opening = 500_000 + 2_000_000 * 0.128
    assert [item["asset"] for item in days[:2]] == [opening, opening]
    assert [item["gross_position_value"] for item in days[:2]] == [0.0, 0.0]
    spent = (62_050 + 33.62) * 0.128
    assert days[2]["cash_balance"] == pytest.approx(opening - spent, abs=0.01)
    assert days[3]["gross_position_value"] == 62_000 * 0.128
    assert days[3]["asset"] == pytest.approx(opening - spent + 62_000 * 0.128 + 1000, abs=0.01)
    assert [(item["deposit"], item["withdrawal"]) for item in days] == [
        (0.0, 0.0),
        (0.0, 0.0),
        (0.0, 0.0),
        (1000.0, 0.0),
    ]
    # Money that was paid in is no profit.
    assert days[3]["pnl"] == pytest.approx(62_000 * 0.128 - spent, abs=0.01)
    assert found["summary"]["pnl"] == days[3]["pnl"]
    assert [item["pnl"] for item in days[:2]] == [0.0, 0.0]


def test_past_worth_needs_a_span_of_time(client: Any, account: str) -> None:
    assert len(client.get_analytics_asset(account=account)["history"]) > 15
    with pytest.raises(ApiException) as error:
        client.get_analytics_asset(account=account, start_date="2026-03-01", end_date="2026-02-01")
    assert error.value.code == 1010


def test_estimate_tells_what_could_be_bought(client: Any, account: str) -> None:
    found = client.get_estimate_tradable_quantity(limit_order(account, AAPL, "BUY", 1, 250.0))
    # 500000 of cash in dollars; with the pool of 756000 half of a price of 250 is bound.
    assert (found.tradable_quantity, found.financing_quantity) == (2000.0, 6048.0)
    assert (found.position_quantity, found.tradable_position_quantity) == (0.0, 0.0)
    lots = client.get_estimate_tradable_quantity(market_order(account, TENCENT, "BUY", 100))
    assert lots.tradable_quantity == 3200.0


def test_estimate_tells_what_could_be_sold(client: Any, account: str) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 10))
    client.place_order(limit_order(account, AAPL, "SELL", 4, 300.0))
    held = client.get_estimate_tradable_quantity(stop_order(account, AAPL, "SELL", 1, 200.0))
    assert (held.tradable_quantity, held.financing_quantity) == (6.0, 6.0)
    assert (held.position_quantity, held.tradable_position_quantity) == (10.0, 6.0)
    tesla = stock_contract("TSLA", "USD")
    short = client.get_estimate_tradable_quantity(limit_order(account, tesla, "SELL", 1, 400.0))
    assert (short.tradable_quantity, short.position_quantity) == (0.0, 0.0)
    assert short.financing_quantity > 3000


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"symbol": "NOSUCH"}, 1200),
        ({"symbol": ""}, 1010),
        ({"sec_type": "FUT", "symbol": "ES2606"}, 1200),
        ({"order_type": "LMT", "limit_price": None}, 1010),
        ({"order_type": "STP"}, 1010),
        ({"order_type": ""}, 1010),
        ({"limit_price": -1.0}, 1010),
    ],
)
def test_estimate_refuses_what_can_not_be_reckoned(
    client: Any, account: str, changes: dict[str, object], code: int
) -> None:
    terms: dict[str, object] = {
        "account": account,
        "symbol": "AAPL",
        "action": "BUY",
        "order_type": "LMT",
        "limit_price": 200.0,
    }
    assert raw_call(client, "estimate_tradable_quantity", terms | changes)["code"] == code


def test_accounts_of_one_login_can_be_asked_for_by_number(sandbox: Sandbox, client: Any) -> None:
    (profile,) = client.get_managed_accounts(account=sandbox.account("paper"))
    assert (profile.account, profile.account_type, profile.capability, profile.status) == (
        sandbox.account("paper"),
        "PAPER",
        "RegTMargin",
        "Funded",
    )


def test_futures_are_paid_from_their_own_segment(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.transfer_segment_fund("SEC", "FUT", amount=50_000, currency="USD")
    before = client.get_prime_assets(account=account).segments["S"]
    es = future_contract("ES2606", "USD")
    client.place_order(market_order(account, es, "BUY", 1))
    fill = client.get_transactions(account=account, sec_type="FUT", symbol="ES")[0]
    sandbox.control.set_price("ES2606", Decimal(str(fill.filled_price + 10)))
    securities, futures = (
        client.get_prime_assets(account=account).segments[name] for name in ("S", "C")
    )
    figures, untouched = vars(securities), vars(before)
    del figures["_currency_assets"], untouched["_currency_assets"]
    assert figures == untouched
    assert (futures.cash_balance, futures.unrealized_pl) == (49_998.01, 500.0)
    assert (futures.net_liquidation, futures.init_margin) == (50_498.01, 22_000.0)
    assert futures.cash_available_for_trade == 28_498.01
    client.place_order(market_order(account, es, "SELL", 1))
    cash = client.get_prime_assets(account=account).segments["C"].cash_balance
    rows = client.get_fund_details(["FUT"], account=account).to_dict("records")
    assert [row["type"] for row in rows] == [
        "Commission",
        "Trade Sell",
        "Commission",
        "Internal Funds Transfer In",
    ]
    # Every movement is told, so that together they are what there is.
    assert sum(row["amount"] for row in rows) == pytest.approx(cash)
