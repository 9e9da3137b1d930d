"""Market hours: sessions without gaps, days with clock changes, holidays and half days."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox.market.calendars import (
    CALENDARS,
    SessionKind,
    is_half_day,
    is_trading_day,
    next_trading_day,
    previous_trading_day,
    trading_days,
    zone_of,
)
from infra.sandbox.market.instruments import SecType, Venue
from infra.sandbox.market.sessions import session_at, session_end, spans_of

MARKETS: tuple[Venue, ...] = get_args(Venue)
SEC_TYPES: tuple[SecType, ...] = ("STK", "OPT", "FUT")
BEGIN, END = datetime(2025, 1, 10, tzinfo=UTC), datetime(2027, 12, 10, tzinfo=UTC)

moments = st.integers(0, int((END - BEGIN).total_seconds())).map(
    lambda seconds: BEGIN + timedelta(seconds=seconds)
)
markets = st.sampled_from(MARKETS)
sec_types = st.sampled_from(SEC_TYPES)


def us(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_of("US")).astimezone(UTC)


def hk(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone_of("HK")).astimezone(UTC)


@given(markets, moments, sec_types)
def test_moment_lies_in_its_session(market: Venue, now: datetime, sec_type: SecType) -> None:
    session = session_at(market, now, sec_type=sec_type)
    assert session.begins_at <= now < session.ends_at
    assert session.next_open > now
    assert session.next_close > now
    assert is_trading_day(market, session.trading_day)
    assert session.last_trade_at <= now
    assert (session.last_trade_at == now) is session.is_regular


@given(markets, moments, sec_types)
def test_sessions_follow_each_other_without_gap(
    market: Venue, now: datetime, sec_type: SecType
) -> None:
    session = session_at(market, now, sec_type=sec_type)
    for _ in range(8):
        following = session_at(market, session.ends_at, sec_type=sec_type)
        assert following.begins_at == session.ends_at
        assert following.trading_day >= session.trading_day
        session = following


@given(markets, moments, sec_types)
def test_last_moment_of_a_session_still_belongs_to_it(
    market: Venue, now: datetime, sec_type: SecType
) -> None:
    session = session_at(market, now, sec_type=sec_type)
    last = session_at(market, session.ends_at - timedelta(microseconds=1), sec_type=sec_type)
    assert (last.kind, last.ends_at) == (session.kind, session.ends_at)


@pytest.mark.parametrize("sec_type", SEC_TYPES)
@pytest.mark.parametrize("market", MARKETS)
def test_spans_of_three_years_do_not_overlap(market: Venue, sec_type: SecType) -> None:
    spans = [
        span
        for day in trading_days(market, date(2025, 1, 2), date(2028, 1, 1))
        for span in spans_of(market, day, sec_type=sec_type)
    ]
    assert all(span.begins_at < span.ends_at for span in spans)
    assert all(earlier.ends_at <= later.begins_at for earlier, later in pairwise(spans))


@given(markets, moments, sec_types, st.booleans())
def test_day_order_ends_later_and_at_the_end_of_a_session(
    market: Venue, now: datetime, sec_type: SecType, outside_rth: bool
) -> None:
    end = session_end(market, now, sec_type=sec_type, outside_rth=outside_rth)
    assert now < end <= now + timedelta(days=15)
    before = session_at(market, end - timedelta(microseconds=1), sec_type=sec_type)
    assert before.ends_at == end
    assert before.kind in ("regular", "post", "auction")


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ("2026-11-23T03:59:59", "overnight"),
        ("2026-11-23T04:00:00", "pre"),
        ("2026-11-23T09:29:59", "pre"),
        ("2026-11-23T09:30:00", "regular"),
        ("2026-11-23T15:59:59", "regular"),
        ("2026-11-23T16:00:00", "post"),
        ("2026-11-23T20:00:00", "overnight"),
        ("2026-11-22T19:59:59", "closed"),  # a Sunday
        ("2026-11-22T20:00:00", "overnight"),
        ("2026-11-26T12:00:00", "closed"),  # Thanksgiving
        ("2026-11-27T12:59:59", "regular"),  # a half day
        ("2026-11-27T13:00:00", "post"),
        ("2026-11-27T17:00:00", "closed"),
        ("2025-01-09T12:00:00", "closed"),  # mourning
        ("2026-07-03T12:00:00", "closed"),  # Independence Day, observed
    ],
)
def test_us_sessions(at: str, kind: SessionKind) -> None:
    assert session_at("US", us(at)).kind == kind


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        ("2026-11-23T08:59:59", "closed"),
        ("2026-11-23T09:00:00", "auction"),
        ("2026-11-23T09:30:00", "regular"),
        ("2026-11-23T12:00:00", "lunch"),
        ("2026-11-23T13:00:00", "regular"),
        ("2026-11-23T16:00:00", "auction"),
        ("2026-11-23T16:10:00", "closed"),
        ("2026-12-24T11:59:59", "regular"),  # Christmas Eve
        ("2026-12-24T12:10:00", "closed"),
        ("2026-02-17T10:00:00", "closed"),  # Lunar New Year
    ],
)
def test_hong_kong_sessions(at: str, kind: SessionKind) -> None:
    assert session_at("HK", hk(at)).kind == kind


def test_overnight_belongs_to_the_next_trading_day() -> None:
    evening = session_at("US", us("2026-11-25T21:00:00"))
    # The 26th is Thanksgiving: the evening before it has no session, the evening of it has.
    assert (evening.kind, evening.trading_day) == ("closed", date(2026, 11, 27))
    thanksgiving = session_at("US", us("2026-11-26T21:00:00"))
    assert (thanksgiving.kind, thanksgiving.trading_day) == ("overnight", date(2026, 11, 27))


@pytest.mark.parametrize(
    ("before", "after", "shift_h"),
    [
        (date(2026, 3, 6), date(2026, 3, 9), -1),  # clocks go forward on 8 March
        (date(2026, 10, 30), date(2026, 11, 2), 1),  # and back on 1 November
    ],
)
def test_us_open_moves_with_the_clock(before: date, after: date, shift_h: int) -> None:
    opens = [
        next(span.begins_at for span in spans_of("US", day) if span.kind == "regular")
        for day in (before, after)
    ]
    assert opens[1] - opens[0] == timedelta(days=3, hours=shift_h)
    overnight = spans_of("US", after)[0]
    assert overnight.ends_at - overnight.begins_at == timedelta(hours=8)


def test_always_open_market_keeps_its_real_days() -> None:
    sunday = us("2026-11-22T12:00:00")
    session = session_at("US", sunday, always_open=True)
    assert (session.kind, session.trading_day) == ("regular", date(2026, 11, 23))
    assert session.last_trade_at == sunday
    assert session.next_open == us("2026-11-23T09:30:00")
    assert session.next_close == us("2026-11-23T16:00:00")


def test_next_open_during_trading_is_of_the_next_day() -> None:
    assert session_at("HK", hk("2026-11-23T10:00:00")).next_open == hk("2026-11-24T09:30:00")
    assert session_at("HK", hk("2026-11-23T10:00:00")).next_close == hk("2026-11-23T16:00:00")


def test_day_order_lasts_to_the_close_or_to_the_days_end() -> None:
    morning = us("2026-11-23T10:00:00")
    assert session_end("US", morning) == us("2026-11-23T16:00:00")
    assert session_end("US", morning, outside_rth=True) == us("2026-11-23T20:00:00")
    evening = us("2026-11-25T20:30:00")
    assert session_end("US", evening) == us("2026-11-27T13:00:00")


def test_futures_trade_from_the_evening_before() -> None:
    session = session_at("US", us("2026-11-22T18:00:00"), sec_type="FUT")
    assert (session.kind, session.trading_day) == ("regular", date(2026, 11, 23))
    assert session.ends_at == us("2026-11-23T17:00:00")
    pause = session_at("US", us("2026-11-23T17:30:00"), sec_type="FUT")
    assert pause.kind == "closed"


@given(markets, st.dates(date(2025, 1, 10), date(2027, 12, 10)))
def test_next_and_previous_trading_day_are_inverse(market: Venue, day: date) -> None:
    following = next_trading_day(market, day)
    assert following > day
    assert is_trading_day(market, following)
    if is_trading_day(market, day):
        assert previous_trading_day(market, following) == day


@pytest.mark.parametrize("market", MARKETS)
def test_holidays_are_weekdays_and_half_days_are_trading_days(market: Venue) -> None:
    calendar = CALENDARS[market]
    assert all(day.weekday() < 5 for day in calendar.holidays)
    assert all(is_trading_day(market, day) for day in calendar.half_days)
    assert not any(is_half_day(market, day) for day in calendar.holidays)


@pytest.mark.parametrize(
    ("market", "year", "count"),
    [("US", 2025, 250), ("US", 2026, 251), ("US", 2027, 251)],
)
def test_years_have_their_published_number_of_trading_days(
    market: Venue, year: int, count: int
) -> None:
    assert len(trading_days(market, date(year, 1, 1), date(year + 1, 1, 1))) == count
