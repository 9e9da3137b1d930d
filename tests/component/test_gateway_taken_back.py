"""Fills that the broker took back: marked as that wherever a model reads fills."""

from decimal import Decimal
from typing import Final

import msgspec
import pytest
from mcp.types import TextResourceContents
from msgspec.structs import replace

from core import events, views
from core.money import Money
from core.terms import Side
from tests.support.gateway import AS_OF, MODES, NOW, ORDER_ID, Mode, World, row_of, rows_of, told

both_eras = pytest.mark.parametrize("mode", MODES)
FIRST: Final = events.OrderFillRecorded(
    order_id=ORDER_ID,
    execution_id="e1",
    side=Side.BUY,
    symbol="AAPL",
    quantity=Decimal(10),
    price=Money(amount=Decimal("185.4"), currency="USD"),
    executed_at=NOW,
)
SECOND: Final = replace(FIRST, execution_id="e2")
BACK: Final = events.OrderFillTakenBack(
    order_id=ORDER_ID,
    execution_id="e1",
    side=Side.BUY,
    symbol="AAPL",
    quantity=Decimal(10),
    price=FIRST.price,
    executed_at=NOW,
    filled_quantity=Decimal(0),
    listings=3,
)


def shown(execution_id: str) -> views.ExecutionRow:
    return views.ExecutionRow(
        execution_id=execution_id,
        order_id=ORDER_ID,
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(10),
        price=FIRST.price,
        executed_at=NOW,
        contract="AAPL",
        market="US",
    )


@both_eras
async def test_get_executions_marks_what_was_taken_back(mode: Mode) -> None:
    world = World()
    world.bus.answers["view.sandbox.executions"] = views.ExecutionsAnswer(
        as_of=AS_OF, executions=(shown("e2"), replace(shown("e1"), taken_back_at=NOW)), cursor=None
    )
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_executions", {"account": "sandbox"}))
    assert [
        (row["execution_id"], row["taken_back_at"]) for row in rows_of(answer["executions"])
    ] == [
        ("e2", ""),
        ("e1", "2026-11-22T15:30:00Z"),
    ]


@both_eras
async def test_explain_order_marks_what_was_taken_back_until_it_is_recorded_again(
    mode: Mode,
) -> None:
    world = World()
    lived = tuple(
        row_of(world.bus.record("sandbox", event))
        for event in (FIRST, SECOND, BACK, FIRST, replace(BACK, execution_id="unknown"))
    )
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=None, events=lived, more_after=None
    )
    async with world.client(mode) as client:
        answer = told(
            await client.call_tool("explain_order", {"account": "sandbox", "order_id": ORDER_ID})
        )
    fills = rows_of(answer["fills"])
    assert [row["execution_id"] for row in fills] == ["e1", "e2", "e1"]
    assert [bool(row["taken_back_at"]) for row in fills] == [True, False, False]


async def test_audit_says_what_was_taken_back() -> None:
    world = World()
    row = views.EventRow(
        type="order.fill_taken_back",
        n=1,
        recorded_at=NOW,
        data=msgspec.Raw(msgspec.json.encode(BACK)),
        actor="worker:main",
    )
    world.bus.answers["view.sandbox.audit"] = views.AuditAnswer(
        as_of=AS_OF, events=(row,), more_before=None
    )
    async with world.client("auto") as client:
        (content,) = (await client.read_resource("tiger://accounts/sandbox/audit")).contents
    assert isinstance(content, TextResourceContents)
    (fact,) = rows_of(msgspec.json.decode(content.text)["facts"])
    assert (fact["about"], fact["outcome"]) == (ORDER_ID, "taken back: buy 10 at 185.4 USD")
