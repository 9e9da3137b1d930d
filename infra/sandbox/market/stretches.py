"""The stretches of a trading day in which bars arise, in milliseconds."""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal

import msgspec

from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.sessions import Span, spans_of
from infra.sandbox.market.terms import SecType, Venue

MINUTE_MS = 60_000
CACHED_DAYS_MAX = 16_384
TradedKind = Literal["overnight", "pre", "regular", "post"]


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """Continuous trading (unit: milliseconds since 1970; the end is exclusive)."""

    kind: TradedKind
    begin_ms: int
    end_ms: int

    @property
    def minute_count(self) -> int:
        """How many minutes it has."""
        return (self.end_ms - self.begin_ms) // MINUTE_MS


@lru_cache(maxsize=CACHED_DAYS_MAX)
def stretches_of(market: Venue, sec_type: SecType, day: date) -> tuple[Stretch, ...]:
    """Return the stretches of a day, in order of time; none on a day without trading."""
    found: list[Stretch] = []
    for span in spans_of(market, day, sec_type=sec_type):
        match span.kind:
            case "overnight" | "pre" | "regular" | "post":
                found.append(_stretch(span, span.kind))
            case _:
                pass
    return tuple(found)


@lru_cache(maxsize=CACHED_DAYS_MAX)
def midnight_ms(market: Venue, day: date) -> int:
    """Return when a day begins at an exchange (unit: milliseconds since 1970)."""
    moment = datetime(day.year, day.month, day.day, tzinfo=zone_of(market))
    return int(moment.timestamp()) * 1000


def day_at(market: Venue, moment_ms: int) -> date:
    """Return an exchange's calendar day at a moment (unit: milliseconds since 1970)."""
    moment = datetime.fromtimestamp(moment_ms // 1000, UTC)
    return moment.astimezone(zone_of(market)).date()


def _stretch(span: Span, kind: TradedKind) -> Stretch:
    return Stretch(
        kind=kind,
        begin_ms=int(span.begins_at.timestamp()) * 1000,
        end_ms=int(span.ends_at.timestamp()) * 1000,
    )
