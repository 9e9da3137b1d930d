"""Which session a market is in: pure functions of the calendar and a moment."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import msgspec

from infra.sandbox.market.calendars import (
    Segment,
    SessionKind,
    next_trading_day,
    previous_trading_day,
    segments_of,
    trading_day_on_or_before,
    zone_of,
)
from infra.sandbox.market.terms import SecType, Venue

# Enough trading days around a moment to find what comes before and after it.
DAYS_AROUND = 2


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which a market does one thing (times in UTC, `ends_at` exclusive)."""

    market: Venue
    kind: SessionKind
    trading_day: date  # the exchange's; of a closed stretch the next one
    begins_at: datetime
    ends_at: datetime
    next_open: datetime  # the next begin of a day's regular trading after the moment asked for
    next_close: datetime  # the next end of a day's regular trading after it
    last_trade_at: datetime  # that moment, or if there is no regular trading when it last ended

    @property
    def is_regular(self) -> bool:
        """Say whether it is regular trading."""
        return self.kind == "regular"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A segment of one trading day, in UTC."""

    kind: SessionKind
    trading_day: date
    begins_at: datetime
    ends_at: datetime


def session_at(
    market: Venue, now: datetime, *, sec_type: SecType = "STK", always_open: bool = False
) -> Session:
    """Return the session that a moment falls into.

    Args:
        always_open: any session counts as regular trading; days, opens and closes stay the real
            ones.
    """
    spans = _spans_around(market, now, sec_type)
    span = _span_at(spans, now)
    kind: SessionKind = "regular" if always_open else span.kind
    past = [s.ends_at for s in spans if s.kind == "regular" and s.ends_at <= now]
    return Session(
        market=market,
        kind=kind,
        trading_day=span.trading_day,
        begins_at=span.begins_at,
        ends_at=span.ends_at,
        next_open=next(begin for begin in _opens(spans) if begin > now),
        next_close=next(end for end in _closes(spans) if end > now),
        last_trade_at=now if kind == "regular" else past[-1],
    )


def session_end(
    market: Venue, now: datetime, *, sec_type: SecType = "STK", outside_rth: bool = False
) -> datetime:
    """Return when a DAY order that is placed now expires.

    Args:
        outside_rth: it works outside regular hours as well, so that it lasts to the trading day's
            very end.
    """
    spans = _spans_around(market, now, sec_type)
    kinds: tuple[SessionKind, ...] = (
        ("regular", "post", "auction") if outside_rth else ("regular", "auction")
    )
    ends = {span.trading_day: span.ends_at for span in spans if span.kind in kinds}
    return next(end for end in ends.values() if end > now)


def spans_of(market: Venue, day: date, *, sec_type: SecType = "STK") -> tuple[Span, ...]:
    """Return the stretches of one trading day, in order; none on a day without trading."""
    return tuple(_span(market, day, item) for item in segments_of(market, day, sec_type))


def _span_at(spans: tuple[Span, ...], now: datetime) -> Span:
    before = None
    for span in spans:
        if span.begins_at <= now < span.ends_at:
            return span
        if now < span.begins_at:
            assert before is not None, "the days around reach back before the moment"
            return Span(
                kind="closed",
                trading_day=span.trading_day,
                begins_at=before.ends_at,
                ends_at=span.begins_at,
            )
        before = span
    raise AssertionError("the days around reach beyond the moment")


def _spans_around(market: Venue, now: datetime, sec_type: SecType) -> tuple[Span, ...]:
    today = now.astimezone(zone_of(market)).date()
    first = trading_day_on_or_before(market, today)
    for _ in range(DAYS_AROUND):
        first = previous_trading_day(market, first)
    days = [first]
    for _ in range(2 * DAYS_AROUND + 2):
        days.append(next_trading_day(market, days[-1]))
    return tuple(span for day in days for span in spans_of(market, day, sec_type=sec_type))


def _opens(spans: tuple[Span, ...]) -> Iterator[datetime]:
    # The first span of each day wins.
    begins = {s.trading_day: s.begins_at for s in reversed(spans) if s.kind == "regular"}
    return iter(sorted(begins.values()))


def _closes(spans: tuple[Span, ...]) -> Iterator[datetime]:
    # The last span of each day wins.
    ends = {span.trading_day: span.ends_at for span in spans if span.kind == "regular"}
    return iter(ends.values())


def _span(market: Venue, day: date, item: Segment) -> Span:
    zone = zone_of(market)
    begin = datetime.combine(day + timedelta(days=item.begin_day), item.begin, zone)
    end = datetime.combine(day + timedelta(days=item.end_day), item.end, zone)
    return Span(
        kind=item.kind,
        trading_day=day,
        begins_at=begin.astimezone(UTC),
        ends_at=end.astimezone(UTC),
    )
