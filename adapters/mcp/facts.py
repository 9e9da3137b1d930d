"""Facts heard on `evt.`: handed to whoever waits for a command's outcome, and counted per account.

The highest `n` heard of an account goes with every read, so that a client always reads at least
what it wrote.
"""

import asyncio
from collections.abc import Iterator, Set
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

import msgspec
import structlog

from core import codec
from core.errors import CorruptRecordError
from core.events import Event
from core.ports import EventMessage
from core.views import EventRow

_log = structlog.get_logger()


class Fact(NamedTuple):
    """One stored fact, however it came here."""

    type: str
    n: int
    recorded_at: datetime
    data: Event


class Waiter:
    """Gathers the facts that one command caused, by `n`."""

    def __init__(self) -> None:
        self._facts: dict[int, Fact] = {}
        self._changed = asyncio.Event()

    def add(self, fact: Fact) -> None:
        """Keep a fact; the same one may come twice."""
        self._facts[fact.n] = fact
        self._changed.set()

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Return what was gathered, oldest first."""
        return tuple(self._facts[n] for n in sorted(self._facts))

    def has_end(self, ends: Set[str]) -> bool:
        """Say whether one of the facts ends the command."""
        return any(fact.type in ends for fact in self._facts.values())

    async def until_end(self, ends: Set[str], *, limit_s: float) -> None:
        """Return when a fact ends the command, or when the limit is over."""
        try:
            async with asyncio.timeout(limit_s):
                while not self.has_end(ends):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return


class Facts:
    """What this gateway heard since it started."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[Waiter]] = {}
        self._highest: dict[str, int] = {}
        self._grown: dict[str, asyncio.Event] = {}

    def hear(self, message: EventMessage) -> None:
        """Take one republished fact."""
        try:
            recorded = codec.decode(message.subject, message.body, sequence=message.sequence)
        except CorruptRecordError:
            # A newer worker may store what this version does not know; the view still tells.
            _log.warning("fact.unreadable", subject=message.subject, sequence=message.sequence)
            return
        self.saw(recorded.account, recorded.n)
        fact = Fact(recorded.type, recorded.n, recorded.recorded_at, recorded.data)
        for waiter in self._waiters.get(recorded.causation_id, ()):
            waiter.add(fact)

    def saw(self, account: str, n: int) -> None:
        """Remember that an account's line of events has come to `n`."""
        if n > self._highest.get(account, 0):
            self._highest[account] = n
            self._grown.setdefault(account, asyncio.Event()).set()

    def highest(self, account: str) -> int:
        """Return the highest `n` known of an account, 0 if none is."""
        return self._highest.get(account, 0)

    async def beyond(self, account: str, n: int, *, limit_s: float) -> bool:
        """Wait until more than `n` facts of an account are known; say whether they are in time."""
        grown = self._grown.setdefault(account, asyncio.Event())
        try:
            async with asyncio.timeout(limit_s):
                while self.highest(account) <= n:
                    grown.clear()
                    await grown.wait()
        except TimeoutError:
            return False
        return True

    @contextmanager
    def waiting(self, command_id: str) -> Iterator[Waiter]:
        """Gather a command's facts while the block runs; several may wait for the same."""
        waiter = Waiter()
        waiters = self._waiters.setdefault(command_id, [])
        waiters.append(waiter)
        try:
            yield waiter
        finally:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[command_id]


def fact_of(row: EventRow) -> Fact | None:
    """Return the fact of a view's row, or None for one that this version does not know."""
    event_class = codec.EVENT_CLASSES.get(row.type)
    if event_class is None:
        return None
    try:
        data = msgspec.json.decode(row.data, type=event_class)
    except msgspec.DecodeError:
        _log.warning("fact.unreadable", type=row.type, n=row.n)
        return None
    return Fact(row.type, row.n, row.recorded_at, data)
