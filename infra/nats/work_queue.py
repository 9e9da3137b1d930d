"""Takes messages off a work-queue stream through a consumer that was made beforehand.

Messages are handed over the moment they arrive and stay held, with signs of life, until whoever
took them acknowledges; a process that dies leaves them to its successor.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Final

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from core.ports import CommandMessage

log = structlog.get_logger()
# Equals the consumer's max_ack_pending: more are never under way.
HELD_MAX: Final = 256
EXPIRES_S: Final = 30.0
HEARTBEAT_S: Final = 0.5
# Without a heartbeat for this long the request died with its server, and is made again.
SILENCE_MAX_S: Final = 1.6
# A third of the shorter ack_wait, that of the controls.
ALIVE_EVERY_S: Final = 1.0
# After a status that is no plain end of a request, such as a consumer that is gone.
PAUSE_S: Final = 0.5
ACK_WAIT_S: Final = 2.0
_NS: Final = 1_000_000_000
_HEARTBEAT: Final = "100"
_RAN_OUT: Final = "408"
_TOKENS_V1: Final = 9


class HeldMessage:
    """A message that is not acknowledged yet. Methods may be called from any thread."""

    def __init__(self, queue: "WorkQueue", message: Msg) -> None:
        tokens = message.reply.split(".")
        shift = 0 if len(tokens) == _TOKENS_V1 else 2
        self._queue = queue
        self.reply = message.reply
        self.message = CommandMessage(
            message.subject, message.data, tokens[2 + shift], int(tokens[5 + shift])
        )

    def acknowledge(self) -> None:
        """Take the message off the stream; if that is lost it only comes again."""
        self._queue.finish(self, b"+ACK")

    def set_aside(self, reason: str) -> None:
        """Take off a message that can never be read; the server tells its advisories why."""
        self._queue.finish(self, b"+TERM " + reason.encode())


class WorkQueue:
    """One consumer's messages. All but `finish` runs on the connection's event loop."""

    def __init__(
        self,
        nc: Client,
        *,
        stream: str,
        consumer: str,
        take: Callable[[HeldMessage], None],
    ) -> None:
        """Bind to a consumer that exists; `take` is called on the loop and returns at once."""
        self._nc = nc
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, HeldMessage] = {}
        self._asked = 0
        self._heard_at = self._loop.time()
        self._wake = asyncio.Event()
        self._must_pause = False
        self._needs_inbox = False
        self._acks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Take messages for ever; cancel it to stop taking, what is held stays held."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_alive())
            while True:
                self._needs_inbox = False
                self._asked = 0
                subscription = await self._nc.subscribe(self._nc.new_inbox(), cb=self._hear)
                try:
                    await self._keep_asking(subscription.subject)
                finally:
                    with contextlib.suppress(nats.errors.Error):
                        await subscription.unsubscribe()

    def finish(self, held: HeldMessage, answer: bytes) -> None:
        """Answer a held message, from any thread."""
        self._loop.call_soon_threadsafe(self._start_answer, held, answer)

    async def leave(self) -> None:
        """Let what was acknowledged reach the server, and give the rest back for a successor."""
        if self._acks:
            await asyncio.wait(self._acks, timeout=ACK_WAIT_S)
        for held in tuple(self._held.values()):
            with contextlib.suppress(nats.errors.Error):
                await self._nc.publish(held.reply, b"-NAK")

    async def _keep_asking(self, inbox: str) -> None:
        """Keep a request open on an inbox, until that inbox is of no use any more."""
        while not self._needs_inbox:
            if self._must_pause:
                self._must_pause = False
                await asyncio.sleep(PAUSE_S)
            silent_s = self._loop.time() - self._heard_at
            if self._asked <= 0 or silent_s > SILENCE_MAX_S:
                await self._ask(inbox)
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), SILENCE_MAX_S)

    async def _ask(self, inbox: str) -> None:
        request = {
            "batch": HELD_MAX,
            "expires": int(EXPIRES_S * _NS),
            "idle_heartbeat": int(HEARTBEAT_S * _NS),
        }
        self._asked = HELD_MAX
        self._heard_at = self._loop.time()
        try:
            await self._nc.publish(self._subject, json.dumps(request).encode(), reply=inbox)
        except nats.errors.Error as error:
            # While the client reconnects its buffer may be full; silence brings the next try.
            log.warning("queue.not_asked", subject=self._subject, reason=type(error).__name__)

    async def _hear(self, message: Msg) -> None:
        self._heard_at = self._loop.time()
        if not message.reply:
            status = (message.headers or {}).get("Status", "")
            if status != _HEARTBEAT:
                self._asked = 0
                self._must_pause = status != _RAN_OUT
                self._wake.set()
            return
        self._asked -= 1
        if not message.data and not message.headers:
            # The server takes it for the end of the request's replies, and goes on sending into
            # nothing; only an inbox that is gone makes it drop that request.
            self._asked = 0
            self._needs_inbox = True
        held = HeldMessage(self, message)
        self._held[held.reply] = held
        self._take(held)
        if self._asked <= 0:
            self._wake.set()

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(ALIVE_EVERY_S)
            for held in tuple(self._held.values()):
                try:
                    await self._nc.publish(held.reply, b"+WPI")
                except nats.errors.Error as error:
                    log.warning("queue.not_kept", reason=type(error).__name__)

    def _start_answer(self, held: HeldMessage, answer: bytes) -> None:
        task = self._loop.create_task(self._answer(held, answer))
        self._acks.add(task)
        task.add_done_callback(self._acks.discard)

    async def _answer(self, held: HeldMessage, answer: bytes) -> None:
        self._held.pop(held.reply, None)
        try:
            await self._nc.request(held.reply, answer, timeout=ACK_WAIT_S)
        except nats.errors.Error as error:
            # It comes again, and the desk has it among the handled ones.
            log.warning("queue.ack_lost", stream=held.message.stream, reason=type(error).__name__)
