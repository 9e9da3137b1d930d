"""Changes of open orders on running processes: asked once, shown by a listing, never guessed."""

from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest
import pytest_asyncio

from core import account_events, events
from core.commands import CancelOrder, CancelOrders, ModifyOrder, TermsSeen
from core.refusals import Refusal
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.rig import ACCOUNT, Rig, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMING = msgspec.json.encode(worker_main.SHORT).decode()
MODIFY = "modify_order"
LOW = "1.00"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("modify")) as rig:
        await rig.ready_worker("alpha", module="tests.support.worker_main", TEST_TIMING=TIMING)
        yield rig


@pytest.fixture
def rig(running: Rig) -> Rig:
    running.sandbox.control.release()
    running.sandbox.control.clear_faults()
    return running


async def resting(rig: Rig, symbol: str, *, quantity: str = "10") -> str:
    started = await rig.started(symbol=symbol, limit_price=LOW, quantity=quantity)
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    return started.order_id


async def modify(rig: Rig, order_id: str, **patch: str | TermsSeen) -> str:
    whole = {"quantity": None, "limit_price": None, "reason": "a test"} | patch
    return await rig.send(ACCOUNT, ModifyOrder(order_id=order_id, **whole))  # type: ignore[arg-type]


def at_broker(rig: Rig, order_id: str) -> tuple[Decimal, Decimal | None]:
    (found,) = [order for order in rig.broker_orders() if order.user_mark.endswith(order_id)]
    return found.quantity, found.limit_price


async def test_changed_order_stands_on_its_new_terms_at_the_broker_and_in_the_ledger(
    rig: Rig,
) -> None:
    order_id = await resting(rig, "AAPL")
    command_id = await modify(rig, order_id, limit_price="1.05")
    started = await rig.fact(events.OrderModifyStarted, command_id=command_id)
    assert started.spec.quantity == 10
    replaced = await rig.fact(events.OrderReplaced, order_id=order_id)
    assert replaced.spec.limit_price == Decimal("1.05")
    assert at_broker(rig, order_id) == (Decimal(10), Decimal("1.05"))


async def test_patch_of_a_price_never_brings_an_old_quantity_back(rig: Rig) -> None:
    order_id = await resting(rig, "MSFT")
    await modify(rig, order_id, quantity="7")
    await modify(rig, order_id, limit_price="1.10")
    await rig.until(
        lambda: [
            replaced
            for replaced in rig.seen(events.OrderReplaced, order_id=order_id)
            if replaced.spec.limit_price == Decimal("1.10")
        ]
    )
    assert at_broker(rig, order_id) == (Decimal(7), Decimal("1.10"))


async def test_of_two_changes_agreed_to_at_once_the_second_is_not_laid_over_the_firsts_terms(
    rig: Rig,
) -> None:
    order_id = await resting(rig, "SPY")
    before = rig.sandbox.control.request_count(MODIFY)
    seen = TermsSeen(quantity=Decimal(10), limit_price=Decimal(LOW))
    await modify(rig, order_id, quantity="100", seen=seen)
    second = await modify(rig, order_id, limit_price="1.20", seen=seen)
    refused = await rig.fact(events.OrderRefused, command_id=second)
    assert (refused.code, refused.order_id) == (Refusal.TERMS_CHANGED, order_id)
    assert "quantity is 100, was 10. " in refused.detail
    assert at_broker(rig, order_id) == (Decimal(100), Decimal(LOW))
    assert rig.sandbox.control.request_count(MODIFY) == before + 1


async def test_change_whose_reply_is_lost_is_unknown_then_what_the_listing_shows(rig: Rig) -> None:
    order_id = await resting(rig, "NVDA")
    before = rig.sandbox.control.request_count(MODIFY)
    rig.sandbox.control.add_fault(faults.DropAfterAcceptance(), method=MODIFY)
    await modify(rig, order_id, limit_price="1.20")
    await rig.fact(events.OrderModifyUnknown, order_id=order_id)
    await rig.fact(events.OrderReplaced, order_id=order_id)
    assert rig.sandbox.control.request_count(MODIFY) == before + 1
    assert at_broker(rig, order_id) == (Decimal(10), Decimal("1.20"))


async def test_change_that_never_arrived_is_unknown_and_then_not_applied(rig: Rig) -> None:
    order_id = await resting(rig, "TSLA")
    rig.sandbox.control.add_fault(faults.DropBeforeAcceptance(), method=MODIFY)
    await modify(rig, order_id, limit_price="1.30")
    await rig.fact(events.OrderModifyUnknown, order_id=order_id)
    blocked = await rig.preview(symbol="TSLA", limit_price=LOW)
    refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(blocked))
    assert refused.code is Refusal.SYMBOL_IN_DOUBT
    again = await rig.fact(
        events.OrderRefused, command_id=await modify(rig, order_id, limit_price="1.40")
    )
    assert again.code is Refusal.ORDER_IN_DOUBT
    await rig.fact(events.OrderModifyNotApplied, order_id=order_id, wait_s=30.0)
    assert at_broker(rig, order_id) == (Decimal(10), Decimal(LOW))
    await rig.send(ACCOUNT, CancelOrder(order_id=order_id))
    await rig.fact(events.OrderCancelled, order_id=order_id)


async def test_a_change_whose_order_fills_before_its_answer_has_an_end(rig: Rig) -> None:
    order_id = await resting(rig, "QQQ")
    (order,) = [each for each in rig.broker_orders() if each.user_mark.endswith(order_id)]
    control = rig.sandbox.control
    asked = control.request_count(MODIFY)
    control.add_fault(faults.HoldBefore(), method=MODIFY)
    command_id = await modify(rig, order_id, quantity="20")
    assert control.wait_for(MODIFY, count=asked + 1)
    control.external_fill(rig.number(ACCOUNT), order.global_id)
    await rig.fact(events.OrderFilled, order_id=order_id)
    control.release()
    # A no, or where it comes too late for the library's own patience, a doubt that is over.
    ends = ("order.modify_refused", "order.modify_unknown")
    await rig.until(
        lambda: [
            each for each in rig.facts if each.type in ends and each.causation_id == command_id
        ]
    )


async def test_many_are_cancelled_by_a_filter_and_no_other(rig: Rig) -> None:
    wanted = [await resting(rig, "AMZN") for _ in range(3)]
    other = await resting(rig, "GOOG")
    command_id = await rig.send(ACCOUNT, CancelOrders(symbol="AMZN", side=None))
    for order_id in wanted:
        await rig.fact(events.OrderCancelled, order_id=order_id)
    asked = await rig.fact(account_events.AccountCancelsAsked, command_id=command_id)
    assert set(asked.order_ids) == set(wanted)
    assert rig.seen(events.OrderCancelled, order_id=other) == []
