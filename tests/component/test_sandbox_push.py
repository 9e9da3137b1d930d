"""The push port by itself: a raw socket against it, to try what the SDK never does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tigeropen.push.network.transport import encode_frame
from tigeropen.push.pb.Request_pb2 import Request
from tigeropen.push.pb.Response_pb2 import Response
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

from infra.sandbox.broker.engine import Engine
from infra.sandbox.home import Login, create_home
from infra.sandbox.methods.calls import Call
from infra.sandbox.push.authentication import PushAuthenticator
from infra.sandbox.push.connection import ConnectionLimits
from infra.sandbox.push.faults import CutConnect, IgnoreConnect, PushFaultRule, RefuseConnect
from infra.sandbox.push.server import PushLimits, PushServer
from infra.sandbox.push.topics import TopicLimits

WAIT_S_MAX = 5.0
NOW = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)
STOCKS = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "GOOG", "SPY", "00700", "09988", "03690")
QUOTES, DEPTH = SocketCommon.Quote, SocketCommon.QuoteDepth


class RawClient:
    """A socket that speaks the frames, and nothing more."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, command: int, **fields: Any) -> None:
        self.raw(encode_frame(Request(command=command, id=9, **fields).SerializeToString()))

    def raw(self, content: bytes) -> None:
        self.writer.write(content)

    def subscribe(self, data_type: int, *symbols: str, account: str = "") -> None:
        asked = Request.Subscribe(dataType=data_type, symbols=",".join(symbols), account=account)
        self.send(SocketCommon.SUBSCRIBE, subscribe=asked)

    async def next(self) -> Response:
        async with asyncio.timeout(WAIT_S_MAX):
            length, shift = 0, 0
            while (byte := (await self.reader.readexactly(1))[0]) & 0x80:
                length |= (byte & 0x7F) << shift
                shift += 7
            content = await self.reader.readexactly(length | byte << shift)
        return Response.FromString(content)

    async def is_closed(self) -> bool:
        """Say whether the other side ends the connection, after whatever it still sends."""
        async with asyncio.timeout(WAIT_S_MAX):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65_536):
                    pass
        return True


class Rig:
    """A push server over a broker, and clients of it."""

    def __init__(self, server: PushServer, engine: Engine, port: int) -> None:
        self.server = server
        self.engine = engine
        self.port = port
        self.clients: list[RawClient] = []

    async def client(self) -> RawClient:
        client = RawClient(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def connected(self, token: str = "first", **fields: Any) -> RawClient:
        client = await self.client()
        asked = Request.Connect(accessToken=token, **fields)
        client.send(SocketCommon.CONNECT, connect=asked)
        answer = await client.next()
        assert answer.command == SocketCommon.CONNECTED, answer
        return client

    async def following(self, data_type: int, *symbols: str, token: str = "first") -> RawClient:
        client = await self.connected(token)
        client.subscribe(data_type, *symbols)
        assert (await client.next()).code == 112
        return client

    def move(self, symbol: str, price: str) -> None:
        prices = self.engine.prices
        prices.set_all({symbol: Decimal(price)}, step_count=prices.step_count)

    async def happened(self, happening: str, count: int = 1) -> bool:
        return await self.server.journal.wait_for(happening, count=count, timeout_s=WAIT_S_MAX)

    def reasons(self) -> list[str]:
        return [
            entry.detail for entry in self.server.journal.entries() if entry.happening == "closed"
        ]


def no_calls(_login: Login, _business: bytes) -> Call:
    raise AssertionError("nobody follows an account here")


@asynccontextmanager
async def running_push(home: Path, limits: PushLimits | None = None) -> AsyncIterator[Rig]:
    logins = create_home(home)
    engine = Engine(seed=1, save=lambda _record: None)
    tokens = {"first": logins[0], "second": logins[1]}
    server = PushServer(
        engine=engine,
        call_of=no_calls,
        authenticator=PushAuthenticator(logins, token_login=tokens.get),
        now=lambda: NOW,
        sleep=asyncio.sleep,
        limits=limits,
    )
    engine.prices.listeners.append(server.market.prices_moved)
    rig = Rig(server, engine, await server.open(0))
    try:
        yield rig
    finally:
        await server.close()
        for client in rig.clients:
            client.writer.close()


@pytest.mark.parametrize(
    "content",
    [b"\xff" * 64, b"\x05GET /", b"\x04\xff\xff\xff\xff", encode_frame(b"\x00" * 70_000)],
    ids=["endless length", "HTTP", "no request", "too large"],
)
async def test_hostile_bytes_close_only_their_own_connection(
    tmp_path: Path, content: bytes
) -> None:
    async with running_push(tmp_path) as rig:
        good = await rig.following(QUOTES, "AAPL")
        bad = await rig.connected("second")
        bad.raw(content)
        assert await bad.is_closed()
        rig.move("AAPL", "231.00")
        pushed = await good.next()
        assert pushed.body.quoteData.latestPrice == 231.0
        assert [reason.partition(":")[0] for reason in rig.reasons()] == ["not understood"]


async def test_half_a_frame_waits_for_its_other_half(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.connected()
        frame = encode_frame(Request(command=SocketCommon.HEARTBEAT, id=3).SerializeToString())
        client.raw(frame[:1])
        await client.writer.drain()
        client.raw(frame[1:])
        answer = await client.next()
        assert (answer.command, answer.id) == (SocketCommon.HEARTBEAT, 3)


async def test_client_that_breaks_off_in_a_frame_harms_nobody(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        good, other = await rig.following(QUOTES, "AAPL"), await rig.connected("second")
        other.raw(b"\x7f\x08")
        await other.writer.drain()
        other.writer.transport.abort()
        assert await rig.happened("closed")
        rig.move("AAPL", "231.00")
        assert (await good.next()).body.quoteData.latestPrice == 231.0


async def test_client_that_does_not_read_is_cut_and_stops_nobody(tmp_path: Path) -> None:
    limits = PushLimits(connection=ConnectionLimits(queue_bytes_max=50_000))
    async with running_push(tmp_path, limits) as rig:
        slow = await rig.connected("second")
        for data_type in (DEPTH, QUOTES):
            slow.subscribe(data_type, *STOCKS)
        assert await rig.happened("subscribed", 2)
        for number in range(100_000):
            for symbol in STOCKS[:7]:
                rig.move(symbol, f"{200 + number % 2}.00")
            # Lets the feed push, and the writer fill the socket.
            await asyncio.sleep(0)
            if "too slow" in rig.reasons():
                break
        assert "too slow" in rig.reasons()
        await rig.connected("second")


async def test_paused_connection_gathers_up_to_its_limit_and_is_then_cut(tmp_path: Path) -> None:
    limits = PushLimits(connection=ConnectionLimits(queue_bytes_max=1000))
    async with running_push(tmp_path, limits) as rig:
        client = await rig.following(QUOTES, "AAPL")
        rig.server.chosen(None)[0].connection.pause()
        for number in range(100):
            rig.move("AAPL", f"{200 + number % 2}.00")
            await asyncio.sleep(0)
        assert await rig.happened("closed")
        assert rig.reasons() == ["too slow"]
        assert await client.is_closed()


async def test_paused_connection_answers_no_heart_beat_until_it_goes_on(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.connected()
        connection = rig.server.chosen(None)[0].connection
        connection.pause()
        client.send(SocketCommon.HEARTBEAT)
        client.subscribe(QUOTES, "AAPL")
        assert await rig.happened("subscribed")
        assert (connection.queued_count, connection.is_paused) == (2, True)
        connection.resume()
        assert (await client.next()).command == SocketCommon.HEARTBEAT
        assert (await client.next()).code == 112


async def test_silent_client_is_closed(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.connected(sendInterval=100)
        assert await client.is_closed()
        assert rig.reasons() == ["silent"]


async def test_client_that_never_connects_is_closed(tmp_path: Path) -> None:
    limits = PushLimits(connection=ConnectionLimits(connect_s_max=0.1))
    async with running_push(tmp_path, limits) as rig:
        client = await rig.client()
        assert await client.is_closed()
        assert rig.reasons() == ["silent"]


async def test_nothing_is_given_before_a_connect(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.client()
        client.subscribe(QUOTES, "AAPL")
        answer = await client.next()
        assert (answer.command, answer.code) == (SocketCommon.ERROR, 4)
        assert await client.is_closed()


async def test_unknown_command_is_not_answered(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.connected()
        client.send(SocketCommon.MESSAGE)
        client.send(SocketCommon.HEARTBEAT)
        assert (await client.next()).command == SocketCommon.HEARTBEAT


async def test_newer_connection_of_a_login_ends_the_older(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        older, other = await rig.connected(), await rig.connected("second")
        newer = await rig.connected()
        told = await older.next()
        assert (told.command, told.code) == (SocketCommon.ERROR, 4001)
        assert await older.is_closed()
        for client in (newer, other):
            client.send(SocketCommon.HEARTBEAT)
            assert (await client.next()).command == SocketCommon.HEARTBEAT


async def test_access_token_that_does_not_hold_is_refused(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.client()
        client.send(SocketCommon.CONNECT, connect=Request.Connect(accessToken="ended"))
        answer = await client.next()
        assert (answer.command, answer.code) == (SocketCommon.ERROR, 4)
        assert await client.is_closed()


@pytest.mark.parametrize("token, code", [("first", 0), ("second", 4), ("ended", 4)])
async def test_new_access_token_must_be_of_the_same_login(
    tmp_path: Path, token: str, code: int
) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.connected()
        refreshed = Request.RefreshToken(accessToken=token)
        client.send(SocketCommon.REFRESH_TOKEN, refreshToken=refreshed)
        answer = await client.next()
        assert (answer.command, answer.HasField("code"), answer.code) == (
            SocketCommon.REFRESH_TOKEN,
            True,
            code,
        )
        client.send(SocketCommon.HEARTBEAT)
        assert (await client.next()).command == SocketCommon.HEARTBEAT


def many_depths(client: RawClient) -> None:
    client.subscribe(DEPTH, "AAPL", "MSFT", "TSLA")


@pytest.mark.parametrize(
    "ask, code",
    [
        (lambda client: client.subscribe(QUOTES, "NOSUCH"), 3001),
        (lambda client: client.subscribe(QUOTES, "AAPL", "NOSUCH"), 3001),
        (lambda client: client.subscribe(QUOTES), 3001),
        (many_depths, 3002),
        (lambda client: client.subscribe(SocketCommon.Unknown, "AAPL"), 3003),
        (lambda client: client.subscribe(SocketCommon.Asset, account="123"), 3005),
    ],
    ids=["unknown", "one unknown", "none", "too many", "no such kind", "foreign account"],
)
async def test_refused_subscription_changes_nothing(
    tmp_path: Path, ask: Callable[[RawClient], None], code: int
) -> None:
    async with running_push(tmp_path, PushLimits(topics=TopicLimits(depth=2))) as rig:
        client = await rig.following(DEPTH, "MSFT")
        session = rig.server.chosen(None)[0]
        before = session.subscriptions.listing()
        ask(client)
        answer = await client.next()
        assert (answer.id, answer.code, f'"code":{code},' in answer.msg) == (9, 112, True)
        assert session.subscriptions.listing() == before
        assert session.subscriptions.accounts == frozenset()


async def test_unsubscribing_without_symbols_ends_all_of_a_kind(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.following(QUOTES, "AAPL", "MSFT")
        client.send(
            SocketCommon.UNSUBSCRIBE, subscribe=Request.Subscribe(dataType=SocketCommon.Quote)
        )
        assert (await client.next()).code == 113
        rig.move("AAPL", "231.00")
        client.send(SocketCommon.SEND)
        listing = await client.next()
        assert (listing.code, '"subscribedSymbols":[]' in listing.msg) == (111, True)


async def test_many_price_steps_at_once_are_one_push(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.following(QUOTES, "AAPL")
        for price in ("231.00", "232.00", "233.00"):
            rig.move("AAPL", price)
        assert (await client.next()).body.quoteData.latestPrice == 233.0
        rig.move("AAPL", "234.00")
        assert (await client.next()).body.quoteData.latestPrice == 234.0


async def test_quotes_go_to_subscribers_only(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.following(QUOTES, "AAPL")
        other = await rig.following(QUOTES, "MSFT", token="second")
        rig.move("AAPL", "231.00")
        assert (await client.next()).body.quoteData.symbol == "AAPL"
        rig.move("MSFT", "481.00")
        assert (await other.next()).body.quoteData.symbol == "MSFT"


async def test_market_subscription_follows_every_stock_of_it(tmp_path: Path) -> None:
    async with running_push(tmp_path) as rig:
        client = await rig.connected()
        market = Request.Subscribe(dataType=QUOTES, market="HK")
        client.send(SocketCommon.SUBSCRIBE, subscribe=market)
        assert (await client.next()).code == 112
        rig.move("AAPL", "231.00")
        rig.move("00700", "630.0")
        assert (await client.next()).body.quoteData.symbol == "00700"


@pytest.mark.parametrize("effect", [RefuseConnect(), IgnoreConnect(), CutConnect()])
async def test_connect_fault_meets_the_next_connect_only(tmp_path: Path, effect: Any) -> None:
    async with running_push(tmp_path) as rig:
        rig.server.faults.add(PushFaultRule(effect=effect))
        client = await rig.client()
        client.send(SocketCommon.CONNECT, connect=Request.Connect(accessToken="first"))
        assert await rig.happened("connect_asked")
        match effect:
            case RefuseConnect():
                assert (await client.next()).code == 4
                assert await client.is_closed()
            case CutConnect():
                assert await client.is_closed()
            case _:
                assert rig.server.sessions == {}
        await rig.connected()
