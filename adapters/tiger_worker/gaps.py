"""Moments in which something may have been missed, counted for one account of one process.

A round of readings heals the gaps that were noticed before it began, and no later one.
"""

import threading
from typing import Final

from core.items import GapNoticed
from core.ports import Clock

# A desk looks at the clock many times a second; between two looks this much passes only when the
# machine slept, the process was stopped, or the ledger did not answer.
PAUSE_NOTICED_S: Final = 5.0


class Gaps:
    """Counts gaps; any thread may note one, the desk's alone looks for pauses."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at_s = clock.boot_s()
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

    def pause(self) -> GapNoticed | None:
        """Return the item of a pause since the last look, or None."""
        now_s = self._clock.boot_s()
        paused_s = now_s - self._looked_at_s
        self._looked_at_s = now_s
        if paused_s <= PAUSE_NOTICED_S:
            return None
        return self.note(f"nothing was looked at for {paused_s:.0f} s")
