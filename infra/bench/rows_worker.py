"""Rows of the worker: a restart after a kill, and orders per second over several logins."""

import os
import signal
import sys
import time
from typing import Final

from core.commands import PreviewOrder, SubmitOrder, submit_command_id
from core.terms import OrderType, Side, TimeInForce
from infra.bench.cluster import Cluster, login_spec
from infra.bench.cpu import BusyShare
from infra.bench.fault import RefusedError
from infra.bench.figures import Figure, Ratio, Result, figure
from infra.bench.processes import IMPORT_SDK, run_s
from infra.bench.row import Bench, Row
from infra.bench.shared import ACCOUNT, LOGIN
from infra.clock import RandomIds
from infra.supervisor.process import PAUSE_MIN_S
from infra.supervisor.status import live_status

RESTARTS: Final = 3
RESTART_ALLOWANCE_S: Final = 1.0
RESTART_BAR: Final = 1.5
LOGIN_COUNTS: Final = (1, 2, 4)
LOGIN_ROUNDS: Final = 3
ORDERS_PER_LOGIN: Final = 42
LINEAR_BAR: Final = 0.8
# From here on the cores are full, and the bar ends.
_FULL_PERCENT: Final = 90.0
_LIMIT_S: Final = 60.0
# Orders of one symbol wait for each other, so each login trades several.
_SYMBOLS: Final = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "GOOG", "SPY")


def _restart(bench: Bench) -> Result:
    if sys.platform == "win32":
        raise RefusedError("there is no SIGKILL on Windows")
    cluster = bench.shared()
    restarts_s: list[float] = []
    imports_s: list[float] = []
    for index in range(RESTARTS):
        imports_s.append(run_s(IMPORT_SDK))
        heard = len(cluster.facts)
        began_s = time.perf_counter()
        os.kill(_worker_pid(cluster), signal.SIGKILL)
        cluster.fact("account.worker_started", account=ACCOUNT, after=heard)
        cluster.fact("account.reconciled", account=ACCOUNT, after=heard)
        restarts_s.append(time.perf_counter() - began_s)
        cluster.until(lambda: _is_ready(cluster), what="the worker's ready line")
        bench.say(f"{index + 1} of {RESTARTS} rounds")
    pauses_s = [PAUSE_MIN_S * 2**index for index in range(RESTARTS)]
    ours = figure("kill -9 to reconciled and open", "s", restarts_s)
    without = figure(
        "the same without the supervisor's growing pause",
        "s",
        [took_s - pause_s for took_s, pause_s in zip(restarts_s, pauses_s, strict=True)],
    )
    sdk = figure("import of the SDK", "s", imports_s)
    yardstick_s = sdk.median + RESTART_ALLOWANCE_S
    return Result(
        row="restart",
        title=RESTART.title,
        status="measured",
        figures=(ours, without, sdk),
        ratios=(
            Ratio(label="first kill", value=restarts_s[0] / yardstick_s, bar=RESTART_BAR),
            Ratio(label="median, kills in a row", value=ours.median / yardstick_s),
        ),
        notes=(f"the supervisor waits {PAUSE_MIN_S} s, and twice as long after each further kill",),
    )


def _worker_pid(cluster: Cluster) -> int:
    status = live_status(cluster.home)
    assert status is not None, "the cluster is up"
    pid = next(each.pid for each in status.processes if each.name == f"worker-{LOGIN}")
    assert pid is not None, "the worker is ready"
    return pid


def _is_ready(cluster: Cluster) -> bool:
    status = live_status(cluster.home)
    return status is not None and all(each.state == "ready" for each in status.processes)


def _logins(bench: Bench) -> Result:
    names = [f"login-{index}" for index in range(max(LOGIN_COUNTS))]
    cluster = Cluster(bench.folder / "logins", [login_spec(name, name) for name in names])
    rates: dict[int, list[float]] = {count: [] for count in LOGIN_COUNTS}
    busy: dict[int, list[float]] = {count: [] for count in LOGIN_COUNTS}
    try:
        cluster.up()
        for index in range(LOGIN_ROUNDS + 1):
            for count in LOGIN_COUNTS:
                rate, share = _orders_per_s(cluster, names[:count])
                if index:
                    rates[count].append(rate)
                    busy[count].append(share)
            bench.say(f"{index + 1} of {LOGIN_ROUNDS + 1} rounds")
    finally:
        cluster.down()
    figures = {count: _rate(count, values) for count, values in rates.items()}
    one = figures[LOGIN_COUNTS[0]].median
    full = {count: figure("", "%", values).median for count, values in busy.items()}
    return Result(
        row="logins",
        title=LOGINS.title,
        status="measured",
        figures=(
            *figures.values(),
            *(
                figure(f"cores in use, {count} logins", "%", values)
                for count, values in busy.items()
            ),
        ),
        ratios=tuple(
            Ratio(
                label=f"{count} logins to linear",
                value=figures[count].median / (count * one),
                sense="at least",
                bar=LINEAR_BAR if full[count] < _FULL_PERCENT else None,
            )
            for count in LOGIN_COUNTS[1:]
        ),
        notes=(f"{os.cpu_count()} cores; sandbox, server, projector and bench share them",),
    )


def _rate(count: int, values: list[float]) -> Figure:
    return figure(f"orders, {count} logins", "per s", values, warm_up=0)


def _orders_per_s(cluster: Cluster, accounts: list[str]) -> tuple[float, float]:
    submits = [
        (
            account,
            "order.submit",
            submit_command_id(account, preview_id),
            SubmitOrder(preview_id=preview_id),
        )
        for account, preview_id in _previews(cluster, accounts)
    ]
    accepted, filled = cluster.count("order.accepted"), cluster.count("order.filled")
    busy = BusyShare()
    began_s = time.perf_counter()
    cluster.send(submits)
    cluster.until(
        lambda: cluster.count("order.accepted") - accepted >= len(submits),
        what=f"{len(submits)} orders accepted",
        limit_s=_LIMIT_S,
    )
    took_s = time.perf_counter() - began_s
    share = busy.percent()
    cluster.until(
        lambda: cluster.count("order.filled") - filled >= len(submits),
        what="all of them filled",
        limit_s=_LIMIT_S,
    )
    return len(submits) / took_s, share


def _previews(cluster: Cluster, accounts: list[str]) -> list[tuple[str, str]]:
    ids = RandomIds()
    heard = len(cluster.facts)
    shown = cluster.count("order.previewed")
    commands = [
        (
            account,
            "order.preview",
            ids.new("cmd"),
            PreviewOrder(
                symbol=_SYMBOLS[index % len(_SYMBOLS)],
                side=Side.BUY,
                order_type=OrderType.MARKET,
                quantity="1",
                limit_price=None,
                time_in_force=TimeInForce.DAY,
                outside_regular_hours=False,
                reason="bench",
            ),
        )
        for index in range(ORDERS_PER_LOGIN)
        for account in accounts
    ]
    cluster.send(commands)
    cluster.until(
        lambda: cluster.count("order.previewed") - shown >= len(commands),
        what=f"{len(commands)} previews",
        limit_s=_LIMIT_S,
    )
    return [
        (each.account, getattr(each.fact.data, "preview_id", ""))
        for each in cluster.seen("order.previewed", after=heard)
    ]


RESTART: Final = Row("restart", "worker restart after kill -9 to reconciled and open", _restart)
LOGINS: Final = Row("logins", "orders per second over several logins", _logins)
