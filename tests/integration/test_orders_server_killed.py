"""nats-server killed amid many orders: nothing acknowledged is lost, nothing is doubled."""

import asyncio
from collections import Counter
from pathlib import Path

import nats.errors

from core import events, preview_events
from core.commands import SubmitOrder, submit_command_id
from core.subjects import Kind
from tests.support.rig import ACCOUNT, Rig, running_rig

ORDERS = 200
KILL_AFTER = 60
SYMBOLS = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN")


async def previews(rig: Rig) -> list[preview_events.OrderPreviewed]:
    return [
        await rig.preview(symbol=SYMBOLS[index % len(SYMBOLS)], quantity="1")
        for index in range(ORDERS)
    ]


async def submit_durably(rig: Rig, preview: preview_events.OrderPreviewed) -> None:
    """Publish until the stream answers, as a gateway's user would: the same call is harmless."""
    command_id = submit_command_id(ACCOUNT, preview.preview_id)
    command = SubmitOrder(preview_id=preview.preview_id)
    where, message = rig.seal(ACCOUNT, command, command_id=command_id, life_s=120.0)
    js = rig.client(Kind.COMMAND).jetstream()
    headers = {"Nats-Msg-Id": f"{ACCOUNT}/{command_id}"}
    async with asyncio.timeout(60):
        while True:
            try:
                await js.publish(where, message, headers=headers, timeout=1.0)
            except nats.errors.Error:
                continue
            return


async def test_a_server_killed_amid_two_hundred_orders_loses_and_doubles_none(
    tmp_path: Path,
) -> None:
    async with running_rig(tmp_path) as rig:
        await rig.ready_worker()
        shown = await previews(rig)
        submitting = asyncio.gather(*(submit_durably(rig, preview) for preview in shown))
        await rig.until(lambda: len(rig.seen(events.OrderSubmissionStarted)) >= KILL_AFTER)
        await asyncio.to_thread(rig.nats.crash_and_restart)
        await submitting
        async with asyncio.timeout(90):
            while len(await done_orders(rig)) < ORDERS:
                await asyncio.to_thread(rig.sandbox.control.health)
        marks = Counter(order.user_mark for order in rig.broker_orders())
        ledger = [recorded.data for recorded in await rig.ledger()]
        sent = {e.order_id: e for e in ledger if isinstance(e, events.OrderSubmissionStarted)}
        not_sent = {e.order_id for e in ledger if isinstance(e, events.OrderNotSent)}
        assert len(sent) == ORDERS
        assert max(marks.values()) == 1
        assert set(marks) == {e.mark for e in sent.values() if e.order_id not in not_sent}


async def done_orders(rig: Rig) -> set[str]:
    """Return the orders whose end is stored; read from the stream, not from what was heard."""
    ends = (events.OrderFilled, events.OrderNotSent)
    return {r.data.order_id for r in await rig.ledger() if isinstance(r.data, ends)}
