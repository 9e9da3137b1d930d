"""Bars of futures, which Tiger names by their ends, as it does those of no other class.

Bars of minutes and hours have a length, so that they are told by their begins. A day of a future
begins on the evening before and ends by the exchange's rules: from a day on a bar is told by its
end, and belongs to a span that has any of the days it is of.

Source: tigeropen 3.8.0, `QuoteClient.get_future_bars` (read 2026-11): `time` is the bar's end, a
`settlement` of 0 one that was not generated yet.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from adapters.tiger_worker.market_rows import Part, figure_in, figures, midnight_ms, moment_at
from adapters.tiger_worker.market_spans import Span
from adapters.tiger_worker.words import Row

_MINUTE_MS: Final = 60_000
_MINUTES: Final[Mapping[str, int]] = {
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
}
_BEGIN: Final = "begin"
_FIRST_DAYS: Final[Mapping[str, Callable[[date], date]]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
    "year": lambda day: day.replace(month=1, day=1),
}
# A day in the next period, whatever day of one is added to.
_LENGTHS_MAX: Final[Mapping[str, timedelta]] = {
    "day": timedelta(days=1),
    "week": timedelta(days=7),
    "month": timedelta(days=31),
    "year": timedelta(days=366),
}
_FIGURES: Final = (
    figures(open="open", high="high", low="low", close="close", volume="volume"),
    figures(open_interest="openInterest"),
    Part(("settlement",), lambda row, _: (_settlement(row),)),
)


def bar_parts(period: str) -> tuple[Part, ...]:
    """Return how a bar is read that `with_begin` was given: `at` its begin, or `ends_at`."""
    if period in _MINUTES:
        return (moment_at(_BEGIN), *_FIGURES)
    return (moment_at("time", name="ends_at"), *_FIGURES)


def with_begin(period: str, row: Row, *, end_ms: int) -> Row:
    """Return a bar with its begin beside its end, if its period has a length."""
    minutes = _MINUTES.get(period)
    return row if minutes is None else row | {_BEGIN: end_ms - minutes * _MINUTE_MS}


def is_in(period: str, end_ms: int, span: Span, zone: str) -> bool:
    """Say whether the bar that ends then belongs to a span."""
    minutes = _MINUTES.get(period)
    if minutes is not None:
        begin_ms = end_ms - minutes * _MINUTE_MS
        is_late_enough = begin_ms >= span.begin_ms
    else:
        begin_ms = midnight_ms(_first_day(period, end_ms, zone), zone)
        is_late_enough = end_ms > span.begin_ms
    return is_late_enough and (span.end_ms < 0 or begin_ms < span.end_ms)


def last_end_ms(period: str, span: Span, zone: str) -> int:
    """Return up to which end bars may belong to a span; -1 where it is open."""
    if span.end_ms < 0:
        return span.end_ms
    minutes = _MINUTES.get(period)
    if minutes is not None:
        return span.end_ms + minutes * _MINUTE_MS
    following = _first_day(period, span.end_ms, zone) + _LENGTHS_MAX[period]
    return midnight_ms(_FIRST_DAYS[period](following), zone)


# What ends at a midnight is of the day before it.
def _first_day(period: str, end_ms: int, zone: str) -> date:
    last = datetime.fromtimestamp((end_ms - 1) / 1000, UTC).astimezone(ZoneInfo(zone))
    return _FIRST_DAYS[period](last.date())


def _settlement(row: Row) -> str | None:
    found = figure_in(row, "settlement")
    return None if found == "0" else found
