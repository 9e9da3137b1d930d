"""What the broker and the way to it may do to one placed order, and what the ledger then says."""

from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import pytest
import pytest_asyncio

from core import account_events, events
from core.commands import SubmitOrder, submit_command_id
from core.refusals import Refusal
from core.subjects import Kind
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.rig import Rig, order_terms, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMING = msgspec.json.encode(worker_main.SHORT).decode()
PLACE = "place_order"
# Each test trades another symbol, so that one's doubt does not block the next.
SYMBOLS = iter(("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "GOOG", "SPY", "META"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("faults")) as running:
        await running.ready_worker(module="tests.support.worker_main", TEST_TIMING=TIMING)
        yield running


@pytest.fixture
def symbol(rig: Rig) -> str:
    rig.sandbox.control.clear_faults()
    return next(SYMBOLS)


async def test_a_reply_lost_after_acceptance_is_unknown_then_found_by_its_mark(
    rig: Rig, symbol: str
) -> None:
    placed = rig.sandbox.control.request_count(PLACE)
    rig.sandbox.control.add_fault(faults.DropAfterAcceptance(), method=PLACE)
    started = await rig.started(symbol=symbol)
    await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    accepted = await rig.fact(events.OrderAccepted, order_id=started.order_id)
    assert accepted.evidence == "listing"
    await rig.fact(events.OrderFilled, order_id=started.order_id)
    assert rig.sandbox.control.request_count(PLACE) == placed + 1


async def test_a_request_lost_before_acceptance_is_unknown_then_not_found_and_not_sent_again(
    rig: Rig, symbol: str
) -> None:
    placed = rig.sandbox.control.request_count(PLACE)
    rig.sandbox.control.add_fault(faults.DropBeforeAcceptance(), method=PLACE)
    started = await rig.started(symbol=symbol)
    await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    # While nobody knows, nothing opens on the symbol.
    preview = await rig.preview(symbol=symbol)
    refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(preview))
    assert refused.code in (Refusal.SYMBOL_IN_DOUBT, Refusal.CHECK_FAILED)
    not_found = await rig.fact(events.OrderNotFound, order_id=started.order_id, wait_s=20)
    assert not_found.first_listing_at > started.arrives_by
    assert rig.sandbox.control.request_count(PLACE) == placed + 1
    assert started.mark not in {order.user_mark for order in rig.broker_orders()}


@pytest.mark.parametrize(
    "effect",
    [
        faults.Redirect(),
        faults.HttpStatus(status=502),
        faults.EmptyBody(accepted=False),
    ],
    ids=lambda effect: type(effect).__name__,
)
async def test_an_odd_reply_leads_to_one_post_at_most_and_to_unknown(
    rig: Rig, symbol: str, effect: faults.AnyEffect
) -> None:
    placed = rig.sandbox.control.request_count(PLACE)
    rig.sandbox.control.add_fault(effect, method=PLACE)
    started = await rig.started(symbol=symbol)
    await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id, wait_s=20)
    assert rig.sandbox.control.request_count(PLACE) == placed + 1


async def test_two_submits_of_one_preview_at_once_make_one_order(rig: Rig) -> None:
    rig.sandbox.control.clear_faults()
    placed = rig.sandbox.control.request_count(PLACE)
    preview = await rig.preview(account="sandbox-paper", quantity="1")
    command_id = submit_command_id("sandbox-paper", preview.preview_id)
    where, message = rig.seal(
        "sandbox-paper", SubmitOrder(preview_id=preview.preview_id), command_id=command_id
    )
    js = rig.client(Kind.COMMAND).jetstream()
    # Without a message id the stream takes both; the desk has to notice.
    await js.publish(where, message)
    await js.publish(where, message)
    started = await rig.fact(
        events.OrderSubmissionStarted, account="sandbox-paper", command_id=command_id
    )
    await rig.fact(events.OrderFilled, account="sandbox-paper", order_id=started.order_id)
    assert len(rig.seen(events.OrderSubmissionStarted, account="sandbox-paper")) == 1
    assert rig.sandbox.control.request_count(PLACE) == placed + 1


@pytest.mark.parametrize("quantity", ["-1", "NaN", "0", "1.2345678", "1e3", ""])
async def test_a_quantity_that_is_no_plain_amount_is_refused_before_the_broker(
    rig: Rig, quantity: str
) -> None:
    rig.sandbox.control.clear_faults()
    placed = rig.sandbox.control.request_count(PLACE)
    command_id = await rig.send("sandbox-paper", order_terms(quantity=quantity))
    refused = await rig.fact(events.OrderRefused, account="sandbox-paper", command_id=command_id)
    assert refused.code is Refusal.INVALID_TERMS
    assert "quantity" in refused.detail
    assert rig.sandbox.control.request_count(PLACE) == placed


async def test_an_unknown_symbol_is_refused(rig: Rig) -> None:
    command_id = await rig.send("sandbox-paper", order_terms(symbol="NOSUCH"))
    refused = await rig.fact(events.OrderRefused, account="sandbox-paper", command_id=command_id)
    assert refused.code is Refusal.UNKNOWN_SYMBOL


async def test_a_command_that_expired_is_refused(rig: Rig) -> None:
    command_id = await rig.send("sandbox-paper", order_terms(), life_s=-1.0)
    refused = await rig.fact(events.OrderRefused, account="sandbox-paper", command_id=command_id)
    assert refused.code is Refusal.COMMAND_EXPIRED


async def test_a_message_with_another_signature_is_recorded_and_set_aside(rig: Rig) -> None:
    where, message = rig.seal("sandbox-paper", order_terms(), command_id="cmd-forged")
    forged = message.replace(b'"quantity":"10"', b'"quantity":"99"')
    assert forged != message
    await rig.client(Kind.COMMAND).jetstream().publish(where, forged)
    noted = await rig.fact(account_events.CommandUnreadable, account="sandbox-paper")
    assert noted.code is Refusal.SIGNATURE_INVALID


async def test_external_orders_from_the_phone_app_are_recorded_and_filled(rig: Rig) -> None:
    rig.sandbox.control.external_order(
        rig.number("sandbox-paper"), "SPY", side="BUY", quantity=Decimal(3)
    )
    found = await rig.fact(events.OrderExternalObserved, account="sandbox-paper")
    assert (found.symbol, found.quantity) == ("SPY", Decimal(3))
    await rig.fact(events.OrderFilled, account="sandbox-paper", order_id=found.order_id)
