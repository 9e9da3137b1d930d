"""One client's socket: a bounded queue in front of it, and a reader that trusts nothing.

`send` never waits. A client that is too slow, too silent or makes no sense loses its connection,
and nobody else notices.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime

import msgspec
from tigeropen.push.pb.Request_pb2 import Request

from infra.sandbox.push.frames import FrameError, FrameReader

READ_BYTES = 65_536


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client may cost, and how long it may take."""

    queue_bytes_max: int = 8_000_000  # waiting to be sent; beyond it the connection is cut
    connect_s_max: float = 10.0  # from the opened socket to a good CONNECT
    idle_s_max: float = 600.0  # of silence, for a client that sends no heart beats
    silence_factor: float = 2.0  # how many heart beats may be missed, and a fraction
    close_s_max: float = 2.0  # for the last frames to leave


class ConnectionEndedError(Exception):
    """The connection is over; the text says why."""


class Connection:
    """A socket with its queue.

    Args:
        connection_id: counted from 1.
        transport: `tcp` or `tls`.
    """

    def __init__(
        self,
        *,
        connection_id: int,
        transport: str,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        limits: ConnectionLimits,
        opened_at: datetime,
    ) -> None:
        self.connection_id = connection_id
        self.transport = transport
        self.opened_at = opened_at
        self.tiger_id = ""  # once it is connected
        self.sent_count = 0
        self.end_reason = ""
        self.is_paused = False
        self.is_deaf = False  # whatever it asks is not answered
        self._reader, self._writer = streams
        self._limits = limits
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._is_ending = False
        self._silence_s: float | None = None  # none: not connected yet

    @property
    def queued_count(self) -> int:
        """How many frames wait to be sent."""
        return len(self._queue)

    def heard_every(self, interval_ms: int) -> None:
        """Say how often the client will send something; 0: whenever it likes."""
        beats_s = interval_ms / 1000 * self._limits.silence_factor
        self._silence_s = beats_s or self._limits.idle_s_max

    def send(self, frame: bytes) -> None:
        """Queue a frame; of a connection that ends, or overflows, it is lost."""
        if self._is_ending:
            return
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        if self._queued_bytes > self._limits.queue_bytes_max:
            self.cut("too slow")
        self._wake.set()

    def finish(self, reason: str, *, last: bytes | None = None) -> None:
        """Send what is queued and one frame more, then close."""
        if self._is_ending:
            return
        if last is not None:
            self.send(last)
        self._end(reason)

    def cut(self, reason: str) -> None:
        """Close at once; what is queued is lost."""
        self._queue.clear()
        self._queued_bytes = 0
        self._end(reason)
        self._writer.transport.abort()

    def pause(self) -> None:
        """Send nothing any more, and keep the socket open."""
        self.is_paused = True

    def resume(self) -> None:
        """Send what has gathered, and go on."""
        self.is_paused = False
        self._wake.set()

    async def run(self, handle: Callable[["Connection", Request], None]) -> None:
        """Serve until either side ends it; hand every request to `handle`."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read_all(handle))
                group.create_task(self._write_all())
        except* ConnectionEndedError as ended:
            self._end(str(ended.exceptions[0]))
        finally:
            self._writer.close()

    def _end(self, reason: str) -> None:
        if self._is_ending:
            return
        self._is_ending = True
        self.end_reason = reason
        self._wake.set()
        # A client that does not take its last frames does not keep the socket for ever.
        loop = asyncio.get_running_loop()
        loop.call_later(self._limits.close_s_max, self._writer.transport.abort)

    async def _read_all(self, handle: Callable[["Connection", Request], None]) -> None:
        frames = FrameReader()
        deadline = asyncio.get_running_loop().time() + self._limits.connect_s_max
        while not self._is_ending:
            try:
                for request in frames.feed(await self._read(deadline)):
                    handle(self, request)
            except FrameError as error:
                raise ConnectionEndedError(f"not understood: {error}") from None
        # What comes now is not read; the writer ends the connection.
        await asyncio.Event().wait()

    async def _read(self, deadline: float) -> bytes:
        loop = asyncio.get_running_loop()
        until = deadline if self._silence_s is None else loop.time() + self._silence_s
        try:
            async with asyncio.timeout_at(until):
                content = await self._reader.read(READ_BYTES)
        except TimeoutError:
            raise ConnectionEndedError("silent") from None
        except OSError:
            raise ConnectionEndedError("lost") from None
        if not content:
            raise ConnectionEndedError("closed by the client")
        return content

    async def _write_all(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._queue and (self._is_ending or not self.is_paused):
                self.sent_count += len(self._queue)
                content = b"".join(self._queue)
                self._queue.clear()
                self._queued_bytes = 0
                try:
                    self._writer.write(content)
                    await self._writer.drain()
                except OSError:
                    raise ConnectionEndedError("lost") from None
            if self._is_ending and not self._queue:
                raise ConnectionEndedError(self.end_reason)
