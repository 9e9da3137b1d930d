"""The sandbox's time: the system's, or a virtual one that only its controller moves.

Nothing else in the sandbox asks the system for the time, so that a virtual clock and the same
calls give the same book.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

Now = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]

SECOND = timedelta(seconds=1)
# A Monday at 09:30 in New York: the US market opens, and Hong Kong's has closed.
START_DEFAULT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
# One move of the clock walks over every second on its way.
ADVANCE_MAX = timedelta(days=7)


class ClockError(Exception):
    """The clock can not be moved like that; the text says why."""


class Clock(Protocol):
    """What the sandbox needs of a clock."""

    is_virtual: bool

    def now(self) -> datetime:
        """Return the time, in UTC, cut to Tiger's resolution of a millisecond."""

    async def sleep(self, delay_s: float) -> None:
        """Wait for a span of this clock's time."""

    async def move(self, to: datetime, on_second: Callable[[], None]) -> None:
        """Move a virtual clock on, and call back on every whole second that it passes.

        Raises:
            ClockError: the clock is real, or the time is past, or too far.
        """


class RealClock:
    """The system's time."""

    is_virtual = False

    def now(self) -> datetime:
        """Return the system's time."""
        return to_millisecond(datetime.now(UTC))

    async def sleep(self, delay_s: float) -> None:
        """Wait."""
        await asyncio.sleep(delay_s)

    async def move(self, to: datetime, on_second: Callable[[], None]) -> None:
        """Refuse: nobody moves the system's time."""
        del to, on_second
        raise ClockError("the clock is real; start the sandbox with --clock virtual to move it")


class VirtualClock:
    """A time that stands still until it is moved."""

    is_virtual = True

    def __init__(self, start: datetime) -> None:
        self._now = to_millisecond(start)
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._numbers = count()
        self._moving = asyncio.Lock()

    def now(self) -> datetime:
        """Return the time to which the clock was last moved."""
        return self._now

    async def sleep(self, delay_s: float) -> None:
        """Wait until the clock has been moved so far."""
        if delay_s <= 0:
            return
        due = self._now + timedelta(seconds=delay_s)
        waker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._numbers), waker))
        await waker

    async def move(self, to: datetime, on_second: Callable[[], None]) -> None:
        """Move on, stopping at each whole second and at each sleeper that becomes due.

        Raises:
            ClockError: the time is past, or too far.
        """
        async with self._moving:
            target = to_millisecond(to)
            if not self._now <= target <= self._now + ADVANCE_MAX:
                raise ClockError(
                    f"expected a time from {self._now.isoformat()} on, at most "
                    f"{ADVANCE_MAX.days} days ahead, was {to.isoformat()}"
                )
            while self._now < target:
                self._now = min(target, self._next_stop())
                if self._now.microsecond == 0:
                    on_second()
                self._wake()
                # Who was woken goes on, and acts at its own time, before the clock does.
                await asyncio.sleep(0)

    def _next_stop(self) -> datetime:
        second = self._now.replace(microsecond=0) + SECOND
        return min(second, self._sleepers[0][0]) if self._sleepers else second

    def _wake(self) -> None:
        while self._sleepers and self._sleepers[0][0] <= self._now:
            _, _, waker = heapq.heappop(self._sleepers)
            # The sleeper's connection may have been cut meanwhile.
            if not waker.done():
                waker.set_result(None)


def to_millisecond(moment: datetime) -> datetime:
    """Return a time cut to Tiger's resolution of a millisecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
