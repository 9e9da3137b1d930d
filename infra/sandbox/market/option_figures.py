"""What is published about options besides prices: open interest and volatility by day.

All follows from names and days alone, so that it is the same for ever.
"""

from datetime import date
from decimal import Decimal

import msgspec

from infra.sandbox.market.calendars import trading_days
from infra.sandbox.market.noise import between, stream, wave
from infra.sandbox.market.pricing import volatility_of
from infra.sandbox.market.terms import Instrument

OPEN_INTEREST_MAX = 50_000
# How far volatility strays from its level, as a share of it (unit: thousandths).
IMPLIED_STRAY = 250
HISTORICAL_STRAY = 300
WAVE_DAYS = 20
_STEP = Decimal("0.0001")


class DayVolatility(msgspec.Struct, frozen=True, kw_only=True):
    """An underlying's volatility on a trading day."""

    day: date
    implied: Decimal  # of the next 30 days
    historical: Decimal  # of the last 30 days


def open_interest_of(option: Instrument) -> int:
    """Return how many contracts are held."""
    return between(stream(0, f"open interest:{option.key}"), 0, OPEN_INTEREST_MAX)


def call_put_ratio(underlying: str, day: date) -> Decimal:
    """Return how many calls are traded for each put."""
    base = stream(0, f"call put ratio:{underlying}")
    return Decimal(between(base, 40, 250, day.toordinal())) / 100


def volatilities(underlying: Instrument, begin: date, end: date) -> tuple[DayVolatility, ...]:
    """Return the volatility of each trading day from `begin` to `end`, both included."""
    days = trading_days(underlying.market, begin, date.fromordinal(end.toordinal() + 1))
    return tuple(_volatility(underlying.key, day) for day in days)


def percentile_of(value: Decimal, others: tuple[Decimal, ...]) -> Decimal:
    """Return which share of the others lies below a value."""
    return Decimal(sum(other < value for other in others)) / len(others)


def rank_of(value: Decimal, others: tuple[Decimal, ...]) -> Decimal:
    """Return where a value stands between the lowest (0) and the highest (1) of the others."""
    low, high = min(others), max(others)
    return Decimal(0) if high == low else (value - low) / (high - low)


def _volatility(key: str, day: date) -> DayVolatility:
    level = volatility_of(key)
    return DayVolatility(
        day=day,
        implied=_strayed(level, f"implied:{key}", day, IMPLIED_STRAY),
        historical=_strayed(level, f"historical:{key}", day, HISTORICAL_STRAY),
    )


def _strayed(level: Decimal, name: str, day: date, amplitude: int) -> Decimal:
    moved = wave(stream(0, name), day.toordinal(), length=WAVE_DAYS, amplitude=amplitude)
    return (level * (1000 + moved) / 1000).quantize(_STEP)
