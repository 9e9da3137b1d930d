"""Spans of time as questions give them, in the milliseconds that Tiger asks for.

A day means that trading day: it begins at midnight at the exchange. A moment says its zone itself.
"""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from adapters.tiger_worker.market_reads import wrong
from adapters.tiger_worker.market_rows import midnight_ms

_FIRST, _LAST = date(1970, 1, 2), date(2100, 1, 1)
_NOT_ASKED = -1


class Span(NamedTuple):
    """From `begin_ms` to before `end_ms`; each -1 where the question leaves it open."""

    begin_ms: int
    end_ms: int

    @property
    def begin(self) -> datetime | None:
        """Return the begin as a time."""
        return _moment(self.begin_ms)

    @property
    def end(self) -> datetime | None:
        """Return the end as a time."""
        return _moment(self.end_ms)


def span_of(begin: str, end: str, zone: str) -> Span:
    """Return the span of a question; a day as the end is meant whole.

    Raises:
        MarketRefusalError: a text is no time, or the end is before the begin.
    """
    begin_ms = ms_of(begin, zone, field="begin")
    end_ms = ms_of(end, zone, field="end", is_end=True)
    if _NOT_ASKED not in (begin_ms, end_ms) and end_ms <= begin_ms:
        raise wrong("end", "expected an end after the begin")
    return Span(begin_ms, end_ms)


def ms_of(text: str, zone: str, *, field: str, is_end: bool = False) -> int:
    """Return a day or a moment in milliseconds, -1 for an empty text.

    Raises:
        MarketRefusalError: it is neither.
    """
    if not text:
        return _NOT_ASKED
    if len(text) == len("2026-01-31"):
        day = day_of(text, field=field)
        return midnight_ms(day + timedelta(days=1) if is_end else day, zone)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise wrong(field, "expected a date (2026-01-31) or a time with its zone") from None
    if moment.tzinfo is None or not _FIRST <= moment.date() <= _LAST:
        raise wrong(field, "expected a time with its zone, such as 2026-01-31T09:30:00-05:00")
    return int(moment.timestamp() * 1000)


def day_of(text: str, *, field: str) -> date:
    """Return a day.

    Raises:
        MarketRefusalError: it is none.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise wrong(field, "expected a date such as 2026-01-31") from None
    if not _FIRST <= day <= _LAST:
        raise wrong(field, f"expected a date between {_FIRST} and {_LAST}")
    return day


def days_of(
    begin: str, end: str, *, now: datetime, zone: str, back: int, ahead: int = 0
) -> tuple[date, date]:
    """Return the first and the last day of a question, by default around today at the exchange.

    Raises:
        MarketRefusalError: a text is no day, or the last is before the first.
    """
    today = now.astimezone(ZoneInfo(zone)).date()
    last = _day_in(end, zone, field="end") or max(
        today + timedelta(days=ahead), _day_in(begin, zone, field="begin") or _FIRST
    )
    first = _day_in(begin, zone, field="begin") or min(today, last) - timedelta(days=back)
    if last < first:
        raise wrong("end", "expected an end that is not before the begin")
    return first, last


def _day_in(text: str, zone: str, *, field: str) -> date | None:
    if not text:
        return None
    if len(text) == len("2026-01-31"):
        return day_of(text, field=field)
    moment = datetime.fromtimestamp(ms_of(text, zone, field=field) / 1000, UTC)
    return moment.astimezone(ZoneInfo(zone)).date()


def _moment(ms: int) -> datetime | None:
    return None if ms == _NOT_ASKED else datetime.fromtimestamp(ms / 1000, UTC)
