"""What the sandbox trades: how a contract is found, whatever its kind."""

from datetime import date
from decimal import Decimal

from infra.sandbox.market.funds import FUND_CONTRACTS
from infra.sandbox.market.futures import FAMILIES, find_future, is_listed_future
from infra.sandbox.market.options import expirations, find_option, option_of
from infra.sandbox.market.stocks import CATALOGUE
from infra.sandbox.market.terms import (
    PRICE_MAX,
    TICK_BANDS,
    USD_PER_UNIT,
    Instrument,
    Right,
    SecType,
    TickBand,
    Venue,
    is_on_tick,
    is_whole_lot,
    rounded_to_tick,
    tick_above,
    tick_at,
    tick_bands,
    tick_below,
)

__all__ = [
    "CATALOGUE",
    "PRICE_MAX",
    "TICK_BANDS",
    "USD_PER_UNIT",
    "Instrument",
    "Right",
    "SecType",
    "TickBand",
    "Venue",
    "find",
    "instrument_of",
    "is_on_tick",
    "is_tradable",
    "is_whole_lot",
    "resolve",
    "rounded_to_tick",
    "tick_above",
    "tick_at",
    "tick_bands",
    "tick_below",
]


def find(key: str) -> Instrument | None:
    """Return the contract with a key, listed or derived, expired or not; none if there is none."""
    return CATALOGUE.get(key) or FUND_CONTRACTS.get(key) or find_option(key) or find_future(key)


def instrument_of(key: str) -> Instrument:
    """Return the contract of something that the book holds."""
    instrument = find(key)
    assert instrument is not None, f"the book holds a contract that does not exist: {key}"
    return instrument


def resolve(
    symbol: str,
    *,
    sec_type: SecType = "STK",
    expiry: date | None = None,
    strike: Decimal | None = None,
    right: Right | None = None,
) -> Instrument | None:
    """Return the contract that an order or a query names by its terms; none if there is none.

    Args:
        symbol: of an option its underlying's, its class ("TCH.HK") or its whole identifier; of a
            future its code ("ES2612") or, with `expiry`, its family ("ES").
    """
    if sec_type == "OPT":
        if expiry is None or strike is None or right is None:
            return find_option(symbol)
        return option_of(symbol, expiry=expiry, strike=strike, right=right)
    if sec_type == "FUT":
        return _future(symbol, expiry)
    if sec_type == "FUND":
        return FUND_CONTRACTS.get(symbol)
    found = CATALOGUE.get(symbol)
    return found if found is not None and found.sec_type == sec_type else None


def is_tradable(instrument: Instrument, day: date) -> bool:
    """Say whether a contract can be traded on a day: listed already, and not expired."""
    if instrument.sec_type == "OPT":
        return instrument.expiry in expirations(instrument.symbol, day)
    if instrument.sec_type == "FUT":
        return is_listed_future(instrument, day)
    return instrument.expiry is None or instrument.expiry >= day


def _future(symbol: str, expiry: date | None) -> Instrument | None:
    if symbol not in FAMILIES or expiry is None:
        return find_future(symbol)
    # An expiry may name the contract's month or its last day, which for oil lies a month before.
    months = {(expiry.year, expiry.month), divmod(expiry.year * 12 + expiry.month, 12)}
    codes = [f"{symbol}{expiry:%y%m}", *(f"{symbol}{y % 100:02d}{m + 1:02d}" for y, m in months)]
    found = [item for code in codes if (item := find_future(code)) is not None]
    exact = [item for item in found if item.expiry == expiry]
    return exact[0] if exact else (found[0] if found else None)
