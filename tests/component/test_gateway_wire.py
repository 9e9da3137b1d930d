"""The gateway's own stdio: pipes and sockets read and written by the event loop."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCRequest, JSONRPCResponse

from adapters.mcp.wire import LINE_BYTES_MAX, LineReader, LineWriter, Wire, streams
from tests.support.gateway import MODES, TEST_LIMIT_S, Mode, World, error_of, somebody

ROOT: Final = Path(__file__).parents[2]
PROCESS_LIMIT_S: Final = 30.0
HELLO: Final = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}
# A gateway without a cluster, in a process where others write to stdout too.
SERVE: Final = """
import asyncio, os, subprocess, sys
from adapters.mcp.parts import Parts, Waits
from adapters.mcp.server import serve_stdio
from infra.clock import RandomIds, SystemClock
from infra.logs import configure

async def never():
    print("a stray print", flush=True)
    os.write(1, b"a stray write")
    subprocess.run([sys.executable, "-c", "import sys; print(sys.stdin.read() + 'a child')"])
    await asyncio.Event().wait()

configure("gateway", "info")
asyncio.run(serve_stdio(Parts(
    connect=never, accounts=dict, clock=SystemClock(), ids=RandomIds(), version="1",
    waits=Waits(ready_s=0.05),
)))
"""
TAKE: Final = """
import sys
from adapters.mcp.wire import take_wire
sys.exit(0 if take_wire() is None else 7)
"""
NOT_TAKEN, TAKEN = 0, 7


class Peer:
    """The client's ends of two pipes, and the gateway's."""

    def __init__(self) -> None:
        self.theirs_in, self.ours_out = os.pipe()
        self.ours_in, self.theirs_out = os.pipe()
        self._answers = os.fdopen(self.ours_in, "rb")

    def send(self, data: bytes) -> None:
        """Write what fits into the pipe."""
        assert os.write(self.ours_out, data) == len(data)

    async def answer(self) -> dict[str, Any]:
        """Return the next line of the gateway."""
        line = await asyncio.to_thread(self._answers.readline)
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def rest(self) -> bytes:
        """Return all that is still to come."""
        return await asyncio.to_thread(self._answers.read)

    def leave(self) -> None:
        """Close the way to the gateway."""
        os.close(self.ours_out)

    def stop_reading(self) -> None:
        """Close the way from the gateway."""
        self._answers.close()


@asynccontextmanager
async def wired() -> AsyncIterator[tuple[Peer, LineReader, LineWriter]]:
    """Yield a peer and the streams on its pipes; the whole block is bounded."""
    peer = Peer()
    async with asyncio.timeout(TEST_LIMIT_S):
        async with streams(Wire(peer.theirs_in, peer.theirs_out)) as (reader, writer):
            yield peer, reader, writer
    peer.stop_reading()


@asynccontextmanager
async def served(world: World) -> AsyncIterator[tuple[Peer, asyncio.Task[None]]]:
    """Yield a peer that shook hands with a server, and the server's task."""
    inner = world.server._lowlevel_server
    peer = Peer()

    async def serve() -> None:
        async with streams(Wire(peer.theirs_in, peer.theirs_out)) as (reader, writer):
            await inner.run(reader, writer, inner.create_initialization_options())

    async with asyncio.timeout(TEST_LIMIT_S), asyncio.TaskGroup() as group:
        with somebody():
            task = group.create_task(serve())
        peer.send(request(0, "initialize", HELLO))
        assert (await peer.answer())["result"]["serverInfo"]["name"] == "tiger-mcp"
        peer.send(line({"jsonrpc": "2.0", "method": "notifications/initialized"}))
        yield peer, task
    peer.stop_reading()


def line(message: Mapping[str, object]) -> bytes:
    """Return a message as it is on the wire."""
    return json.dumps(message).encode() + b"\n"


def request(number: int | str, method: str, params: Mapping[str, object]) -> bytes:
    """Return a request as it is on the wire."""
    return line({"jsonrpc": "2.0", "id": number, "method": method, "params": params})


def ping(number: int) -> bytes:
    """Return the shortest request."""
    return request(number, "ping", {})


def response(number: int, size: int = 1) -> SessionMessage:
    """Return an answer of at least `size` bytes."""
    return SessionMessage(JSONRPCResponse(jsonrpc="2.0", id=number, result={"text": "x" * size}))


async def test_messages_may_share_a_read_or_be_cut_by_it() -> None:
    async with served(World()) as (peer, _):
        whole = ping(2)
        peer.send(ping(1) + whole[:20])
        assert (await peer.answer())["id"] == 1
        peer.send(whole[20:] + b"\r\n" + ping(3).replace(b"\n", b"\r\n") + ping(4)[:-1])
        assert {(await peer.answer())["id"] for _ in range(2)} == {2, 3}
        peer.send(b"\n")
        assert (await peer.answer())["id"] == 4
        peer.leave()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"this is not JSON", (None, -32700)),
        (b"{", (None, -32700)),
        (b"\xff\xfe", (None, -32700)),
        (b"[" * 9_000, (None, -32700)),
        (b"[]", (None, -32600)),
        (b'[{"jsonrpc":"2.0","id":8,"method":"ping"}]', (None, -32600)),
        (b'{"jsonrpc":"2.0"}', (None, -32600)),
        # An id without a method may be that of a request of ours.
        (b'{"jsonrpc":"2.0","id":8}', (None, -32600)),
        (b'{"jsonrpc":"1.0","id":8,"method":"ping"}', (8, -32600)),
        (b'{"method":"ping","id":"eight"}', ("eight", -32600)),
    ],
)
async def test_what_is_no_message_is_answered_as_such_and_then_the_next(
    line: bytes, told: tuple[int | str | None, int]
) -> None:
    async with served(World()) as (peer, _):
        peer.send(line + b"\n" + ping(1))
        refused = await peer.answer()
        assert (refused["id"], refused["error"]["code"]) == told
        assert await peer.answer() == {"jsonrpc": "2.0", "id": 1, "result": {}}
        peer.leave()


async def test_a_blank_line_is_nothing_at_all() -> None:
    async with served(World()) as (peer, _):
        peer.send(b"\n \t\r\n\n" + ping(1))
        assert await peer.answer() == {"jsonrpc": "2.0", "id": 1, "result": {}}
        peer.leave()


async def test_what_is_no_message_but_names_its_call_is_answered() -> None:
    # Half of a surrogate pair is JSON and no text; a client would wait for its answer for ever.
    broken = b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"\\ud800"}}\n'
    async with served(World()) as (peer, _):
        peer.send(broken + ping(4))
        refused = await peer.answer()
        assert (refused["id"], refused["error"]["code"]) == (3, -32600)
        assert (await peer.answer())["id"] == 4
        peer.leave()


async def test_text_is_utf_8_both_ways_and_what_is_not_is_replaced() -> None:
    asked = request(1, "tools/call", {"name": "get_orders", "arguments": {"account": "@"}})
    async with served(World()) as (peer, _):
        peer.send(asked.replace(b"@", "ü €".encode()))
        assert "was 'ü €'" in (await peer.answer())["result"]["content"][0]["text"]
        peer.send(asked.replace(b"@", b"\xff"))
        assert "was '\ufffd'" in (await peer.answer())["result"]["content"][0]["text"]
        peer.leave()


@pytest.mark.parametrize(
    "start, end, told",
    [
        (b'{"jsonrpc":"2.0","id":5,"method":"x","params":{"a":"', b'"}}\n', 5),
        (b'{"method":"x","params":{"a":"', b'"},"jsonrpc":"2.0","id":"q-1"}\n', "q-1"),
        (b'{"method":"x","params":{"a":"', b'","id":5}}\n', None),
        (b'{"method":"x","params":{"a":"\\"id\\":4,', b'"},"jsonrpc":"2.0"}\n', None),
    ],
)
async def test_a_line_that_is_too_long_is_refused_by_its_id_and_the_next_is_answered(
    start: bytes, end: bytes, told: int | str | None
) -> None:
    size = LINE_BYTES_MAX
    async with served(World()) as (peer, _):
        chunk = b"x" * 2**20
        for part in (start, *[chunk] * (size // len(chunk)), end):
            await asyncio.to_thread(write_all, peer.ours_out, part)
        peer.send(ping(9))
        refused = await peer.answer()
        assert (refused["id"], refused["error"]["code"]) == (told, -32600)
        assert f"at most {size} bytes, was {size + len(start + end) - 1}" in str(refused["error"])
        assert (await peer.answer())["id"] == 9
        peer.leave()


async def test_the_end_of_input_cancels_what_is_in_flight_and_ends_the_server() -> None:
    world = World()
    world.reachable.clear()
    async with served(world) as (peer, task):
        peer.send(request(1, "tools/call", {"name": "list_accounts", "arguments": {}}) + ping(2))
        assert (await peer.answer())["id"] == 2
        peer.leave()
        await task
        closed = json.loads(await peer.rest())
    assert closed["id"] == 1
    assert closed["error"] == {"code": -32000, "message": "Connection closed"}


async def test_a_last_message_without_newline_is_a_message() -> None:
    async with wired() as (peer, reader, _):
        peer.send(ping(1)[:-1])
        peer.leave()
        found = [each async for each in reader]
    (message,) = found
    assert isinstance(message, SessionMessage)
    assert isinstance(message.message, JSONRPCRequest)


async def test_nothing_is_read_while_nobody_asks() -> None:
    async with wired() as (peer, reader, _):
        os.set_blocking(peer.ours_out, False)
        peer.send(ping(1))
        await reader.receive()
        # The first filling is what the pipe holds; the loop turns before the second.
        filled = fill(peer.ours_out)
        more = await asyncio.to_thread(fill, peer.ours_out)
        assert (filled > 0, more) == (True, 0)
        peer.leave()
        received = [each async for each in reader]
    assert len(received) == filled // len(ping(1))


async def test_a_client_that_does_not_read_holds_up_writers_but_not_the_loop() -> None:
    async with wired() as (peer, _, writer):
        first = asyncio.create_task(writer.send(response(1, 1_000_000)))
        second = asyncio.create_task(writer.send(response(2, 1_000_000)))
        await asyncio.to_thread(lambda: None)
        assert not first.done()
        assert not second.done()
        assert (await peer.answer())["id"] == 1
        assert (await peer.answer())["id"] == 2
        await asyncio.gather(first, second)


async def test_a_call_cancelled_while_it_is_written_leaves_a_whole_line() -> None:
    async with wired() as (peer, _, writer):
        first = asyncio.create_task(writer.send(response(1, 1_000_000)))
        second = asyncio.create_task(writer.send(response(2)))
        third = asyncio.create_task(writer.send(response(3)))
        await asyncio.to_thread(lambda: None)
        first.cancel()
        second.cancel()
        assert len((await peer.answer())["result"]["text"]) == 1_000_000
        assert (await peer.answer())["id"] == 3
        await third


async def test_a_client_that_went_away_ends_both_directions() -> None:
    async with wired() as (peer, reader, writer):
        peer.stop_reading()
        with pytest.raises(anyio.BrokenResourceError):
            await writer.send(response(1))
        assert [each async for each in reader] == []
        with pytest.raises(anyio.ClosedResourceError):
            await writer.send(response(2))


@pytest.mark.parametrize("mode", MODES)
async def test_the_real_client_is_served_on_pipes_in_both_eras(mode: Mode) -> None:
    parameters = StdioServerParameters(command=sys.executable, args=["-c", SERVE], cwd=ROOT)
    async with asyncio.timeout(PROCESS_LIMIT_S), Client(parameters, mode=mode) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert {"preview_order", "submit_order", "get_orders"} <= names
        texts = await asyncio.gather(
            *(client.call_tool("list_accounts", {}) for _ in range(5)),
            client.call_tool("get_orders", {"account": "a" * 10_000_000}),
        )
    assert error_of(texts[0]).startswith("starting: ")
    assert error_of(texts[-1]).endswith("at most 4000 characters, was 10000000.")


@pytest.mark.parametrize("transport", ["pipes", "sockets", "one socket", "files"])
def test_every_kind_of_stdio_is_served_and_nothing_strays_onto_it(
    transport: str, tmp_path: Path
) -> None:
    # What is still in flight at the end of input is cancelled, so the one request is `initialize`,
    # whose answer comes before the next line is looked at.
    asked = request(1, "initialize", HELLO)
    out = tmp_path / "out"
    command = [sys.executable, "-c", SERVE]
    match transport:
        case "pipes":
            piped = subprocess.run(
                command, input=asked, capture_output=True, cwd=ROOT, timeout=PROCESS_LIMIT_S
            )
            told, code = piped.stdout, piped.returncode
        case "files":
            (tmp_path / "in").write_bytes(asked)
            with (tmp_path / "in").open("rb") as source, out.open("wb") as sink:
                code = subprocess.run(
                    command, stdin=source, stdout=sink, cwd=ROOT, timeout=PROCESS_LIMIT_S
                ).returncode
            told = out.read_bytes()
        case _:
            told, code = over_sockets(command, asked, is_one=transport == "one socket")
    (answer,) = map(json.loads, told.splitlines())
    assert code == 0
    assert answer["result"]["serverInfo"]["name"] == "tiger-mcp"


@pytest.mark.parametrize(
    "streams_given, code",
    [
        ({"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}, TAKEN),
        ({"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}, NOT_TAKEN),
        ({"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}, NOT_TAKEN),
        # Logs and answers in one pipe: waiting would be switched off for both.
        (
            {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT},
            NOT_TAKEN,
        ),
    ],
)
def test_only_pipes_of_their_own_are_taken(streams_given: dict[str, Any], code: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", TAKE], cwd=ROOT, **streams_given)
    process.communicate(timeout=PROCESS_LIMIT_S)
    assert process.returncode == code


# Node's way: a socket for each, whose unused direction may be shut; or one socket for both.
def over_sockets(command: list[str], asked: bytes, *, is_one: bool) -> tuple[bytes, int]:
    ours_in, theirs_in = socket.socketpair()
    ours_out, theirs_out = (ours_in, theirs_in) if is_one else socket.socketpair()
    process = subprocess.Popen(
        command, stdin=theirs_in.fileno(), stdout=theirs_out.fileno(), cwd=ROOT
    )
    theirs_in.close()
    theirs_out.close()
    if not is_one:
        ours_out.shutdown(socket.SHUT_WR)
    for each in (ours_in, ours_out):
        each.settimeout(PROCESS_LIMIT_S)
    with ours_in, ours_out, ours_out.makefile("rb") as answers:
        ours_in.sendall(asked)
        told = answers.readline()
        ours_in.shutdown(socket.SHUT_WR)
        return told + answers.read(), process.wait(PROCESS_LIMIT_S)


def write_all(fd: int, data: bytes) -> None:
    """Write, waiting for room."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def fill(fd: int) -> int:
    """Write pings until the pipe is full; return how many bytes it took."""
    taken = 0
    while True:
        try:
            taken += os.write(fd, ping(1))
        except BlockingIOError:
            return taken
