"""Clients that are slow on purpose: each is cut off after its time, and takes nobody's place."""

import asyncio
import contextlib
import json
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from mcp.shared.subscriptions import ResourceUpdated
from structlog.testing import capture_logs

from adapters.mcp.http_connection import ConnectionLimits
from adapters.mcp.http_places import Places
from adapters.mcp.http_server import FILES_MAX, raise_file_limit
from adapters.mcp.limits import HEADER_BYTES_MAX, Limits
from core import views
from tests.e2e.test_http_service import self_signed
from tests.support.gateway import World, previewed
from tests.support.http_gateway import HttpGateway, bearer, http_gateway, modern_headers, request

LIMITS = ConnectionLimits(head_s=0.25, body_s=0.25, idle_s=0.25, unread_s=0.25, linger_s=0.25)
# Far over every limit: a test that reaches it has found a client that is not cut off.
PATIENCE_S = 10.0
# Between two bytes of a client that sends all the time.
PACE_S = 0.02


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[HttpGateway]:
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=())
    limits = Limits(body_s=PATIENCE_S)
    async with http_gateway(tmp_path, world=world, limits=limits, connections=LIMITS) as served:
        yield served


class Client:
    """A client that says what it likes, when it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self._writer.write(data)

    async def answer(self) -> tuple[int, bytes]:
        """Read one answer whose length is told; returns status and body."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        (length,) = [line.split(":")[1] for line in lines if line.startswith("content-length")]
        return int(lines[0].split()[1]), await self._reader.readexactly(int(length))

    async def insist(self, each: bytes) -> None:
        """Send on, whatever is said.

        Raises:
            ConnectionError: the connection is gone.
        """
        while True:
            self._writer.write(each)
            await self._writer.drain()
            await asyncio.wait({asyncio.ensure_future(self._reader.read(1))}, timeout=PACE_S)

    async def rest(self) -> bytes:
        """Read until the server closes."""
        return await self._reader.read()

    async def drip(self, data: Iterator[bytes]) -> bytes:
        """Send byte by byte until the server closes; returns what it said before."""
        rest = asyncio.create_task(self.rest())
        for each in data:
            self._writer.write(each)
            done, _ = await asyncio.wait({rest}, timeout=PACE_S)
            if done:
                return rest.result()
        raise AssertionError("the server read on without end")


@contextlib.asynccontextmanager
async def connected(
    gateway: HttpGateway,
    tls: ssl.SSLContext | None = None,
    *,
    local: tuple[str, int] | None = None,
) -> AsyncIterator[Client]:
    host, port = gateway.base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, port, ssl=tls, local_addr=local)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def head(gateway: HttpGateway, *, length: int, token: str | None = None) -> bytes:
    """Return the head of a request that lists the tools."""
    host = gateway.base.removeprefix("http://")
    told = modern_headers("tools/list") | {"Host": host, "Content-Length": str(length)}
    told |= bearer(token) if token is not None else {}
    lines = [f"{name}: {value}" for name, value in told.items()]
    return "\r\n".join(["POST /mcp HTTP/1.1", *lines, "", ""]).encode()


def whole(gateway: HttpGateway, token: str) -> bytes:
    """Return a whole good request."""
    body = json.dumps(request("tools/list")).encode()
    return head(gateway, length=len(body), token=token) + body


def endless(first: bytes, each: bytes = b"x") -> Iterator[bytes]:
    """Return more bytes than anybody waits for."""
    yield first
    for _ in range(int(PATIENCE_S / PACE_S)):
        yield each


def status_of(said: bytes) -> int:
    """Return the status of the first answer."""
    return int(said.split()[1])


async def test_a_client_that_says_nothing_is_cut_off(gateway: HttpGateway) -> None:
    async with connected(gateway) as client:
        assert await client.rest() == b""


async def test_half_a_head_is_a_408(gateway: HttpGateway) -> None:
    async with connected(gateway) as client:
        client.send(b"POST /mcp HTTP/1.1\r\nHost: ")
        said = await client.rest()
    assert status_of(said) == 408
    assert b"connection: close" in said.lower()


async def test_a_head_that_comes_byte_by_byte_is_a_408(gateway: HttpGateway) -> None:
    async with connected(gateway) as client:
        assert status_of(await client.drip(endless(b"GET /health HTTP/1.1\r\nX: "))) == 408


async def test_a_refused_client_that_goes_on_is_dropped(gateway: HttpGateway) -> None:
    async with connected(gateway) as client:
        assert status_of(await client.drip(endless(b"GET /health HTTP/1.1\r\nX: "))) == 408
        with pytest.raises(ConnectionError):
            await client.insist(b"x")


async def test_over_tls_a_slow_client_is_cut_off_too(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    async with http_gateway(
        tmp_path, connections=LIMITS, tls_certificate=certificate, tls_key=key
    ) as gateway:
        async with connected(gateway, context) as client:
            assert await client.rest() == b""
        async with connected(gateway, context) as client:
            assert status_of(await client.drip(endless(b"GET /health HTTP/1.1\r\nX: "))) == 408


async def test_a_client_that_does_not_go_on_with_its_handshake_is_cut_off(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    limits = ConnectionLimits(handshake_s=0.25)
    async with (
        http_gateway(
            tmp_path, connections=limits, tls_certificate=certificate, tls_key=key
        ) as gateway,
        connected(gateway) as client,
    ):
        assert await end_of(client) == b""


async def test_a_machine_without_free_files_is_told_of_once(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    with capture_logs() as lines:
        async with http_gateway(tmp_path) as gateway:
            for _ in range(3):
                loop.call_exception_handler({"message": "socket.accept() out of system resource"})
            assert (await gateway.http.get(f"{gateway.base}/health")).status_code == 200
    told = [line.get("left_out") for line in lines if line["event"] == "http.files_exhausted"]
    assert told == [None, 2]


def test_as_many_files_as_there_may_be_are_asked_for() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
    try:
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (min(hard, FILES_MAX), hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_second_head_has_no_more_time_than_the_first(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    async with connected(gateway) as client:
        client.send(whole(gateway, token))
        assert (await client.answer())[0] == 200
        assert status_of(await client.drip(endless(b"GET /health HTTP/1.1\r\nX: "))) == 408


async def test_a_body_that_comes_byte_by_byte_is_a_408(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    async with connected(gateway) as client:
        told = head(gateway, length=100_000, token=token)
        assert status_of(await client.drip(endless(told, b" "))) == 408
    assert (await gateway.post(token)).status_code == 200


async def test_a_refused_client_cannot_hold_on_with_its_body(gateway: HttpGateway) -> None:
    async with connected(gateway) as client:
        said = await client.drip(endless(head(gateway, length=100_000)))
    assert status_of(said) == 401
    assert said.count(b"HTTP/1.1") == 1


async def test_a_connection_is_kept_between_requests_but_not_for_ever(
    gateway: HttpGateway,
) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    async with connected(gateway) as client:
        for _ in range(3):
            client.send(whole(gateway, token))
            assert (await client.answer())[0] == 200
        assert await client.rest() == b""


async def test_a_body_that_ends_after_its_refusal_leaves_no_endless_connection(
    gateway: HttpGateway,
) -> None:
    async with connected(gateway) as client:
        client.send(head(gateway, length=5))
        assert (await client.answer())[0] == 401
        client.send(b"12345")
        assert await client.rest() == b""


async def test_a_client_that_does_not_read_is_cut_off(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    host, port = gateway.base.removeprefix("http://").split(":")
    loop = asyncio.get_running_loop()
    with socket.socket() as raw:
        # What the two kernels keep for such a client is little.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await loop.sock_connect(raw, (host, int(port)))

        async def ask_on() -> None:
            while True:
                await loop.sock_sendall(raw, whole(gateway, token))

        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(ConnectionError):
                await ask_on()


async def test_a_head_that_is_too_long_is_refused_though_it_comes_at_once(
    gateway: HttpGateway,
) -> None:
    host = gateway.base.removeprefix("http://")

    def asking(size: int) -> bytes:
        return f"GET /health HTTP/1.1\r\nHost: {host}\r\nX: {'x' * size}\r\n\r\n".encode()

    async with connected(gateway) as client:
        client.send(asking(HEADER_BYTES_MAX))
        assert status_of(await client.rest()) == 400
    async with connected(gateway) as client:
        # A second head is held against the limit too, even behind one that is good.
        client.send(asking(HEADER_BYTES_MAX - 1000) + asking(HEADER_BYTES_MAX))
        assert (await client.answer())[0] == 200
        assert status_of(await client.rest()) == 400


async def test_one_address_cannot_take_every_place(tmp_path: Path) -> None:
    limits = ConnectionLimits(places=Places(per_address_max=3))
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        for who in ("ann", "bob", "carl"):
            known = await held.enter_async_context(connected(gateway))
            known.send(whole(gateway, gateway.issuer.token(who, "sandbox:viewer")))
            assert (await known.answer())[0] == 200
        async with connected(gateway) as client:
            assert await end_of(client) == b""
        # Another address of this machine is another client.
        async with connected(gateway, local=("127.0.0.2", 0)) as other:
            other.send(ask_health(gateway))
            assert (await other.answer())[0] == 200
        await held.aclose()
        # The server may see a new connection before the ends of the old ones.
        said = b""
        async with asyncio.timeout(PATIENCE_S):
            while not said:
                async with connected(gateway) as client:
                    client.send(
                        ask_health(gateway).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                    )
                    said = await end_of(client)
        assert status_of(said) == 200


def ask_health(gateway: HttpGateway) -> bytes:
    """Return a whole request that needs no token."""
    host = gateway.base.removeprefix("http://")
    return f"GET /health HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


async def end_of(client: Client) -> bytes:
    """Read until the server closes or takes the connection back."""
    with contextlib.suppress(ConnectionError):
        return await client.rest()
    return b""


async def test_a_stream_of_notices_outlives_the_limits_of_its_request(
    gateway: HttpGateway,
) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    watched = "tiger://accounts/sandbox/orders"
    await gateway.call(token, "list_accounts")
    async with (
        gateway.client(token) as ann,
        ann.listen(resource_subscriptions=[watched]) as notices,
    ):
        # Each of these is cut off only after a limit is over.
        for _ in range(3):
            async with connected(gateway) as client:
                assert await client.rest() == b""
        gateway.world.bus.emit("sandbox", previewed("cmd-1"))
        assert await anext(notices) == ResourceUpdated(watched)
