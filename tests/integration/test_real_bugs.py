"""Bugs that cost others money, each on the whole back end: real SDK, real broker protocol.

The cases B1 to B18 are failures that were reported against other trading systems. Those of them
that another file shows at length are named there by the same number.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from core import account_events, events
from core.commands import ModifyOrder, ReleaseOrder, SubmitOrder, submit_command_id
from core.refusals import Refusal
from core.terms import Side
from infra.sandbox.push.faults import DuplicateFrames, ReorderFrames
from infra.sandbox.settings import Settings
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.rig import ACCOUNT, Rig, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAIN = "tests.support.worker_main"
TIMING = msgspec.json.encode(worker_main.SHORT).decode()
PLACE = "place_order"
LOW = "1.00"
LISTINGS = ("orders", "active_orders", "order_transactions", "positions")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("bugs")) as rig:
        await rig.ready_worker("alpha", module=MAIN, TEST_TIMING=TIMING)
        yield rig


@pytest.fixture
def rig(running: Rig) -> Rig:
    control = running.sandbox.control
    control.release()
    control.clear_faults()
    control.set_settings(Settings(price_drift=False))
    return running


def fault(rig: Rig, effect: faults.AnyEffect, method: str = PLACE, count: int | None = 1) -> None:
    rig.sandbox.control.add_fault(effect, method=method, count=count)


def marked(rig: Rig, order_id: str) -> list[Any]:
    """Return the broker's own orders that bear the mark of one of ours."""
    return [order for order in rig.broker_orders() if order.user_mark.endswith(order_id)]


async def lost_reply(rig: Rig, symbol: str, *, limit_price: str | None = LOW) -> tuple[str, str]:
    """Place an order whose reply is lost; return its id and its preview's."""
    fault(rig, faults.DropAfterAcceptance())
    preview = await rig.preview(symbol=symbol, limit_price=limit_price)
    await rig.submit(preview)
    started = await rig.fact(events.OrderSubmissionStarted, preview_id=preview.preview_id)
    await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    return started.order_id, preview.preview_id


async def changed_once_open(rig: Rig, order_id: str) -> None:
    """Change an order, again while the account is still being compared with the broker."""
    command = ModifyOrder(order_id=order_id, quantity=None, limit_price="1.01", reason="there")
    async with asyncio.timeout(30):
        while True:
            command_id = await rig.send(ACCOUNT, command)
            await rig.until(partial(_is_decided, rig, command_id))
            if rig.seen(events.OrderModifyStarted, command_id=command_id):
                return
            (refused,) = rig.seen(events.OrderRefused, command_id=command_id)
            assert refused.code is Refusal.ACCOUNT_STALE


def _is_decided(rig: Rig, command_id: str) -> bool:
    ends = (events.OrderModifyStarted, events.OrderRefused)
    return any(rig.seen(end, command_id=command_id) for end in ends)


async def test_b1_lost_reply_and_a_caller_that_retries_make_one_order(rig: Rig) -> None:
    order_id, preview_id = await lost_reply(rig, "AAPL")
    for number in range(3):
        # With the id that every repetition has, and with ids of its own.
        await rig.send(
            ACCOUNT,
            SubmitOrder(preview_id=preview_id),
            command_id=submit_command_id(ACCOUNT, preview_id) if number == 0 else "",
        )
    await rig.fact(events.OrderAccepted, order_id=order_id, evidence="listing")
    await rig.fact(events.OrderRefused, preview_id=preview_id, code=Refusal.PREVIEW_USED)
    assert len(marked(rig, order_id)) == 1


async def test_b2_same_content_with_a_fresh_key_is_held_back_while_the_first_is_in_doubt(
    rig: Rig,
) -> None:
    for method in LISTINGS:
        fault(rig, faults.HttpStatus(status=503), method, count=None)
    fault(rig, faults.DropAfterAcceptance())
    first, second = [await rig.preview(symbol="MSFT", limit_price=LOW) for _ in range(2)]
    await rig.submit(first)
    started = await rig.fact(events.OrderSubmissionStarted, preview_id=first.preview_id)
    await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(second))
    assert refused.code is Refusal.SYMBOL_IN_DOUBT
    assert started.order_id in refused.detail
    rig.sandbox.control.clear_faults()
    await rig.fact(events.OrderAccepted, order_id=started.order_id)


async def test_b3_accept_that_comes_after_the_time_out_is_no_second_dispatch(rig: Rig) -> None:
    before = rig.sandbox.control.request_count(PLACE)
    fault(rig, faults.DelayAfter(delay_s=worker_main.SHORT.sdk_timeout_s + 0.2))
    preview = await rig.preview(symbol="NVDA", limit_price=LOW)
    await rig.submit(preview)
    started = await rig.fact(events.OrderSubmissionStarted, preview_id=preview.preview_id)
    await rig.submit(preview)
    await rig.fact(events.OrderAccepted, order_id=started.order_id)
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    assert rig.sandbox.control.request_count(PLACE) == before + 1
    assert len(marked(rig, started.order_id)) == 1


async def test_b4_broker_away_for_longer_than_any_patience_leaves_unknown_then_the_truth(
    rig: Rig,
) -> None:
    for method in LISTINGS:
        fault(rig, faults.DropBeforeAcceptance(), method, count=None)
    order_id, _ = await lost_reply(rig, "TSLA", limit_price=None)
    failed = rig.sandbox.control.request_count("orders")
    assert await asyncio.to_thread(
        rig.sandbox.control.wait_for, "orders", count=failed + 12, timeout_s=30
    )
    assert rig.seen(events.OrderNotFound, order_id=order_id) == []
    assert rig.seen(events.OrderRejected, order_id=order_id) == []
    rig.sandbox.control.clear_faults()
    filled = await rig.fact(events.OrderFilled, order_id=order_id)
    assert filled.filled_quantity == 10


async def test_b5_six_accepted_orders_survive_an_outage_in_which_every_query_fails(
    rig: Rig,
) -> None:
    orders = [await rig.started(symbol="AMZN", limit_price=LOW) for _ in range(6)]
    for started in orders:
        await rig.fact(events.OrderWorking, order_id=started.order_id)
    control = rig.sandbox.control
    control.set_settings(Settings(price_drift=False, refuse_connections=True))
    before = len(rig.facts)
    # Long enough that every reading of the outage fails several times.
    await asyncio.to_thread(control.wait_for, None, count=10**9, timeout_s=2)
    control.set_settings(Settings(price_drift=False))
    await changed_once_open(rig, orders[0].order_id)
    ends = (events.OrderCancelled, events.OrderRejected, events.OrderNotFound)
    for started in orders:
        assert [
            f for end in ends for f in rig.seen(end, since=before, order_id=started.order_id)
        ] == []
        assert len(marked(rig, started.order_id)) == 1


async def test_b6_fill_in_the_window_without_a_connection_is_pulled_afterwards(rig: Rig) -> None:
    started = await rig.started(symbol="GOOG", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    for method in LISTINGS:
        fault(rig, faults.DropBeforeAcceptance(), method, count=None)
    (order,) = marked(rig, started.order_id)
    rig.sandbox.control.push.cut()
    rig.sandbox.control.external_fill(
        rig.number(), order.global_id, quantity=Decimal(4), price=Decimal(LOW)
    )
    rig.sandbox.control.clear_faults()
    fill = await rig.fact(events.OrderFillRecorded, order_id=started.order_id)
    assert fill.quantity == 4


async def test_b7_position_that_the_broker_moved_is_a_break_within_a_few_readings(
    rig: Rig,
) -> None:
    bought = await rig.started(symbol="SPY", quantity="20")
    await rig.fact(events.OrderFilled, order_id=bought.order_id)
    before = len(rig.facts)
    rig.sandbox.control.external_position(
        rig.number(), "SPY", quantity=Decimal(-8), price=Decimal("600")
    )
    found = await rig.fact(account_events.AccountPositionBreak, since=before, symbol="SPY")
    assert (found.expected, found.observed) == (Decimal(20), Decimal(12))
    refused = await rig.fact(
        events.OrderRefused,
        command_id=await rig.submit(await rig.preview(symbol="SPY", limit_price=LOW)),
    )
    assert refused.code is Refusal.POSITION_BROKEN
    rig.sandbox.control.external_position(
        rig.number(), "SPY", quantity=Decimal(8), price=Decimal("600")
    )
    await rig.fact(account_events.AccountPositionAgreed, since=before, symbol="SPY")


async def test_b8_external_order_first_seen_filled_brings_order_and_fill(rig: Rig) -> None:
    outside = rig.sandbox.control.external_order(
        rig.number(), "AAPL", side="BUY", quantity=Decimal(3)
    )
    seen = await rig.fact(events.OrderExternalObserved, tiger_order_id=str(outside.global_id))
    fill = await rig.fact(events.OrderFillRecorded, order_id=seen.order_id)
    assert (fill.quantity, fill.side) == (Decimal(3), Side.BUY)


async def test_b9_execution_told_again_and_again_is_one_fill(rig: Rig) -> None:
    rig.sandbox.control.push.add_fault(DuplicateFrames(copies=3), count=None)
    rig.sandbox.control.push.add_fault(ReorderFrames(size=2), count=4)
    started = await rig.started(symbol="MSFT", quantity="5")
    await rig.filled(started.order_id)
    listed = rig.sandbox.control.request_count("orders")
    await asyncio.to_thread(rig.sandbox.control.wait_for, "orders", count=listed + 5, timeout_s=20)
    assert len(rig.seen(events.OrderFillRecorded, order_id=started.order_id)) == 1


async def test_b10_fill_told_by_a_listing_before_its_execution_is_counted_once(rig: Rig) -> None:
    fault(rig, faults.HttpStatus(status=503), "order_transactions", count=3)
    started = await rig.started(symbol="NVDA", quantity="6")
    await rig.filled(started.order_id)
    listed = rig.sandbox.control.request_count("orders")
    await asyncio.to_thread(rig.sandbox.control.wait_for, "orders", count=listed + 5, timeout_s=20)
    fills = rig.seen(events.OrderFillRecorded, order_id=started.order_id)
    assert sum(fill.quantity for fill in fills) == 6
    line = await rig.ledger()
    stored = [r.data for r in line if isinstance(r.data, events.OrderFillRecorded)]
    assert len({fill.execution_id for fill in stored}) == len(stored)


async def test_b11_change_lost_on_its_way_leaves_one_live_order_on_known_terms(rig: Rig) -> None:
    started = await rig.started(symbol="TSLA", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    fault(rig, faults.DropAfterAcceptance(), "modify_order")
    command = ModifyOrder(
        order_id=started.order_id, quantity=None, limit_price="1.02", reason="lost"
    )
    await rig.send(ACCOUNT, command)
    await rig.fact(events.OrderModifyUnknown, order_id=started.order_id)
    replaced = await rig.fact(events.OrderReplaced, order_id=started.order_id)
    (order,) = marked(rig, started.order_id)
    assert (order.limit_price, order.is_open) == (replaced.spec.limit_price, True)


async def test_b12_older_order_of_the_same_terms_is_not_taken_for_the_answer(rig: Rig) -> None:
    outside = rig.sandbox.control.external_order(
        rig.number(), "AMZN", side="BUY", quantity=Decimal(10), limit_price=Decimal(LOW)
    )
    fault(rig, faults.DropBeforeAcceptance())
    preview = await rig.preview(symbol="AMZN", limit_price=LOW)
    await rig.submit(preview)
    started = await rig.fact(events.OrderSubmissionStarted, preview_id=preview.preview_id)
    await rig.fact(events.OrderNotFound, order_id=started.order_id, wait_s=30)
    external = await rig.fact(events.OrderExternalObserved, tiger_order_id=str(outside.global_id))
    assert external.order_id != started.order_id
    assert rig.seen(events.OrderAccepted, order_id=started.order_id) == []
    await rig.send(ACCOUNT, ReleaseOrder(order_id=started.order_id, shown_n=rig.told_n()))
    await rig.fact(events.OrderReleased, order_id=started.order_id)


async def test_b13_claim_of_a_command_outlives_a_handler_that_failed(rig: Rig) -> None:
    order_id, preview_id = await lost_reply(rig, "GOOG")
    command_id = submit_command_id(ACCOUNT, preview_id)
    before = len(await rig.ledger())
    await rig.send(ACCOUNT, SubmitOrder(preview_id=preview_id), command_id=command_id)
    await rig.fact(events.OrderAccepted, order_id=order_id)
    intents = [
        r.data
        for r in (await rig.ledger())[before - 20 :]
        if isinstance(r.data, events.OrderSubmissionStarted) and r.data.order_id == order_id
    ]
    assert len(intents) <= 1
    assert len(marked(rig, order_id)) == 1


async def test_b14_order_that_the_broker_took_and_silently_lost_comes_to_light(rig: Rig) -> None:
    fault(rig, faults.SilentLoss())
    lost = await rig.started(symbol="AAPL", limit_price="1.07")
    await rig.fact(events.OrderAccepted, order_id=lost.order_id, evidence="reply")
    doubt = await rig.fact(events.OrderOutcomeUnknown, order_id=lost.order_id, wait_s=30)
    assert doubt.cause == "not_listed"
    await rig.fact(events.OrderNotFound, order_id=lost.order_id, wait_s=30)
    await rig.send(ACCOUNT, ReleaseOrder(order_id=lost.order_id, shown_n=rig.told_n()))
    await rig.fact(events.OrderReleased, order_id=lost.order_id)


async def test_b15_refused_order_says_nowhere_that_it_was_placed(rig: Rig) -> None:
    placed = rig.sandbox.control.request_count(PLACE)
    before = len(rig.facts)
    preview = await rig.preview(symbol="MSFT", limit_price="1.000001")
    refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(preview))
    assert refused.code is Refusal.CHECK_FAILED
    said = {recorded.type for recorded in rig.facts[before:] if recorded.account == ACCOUNT}
    assert not said & {"order.submission_started", "order.accepted", "order.working"}
    assert rig.sandbox.control.request_count(PLACE) == placed


async def test_b16_two_changes_at_once_do_not_bring_an_old_quantity_back(rig: Rig) -> None:
    started = await rig.started(symbol="NVDA", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    patches = (("6", None), (None, "1.11"))
    await asyncio.gather(
        *(
            rig.send(
                ACCOUNT,
                ModifyOrder(
                    order_id=started.order_id, quantity=quantity, limit_price=price, reason="both"
                ),
            )
            for quantity, price in patches
        )
    )
    await rig.until(lambda: len(rig.seen(events.OrderReplaced, order_id=started.order_id)) == 2)
    (order,) = marked(rig, started.order_id)
    assert (order.quantity, order.limit_price) == (6, Decimal("1.11"))


async def test_b17_killed_between_marker_and_reply_asks_the_broker_and_sends_nothing(
    tmp_path: Path,
) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await rig.ready_worker(
            module=MAIN, TEST_STEP=worker_main.AFTER_CALL, TEST_TIMING=TIMING
        )
        started = await rig.started(limit_price=LOW)
        assert await worker.ended() == -signal.SIGKILL
        await rig.ready_worker(module=MAIN, TEST_TIMING=TIMING)
        found = await rig.fact(events.OrderAccepted, order_id=started.order_id)
        assert found.evidence == "listing"
        assert rig.sandbox.control.request_count(PLACE) == 1
