"""Each row of the predecessors' table, performed on the sandbox through a real MCP client.

One cluster serves all rows; each takes symbols of its own where orders could meet.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from mcp import Client

from tests.e2e import parity_accounts, parity_orders, parity_quotes, parity_reference
from tests.e2e.parity_stage import Stage
from tests.support import tool_examples
from tests.support.cluster import answer, cluster, served
from tests.support.parity_rows import LATER_TOOLS, Answered, all_rows

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    # The broker's SDK, which is asked for the truth, renames the columns of its tables so.
    pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning"),
]
CASES = parity_quotes.CASES | parity_reference.CASES | parity_orders.CASES | parity_accounts.CASES


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("parity") / "home"
    async with cluster(folder), held(folder) as client:
        await answer(client, "list_accounts")
        made = Stage(folder, client)
        made.switch(price_drift=False)
        await made.prepare()
        yield made


@contextlib.asynccontextmanager
async def held(home: Path) -> AsyncIterator[Client]:
    """Serve a client from a task of its own: it must be left in the task that entered it."""
    ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    done = asyncio.Event()

    async def serve() -> None:
        async with served(home) as client:
            ready.set_result(client)
            await done.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(serve())
        try:
            yield await ready
        finally:
            done.set()


async def test_every_row_has_a_case_and_every_case_a_row() -> None:
    assert CASES.keys() == all_rows().keys()
    assert len(CASES) == 23 + 22


@pytest.mark.parametrize("row", all_rows())
async def test_row_is_performed(stage: Stage, row: str) -> None:
    await CASES[row](stage)


async def test_rows_name_tools_that_there_are_and_no_other_is_listed(stage: Stage) -> None:
    listed = {tool.name for tool in (await stage.client.list_tools()).tools}
    named = {tool for row in all_rows().values() for tool in row.tools}
    assert named <= listed
    assert listed.isdisjoint(LATER_TOOLS)
    later = [name for name, row in all_rows().items() if row.answered is Answered.LATER]
    assert later == ["seed tiger_refresh_token"]


async def test_the_examples_of_the_manual_answer_as_they_are_shown(stage: Stage) -> None:
    played, shown = await tool_examples.played(stage.client), tool_examples.recorded()
    assert played.keys() == shown.keys()
    for name, example in shown.items():
        now = played[name]
        assert example.arguments.keys() == now.arguments.keys(), name
        assert tool_examples.names_in(example.answer) <= tool_examples.names_in(now.answer), name
        assert example.answer.get("status") == now.answer.get("status"), name
