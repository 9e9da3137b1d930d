"""What was asked for by a name that is none here is answered with what to try, not as nothing."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import pytest

from core import asks, events, market_asks, views
from core.refusals import NEXT_STEP, Refusal
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    ORDER_ID,
    Mode,
    Published,
    World,
    error_of,
    order_row,
    rows_of,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
BROKERS: Final = "43512345678901234"
CALL: Final = "AAPL261211C230"
CALL_AT_MARKET: Final = "AAPL  261211C00230000"
NOTHING: Final = views.OrdersAnswer(as_of=AS_OF, orders=(), cursor=None)
NO_FILLS: Final = views.ExecutionsAnswer(as_of=AS_OF, executions=(), cursor=None)
NOT_EXPLAINED: Final = views.ExplainAnswer(as_of=AS_OF, order=None, events=(), more_after=None)
GIVE_OURS: Final = f"{BROKERS} is the broker's id (tiger_order_id): give `order_id`"


def empty_world() -> World:
    world = World()
    world.bus.answers |= {
        "view.sandbox.orders": NOTHING,
        "view.sandbox.executions": NO_FILLS,
        "view.sandbox.explain": NOT_EXPLAINED,
    }
    return world


async def answered(world: World, mode: Mode, tool: str, **arguments: Any) -> Mapping[str, Any]:
    async with world.client(mode) as client:
        return told(await client.call_tool(tool, {"account": "sandbox", **arguments}))


def question_to(world: World, where: str) -> dict[str, Any]:
    """Return what was asked first of a part of the service."""
    body = next(body for subject, body in world.bus.asked if subject == where)
    return msgspec.json.decode(body, type=dict[str, Any])


@both_eras
@pytest.mark.parametrize("tool", ["get_orders", "get_executions"])
async def test_a_symbol_that_no_order_ever_had_is_told_as_such(mode: Mode, tool: str) -> None:
    note = (await answered(empty_world(), mode, tool, symbol="700"))["note"]
    assert "No order of this account ever had this symbol" in note
    assert "five digits (00700)" in note
    assert "an option is asked for by its underlying's symbol" in note


@pytest.mark.parametrize("tool", ["get_orders", "get_executions"])
async def test_a_known_symbol_without_rows_has_no_note(tool: str) -> None:
    world = empty_world()

    def orders(body: bytes) -> views.OrdersAnswer:
        asked = msgspec.json.decode(body, type=views.OrdersQuery)
        is_filtered = asked.status is not views.OrderStatus.ALL or asked.since is not None
        rows = () if is_filtered else (order_row("ord-1"),)
        return msgspec.structs.replace(NOTHING, orders=rows)

    world.bus.answers["view.sandbox.orders"] = orders
    more = {"status": "open"} if tool == "get_orders" else {}
    assert "note" not in await answered(world, "auto", tool, symbol="AAPL", **more)
    assert "note" not in await answered(empty_world(), "auto", tool)


@both_eras
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("get_orders", {"order_ids": [ORDER_ID, BROKERS]}),
        ("get_executions", {"order_id": BROKERS}),
        ("explain_order", {"order_id": BROKERS}),
    ],
)
async def test_the_brokers_id_is_told_as_such(
    mode: Mode, tool: str, arguments: dict[str, Any]
) -> None:
    assert GIVE_OURS in (await answered(empty_world(), mode, tool, **arguments))["note"]


@both_eras
async def test_a_cancel_and_a_change_by_the_brokers_id_say_so(mode: Mode) -> None:
    world = empty_world()

    def refuse(sent: Published) -> None:
        code = Refusal.ORDER_UNKNOWN
        detail = f"there is no order {BROKERS}. {NEXT_STEP[code]}"
        command_id = sent.envelope.command_id
        no = events.OrderRefused(command_id=command_id, code=code, detail=detail)
        world.bus.emit(sent.account, no, caused_by=command_id)

    world.bus.worker = refuse
    cancelled = await answered(world, mode, "cancel_orders", order_ids=[BROKERS])
    (row,) = rows_of(cancelled["cancels"])
    assert (row["code"], GIVE_OURS in row["detail"]) == ("order_unknown", True)
    change = {"order_id": BROKERS, "quantity": "1", "reason": "because"}
    changed = await answered(world, mode, "modify_order", **change)
    assert (changed["code"], GIVE_OURS in changed["detail"]) == ("order_unknown", True)


async def test_no_order_ids_are_not_every_order() -> None:
    async with empty_world().client("auto") as client:
        arguments = {"account": "sandbox", "order_ids": []}
        text = error_of(await client.call_tool("get_orders", arguments))
    assert text.startswith("invalid_argument: order_ids: expected at least 1 entries")


@both_eras
@pytest.mark.parametrize("word", [CALL, CALL_AT_MARKET])
async def test_either_word_of_an_option_is_taken_wherever_it_is_asked_for(
    mode: Mode, word: str
) -> None:
    world = empty_world()
    table = market_asks.MarketTable(columns=("symbol",), rows=(("x",),), at=NOW)
    answer = asks.AskReply(data=msgspec.Raw(msgspec.json.encode(table)))
    world.bus.answers |= {
        "ask.sandbox.quotes": answer,
        "ask.sandbox.bars": answer,
        "ask.sandbox.depth": answer,
        "view.sandbox.positions": views.PositionsAnswer(as_of=AS_OF, observed_at=NOW, positions=()),
    }
    for tool in ("get_orders", "get_executions", "get_positions"):
        await answered(world, mode, tool, symbol=word)
        assert question_to(world, f"view.sandbox.{tool[4:]}")["symbol"] == CALL
    await answered(world, mode, "get_quotes", symbols=[word])
    quotes = question_to(world, "ask.sandbox.quotes")
    assert (quotes["symbols"], quotes["security"]) == ([CALL_AT_MARKET], "option")
    for tool, where in (("get_bars", "bars"), ("get_market_depth", "depth")):
        await answered(world, mode, tool, symbol=word, security="option")
        assert question_to(world, f"ask.sandbox.{where}")["symbol"] == CALL_AT_MARKET


@both_eras
@pytest.mark.parametrize(
    ("tool", "arguments"), [("halt_trading", {"reason": "because"}), ("cancel_orders", {})]
)
async def test_a_halt_or_cancel_of_one_option_names_the_underlying(
    mode: Mode, tool: str, arguments: dict[str, Any]
) -> None:
    world = empty_world()
    async with world.client(mode) as client:
        whole = {"account": "sandbox", "symbol": CALL, **arguments}
        text = error_of(await client.call_tool(tool, whole))
    assert text.startswith("invalid_argument: symbol: expected the underlying's symbol, AAPL")
    assert world.bus.published == []
