"""OAuth 2.1 resource server: what joins our tokens to the MCP SDK's own middleware.

The SDK reads the header, answers 401 and 403 and serves the metadata of RFC 9728; here is who a
token speaks for, and that each request of MCP runs as that caller and as nobody else.
"""

import asyncio
from typing import Any, Final

import structlog
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import INVALID_REQUEST

from adapters.mcp.callers import CALLER, SERVICE_SCOPE, Caller
from adapters.mcp.tokens import RefusedTokenError, TokenChecker

# Stands where the SDK would keep the token itself.
_NOT_KEPT: Final = "***"

_log = structlog.get_logger()


class Verifier:
    """The SDK's `TokenVerifier`, by our rules."""

    def __init__(self, checker: TokenChecker) -> None:
        self._checker = checker

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what the SDK knows of a token that counts, None for any other."""
        try:
            checked = await self._checker.check(token)
        except RefusedTokenError as error:
            _log.warning("auth.refused", why=error.why)
            return None
        caller = checked.caller
        scopes = [SERVICE_SCOPE] if checked.has_service_scope else []
        return KnownToken(
            token=_NOT_KEPT,
            client_id=caller.client or caller.principal,
            subject=caller.principal,
            scopes=scopes,
            expires_at=checked.expires_at_s,
            caller=caller,
        )


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
            async with asyncio.timeout(self._checker.listen_s(caller)):
                return await call_next(ctx)
        except TimeoutError:
            raise MCPError(INVALID_REQUEST, "the time of this stream is over") from None


def caller_of(ctx: ServerRequestContext[Any, Any]) -> Caller | None:
    """Return the caller of a request that came over HTTP."""
    request = ctx.request
    user = None if request is None else request.scope.get("user")
    token = user.access_token if isinstance(user, AuthenticatedUser) else None
    return token.caller if isinstance(token, KnownToken) else None
