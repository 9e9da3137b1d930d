"""The book on disk: one line of JSON per act of the broker, appended before its caller hears of it.

A line holds a record, or a list of records that became true together: an order with its legs, a
fill with the cancels that follow from it. A line survives the process (kill -9), not the machine:
this is a simulator, and an fsync per order would cost more than the order. A torn last line is an
act that nobody was told of; it is cut off at start.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
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
        self._size = self._path.stat().st_size
        self._act: list[bytes] = []

    def replay(self, restore: Callable[[Record], None]) -> None:
        """Hand every stored record to `restore`, oldest first, and cut off a torn last one.

        Raises:
            StoredBookError: a whole line does not decode.
        """
        size_good = 0
        for act, size in self._stored():
            for record in act:
                restore(record)
            size_good += size
        self._file.truncate(size_good)
        self._size = size_good

    def records(self) -> Iterator[Record]:
        """Read what was stored so far, oldest first.

        Raises:
            StoredBookError: a whole line does not decode.
        """
        return (record for act, _ in self._stored() for record in act)

    def _stored(self) -> Iterator[tuple[Sequence[Record], int]]:
        decoder: msgspec.json.Decoder[Record | list[Record]] = msgspec.json.Decoder(
            Record | list[Record]
        )
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    act = decoder.decode(line)
                except msgspec.MsgspecError as error:
                    raise StoredBookError(
                        f"expected a record in line {number} of {self._path}, was {error}"
                    ) from None
                yield act if isinstance(act, list) else (act,), len(line)

    def save(self, record: Record) -> None:
        """Take one record of the running act."""
        self._act.append(self._encoder.encode(record))

    def commit(self) -> None:
        """Append the act that has ended.

        Raises:
            OSError: nothing of it was written; it goes with the next one.
        """
        if not self._act:
            return
        joined = b",".join(self._act)
        line = (joined if len(self._act) == 1 else b"[" + joined + b"]") + b"\n"
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(errno.ENOSPC, f"expected to write {len(line)} bytes, was {written}")
        except OSError:
            # A part of a line would spoil the next one.
            self._file.truncate(self._size)
            raise
        self._size += len(line)
        self._act.clear()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
