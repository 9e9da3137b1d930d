"""Cancels through the gateway: each order's own end, and a call that is a new wish."""

from typing import Any

import pytest

from core import events
from core.commands import CancelOrder, cancel_command_id
from core.refusals import NEXT_STEP, Refusal
from tests.support.gateway import MODES, QUICK, Mode, Published, World, rows_of, told
from tests.support.gateway_script import replying

both_eras = pytest.mark.parametrize("mode", MODES)
UTC_NOW = "2026-11-22T15:30:00Z"
CANCEL_ENDS: list[tuple[events.Event, dict[str, Any]]] = [
    (events.OrderCancelRequested(order_id="o1"), {"status": "requested"}),
    (events.OrderCancelWanted(order_id="o1", command_id="c"), {"status": "wanted"}),
    (
        events.OrderCancelRefused(order_id="o1", code=1, detail="too late"),
        {"status": "rejected", "broker_text": "too late"},
    ),
    (
        events.OrderCancelUnknown(order_id="o1", cause="timeout"),
        {"status": "unknown", "broker_text": "timeout"},
    ),
    (
        events.OrderRefused(
            command_id="c",
            code=Refusal.ORDER_NOT_OPEN,
            detail=f"order o1 is filled. {NEXT_STEP[Refusal.ORDER_NOT_OPEN]}",
        ),
        {"status": "refused", "code": "order_not_open", "detail": "order o1 is filled."},
    ),
]


@both_eras
@pytest.mark.parametrize(
    ("end", "says"), CANCEL_ENDS, ids=[str(says["status"]) for _, says in CANCEL_ENDS]
)
async def test_every_end_of_a_cancel_has_its_status(
    mode: Mode, end: events.Event, says: dict[str, Any]
) -> None:
    world = World()
    world.bus.worker = replying(world, lambda _: end)
    async with world.client(mode) as client:
        answer = told(
            await client.call_tool("cancel_orders", {"account": "sandbox", "order_ids": ["o1"]})
        )
    (sent,) = world.bus.published
    assert sent.command == CancelOrder(order_id="o1")
    (line,) = rows_of(answer["cancels"])
    assert line["order_id"] == "o1"
    assert line["command_id"] == sent.envelope.command_id
    assert {key: line.get(key) for key in says} == says
    assert answer["next_steps"][line["status"]]
    assert answer["as_of"]["n"] == 1


async def test_cancels_without_an_answer_say_when_they_were_looked_for() -> None:
    async with World(QUICK).client("auto") as client:
        answer = told(
            await client.call_tool("cancel_orders", {"account": "sandbox", "order_ids": ["o1"]})
        )
    assert answer["as_of"] == {"at": UTC_NOW}


@both_eras
async def test_each_order_is_cancelled_on_its_own_and_one_doubt_hides_no_other(mode: Mode) -> None:
    world = World(QUICK)

    def work(sent: Published) -> None:
        assert isinstance(sent.command, CancelOrder)
        if sent.command.order_id != "o2":
            event = events.OrderCancelRequested(order_id=sent.command.order_id)
            world.bus.emit(sent.account, event, caused_by=sent.envelope.command_id)

    world.bus.worker = work
    async with world.client(mode) as client:
        answer = told(
            await client.call_tool(
                "cancel_orders", {"account": "sandbox", "order_ids": '["o1","o2","o3","o1"]'}
            )
        )
    assert [(line["order_id"], line["status"]) for line in rows_of(answer["cancels"])] == [
        ("o1", "requested"),
        ("o2", "pending"),
        ("o3", "requested"),
    ]
    attempt = world.bus.published[0].envelope.correlation_id
    assert {sent.envelope.command_id for sent in world.bus.published} == {
        cancel_command_id("sandbox", order_id, attempt) for order_id in ("o1", "o2", "o3")
    }


async def test_a_cancel_called_again_is_a_new_wish() -> None:
    world = World()
    world.bus.worker = replying(world, lambda _: events.OrderCancelRequested(order_id="o1"))
    async with world.client("auto") as client:
        for _ in range(2):
            await client.call_tool("cancel_orders", {"account": "sandbox", "order_ids": ["o1"]})
    assert len({sent.envelope.command_id for sent in world.bus.published}) == 2
