"""MCP over HTTP: one stateless POST per message, a token on each, JSON answers.

What a request meets, in this order: the Host and Origin guard, the token, the limits of its
principal, and then the MCP SDK. Nothing is kept between requests, so any number of these may run.
"""

import math
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
import uvicorn
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import RequireAuthMiddleware
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.auth.settings import AuthSettings
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.mcp.auth import AsCaller, TokenAsked, TokenBackend, Verifier, peer_of
from adapters.mcp.callers import SERVICE_SCOPE
from adapters.mcp.hosts import address_of, is_loopback, is_origin, is_unspecified
from adapters.mcp.http_connection import ConnectionLimits, bounded
from adapters.mcp.http_server import HttpServer, raise_file_limit
from adapters.mcp.limits import (
    BODY_BYTES_MAX,
    HEADER_BYTES_MAX,
    OPEN_MAX,
    Limits,
    PrincipalLimits,
)
from adapters.mcp.listing import GatewayServer
from adapters.mcp.parts import Parts
from adapters.mcp.rare_lines import RareLines
from adapters.mcp.server import build
from adapters.mcp.tokens import TokenChecker, TokenRules
from core.errors import ConfigError
from core.ports import Clock

MCP_PATH: Final = "/mcp"
HEALTH_PATH: Final = "/health"
_STOP_LIMIT_S: Final = 15
_BACKLOG: Final = 256
_LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_WRONG_HOST: Final = 421
# Characters of a wrong name that the log shows.
_NAME_SHOWN_MAX: Final = 100
_NAMING: Final = frozenset({b"host", b"origin"})
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service listens, and as what it is known.

    `url` is the address that clients use, and the audience that tokens must name. `origins` are
    the web pages, besides the service's own, whose browsers may call it.
    """

    host: str
    port: int
    url: str
    rules: TokenRules
    origins: tuple[str, ...] = ()
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    limits: Limits = Limits()
    connections: ConnectionLimits = ConnectionLimits()

    def __post_init__(self) -> None:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ConfigError("expected the TLS certificate and its key both or neither")
        if self.tls_certificate is None and not is_loopback(self.host):
            raise ConfigError(
                f"expected a TLS certificate and key to listen on {self.host}: without them "
                "anybody on the way reads the tokens; or listen on 127.0.0.1"
            )
        check_url(self.url)
        for origin in self.origins:
            if not is_origin(origin):
                raise ConfigError(
                    "expected each of TIGER_MCP_HTTP_ORIGINS as a browser writes it, like "
                    f"https://desk.example or http://localhost:3000, was {origin!r}"
                )


def check_url(url: str) -> None:
    """Refuse an address that no client could use, or that would show tokens on the way.

    Raises:
        ConfigError: it is one.
    """
    parts = urlsplit(url)
    fits = parts.scheme in _DEFAULT_PORTS and parts.hostname and parts.path == MCP_PATH
    # A client may name the address back to others: in it stands nothing but where the service is.
    if not fits or parts.username is not None or parts.query or parts.fragment:
        raise ConfigError(f"expected an address like https://host{MCP_PATH}, and no more in it")
    if is_unspecified(parts.hostname):
        raise ConfigError(
            f"expected TIGER_MCP_HTTP_URL, the address that clients use: {parts.hostname} is "
            "every address of this machine, and none that a client could ask for"
        )
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigError(f"expected an https address, was {url!r}")


async def serve_http(parts: Parts, settings: HttpSettings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ConfigError: the certificate cannot be used.
    """
    raise_file_limit()
    app = app_of(parts, settings)
    try:
        await HttpServer(app, config_of(app, settings)).serve()
    except ssl.SSLError as error:
        raise ConfigError(f"expected a certificate and its key, was {error.reason}") from None


def config_of(app: ASGIApp, settings: HttpSettings) -> uvicorn.Config:
    """Return how an application is served: where, how encrypted, and within which limits."""
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # A line per request would hold nothing that the access records do not.
        access_log=False,
        log_config=None,
        http=bounded(settings.connections),
        ws="none",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        limit_concurrency=OPEN_MAX,
        timeout_keep_alive=math.ceil(settings.connections.idle_s),
        timeout_graceful_shutdown=_STOP_LIMIT_S,
        h11_max_incomplete_event_size=HEADER_BYTES_MAX,
    )
    if settings.tls_certificate is not None:
        config.ssl_certfile = settings.tls_certificate
        config.ssl_keyfile = settings.tls_key
        config.ssl_context_factory = lambda _config, make: only_tls_13(make())
    return config


def only_tls_13(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return the context, refusing every older version."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def app_of(parts: Parts, settings: HttpSettings) -> Starlette:
    """Return the whole service as an ASGI application; it serves once its lifespan has begun."""
    checker = TokenChecker(settings.rules, parts.clock)
    server = server_of(parts, checker)
    return around(
        sessions_of(server), server=server, checker=checker, settings=settings, clock=parts.clock
    )


def server_of(parts: Parts, checker: TokenChecker) -> GatewayServer:
    """Return the MCP server whose every message runs as the caller of its token."""
    return build(parts, middleware=[AsCaller(checker)], still_counts=checker.still_counts)


def sessions_of(server: GatewayServer) -> StreamableHTTPSessionManager:
    """Return what speaks the SDK's transport: one JSON answer per message, and no sessions."""
    return StreamableHTTPSessionManager(
        server._lowlevel_server,
        json_response=True,
        stateless=True,
        max_request_body_size=BODY_BYTES_MAX,
        # The guard stands before the token already.
        security_settings=None,
    )


def around(
    manager: StreamableHTTPSessionManager,
    *,
    server: GatewayServer,
    checker: TokenChecker,
    settings: HttpSettings,
    clock: Clock,
) -> Starlette:
    """Return the application that lets to a server only what its guards let through."""
    known = AuthSettings(
        # Kept as they are written: issuers are compared letter by letter.
        issuer_url=settings.rules.issuer,  # type: ignore[arg-type]  # the model takes text
        resource_server_url=settings.url,  # type: ignore[arg-type]  # likewise
        # Our rules check the audience.
        validate_token_resource=False,
    )
    assert known.resource_server_url is not None, "it was given"
    lines = RareLines()
    limited = PrincipalLimits(StreamableHTTPASGIApp(manager), settings.limits, clock, lines)
    metadata = build_resource_metadata_url(known.resource_server_url)
    checked = RequireAuthMiddleware(limited, [SERVICE_SCOPE], metadata)
    app = Starlette(
        routes=[
            Route(
                MCP_PATH,
                endpoint=TokenAsked(checked, str(metadata), lines),
                methods=["POST"],
            ),
            *create_protected_resource_routes(
                resource_url=known.resource_server_url,
                authorization_servers=[known.issuer_url],
                scopes_supported=[SERVICE_SCOPE],
                resource_name="tiger-mcp",
            ),
            Route(HEALTH_PATH, endpoint=_health(server), methods=["GET"]),
        ],
        middleware=[
            *_pages(settings),
            Middleware(HostGuard, settings=guard_settings(settings), lines=lines),
            Middleware(AuthenticationMiddleware, backend=TokenBackend(Verifier(checker, lines))),
            Middleware(AuthContextMiddleware),
        ],
        lifespan=_lifespan(manager, lines),
    )
    app.state.end_listening = server.end_listening
    app.state.handshake_s = settings.connections.handshake_s
    app.state.lines = lines
    return app


class HostGuard:
    """ASGI middleware: a web page that made a name point at this machine gets nothing from it."""

    def __init__(self, app: ASGIApp, settings: TransportSecuritySettings, lines: RareLines) -> None:
        self._app = app
        self._lines = lines
        self._guard = TransportSecurityMiddleware(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on that names this service as its host, from a page that may ask."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Names of hosts are the same in either case. Source: RFC 3986 section 3.2.2.
        folded = [
            (name, value.lower() if name in _NAMING else value) for name, value in scope["headers"]
        ]
        asked = Request({**scope, "headers": folded})
        refused = await self._guard.validate_request(asked, is_post=False)
        if refused is not None:
            self._say_refused(asked, refused.status_code)
        await (self._app if refused is None else refused)(scope, receive, send)

    def _say_refused(self, asked: Request, status: int) -> None:
        header = "host" if status == _WRONG_HOST else "origin"
        peer = peer_of(asked.scope)
        name = asked.headers.get(header, "")[:_NAME_SHOWN_MAX]
        who = (address_of(peer), header)
        self._lines.say("http.name_refused", who, {"header": header, "name": name, "peer": peer})


def guard_settings(settings: HttpSettings) -> TransportSecuritySettings:
    """Return the names under which the service is known, each with its port."""
    parts = urlsplit(settings.url)
    port = parts.port or _DEFAULT_PORTS[parts.scheme]
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    known = {parts.netloc.lower(), f"{name}:{port}"}
    if port == _DEFAULT_PORTS[parts.scheme]:
        known.add(f"{name}")
    scheme = "http" if settings.tls_certificate is None else "https"
    own = {f"{parts.scheme}://{host}" for host in known}
    if is_loopback(settings.host):
        local = {f"{each}:{settings.port}" for each in _LOOPBACK_NAMES}
        known |= local
        own |= {f"{scheme}://{host}" for host in local}
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=sorted(known),
        allowed_origins=sorted(own | set(_origins(settings))),
    )


# A browser asks first whether the page may call, and without a token.
def _pages(settings: HttpSettings) -> list[Middleware]:
    if not settings.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=_origins(settings),
            allow_methods=["POST", "GET"],
            allow_headers=["*"],
            expose_headers=["WWW-Authenticate", "Retry-After"],
        )
    ]


# As a browser writes them.
def _origins(settings: HttpSettings) -> list[str]:
    return [origin.lower() for origin in settings.origins]


def _health(server: GatewayServer) -> Callable[[Request], Awaitable[Response]]:
    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ready" if server.gateway.is_ready else "starting"})

    return health


def _lifespan(
    manager: StreamableHTTPSessionManager, lines: RareLines
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            async with manager.run():
                yield
        finally:
            lines.close()

    return lifespan
