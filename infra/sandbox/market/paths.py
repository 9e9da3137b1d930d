"""Where a price was: each day's outline, and the minutes inside it, from a seed and a name alone.

A day's outline (open, high, low, close, volume) follows from smooth noise over the calendar; the
minutes of regular trading are a line through those four prices, so that they fold to the day
exactly. Extended trading leads from one day's close to the next one's open. All prices here are
whole millionths of a currency unit, and count as if every split had always been made.
"""

from datetime import date
from functools import lru_cache
from itertools import pairwise

import msgspec

from infra.sandbox.market.calendars import previous_trading_day
from infra.sandbox.market.noise import MILLION, between, share, stream, wave
from infra.sandbox.market.stretches import MINUTE_MS, Stretch, TradedKind, stretches_of
from infra.sandbox.market.terms import SecType, Venue

# Length in days and reach in millionths of each wave; together a price keeps within a tenth of
# its base, which is where the live price begins.
WAVES = ((1024, 35_000), (256, 25_000), (64, 20_000), (16, 12_000), (4, 8_000))
GAP_PPM_MAX = 4_000  # from one day's close to the next one's open
REACH_PPM_MIN, REACH_PPM_MAX = 300, 12_000  # of a day's high above, and its low below, its ends
DRIFT_PPM_MAX = 6_000  # of extended trading
# How much trades outside regular hours, as a share of the day's regular volume (millionths).
EXTENDED_VOLUME_PPM = {"overnight": 10_000, "pre": 30_000, "post": 40_000}
CACHED_SHAPES_MAX = 65_536

Raw = tuple[int, int, int, int, int, int, int]  # time_ms, open, high, low, close, volume, amount


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What has a path of its own: a listed contract, or a family of futures."""

    name: str
    base: int  # price, millionths
    market: Venue
    sec_type: SecType
    volume_base: int  # per day, in units
    unit: int = 1  # what volumes are multiples of


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A day's outline (prices in millionths)."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    minute_count: int
    high_at: int  # after how many minutes of regular trading
    low_at: int


@lru_cache(maxsize=CACHED_SHAPES_MAX)
def close_of(source: Source, seed: int, day: date) -> int:
    """Return a trading day's last regular price."""
    base, at = stream(seed, source.name), day.toordinal()
    ppm = sum(wave(base, at, length=length, amplitude=reach) for length, reach in WAVES)
    return share(source.base, ppm)


@lru_cache(maxsize=CACHED_SHAPES_MAX)
def shape_of(source: Source, seed: int, day: date) -> Shape:
    """Return the outline of a trading day."""
    base, at = stream(seed, f"{source.name}/day"), day.toordinal()
    close = close_of(source, seed, day)
    before = close_of(source, seed, previous_trading_day(source.market, day))
    opened = share(before, between(base, -GAP_PPM_MAX, GAP_PPM_MAX, at, 0))
    reach = (REACH_PPM_MIN, REACH_PPM_MAX)
    count = sum(
        item.minute_count
        for item in stretches_of(source.market, source.sec_type, day)
        if item.kind == "regular"
    )
    high_at, low_at = between(base, 1, count - 1, at, 3), between(base, 1, count - 2, at, 4)
    return Shape(
        open=opened,
        high=share(max(opened, close), between(base, *reach, at, 1)),
        low=share(min(opened, close), -between(base, *reach, at, 2)),
        close=close,
        volume=source.unit * (source.volume_base * between(base, 60, 160, at, 5) // 100),
        minute_count=count,
        high_at=high_at,
        low_at=low_at + (low_at >= high_at),
    )


def day_raw(source: Source, seed: int, day: date, time_ms: int) -> Raw:
    """Return a whole trading day."""
    shape = shape_of(source, seed, day)
    opened, high, low, close = shape.open, shape.high, shape.low, shape.close
    amount = shape.volume * (opened + high + low + close) // 4
    return (time_ms, opened, high, low, close, shape.volume, amount)


def minutes_of(
    source: Source, seed: int, day: date, kinds: frozenset[TradedKind], *, until_ms: int
) -> list[tuple[Stretch, list[Raw]]]:
    """Return the minutes of a day that begin before a moment, by stretch, in order of time."""
    found: list[tuple[Stretch, list[Raw]]] = []
    passed = 0
    for item in stretches_of(source.market, source.sec_type, day):
        first, passed = passed, passed + item.minute_count * (item.kind == "regular")
        if item.kind not in kinds or item.begin_ms >= until_ms:
            continue
        begun = min(item.minute_count, -((item.begin_ms - until_ms) // MINUTE_MS))
        if item.kind == "regular":
            found.append((item, _regular(source, seed, day, item, first=first, count=begun)))
        else:
            found.append((item, _extended(source, seed, day, item, count=begun)))
    return found


def _regular(
    source: Source, seed: int, day: date, item: Stretch, *, first: int, count: int
) -> list[Raw]:
    shape = shape_of(source, seed, day)
    base = stream(seed, f"{source.name}/minute")
    prices = _prices(shape, base, day, first, count)
    volumes = [_volume(shape, source, base, day, first + number) for number in range(count + 1)]
    found: list[Raw] = []
    for number in range(count):
        opened, close = prices[number], prices[number + 1]
        reach = abs(close - opened) // 2 + opened // 20_000
        place = (day.toordinal(), first + number)
        high = min(shape.high, max(opened, close) + between(base, 0, reach, *place, 1))
        low = max(shape.low, min(opened, close) - between(base, 0, reach, *place, 2))
        volume = volumes[number + 1] - volumes[number]
        amount = volume * (opened + close) // 2
        time_ms = item.begin_ms + number * MINUTE_MS
        found.append((time_ms, opened, high, low, close, volume, amount))
    return found


def _prices(shape: Shape, base: int, day: date, first: int, count: int) -> list[int]:
    """Return the prices after `first` minutes of regular trading and after each of `count` more."""
    ends = sorted(
        (
            (0, shape.open),
            (shape.high_at, shape.high),
            (shape.low_at, shape.low),
            (shape.minute_count, shape.close),
        )
    )
    place, swing_max = day.toordinal(), (shape.high - shape.low) // 64
    found: list[int] = []
    for (left, before), (right, after) in pairwise(ends):
        for at in range(max(first, left), min(first + count, right - (right != ends[-1][0])) + 1):
            line = before + (after - before) * (at - left) // (right - left)
            # The line is left only between its ends, which are exact.
            room = min(at - left, right - at, 8) * swing_max
            swing = between(base, -room, room, place, at, 0)
            found.append(max(shape.low, min(shape.high, line + swing)))
    return found


def _volume(shape: Shape, source: Source, base: int, day: date, at: int) -> int:
    """Return how much had traded after so many minutes: more at both ends of a day."""
    count, lots = shape.minute_count, shape.volume // source.unit
    passed = lots * (2 * at * count**2 + (2 * at - count) ** 3 + count**3) // (4 * count**3)
    # Less than half of what the quietest minute trades, so that it never falls.
    room = 0 if at in (0, count) else lots // (5 * count)
    return source.unit * (passed + between(base, -room, room, day.toordinal(), at, 3))


def _extended(source: Source, seed: int, day: date, item: Stretch, *, count: int) -> list[Raw]:
    begin, end = _ends(source, seed, day, item.kind)
    base = stream(seed, f"{source.name}/{item.kind}")
    place, total = day.toordinal(), item.minute_count
    lots = shape_of(source, seed, day).volume // source.unit
    traded = lots * EXTENDED_VOLUME_PPM[item.kind] // MILLION

    def price_at(at: int) -> int:
        room = min(at, total - at, 8) * begin // 20_000
        return begin + (end - begin) * at // total + between(base, -room, room, place, at)

    found: list[Raw] = []
    close = price_at(0)
    for number in range(count):
        opened, close = close, price_at(number + 1)
        volume = source.unit * (traded * (number + 1) // total - traded * number // total)
        time_ms = item.begin_ms + number * MINUTE_MS
        amount = volume * (opened + close) // 2
        high, low = max(opened, close), min(opened, close)
        found.append((time_ms, opened, high, low, close, volume, amount))
    return found


def _ends(source: Source, seed: int, day: date, kind: TradedKind) -> tuple[int, int]:
    """Return between which prices a stretch of extended trading leads."""
    shape = shape_of(source, seed, day)
    if kind == "post":
        return shape.close, _drifted(source, seed, day, "post", shape.close)
    before = previous_trading_day(source.market, day)
    evening = _drifted(source, seed, before, "post", close_of(source, seed, before))
    morning = _drifted(source, seed, day, "overnight", evening)
    return (evening, morning) if kind == "overnight" else (morning, shape.open)


def _drifted(source: Source, seed: int, day: date, kind: str, price: int) -> int:
    base = stream(seed, f"{source.name}/{kind}/end")
    return share(price, between(base, -DRIFT_PPM_MAX, DRIFT_PPM_MAX, day.toordinal()))
