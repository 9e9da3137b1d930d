"""Principals over HTTP: whose accounts a token shows, what it may do, and whose name is kept."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from mcp.shared.subscriptions import ResourceUpdated

from core import events
from tests.support.gateway import MODES, ORDER_ID, PREVIEW_ID, TERMS, error_of, previewed, told
from tests.support.gateway import Mode as Era
from tests.support.http_gateway import HttpGateway, http_gateway, request, two_accounts


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[HttpGateway]:
    async with http_gateway(tmp_path, world=two_accounts()) as served:
        yield served


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
        before = len(gateway.asked)
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
        assert not [where for where in gateway.asked[before:] if theirs in where]
    assert gateway.commands == []


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
    assert gateway.commands == []


@pytest.mark.parametrize("era", MODES)
async def test_a_trader_trades_under_its_own_name(gateway: HttpGateway, era: Era) -> None:
    token = gateway.issuer.token("ann", "sandbox:trader", "paper-1:viewer")
    async with gateway.client(token, era) as client:
        assert "submit_order" in {tool.name for tool in (await client.list_tools()).tools}
        call = client.call_tool("submit_order", {"account": "sandbox", "preview_id": PREVIEW_ID})
        asking = asyncio.create_task(call)
        await gateway.world.bus.arrived.wait()
        (sent,) = gateway.commands
        assert (sent.account, sent.envelope.principal) == ("sandbox", "ann")
        # Where Ann only looks, she does not trade.
        said = error_of(
            await client.call_tool("submit_order", {"account": "paper-1", "preview_id": PREVIEW_ID})
        )
        assert said.startswith("forbidden: ")
        accepted = events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="1", evidence="reply")
        gateway.world.bus.emit("sandbox", accepted, caused_by=sent.envelope.command_id)
        assert told(await asking)["status"] == "accepted"
    assert len(gateway.commands) == 1


async def test_a_token_without_any_grant_sees_nothing(gateway: HttpGateway) -> None:
    async with gateway.client(gateway.issuer.token("ann")) as client:
        assert (await client.list_tools()).tools == []
        said = error_of(await client.call_tool("list_accounts", {}))
        assert said.startswith("forbidden: ")
    assert gateway.asked == []


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
