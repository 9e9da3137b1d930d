"""Changes, cancels by filter, halts, keys and powers: every end, in both eras of the protocol."""

from datetime import timedelta
from typing import Any

import pytest

from core import account_events, events, views
from core.claims import claim_of, claimed_command_id
from core.commands import CancelOrders, HaltTrading, ModifyOrder, PreviewOrder, TermsSeen
from core.errors import LinkError
from core.modes import Mode as AccountMode
from core.orders import CancelPhase, Phase
from core.refusals import NEXT_STEP, Refusal
from core.terms import Side
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    ORDER_ID,
    QUICK,
    TERMS,
    Mode,
    Published,
    World,
    error_of,
    order_row,
    order_spec,
    previewed,
    row_of,
    rows_of,
    told,
)
from tests.support.gateway_script import account_row, replying

both_eras = pytest.mark.parametrize("mode", MODES)
CHANGE = {"account": "sandbox", "order_id": ORDER_ID, "limit_price": "186", "reason": "because"}


def modify_started(command_id: str) -> events.OrderModifyStarted:
    return events.OrderModifyStarted(
        order_id=ORDER_ID,
        command_id=command_id,
        tiger_order_id="9",
        spec=order_spec(),
        reason="because",
        send_by=NOW,
        arrives_by=NOW,
    )


MODIFY_ENDS: list[tuple[events.Event, dict[str, Any], str]] = [
    (
        events.OrderReplaced(order_id=ORDER_ID, spec=order_spec()),
        {"status": "replaced"},
        "It may have filled by now",
    ),
    (
        events.OrderModifyRequested(order_id=ORDER_ID),
        {"status": "requested"},
        "old terms hold",
    ),
    (
        events.OrderModifyRefused(order_id=ORDER_ID, code=1, detail="too\nlate"),
        {"status": "rejected", "broker_text": "too late"},
        "stands as it was",
    ),
    (
        events.OrderModifyNotSent(order_id=ORDER_ID, cause="no connection"),
        {"status": "not_sent", "broker_text": "no connection"},
        "nothing was sent",
    ),
    (
        events.OrderModifyUnknown(order_id=ORDER_ID, cause="timeout"),
        {"status": "unknown", "broker_text": "timeout"},
        "Do not repeat",
    ),
    (
        events.OrderModifyNotApplied(order_id=ORDER_ID, listings=3, first_listing_at=NOW),
        {"status": "not_applied"},
        "did not happen",
    ),
    (
        events.OrderRefused(
            command_id="c",
            code=Refusal.ORDER_NOT_OPEN,
            detail=f"it is filled. {NEXT_STEP[Refusal.ORDER_NOT_OPEN]}",
        ),
        {"status": "refused", "code": "order_not_open", "detail": "it is filled."},
        "done",
    ),
]


@both_eras
@pytest.mark.parametrize(
    ("end", "says", "words"), MODIFY_ENDS, ids=[str(says["status"]) for _, says, _ in MODIFY_ENDS]
)
async def test_every_end_of_a_change_has_its_status_and_next_step(
    mode: Mode, end: events.Event, says: dict[str, Any], words: str
) -> None:
    world = World(QUICK)
    world.bus.worker = replying(world, modify_started, lambda _: end)
    async with world.client(mode) as client:
        answer = told(await client.call_tool("modify_order", CHANGE))
    (sent,) = world.bus.published
    assert sent.command == ModifyOrder(
        order_id=ORDER_ID, quantity=None, limit_price="186", reason="because"
    )
    assert answer["command_id"] == sent.envelope.command_id
    assert {key: answer.get(key) for key in says} == says
    assert words in answer["next_step"]
    assert answer["summary"].startswith("Buy 10 AAPL")
    assert answer["environment"] == "sandbox"


async def test_a_change_that_nobody_is_asked_about_is_bound_to_the_terms_at_hand_too() -> None:
    world = World(QUICK)
    world.bus.answers["view.sandbox.orders"] = views.OrdersAnswer(
        as_of=AS_OF, orders=(order_row(ORDER_ID),), cursor=None
    )
    async with world.client("auto") as client:
        told(await client.call_tool("modify_order", CHANGE))
    (sent,) = [each.command for each in world.bus.published]
    assert isinstance(sent, ModifyOrder)
    assert sent.seen == TermsSeen.of(order_spec())


async def test_a_change_of_an_order_that_became_another_says_to_look_and_ask_again() -> None:
    world = World(QUICK)
    detail = "of order o quantity is 70, was 10"
    no = events.OrderRefused(command_id="c", code=Refusal.TERMS_CHANGED, detail=detail)
    world.bus.worker = replying(world, lambda _: no)
    async with world.client("auto") as client:
        answer = told(await client.call_tool("modify_order", CHANGE))
    assert (answer["status"], answer["code"]) == ("refused", "terms_changed")
    assert answer["detail"].startswith(detail)
    assert "get_orders, then ask again" in answer["next_step"]


async def test_a_change_that_the_broker_took_waits_a_while_for_the_listing_that_shows_it() -> None:
    world = World()

    def work(sent: Published) -> None:
        command_id = sent.envelope.command_id
        for event in (modify_started(command_id), events.OrderModifyRequested(order_id=ORDER_ID)):
            world.bus.emit(sent.account, event, caused_by=command_id)
        # Heard only by who still listens after the broker's yes.
        replaced = events.OrderReplaced(order_id=ORDER_ID, spec=order_spec())
        world.bus.emit_soon(sent.account, replaced, caused_by=command_id)

    world.bus.worker = work
    async with world.client("auto") as client:
        answer = told(await client.call_tool("modify_order", CHANGE))
    assert answer["status"] == "replaced"


@both_eras
async def test_a_change_without_an_end_is_pending_and_names_its_command(mode: Mode) -> None:
    world = World(QUICK)
    async with world.client(mode) as client:
        answer = told(await client.call_tool("modify_order", CHANGE))
    assert answer["status"] == "pending"
    assert answer["command_id"] == world.bus.published[0].envelope.command_id
    assert "get_orders" in answer["next_step"]


async def test_a_change_that_nobody_confirmed_says_so() -> None:
    world = World(QUICK)
    world.bus.publish_faults = [LinkError("no ack")] * 1000
    async with world.client("auto") as client:
        answer = told(await client.call_tool("modify_order", CHANGE))
    assert answer["status"] == "pending"
    assert answer["detail"] == "the service did not confirm that it has it"


@pytest.mark.parametrize(
    ("tool", "arguments", "other"),
    [("preview_order", TERMS, {"quantity": "11"}), ("modify_order", CHANGE, {"quantity": "11"})],
)
async def test_a_key_makes_a_repeated_call_the_same_command_and_other_content_another(
    tool: str, arguments: dict[str, Any], other: dict[str, Any]
) -> None:
    world = World(QUICK)
    same_price = {"185.50": "185.5", "186": "186.00"}[arguments["limit_price"]]
    async with world.client("auto") as client:
        for more in ({}, {}, {"limit_price": same_price}):
            told(await client.call_tool(tool, arguments | {"key": "k1"} | more))
        told(await client.call_tool(tool, arguments | {"key": "k1"} | other))
        told(await client.call_tool(tool, arguments | {"key": "k2"}))
    ids = [sent.envelope.command_id for sent in world.bus.published]
    first = world.bus.published[0].command
    assert isinstance(first, PreviewOrder | ModifyOrder)
    claim = claim_of(first)
    assert claim is not None
    assert ids[0] == claimed_command_id("sandbox", claim)
    # An amount is the same by value.
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == 3


async def test_the_same_key_again_gives_the_first_previews_answer_even_after_its_time() -> None:
    world = World()
    facts: list[views.EventRow] = []

    def work(sent: Published) -> None:
        command_id = sent.envelope.command_id
        event = previewed(command_id, expires_at=NOW - timedelta(seconds=1))
        facts.append(row_of(world.bus.emit(sent.account, event, caused_by=command_id)))

    world.bus.worker = work
    world.bus.answers["view.sandbox.command"] = lambda _: views.CommandAnswer(
        as_of=AS_OF, events=tuple(facts)
    )
    async with world.client("auto") as client:
        first, again = [
            told(await client.call_tool("preview_order", TERMS | {"key": "k"})) for _ in range(2)
        ]
    assert first == again
    assert (first["status"], first["can_submit"]) == ("previewed", False)
    assert "expired" in first["next_step"]


async def test_a_refusal_under_a_key_says_that_the_key_is_spent_but_a_conflict_does_not() -> None:
    world = World()
    codes = iter((Refusal.BROKER_UNAVAILABLE, Refusal.KEY_CONFLICT))

    def work(sent: Published) -> None:
        code = next(codes)
        event = events.OrderRefused(command_id=sent.envelope.command_id, code=code, detail="x")
        world.bus.emit(sent.account, event, caused_by=sent.envelope.command_id)

    world.bus.worker = work
    async with world.client("auto") as client:
        spent, conflict = [
            told(await client.call_tool("preview_order", TERMS | {"key": key})) for key in "ab"
        ]
    assert spent["next_step"].endswith("take a new one.")
    assert conflict["next_step"] == NEXT_STEP[Refusal.KEY_CONFLICT]


def asked(command_id: str) -> account_events.AccountCancelsAsked:
    return account_events.AccountCancelsAsked(
        command_id=command_id, symbol="AAPL", side=None, order_ids=("o1", "o2", "o3")
    )


@both_eras
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ({"symbol": "AAPL"}, CancelOrders(symbol="AAPL", side=None)),
        ({"side": "sell"}, CancelOrders(symbol=None, side=Side.SELL)),
        ({"all_open": True}, CancelOrders(symbol=None, side=None)),
    ],
)
async def test_a_cancel_by_filter_tells_what_became_of_each_order(
    mode: Mode, arguments: dict[str, Any], sent: CancelOrders
) -> None:
    world = World()
    world.bus.worker = replying(world, asked)
    # Asked first while two cancels have no answer; the next fact makes the gateway look again.
    early = (order_row("o1"), order_row("o2", cancel=CancelPhase.STARTED), order_row("o3"))
    late = (
        order_row("o1"),
        order_row("o2", phase=Phase.CANCELLED),
        order_row("o3", phase=Phase.FILLED),
    )
    looks = iter((early, late))

    def look(_: bytes) -> views.OrdersAnswer:
        rows = next(looks)
        if rows is early:
            world.bus.emit_soon("sandbox", events.OrderCancelRequested(order_id="o2"))
        return views.OrdersAnswer(as_of=AS_OF, orders=rows, cursor=None)

    world.bus.answers["view.sandbox.orders"] = look
    async with world.client(mode) as client:
        answer = told(await client.call_tool("cancel_orders", {"account": "sandbox"} | arguments))
    assert world.bus.published[0].command == sent
    assert answer["status"] == "asked"
    rows = rows_of(answer["cancels"])
    assert [(row["order_id"], row["status"]) for row in rows] == [
        ("o1", "requested"),
        ("o2", "cancelled"),
        ("o3", "done"),
    ]
    assert set(answer["next_steps"]) == {"requested", "cancelled", "done"}
    assert "NOT cancelled" in answer["next_steps"]["requested"]


@both_eras
async def test_a_cancel_by_filter_that_finds_nothing_is_refused_and_says_so(mode: Mode) -> None:
    world = World()
    world.bus.worker = replying(
        world,
        lambda command_id: events.OrderRefused(
            command_id=command_id,
            code=Refusal.ORDER_NOT_OPEN,
            detail=f"no open order of the account fits. {NEXT_STEP[Refusal.ORDER_NOT_OPEN]}",
        ),
    )
    async with world.client(mode) as client:
        answer = told(
            await client.call_tool("cancel_orders", {"account": "sandbox", "side": "buy"})
        )
    assert answer["status"] == "refused"
    (row,) = rows_of(answer["cancels"])
    assert row["detail"] == "no open order of the account fits."


async def test_a_cancel_by_filter_counts_as_asked_though_the_views_do_not_answer() -> None:
    world = World(QUICK)
    del world.bus.answers["view.sandbox.orders"]
    world.bus.worker = replying(world, asked)
    async with world.client("auto") as client:
        answer = told(
            await client.call_tool("cancel_orders", {"account": "sandbox", "symbol": "AAPL"})
        )
    assert answer["status"] == "asked"
    assert [row["status"] for row in rows_of(answer["cancels"])] == ["pending"] * 3


async def test_a_change_that_was_made_before_is_not_told_as_what_holds_now() -> None:
    made = row_of(
        World().bus.record("sandbox", events.OrderReplaced(order_id=ORDER_ID, spec=order_spec()))
    )
    world = World(QUICK)
    world.bus.worker = replying(world)
    keyed = {**CHANGE, "key": "k-1"}
    async with world.client("auto") as client:
        first = told(await client.call_tool("modify_order", keyed))
        found = views.CommandAnswer(as_of=AS_OF, events=(made,))
        world.bus.answers["view.sandbox.command"] = found
        again = told(await client.call_tool("modify_order", keyed))
    assert [first["status"], again["status"]] == ["pending", "replaced"]
    assert again["next_step"].startswith("An earlier call made this very change; nothing was sent")


def halted(command_id: str) -> account_events.AccountHalted:
    return account_events.AccountHalted(
        command_id=command_id, person="test-client 9", symbol="AAPL", detail="because"
    )


@both_eras
@pytest.mark.parametrize("is_verified", [False, True])
async def test_a_halt_says_its_scope_and_what_may_still_fill(mode: Mode, is_verified: bool) -> None:
    world = World()
    world.bus.worker = replying(world, halted)
    rows = () if is_verified else (order_row("o1"),)
    world.bus.answers["view.sandbox.orders"] = views.OrdersAnswer(
        as_of=AS_OF, orders=rows, cursor=None
    )
    account = account_row(
        state="halted",
        halted_symbols=("AAPL",),
        unverified_halts=() if is_verified else ("AAPL",),
    )
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=(account,))
    arguments = {"account": "sandbox", "symbol": "AAPL", "reason": "because"}
    async with world.client(mode) as client:
        answer = told(await client.call_tool("halt_trading", arguments))
    (sent,) = world.bus.published
    assert sent.command == HaltTrading(symbol="AAPL", reason="because")
    assert (answer["status"], answer["scope"]) == ("halted", "AAPL of sandbox")
    assert answer.get("is_verified", False) is is_verified
    assert answer.get("still_open", []) == ([] if is_verified else ["o1"])
    assert "Only a person can resume" in answer["next_step"]


async def test_a_halt_is_a_halt_though_the_views_do_not_answer() -> None:
    world = World(QUICK)
    world.bus.worker = replying(world, halted)
    async with world.client("auto") as client:
        answer = told(
            await client.call_tool("halt_trading", {"account": "sandbox", "reason": "because"})
        )
    assert answer["status"] == "halted"
    assert "is_verified" not in answer


@both_eras
async def test_a_halt_without_an_answer_is_pending_and_names_the_other_way(mode: Mode) -> None:
    async with World(QUICK).client(mode) as client:
        answer = told(
            await client.call_tool("halt_trading", {"account": "sandbox", "reason": "because"})
        )
    assert answer["status"] == "pending"
    assert "tiger-mcp halt" in answer["next_step"]


WRITES: dict[str, dict[str, Any]] = {
    "submit_order": {"preview_id": "prv-" + "0" * 32},
    "modify_order": {"order_id": "o1", "quantity": "5", "reason": "x"},
    "cancel_orders": {"all_open": True},
    "halt_trading": {"reason": "x"},
}


@both_eras
@pytest.mark.parametrize("tool", sorted(WRITES))
async def test_a_write_on_a_read_only_account_is_refused_and_nothing_is_sent(
    mode: Mode, tool: str
) -> None:
    world = World()
    world.modes = {"sandbox": AccountMode.READ_ONLY, "paper-1": AccountMode.AUTO}
    async with world.client(mode) as client:
        assert tool in {each.name for each in (await client.list_tools()).tools}
        text = error_of(await client.call_tool(tool, WRITES[tool] | {"account": "sandbox"}))
    assert text.startswith("account_read_only: sandbox is read-only; nothing was sent.")
    assert world.bus.published == []


@both_eras
async def test_where_every_account_is_read_only_no_write_is_listed_and_none_works(
    mode: Mode,
) -> None:
    world = World()
    world.modes = dict.fromkeys(world.accounts, AccountMode.READ_ONLY)
    async with world.client(mode) as client:
        listed = (await client.list_tools()).tools
        for tool, arguments in WRITES.items():
            text = error_of(await client.call_tool(tool, arguments | {"account": "paper-1"}))
            assert text.startswith("account_read_only: ")
    assert all(each.annotations and each.annotations.read_only_hint for each in listed)
    assert {"get_orders", "explain_order", "get_account"} <= {each.name for each in listed}
    assert world.bus.published == []


@pytest.mark.parametrize("tool", ["preview_order", *sorted(WRITES)])
@pytest.mark.parametrize("claim", [{"mode": "auto"}, {"environment": "paper"}, {"approve": True}])
async def test_no_argument_raises_a_power(tool: str, claim: dict[str, Any]) -> None:
    world = World()
    arguments = (TERMS if tool == "preview_order" else WRITES[tool]) | {"account": "sandbox"}
    async with world.client("auto") as client:
        text = error_of(await client.call_tool(tool, arguments | claim))
    assert text.startswith(f"invalid_argument: {next(iter(claim))}: there is no such argument")
    assert world.bus.published == []
