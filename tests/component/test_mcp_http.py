"""MCP over HTTP: what a request meets, whose accounts a token shows, and how much it may ask."""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp.shared.subscriptions import ResourceUpdated

from adapters.mcp.http_service import HttpSettings, guard_settings, only_tls_13
from adapters.mcp.limits import BODY_BYTES_MAX, Limits
from adapters.mcp.tokens import revocation_name
from core import events, views
from core.errors import ConfigError
from core.events import Environment, Mode
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    ORDER_ID,
    PREVIEW_ID,
    TERMS,
    World,
    error_of,
    previewed,
    told,
)
from tests.support.gateway import Mode as Era
from tests.support.http_gateway import (
    HttpGateway,
    Issuer,
    bearer,
    http_gateway,
    modern_headers,
    request,
)

POSITIONS = views.PositionsAnswer(as_of=AS_OF, observed_at=NOW, positions=())


def row(alias: str, environment: Environment) -> views.AccountRow:
    return views.AccountRow(
        alias=alias,
        login="main",
        environment=environment,
        mode=Mode.AUTO,
        state="active",
        detail="",
        halted_symbols=(),
        open_orders=0,
        doubtful_orders=0,
        as_of=AS_OF,
    )


def two_accounts() -> World:
    """Ann has `sandbox`, Bob has `paper-1`."""
    world = World()
    for account in world.accounts:
        world.bus.answers[f"view.{account}.positions"] = POSITIONS
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(
        accounts=tuple(row(alias, where) for alias, where in world.accounts.items())
    )
    return world


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[HttpGateway]:
    async with http_gateway(tmp_path, world=two_accounts()) as served:
        yield served


def commands(gateway: HttpGateway) -> list[Any]:
    return gateway.world.bus.published


def asked(gateway: HttpGateway) -> list[str]:
    return [subject for subject, _ in gateway.world.bus.asked]


# The token


async def test_without_a_token_the_way_to_one_is_shown(gateway: HttpGateway) -> None:
    reply = await gateway.post(None)
    assert reply.status_code == 401
    shown = reply.headers["WWW-Authenticate"]
    where = f"{gateway.base}/.well-known/oauth-protected-resource/mcp"
    assert shown.startswith("Bearer ")
    assert f'resource_metadata="{where}"' in shown
    metadata = (await gateway.http.get(where)).json()
    assert metadata["resource"] == gateway.url
    assert metadata["authorization_servers"] == ["https://issuer.example"]
    assert metadata["scopes_supported"] == ["tiger"]
    assert metadata["bearer_methods_supported"] == ["header"]


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://other.example/mcp"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"nbf": 9_999_999_999},
        {"padding": "x" * 10_000},
        {"scope": "tiger tiger:sandbox:king"},
        {"jti": None},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_token_that_does_not_count_is_a_401_that_says_nothing_of_it(
    gateway: HttpGateway, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    token = gateway.issuer.token("ann", "sandbox:admin", **change)
    with caplog.at_level(logging.DEBUG):
        reply = await gateway.post(token)
    assert reply.status_code == 401
    assert "resource_metadata=" in reply.headers["WWW-Authenticate"]
    kept = reply.text + str(reply.headers) + caplog.text
    assert token not in kept
    assert token.split(".")[2] not in kept
    assert asked(gateway) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a b"},
    ],
    ids=str,
)
async def test_another_way_to_say_who_calls_is_none(
    gateway: HttpGateway, headers: dict[str, str]
) -> None:
    assert (await gateway.post(None, headers=headers)).status_code == 401


async def test_a_token_in_the_address_is_none(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:admin")
    reply = await gateway.http.post(
        f"{gateway.url}?access_token={token}", json=request("tools/list")
    )
    assert reply.status_code == 401


async def test_a_token_for_other_services_of_the_issuer_is_a_403(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", scope="openid email")
    reply = await gateway.post(token)
    assert reply.status_code == 403
    assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]


async def test_keys_that_cannot_be_had_refuse_everybody(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:admin")
    assert (await gateway.post(token)).status_code == 200
    gateway.issuer.keys_file.unlink()
    assert (await gateway.post(token)).status_code == 401


async def test_a_token_revoked_between_two_calls_does_not_count_for_the_second(
    gateway: HttpGateway,
) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    assert (await gateway.post(token)).status_code == 200
    (gateway.issuer.revoked / revocation_name("tok-ann")).touch()
    assert (await gateway.post(token)).status_code == 401


# Two principals


@pytest.mark.parametrize("era", MODES)
async def test_two_principals_never_see_each_others_accounts(
    gateway: HttpGateway, era: Era
) -> None:
    mine, theirs = "sandbox", "paper-1"
    token = gateway.issuer.token("ann", f"{mine}:admin")
    async with gateway.client(token, era) as client:
        shown = [
            str(told(await client.call_tool("list_accounts", {}))),
            str(await client.list_resources()),
            (await client.read_resource("tiger://accounts")).model_dump_json(),
        ]
        assert all(mine in text and theirs not in text for text in shown)
        told(await client.call_tool("get_positions", {"account": mine}))
        before = len(asked(gateway))
        # Theirs and nobody's are the same, to the letter.
        for tool in (await client.list_tools()).tools:
            said = [
                str((await client.call_tool(tool.name, {"account": account})).content)
                for account in (theirs, "nobody1")
            ]
            assert said[0].replace(theirs, "nobody1") == said[1], tool.name
        for part in ("positions", "orders"):
            errors = []
            for account in (theirs, "nobody1"):
                with pytest.raises(MCPError) as caught:
                    await client.read_resource(f"tiger://accounts/{account}/{part}")
                errors.append(str(caught.value.error).replace(theirs, "nobody1"))
            assert errors[0] == errors[1]
        assert not [where for where in asked(gateway)[before:] if theirs in where]
    assert commands(gateway) == []


async def test_concurrent_principals_are_not_taken_for_each_other(gateway: HttpGateway) -> None:
    tokens = {
        account: gateway.issuer.token(name, f"{account}:viewer")
        for name, account in (("ann", "sandbox"), ("bob", "paper-1"))
    }

    async def accounts_of(account: str) -> set[str]:
        told = await gateway.call(tokens[account], "list_accounts")
        text = json.dumps(told)
        return {name for name in tokens if f'\\"{name}\\"' in text}

    wanted = ["sandbox", "paper-1"] * 20
    seen = await asyncio.gather(*(accounts_of(account) for account in wanted))
    assert seen == [{account} for account in wanted]


async def test_notices_of_an_account_reach_only_its_principal(gateway: HttpGateway) -> None:
    watched = ["tiger://accounts/sandbox/orders", "tiger://accounts/paper-1/orders"]
    ann = gateway.issuer.token("ann", "sandbox:viewer")
    bob = gateway.issuer.token("bob", "paper-1:viewer")
    await gateway.call(ann, "get_positions", account="sandbox")
    async with (
        gateway.client(ann) as first,
        gateway.client(bob) as second,
        first.listen(resource_subscriptions=[*watched, "tiger://accounts"]) as of_ann,
        second.listen(resource_subscriptions=[*watched, "tiger://accounts"]) as of_bob,
    ):
        gateway.world.bus.emit("sandbox", previewed("cmd-1"))
        assert [await anext(of_ann), await anext(of_ann)] == [
            ResourceUpdated(watched[0]),
            ResourceUpdated("tiger://accounts"),
        ]
        gateway.world.bus.emit("paper-1", previewed("cmd-2"))
        # The first that Bob hears is his own.
        assert await anext(of_bob) == ResourceUpdated(watched[1])


async def test_a_stream_of_notices_ends_with_its_token(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer", exp=int(time.time()) + 2)
    body = request(
        "subscriptions/listen", notifications={"resourceSubscriptions": ["tiger://accounts"]}
    )
    reply = await gateway.post(token, body)
    assert reply.status_code == 200
    assert "the time of this stream is over" in reply.text


# Roles


@pytest.mark.parametrize("era", MODES)
@pytest.mark.parametrize("role", ["viewer", "approver", "auditor"])
async def test_a_missing_right_is_a_clear_no_and_nothing_is_sent(
    gateway: HttpGateway, era: Era, role: str
) -> None:
    token = gateway.issuer.token("ann", f"sandbox:{role}")
    writes: list[tuple[str, dict[str, Any]]] = [
        ("preview_order", dict(TERMS)),
        ("submit_order", {"account": "sandbox", "preview_id": PREVIEW_ID}),
        ("cancel_orders", {"account": "sandbox", "order_ids": [ORDER_ID]}),
    ]
    async with gateway.client(token, era) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        assert listed & {name for name, _ in writes} == set()
        assert {"list_accounts", "get_positions", "get_orders"} <= listed
        for name, arguments in writes:
            said = error_of(await client.call_tool(name, arguments))
            assert said.startswith("forbidden: "), said
            assert "right to trade on sandbox" in said
        told(await client.call_tool("get_positions", {"account": "sandbox"}))
    assert commands(gateway) == []


@pytest.mark.parametrize("era", MODES)
async def test_a_trader_trades_under_its_own_name(gateway: HttpGateway, era: Era) -> None:
    token = gateway.issuer.token("ann", "sandbox:trader", "paper-1:viewer")
    async with gateway.client(token, era) as client:
        assert "submit_order" in {tool.name for tool in (await client.list_tools()).tools}
        call = client.call_tool("submit_order", {"account": "sandbox", "preview_id": PREVIEW_ID})
        asking = asyncio.create_task(call)
        await gateway.world.bus.arrived.wait()
        (sent,) = commands(gateway)
        assert (sent.account, sent.envelope.principal) == ("sandbox", "ann")
        # Where Ann only looks, she does not trade.
        said = error_of(
            await client.call_tool("submit_order", {"account": "paper-1", "preview_id": PREVIEW_ID})
        )
        assert said.startswith("forbidden: ")
        accepted = events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="1", evidence="reply")
        gateway.world.bus.emit("sandbox", accepted, caused_by=sent.envelope.command_id)
        assert told(await asking)["status"] == "accepted"
    assert len(commands(gateway)) == 1


async def test_a_token_without_any_grant_sees_nothing(gateway: HttpGateway) -> None:
    async with gateway.client(gateway.issuer.token("ann")) as client:
        assert (await client.list_tools()).tools == []
        said = error_of(await client.call_tool("list_accounts", {}))
        assert said.startswith("forbidden: ")
    assert asked(gateway) == []


# Records


async def test_records_name_the_principal_and_never_its_token(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    stored = asyncio.Event()

    async def store(_: str) -> None:
        stored.set()

    gateway.world.bus.on_access = store
    await gateway.call(token, "get_positions", account="sandbox")
    await stored.wait()
    ((subject, body),) = gateway.world.bus.accesses
    (record,) = json.loads(body)["records"]
    assert subject == "access.sandbox.get_positions"
    assert (record["principal"], record["token_id"]) == ("ann", "tok-ann")
    assert token.split(".")[1] not in body.decode()


# The guard


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
    assert asked(gateway) == []


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
    async with http_gateway(tmp_path, limits=Limits(open_max=1)) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer")
        sent = modern_headers("subscriptions/listen") | bearer(token)
        body = request("subscriptions/listen", notifications={})
        stream = gateway.http.stream("POST", gateway.url, json=body, headers=sent)
        async with stream as reply:
            assert reply.status_code == 200
            assert "acknowledged" in await anext(reply.aiter_text())
            assert (await gateway.post(token)).status_code == 429
        # The server hears that the stream is closed a moment after the client closed it.
        async with asyncio.timeout(5):
            while (await gateway.post(token)).status_code == 429:
                continue


# Settings


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
    ],
    ids=str,
)
def test_a_setting_that_would_show_tokens_to_others_stops_the_start(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError):
        settings(tmp_path, **changes)


def test_the_names_of_the_service_are_its_own_and_no_wider(tmp_path: Path) -> None:
    guard = guard_settings(settings(tmp_path, url="https://desk.example/mcp"))
    local = {f"{name}:8765" for name in ("127.0.0.1", "localhost", "[::1]")}
    assert set(guard.allowed_hosts) == local | {"desk.example", "desk.example:443"}
    assert not [name for name in guard.allowed_hosts + guard.allowed_origins if "*" in name]


def test_older_versions_of_tls_are_not_spoken() -> None:
    context = only_tls_13(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
