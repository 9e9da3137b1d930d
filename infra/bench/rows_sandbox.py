"""Row `sandbox`: a place inside the sandbox's process, over the wire, and many at once."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from infra.bench.cluster import Cluster
from infra.bench.fault import BenchError
from infra.bench.figures import Ratio, Result, figure
from infra.bench.row import Bench, Row, interleave
from infra.bench.rows_broker import Wire

ROUNDS: Final = 300
WARM_UP: Final = 50
CONNECTIONS: Final = 4
BURSTS: Final = 5
BURST_SIZE: Final = 200
_US_PER_MS: Final = 1000


def _sandbox(bench: Bench) -> Result:
    cluster = bench.shared()
    wire, inside = _times(bench, cluster)
    rates = interleave(
        bench,
        {
            "one": lambda: _places_per_s(cluster, 1),
            "many": lambda: _places_per_s(cluster, CONNECTIONS),
        },
        rounds=BURSTS,
        warm_up=1,
    )
    server = figure("place_order, request read to reply framed", "ms", inside, warm_up=WARM_UP)
    over_wire = figure("place_order over the wire", "ms", wire, warm_up=WARM_UP)
    one = figure("places, 1 connection", "per s", rates["one"], warm_up=1)
    many = figure(f"places, {CONNECTIONS} connections", "per s", rates["many"], warm_up=1)
    return Result(
        row="sandbox",
        title=SANDBOX.title,
        status="measured",
        figures=(server, over_wire, one, many),
        ratios=(
            Ratio(label="wire to server", value=over_wire.median / server.median),
            Ratio(
                label=f"{CONNECTIONS} connections to 1",
                value=many.median / one.median,
                sense="at least",
            ),
        ),
        notes=("requests are signed beforehand; the sandbox is one thread",),
    )


def _times(bench: Bench, cluster: Cluster) -> tuple[list[float], list[float]]:
    # Both clocks time the same requests; the journal has the sandbox's own.
    arrived = cluster.sandbox.request_count()
    wire = Wire(cluster)
    try:
        over_wire = interleave(bench, {"wire": wire.place}, rounds=ROUNDS, warm_up=WARM_UP)["wire"]
    finally:
        wire.close()
    entries = cluster.sandbox.journal(since=arrived, method="place_order")
    inside = [each.took_us / _US_PER_MS for each in entries if each.took_us is not None]
    if len(inside) != len(over_wire):
        raise BenchError(f"expected {len(over_wire)} places in the journal, was {len(inside)}")
    return over_wire, inside


def _places_per_s(cluster: Cluster, connection_count: int) -> float:
    wires = [Wire(cluster) for _ in range(connection_count)]
    share = BURST_SIZE // connection_count
    bodies = [[wire.signed_place() for _ in range(share)] for wire in wires]
    try:
        with ThreadPoolExecutor(max_workers=connection_count) as threads:
            began_s = time.perf_counter()
            for _ in threads.map(_send_all, wires, bodies):
                pass
            took_s = time.perf_counter() - began_s
    finally:
        for wire in wires:
            wire.close()
    return connection_count * share / took_s


def _send_all(wire: Wire, bodies: Sequence[bytes]) -> None:
    for body in bodies:
        wire.send(body)


SANDBOX: Final = Row("sandbox", "what the sandbox itself takes for a place", _sandbox)
