"""What the sandbox trades: a dozen stocks of two markets, with their tick and lot rules."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

Venue = Literal["US", "HK"]
SecType = Literal["STK", "OPT", "FUT", "WAR", "IOPT", "FUND"]
Right = Literal["CALL", "PUT"]

# One fixed rate is enough to add up two currencies: the sandbox is no currency market.
USD_PER_UNIT: Mapping[str, Decimal] = {"USD": Decimal(1), "HKD": Decimal("0.128")}
# Beyond this no price is believed, and decimal arithmetic would no longer be exact.
PRICE_MAX = Decimal(10) ** 9


class TickBand(msgspec.Struct, frozen=True, kw_only=True):
    """The price step from `begin` (inclusive) to `end` (exclusive; none means no end)."""

    begin: Decimal
    end: Decimal | None
    tick: Decimal


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One contract."""

    contract_id: int
    key: str  # unique; Tiger's `identifier`, of a stock its symbol
    symbol: str  # of an option its underlying's
    name: str
    market: Venue
    currency: str
    exchange: str
    base_price: Decimal
    lot_size: int
    sec_type: SecType = "STK"
    multiplier: Decimal = Decimal(1)
    expiry: date | None = None
    strike: Decimal | None = None
    right: Right | None = None


def find(key: str) -> Instrument | None:
    """Return the contract with a key, listed or derived (an option's); none if there is none."""
    return CATALOGUE.get(key)


def tick_at(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the price step that holds at a price."""
    for band in TICK_BANDS[instrument.market]:
        if band.end is None or price < band.end:
            return band.tick
    raise AssertionError("the last band has no end")


def is_on_tick(instrument: Instrument, price: Decimal) -> bool:
    """Say whether a price is a whole number of steps."""
    return price % tick_at(instrument, price) == 0


def _bands(*steps: tuple[str, str]) -> tuple[TickBand, ...]:
    # Each pair is (begin, tick); a band ends where the next begins.
    begins = [Decimal(begin) for begin, _ in steps]
    ends: list[Decimal | None] = [*begins[1:], None]
    return tuple(
        TickBand(begin=begin, end=end, tick=Decimal(tick))
        for begin, end, (_, tick) in zip(begins, ends, steps, strict=True)
    )


TICK_BANDS: Mapping[Venue, tuple[TickBand, ...]] = {
    "US": _bands(("0", "0.0001"), ("1", "0.01")),
    # Source: the exchange's spread table for equities (part A), in force since August 2025.
    "HK": _bands(
        ("0", "0.001"),
        ("0.25", "0.005"),
        ("0.5", "0.01"),
        ("20", "0.02"),
        ("50", "0.05"),
        ("100", "0.1"),
        ("200", "0.2"),
        ("500", "0.5"),
        ("1000", "1"),
        ("2000", "2"),
        ("5000", "5"),
    ),
}


def _us(contract_id: int, symbol: str, name: str, price: str, exchange: str) -> Instrument:
    return Instrument(
        contract_id=contract_id,
        key=symbol,
        symbol=symbol,
        name=name,
        market="US",
        currency="USD",
        exchange=exchange,
        base_price=Decimal(price),
        lot_size=1,
    )


def _hk(contract_id: int, symbol: str, name: str, price: str, lot_size: int) -> Instrument:
    return Instrument(
        contract_id=contract_id,
        key=symbol,
        symbol=symbol,
        name=name,
        market="HK",
        currency="HKD",
        exchange="SEHK",
        base_price=Decimal(price),
        lot_size=lot_size,
    )


CATALOGUE: Mapping[str, Instrument] = {
    instrument.symbol: instrument
    for instrument in (
        _us(14, "AAPL", "Apple", "230.00", "NASDAQ"),
        _us(94, "MSFT", "Microsoft", "480.00", "NASDAQ"),
        _us(113, "NVDA", "NVIDIA", "180.00", "NASDAQ"),
        _us(68, "TSLA", "Tesla Motors", "400.00", "NASDAQ"),
        _us(23, "AMZN", "Amazon.com", "225.00", "NASDAQ"),
        _us(2716, "GOOG", "Alphabet", "300.00", "NASDAQ"),
        _us(756, "SPY", "SPDR S&P 500 ETF Trust", "660.00", "ARCA"),
        _hk(1001, "00700", "TENCENT", "620.0", 100),
        _hk(1002, "09988", "BABA-W", "160.0", 100),
        _hk(1003, "03690", "MEITUAN-W", "105.0", 100),
        _hk(1004, "00005", "HSBC HOLDINGS", "110.0", 400),
        _hk(1005, "02318", "PING AN", "58.00", 500),
        _hk(1006, "00939", "CCB", "8.00", 1000),
    )
}
