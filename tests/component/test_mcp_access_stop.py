"""Access records at a stop and past a closed lane: none lost, none twice, none told wrongly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from adapters.mcp.access import AccessBatch, AccessLog
from adapters.mcp.access_lost import RecordsLost
from core.errors import LinkError
from tests.component.test_mcp_access import Request, drain, records
from tests.support.gateway import CountingIds, FakeClock, World, somebody

LIMIT_S = 5.0
RECORDS_MAX = 8

Publish = Callable[..., Awaitable[bool]]


def access_log() -> AccessLog:
    return AccessLog(
        FakeClock(),
        CountingIds(),
        tools=lambda: frozenset({"get_orders"}),
        accounts=lambda: frozenset({"paper-1", "sandbox"}),
        records_max=RECORDS_MAX,
    )


async def keep(log: AccessLog, *accounts: str) -> None:
    async def answer(_: Any) -> dict[str, Any]:
        return {}

    for account in accounts:
        context: Any = Request("get_orders", account)
        await log.middleware(context, answer)


def accounts_of(world: World) -> list[str]:
    return sorted(record.account for _, record in records(world))


class Lane:
    """One account's subject on a bus: it takes nothing until it is open."""

    def __init__(self, world: World, account: str) -> None:
        self._prefix = f"access.{account}."
        self._publish: Publish = world.bus.publish
        self.reached, self.open = asyncio.Event(), asyncio.Event()
        self.other_stored = asyncio.Event()
        self.ids: list[str] = []
        world.bus.publish = self.publish  # type: ignore[method-assign]  # a server's rights

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        if subject.startswith(self._prefix):
            self.ids.append(message_id)
            self.reached.set()
            await self.open.wait()
            return await self._publish(subject, body, message_id=message_id, timeout_s=timeout_s)
        stored = await self._publish(subject, body, message_id=message_id, timeout_s=timeout_s)
        self.other_stored.set()
        return stored


async def stop(sending: asyncio.Task[None]) -> None:
    sending.cancel()
    await asyncio.wait({sending})


async def test_a_stop_while_one_lane_sends_counts_what_another_has_stored() -> None:
    world, log = World(), access_log()
    lane = Lane(world, "paper-1")
    sending = asyncio.create_task(log.keep_sending(lambda: world.bus))
    await keep(log, "sandbox", "paper-1", "sandbox")
    async with asyncio.timeout(LIMIT_S):
        await lane.reached.wait()
        await lane.other_stored.wait()
    await stop(sending)
    assert log.left == 1
    lane.open.set()
    await drain(log, world.bus)
    assert (log.left, accounts_of(world)) == (0, ["paper-1", "sandbox", "sandbox"])
    # Sent twice as one message: the stream keeps it once.
    assert lane.ids == [lane.ids[0]] * 2


async def test_a_lane_under_way_keeps_no_other_back() -> None:
    world, log = World(), access_log()
    lane = Lane(world, "paper-1")
    sending = asyncio.create_task(log.keep_sending(lambda: world.bus))
    await keep(log, "paper-1")
    async with asyncio.timeout(LIMIT_S):
        await lane.reached.wait()
        for count in range(1, 3):
            lane.other_stored.clear()
            await keep(log, "sandbox", "paper-1")
            await lane.other_stored.wait()
            assert accounts_of(world) == ["sandbox"] * count
    assert len(lane.ids) == 1
    lane.open.set()
    await stop(sending)
    await drain(log, world.bus)
    assert accounts_of(world) == [*["paper-1"] * 3, *["sandbox"] * 2]
    assert log.left == 0


async def test_a_closed_lane_holds_at_most_half_of_what_is_kept() -> None:
    world, log = World(), access_log()
    await keep(log, *["paper-1"] * RECORDS_MAX)
    await drain(log, None)
    assert log.lost == RECORDS_MAX // 2
    await keep(log, *["sandbox"] * (RECORDS_MAX // 2))
    assert log.lost == RECORDS_MAX // 2
    await drain(log, world.bus)
    assert accounts_of(world) == [*["paper-1"] * 4, *["sandbox"] * 4]
    subject, body = world.bus.accesses[-1]
    assert subject == "access.system.records_lost"
    assert msgspec.json.decode(body, type=RecordsLost).lost == RECORDS_MAX // 2
    assert log.left == 0


async def test_losses_whose_ack_was_lost_are_told_again_as_the_same_message() -> None:
    world, log = World(), access_log()
    told: list[tuple[str, bytes]] = []
    is_heard = False
    publish = world.bus.publish

    async def unheard(subject: str, body: bytes, *, message_id: str, timeout_s: float) -> bool:
        if subject == "access.system.records_lost":
            told.append((message_id, body))
            if not is_heard:
                raise LinkError("expected an ack, was none")
        return await publish(subject, body, message_id=message_id, timeout_s=timeout_s)

    world.bus.publish = unheard  # type: ignore[method-assign]  # a link that loses an answer
    await keep(log, *["sandbox", "paper-1"] * (RECORDS_MAX // 2), "sandbox")
    await drain(log, world.bus)
    assert (log.lost, log.left) == (1, 1)
    is_heard = True
    await keep(log, *["sandbox", "paper-1"] * (RECORDS_MAX // 2), "sandbox", "sandbox")
    assert log.lost == 3
    await drain(log, world.bus)
    # The same bytes under the same id as often as it takes, and the later losses apart.
    *again, last = told
    assert set(again) == {told[0]}
    assert [msgspec.json.decode(body, type=RecordsLost).lost for _, body in told[-2:]] == [1, 2]
    assert last[0] != told[0][0]
    assert (log.lost, log.left) == (0, 0)


async def test_a_call_before_the_link_is_there_has_its_record_though_the_client_is_gone() -> None:
    world = World()
    world.reachable.clear()
    gateway = world.server.gateway
    with somebody():
        async with asyncio.timeout(LIMIT_S):
            async with gateway.running():
                await keep(gateway.access, "sandbox")
                asyncio.get_running_loop().call_later(0.05, world.reachable.set)
    ((_, body),) = world.bus.accesses
    (record,) = msgspec.json.decode(body, type=AccessBatch).records
    assert record.account == "sandbox"
    assert (gateway.access.left, world.closed) == (0, 1)


async def test_a_stop_to_which_no_link_comes_ends_and_knows_what_is_lost() -> None:
    world = World()
    world.reachable.clear()
    gateway = world.server.gateway
    with somebody():
        async with asyncio.timeout(LIMIT_S):
            async with gateway.running():
                await keep(gateway.access, "sandbox")
    assert gateway.access.left == 1
