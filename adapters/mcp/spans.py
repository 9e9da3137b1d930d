"""Days and spans as people say them, resolved in the person's own zone.

`5d`, `last month` and `today` become days by the calendar of where the person is; the broker's side
takes such a day as the trading day of the exchange. Answers say both zones.
"""

import re
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp.faults import Fault, fault, shown

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_AGO: Final = re.compile(r"(\d{1,4})(d|w|mo|y)", re.ASCII)
_NAMED: Final = re.compile(r"(last|this) (week|month|year)")
_MONTHS: Final = 12
_MEANT: Final = (
    'a day (2026-01-31), a time with its zone (2026-01-31T09:30:00-05:00), "today", "yesterday", '
    '"5d", "2w", "3mo", "1y", "ytd", or "last month", "this week" and the like'
)


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
    zone: str,
    names: tuple[str, str] = ("begin", "end"),
) -> Span:
    """Return a span in ISO; a name such as `last month` as the begin alone means all of it.

    `names` are those of the two arguments, for a refusal.

    Raises:
        ToolError: a text is no time.
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    first = _read(begin, today, names[0])
    last = _read(end, today, names[1])
    if last is None and isinstance(first, _Days) and first.last < today and _is_span(begin):
        last = first
    return Span(
        first.first.isoformat() if isinstance(first, _Days) else (first or ""),
        last.last.isoformat() if isinstance(last, _Days) else (last or ""),
    )


def _is_span(text: str) -> bool:
    return text == "yesterday" or _NAMED.fullmatch(text) is not None


def _read(text: str, today: date, field: str) -> _Days | str | None:
    if not text:
        return None
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text).isoformat()
        if _MOMENT.fullmatch(text):
            return datetime.fromisoformat(text.replace("Z", "+00:00")).isoformat()
        return _relative(text, today, field)
    except (ValueError, OverflowError):
        raise _no_time(text, field) from None


def _relative(text: str, today: date, field: str) -> _Days:
    if text == "today":
        return _Days(today, today)
    if text == "yesterday":
        return _Days(today - timedelta(days=1), today - timedelta(days=1))
    if text == "ytd":
        return _Days(today.replace(month=1, day=1), today)
    if (ago := _AGO.fullmatch(text)) is not None:
        day = _before(today, int(ago[1]), ago[2])
        return _Days(day, day)
    if (named := _NAMED.fullmatch(text)) is not None:
        return _named(today, is_last=named[1] == "last", unit=named[2])
    raise _no_time(text, field)


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


def _named(today: date, *, is_last: bool, unit: str) -> _Days:
    match unit:
        case "week":
            first = today - timedelta(days=today.weekday() + (7 if is_last else 0))
            return _Days(first, min(today, first + timedelta(days=6)))
        case "month":
            first = _months_before(today.replace(day=1), 1 if is_last else 0)
            return _Days(first, min(today, _last_of_month(first)))
        case _:
            first = date(today.year - (1 if is_last else 0), 1, 1)
            return _Days(first, min(today, date(first.year, _MONTHS, 31)))


def _no_time(text: str, field: str) -> ToolError:
    return fault(Fault.INVALID_ARGUMENT, f"{field}: expected {_MEANT}, was {shown(text)}.")
