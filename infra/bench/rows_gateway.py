"""Rows of the gateway alone: reads, start, memory."""

from collections.abc import Mapping
from typing import Final

from infra.bench.figures import Figure, Ratio, Result, figure
from infra.bench.processes import IMPORT_SDK, idle_mib, resident_mib, run_s
from infra.bench.row import Bench, Row, interleave
from infra.bench.shared import ACCOUNT, LOGIN, bare_server, initialized_gateway, make_cluster
from infra.bench.stdio_client import StdioServer
from infra.supervisor.status import live_status

READ_ROUNDS: Final = 300
READ_WARM_UP: Final = 30
READ_BAR: Final = 1.3
START_ROUNDS: Final = 8
COLD_ROUNDS: Final = 3
START_BAR: Final = 1.25
START_ALLOWANCE_S: Final = 0.2
MEMORY_ROUNDS: Final = 3
MEMORY_CALLS: Final = 50
GATEWAY_MEMORY_BAR: Final = 1.15
WORKER_MEMORY_BAR: Final = 1.25
_ORDER_ROWS: Final = 10
_TERMS: Final = {
    "symbol": "AMZN",
    "side": "buy",
    "quantity": "1",
    "order_type": "market",
    "reason": "bench",
}


def _read(bench: Bench) -> Result:
    cluster = bench.shared()
    with initialized_gateway(cluster) as gateway, bare_server(cluster) as bare:
        _trade(gateway, _ORDER_ROWS)
        orders: Mapping[str, object] = {"account": ACCOUNT, "limit": _ORDER_ROWS}
        values = interleave(
            bench,
            {
                "nothing": lambda: bare.timed("nothing", {})[0],
                "orders": lambda: gateway.timed("get_orders", orders)[0],
                "positions": lambda: gateway.timed("get_positions", {"account": ACCOUNT})[0],
            },
            rounds=READ_ROUNDS,
            warm_up=READ_WARM_UP,
        )
        shown = len(gateway.call("get_orders", orders)["structuredContent"]["orders"]["rows"])

    def told(label: str, name: str) -> Figure:
        return figure(label, "ms", values[name], warm_up=READ_WARM_UP)

    nothing = told("no-op tool, same SDK", "nothing")
    listed = told(f"get_orders ({shown} rows)", "orders")
    held = told("get_positions", "positions")
    return Result(
        row="read",
        title=READ.title,
        status="measured",
        figures=(nothing, listed, held),
        ratios=(
            Ratio(label="orders", value=listed.median / nothing.median, bar=READ_BAR),
            Ratio(label="positions", value=held.median / nothing.median, bar=READ_BAR),
        ),
    )


# So that there is something to read.
def _trade(gateway: StdioServer, count: int) -> None:
    for _ in range(count):
        preview = gateway.call("preview_order", {"account": ACCOUNT, **_TERMS})
        preview_id = preview["structuredContent"]["preview_id"]
        gateway.call("submit_order", {"account": ACCOUNT, "preview_id": preview_id})


def _start(bench: Bench) -> Result:
    cluster = bench.shared()

    def ours() -> float:
        with cluster.gateway() as gateway:
            return gateway.initialize()

    values = interleave(
        bench,
        {"ours": ours, "import": lambda: run_s("import mcp")},
        rounds=START_ROUNDS,
        warm_up=1,
    )
    ours_s = figure("start to initialize, cluster up", "s", values["ours"], warm_up=1)
    import_s = figure('python -c "import mcp"', "s", values["import"], warm_up=1)
    cold_s = figure("start to initialize, cold home", "s", _cold_starts(bench))
    yardstick_s = import_s.median + START_ALLOWANCE_S
    return Result(
        row="start",
        title=START.title,
        status="measured",
        figures=(ours_s, cold_s, import_s),
        ratios=(
            Ratio(label="cluster up", value=ours_s.median / yardstick_s, bar=START_BAR),
            Ratio(label="cold home", value=cold_s.median / yardstick_s, bar=START_BAR),
        ),
    )


def _cold_starts(bench: Bench) -> list[float]:
    starts_s: list[float] = []
    for index in range(COLD_ROUNDS):
        cluster = make_cluster(bench.folder / f"cold-{index}")
        try:
            with cluster.gateway() as gateway:
                starts_s.append(gateway.initialize())
                # The gateway brings the cluster up behind its answer; it is let come to an end.
                gateway.call("list_accounts", {})
        finally:
            cluster.down()
        bench.say(f"cold home {index + 1} of {COLD_ROUNDS}")
    return starts_s


def _memory(bench: Bench) -> Result:
    cluster = bench.shared()
    values: dict[str, list[float]] = {"gateway": [], "bare": [], "sdk": []}
    for index in range(MEMORY_ROUNDS):
        with initialized_gateway(cluster) as gateway:
            values["gateway"].append(_used(gateway, "get_positions", {"account": ACCOUNT}))
        with bare_server(cluster) as bare:
            values["bare"].append(_used(bare, "nothing", {}))
        values["sdk"].append(idle_mib(IMPORT_SDK))
        bench.say(f"{index + 1} of {MEMORY_ROUNDS} rounds")
    status = live_status(cluster.home)
    assert status is not None, "the cluster is up"
    worker_pid = next(p.pid for p in status.processes if p.name == f"worker-{LOGIN}")
    assert worker_pid is not None, "the worker is ready"
    gateway_mib = figure("gateway", "MiB", values["gateway"])
    bare_mib = figure("bare server, same SDK", "MiB", values["bare"])
    worker_mib = figure("worker, one account", "MiB", [resident_mib(worker_pid)])
    sdk_mib = figure("python with TradeClient imported", "MiB", values["sdk"])
    return Result(
        row="memory",
        title=MEMORY.title,
        status="measured",
        figures=(gateway_mib, bare_mib, worker_mib, sdk_mib),
        ratios=(
            Ratio(
                label="gateway",
                value=gateway_mib.median / bare_mib.median,
                bar=GATEWAY_MEMORY_BAR,
            ),
            Ratio(label="worker", value=worker_mib.median / sdk_mib.median, bar=WORKER_MEMORY_BAR),
        ),
    )


def _used(server: StdioServer, tool: str, arguments: Mapping[str, object]) -> float:
    for _ in range(MEMORY_CALLS):
        server.call(tool, arguments)
    return resident_mib(server.pid)


READ: Final = Row("read", "read of orders and positions through MCP", _read)
START: Final = Row("start", "gateway start to initialize answered", _start)
MEMORY: Final = Row("memory", "resident memory", _memory)
