"""The row of the gateway over HTTP: fifty clients at once, against tools that do nothing.

The bar is held against a no-op on the same SDK with the same HTTP options, and without tokens,
records or limits. A second no-op stands behind all of ours: what is above it is the read's own.
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
from infra.config import child_environment, settings_from
from infra.nats.monitor import wait_until

CLIENTS: Final = 50
BURSTS: Final = 6
# Of each client in one burst; the first burst warms up.
CALLS: Final = 20
READ_BAR: Final = 1.3
_TAIL_SHARE: Final = 0.99
_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 30.0
# One port for each server; the bench may have a namespace of its own.
_PORTS: Final = {"ours": 28_765, "nothing": 28_766, "guarded": 28_767}
_TOKEN_LIFE: Final = timedelta(hours=1)
_RATE_PER_MIN: Final = "1000000"
_CROWD: Final = f"{CLIENTS} clients"
_ALONE: Final = "one client"
_LABELS: Final = {
    "nothing": "no-op tool, same SDK",
    "guarded": "no-op tool behind our guards",
    "positions": "get_positions",
    "accounts": "list_accounts",
}
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
    home = cluster.home
    ours, guarded = _told("ours"), _told("guarded")
    python = [sys.executable, "-P"]
    at_home = ["--home", str(home.path)]
    environment = child_environment(cluster.settings)
    nothing = [*python, "-c", _NOTHING.replace("{port}", str(_PORTS["nothing"]))]
    tokens = _tokens(home.path, ours)
    sides = {
        "nothing": _Side(_PORTS["nothing"], [""] * CLIENTS, "nothing", {}),
        "guarded": _Side(_PORTS["guarded"], _tokens(home.path, guarded), "nothing", {}),
        "positions": _Side(_PORTS["ours"], tokens, "get_positions", {"account": ACCOUNT}),
        "accounts": _Side(_PORTS["ours"], tokens, "list_accounts", {}),
    }
    crowd: dict[str, list[float]] = {name: [] for name in sides}
    alone: dict[str, list[float]] = {name: [] for name in sides}
    with (
        _serving(
            [*python, "-m", "infra.cli", *at_home, "serve", "--http"],
            environment | ours,
            home.logs / "http.log",
            _PORTS["ours"],
        ),
        _serving(nothing, environment, home.logs / "bare-http.log", _PORTS["nothing"]),
        _serving(
            [*python, "-m", "infra.bench.guarded_server", *at_home],
            environment | guarded,
            home.logs / "guarded-http.log",
            _PORTS["guarded"],
        ),
    ):
        for index in range(BURSTS):
            names = list(sides) if index % 2 == 0 else list(sides)[::-1]
            for name in names:
                alone[name] += _burst(sides[name], clients=1)
            for name in names:
                crowd[name] += _burst(sides[name], clients=CLIENTS)
            bench.say(f"{index + 1} of {BURSTS} bursts")
    return _result(crowd, alone)


def _told(server: str) -> dict[str, str]:
    return {
        "TIGER_MCP_HTTP_PORT": str(_PORTS[server]),
        "TIGER_MCP_HTTP_RATE_PER_MIN": _RATE_PER_MIN,
    }


def _result(crowd: Mapping[str, list[float]], alone: Mapping[str, list[float]]) -> Result:
    warm_up = CLIENTS * CALLS
    figures: list[Figure] = []
    notes: list[str] = []
    for name, label in _LABELS.items():
        figures.append(figure(f"{label}, {_CROWD}", "ms", crowd[name], warm_up=warm_up))
        figures.append(figure(f"{label}, {_ALONE}", "ms", alone[name], warm_up=CALLS))
        tail = percentile(crowd[name][warm_up:], _TAIL_SHARE)
        notes.append(f"p99 of {label} with {_CROWD}: {tail:.1f} ms")
    median = {each.label: each.median for each in figures}

    def ratio(name: str, who: str, *, to: str = "nothing", bar: float | None = READ_BAR) -> Ratio:
        value = median[f"{_LABELS[name]}, {who}"] / median[f"{_LABELS[to]}, {who}"]
        beside = "" if to == "nothing" else f", to {_LABELS[to]}"
        return Ratio(label=f"{_LABELS[name]}, {who}{beside}", value=value, bar=bar)

    return Result(
        row="http",
        title=HTTP.title,
        status="measured",
        figures=tuple(figures),
        ratios=(
            ratio("positions", _CROWD),
            ratio("accounts", _CROWD),
            ratio("positions", _ALONE),
            ratio("positions", _CROWD, to="guarded"),
            ratio("accounts", _CROWD, to="guarded"),
            ratio("positions", _ALONE, to="guarded"),
            ratio("guarded", _ALONE, bar=None),
        ),
        notes=tuple(notes),
    )


def _burst(side: _Side, *, clients: int) -> list[float]:
    return asyncio.run(
        call_at_once(side.port, side.tokens[:clients], side.tool, side.arguments, rounds=CALLS)
    )


# A desk: each client is a principal of its own.
def _tokens(home: Path, told: Mapping[str, str]) -> list[str]:
    settings = settings_from(told, home=home, user_home=home)
    store = TokenStore(home)
    now = SystemClock().now()
    return [
        store.issue(
            IssuedToken(
                token_id=f"tok-{settings.http_port}-{number}",
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
