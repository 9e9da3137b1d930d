"""The library's events in one stream: who may append what, and how it is read."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final
from uuid import UUID

import msgspec
from eventsourcing.persistence import IntegrityError, Notification, StoredEvent, Tracking
from nats.aio.client import Client

from core.errors import LinkError, VersionConflictError
from infra.ledger.batch import STORE_TRIES_MAX, STORE_WAIT_S, Message, store
from infra.ledger.layout import EventLayout, highest_version
from infra.ledger.reading import PAGE_MAX, READ_WAIT_S, Reading
from infra.ledger.record import StoredRecord
from infra.ledger.request import last_record
from infra.ledger.tracking import TrackingLine

LINES_REMEMBERED_MAX: Final = 10_000
_EMPTY: Final = -1

Originator = UUID | str


class _Line(msgspec.Struct, frozen=True):
    """What an append to one originator's line must know."""

    last_sequence: int
    highest: int


class EventStream:
    """One stream of stored events."""

    def __init__(self, nc: Client, *, stream: str, layout: EventLayout, reading: Reading) -> None:
        self._nc = nc
        self._stream = stream
        self._layout = layout
        self._reading = reading
        self._lines: OrderedDict[Originator, _Line] = OrderedDict()

    async def insert(
        self,
        events: Sequence[StoredEvent],
        *,
        line: TrackingLine | None = None,
        tracking: Tracking | None = None,
    ) -> list[int]:
        """Store all events, and where they came from, or nothing; return the events' sequences.

        Raises:
            IntegrityError: a version is taken, or the tracking is not ahead of the recorded one.
            AppendUnknownError: no answer in time; all may be stored, or nothing.
        """
        for _ in range(STORE_TRIES_MAX):
            messages, highest = await self._messages(events)
            if line is not None and tracking is not None:
                messages.append(await line.message(tracking))
            if not messages:
                return []
            for event in events:
                self._lines.pop(event.originator_id, None)
            try:
                sequences = await store(
                    self._nc, messages, stream=self._stream, deadline_s=STORE_WAIT_S
                )
            except VersionConflictError:
                continue
            own = sequences[: len(events)]
            for event, sequence in zip(events, own, strict=True):
                self._remember(event.originator_id, _Line(sequence, highest[event.originator_id]))
            return own
        raise LinkError(f"expected to append to {self._stream}, was overtaken every time")

    async def line(self, originator_id: Originator) -> list[Notification]:
        """Return one originator's events, as stored."""
        async with aclosing(self._reading.records(self._layout.line(originator_id), 1)) as records:
            return [self._layout.notification(record) async for record in records]

    async def last_event(self, originator_id: Originator) -> Notification | None:
        """Return the event with the highest version of one originator."""
        record = await self._tail(originator_id)
        if record is None:
            return None
        notification = self._layout.notification(record)
        if notification.originator_version == highest_version(record):
            return notification
        return max(await self.line(originator_id), key=lambda item: item.originator_version)

    async def notifications(
        self, *, start: int, limit: int, stop: int | None, topics: Sequence[str]
    ) -> list[Notification]:
        """Return up to `limit` events from sequence `start` to `stop`, both included."""
        found: list[Notification] = []
        page = PAGE_MAX if topics else limit
        async with aclosing(
            self._reading.records(self._layout.wildcard, start, page=page)
        ) as records:
            async for record in records:
                if len(found) == limit or (stop is not None and record.sequence > stop):
                    break
                notification = self._layout.notification(record)
                if not topics or notification.topic in topics:
                    found.append(notification)
        return found

    async def max_id(self) -> int | None:
        """Return the sequence of the last event, None in an empty stream."""
        return await self._reading.last_sequence(self._layout.wildcard)

    async def follow(
        self, after: int, topics: Sequence[str]
    ) -> AsyncGenerator[list[Notification], None]:
        """Yield what is stored after a sequence, in groups as they arrive, for ever."""
        async with aclosing(self._reading.follow(self._layout.wildcard, after)) as groups:
            async for group in groups:
                items = [self._layout.notification(record) for record in group]
                yield [item for item in items if not topics or item.topic in topics]

    async def _messages(
        self, events: Sequence[StoredEvent]
    ) -> tuple[list[Message], dict[Originator, int]]:
        messages: list[Message] = []
        highest: dict[Originator, int] = {}
        taken: set[tuple[Originator, int]] = set()
        for event in events:
            originator_id, version = event.originator_id, event.originator_version
            guard: int | None = None
            if originator_id not in highest:
                line = await self._line(originator_id)
                guard, highest[originator_id] = line.last_sequence, line.highest
            if version <= highest[originator_id] and (
                (originator_id, version) in taken or await self._holds(originator_id, version)
            ):
                raise IntegrityError(
                    f"expected version {version} of {originator_id} to be free, was taken"
                )
            taken.add((originator_id, version))
            highest[originator_id] = max(highest[originator_id], version)
            outgoing = self._layout.outgoing(event, highest=highest[originator_id])
            messages.append(
                Message(
                    subject=outgoing.subject,
                    line=outgoing.line,
                    body=outgoing.body,
                    headers=outgoing.headers,
                    expected_sequence=guard,
                )
            )
        return messages, highest

    async def _holds(self, originator_id: Originator, version: int) -> bool:
        return any(event.originator_version == version for event in await self.line(originator_id))

    async def _line(self, originator_id: Originator) -> _Line:
        remembered = self._lines.get(originator_id)
        if remembered is not None:
            return remembered
        record = await self._tail(originator_id)
        if record is None:
            return _Line(0, _EMPTY)
        return _Line(record.sequence, highest_version(record))

    async def _tail(self, originator_id: Originator) -> StoredRecord | None:
        give_up_at = asyncio.get_running_loop().time() + READ_WAIT_S
        return await last_record(
            self._nc,
            stream=self._stream,
            subject=self._layout.line(originator_id),
            give_up_at=give_up_at,
        )

    def _remember(self, originator_id: Originator, line: _Line) -> None:
        self._lines[originator_id] = line
        self._lines.move_to_end(originator_id)
        if len(self._lines) > LINES_REMEMBERED_MAX:
            self._lines.popitem(last=False)
