"""Row `submit`: one order through MCP, durable and checked, beside the official server's unchecked.

Same sandbox process, same raw client, same market order. A round waits until what the last order
caused has come to rest, so that neither side works during the other's turn.
"""

import time
from typing import Any, Final

from infra.bench import official
from infra.bench.cluster import Cluster, Heard
from infra.bench.figures import Figure, Ratio, Result, figure
from infra.bench.row import Bench, Row, interleave
from infra.bench.shared import ACCOUNT, OFFICIAL_LOGIN, initialized_gateway
from infra.bench.stdio_client import StdioServer
from infra.config import child_environment

ROUNDS: Final = 100
WARM_UP: Final = 10
FIRST_BAR: Final = 1.5
BAR: Final = 1.0
_MS: Final = 1000
_TERMS: Final = {"symbol": "AAPL", "quantity": "1", "order_type": "market", "reason": "bench"}
# Between the facts that lie on the way of one submit, in its order.
_STEPS: Final = (
    "step: call to intent made (gateway, command stored, worker decides)",
    "step: intent made to intent heard (ledger append, republished)",
    "step: intent made to answer made (append, lane, SDK call, desk)",
    "step: answer made to answer heard (ledger append, republished)",
    "step: answer heard to result (gateway)",
)


class _Orders:
    """Places one order after the other through both servers; buys and sells in turns."""

    def __init__(self, cluster: Cluster, gateway: StdioServer, yardstick: StdioServer) -> None:
        self._cluster = cluster
        self._gateway = gateway
        self._yardstick = yardstick
        self._sides = {"ours": False, "official": False}
        self.steps: list[list[float]] = [[] for _ in _STEPS]
        self.previews: list[float] = []

    def ours(self) -> float:
        side = self._next_side("ours")
        took_ms, result = self._gateway.timed(
            "preview_order", {"account": ACCOUNT, "side": side, **_TERMS}
        )
        self.previews.append(took_ms)
        preview_id = result["structuredContent"]["preview_id"]
        heard = len(self._cluster.facts)
        began_s = time.time()
        took_ms, result = self._gateway.timed(
            "submit_order", {"account": ACCOUNT, "preview_id": preview_id}
        )
        answer = result["structuredContent"]
        assert answer["status"] == "accepted", answer
        self._note_steps(answer, heard, began_s=began_s, ended_s=began_s + took_ms / _MS)
        # The broker's figures are the last thing that a fill leads to.
        self._cluster.fact("order.filled", account=ACCOUNT, after=heard)
        self._cluster.fact("account.balances_observed", account=ACCOUNT, after=heard)
        return took_ms

    def official(self) -> float:
        side = self._next_side("official").upper()
        took_ms, result = self._yardstick.timed(
            "place_order",
            {
                "action": side,
                "order_type": "MKT",
                "quantity": 1,
                "sec_type": "STK",
                "symbol": "AAPL",
            },
        )
        assert "order_id" in str(result["content"]), result
        return took_ms

    def _next_side(self, who: str) -> str:
        self._sides[who] = not self._sides[who]
        return "buy" if self._sides[who] else "sell"

    def _note_steps(
        self, answer: dict[str, Any], heard: int, *, began_s: float, ended_s: float
    ) -> None:
        intent = self._own("order.submission_started", answer, heard)
        accepted = self._own("order.accepted", answer, heard)
        intent_s = intent.fact.recorded_at.timestamp()
        accepted_s = accepted.fact.recorded_at.timestamp()
        spans = (
            intent_s - began_s,
            intent.at_s - intent_s,
            accepted_s - intent_s,
            accepted.at_s - accepted_s,
            ended_s - accepted.at_s,
        )
        for step, span_s in zip(self.steps, spans, strict=True):
            step.append(span_s * _MS)

    def _own(self, type_: str, answer: dict[str, Any], heard: int) -> Heard:
        return self._cluster.fact(
            type_, account=ACCOUNT, causation_id=answer["command_id"], after=heard
        )


def _submit(bench: Bench) -> Result:
    cluster = bench.shared()
    with (
        initialized_gateway(cluster) as gateway,
        official.start(
            bench.official,
            sandbox=cluster.home.sandbox,
            login=OFFICIAL_LOGIN,
            http_port=cluster.http_port,
            environment=child_environment(cluster.settings),
            log=cluster.home.logs / "official.log",
        ) as yardstick,
    ):
        orders = _Orders(cluster, gateway, yardstick)
        values = interleave(
            bench,
            {"ours": orders.ours, "official": orders.official},
            rounds=ROUNDS,
            warm_up=WARM_UP,
        )
    ours = _figure("submit_order, ours", values["ours"])
    theirs = _figure("place_order, official", values["official"])
    value = ours.median / theirs.median
    return Result(
        row="submit",
        title=SUBMIT.title,
        status="measured",
        figures=(
            ours,
            theirs,
            _figure("preview_order, ours (not part of the ratio)", orders.previews),
            *(_figure(label, each) for label, each in zip(_STEPS, orders.steps, strict=True)),
        ),
        ratios=(
            Ratio(label="first cut", value=value, bar=FIRST_BAR),
            Ratio(label="then", value=value, bar=BAR),
            Ratio(label="p90 to p90", value=ours.p90 / theirs.p90),
        ),
        notes=(official.versions(bench.official),),
    )


def _figure(label: str, values: list[float]) -> Figure:
    return figure(label, "ms", values, warm_up=WARM_UP)


SUBMIT: Final = Row("submit", "submit through MCP, durable and checked", _submit)
