"""Trades one by one: each minute of a day's tape, cut into trades that fold to it again."""

from decimal import Decimal

import msgspec

from infra.sandbox.market.bars import price_from
from infra.sandbox.market.history import Series
from infra.sandbox.market.noise import MILLION, between, stream
from infra.sandbox.market.paths import Raw
from infra.sandbox.market.stretches import MINUTE_MS, TradedKind

TICKS_PER_MINUTE_MAX = 20


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """One trade; `index` counts from the begin of the day's session."""

    index: int
    time_ms: int
    price: Decimal
    volume: int
    direction: str  # "+" above the trade before, "-" below it, "*" the same


class Tape:
    """The trades of the newest day that has any in a session.

    Args:
        last: the live price, at which the newest trade of regular trading was made.
    """

    def __init__(self, series: Series, kinds: frozenset[TradedKind], *, last: Decimal) -> None:
        self._series = series
        self._last = last if "regular" in kinds else None
        self._minutes = _newest(series, kinds)
        self._begins = [0]
        unit = series.instrument.lot_size
        for raw in self._minutes:
            self._begins.append(self._begins[-1] + min(TICKS_PER_MINUTE_MAX, raw[5] // unit))

    def __len__(self) -> int:
        return self._begins[-1]

    def between(self, begin: int, end: int) -> tuple[Tick, ...]:
        """Return the trades from an index (inclusive) to another (exclusive)."""
        found: list[Tick] = []
        before = 0
        for number, raw in enumerate(self._minutes):
            first, after = self._begins[number], self._begins[number + 1]
            if after < begin or first >= end:
                continue
            for tick in self._of_minute(raw, first, after - first):
                if begin <= tick[0] < end:
                    found.append(self._tick(tick, before))
                before = tick[2]
        return tuple(found)

    def _tick(self, tick: tuple[int, int, int, int], before: int) -> Tick:
        index, time_ms, millionths, volume = tick
        direction = "*"
        if before and millionths != before:
            direction = "+" if millionths > before else "-"
        is_newest = index == len(self) - 1
        price = price_from(self._series.instrument, millionths)
        return Tick(
            index=index,
            time_ms=time_ms,
            price=self._last if is_newest and self._last is not None else price,
            volume=volume,
            direction=direction,
        )

    def _of_minute(self, raw: Raw, first: int, count: int) -> list[tuple[int, int, int, int]]:
        time_ms, _, _, _, _, volume, _ = raw
        key = self._series.instrument.key
        base = stream(self._series.seed, f"{key}/tick")
        lots, unit = volume // (lot := self._series.instrument.lot_size), lot
        # A minute that is not over has traded only until now.
        length_ms = max(1, min(MINUTE_MS, self._series.now_ms - time_ms))
        found: list[tuple[int, int, int, int]] = []
        for number, price in enumerate(_prices(raw, base, count)):
            begin_ms = length_ms * number // count
            room = max(0, length_ms * (number + 1) // count - begin_ms - 1)
            at_ms = time_ms + begin_ms + between(base, 0, room, time_ms, number, 1)
            part = lots * (number + 1) // count - lots * number // count
            found.append((first + number, at_ms, price, part * unit))
        return found


def _newest(series: Series, kinds: frozenset[TradedKind]) -> list[Raw]:
    for day in series.days_back(series.last_day):
        minutes = [raw for _, raws in series.minutes(day, kinds) for raw in raws]
        if minutes:
            return minutes
    return []


def _prices(raw: Raw, base: int, count: int) -> list[int]:
    """Return a minute's trades: they begin and end as it does and, from four on, touch its ends."""
    time_ms, opened, high, low, close, _, _ = raw
    prices = [between(base, low, high, time_ms, number, 0) for number in range(count)]
    if count > 3:
        top = between(base, 1, count - 2, time_ms, count, 2)
        bottom = 1 + top % (count - 2)
        prices[top], prices[bottom] = high, low
    if count > 1:
        prices[0] = opened
    if count > 0:
        prices[-1] = close
    return prices


def millionths(price: Decimal) -> int:
    """Return a price as whole millionths."""
    return int(price * MILLION)
