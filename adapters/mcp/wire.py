"""The client's end of stdin and stdout, as the two streams that the MCP SDK serves.

The SDK's own transport crosses to a worker thread three times per call; this one reads and writes
the pipes from the event loop. Both ends keep these rules:

- One message is one line of UTF-8. A line that is no message is answered with an error, as JSON-RPC
  2.0 has it (section 5.1): by its id where it surely asks something, else by none. A blank line is
  nothing at all.
- Nothing is read while nobody asks for the next message, and nothing is written while the rest of
  the last message waits for the client: the pipes hold the rest, and no memory grows.
- What was begun is written to its end, so that a cancelled call never tears a line.
- While the client is served, fd 0 is empty and fd 1 is stderr, so that a stray print or a child
  cannot reach the wire. The process ends with its client, so they stay so.
"""

import asyncio
import os
import re
import stat
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Final, NamedTuple, Self

import anyio
import msgspec
from mcp.shared.message import SessionMessage
from mcp.types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    jsonrpc_message_adapter,
)

LINE_BYTES_MAX: Final = 16 * 1024 * 1024
_READ_BYTES_MAX: Final = 64 * 1024
# How long the rest of the last answer may take once the client has closed its end.
_FLUSH_LIMIT_S: Final = 5.0
_EDGE_BYTES_MAX: Final = 200
# Only a member of the message itself stands right after its first, or right before its last brace.
_ID: Final = rb'"id"\s*:\s*(\d{1,18}|"[^"\\\x00-\x1f]{1,100}")\s*'
_ID_AT_THE_START: Final = re.compile(rb'\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID + b",")
_ID_AT_THE_END: Final = re.compile(_ID + rb'(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


class Wire(NamedTuple):
    """Two descriptors of our own that lead to the client."""

    read_fd: int
    write_fd: int


class TooLong(NamedTuple):
    """What is kept of a line that is refused: its edges and its length in bytes."""

    start: bytes
    end: bytes
    length: int


def take_wire() -> Wire | None:
    """Take stdin and stdout for the protocol alone, or return None where the loop cannot wait on
    them (Windows, files, terminals), or where one of them is shared with the other or with stderr.
    """
    if sys.platform == "win32" or not _are_pipes_of_their_own():
        return None
    wire = Wire(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire


@asynccontextmanager
async def streams(wire: Wire) -> AsyncIterator[tuple["LineReader", "LineWriter"]]:
    """Yield what the SDK reads messages from and writes them to; closes the wire at the end."""
    # Whoever started this process may hold the same pipes, and finds them as they were.
    was_blocking = [os.get_blocking(fd) for fd in wire]
    for fd in wire:
        os.set_blocking(fd, False)
    writer = LineWriter(wire.write_fd)
    reader = LineReader(wire.read_fd, writer)
    writer.on_broken = reader.end
    try:
        yield reader, writer
        with suppress(TimeoutError):
            async with asyncio.timeout(_FLUSH_LIMIT_S):
                await writer.flushed()
    finally:
        reader.end()
        writer.drop()
        for fd, is_blocking in zip(wire, was_blocking, strict=True):
            os.set_blocking(fd, is_blocking)
            os.close(fd)


class Lines:
    """Cuts bytes, however they come, into lines without their newline."""

    def __init__(self) -> None:
        self._complete: deque[bytes | TooLong] = deque()
        self._rest: list[bytes] = []
        self._length = 0

    def add(self, chunk: bytes) -> None:
        """Take what was read."""
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            self._grow(part)
            self._cut()
        self._grow(rest)

    def end(self) -> None:
        """Take the end of the input: what has no newline is a line too."""
        if self._length:
            self._cut()

    def __len__(self) -> int:
        return len(self._complete)

    def next(self) -> bytes | TooLong | None:
        """Return the next complete line, None if there is none."""
        return self._complete.popleft() if self._complete else None

    def _grow(self, part: bytes) -> None:
        if not part:
            return
        self._length += len(part)
        self._rest.append(part)
        if self._length > LINE_BYTES_MAX:
            whole = b"".join(self._rest)
            self._rest = [whole[:_EDGE_BYTES_MAX], whole[_EDGE_BYTES_MAX:][-_EDGE_BYTES_MAX:]]

    def _cut(self) -> None:
        if self._length > LINE_BYTES_MAX:
            start, end = self._rest
            self._complete.append(TooLong(start, end, self._length))
        else:
            self._complete.append(b"".join(self._rest))
        self._rest = []
        self._length = 0


class _Closing:
    # What the SDK's protocols of streams ask for besides reading and writing.

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self.end()

    def end(self) -> None:
        raise NotImplementedError


class LineReader(_Closing):
    """The client's messages, in order; for one reader."""

    def __init__(self, fd: int, answers: "LineWriter") -> None:
        self._fd = fd
        self._answers = answers
        self._loop = asyncio.get_running_loop()
        self._lines = Lines()
        self._news: asyncio.Future[None] | None = None
        self._is_watched = False
        self._is_ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message; what is none is answered here.

        Raises:
            EndOfStream: the client closed its end.
        """
        while True:
            line = self._lines.next()
            if isinstance(line, bytes):
                message = _message(line)
                if message is not None:
                    return message
                if line.strip():
                    await self._answer(_fault_of(line))
                continue
            if line is not None:
                await self._answer(_refusal(line))
            elif self._is_ended:
                raise anyio.EndOfStream
            else:
                await self._more()

    async def _answer(self, message: SessionMessage) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._answers.send(message)

    def end(self) -> None:
        """Read no more; what was read is still given."""
        self._is_ended = True
        self._unwatch()
        self._tell()

    async def _more(self) -> None:
        if not self._is_watched:
            self._loop.add_reader(self._fd, self._read)
            self._is_watched = True
        self._news = self._loop.create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _read(self) -> None:
        if self._news is None:
            # Nobody asks: the pipe keeps it.
            self._unwatch()
            return
        try:
            chunk = os.read(self._fd, _READ_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if chunk:
            self._lines.add(chunk)
            if self._lines:
                self._tell()
        else:
            self._lines.end()
            self.end()

    def _unwatch(self) -> None:
        if self._is_watched:
            self._loop.remove_reader(self._fd)
            self._is_watched = False

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class LineWriter(_Closing):
    """Messages to the client; for any number of writers."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._rest = memoryview(b"")
        self._flushed = asyncio.Event()
        self._flushed.set()
        self._is_ended = False
        self._is_broken = False
        self.on_broken: Callable[[], None] = lambda: None

    async def send(self, item: SessionMessage) -> None:
        """Write one message; returns when the client's pipe has all of it.

        Raises:
            ClosedResourceError: after the end.
            BrokenResourceError: the client is gone.
        """
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
        while self._rest:
            await self._flushed.wait()
        if self._is_ended:
            raise anyio.ClosedResourceError
        self._rest = memoryview(line)
        self._write()
        if self._rest:
            self._flushed.clear()
            self._loop.add_writer(self._fd, self._write_more)
            await self._flushed.wait()
        if self._is_broken:
            raise anyio.BrokenResourceError

    async def flushed(self) -> None:
        """Return when nothing waits for the client."""
        await self._flushed.wait()

    def end(self) -> None:
        """Take no more messages; the rest of the last one is still written."""
        self._is_ended = True

    def drop(self) -> None:
        """Write nothing more at all."""
        self._is_ended = True
        self._rest = memoryview(b"")
        self._loop.remove_writer(self._fd)
        self._flushed.set()

    def _write_more(self) -> None:
        self._write()
        if not self._rest:
            self._loop.remove_writer(self._fd)
            self._flushed.set()

    def _write(self) -> None:
        try:
            written = os.write(self._fd, self._rest)
        except BlockingIOError:
            return
        except OSError:
            self._is_ended = self._is_broken = True
            self._rest = memoryview(b"")
            # A client that reads no answers is served no more.
            self.on_broken()
            return
        self._rest = self._rest[written:]


def _are_pipes_of_their_own() -> bool:
    try:
        found = [os.fstat(fd) for fd in (0, 1, 2)]
    except OSError:
        return False
    # Waiting is set per pipe, not per descriptor: whoever shares one would find it changed.
    if len({(each.st_dev, each.st_ino) for each in found}) != len(found):
        return False
    return all(stat.S_ISFIFO(each.st_mode) or stat.S_ISSOCK(each.st_mode) for each in found[:2])


def _message(line: bytes) -> SessionMessage | None:
    try:
        text = line.decode(errors="replace")
        return SessionMessage(jsonrpc_message_adapter.validate_json(text, by_name=False))
    except ValueError:
        return None


def _fault_of(line: bytes) -> SessionMessage:
    try:
        found = msgspec.json.decode(line.decode(errors="replace"))
    except (msgspec.DecodeError, RecursionError):
        # Half of a surrogate pair is JSON and no text; whoever asked would wait for ever.
        request_id = _id_in(line, line)
        code = PARSE_ERROR if request_id is None else INVALID_REQUEST
        return _no_message(request_id, "expected a JSON-RPC message of valid text", code=code)
    # Without a method it asks nothing, and its id may be one of ours.
    told = found.get("id") if isinstance(found, dict) and "method" in found else None
    is_id = isinstance(told, int | str) and not isinstance(told, bool)
    return _no_message(told if is_id else None, "expected one message of JSON-RPC 2.0")


def _refusal(line: TooLong) -> SessionMessage:
    return _no_message(
        _id_in(line.start, line.end),
        f"expected a message of at most {LINE_BYTES_MAX} bytes, was {line.length}",
    )


def _id_in(start: bytes, end: bytes) -> int | str | None:
    found = _ID_AT_THE_START.match(start) or _ID_AT_THE_END.search(end)
    return msgspec.json.decode(found[1], type=int | str) if found else None


def _no_message(
    request_id: int | str | None, why: str, *, code: int = INVALID_REQUEST
) -> SessionMessage:
    error = ErrorData(code=code, message=f"{why}; nothing was done")
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request_id, error=error))
