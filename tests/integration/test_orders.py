"""The way of an order on real parts: signed command, ledger, the real SDK, the sandbox's book."""

from pathlib import Path

from core import events
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
