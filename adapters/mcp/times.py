"""Times as a caller gives them: days of the person's own zone, and moments with a zone."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.errors import CommandError

# From a time without a zone (the person's own wall clock) or with one to the person's zone.
ToLocal = Callable[[datetime], datetime]

# Nothing was or will be traded outside; at the calendar's own ends no zone can be reckoned.
YEAR_MIN: Final = 1970
YEAR_MAX: Final = 2999
_MOMENT_BEGIN: Final = re.compile(r"\d{4}-\d\d-\d\dT", re.ASCII)
# Where the exchanges of a market are, by the names of the IANA time zone database.
_EXCHANGE_ZONES: Final = {
    "US": "America/New_York",
    "HK": "Asia/Hong_Kong",
    "CN": "Asia/Shanghai",
    "SG": "Asia/Singapore",
    "AU": "Australia/Sydney",
    "NZ": "Pacific/Auckland",
    # Funds are dealt in when New York trades.
    "MF": "America/New_York",
}


def in_utc(at: datetime) -> datetime:
    """Return a time in UTC, one without a zone being UTC already."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def in_zone(name: str) -> ToLocal:
    """Return what turns a time into a zone's, one without a zone being of that zone already."""
    zone = ZoneInfo(name)
    return lambda at: at.replace(tzinfo=zone) if at.tzinfo is None else at.astimezone(zone)


def day_of(text: str, *, field: str) -> date:
    """Return the day that a text such as 2026-12-18 names.

    Raises:
        CommandError: naming `field`.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError("expected a day such as 2026-12-18", field=field) from None
    _check_year(day, field=field)
    return day


def moment_of(text: str, *, field: str) -> datetime:
    """Return the moment that a text such as 2026-12-18T16:00:00-05:00 names.

    Raises:
        CommandError: naming `field`; a time without a zone is nobody's time.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise CommandError(
            "expected a moment with its zone, such as 2026-12-18T16:00:00-05:00", field=field
        )
    _check_year(at, field=field)
    return at


def edge_of(text: str, *, field: str, to_local: ToLocal, is_end: bool = False) -> datetime:
    """Return the moment at which a stretch of time begins, or ends.

    2026-12-18 is a day in the person's zone; as an end, it counts whole.

    Raises:
        CommandError: naming `field`.
    """
    if is_moment(text):
        return moment_of(text, field=field)
    day = day_of(text, field=field)
    if is_end:
        day += timedelta(days=1)
    return to_local(datetime.combine(day, time()))


def is_moment(text: str) -> bool:
    """Say whether a text is meant as a day with a time of day."""
    return _MOMENT_BEGIN.match(text) is not None


def exchange_zone(market: str) -> str | None:
    """Return the zone of a market's exchanges, None for a market not known here."""
    return _EXCHANGE_ZONES.get(market)


def exchange_time(at: datetime, market: str) -> datetime | None:
    """Return a moment on the clock of a market's exchanges, None for a market not known here."""
    zone = exchange_zone(market)
    return None if zone is None else at.astimezone(ZoneInfo(zone)).replace(microsecond=0)


def _check_year(at: date, *, field: str) -> None:
    if not YEAR_MIN <= at.year <= YEAR_MAX:
        raise CommandError(f"expected a year from {YEAR_MIN} to {YEAR_MAX}", field=field)
