"""How much one principal may ask over HTTP: at a time, in a minute, and in one body."""

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec
import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ports import Clock

BODY_BYTES_MAX: Final = 256 * 1024
HEADER_BYTES_MAX: Final = 32 * 1024
# Connections and open requests of the whole service.
OPEN_MAX: Final = 512
# Connections of one address: a proxy's are all one, and still others have places beside it.
PER_ADDRESS_MAX: Final = 256
# Of these, such as have shown no good token: behind a proxy, or on one machine, all clients are one
# address, and one that only holds places must not shut out those who are known.
UNKNOWN_PER_ADDRESS_MAX: Final = 64
_PRINCIPALS_MAX: Final = 10_000
_MINUTE_S: Final = 60.0

_log = structlog.get_logger()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one principal. `per_minute` may be used up at once, and then comes back evenly.

    `body_s`: until a body that was begun must be whole.
    """

    per_minute: int = 1200
    open_max: int = 32
    body_s: float = 10.0


class _Use:
    def __init__(self, tokens: float, now_s: float) -> None:
        self.tokens = tokens
        self.seen_s = now_s
        self.open = 0


class PrincipalLimits:
    """ASGI middleware, behind the check of the token: refuses with 429 what is over a limit."""

    def __init__(self, app: ASGIApp, limits: Limits, clock: Clock) -> None:
        self._app = app
        self._limits = limits
        self._clock = clock
        self._uses: OrderedDict[str, _Use] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        use = self._use(str(scope["user"].username))
        why = self._refusal(use)
        if why is not None:
            await _too_much(why, self._wait_s(use))(scope, receive, send)
            return
        use.tokens -= 1
        use.open += 1
        try:
            await self._app(scope, _Body(receive, self._limits.body_s), send)
        except _SlowBodyError:
            # Nothing was answered yet: the request was not even whole.
            await JSONResponse({"error": "request_timeout"}, status_code=408)(scope, receive, send)
        except ClientDisconnect:
            _log.info("http.client_left", principal=str(scope["user"].username))
        finally:
            use.open -= 1

    def _refusal(self, use: _Use) -> str | None:
        if use.open >= self._limits.open_max:
            return f"at most {self._limits.open_max} requests at a time"
        if use.tokens < 1:
            return f"at most {self._limits.per_minute} requests a minute"
        return None

    def _wait_s(self, use: _Use) -> int:
        missing = max(1 - use.tokens, 0)
        return max(1, round(missing * _MINUTE_S / self._limits.per_minute))

    def _use(self, principal: str) -> _Use:
        now_s = self._clock.boot_s()
        full = float(self._limits.per_minute)
        use = self._uses.setdefault(principal, _Use(full, now_s))
        self._uses.move_to_end(principal)
        use.tokens = min(full, use.tokens + (now_s - use.seen_s) * full / _MINUTE_S)
        use.seen_s = now_s
        self._forget()
        return use

    # Those who were not seen for longest, save those with something open.
    def _forget(self) -> None:
        while len(self._uses) > _PRINCIPALS_MAX:
            principal, use = self._uses.popitem(last=False)
            if use.open:
                self._uses[principal] = use
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


def _too_much(why: str, wait_s: int) -> Response:
    return JSONResponse(
        {"error": "too_many_requests", "error_description": f"{why}; nothing was done"},
        status_code=429,
        headers={"Retry-After": str(wait_s)},
    )
