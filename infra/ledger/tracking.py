"""How far an application has followed another: one subject per followed application."""

import asyncio
from typing import Final

from eventsourcing.persistence import IntegrityError, Tracking
from nats.aio.client import Client

from core.errors import CorruptRecordError, LinkError, VersionConflictError
from infra.ledger.batch import STORE_TRIES_MAX, STORE_WAIT_S, Message, store
from infra.ledger.layout import name_token
from infra.ledger.record import StoredRecord
from infra.ledger.request import last_record

READ_WAIT_S: Final = 10.0


class TrackingLine:
    """The positions below one subject prefix of one stream."""

    def __init__(self, nc: Client, *, stream: str, prefix: str) -> None:
        self._nc = nc
        self._stream = stream
        self._prefix = prefix

    async def message(self, tracking: Tracking) -> Message:
        """Return the message that moves a position, to be stored alone or with events.

        Raises:
            IntegrityError: when the position is not ahead of the recorded one.
        """
        subject = self._subject(tracking.application_name)
        recorded = await self._recorded(subject)
        if recorded is not None and _position_of(recorded) >= tracking.notification_id:
            raise IntegrityError(
                f"expected a position after {_position_of(recorded)}, "
                f"was {tracking.notification_id}"
            )
        return Message(
            subject=subject,
            line=subject,
            body=str(tracking.notification_id).encode(),
            headers={},
            expected_sequence=0 if recorded is None else recorded.sequence,
        )

    async def insert(self, tracking: Tracking) -> None:
        """Store a position alone.

        Raises:
            IntegrityError: when the position is not ahead of the recorded one.
        """
        for _ in range(STORE_TRIES_MAX):
            message = await self.message(tracking)
            try:
                await store(self._nc, [message], stream=self._stream, deadline_s=STORE_WAIT_S)
            except VersionConflictError:
                continue  # moved meanwhile; the position there decides
            return
        raise LinkError(f"expected to append to {self._stream}, was overtaken every time")

    async def max_id(self, application_name: str) -> int | None:
        """Return the recorded position; None where there is none."""
        recorded = await self._recorded(self._subject(application_name))
        return None if recorded is None else _position_of(recorded)

    async def _recorded(self, subject: str) -> StoredRecord | None:
        give_up_at = asyncio.get_running_loop().time() + READ_WAIT_S
        return await last_record(
            self._nc, stream=self._stream, subject=subject, give_up_at=give_up_at
        )

    def _subject(self, application_name: str) -> str:
        return f"{self._prefix}.{name_token(application_name)}"


def _position_of(record: StoredRecord) -> int:
    try:
        return int(record.body)
    except ValueError as error:
        raise CorruptRecordError(
            f"expected a position at {record.sequence} of {record.stream}, was something else"
        ) from error
