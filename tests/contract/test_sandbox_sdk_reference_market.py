"""The real SDK over the wire: the scanner, flows of money, brokers, rankings and packages."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import CapitalPeriod, SortDirection
from tigeropen.common.consts.filter_fields import (
    AccumulateField,
    AccumulatePeriod,
    FinancialField,
    FinancialPeriod,
    MultiTagField,
    StockField,
)
from tigeropen.common.exceptions import ApiException
from tigeropen.quote.domain.filter import SortFilterData, StockFilter

from tests.support.sandbox import Sandbox, raw_call, running_sandbox

NOW = datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
# The SDK renames columns in place, which pandas 3.1 has begun to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
US_STOCKS = {"AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "GOOG", "SPY", "QQQ", "BRK.A", "BURU"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW.isoformat()}") as started:
        started.control.set_price("AAPL", Decimal("241.50"))
        yield started


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as error:
        call()
    return error.value.code, error.value.msg


def scanned(client: Any, *filters: StockFilter, **asked: Any) -> Any:
    return client.market_scanner("US", filters=list(filters), **asked)


def test_scanner_without_filters_finds_every_stock(client: Any) -> None:
    found = scanned(client)
    assert set(found.symbols) == US_STOCKS
    assert (found.page, found.total_page, found.total_count) == (0, 1, len(US_STOCKS))
    hong_kong = client.market_scanner("HK", filters=[])
    assert set(hong_kong.symbols) == {"00700", "09988", "03690", "00005", "02318", "00939", "02800"}


def test_base_filter_is_a_closed_interval(client: Any) -> None:
    price = StockFilter(StockField.CurPrice, filter_min=180, filter_max=241.5)
    found = scanned(client, price)
    assert set(found.symbols) == {"NVDA", "AMZN", "AAPL"}
    for item in found.items:
        assert 180 <= item[price] <= 241.5
        brief = client.get_stock_briefs([item.symbol])
        assert item[price] == brief["latest_price"].iloc[0]


def test_every_kind_of_filter_works_together(client: Any) -> None:
    filters = (
        StockFilter(StockField.MarketValue, filter_min=1e12),
        StockFilter(
            AccumulateField.ChangeRate, filter_min=-1, accumulate_period=AccumulatePeriod.Last_Year
        ),
        StockFilter(
            FinancialField.LYR_PE,
            filter_min=1,
            filter_max=100,
            financial_period=FinancialPeriod.LTM,
        ),
        StockFilter(MultiTagField.Concept, tag_list=["BK9001", "BK9002"]),
    )
    found = scanned(client, *filters)
    # Tesla's price is beyond a hundred profits, Amazon's concepts are others.
    assert set(found.symbols) == {"AAPL", "MSFT", "NVDA", "GOOG"}
    for item in found.items:
        assert item[filters[0]] >= 1e12
        assert 1 <= item[filters[2]] <= 100
        assert set(item[filters[3]].split(",")) & {"BK9001", "BK9002"}
        year = client.get_bars([item.symbol], limit=253)
        change = year["close"].iloc[-1] / year["close"].iloc[0] - 1
        assert item[filters[1]] == pytest.approx(change, abs=1e-4)


def test_a_filter_that_is_only_shown_keeps_everything(client: Any) -> None:
    shown = StockFilter(StockField.PeTTM, filter_min=1e9, is_no_filter=True)
    found = scanned(client, shown)
    assert set(found.symbols) == US_STOCKS
    values = {item.symbol: item[shown] for item in found.items}
    assert values["AAPL"] > 0
    # A fund of an index earns nothing of its own.
    assert values["SPY"] is None
    kept = scanned(client, StockFilter(StockField.PeTTM, filter_min=0))
    assert "SPY" not in kept.symbols


def test_tags_tell_funds_from_companies(client: Any) -> None:
    funds = scanned(client, StockFilter(MultiTagField.Type, tag_list=[1]))
    assert set(funds.symbols) == {"SPY", "QQQ"}
    optionless = scanned(client, StockFilter(MultiTagField.OptionsAvailable, tag_list=["0"]))
    assert set(optionless.symbols) == {"BRK.A", "BURU"}


def test_scanner_sorts_and_pages_without_doubles_or_gaps(client: Any) -> None:
    value = StockFilter(StockField.CurPrice)
    order = SortFilterData(StockField.CurPrice, SortDirection.DESC)
    found: list[tuple[str, float]] = []
    cursor, page, total = None, 0, 1
    while page < total:
        part = scanned(
            client, value, sort_field_data=order, page=page, page_size=3, cursor_id=cursor
        )
        found += [(item.symbol, item[value]) for item in part.items]
        cursor, page, total = part.cursor_id, page + 1, part.total_page
    assert page == 4
    assert {symbol for symbol, _ in found} == US_STOCKS
    assert len(found) == len(US_STOCKS)
    prices = [price for _, price in found]
    assert prices == sorted(prices, reverse=True)
    rising = SortFilterData(
        AccumulateField.ChangeRate, SortDirection.ASC, period=AccumulatePeriod.Twenty_Days
    )
    first = scanned(client, sort_field_data=rising)
    changes = [item[AccumulateField.ChangeRate] for item in first.items]
    assert changes == sorted(changes)


def test_scans_that_can_not_be_asked_for_are_refused(client: Any) -> None:
    assert refused(lambda: client.market_scanner(None))[0] == 1010
    assert refused(lambda: scanned(client, page=-1))[0] == 1010
    assert refused(lambda: scanned(client, page_size=0))[0] == 1010
    assert refused(lambda: scanned(client, page=1, cursor_id="other"))[0] == 1010
    for name in ("StockField_Nothing", "AccumulateField_ChangeRate"):
        filters: list[object] = [{"field_name": name}]
        business: dict[str, object] = {"market": "US", "base_filter_list": filters}
        assert raw_call(client, "market_scanner", business)["code"] == 1010


def test_tags_can_be_listed_and_used(client: Any) -> None:
    fields = [MultiTagField.Industry, MultiTagField.Concept]
    listed = client.get_market_scanner_tags("US", fields)
    assert [(item["market"], item["multi_tag_field"]) for item in listed] == [
        ("US", "MultiTagField_Industry"),
        ("US", "MultiTagField_Concept"),
    ]
    for field, item in zip(fields, listed, strict=True):
        for tag in item["tag_list"]:
            assert scanned(client, StockFilter(field, tag_list=[tag["tag"]])).symbols, tag
    assert refused(lambda: client.get_market_scanner_tags("US", [MultiTagField.isOTC]))[0] == 1010


def test_capital_flows_by_period_add_up(client: Any) -> None:
    days = client.get_capital_flow("AAPL", "US", CapitalPeriod.DAY, limit=10)
    assert list(days.columns) == ["time", "timestamp", "net_inflow", "symbol", "period"]
    assert list(days["time"])[-1] == "2026-11-20"
    weeks = client.get_capital_flow("AAPL", "US", CapitalPeriod.WEEK, limit=2)
    assert list(weeks["time"]) == ["2026-11-09", "2026-11-16"]
    assert weeks["net_inflow"].iloc[0] == pytest.approx(days["net_inflow"].iloc[:5].sum())
    assert weeks["net_inflow"].iloc[1] == pytest.approx(days["net_inflow"].iloc[5:].sum())
    for period in CapitalPeriod:
        assert not client.get_capital_flow("00700", "HK", period, limit=3).empty
    today = client.get_capital_flow("AAPL", "US", CapitalPeriod.INTRADAY)
    assert today["time"].iloc[0] == "11-20 09:30:00 EST"
    assert today["net_inflow"].iloc[-1] == pytest.approx(days["net_inflow"].iloc[-1], abs=0.01)
    assert refused(lambda: client.get_capital_flow("AAPL", "US", "decade"))[0] == 1010
    assert refused(lambda: client.get_capital_flow("", "US", "day"))[0] == 1010


def test_distribution_of_capital_is_its_flow(client: Any) -> None:
    found = client.get_capital_distribution("AAPL", "US")
    assert found.symbol == "AAPL"
    assert found.in_all == pytest.approx(found.in_big + found.in_mid + found.in_small)
    assert found.out_all == pytest.approx(found.out_big + found.out_mid + found.out_small)
    flow = client.get_capital_flow("AAPL", "US", CapitalPeriod.DAY, limit=1)
    assert found.net_inflow == pytest.approx(flow["net_inflow"].iloc[0])
    assert found.net_inflow == pytest.approx(found.in_all - found.out_all, abs=0.01)
    day = client.get_bars(["AAPL"], limit=1)
    assert found.in_all + found.out_all == pytest.approx(day["amount"].iloc[0], abs=0.05)


def test_desks_stand_at_the_prices_of_the_book(client: Any) -> None:
    found = client.get_stock_broker("00700", limit=10)
    depth = client.get_depth_quote(["00700"], "HK")
    assert found.symbol == "00700"
    for levels, side in ((found.bid_broker, "bids"), (found.ask_broker, "asks")):
        assert [level.level for level in levels] == list(range(1, len(levels) + 1))
        assert [level.price for level in levels] == [row[0] for row in depth[side]][: len(levels)]
        assert sum(level.broker_count for level in levels) == 10
        assert all(len(level.broker) == level.broker_count for level in levels)
        assert all(desk.id and desk.name for level in levels for desk in level.broker)
    assert client.get_stock_broker("AAPL") is None


def test_holdings_of_brokers_are_sorted_and_paged(client: Any) -> None:
    whole = client.get_broker_hold()
    assert list(whole.columns) == [
        "org_id",
        "org_name",
        "date",
        "shares_hold",
        "market_value",
        "buy_amount",
        "buy_amount5",
        "buy_amount20",
        "buy_amount60",
        "market",
        "page",
        "total_page",
        "total_count",
    ]
    assert list(whole["market_value"]) == sorted(whole["market_value"], reverse=True)
    found: list[str] = []
    for page in range(3):
        part = client.get_broker_hold(
            order_by="buyAmount5", direction=SortDirection.ASC, limit=5, page=page
        )
        assert set(part["total_page"]) == {3}
        found += list(part["org_id"])
    rising = whole.sort_values("buy_amount5")["org_id"]
    assert found == list(rising)
    assert refused(lambda: client.get_broker_hold(market="US")) == (
        1010,
        "biz param error('market' US not supported, all supported market include:[HK])",
    )
    assert refused(lambda: client.get_broker_hold(order_by="name"))[0] == 1010


def test_ranking_is_by_what_was_turned_over(client: Any) -> None:
    ranked = client.get_trade_rank("US")
    assert {
        "symbol",
        "market",
        "name",
        "sec_type",
        "change_rate",
        "buy_order_rate",
        "sell_order_rate",
        "hour_trading_trading_status",
        "hour_trading_trade_session",
        "hour_trading_change_rate",
    } == set(ranked.columns)
    assert set(ranked["symbol"]) == US_STOCKS
    days = client.get_bars(list(ranked["symbol"]), limit=1)
    assert list(days["amount"]) == sorted(days["amount"], reverse=True)
    shares = ranked["buy_order_rate"] + ranked["sell_order_rate"]
    assert shares.values == pytest.approx(1)
    apple = ranked[ranked["symbol"] == "AAPL"].iloc[0]
    brief = client.get_stock_briefs(["AAPL"]).iloc[0]
    change = brief["latest_price"] / brief["pre_close"] - 1
    assert apple["change_rate"] == pytest.approx(change, abs=1e-6)
    assert len(client.get_trade_rank("HK")) == 7
    assert refused(lambda: client.get_trade_rank("CN"))[0] == 1010


def test_entitlements_are_told(client: Any) -> None:
    found = client.get_addon_entitlement()
    assert found.active_plan.plan_type
    assert found.addons == []
    limits = found.effective_entitlement
    assert (limits.high_freq_limit, limits.mid_freq_limit, limits.low_freq_limit) == (120, 60, 10)
