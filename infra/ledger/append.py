"""The writer of one account's line of events: steps 7 and 9 of the way of an order.

The rules of this file:
- Every append names the sequence that the writer believes to be the account's last, so a stale
  writer is stopped by the server.
- A lost answer is met by the same bytes with the same expected sequence, until there is an answer.
- The server's "wrong last sequence" is a conflict only when the stored bytes are not ours; its
  "duplicate" is no success until they are read back.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
from nats.aio.client import Client

from core.errors import AppendUnknownError, CorruptRecordError, LinkError, VersionConflictError
from core.subjects import log_wildcard
from infra.ledger.record import StoredRecord
from infra.ledger.request import (
    ANSWER_WAIT_S,
    EXPECTED_SEQUENCE,
    EXPECTED_SUBJECT,
    REPEAT_PAUSE_S,
    ApiError,
    PublishAck,
    last_record,
    try_request,
)

TAIL_WAIT_S: Final = 5.0


class Appended(msgspec.Struct, frozen=True):
    """An event that is stored.

    Attributes:
        sequence: its place in the stream.
        clean: the very first answer was a plain ack. Only then may the writer act on its own
            intent; otherwise it learned of the storing by reading back.
    """

    sequence: int
    clean: bool


_ack_decoder: Final = msgspec.json.Decoder(PublishAck)


def decode_ack(data: bytes, *, stream: str) -> PublishAck:
    """Read the answer to an append.

    Raises:
        CorruptRecordError: when it is no ack, or one of another stream.
    """
    try:
        ack = _ack_decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise CorruptRecordError("expected an ack, was another document") from error
    if ack.error is None and ack.stream != stream:
        raise CorruptRecordError(f"expected an ack of {stream}, was of {ack.stream!r}")
    return ack


class AccountWriter:
    """Appends to one account's line of events, and reads its tail."""

    def __init__(self, nc: Client, *, stream: str, account: str) -> None:
        self._nc = nc
        self._stream = stream
        self._line = log_wildcard(account)
        self._prefix = self._line.removesuffix(">")

    async def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int, deadline_s: float
    ) -> Appended:
        """Store one event after `expected_sequence`, the account's last (0 for the first).

        Args:
            body: stored verbatim; holds `event_id`, which makes these bytes nobody else's.
            deadline_s: how long to ask for an answer, from now.

        Raises:
            VersionConflictError: the line has another tail and our event is not the last of its
                subject. (Had another writer taken over since, ours may lie further back.)
            AppendUnknownError: no answer in time; the event may be stored, or may be yet.
            LinkError: the server refused for another reason, or the connection is closed.
        """
        if not subject.startswith(self._prefix) or event_id.encode() not in body:
            raise ValueError(f"expected an event of {self._line} that holds its id, was {subject}")
        headers = {EXPECTED_SEQUENCE: str(expected_sequence), EXPECTED_SUBJECT: self._line}
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + deadline_s
        is_first = True
        while (left_s := give_up_at - loop.time()) > 0:
            ack = await self._publish(subject, body, headers, left_s)
            if ack is not None and ack.error is None and not ack.duplicate:
                return Appended(sequence=ack.seq, clean=is_first)
            if ack is not None:
                stored = await self._own_record(subject, body, give_up_at)
                if stored is not None:
                    return Appended(sequence=stored.sequence, clean=False)
                if ack.error is not None:
                    self._refuse(ack.error, event_id, expected_sequence, is_first=is_first)
            is_first = False
            await asyncio.sleep(REPEAT_PAUSE_S)
        raise AppendUnknownError(f"expected an answer to event {event_id} within {deadline_s} s")

    async def read_tail(self, *, deadline_s: float = TAIL_WAIT_S) -> StoredRecord | None:
        """Return the account's last stored record, or None for an empty line.

        Raises:
            LinkError: no answer in time.
        """
        give_up_at = asyncio.get_running_loop().time() + deadline_s
        return await last_record(
            self._nc, stream=self._stream, subject=self._line, give_up_at=give_up_at
        )

    async def _publish(
        self, subject: str, body: bytes, headers: Mapping[str, str], left_s: float
    ) -> PublishAck | None:
        reply = await try_request(
            self._nc, subject, body, wait_s=min(left_s, ANSWER_WAIT_S), headers=headers
        )
        return None if reply is None else decode_ack(reply.data, stream=self._stream)

    async def _own_record(
        self, subject: str, body: bytes, give_up_at: float
    ) -> StoredRecord | None:
        try:
            stored = await last_record(
                self._nc, stream=self._stream, subject=subject, give_up_at=give_up_at
            )
        except LinkError as error:
            raise AppendUnknownError("expected to read the event back, got no answer") from error
        return stored if stored is not None and stored.body == body else None

    def _refuse(
        self, error: ApiError, event_id: str, expected_sequence: int, *, is_first: bool
    ) -> None:
        # Once a try has gone unanswered, only a conflict is a definite answer: any other refusal
        # says nothing about the earlier try.
        if error.is_conflict:
            raise VersionConflictError(
                f"expected {self._line} to end at {expected_sequence} for event {event_id}, "
                f"was {error.description!r}"
            )
        if is_first:
            raise LinkError(
                f"expected {self._stream} to store event {event_id}, "
                f"was refused with {error.err_code}: {error.description}"
            )
