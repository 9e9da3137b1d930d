"""The hard deadline of a send: when it passes, the doubt is recorded and the process ends.

A thread that hangs inside the SDK cannot be stopped, and may send at any later moment; only the
death of the process makes sure that it does not. A normal exit would wait for that thread.
"""

import os
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger()
EXIT_STUCK: Final = 70
# How long the record of the doubt may take; with NATS down it is skipped, the intent stands.
RECORD_WAIT_S: Final = 2.0
_LOOK_S: Final = 0.1
_RECORD_LOOK_S: Final = 0.01


def exit_now(code: int) -> None:
    """End the process at once, whatever its threads do."""
    os._exit(code)


class Watchdog:
    """Knows since when each send is under way. `sending` and `sent` come from any thread."""

    def __init__(
        self,
        *,
        deadline_s: float,
        record: Callable[[str], None],
        is_recorded: Callable[[str], bool],
        look: Callable[[], None],
        end: Callable[[int], None] = exit_now,
    ) -> None:
        """Make a watchdog.

        Args:
            record: has the doubt about an order stored, soon; returns at once.
            look: called again and again, for whatever else must not hang unseen.
        """
        self._deadline_s = deadline_s
        self._record = record
        self._is_recorded = is_recorded
        self._look = look
        self._end = end
        self._since: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def sending(self, order_id: str) -> None:
        """A send was handed to its thread."""
        with self._lock:
            self._since[order_id] = time.monotonic()

    def sent(self, order_id: str) -> None:
        """The call came back."""
        with self._lock:
            self._since.pop(order_id, None)

    @property
    def is_sending(self) -> bool:
        """Whether a send was handed over and has not come back; from any thread."""
        with self._lock:
            return bool(self._since)

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()

    def _run(self) -> None:
        try:
            self._watch()
        except Exception as error:
            log.error("watchdog.failed", exc_info=error)
            self._end(EXIT_STUCK)

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            self._look()
            late = self._late()
            if late:
                log.error("send.deadline_passed", order_ids=late, deadline_s=self._deadline_s)
                for order_id in late:
                    self._record(order_id)
                give_up_at = time.monotonic() + RECORD_WAIT_S
                while time.monotonic() < give_up_at and not all(map(self._is_recorded, late)):
                    if self._stopping.wait(_RECORD_LOOK_S):
                        # The desk has ended, so nothing is recorded any more.
                        break
                self._end(EXIT_STUCK)
                return

    def _late(self) -> list[str]:
        now = time.monotonic()
        with self._lock:
            return [o for o, since in self._since.items() if now - since > self._deadline_s]
