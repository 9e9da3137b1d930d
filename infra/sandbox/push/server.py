"""The push ports: takes connections, checks who they are, and keeps one of each login.

Source: tigeropen 3.8.0, `push/`; Tiger's documentation: one connection per tiger_id, a newer one
ends the older with error 4001.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import datetime

import msgspec
from tigeropen.push.pb.Request_pb2 import Request
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

from infra.sandbox.broker.engine import Engine
from infra.sandbox.clock import Sleep
from infra.sandbox.home import Login
from infra.sandbox.push import frames
from infra.sandbox.push.account_feed import AccountFeed
from infra.sandbox.push.authentication import ACCESS_FORBIDDEN, PushAuthenticator
from infra.sandbox.push.connection import Connection, ConnectionLimits
from infra.sandbox.push.delivery import Delivery
from infra.sandbox.push.faults import CutConnect, IgnoreConnect, PushFaultTable, RefuseConnect
from infra.sandbox.push.holdings import CallOf
from infra.sandbox.push.journal import Happening, PushJournal
from infra.sandbox.push.market_feed import MarketFeed
from infra.sandbox.push.session import Session
from infra.sandbox.push.topics import Asked, Subscriptions, TopicLimits
from infra.sandbox.wire.http_server import HOST

BACKLOG = 256
CONNECTION_COUNT_MAX = 1000
KICKED_OUT = 4001
KICK_TEXT = "kick out by a new connection"
FORBIDDEN_TEXT = "access forbidden(failed to verify signature)"
# A client may ask for other heart beats than it gets.
BEAT_MS_MIN, BEAT_MS_MAX = 100, 60_000


class PushLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one client may cost."""

    connection: ConnectionLimits = ConnectionLimits()
    topics: TopicLimits = TopicLimits()


class PushServer:
    """The push side of a broker.

    Args:
        engine: the broker; `accounts.record_applied` must be told of its records, and
            `market.prices_moved` of its prices.
        call_of: makes a call of a method, as a login would.
        authenticator: says who connects.
        now: the broker's time.
        sleep: waits in the sandbox's time.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        call_of: CallOf,
        authenticator: PushAuthenticator,
        now: Callable[[], datetime],
        sleep: Sleep,
        limits: PushLimits | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._now = now
        self._limits = limits or PushLimits()
        self.faults = PushFaultTable()
        self.journal = PushJournal(now)
        self.sessions: dict[str, Session] = {}
        self.delivery = Delivery(faults=self.faults, sleep=sleep)
        self.accounts = AccountFeed(
            call_of=call_of, now=now, sessions=self.sessions, delivery=self.delivery
        )
        self.market = MarketFeed(
            engine=engine, now=now, sessions=self.sessions, delivery=self.delivery
        )
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._servers: list[asyncio.Server] = []
        self._last_id = 0

    async def open(self, port: int, context: ssl.SSLContext | None = None) -> int:
        """Listen on a port of loopback (0 picks one), with TLS if a context is given.

        Returns:
            The port.
        """
        server = await asyncio.start_server(
            self._accept,
            host=HOST,
            port=port,
            backlog=BACKLOG,
            ssl=context,
            ssl_shutdown_timeout=None if context is None else self._limits.connection.close_s_max,
        )
        self._servers.append(server)
        number: int = server.sockets[0].getsockname()[1]
        return number

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for connection in tuple(self._connections):
            connection.cut("the broker stopped")
        await asyncio.gather(*self._connections.values())
        await self.delivery.close()

    def chosen(self, tiger_id: str | None) -> tuple[Session, ...]:
        """Return the session of a login, or all."""
        return tuple(
            session for owner, session in self.sessions.items() if tiger_id in (None, owner)
        )

    def kick(self, session: Session) -> None:
        """End a session as a newer connection would."""
        self._leave(session)
        self._write("kicked", session.connection, session.login.tiger_id)
        session.connection.finish("kicked", last=frames.error(KICKED_OUT, KICK_TEXT))

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTION_COUNT_MAX:
            writer.transport.abort()
            return
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._last_id += 1
        connection = Connection(
            connection_id=self._last_id,
            transport="tcp" if writer.get_extra_info("ssl_object") is None else "tls",
            streams=(reader, writer),
            limits=self._limits.connection,
            opened_at=self._now(),
        )
        self._write("accepted", connection, "")
        # Our own task: asyncio's would log a traceback for every connection that is cut.
        self._connections[connection] = asyncio.get_running_loop().create_task(
            self._serve(connection)
        )

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.run(self._handle)
        finally:
            session = self._session_of(connection)
            if session is not None:
                self._leave(session)
            self._write("closed", connection, connection.tiger_id, detail=connection.end_reason)
            del self._connections[connection]

    def _handle(self, connection: Connection, request: Request) -> None:
        if connection.is_deaf:
            return
        if request.command == SocketCommon.CONNECT:
            self._connect(connection, request)
            return
        session = self._session_of(connection)
        if session is None:
            refusal = frames.error(ACCESS_FORBIDDEN, "access forbidden(connect first)")
            connection.finish("not connected", last=refusal)
            return
        match request.command:
            case SocketCommon.HEARTBEAT:
                connection.send(frames.heartbeat(request.id))
            case SocketCommon.SUBSCRIBE | SocketCommon.UNSUBSCRIBE:
                self._change_topics(session, request)
            case SocketCommon.SEND:
                listing = session.subscriptions.listing()
                connection.send(frames.subscriptions_reply(request.id, listing))
            case SocketCommon.REFRESH_TOKEN:
                self._refresh_token(session, request)
            case SocketCommon.DISCONNECT:
                connection.finish("disconnected by the client")
            case _:
                # As at Tiger, a command that is not known is not answered.
                pass

    def _connect(self, connection: Connection, request: Request) -> None:
        asked = request.connect
        self._write("connect_asked", connection, asked.tigerId)
        login = self._authenticator.login_of(asked)
        match self.faults.meet_connect(tiger_id=login.tiger_id if login else asked.tigerId):
            case RefuseConnect(code=code, message=message):
                self._refuse(connection, request, code=code, message=message)
            case IgnoreConnect():
                connection.is_deaf = True
                connection.heard_every(0)
            case CutConnect():
                connection.cut("cut at its connect")
            case _ if login is None:
                self._refuse(connection, request, code=ACCESS_FORBIDDEN, message=FORBIDDEN_TEXT)
            case _:
                self._welcome(connection, request, login)

    def _refuse(self, connection: Connection, request: Request, *, code: int, message: str) -> None:
        self._write("refused", connection, request.connect.tigerId, detail=f"{code} {message}")
        connection.finish("refused", last=frames.error(code, message, request_id=request.id))

    def _welcome(self, connection: Connection, request: Request, login: Login) -> None:
        older = self.sessions.get(login.tiger_id)
        if older is not None and older.connection is not connection:
            self.kick(older)
        asked = request.connect
        send_ms, receive_ms = _beat(asked.sendInterval), _beat(asked.receiveInterval)
        self.sessions[login.tiger_id] = Session(
            connection=connection,
            login=login,
            subscriptions=Subscriptions(
                accounts=(item.account for item in login.accounts), limits=self._limits.topics
            ),
            use_full_tick=asked.useFullTick,
        )
        connection.tiger_id = login.tiger_id
        connection.heard_every(send_ms)
        # The client hears something at most as often as it says something.
        receive_ms = receive_ms and max(receive_ms, send_ms)
        connection.send(frames.connected(request.id, send_ms=send_ms, receive_ms=receive_ms))
        self._write("connected", connection, login.tiger_id, detail=asked.sdkVersion)

    def _change_topics(self, session: Session, request: Request) -> None:
        asked = _asked(request.subscribe)
        is_more = request.command == SocketCommon.SUBSCRIBE
        change = session.subscriptions.subscribe if is_more else session.subscriptions.unsubscribe
        outcome = change(asked)
        self.accounts.refresh(session)
        self.market.refresh(session)
        reply = frames.subscription_reply(
            request.id,
            frames.CODE_SUBSCRIBED if is_more else frames.CODE_UNSUBSCRIBED,
            data_type=asked.data_type,
            code=outcome.code,
            message=outcome.message,
        )
        session.connection.send(reply)
        self._write(
            "subscribed" if is_more else "unsubscribed",
            session.connection,
            session.login.tiger_id,
            detail=msgspec.json.encode(
                msgspec.to_builtins(asked) | msgspec.to_builtins(outcome)
            ).decode(),
        )

    def _refresh_token(self, session: Session, request: Request) -> None:
        login = self._authenticator.login_of_token(request.refreshToken.accessToken)
        is_same = login is not None and login.tiger_id == session.login.tiger_id
        code, message = (0, "success") if is_same else (ACCESS_FORBIDDEN, "access forbidden")
        session.connection.send(frames.token_refreshed(request.id, code=code, message=message))

    def _session_of(self, connection: Connection) -> Session | None:
        return next(
            (item for item in self.sessions.values() if item.connection is connection), None
        )

    def _leave(self, session: Session) -> None:
        del self.sessions[session.login.tiger_id]

    def _write(
        self, happening: Happening, connection: Connection, tiger_id: str, *, detail: str = ""
    ) -> None:
        self.journal.write(
            happening,
            connection_id=connection.connection_id,
            tiger_id=tiger_id,
            detail=detail,
        )


def _asked(subscribe: Request.Subscribe) -> Asked:
    return Asked(
        data_type=subscribe.dataType,
        symbols=tuple(part.strip() for part in subscribe.symbols.split(",") if part.strip()),
        account=subscribe.account,
        market=subscribe.market,
    )


# 0 is none, in both directions.
def _beat(asked_ms: int) -> int:
    return asked_ms and min(BEAT_MS_MAX, max(BEAT_MS_MIN, asked_ms))
