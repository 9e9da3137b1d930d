"""The two ways to read a stream of stored events.

A *created* stream is read by direct gets in pages, and followed through a consumer made for each
subscription. A *bound* one is read through the one pull consumer that was made for its reader.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Final, Protocol

import msgspec
from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from core.errors import CorruptRecordError, LinkError
from infra.ledger.history import LedgerReader
from infra.ledger.record import STATUS_NOT_FOUND, StoredRecord, direct_record_of, status_of
from infra.ledger.request import REPEAT_PAUSE_S, ApiError, last_record, try_request

READ_WAIT_S: Final = 10.0
PAGE_TRY_S: Final = 5.0
PAGE_MAX: Final = 1_000
# A subscription that dies with its process leaves its consumer for so long.
CONSUMER_IDLE_S: Final = 300
_NS: Final = 1_000_000_000
_STATUS_END: Final = "204"
_PENDING: Final = "Nats-Num-Pending"


class Reading(Protocol):
    """What a recorder needs of a stream."""

    def records(
        self, wildcard: str, start: int, *, page: int = PAGE_MAX
    ) -> AsyncGenerator[StoredRecord, None]:
        """Yield what is stored from sequence `start` on below a wildcard, to the end."""

    def follow(self, wildcard: str, after: int) -> AsyncGenerator[Sequence[StoredRecord], None]:
        """Yield what is stored after a sequence, in groups as they arrive, for ever."""

    async def last_sequence(self, wildcard: str) -> int | None:
        """Return the sequence of the last record below a wildcard; None where there is none."""


class CreatedReading:
    """Reads a stream with the provisioner's rights."""

    def __init__(self, nc: Client, stream: str) -> None:
        self._nc = nc
        self._stream = stream

    async def create(self, subjects: Sequence[str], *, keeps_only_last: bool = False) -> None:
        """Make the stream if it is not there: as the ledger's rules want it, or with only the last
        message of each subject.
        """
        settings: dict[str, object] = {
            "name": self._stream,
            "subjects": list(subjects),
            "retention": "limits",
            "storage": "file",
            "num_replicas": 1,
            "allow_direct": True,
        }
        if keeps_only_last:
            settings |= {"discard": "old", "max_msgs_per_subject": 1}
        else:
            settings |= {
                "discard": "new",
                "allow_atomic": True,
                "deny_delete": True,
                "deny_purge": True,
            }
        await self._ask(f"STREAM.CREATE.{self._stream}", settings)

    async def records(
        self, wildcard: str, start: int, *, page: int = PAGE_MAX
    ) -> AsyncGenerator[StoredRecord, None]:
        """Yield what is stored from sequence `start` on below a wildcard, to the end."""
        next_sequence: int | None = start
        while next_sequence is not None:
            found = await self._page(wildcard, next_sequence, min(page, PAGE_MAX))
            for record in found:
                yield record
            has_more = bool(found) and (found[-1].headers or {}).get(_PENDING) != "0"
            next_sequence = found[-1].sequence + 1 if has_more else None

    async def follow(
        self, wildcard: str, after: int
    ) -> AsyncGenerator[Sequence[StoredRecord], None]:
        """Yield what is stored after a sequence, in groups as they arrive, for ever."""
        name = f"follow-{uuid.uuid4().hex}"
        config = {
            "name": name,
            "durable_name": name,
            "ack_policy": "none",
            "deliver_policy": "all",
            "replay_policy": "instant",
            "filter_subject": wildcard,
            "inactive_threshold": CONSUMER_IDLE_S * _NS,
        }
        await self._ask(
            f"CONSUMER.CREATE.{self._stream}.{name}.{wildcard}",
            {"stream_name": self._stream, "config": config},
        )
        reader = LedgerReader(self._nc, stream=self._stream, consumer=name, is_filtered=True)
        try:
            async with aclosing(reader.batches(after, until_caught_up=False)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            # Without an answer the server drops the idle consumer by itself.
            if not self._nc.is_closed:
                await try_request(
                    self._nc, f"$JS.API.CONSUMER.DELETE.{self._stream}.{name}", wait_s=1.0
                )

    async def last_sequence(self, wildcard: str) -> int | None:
        """Return the sequence of the last record below a wildcard; None where there is none."""
        give_up_at = asyncio.get_running_loop().time() + READ_WAIT_S
        record = await last_record(
            self._nc, stream=self._stream, subject=wildcard, give_up_at=give_up_at
        )
        return None if record is None else record.sequence

    async def _page(self, wildcard: str, start: int, count: int) -> list[StoredRecord]:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + READ_WAIT_S
        request = json.dumps({"seq": start, "batch": count, "next_by_subj": wildcard}).encode()
        while loop.time() < give_up_at:
            found = await self._try_page(request)
            if found is not None:
                return found
            await asyncio.sleep(REPEAT_PAUSE_S)
        raise LinkError(f"expected a page of {self._stream}, got none in time")

    async def _try_page(self, request: bytes) -> list[StoredRecord] | None:
        # None: no whole page came. A page that was cut off is asked for again from its start.
        found: list[StoredRecord] = []
        ended: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

        async def collect(message: Msg) -> None:
            status = status_of(message)
            if ended.done():
                return
            if status is not None:
                ended.set_result(status)
                return
            try:
                record = direct_record_of(message)
            except CorruptRecordError as error:
                ended.set_exception(error)
            else:
                assert record is not None
                found.append(record)

        inbox = self._nc.new_inbox()
        subscription = await self._nc.subscribe(inbox, cb=collect, pending_bytes_limit=0)
        try:
            await self._nc.publish(f"$JS.API.DIRECT.GET.{self._stream}", request, reply=inbox)
            status = await asyncio.wait_for(ended, PAGE_TRY_S)
        except (TimeoutError, nats_errors.OutboundBufferLimitError):
            return None
        except nats_errors.Error as error:
            raise LinkError(f"expected to ask for a page, was {type(error).__name__}") from error
        finally:
            if not self._nc.is_closed:
                await subscription.unsubscribe()
        return found if status in (_STATUS_END, STATUS_NOT_FOUND) else None

    async def _ask(self, subject: str, request: object) -> None:
        reply = await try_request(
            self._nc, f"$JS.API.{subject}", msgspec.json.encode(request), wait_s=PAGE_TRY_S
        )
        if reply is None:
            raise LinkError(f"expected an answer to {subject}, got none")
        answer = _api_decoder.decode(reply.data)
        if answer.error is not None:
            raise LinkError(
                f"expected {subject} to be done, "
                f"was refused with {answer.error.err_code}: {answer.error.description}"
            )


class BoundReading:
    """Reads a stream through one consumer that was made beforehand, one reading at a time."""

    def __init__(self, nc: Client, *, stream: str, consumer: str, is_filtered: bool) -> None:
        self._nc = nc
        self._stream = stream
        self._consumer = consumer
        self._is_filtered = is_filtered
        self._is_taken = False

    async def records(
        self, wildcard: str, start: int, *, page: int = PAGE_MAX
    ) -> AsyncGenerator[StoredRecord, None]:
        """Yield what is stored from sequence `start` on below a wildcard, to the end."""
        del page  # a pull brings what there is
        prefix = wildcard.removesuffix(">")
        # `start` may lie beyond the end, so it is not held against the ledger.
        async with (
            self._owned(is_filtered=True) as reader,
            aclosing(reader.read_all(start - 1)) as records,
        ):
            async for record in records:
                if record.subject.startswith(prefix):
                    yield record

    async def follow(
        self, wildcard: str, after: int
    ) -> AsyncGenerator[Sequence[StoredRecord], None]:
        """Yield what is stored after a sequence, in groups as they arrive, for ever."""
        del wildcard  # the whole of what the consumer shows
        async with (
            self._owned(is_filtered=self._is_filtered) as reader,
            aclosing(reader.batches(after, until_caught_up=False)) as batches,
        ):
            async for batch in batches:
                yield batch

    async def last_sequence(self, wildcard: str) -> int | None:
        """Return the sequence of the last record below a wildcard, by reading all of them."""
        last: int | None = None
        async with aclosing(self.records(wildcard, 1)) as records:
            async for record in records:
                last = record.sequence
        return last

    @asynccontextmanager
    async def _owned(self, *, is_filtered: bool) -> AsyncIterator[LedgerReader]:
        # Two readings would rewind each other's consumer for ever.
        if self._is_taken:
            raise LinkError(f"expected {self._consumer} to be free, another reading goes on")
        self._is_taken = True
        try:
            yield LedgerReader(
                self._nc, stream=self._stream, consumer=self._consumer, is_filtered=is_filtered
            )
        finally:
            self._is_taken = False


class _ApiReply(msgspec.Struct, frozen=True):
    error: ApiError | None = None


_api_decoder: Final = msgspec.json.Decoder(_ApiReply)
