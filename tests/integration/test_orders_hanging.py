"""A call to the broker that does not come back: what passes it, and how it ends."""

import asyncio
from decimal import Decimal
from pathlib import Path

import msgspec

from adapters.tiger_worker.watchdog import EXIT_STUCK
from core import events
from core.asks import AskReply
from core.commands import CancelOrder
from core.market_asks import MarketTable, QuotesAsk
from core.subjects import Kind
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.rig import ACCOUNT, Rig, running_rig

PLACE = "place_order"
TIMING = msgspec.json.encode(worker_main.SHORT).decode()


async def test_a_cancel_and_a_quote_pass_while_a_place_hangs(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        await rig.ready_worker()
        await _overtake(rig)


async def _overtake(rig: Rig) -> None:
    control = rig.sandbox.control
    resting = await rig.started(symbol="AAPL", limit_price="1.00")
    await rig.fact(events.OrderWorking, order_id=resting.order_id)
    placed, cancelled = control.request_count(PLACE), control.request_count("cancel_order")
    control.add_fault(faults.HoldBefore(), method=PLACE)
    hanging = await rig.started(symbol="MSFT")
    assert control.wait_for(PLACE, count=placed + 1)
    await rig.send(ACCOUNT, CancelOrder(order_id=resting.order_id))
    asked = msgspec.json.encode(QuotesAsk(symbols=("AAPL",)))
    reply = await rig.client(Kind.COMMAND).request(f"ask.{ACCOUNT}.quotes", asked, timeout=30)
    data = msgspec.json.decode(reply.data, type=AskReply).data
    table = msgspec.json.decode(data, type=MarketTable)
    (quote,) = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert quote["symbol"] == "AAPL"
    assert Decimal(str(quote["last"])) > 0
    assert control.wait_for("cancel_order", count=cancelled + 1)
    assert rig.seen(events.OrderAccepted, order_id=hanging.order_id) == []
    control.release()
    await rig.fact(events.OrderCancelled, order_id=resting.order_id)


async def test_a_reply_that_drips_past_the_deadline_ends_the_process(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await rig.ready_worker(module="tests.support.worker_main", TEST_TIMING=TIMING)
        # Each byte comes within the SDK's own limit, so that the SDK never gives up.
        rig.sandbox.control.add_fault(faults.Drip(interval_s=0.4), method=PLACE)
        started = await rig.started()
        # The order is sighted long before its reply is complete; the thread still has to die.
        accepted = await rig.fact(events.OrderAccepted, order_id=started.order_id)
        assert accepted.evidence == "listing"
        assert await worker.ended() == EXIT_STUCK
        assert rig.sandbox.control.request_count(PLACE) == 1


async def test_a_call_held_past_the_deadline_ends_the_process_in_recorded_doubt(
    tmp_path: Path,
) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await rig.ready_worker(module="tests.support.worker_main", TEST_TIMING=TIMING)
        # Listings hang too, so that nothing but the deadline can end the doubt.
        rig.sandbox.control.add_fault(faults.StaleList(), method="orders", count=None)
        rig.sandbox.control.add_fault(faults.Drip(interval_s=0.4), method=PLACE)
        started = await rig.started()
        doubt = await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
        assert doubt.cause == "no end within the deadline"
        assert await worker.ended() == EXIT_STUCK
        rig.sandbox.control.clear_faults()
        await rig.ready_worker()
        accepted = await rig.fact(events.OrderAccepted, order_id=started.order_id)
        assert accepted.evidence == "listing"
        assert rig.sandbox.control.request_count(PLACE) == 1


async def test_a_refused_connection_is_not_sent(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        await rig.ready_worker()
        preview = await rig.preview()
        # The second is asked for when the first is in stock; without one nothing is begun.
        assert await asyncio.to_thread(rig.sandbox.control.wait_for, "order_no", count=2)
        rig.sandbox.stop()
        command_id = await rig.submit(preview)
        started = await rig.fact(events.OrderSubmissionStarted, command_id=command_id)
        not_sent = await rig.fact(events.OrderNotSent)
        assert not_sent.order_id == started.order_id
        rig.sandbox.start()
