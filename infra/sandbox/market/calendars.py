"""The exchanges' calendars: time zone, hours, holidays and half days of each market.

Sources (read 2026-11):
US: NYSE Group, announcements "2025, 2026 and 2027 holiday and early closings calendar"
(2024-11-08) and "2026, 2027 and 2028 ..." (2025-12-23); 9 January 2025 was the day of mourning
for President Carter. Futures keep the same days: Globex trades shortened hours on some of them.
HK: HKEX, securities market trading calendar; 2027 by the general holidays of the government.
Half days are the eves of Lunar New Year, Christmas and New Year.
SG: SGX securities calendar with the public holidays of the Ministry of Manpower.
AU: ASX trading calendar. CN: the holiday notices of the Shanghai exchange; of 2027 only the
statutory days, because the notice comes a year at a time.
A day outside the tables is a trading day if it is no weekend.
"""

from collections.abc import Mapping
from datetime import date, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from infra.sandbox.market.terms import SecType, Venue

SessionKind = Literal["pre", "regular", "lunch", "post", "overnight", "auction", "break", "closed"]
# No run of days without trading is longer than this (Chinese New Year with its weekends).
CLOSED_DAYS_MAX = 14
SATURDAY = 5


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a trading day in exchange time.

    `begin_day` and `end_day` are -1 for the calendar day before the trading day, 1 for the one
    after it.
    """

    kind: SessionKind
    begin: time
    end: time
    begin_day: int = 0
    end_day: int = 0


class Hours(msgspec.Struct, frozen=True, kw_only=True):
    """The hours of a full and of a half trading day, in order of time."""

    full: tuple[Segment, ...]
    half: tuple[Segment, ...]


class MarketCalendar(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange's calendar."""

    zone: str  # a name of the IANA time zone database
    hours: Mapping[SecType, Hours]  # of a kind that is not in it: the stocks'
    holidays: frozenset[date]
    half_days: frozenset[date]


def zone_of(market: Venue) -> ZoneInfo:
    """Return the time zone of an exchange."""
    return ZoneInfo(CALENDARS[market].zone)


def hours_of(market: Venue, sec_type: SecType = "STK") -> Hours:
    """Return the hours in which a kind of contract trades."""
    hours = CALENDARS[market].hours
    return hours.get(sec_type, hours["STK"])


def segments_of(market: Venue, day: date, sec_type: SecType = "STK") -> tuple[Segment, ...]:
    """Return what happens on a day, in order of time; nothing on a day without trading."""
    if not is_trading_day(market, day):
        return ()
    hours = hours_of(market, sec_type)
    return hours.half if is_half_day(market, day) else hours.full


def is_trading_day(market: Venue, day: date) -> bool:
    """Say whether an exchange trades on a day."""
    return day.weekday() < SATURDAY and day not in CALENDARS[market].holidays


def is_half_day(market: Venue, day: date) -> bool:
    """Say whether an exchange closes early on a day."""
    return day in CALENDARS[market].half_days


def next_trading_day(market: Venue, day: date) -> date:
    """Return the first trading day after a day."""
    return _trading_day_from(market, day + timedelta(days=1), step=1)


def previous_trading_day(market: Venue, day: date) -> date:
    """Return the last trading day before a day."""
    return _trading_day_from(market, day - timedelta(days=1), step=-1)


def trading_day_on_or_before(market: Venue, day: date) -> date:
    """Return a day itself if there is trading, or the last trading day before it."""
    return _trading_day_from(market, day, step=-1)


def trading_days(market: Venue, begin: date, end: date) -> tuple[date, ...]:
    """Return the trading days from `begin` (inclusive) to `end` (exclusive)."""
    every = (begin + timedelta(days=number) for number in range((end - begin).days))
    return tuple(day for day in every if is_trading_day(market, day))


def _trading_day_from(market: Venue, day: date, *, step: int) -> date:
    for number in range(CLOSED_DAYS_MAX + 1):
        if is_trading_day(market, found := day + timedelta(days=step * number)):
            return found
    raise AssertionError("no exchange is closed for so long")


def _days(*texts: str) -> frozenset[date]:
    # Each text is a year and its days: "2026 01-01 02-16".
    return frozenset(
        date.fromisoformat(f"{year}-{day}")
        for year, *days in (text.split() for text in texts)
        for day in days
    )


def _segments(*texts: str) -> tuple[Segment, ...]:
    # "regular 09:30 16:00"; a time with "-" is of the calendar day before, with "+" of the next.
    return tuple(_segment(*text.split()) for text in texts)


def _segment(kind: str, begin: str, end: str) -> Segment:
    return Segment(
        kind=msgspec.convert(kind, SessionKind),
        begin=time.fromisoformat(begin.lstrip("-+")),
        end=time.fromisoformat(end.lstrip("-+")),
        begin_day=_day_offset(begin),
        end_day=_day_offset(end),
    )


def _day_offset(text: str) -> int:
    return {"-": -1, "+": 1}.get(text[0], 0)


# The evening session of a Globex contract belongs to the next trading day.
_GLOBEX = _segments("auction -17:45 -18:00", "regular -18:00 17:00")
_US_HOURS: Mapping[SecType, Hours] = {
    "STK": Hours(
        full=_segments(
            "overnight -20:00 04:00",
            "pre 04:00 09:30",
            "regular 09:30 16:00",
            "post 16:00 20:00",
        ),
        half=_segments(
            "overnight -20:00 04:00",
            "pre 04:00 09:30",
            "regular 09:30 13:00",
            "post 13:00 17:00",
        ),
    ),
    "OPT": Hours(full=_segments("regular 09:30 16:00"), half=_segments("regular 09:30 13:00")),
    "FUT": Hours(full=_GLOBEX, half=_segments("auction -17:45 -18:00", "regular -18:00 13:00")),
}
_HK_HOURS: Mapping[SecType, Hours] = {
    "STK": Hours(
        full=_segments(
            "auction 09:00 09:30",
            "regular 09:30 12:00",
            "lunch 12:00 13:00",
            "regular 13:00 16:00",
            "auction 16:00 16:10",
        ),
        half=_segments("auction 09:00 09:30", "regular 09:30 12:00", "auction 12:00 12:10"),
    ),
    "OPT": Hours(
        full=_segments("regular 09:30 12:00", "lunch 12:00 13:00", "regular 13:00 16:00"),
        half=_segments("regular 09:30 12:00"),
    ),
    # The evening counts for the next trading day at the exchange; here it ends its own day.
    "FUT": Hours(
        full=_segments(
            "auction 08:45 09:15",
            "regular 09:15 12:00",
            "lunch 12:00 13:00",
            "regular 13:00 16:30",
            "break 16:30 17:15",
            "post 17:15 +03:00",
        ),
        half=_segments("auction 08:45 09:15", "regular 09:15 12:00"),
    ),
}
_SG_HOURS: Mapping[SecType, Hours] = {
    "STK": Hours(
        full=_segments(
            "auction 08:30 09:00",
            "regular 09:00 12:00",
            "lunch 12:00 13:00",
            "regular 13:00 17:00",
            "auction 17:00 17:06",
        ),
        half=_segments("auction 08:30 09:00", "regular 09:00 12:00", "auction 12:00 12:06"),
    ),
}
_AU_HOURS: Mapping[SecType, Hours] = {
    "STK": Hours(
        full=_segments(
            "auction 07:00 10:00",
            "regular 10:00 16:00",
            "auction 16:00 16:10",
        ),
        half=_segments("auction 07:00 10:00", "regular 10:00 14:00", "auction 14:00 14:10"),
    ),
}
_CN_HOURS: Mapping[SecType, Hours] = {
    "STK": Hours(
        full=_segments(
            "auction 09:15 09:30",
            "regular 09:30 11:30",
            "lunch 11:30 13:00",
            "regular 13:00 14:57",
            "auction 14:57 15:00",
        ),
        half=(),
    ),
}
CALENDARS: Mapping[Venue, MarketCalendar] = {
    "US": MarketCalendar(
        zone="America/New_York",
        hours=_US_HOURS,
        holidays=_days(
            "2025 01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25",
            "2026 01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
            "2027 01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
            "2028 01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25",
        ),
        half_days=_days(
            "2025 07-03 11-28 12-24", "2026 11-27 12-24", "2027 11-26", "2028 07-03 11-24"
        ),
    ),
    "HK": MarketCalendar(
        zone="Asia/Hong_Kong",
        hours=_HK_HOURS,
        holidays=_days(
            "2025 01-01 01-29 01-30 01-31 04-04 04-18 04-21 05-01 05-05 07-01 10-01 10-07 10-29",
            "2025 12-25 12-26",
            "2026 01-01 02-17 02-18 02-19 04-03 04-06 04-07 05-01 05-25 06-19 07-01 10-01 10-19",
            "2026 12-25",
            "2027 01-01 02-08 02-09 03-26 03-29 04-05 05-13 06-09 07-01 09-16 10-01 10-08 12-27",
        ),
        half_days=_days(
            "2025 01-28 12-24 12-31", "2026 02-16 12-24 12-31", "2027 02-05 12-24 12-31"
        ),
    ),
    "SG": MarketCalendar(
        zone="Asia/Singapore",
        hours=_SG_HOURS,
        holidays=_days(
            "2025 01-01 01-29 01-30 03-31 04-18 05-01 05-12 10-20 12-25",
            "2026 01-01 02-17 02-18 04-03 05-01 05-27 06-01 08-10 11-09 12-25",
            "2027 01-01 02-08 03-10 03-26 05-17 05-20 08-09 10-28",
        ),
        half_days=_days(
            "2025 01-28 12-24 12-31", "2026 02-16 12-24 12-31", "2027 02-05 12-24 12-31"
        ),
    ),
    "AU": MarketCalendar(
        zone="Australia/Sydney",
        hours=_AU_HOURS,
        holidays=_days(
            "2025 01-01 01-27 04-18 04-21 04-25 06-09 12-25 12-26",
            "2026 01-01 01-26 04-03 04-06 06-08 12-25 12-28",
            "2027 01-01 01-26 03-26 03-29 06-14 12-27 12-28",
        ),
        half_days=_days("2025 12-24 12-31", "2026 12-24 12-31", "2027 12-24 12-31"),
    ),
    "CN": MarketCalendar(
        zone="Asia/Shanghai",
        hours=_CN_HOURS,
        holidays=_days(
            "2025 01-01 01-28 01-29 01-30 01-31 02-03 02-04 04-04 05-01 05-02 05-05 06-02",
            "2025 10-01 10-02 10-03 10-06 10-07 10-08",
            "2026 01-01 01-02 02-16 02-17 02-18 02-19 02-20 02-23 04-06 05-01 05-04 05-05 06-19",
            "2026 09-25 10-01 10-02 10-05 10-06 10-07",
            "2027 01-01 02-05 02-08 02-09 04-05 05-03 06-09 09-15 10-01 10-04 10-05",
        ),
        half_days=frozenset(),
    ),
}
