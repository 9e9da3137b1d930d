"""A leg of an order of ours through the tools: told as ours, and no question for a change of it."""

from typing import Any, Final

import msgspec
import pytest

from adapters.mcp.questions import change_question
from core import events, views
from core.commands import ModifyOrder
from core.refusals import NEXT_STEP, Refusal
from tests.support.gateway import (
    AS_OF,
    MODES,
    ORDER_ID,
    Mode,
    Published,
    World,
    order_row,
    rows_of,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
LEG: Final = "ext-78"
DETAIL: Final = f"order {LEG} hangs on {ORDER_ID}, which was placed here"
CHANGE: Final[dict[str, Any]] = {
    "account": "sandbox",
    "order_id": LEG,
    "stop_price": "150",
    "reason": "because",
}


def world_of_a_leg() -> World:
    world = World()
    row = order_row(LEG, parent_order_id=ORDER_ID, reason="because of the parent")
    world.bus.answers["view.sandbox.orders"] = views.OrdersAnswer(
        as_of=AS_OF, orders=(row,), cursor=None
    )

    def refuse(sent: Published) -> None:
        code, command_id = Refusal.ORDER_ATTACHED, sent.envelope.command_id
        detail = f"{DETAIL}. {NEXT_STEP[code]}"
        no = events.OrderRefused(command_id=command_id, code=code, detail=detail, order_id=LEG)
        world.bus.emit(sent.account, no, caused_by=command_id)

    world.bus.worker = refuse
    return world


@both_eras
async def test_a_leg_is_listed_with_its_parent_and_not_as_external(mode: Mode) -> None:
    async with world_of_a_leg().client(mode) as client:
        answer = told(await client.call_tool("get_orders", {"account": "sandbox"}))
    (row,) = rows_of(answer["orders"])
    assert (row["parent_order_id"], row["reason"]) == (ORDER_ID, "because of the parent")
    assert "is_external" not in row


def test_nobody_is_asked_about_a_change_that_the_worker_refuses() -> None:
    change = ModifyOrder(order_id=LEG, quantity="11", limit_price=None, reason="because")
    leg = order_row(LEG, parent_order_id=ORDER_ID)
    assert change_question(leg, change, where="sandbox") is None
    alone = order_row(ORDER_ID)
    assert change_question(alone, change, where="sandbox") is not None


@both_eras
async def test_a_refused_change_of_a_leg_says_what_it_hangs_on_and_what_helps(mode: Mode) -> None:
    world = world_of_a_leg()
    async with world.client(mode) as client:
        answer = told(await client.call_tool("modify_order", CHANGE))
    assert (answer["status"], answer["code"]) == ("refused", "order_attached")
    assert answer["detail"] == f"{DETAIL}."
    assert answer["next_step"] == NEXT_STEP[Refusal.ORDER_ATTACHED]
    (sent,) = world.bus.published
    assert isinstance(sent.command, ModifyOrder)
    assert msgspec.structs.asdict(sent.command)["order_id"] == LEG
