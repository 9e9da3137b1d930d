"""OAuth 2.1 resource server: what joins our tokens to the MCP SDK's own middleware.

The SDK reads the header, answers 401 and 403 and serves the metadata of RFC 9728; here is who a
token speaks for, and that each request of MCP runs as that caller and as nobody else.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_REQUEST
from starlette.authentication import AuthCredentials, BaseUser
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.mcp.callers import CALLER, SERVICE_SCOPE, Caller
from adapters.mcp.hosts import address_of
from adapters.mcp.rare_lines import RareLines
from adapters.mcp.tokens import RefusedTokenError, TokenChecker

# Stands where the SDK would keep the token itself.
_NOT_KEPT: Final = "***"

# How long a stream of notices may go on after its token was revoked.
_REVOKED_SEEN_S: Final = 2.0

# Where the request came from whose token is looked at, for the log.
_PEER: Final[ContextVar[str]] = ContextVar("peer", default="")


class Verifier:
    """The SDK's `TokenVerifier`, by our rules."""

    def __init__(self, checker: TokenChecker, lines: RareLines) -> None:
        self._checker = checker
        self._lines = lines

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what the SDK knows of a token that counts, None for any other."""
        try:
            checked = await self._checker.check(token)
        except RefusedTokenError as error:
            self._say_refused(error.why, error.caller)
            return None
        caller = checked.caller
        if not checked.has_service_scope:
            self._say_refused("no_service_scope", caller)
        scopes = [SERVICE_SCOPE] if checked.has_service_scope else []
        return KnownToken(
            token=_NOT_KEPT,
            client_id=caller.client or caller.principal,
            subject=caller.principal,
            scopes=scopes,
            expires_at=checked.expires_at_s,
            caller=caller,
        )

    def _say_refused(self, why: str, caller: Caller | None) -> None:
        peer, named = _PEER.get(), _named(caller)
        who = (address_of(peer), why, *named.values())
        self._lines.say("auth.refused", who, {"why": why, "peer": peer, **named})


class TokenBackend(BearerAuthBackend):
    """The SDK's reading of the header; the log says where a token came from that does not count."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return whose request this is, None for nobody's."""
        before = _PEER.set(peer_of(conn.scope))
        try:
            found: tuple[AuthCredentials, BaseUser] | None = await super().authenticate(conn)
        finally:
            _PEER.reset(before)
        return found


class TokenAsked:
    """ASGI: asks for a token where none came; what is wrong with one that came, the SDK says.

    Source: RFC 6750 section 3.1: without authentication information no error code is told.
    """

    def __init__(self, app: ASGIApp, metadata_url: str, lines: RareLines) -> None:
        self._app = app
        self._lines = lines
        self._headers = {
            "WWW-Authenticate": f'Bearer scope="{SERVICE_SCOPE}", '
            f'resource_metadata="{metadata_url}"'
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on that has a bearer token, good or not."""
        told = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if told.lower().startswith(b"bearer "):
            await self._app(scope, receive, send)
            return
        peer, why = peer_of(scope), "no_token"
        who = (address_of(peer), why)
        self._lines.say("auth.refused", who, {"why": why, "peer": peer}, level=logging.INFO)
        body = {"error": "token_needed", "error_description": "a bearer token is needed"}
        await JSONResponse(body, 401, self._headers)(scope, receive, send)


class KnownToken(AccessToken):
    """The SDK's record of a token, with the caller that it stands for."""

    caller: Caller


class AsCaller:
    """MCP middleware: runs each request as the caller whose token came with it."""

    def __init__(self, checker: TokenChecker) -> None:
        self._checker = checker

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Run one message.

        Raises:
            MCPError: no token came with it; the HTTP layer should have refused it.
        """
        caller = caller_of(ctx)
        if caller is None:
            raise MCPError(INVALID_REQUEST, "a token is needed; nothing was done")
        before = CALLER.set(caller)
        try:
            if ctx.method == "subscriptions/listen":
                return await self._listen(ctx, call_next, caller)
            return await call_next(ctx)
        finally:
            CALLER.reset(before)

    async def _listen(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, caller: Caller
    ) -> HandlerResult:
        try:
            async with asyncio.timeout(self._checker.listen_s(caller)) as limit:
                watch = _Watch(self._checker, caller, limit)
                try:
                    return await call_next(ctx)
                finally:
                    watch.end()
        except TimeoutError:
            raise MCPError(INVALID_REQUEST, "the time of this stream is over") from None


class _Watch:
    # Ends a limit once the caller's token counts no more.
    def __init__(self, checker: TokenChecker, caller: Caller, limit: asyncio.Timeout) -> None:
        self._checker = checker
        self._caller = caller
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(_REVOKED_SEEN_S, self._look)

    def end(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._checker.still_counts(self._caller):
            self._timer = self._loop.call_later(_REVOKED_SEEN_S, self._look)
        elif not self._limit.expired():
            self._limit.reschedule(self._loop.time())


def caller_of(ctx: ServerRequestContext[Any, Any]) -> Caller | None:
    """Return the caller of a request that came over HTTP."""
    return None if ctx.request is None else caller_in(ctx.request.scope)


def caller_in(scope: Mapping[str, object]) -> Caller | None:
    """Return the caller whose good token came with a request, None before it was looked at."""
    user = scope.get("user")
    token = user.access_token if isinstance(user, AuthenticatedUser) else None
    return token.caller if isinstance(token, KnownToken) else None


def peer_of(scope: Mapping[str, object]) -> str:
    """Return the address that a request came from, "" where there is none."""
    client = scope.get("client")
    return str(client[0]) if isinstance(client, Sequence) else ""


def _named(caller: Caller | None) -> dict[str, str]:
    if caller is None:
        return {}
    return {"principal": caller.principal, "token_id": caller.token_id}
