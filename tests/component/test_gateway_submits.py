"""A submit's way through the gateway: every end, every doubt, in both eras of the protocol."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from adapters.mcp.parts import Waits
from core import events, views
from core.commands import SubmitOrder, submit_command_id
from core.errors import LinkError
from core.ids import derived_id
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    ORDER_ID,
    PREVIEW_ID,
    QUICK,
    FakeClock,
    Mode,
    Published,
    World,
    row_of,
    started,
    told,
)
from tests.support.gateway_script import accepted, refused, replying

both_eras = pytest.mark.parametrize("mode", MODES)
_EARLIER = "nothing was sent now"
SUBMIT = {"account": "sandbox", "preview_id": PREVIEW_ID}
LOCAL_OWNER = derived_id("own", "local")
SUBMIT_ID = submit_command_id("sandbox", PREVIEW_ID, LOCAL_OWNER)


ENDS: list[tuple[Callable[[str], events.Event], dict[str, Any]]] = [
    (
        lambda _: events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="99", evidence="reply"),
        {"status": "accepted", "order_id": ORDER_ID, "tiger_order_id": "99"},
    ),
    (
        lambda _: events.OrderRejected(order_id=ORDER_ID, code=1200, detail="no\nmoney"),
        {"status": "rejected", "order_id": ORDER_ID, "broker_text": "no money"},
    ),
    (
        lambda _: events.OrderNotSent(order_id=ORDER_ID, cause="no connection"),
        {"status": "not_sent", "order_id": ORDER_ID, "broker_text": "no connection"},
    ),
    (
        lambda _: events.OrderOutcomeUnknown(order_id=ORDER_ID, cause="timeout"),
        {"status": "unknown", "order_id": ORDER_ID, "broker_text": "timeout"},
    ),
    (refused, {"status": "refused", "order_id": ORDER_ID, "code": "account_stale"}),
]


def doing(world: World, *facts: events.Event, is_heard: bool = True) -> None:
    """Have a worker tell these facts of each submit, which the view shows from then on.

    Unless `is_heard`, none of them is republished.
    """
    rows: list[views.EventRow] = []

    def work(sent: Published) -> None:
        tell = world.bus.emit if is_heard else world.bus.record
        rows.extend(row_of(tell(sent.account, fact, caused_by=SUBMIT_ID)) for fact in facts)

    world.bus.worker = work
    world.bus.answers["view.sandbox.command"] = lambda _: views.CommandAnswer(
        as_of=AS_OF, events=tuple(rows)
    )


@both_eras
@pytest.mark.parametrize(("end", "says"), ENDS, ids=[str(says["status"]) for _, says in ENDS])
async def test_every_end_of_a_submit_has_its_status_and_next_step(
    mode: Mode, end: Callable[[str], events.Event], says: dict[str, Any]
) -> None:
    world = World()
    world.bus.worker = replying(world, started, end)
    async with world.client(mode) as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    (sent,) = world.bus.published
    assert sent.envelope.command_id == answer["command_id"] == SUBMIT_ID
    assert sent.envelope.correlation_id == PREVIEW_ID
    assert sent.envelope.expires_at == NOW + timedelta(seconds=30)
    assert sent.command == SubmitOrder(preview_id=PREVIEW_ID)
    assert answer["environment"] == "sandbox"
    assert answer["as_of"]["n"] == 2
    assert {key: answer.get(key) for key in says} == says
    words = {
        "accepted": "NOT done",
        "rejected": "nothing is live",
        "not_sent": "nothing was sent",
        "unknown": "MAY BE LIVE",
        "refused": "always give this answer",
    }
    assert words[answer["status"]] in answer["next_step"]


@both_eras
async def test_a_submit_without_an_end_is_pending_and_names_what_began(mode: Mode) -> None:
    world = World(QUICK)
    world.bus.worker = replying(world, started)
    async with world.client(mode) as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "pending"
    assert answer["order_id"] == ORDER_ID
    assert answer["command_id"] == SUBMIT_ID
    assert "same preview_id" in answer["next_step"]
    assert "detail" not in answer


@both_eras
async def test_a_repeated_submit_is_the_same_command_and_says_that_nothing_was_sent_now(
    mode: Mode,
) -> None:
    world = World()
    doing(world, started(SUBMIT_ID), accepted())
    async with world.client(mode) as client:
        first = told(await client.call_tool("submit_order", SUBMIT))
        assert world.bus.asked == []
        again = told(await client.call_tool("submit_order", SUBMIT))
    assert _EARLIER not in first.pop("next_step")
    assert _EARLIER in again.pop("next_step")
    assert first == again
    assert [sent.message_id for sent in world.bus.published] == [f"sandbox/{SUBMIT_ID}"] * 2


@pytest.mark.parametrize("is_heard", [True, False])
async def test_a_first_submit_is_no_repeat_however_late_the_workers_clock_is(
    is_heard: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeClock, "now", lambda _: NOW + timedelta(seconds=60))
    world = World(Waits(event_s=0.02))
    doing(world, accepted(), is_heard=is_heard)
    async with world.client("auto") as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "accepted"
    assert _EARLIER not in answer["next_step"]


async def test_a_gateway_that_heard_nothing_tells_a_repeat_by_the_streams_word() -> None:
    world, successor = World(), World()
    successor.bus, successor.signer = world.bus, world.signer
    world.bus.worker = replying(world, started, lambda _: accepted())
    async with world.client("auto") as client:
        first = told(await client.call_tool("submit_order", SUBMIT))
    row = row_of(world.bus.record("sandbox", accepted(), caused_by=SUBMIT_ID))
    world.bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=(row,))
    async with successor.client("auto") as client:
        again = told(await client.call_tool("submit_order", SUBMIT))
    assert first["status"] == again["status"] == "accepted"
    assert [_EARLIER in answer["next_step"] for answer in (first, again)] == [False, True]


async def test_a_repeat_that_the_stream_does_not_confirm_is_told_by_the_facts_number() -> None:
    world = World()
    doing(world, accepted())
    async with world.client("auto") as client:
        first = told(await client.call_tool("submit_order", SUBMIT))
        world.bus.publish_faults = [LinkError("no ack")]
        again = told(await client.call_tool("submit_order", SUBMIT))
    assert first["status"] == again["status"] == "accepted"
    assert [_EARLIER in answer["next_step"] for answer in (first, again)] == [False, True]


@both_eras
async def test_an_unconfirmed_publish_is_looked_up_and_never_called_unsent(mode: Mode) -> None:
    world = World(QUICK)
    world.bus.publish_faults = [LinkError("no ack")]
    row = row_of(world.bus.record("sandbox", accepted(), caused_by=SUBMIT_ID))
    world.bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=(row,))
    async with world.client(mode) as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "accepted"
    assert len(world.bus.published) == 1


async def test_with_nothing_answering_a_submit_is_pending_and_repeats_only_the_same_command() -> (
    None
):
    world = World(QUICK)
    world.bus.publish_faults = [LinkError("no ack")] * 1000
    async with world.client("auto") as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "pending"
    assert answer["detail"] == "the service did not confirm that it has it"
    assert {sent.envelope.command_id for sent in world.bus.published} == {SUBMIT_ID}
    assert len({sent.envelope.issued_at for sent in world.bus.published}) == 1


async def test_an_end_that_only_the_view_knows_is_found_after_a_missed_fact() -> None:
    world = World(Waits(event_s=0.02))
    # Stored, but its republished message never arrives here.
    doing(world, accepted(), is_heard=False)
    async with world.client("auto") as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "accepted"


async def test_facts_of_other_commands_and_unknown_types_are_not_an_answer() -> None:
    world = World(QUICK)

    def work(sent: Published) -> None:
        world.bus.emit("sandbox", accepted(), caused_by="cmd-other")
        world.bus.emit("paper-1", accepted(), caused_by="")

    world.bus.worker = work
    odd = views.EventRow(type="order.teleported", n=9, recorded_at=NOW, data=b"{}")  # type: ignore[arg-type]  # bytes are what Raw wraps
    broken = views.EventRow(type="order.accepted", n=8, recorded_at=NOW, data=b"[]")  # type: ignore[arg-type]  # bytes are what Raw wraps
    world.bus.answers["view.sandbox.command"] = views.CommandAnswer(
        as_of=AS_OF, events=(broken, odd)
    )
    async with world.client("auto") as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "pending"


@both_eras
async def test_cancelling_the_call_leaves_the_command_stored(mode: Mode) -> None:
    world = World()
    async with world.client(mode) as client:
        call = asyncio.create_task(client.call_tool("submit_order", SUBMIT))
        await world.bus.arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        # The order goes on; the same call again finds its outcome.
        row = row_of(world.bus.emit("sandbox", accepted(), caused_by=SUBMIT_ID))
        world.bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=(row,))
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "accepted"
    assert {sent.message_id for sent in world.bus.published} == {f"sandbox/{SUBMIT_ID}"}


async def test_two_clients_that_submit_one_preview_get_one_answer() -> None:
    world = World()
    world.bus.worker = lambda _: None
    async with world.client("auto") as one, world.client("legacy") as two:
        first = asyncio.create_task(one.call_tool("submit_order", SUBMIT))
        await world.bus.arrived.wait()
        second = asyncio.create_task(two.call_tool("submit_order", SUBMIT))
        world.bus.arrived.clear()
        await world.bus.arrived.wait()
        world.bus.emit("sandbox", accepted(), caused_by=SUBMIT_ID)
        answers = [told(await first), told(await second)]
    assert [answer["status"] for answer in answers] == ["accepted", "accepted"]
