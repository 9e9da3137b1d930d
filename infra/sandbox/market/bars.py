"""Bars of any period: minutes folded within their stretch, weeks and years folded from days."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice

import msgspec

from infra.sandbox.market.history import REGULAR, Series, folded
from infra.sandbox.market.instruments import Instrument, rounded_to_tick, tick_at
from infra.sandbox.market.noise import MILLION
from infra.sandbox.market.paths import Raw
from infra.sandbox.market.stretches import TradedKind, day_at, midnight_ms

PeriodKey = Callable[[date], tuple[int, ...]]
# Source: tigeropen 3.8.0, `common/consts/__init__.py`, `BarPeriod`; the last two are the names
# that Tiger's documentation of the Java client has.
PERIOD_MINUTES = {
    "1min": 1,
    "3min": 3,
    "5min": 5,
    "10min": 10,
    "15min": 15,
    "30min": 30,
    "45min": 45,
    "60min": 60,
    "2hour": 120,
    "3hour": 180,
    "4hour": 240,
    "6hour": 360,
    "120min": 120,
    "240min": 240,
}
PERIODS_LONG: dict[str, PeriodKey] = {
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
    "quarter": lambda day: (day.year, (day.month - 1) // 3),
    "6month": lambda day: (day.year, (day.month - 1) // 6),
    "year": lambda day: (day.year,),
}


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One bar; `time_ms` is its begin, from a day on the midnight of its first trading day."""

    time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    amount: Decimal


class BarQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which bars are wanted (times in milliseconds; `before_ms` exclusive).

    Without `before_ms` all up to the newest, which may be of a trading day that its exchange's
    calendar has not reached. Of a long period the one that holds `begin_ms` counts as well.
    """

    period: str
    begin_ms: int
    before_ms: int | None
    limit: int
    kinds: frozenset[TradedKind] = REGULAR


def is_period(name: str) -> bool:
    """Say whether bars of a period exist."""
    return name == "day" or name in PERIOD_MINUTES or name in PERIODS_LONG


def bars_of(
    series: Series, query: BarQuery, *, last: Decimal | None
) -> tuple[tuple[Bar, ...], bool]:
    """Return the newest bars of a window, oldest first, and whether older ones are left in it.

    Args:
        last: the live price; the newest bar of all ends at it.
    """
    begin_ms = _period_begin_ms(series, query)
    found: list[Raw] = []
    is_more = False
    for raw in _descending(series, query):
        if query.before_ms is not None and raw[0] >= query.before_ms:
            continue
        if raw[0] < begin_ms:
            break
        if len(found) == query.limit:
            is_more = True
            break
        found.append(raw)
    if last is not None and found and found[0][0] == _newest_ms(series, query):
        found[0] = ending_at(found[0], int(last * MILLION))
    instrument = series.instrument
    return tuple(bar_from(instrument, raw) for raw in reversed(found)), is_more


def ending_at(raw: Raw, price: int) -> Raw:
    """Return a bar with another last price."""
    time_ms, opened, high, low, _, volume, amount = raw
    return (time_ms, opened, max(high, price), min(low, price), price, volume, amount)


def bar_from(instrument: Instrument, raw: Raw) -> Bar:
    """Return a bar with prices on the tick, which keeps their order."""
    time_ms, opened, high, low, close, volume, amount = raw
    return Bar(
        time_ms=time_ms,
        open=price_from(instrument, opened),
        high=price_from(instrument, high),
        low=price_from(instrument, low),
        close=price_from(instrument, close),
        volume=volume,
        amount=Decimal(amount) / MILLION,
    )


def price_from(instrument: Instrument, millionths: int) -> Decimal:
    """Return a price on the tick, at least one tick."""
    price = rounded_to_tick(instrument, Decimal(millionths) / MILLION)
    return max(price, tick_at(instrument, Decimal(0)))


def recent_days(series: Series, count: int) -> tuple[Bar, ...]:
    """Return the newest day bars, oldest first, without the live price."""
    found = islice(_days(series, series.last_day), count)
    return tuple(bar_from(series.instrument, raw) for raw in found)[::-1]


def _newest_ms(series: Series, query: BarQuery) -> int | None:
    # The live price is one of regular trading.
    if "regular" not in query.kinds:
        return None
    newest = next(_descending(series, msgspec.structs.replace(query, before_ms=None)), None)
    return None if newest is None else newest[0]


def _descending(series: Series, query: BarQuery) -> Iterator[Raw]:
    # From the newest that may touch the window; what begins too late is dropped by the caller.
    from_day = series.last_day
    if query.before_ms is not None:
        from_day = day_at(series.instrument.market, query.before_ms) + timedelta(days=1)
    if query.period == "day":
        return _days(series, from_day)
    if (minutes := PERIOD_MINUTES.get(query.period)) is not None:
        return _intraday(series, from_day, minutes, query.kinds)
    return _long(series, PERIODS_LONG[query.period], from_day)


def _days(series: Series, from_day: date) -> Iterator[Raw]:
    for day in series.days_back(from_day):
        if (raw := series.day(day)) is not None:
            yield raw


def _intraday(
    series: Series, from_day: date, minutes: int, kinds: frozenset[TradedKind]
) -> Iterator[Raw]:
    for day in series.days_back(from_day):
        for _, raws in reversed(series.minutes(day, kinds)):
            yield from reversed(_buckets(raws, minutes))


def _buckets(raws: list[Raw], minutes: int) -> list[Raw]:
    if minutes == 1:
        return raws
    parts = (raws[begin : begin + minutes] for begin in range(0, len(raws), minutes))
    return [bar for part in parts if (bar := folded(part, part[0][0])) is not None]


def _long(series: Series, key: PeriodKey, from_day: date) -> Iterator[Raw]:
    # A period is always folded whole, whatever the window.
    while key(from_day) == key(from_day + timedelta(days=1)):
        from_day += timedelta(days=1)
    group: list[Raw] = []
    group_key: tuple[int, ...] | None = None
    for raw in _days(series, from_day):
        raw_key = key(day_at(series.instrument.market, raw[0]))
        if group and raw_key != group_key:
            yield from _whole(group)
            group = []
        group, group_key = [*group, raw], raw_key
    yield from _whole(group)


def _whole(group: list[Raw]) -> Iterator[Raw]:
    ordered = group[::-1]
    if ordered and (bar := folded(ordered, ordered[0][0])) is not None:
        yield bar


def _period_begin_ms(series: Series, query: BarQuery) -> int:
    key = PERIODS_LONG.get(query.period)
    if query.begin_ms <= 0:
        return query.begin_ms
    market = series.instrument.market
    day = day_at(market, query.begin_ms)
    if key is None:
        return midnight_ms(market, day) if query.period == "day" else query.begin_ms
    while key(day - timedelta(days=1)) == key(day):
        day -= timedelta(days=1)
    return midnight_ms(market, day)
