"""Many MCP clients over HTTP at once: raw requests over kept connections, the same for any server.

A client is one connection that sends its next call when the last one is answered, as a model does.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from infra.bench.fault import BenchError

PROTOCOL: Final = "2025-06-18"
_ANSWER_LIMIT_S: Final = 30.0


async def call_at_once(
    port: int,
    tokens: Sequence[str],
    tool: str,
    arguments: Mapping[str, object],
    *,
    rounds: int,
) -> list[float]:
    """Call a tool `rounds` times from one client per token, all at once; return milliseconds.

    Raises:
        BenchError: a call was refused.
    """
    connections = [await _Connection.open(port, token) for token in tokens]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(each.time_calls(tool, arguments, rounds=rounds))
                for each in connections
            ]
    finally:
        for each in connections:
            each.close()
    return [value for task in tasks for value in task.result()]


class _Connection:
    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, port: int, token: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._head = (
            f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            "Accept: application/json, text/event-stream\r\n"
            f"MCP-Protocol-Version: {PROTOCOL}\r\n"
        )

    @classmethod
    async def open(cls, port: int, token: str) -> "_Connection":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        return cls(reader, writer, port=port, token=token)

    async def time_calls(
        self, tool: str, arguments: Mapping[str, object], *, rounds: int
    ) -> list[float]:
        values = []
        for number in range(rounds):
            began_s = time.perf_counter()
            await self._call(number, tool, arguments)
            values.append((time.perf_counter() - began_s) * 1000)
        return values

    async def _call(self, number: int, tool: str, arguments: Mapping[str, object]) -> None:
        params = {"name": tool, "arguments": dict(arguments)}
        body = msgspec.json.encode(
            {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
        )
        self._writer.write(f"{self._head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(_ANSWER_LIMIT_S):
            status, answer = await self._answer()
        told: dict[str, Any] = msgspec.json.decode(answer) if status == b"200" else {}
        if "result" not in told or told["result"].get("isError"):
            raise BenchError(f"{tool} over HTTP: {status.decode()} {answer[:300]!r}")

    async def _answer(self) -> tuple[bytes, bytes]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(
            int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")
        )
        return head.split(b" ", 2)[1], await self._reader.readexactly(length)

    def close(self) -> None:
        self._writer.close()
