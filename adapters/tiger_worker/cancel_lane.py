"""The cancels' own threads: urgent ones first, and one that hangs is given up and replaced.

A cancel that hangs is not fatal, since asking again is safe; it must only never keep the next one,
least of all a halt's, from being asked.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

THREADS: Final = 2
# Threads that hang inside the SDK cannot be ended; with more of them only a new process helps.
HANGING_MAX: Final = 8


class CancelJob(NamedTuple):
    """One order to ask a cancel for; `is_urgent` is this worker's own wish, such as a halt's.

    `order_id` is empty for a cancel under the halt file, which knows the broker's id alone.
    """

    order_id: str
    tiger_order_id: str
    is_urgent: bool


@dataclass
class _Slot:
    """A thread's place: what it does and since when; `is_given_up` once it is not waited for."""

    job: CancelJob | None = None
    since: float = 0.0
    is_given_up: bool = False


T = TypeVar("T")


class CancelLane(Generic[T]):
    """Runs jobs in order of urgency; `submit` and `check` may come from any thread."""

    def __init__(
        self,
        run: Callable[[CancelJob], T],
        *,
        name: str,
        deadline_s: float,
        on_ended: Callable[[CancelJob, T], None],
        on_given_up: Callable[[CancelJob], None],
        on_exhausted: Callable[[], None],
    ) -> None:
        """Make a lane; `run` blocks and never raises, its end is told unless it was given up."""
        self._run = run
        self._on_ended = on_ended
        self._name = name
        self._deadline_s = deadline_s
        self._on_given_up = on_given_up
        self._on_exhausted = on_exhausted
        self._jobs: queue.PriorityQueue[tuple[bool, int, CancelJob]] = queue.PriorityQueue()
        self._count = itertools.count()
        self._lock = threading.Lock()
        self._hanging = 0
        self._slots: list[_Slot] = []
        for _ in range(THREADS):
            self._start()

    def submit(self, job: CancelJob) -> None:
        """Queue a job; an urgent one goes before all that are not."""
        self._jobs.put((not job.is_urgent, next(self._count), job))

    def check(self) -> None:
        """Give up what has passed its deadline; to be called again and again."""
        now = time.monotonic()
        given_up: list[CancelJob] = []
        with self._lock:
            for slot in tuple(self._slots):
                if slot.job is not None and now - slot.since > self._deadline_s:
                    slot.is_given_up = True
                    self._slots.remove(slot)
                    self._hanging += 1
                    given_up.append(slot.job)
            is_exhausted = self._hanging > HANGING_MAX
        for job in given_up:
            self._start()
            self._on_given_up(job)
        if is_exhausted:
            self._on_exhausted()

    def _start(self) -> None:
        slot = _Slot()
        with self._lock:
            self._slots.append(slot)
        threading.Thread(target=self._work, args=(slot,), name=self._name, daemon=True).start()

    def _work(self, slot: _Slot) -> None:
        while True:
            _, _, job = self._jobs.get()
            with self._lock:
                slot.job, slot.since = job, time.monotonic()
            ended = self._run(job)
            with self._lock:
                slot.job = None
                if slot.is_given_up:
                    # Its order may have another cancel under way, whose answer this is not.
                    self._hanging -= 1
                    return
            self._on_ended(job, ended)
