"""A preview through the gateway: the exact order, its warnings and its ends, in both eras."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest

from core import account_events, preview_events, views
from core.commands import PreviewOrder
from core.ids import derived_id
from core.refusals import NEXT_STEP, Refusal
from core.terms import OptionLeg, OptionRight, OrderType, SecurityType, Side, TimeInForce
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    PREVIEW_ID,
    QUICK,
    TERMS,
    Mode,
    World,
    order_spec,
    previewed,
    rows_of,
    told,
)
from tests.support.gateway_script import holding, refused, replying

both_eras = pytest.mark.parametrize("mode", MODES)
UTC_NOW = "2026-11-22T15:30:00Z"


OPTION = holding("AAPL", "500", contract="AAPL261218C230", security=SecurityType.OPTION)
HELD: dict[str, tuple[tuple[account_events.PositionFigure, ...], str | None]] = {
    "nothing": ((), "the account holds 0: 10 of it is sold short"),
    "another contract": ((OPTION,), "the account holds 0: 10 of it is sold short"),
    "less": ((holding("AAPL", "4"),), "the account holds 4: 6 of it is sold short"),
    "short already": ((holding("AAPL", "-3"),), "the account holds -3: 10 of it is sold short"),
    "as much": ((holding("AAPL", "10"), OPTION), None),
}


@pytest.mark.parametrize("name", HELD)
async def test_a_preview_of_a_sale_warns_of_what_is_not_held(name: str) -> None:
    held, warned = HELD[name]
    world = World()
    spec = order_spec(side=Side.SELL)
    world.bus.worker = replying(world, lambda command_id: previewed(command_id, spec=spec))
    world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
        as_of=AS_OF, observed_at=NOW, positions=held
    )
    async with world.client("auto") as client:
        answer = told(await client.call_tool("preview_order", {**TERMS, "side": "sell"}))
    found = {row["name"]: row["detail"] for row in rows_of(answer["checks"])}
    assert found.get("opens_short") == warned
    assert answer["can_submit"]


async def test_a_preview_of_a_sale_stands_though_nobody_knows_what_is_held() -> None:
    world = World()
    spec = order_spec(side=Side.SELL)
    world.bus.worker = replying(world, lambda command_id: previewed(command_id, spec=spec))
    unread = views.PositionsAnswer(as_of=AS_OF, observed_at=None, positions=())
    for answers in ({}, {"view.sandbox.positions": unread}):
        world.bus.answers = dict(answers)
        async with world.client("auto") as client:
            answer = told(await client.call_tool("preview_order", {**TERMS, "side": "sell"}))
        assert answer["status"] == "previewed"
        found = {row["name"]: row["detail"] for row in rows_of(answer["checks"])}
        assert "opens_short" not in found
        assert found["held_known"] == "what the account holds is not known: it may be sold short"


BY_AMOUNT = {
    "less than is held": ("1855", "185.50", None),
    "more than is held": (
        "3000",
        "185.50",
        "the account holds 10: about 6.1725 of it is sold short",
    ),
}


@pytest.mark.parametrize("name", BY_AMOUNT)
async def test_a_sale_by_amount_is_held_to_what_the_bid_makes_of_it(name: str) -> None:
    amount, bid, warned = BY_AMOUNT[name]
    found = await _warnings_of_amount(amount, bid)
    assert found.get("opens_short") == warned
    assert "held_known" not in found


async def test_a_sale_by_amount_without_a_price_may_be_more_than_is_held() -> None:
    found = await _warnings_of_amount("100", None)
    assert found["held_known"] == "how many the amount makes is not known: it may be sold short"


async def _warnings_of_amount(amount: str, bid: str | None) -> dict[str, str]:
    world = World()
    spec = order_spec(
        side=Side.SELL,
        order_type=OrderType.MARKET,
        limit_price=None,
        quantity=Decimal(0),
        cash_amount=Decimal(amount),
    )
    quote = None
    if bid is not None:
        quote = preview_events.QuoteUsed(bid=Decimal(bid), ask=None, last=None, at=NOW)
    world.bus.worker = replying(world, lambda id_: previewed(id_, spec=spec, quote=quote))
    world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
        as_of=AS_OF, observed_at=NOW, positions=(holding("AAPL", "10"),)
    )
    async with world.client("auto") as client:
        answer = told(await client.call_tool("preview_order", {**TERMS, "side": "sell"}))
    return {row["name"]: row["detail"] for row in rows_of(answer["checks"])}


LEGS = tuple(
    OptionLeg(
        right=OptionRight.CALL,
        expiry=date(2026, 12, 18),
        strike=Decimal(strike),
        side=side,
        ratio=ratio,
    )
    for strike, side, ratio in (("230", Side.BUY, 1), ("240", Side.SELL, 2))
)
SPREAD = order_spec(security=SecurityType.COMBINATION, legs=LEGS, quantity=Decimal(5))
LEG_SOLD = {
    Side.BUY: "AAPL261218C240: the account holds 0: 10 of it is sold short",
    # To sell the combination sells what it buys.
    Side.SELL: None,
}


@pytest.mark.parametrize("side", LEG_SOLD)
async def test_a_leg_that_is_sold_short_is_said(side: Side) -> None:
    world = World()
    spec = msgspec.structs.replace(SPREAD, side=side)
    world.bus.worker = replying(world, lambda command_id: previewed(command_id, spec=spec))
    held = holding("AAPL", "5", contract="AAPL261218C230", security=SecurityType.OPTION)
    world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
        as_of=AS_OF, observed_at=NOW, positions=(held,)
    )
    async with world.client("auto") as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    found = {row["name"]: row["detail"] for row in rows_of(answer["checks"])}
    assert found.get("opens_short") == LEG_SOLD[side]


@both_eras
async def test_a_preview_shows_the_exact_order_and_sends_a_signed_command(mode: Mode) -> None:
    world = World()
    world.bus.worker = replying(world, previewed)
    async with world.client(mode) as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    (sent,) = world.bus.published
    command_id = sent.envelope.command_id
    assert sent.message_id == f"sandbox/{command_id}"
    assert sent.envelope.principal == "test-client 9"
    assert sent.envelope.correlation_id == derived_id("prv", "sandbox", command_id)
    assert sent.envelope.expires_at - sent.envelope.issued_at == timedelta(seconds=60)
    assert sent.command == PreviewOrder(
        symbol="AAPL",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity="10",
        limit_price="185.50",
        time_in_force=TimeInForce.DAY,
        outside_regular_hours=False,
        reason="because",
    )
    assert answer == {
        "environment": "sandbox",
        "account": "sandbox",
        "as_of": {"n": 1, "at": "2026-11-22T15:30:01Z"},
        "status": "previewed",
        "can_submit": True,
        "next_step": answer["next_step"],
        "command_id": command_id,
        "preview_id": PREVIEW_ID,
        "summary": "Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day.",
        "costs": "worth about 1855.00 USD; commission 0.99 USD.",
        "order": {
            "symbol": "AAPL",
            "market": "US",
            "currency": "USD",
            "side": "buy",
            "order_type": "limit",
            "quantity": "10",
            "limit_price": "185.50",
            "time_in_force": "day",
            "outside_regular_hours": False,
        },
        "checks": {
            "columns": ["name", "result", "detail", "broker_text"],
            "rows": [
                ["lot_size", "passed", "10 in lots of 1", ""],
                ["broker_preview", "passed", "", "ok  by the broker"],
            ],
        },
        "quote": {"bid": "185.40", "ask": "185.60", "at": "2026-11-22T15:30:00Z"},
        "estimate": {
            "notional": {"amount": "1855.00", "currency": "USD"},
            "commission": {"amount": "0.99", "currency": "USD"},
        },
        "expires_at": "2026-11-22T15:40:00Z",
        "time_zone": "UTC",
    }


@both_eras
async def test_a_preview_with_a_failed_check_cannot_be_submitted(mode: Mode) -> None:
    world = World()
    failed = (
        preview_events.Check(name="tick_size", passed=False, detail="185.505 in steps of 0.01"),
    )
    world.bus.worker = replying(world, lambda command_id: previewed(command_id, checks=failed))
    async with world.client(mode) as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    assert (answer["status"], answer["can_submit"]) == ("previewed", False)
    assert "cannot be submitted" in answer["next_step"]


async def test_a_shut_account_is_not_to_be_opened_by_other_terms() -> None:
    world = World()
    shut = preview_events.Check(name="account_open", passed=False, detail="the account is halted")
    world.bus.worker = replying(world, lambda command_id: previewed(command_id, checks=(shut,)))
    async with world.client("auto") as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    assert answer["can_submit"] is False
    assert "other terms do not mend it" in answer["next_step"]


@both_eras
async def test_a_refused_preview_says_why_and_what_to_do(mode: Mode) -> None:
    world = World()
    world.bus.worker = replying(world, refused)
    async with world.client(mode) as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    assert answer["status"] == "refused"
    assert answer["code"] == "account_stale"
    assert answer["detail"] == "not yet reconciled."
    assert answer["next_step"] == NEXT_STEP[Refusal.ACCOUNT_STALE]
    assert "order" not in answer


@both_eras
async def test_a_preview_without_an_answer_is_pending(mode: Mode) -> None:
    async with World(QUICK).client(mode) as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    assert (answer["status"], answer["can_submit"]) == ("pending", False)
    # Nothing was heard of the account yet: the answer is as of when it was given.
    assert answer["as_of"] == {"at": UTC_NOW}


async def test_an_amount_keeps_every_digit_from_the_model_to_the_command() -> None:
    world = World()
    world.bus.worker = replying(world, previewed)
    async with world.client("auto") as client:
        told(
            await client.call_tool(
                "preview_order", TERMS | {"quantity": "0.100000", "limit_price": "123456789.123456"}
            )
        )
    command = world.bus.published[0].command
    assert isinstance(command, PreviewOrder)
    assert (command.quantity, command.limit_price) == ("0.100000", "123456789.123456")
