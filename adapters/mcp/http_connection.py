"""One connection of the HTTP service, and how long its client may take over each part of a request.

uvicorn waits without end for a head or a body that comes byte by byte, and for a client that does
not read, so a few such clients could take every place there is. Source: uvicorn 0.54,
`protocols/http/h11_impl.py`, where any byte stops the one timer there is (read 2026-11-23).
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from adapters.mcp.auth import caller_in
from adapters.mcp.hosts import address_of
from adapters.mcp.http_places import Places, make_place, make_room_beside
from adapters.mcp.limits import HAS_ROOM, HEADER_BYTES_MAX


class ConnectionLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a client may take, in seconds; what is over is cut off.

    `handshake_s` is for TLS, before anything else is seen of a connection. `head_s` runs from the
    connection, or from the first byte of a later request, to the end of its head; `body_s` from
    there to the end of its body, of which the service's own limit for a body is a part; `idle_s`
    between two requests; `unread_s` while what was sent is not taken; `linger_s` from the refusal
    of a slow client until its connection is gone. How many connections
    there may be at a time is said by `Places`.
    """

    handshake_s: float = 5.0
    head_s: float = 10.0
    body_s: float = 15.0
    idle_s: float = 30.0
    unread_s: float = 15.0
    linger_s: float = 2.0
    places: Places = Places()


class _Phase(Enum):
    HEAD = auto()
    BODY = auto()
    # The request is whole: now the client waits for us.
    ANSWER = auto()
    IDLE = auto()
    REFUSED = auto()
    CLOSING = auto()


_REFUSAL: Final = h11.Response(
    status_code=408,
    headers=[(b"connection", b"close"), (b"content-length", b"0")],
    reason=b"Request Timeout",
)


# Around each field of a head: the colon, the space and the end of the line.
_FIELD_BYTES: Final = 4


class _BoundedHeads(h11.Connection):
    # h11 holds only a head that is not whole yet against its limit.
    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            fields = sum(len(name) + len(value) + _FIELD_BYTES for name, value in event.headers)
            if len(event.method) + len(event.target) + fields > HEADER_BYTES_MAX:
                raise h11.RemoteProtocolError("the head is too long")
        return event


class BoundedConnection(H11Protocol):
    """uvicorn's connection, with a limit on each phase that bytes alone do not extend."""

    limits = ConnectionLimits()
    conn: h11.Connection
    _phase: tuple[_Phase, RequestResponseCycle | None] | None = None
    _is_refused = False
    _alarm: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    # Whose good token came with the last request that was answered, "" for none.
    _shown_principal = ""
    made_s = 0.0
    address = ""
    is_ended = False

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.conn = _BoundedHeads(h11.SERVER, HEADER_BYTES_MAX)
        self._served, self.app = self.app, self._serve

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first head, unless the client's address has its share already."""
        super().connection_made(transport)
        self.made_s = self.loop.time()
        self.address = address_of(self.client[0] if self.client else "")
        if not make_place(self, self._others(), self.limits.places, now_s=self.made_s):
            # Nothing is said: an answer would cost us more than the client its asking.
            self.end()
            return
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self._alarm, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, which may end a phase."""
        if self._is_refused:
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Take the end of an answer, after which the client may take its time, to a limit."""
        if not self._has_room():
            self.transport.close()
        # Anew by each answer: a token that was revoked since holds no place.
        self._shown_principal = self._asking_principal
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.limits.unread_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    @property
    def principal(self) -> str:
        """Whose good token came with the request that is answered now, else with the last one."""
        return self._asking_principal or self._shown_principal

    @property
    def is_known(self) -> bool:
        """Whether it has a principal."""
        return bool(self.principal)

    @property
    def is_answered(self) -> bool:
        """Whether somebody works for it just now."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def is_waited_for(self) -> bool:
        """Whether it is the client's turn."""
        return self._found() not in (_Phase.ANSWER, _Phase.CLOSING)

    def end(self) -> None:
        """Cut it off, so that its place is free at once."""
        self.is_ended = True
        self.transport.abort()

    # Whoever checks tokens writes the user into the scope that this connection made.
    @property
    def _asking_principal(self) -> str:
        caller = None if self.scope is None else caller_in(self.scope)
        return "" if caller is None else caller.principal

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        scope[HAS_ROOM] = self._has_room
        await self._served(scope, receive, send)

    # Whether its principal may have this connection too; asked once its token is known, and again
    # at the end of what was answered before that was asked.
    def _has_room(self) -> bool:
        asking = self._asking_principal
        if asking in ("", self._shown_principal):
            return True
        if not make_room_beside(self, self._others(), self.limits.places):
            return False
        self._shown_principal = asking
        return True

    def _others(self) -> list["BoundedConnection"]:
        return [
            each
            for each in self.connections
            if isinstance(each, BoundedConnection) and each is not self and not each.is_ended
        ]

    # Each phase of each request has one alarm, from its beginning.
    def _watch(self) -> None:
        phase = self._found(), self.cycle
        if phase == self._phase:
            return
        self._phase = phase
        if self._alarm is not None:
            self._alarm.cancel()
        limit_s = self._limit_s(phase[0])
        self._alarm = None if limit_s is None else self.loop.call_later(limit_s, self._cut)

    def _found(self) -> _Phase:
        if self.transport.is_closing():
            return _Phase.CLOSING
        if self._is_refused:
            return _Phase.REFUSED
        if self.conn.their_state is h11.SEND_BODY:
            return _Phase.BODY
        if self.conn.their_state is not h11.IDLE:
            return _Phase.ANSWER
        return _Phase.HEAD if self.cycle is None or self._has_begun() else _Phase.IDLE

    def _limit_s(self, phase: _Phase) -> float | None:
        match phase:
            case _Phase.HEAD:
                return self.limits.head_s
            case _Phase.BODY:
                return self.limits.body_s
            case _Phase.IDLE:
                return self.limits.idle_s
            case _Phase.REFUSED:
                return self.limits.linger_s
            case _Phase.CLOSING:
                return self.limits.unread_s
            case _Phase.ANSWER:
                return None

    def _cut(self) -> None:
        if self._is_refused or self.transport.is_closing():
            self.transport.abort()
            return
        if self.conn.their_state is h11.SEND_BODY or self._has_begun():
            self._refuse()
        else:
            self.transport.close()
        self._watch()

    def _refuse(self) -> None:
        # Whoever waits for the rest of the body hears that nobody is there.
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            for event in (_REFUSAL, h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        # A socket closed on a client that still sends takes back what was said before it is read.
        self._is_refused = True
        self.transport.write_eof()

    def _has_begun(self) -> bool:
        unread, _ = self.conn.trailing_data
        return bool(unread)


def bounded(limits: ConnectionLimits) -> type[BoundedConnection]:
    """Return the class of connections with these limits, as uvicorn's `http` option takes it."""
    return type("BoundedConnection", (BoundedConnection,), {"limits": limits})
