"""A deterministic scheduler: virtual time, and tasks of which exactly one ever runs.

The service's own blocking code runs unchanged. Each of its threads is a task on a carrier (a real
thread that waits for the baton); who runs next, and when, is drawn from the seed. A task gives the
baton away only where it waits, so a run is a function of its seed.
"""

import heapq
import threading
from collections.abc import Callable
from random import Random
from typing import Final

# A run that needs more is stuck in a circle.
SWITCHES_MAX: Final = 400_000
# How long a thread may wait for the processor on a busy machine.
SLOW_S_MAX: Final = 6.0
SENDERS_SLOWER: Final = 6


class Killed(BaseException):
    """Unwinds a task whose process died; no code of the service catches it."""


class Owner:
    """What tasks belong to: a process, which may die or stand still."""

    name: str = "world"
    is_dead: bool = False
    frozen_until: float = 0.0


class Carrier(threading.Thread):
    """A real thread that runs one task after another, whenever it has the baton."""

    def __init__(self, idle: list["Carrier"]) -> None:
        super().__init__(daemon=True)
        self.baton = threading.Lock()
        self.baton.acquire()
        self.task: Task | None = None
        self._idle = idle
        self.start()

    def run(self) -> None:
        """Wait for the baton, run the task, pass the baton on, for ever."""
        while True:
            self.baton.acquire()
            goes_on = True
            while goes_on:
                task, self.task = self.task, None
                assert task is not None, "the baton comes with a task"
                task.run()
                self._idle.append(self)
                goes_on = task.scheduler.pass_on(self)


class Task:
    """One thread of the service, or of the world."""

    def __init__(
        self, scheduler: "Scheduler", owner: Owner, function: Callable[[], None], name: str
    ) -> None:
        self.scheduler = scheduler
        self.owner = owner
        self.name = name
        self.carrier: Carrier | None = None
        self.is_done = False
        self.is_parked = False
        self.token = 0
        self.woken = False
        self._function = function
        self.joiners: list[Task] = []

    def run(self) -> None:
        """Run to the end, or to the death of the owner."""
        try:
            if not self.owner.is_dead:
                self._function()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - a bug of the simulation itself
            self.scheduler.fail(error)
        self.is_done = True
        for joiner in self.joiners:
            self.scheduler.wake(joiner, joiner.token)


class Scheduler:
    """Keeps virtual time and hands the baton round. Times are seconds of true time."""

    _idle: list[Carrier] = []  # noqa: RUF012 - carriers outlive a run, threads are dear

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.now_s = 0.0
        self.current: Task | None = None
        self.failure: BaseException | None = None
        self.switches = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._runnable: list[Task] = []
        self._tasks: list[Task] = []
        self._main = threading.Lock()
        self._main.acquire()
        self._until_s = 0.0
        self._is_stopping = False
        # Chance that a thread that could go on is not given the processor for a while.
        self.slowness = 0.0

    def after(self, delay_s: float, function: Callable[[], None]) -> None:
        """Have something happen; it runs between tasks and may not wait."""
        self._count += 1
        heapq.heappush(self._events, (self.now_s + delay_s, self._count, function))

    def spawn(self, owner: Owner, function: Callable[[], None], name: str) -> Task:
        """Start a task."""
        task = Task(self, owner, function, name)
        self._tasks.append(task)
        self._ready(task)
        return task

    def run_until(self, moment_s: float) -> None:
        """Let everything happen up to a moment, or to the first failure."""
        self._until_s = moment_s
        self._run()
        if self.failure is None:
            self.now_s = moment_s

    def stop(self) -> None:
        """Let nothing more happen."""
        self._is_stopping = True

    @property
    def is_stopping(self) -> bool:
        """Whether the run is over before its time."""
        return self._is_stopping

    def fail(self, error: BaseException) -> None:
        """Stop because the simulation itself is broken."""
        self.failure = self.failure or error
        self._is_stopping = True

    def unwind(self, owners: list[Owner]) -> None:
        """End every task, so that its carrier is free again."""
        for owner in owners:
            owner.is_dead = True
            owner.frozen_until = 0.0
        self.slowness = 0.0
        self._is_stopping = False
        self._events.clear()
        self.end_tasks(owners)
        self._run()

    def end_tasks(self, owners: list[Owner]) -> None:
        """Wake the tasks of dead owners, so that they unwind."""
        self._tasks = [task for task in self._tasks if not task.is_done]
        for task in self._tasks:
            if task.owner in owners:
                self.wake(task, task.token)

    def park(self, timeout_s: float | None = None) -> bool:
        """Wait until woken (True) or until the time is up (False); the current task alone."""
        task = self.current
        assert task is not None, "only a task can wait"
        self._check_alive(task)
        task.is_parked = True
        task.token += 1
        if timeout_s is not None:
            token = task.token
            self.after(max(0.0, timeout_s), lambda: self._time_out(task, token))
        self._switch(task)
        self._check_alive(task)
        return task.woken

    def give_way(self) -> None:
        """Let another task go first, perhaps."""
        task = self.current
        if task is not None:
            self._check_alive(task)
            self._runnable.append(task)
            self._switch(task)
            self._check_alive(task)

    def wake(self, task: Task, token: int, *, woken: bool = True) -> None:
        """Make a parked task run again, unless it went on since."""
        if task.is_parked and task.token == token:
            task.is_parked = False
            task.woken = woken
            self._ready(task)

    def pass_on(self, carrier: Carrier) -> bool:
        """Hand the baton on at the end of a task; True if its carrier keeps it, for another."""
        chosen = self._next()
        if chosen is not None and chosen.carrier is None and self._seat(chosen) is carrier:
            self.current = chosen
            return True
        self._hand_to(chosen)
        return False

    @staticmethod
    def _check_alive(task: Task) -> None:
        if task.owner.is_dead:
            raise Killed

    def _time_out(self, task: Task, token: int) -> None:
        self.wake(task, token, woken=False)

    def _run(self) -> None:
        chosen = self._next()
        if chosen is None:
            return
        self._hand_to(chosen)
        self._main.acquire()
        if self.failure is not None:
            raise self.failure

    def _switch(self, task: Task) -> None:
        chosen = self._next()
        if chosen is task:
            self.current = task
            return
        carrier = task.carrier
        assert carrier is not None
        self._hand_to(chosen)
        carrier.baton.acquire()

    def _hand_to(self, chosen: Task | None) -> None:
        self.current = chosen
        if chosen is None:
            self._main.release()
            return
        if chosen.carrier is None:
            self._seat(chosen)
        assert chosen.carrier is not None
        chosen.carrier.baton.release()

    def _seat(self, chosen: Task) -> Carrier:
        carrier = self._idle.pop() if self._idle else Carrier(self._idle)
        chosen.carrier = carrier
        carrier.task = chosen
        return carrier

    def _next(self) -> Task | None:
        """Return the task that runs next, letting time pass; None gives the baton to the main."""
        self.switches += 1
        self.current = None
        while not self.is_stopping:
            if self.switches > SWITCHES_MAX:
                self.fail(AssertionError("the run goes round in a circle"))
                return None
            while self._runnable:
                task = self._draw()
                if task.owner.frozen_until <= self.now_s or task.owner.is_dead:
                    return task
                self._thaw_later(task)
            if not self._events or self._events[0][0] > self._until_s:
                return None
            moment_s, _, function = heapq.heappop(self._events)
            self.now_s = max(self.now_s, moment_s)
            try:
                function()
            except BaseException as error:  # noqa: BLE001 - the main raises it again
                self.fail(error)
        return None

    def _ready(self, task: Task) -> None:
        # Between the intention and its send most can go wrong.
        chance = self.slowness * (SENDERS_SLOWER if task.name.startswith("place-") else 1)
        if chance and self.rng.random() < chance:
            delay_s = self.rng.random() ** 3 * SLOW_S_MAX
            self.after(delay_s, lambda: self._runnable.append(task))
            return
        self._runnable.append(task)

    def _draw(self) -> Task:
        waiting = self._runnable
        if len(waiting) == 1:
            return waiting.pop()
        index = int(self.rng.random() * len(waiting))
        waiting[index], waiting[-1] = waiting[-1], waiting[index]
        return waiting.pop()

    def _thaw_later(self, task: Task) -> None:
        task.is_parked = True
        task.token += 1
        token, woken = task.token, task.woken
        delay_s = task.owner.frozen_until - self.now_s
        self.after(delay_s, lambda: self.wake(task, token, woken=woken))
