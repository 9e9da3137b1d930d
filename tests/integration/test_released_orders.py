"""A released order that the broker has after all: seen again, and not halted past.

The lists of orders lag until nothing would go back to the order any more; then they are right.
"""

from pathlib import Path
from typing import Final

import msgspec
import pytest

from core import account_events, events
from core.commands import HaltAccount, ReleaseOrder
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.rig import ACCOUNT, Rig, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="function")
TIMING: Final = msgspec.json.encode(worker_main.SHORT).decode()
LISTS: Final = ("orders", "active_orders")
# Less than it takes until an order that no list shows is called not found.
LOOK_BACK_S: Final = "0.5"
LOW: Final = "1.00"


async def released(rig: Rig) -> str:
    """Lose the answer to a place, have its order released, and return its id; the lists lag."""
    control = rig.sandbox.control
    preview_id = await rig.preview(symbol="NVDA", limit_price=LOW)
    lags = [control.add_fault(faults.StaleList(), method=each, count=None) for each in LISTS]
    control.add_fault(faults.DropAfterAcceptance(), method="place_order")
    await rig.submit(preview_id)
    order_id = (await rig.fact(events.OrderOutcomeUnknown)).order_id
    await rig.fact(events.OrderNotFound, order_id=order_id, wait_s=30.0)
    await rig.send(ACCOUNT, ReleaseOrder(order_id=order_id, shown_n=rig.told_n()))
    await rig.fact(events.OrderReleased, order_id=order_id)
    for lag in lags:
        control.remove_fault(lag)
    return order_id


async def test_released_order_is_reopened_by_late_lists_and_no_halt_is_verified_over_it(
    tmp_path: Path,
) -> None:
    async with running_rig(tmp_path) as rig:
        await rig.ready_worker(
            "alpha",
            module="tests.support.worker_main",
            TEST_TIMING=TIMING,
            TEST_LOOK_BACK_S=LOOK_BACK_S,
        )
        order_id = await released(rig)
        accepted = await rig.fact(events.OrderAccepted, order_id=order_id)
        assert accepted.evidence == "listing"
        await rig.fact(events.OrderWorking, order_id=order_id)
        beside = await rig.started(symbol="NVDA", limit_price=LOW)
        await rig.fact(events.OrderWorking, order_id=beside.order_id)
        await rig.send(ACCOUNT, HaltAccount(symbol="", detail="stop"))
        await rig.fact(account_events.AccountHaltVerified, wait_s=30.0)
        assert {order.status for order in rig.broker_orders()} == {"Cancelled"}
        await rig.fact(events.OrderCancelled, order_id=order_id)
