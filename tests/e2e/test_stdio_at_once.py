"""`tiger-mcp serve` with a client that says all it has to say and is gone before the link is up."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

from tests.e2e.test_http_service import LIMIT_S, stored
from tests.support.cluster import answer, cluster, served

ABOUT: Final = {"name": "brief", "version": "1"}
SAID: Final = (
    {
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": ABOUT},
    },
    {"method": "notifications/initialized"},
    {"id": 2, "method": "tools/call", "params": {"name": "list_accounts", "arguments": {}}},
)


async def test_a_call_followed_by_the_end_of_input_has_its_record(tmp_path: Path) -> None:
    home = tmp_path / "home"
    said = "".join(json.dumps({"jsonrpc": "2.0", **each}) + "\n" for each in SAID)
    async with cluster(home):
        async with served(home) as client:
            await answer(client, "list_accounts")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "infra.cli", "--home", str(home), "serve"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(2 * LIMIT_S):
            await process.communicate(said.encode())
        assert process.returncode == 0
        records = [record for _, record in await stored(home) if record.client == "brief 1"]
    assert [each.tool for each in records] == ["list_accounts"]
