"""Tasks that people give, done through the tools by a client that knows only what they answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final, Literal

import pytest
import pytest_asyncio
from mcp.client.context import ClientRequestContext
from mcp.types import ElicitRequestParams, ElicitResult, TextResourceContents

from projections.audit import is_audited
from tests.e2e.tasks.running import run
from tests.e2e.tasks.stage import PLACE, WAIT_S, Stage, staged
from tests.e2e.tasks.table import documented, is_near
from tests.e2e.tasks.task import Task
from tests.e2e.tasks.tasks import TASKS
from tests.support.cluster import Era, answer, served
from tests.support.gateway import rows_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    path = tmp_path_factory.mktemp("tasks") / "home"
    stages: asyncio.Queue[Stage] = asyncio.Queue()
    over = asyncio.Event()

    # A client must be closed by the task that opened it, which a fixture's two halves are not.
    async def hold() -> None:
        async with staged(path) as running:
            stages.put_nowait(running)
            await over.wait()

    holder: asyncio.Task[Any] = asyncio.create_task(hold())
    ready: asyncio.Task[Any] = asyncio.create_task(stages.get())
    await asyncio.wait({holder, ready}, return_when=asyncio.FIRST_COMPLETED)
    if holder.done():
        ready.cancel()
        await holder
    yield await ready
    over.set()
    await holder


TERMS: Final = {
    "account": "sandbox-two",
    "symbol": "MSFT",
    "side": "buy",
    "order_type": "limit",
    "quantity": "1",
    "limit_price": "1",
    "reason": "a test",
}


# Before the tasks: the last of them halts everything.
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_person_who_is_asked_decides_whether_the_broker_hears_of_an_order(
    stage: Stage, mode: Era
) -> None:
    questions: list[str] = []
    actions: list[Literal["accept", "decline", "cancel"]] = ["decline", "cancel", "accept"]

    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert context.session is not None
        questions.append(params.message)
        return ElicitResult(action=actions[len(questions) - 1], content={})

    await stage.begin()
    async with served(stage.path, mode=mode, asked=person) as client:
        declined = await answer(client, "preview_order", **TERMS)
        over = {"account": TERMS["account"], "preview_id": declined["preview_id"]}
        for _ in range(2):
            told = await answer(client, "submit_order", **over)
            assert (told["status"], told["code"]) == ("refused", "not_confirmed")
        # A no ends the preview, and nobody is asked about it again.
        assert len(questions) == 1
        shown = await answer(client, "preview_order", **TERMS)
        chosen = {"account": TERMS["account"], "preview_id": shown["preview_id"]}
        told = await answer(client, "submit_order", **chosen)
        assert (told["status"], told["code"]) == ("refused", "not_confirmed")
        await stage.ledger.read()
        assert stage.facts("sandbox-two") == {"order.previewed": 2}
        assert stage.requests(PLACE) == 0
        for _ in range(2):
            told = await answer(client, "submit_order", **chosen)
            assert told["status"] == "accepted"
    # Once it was sent, to repeat the call is only to look.
    assert len(questions) == len(actions)
    assert all(shown["summary"] in question for question in questions)
    assert stage.requests(PLACE) == 1


async def test_a_client_that_goes_away_while_its_person_thinks_sends_nothing(
    stage: Stage,
) -> None:
    thinking = asyncio.Event()

    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        assert context.session is not None
        assert params.message
        thinking.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody answers")

    await stage.begin()
    async with served(stage.path, mode="legacy", asked=person) as client:
        shown = await answer(client, "preview_order", **TERMS)
        chosen = {"account": TERMS["account"], "preview_id": shown["preview_id"]}
        call = asyncio.create_task(client.call_tool("submit_order", chosen))
        await thinking.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    await stage.ledger.read()
    assert stage.facts("sandbox-two") == {"order.previewed": 1}
    assert stage.requests(PLACE) == 0


@pytest.mark.parametrize("task", TASKS, ids=[task.words for task in TASKS])
async def test_a_task_is_done_in_the_calls_and_bytes_that_the_page_says(
    stage: Stage, task: Task
) -> None:
    now = await run(stage, task)
    written = documented()[task.words]
    assert is_near(now, written), f"{now} against {written}: run `just tasks`"


async def audit_of(stage: Stage, alias: str) -> list[tuple[int, str]]:
    """Return number and name of every fact that the audit shows, the newest first."""
    address = f"tiger://accounts/{alias}/audit"
    shown: list[tuple[int, str]] = []
    secrets = [stage.numbers[alias], "private_key"]
    while address:
        (content,) = (await stage.client.read_resource(address)).contents
        assert isinstance(content, TextResourceContents)
        assert [secret for secret in secrets if secret in content.text] == []
        page = json.loads(content.text)
        shown += [(row["n"], row["what"]) for row in rows_of(page["facts"])]
        address = page.get("next", "")
    return shown


def audited(stage: Stage, alias: str) -> list[tuple[int, str]]:
    """Return the same of every fact in the ledger that an audit is to show."""
    facts = stage.ledger.facts[alias]
    return [(each.n, each.type) for each in reversed(facts) if is_audited(each.data)]


async def test_the_audit_shows_what_the_ledger_has_page_by_page(stage: Stage) -> None:
    await stage.begin()
    for alias in stage.numbers:
        known_n = audited(stage, alias)[0][0]
        async with asyncio.timeout(WAIT_S):
            while (shown := await audit_of(stage, alias))[0][0] < known_n:
                pass
        # What was recorded since is shown as well.
        await stage.ledger.read()
        assert shown == [fact for fact in audited(stage, alias) if fact[0] <= shown[0][0]]


async def test_the_brokers_books_and_the_ledgers_have_the_same_orders_and_fills(
    stage: Stage,
) -> None:
    await stage.clear()
    await stage.begin()
    for alias, number in stage.numbers.items():
        book = stage.control.book(number)
        orders = {str(order.global_id) for order in book.orders}
        fills = {str(fill.fill_id) for fill in book.fills}
        # What filled a moment ago is recorded as soon as it is listed.
        async with asyncio.timeout(WAIT_S):
            while not (orders <= stage.ledger.orders(alias) and fills <= stage.ledger.fills(alias)):
                await stage.ledger.read()
        assert stage.ledger.orders(alias) == orders
        assert stage.ledger.fills(alias) == fills
