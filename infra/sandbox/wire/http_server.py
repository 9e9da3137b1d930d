"""A small HTTP/1.1 server on loopback: keep-alive, one write per reply, no framework.

It knows nothing of Tiger. Faults need what a framework hides: to close without a reply, to let the
reply drip, to refuse connections and to accept them again on the same port.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import h11
import msgspec

HOST = "127.0.0.1"
BODY_BYTES_MAX = 1_000_000
READ_BYTES = 65_536
IDLE_S_MAX = 600.0
BACKLOG = 256
# A client that breaks off, breaks the protocol or falls silent only loses its connection.
CLIENT_FAULTS = (OSError, TimeoutError, h11.RemoteProtocolError)


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request."""

    method: str
    target: str
    body: bytes


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole reply."""

    status: int = 200
    body: bytes = b""
    location: str | None = None  # for a redirect
    drip_s: float | None = None  # pause between single bytes; none: in one write


# None means: close the connection without a reply.
Handler = Callable[[HttpRequest], Awaitable[HttpReply | None]]


class HttpListener:
    """One port and its connections."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
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
        # Our own task: asyncio's would log a traceback for every connection that `close` cuts.
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await self._converse(reader, writer)
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        while connection.our_state is not h11.MUST_CLOSE:
            request = reply = None
            with contextlib.suppress(*CLIENT_FAULTS):
                request = await _read_request(connection, reader, writer)
            if request is not None:
                reply = await self._handler(request)
            if reply is None:
                return
            try:
                await _write_reply(connection, writer, reply)
            except CLIENT_FAULTS:
                return
            if connection.our_state is h11.DONE:
                connection.start_next_cycle()


async def _read_request(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> HttpRequest | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(connection.send(go_on) or b"")
            async with asyncio.timeout(IDLE_S_MAX):
                connection.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > BODY_BYTES_MAX:
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return HttpRequest(
                method=head.method.decode(), target=head.target.decode(), body=bytes(body)
            )
        else:
            return None


async def _write_reply(
    connection: h11.Connection, writer: asyncio.StreamWriter, reply: HttpReply
) -> None:
    headers = [
        ("Content-Type", "application/json;charset=UTF-8"),
        ("Content-Length", str(len(reply.body))),
    ]
    if reply.location is not None:
        headers.append(("Location", reply.location))
    parts = (
        connection.send(h11.Response(status_code=reply.status, headers=headers)),
        connection.send(h11.Data(data=reply.body)),
        connection.send(h11.EndOfMessage()),
    )
    content = b"".join(part or b"" for part in parts)
    if reply.drip_s is None:
        writer.write(content)
        await writer.drain()
        return
    for position in range(len(content)):
        writer.write(content[position : position + 1])
        await writer.drain()
        await asyncio.sleep(reply.drip_s)
