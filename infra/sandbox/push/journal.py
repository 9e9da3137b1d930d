"""What happened to push connections, in order: what tests count and wait for.

Kept in memory, for this process only, and only so much; numbers and counts go on.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import msgspec

ENTRY_COUNT_MAX = 10_000
# Of what a client says in its requests no more than this is kept.
DETAIL_LENGTH_MAX = 500
TIGER_ID_LENGTH_MAX = 64

Happening = Literal[
    "accepted",  # a socket was opened
    "connect_asked",  # a CONNECT came, good or bad
    "connected",
    "refused",
    "subscribed",
    "unsubscribed",
    "kicked",
    "closed",
]


class PushEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One happening."""

    number: int
    at: datetime
    connection_id: int
    tiger_id: str  # as claimed, until it is connected
    happening: Happening
    detail: str = ""


class PushJournal:
    """The happenings, and the waits for them."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._entries: deque[PushEntry] = deque(maxlen=ENTRY_COUNT_MAX)
        self._counts: Counter[str] = Counter()
        self._arrival = asyncio.Event()
        self.number_last = 0

    def write(
        self, happening: Happening, *, connection_id: int, tiger_id: str, detail: str = ""
    ) -> None:
        """Enter a happening and wake who waits."""
        self.number_last += 1
        self._counts[happening] += 1
        entry = PushEntry(
            number=self.number_last,
            at=self._clock(),
            connection_id=connection_id,
            tiger_id=tiger_id[:TIGER_ID_LENGTH_MAX],
            happening=happening,
            detail=detail[:DETAIL_LENGTH_MAX],
        )
        self._entries.append(entry)
        self._arrival.set()
        self._arrival = asyncio.Event()

    def entries(self, *, since: int = 0) -> tuple[PushEntry, ...]:
        """Return the happenings after a number."""
        return tuple(entry for entry in self._entries if entry.number > since)

    def count(self, happening: str) -> int:
        """Return how often something happened since the start."""
        return self._counts[happening]

    async def wait_for(self, happening: str, *, count: int, timeout_s: float) -> bool:
        """Wait until it has happened this often since the start; say whether it has."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.count(happening) < count:
                    await self._arrival.wait()
        except TimeoutError:
            return False
        return True
