"""A client that shows questions about orders: what each answer of the person leads to."""

import asyncio
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from mcp import MCPError
from mcp.types import INTERNAL_ERROR, ElicitResult, ErrorData, InputRequiredResult

from adapters.mcp.words import order_in_words
from core import events, preview_events, views
from core.commands import SubmitOrder, submit_command_id
from core.ids import derived_id
from core.modes import Environment
from core.modes import Mode as AccountMode
from core.refusals import NEXT_STEP, Refusal
from core.terms import OptionLeg, OptionRight, OrderType, SecurityType, Side
from tests.support.asking import YES, Person, asking, show, world_of
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    PREVIEW_ID,
    Mode,
    error_of,
    order_spec,
    previewed,
    row_of,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
SUBMIT = {"account": "sandbox", "preview_id": PREVIEW_ID}
LOCAL = derived_id("own", "local")
SUBMIT_ID = submit_command_id("sandbox", PREVIEW_ID, LOCAL)


@both_eras
async def test_a_yes_sends_the_one_order_that_the_question_shows(mode: Mode) -> None:
    world, person = world_of(), Person(YES)
    async with asking(world, mode, person) as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "accepted"
    assert [sent.command for sent in world.bus.published] == [SubmitOrder(preview_id=PREVIEW_ID)]
    assert person.asked == [
        "Send this order to the broker, on account sandbox (sandbox: simulated money)?\n"
        "Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day.\n"
        "worth about 1855.00 USD; commission 0.99 USD.\n"
        "Reason given: because"
    ]


@both_eras
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (ElicitResult(action="decline"), "the person said no"),
        (ElicitResult(action="cancel"), "the question was closed without an answer"),
    ],
)
async def test_anything_but_a_yes_is_refused_and_nothing_is_sent(
    mode: Mode, answer: ElicitResult, why: str
) -> None:
    world, person = world_of(), Person(answer)
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("submit_order", SUBMIT))
        assert (said["status"], said["code"], said["detail"]) == ("refused", "not_confirmed", why)
        assert said["next_step"].startswith("This call sent nothing")
    assert len(person.asked) == 1
    assert world.bus.published == []


@both_eras
async def test_a_preview_that_was_declined_is_over(mode: Mode) -> None:
    world, person = world_of(), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        first = told(await client.call_tool("submit_order", SUBMIT))
    insistent = Person(YES)
    async with asking(world, mode, insistent) as client:
        said = told(await client.call_tool("submit_order", SUBMIT))
    assert first["next_step"] == said["next_step"]
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert said["detail"] == "the person said no to this preview"
    assert "call preview_order again" in said["next_step"]
    assert (len(person.asked), insistent.asked, world.bus.published) == (1, [], [])


@both_eras
async def test_a_question_that_was_closed_may_be_asked_again(mode: Mode) -> None:
    # Clients close a question by themselves; that is no person's no.
    world, person = world_of(), Person(ElicitResult(action="cancel"))
    async with asking(world, mode, person) as client:
        await client.call_tool("submit_order", SUBMIT)
        said = told(await client.call_tool("submit_order", SUBMIT))
    assert "submit the same preview_id" in said["next_step"]
    assert (len(person.asked), world.bus.published) == (2, [])


UNSENDABLE: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"expires_at": NOW - timedelta(seconds=1)}, "preview_expired"),
    "a check failed": (
        {
            "checks": (
                preview_events.Check(name="lot_size", passed=False, detail="3 in lots of 100"),
            )
        },
        "check_failed",
    ),
}


@both_eras
@pytest.mark.parametrize("name", UNSENDABLE)
async def test_nobody_is_asked_about_an_order_that_cannot_be_sent(mode: Mode, name: str) -> None:
    changes, code = UNSENDABLE[name]
    world, person = world_of(), Person(YES)
    show(world, previewed("cmd-p", **changes))
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("submit_order", SUBMIT))
    assert (said["status"], said["code"]) == ("refused", code)
    assert said["next_step"] == NEXT_STEP[Refusal(code)]
    assert (person.asked, world.bus.published) == ([], [])


@both_eras
async def test_the_question_tells_the_warnings(mode: Mode) -> None:
    spec = order_spec(side=Side.SELL, order_type=OrderType.MARKET, limit_price=None)
    old = preview_events.QuoteUsed(
        bid=None, ask=None, last=Decimal(180), at=NOW - timedelta(hours=1), is_delayed=True
    )
    world, person = world_of(), Person(YES)
    shown = show(world, previewed("cmd-p", spec=spec, quote=old))
    world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
        as_of=AS_OF, observed_at=NOW, positions=()
    )
    async with asking(world, mode, person) as client:
        assert told(await client.call_tool("submit_order", SUBMIT))["status"] == "accepted"
    (question,) = person.asked
    age_s = (shown.recorded_at - old.at).total_seconds()
    for warning in (
        f"Warning: the quote was {age_s:.0f} s old.",
        "Warning: a quote right is missing here now: the price is a delayed one.",
        "Warning: a market order takes whatever price there is.",
        "Warning: the account holds 0: 10 of it is sold short.",
    ):
        assert warning in question.splitlines()


@both_eras
async def test_the_question_warns_of_a_price_that_looks_like_a_slip(mode: Mode) -> None:
    world, person = world_of(), Person(YES)
    show(world, previewed("cmd-p", spec=order_spec(limit_price=Decimal(18560))))
    async with asking(world, mode, person) as client:
        assert told(await client.call_tool("submit_order", SUBMIT))["status"] == "accepted"
    assert (
        "Warning: limit_price 18560 is 100 times 185.60, more than 5 % past the market: it takes "
        "any price up to 18560."
    ) in person.asked[0].splitlines()


async def test_the_question_never_cuts_the_terms() -> None:
    legs = tuple(
        OptionLeg(
            right=OptionRight.CALL,
            expiry=date(2026, 12, 18),
            strike=Decimal(f"{strike}.{'5' * 40}"),
            side=Side.BUY,
            ratio=1,
        )
        for strike in range(100, 106)
    )
    spec = order_spec(security=SecurityType.COMBINATION, legs=legs)
    world, person = world_of(), Person(YES)
    show(world, previewed("cmd-p", spec=spec))
    async with asking(world, "auto", person) as client:
        await client.call_tool("submit_order", SUBMIT)
    assert order_in_words(spec) in person.asked[0]
    assert len(order_in_words(spec)) > 400


@both_eras
async def test_where_a_person_set_that_nobody_is_asked_the_order_is_sent(mode: Mode) -> None:
    world, person = world_of(asks=False), Person(ElicitResult(action="cancel"))
    async with asking(world, mode, person) as client:
        assert told(await client.call_tool("submit_order", SUBMIT))["status"] == "accepted"
    assert person.asked == []


async def test_a_question_that_nobody_answers_ends_in_a_refusal_and_a_late_yes_is_too_late() -> (
    None
):
    world, person = world_of(), Person(None)
    async with asking(world, "legacy", person) as client:
        said = told(await client.call_tool("submit_order", SUBMIT))
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert said["detail"] == "nobody answered the question within 0.2 s"
    assert world.bus.published == []


@both_eras
async def test_a_client_that_goes_away_before_the_answer_sends_nothing(mode: Mode) -> None:
    world, person = world_of(), Person(None)
    async with asking(world, mode, person) as client:
        call = asyncio.create_task(client.call_tool("submit_order", SUBMIT))
        await person.is_asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert world.bus.published == []


async def test_a_client_that_answers_with_an_error_sends_nothing() -> None:
    world, person = world_of(), Person(ErrorData(code=INTERNAL_ERROR, message="no window"))
    async with asking(world, "legacy", person) as client:
        said = told(await client.call_tool("submit_order", SUBMIT))
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    world = world_of()
    async with asking(world, "auto", person) as client:
        with pytest.raises(MCPError):
            await client.call_tool("submit_order", SUBMIT)
    assert world.bus.published == []


@both_eras
async def test_a_client_that_did_not_declare_it_is_not_asked(mode: Mode) -> None:
    world = world_of()
    async with asking(world, mode, None) as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "accepted"
    assert world.bus.asked == []


@both_eras
async def test_a_preview_that_was_spent_is_looked_at_without_a_question(mode: Mode) -> None:
    def no(_: str) -> events.OrderRefused:
        return events.OrderRefused(
            command_id=SUBMIT_ID, code=Refusal.ACCOUNT_STALE, detail="", preview_id=PREVIEW_ID
        )

    world, person = world_of(no), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "accepted"
    assert person.asked == []


@both_eras
async def test_a_preview_that_is_not_known_here_is_asked_about_all_the_same(mode: Mode) -> None:
    world, person = world_of(), Person(ElicitResult(action="decline"))
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=None, events=(), more_after=None
    )
    async with asking(world, mode, person) as client:
        answer = told(await client.call_tool("submit_order", SUBMIT))
    assert answer["status"] == "refused"
    assert PREVIEW_ID in person.asked[0]
    assert world.bus.published == []


@both_eras
async def test_without_the_preview_at_hand_nothing_is_asked_or_sent(mode: Mode) -> None:
    world, person = world_of(), Person(YES)
    del world.bus.answers["view.sandbox.explain"]
    async with asking(world, mode, person) as client:
        said = error_of(await client.call_tool("submit_order", SUBMIT))
    assert said.startswith("unavailable: ")
    assert (person.asked, world.bus.published) == ([], [])


@both_eras
async def test_a_yes_gives_no_right_and_an_argument_gives_no_yes(mode: Mode) -> None:
    world, person = world_of(), Person(YES)
    async with asking(world, mode, person) as client:
        for more in ({"confirm": True}, {"input_responses": {"confirm": {"action": "accept"}}}):
            said = error_of(await client.call_tool("submit_order", {**SUBMIT, **more}))
            assert said.startswith("invalid_argument: ")
        world.modes["sandbox"] = AccountMode.READ_ONLY
        said = error_of(await client.call_tool("submit_order", SUBMIT))
        assert said.startswith("account_read_only: ")
    assert (person.asked, world.bus.published) == ([], [])


async def test_an_answer_counts_only_for_the_question_that_was_sealed() -> None:
    world, person = world_of(), Person(YES)
    async with asking(world, "auto", person) as client:

        async def call(state: str | None, **arguments: str) -> InputRequiredResult:
            result = await client.session.call_tool(
                "submit_order",
                {**SUBMIT, **arguments},
                input_responses={"confirm": YES},
                request_state=state,
                allow_input_required=True,
            )
            assert isinstance(result, InputRequiredResult)
            return result

        # An answer that no question came before is none.
        first = await call(None)
        assert first.request_state is not None
        with pytest.raises(MCPError, match="requestState"):
            await call("made up")
        with pytest.raises(MCPError, match="requestState"):
            await call(first.request_state, preview_id=f"prv-{9:032x}")
        # The order is another now, and so is the question.
        changed = msgspec.structs.replace(previewed("cmd-p"), reason="another")
        world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
            as_of=AS_OF,
            order=None,
            events=(row_of(world.bus.record("sandbox", changed)),),
            more_after=None,
        )
        await call(first.request_state)
    assert world.bus.published == []


@both_eras
@pytest.mark.parametrize(
    ("environment", "money"),
    [(Environment.PAPER, "paper: play money"), (Environment.LIVE, "live: REAL MONEY")],
)
async def test_the_question_says_whose_money_it_is(
    mode: Mode, environment: Environment, money: str
) -> None:
    world, person = world_of(), Person(ElicitResult(action="decline"))
    world.accounts["sandbox"] = environment
    async with asking(world, mode, person) as client:
        await client.call_tool("submit_order", SUBMIT)
    assert f"on account sandbox ({money})?" in person.asked[0]


@both_eras
async def test_what_takes_risk_away_is_not_asked_about(mode: Mode) -> None:
    world, person = world_of(), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        for tool, arguments in (
            ("cancel_orders", {"account": "sandbox", "all_open": True}),
            ("halt_trading", {"account": "sandbox", "reason": "enough"}),
        ):
            await client.call_tool(tool, arguments)
    assert len(world.bus.published) == 2
    assert person.asked == []
