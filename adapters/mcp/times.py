"""Times as a caller gives them: days of the person's own zone, and moments with a zone."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from core.errors import CommandError

# From a time without a zone (the person's own wall clock) or with one to the person's zone.
ToLocal = Callable[[datetime], datetime]

DAYS_BACK_MAX: Final = 3_660
_DAYS_BACK: Final = re.compile(r"(\d{1,4})d")
_WORDS: Final = {"today": 0, "yesterday": 1}
# Where the exchanges of a market are, by the names of the IANA time zone database.
_EXCHANGE_ZONES: Final = {
    "US": "America/New_York",
    "HK": "Asia/Hong_Kong",
    "CN": "Asia/Shanghai",
    "SG": "Asia/Singapore",
    "AU": "Australia/Sydney",
    "NZ": "Pacific/Auckland",
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
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError("expected a day such as 2026-12-18", field=field) from None


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
    return at


def edge_of(
    text: str, *, field: str, now: datetime, to_local: ToLocal, is_end: bool = False
) -> datetime:
    """Return the moment at which a stretch of time begins, or ends, as the caller words it.

    `today`, `yesterday`, `7d` (days back) and 2026-12-18 are days in the person's zone; as an end,
    such a day counts whole.

    Raises:
        CommandError: naming `field`.
    """
    if "T" in text:
        return moment_of(text, field=field)
    back = _DAYS_BACK.fullmatch(text)
    today = to_local(now).date()
    if text in _WORDS:
        day = today - timedelta(days=_WORDS[text])
    elif back is not None and int(back[1]) <= DAYS_BACK_MAX:
        day = today - timedelta(days=int(back[1]))
    else:
        day = day_of(text, field=field)
    if is_end:
        day += timedelta(days=1)
    return to_local(datetime.combine(day, time()))


def exchange_time(at: datetime, market: str) -> datetime | None:
    """Return a moment on the clock of a market's exchanges, None for a market not known here."""
    zone = _EXCHANGE_ZONES.get(market)
    return None if zone is None else at.astimezone(ZoneInfo(zone)).replace(microsecond=0)
