"""Processes beside the cluster: started, timed, weighed."""

import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from infra.bench.fault import BenchError, RefusedError

_RUN_LIMIT_S: Final = 60.0
_KIB_PER_MIB: Final = 1024
# A server of the same SDK that does nothing: what a tool call costs by itself.
BARE_SERVER: Final = """
from mcp.server import MCPServer

server = MCPServer(name="bare")


@server.tool()
async def nothing() -> str:
    return "ok"


server.run("stdio")
"""
# What a worker cannot do without.
IMPORT_SDK: Final = "from tigeropen.trade.trade_client import TradeClient"
_STAY: Final = '\nimport sys\nprint("ready", flush=True)\nsys.stdin.read()'


def gateway_command(home: Path) -> list[str]:
    """Return what an MCP client is told to start."""
    return [sys.executable, "-P", "-m", "infra.cli", "--home", str(home), "serve"]


def bare_command() -> list[str]:
    """Return the command of the server that does nothing."""
    return [sys.executable, "-P", "-c", BARE_SERVER]


def run_s(code: str) -> float:
    """Return the seconds that a Python takes from its start to its end.

    Raises:
        BenchError: it failed.
    """
    began_s = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, timeout=_RUN_LIMIT_S, check=False
    )
    if done.returncode != 0:
        raise BenchError(f"expected {code!r} to run, was {done.stderr[-300:]!r}")
    return time.perf_counter() - began_s


def idle_mib(code: str) -> float:
    """Return the resident memory of a Python that has run `code` and waits."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", code + _STAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        if not child.stdout.readline():
            raise BenchError(f"expected {code!r} to run, was ended")
        return resident_mib(child.pid)
    finally:
        child.communicate()


def resident_mib(pid: int) -> float:
    """Return a process's resident memory in MiB.

    Raises:
        RefusedError: the system has no `ps`.
    """
    told = _ps(["-o", "rss=", "-p", str(pid)])
    return int(told) / _KIB_PER_MIB


def _ps(arguments: Sequence[str]) -> str:
    program = shutil.which("ps")
    if program is None:
        raise RefusedError("resident memory is read by `ps`, which is not here")
    done = subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        timeout=_RUN_LIMIT_S,
        check=False,
    )
    if not done.stdout.strip():
        raise BenchError(f"expected a process, was {' '.join(arguments)}")
    return done.stdout.strip()
