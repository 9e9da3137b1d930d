"""Since when each reading of the lanes is under way: one that hangs is seen from outside.

The SDK's own time limit does not hold against a reply that drips, and a thread that hangs in the
SDK cannot be ended: without previews or order numbers an account could never send again.
"""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class ReadingWatch:
    """Counts the readings under way; any thread may use it."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self._since: dict[int, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Watch one reading."""
        with self._lock:
            key = next(self._count)
            self._since[key] = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                del self._since[key]

    @property
    def longest_s(self) -> float:
        """Seconds since the oldest reading under way began; 0 without any."""
        now = time.monotonic()
        with self._lock:
            return max((now - since for since in self._since.values()), default=0.0)
