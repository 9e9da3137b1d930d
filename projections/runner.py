"""Follows every ledger from the position in the views, and serves once all are caught up.

All of it happens on one event loop: a transaction takes a moment and a question less, so neither
needs a thread. A long catching-up is cut into chunks, between which the loop breathes.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final, Protocol

import structlog
from nats.aio.client import Client

from core.ports import Clock
from projections.progress import HealthAnswer, Progress, StreamHealth
from projections.projector import Projector, Record
from projections.queries import Queries
from projections.service import ViewService
from projections.store import VIEW_VERSION, ViewStore

# Records of one transaction.
CHUNK_MAX: Final = 1_000

_log: Final = structlog.get_logger(__name__)


class LedgerFollower(Protocol):
    """Reads one ledger, forwards, from any position, for ever."""

    @property
    def pending(self) -> int | None:
        """Records that the ledger held beyond the last batch; None before the first reading."""

    def batches(
        self, after_sequence: int = 0, *, until_caught_up: bool
    ) -> AsyncGenerator[Sequence[Record], None]:
        """Yield the records after a position; end when none is left, or never."""


class _Stream:
    def __init__(self, name: str, follower: LedgerFollower) -> None:
        self.name = name
        self.follower = follower
        self.applied_at: datetime | None = None
        self.caught_up = asyncio.Event()


class Runner:
    """One projector at work: its followers and its service."""

    def __init__(
        self,
        store: ViewStore,
        followers: Mapping[str, LedgerFollower],
        nc: Client,
        *,
        clock: Clock,
        on_ready: Callable[[], None],
    ) -> None:
        """Join the parts.

        Args:
            followers: a reader of its own for each ledger stream.
            on_ready: called once, when every ledger was caught up with and questions are answered.
        """
        self._projector = Projector(store)
        self._streams = [_Stream(name, follower) for name, follower in followers.items()]
        self._clock = clock
        self._on_ready = on_ready
        self._progress = Progress(lambda account: self._projector.tail(account).n)
        self._queries = Queries(store.path)
        self._service = ViewService(nc, self._queries, self._progress, health=self.health)

    async def run(self, stop: asyncio.Event) -> None:
        """Follow and serve until `stop` is set.

        Raises:
            ExceptionGroup: of what ended a follower: CorruptRecordError for a record that is not
                known or does not fit its chain, LinkError when the ledger cannot be read.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._follow(stream)) for stream in self._streams]
                running.append(tasks.create_task(self._serve()))
                await stop.wait()
                for task in running:
                    task.cancel()
        finally:
            await self._service.stop()
            self._queries.close()

    def health(self) -> HealthAnswer:
        """Return how far each ledger is folded."""
        return HealthAnswer(
            view_version=VIEW_VERSION,
            streams=tuple(
                StreamHealth(
                    stream=stream.name,
                    position=self._projector.position(stream.name),
                    pending=stream.follower.pending,
                    applied_at=stream.applied_at,
                    is_caught_up=stream.caught_up.is_set(),
                )
                for stream in self._streams
            ),
        )

    async def _serve(self) -> None:
        for stream in self._streams:
            await stream.caught_up.wait()
        await self._service.start()
        self._on_ready()

    async def _follow(self, stream: _Stream) -> None:
        # Read to the end first: only the end of this reading says that nothing is left, because a
        # ledger without news yields no batch.
        for until_caught_up in (True, False):
            position = self._projector.position(stream.name)
            _log.info("projector.followed", stream=stream.name, after_sequence=position)
            batches = stream.follower.batches(position, until_caught_up=until_caught_up)
            async with aclosing(batches):
                async for batch in batches:
                    await self._apply(stream, batch)
            stream.caught_up.set()

    async def _apply(self, stream: _Stream, batch: Sequence[Record]) -> None:
        for start in range(0, len(batch), CHUNK_MAX):
            if start:
                await asyncio.sleep(0)
            grown = self._projector.apply(stream.name, batch[start : start + CHUNK_MAX])
            stream.applied_at = self._clock.now()
            self._progress.grew(grown)
