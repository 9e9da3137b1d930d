"""A raw MCP client over stdio: JSON-RPC lines and nothing else, the same for every server.

The servers that are compared need different versions of the MCP SDK, so neither version drives
them. The handshake is the one that both speak (protocol 2025-06-18).
"""

import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from infra.bench.fault import BenchError

PROTOCOL: Final = "2025-06-18"
# A server that hangs is ended after this long, whatever is asked of it.
LIFE_MAX_S: Final = 300.0
_STOP_LIMIT_S: Final = 30.0
_encoder: Final = msgspec.json.Encoder()


class StdioServer:
    """One MCP server as a child, driven from one thread."""

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str], log: Path):
        """Start the server; its stderr goes to the file `log`."""
        self.started_s = time.perf_counter()
        self._name = log.stem
        with log.open("ab") as errors:
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environment),
                start_new_session=sys.platform != "win32",
            )
        self._watchdog = threading.Timer(LIFE_MAX_S, self._child.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        self._count = 0
        self._early: dict[int, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Return the server's process id."""
        return self._child.pid

    def initialize(self) -> float:
        """Shake hands; return the seconds from the start of the process to its answer."""
        request = self._send(
            "initialize",
            {
                "protocolVersion": PROTOCOL,
                "capabilities": {},
                "clientInfo": {"name": "tiger-mcp bench", "version": "1"},
            },
        )
        self.answer(request)
        elapsed_s = time.perf_counter() - self.started_s
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return elapsed_s

    def start_call(self, tool: str, arguments: Mapping[str, object]) -> int:
        """Send a tool call and return its number, for `answer`."""
        return self._send("tools/call", {"name": tool, "arguments": arguments})

    def answer(self, request: int) -> dict[str, Any]:
        """Return the result of a request; others that come earlier are kept.

        Raises:
            BenchError: the server ended or refused.
        """
        assert self._child.stdout is not None
        while request not in self._early:
            line = self._child.stdout.readline()
            if not line:
                raise BenchError(f"{self._name} ended before it answered; see its log")
            # One of the servers greets on stdout, which is no JSON.
            if line.startswith(b"{"):
                message: dict[str, Any] = msgspec.json.decode(line)
                if "id" in message and "method" not in message:
                    self._early[message["id"]] = message
        reply = self._early.pop(request)
        if "error" in reply:
            raise BenchError(f"{self._name} refused: {str(reply['error'])[:300]}")
        result: dict[str, Any] = reply["result"]
        if result.get("isError"):
            raise BenchError(f"{self._name}: {str(result.get('content'))[:300]}")
        return result

    def call(self, tool: str, arguments: Mapping[str, object]) -> dict[str, Any]:
        """Call a tool and return its result.

        Raises:
            BenchError: as `answer`.
        """
        return self.answer(self.start_call(tool, arguments))

    def timed(self, tool: str, arguments: Mapping[str, object]) -> tuple[float, dict[str, Any]]:
        """Call a tool; return how long it took in milliseconds, and its result."""
        began_s = time.perf_counter()
        result = self.call(tool, arguments)
        return (time.perf_counter() - began_s) * 1000, result

    def close(self) -> None:
        """End the server as a client does, by closing its stdin."""
        self._watchdog.cancel()
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        try:
            self._child.stdin.close()
            self._child.wait(_STOP_LIMIT_S)
        except (subprocess.TimeoutExpired, OSError):
            self._child.kill()
            self._child.wait()
        finally:
            self._child.stdout.close()

    def _send(self, method: str, params: Mapping[str, object]) -> int:
        self._count += 1
        self._write({"jsonrpc": "2.0", "id": self._count, "method": method, "params": dict(params)})
        return self._count

    def _write(self, message: Mapping[str, object]) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(_encoder.encode(message) + b"\n")
            self._child.stdin.flush()
        except OSError:
            raise BenchError(f"{self._name} ended; see its log") from None
