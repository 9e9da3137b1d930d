"""What a person should know first: a change whose price slipped, a preview that is spent."""

from decimal import Decimal
from typing import Any, Final

import pytest

from adapters.mcp.server import build
from core import events, views
from core.commands import ModifyOrder, submit_command_id
from core.ids import derived_id
from core.orders import Phase
from core.refusals import Refusal
from core.terms import OrderType
from tests.support.gateway import (
    AS_OF,
    MODES,
    ORDER_ID,
    PREVIEW_ID,
    QUICK,
    TERMS,
    Mode,
    World,
    error_of,
    order_row,
    order_spec,
    previewed,
    row_of,
    told,
)
from tests.support.gateway_script import replying

both_eras = pytest.mark.parametrize("mode", MODES)
SLIPPED: Final = {
    "account": "sandbox",
    "order_id": ORDER_ID,
    "limit_price": "1855",
    "reason": "because",
}
TRAILING: Final = order_spec(
    order_type=OrderType.TRAILING_STOP, limit_price=None, trailing_percent=Decimal("0.3")
)


def world_of(row: views.OrderRow, *command_events: views.EventRow) -> World:
    world = World(QUICK)
    world.bus.answers |= {
        "view.sandbox.orders": views.OrdersAnswer(as_of=AS_OF, orders=(row,), cursor=None),
        "view.sandbox.command": views.CommandAnswer(as_of=AS_OF, events=command_events),
    }
    replaced = events.OrderReplaced(order_id=ORDER_ID, spec=order_spec())
    world.bus.worker = replying(world, lambda _: replaced)
    return world


def code_in(answer: dict[str, Any]) -> str:
    """Return the code that the next step asks for."""
    found: str = answer["next_step"].split('"')[1]
    return found


@both_eras
async def test_change_that_moves_a_price_far_is_sent_once_its_warning_was_seen(mode: Mode) -> None:
    world = world_of(order_row(ORDER_ID))
    async with world.client(mode) as client:
        shown = told(await client.call_tool("modify_order", SLIPPED))
        assert world.bus.published == []
        assert (shown["status"], shown["code"]) == ("refused", "warned")
        assert shown["detail"] == "limit_price goes from 185.50 to 1855, 10 times what it was"
        sent = told(await client.call_tool("modify_order", {**SLIPPED, "warned": code_in(shown)}))
    assert sent["status"] == "replaced"
    (command,) = [each.command for each in world.bus.published]
    assert isinstance(command, ModifyOrder)
    assert command.limit_price == "1855"


async def test_code_of_one_warning_is_none_of_another() -> None:
    world = world_of(order_row(ORDER_ID))
    async with world.client("auto") as client:
        shown = told(await client.call_tool("modify_order", SLIPPED))
        other = {**SLIPPED, "limit_price": "18550", "warned": code_in(shown)}
        again = told(await client.call_tool("modify_order", other))
        wrong = error_of(await client.call_tool("modify_order", {**SLIPPED, "warned": "yes"}))
    assert again["code"] == "warned"
    assert code_in(again) != code_in(shown)
    assert "warned" in wrong
    assert world.bus.published == []


async def test_code_is_of_these_terms_and_this_change_alone() -> None:
    world = world_of(order_row(ORDER_ID))
    async with world.client("auto") as client:
        shown = told(await client.call_tool("modify_order", SLIPPED))
        seen = {**SLIPPED, "warned": code_in(shown)}
        more = told(await client.call_tool("modify_order", {**seen, "quantity": "11"}))
        grown = order_row(ORDER_ID, spec=order_spec(quantity=Decimal(11)))
        world.bus.answers["view.sandbox.orders"] = views.OrdersAnswer(
            as_of=AS_OF, orders=(grown,), cursor=None
        )
        moved = told(await client.call_tool("modify_order", seen))
    assert [more["code"], moved["code"]] == ["warned", "warned"]
    assert world.bus.published == []


async def test_code_of_one_process_is_none_of_another() -> None:
    codes = []
    for used_ids in (0, 1):
        world = world_of(order_row(ORDER_ID))
        for _ in range(used_ids):
            world.parts.ids.new("cmd")
        world.server = build(world.parts)
        async with world.client("auto") as client:
            codes.append(code_in(told(await client.call_tool("modify_order", SLIPPED))))
    assert codes[0] != codes[1]


async def test_change_whose_order_nobody_can_show_is_not_sent() -> None:
    world = world_of(order_row(ORDER_ID))
    del world.bus.answers["view.sandbox.orders"]
    async with world.client("auto") as client:
        said = error_of(await client.call_tool("modify_order", SLIPPED))
    assert said.startswith("unavailable: ")
    assert world.bus.published == []


async def test_trail_that_becomes_too_near_is_warned_of() -> None:
    world = world_of(order_row(ORDER_ID, spec=TRAILING))
    change = {**SLIPPED, "limit_price": None, "trailing_percent": "0.24"}
    async with world.client("auto") as client:
        shown = told(await client.call_tool("modify_order", change))
    assert shown["detail"] == "it trails by 0.24 % alone: it may trigger at once"
    assert world.bus.published == []


@pytest.mark.parametrize(
    "row",
    [
        order_row(ORDER_ID, phase=Phase.FILLED),
        order_row(ORDER_ID, is_external=True),
        order_row(ORDER_ID, spec=TRAILING),
    ],
    ids=["done", "from elsewhere", "without such a price"],
)
async def test_change_that_the_worker_refuses_anyway_is_left_to_it(row: views.OrderRow) -> None:
    world = world_of(row)
    async with world.client("auto") as client:
        told(await client.call_tool("modify_order", SLIPPED))
    assert len(world.bus.published) == 1


async def test_repeated_change_under_its_key_is_not_warned_of_again() -> None:
    refused = events.OrderModifyRefused(order_id=ORDER_ID, code=1, detail="no")
    known = row_of(World().bus.record("sandbox", refused))
    world = world_of(order_row(ORDER_ID), known)
    world.bus.worker = replying(world)
    async with world.client("auto") as client:
        answer = told(await client.call_tool("modify_order", {**SLIPPED, "key": "k-1"}))
    assert answer["status"] == "rejected"


@both_eras
@pytest.mark.parametrize("became", ["sent", "refused", "nothing"])
async def test_preview_told_of_again_says_what_became_of_it(mode: Mode, became: str) -> None:
    world = World(QUICK)
    shown = row_of(world.bus.record("sandbox", previewed("cmd-1")))
    no = events.OrderRefused(
        command_id=submit_command_id("sandbox", PREVIEW_ID, derived_id("own", "local")),
        code=Refusal.PREVIEW_EXPIRED,
        detail="late",
    )
    facts = (shown, row_of(world.bus.record("sandbox", no))) if became == "refused" else (shown,)
    order = order_row(ORDER_ID) if became == "sent" else None
    world.bus.answers |= {
        "view.sandbox.command": views.CommandAnswer(as_of=AS_OF, events=(shown,)),
        "view.sandbox.explain": views.ExplainAnswer(
            as_of=AS_OF, order=order, events=facts, more_after=None
        ),
    }
    arguments = {**TERMS, "key": "k-1"}
    async with world.client(mode) as client:
        told(await client.call_tool("preview_order", arguments))
        answer = told(await client.call_tool("preview_order", arguments))
    assert answer["preview_id"] == PREVIEW_ID
    assert answer["can_submit"] is (became == "nothing")
    words = {
        "sent": f"submitted already, as order {ORDER_ID}",
        "refused": "Its submit was refused, and always will be",
        "nothing": "call submit_order with this preview_id",
    }
    assert words[became] in answer["next_step"]
