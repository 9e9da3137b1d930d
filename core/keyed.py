"""A map that is never changed: `put` gives a new map and copies a 256th of it.

A desk keeps every order of its account for ever (a late sighting must be recognised), and `evolve`
returns new states; copying one plain dict for each event would cost more with every order.
"""

from collections.abc import Iterator
from typing import Final, Generic, TypeVar
from zlib import crc32

_V = TypeVar("_V")
_BUCKETS: Final = 256


class Keyed(Generic[_V]):
    """An immutable map from text to values; nothing may depend on its order of iteration."""

    __slots__ = ("_buckets", "_length")

    def __init__(self) -> None:
        self._buckets: tuple[dict[str, _V], ...] = ({},) * _BUCKETS
        self._length = 0

    def put(self, key: str, value: _V) -> "Keyed[_V]":
        """Return a map in which `key` stands for `value`."""
        index = _index(key)
        bucket = self._buckets[index]
        return self._with(index, {**bucket, key: value}, self._length + (key not in bucket))

    def without(self, key: str) -> "Keyed[_V]":
        """Return a map without `key`, which need not be there."""
        index = _index(key)
        bucket = self._buckets[index]
        if key not in bucket:
            return self
        rest = {other: value for other, value in bucket.items() if other != key}
        return self._with(index, rest, self._length - 1)

    def get(self, key: str) -> _V | None:
        """Return the value of `key`, or None."""
        return self._buckets[_index(key)].get(key)

    def __contains__(self, key: str) -> bool:
        return key in self._buckets[_index(key)]

    def __getitem__(self, key: str) -> _V:
        return self._buckets[_index(key)][key]

    def __len__(self) -> int:
        return self._length

    def values(self) -> Iterator[_V]:
        """Yield every value."""
        for bucket in self._buckets:
            yield from bucket.values()

    def items(self) -> Iterator[tuple[str, _V]]:
        """Yield every key with its value."""
        for bucket in self._buckets:
            yield from bucket.items()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Keyed) and self._buckets == other._buckets

    def __hash__(self) -> int:
        raise TypeError("a Keyed map is not hashable")

    def _with(self, index: int, bucket: dict[str, _V], length: int) -> "Keyed[_V]":
        made: Keyed[_V] = Keyed.__new__(Keyed)
        made._buckets = (*self._buckets[:index], bucket, *self._buckets[index + 1 :])
        made._length = length
        return made


def _index(key: str) -> int:
    # Python's own hash differs from process to process; replay must not.
    return crc32(key.encode()) % _BUCKETS
