"""Tiger's methods about stocks' prices and market hours."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import get_args

import msgspec

from infra.sandbox.market.calendars import trading_days, zone_of
from infra.sandbox.market.fundamentals import valuation_of
from infra.sandbox.market.instruments import CATALOGUE, Instrument, SecType, Venue
from infra.sandbox.market.prices import Quote
from infra.sandbox.market.sessions import Session, session_at
from infra.sandbox.market.short_interest import short_reports
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json
from infra.sandbox.methods.parameter_values import DAY_MAX, date_of, invalid
from infra.sandbox.methods.quote_answers import (
    brief_json,
    delayed_quote_json,
    depth_json,
    detail_json,
    hour_trading_json,
    market_state_json,
    market_word,
    overnight_json,
    quote_json,
    short_report_json,
    trade_meta_json,
    trading_day_json,
)
from infra.sandbox.wire.envelope import business_error

SYMBOLS_MAX = 50
DELAY = timedelta(minutes=15)
# What `market_state` answers for ALL, as Tiger does; the others only when they are asked for.
MARKETS_OF_ALL: tuple[Venue, ...] = ("US", "HK", "CN")
MARKETS: tuple[Venue, ...] = get_args(Venue)
CALENDAR_DAYS_MAX = 366
CALENDAR_DAY_MIN = date(1990, 1, 1)
MS_DIGITS_MAX = 13
CALENDAR_DAYS_DEFAULT = 30
HOUR_TAGS = ("Pre-Mkt", "Post-Mkt")
# `brief` writes the tags in Chinese whatever language is asked for, and its reader knows no other.
BRIEF_HOUR_TAGS = ("盘前", "盘后")


class SymbolsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the quote methods."""

    symbols: tuple[str, ...] = ()
    include_hour_trading: bool = False
    include_ask_bid: bool = False


class DepthParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `quote_depth`."""

    symbols: tuple[str, ...] = ()
    market: str | None = None


class MarketParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `market_state` and the lists of symbols."""

    market: str = "ALL"
    sec_type: str | None = None


class CalendarParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `trading_calendar`; days as "2026-11-23" or in milliseconds."""

    market: str = ""
    begin_date: str | int | None = None
    end_date: str | int | None = None


def session_of(call: Call, market: Venue, sec_type: SecType = "STK") -> Session:
    """Return the session that a market is in, for a caller of now."""
    return session_at(
        market, call.now, sec_type=sec_type, always_open=call.engine.settings.always_open
    )


def quote_real_time(call: Call) -> object:
    """Return current quotes; symbols that are not traded here are left out."""
    asked = parameters(call, SymbolsParameters)
    found: list[Json] = []
    for _, quote, session in _quoted(call, asked.symbols):
        item = quote_json(quote, session)
        if asked.include_hour_trading and _has_hour_trading(session):
            item["hourTrading"] = hour_trading_json(quote, call.now, session, tags=HOUR_TAGS)
        found.append(item)
    return found


def quote_delay(call: Call) -> object:
    """Return quotes of US stocks in the delayed shape; the prices are the current ones."""
    asked = parameters(call, SymbolsParameters)
    return [
        delayed_quote_json(quote, at=min(session.last_trade_at, call.now - DELAY))
        for instrument, quote, session in _quoted(call, asked.symbols)
        if instrument.market == "US"
    ]


def brief(call: Call) -> object:
    """Return quotes in the older shape."""
    asked = parameters(call, SymbolsParameters)
    items: list[Json] = []
    for instrument, quote, session in _quoted(call, asked.symbols):
        item = brief_json(instrument, quote, session, with_ask_bid=asked.include_ask_bid)
        if asked.include_hour_trading and _has_hour_trading(session):
            item["hourTrading"] = hour_trading_json(quote, call.now, session, tags=BRIEF_HOUR_TAGS)
        items.append(item)
    return {"items": items}


def stock_detail(call: Call) -> object:
    """Return all about stocks; symbols that are not traded here are left out."""
    asked = parameters(call, SymbolsParameters)
    return {
        "items": [
            detail_json(
                instrument,
                quote,
                session,
                word=market_word(session, call.now),
                valuation=valuation_of(
                    instrument, call.engine.prices.seed, quote.last, session.trading_day
                ),
            )
            for instrument, quote, session in _quoted(call, asked.symbols)
        ]
    }


def quote_stock_trade(call: Call) -> object:
    """Return lots and price steps."""
    asked = parameters(call, SymbolsParameters)
    return [
        trade_meta_json(instrument, quote) for instrument, quote, _ in _quoted(call, asked.symbols)
    ]


def quote_depth(call: Call) -> object:
    """Return order books; symbols of another market than asked for are left out."""
    asked = parameters(call, DepthParameters)
    prices = call.engine.prices
    return [
        depth_json(
            instrument.symbol,
            asks=prices.levels(instrument.key, "SELL"),
            bids=prices.levels(instrument.key, "BUY"),
        )
        for instrument in _stocks(asked.symbols)
        if asked.market in (None, "", "ALL", instrument.market)
    ]


def quote_overnight(call: Call) -> object:
    """Return the prices of US stocks in the overnight session."""
    asked = parameters(call, SymbolsParameters)
    return [
        overnight_json(quote, call.now)
        for instrument, quote, _ in _quoted(call, asked.symbols)
        if instrument.market == "US"
    ]


def quote_shortable_stocks(call: Call) -> object:
    """Return the reports on short interest of US stocks, newest first."""
    asked = parameters(call, SymbolsParameters)
    today = call.now.astimezone(zone_of("US")).date()
    return [
        {
            "symbol": instrument.symbol,
            "items": [short_report_json(item) for item in short_reports(instrument, today)],
        }
        for instrument in _stocks(asked.symbols)
        if instrument.market == "US"
    ]


def all_symbols(call: Call) -> object:
    """List the symbols of a market's stocks."""
    return [item.symbol for item in _listed(parameters(call, MarketParameters))]


def all_symbol_names(call: Call) -> object:
    """List the symbols and names of a market's stocks."""
    return [
        {"symbol": item.symbol, "name": item.name}
        for item in _listed(parameters(call, MarketParameters))
    ]


def market_state(call: Call) -> object:
    """Say what the markets are doing."""
    wanted = parameters(call, MarketParameters).market
    markets = MARKETS_OF_ALL if wanted == "ALL" else MARKETS
    return [
        market_state_json(session_of(call, market), call.now)
        for market in markets
        if wanted in ("ALL", market)
    ]


def trading_calendar(call: Call) -> object:
    """List the trading days of a market from `begin_date` to before `end_date`."""
    asked = parameters(call, CalendarParameters)
    market = next((item for item in MARKETS if item == asked.market), None)
    if market is None:
        raise business_error("field 'market' cannot be empty")
    begin = (
        day_of(asked.begin_date, market, "begin_date")
        or call.now.astimezone(zone_of(market)).date()
    )
    end = day_of(asked.end_date, market, "end_date") or begin + timedelta(
        days=CALENDAR_DAYS_DEFAULT
    )
    if (end - begin).days > CALENDAR_DAYS_MAX:
        raise business_error(f"the date range cannot exceed {CALENDAR_DAYS_MAX} days")
    return [trading_day_json(market, day) for day in trading_days(market, begin, end)]


def day_of(given: str | int | None, market: Venue, field: str) -> date | None:
    """Return an exchange's day from "2026-11-23", a time on it, or milliseconds; none for nothing.

    Raises:
        GatewayError: 1010, also for a day beyond CALENDAR_DAY_MIN and DAY_MAX.
    """
    if given is None or given == "":
        return None
    if isinstance(given, str) and (not given.isdecimal() or len(given) == len("yyyyMMdd")):
        found = date_of(given.split(" ")[0], field)
    else:
        found = _day_at(str(given), market, field)
    if found is None or not CALENDAR_DAY_MIN <= found <= DAY_MAX:
        raise invalid(field)
    return found


def checked_symbols(symbols: tuple[str, ...], *, count_max: int = SYMBOLS_MAX) -> tuple[str, ...]:
    """Return symbols that are not too many, and some.

    Raises:
        GatewayError: 1010.
    """
    if not 0 < len(symbols) <= count_max:
        raise business_error(f"symbols cannot be empty and cannot exceed {count_max}")
    return symbols


def _stocks(symbols: tuple[str, ...]) -> list[Instrument]:
    return [CATALOGUE[symbol] for symbol in checked_symbols(symbols) if symbol in CATALOGUE]


def _quoted(call: Call, symbols: tuple[str, ...]) -> Iterator[tuple[Instrument, Quote, Session]]:
    sessions: dict[Venue, Session] = {}
    for instrument in _stocks(symbols):
        if instrument.market not in sessions:
            sessions[instrument.market] = session_of(call, instrument.market)
        quote = call.engine.prices.quote(instrument.key)
        yield instrument, quote, sessions[instrument.market]


def _has_hour_trading(session: Session) -> bool:
    # Only US stocks trade outside regular hours, and in them the figures are not sent.
    return session.market == "US" and not session.is_regular


def _listed(asked: MarketParameters) -> list[Instrument]:
    return [
        item
        for item in CATALOGUE.values()
        if asked.market in ("ALL", item.market) and item.sec_type == (asked.sec_type or "STK")
    ]


def _day_at(milliseconds: str, market: Venue, field: str) -> date:
    # The length first: a text of digits may be too long for a number.
    if len(milliseconds) > MS_DIGITS_MAX or int(milliseconds) < 0:
        raise invalid(field)
    moment = datetime.fromtimestamp(int(milliseconds) // 1000, UTC)
    return moment.astimezone(zone_of(market)).date()
