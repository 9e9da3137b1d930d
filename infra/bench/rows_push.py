"""Row `push`: from a fill at the broker to its stored event, with the push link and without."""

import random
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec

from core import events, preview_events
from core.commands import PreviewOrder, SubmitOrder, submit_command_id
from core.terms import OrderType, Side, TimeInForce
from infra.bench.cluster import Cluster
from infra.bench.fault import BenchError
from infra.bench.figures import Ratio, Result, figure
from infra.bench.row import Bench, Row
from infra.bench.shared import ACCOUNT
from infra.clock import RandomIds
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    LoginFile,
)
from infra.sandbox.push.faults import RefuseConnect

ROUNDS: Final = 40
WARM_UP: Final = 5
# Longer than two rounds of readings, so that a fill falls anywhere between them.
_APART_S_MAX: Final = 0.5
_LIMIT_S: Final = 60.0
_MS: Final = 1000
_SYMBOL: Final = "SPY"
_PRICE: Final = Decimal(1)


def _push(bench: Bench) -> Result:
    cluster = bench.shared()
    login = _login(cluster)
    tiger_order_id = _resting(cluster, quantity=2 * (ROUNDS + WARM_UP) + 1)
    chance = random.Random(1)  # noqa: S311 - only spreads the fills

    def fill() -> float:
        time.sleep(chance.uniform(0, _APART_S_MAX))
        recorded = cluster.count("order.fill_recorded")
        began_s = time.perf_counter()
        cluster.sandbox.external_fill(
            _number(login), tiger_order_id, quantity=Decimal(1), price=_PRICE
        )
        cluster.until(
            lambda: cluster.count("order.fill_recorded") > recorded, what="a recorded fill"
        )
        return (time.perf_counter() - began_s) * _MS

    pushed = _series(bench, fill)
    control = cluster.sandbox.push
    control.add_fault(RefuseConnect(), tiger_id=login.tiger_id, count=None)
    _expect(control.cut(login.tiger_id) == 1, "the worker's push connection")
    polled = _series(bench, fill)
    followed = control.count("subscribed")
    control.clear_faults()
    _expect(
        control.wait_for("subscribed", count=followed + 1, timeout_s=_LIMIT_S),
        "the push link to come back",
    )
    with_push = figure("fill to event, with push", "ms", pushed, warm_up=WARM_UP)
    without = figure("fill to event, by rounds alone", "ms", polled, warm_up=WARM_UP)
    return Result(
        row="push",
        title=PUSH.title,
        status="measured",
        figures=(with_push, without),
        ratios=(
            Ratio(label="with push to without", value=with_push.median / without.median, bar=1.0),
        ),
        notes=("a sandbox's rounds are 0.2 s apart; those at Tiger are 2 s apart",),
    )


def _series(bench: Bench, fill: Callable[[], float]) -> list[float]:
    values = [fill() for _ in range(WARM_UP + ROUNDS)]
    bench.say(f"{ROUNDS} fills")
    return values


def _login(cluster: Cluster) -> LoginFile:
    name = next(
        login.properties
        for login in cluster.installation.logins
        if ACCOUNT in [account.alias for account in login.accounts]
    )
    folder = (cluster.home.path / name).parent
    return msgspec.json.decode((folder / LOGIN_FILE).read_bytes(), type=LoginFile)


def _number(login: LoginFile) -> str:
    return next(each.account for each in login.accounts if each.alias == ACCOUNT)


def _resting(cluster: Cluster, *, quantity: int) -> int:
    """Place an order that rests, and return the broker's id of it."""
    preview = PreviewOrder(
        symbol=_SYMBOL,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity=str(quantity),
        limit_price=str(_PRICE),
        time_in_force=TimeInForce.DAY,
        outside_regular_hours=False,
        reason="bench",
    )
    asked = RandomIds().new("cmd")
    heard = len(cluster.facts)
    cluster.send([(ACCOUNT, "order.preview", asked, preview)])
    shown = cluster.fact("order.previewed", account=ACCOUNT, causation_id=asked)
    assert isinstance(shown.fact.data, preview_events.OrderPreviewed), (
        "facts are decoded by their type"
    )
    preview_id = shown.fact.data.preview_id
    command_id = submit_command_id(ACCOUNT, preview_id)
    cluster.send([(ACCOUNT, "order.submit", command_id, SubmitOrder(preview_id=preview_id))])
    accepted = cluster.fact("order.accepted", account=ACCOUNT, after=heard)
    cluster.fact("order.working", account=ACCOUNT, after=heard)
    assert isinstance(accepted.fact.data, events.OrderAccepted), "facts are decoded by their type"
    return int(accepted.fact.data.tiger_order_id)


def _expect(is_so: bool, what: str) -> None:
    if not is_so:
        raise BenchError(f"expected {what}")


PUSH: Final = Row("push", "fill at the broker to its stored event", _push)
