"""The book on disk: one line of JSON per record, appended and flushed before it is acted upon.

A flushed line survives the process (kill -9), not the machine: this is a simulator, and an fsync
per order would cost more than the order. A torn last line is a record that nobody was told of; it
is cut off at start.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from infra.sandbox.broker.records import Record

BOOK_FILE = "book.jsonl"


class StoredBookError(Exception):
    """The stored book does not decode; the sandbox does not start."""


class BookStore:
    """The append-only file of a home's book."""

    def __init__(self, home: Path) -> None:
        self._path = home / BOOK_FILE
        self._encoder = msgspec.json.Encoder()
        self._file = self._path.open("ab", buffering=0)

    def replay(self, restore: Callable[[Record], None]) -> None:
        """Hand every stored record to `restore`, oldest first, and cut off a torn last one.

        Raises:
            StoredBookError: a whole line does not decode.
        """
        size_good = 0
        for record, size in self._stored():
            restore(record)
            size_good += size
        self._file.truncate(size_good)

    def records(self) -> Iterator[Record]:
        """Read what was stored so far, oldest first.

        Raises:
            StoredBookError: a whole line does not decode.
        """
        return (record for record, _ in self._stored())

    def _stored(self) -> Iterator[tuple[Record, int]]:
        decoder = msgspec.json.Decoder(Record)
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    yield decoder.decode(line), len(line)
                except msgspec.MsgspecError as error:
                    raise StoredBookError(
                        f"expected a record in line {number} of {self._path}, was {error}"
                    ) from None

    def save(self, record: Record) -> None:
        """Append one record."""
        self._file.write(self._encoder.encode(record) + b"\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
