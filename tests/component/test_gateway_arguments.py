"""Arguments that a tool cannot take: each is named, and nothing is sent."""

from typing import Any

import pytest

from core.commands import PreviewOrder
from tests.support.gateway import MODES, TERMS, Mode, World, error_of

both_eras = pytest.mark.parametrize("mode", MODES)
COMBINATION: dict[str, Any] = {
    "security": "combination",
    "legs": [
        {"side": side, "right": "call", "expiry": "2026-12-18", "strike": strike}
        for side, strike in (("buy", "230"), ("sell", "240"))
    ],
}


@both_eras
@pytest.mark.parametrize(
    ("arguments", "starts"),
    [
        (
            {"account": "nobody"},
            "unknown_account: account: there is no 'nobody'. Known: paper-1, sandbox.",
        ),
        (
            {"account": "A!"},
            "invalid_argument: account: expected text like ^[a-z0-9-]{1,32}$, was 'A!'; "
            "list_accounts tells the names.",
        ),
        ({"account": "system"}, "unknown_account: account: there is no 'system'."),
        ({"symbol": "aapl; drop"}, "invalid_argument: symbol: expected text like"),
        ({"symbol": 5}, "invalid_argument: symbol: expected text in quotes"),
        ({"side": "short"}, "invalid_argument: side: expected 'buy' or 'sell', was 'short'"),
        ({"quantity": "-1"}, "invalid_argument: quantity: "),
        ({"quantity": "0"}, "invalid_argument: quantity: "),
        ({"quantity": "NaN"}, "invalid_argument: quantity: "),
        ({"quantity": "1e5"}, "invalid_argument: quantity: "),
        ({"quantity": "1.1234567"}, "invalid_argument: quantity: "),
        ({"quantity": 10}, "invalid_argument: quantity: expected text in quotes"),
        ({"quantity": 0.1}, "invalid_argument: quantity: expected text in quotes"),
        ({"limit_price": 185.5}, "invalid_argument: limit_price: expected text in quotes"),
        ({"limit_price": "Infinity"}, "invalid_argument: limit_price: "),
        ({"limit_price": None}, "invalid_argument: limit_price: expected limit_price for a limit"),
        ({"order_type": "market"}, "invalid_argument: limit_price: expected limit_price for a"),
        ({"cash_amount": "5"}, "invalid_argument: quantity: expected either quantity or cash"),
        ({"security": "option"}, "invalid_argument: expiry: expected for an option"),
        ({"strike": "5"}, "invalid_argument: strike: expected no strike for a stock"),
        ({"expiry": "2026-02-30", "security": "option"}, "invalid_argument: expiry: expected a"),
        ({"expiry": "soon"}, "invalid_argument: expiry: expected text like"),
        ({"security": "combination"}, "invalid_argument: legs: expected two or more legs"),
        ({"legs": "[{}]"}, "invalid_argument: legs.0.side: is needed"),
        ({"legs": '[{"side":"buy","x":1}]'}, "invalid_argument: legs.0.right: is needed"),
        ({"legs": "AAPL"}, "invalid_argument: legs: expected a list, was 'AAPL'."),
        ({"good_till": "tomorrow"}, "invalid_argument: good_till: expected a moment"),
        (
            {"good_till": "2026-12-01T00:00:00"},
            "invalid_argument: good_till: expected a moment with its zone",
        ),
        (
            {"stop_loss_price": "1", "stop_loss_trailing_percent": "2"},
            "invalid_argument: stop_loss_price: ",
        ),
        ({"stop_loss_price": "0"}, "invalid_argument: stop_loss_price: expected stop_loss_price"),
        ({"or_stop_limit_price": "1"}, "invalid_argument: or_stop_price: "),
        ({"participation_rate": "0.1"}, "invalid_argument: participation_rate: "),
        ({"display_quantity": "1"}, "invalid_argument: display_quantity: "),
        ({"key": "a b"}, "invalid_argument: key: expected text like"),
        ({"reason": ""}, "invalid_argument: reason: expected at least 1 characters"),
        ({"reason": "x" * 501}, "invalid_argument: reason: expected at most 500 characters"),
        ({"stop_price": "3"}, "invalid_argument: stop_price: expected stop_price for a stop"),
        ({"user_mark": "3"}, "invalid_argument: user_mark: there is no such argument"),
        ({"symbol": "x" * 10_000_000}, "invalid_argument: symbol: expected at most 4000"),
        (
            {"outside_regular_hours": "perhaps"},
            "invalid_argument: outside_regular_hours: expected true",
        ),
        (
            {"outside_regular_hours": "yes"},
            "invalid_argument: outside_regular_hours: expected true",
        ),
        ({"outside_regular_hours": 1}, "invalid_argument: outside_regular_hours: expected true"),
        (
            {"outside_regular_hours": True, "session": "regular"},
            "invalid_argument: session: expected session extended, overnight or full",
        ),
        (
            {**COMBINATION, "limit_price": "-1.76"},
            "invalid_argument: limit_price: expected limit_price above 0 for a combination, was "
            "'-1.76': to receive a credit",
        ),
    ],
)
async def test_a_bad_argument_is_named_and_nothing_is_sent(
    mode: Mode, arguments: dict[str, Any], starts: str
) -> None:
    world = World()
    async with world.client(mode) as client:
        text = error_of(await client.call_tool("preview_order", TERMS | arguments))
        assert text.startswith(starts)
        assert len(text) < 600
        assert "pydantic" not in text
        # The server lives.
        assert (await client.list_tools()).tools
    assert world.bus.published == []


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        ("get_positions", {}, "account: is needed"),
        (
            "get_orders",
            {"account": "sandbox", "limit": 201},
            "limit: expected at most 200",
        ),
        (
            "get_orders",
            {"account": "sandbox", "limit": 0},
            "limit: expected at least 1",
        ),
        (
            "cancel_orders",
            {"account": "sandbox", "order_ids": ["x"] * 21},
            "order_ids: expected at most 20",
        ),
        (
            "cancel_orders",
            {"account": "sandbox", "order_ids": "ord-1"},
            'order_ids: expected a list, such as ["ord-1"], was',
        ),
        (
            "cancel_orders",
            {"account": "sandbox", "order_ids": "ord-1, ord-2,"},
            'order_ids: expected a list, such as ["ord-1", "ord-2"], was',
        ),
        (
            "cancel_orders",
            {"account": "sandbox", "order_ids": ","},
            'order_ids: expected a list, such as [","], was',
        ),
        (
            "cancel_orders",
            {"account": "sandbox", "all_open": "yes"},
            "all_open: expected true or false, was 'yes'",
        ),
        (
            "get_bars",
            {"symbol": "AAPL", "adjusted": "on"},
            "adjusted: expected true or false, was 'on'",
        ),
        (
            "cancel_orders",
            {"account": "sandbox", "order_ids": ["a b"]},
            "order_ids.0: expected text like",
        ),
        (
            "submit_order",
            {"account": "sandbox", "preview_id": "the last one"},
            "preview_id: expected text like",
        ),
        ("submit_order", {"preview_id": "prv-" + "0" * 32}, "account: is needed"),
        ("modify_order", {"account": "sandbox", "order_id": "o1", "reason": "x"}, "quantity: "),
        (
            "modify_order",
            {"account": "sandbox", "order_id": "o1", "reason": "x", "quantity": "0"},
            "quantity: expected quantity above 0",
        ),
        ("cancel_orders", {"account": "sandbox"}, "order_ids: expected either"),
        (
            "cancel_orders",
            {"account": "sandbox", "symbol": "AAPL", "all_open": True},
            "order_ids: expected either",
        ),
        ("halt_trading", {"account": "sandbox"}, "reason: is needed"),
        ("halt_trading", {"reason": "x"}, "account: is needed"),
        (
            "halt_trading",
            {"account": "sandbox", "reason": "x\x1b[2J"},
            "reason: expected one line of printable characters, was 'x\\x1b[2J'",
        ),
        (
            "modify_order",
            {"account": "sandbox", "order_id": "o1", "reason": "a\nb", "quantity": "1"},
            "reason: expected one line",
        ),
        ("explain_order", {"account": "sandbox", "order_id": "o1", "cursor": "-1"}, "cursor: "),
    ],
)
async def test_bounds_of_other_arguments_are_named(
    tool: str, arguments: dict[str, Any], says: str
) -> None:
    world = World()
    async with world.client("auto") as client:
        text = error_of(await client.call_tool(tool, arguments))
    assert text.startswith(f"invalid_argument: {says}")
    assert world.bus.published == []


@pytest.mark.parametrize(("sent", "meant"), [("true", True), ("False", False), (True, True)])
async def test_a_flag_may_be_sent_as_text(sent: object, meant: bool) -> None:
    world = World()
    async with world.client("auto") as client:
        await client.call_tool("preview_order", {**TERMS, "outside_regular_hours": sent})
    (message,) = world.bus.published
    assert isinstance(message.command, PreviewOrder)
    assert message.command.outside_regular_hours is meant
