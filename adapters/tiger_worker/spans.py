"""A long listing of orders, cut into spans of time that are each complete by themselves.

One listing has so many pages at most. Where there are more, as after weeks in which no worker ran,
it is read span by span, oldest first: each is told as soon as it is read, and where one fails the
next round goes on from it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from adapters.tiger_worker import rows
from adapters.tiger_worker.broker import (
    PAGE_ROWS,
    PAGES_MAX,
    AccountBroker,
    Listing,
    ListingTooLongError,
    TurnPage,
)
from adapters.tiger_worker.words import Row
from core.ports import Clock

_METHOD: Final = "orders"
# What a listing that was too long is cut into at first; what is too long yet is cut in halves.
LENGTH: Final = timedelta(days=1)
LENGTH_MIN: Final = timedelta(minutes=1)
LENGTH_MAX: Final = timedelta(days=365)
# A span of fewer rows is followed by one twice as long.
FEW_ROWS: Final = PAGE_ROWS * PAGES_MAX // 4
# So much two spans have in common, whether or not a bound counts in.
_OVERLAP: Final = timedelta(seconds=1)


class Span(NamedTuple):
    """Every order opened between two moments, by the broker's clock."""

    since: datetime
    until: datetime
    rows: tuple[Row, ...]


def _tell_nobody(_: Span) -> None:
    """Leave all to the whole listing."""


class Spans:
    """Lists one account's orders, however many there are; knows how long a span may be."""

    def __init__(self, broker: AccountBroker, *, clock: Clock, turn_page: TurnPage) -> None:
        self._broker = broker
        self._clock = clock
        self._turn_page = turn_page
        # None: no listing was too long yet.
        self._length: timedelta | None = None

    def orders(self, since: datetime, *, told: Callable[[Span], None] = _tell_nobody) -> Listing:
        """Return every order opened since a moment; the caller took the first page's token.

        Args:
            since: by the broker's clock.
            told: takes each span but the last, as soon as it is read.

        Raises:
            BrokerError: a page did not come back; or even the shortest span is too long.
        """
        found: dict[str, Row] = {}
        begun_at, is_first, begin = None, True, since
        while True:
            until = self._end_of(begin)
            if not is_first:
                self._turn_page(_METHOD)
            listing, is_whole = self._read(begin, until)
            begun_at = listing.begun_at if is_first else begun_at
            is_first = False
            if not is_whole:
                continue
            if until is None and begin == since:
                return listing._replace(begun_at=begun_at)
            found |= {rows.key_of(row): row for row in listing.rows}
            if until is None:
                return Listing(tuple(found.values()), begun_at)
            told(Span(begin, until, listing.rows))
            begin = until - _OVERLAP

    def _end_of(self, begin: datetime) -> datetime | None:
        if self._length is None or begin + self._length >= self._now():
            return None
        return begin + self._length

    # The broker's clock dates the orders.
    def _now(self) -> datetime:
        return self._broker.last_told or self._clock.now()

    def _read(self, begin: datetime, until: datetime | None) -> tuple[Listing, bool]:
        begun_at = self._broker.last_told
        try:
            listing = self._broker.orders(since=begin, until=until, turn_page=self._turn_page)
        except ListingTooLongError:
            length = ((until or self._now()) - begin) / 2
            if length < LENGTH_MIN:
                raise
            is_long = self._length is None or self._length > LENGTH
            self._length = min(length, LENGTH) if is_long else length
            return Listing((), begun_at), False
        if self._length is not None and until is not None and len(listing.rows) < FEW_ROWS:
            self._length = min(2 * self._length, LENGTH_MAX)
        return listing, True
