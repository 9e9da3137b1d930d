"""Whose a preview is: every command of one carries it, and nobody learns of another's."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult
from msgspec.structs import replace

from adapters.mcp.callers import CALLER, LOCAL, Caller, Role, read_grants
from adapters.mcp.principals import owner_of_previews
from core import events, views
from core.commands import PreviewOrder, submit_command_id
from core.refusals import NEXT_STEP, Refusal
from tests.support.gateway import (
    AS_OF,
    MODES,
    ORDER_ID,
    PREVIEW_ID,
    QUICK,
    TERMS,
    Mode,
    Published,
    World,
    order_row,
    previewed,
    row_of,
    started,
    told,
)
from tests.support.http_gateway import HttpGateway, http_gateway

SUBMIT = {"account": "sandbox", "preview_id": PREVIEW_ID}
both_eras = pytest.mark.parametrize("mode", MODES)


def token(principal: str, client: str = "") -> Caller:
    """Return a trader on the sandbox, as a token of this client makes it."""
    grants = read_grants((f"tiger:sandbox:{Role.TRADER}",))
    return Caller(principal, f"tok-{principal}", grants, client=client)


ANN, BOB = token("ann"), token("bob")


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    before = CALLER.set(caller)
    try:
        yield
    finally:
        CALLER.reset(before)


def owner(caller: Caller) -> str:
    with calling(caller):
        return owner_of_previews()


def test_an_owner_is_a_subject_with_its_client_and_the_user_of_this_machine_is_another() -> None:
    callers = [LOCAL, ANN, BOB, token("ann", "app"), token("ann", "other"), token("annapp")]
    owners = [owner(caller) for caller in callers]
    assert len(set(owners)) == len(callers)
    # A token that was renewed is the same caller, in this process and after it.
    assert owner(ANN._replace(token_id="tok-2")) == owner(ANN)
    assert owner(LOCAL) == "own-5fc1ba300c12a39cb64f5c982b55aa83"


@pytest.fixture
async def gateway(tmp_path: Path) -> Any:
    async with http_gateway(tmp_path, world=World(QUICK)) as served:
        yield served


async def test_commands_of_previews_say_whose_they_are_and_others_do_not(
    gateway: HttpGateway,
) -> None:
    issuer, bus = gateway.issuer, gateway.world.bus
    tokens = [
        issuer.token("ann", "sandbox:trader"),
        issuer.token("ann", "sandbox:trader", jti="tok-renewed"),
        issuer.token("ann", "sandbox:trader", client_id="app"),
        issuer.token("bob", "sandbox:trader"),
    ]
    for each in tokens:
        await gateway.call(each, "preview_order", **TERMS)
        await gateway.call(each, "submit_order", **SUBMIT)
        await gateway.call(each, "halt_trading", account="sandbox", reason="enough")
    sent: dict[str, list[Published]] = {}
    for command in bus.published:
        sent.setdefault(type(command.command).__name__, []).append(command)
    # A command is sent until it is known to be stored.
    owners = {tool: list(dict.fromkeys(e.envelope.owner for e in sent[tool])) for tool in sent}
    expected = [owner(caller) for caller in (ANN, token("ann", "app"), BOB)]
    assert owners == {"PreviewOrder": expected, "SubmitOrder": expected, "HaltTrading": [""]}
    assert list(dict.fromkeys(e.envelope.command_id for e in sent["SubmitOrder"])) == [
        submit_command_id("sandbox", PREVIEW_ID, each) for each in expected
    ]


async def test_a_client_of_no_text_is_no_token(gateway: HttpGateway) -> None:
    reply = await gateway.post(gateway.issuer.token("ann", "sandbox:trader", client_id=7))
    assert reply.status_code == 401


async def test_one_key_of_two_clients_of_a_principal_is_two_keys(gateway: HttpGateway) -> None:
    for client in ("app", "other"):
        bearer = gateway.issuer.token("ann", "sandbox:trader", client_id=client)
        await gateway.call(bearer, "preview_order", **TERMS, key="k")
    keys = [
        e.command.key for e in gateway.world.bus.published if isinstance(e.command, PreviewOrder)
    ]
    assert len(set(keys)) == 2
    assert all(key.endswith("/k") for key in keys)


class Person:
    """Answers each question the same way."""

    def __init__(self, answer: ElicitResult) -> None:
        self._answer = answer
        self.asked: list[str] = []

    async def __call__(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult:
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params.message)
        return self._answer


def world_of(*facts: events.Event, order: views.OrderRow | None = None) -> World:
    """Return a world whose projector tells these facts, and whose worker knows Ann's preview."""
    world = World(QUICK)
    rows = tuple(row_of(world.bus.record("sandbox", fact)) for fact in facts)
    world.bus.answers["view.sandbox.explain"] = views.ExplainAnswer(
        as_of=AS_OF, order=order, events=rows, more_after=None
    )

    def work(sent: Published) -> None:
        end: events.Event = events.OrderRefused(
            command_id=sent.envelope.command_id,
            code=Refusal.PREVIEW_UNKNOWN,
            detail=f"there is no such preview. {NEXT_STEP[Refusal.PREVIEW_UNKNOWN]}",
            preview_id=PREVIEW_ID,
        )
        if sent.envelope.owner == owner(ANN):
            end = events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="1", evidence="reply")
        world.bus.emit(sent.account, end, caused_by=sent.envelope.command_id)

    world.bus.worker = work
    return world


async def submit(world: World, caller: Caller, mode: Mode, person: Person) -> dict[str, Any]:
    with calling(caller):
        async with Client(world.server, mode=mode, elicitation_callback=person) as client:
            return told(await client.call_tool("submit_order", SUBMIT))


ANNS = replace(previewed("cmd-p"), owner=owner(ANN))
YES, NO = ElicitResult(action="accept", content={}), ElicitResult(action="decline")


@both_eras
@pytest.mark.parametrize("is_sent", [False, True])
async def test_a_question_tells_nothing_of_anothers_preview(mode: Mode, is_sent: bool) -> None:
    sent = (started(submit_command_id("sandbox", PREVIEW_ID, owner(ANN))),) if is_sent else ()
    order = order_row(ORDER_ID) if is_sent else None
    answers, questions = [], []
    for world in (world_of(ANNS, *sent, order=order), world_of()):
        person = Person(YES)
        said = await submit(world, BOB, mode, person)
        answers.append(said | {"as_of": "how much is recorded"})
        questions.append(person.asked)
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "preview_unknown"
    assert questions[0] == questions[1]
    assert "AAPL" not in questions[0][0]


@both_eras
async def test_a_no_of_another_ends_no_preview(mode: Mode) -> None:
    world, bob, ann = world_of(ANNS), Person(NO), Person(YES)
    assert (await submit(world, BOB, mode, bob))["code"] == "not_confirmed"
    assert (await submit(world, ANN, mode, ann))["status"] == "accepted"
    assert (len(bob.asked), len(ann.asked)) == (1, 1)


@both_eras
async def test_a_refusal_of_another_lets_no_order_pass_without_a_question(mode: Mode) -> None:
    refused = events.OrderRefused(
        command_id=submit_command_id("sandbox", PREVIEW_ID, owner(BOB)),
        code=Refusal.PREVIEW_UNKNOWN,
        detail="",
        preview_id=PREVIEW_ID,
    )
    world, ann = world_of(ANNS, refused), Person(NO)
    assert (await submit(world, ANN, mode, ann))["code"] == "not_confirmed"
    assert len(ann.asked) == 1
    assert world.bus.published == []
