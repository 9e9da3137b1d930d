"""The thread of one desk: an ordered queue before it, and a failure that stops the login.

Controls go first, then the broker's answers, then what its listings show, then commands. Only
listings could come without end, so only they wait for room: whoever brings a message, an answer or
a doubt is never held up here, or the loop that carries the ledger's answers would wait for a desk
that waits for the ledger.
"""

import itertools
import queue
import threading
from collections.abc import Callable
from enum import IntEnum
from typing import Final

import structlog

from adapters.tiger_worker.desk import Desk
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.parts import Work

log = structlog.get_logger()
SIGHTINGS_MAX: Final = 1_000
# How often parked commands are looked at again when nothing else happens.
PARKED_LOOK_S: Final = 0.1
_STOP_WAIT_S: Final = 30.0


class Turn(IntEnum):
    """In which order waiting items are taken."""

    CONTROL = 0
    ANSWER = 1
    SIGHTING = 2
    COMMAND = 3
    STOP = 4


class DeskThread:
    """Runs one desk. `post` may be called from any thread."""

    def __init__(
        self,
        desk: Desk,
        *,
        name: str,
        gaps: Gaps,
        on_woken: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Make a desk's thread; `on_woken` is called after a pause of the process."""
        self.desk = desk
        self._gaps = gaps
        self._on_woken = on_woken
        self._on_failure = on_failure
        self._count = itertools.count()
        self._queue: queue.PriorityQueue[tuple[Turn, int, Work | None]] = queue.PriorityQueue()
        self._room = threading.Semaphore(SIGHTINGS_MAX)
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take items."""
        self._thread.start()

    def post(self, work: Work, turn: Turn) -> None:
        """Queue an item; only a sighting waits, while too many others do."""
        if turn is Turn.SIGHTING:
            self._room.acquire()
        self._queue.put((turn, next(self._count), work))

    def close_for_commands(self) -> None:
        """Take no command any more; those that wait stay on their stream for a successor."""
        self._is_closing = True

    def stop(self) -> None:
        """Take what is queued, commands aside, then end."""
        self.close_for_commands()
        self._queue.put((Turn.STOP, next(self._count), None))
        self._thread.join(_STOP_WAIT_S)

    def _run(self) -> None:
        try:
            while self._take_one():
                pass
        except Exception as error:
            log.error("desk.failed", account=self.desk.state.account, exc_info=error)
            self._on_failure(error)

    def _take_one(self) -> bool:
        try:
            turn, _, work = self._queue.get(timeout=PARKED_LOOK_S)
        except queue.Empty:
            self._look_for_a_pause()
            if not self._is_closing:
                self.desk.retry_parked()
            return True
        if turn is Turn.SIGHTING:
            self._room.release()
        if work is None:
            return False
        self._look_for_a_pause()
        if turn is not Turn.COMMAND or not self._is_closing:
            self.desk.take(work, with_parked=not self._is_closing)
        return True

    def _look_for_a_pause(self) -> None:
        # Before anything is decided: what was known may be hours old.
        paused = self._gaps.pause()
        if paused is not None:
            self._on_woken()
            self.desk.take(Work(paused), with_parked=False)
