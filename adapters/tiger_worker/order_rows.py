"""The rows of one account's orders, read once for as long as they say the same.

Every round lists the orders of the last minute or more, and most rows say what they said before:
reading them again took most of a busy worker's time from the thread that sends.
"""

import math
import time
from collections.abc import Collection, Iterable
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from adapters.tiger_worker import rows
from adapters.tiger_worker.words import Row
from core.errors import CorruptRecordError
from core.readings import OrderSeen

# A row that is being written may stay half written for a while; rounds follow each other fast.
LISTED_APART_S: Final = 15.0


class _Reading(NamedTuple):
    """A row as it was read, and when the last of the listings that count was complete."""

    row: Row
    seen: OrderSeen | CorruptRecordError
    counted_at_s: float


class OrderRows:
    """Reads orders' rows and remembers the last row of each; used by one thread."""

    def __init__(self) -> None:
        self._readings: dict[str, _Reading] = {}

    def order_of(self, row: Row) -> OrderSeen:
        """Return one listed order, without executions.

        Raises:
            CorruptRecordError: a field without which an order is none.
        """
        seen = self._read(row)
        if isinstance(seen, CorruptRecordError):
            raise seen
        return seen

    def readable(self, found: Iterable[Row]) -> dict[str, OrderSeen]:
        """Return the orders among some rows by the broker's ids.

        A row that cannot be read is left out; whoever needs to know is told by `rows.unreadable`.
        """
        read = {rows.key_of(row): self._read(row) for row in found}
        return {key: seen for key, seen in read.items() if isinstance(seen, OrderSeen)}

    def fills_in(self, found: Iterable[Row]) -> dict[str, Decimal | str]:
        """Return how much of each order is filled; of one that cannot be read the row's own word.

        Such a word is no number: another one, or its first, may stand for a fill.
        """
        read = {rows.key_of(row): (row, self._read(row)) for row in found}
        return {
            key: seen.filled_quantity
            if isinstance(seen, OrderSeen)
            else repr(row.get("filledQuantity"))
            for key, (row, seen) in read.items()
        }

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget every row but those of the given orders."""
        self._readings = {key: each for key, each in self._readings.items() if key in keys}

    def note_listed(self, keys: Iterable[str]) -> None:
        """Note that a listing with these rows, as they were read last, was complete."""
        now_s = time.monotonic()
        for key in keys:
            reading = self._readings.get(key)
            if reading is None or now_s - reading.counted_at_s < LISTED_APART_S:
                continue
            if isinstance(reading.seen, OrderSeen):
                again = replace(reading.seen, listings=reading.seen.listings + 1)
                self._readings[key] = _Reading(reading.row, again, now_s)

    def _read(self, row: Row) -> OrderSeen | CorruptRecordError:
        key = rows.key_of(row)
        before = self._readings.get(key)
        if before is not None and before.row == row:
            return before.seen
        reading = _Reading(row, _seen_in(row), -math.inf)
        if before is not None:
            reading = _counted_on(before, reading)
        self._readings[key] = reading
        return reading.seen


def _counted_on(before: _Reading, reading: _Reading) -> _Reading:
    """Return the new reading with the count of listings that said the same of whose it is."""
    old, new = before.seen, reading.seen
    if isinstance(old, CorruptRecordError) or isinstance(new, CorruptRecordError):
        return reading
    if _claim(old) != _claim(new):
        return reading
    counted = replace(new, listings=old.listings)
    return reading._replace(seen=counted, counted_at_s=before.counted_at_s)


def _claim(seen: OrderSeen) -> tuple[str, ...]:
    return seen.mark, seen.order_number, seen.contract, seen.market, seen.side


def _seen_in(row: Row) -> OrderSeen | CorruptRecordError:
    try:
        return rows.order_of(row, ())
    except CorruptRecordError as error:
        return error
