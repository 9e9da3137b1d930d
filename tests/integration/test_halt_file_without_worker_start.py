"""The halt file while a worker cannot even begin, because nats-server does not answer."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from adapters.tiger_worker.login import AWAITED
from adapters.tiger_worker.watchdog import EXIT_STUCK
from core import account_events, events
from infra.sandbox.wire import faults
from infra.supervisor.process import WAITS_FOR_NATS
from tests.support import worker_main
from tests.support.rig import (
    ACCOUNT,
    MAY_LEAVE_SOCKETS,
    START_S,
    Rig,
    WorkerProcess,
    frozen_server,
    running_rig,
)

pytestmark = [pytest.mark.asyncio(loop_scope="function"), MAY_LEAVE_SOCKETS]
TIMING = msgspec.json.encode(worker_main.SHORT).decode()
LOW = "1.00"
PLACE = "place_order"
# What a halt needs of the broker; every other call waits for the ledger.
ALLOWED = {"active_orders", "cancel_order"}


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path) as rig:
        yield rig
    # What a frozen server left open is told of in this test, and in no later one.
    gc.collect()


async def worker(rig: Rig) -> WorkerProcess:
    return await rig.start_worker("alpha", module="tests.support.worker_main", TEST_TIMING=TIMING)


def put_halt_file(rig: Rig) -> Path:
    file = rig.home.halt_file(ACCOUNT)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return file


async def until_started(rig: Rig, is_over: Callable[[], bool]) -> None:
    """Let a process start and come to something that only the broker can tell of."""
    async with asyncio.timeout(START_S):
        while not is_over():
            await asyncio.to_thread(rig.sandbox.control.health)


def statuses(rig: Rig) -> set[str]:
    return {order.status for order in rig.broker_orders()}


async def test_halt_file_cancels_though_the_worker_began_without_nats(rig: Rig) -> None:
    first = await worker(rig)
    await first.wait_ready()
    resting = await rig.started(symbol="AAPL", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=resting.order_id)
    # This one's call hangs, so the process ends; what became of the order nobody knows.
    placed = rig.sandbox.control.request_count(PLACE)
    rig.sandbox.control.add_fault(faults.Drip(interval_s=0.4), method=PLACE)
    hanging = await rig.preview(symbol="NVDA", limit_price=LOW)
    await rig.submit(hanging)
    doubtful = await rig.fact(events.OrderSubmissionStarted, preview_id=hanging.preview_id)
    # The fact is on the wire before its writer knows that it is stored; only then it calls.
    assert await asyncio.to_thread(rig.sandbox.control.wait_for, PLACE, count=placed + 1)
    with frozen_server(rig):
        assert await first.ended() == EXIT_STUCK
        file = put_halt_file(rig)
        before = rig.sandbox.control.request_count()
        successor = await worker(rig)
        await until_started(rig, lambda: statuses(rig) == {"Cancelled"})
        assert {each.method for each in rig.sandbox.control.journal(since=before)} == ALLOWED
        assert successor.process.returncode is None
        # Deleting the file resumes nothing, though no desk has heard of it yet.
        file.unlink()
    await successor.wait_ready()
    # Its supervisor is told, and so does not start it again amid the halt.
    assert successor.said[0] == {"ready": False, "detail": AWAITED, "waits_for": WAITS_FOR_NATS}
    halted = await rig.fact(account_events.AccountHalted, wait_s=START_S)
    assert halted.person == "halt file"
    for started in (resting, doubtful):
        await rig.fact(events.OrderCancelled, order_id=started.order_id)
        await rig.fact(events.OrderCancelImported, order_id=started.order_id)
    await rig.fact(account_events.AccountHaltVerified)
    await rig.until_time(lambda: not list(rig.home.halt.glob("*.jsonl")))
