"""The row of the gateway over HTTP: fifty clients at once, against a tool that does nothing.

The no-op runs on the same SDK with the same HTTP options, and without tokens, records or limits.
"""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple

import httpx2

from adapters.mcp.callers import SCOPE_PREFIX, SERVICE_SCOPE, Role
from infra.bench.fault import BenchError
from infra.bench.figures import Figure, Ratio, Result, figure, percentile
from infra.bench.http_client import call_at_once
from infra.bench.row import Bench, Row
from infra.bench.shared import ACCOUNT
from infra.cli.token_store import IssuedToken, TokenStore, issuer_of, url_of
from infra.clock import SystemClock
from infra.config import Settings, child_environment, settings_from
from infra.nats.monitor import wait_until

CLIENTS: Final = 50
BURSTS: Final = 6
# Of each client in one burst; the first burst warms up.
CALLS: Final = 20
READ_BAR: Final = 1.3
_TAIL_SHARE: Final = 0.99
_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 30.0
# One port for each side; the bench may have a namespace of its own.
_PORTS: Final = {"ours": 28_765, "nothing": 28_766}
_TOKEN_LIFE: Final = timedelta(hours=1)
_RATE_PER_MIN: Final = "1000000"
_NOTHING: Final = """
from mcp.server import MCPServer

server = MCPServer(name="bare", log_level="ERROR")


@server.tool()
async def nothing() -> str:
    return "ok"


server.run("streamable-http", port={port}, json_response=True, stateless_http=True)
"""


class _Side(NamedTuple):
    port: int
    tokens: Sequence[str]
    tool: str
    arguments: Mapping[str, object]


def _http(bench: Bench) -> Result:
    cluster = bench.shared()
    told = {
        "TIGER_MCP_HTTP_PORT": str(_PORTS["ours"]),
        "TIGER_MCP_HTTP_RATE_PER_MIN": _RATE_PER_MIN,
    }
    environment = child_environment(cluster.settings) | told
    command = [sys.executable, "-P", "-m", "infra.cli", "--home", str(cluster.home.path)]
    home = cluster.home.path
    tokens = _tokens(settings_from(told, home=home, user_home=home))
    nothing = [sys.executable, "-P", "-c", _NOTHING.replace("{port}", str(_PORTS["nothing"]))]
    held = {"account": ACCOUNT}
    sides = {
        "nothing": _Side(_PORTS["nothing"], [""] * CLIENTS, "nothing", {}),
        "positions": _Side(_PORTS["ours"], tokens, "get_positions", held),
        "accounts": _Side(_PORTS["ours"], tokens, "list_accounts", {}),
    }
    logs = cluster.home.logs
    with (
        _serving([*command, "serve", "--http"], environment, logs / "http.log", _PORTS["ours"]),
        _serving(nothing, environment, logs / "bare-http.log", _PORTS["nothing"]),
    ):
        alone = {name: _burst(side, clients=1) for name, side in sides.items()}
        values: dict[str, list[float]] = {name: [] for name in sides}
        for index in range(BURSTS):
            names = list(sides) if index % 2 == 0 else list(sides)[::-1]
            for name in names:
                values[name] += _burst(sides[name], clients=CLIENTS)
            bench.say(f"{index + 1} of {BURSTS} bursts")
    return _result(values, alone)


def _result(values: Mapping[str, list[float]], alone: Mapping[str, list[float]]) -> Result:
    warm_up = CLIENTS * CALLS
    labels = {
        "nothing": "no-op tool, same SDK",
        "positions": "get_positions",
        "accounts": "list_accounts",
    }
    figures: list[Figure] = []
    notes: list[str] = []
    for name, label in labels.items():
        figures.append(figure(f"{label}, {CLIENTS} clients", "ms", values[name], warm_up=warm_up))
        figures.append(figure(f"{label}, one client", "ms", alone[name], warm_up=1))
        tail = percentile(values[name][warm_up:], _TAIL_SHARE)
        notes.append(f"p99 of {label} with {CLIENTS} clients: {tail:.1f} ms")
    median = {each.label: each.median for each in figures}

    def ratio(name: str, who: str) -> Ratio:
        value = median[f"{labels[name]}, {who}"] / median[f"{labels['nothing']}, {who}"]
        return Ratio(label=f"{labels[name]}, {who}", value=value, bar=READ_BAR)

    crowd = f"{CLIENTS} clients"
    return Result(
        row="http",
        title=HTTP.title,
        status="measured",
        figures=tuple(figures),
        ratios=(
            ratio("positions", crowd),
            ratio("accounts", crowd),
            ratio("positions", "one client"),
        ),
        notes=tuple(notes),
    )


def _burst(side: _Side, *, clients: int) -> list[float]:
    return asyncio.run(
        call_at_once(side.port, side.tokens[:clients], side.tool, side.arguments, rounds=CALLS)
    )


# A desk: each client is a principal of its own.
def _tokens(settings: Settings) -> list[str]:
    store = TokenStore(settings.home)
    now = SystemClock().now()
    return [
        store.issue(
            IssuedToken(
                token_id=f"tok-{number}",
                principal=f"client-{number}",
                scopes=(SERVICE_SCOPE, f"{SCOPE_PREFIX}{ACCOUNT}:{Role.VIEWER}"),
                issued_at=now,
                expires_at=now + _TOKEN_LIFE,
                audience=url_of(settings),
            ),
            issuer=issuer_of(settings),
        )
        for number in range(CLIENTS)
    ]


@contextmanager
def _serving(
    command: Sequence[str], environment: Mapping[str, str], log: Path, port: int
) -> Iterator[None]:
    with log.open("ab") as file:
        child = subprocess.Popen(
            list(command), env=dict(environment), stdin=subprocess.DEVNULL, stderr=file, stdout=file
        )
    try:
        wait_until(lambda: child.poll() is not None or _is_up(port), limit_s=_START_LIMIT_S)
        if child.poll() is not None:
            raise BenchError(f"{log.stem} ended at once; see its log")
        yield
    finally:
        child.terminate()
        try:
            child.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


# Whatever it answers: a server that serves.
def _is_up(port: int) -> bool:
    try:
        with httpx2.Client(trust_env=False) as client:
            reply = client.get(f"http://127.0.0.1:{port}/health")
    except httpx2.TransportError:
        return False
    return re.search("starting", reply.text) is None


HTTP: Final = Row("http", f"read over HTTP, {CLIENTS} clients at once", _http)
