"""Access records: one of every call, beside the calls, and never in their way."""

import asyncio
import hashlib
import json
from typing import Any

import msgspec
import pytest
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult

from adapters.mcp.access import AccessBatch, AccessLog, AccessRecord
from adapters.mcp.access_lost import RecordsLost
from adapters.mcp.access_sending import BATCH_RECORDS_MAX
from core import views
from core.errors import LinkError
from core.ports import Bus
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    PREVIEW_ID,
    QUICK,
    CountingIds,
    FakeClock,
    Mode,
    World,
    previewed,
    row_of,
    somebody,
    told,
)

POSITIONS = views.PositionsAnswer(as_of=AS_OF, observed_at=NOW, positions=())
ACCOUNTS = views.AccountsAnswer(accounts=())


def readable_world() -> World:
    world = World()
    world.bus.answers["view.sandbox.positions"] = POSITIONS
    world.bus.answers["view.system.accounts"] = ACCOUNTS
    return world


def records(world: World) -> list[tuple[str, AccessRecord]]:
    """Return what was stored, each record with its subject."""
    return [
        (subject, record)
        for subject, body in world.bus.accesses
        if subject != "access.system.records_lost"
        for record in msgspec.json.decode(body, type=AccessBatch).records
    ]


@pytest.mark.parametrize("mode", MODES)
async def test_a_read_leaves_who_what_where_and_how_it_ended(mode: Mode) -> None:
    world = readable_world()
    async with world.client(mode) as client:
        told(await client.call_tool("get_positions", {"account": "sandbox"}))
        protocol = client.protocol_version
    ((subject, record),) = records(world)
    digest = hashlib.sha256(b'{"account":"sandbox"}').hexdigest()
    assert subject == "access.sandbox.get_positions"
    assert record == AccessRecord(
        at=NOW,
        principal="local",
        client="test-client 9",
        tool="get_positions",
        account="sandbox",
        outcome="ok",
        digest=digest,
        elapsed_ms=0,
        protocol=protocol,
    )


@pytest.mark.parametrize("mode", MODES)
async def test_every_way_to_end_has_its_record(mode: Mode) -> None:
    world = readable_world()
    calls: list[tuple[str, dict[str, Any], str, str]] = [
        ("list_accounts", {}, "access.system.list_accounts", "ok"),
        ("get_positions", {}, "access.system.get_positions", "invalid_argument"),
        ("get_positions", {"account": 7}, "access.system.get_positions", "invalid_argument"),
        ("get_positions", {"account": "nobody"}, "access.system.get_positions", "unknown_account"),
        ("get_balances", {"account": "sandbox"}, "access.sandbox.get_balances", "unavailable"),
        ("no_such.tool\n>", {}, "access.system.unknown_tool", "invalid_argument"),
    ]
    async with world.client(mode) as client:
        for tool, arguments, _, _ in calls:
            await client.call_tool(tool, arguments)
    kept = sorted((subject, record.outcome) for subject, record in records(world))
    assert kept == sorted((subject, outcome) for _, _, subject, outcome in calls)


async def test_a_call_that_ended_in_a_question_says_so_and_the_next_has_its_own_outcome() -> None:
    world = World(QUICK)
    shown = row_of(world.bus.record("sandbox", previewed("cmd-p")))
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=None, events=(shown,), more_after=None
    )

    async def decline(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert context.session is not None
        assert params.message
        return ElicitResult(action="decline")

    with somebody():
        async with Client(world.server, mode="auto", elicitation_callback=decline) as client:
            told(
                await client.call_tool(
                    "submit_order", {"account": "sandbox", "preview_id": PREVIEW_ID}
                )
            )
    kept = [(record.outcome, record.status) for _, record in records(world)]
    assert kept == [("input_required", ""), ("ok", "refused")]


@pytest.mark.parametrize("mode", MODES)
async def test_a_read_of_a_resource_is_a_call_too(mode: Mode) -> None:
    world = readable_world()
    async with world.client(mode) as client:
        await client.read_resource("tiger://accounts/sandbox/positions")
        with pytest.raises(MCPError):
            await client.read_resource("tiger://nothing")
    kept = [(subject, record.outcome.partition(" ")[0]) for subject, record in records(world)]
    assert kept == [
        ("access.sandbox.read_resource", "ok"),
        ("access.system.read_resource", "protocol_error"),
    ]


async def test_a_removed_account_takes_no_record_of_another_with_it() -> None:
    """The first call after the removal is refused before anybody looks at the list."""
    world = readable_world()
    closed, opened = asyncio.Event(), asyncio.Event()
    publish = world.bus.publish

    async def guarded(subject: str, body: bytes, *, message_id: str, timeout_s: float) -> bool:
        if subject.startswith("access.paper-1."):
            closed.set()
            raise LinkError("expected an ack, was none")
        try:
            return await publish(subject, body, message_id=message_id, timeout_s=timeout_s)
        finally:
            if subject.startswith("access.sandbox."):
                opened.set()

    world.bus.publish = guarded  # type: ignore[method-assign]  # a server that took rights away
    async with world.client("auto") as client:
        await client.call_tool("get_positions", {"account": "paper-1", "bogus": 1})
        await closed.wait()
        told(await client.call_tool("get_positions", {"account": "sandbox"}))
        await opened.wait()
        del world.accounts["paper-1"]
        await client.call_tool("get_positions", {"account": "paper-1", "bogus": 1})
    kept = sorted((subject, record.account) for subject, record in records(world))
    assert kept == [
        ("access.sandbox.get_positions", "sandbox"),
        *[("access.system.get_positions", "paper-1")] * 2,
    ]


async def test_names_that_are_none_of_ours_are_not_written_down() -> None:
    world = readable_world()
    number, token = "U12345678", "eyJhbGciOi.secret.part"
    async with world.client("auto") as client:
        await client.call_tool("get_positions", {"account": number})
        await client.call_tool(token, {"account": ""})
        with pytest.raises(MCPError):
            await client.read_resource(f"tiger://accounts/{number}/positions")
    written = b"".join(body for _, body in world.bus.accesses)
    assert number.encode() not in written
    assert token.encode() not in written
    accounts = [record.account for _, record in records(world)]
    digest = f"sha256:{hashlib.sha256(number.encode()).hexdigest()[:12]}"
    assert sorted(accounts) == ["", digest, digest]


@pytest.mark.parametrize("mode", MODES)
async def test_arguments_that_no_json_writer_takes_fail_no_call(mode: Mode) -> None:
    world = readable_world()
    deep: Any = "end"
    for _ in range(150):
        deep = [deep]
    async with world.client(mode) as client:
        for odd in (10**30, -1.5, "\ud800", deep, {"a": None}):
            await client.call_tool("get_positions", {"account": "sandbox", "odd": odd})
        told(await client.call_tool("get_positions", {"account": "sandbox"}))
    kept = [record.outcome for _, record in records(world)]
    assert kept.count("ok") == 1
    assert kept.count("invalid_argument") >= 4


@pytest.mark.parametrize("mode", MODES)
async def test_reads_are_answered_while_no_record_can_be_stored(mode: Mode) -> None:
    world = readable_world()
    reached, gate = asyncio.Event(), asyncio.Event()

    async def hang(_: str) -> None:
        reached.set()
        await gate.wait()

    world.bus.on_access = hang
    async with world.client(mode) as client:
        told(await client.call_tool("get_positions", {"account": "sandbox"}))
        await reached.wait()
        # One record is on its way for ever; every read is answered all the same.
        for _ in range(BATCH_RECORDS_MAX):
            told(await client.call_tool("get_positions", {"account": "sandbox"}))
        assert world.bus.accesses == []
        gate.set()
    assert len(records(world)) == BATCH_RECORDS_MAX + 1


async def test_a_record_that_may_be_stored_is_sent_again_under_the_same_id() -> None:
    world = readable_world()
    ids: list[str] = []
    again = asyncio.Event()

    async def lose_the_first_answer(message_id: str) -> None:
        ids.append(message_id)
        if len(ids) == 1:
            raise LinkError("expected an ack, was none")
        again.set()

    world.bus.on_access = lose_the_first_answer
    async with world.client("auto") as client:
        told(await client.call_tool("get_positions", {"account": "sandbox"}))
        await again.wait()
    assert ids == [ids[0]] * 2
    assert len(records(world)) == 1


async def test_records_are_sent_before_the_link_is_closed_though_all_is_cancelled_at_once() -> None:
    """As a process does that ends in haste."""
    world = readable_world()
    publish = world.bus.publish
    kept, links = asyncio.Event(), []

    async def while_open(subject: str, body: bytes, *, message_id: str, timeout_s: float) -> bool:
        links.append(world.closed)
        return await publish(subject, body, message_id=message_id, timeout_s=timeout_s)

    world.bus.publish = while_open  # type: ignore[method-assign]  # a link that can be closed
    gateway = world.server.gateway

    async def serve() -> None:
        async with gateway.running():
            await world.connected.wait()
            await gateway.link()

            async def answer(_: Any) -> dict[str, Any]:
                return {}

            context: Any = Request("get_orders")
            await gateway.access.middleware(context, answer)
            kept.set()
            await asyncio.Event().wait()

    before = asyncio.all_tasks()
    with somebody():
        asyncio.create_task(serve())  # noqa: RUF006  # ended with all others below
    await kept.wait()
    ended = asyncio.all_tasks() - before
    for task in ended:
        task.cancel()
    await asyncio.wait(ended)
    assert len(records(world)) == 1
    assert (links, world.closed) == ([0], 1)


async def test_a_call_that_its_client_gave_up_has_its_record_too() -> None:
    world = readable_world()
    asked, stored = asyncio.Event(), asyncio.Event()

    async def store(_: str) -> None:
        stored.set()

    world.bus.on_access = store

    async def never(*_: Any, **__: Any) -> bytes:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    world.bus.request = never  # type: ignore[method-assign]  # a server that does not answer
    async with world.client("auto") as client:
        call = asyncio.create_task(client.call_tool("get_positions", {"account": "sandbox"}))
        await asked.wait()
        call.cancel()
        await asyncio.wait({call})
        await stored.wait()
    assert [record.outcome for _, record in records(world)] == ["cancelled"]


class Session:
    client_params = None


class Request:
    """As much of the SDK's context as a record is made of."""

    method = "tools/call"
    request_id = 1
    protocol_version = "2026-07-28"
    session = Session()

    def __init__(self, tool: str, account: str = "sandbox") -> None:
        self.params = {"name": tool, "arguments": {"account": account}}


async def drain(log: AccessLog, bus: Bus | None) -> None:
    """Send what is left over a link that is there, or through none."""

    async def soon() -> Bus | None:
        return bus

    await log.drain(soon)


async def test_what_does_not_fit_is_counted_and_told_when_nats_is_back() -> None:
    world = World()
    log = AccessLog(
        FakeClock(),
        CountingIds(),
        tools=lambda: frozenset({"get_orders"}),
        accounts=lambda: frozenset({"sandbox", "paper-1"}),
        records_max=4,
    )

    async def answer(_: Any) -> dict[str, Any]:
        return {"structuredContent": {"status": "accepted", "command_id": "cmd-1"}}

    for account in ("sandbox", "paper-1") * 3:
        context: Any = Request("get_orders", account)
        assert await log.middleware(context, answer) == await answer(None)
    assert log.lost == 2
    await drain(log, None)
    assert log.lost == 2
    await drain(log, world.bus)
    assert [(each.status, each.command_id) for _, each in records(world)] == [
        ("accepted", "cmd-1")
    ] * 4
    subject, body = world.bus.accesses[-1]
    assert subject == "access.system.records_lost"
    assert msgspec.json.decode(body, type=RecordsLost) == RecordsLost(
        lost=2, first_at=NOW, last_at=NOW
    )
    assert log.lost == 0


async def test_records_are_sent_in_batches_of_one_tool_and_account() -> None:
    world = World()
    log = AccessLog(
        FakeClock(),
        CountingIds(),
        tools=lambda: frozenset({"get_orders", "get_quotes"}),
        accounts=lambda: frozenset({"sandbox"}),
    )

    async def answer(_: Any) -> dict[str, Any]:
        return {}

    for index in range(4 * BATCH_RECORDS_MAX):
        context: Any = Request("get_orders" if index % 2 else "get_quotes")
        await log.middleware(context, answer)
    await drain(log, world.bus)
    assert len(records(world)) == 4 * BATCH_RECORDS_MAX
    assert len(world.bus.accesses) <= 8
    assert all(len(json.dumps(body.decode())) < 64 * 1024 for _, body in world.bus.accesses)
