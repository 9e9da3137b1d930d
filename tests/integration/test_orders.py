"""The way of an order on real parts: signed command, ledger, the real SDK, the sandbox's book."""

from pathlib import Path

import msgspec

from core import events
from core.refusals import Refusal
from infra.clock import SystemClock
from tests.support import worker_main
from tests.support.rig import running_rig


async def test_a_market_order_walks_from_preview_to_its_recorded_fill(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        await rig.ready_worker()
        started = await rig.started(quantity="10")
        filled = await rig.fact(events.OrderFilled, order_id=started.order_id)
        (order,) = rig.broker_orders()
        assert str(order.order_number) == started.order_number
        assert order.user_mark == started.mark
        assert order.filled_quantity == filled.filled_quantity == started.spec.quantity
        kinds = [recorded.type for recorded in await rig.ledger()]
        assert kinds.index("order.submission_started") < kinds.index("order.accepted")


async def test_a_preview_submitted_after_its_time_is_refused_and_nothing_is_sent(
    tmp_path: Path,
) -> None:
    timing = msgspec.structs.replace(worker_main.SHORT, preview_life_s=0.2)
    async with running_rig(tmp_path) as rig:
        await rig.ready_worker(
            module="tests.support.worker_main", TEST_TIMING=msgspec.json.encode(timing).decode()
        )
        preview = await rig.preview()
        clock = SystemClock()
        await rig.until_time(lambda: clock.now() > preview.expires_at)
        refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(preview))
        assert refused.code is Refusal.PREVIEW_EXPIRED
        assert rig.sandbox.control.request_count("place_order") == 0
