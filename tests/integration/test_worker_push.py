"""Push and pull together: fills are recorded once, whatever becomes of the messages about them."""

import signal
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from adapters.tiger_worker.gaps import PAUSE_NOTICED_S
from core import account_events, events
from core.refusals import Refusal
from infra.sandbox.push.faults import (
    DelayFrames,
    DropFrames,
    DuplicateFrames,
    RefuseConnect,
    ReorderFrames,
)
from tests.support import worker_main
from tests.support.push import PushCollector
from tests.support.rig import ACCOUNT, Rig, WorkerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMING: Final = msgspec.json.encode(worker_main.SHORT).decode()
PAPER: Final = "sandbox-paper"
LOW: Final = "1.00"
PAUSES_S: Final = 20.0


@pytest_asyncio.fixture(loop_scope="module")
async def rig(running: Rig) -> AsyncIterator[Rig]:
    """The rig with a worker whose push link follows its accounts."""
    await started_worker(running)
    yield running
    running.sandbox.control.push.clear_faults()
    running.sandbox.control.push.release()
    for worker in running.workers:
        await worker.stop()
    running.workers.clear()


async def started_worker(rig: Rig) -> WorkerProcess:
    push = rig.sandbox.control.push
    followed = push.count("subscribed")
    worker = await rig.ready_worker(
        module="tests.support.worker_main", TEST_TIMING=TIMING, TIGER_MCP_LOG_LEVEL="debug"
    )
    assert push.wait_for("subscribed", count=followed + 1, timeout_s=PAUSES_S)
    return worker


def login_name(rig: Rig) -> str:
    """Return under which name the sandbox has the login of the worker."""
    return Path(rig.installation.login("alpha").properties).parent.name


async def resting(rig: Rig, symbol: str, quantity: str = "10") -> tuple[str, int]:
    """Place an order that rests; return its id, and the broker's."""
    order = await rig.started(symbol=symbol, limit_price=LOW, quantity=quantity)
    await rig.fact(events.OrderWorking, order_id=order.order_id)
    accepted = await rig.fact(events.OrderAccepted, order_id=order.order_id)
    return order.order_id, int(accepted.tiger_order_id)


def fill(rig: Rig, tiger_id: int, quantity: int) -> None:
    rig.sandbox.control.external_fill(
        rig.number(), tiger_id, quantity=Decimal(quantity), price=Decimal(LOW)
    )


async def fills_of(rig: Rig, order_id: str) -> list[Decimal]:
    """Wait for the order's end; return its recorded fills, each once by its execution."""
    recorded = await rig.filled(order_id)
    assert len({each.execution_id for each in recorded}) == len(recorded)
    # Those that one listing shows are recorded in its order.
    return sorted(each.quantity for each in recorded)


async def test_fills_are_recorded_with_push(rig: Rig) -> None:
    order_id, tiger_id = await resting(rig, "AAPL")
    for quantity in (3, 7):
        fill(rig, tiger_id, quantity)
    assert await fills_of(rig, order_id) == [Decimal(3), Decimal(7)]


async def test_b6_fills_of_the_disconnect_window_are_recovered_by_pull(rig: Rig) -> None:
    push = rig.sandbox.control.push
    order_id, tiger_id = await resting(rig, "MSFT")
    before = len(rig.facts)
    push.add_fault(RefuseConnect(), count=None)
    assert push.cut() == 1
    fill(rig, tiger_id, 4)
    lost = await rig.fact(account_events.AccountStale, since=before)
    assert lost.cause == "push was lost: ended"
    await rig.fact(account_events.AccountStale, account=PAPER, since=before)
    # Without push the account lives by its rounds, and is open.
    await rig.fact(account_events.AccountReconciled, since=before)
    recorded = await rig.fact(events.OrderFillRecorded, order_id=order_id)
    assert recorded.quantity == Decimal(4)
    away, _ = await resting(rig, "NVDA")
    followed = push.count("subscribed")
    push.clear_faults()
    fill(rig, tiger_id, 6)
    assert push.wait_for("subscribed", count=followed + 1, timeout_s=PAUSES_S)
    await rig.fact(account_events.AccountStale, since=before, cause="push is back")
    await rig.until(lambda: len(rig.seen(account_events.AccountReconciled, since=before)) >= 2)
    assert await fills_of(rig, order_id) == [Decimal(4), Decimal(6)]
    assert rig.seen(events.OrderOutcomeUnknown, order_id=away) == []


@pytest.mark.parametrize(
    "effect",
    [
        DuplicateFrames(copies=3),
        ReorderFrames(size=3),
        DelayFrames(delay_s=0.3),
        DropFrames(),
    ],
    ids=["doubled", "reordered", "delayed", "dropped"],
)
async def test_b9_execution_told_twice_late_or_out_of_order_is_one_fill(
    rig: Rig, effect: Any
) -> None:
    rig.sandbox.control.push.add_fault(effect, count=None)
    order_id, tiger_id = await resting(rig, "AMZN")
    for quantity in (1, 2, 3, 4):
        fill(rig, tiger_id, quantity)
    assert await fills_of(rig, order_id) == [Decimal(n) for n in (1, 2, 3, 4)]
    rig.sandbox.control.push.release()
    filled = [order for order in rig.broker_orders() if order.global_id == tiger_id]
    assert [order.filled_quantity for order in filled] == [Decimal(10)]


async def test_kicked_login_opens_nothing_until_a_person_resumes_and_then_connects_once(
    rig: Rig,
) -> None:
    push = rig.sandbox.control.push
    connects = push.count("connect_asked")
    before = len(rig.facts)
    rival = PushCollector(rig.sandbox, login_name(rig)).connect()
    try:
        frozen = await rig.fact(account_events.AccountFrozen, since=before)
        assert (frozen.cause, frozen.symbol) == ("kicked", "")
        await rig.fact(account_events.AccountFrozen, account=PAPER, since=before, cause="kicked")
        await rig.fact(account_events.AccountReconciled, since=before)
        preview = await rig.preview(symbol="AAPL", limit_price=LOW)
        refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(preview))
        assert refused.code is Refusal.ACCOUNT_FROZEN
        # A successor does not fight for the connection either.
        for worker in rig.workers:
            await worker.stop()
        await rig.ready_worker(module="tests.support.worker_main", TEST_TIMING=TIMING)
        assert (push.count("connect_asked"), rival.of("kicked")) == (connects + 1, [])
        followed = push.count("subscribed")
        for account in (PAPER, ACCOUNT):
            command_id = await rig.resume(account)
            await rig.fact(account_events.AccountResumed, account=account, command_id=command_id)
        assert push.wait_for("subscribed", count=followed + 1, timeout_s=PAUSES_S)
        rival.wait_for("kicked")
        await resting(rig, "AAPL")
        assert push.count("connect_asked") == connects + 2
    finally:
        rival.close()


async def test_paused_process_has_a_new_connection_and_pulls_before_it_opens(rig: Rig) -> None:
    push = rig.sandbox.control.push
    order_id, tiger_id = await resting(rig, "TSLA")
    followed, before = push.count("subscribed"), len(rig.facts)
    (worker,) = rig.workers
    worker.signal(signal.SIGSTOP)
    over_at = time.monotonic() + PAUSE_NOTICED_S + 1
    fill(rig, tiger_id, 10)
    await rig.until_time(lambda: time.monotonic() > over_at)
    worker.signal(signal.SIGCONT)
    assert push.wait_for("subscribed", count=followed + 1, timeout_s=PAUSES_S)
    # The sleep and the new connection are two gaps; the later one may be told alone.
    await rig.fact(account_events.AccountStale, since=before)
    await rig.fact(account_events.AccountReconciled, since=before)
    assert push.count("subscribed") == followed + 1
    assert await fills_of(rig, order_id) == [Decimal(10)]


async def test_push_that_never_comes_up_stops_no_order(rig: Rig) -> None:
    push = rig.sandbox.control.push
    for worker in rig.workers:
        await worker.stop()
    push.add_fault(RefuseConnect(), count=None)
    asked = push.count("connect_asked")
    await rig.ready_worker(module="tests.support.worker_main", TEST_TIMING=TIMING)
    order = await rig.started(symbol="SPY", quantity="1")
    assert await fills_of(rig, order.order_id) == [Decimal(1)]
    assert push.wait_for("connect_asked", count=asked + 1, timeout_s=PAUSES_S)


async def test_log_names_no_account_no_login_and_no_signature(rig: Rig) -> None:
    log = (rig.home.path / "worker-alpha.log").read_text()
    assert "push.following" in log
    assert "push.kicked" in log
    login = rig.sandbox.login(login_name(rig))
    words = [login.tiger_id, rig.number(), rig.number(PAPER), '"sign"', "sendInterval"]
    assert [word for word in words if word in log] == []
    assert all(msgspec.json.decode(line) for line in log.splitlines())
