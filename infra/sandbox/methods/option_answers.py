"""Option quotes in Tiger's field names.

Source: Tiger's published example replies (option interfaces of docs.itigerup.com and the tests of
its Python SDK, read 2026-11), and the response classes of tigeropen 3.8.0, `quote/response`.
"""

from datetime import date, datetime, time
from decimal import Decimal

from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.depth import Level
from infra.sandbox.market.instruments import Instrument
from infra.sandbox.market.option_figures import open_interest_of
from infra.sandbox.market.options import expirations, is_monthly, underlying_of
from infra.sandbox.market.prices import Quote
from infra.sandbox.market.pricing import DAYS_PER_YEAR, RATE, Greeks, volatility_of
from infra.sandbox.methods.figures import Json, optional_double
from infra.sandbox.wire.envelope import to_ms

GREEK_STEP = Decimal("0.000001")
# Where US options are quoted, in the order in which the sandbox's levels are told from.
# Source: codes of Tiger's published example reply of `option_depth`.
OPTION_EXCHANGES = ("CBOE", "NSDQ", "PHLX", "ARCA", "AMEX", "BOX", "MIAX", "BZX", "C2", "EMLD")
HK_OPTION_EXCHANGE = "HKEX"


def midnight_ms(option_market: Instrument, day: date) -> int:
    """Return a day as Tiger writes an expiry: midnight at the exchange, in milliseconds."""
    return to_ms(datetime.combine(day, time(), zone_of(option_market.market)))


def expirations_json(symbol: str, option_class: str, day: date) -> Json:
    """Return the expirations listed on a day as `option_expiration` gives them, nearest first."""
    underlying, days = underlying_of(option_class), expirations(option_class, day)
    return {
        "symbol": symbol,
        "optionSymbols": [option_class] * len(days),
        "dates": [item.isoformat() for item in days],
        "timestamps": [midnight_ms(underlying, item) for item in days],
        "periodTags": ["m" if is_monthly(underlying.market, item) else "w" for item in days],
        "count": len(days),
    }


def chain_side_json(
    option: Instrument, quote: Quote, greeks: Greeks, *, at: datetime, with_greeks: bool
) -> Json:
    """Return one option of a chain."""
    assert option.right is not None, "an option has a right"
    found: Json = {
        "identifier": option.key,
        "strike": _strike(option),
        "right": option.right.lower(),
        **_best_prices(quote),
        "volume": quote.volume,
        "latestPrice": float(quote.last),
        "preClose": float(quote.previous_close),
        "openInterest": open_interest_of(option),
        "multiplier": int(option.multiplier),
        "lastTimestamp": to_ms(at),
        "impliedVol": _figure(greeks.volatility),
    }
    if with_greeks:
        found |= {
            "delta": _figure(greeks.delta),
            "gamma": _figure(greeks.gamma),
            "theta": _figure(greeks.theta),
            "vega": _figure(greeks.vega),
            "rho": _figure(greeks.rho),
        }
    return found


def brief_json(option: Instrument, quote: Quote, *, at: datetime, day: date) -> Json:
    """Return an option as `option_brief` gives it."""
    assert option.expiry is not None, "an option has an end"
    assert option.right is not None, "an option has a right"
    assert option.underlying is not None, "an option has an underlying"
    middle = (quote.bid + quote.ask) / 2
    return {
        "identifier": option.key,
        "symbol": option.symbol,
        "strike": _strike(option),
        **_best_prices(quote),
        "latestPrice": float(quote.last),
        "timestamp": to_ms(at),
        "volume": quote.volume,
        "high": float(quote.high),
        "low": float(quote.low),
        "open": float(quote.open),
        "preClose": float(quote.previous_close),
        "openInterest": open_interest_of(option),
        "change": float(quote.last - quote.previous_close),
        "multiplier": int(option.multiplier),
        "right": option.right.lower(),
        "volatility": f"{volatility_of(option.underlying) * 100:.2f}%",
        "expiry": midnight_ms(option, option.expiry),
        "ratesBonds": float(RATE),
        "midPrice": float(middle),
        "midTimestamp": to_ms(at),
        "markPrice": float(quote.last),
        "markTimestamp": to_ms(at),
        "preMarkPrice": float(quote.previous_close),
        "sellingReturn": _selling_return(option, middle, day),
    }


def depth_json(
    option: Instrument, *, asks: tuple[Level, ...], bids: tuple[Level, ...], at: datetime
) -> Json:
    """Return an option's book as `option_depth` gives it: in the US one price by exchange."""
    assert option.expiry is not None, "an option has an end"
    return {
        "symbol": option.symbol,
        "expiry": midnight_ms(option, option.expiry),
        "strike": _strike(option),
        "right": option.right,
        "timestamp": to_ms(at),
        "ask": _levels_json(option, asks, at),
        "bid": _levels_json(option, bids, at),
    }


def _levels_json(option: Instrument, levels: tuple[Level, ...], at: datetime) -> list[Json]:
    if option.market != "US":
        return [
            _level_json(level, HK_OPTION_EXCHANGE, at) | {"count": level.count} for level in levels
        ]
    return [
        _level_json(level, code, at) for level, code in zip(levels, OPTION_EXCHANGES, strict=False)
    ]


def _level_json(level: Level, code: str, at: datetime) -> Json:
    return {
        "price": float(level.price),
        "code": code,
        "timestamp": to_ms(at),
        "volume": level.volume,
    }


def _best_prices(quote: Quote) -> Json:
    # A side that nobody quotes is absent.
    has_bid = quote.bid_size > 0
    return {
        "bidPrice": optional_double(quote.bid if has_bid else None),
        "bidSize": quote.bid_size if has_bid else None,
        "askPrice": float(quote.ask),
        "askSize": quote.ask_size,
    }


def _strike(option: Instrument) -> str:
    # US strikes have at least one decimal place, those of Hong Kong's stock options two.
    assert option.strike is not None, "an option has a strike"
    return f"{option.strike:.2f}" if option.market == "HK" else str(float(option.strike))


def _selling_return(option: Instrument, premium: Decimal, day: date) -> float | None:
    # The premium over what secures it, per year; nothing to tell on the last day.
    assert option.strike is not None, "an option has a strike"
    assert option.expiry is not None, "an option has an end"
    days = (option.expiry - day).days
    if days <= 0:
        return None
    return _figure(premium / option.strike * DAYS_PER_YEAR / days)


def _figure(value: Decimal) -> float:
    return float(value.quantize(GREEK_STEP))
