"""Facts heard on `evt.`: handed to whoever waits for a command's outcome, and counted per account.

The highest `n` heard of an account goes with every read, so that a client always reads at least
what it wrote.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Set
from contextlib import contextmanager
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import structlog

from core import codec
from core.account_events import CommandUnreadable
from core.errors import CorruptRecordError
from core.events import Event, OrderRefused
from core.ports import EventMessage
from core.views import EventRow

_log = structlog.get_logger()
# Commands of this process that a worker could not read, kept for a call that repeats one.
_UNREAD_MAX: Final = 1_000


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
        # A worker names a message that it cannot read by its digest: it has read no command's id.
        self._digests: dict[str, str] = {}
        self._unread: OrderedDict[str, Fact] = OrderedDict()

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
        command_id = recorded.causation_id
        if isinstance(recorded.data, CommandUnreadable):
            command_id = self._digests.get(recorded.data.body_digest, "")
            fact = _refusal(fact, recorded.data, command_id)
            self._keep_unread(command_id, fact)
        else:
            self._unread.pop(command_id, None)
        for waiter in self._waiters.get(command_id, ()):
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

    def tell_unread(self, command_id: str, waiter: Waiter) -> None:
        """Add the refusal of a command that was set aside unread, where nothing else is known.

        The stream that has it takes it no second time.
        """
        found = self._unread.get(command_id)
        if found is not None and not waiter.facts:
            waiter.add(found)

    def unread(self, command_id: str) -> Fact | None:
        """Return the refusal of a command that was set aside unread, if one is remembered."""
        return self._unread.get(command_id)

    def forget_unread(self, command_id: str, fact: Fact) -> None:
        """Forget that refusal, but no newer one: the command was stored anew."""
        if self._unread.get(command_id) is fact:
            del self._unread[command_id]

    @contextmanager
    def waiting(self, command_id: str, digest: str) -> Iterator[Waiter]:
        """Gather a command's facts while the block runs; several may wait for the same.

        `digest` is the SHA-256, in hex, of the message that carries it.
        """
        waiter = Waiter()
        waiters = self._waiters.setdefault(command_id, [])
        waiters.append(waiter)
        self._digests[digest] = command_id
        try:
            yield waiter
        finally:
            waiters.remove(waiter)
            if not waiters:
                del self._waiters[command_id]
            self._digests.pop(digest, None)

    def _keep_unread(self, command_id: str, fact: Fact) -> None:
        if not command_id:
            return
        self._unread[command_id] = fact
        if len(self._unread) > _UNREAD_MAX:
            self._unread.popitem(last=False)


# What was set aside unread was not carried out: a refusal to whoever waits for it.
def _refusal(fact: Fact, unreadable: CommandUnreadable, command_id: str) -> Fact:
    no = OrderRefused(command_id=command_id, code=unreadable.code, detail=unreadable.detail)
    return fact._replace(type=codec.type_name(no), data=no)


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
