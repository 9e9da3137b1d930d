"""A client of `tiger-mcp serve` that says exactly what it wants, in lines of JSON."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

MODERN: Final = "2026-07-28"
ANSWER_LIMIT_S: Final = 30.0
_LINE_BYTES_MAX: Final = 1 << 20


class Raw:
    """One connection."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._out, self._in = process.stdin, process.stdout
        self._count = 0

    async def ask(self, method: str, params: dict[str, Any], *, is_modern: bool) -> dict[str, Any]:
        """Send a request and return its response, whatever comes before it."""
        self._count += 1
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
        told = params | ({"_meta": meta} if is_modern else {})
        self._say({"id": self._count, "method": method, "params": told})
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while True:
                message: dict[str, Any] = json.loads(await self._in.readline())
                if message.get("id") == self._count:
                    return message

    def tell(self, method: str) -> None:
        """Send a notification."""
        self._say({"method": method})

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool in the old era and return its result."""
        asked = {"name": tool, "arguments": arguments}
        answer = await self.ask("tools/call", asked, is_modern=False)
        result: dict[str, Any] = answer["result"]
        return result

    def _say(self, message: dict[str, Any]) -> None:
        self._out.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")


def hello(version: str) -> dict[str, Any]:
    """Return what `initialize` says for a client of one revision."""
    return {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    }


@contextlib.asynccontextmanager
async def raw(home: Path, *options: str) -> AsyncIterator[Raw]:
    """Start `tiger-mcp serve` on a home."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infra.cli"),
        *("--home", str(home), "serve", *options),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LINE_BYTES_MAX,
    )
    try:
        yield Raw(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        async with asyncio.timeout(ANSWER_LIMIT_S):
            await process.wait()
