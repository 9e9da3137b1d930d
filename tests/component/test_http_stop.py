"""How the HTTP service stops: without waiting for listeners, and with every access record sent."""

import asyncio
from pathlib import Path

import msgspec

from adapters.mcp.access import AccessBatch
from tests.support.gateway import World
from tests.support.http_gateway import HttpGateway, http_gateway, two_accounts

# Half of the time that open answers have at a stop.
GRACE_S = 7.5


def kept(world: World) -> list[str]:
    """Return the tools whose calls have a record."""
    return [
        record.tool
        for _, body in world.bus.accesses
        for record in msgspec.json.decode(body, type=AccessBatch).records
    ]


async def test_whoever_listens_is_told_the_end_and_keeps_no_stop_waiting(tmp_path: Path) -> None:
    async with http_gateway(tmp_path, world=two_accounts()) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer")
        async with (
            gateway.client(token) as ann,
            ann.listen(resource_subscriptions=["tiger://accounts"]) as notices,
        ):
            gateway.server.should_exit = True
            async with asyncio.timeout(GRACE_S):
                assert [notice async for notice in notices] == []


async def test_a_stop_in_haste_sends_the_records_of_what_was_answered_and_what_was_cut(
    tmp_path: Path,
) -> None:
    world = two_accounts()
    asked = asyncio.Event()
    answer = world.bus.request

    async def hang(subject: str, body: bytes, *, timeout_s: float) -> bytes:
        if subject != "view.paper-1.positions":
            return await answer(subject, body, timeout_s=timeout_s)
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    world.bus.request = hang  # type: ignore[method-assign]  # a server that does not answer
    async with http_gateway(tmp_path, world=world) as gateway:
        token = gateway.issuer.token("ann", "*:viewer")
        open_ = asyncio.create_task(_read(gateway, token))
        await asked.wait()
        await gateway.call(token, "list_accounts")
        gateway.server.should_exit = gateway.server.force_exit = True
        async with asyncio.timeout(GRACE_S):
            await asyncio.wait({open_})
    assert sorted(kept(world)) == ["get_positions", "list_accounts"]


async def _read(gateway: HttpGateway, token: str) -> None:
    await gateway.call(token, "get_positions", account="paper-1")
