"""How far the views are: what a question that names `at_least_n` waits for, and what lag is."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec


class StreamHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How far one ledger is folded.

    `pending` are records that the ledger held beyond `position` when that was last read, None
    before the first reading. `applied_at` is when this process last committed any, None if never.
    """

    stream: str
    position: int
    pending: int | None
    applied_at: datetime | None
    is_caught_up: bool


class HealthAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`view.system.health`: every ledger, in a fixed order."""

    view_version: int
    streams: tuple[StreamHealth, ...]


class Progress:
    """Wakes those who wait for an account's line to be folded up to some `n`."""

    def __init__(self, n_of: Callable[[str], int]) -> None:
        """Take the function that says how far an account is folded."""
        self._n_of = n_of
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    def n(self, account: str) -> int:
        """Return the counter of the account's last folded event, 0 for none."""
        return self._n_of(account)

    def grew(self, accounts: frozenset[str]) -> None:
        """Wake who waits for one of the accounts, after its rows are committed."""
        for account in accounts:
            for waiter in self._waiting.pop(account, ()):
                if not waiter.done():
                    waiter.set_result(None)

    async def wait(self, account: str, n: int, *, timeout_s: float) -> bool:
        """Say whether the account was folded up to `n` within the limit."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.n(account) < n:
                    await self._growth(account)
        except TimeoutError:
            return False
        return True

    async def _growth(self, account: str) -> None:
        waiter = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(account, set())
        waiters.add(waiter)
        try:
            await waiter
        finally:
            waiters.discard(waiter)
            if not waiters and self._waiting.get(account) is waiters:
                del self._waiting[account]
