"""The thread of one desk: an ordered, bounded queue before it, and a failure that stops the login.

Controls go first, then the broker's answers, then what its listings show, then commands.
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
QUEUE_MAX: Final = 10_000
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
        """Make a desk's thread; `on_woken` is called after a sleep of the machine."""
        self.desk = desk
        self._gaps = gaps
        self._on_woken = on_woken
        self._on_failure = on_failure
        self._count = itertools.count()
        self._queue: queue.PriorityQueue[tuple[Turn, int, Work | None]] = queue.PriorityQueue(
            QUEUE_MAX
        )
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to take items."""
        self._thread.start()

    def post(self, work: Work, turn: Turn) -> None:
        """Queue an item; blocks while the queue is full."""
        self._queue.put((turn, next(self._count), work))

    def stop(self) -> None:
        """Take what is queued, then end."""
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
            _, _, work = self._queue.get(timeout=PARKED_LOOK_S)
        except queue.Empty:
            self.desk.retry_parked()
            return True
        if work is None:
            return False
        slept = self._gaps.sleep()
        if slept is not None:
            # Before anything is decided: what was known may be hours old.
            self._on_woken()
            self.desk.take(Work(slept))
        self.desk.take(work)
        return True
