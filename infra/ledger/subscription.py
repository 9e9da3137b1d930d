"""The library's subscription: catch up, then block, until somebody stops it from any thread."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import CancelledError, Future
from threading import Lock
from typing import Final

from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    OperationalError,
    Subscription,
)

from core.errors import AppendUnknownError, CorruptRecordError, LinkError
from infra.ledger.calls import translated
from infra.nats.link import LoopThread

STOP_WAIT_S: Final = 5.0
Groups = AsyncGenerator[list[Notification], None]


class JetStreamSubscription(Subscription[ApplicationRecorder]):
    """Iterates over notifications; a group is fetched when the one before it is used up."""

    def __init__(
        self,
        *,
        recorder: ApplicationRecorder,
        thread: LoopThread,
        groups: Groups,
        gt: int | None,
        topics: Sequence[str],
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._thread = thread
        self._feed = _Feed(groups)
        self._lock = Lock()
        self._group: Sequence[Notification] = ()
        self._next_index = 0

    def __next__(self) -> Notification:
        """Return the next notification, waiting for it.

        Raises:
            StopIteration: after `stop`.
            OperationalError: the stream cannot be read any more.
            DataError: what is stored does not decode, or has a gap.
        """
        while self._next_index == len(self._group) and not self._has_been_stopped:
            self._group, self._next_index = self._wait_for_group(), 0
        if self._has_been_stopped:
            raise StopIteration
        notification = self._group[self._next_index]
        self._next_index += 1
        return notification

    def stop(self) -> None:
        """End the iteration, from any thread, also one that waits."""
        with self._lock:
            if self._has_been_stopped:
                return
            super().stop()
        self._thread.run(self._feed.stop(), STOP_WAIT_S)

    def _is_stopped(self) -> bool:
        # Another thread may say so at any moment.
        return self._has_been_stopped

    def _wait_for_group(self) -> Sequence[Notification]:
        with self._lock:
            if self._is_stopped():
                return ()
            waiting: Future[list[Notification]] = self._thread.submit(self._feed.next())
        try:
            return waiting.result()
        except CancelledError:
            if self._is_stopped():
                return ()
            raise OperationalError("expected an open connection, was closed") from None
        except (AppendUnknownError, CorruptRecordError, LinkError) as error:
            raise translated(error) from error


class _Feed:
    """The groups on the loop's side, with a stop that ends a waiting `next`."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._waiting: asyncio.Task[list[Notification]] | None = None

    async def next(self) -> list[Notification]:
        """Wait for a group; cancelled by `stop`."""
        self._waiting = asyncio.ensure_future(anext(self._groups))
        return await self._waiting

    async def stop(self) -> None:
        """Cancel a waiting `next` and give the consumer up."""
        if self._waiting is not None:
            self._waiting.cancel()
            await asyncio.wait({self._waiting})
        await self._groups.aclose()
