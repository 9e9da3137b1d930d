"""The halt file while nats-server does not answer: what is open is cancelled all the same."""

import gc
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from core import account_events, events, preview_events
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.rig import (
    ACCOUNT,
    MAY_LEAVE_SOCKETS,
    Rig,
    frozen_server,
    order_terms,
    running_rig,
)

pytestmark = [pytest.mark.asyncio(loop_scope="function"), MAY_LEAVE_SOCKETS]
TIMING = msgspec.json.encode(worker_main.SHORT).decode()
LOW = "1.00"


@pytest_asyncio.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path) as rig:
        await rig.ready_worker("alpha", module="tests.support.worker_main", TEST_TIMING=TIMING)
        yield rig
    # What a frozen server left open is told of in this test, and in no later one.
    gc.collect()


async def test_open_orders_are_cancelled_while_nats_is_frozen_and_recorded_after_it(
    rig: Rig,
) -> None:
    ours = [await rig.started(symbol=symbol, limit_price=LOW) for symbol in ("AAPL", "MSFT")]
    for started in ours:
        await rig.fact(events.OrderWorking, order_id=started.order_id)
    # This one's fate nobody knows, and yet it is live.
    rig.sandbox.control.add_fault(faults.DropAfterAcceptance(), method="place_order")
    lost = await rig.preview(symbol="NVDA", limit_price=LOW)
    await rig.submit(lost)
    await rig.fact(events.OrderOutcomeUnknown)
    with frozen_server(rig):
        file = rig.home.halt_file(ACCOUNT)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        await rig.until_time(
            lambda: {order.status for order in rig.broker_orders()} == {"Cancelled"}
        )
    halted = await rig.fact(account_events.AccountHalted, wait_s=30.0)
    assert halted.person == "halt file"
    for started in ours:
        await rig.fact(events.OrderCancelled, order_id=started.order_id, wait_s=30.0)
    verified = await rig.fact(account_events.AccountHaltVerified, wait_s=30.0)
    assert verified.symbol == ""
    imported = await rig.fact(events.OrderCancelImported, order_id=ours[0].order_id, wait_s=30.0)
    assert imported.outcome == "done"
    await rig.until_time(lambda: not rig.home.halt_journal(ACCOUNT).exists())
    refused = await rig.send(ACCOUNT, order_terms(symbol="AAPL", limit_price=LOW))
    previewed = await rig.fact(preview_events.OrderPreviewed, command_id=refused)
    assert not all(check.passed for check in previewed.checks)
