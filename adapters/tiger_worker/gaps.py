"""Moments in which something may have been missed, counted for one account of one process.

A round of readings heals the gaps that were noticed before it began, and no later one.
"""

import threading
import time
from typing import Final

from core.items import GapNoticed
from core.ports import Clock

SLEEP_NOTICED_S: Final = 2.0


class Gaps:
    """Counts gaps; any thread may ask and note."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asleep_s = self._slept_s()
        self._count = 0

    @property
    def count(self) -> int:
        """Gaps noticed so far."""
        return self._count

    def note(self, cause: str) -> GapNoticed:
        """Count a gap and return the item that tells of it."""
        with self._lock:
            self._count += 1
            return GapNoticed(gap=self._count, cause=cause)

    def sleep(self) -> GapNoticed | None:
        """Return the item of a sleep of this machine since the last look, or None."""
        slept_s = self._slept_s()
        with self._lock:
            is_new = slept_s - self._asleep_s > SLEEP_NOTICED_S
            self._asleep_s = slept_s
        return self.note("the machine slept") if is_new else None

    def _slept_s(self) -> float:
        # One clock goes on while the machine sleeps, the other does not.
        return self._clock.boot_s() - time.monotonic()
