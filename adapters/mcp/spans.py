"""Days and spans as people say them.

The broker's side takes a day as the trading day at the exchange, where it may be another one than
where the person is. `5d`, `last month` and `today` are reckoned from the earlier of the two, so
that the session that runs, or ran last, is of `today` for both. Answers show both clocks.
"""

import re
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from adapters.mcp.faults import Fault, fault, shown

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_AGO: Final = re.compile(r"(\d{1,4})(d|w|mo|y)", re.ASCII)
_NAMED: Final = re.compile(r"(last|this|next) (week|month|year)")
# One day or a span of days each, that ends where it says; those to come are only for what is told
# of days ahead.
_ONE_DAY: Final = {"yesterday": -1, "today": 0, "tomorrow": 1}
_MONTHS: Final = 12
_MEANT: Final = (
    'a day (2026-01-31), a time with its zone (2026-01-31T09:30:00-05:00), "today", "yesterday", '
    '"5d", "2w", "3mo", "1y", "ytd", or "last month", "this week" and the like'
)
_MEANT_AHEAD: Final = f'{_MEANT}, "tomorrow", "next week" or "next month"'


class Span(NamedTuple):
    """From and to, as ISO days or times with a zone; empty where nothing was asked."""

    begin: str
    end: str


class _Days(NamedTuple):
    first: date
    last: date


def span(
    begin: str,
    end: str,
    *,
    now: datetime,
    zones: Collection[str],
    is_ahead: bool = False,
    names: tuple[str, str] = ("begin", "end"),
) -> Span:
    """Return a span in ISO; a name such as `last month` as the begin alone means all of it.

    Args:
        begin: as a person says it, or empty.
        end: likewise.
        now: the time by which words are resolved.
        zones: whose days they may be, of which the earliest counts.
        is_ahead: whether days to come are told as well: a name that has begun is whole then too,
            and tomorrow and next week are names.
        names: those of the two arguments, for a refusal.

    Raises:
        ToolError: a text is no time.
    """
    today = min(now.astimezone(ZoneInfo(zone)).date() for zone in zones)
    words = _Words(today, is_ahead)
    first = words.read(begin, names[0])
    last = words.read(end, names[1])
    if last is None and isinstance(first, _Days) and words.is_whole(begin, first):
        last = first
    return Span(
        first.first.isoformat() if isinstance(first, _Days) else (first or ""),
        last.last.isoformat() if isinstance(last, _Days) else (last or ""),
    )


def wider(one: Span, other: Span) -> Span:
    """Return from the earlier begin to the later end of what the same words mean on two days."""
    return Span(min(one.begin, other.begin), max(one.end, other.end))


class _Words(NamedTuple):
    today: date
    is_ahead: bool

    def read(self, text: str, field: str) -> _Days | str | None:
        if not text:
            return None
        try:
            if _DAY.fullmatch(text):
                return date.fromisoformat(text).isoformat()
            if _MOMENT.fullmatch(text):
                return datetime.fromisoformat(text.replace("Z", "+00:00")).isoformat()
            found = self._relative(text)
        except (ValueError, OverflowError):
            found = None
        if found is None:
            meant = _MEANT_AHEAD if self.is_ahead else _MEANT
            raise fault(Fault.INVALID_ARGUMENT, f"{field}: expected {meant}, was {shown(text)}.")
        return found

    def is_whole(self, text: str, days: _Days) -> bool:
        is_name = text in _ONE_DAY or text == "ytd" or _NAMED.fullmatch(text) is not None
        return is_name and (self.is_ahead or days.last < self.today)

    def _relative(self, text: str) -> _Days | None:
        today = self.today
        if text == "ytd":
            return _Days(today.replace(month=1, day=1), today)
        if (ago := _AGO.fullmatch(text)) is not None:
            day = _before(today, int(ago[1]), ago[2])
            return _Days(day, day)
        if text in _ONE_DAY:
            day = today + timedelta(days=_ONE_DAY[text])
            found = _Days(day, day)
        elif (named := _NAMED.fullmatch(text)) is not None:
            found = _named(today, which=named[1], unit=named[2])
        else:
            return None
        if self.is_ahead:
            return found
        # What has not begun has no past, and what has is told up to today.
        return None if found.first > today else _Days(found.first, min(today, found.last))


def _before(today: date, count: int, unit: str) -> date:
    match unit:
        case "d":
            return today - timedelta(days=count)
        case "w":
            return today - timedelta(weeks=count)
        case "mo":
            return _months_before(today, count)
        case _:
            return _months_before(today, count * _MONTHS)


# The same day of an earlier month, or its last one.
def _months_before(day: date, count: int) -> date:
    number = day.year * _MONTHS + day.month - 1 - count
    first = date(number // _MONTHS, number % _MONTHS + 1, 1)
    return first.replace(day=min(day.day, _last_of_month(first).day))


def _last_of_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _named(today: date, *, which: str, unit: str) -> _Days:
    step = {"last": -1, "this": 0, "next": 1}[which]
    match unit:
        case "week":
            first = today + timedelta(days=7 * step - today.weekday())
            return _Days(first, first + timedelta(days=6))
        case "month":
            first = _months_before(today.replace(day=1), -step)
            return _Days(first, _last_of_month(first))
        case _:
            first = date(today.year + step, 1, 1)
            return _Days(first, date(first.year, _MONTHS, 31))
