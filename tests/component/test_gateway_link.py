"""The gateway before its cluster is ready, after it is lost, and on real pipes."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from core import views
from core.errors import ConfigError, LinkError
from core.modes import Environment
from tests.support.gateway import (
    AS_OF,
    MODES,
    QUICK,
    TERMS,
    Mode,
    Published,
    World,
    error_of,
    previewed,
    rows_of,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
ORDERS = views.OrdersAnswer(as_of=AS_OF, orders=(), cursor=None)
ROOT = Path(__file__).parents[2]
PROCESS_LIMIT_S = 30.0


def previewing(world: World) -> Callable[[Published], None]:
    """Return a worker that shows every order it is asked for."""

    def work(sent: Published) -> None:
        command_id = sent.envelope.command_id
        world.bus.emit(sent.account, previewed(command_id), caused_by=command_id)

    return work


@both_eras
async def test_a_client_is_served_before_the_cluster_is_ready_and_a_tool_says_why(
    mode: Mode,
) -> None:
    world = World(QUICK)
    world.reachable.clear()
    async with world.client(mode) as client:
        assert (await client.list_tools()).tools
        text = error_of(await client.call_tool("get_orders", {"account": "sandbox"}))
    assert text.startswith("starting: the service is still starting; nothing was sent.")


async def test_a_call_that_comes_early_is_answered_once_the_cluster_is_ready() -> None:
    world = World()
    world.reachable.clear()
    world.bus.answers["view.sandbox.orders"] = ORDERS
    async with world.client("auto") as client:
        call = asyncio.create_task(client.call_tool("get_orders", {"account": "sandbox"}))
        await client.list_tools()
        assert not call.done()
        world.reachable.set()
        told(await call)


async def test_a_cluster_that_cannot_be_reached_is_tried_again_and_named() -> None:
    world = World(QUICK)
    world.connect_faults = [ConfigError("expected a cluster in the home; run `tiger-mcp up`")] * 999
    async with world.client("auto") as client:
        text = error_of(await client.call_tool("list_accounts", {}))
        assert "expected a cluster in the home; run `tiger-mcp up`; nothing was sent." in text
        world.connect_faults = [LinkError("refused")]
        world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=())
        await world.connected.wait()
        found = told(await client.call_tool("list_accounts", {}))
        assert rows_of(found["accounts"]) == []


async def test_a_link_lost_for_good_is_made_anew_and_facts_are_heard_again() -> None:
    world = World()
    async with world.client("auto") as client:
        world.bus.answers["view.sandbox.orders"] = ORDERS
        told(await client.call_tool("get_orders", {"account": "sandbox"}))
        world.connected.clear()
        world.connections[0].lost.set()
        world.bus.worker = previewing(world)
        await world.connected.wait()
        assert told(await client.call_tool("preview_order", TERMS))["status"] == "previewed"
    assert world.closed == 2


async def test_an_account_added_later_is_known_and_heard_at_its_first_use() -> None:
    world = World()
    world.bus.worker = previewing(world)
    async with world.client("auto") as client:
        assert error_of(
            await client.call_tool("preview_order", TERMS | {"account": "live-1"})
        ).startswith("unknown_account: ")
        world.accounts["live-1"] = Environment.LIVE
        answer = told(await client.call_tool("preview_order", TERMS | {"account": "live-1"}))
    assert answer["environment"] == "live"
    assert world.bus.asked == []


SERVE = """
import asyncio, sys
from adapters.mcp.parts import Parts
from adapters.mcp.server import serve_stdio
from infra.clock import RandomIds, SystemClock
from infra.logs import configure

async def never():
    print("a stray print of a library")
    await asyncio.Event().wait()

configure("gateway", "info")
asyncio.run(serve_stdio(Parts(
    connect=never, accounts=dict, clock=SystemClock(), ids=RandomIds(), version="1",
)))
"""


def test_only_the_protocol_is_on_stdout_and_ten_megabytes_do_not_end_it() -> None:
    def call(number: int, method: str, params: Mapping[str, object]) -> str:
        return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    hello = {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    }
    lines = [
        call(1, "initialize", hello),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        call(2, "tools/call", {"name": "get_orders", "arguments": {"account": "a" * 10_000_000}}),
        "this is not JSON",
        call(3, "tools/list", {}),
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    out, _ = process.communicate("\n".join(lines) + "\n", timeout=PROCESS_LIMIT_S)
    answers = {each["id"]: each for each in map(json.loads, out.splitlines()) if "id" in each}
    assert answers[1]["result"]["serverInfo"]["name"] == "tiger-mcp"
    assert answers[2]["result"]["isError"] is True
    text = answers[2]["result"]["content"][0]["text"]
    assert text == "invalid_argument: account: expected at most 4000 characters, was 10000000."
    names = {tool["name"] for tool in answers[3]["result"]["tools"]}
    assert {"preview_order", "submit_order", "get_orders"} <= names
    assert process.returncode == 0
