"""The real SDK over the wire: companies, their events and figures, industries and funds."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tigeropen.common.consts import (
    Balance,
    FinancialReportPeriodType,
    Income,
    IndustryLevel,
    Valuation,
)
from tigeropen.common.exceptions import ApiException

from tests.support.sandbox import Sandbox, raw_call, running_sandbox

NOW = datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)
NEW_YORK = ZoneInfo("America/New_York")
# The SDK renames columns in place, which pandas 3.1 has begun to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")
FUND, OTHER_FUND = "IE00B11XZ988.USD", "LU0476943708.HKD"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW.isoformat()}") as started:
        yield started


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as error:
        call()
    return error.value.code, error.value.msg


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1000


def test_splits_are_listed_oldest_first(client: Any) -> None:
    splits = client.get_corporate_split(["AAPL", "NVDA", "MSFT"], "US", "2014-01-01", "2026-12-31")
    assert list(splits.columns) == [
        "symbol",
        "action_type",
        "from_factor",
        "to_factor",
        "ratio",
        "execute_date",
        "market",
        "exchange",
    ]
    rows = splits[["symbol", "execute_date", "from_factor", "to_factor"]].values.tolist()
    assert ["NVDA", "2024-06-10", 1.0, 10.0] in rows
    assert ["AAPL", "2020-08-31", 1.0, 4.0] in rows
    assert set(splits["action_type"]) == {"SPLIT"}
    late = client.get_corporate_split(["AAPL"], "US", "2020-09-01", "2026-12-31")
    assert late is None


def test_dividends_are_announced_ones_in_the_window(client: Any) -> None:
    paid = client.get_corporate_dividend(["AAPL", "SPY"], "US", "2026-01-01", "2026-12-31")
    assert {
        "symbol",
        "action_type",
        "amount",
        "currency",
        "announced_date",
        "execute_date",
        "record_date",
        "pay_date",
        "market",
        "exchange",
    } == set(paid.columns)
    apple = paid[paid["symbol"] == "AAPL"]
    assert list(apple["execute_date"]) == ["2026-02-10", "2026-05-11", "2026-08-10", "2026-11-10"]
    assert set(apple["amount"]) == {0.26}
    assert (paid["announced_date"] <= "2026-11-20").all()
    assert (paid["pay_date"] > paid["execute_date"]).all()


def test_a_dividend_is_what_separates_both_kinds_of_prices(client: Any) -> None:
    eve = {"begin_time": ms("2026-11-09"), "end_time": ms("2026-11-10")}
    quoted = client.get_bars(["AAPL"], right="nr", **eve)["close"].iloc[0]
    adjusted = client.get_bars(["AAPL"], right="br", **eve)["close"].iloc[0]
    assert quoted - adjusted == pytest.approx(0.26, abs=0.011)


def test_earnings_calendar_is_one_of_the_market(client: Any) -> None:
    calendar = client.get_corporate_earnings_calendar("US", "2026-10-25", "2026-11-24")
    assert {
        "symbol",
        "report_date",
        "report_time",
        "execute_date",
        "expected_eps",
        "actual_eps",
        "fiscal_quarter_ending",
        "market",
        "exchange",
        "action_type",
    } == set(calendar.columns)
    assert {"AAPL", "MSFT"} <= set(calendar["symbol"])
    assert list(calendar["report_date"]) == sorted(calendar["report_date"])
    reports = client.get_financial_report(
        ["AAPL"], "US", [Income.diluted_eps_excl_extra_items], "Quarterly"
    )
    told = calendar[calendar["symbol"] == "AAPL"].iloc[0]
    report = reports[reports["filing_date"] == told["report_date"]].iloc[0]
    assert float(report["value"]) == pytest.approx(told["actual_eps"], abs=1e-4)
    ahead = client.get_corporate_earnings_calendar("US", "2027-01-20", "2027-02-19")
    assert ahead["actual_eps"].isna().all()
    wide = refused(lambda: client.get_corporate_earnings_calendar("US", "2026-01-01", "2026-03-01"))
    assert wide[0] == 1010


def test_renamings_delistings_and_listings_are_told(client: Any) -> None:
    window = {"market": "US", "begin_date": "2020-01-01", "end_date": "2026-01-01"}
    renamed = client.get_corporate_symbol_change(["FB"], **window)
    assert renamed.values.tolist() == [
        ["META", "SYMBOL_CHANGE", "FB", "META", "2022-06-09", "US", "NASDAQ"]
    ]
    gone = client.get_corporate_delisting(["TWTR", "AAPL"], **window)
    assert gone[["symbol", "announced_date", "execute_date"]].values.tolist() == [
        ["TWTR", "2022-10-04", "2022-10-28"]
    ]
    new = client.get_corporate_ipo(["RIVN", "AAPL"], **window)
    assert new[["symbol", "listing_date", "listing_price", "currency"]].values.tolist() == [
        ["RIVN", "2021-11-10", 78.0, "USD"]
    ]
    assert {"ipo_name", "shares_outstanding", "price_range", "leverage_ratio"} <= set(new.columns)


def test_events_that_can_not_be_asked_for_are_refused(client: Any) -> None:
    good = {
        "symbols": ["AAPL"],
        "market": "US",
        "action_type": "split",
        "begin_date": "2026-01-02",
        "end_date": "2026-01-02",
    }
    assert raw_call(client, "corporate_action", dict(good))["code"] == 0
    for field, value in (
        ("symbols", []),
        ("symbols", ["A"] * 51),
        ("market", ""),
        ("market", "XX"),
        ("action_type", "merger"),
        ("begin_date", None),
        ("end_date", "never"),
        ("end_date", "2026-01-01"),
    ):
        assert raw_call(client, "corporate_action", {**good, field: value})["code"] == 1010, field


def test_daily_figures_come_for_every_calendar_day(client: Any) -> None:
    figures = client.get_financial_daily(
        ["AAPL", "MSFT"],
        "US",
        [Valuation.shares_outstanding, Valuation.market_capitalization],
        "2026-10-02",
        "2026-10-05",
    )
    assert list(figures.columns) == ["symbol", "field", "date", "value"]
    assert len(figures) == 2 * 2 * 4
    apple = figures[figures["symbol"] == "AAPL"].set_index(["field", "date"])["value"]
    friday, saturday = (
        int(datetime(2026, 10, day, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()) * 1000
        for day in (2, 3)
    )
    worth = apple["market_capitalization"]
    assert worth[friday] == worth[saturday]
    close = client.get_bars(["AAPL"], begin_time=ms("2026-10-02"), end_time=ms("2026-10-03"))
    assert worth[friday] == pytest.approx(
        close["close"].iloc[0] * apple["shares_outstanding"][friday]
    )
    none = client.get_financial_daily(["AAPL"], "US", ["nonsense"], "2026-10-02", "2026-10-02")
    assert none is None


def test_reports_have_every_column_and_agree_with_each_other(client: Any) -> None:
    fields = [Income.total_revenue, Income.net_income, Income.gross_profit, "net_income_margin"]
    asked = {"begin_date": "2025-01-01", "end_date": "2026-12-31"}

    def reported(period: FinancialReportPeriodType) -> Any:
        found = client.get_financial_report(["AAPL"], "US", fields, period, **asked)
        assert list(found.columns) == [
            "symbol",
            "currency",
            "field",
            "value",
            "period_end_date",
            "filing_date",
        ]
        return found.assign(value=found["value"].astype(float)).pivot(
            index="period_end_date", columns="field", values="value"
        )

    quarters = reported(FinancialReportPeriodType.QUARTERLY)
    years = reported(FinancialReportPeriodType.ANNUAL)
    rolling = reported(FinancialReportPeriodType.LTM)
    assert list(years.index) == ["2025-09-30", "2026-09-30"]
    last_year = quarters.loc["2025-10-01":"2026-09-30"]
    assert len(last_year) == 4
    for name in ("total_revenue", "net_income", "gross_profit"):
        assert years.loc["2026-09-30", name] == pytest.approx(last_year[name].sum())
        assert rolling.loc["2026-09-30", name] == years.loc["2026-09-30", name]
    margin = years["net_income"] / years["total_revenue"]
    assert years["net_income_margin"].values == pytest.approx(margin.values, abs=1e-6)


def test_balances_balance(client: Any) -> None:
    fields = [Balance.total_assets, Balance.total_liabilities, Balance.total_equity]
    found = client.get_financial_report(["00700"], "HK", fields, "Quarterly")
    values = found.assign(value=found["value"].astype(float)).pivot(
        index="period_end_date", columns="field", values="value"
    )
    owed = values["total_liabilities"] + values["total_equity"]
    assert owed.values == pytest.approx(values["total_assets"].values)
    assert set(found["currency"]) == {"CNY"}
    assert (found["filing_date"] <= "2026-11-20").all()


def test_reports_that_can_not_be_asked_for_are_refused(client: Any) -> None:
    good = {"symbols": ["AAPL"], "market": "US", "fields": ["net_income"], "period_type": "LTM"}
    assert raw_call(client, "financial_report", dict(good))["code"] == 0
    for field, value in (
        ("symbols", []),
        ("market", ""),
        ("fields", []),
        ("period_type", "Weekly"),
        ("begin_date", "x"),
    ):
        assert raw_call(client, "financial_report", {**good, field: value})["code"] == 1010, field


def test_currencies_and_rates(client: Any) -> None:
    currencies = client.get_financial_currency(["00700", "00005"], "HK")
    assert currencies.values.tolist() == [["00700", "HKD", "CNY"], ["00005", "HKD", "USD"]]
    rates = client.get_financial_exchange_rate(["HKD", "USD", "XYZ"], "2026-08-14", "2026-08-15")
    assert list(rates.columns) == ["currency", "date", "value"]
    assert list(rates["value"]) == [7.8125, 7.8125, 1.0, 1.0]
    assert rates["date"].iloc[1] - rates["date"].iloc[0] == 86_400_000
    one = client.get_financial_exchange_rate(["HKD"], "2026-08-14")
    assert len(one) == 1


def test_snapshot_of_ratios_agrees_with_price_and_reports(client: Any) -> None:
    found = client.get_stock_fundamental(["AAPL", "TSLA", "SPY"], "US").set_index("symbol")
    assert list(found.index) == ["AAPL", "TSLA"]
    assert set(found.columns) == {
        "roe",
        "roa",
        "pb_rate",
        "ps_rate",
        "divide_rate",
        "week52_high",
        "week52_low",
        "ttm_eps",
        "lyr_eps",
        "volume_ratio",
        "turnover_rate",
        "ttm_pe_rate",
        "lyr_pe_rate",
        "market_cap",
        "float_market_cap",
    }
    price = client.get_stock_briefs(["AAPL"])["latest_price"].iloc[0]
    apple = found.loc["AAPL"]
    assert apple["ttm_pe_rate"] == pytest.approx(price / apple["ttm_eps"], rel=1e-5)
    assert apple["week52_low"] <= price <= apple["week52_high"]
    year = client.get_bars(["AAPL"], limit=252)
    assert apple["week52_high"] == year["high"].max()
    assert apple["float_market_cap"] < apple["market_cap"]


def test_industries_of_every_level(client: Any) -> None:
    sizes = {level: client.get_industry_list(level) for level in IndustryLevel}
    assert len(sizes[IndustryLevel.GSECTOR]) == 11
    assert len(sizes[IndustryLevel.GGROUP]) == 25
    assert all(
        set(item) == {"industry_level", "id", "name_cn", "name_en"}
        for items in sizes.values()
        for item in items
    )
    path = client.get_stock_industry("AAPL")
    assert [item["id"] for item in path] == ["45", "4520", "452020", "45202030"]
    assert [item["industry_level"] for item in path] == [level.value for level in IndustryLevel]
    for item in path:
        stocks = client.get_industry_stocks(item["id"])
        assert "AAPL" in {stock["symbol"] for stock in stocks}
        assert all(item in stock["industry_list"] for stock in stocks)
    assert {stock["symbol"] for stock in client.get_industry_stocks("5020", "HK")} == {"00700"}
    assert client.get_stock_industry("00700") == []
    assert refused(lambda: client.get_industry_list("GNONE"))[0] == 1010
    assert refused(lambda: client.get_stock_industry(None))[0] == 1010


def test_funds_are_listed_described_and_valued(client: Any) -> None:
    symbols = client.get_fund_symbols()
    assert {FUND, OTHER_FUND} <= set(symbols)
    contracts = client.get_fund_contracts([FUND, OTHER_FUND])
    assert list(contracts["symbol"]) == [FUND, OTHER_FUND]
    assert list(contracts["currency"]) == ["USD", "HKD"]
    assert {"sec_type", "company_name", "dividend_type", "tiger_vault", "tradeable"} <= set(
        contracts.columns
    )
    history = client.get_fund_history_quote([FUND, OTHER_FUND], ms("2026-11-09"), ms("2026-11-18"))
    assert list(history.columns) == ["symbol", "nav", "time"]
    days = [datetime.fromtimestamp(time / 1000, NEW_YORK).date() for time in history["time"]]
    wanted = [date(2026, 11, day) for day in (9, 10, 11, 12, 13, 16, 17, 18)]
    assert days == wanted * 2
    limited = client.get_fund_history_quote([FUND], ms("2026-11-09"), ms("2026-11-19"), limit=1)
    quote = client.get_fund_quote([FUND])
    assert quote["close"].iloc[0] == limited["nav"].iloc[0]
    assert quote["timestamp"].iloc[0] == limited["time"].iloc[0] == ms("2026-11-19")
    assert refused(lambda: client.get_fund_quote([]))[0] == 1010
