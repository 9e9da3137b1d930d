"""Storing one message, or several at once or not at all, whatever happens to the answer.

One message is a plain publish. Several are the server's atomic batch, which the client does not
know: the messages carry a batch id and their place in it, and the last one commits. The service
itself never stores more than one event at a time.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from nats import errors as nats_errors
from nats.aio.client import Client

from core.errors import AppendUnknownError, LinkError, VersionConflictError
from infra.ledger.append import decode_ack
from infra.ledger.layout import WRITE_ID
from infra.ledger.record import StoredRecord
from infra.ledger.request import (
    ANSWER_WAIT_S,
    EXPECTED_SEQUENCE,
    EXPECTED_SUBJECT,
    REPEAT_PAUSE_S,
    PublishAck,
    last_record,
    try_request,
)

# The server's own limit. Source: nats-server ADR-50 (2.12 and later).
BATCH_MESSAGES_MAX: Final = 1_000
STORE_WAIT_S: Final = 10.0
# Another writer may move a line between a look at its tail and the append; what stands there then
# decides. For callers of `store`.
STORE_TRIES_MAX: Final = 16
_BATCH_ID: Final = "Nats-Batch-Id"
_BATCH_SEQUENCE: Final = "Nats-Batch-Sequence"
_BATCH_COMMIT: Final = "Nats-Batch-Commit"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be stored, and what must be the last of its line before it."""

    subject: str
    line: str  # the wildcard, or subject, that the guard looks at
    body: bytes
    headers: Mapping[str, str]
    expected_sequence: int | None  # None: an earlier message of the same call guards the line


async def store(
    nc: Client, messages: Sequence[Message], *, stream: str, deadline_s: float
) -> list[int]:
    """Store all messages or none; return their sequences in order.

    Raises:
        VersionConflictError: a line has another tail; nothing is stored.
        AppendUnknownError: no answer in time; all may be stored, or none.
        LinkError: the server refused for another reason, or the connection is closed.
    """
    if not 0 < len(messages) <= BATCH_MESSAGES_MAX:
        raise ValueError(f"expected 1 to {BATCH_MESSAGES_MAX} messages, was {len(messages)}")
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + deadline_s
    # Ours to recognise: the same bytes may be somebody else's, an id may not. A batch that was
    # broken off cannot be resumed, so each try of one has an id of its own.
    write_ids: list[str] = []
    single_id = uuid.uuid4().hex
    while (left_s := give_up_at - loop.time()) > 0:
        wait_s = min(left_s, ANSWER_WAIT_S)
        write_ids.append(single_id if len(messages) == 1 else uuid.uuid4().hex)
        ack = await _send(nc, messages, stream=stream, write_id=write_ids[-1], wait_s=wait_s)
        if ack is not None and ack.error is None and not ack.duplicate:
            return _sequences(ack.seq, len(messages))
        if ack is not None:
            is_first = len(write_ids) == 1
            tail = await last_record(
                nc, stream=stream, subject=messages[-1].line, give_up_at=give_up_at
            )
            if tail is not None and _write_id_of(tail) in write_ids:
                return _sequences(tail.sequence, len(messages))
            if ack.error is not None and ack.error.is_conflict:
                raise VersionConflictError(f"expected another tail: {ack.error.description}")
            if ack.error is not None and is_first:
                raise LinkError(
                    f"expected {stream} to store {len(messages)} messages, "
                    f"was refused with {ack.error.err_code}: {ack.error.description}"
                )
        await asyncio.sleep(REPEAT_PAUSE_S)
    raise AppendUnknownError(f"expected an answer of {stream} within {deadline_s} s")


async def _send(
    nc: Client, messages: Sequence[Message], *, stream: str, write_id: str, wait_s: float
) -> PublishAck | None:
    last = messages[-1]
    headers = _guarded(last)
    if len(messages) == 1:
        headers[WRITE_ID] = write_id
    else:
        try:
            for place, message in enumerate(messages[:-1], start=1):
                batch_headers = {_BATCH_ID: write_id, _BATCH_SEQUENCE: str(place)}
                await nc.publish(
                    message.subject, message.body, headers=_guarded(message) | batch_headers
                )
        except nats_errors.OutboundBufferLimitError:
            return None  # a batch without its commit is dropped by the server
        except nats_errors.Error as error:
            raise LinkError(f"expected to send a batch, was {type(error).__name__}") from error
        headers |= {
            _BATCH_ID: write_id,
            _BATCH_SEQUENCE: str(len(messages)),
            _BATCH_COMMIT: "1",
        }
    reply = await try_request(nc, last.subject, last.body, wait_s=wait_s, headers=headers)
    return None if reply is None else decode_ack(reply.data, stream=stream)


def _guarded(message: Message) -> dict[str, str]:
    headers = dict(message.headers)
    if message.expected_sequence is not None:
        headers[EXPECTED_SEQUENCE] = str(message.expected_sequence)
        headers[EXPECTED_SUBJECT] = message.line
    return headers


def _sequences(last: int, count: int) -> list[int]:
    return list(range(last - count + 1, last + 1))


def _write_id_of(record: StoredRecord) -> str | None:
    headers = record.headers or {}
    return headers.get(_BATCH_ID) or headers.get(WRITE_ID)
