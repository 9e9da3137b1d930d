"""The gateway's words and shapes, without a server: faults, facts, schemas, statuses."""

from typing import Annotated, Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field, ValidationError

from adapters.mcp import answers, change_outcomes, faults, outcomes
from adapters.mcp.facts import Facts, fact_of
from adapters.mcp.faults import Fault, refused_arguments, shown, told_fault
from adapters.mcp.orders_flow import ENDS, HALFWAY, Outcome
from adapters.mcp.tool_shape import Effect, tool
from core import account_events, codec, events
from core.modes import Environment
from core.orders import Phase
from core.ports import EventMessage
from core.refusals import NEXT_STEP, Refusal
from tests.support.gateway import (
    NOW,
    ORDER_ID,
    FakeBus,
    TestSigner,
    order_spec,
    previewed,
    row_of,
    somebody,
)

ANSWERS = {command: ends | HALFWAY.get(command, frozenset()) for command, ends in ENDS.items()}
READ = Effect(is_read=True, is_destructive=False, is_idempotent=True, asks_broker=False)

ASKED = outcomes.Asked(
    environment=Environment.SANDBOX, account="a1", command_id="c1", highest_n=9, now=NOW
)


def accepted() -> events.OrderAccepted:
    return events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="9", evidence="reply")


def message_of(recorded: codec.Recorded, *, body: bytes | None = None) -> EventMessage:
    _, encoded = codec.encode(recorded, prev=codec.FIRST_PREV)
    return EventMessage(f"evt.{recorded.account}.{recorded.type}", 1, body or encoded)


async def test_facts_reach_every_waiter_of_their_command_and_no_other() -> None:
    bus, facts = FakeBus(TestSigner()), Facts()
    with (
        facts.waiting("c1", "d1") as one,
        facts.waiting("c1", "d2") as two,
        facts.waiting("c2", "d3") as other,
    ):
        message = message_of(bus.record("a1", accepted(), caused_by="c1"))
        facts.hear(message)
        facts.hear(message)
        assert [fact.type for fact in one.facts] == ["order.accepted"]
        assert one.facts == two.facts
        assert other.facts == ()
        assert one.has_end(ENDS["order.submit"])
        await one.until_end(ENDS["order.submit"], limit_s=0.0)
    assert facts.highest("a1") == 1


async def test_a_fact_that_does_not_decode_is_left_to_the_view() -> None:
    bus, facts = FakeBus(TestSigner()), Facts()
    with facts.waiting("c1", "d1") as waiter:
        facts.hear(message_of(bus.record("a1", accepted(), caused_by="c1"), body=b"{}"))
        assert waiter.facts == ()
    assert facts.highest("a1") == 0


async def test_waiting_ends_at_its_limit() -> None:
    with Facts().waiting("c1", "d1") as waiter:
        await waiter.until_end(ENDS["order.submit"], limit_s=0.01)
        assert not waiter.has_end(ENDS["order.submit"])


def test_the_highest_number_of_an_account_never_falls() -> None:
    facts = Facts()
    facts.saw("a1", 5)
    facts.saw("a1", 3)
    assert (facts.highest("a1"), facts.highest("a2")) == (5, 0)


def test_a_row_of_the_view_is_the_fact_that_was_heard() -> None:
    recorded = FakeBus(TestSigner()).record("a1", previewed("c1"))
    fact = fact_of(row_of(recorded))
    assert fact is not None
    assert fact == (recorded.type, recorded.n, recorded.recorded_at, recorded.data)


def test_the_newest_end_is_what_a_command_came_to() -> None:
    assert all(name in codec.EVENT_CLASSES for ends in ANSWERS.values() for name in ends)


@pytest.mark.parametrize("name", sorted(set().union(*ANSWERS.values())))
def test_every_end_of_every_command_has_words(name: str) -> None:
    samples: dict[str, events.Event] = {
        "order.previewed": previewed("c1"),
        "order.refused": events.OrderRefused(
            command_id="c1", code=next(iter(NEXT_STEP)), detail="no"
        ),
        "order.accepted": accepted(),
        "order.rejected": events.OrderRejected(order_id=ORDER_ID, code=1, detail=""),
        "order.not_sent": events.OrderNotSent(order_id=ORDER_ID, cause=""),
        "order.outcome_unknown": events.OrderOutcomeUnknown(order_id=ORDER_ID, cause=""),
        "order.cancel_requested": events.OrderCancelRequested(order_id=ORDER_ID),
        "order.cancel_refused": events.OrderCancelRefused(order_id=ORDER_ID, code=1, detail=""),
        "order.cancel_unknown": events.OrderCancelUnknown(order_id=ORDER_ID, cause=""),
        "order.cancel_wanted": events.OrderCancelWanted(order_id=ORDER_ID, command_id="c1"),
        "order.replaced": events.OrderReplaced(order_id=ORDER_ID, spec=order_spec()),
        "order.modify_requested": events.OrderModifyRequested(order_id=ORDER_ID),
        "order.modify_refused": events.OrderModifyRefused(order_id=ORDER_ID, code=1, detail=""),
        "order.modify_not_sent": events.OrderModifyNotSent(order_id=ORDER_ID, cause=""),
        "order.modify_unknown": events.OrderModifyUnknown(order_id=ORDER_ID, cause=""),
        "order.modify_not_applied": events.OrderModifyNotApplied(
            order_id=ORDER_ID, listings=3, first_listing_at=NOW
        ),
        "account.halted": account_events.AccountHalted(
            command_id="c1", person="m", symbol="", detail=""
        ),
        "account.cancels_asked": account_events.AccountCancelsAsked(
            command_id="c1", symbol=None, side=None, order_ids=(ORDER_ID,)
        ),
    }
    fact = fact_of(row_of(FakeBus(TestSigner()).record("a1", samples[name])))
    assert fact is not None
    outcome = Outcome((fact,), fact, is_stored=True)
    made: list[Any] = []
    if name in ANSWERS["order.preview"]:
        made.append(outcomes.preview_answer(outcome, ASKED))
    if name in ANSWERS["order.submit"]:
        made.append(outcomes.submit_answer(outcome, ASKED, preview_id="p"))
    if name in ANSWERS["order.modify"]:
        made.append(change_outcomes.modify_answer(outcome, ASKED, order_id=ORDER_ID))
    if name in ANSWERS["trading.halt"]:
        made.append(change_outcomes.halt_answer(outcome, ASKED, symbol=""))
    assert all(each.next_step and each.status != "pending" for each in made)
    if name in ANSWERS["order.cancel"]:
        cells = change_outcomes.cancel_cells(outcome, order_id=ORDER_ID, command_id="c1")
        made.append(cells)
        assert change_outcomes.CANCEL_STEPS[cells["status"]]  # type: ignore[index]  # a status
        assert cells["status"] != "pending"
    assert made or name in ANSWERS["order.cancel_many"]


def test_a_result_without_facts_says_how_far_the_account_is_known_and_when() -> None:
    assert outcomes.as_of(None, ASKED) == answers.AsOf(n=9, at=NOW)
    assert outcomes.last_fact((Outcome((), None, is_stored=False),)) is None


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("invalid_argument", "invalid_argument: limit: too many."),
        ("busy", "busy: too many. Nothing was changed. Try again in a few seconds."),
        (
            "something_new",
            "unavailable: too many. Nothing was changed. A person should type `tiger-mcp status`.",
        ),
    ],
)
def test_a_fault_told_by_another_process_keeps_to_the_closed_list(code: str, says: str) -> None:
    assert str(told_fault(code, "too many", field="limit")) == says


def test_every_code_of_the_closed_list_says_what_to_do_next() -> None:
    assert set(faults.NEXT_STEP) == set(Fault)
    # A refusal of the desk may share a code with the gateway's own, never another meaning.
    shared = {str(code) for code in Fault} & {str(code) for code in Refusal}
    assert shared == {"account_read_only", "broker_unavailable"}
    for text in (*faults.NEXT_STEP.values(), *NEXT_STEP.values()):
        assert text.endswith(".")


def test_an_argument_is_never_repeated_whole() -> None:
    assert shown("x" * 1000) == f"{'x' * 40!r}… (1000 characters)"
    assert shown({"key": "value"}) == "an object"
    assert shown([1, 2]) == "a list of 2"
    assert shown(True) == "true"
    assert [shown(value) for value in (0, 1.5, -3, 10**400, 1e300)] == [
        "0",
        "1.5",
        "-3",
        "a number",
        "a number",
    ]
    assert shown(None) == "null"


def test_a_kind_of_mistake_without_words_of_its_own_still_names_the_field() -> None:
    class Arguments(BaseModel):
        moment: Annotated[float, Field(gt=0)]

    with pytest.raises(ValidationError) as found:
        Arguments.model_validate({"moment": -1})
    assert (
        str(refused_arguments(found.value))
        == "invalid_argument: moment: expected another kind of value, was -1."
    )


def test_text_from_outside_is_one_clean_line_of_bounded_length() -> None:
    cleaned = answers.broker_text("a\r\nb\x1b[31m\u202e" + "c" * 1000)
    assert cleaned.isprintable()
    assert cleaned.startswith("a  b [31m c")
    assert len(cleaned) == 300


async def test_a_tools_schemas_are_flat_and_without_titles() -> None:
    async def look(phase: Phase, note: Annotated[str | None, Field()] = None) -> answers.AsOf:
        """Look.

        Twice.
        """
        return answers.AsOf(n=1, at=NOW if note else None)

    made = tool(look, READ)
    assert made.description == "Look. Twice."
    assert made.parameters == {
        "type": "object",
        "properties": {
            "phase": {"enum": [phase.value for phase in Phase]},
            "note": {"type": "string"},
        },
        "required": ["phase"],
        "additionalProperties": False,
    }
    assert made.output_schema == {
        "type": "object",
        "required": [],
    }
    with somebody():
        assert await made.run({"phase": "working"}, None) == answers.AsOf(n=1)
        with pytest.raises(ToolError, match="invalid_argument: phase: expected "):
            await made.run({"phase": "gone"}, None)
