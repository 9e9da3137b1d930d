"""Both eras of the protocol on the whole service: every tool, and one era alone where told so."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp import Client

from tests.support.cluster import ACCOUNT, Era, answer, cluster, served

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODERN = "2026-07-28"
LEGACY = "2025-11-25"


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
async def test_every_tool_answers_or_says_what_it_needs(home: Path, mode: Era) -> None:
    async with served(home, mode=mode) as client:
        for tool in (await client.list_tools()).tools:
            needed = tool.input_schema.get("required", [])
            for arguments in ({}, {"account": ACCOUNT}, {"account": "nobody"}, {"odd": 1}):
                # A mistake of the model is a result that it can read, never a protocol error.
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


class Raw:
    """A client that says what it wants, in lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._out, self._in = process.stdin, process.stdout
        self._count = 0

    async def ask(self, method: str, params: dict[str, Any], *, is_modern: bool) -> dict[str, Any]:
        self._count += 1
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        told = params | ({"_meta": meta} if is_modern else {})
        request = {"jsonrpc": "2.0", "id": self._count, "method": method, "params": told}
        self._out.write(json.dumps(request).encode() + b"\n")
        async with asyncio.timeout(30):
            while True:
                message: dict[str, Any] = json.loads(await self._in.readline())
                if message.get("id") == self._count:
                    return message


@contextlib.asynccontextmanager
async def raw(home: Path, era: str) -> AsyncIterator[Raw]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infra.cli"),
        *("--home", str(home), "serve", "--era", era),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=1 << 20,
    )
    try:
        yield Raw(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(30):
            await process.wait()


HELLO: dict[str, Any] = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


async def test_a_client_that_mixes_the_eras_is_served_where_one_is_forced(home: Path) -> None:
    async with raw(home, "legacy") as client:
        # What reportedly locks a server that serves both, and then fails.
        probe = await client.ask("server/discover", {}, is_modern=True)
        assert probe["error"]["code"] == -32601
        hello = await client.ask("initialize", HELLO, is_modern=False)
        assert hello["result"]["protocolVersion"] == LEGACY
        listed = await client.ask("tools/list", {}, is_modern=False)
        assert listed["result"]["tools"]
        refused = await client.ask("tools/list", {}, is_modern=True)
        assert refused["error"]["code"] == -32600


async def test_where_the_new_era_is_forced_the_old_handshake_is_no_way_in(home: Path) -> None:
    async with raw(home, "modern") as client:
        for method, params in (("initialize", HELLO), ("tools/list", {}), ("ping", {})):
            refused = await client.ask(method, params, is_modern=False)
            assert refused["error"]["code"] == -32022
            assert refused["error"]["data"]["supported"] == [MODERN]
        assert (await client.ask("tools/list", {}, is_modern=True))["result"]["tools"]
