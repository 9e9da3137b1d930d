"""What a request over HTTP meets before any tool: the guard, the limits, and the settings."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.mcp.http_service import HttpSettings, guard_settings, only_tls_13
from adapters.mcp.limits import BODY_BYTES_MAX, Limits
from adapters.mcp.tokens import revocation_name
from core.errors import ConfigError
from tests.support.http_gateway import (
    HttpGateway,
    Issuer,
    bearer,
    http_gateway,
    modern_headers,
    request,
    two_accounts,
)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[HttpGateway]:
    async with http_gateway(tmp_path, world=two_accounts()) as served:
        yield served


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:80"}, 421),
        ({"Host": "127.0.0.1"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/mcp", "/health", "/.well-known/oauth-protected-resource/mcp"])
async def test_a_page_that_took_our_name_gets_nothing(
    gateway: HttpGateway, headers: dict[str, str], status: int, path: str
) -> None:
    told = headers | bearer(gateway.issuer.token("ann", "sandbox:admin"))
    sent = request("tools/list")
    reply = await gateway.http.post(f"{gateway.base}{path}", json=sent, headers=told)
    assert reply.status_code == status
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert gateway.asked == []


async def test_our_own_page_and_those_that_were_allowed_may_ask(tmp_path: Path) -> None:
    async with http_gateway(tmp_path, origins=("https://desk.example",)) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer")
        for origin in (gateway.base, "https://desk.example"):
            reply = await gateway.post(token, headers={"Origin": origin})
            assert reply.status_code == 200
        ask = {
            "Origin": "https://desk.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, mcp-method",
        }
        reply = await gateway.http.request("OPTIONS", gateway.url, headers=ask)
        assert reply.headers["Access-Control-Allow-Origin"] == "https://desk.example"
        evil = await gateway.post(token, headers={"Origin": "https://evil.example"})
        assert evil.status_code == 403


async def test_names_of_hosts_and_pages_are_the_same_in_either_case(tmp_path: Path) -> None:
    async with http_gateway(tmp_path, origins=("https://Desk.Example",)) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer")
        port = gateway.base.rpartition(":")[2]
        told = {"Host": f"LocalHost:{port}", "Origin": "HTTPS://desk.EXAMPLE"}
        assert (await gateway.post(token, headers=told)).status_code == 200
        page = {"Origin": "https://desk.example", "Access-Control-Request-Method": "POST"}
        reply = await gateway.http.request("OPTIONS", gateway.url, headers=page)
        assert reply.headers["Access-Control-Allow-Origin"] == "https://desk.example"


async def test_health_is_told_without_a_token_and_says_nothing_else(gateway: HttpGateway) -> None:
    await gateway.world.connected.wait()
    reply = await gateway.http.get(f"{gateway.base}/health")
    assert (reply.status_code, reply.json()) == (200, {"status": "ready"})


# Limits


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_only_posts_are_served(gateway: HttpGateway, method: str) -> None:
    headers = bearer(gateway.issuer.token("ann", "sandbox:admin"))
    assert (await gateway.http.request(method, gateway.url, headers=headers)).status_code == 405


@pytest.mark.parametrize(
    "body, status",
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"[" * 100_000, 400),
        (b'{"jsonrpc": "2.0", "id": 1}', 400),
        (b" " * (BODY_BYTES_MAX + 1), 413),
    ],
    ids=["empty", "half", "batch", "deep", "no-method", "long"],
)
async def test_what_is_no_message_is_refused(
    gateway: HttpGateway, body: bytes, status: int
) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    assert (await gateway.post(token, body)).status_code == status
    assert (await gateway.post(token)).status_code == 200


async def test_a_principal_that_asks_too_often_waits_and_others_do_not(tmp_path: Path) -> None:
    async with http_gateway(tmp_path, limits=Limits(per_minute=5)) as gateway:
        ann = gateway.issuer.token("ann", "sandbox:viewer")
        # Another token of the same principal is the same principal.
        again = gateway.issuer.token("ann", "sandbox:viewer", jti="tok-2")
        codes = [(await gateway.post(token)).status_code for token in (ann, again) * 3]
        assert codes == [200] * 5 + [429]
        reply = await gateway.post(ann)
        assert int(reply.headers["Retry-After"]) >= 1
        assert "nothing was done" in reply.text
        bob = gateway.issuer.token("bob", "sandbox:viewer")
        assert (await gateway.post(bob)).status_code == 200


async def test_a_principal_has_only_so_much_open_at_a_time(tmp_path: Path) -> None:
    world = two_accounts()
    gate, waiting = asyncio.Event(), asyncio.Event()

    async def hang(subject: str, body: bytes, *, timeout_s: float) -> bytes:
        waiting.set()
        await gate.wait()
        return await answer(subject, body, timeout_s=timeout_s)

    answer = world.bus.request
    world.bus.request = hang  # type: ignore[method-assign]  # a server that takes its time
    async with http_gateway(tmp_path, world=world, limits=Limits(open_max=1)) as gateway:
        ann = gateway.issuer.token("ann", "sandbox:viewer")
        first = asyncio.create_task(gateway.call(ann, "get_positions", account="sandbox"))
        await waiting.wait()
        assert (await gateway.post(ann)).status_code == 429
        bob = gateway.issuer.token("bob", "sandbox:viewer")
        assert (await gateway.post(bob)).status_code == 200
        gate.set()
        assert not (await first).get("isError")
        assert (await gateway.post(ann)).status_code == 200


async def test_a_body_that_does_not_come_is_not_waited_for(tmp_path: Path) -> None:
    async with http_gateway(tmp_path, limits=Limits(body_s=0.2)) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer")
        host = gateway.base.removeprefix("http://")
        told = modern_headers("tools/list") | bearer(token) | {"Host": host, "Content-Length": "99"}
        lines = [f"{name}: {value}" for name, value in told.items()]
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write("\r\n".join(["POST /mcp HTTP/1.1", *lines, "", "{"]).encode())
        assert b" 408 " in await reader.readline()
        writer.close()
        assert (await gateway.post(token)).status_code == 200


async def test_a_client_that_goes_away_takes_no_place(tmp_path: Path) -> None:
    limits = Limits(open_max=1, listen_max=1)
    async with http_gateway(tmp_path, limits=limits) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer")
        async with listening(gateway, token):
            assert await listen_status(gateway, token) == 429
        # The server hears that the stream is closed a moment after the client closed it.
        async with asyncio.timeout(5):
            while await listen_status(gateway, token) == 429:
                continue


async def test_who_listens_takes_no_place_of_a_call(tmp_path: Path) -> None:
    limits = Limits(open_max=1, listen_max=2)
    async with http_gateway(tmp_path, limits=limits) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer")
        async with listening(gateway, token), listening(gateway, token):
            assert await listen_status(gateway, token) == 429
            assert (await gateway.post(token)).status_code == 200


async def test_people_who_use_one_program_have_limits_of_their_own(tmp_path: Path) -> None:
    limits = Limits(per_minute=3, open_max=1, listen_max=1)
    async with http_gateway(tmp_path, limits=limits) as gateway:
        tokens = {
            who: gateway.issuer.token(who, "sandbox:viewer", client_id="desktop")
            for who in ("ann", "bob")
        }
        # A program may have a name that is a principal's too.
        named_alike = gateway.issuer.token("desktop", "sandbox:viewer")
        async with listening(gateway, tokens["ann"]), listening(gateway, tokens["bob"]):
            codes = [(await gateway.post(tokens["ann"])).status_code for _ in range(3)]
            assert codes == [200, 200, 429]
            assert (await gateway.post(tokens["bob"])).status_code == 200
            assert (await gateway.post(named_alike)).status_code == 200
        other = gateway.issuer.token("ann", "sandbox:viewer", client_id="script")
        assert (await gateway.post(other)).status_code == 200


async def test_streams_of_a_revoked_token_end_and_leave_their_places(tmp_path: Path) -> None:
    async with http_gateway(tmp_path, limits=Limits(listen_max=1)) as gateway:
        old = gateway.issuer.token("ann", "sandbox:viewer")
        new = gateway.issuer.token("ann", "sandbox:viewer", jti="tok-2")
        body = request("subscriptions/listen", notifications={})
        sent = modern_headers("subscriptions/listen") | bearer(old)
        async with gateway.http.stream("POST", gateway.url, json=body, headers=sent) as reply:
            told = reply.aiter_text()
            assert "acknowledged" in await anext(told)
            refused = await gateway.post(new, body)
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 10
            (gateway.issuer.revoked / revocation_name("tok-ann")).touch()
            assert "the time of this stream is over" in "".join([each async for each in told])
        async with asyncio.timeout(5):
            while await listen_status(gateway, new) == 429:
                continue


@contextlib.asynccontextmanager
async def listening(gateway: HttpGateway, token: str) -> AsyncIterator[None]:
    """Hold a stream of notices open."""
    sent = modern_headers("subscriptions/listen") | bearer(token)
    body = request("subscriptions/listen", notifications={})
    async with gateway.http.stream("POST", gateway.url, json=body, headers=sent) as reply:
        assert reply.status_code == 200
        # The stream ends with what reads it.
        told = reply.aiter_text()
        assert "acknowledged" in await anext(told)
        yield
        await told.aclose()  # type: ignore[attr-defined]  # a generator


async def listen_status(gateway: HttpGateway, token: str) -> int:
    """Return how one more stream of notices is answered, and leave it."""
    sent = modern_headers("subscriptions/listen") | bearer(token)
    body = request("subscriptions/listen", notifications={})
    async with gateway.http.stream("POST", gateway.url, json=body, headers=sent) as reply:
        return reply.status_code


# What the log says of whom


async def test_the_log_says_who_was_refused_and_from_where(gateway: HttpGateway) -> None:
    good = {"principal": "ann", "token_id": "tok-ann"}
    token = gateway.issuer.token("ann", "sandbox:viewer")
    with capture_logs() as lines:
        await gateway.http.post(gateway.url, json=request("tools/list"))
        await gateway.post("no.good.token")
        await gateway.post(gateway.issuer.token("ann", scope="other"))
        await gateway.post(token, b"{")
        await gateway.post(token)
        (gateway.issuer.revoked / revocation_name("tok-ann")).touch()
        await gateway.post(token)
    told = [line for line in lines if line["event"] in ("auth.refused", "http.refused")]
    for line in told:
        assert line.pop("peer") == "127.0.0.1"
        line.pop("log_level")
    assert told == [
        {"event": "auth.refused", "why": "no_token"},
        {"event": "auth.refused", "why": "malformed"},
        {"event": "auth.refused", "why": "no_service_scope"} | good,
        {"event": "http.refused", "status": 400} | good,
        {"event": "auth.refused", "why": "revoked"} | good,
    ]
    assert token not in str(lines)


async def test_the_log_counts_what_was_over_a_limit_by_who_asked(tmp_path: Path) -> None:
    async with http_gateway(tmp_path, limits=Limits(per_minute=1)) as gateway:
        tokens = [gateway.issuer.token(who, "sandbox:viewer") for who in ("ann", "bob")]
        with capture_logs() as lines:
            for token in tokens * 4:
                await gateway.post(token)
    told = [line for line in lines if line["event"] == "http.limit_reached"]
    assert [(line["principal"], line["refused"]) for line in told] == [("ann", 1), ("bob", 1)]


# Settings

TLS: dict[str, Any] = {"tls_certificate": Path("c.pem"), "tls_key": Path("k.pem")}


def settings(tmp_path: Path, **changes: Any) -> HttpSettings:
    given: dict[str, Any] = {"host": "127.0.0.1", "port": 8765, "url": "http://127.0.0.1:8765/mcp"}
    return HttpSettings(rules=Issuer(tmp_path).rules(), **(given | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"host": "0.0.0.0"},
        {"host": "192.168.1.5", "url": "https://desk.example/mcp"},
        {"tls_key": Path("key.pem")},
        {"url": "http://desk.example/mcp"},
        {"url": "http://127.0.0.1:8765"},
        {"url": "127.0.0.1:8765/mcp"},
        {"url": "https://ann:secret@desk.example/mcp"},
        {"url": "https://desk.example/mcp?key=secret"},
        {"url": "https://desk.example/mcp#secret"},
        {"host": "0.0.0.0", "url": "https://0.0.0.0:8765/mcp", **TLS},
        {"host": "::", "url": "https://[::]:8765/mcp", **TLS},
    ],
    ids=str,
)
def test_a_setting_that_would_show_tokens_to_others_stops_the_start(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, **changes)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "desk.example",
        "https://desk.example/",
        "https://desk.example/page",
        "https://*.desk.example",
        "https://desk.example:443",
        "https://desk.example:port",
        "https://ann@desk.example",
        "https://",
    ],
)
def test_a_page_that_no_browser_could_name_stops_the_start(tmp_path: Path, origin: str) -> None:
    with pytest.raises(ConfigError, match="TIGER_MCP_HTTP_ORIGINS"):
        settings(tmp_path, origins=("https://good.example", origin))


@pytest.mark.parametrize(
    "origin",
    [
        "https://Desk.Example",
        "http://localhost:3000",
        "http://[::1]:3000",
        "http://desk.example:443",
        "chrome-extension://abcdefgh",
    ],
)
def test_a_page_that_a_browser_could_name_is_taken(tmp_path: Path, origin: str) -> None:
    found = settings(tmp_path, origins=(origin,))
    assert origin.lower() in guard_settings(found).allowed_origins


def test_every_address_of_the_machine_is_served_under_a_name_that_clients_use(
    tmp_path: Path,
) -> None:
    found = settings(tmp_path, host="0.0.0.0", url="https://desk.example/mcp", **TLS)
    assert guard_settings(found).allowed_hosts == ["desk.example", "desk.example:443"]


def test_the_names_of_the_service_are_its_own_and_no_wider(tmp_path: Path) -> None:
    guard = guard_settings(settings(tmp_path, url="https://desk.example/mcp"))
    local = {f"{name}:8765" for name in ("127.0.0.1", "localhost", "[::1]")}
    assert set(guard.allowed_hosts) == local | {"desk.example", "desk.example:443"}
    assert not [name for name in guard.allowed_hosts + guard.allowed_origins if "*" in name]


def test_older_versions_of_tls_are_not_spoken() -> None:
    context = only_tls_13(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
