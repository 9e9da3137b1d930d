"""A contract's past as bars: day by day from its path, put into the prices that were quoted.

Everything is a function of seed, contract and time; only the newest bar ends at the live price.
What follows from another price (options, warrants, futures) is mapped from that path, day by day.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal

import msgspec

from infra.sandbox.market.calendars import is_trading_day, previous_trading_day
from infra.sandbox.market.corporate import dividends_of, listed_on, splits_of
from infra.sandbox.market.futures import carried, family_of
from infra.sandbox.market.instruments import CATALOGUE, Instrument, is_tradable
from infra.sandbox.market.noise import MILLION, between, stream
from infra.sandbox.market.paths import (
    Raw,
    Shape,
    Source,
    close_of,
    day_raw,
    minutes_of,
    shape_of,
)
from infra.sandbox.market.pricing import value_of
from infra.sandbox.market.stretches import (
    MINUTE_MS,
    Stretch,
    TradedKind,
    day_at,
    midnight_ms,
    stretches_of,
)

AdjustedBy = Literal["br", "nr"]
# Where no first day of trading is known.
LISTED_DEFAULT = date(2000, 1, 3)
# A contract that ends was listed this long before.
LISTED_BEFORE_END = timedelta(days=730)
BILLION = 1_000_000_000
# What the stock of a day's trading is worth, in its currency (a hash spreads the stocks).
TURNOVER_MIN, TURNOVER_MAX = 400_000_000, 9_000_000_000
LOTS_MIN, LOTS_MAX = 1_000, 80_000_000
DERIVED_LOTS_MIN, DERIVED_LOTS_MAX = 200, 3_000
FUTURE_VOLUME_MIN, FUTURE_VOLUME_MAX = 100_000, 900_000
REGULAR: frozenset[TradedKind] = frozenset({"regular"})


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """Maps one day's path to a contract's prices: the line through two pairs of prices."""

    low: int
    high: int
    at_low: int
    at_high: int

    def at(self, price: int) -> int:
        """Return what a price of the path stands for; never below one millionth."""
        if self.high == self.low:
            return max(1, self.at_low)
        rise = (price - self.low) * (self.at_high - self.at_low) // (self.high - self.low)
        return max(1, self.at_low + rise)


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """A contract's past as it is known at a moment.

    Args:
        now_ms: nothing begins after it (milliseconds since 1970).
        right: `br` gives today's prices to the past (splits and dividends), `nr` the quoted ones.
    """

    instrument: Instrument
    seed: int
    now_ms: int
    right: AdjustedBy = "br"

    @property
    def today(self) -> date:
        """The exchange's calendar day."""
        return day_at(self.instrument.market, self.now_ms)

    @property
    def first_day(self) -> date:
        """The first day that can have traded."""
        item = self.instrument
        if item.expiry is not None:
            return item.expiry - LISTED_BEFORE_END
        return listed_on(item.key) or LISTED_DEFAULT

    @property
    def last_day(self) -> date:
        """The last day that has begun to trade; the evening before belongs to its day."""
        latest = self.today + timedelta(days=1)
        if self.instrument.expiry is not None:
            latest = min(latest, self.instrument.expiry)
        return latest

    def days_back(self, from_day: date) -> Iterator[date]:
        """Give the trading days from a day back to the first one."""
        day = min(from_day, self.last_day)
        first, market = self.first_day, self.instrument.market
        while day >= first:
            if is_trading_day(market, day) and self._is_listed(day):
                yield day
            day -= timedelta(days=1)

    def day(self, day: date) -> Raw | None:
        """Return a day's regular trading so far; none if it has not begun."""
        source = source_of(self.instrument)
        regular = [item for item in self._stretches(day) if item.kind == "regular"]
        if not regular or regular[0].begin_ms > self.now_ms:
            return None
        time_ms = midnight_ms(self.instrument.market, day)
        if regular[-1].end_ms <= self.now_ms:
            raw = day_raw(source, self.seed, day, time_ms)
            return self._mapped([raw], day)[0]
        minutes = [raw for _, found in self.minutes(day, REGULAR) for raw in found]
        return folded(minutes, time_ms)

    def minutes(self, day: date, kinds: frozenset[TradedKind]) -> list[tuple[Stretch, list[Raw]]]:
        """Return the minutes of a day that have begun, by stretch; the newest one is cut at now."""
        source = source_of(self.instrument)
        found = minutes_of(source, self.seed, day, kinds, until_ms=self.now_ms)
        return [(item, self._mapped(self._cut(raws), day)) for item, raws in found]

    def _stretches(self, day: date) -> tuple[Stretch, ...]:
        source = source_of(self.instrument)
        return stretches_of(source.market, source.sec_type, day)

    def _cut(self, raws: list[Raw]) -> list[Raw]:
        # Of the minute that is not over, only a part has traded.
        if not raws or raws[-1][0] + MINUTE_MS <= self.now_ms:
            return raws
        time_ms, opened, high, low, close, volume, amount = raws[-1]
        passed, unit = self.now_ms - time_ms, self.instrument.lot_size
        traded = volume * passed // MINUTE_MS // unit * unit
        part = (traded, amount * traded // volume if volume else 0)
        return [*raws[:-1], (time_ms, opened, high, low, close, *part)]

    def _mapped(self, raws: list[Raw], day: date) -> list[Raw]:
        instrument = self.instrument
        if (line := line_of(instrument, self.seed, day)) is not None:
            return [_on_line(raw, line, instrument.multiplier) for raw in raws]
        if self.right == "br":
            kept = kept_share(instrument, self.seed, day, self.today)
            return raws if kept == BILLION else [_scaled(raw, kept, BILLION) for raw in raws]
        after, before = split_ratio(instrument, day, self.today)
        if after == before:
            return raws
        return [_unsplit(raw, after, before) for raw in raws]

    def _is_listed(self, day: date) -> bool:
        return self.instrument.sec_type != "OPT" or is_tradable(self.instrument, day)


def series_of(instrument: Instrument, seed: int, now: datetime, right: AdjustedBy = "br") -> Series:
    """Return a contract's past as of a moment."""
    now_ms = int(now.timestamp() * 1000)
    return Series(instrument=instrument, seed=seed, now_ms=now_ms, right=right)


@lru_cache(maxsize=65_536)
def source_of(instrument: Instrument) -> Source:
    """Return the path that a contract's prices follow from, with the contract's own volume."""
    chance = stream(0, f"{instrument.key}/volume")
    if instrument.sec_type == "FUT":
        family = family_of(instrument)
        return Source(
            name=family.type,
            base=int(family.base_price * MILLION),
            market=family.market,
            sec_type="FUT",
            volume_base=between(chance, FUTURE_VOLUME_MIN, FUTURE_VOLUME_MAX),
        )
    listed = instrument
    if instrument.underlying is not None:
        listed = CATALOGUE[instrument.underlying]
        lots = between(chance, DERIVED_LOTS_MIN, DERIVED_LOTS_MAX)
    else:
        turnover = between(chance, TURNOVER_MIN, TURNOVER_MAX)
        traded = int(turnover / listed.base_price / listed.lot_size)
        lots = min(LOTS_MAX, max(LOTS_MIN, traded))
    return Source(
        name=listed.key,
        base=int(listed.base_price * MILLION),
        market=listed.market,
        sec_type=instrument.sec_type,
        volume_base=lots,
        unit=instrument.lot_size,
    )


@lru_cache(maxsize=65_536)
def line_of(instrument: Instrument, seed: int, day: date) -> Line | None:
    """Return how a day of the path maps to a contract's prices; none for a stock, which is it."""
    if instrument.sec_type == "STK":
        return None
    shape = shape_of(source_of(instrument), seed, day)
    if instrument.sec_type == "FUT":
        return _line(
            shape,
            carried(instrument, Decimal(shape.low), day),
            carried(instrument, Decimal(shape.high), day),
        )
    return _line(
        shape,
        value_of(instrument, Decimal(shape.low) / MILLION, day) * MILLION,
        value_of(instrument, Decimal(shape.high) / MILLION, day) * MILLION,
    )


@lru_cache(maxsize=65_536)
def kept_share(instrument: Instrument, seed: int, day: date, today: date) -> int:
    """Return what dividends after a day left of its prices (unit: billionths).

    Each takes its share of the last price before it; splits are in the path already.
    """
    kept = BILLION
    for item in dividends_of(instrument, day + timedelta(days=1), today):
        before = previous_trading_day(instrument.market, item.execute_date)
        price = quoted_close(instrument, seed, before, today)
        kept = kept * (price - int(item.amount * MILLION)) // price
    return kept


def quoted_close(instrument: Instrument, seed: int, day: date, today: date) -> int:
    """Return a stock's last price of a day as it was quoted then (unit: millionths)."""
    after, before = split_ratio(instrument, day, today)
    return close_of(source_of(instrument), seed, day) * after // before


def split_ratio(instrument: Instrument, day: date, today: date) -> tuple[int, int]:
    """Return how many shares came of how many by the splits after a day: (after, before)."""
    after = before = 1
    for item in splits_of(instrument.key):
        if day < item.execute_date <= today:
            after, before = after * item.after, before * item.before
    return after, before


def folded(raws: list[Raw], time_ms: int) -> Raw | None:
    """Return one bar over bars in order of time; none over none."""
    if not raws:
        return None
    return (
        time_ms,
        raws[0][1],
        max(raw[2] for raw in raws),
        min(raw[3] for raw in raws),
        raws[-1][4],
        sum(raw[5] for raw in raws),
        sum(raw[6] for raw in raws),
    )


def _line(shape: Shape, at_low: Decimal, at_high: Decimal) -> Line:
    return Line(low=shape.low, high=shape.high, at_low=int(at_low), at_high=int(at_high))


def _scaled(raw: Raw, multiplied: int, divided: int) -> Raw:
    time_ms, opened, high, low, close, volume, amount = raw
    return (
        time_ms,
        opened * multiplied // divided,
        high * multiplied // divided,
        low * multiplied // divided,
        close * multiplied // divided,
        volume,
        amount,
    )


def _unsplit(raw: Raw, after: int, before: int) -> Raw:
    scaled = _scaled(raw, after, before)
    # There were fewer, dearer shares; the money is the same.
    return (*scaled[:5], scaled[5] * before // after, scaled[6])


def _on_line(raw: Raw, line: Line, multiplier: Decimal) -> Raw:
    time_ms, opened, high, low, close, volume, _ = raw
    opened, close = line.at(opened), line.at(close)
    ends = (line.at(high), line.at(low))
    high, low = max(ends), min(ends)
    amount = int(volume * multiplier * (opened + high + low + close)) // 4
    return (time_ms, opened, high, low, close, volume, amount)
