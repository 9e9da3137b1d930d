"""What the walk over every tool has found, each by itself: see `tests/e2e/test_tool_walk.py`."""

from decimal import Decimal
from typing import Any

import pytest

from core.terms import StopLoss, TakeProfit
from tests.support.gateway import (
    MODES,
    TERMS,
    Mode,
    Published,
    World,
    error_of,
    order_spec,
    previewed,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)


@both_eras
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\x1b[2J\n\x00b", r"'a\x1b[2J\n\x00b'"),
        ("\u202ecba", r"'\u202ecba'"),
        ("", "''"),
        ("x" * 300, "'" + "x" * 40 + "'… (300 characters)"),
        ("limitprice", "limitprice"),
    ],
)
async def test_a_name_that_is_no_argument_is_quoted_as_text(
    mode: Mode, name: str, shown: str
) -> None:
    world = World()
    async with world.client(mode) as client:
        text = error_of(await client.call_tool("get_account", {"account": "sandbox", name: 1}))
    assert text == (
        f"invalid_argument: {shown}: there is no such argument; this tool takes account."
    )


@both_eras
@pytest.mark.parametrize(
    ("tool", "argument", "text"),
    [
        ("get_orders", "until", "9999-12-31"),
        ("get_orders", "since", "0001-01-01"),
        ("get_executions", "since", "0001-01-01T00:00:00+14:00"),
        ("get_executions", "until", "9999-12-31T23:59:59-12:00"),
        ("preview_order", "good_till", "9999-12-31T23:59:59-12:00"),
        ("preview_order", "expiry", "3000-01-01"),
    ],
)
async def test_a_time_at_the_calendars_ends_is_refused_by_name(
    mode: Mode, tool: str, argument: str, text: str
) -> None:
    world = World()
    arguments: dict[str, Any] = {"account": "sandbox", argument: text}
    if tool == "preview_order":
        arguments = {**TERMS, "security": "option", "strike": "1", "right": "call", **arguments}
        arguments.setdefault("expiry", "2026-12-18")
    async with world.client(mode) as client:
        said = error_of(await client.call_tool(tool, arguments))
    assert said == f"invalid_argument: {argument}: expected a year from 1970 to 2999."
    assert world.bus.published == []


@both_eras
async def test_what_hangs_on_an_order_is_told_without_empty_parts(mode: Mode) -> None:
    world = World()
    spec = order_spec(
        take_profit=TakeProfit(limit_price=Decimal("200")),
        stop_loss=StopLoss(stop_price=Decimal("170")),
    )

    def work(sent: Published) -> None:
        command_id = sent.envelope.command_id
        fact = previewed(command_id, spec=spec)
        world.bus.emit(sent.account, fact, caused_by=command_id)

    world.bus.worker = work
    async with world.client(mode) as client:
        order = told(await client.call_tool("preview_order", TERMS))["order"]
    assert order["take_profit"] == {"limit_price": "200"}
    assert order["stop_loss"] == {"stop_price": "170"}
    assert None not in order.values()
