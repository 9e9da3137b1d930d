"""Every request that reached the Tiger port, in order: what tests count and wait for.

Kept in memory, for this process only, and only so many and so much; numbers and counts go on.
"""

import asyncio
from collections import Counter, deque
from datetime import datetime

import msgspec

ENTRY_COUNT_MAX = 100_000
TEXT_BYTES_MAX = 64_000_000
# Anybody can send any name; those beyond are counted together, without one.
METHOD_COUNT_MAX = 1000
METHOD_LENGTH_MAX = 128


class RequestEntry(msgspec.Struct, kw_only=True):
    """One request; the last three fields are written when it has been answered."""

    number: int
    received_at: datetime
    tiger_id: str  # as claimed: a request with a bad signature is here too
    account: str
    method: str
    biz_content: str
    fault: str | None
    reply_code: int | None = None  # none: no reply yet, or none at all
    is_answered: bool = False
    took_us: int | None = None  # from the whole request to the framed reply; microseconds


class RequestJournal:
    """The requests, and the waits for them."""

    def __init__(self) -> None:
        self._entries: deque[RequestEntry] = deque()
        self._text_bytes = 0
        self._counts: Counter[str] = Counter()
        self._arrival = asyncio.Event()
        self.number_last = 0

    def arrived(self, entry: RequestEntry) -> None:
        """Enter a request and wake who waits."""
        self.number_last = entry.number
        self._entries.append(entry)
        self._text_bytes += _text_bytes(entry)
        while len(self._entries) > ENTRY_COUNT_MAX or self._text_bytes > TEXT_BYTES_MAX:
            self._text_bytes -= _text_bytes(self._entries.popleft())
        is_known = entry.method in self._counts or len(self._counts) < METHOD_COUNT_MAX
        is_countable = is_known and len(entry.method) <= METHOD_LENGTH_MAX
        self._counts[entry.method if is_countable else ""] += 1
        self._arrival.set()
        self._arrival = asyncio.Event()

    def entries(self, *, since: int = 0, method: str | None = None) -> tuple[RequestEntry, ...]:
        """Return the requests after a number, of one method or all."""
        return tuple(
            entry
            for entry in self._entries
            if entry.number > since and method in (None, entry.method)
        )

    def count(self, method: str | None = None) -> int:
        """Return how many requests have arrived since the start, of one method or all."""
        return self.number_last if method is None else self._counts[method]

    async def wait_for(self, *, method: str | None, count: int, timeout_s: float) -> bool:
        """Wait until this many requests have arrived since the start; say whether they have."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.count(method) < count:
                    await self._arrival.wait()
        except TimeoutError:
            return False
        return True


def _text_bytes(entry: RequestEntry) -> int:
    texts = (entry.tiger_id, entry.account, entry.method, entry.biz_content)
    return sum(len(text) for text in texts)
