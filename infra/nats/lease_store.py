"""The record of a login's lease in JetStream: read by direct get, written by compare-and-set.

One record per login, the last one stored. A write names the sequence of the one that it follows, so
of two that follow the same, the server takes one.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import msgspec
from nats.aio.client import Client

from core.errors import CorruptRecordError, LinkError
from core.lease import FoundLease, LeaseRecord, decode_lease, encode_lease
from core.subjects import lease_stream, lease_subject
from infra.ledger.request import (
    ANSWER_WAIT_S,
    EXPECTED_SEQUENCE,
    EXPECTED_SUBJECT,
    PublishAck,
    last_record,
    try_request,
)
from infra.nats.link import LoopThread

_SLACK_S: Final = 5.0
T = TypeVar("T")
_ack_decoder: Final = msgspec.json.Decoder(PublishAck)


class LeaseStore:
    """Reads and writes one login's lease; calls block, from any thread but the loop's."""

    def __init__(self, loop: LoopThread, nc: Client, *, login: str) -> None:
        self._loop = loop
        self._nc = nc
        self._stream = lease_stream(login)
        self._subject = lease_subject(login)

    def read(self) -> FoundLease | None:
        """Return the record and its sequence, or None if there never was one.

        Raises:
            LinkError: no answer.
            CorruptRecordError: what is stored is no record of a lease.
        """
        return self._run(self._read())

    def write(self, record: LeaseRecord, *, after: int) -> int | None:
        """Store a record in the place of the one with sequence `after` (0: the first).

        Returns the new sequence; None if another record stands there.

        Raises:
            LinkError: no answer, so the record may be stored, now or later; or a refusal.
        """
        return self._run(self._write(record, after=after))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.run(work, ANSWER_WAIT_S + _SLACK_S)
        except TimeoutError:
            raise LinkError(f"expected {self._stream} to answer, got none in time") from None

    async def _read(self) -> FoundLease | None:
        give_up_at = asyncio.get_running_loop().time() + ANSWER_WAIT_S
        found = await last_record(
            self._nc, stream=self._stream, subject=self._subject, give_up_at=give_up_at
        )
        return None if found is None else FoundLease(decode_lease(found.body), found.sequence)

    async def _write(self, record: LeaseRecord, *, after: int) -> int | None:
        reply = await try_request(
            self._nc,
            self._subject,
            encode_lease(record),
            wait_s=ANSWER_WAIT_S,
            headers={EXPECTED_SEQUENCE: str(after), EXPECTED_SUBJECT: self._subject},
        )
        if reply is None:
            raise LinkError(f"expected {self._stream} to answer, got none")
        try:
            ack = _ack_decoder.decode(reply.data)
        except msgspec.MsgspecError as error:
            raise CorruptRecordError("expected an ack, was another document") from error
        if ack.error is None and not ack.duplicate:
            return ack.seq
        if ack.error is None:
            raise LinkError(f"expected {self._stream} to store a lease, was taken for another")
        if ack.error.is_conflict:
            return None
        raise LinkError(
            f"expected {self._stream} to store a lease, "
            f"was refused with {ack.error.err_code}: {ack.error.description}"
        )
