"""Both eras of the protocol on the whole service: every tool, and one era alone where told so."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from mcp import Client

from tests.support.cluster import ACCOUNT, Era, answer, cluster, served
from tests.support.gateway import rows_of
from tests.support.raw_client import MODERN, hello, raw

pytestmark = pytest.mark.asyncio(loop_scope="module")
LEGACY = "2025-11-25"
# Those that clients in use still speak.
OLDER = ("2024-11-05", "2025-03-26", "2025-06-18")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder = tmp_path_factory.mktemp("eras") / "home"
    async with cluster(folder):
        async with served(folder) as client:
            await answer(client, "list_accounts")
        yield folder


async def test_both_eras_have_the_same_tools_resources_and_prompts(home: Path) -> None:
    seen = []
    for mode in ("auto", "legacy"):
        async with served(home, mode=mode) as client:
            assert client.protocol_version == (MODERN if mode == "auto" else LEGACY)
            seen.append(
                (
                    [tool.model_dump() for tool in (await client.list_tools()).tools],
                    [each.model_dump() for each in (await client.list_resources()).resources],
                    [each.model_dump() for each in (await client.list_prompts()).prompts],
                    client.instructions,
                )
            )
    assert seen[0] == seen[1]
    assert all(seen[0])


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_every_tool_says_in_words_what_it_needs(home: Path, mode: Era) -> None:
    """A mistake is never a protocol error, and what is answered is the same as text and as data.

    That each tool does answer, with every word of its schema, is for `test_tool_walk.py` to show.
    """
    async with served(home, mode=mode) as client:
        for tool in (await client.list_tools()).tools:
            needed = tool.input_schema.get("required", [])
            for arguments in ({}, {"account": ACCOUNT}, {"account": "nobody"}, {"odd": 1}):
                result = await client.call_tool(tool.name, arguments)
                text = "".join(getattr(block, "text", "") for block in result.content)
                if not result.is_error:
                    assert json.loads(text) == result.structured_content, tool.name
                    continue
                code, colon, rest = text.partition(": ")
                assert colon, (tool.name, text)
                assert code.replace("_", "").isalpha(), (tool.name, text)
                assert rest, (tool.name, text)
                if arguments == {} and needed:
                    assert code == "invalid_argument", (tool.name, text)
        await client.read_resource("tiger://accounts")
        for part in ("positions", "orders"):
            await client.read_resource(f"tiger://accounts/{ACCOUNT}/{part}")


@contextlib.asynccontextmanager
async def forced(home: Path, era: str, mode: Era) -> AsyncIterator[Client]:
    async with served(home, mode=mode, options=("--era", era)) as client:
        yield client


@pytest.mark.parametrize("era, version", [("legacy", LEGACY), ("modern", MODERN)])
async def test_a_client_that_asks_which_era_finds_the_one_that_was_forced(
    home: Path, era: str, version: str
) -> None:
    async with forced(home, era, "auto") as client:
        assert client.protocol_version == version
        await answer(client, "get_positions", account=ACCOUNT)


async def test_a_client_that_mixes_the_eras_is_served_where_one_is_forced(home: Path) -> None:
    async with raw(home, "--era", "legacy") as client:
        # What reportedly locks a server that serves both, and then fails.
        probe = await client.ask("server/discover", {}, is_modern=True)
        assert probe["error"]["code"] == -32601
        said = await client.ask("initialize", hello(LEGACY), is_modern=False)
        assert said["result"]["protocolVersion"] == LEGACY
        listed = await client.ask("tools/list", {}, is_modern=False)
        assert listed["result"]["tools"]
        refused = await client.ask("tools/list", {}, is_modern=True)
        assert refused["error"]["code"] == -32600


async def test_where_the_new_era_is_forced_the_old_handshake_is_no_way_in(home: Path) -> None:
    async with raw(home, "--era", "modern") as client:
        for method, params in (("initialize", hello(LEGACY)), ("tools/list", {}), ("ping", {})):
            refused = await client.ask(method, params, is_modern=False)
            assert refused["error"]["code"] == -32022
            assert refused["error"]["data"]["supported"] == [MODERN]
        assert (await client.ask("tools/list", {}, is_modern=True))["result"]["tools"]


@pytest.mark.parametrize("version", OLDER)
async def test_a_client_of_an_older_revision_is_served_in_its_own(home: Path, version: str) -> None:
    async with raw(home) as client:
        said = await client.ask("initialize", hello(version), is_modern=False)
        assert said["result"]["protocolVersion"] == version
        assert said["result"]["instructions"]
        client.tell("notifications/initialized")
        listed = await client.ask("tools/list", {}, is_modern=False)
        names = {tool["name"] for tool in listed["result"]["tools"]}
        assert names >= {"list_accounts", "preview_order", "submit_order"}
        assert all(tool["inputSchema"]["type"] == "object" for tool in listed["result"]["tools"])
        told = await client.call("list_accounts")
        assert not told.get("isError"), told
        # Clients of the oldest revisions read the text alone.
        (row, *_) = rows_of(json.loads(told["content"][0]["text"])["accounts"])
        assert row["account"] == ACCOUNT
        refused = await client.call("get_orders", account="nobody")
        assert refused["isError"] is True
        assert refused["content"][0]["text"].startswith("unknown_account: ")
