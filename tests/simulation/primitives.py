"""Locks, queues, threads and clocks of the standard library, on the scheduler.

The service's modules find these under the names `threading`, `queue`, `time`, `asyncio`, `os` and
`ThreadPoolExecutor` while a simulation runs; see `tests.simulation.stand_ins`.
"""

import heapq
import queue as real_queue
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from tests.simulation.machine import Process
from tests.simulation.scheduler import Scheduler, Task


class Current:
    """The run that is under way; one at a time."""

    scheduler: Scheduler


def _process() -> Process:
    task = Current.scheduler.current
    assert task is not None
    assert isinstance(task.owner, Process), "only a process has threads"
    return task.owner


class _Waiters:
    def __init__(self) -> None:
        self._waiting: deque[tuple[Task, int]] = deque()

    def wait(self, timeout_s: float | None = None) -> bool:
        scheduler = Current.scheduler
        task = scheduler.current
        assert task is not None, "what runs between tasks may not wait"
        self._waiting.append((task, task.token + 1))
        return scheduler.park(timeout_s)

    def wake_one(self) -> None:
        scheduler = Current.scheduler
        while self._waiting:
            task, token = self._waiting.popleft()
            if task.is_parked and task.token == token:
                scheduler.wake(task, token)
                return

    def wake_all(self) -> None:
        while self._waiting:
            self.wake_one()


class Lock:
    """A lock that is never held by one who waits for something else."""

    def __init__(self) -> None:
        self._is_held = False
        self._waiters = _Waiters()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock."""
        while self._is_held:
            if not blocking:
                return False
            self._waiters.wait(None if timeout < 0 else timeout)
        self._is_held = True
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._is_held = False
        self._waiters.wake_one()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Semaphore:
    """A counting semaphore."""

    def __init__(self, value: int = 1) -> None:
        self._value = value
        self._waiters = _Waiters()

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Take one."""
        while self._value == 0:
            if not blocking or not self._waiters.wait(timeout):
                return False
        self._value -= 1
        return True

    def release(self) -> None:
        """Give one back."""
        self._value += 1
        self._waiters.wake_one()


class Event:
    """A flag to wait for."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiters = _Waiters()

    def is_set(self) -> bool:
        """Say whether it is set."""
        return self._is_set

    def set(self) -> None:
        """Set it and wake all who wait."""
        self._is_set = True
        self._waiters.wake_all()

    def clear(self) -> None:
        """Unset it."""
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it."""
        if not self._is_set:
            self._waiters.wait(timeout)
        return self._is_set


class Thread:
    """A thread of the process that makes it."""

    def __init__(
        self,
        target: Callable[..., None],
        args: tuple[Any, ...] = (),
        name: str = "",
        daemon: bool = True,
    ) -> None:
        self._function = lambda: target(*args)
        self._name = name
        self._task: Task | None = None

    def start(self) -> None:
        """Begin."""
        self._task = Current.scheduler.spawn(_process(), self._function, self._name)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        task, me = self._task, Current.scheduler.current
        if task is not None and me is not None and not task.is_done:
            task.joiners.append(me)
            Current.scheduler.park(timeout)

    def is_alive(self) -> bool:
        """Say whether it still runs."""
        return self._task is not None and not self._task.is_done


class PriorityQueue:
    """Items by order; getting waits for one."""

    def __init__(self) -> None:
        self.queue: list[Any] = []
        self._waiters = _Waiters()

    def put(self, item: Any) -> None:
        """Add an item."""
        self._add(item)
        self._waiters.wake_one()

    def get(self, timeout: float | None = None) -> Any:
        """Take the first item."""
        while not self.queue:
            is_woken = self._waiters.wait(timeout)
            if not is_woken and timeout is not None and not self.queue:
                raise real_queue.Empty
        return self._take()

    def _add(self, item: Any) -> None:
        heapq.heappush(self.queue, item)

    def _take(self) -> Any:
        return heapq.heappop(self.queue)


class FifoQueue(PriorityQueue):
    """Items in the order in which they came."""

    def _add(self, item: Any) -> None:
        self.queue.append(item)

    def _take(self) -> Any:
        return self.queue.pop(0)


class ThreadPoolExecutor:
    """Threads that take jobs; made when first needed."""

    def __init__(self, max_workers: int, thread_name_prefix: str = "") -> None:
        self._threads_max = max_workers
        self._name = thread_name_prefix
        self._jobs = FifoQueue()
        self._threads = 0
        self._busy = 0

    def submit(self, function: Callable[..., None], *args: Any) -> None:
        """Have a job done."""
        self._jobs.put((function, args))
        if self._busy + len(self._jobs.queue) > self._threads and self._threads < self._threads_max:
            self._threads += 1
            Thread(self._work, name=f"{self._name}-{self._threads}").start()

    def _work(self) -> None:
        while True:
            function, args = self._jobs.get()
            self._busy += 1
            function(*args)
            self._busy -= 1


class ThreadingModule:
    """Stands in for `threading`."""

    Lock = Lock
    RLock = Lock
    Semaphore = Semaphore
    Event = Event
    Thread = Thread


class QueueModule:
    """Stands in for `queue`."""

    PriorityQueue = PriorityQueue
    Queue = FifoQueue
    SimpleQueue = FifoQueue
    Empty = real_queue.Empty


class TimeModule:
    """Stands in for `time`."""

    @staticmethod
    def monotonic() -> float:
        """Return the machine's clock that stands still while it sleeps."""
        return _process().machine.monotonic_s()

    @staticmethod
    def sleep(seconds: float) -> None:
        """Wait."""
        Current.scheduler.park(seconds)


class _Loop:
    @staticmethod
    def time() -> float:
        return TimeModule.monotonic()


class AsyncioModule:
    """Stands in for `asyncio` under coroutines that run to their end in one go."""

    @staticmethod
    def get_running_loop() -> type[_Loop]:
        """Return what tells the time."""
        return _Loop

    @staticmethod
    async def sleep(seconds: float) -> None:
        """Wait."""
        Current.scheduler.park(seconds)


class OsModule:
    """Stands in for `os` where a process ends itself."""

    @staticmethod
    def _exit(code: int) -> None:
        process = _process()
        process.exit(code)
        Current.scheduler.give_way()


OS_NAMES: Final = ("_exit",)
