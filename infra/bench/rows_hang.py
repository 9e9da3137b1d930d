"""Row `hang`: what a place that hangs at the broker costs everything else on that account."""

from typing import Any, Final

from infra.bench.cluster import Cluster
from infra.bench.figures import Figure, Ratio, Result, figure
from infra.bench.row import Bench, Row
from infra.bench.shared import ACCOUNT, initialized_gateway
from infra.bench.stdio_client import StdioServer
from infra.sandbox.wire.faults import HoldBefore

ROUNDS: Final = 25
WARM_UP: Final = 2
QUOTES: Final = 6
BAR: Final = 1.2
# Far from the market, so that they stand until they are cancelled.
_RESTING: Final = {"order_type": "limit", "limit_price": "10.00"}


class _Desk:
    def __init__(self, cluster: Cluster, gateway: StdioServer) -> None:
        self._cluster = cluster
        self._gateway = gateway

    def preview(self, symbol: str, **terms: str) -> dict[str, str]:
        """Preview an order and return the arguments of its submit."""
        answer = self._gateway.call(
            "preview_order",
            {
                "account": ACCOUNT,
                "symbol": symbol,
                "side": "buy",
                "quantity": "1",
                "reason": "bench",
                **terms,
            },
        )
        return {
            "account": ACCOUNT,
            "preview_id": answer["structuredContent"]["preview_id"],
        }

    def rest(self, symbol: str) -> str:
        """Place an order that stands, and return its id once the broker's listing shows it."""
        heard = len(self._cluster.facts)
        result = self._gateway.call("submit_order", self.preview(symbol, **_RESTING))
        order_id: str = result["structuredContent"]["order_id"]
        self._cluster.until(
            lambda: self._is_working(order_id, heard), what=f"a listing of {order_id}"
        )
        return order_id

    def quote(self) -> float:
        """Return the milliseconds of one quote."""
        return self._gateway.timed("get_quotes", {"account": ACCOUNT, "symbols": ["TSLA"]})[0]

    def cancel(self, order_id: str) -> float:
        """Return the milliseconds of one cancel."""
        took_ms, result = self._gateway.timed(
            "cancel_orders", {"account": ACCOUNT, "order_ids": [order_id]}
        )
        cancels: dict[str, Any] = result["structuredContent"]["cancels"]
        line = dict(zip(cancels["columns"], cancels["rows"][0], strict=True))
        assert line["status"] == "requested", line
        return took_ms

    def settle(self, order_ids: list[str]) -> None:
        """Wait until every one of the orders is gone."""
        self._cluster.until(
            lambda: set(order_ids) <= self._ended(),
            what=f"the end of {order_ids}",
        )

    def _is_working(self, order_id: str, heard: int) -> bool:
        found = self._cluster.seen("order.working", after=heard)
        return any(getattr(each.fact.data, "order_id", "") == order_id for each in found)

    def _ended(self) -> set[str]:
        found = self._cluster.seen("order.cancelled")
        return {getattr(each.fact.data, "order_id", "") for each in found}


def _hang(bench: Bench) -> Result:
    cluster = bench.shared()
    alone: dict[str, list[float]] = {"quote": [], "cancel": []}
    beside: dict[str, list[float]] = {"quote": [], "cancel": []}
    with initialized_gateway(cluster) as gateway:
        desk = _Desk(cluster, gateway)
        for index in range(ROUNDS + WARM_UP):
            orders = [desk.rest("MSFT"), desk.rest("NVDA")]
            hanging = desk.preview("AAPL", **_RESTING)
            if index % 2 == 0:
                _measure(desk, alone, orders[0])
                orders.append(_beside(cluster, gateway, desk, hanging, beside, orders[1]))
            else:
                orders.append(_beside(cluster, gateway, desk, hanging, beside, orders[1]))
                _measure(desk, alone, orders[0])
            desk.cancel(orders[-1])
            desk.settle(orders)
            if index % 6 == 0:
                bench.say(f"{index + 1} of {ROUNDS + WARM_UP} rounds")
    figures = {
        name: (
            _figure(f"{name}, alone", alone[name], name),
            _figure(f"{name}, a place hanging", beside[name], name),
        )
        for name in ("quote", "cancel")
    }
    return Result(
        row="hang",
        title=HANG.title,
        status="measured",
        figures=tuple(each for pair in figures.values() for each in pair),
        ratios=tuple(
            Ratio(label=name, value=hung.median / free.median, bar=BAR)
            for name, (free, hung) in figures.items()
        ),
    )


def _beside(
    cluster: Cluster,
    gateway: StdioServer,
    desk: _Desk,
    hanging: dict[str, str],
    values: dict[str, list[float]],
    order_id: str,
) -> str:
    # Returns the order that hung.
    sandbox = cluster.sandbox
    arrived = sandbox.request_count("place_order")
    sandbox.add_fault(HoldBefore(), method="place_order")
    submit = gateway.start_call("submit_order", hanging)
    assert sandbox.wait_for("place_order", count=arrived + 1), "the place reaches the broker"
    try:
        _measure(desk, values, order_id)
    finally:
        sandbox.release()
    hung: str = gateway.answer(submit)["structuredContent"]["order_id"]
    return hung


def _measure(desk: _Desk, values: dict[str, list[float]], order_id: str) -> None:
    values["quote"] += [desk.quote() for _ in range(QUOTES)]
    values["cancel"].append(desk.cancel(order_id))


def _figure(label: str, values: list[float], name: str) -> Figure:
    return figure(label, "ms", values, warm_up=WARM_UP * (QUOTES if name == "quote" else 1))


HANG: Final = Row("hang", "quote and cancel while a place hangs at the broker", _hang)
