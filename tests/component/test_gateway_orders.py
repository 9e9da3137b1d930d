"""A command's way through the gateway: every end, every doubt, in both eras of the protocol."""

import asyncio
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.mcp.parts import Waits
from core import events, views
from core.commands import (
    CancelOrder,
    PreviewOrder,
    SubmitOrder,
    cancel_command_id,
    submit_command_id,
)
from core.errors import LinkError
from core.ids import derived_id
from core.refusals import NEXT_STEP, Refusal
from core.terms import OptionLeg, OptionRight, OrderType, SecurityType, Side, TimeInForce
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
    order_spec,
    previewed,
    row_of,
    rows_of,
    started,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
SUBMIT = {"account": "sandbox", "preview_id": PREVIEW_ID}
LOCAL_OWNER = derived_id("own", "local")
SUBMIT_ID = submit_command_id("sandbox", PREVIEW_ID, LOCAL_OWNER)


def replying(world: World, *make: Callable[[str], events.Event]) -> Callable[[Published], None]:
    """Return a worker that answers each command with these facts."""

    def work(sent: Published) -> None:
        for each in make:
            command_id = sent.envelope.command_id
            world.bus.emit(sent.account, each(command_id), caused_by=command_id)

    return work


def refused(command_id: str) -> events.OrderRefused:
    return events.OrderRefused(
        command_id=command_id,
        code=Refusal.ACCOUNT_STALE,
        detail=f"not yet reconciled. {NEXT_STEP[Refusal.ACCOUNT_STALE]}",
    )


def holding(symbol: str, quantity: str, **more: Any) -> events.PositionFigure:
    return events.PositionFigure(
        symbol=symbol,
        market="US",
        currency="USD",
        quantity=Decimal(quantity),
        average_cost=Decimal(1),
        market_price=None,
        unrealized_profit=None,
        **more,
    )


OPTION = holding("AAPL", "500", contract="AAPL261218C230", security=SecurityType.OPTION)
HELD: dict[str, tuple[tuple[events.PositionFigure, ...], str | None]] = {
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
    failed = (events.Check(name="tick_size", passed=False, detail="185.505 in steps of 0.01"),)
    world.bus.worker = replying(world, lambda command_id: previewed(command_id, checks=failed))
    async with world.client(mode) as client:
        answer = told(await client.call_tool("preview_order", TERMS))
    assert (answer["status"], answer["can_submit"]) == ("previewed", False)
    assert "cannot be submitted" in answer["next_step"]


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
async def test_a_repeated_submit_is_the_same_command_and_gives_the_same_answer(mode: Mode) -> None:
    world = World()
    facts: list[views.EventRow] = []

    def work(sent: Published) -> None:
        for event in (started(SUBMIT_ID), accepted()):
            facts.append(row_of(world.bus.emit(sent.account, event, caused_by=SUBMIT_ID)))

    world.bus.worker = work
    world.bus.answers["view.sandbox.command"] = lambda _: views.CommandAnswer(
        as_of=AS_OF, events=tuple(facts)
    )
    async with world.client(mode) as client:
        first = told(await client.call_tool("submit_order", SUBMIT))
        assert world.bus.asked == []
        again = told(await client.call_tool("submit_order", SUBMIT))
    assert first == again
    assert [sent.message_id for sent in world.bus.published] == [f"sandbox/{SUBMIT_ID}"] * 2


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
    rows: list[views.EventRow] = []

    def work(sent: Published) -> None:
        # Stored, but its republished message never arrives here.
        rows.append(row_of(world.bus.record(sent.account, accepted(), caused_by=SUBMIT_ID)))

    world.bus.worker = work
    world.bus.answers["view.sandbox.command"] = lambda _: views.CommandAnswer(
        as_of=AS_OF, events=tuple(rows)
    )
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


def accepted() -> events.OrderAccepted:
    return events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="99", evidence="reply")
