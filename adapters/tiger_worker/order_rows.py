"""The rows of one account's orders, read once for as long as they say the same.

Every round lists the orders of the last minute or more, and most rows say what they said before:
reading them again took most of a busy worker's time from the thread that sends.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from adapters.tiger_worker import rows
from adapters.tiger_worker.words import Row
from core.errors import CorruptRecordError
from core.items import OrderSeen


class _Reading(NamedTuple):
    row: Row
    seen: OrderSeen | CorruptRecordError


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

    def keep_only(self, keys: Collection[str]) -> None:
        """Forget every row but those of the given orders."""
        self._readings = {key: each for key, each in self._readings.items() if key in keys}

    def _read(self, row: Row) -> OrderSeen | CorruptRecordError:
        key = rows.key_of(row)
        reading = self._readings.get(key)
        if reading is None or reading.row != row:
            reading = _Reading(row, _seen_in(row))
            self._readings[key] = reading
        return reading.seen


def _seen_in(row: Row) -> OrderSeen | CorruptRecordError:
    try:
        return rows.order_of(row, ())
    except CorruptRecordError as error:
        return error
