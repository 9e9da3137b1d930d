"""A small HTTP/1.1 server on loopback: keep-alive, one write per reply, no framework.

It knows nothing of Tiger. Faults need what a framework hides: to close without a reply, to let the
reply drip, to refuse connections and to accept them again on the same port. Whatever a client sends
costs it at most its own connection: broken HTTP is answered with a 4xx and the connection is cut,
and heads, bodies, waits and the number of connections have limits.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import h11
import msgspec

HOST = "127.0.0.1"
READ_BYTES = 65_536
BACKLOG = 256
# How long the rest of a refused request is read, so that its answer is not lost to a reset.
LINGER_S_MAX = 2.0
VERSIONS = frozenset({b"1.0", b"1.1"})
HEADERS_KEPT = frozenset({b"authorization", b"content-type"})
JSON_TYPE = "application/json;charset=UTF-8"


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may take."""

    head_bytes_max: int = 16_384
    body_bytes_max: int = 1_000_000
    idle_s_max: float = 600.0  # between two requests
    request_s_max: float = 20.0  # from a request's first byte to its last
    write_s_max: float = 600.0  # for one reply to be taken; a dripping one is paced by us
    connection_count_max: int = 512


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request."""

    method: str
    target: str
    body: bytes
    authorization: str = ""
    content_type: str = ""
    peer: str = HOST  # the address that it came from


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply."""

    status: int = 200
    body: bytes = b""
    location: str | None = None  # for a redirect
    drip_s: float | None = None  # pause between single bytes; none: in one write
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()  # more of them
    # Called when it is ready for the socket; the call that writes it may last until its reader ran.
    on_ready: Callable[[], None] | None = None


# None means: close the connection without a reply.
Handler = Callable[[HttpRequest], Awaitable[HttpReply | None]]


class _RefusedError(Exception):
    """A request that is no proper HTTP, or too much of it."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class HttpListener:
    """One port and its connections."""

    def __init__(self, handler: Handler, limits: HttpLimits | None = None) -> None:
        self._handler = handler
        self._limits = limits or HttpLimits()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self, port: int) -> None:
        """Listen on a port of loopback; 0 picks one. Opening twice changes nothing."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, host=HOST, port=port, backlog=BACKLOG, limit=READ_BYTES
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection but the one that asked for it."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= self._limits.connection_count_max:
            writer.close()
            return
        # Our own task: asyncio's would log a traceback for every connection that `close` cuts.
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = _Connection(reader, writer, self._limits)
        try:
            await connection.converse(self._handler)
        finally:
            writer.close()


class _Connection:
    """One client: reads requests, one after the other, and writes the replies.

    h11 reads, with a new state for each request; replies are written by hand, which costs a tenth.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: HttpLimits
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._limits = limits
        self._protocol = self._fresh()
        peer = writer.get_extra_info("peername")
        self._peer = peer[0] if peer else ""
        self._is_head = False  # the request asks for a reply without its body
        self._deadline = 0.0  # of the request, by the loop's clock

    async def converse(self, handler: Handler) -> None:
        while True:
            try:
                request = await self._read_request()
            except _RefusedError as error:
                await self._refuse(error.status)
                return
            except OSError:
                return
            reply = None if request is None else await handler(request)
            if reply is None:
                return
            is_last = self._protocol.their_state is not h11.DONE
            try:
                await self._write_reply(reply, is_last=is_last)
            except OSError:
                # The client has gone, or takes nothing any more.
                return
            if is_last:
                return
            rest, is_ended = self._protocol.trailing_data
            self._protocol = self._fresh()
            if rest:
                self._protocol.receive_data(rest)
            if is_ended:
                self._protocol.receive_data(b"")

    def _fresh(self) -> h11.Connection:
        return h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_bytes_max)

    async def _read_request(self) -> HttpRequest | None:
        # None is the end of the connection between two requests.
        try:
            head = await self._head()
            body = b"" if head is None else await self._body()
        except h11.RemoteProtocolError as error:
            raise _RefusedError(error.error_status_hint) from None
        except TimeoutError:
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT) from None
        if head is None:
            return None
        kept = {name: value for name, value in head.headers if name in HEADERS_KEPT}
        return HttpRequest(
            method=head.method.decode("ascii"),
            target=head.target.decode("ascii"),
            body=body,
            authorization=kept.get(b"authorization", b"").decode("latin-1"),
            content_type=kept.get(b"content-type", b"").decode("latin-1"),
            peer=self._peer,
        )

    async def _head(self) -> h11.Request | None:
        loop = asyncio.get_running_loop()
        event = self._protocol.next_event()
        if event is h11.NEED_DATA and self._protocol.trailing_data == (b"", False):
            try:
                await self._read(loop.time() + self._limits.idle_s_max)
            except TimeoutError:
                return None
            event = self._protocol.next_event()
        # The first bytes are here: from now on a client that dawdles is cut off.
        self._deadline = loop.time() + self._limits.request_s_max
        while event is h11.NEED_DATA:
            await self._read(self._deadline)
            event = self._protocol.next_event()
        if not isinstance(event, h11.Request):
            return None
        if event.http_version not in VERSIONS:
            raise _RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
        announced = [int(value) for name, value in event.headers if name == b"content-length"]
        if any(size > self._limits.body_bytes_max for size in announced):
            raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._is_head = event.method == b"HEAD"
        return event

    async def _body(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while not isinstance(event := self._protocol.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._limits.body_bytes_max:
                    raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                parts.append(bytes(event.data))
                continue
            if self._protocol.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                self._writer.write(self._protocol.send(go_on) or b"")
            await self._read(self._deadline)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _read(self, deadline: float) -> None:
        async with asyncio.timeout_at(deadline):
            self._protocol.receive_data(await self._reader.read(READ_BYTES))

    async def _write_reply(self, reply: HttpReply, *, is_last: bool) -> None:
        content = _head_of(reply, is_last=is_last) + (b"" if self._is_head else reply.body)
        if reply.on_ready is not None:
            reply.on_ready()
        if reply.drip_s is None:
            await self._write(content)
            return
        for position in range(len(content)):
            await self._write(content[position : position + 1])
            await asyncio.sleep(reply.drip_s)

    async def _write(self, content: bytes) -> None:
        self._writer.write(content)
        # What the system took at once needs no wait, and so no timer.
        if self._writer.transport.get_write_buffer_size() > 0:
            async with asyncio.timeout(self._limits.write_s_max):
                await self._writer.drain()

    async def _refuse(self, status: int) -> None:
        try:
            await self._write(_head_of(HttpReply(status=status), is_last=True))
            await self._drain_input()
        except OSError:
            return

    async def _drain_input(self) -> None:
        self._writer.write_eof()
        left = self._limits.body_bytes_max
        async with asyncio.timeout(LINGER_S_MAX):
            while left > 0 and (rest := await self._reader.read(READ_BYTES)):
                left -= len(rest)


def _head_of(reply: HttpReply, *, is_last: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {reply.status} {_phrase_of(reply.status)}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        *(f"{name}: {value}" for name, value in reply.headers),
    ]
    if reply.location is not None:
        lines.append(f"Location: {reply.location}")
    if is_last:
        lines.append("Connection: close")
    if not all(map(str.isprintable, lines)):
        raise ValueError("expected headers without control characters")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _phrase_of(status: int) -> str:
    # A fault may name a status that has no phrase.
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
