"""A gateway over HTTP for tests: the real server on a port, an issuer of tokens, raw requests."""

import asyncio
import base64
import contextlib
import json
import socket
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import jwt
import msgspec
import pytest
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation
from starlette.applications import Starlette

from adapters.mcp.http_server import HttpServer
from adapters.mcp.http_service import HttpSettings, app_of, config_of
from adapters.mcp.limits import Limits
from adapters.mcp.tokens import RefusedTokenError, TokenChecker, TokenRules
from core import views
from infra.clock import SystemClock
from tests.support.gateway import AS_OF, NOW, TEST_LIMIT_S, Mode, Published, World
from tests.support.gateway_script import account_row

ISSUER: Final = "https://issuer.example"
KEY_ID: Final = "key-1"
_MODERN: Final = "2026-07-28"
_SEND_BUFFER_BYTES: Final = 64 * 1024


class Issuer:
    """A key pair, and tokens that are good unless a test says otherwise."""

    def __init__(self, folder: Path) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.keys_file = folder / "keys.json"
        self.keys_file.write_bytes(jwks(public_jwk(self.key)))
        self.revoked = folder / "revoked"
        self.revoked.mkdir()
        self.audience = "http://127.0.0.1:1/mcp"

    def rules(self, **changes: Any) -> TokenRules:
        """Return what a server is told."""
        return msgspec.structs.replace(
            TokenRules(
                issuer=ISSUER,
                audience=self.audience,
                keys=str(self.keys_file),
                revoked=self.revoked,
            ),
            **changes,
        )

    def claims(self, principal: str, *grants: str, **changes: Any) -> dict[str, Any]:
        """Return the claims of a good token; a change to None takes a claim away."""
        now = int(time.time())
        told = {
            "iss": ISSUER,
            "aud": self.audience,
            "sub": principal,
            "jti": f"tok-{principal}",
            "iat": now,
            "exp": now + 600,
            "scope": " ".join(["tiger", *(f"tiger:{grant}" for grant in grants)]),
        } | changes
        return {name: value for name, value in told.items() if value is not None}

    def token(self, principal: str, *grants: str, **changes: Any) -> str:
        """Return a token with grants of the form `sandbox:viewer`."""
        return self.sign(self.claims(principal, *grants, **changes))

    def sign(self, claims: Mapping[str, Any], **headers: Any) -> str:
        """Return signed claims."""
        told = {"kid": KEY_ID, "typ": "at+jwt"} | headers
        told = {name: value for name, value in told.items() if value is not None}
        return jwt.encode(dict(claims), self.key, algorithm="EdDSA", headers=told)


def public_jwk(key: Ed25519PrivateKey, **changes: str) -> dict[str, str]:
    """Return the public half of a key as a JWK."""
    raw = key.public_key().public_bytes_raw()
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    told = {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": KEY_ID, "alg": "EdDSA", "use": "sig"}
    return told | changes


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """Return the public half of a key as others publish it."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def jwks(*keys: Mapping[str, str]) -> bytes:
    """Return a key set."""
    return json.dumps({"keys": list(keys)}).encode()


class HttpGateway(NamedTuple):
    """A server that serves, and who may issue tokens for it."""

    url: str
    issuer: Issuer
    world: World
    http: httpx2.AsyncClient
    server: HttpServer

    @property
    def base(self) -> str:
        """Return the address without the path of MCP."""
        return self.url.removesuffix("/mcp")

    @property
    def commands(self) -> list[Published]:
        """Return the commands that were sent."""
        return self.world.bus.published

    @property
    def asked(self) -> list[str]:
        """Return the subjects that were asked."""
        return [subject for subject, _ in self.world.bus.asked]

    @contextlib.asynccontextmanager
    async def client(self, token: str, mode: Mode = "auto") -> AsyncIterator[Client]:
        """Connect a real MCP client with a token."""
        told = Implementation(name="test-client", version="9")
        async with httpx2.AsyncClient(headers=bearer(token), trust_env=False) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=mode, client_info=told) as client:
                yield client

    async def post(
        self, token: str | None, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send one raw request of the modern era; the default body lists the tools."""
        sent = request("tools/list") if body is None else body
        content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        method = sent.get("method", "") if isinstance(sent, dict) else ""
        name = sent["params"].get("name", "") if isinstance(sent, dict) else ""
        told = modern_headers(method, name) | (bearer(token) if token is not None else {})
        return await self.http.post(self.url, content=content, headers=told | dict(headers or {}))

    async def call(self, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool by a raw request and return its result."""
        reply = await self.post(token, request("tools/call", name=tool, arguments=arguments))
        assert reply.status_code == 200, (reply.status_code, reply.text)
        result: dict[str, Any] = reply.json()["result"]
        return result


def two_accounts() -> World:
    """Return a world for two: Ann has `sandbox`, Bob has `paper-1`."""
    world = World()
    nothing = views.PositionsAnswer(as_of=AS_OF, observed_at=NOW, positions=())
    for account in world.accounts:
        world.bus.answers[f"view.{account}.positions"] = nothing
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(
        accounts=tuple(
            account_row(alias=alias, environment=where) for alias, where in world.accounts.items()
        )
    )
    return world


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def modern_headers(method: str, name: str = "") -> dict[str, str]:
    """Return the headers that a request of the modern era needs."""
    told = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": _MODERN,
        "Mcp-Method": method,
    }
    return told | ({"Mcp-Name": name} if name else {})


def request(method: str, **params: Any) -> dict[str, Any]:
    """Return one request of the modern era."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": _MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, **params}}


@contextlib.asynccontextmanager
async def http_gateway(
    folder: Path, *, world: World | None = None, limits: Limits | None = None, **changes: Any
) -> AsyncIterator[HttpGateway]:
    """Serve a world over HTTP on a free port; the whole block is bounded."""
    issuer = Issuer(folder)
    world = world or World()
    with socket.socket() as listener:
        # So that a client that does not read is soon one that nothing more can be sent to.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        issuer.audience = f"http://127.0.0.1:{port}/mcp"
        settings = HttpSettings(
            host="127.0.0.1",
            port=port,
            url=issuer.audience,
            rules=issuer.rules(),
            limits=limits or Limits(),
            **changes,
        )
        parts = msgspec.structs.replace(world.parts, clock=SystemClock())
        app = app_of(parts, settings)
        server = _Server(app, config_of(app, settings))
        async with asyncio.timeout(TEST_LIMIT_S), asyncio.TaskGroup() as group:
            serving = group.create_task(server.serve(sockets=[listener]))
            await server.is_up.wait()
            try:
                async with httpx2.AsyncClient(trust_env=False, timeout=TEST_LIMIT_S) as http:
                    yield HttpGateway(issuer.audience, issuer, world, http, server)
            finally:
                server.should_exit = True
                await serving


class _Server(HttpServer):
    def __init__(self, app: Starlette, config: uvicorn.Config) -> None:
        super().__init__(app, config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()

    # The test's own signals stay its own.
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


async def refusal(issuer: Issuer, token: str, **rules: Any) -> str:
    """Return why a token is refused, which never tells the token."""
    checker = TokenChecker(issuer.rules(**rules), SystemClock())
    with pytest.raises(RefusedTokenError) as caught:
        await checker.check(token)
    assert not token or token not in str(caught.value)
    return caught.value.why
