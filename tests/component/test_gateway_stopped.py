"""A cluster that a person took down: said at once, and not as if a few seconds would help."""

import asyncio
from pathlib import Path
from typing import Final

import msgspec
import pytest

from adapters.mcp.parts import Connected
from adapters.mcp.server import build
from core import views
from core.errors import LinkError, StoppedError
from infra.cli.serve import Prepare
from infra.config import Settings
from infra.home import Home
from infra.supervisor.status import Phase, Status, write_status
from tests.support.gateway import AS_OF, MODES, NOW, PATIENT, Mode, World, error_of, told

both_eras = pytest.mark.parametrize("mode", MODES)
STOPPED: Final = "the cluster was stopped; a person starts it with `tiger-mcp up`"
# A wait for a start would be longer than a whole test may be.
LONG: Final = msgspec.structs.replace(PATIENT, reconnect_s=0.01, ready_s=600.0)
AT_ONCE: Final = msgspec.structs.replace(LONG, stopped_s=0.0)
ORDERS: Final = views.OrdersAnswer(as_of=AS_OF, orders=(), cursor=None)


@both_eras
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("get_orders", {"account": "sandbox"}), ("get_quotes", {"symbols": ["AAPL"]})],
)
async def test_a_stopped_cluster_is_told_at_once_with_who_starts_it(
    mode: Mode, tool: str, arguments: dict[str, object]
) -> None:
    world = World(LONG)
    world.connect_faults = [StoppedError(STOPPED)] * 9_999
    async with world.client(mode) as client:
        text = error_of(await client.call_tool(tool, arguments))
    assert text == (
        f"unavailable: {STOPPED}; nothing was sent, and no tool can start it. Tell the person."
    )


async def test_a_cluster_that_is_started_again_is_waited_for() -> None:
    world = World(AT_ONCE)
    world.bus.answers["view.sandbox.orders"] = ORDERS
    is_down, is_starting, is_up = True, asyncio.Event(), asyncio.Event()

    async def connect() -> Connected:
        if is_down:
            raise StoppedError(STOPPED)
        is_starting.set()
        await is_up.wait()
        return await world.parts.connect()

    world.server = build(msgspec.structs.replace(world.parts, connect=connect))
    asked = {"account": "sandbox"}
    async with world.client("auto") as client:
        assert STOPPED in error_of(await client.call_tool("get_orders", asked))
        is_down = False
        await is_starting.wait()
        await client.list_tools()
        call = asyncio.create_task(client.call_tool("get_orders", asked))
        await client.list_tools()
        assert not call.done()
        is_up.set()
        told(await call)


async def test_a_cluster_that_only_cannot_be_reached_is_waited_for() -> None:
    world = World(LONG)
    world.connect_faults = [StoppedError(STOPPED), LinkError("refused")]
    world.bus.answers["view.sandbox.orders"] = ORDERS
    async with world.client("auto") as client:
        await world.connected.wait()
        told(await client.call_tool("get_orders", {"account": "sandbox"}))


@pytest.mark.parametrize("phase", [Phase.STOPPING, Phase.STOPPED])
def test_a_cluster_on_its_way_down_is_not_started_again(tmp_path: Path, phase: Phase) -> None:
    last = Status(pid=1, phase=phase, step="", started_at=NOW, updated_at=NOW)
    write_status(Home(tmp_path), last)
    with pytest.raises(StoppedError, match="tiger-mcp up"):
        Prepare(Settings(home=tmp_path), was_up=True)()
