"""How much one caller may ask over HTTP: at a time, in a minute, and in one body.

A caller is a principal with the program that its token was issued to: others who use the same
program have limits of their own.
"""

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec
import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.mcp.auth import caller_in, peer_of
from adapters.mcp.callers import Caller
from adapters.mcp.rare_lines import RareLines
from core.ports import Clock

BODY_BYTES_MAX: Final = 256 * 1024
HEADER_BYTES_MAX: Final = 32 * 1024
# Connections of the whole service, and of these such as have shown no good token.
CONNECTIONS_MAX: Final = 512
UNKNOWN_MAX: Final = 256
# Connections of one address: a proxy's are all one, and still others have places beside it.
PER_ADDRESS_MAX: Final = 256
# Of these, such as have shown no good token: behind a proxy, or on one machine, all clients are one
# address, and one that only holds places must not shut out those who are known.
UNKNOWN_PER_ADDRESS_MAX: Final = 64
# Of one principal, anywhere and at one address: a token may be one that somebody stole.
PER_PRINCIPAL_MAX: Final = 128
PER_PRINCIPAL_HERE_MAX: Final = 64
# Where uvicorn answers 503 to everybody, known or not: far from what connections are let to be.
OPEN_MAX: Final = 4 * CONNECTIONS_MAX
# In the scope of a request: what says whether its principal may have this connection too.
HAS_ROOM: Final = "tiger_mcp.has_room"
_PRINCIPALS_MAX: Final = 10_000
_MINUTE_S: Final = 60.0
_LISTEN_WAIT_S: Final = 30
_NO_ROOM: Final = "no more connections of one principal at a time"
_REFUSED: Final = 400
_METHOD_HEADER: Final = b"mcp-method"
_LISTEN: Final = b"subscriptions/listen"

_log = structlog.get_logger()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one caller. `per_minute` may be used up at once, and then comes back evenly.

    `open_max` is of calls; streams of notices, which stand for an hour, are counted apart by
    `listen_max`. `body_s`: until a body that was begun must be whole.
    """

    per_minute: int = 1200
    open_max: int = 32
    listen_max: int = 32
    body_s: float = 10.0


class _Use:
    def __init__(self, tokens: float, now_s: float) -> None:
        self.tokens = tokens
        self.seen_s = now_s
        self.open = 0
        self.listening = 0

    @property
    def is_idle(self) -> bool:
        return not (self.open or self.listening)


class PrincipalLimits:
    """ASGI middleware, behind the check of the token: refuses with 429 what is over a limit."""

    def __init__(self, app: ASGIApp, limits: Limits, clock: Clock, lines: RareLines) -> None:
        self._app = app
        self._limits = limits
        self._clock = clock
        self._lines = lines
        # By principal and program.
        self._uses: OrderedDict[tuple[str, str], _Use] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        caller = caller_in(scope)
        assert caller is not None, "a token was checked before"
        is_listening = _listens(scope)
        use = self._use((caller.principal, caller.client))
        if HAS_ROOM in scope and not scope[HAS_ROOM]():
            self._say_refused(caller, _NO_ROOM)
            await _too_much(_NO_ROOM, _LISTEN_WAIT_S, is_last=True)(scope, receive, send)
            return
        why = self._refusal(use, is_listening=is_listening)
        if why is not None:
            self._say_refused(caller, why)
            wait_s = self._wait_s(use, is_listening=is_listening)
            await _too_much(why, wait_s)(scope, receive, send)
            return
        send = _Told(send, scope, caller)
        use.tokens -= 1
        use.listening += is_listening
        use.open += not is_listening
        try:
            await self._app(scope, _Body(receive, self._limits.body_s), send)
        except _SlowBodyError:
            # Nothing was answered yet: the request was not even whole.
            await JSONResponse({"error": "request_timeout"}, status_code=408)(scope, receive, send)
        except ClientDisconnect:
            _log.info("http.client_left", principal=caller.principal)
        finally:
            use.listening -= is_listening
            use.open -= not is_listening

    def _refusal(self, use: _Use, *, is_listening: bool) -> str | None:
        if is_listening and use.listening >= self._limits.listen_max:
            return f"at most {self._limits.listen_max} streams of notices at a time"
        if not is_listening and use.open >= self._limits.open_max:
            return f"at most {self._limits.open_max} requests at a time"
        if use.tokens < 1:
            return f"at most {self._limits.per_minute} requests a minute"
        return None

    def _say_refused(self, caller: Caller, why: str) -> None:
        self._lines.say(
            "http.limit_reached",
            (caller.principal, caller.client, why),
            {
                "principal": caller.principal,
                "token_client": caller.client,
                "why": why,
                "refused": 1,
            },
            counted="refused",
        )

    def _wait_s(self, use: _Use, *, is_listening: bool) -> int:
        missing = max(1 - use.tokens, 0)
        rate_s = max(1, round(missing * _MINUTE_S / self._limits.per_minute))
        # A stream stands long: a place among them is seldom free a moment later.
        is_full = is_listening and use.listening >= self._limits.listen_max
        return max(rate_s, _LISTEN_WAIT_S) if is_full else rate_s

    def _use(self, who: tuple[str, str]) -> _Use:
        now_s = self._clock.boot_s()
        full = float(self._limits.per_minute)
        use = self._uses.setdefault(who, _Use(full, now_s))
        self._uses.move_to_end(who)
        use.tokens = min(full, use.tokens + (now_s - use.seen_s) * full / _MINUTE_S)
        use.seen_s = now_s
        self._forget()
        return use

    # Those who were not seen for longest, save those with something open.
    def _forget(self) -> None:
        while len(self._uses) > _PRINCIPALS_MAX:
            who, use = self._uses.popitem(last=False)
            if not use.is_idle:
                self._uses[who] = use
                return


class _SlowBodyError(Exception):
    pass


class _Body:
    """A request's messages, the body within a bounded time; afterwards only its end."""

    def __init__(self, receive: Receive, limit_s: float) -> None:
        self._receive = receive
        self._is_whole = False
        self._until_s = asyncio.get_running_loop().time() + limit_s

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until_s):
                message = await self._receive()
        except TimeoutError:
            raise _SlowBodyError from None
        self._is_whole = not message.get("more_body", False)
        return message


class _Told:
    """Sends an answer, and leaves a line of whoever was refused before any tool heard of it."""

    def __init__(self, send: Send, scope: Scope, caller: Caller) -> None:
        self._send = send
        self._scope = scope
        self._caller = caller

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= _REFUSED:
            _log.info(
                "http.refused",
                status=message["status"],
                principal=self._caller.principal,
                token_id=self._caller.token_id,
                peer=peer_of(self._scope),
            )
        await self._send(message)


# Before 2026-07-28 there is no such header, and no such stream.
def _listens(scope: Scope) -> bool:
    return (_METHOD_HEADER, _LISTEN) in scope["headers"]


def _too_much(why: str, wait_s: int, *, is_last: bool = False) -> Response:
    return JSONResponse(
        {"error": "too_many_requests", "error_description": f"{why}; nothing was done"},
        status_code=429,
        headers={"Retry-After": str(wait_s)} | ({"Connection": "close"} if is_last else {}),
    )
