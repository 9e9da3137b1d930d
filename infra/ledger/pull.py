"""One life of a waiting pull: from a rewind to the next, on an inbox of its own.

The client's own `fetch` makes a task and a timer per message; here the messages of a request land
in one list, and whoever reads takes the list.
"""

import asyncio
import json
from typing import Final, Self

from nats import errors as nats_errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from core.errors import LinkError
from infra.ledger.record import Delivery, delivery_of, status_of

# Records asked for and not yet read, and the bytes of one request; together they bound memory.
BATCH_MAX: Final = 2_000
BATCH_BYTES_MAX: Final = 8 * 1024 * 1024
EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 0.5
# A server restart is noticed by silence; two heartbeats may be late, the third is missing.
SILENCE_MAX_S: Final = 1.4
_NS: Final = 1_000_000_000
_HEARTBEAT: Final = "100"
# "request timed out" and the 409 of a request that ended early both say how much was left open.
_LEFT_OPEN: Final = "Nats-Pending-Messages"
_LAST_DELIVERED: Final = "Nats-Last-Consumer"


class DisturbedError(Exception):
    """The deliveries are not the ones expected; the reader rewinds to its own position."""


class Pull:
    """Keeps a consumer's deliveries coming to one inbox, and notices when they are not all ours.

    Attributes:
        pending: what the consumer still holds after the last delivery that was taken.
    """

    def __init__(
        self, nc: Client, *, stream: str, consumer: str, pending: int, expires_s: float
    ) -> None:
        self._nc = nc
        self._next_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._inbox = nc.new_inbox()
        self._subscription: Subscription | None = None
        self._arrived: list[Msg] = []
        self._wake = asyncio.Event()
        self._received = 0
        self._taken = 0
        self._asked = 0
        self._clock = asyncio.get_running_loop().time
        self._heard_at = 0.0
        self._is_disturbed = False
        self._is_closed = False
        self._expires_s = expires_s
        self.pending = pending

    @classmethod
    async def open(
        cls,
        nc: Client,
        *,
        stream: str,
        consumer: str,
        pending: int,
        expires_s: float = EXPIRES_S,
    ) -> Self:
        """Listen on a fresh inbox; the first `take` asks for records."""
        pull = cls(nc, stream=stream, consumer=consumer, pending=pending, expires_s=expires_s)
        # The limits of the client drop messages; ours is what has been asked for.
        pull._subscription = await nc.subscribe(
            pull._inbox,
            cb=pull._on_message,
            pending_msgs_limit=2 * BATCH_MAX,
            pending_bytes_limit=0,
        )
        return pull

    async def take(self) -> list[Delivery]:
        """Wait for deliveries and return all that have arrived, at least one.

        Raises:
            DisturbedError: silence, or deliveries that went to somebody else.
            LinkError: this pull was closed meanwhile.
        """
        waiting_since = self._clock()
        await self._ask()
        while not self._arrived:
            if self._is_closed:
                raise LinkError("expected to be the only reading of its consumer, was replaced")
            silent_from = max(self._heard_at, waiting_since)
            if self._is_disturbed or self._clock() - silent_from > SILENCE_MAX_S:
                raise DisturbedError
            self._wake.clear()
            try:
                async with asyncio.timeout_at(silent_from + SILENCE_MAX_S):
                    await self._wake.wait()
            except TimeoutError:
                continue  # the top of the loop judges
            await self._ask()  # a request that ran out is replaced
        messages, self._arrived = self._arrived, []
        deliveries: list[Delivery] = []
        for message in messages:
            delivery = delivery_of(message)
            self._taken += 1
            if delivery.consumer_sequence != self._taken:
                self._is_disturbed = True
                break
            deliveries.append(delivery)
        if not deliveries:
            raise DisturbedError
        self.pending = deliveries[-1].pending
        return deliveries

    async def close(self) -> None:
        """Give the inbox up, so that the server skips what still waits for it."""
        self._is_closed = True
        self._wake.set()
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self._nc.is_closed:
            try:
                await subscription.unsubscribe()
            except (nats_errors.ConnectionDrainingError, nats_errors.ConnectionClosedError):
                return  # the connection takes the inbox with it

    async def _ask(self) -> None:
        # Half a batch is always under way, so the server never waits for us while we catch up.
        open_count = self._asked + len(self._arrived)
        if self._is_closed or self._asked > BATCH_MAX // 2 or open_count >= BATCH_MAX:
            return
        count = BATCH_MAX - open_count
        request = {
            "batch": count,
            "max_bytes": BATCH_BYTES_MAX,
            "expires": int(self._expires_s * _NS),
            "idle_heartbeat": int(HEARTBEAT_S * _NS),
        }
        self._asked += count
        try:
            await self._nc.publish(
                self._next_subject, json.dumps(request).encode(), reply=self._inbox
            )
        except nats_errors.OutboundBufferLimitError:
            raise DisturbedError from None
        except nats_errors.Error as error:
            raise LinkError(f"expected to ask for records, was {type(error).__name__}") from error

    async def _on_message(self, message: Msg) -> None:
        self._heard_at = self._clock()
        if message.reply:
            self._asked -= 1
            self._received += 1
            self._arrived.append(message)
        else:
            self._on_status(message)
        self._wake.set()

    def _on_status(self, message: Msg) -> None:
        headers = message.headers or {}
        if status_of(message) == _HEARTBEAT:
            # A consumer that has delivered more, or less, than we received has another reader.
            self._is_disturbed |= int(headers[_LAST_DELIVERED]) != self._received
        elif _LEFT_OPEN in headers:
            self._asked -= int(headers[_LEFT_OPEN])
        else:
            self._is_disturbed = True
