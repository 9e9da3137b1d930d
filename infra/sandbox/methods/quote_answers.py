"""Stock quotes and market hours in Tiger's field names.

Prices travel as JSON floats, times in milliseconds, absent figures as null.
Source: Tiger's published example replies (docs.itigerup.com, quote interfaces, and the tests of
its Python SDK; read 2026-11) and the response classes of tigeropen 3.8.0, `quote/response`.
"""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

from infra.sandbox.market.calendars import is_half_day, is_trading_day, zone_of
from infra.sandbox.market.corporate import listed_on
from infra.sandbox.market.depth import Level
from infra.sandbox.market.fundamentals import Valuation
from infra.sandbox.market.instruments import Instrument, Venue, tick_at
from infra.sandbox.market.prices import Quote
from infra.sandbox.market.sessions import Session
from infra.sandbox.market.short_interest import ShortReport
from infra.sandbox.methods.figures import Json
from infra.sandbox.wire.envelope import to_ms

SHARE_STEP = Decimal("0.0001")
# Tiger's text of a state is not fixed; its word is.
STATE_TEXTS: Mapping[str, str] = {
    "NOT_YET_OPEN": "Not Yet Opened",
    "PRE_HOUR_TRADING": "Pre-Market Trading",
    "TRADING": "Trading",
    "MIDDLE_CLOSE": "Lunch Break",
    "POST_HOUR_TRADING": "Post-Market Trading",
    "OVERNIGHT_TRADING": "Overnight Trading",
    "CLOSING": "Closed",
    "EARLY_CLOSED": "Early Closed",
    "MARKET_CLOSED": "Market Closed",
}
STATES_BY_KIND: Mapping[str, str] = {
    "pre": "PRE_HOUR_TRADING",
    "regular": "TRADING",
    "lunch": "MIDDLE_CLOSE",
    "post": "POST_HOUR_TRADING",
    "overnight": "OVERNIGHT_TRADING",
    "break": "CLOSING",
}
# `stock_detail`: 0 not trading, 1 before, 2 in and 3 after regular trading.
TRADING_STATUSES: Mapping[str, int] = {
    "PRE_HOUR_TRADING": 1,
    "TRADING": 2,
    "POST_HOUR_TRADING": 3,
}


def market_word(session: Session, now: datetime) -> str:
    """Return the state of a market as one of Tiger's words."""
    if session.kind in STATES_BY_KIND:
        return STATES_BY_KIND[session.kind]
    if session.kind == "auction":
        is_opening = session.next_open <= session.ends_at
        return "PRE_HOUR_TRADING" if is_opening else "POST_HOUR_TRADING"
    today = now.astimezone(zone_of(session.market)).date()
    if not is_trading_day(session.market, today):
        return "MARKET_CLOSED"
    if session.trading_day == today:
        return "NOT_YET_OPEN"
    return "EARLY_CLOSED" if is_half_day(session.market, today) else "CLOSING"


def market_state_json(session: Session, now: datetime) -> Json:
    """Return a market's hours as `market_state` gives them; only the US times name their zone."""
    word = market_word(session, now)
    opens_at = session.next_open.astimezone(zone_of(session.market))
    zone = f" {opens_at:%Z}" if session.market == "US" else ""
    return {
        "market": session.market,
        "marketStatus": STATE_TEXTS[word],
        "status": word,
        "openTime": f"{opens_at:%m-%d %H:%M:%S}{zone}",
    }


def trading_day_json(market: Venue, day: date) -> Json:
    """Return a trading day as `trading_calendar` gives it."""
    word = "EARLY_CLOSE" if is_half_day(market, day) else "TRADING"
    return {"date": day.isoformat(), "type": word}


def quote_json(quote: Quote, session: Session) -> Json:
    """Return a stock's prices as `quote_real_time` gives them."""
    return {
        "symbol": quote.symbol,
        "open": float(quote.open),
        "high": float(quote.high),
        "low": float(quote.low),
        "close": float(quote.last),
        "preClose": float(quote.previous_close),
        "latestPrice": float(quote.last),
        "latestTime": to_ms(session.last_trade_at),
        "askPrice": float(quote.ask),
        "askSize": quote.ask_size,
        "bidPrice": float(quote.bid),
        "bidSize": quote.bid_size,
        "volume": quote.volume,
        "status": "NORMAL",
        "adjPreClose": float(quote.previous_close),
        "change": float(_change(quote)),
        "changeRate": float(_share(_change(quote), quote.previous_close)),
        "amplitude": float(_share(quote.high - quote.low, quote.previous_close)),
    }


def hour_trading_json(
    quote: Quote, now: datetime, session: Session, *, tags: tuple[str, str]
) -> Json:
    """Return a US stock's prices outside regular hours.

    Args:
        tags: the words for before and after regular trading.
    """
    is_trading = session.kind in ("pre", "post", "overnight")
    at = now if is_trading else session.begins_at
    local = at.astimezone(zone_of("US"))
    return {
        "tag": tags[0] if session.kind == "pre" else tags[1],
        "latestPrice": float(quote.last),
        "preClose": float(quote.last),
        "latestTime": f"{local:%H:%M %Z}",
        "volume": quote.volume // 100,
        "timestamp": to_ms(at),
    }


def delayed_quote_json(quote: Quote, *, at: datetime) -> Json:
    """Return a stock's prices as `quote_delay` gives them."""
    return {
        "symbol": quote.symbol,
        "preClose": float(quote.previous_close),
        "halted": 0.0,
        "time": to_ms(at),
        "open": float(quote.open),
        "high": float(quote.high),
        "low": float(quote.low),
        "close": float(quote.last),
        "volume": quote.volume,
    }


def brief_json(
    instrument: Instrument, quote: Quote, session: Session, *, with_ask_bid: bool
) -> Json:
    """Return a stock's prices as the older `brief` gives them."""
    found: Json = {
        "symbol": quote.symbol,
        "market": instrument.market,
        "secType": instrument.sec_type,
        "name": instrument.name,
        "latestPrice": float(quote.last),
        "timestamp": to_ms(session.last_trade_at),
        "preClose": float(quote.previous_close),
        "volume": quote.volume,
        "halted": 0.0,
        "delay": 0,
    }
    if with_ask_bid:
        found |= {
            "askPrice": float(quote.ask),
            "askSize": quote.ask_size,
            "bidPrice": float(quote.bid),
            "bidSize": quote.bid_size,
        }
    return found


def detail_json(
    instrument: Instrument,
    quote: Quote,
    session: Session,
    *,
    word: str,
    valuation: Valuation | None,
) -> Json:
    """Return a stock as `stock_detail` gives it.

    Args:
        word: the market's state.
        valuation: none for a fund, whose shares and earnings are then null.
    """
    amount = quote.volume * quote.last
    return {
        "symbol": instrument.symbol,
        "market": instrument.market,
        "exchange": instrument.exchange,
        "secType": instrument.sec_type,
        "name": instrument.name,
        "shortable": 4 if instrument.is_shortable else 0,
        "latestPrice": float(quote.last),
        "preClose": float(quote.previous_close),
        "adjPreClose": float(quote.previous_close),
        "tradingStatus": TRADING_STATUSES.get(word, 0),
        "marketStatus": STATE_TEXTS[word],
        "timestamp": to_ms(session.last_trade_at),
        "latestTime": _local_time(session),
        "open": float(quote.open),
        "high": float(quote.high),
        "low": float(quote.low),
        "volume": quote.volume,
        "amount": float(amount),
        "askPrice": float(quote.ask),
        "askSize": quote.ask_size,
        "bidPrice": float(quote.bid),
        "bidSize": quote.bid_size,
        "change": float(_change(quote)),
        "amplitude": float(_share(quote.high - quote.low, quote.previous_close)),
        "halted": 0.0,
        "delay": 0,
        "floatShares": None if valuation is None else valuation.float_shares,
        "shares": None if valuation is None else valuation.shares,
        "eps": None if valuation is None else float(valuation.ttm_eps),
        "etf": 1 if instrument.is_etf else 0,
        "listingDate": _listing_ms(instrument),
        "nextMarketStatus": {
            "tag": STATE_TEXTS["TRADING"],
            "beginTime": to_ms(session.next_open),
        },
    }


def trade_meta_json(instrument: Instrument, quote: Quote) -> Json:
    """Return what an order needs to know, as `quote_stock_trade` gives it."""
    return {
        "symbol": instrument.symbol,
        "lotSize": instrument.lot_size,
        "minTick": float(tick_at(instrument, quote.last)),
        "spreadScale": 1 if instrument.market == "US" else 0,
    }


def depth_json(symbol: str, *, asks: tuple[Level, ...], bids: tuple[Level, ...]) -> Json:
    """Return a book as `quote_depth` gives it, best prices first."""
    return {
        "symbol": symbol,
        "asks": [_level_json(level) for level in asks],
        "bids": [_level_json(level) for level in bids],
    }


def short_report_json(report: ShortReport) -> Json:
    """Return a report as `quote_shortable_stocks` gives it."""
    return {
        "settlementDate": report.settlement_day.isoformat(),
        "shortInterest": report.short_interest,
        "avgDailyVolume": report.average_volume,
        "daysToCover": float(report.days_to_cover),
        "percentOfFloat": float(report.percent_of_float),
    }


def overnight_json(quote: Quote, now: datetime) -> Json:
    """Return a US stock's prices as `quote_overnight` gives them."""
    return {
        "symbol": quote.symbol,
        "preClose": float(quote.previous_close),
        "latestPrice": float(quote.last),
        "askPrice": float(quote.ask),
        "askSize": quote.ask_size,
        "bidPrice": float(quote.bid),
        "bidSize": quote.bid_size,
        "volume": quote.volume,
        "amount": float(quote.volume * quote.last),
        "timestamp": to_ms(now),
    }


def _listing_ms(instrument: Instrument) -> int | None:
    day = listed_on(instrument.key)
    if day is None:
        return None
    return to_ms(datetime.combine(day, time(), zone_of(instrument.market)))


def _level_json(level: Level) -> Json:
    return {"price": float(level.price), "volume": level.volume, "count": level.count}


def _local_time(session: Session) -> str:
    local = session.last_trade_at.astimezone(zone_of(session.market))
    zone = f" {local:%Z}" if session.market == "US" else ""
    return f"{local:%m-%d %H:%M:%S}{zone}"


def _change(quote: Quote) -> Decimal:
    return quote.last - quote.previous_close


def _share(part: Decimal, whole: Decimal) -> Decimal:
    return (part / whole).quantize(SHARE_STEP) if whole else Decimal(0)
