"""Rows of the predecessors' table about contracts, options, companies and markets."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from tests.e2e.parity_stage import Case, Stage, same
from tests.support.gateway import rows_of


async def tiger_search_symbols(stage: Stage) -> None:
    rows = await stage.rows("find_contracts", query="tesla", market="US")
    assert [row["symbol"] for row in rows] == ["TSLA"]
    hong_kong = await stage.rows("find_contracts", query="hsbc", market="HK")
    read = dict(await stage.sdk(stage.quotes.get_symbol_names, market="HK"))
    assert {row["symbol"]: row["broker_text_name"] for row in hong_kong} == {
        symbol: name for symbol, name in read.items() if "HSBC" in name.upper()
    }


async def tiger_get_option_chain(stage: Stage) -> None:
    expiries = [row["expiry"] for row in await stage.rows("get_option_chain", symbol="MSFT")]
    told = await stage.ask("get_option_chain", symbol="MSFT", expiry=expiries[1], limit=300)
    read = await stage.sdk(stage.quotes.get_option_chain, "MSFT", expiries[1])
    rows = {row["symbol"]: row for row in rows_of(told)}
    assert rows.keys() == set(read["identifier"])
    assert {row["right"] for row in rows.values()} == {"call", "put"}
    for each in read.to_dict("records"):
        row = rows[each["identifier"]]
        for name, theirs in {
            "strike": "strike",
            "ask": "ask_price",
            "last": "latest_price",
        }.items():
            assert same(row[name], each[theirs]), (name, row, each)
    quote = await stage.row("get_quotes", symbols=["MSFT"])
    assert told["facts"]["underlying_price"] == quote["last"]


async def get_option_expirations(stage: Stage) -> None:
    rows = await stage.rows("get_option_chain", symbol="TSLA", limit=300)
    read = await stage.sdk(stage.quotes.get_option_expirations, ["TSLA"])
    assert [row["expiry"] for row in rows] == read["date"].tolist()
    hong_kong = await stage.rows("get_option_chain", symbol="00700")
    assert hong_kong[0]["option_symbol"] == "TCH.HK"


async def get_option_chain(stage: Stage) -> None:
    asked = {"symbol": "AAPL", "expiry": stage.expiry, "limit": 300}
    whole = await stage.ask("get_option_chain", **asked)
    price = Decimal(whole["facts"]["underlying_price"])
    told = await stage.ask(
        "get_option_chain",
        **asked,
        right="call",
        money="in",
        filters=["delta>=0.6", "delta<=0.95", "open_interest>=1000", "implied_volatility<=0.5"],
    )
    expected = [
        row
        for row in rows_of(whole)
        if row["right"] == "call"
        and Decimal(row["strike"]) < price
        and Decimal("0.6") <= Decimal(row["delta"]) <= Decimal("0.95")
        and Decimal(row["open_interest"]) >= 1000
        and Decimal(row["implied_volatility"]) <= Decimal("0.5")
    ]
    assert 0 < len(expected) < len(whole["rows"])
    assert rows_of(told) == [{n: row[n] for n in told["columns"]} for row in expected]
    assert {"gamma", "theta", "vega", "rho"} <= set(told["columns"])


async def get_hk_option_symbols(stage: Stage) -> None:
    rows = await stage.rows("find_contracts", security="option", market="HK")
    read = await stage.sdk(stage.quotes.get_option_symbols)
    assert {row["symbol"]: row["underlying"] for row in rows} == dict(
        zip(read["symbol"], read["underlying_symbol"], strict=True)
    )


async def tiger_get_contracts(stage: Stage) -> None:
    rows = {
        row["symbol"]: row
        for row in await stage.rows("find_contracts", symbols=["AAPL", "00700", "NOSUCH", "SPY"])
    }
    told = await stage.ask("find_contracts", symbols=["AAPL", "NOSUCH"])
    assert told["unknown_symbols"] == ["NOSUCH"]
    for read in await stage.sdk(stage.trades.get_contracts, ["AAPL", "00700", "SPY"]):
        row = rows[read.symbol]
        assert (row["currency"], row["exchange"]) == (read.currency, read.exchange)
        assert same(row["lot_size"], read.lot_size)
        assert same(row["multiplier"], read.multiplier)
        assert row["tradeable"] is bool(read.trade)


async def get_contract(stage: Stage) -> None:
    row = await stage.row("find_contracts", symbols=[stage.option], security="option")
    read = await stage.sdk(
        stage.trades.get_contract,
        "AAPL",
        "OPT",
        expiry=row["expiry"],
        strike=float(row["strike"]),
        put_call=row["right"],
    )
    assert (read.identifier, row["symbol"]) == (stage.option, stage.option)
    assert same(row["multiplier"], read.multiplier)
    row = await stage.row("find_contracts", symbols=[stage.future], security="future")
    read = await stage.sdk(stage.trades.get_contract, stage.future, "FUT")
    assert same(row["multiplier"], read.multiplier)
    assert row["currency"] == read.currency
    stock = await stage.row("find_contracts", symbols=["00700"])
    read = await stage.sdk(stage.trades.get_contract, "00700")
    assert same(stock["lot_size"], read.lot_size)


async def tiger_get_market_status(stage: Stage) -> None:
    row = await stage.row("get_market_status", market="US")
    (read,) = await stage.sdk(stage.quotes.get_market_status, "US")
    assert row["status"] == read.trading_status
    days = await stage.rows("get_market_status", view="calendar", market="US", begin="2026-11-23")
    assert next(each["kind"] for each in days if each["date"] == "2026-11-27") == "EARLY_CLOSE"
    assert "2026-11-26" not in {each["date"] for each in days}


async def get_market_status(stage: Stage) -> None:
    rows = await stage.rows("get_market_status")
    read = await stage.sdk(stage.quotes.get_market_status, "ALL")
    assert {row["market"]: row["status"] for row in rows} == {
        each.market: each.trading_status for each in read
    }
    assert {"US", "HK"} <= {row["market"] for row in rows}


async def tiger_get_financials(stage: Stage) -> None:
    row = await stage.row("get_fundamentals", what="overview", symbols=["AAPL"])
    read = (await stage.sdk(stage.quotes.get_stock_fundamental, ["AAPL"], "US")).iloc[0]
    for name, theirs in {"roe": "roe", "roa": "roa", "pb": "pb_rate", "eps_ttm": "ttm_eps"}.items():
        assert same(row[name], read[theirs]), (name, row[name], read[theirs])
    assert Decimal(row["market_cap"]) == Decimal(row["last"]) * Decimal(row["shares"])
    assert Decimal(row["week52_low"]) <= Decimal(row["last"]) <= Decimal(row["week52_high"])
    fields = ["gross_margin", "current_ratio", "net_income"]
    rows = await stage.rows(
        "get_fundamentals", what="report", symbols=["AAPL"], fields=fields, period="annual"
    )
    read = await stage.sdk(
        stage.quotes.get_financial_report, ["AAPL"], "US", ["net_income"], "Annual"
    )
    incomes = {each["period_end_date"]: each["value"] for each in read.to_dict("records")}
    assert rows
    for each in rows:
        assert same(each["net_income"], incomes[each["period_end"]]), each


async def tiger_get_corporate_actions(stage: Stage) -> None:
    window = {"begin": "2024-01-01", "end": "2026-11-20"}
    rows = await stage.rows("get_fundamentals", what="dividend", symbols=["MSFT"], **window)
    read = await stage.sdk(
        stage.quotes.get_corporate_dividend, ["MSFT"], "US", "2024-01-01", "2026-11-20"
    )
    told = {(row["day"], Decimal(row["amount"])) for row in rows}
    assert told == {
        (each["execute_date"], Decimal(str(each["amount"]))) for each in read.to_dict("records")
    }
    assert len(told) > 8
    rows = await stage.rows(
        "get_fundamentals", what="split", symbols=["NVDA"], begin="2015-01-01", end="2026-11-20"
    )
    read = await stage.sdk(
        stage.quotes.get_corporate_split, ["NVDA"], "US", "2015-01-01", "2026-11-20"
    )
    splits = {(row["day"], Decimal(row["to_shares"]), Decimal(row["from_shares"])) for row in rows}
    assert splits == {
        (each["execute_date"], Decimal(str(each["to_factor"])), Decimal(str(each["from_factor"])))
        for each in read.to_dict("records")
    }


async def tiger_get_earnings(stage: Stage) -> None:
    first, last = stage.today - timedelta(days=25), stage.today
    rows = await stage.rows(
        "get_fundamentals", what="earnings", begin=str(first), end=str(last), limit=300
    )
    read = await stage.sdk(
        stage.quotes.get_corporate_earnings_calendar, "US", str(first), str(last)
    )
    theirs = {
        (each["symbol"], each["report_date"], each["expected_eps"])
        for each in read.to_dict("records")
    }
    assert {(r["symbol"], r["report_day"], float(r["expected_eps"])) for r in rows} == theirs
    ahead = await stage.rows(
        "get_fundamentals",
        what="earnings",
        symbols=["AAPL"],
        begin=str(last),
        end=str(last + timedelta(days=110)),
    )
    assert ahead[0]["report_day"] >= str(last)


CASES: Final[dict[str, Case]] = {
    "seed tiger_search_symbols": tiger_search_symbols,
    "seed tiger_get_option_chain": tiger_get_option_chain,
    "seed tiger_get_market_status": tiger_get_market_status,
    "seed tiger_get_contracts": tiger_get_contracts,
    "seed tiger_get_financials": tiger_get_financials,
    "seed tiger_get_corporate_actions": tiger_get_corporate_actions,
    "seed tiger_get_earnings": tiger_get_earnings,
    "official get_option_expirations": get_option_expirations,
    "official get_option_chain": get_option_chain,
    "official get_hk_option_symbols": get_hk_option_symbols,
    "official get_market_status": get_market_status,
    "official get_contract": get_contract,
}
