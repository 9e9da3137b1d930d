"""Reading a ledger through a pull consumer that was made beforehand.

A worker reads its account's past through `h-<account>` at start; projector and notary follow whole
ledgers for ever. None of them may make consumers, so each rewinds its own (`CONSUMER.RESET`).

The rules of this file:
- One pull owner per consumer, and a fresh inbox for each rewind: a pull that still waits while the
  consumer is reset would take the first messages after it.
- Position is ours, never the consumer's. After anything odd (silence, a reconnect, somebody else's
  pull or reset) the reader rewinds to its own position and goes on.
- A rewind begins at the last record already read, which must come again: a ledger that does not
  hold it is not the one that was read. (A filtered consumer need not show where a reading starts.)
- Only a hole that is still there after a second rewind is a hole in the ledger.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import msgspec
from nats.aio.client import Client

from core.errors import CorruptRecordError, LinkError
from infra.ledger.pull import DisturbedError, Pull
from infra.ledger.record import Delivery, StoredRecord
from infra.ledger.request import ApiError, try_request

REWIND_TRY_S: Final = 1.0
REWIND_WAIT_S: Final = 10.0
RECONNECT_POLL_S: Final = 0.025
# Rewinds in a row that brought no record and came soon after each other. Beyond it, somebody else
# owns the consumer.
REWINDS_MAX: Final = 20
SETTLED_S: Final = 5.0

RecordCheck = Callable[[StoredRecord], None]


class _ResetReply(msgspec.Struct, frozen=True):
    """The part of the server's answer to a reset that says what lies ahead."""

    num_pending: int = 0
    error: ApiError | None = None


_reset_decoder: Final = msgspec.json.Decoder(_ResetReply)


class LedgerReader:
    """Reads one ledger through one consumer, forwards, from any position.

    Attributes:
        pending: records that the ledger still held after the last one delivered; None before the
            first rewind.
    """

    def __init__(
        self,
        nc: Client,
        *,
        stream: str,
        consumer: str,
        is_filtered: bool = False,
        check: RecordCheck | None = None,
        rewind_wait_s: float = REWIND_WAIT_S,
    ) -> None:
        """Bind to a consumer that exists.

        Args:
            is_filtered: the consumer shows one account of several, so holes in the stream sequence
                are no fault; `check` is then the only guard against a gap.
            rewind_wait_s: how long a connected server may leave a rewind unanswered.
            check: called with every record before it is handed on; raises CorruptRecordError.
        """
        self._nc = nc
        self._stream = stream
        self._consumer = consumer
        self._is_filtered = is_filtered
        self._check = check
        self._rewind_wait_s = rewind_wait_s
        self._pull: Pull | None = None
        self._hole: tuple[int, int] | None = None
        self.pending: int | None = None

    async def read_all(self, after_sequence: int = 0) -> AsyncGenerator[StoredRecord, None]:
        """Yield the records after `after_sequence` until none is left.

        Raises: as `batches`.
        """
        async with aclosing(self.batches(after_sequence, until_caught_up=True)) as batches:
            async for batch in batches:
                for record in batch:
                    yield record

    async def follow(self, after_sequence: int = 0) -> AsyncGenerator[StoredRecord, None]:
        """Yield the records after `after_sequence`, then each new one, for ever.

        Raises: as `batches`.
        """
        async with aclosing(self.batches(after_sequence, until_caught_up=False)) as batches:
            async for batch in batches:
                for record in batch:
                    yield record

    async def batches(
        self, after_sequence: int = 0, *, until_caught_up: bool
    ) -> AsyncGenerator[list[StoredRecord], None]:
        """Yield what has arrived, at least one record at a time, in order.

        Args:
            after_sequence: what was read before, 0 for nothing. Where the consumer is not
                filtered, the ledger must hold it.

        Raises:
            CorruptRecordError: a hole in the ledger, a ledger without `after_sequence`, or what
                `check` found.
            LinkError: the consumer cannot be rewound or belongs to somebody else, the connection
                is closed, or a newer reading has taken this one's place.
        """
        loop = asyncio.get_running_loop()
        position = after_sequence
        is_shown = not self._is_filtered
        rewinds = 0
        while rewinds <= REWINDS_MAX:
            rereads = is_shown and position > 0
            pull = await self._rewind(position, rereads=rereads)
            rewound_at = loop.time()
            try:
                while not (until_caught_up and pull.pending == 0):
                    batch, fault = self._sift(await pull.take(), position, rereads=rereads)
                    self.pending = pull.pending
                    if batch:
                        position = batch[-1].sequence
                        is_shown = True
                        rewinds = 0
                        yield batch
                    if fault is not None:
                        raise fault
                return
            except DisturbedError:
                rewinds = 1 if loop.time() - rewound_at > SETTLED_S else rewinds + 1
                await asyncio.sleep(RECONNECT_POLL_S)
            finally:
                await pull.close()
        raise LinkError(f"expected to own {self._consumer} of {self._stream}, was disturbed")

    async def close(self) -> None:
        """Stop the reading that goes on, if any; its iterator raises LinkError."""
        if self._pull is not None:
            await self._pull.close()
            self._pull = None

    async def _rewind(self, position: int, *, rereads: bool) -> Pull:
        await self.close()
        pending = await self._reset(position if rereads else position + 1)
        if rereads and pending == 0:
            raise CorruptRecordError(
                f"expected {self._stream} to hold sequence {position}, it ends before"
            )
        # The first record is the one at `position`, which the caller has.
        self.pending = pending - 1 if rereads else pending
        self._pull = await Pull.open(
            self._nc, stream=self._stream, consumer=self._consumer, pending=self.pending
        )
        return self._pull

    def _sift(
        self, deliveries: list[Delivery], position: int, *, rereads: bool
    ) -> tuple[list[StoredRecord], DisturbedError | CorruptRecordError | None]:
        # What came before a fault is handed on first: it has passed `check`, which sees each
        # record once.
        batch: list[StoredRecord] = []
        for record, consumer_sequence, _ in deliveries:
            try:
                if consumer_sequence == 1 and rereads:
                    self._must_be(record, position, expected=position)
                    continue
                if not self._is_filtered:
                    self._must_be(record, position, expected=position + 1)
                elif record.sequence <= position:
                    return batch, DisturbedError()
                if self._check is not None:
                    self._check(record)
            except (DisturbedError, CorruptRecordError) as fault:
                return batch, fault
            position = record.sequence
            self._hole = None
            batch.append(record)
        return batch, None

    def _must_be(self, record: StoredRecord, position: int, *, expected: int) -> None:
        # Another sequence can come of somebody else's reset between ours and the first delivery;
        # the same one twice in a row cannot.
        if record.sequence == expected:
            return
        hole = (position, record.sequence)
        if self._hole != hole or record.sequence < expected:
            self._hole = hole
            raise DisturbedError
        raise CorruptRecordError(
            f"expected sequence {expected} of {self._stream}, was {record.sequence}"
        )

    async def _reset(self, sequence: int) -> int:
        # Outages last as long as they last: the link ends the process when it gives up. What is
        # limited is how long a connected server may leave a reset unanswered.
        subject = f"$JS.API.CONSUMER.RESET.{self._stream}.{self._consumer}"
        body = msgspec.json.encode({"seq": sequence})
        loop = asyncio.get_running_loop()
        unanswered_s = 0.0
        while unanswered_s < self._rewind_wait_s:
            while not self._nc.is_connected:
                if self._nc.is_closed:
                    raise LinkError("expected an open connection, was closed")
                await asyncio.sleep(RECONNECT_POLL_S)
            asked_at = loop.time()
            reply = await try_request(
                self._nc, subject, body, wait_s=min(REWIND_TRY_S, self._rewind_wait_s)
            )
            if reply is None:
                await asyncio.sleep(RECONNECT_POLL_S)
                unanswered_s += loop.time() - asked_at
                continue
            answer = _reset_decoder.decode(reply.data)
            if answer.error is not None:
                raise LinkError(
                    f"expected to rewind {self._consumer} of {self._stream}, "
                    f"was refused with {answer.error.err_code}: {answer.error.description}"
                )
            return answer.num_pending
        raise LinkError(f"expected an answer to the rewind of {self._consumer}, got none")
