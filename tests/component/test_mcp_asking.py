"""A client that declares that it shows questions: what each answer of the person leads to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest
from mcp import Client, MCPError
from mcp.client.context import ClientRequestContext
from mcp.types import (
    INTERNAL_ERROR,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
)

from adapters.mcp.words import order_in_words
from core import codec, events, views
from core.commands import ModifyOrder, SubmitOrder, TermsSeen, submit_command_id
from core.events import Environment
from core.events import Mode as AccountMode
from core.ids import derived_id
from core.orders import Phase
from core.refusals import NEXT_STEP, Refusal
from core.terms import OptionLeg, OptionRight, OrderType, SecurityType, Side
from tests.support.gateway import (
    AS_OF,
    MODES,
    NOW,
    ORDER_ID,
    PREVIEW_ID,
    QUICK,
    TEST_LIMIT_S,
    Mode,
    World,
    error_of,
    order_row,
    order_spec,
    previewed,
    row_of,
    somebody,
    told,
)

both_eras = pytest.mark.parametrize("mode", MODES)
SUBMIT = {"account": "sandbox", "preview_id": PREVIEW_ID}
LOCAL = derived_id("own", "local")
SUBMIT_ID = submit_command_id("sandbox", PREVIEW_ID, LOCAL)
Answer = ElicitResult | ErrorData
YES = ElicitResult(action="accept", content={})


class Person:
    """Sits before the client and answers each question the same way, or not at all."""

    def __init__(self, answer: Answer | None) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> Answer:
        assert isinstance(params, ElicitRequestFormParams)
        assert context.session is not None
        self.asked.append(params.message)
        self.is_asked.set()
        if self._answer is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody answers")
        return self._answer


def world_of(*facts: Callable[[str], events.Event], asks: bool = True) -> World:
    """Return a world whose worker takes each order, and whose ledger has one preview."""
    world = World(msgspec.structs.replace(QUICK, person_s=0.2, submit_s=2.0), asks=asks)
    shown = [world.bus.record("sandbox", each("cmd-p")) for each in (previewed, *facts)]
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=None, events=tuple(map(row_of, shown)), more_after=None
    )

    def work(sent: Any) -> None:
        accepted = events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="1", evidence="reply")
        world.bus.emit(sent.account, accepted, caused_by=sent.envelope.command_id)

    world.bus.worker = work
    return world


def show(world: World, *facts: events.Event) -> codec.Recorded:
    """Have the projector tell these facts of the preview instead; return the first."""
    recorded = [world.bus.record("sandbox", each) for each in facts]
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=None, events=tuple(map(row_of, recorded)), more_after=None
    )
    return recorded[0]


@asynccontextmanager
async def asking(world: World, mode: Mode, person: Person | None) -> AsyncIterator[Client]:
    with somebody():
        async with (
            asyncio.timeout(TEST_LIMIT_S),
            Client(world.server, mode=mode, elicitation_callback=person) as client,
        ):
            yield client


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
        {"checks": (events.Check(name="lot_size", passed=False, detail="3 in lots of 100"),)},
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
    old = events.QuoteUsed(
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


CHANGE = {"account": "sandbox", "order_id": ORDER_ID, "reason": "because"}
MORE = {"quantity": "1000", "limit_price": "600"}
CHANGED = events.OrderReplaced(order_id=ORDER_ID, spec=order_spec())


def changing(*rows: views.OrderRow) -> World:
    """Return a world whose projector shows these orders, and whose worker makes each change."""
    world = world_of()
    show_orders(world, *rows)

    def work(sent: Any) -> None:
        world.bus.emit(sent.account, CHANGED, caused_by=sent.envelope.command_id)

    world.bus.worker = work
    return world


def show_orders(world: World, *rows: views.OrderRow) -> None:
    world.bus.answers["view.sandbox.orders"] = views.OrdersAnswer(
        as_of=AS_OF, orders=rows, cursor=None
    )


OPEN = order_row(ORDER_ID, filled_quantity=Decimal(0))


@both_eras
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_a_change_that_grows_an_order_is_asked_of_the_person(
    mode: Mode, action: Literal["decline", "cancel"]
) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action=action))
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert said["next_step"].startswith("This call changed nothing.")
    assert world.bus.published == []
    assert person.asked == [
        f"Change order {ORDER_ID} at the broker, on account sandbox (sandbox: simulated money)?\n"
        "From: Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day. "
        "(worth about 1855.00 USD)\n"
        "To: Buy 1000 AAPL (US stock) at limit 600 USD, good for the day. "
        "(worth about 600000 USD)\n"
        "Warning: limit_price goes from 185.50 to 600, 3.23 times what it was.\n"
        "Reason given: because"
    ]


@both_eras
async def test_a_change_that_was_declined_is_not_asked_again_whatever_its_reason(
    mode: Mode,
) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        first = told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    insistent = Person(YES)
    async with asking(world, mode, insistent) as client:
        urgent = {**CHANGE, **MORE, "reason": "it is urgent"}
        said = told(await client.call_tool("modify_order", urgent))
    assert first["next_step"] == said["next_step"]
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert said["detail"] == "the person said no to this change"
    assert "with a new key" in said["next_step"]
    assert (len(person.asked), insistent.asked, world.bus.published) == (1, [], [])


ANOTHER_CHANGE: dict[str, tuple[views.OrderRow, dict[str, str]]] = {
    "other terms": (OPEN, {"limit_price": "601"}),
    "a key of its own": (OPEN, {"key": "after-all"}),
    "an order that became another": (
        msgspec.structs.replace(OPEN, spec=order_spec(quantity=Decimal(20))),
        {},
    ),
}


@both_eras
@pytest.mark.parametrize("name", ANOTHER_CHANGE)
async def test_another_change_than_the_one_that_was_declined_is_asked_about(
    mode: Mode, name: str
) -> None:
    row, changes = ANOTHER_CHANGE[name]
    world, person = changing(OPEN), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        await client.call_tool("modify_order", {**CHANGE, **MORE})
    show_orders(world, row)
    world.bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=())
    willing = Person(YES)
    async with asking(world, mode, willing) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE, **changes}))
    assert (said["status"], len(willing.asked)) == ("replaced", 1)


@both_eras
async def test_a_question_about_a_change_that_was_closed_may_be_asked_again(mode: Mode) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action="cancel"))
    async with asking(world, mode, person) as client:
        for _ in range(2):
            await client.call_tool("modify_order", {**CHANGE, **MORE})
    assert (len(person.asked), world.bus.published) == (2, [])


@both_eras
async def test_a_change_that_the_person_agreed_to_is_sent_once(mode: Mode) -> None:
    world, person = changing(OPEN), Person(YES)
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert said["status"] == "replaced"
    assert [sent.command for sent in world.bus.published] == [
        ModifyOrder(order_id=ORDER_ID, reason="because", **MORE, seen=TermsSeen.of(order_spec()))
    ]
    assert len(person.asked) == 1


@both_eras
async def test_a_change_over_one_on_its_way_is_bound_to_the_terms_that_the_question_named(
    mode: Mode,
) -> None:
    world, person = changing(PENDING), Person(YES)
    async with asking(world, mode, person) as client:
        told(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert "From: Buy 5 AAPL" in person.asked[0]
    (sent,) = [each.command for each in world.bus.published]
    assert isinstance(sent, ModifyOrder)
    assert sent.seen == TermsSeen.of(order_spec(quantity=Decimal(5)))


PENDING = msgspec.structs.replace(OPEN, wanted=order_spec(quantity=Decimal(5)))
UNASKED: dict[str, tuple[views.OrderRow, dict[str, str]]] = {
    "less of it": (OPEN, {"quantity": "9"}),
    "a lower limit to buy": (OPEN, {"limit_price": "185"}),
    # The worker refuses these, and writes it down.
    "an order that ended": (msgspec.structs.replace(OPEN, phase=Phase.FILLED), MORE),
    "an order from elsewhere": (msgspec.structs.replace(OPEN, is_external=True), MORE),
}


@pytest.mark.parametrize("name", UNASKED)
async def test_a_change_that_takes_risk_away_is_not_asked_about(name: str) -> None:
    row, changes = UNASKED[name]
    world, person = changing(row), Person(ElicitResult(action="decline"))
    async with asking(world, "auto", person) as client:
        await client.call_tool("modify_order", {**CHANGE, **changes})
    assert (person.asked, len(world.bus.published)) == ([], 1)


ASKED_ALL_THE_SAME: dict[str, tuple[tuple[views.OrderRow, ...], str]] = {
    "its terms are not known": ((), "to quantity 7? What it says now is not known here."),
    "another change is on its way": ((PENDING,), "From: Buy 5 AAPL"),
}


@both_eras
@pytest.mark.parametrize("name", ASKED_ALL_THE_SAME)
async def test_a_change_of_what_is_not_sure_is_asked_about(mode: Mode, name: str) -> None:
    rows, text = ASKED_ALL_THE_SAME[name]
    world, person = changing(*rows), Person(ElicitResult(action="decline"))
    async with asking(world, mode, person) as client:
        await client.call_tool("modify_order", {**CHANGE, "quantity": "7"})
    assert text in person.asked[0]
    assert world.bus.published == []


@both_eras
async def test_without_the_order_at_hand_no_change_is_asked_or_sent(mode: Mode) -> None:
    world, person = changing(), Person(YES)
    del world.bus.answers["view.sandbox.orders"]
    async with asking(world, mode, person) as client:
        said = error_of(await client.call_tool("modify_order", {**CHANGE, **MORE}))
    assert said.startswith("unavailable: ")
    assert (person.asked, world.bus.published) == ([], [])


@both_eras
async def test_a_change_that_fits_no_term_of_the_order_is_nothing_to_ask_about(mode: Mode) -> None:
    world, person = changing(OPEN), Person(YES)
    async with asking(world, mode, person) as client:
        said = error_of(await client.call_tool("modify_order", {**CHANGE, "stop_price": "9"}))
    assert said.startswith("invalid_argument: stop_price: ")
    assert (person.asked, world.bus.published) == ([], [])


@both_eras
async def test_the_question_about_a_change_warns_of_a_price_that_moves_far(mode: Mode) -> None:
    world, person = changing(OPEN), Person(YES)
    async with asking(world, mode, person) as client:
        await client.call_tool("modify_order", {**CHANGE, "limit_price": "18550"})
    assert (
        "Warning: limit_price goes from 185.50 to 18550, 100 times what it was."
        in person.asked[0].splitlines()
    )


@both_eras
async def test_a_change_is_looked_at_again_by_its_key_without_a_question(mode: Mode) -> None:
    world, person = changing(OPEN), Person(ElicitResult(action="decline"))
    known = row_of(world.bus.record("sandbox", CHANGED))
    world.bus.answers["view.sandbox.command"] = views.CommandAnswer(as_of=AS_OF, events=(known,))
    async with asking(world, mode, person) as client:
        said = told(await client.call_tool("modify_order", {**CHANGE, **MORE, "key": "one"}))
    assert said["status"] == "replaced"
    assert person.asked == []


@both_eras
async def test_a_yes_to_terms_that_the_order_has_no_more_is_none(mode: Mode) -> None:
    world = changing(OPEN)

    class Slow(Person):
        """Says yes, but while the question is open the order becomes another."""

        async def __call__(
            self, context: ClientRequestContext, params: ElicitRequestParams
        ) -> Answer:
            if not self.asked:
                spec = order_spec(quantity=Decimal(20))
                show_orders(world, msgspec.structs.replace(OPEN, spec=spec))
            else:
                self._answer = ElicitResult(action="decline")
            return await super().__call__(context, params)

    person = Slow(YES)
    async with asking(world, mode, person) as client:
        said = told(
            await client.call_tool("modify_order", {**CHANGE, "limit_price": MORE["limit_price"]})
        )
    assert (said["status"], said["code"]) == ("refused", "not_confirmed")
    assert world.bus.published == []


async def test_where_a_person_set_that_nobody_is_asked_the_change_is_made() -> None:
    world, person = world_of(asks=False), Person(ElicitResult(action="decline"))
    async with asking(world, "auto", person) as client:
        await client.call_tool("modify_order", {**CHANGE, **MORE})
    assert (person.asked, len(world.bus.published)) == ([], 1)
