"""The real SDK over the wire: stocks' quotes, books, contracts and market hours."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import Market, SecurityType, TradingSession
from tigeropen.common.exceptions import ApiException

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

# A Monday, 10:00 in New York and 23:00 in Hong Kong.
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
NOW_MS = 1_795_446_000_000
REAL_HOURS = Settings(price_drift=False, always_open=False)
QUOTE_COLUMNS = {
    "symbol",
    "open",
    "high",
    "low",
    "close",
    "pre_close",
    "latest_price",
    "latest_time",
    "ask_price",
    "ask_size",
    "bid_price",
    "bid_size",
    "volume",
    "status",
    "adj_pre_close",
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW.isoformat()}") as started:
        started.control.set_settings(REAL_HOURS)
        yield started


@pytest.fixture(scope="module")
def quotes(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


@pytest.fixture(scope="module")
def trade(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


def codes_of(error: pytest.ExceptionInfo[ApiException]) -> int:
    return int(error.value.code)


def test_quote_has_the_published_columns_and_one_tick_of_spread(quotes: Any) -> None:
    found = quotes.get_stock_briefs(["AAPL", "00700", "NO SUCH"])
    assert set(found.columns) >= QUOTE_COLUMNS
    assert list(found["symbol"]) == ["AAPL", "00700"]
    aapl, tencent = found.to_dict("records")
    assert (aapl["bid_price"], aapl["latest_price"], aapl["ask_price"]) == (229.99, 230.0, 230.01)
    assert (tencent["bid_price"], tencent["ask_price"]) == (619.5, 620.5)
    assert aapl["latest_time"] == NOW_MS
    # 23:00 in Hong Kong: the last trade was at 16:00.
    assert tencent["latest_time"] == NOW_MS - 7 * 3600 * 1000
    assert aapl["status"] == "NORMAL"
    assert aapl["bid_size"] > 0
    assert aapl["ask_size"] > 0


def test_quote_in_regular_hours_has_no_hour_trading(quotes: Any) -> None:
    found = quotes.get_stock_briefs(["AAPL"], include_hour_trading=True)
    assert not [column for column in found.columns if column.startswith("hour_trading")]


def test_quotes_and_state_before_the_us_open(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = tmp_path_factory.mktemp("early")
    with running_sandbox(home, "--clock", "virtual:2026-11-27T13:31:00+00:00") as early:
        early.control.set_settings(REAL_HOURS)
        quotes = early.quote_client()
        (row,) = quotes.get_stock_briefs(["AAPL"], include_hour_trading=True).to_dict("records")
        assert row["hour_trading_tag"] == "Pre-Mkt"
        assert row["hour_trading_latest_price"] == 230.0
        assert row["hour_trading_latest_time"] == "08:31 EST"
        assert row["hour_trading_timestamp"] == 1_795_786_260_000
        (brief,) = quotes.get_briefs(["AAPL"], include_hour_trading=True, include_ask_bid=True)
        assert brief.hour_trading.trading_session == TradingSession.PreMarket
        assert (brief.ask_price, brief.bid_price, brief.market) == (230.01, 229.99, "US")
        (state,) = quotes.get_market_status(Market.US)
        assert state.trading_status == "PRE_HOUR_TRADING"
        # The day after Thanksgiving is a half day: New York closes at 13:00.
        early.control.set_clock(datetime(2026, 11, 27, 18, 30, tzinfo=UTC))
        (state,) = quotes.get_market_status(Market.US)
        assert state.trading_status == "POST_HOUR_TRADING"
        early.control.set_clock(datetime(2026, 11, 27, 22, 30, tzinfo=UTC))
        (state,) = quotes.get_market_status(Market.US)
        assert state.trading_status == "EARLY_CLOSED"
        early.control.set_clock(datetime(2026, 11, 28, 17, 0, tzinfo=UTC))
        (state,) = quotes.get_market_status(Market.US)
        assert state.trading_status == "MARKET_CLOSED"
        assert state.open_time.isoformat()[5:] == "11-30T09:30:00-05:00"


def test_market_states_are_those_of_the_sessions(quotes: Any) -> None:
    states = {item.market: item for item in quotes.get_market_status()}
    assert set(states) == {"US", "HK", "CN"}
    assert (states["US"].trading_status, states["US"].status) == ("TRADING", "Trading")
    # The year is the reader's, as the wire names none.
    assert states["US"].open_time.isoformat()[5:] == "11-24T09:30:00-05:00"
    assert states["HK"].trading_status == "CLOSING"
    assert states["HK"].open_time.isoformat()[5:] == "11-24T09:30:00+08:00"
    (single,) = quotes.get_market_status("SG")
    assert (single.market, single.trading_status) == ("SG", "CLOSING")


def test_always_open_market_is_trading(sandbox: Sandbox, quotes: Any) -> None:
    sandbox.control.set_settings(Settings(price_drift=False, always_open=True))
    try:
        states = quotes.get_market_status()
        (row,) = quotes.get_stock_briefs(["00700"]).to_dict("records")
    finally:
        sandbox.control.set_settings(REAL_HOURS)
    assert {item.trading_status for item in states} == {"TRADING"}
    assert row["latest_time"] == NOW_MS


def test_trading_calendar_lists_trading_days_and_early_closes(quotes: Any) -> None:
    found = quotes.get_trading_calendar(Market.US, begin_date="2026-11-24", end_date="2026-12-01")
    assert found == [
        {"date": "2026-11-24", "type": "TRADING"},
        {"date": "2026-11-25", "type": "TRADING"},
        {"date": "2026-11-27", "type": "EARLY_CLOSE"},
        {"date": "2026-11-30", "type": "TRADING"},
    ]
    in_ms = quotes.get_trading_calendar("HK", begin_date=NOW_MS, end_date=NOW_MS + 86_400_000)
    assert in_ms == [{"date": "2026-11-23", "type": "TRADING"}]
    with pytest.raises(ApiException) as error:
        quotes.get_trading_calendar("US", begin_date="yesterday")
    assert codes_of(error) == 1010


def test_delayed_quotes_are_of_us_stocks_and_older(quotes: Any) -> None:
    (row,) = quotes.get_stock_delay_briefs(["AAPL", "00700"]).to_dict("records")
    assert (row["symbol"], row["close"], row["halted"]) == ("AAPL", 230.0, 0.0)
    assert row["time"] == NOW_MS - 15 * 60 * 1000


def test_book_is_ordered_finite_and_begins_at_the_quote(quotes: Any) -> None:
    book = quotes.get_depth_quote(["AAPL"], Market.US)
    assert book["symbol"] == "AAPL"
    asks, bids = book["asks"], book["bids"]
    assert len(asks) == len(bids) == 40
    assert asks[0][0] == 230.01
    assert bids[0][0] == 229.99
    assert [price for price, _, _ in asks] == sorted({price for price, _, _ in asks})
    assert [price for price, _, _ in bids] == sorted({p for p, _, _ in bids}, reverse=True)
    assert all(0 < count <= volume for _, volume, count in asks + bids)
    (row,) = quotes.get_stock_briefs(["AAPL"]).to_dict("records")
    assert (row["ask_size"], row["bid_size"]) == (asks[0][1], bids[0][1])


def test_books_of_several_symbols_come_by_symbol(quotes: Any) -> None:
    books = quotes.get_depth_quote(["00700", "00005"], "HK")
    assert set(books) == {"00700", "00005"}
    assert all(len(book["asks"]) == 10 for book in books.values())
    assert all(volume % 400 == 0 for _, volume, _ in books["00005"]["asks"])
    assert quotes.get_depth_quote(["AAPL"], "HK") == {}


def test_symbols_and_names_are_of_the_market(quotes: Any) -> None:
    assert {"AAPL", "SPY", "BRK.A", "BURU"} <= set(quotes.get_symbols(Market.US))
    assert {"00700", "02800"} <= set(quotes.get_symbols("HK"))
    assert "13719" not in quotes.get_symbols("HK")
    assert ("AAPL", "Apple") in quotes.get_symbol_names("US")
    assert ("D05", "DBS") in quotes.get_symbol_names("SG")


def test_trade_metas_give_lot_and_tick_at_the_price(quotes: Any) -> None:
    found = quotes.get_trade_metas(["AAPL", "00700", "BURU"])
    assert list(found.columns) == ["symbol", "lot_size", "min_tick", "spread_scale"]
    assert found[["symbol", "lot_size", "min_tick"]].values.tolist() == [
        ["AAPL", 1, 0.01],
        ["00700", 100, 0.5],
        ["BURU", 1, 0.0001],
    ]


def test_stock_detail_names_company_hours_and_prices(quotes: Any) -> None:
    apple, fund = quotes.get_stock_details(["AAPL", "SPY"]).to_dict("records")
    expected = {
        "symbol": "AAPL",
        "market": "US",
        "sec_type": "STK",
        "exchange": "NASDAQ",
        "name": "Apple",
        "latest_price": 230.0,
        "pre_close": 230.0,
        "trading_status": 2,
        "market_status": "Trading",
        "latest_time": "11-23 10:00:00 EST",
        "timestamp": NOW_MS,
        "ask_price": 230.01,
        "bid_price": 229.99,
        "change": 0.0,
        "halted": 0.0,
        "etf": 0,
        "next_market_status_tag": "Trading",
        "next_market_status_begin_time": NOW_MS + (24 * 60 - 30) * 60 * 1000,
    }
    assert {name: apple[name] for name in expected} == expected
    assert apple["shares"] > apple["float_shares"] > 0
    assert apple["eps"] > 0
    assert fund["etf"] == 1


def test_short_interest_is_reported_twice_a_month(quotes: Any) -> None:
    found = quotes.get_short_interest(["AAPL", "00700"])
    assert set(found["symbol"]) == {"AAPL"}
    # 15 November 2026 is a Sunday, 31 October a Saturday.
    assert list(found["settlement_date"])[:3] == ["2026-11-13", "2026-10-30", "2026-10-15"]
    assert (found["short_interest"] > 0).all()
    assert (found["percent_of_float"] < 1).all()
    cover = found["short_interest"] / found["avg_daily_volume"] - found["days_to_cover"]
    assert (cover.abs() < 0.01).all()


def test_overnight_quotes_are_of_us_stocks(quotes: Any) -> None:
    (row,) = quotes.get_quote_overnight(["AAPL", "00700"]).to_dict("records")
    assert (row["symbol"], row["latest_price"]) == ("AAPL", 230.0)
    assert (row["bid_price"], row["ask_price"], row["timestamp"]) == (229.99, 230.01, NOW_MS)


def test_too_many_symbols_and_none_are_refused(quotes: Any) -> None:
    with pytest.raises(ApiException) as error:
        quotes.get_stock_briefs([f"S{number}" for number in range(51)])
    assert codes_of(error) == 1010
    assert "cannot exceed 50" in error.value.msg
    assert raw_call(quotes, "quote_depth", {"symbols": []})["code"] == 1010


def test_stock_contract_has_the_published_fields(trade: Any) -> None:
    found = trade.get_contract("AAPL")
    assert (found.contract_id, found.identifier, found.sec_type) == (14, "AAPL", "STK")
    assert (found.market, found.currency, found.primary_exchange) == ("US", "USD", "NASDAQ")
    assert found.tick_sizes == [
        {"begin": "0", "end": "1", "type": "CLOSED", "tick_size": 0.0001},
        {"begin": "1", "end": "Infinity", "type": "OPEN", "tick_size": 0.01},
    ]
    assert (found.trade, found.shortable, found.is_etf, found.lot_size) == (True, True, False, 1.0)
    assert found.support_overnight_trading is True
    assert trade.get_contract("NO SUCH") is None


@pytest.mark.parametrize(
    ("symbol", "currency", "lot"),
    [("D05", "SGD", 100.0), ("BHP", "AUD", 1.0), ("600519", "CNH", 100.0), ("00005", "HKD", 400.0)],
)
def test_every_market_has_contracts(trade: Any, symbol: str, currency: str, lot: float) -> None:
    found = trade.get_contract(symbol)
    assert (found.currency, found.lot_size) == (currency, lot)


def test_several_contracts_come_without_margins(trade: Any) -> None:
    found = trade.get_contracts(["AAPL", "SPY", "NO SUCH"])
    assert [item.symbol for item in found] == ["AAPL", "SPY"]
    assert [item.long_initial_margin for item in found] == [None, None]
    (future,) = trade.get_contracts(["ES2612"], sec_type=SecurityType.FUT)
    assert (future.symbol, future.identifier) == ("ES", "ES2612")


def test_price_set_by_hand_moves_quote_book_and_step(sandbox: Sandbox, quotes: Any) -> None:
    sandbox.control.set_price("02800", Decimal("19.99"))
    (row,) = quotes.get_stock_briefs(["02800"]).to_dict("records")
    assert (row["bid_price"], row["ask_price"]) == (19.98, 20.0)
    book = quotes.get_depth_quote(["02800"], "HK")
    # From 20 dollars on the step is twice as wide.
    assert [price for price, _, _ in book["asks"]][:3] == [20.0, 20.02, 20.04]
