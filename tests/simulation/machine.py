"""Machines with their clocks, and processes that crash, stand still or are replaced."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from core.account_state import AccountState
from tests.simulation.scheduler import Killed, Owner, Scheduler

# A Monday, 10:00 in New York; the market is open for hours.
# A pause of this length cannot go unnoticed, however often the service looks about.
PAUSE_S: Final = 9.0
BEGIN: Final = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)


class Machine:
    """One computer: a wall clock that may jump, a clock since boot, and one that sleeps along."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.wall_offset_s = 0.0
        self._slept_s = 0.0
        self.asleep_until = 0.0
        self.processes: list[Process] = []

    def wall(self) -> datetime:
        """Return what the wall clock shows."""
        return BEGIN + timedelta(seconds=self._scheduler.now_s + self.wall_offset_s)

    def boot_s(self) -> float:
        """Return seconds since boot, sleep included."""
        return 1000.0 + self._scheduler.now_s

    def monotonic_s(self) -> float:
        """Return seconds since boot, sleep not included."""
        return 1000.0 + self._scheduler.now_s - self._slept_s

    def sleep(self, seconds: float) -> None:
        """Put the machine to sleep: nothing on it runs meanwhile, and nothing starts."""
        if self.asleep_until > self._scheduler.now_s:
            return
        self.asleep_until = self._scheduler.now_s + seconds
        for process in self.processes:
            process.freeze(seconds)

        def wake() -> None:
            self._slept_s += seconds

        self._scheduler.after(seconds, wake)


class Process(Owner):
    """One worker process: its tasks die, or stand still, together.

    `crash_at` and `freeze_at` are counts of effects: each message that leaves or comes back is one.
    """

    def __init__(self, scheduler: Scheduler, machine: Machine, name: str) -> None:
        self._scheduler = scheduler
        self.machine = machine
        self.name = name
        self.effects = 0
        self.crash_at: int | None = None
        self.freeze_at: int | None = None
        self.freeze_s = 0.0
        self.exit_code: int | None = None
        # Calls of the SDK whose time limit does not hold.
        self.hanging = 0
        self.on_death: Callable[[Process], None] = lambda _: None
        self.note: Callable[[str], None] = lambda _: None
        # Halts that it was handed and that nobody lifted: account and symbol, or none for all.
        self.halts_heard: set[tuple[str, str]] = set()
        # When it last stood still for long, and when it last began to read each account's orders.
        self.woke_at_s = 0.0
        self.listed_at_s: dict[str, float] = {}
        # What its desks hold for true, by account.
        self.states: Callable[[str], list[AccountState]] = lambda _: []
        self.frozen_until = machine.asleep_until
        machine.processes.append(self)

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still now."""
        return self.frozen_until > self._scheduler.now_s

    def effect(self) -> None:
        """Count one effect; the process may crash or stand still before it.

        Raises:
            Killed: it crashed here, or was dead already.
        """
        if self.is_dead:
            raise Killed
        self.effects += 1
        if self.effects == self.crash_at:
            self.note("killed")
            self.exit(-9)
            raise Killed
        if self.effects == self.freeze_at:
            self.note(f"stands still for {self.freeze_s:.1f} s")
            self.freeze(self.freeze_s)
        if self.is_frozen:
            self._scheduler.give_way()

    def freeze(self, seconds: float) -> None:
        """Have all its threads stand still."""
        self.frozen_until = max(self.frozen_until, self._scheduler.now_s + seconds)
        if seconds > PAUSE_S:
            self.woke_at_s = self.frozen_until

    def exit(self, code: int) -> None:
        """End the process at once, whatever its threads do."""
        if self.is_dead:
            return
        self.is_dead = True
        self.exit_code = code
        self.machine.processes.remove(self)
        self._scheduler.end_tasks([self])
        self.on_death(self)

    def when_awake(self, function: Callable[[], None]) -> None:
        """Run something of this process from outside, once it does not stand still."""
        if self.is_dead:
            return
        if self.is_frozen:
            delay_s = self.frozen_until - self._scheduler.now_s
            self._scheduler.after(delay_s, lambda: self.when_awake(function))
            return
        function()


class MachineClock:
    """A process's view of the clocks; reading one is a moment in which others may go first."""

    def __init__(self, scheduler: Scheduler, machine: Machine, *, yields: float) -> None:
        self._scheduler = scheduler
        self._machine = machine
        self._yields = yields

    def now(self) -> datetime:
        """Return the wall clock."""
        self._perhaps_yield()
        return self._machine.wall()

    def boot_s(self) -> float:
        """Return seconds since boot."""
        return self._machine.boot_s()

    def _perhaps_yield(self) -> None:
        if self._yields and self._scheduler.rng.random() < self._yields:
            self._scheduler.give_way()


class CountedIds:
    """Ids of one process in the order in which they were made."""

    def __init__(self, process_number: int) -> None:
        self._process_number = process_number
        self._count = 0

    def new(self, prefix: str) -> str:
        """Return the next."""
        self._count += 1
        return f"{prefix}-{self._process_number:012x}{self._count:020x}"
