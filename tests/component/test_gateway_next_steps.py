"""What helps next is said of the very thing that was asked: a change, a repeat, a wrong name."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest

from core import asks, events, market_asks, preview_events, views
from core.errors import LinkError
from core.modes import Environment
from core.refusals import NEXT_STEP, Refusal
from core.terms import OptionLeg, OptionRight, SecurityType, Side
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    ORDER_ID,
    PREVIEW_ID,
    QUICK,
    TERMS,
    Mode,
    Published,
    World,
    error_of,
    order_spec,
    previewed,
    row_of,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
CHANGE: Final[dict[str, Any]] = {
    "account": "sandbox",
    "order_id": ORDER_ID,
    "quantity": "1",
    "reason": "because",
}
ACCEPTED: Final = events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="9", evidence="reply")
TABLE: Final = market_asks.MarketTable(columns=("symbol",), rows=(("AAPL",),), at=NOW)


def answering(world: World, make: Callable[[str], events.Event]) -> None:
    """Have the worker answer each command with one fact."""

    def work(sent: Published) -> None:
        command_id = sent.envelope.command_id
        world.bus.emit(sent.account, make(command_id), caused_by=command_id)

    world.bus.worker = work


def refusing(world: World, code: Refusal) -> None:
    detail = f"why. {NEXT_STEP[code]}"
    answering(world, lambda each: events.OrderRefused(command_id=each, code=code, detail=detail))


@both_eras
@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (Refusal.INVALID_TERMS, "ask for the change again"),
        (Refusal.ORDER_NOT_OPEN, "there is nothing to change"),
        (Refusal.ACCOUNT_HALTED, NEXT_STEP[Refusal.ACCOUNT_HALTED]),
    ],
)
async def test_a_refused_change_is_not_told_to_preview_or_to_cancel(
    mode: Mode, code: Refusal, expected: str
) -> None:
    world = World()
    refusing(world, code)
    async with world.client(mode) as client:
        answer = told(await client.call_tool("modify_order", CHANGE))
    assert expected in answer["next_step"]
    assert not {"preview", "cancel"} & set(answer["next_step"].split())
    assert answer["detail"] == "why."


@both_eras
@pytest.mark.parametrize("is_view_there", [True, False])
async def test_a_submit_of_a_failed_preview_names_the_checks(
    mode: Mode, is_view_there: bool
) -> None:
    world = World()
    refusing(world, Refusal.CHECK_FAILED)
    checks = tuple(
        preview_events.Check(name=name, passed=name == "lot_size", detail="")
        for name in ("lot_size", "price_known", "broker_preview")
    )
    shown = previewed("cmd-1", checks=checks)
    fact = row_of(world.bus.record("sandbox", shown))
    if is_view_there:
        world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
            as_of=AS_OF, order=None, events=(fact,), more_after=None
        )
    arguments = {"account": "sandbox", "preview_id": PREVIEW_ID}
    async with world.client(mode) as client:
        answer = told(await client.call_tool("submit_order", arguments))
    assert (answer["status"], answer["code"]) == ("refused", "check_failed")
    named = "did not pass in the preview: price_known, broker_preview"
    assert answer["detail"] == (named if is_view_there else "why.")


@both_eras
async def test_a_submit_that_was_accepted_earlier_is_not_told_as_new(mode: Mode) -> None:
    world = World()
    row = views.EventRow(
        type="order.accepted",
        n=3,
        recorded_at=NOW - timedelta(seconds=5),
        data=msgspec.Raw(msgspec.json.encode(ACCEPTED)),
    )
    command = views.CommandAnswer(as_of=AS_OF, events=())
    world.bus.answers["view.sandbox.command"] = command
    arguments = {"account": "sandbox", "preview_id": PREVIEW_ID}
    answering(world, lambda _: ACCEPTED)
    async with world.client(mode) as client:
        first = told(await client.call_tool("submit_order", arguments))
        assert "It is NOT done" in first["next_step"]
        world.bus.answers["view.sandbox.command"] = msgspec.structs.replace(command, events=(row,))
        again = told(await client.call_tool("submit_order", arguments))
    assert again["status"] == "accepted"
    assert "nothing was sent now" in again["next_step"]
    assert "NOT done" not in again["next_step"]


@both_eras
async def test_a_combinations_quote_is_named_as_its_underlyings(mode: Mode) -> None:
    leg = OptionLeg(
        right=OptionRight.CALL,
        expiry=NOW.date(),
        strike=Decimal(230),
        side=Side.BUY,
        ratio=1,
    )
    spec = order_spec(security=SecurityType.COMBINATION, legs=(leg, leg))
    world = World()
    answering(world, lambda each: previewed(each, spec=spec))
    async with world.client(mode) as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    assert "quote" not in answer
    assert answer["underlying_quote"]["bid"] == "185.40"


async def test_a_tool_that_there_is_not_is_refused_with_a_code() -> None:
    async with World().client("auto") as client:
        text = error_of(await client.call_tool("nope", {}))
    assert (
        text == "invalid_argument: name: there is no tool 'nope'; tools/list has those there are."
    )


@both_eras
async def test_a_short_hong_kong_symbol_is_told_how_it_is_written(mode: Mode) -> None:
    world = World()
    fault = asks.AskFault(code="invalid_argument", message="none of them", field="symbols")
    unknown = msgspec.structs.replace(TABLE, unknown=("700",))
    world.bus.answers |= {
        "ask.sandbox.quotes": asks.AskReply(fault=fault),
        "ask.sandbox.contracts": asks.AskReply(data=msgspec.Raw(msgspec.json.encode(unknown))),
    }
    arguments = {"account": "sandbox", "symbols": ["700"]}
    async with world.client(mode) as client:
        text = error_of(await client.call_tool("get_quotes", arguments))
        found = told(await client.call_tool("find_contracts", arguments))
    assert text.endswith("symbols: none of them. Hong Kong stocks have five digits: 00700.")
    assert found["note"] == "Hong Kong stocks have five digits: 00700."


async def test_a_login_whose_worker_is_away_is_not_asked_for_prices() -> None:
    world = World(QUICK)
    world.accounts |= {"paper-2": Environment.PAPER}
    reply = asks.AskReply(data=msgspec.Raw(msgspec.json.encode(TABLE)))
    world.bus.answers |= {
        "ask.paper-1.health": LinkError("nobody answers"),
        "ask.paper-2.quotes": reply,
    }
    async with world.client("auto") as client:
        answer = told(await client.call_tool("get_quotes", {"symbols": ["AAPL"]}))
    assert answer["account"] == "paper-2"
    assert [subject for subject, _ in world.bus.asked] == ["ask.paper-2.quotes"]
