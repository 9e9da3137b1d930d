"""Halts, doubts, strangers and bad messages on running workers of two logins, three accounts."""

import asyncio
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import msgspec
import nats.errors
import pytest
import pytest_asyncio

from core import account_events, events, preview_events
from core.commands import CancelOrder, HaltAccount, ReleaseOrder
from core.errors import CorruptRecordError
from core.refusals import Refusal
from core.subjects import COMMANDS_STREAM, Kind, work_consumer
from infra.nats.topology import PROVISIONER
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    LoginFile,
)
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.rig import ACCOUNT, WAIT_S, Rig, order_terms, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMING = msgspec.json.encode(worker_main.SHORT).decode()
PLACE = "place_order"
PAPER = "sandbox-paper"
TWO = "sandbox-two"
LOW = "1.00"
HOSTILE = {
    "TIGEROPEN_SERVER_URL": "https://192.0.2.1/gateway",
    "TIGEROPEN_TIGER_ID": "20990001",
    "TIGEROPEN_PROPS_PATH": "/nowhere",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("control")) as rig:
        for login in ("alpha", "beta"):
            await rig.ready_worker(
                login,
                module="tests.support.worker_main",
                TEST_TIMING=TIMING,
                TIGER_MCP_LOG_LEVEL="debug",
                **HOSTILE,
            )
        yield rig


@pytest.fixture
def rig(running: Rig) -> Rig:
    running.sandbox.control.release()
    running.sandbox.control.clear_faults()
    return running


async def resting(rig: Rig, symbol: str, *, account: str = ACCOUNT) -> str:
    """Place an order that rests, and return its id once a listing has shown it."""
    started = await rig.started(account=account, symbol=symbol, limit_price=LOW)
    await rig.fact(events.OrderWorking, account=account, order_id=started.order_id)
    return started.order_id


async def resume(rig: Rig, account: str = ACCOUNT, symbol: str = "") -> None:
    command_id = await rig.resume(account, symbol)
    await rig.fact(account_events.AccountResumed, account=account, command_id=command_id)


async def send_durably(rig: Rig, account: str, command: CancelOrder | HaltAccount) -> None:
    """Send until the stream answers: what a client published into a dead socket is lost."""
    command_id = f"cmd-durably-{account}"
    async with asyncio.timeout(30):
        while True:
            try:
                await rig.send(account, command, command_id=command_id)
            except nats.errors.Error:
                continue
            return


async def test_halt_cancels_what_rests_and_refuses_until_a_person_resumes(rig: Rig) -> None:
    resting_ids = [await resting(rig, symbol) for symbol in ("AAPL", "MSFT", "NVDA")]
    before = await rig.preview(symbol="TSLA", limit_price=LOW)
    placed = rig.sandbox.control.request_count(PLACE)
    await rig.send(ACCOUNT, HaltAccount(symbol="", detail="stop"))
    for order_id in resting_ids:
        await rig.fact(events.OrderCancelled, order_id=order_id)
    assert {order.status for order in rig.broker_orders()} == {"Cancelled"}
    refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(before))
    assert refused.code is Refusal.ACCOUNT_HALTED
    assert rig.sandbox.control.request_count(PLACE) == placed
    await resume(rig)
    await resting(rig, "TSLA")


async def test_halt_of_a_symbol_stops_no_other(rig: Rig) -> None:
    halted, other = await resting(rig, "AAPL"), await resting(rig, "MSFT")
    await rig.send(ACCOUNT, HaltAccount(symbol="AAPL", detail="stop"))
    await rig.fact(events.OrderCancelled, order_id=halted)
    preview = await rig.preview(symbol="AAPL", limit_price=LOW)
    refused = await rig.fact(events.OrderRefused, command_id=await rig.submit(preview))
    assert refused.code is Refusal.ACCOUNT_HALTED
    await resting(rig, "AMZN")
    assert rig.seen(events.OrderCancelled, order_id=other) == []
    await resume(rig, symbol="AAPL")
    await resting(rig, "AAPL")


async def test_halt_file_halts_and_deleting_it_resumes_nothing(rig: Rig) -> None:
    order_id = await resting(rig, "AAPL", account=TWO)
    file = rig.home.halt_file(TWO)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    halted = await rig.fact(account_events.AccountHalted, account=TWO)
    assert halted.person == "halt file"
    await rig.fact(events.OrderCancelled, account=TWO, order_id=order_id)
    file.unlink()
    preview = await rig.preview(account=TWO, symbol="MSFT", limit_price=LOW)
    command_id = await rig.submit(preview, account=TWO)
    refused = await rig.fact(events.OrderRefused, account=TWO, command_id=command_id)
    assert refused.code is Refusal.ACCOUNT_HALTED
    await resume(rig, TWO)
    await resting(rig, "MSFT", account=TWO)


async def test_person_cannot_resume_while_the_halt_file_stands(rig: Rig) -> None:
    file = rig.home.halt_file(TWO)
    before = len(rig.facts)
    file.touch()
    await rig.fact(account_events.AccountHalted, account=TWO, since=before)
    await resume(rig, TWO)
    await rig.until(
        lambda: len(rig.seen(account_events.AccountHalted, account=TWO, since=before)) == 2
    )
    file.unlink()
    await resume(rig, TWO)


async def test_hanging_place_of_one_account_stops_no_other_account_or_login(rig: Rig) -> None:
    control = rig.sandbox.control
    placed = control.request_count(PLACE)
    control.add_fault(faults.HoldBefore(), method=PLACE, account=rig.number(ACCOUNT))
    hanging = await rig.started(symbol="GOOG", limit_price=LOW)
    assert control.wait_for(PLACE, count=placed + 1)
    for account in (PAPER, TWO):
        started = await rig.started(account=account, symbol="AMZN", quantity="1")
        await rig.fact(events.OrderFilled, account=account, order_id=started.order_id)
    # The first account itself goes on with its other symbols.
    await resting(rig, "SPY")
    assert rig.seen(events.OrderAccepted, order_id=hanging.order_id) == []
    await rig.fact(events.OrderOutcomeUnknown, order_id=hanging.order_id)
    control.release()
    await rig.fact(events.OrderAccepted, order_id=hanging.order_id)
    assert control.request_count(PLACE) == placed + 4


async def test_cancel_of_an_unknown_order_is_executed_when_it_is_sighted(rig: Rig) -> None:
    control = rig.sandbox.control
    for method in ("orders", "active_orders"):
        control.add_fault(faults.StaleList(), method=method, account=rig.number(PAPER), count=None)
    control.add_fault(faults.DropAfterAcceptance(), method=PLACE)
    cancelled = control.request_count("cancel_order")
    started = await rig.started(account=PAPER, symbol="AAPL", limit_price=LOW)
    await rig.fact(events.OrderOutcomeUnknown, account=PAPER, order_id=started.order_id)
    await rig.send(PAPER, CancelOrder(order_id=started.order_id))
    await rig.fact(events.OrderCancelWanted, account=PAPER, order_id=started.order_id)
    assert control.request_count("cancel_order") == cancelled
    control.clear_faults()
    await rig.fact(events.OrderCancelled, account=PAPER, order_id=started.order_id)
    assert control.request_count("cancel_order") == cancelled + 1


async def test_release_of_a_not_found_order_frees_its_symbol(rig: Rig) -> None:
    rig.sandbox.control.add_fault(faults.DropBeforeAcceptance(), method=PLACE)
    started = await rig.started(account=PAPER, symbol="MSFT", limit_price=LOW)
    await rig.fact(events.OrderNotFound, account=PAPER, order_id=started.order_id, wait_s=20)
    blocked = await rig.preview(account=PAPER, symbol="MSFT", limit_price=LOW)
    command_id = await rig.submit(blocked, account=PAPER)
    refused = await rig.fact(events.OrderRefused, account=PAPER, command_id=command_id)
    assert refused.code is Refusal.SYMBOL_IN_DOUBT
    assert started.order_id in refused.detail
    await rig.send(PAPER, ReleaseOrder(order_id=started.order_id, shown_n=rig.told_n(PAPER)))
    await rig.fact(events.OrderReleased, account=PAPER, order_id=started.order_id)
    await resting(rig, "MSFT", account=PAPER)


async def test_orders_from_the_phone_app_are_seen_cancelled_and_halted_like_ours(rig: Rig) -> None:
    number = rig.number(PAPER)
    rig.sandbox.control.external_order(
        number, "NVDA", side="BUY", quantity=Decimal(7), limit_price=Decimal(1)
    )
    found = await rig.fact(events.OrderExternalObserved, account=PAPER, symbol="NVDA")
    await rig.fact(events.OrderWorking, account=PAPER, order_id=found.order_id)
    await rig.send(PAPER, CancelOrder(order_id=found.order_id))
    await rig.fact(events.OrderCancelled, account=PAPER, order_id=found.order_id)


async def test_message_that_does_not_decode_is_recorded_set_aside_and_stops_nothing(
    rig: Rig,
) -> None:
    js = rig.client(Kind.COMMAND).jetstream()
    before = len(rig.facts)
    bodies = (b"{", b"\xff\xfe\x00", b"[]", b"x" * 40_000)
    for body in bodies:
        await js.publish(f"cmd.{TWO}.order.preview", body)
    await js.publish(f"cmd.{TWO}.no.such_thing", b"{}")
    await rig.until(
        lambda: (
            len(rig.seen(account_events.CommandUnreadable, account=TWO, since=before))
            == len(bodies) + 1
        )
    )
    command_id = await rig.send(TWO, order_terms(symbol="AAPL"))
    await rig.fact(preview_events.OrderPreviewed, account=TWO, command_id=command_id)
    provisioner = (await rig.nats.client(PROVISIONER)).jetstream()

    async def held() -> int:
        info = await provisioner.consumer_info(COMMANDS_STREAM, work_consumer(TWO))
        return (info.num_ack_pending or 0) + (info.num_pending or 0)

    async with asyncio.timeout(WAIT_S):
        while await held() > 0:
            pass


async def test_queues_outlive_a_crash_of_the_server(rig: Rig) -> None:
    order_id = await resting(rig, "TSLA", account=PAPER)
    await asyncio.to_thread(rig.nats.crash_and_restart)
    await send_durably(rig, PAPER, CancelOrder(order_id=order_id))
    await rig.fact(events.OrderCancelled, account=PAPER, order_id=order_id, wait_s=20)
    await send_durably(rig, TWO, HaltAccount(symbol="", detail="crash"))
    await rig.fact(account_events.AccountHalted, account=TWO, detail="crash", wait_s=20)
    await resume(rig, TWO)


async def test_ledgers_follow_and_name_no_account_number_and_no_login(rig: Rig) -> None:
    secrets = [rig.number(account) for account in (ACCOUNT, PAPER, TWO)]
    for login in rig.installation.logins:
        folder = (rig.home.path / login.properties).parent
        file = msgspec.json.decode((folder / LOGIN_FILE).read_bytes(), type=LoginFile)
        secrets.append(file.tiger_id)
    for account in (ACCOUNT, PAPER, TWO):
        try:
            line = await rig.ledger(account)
        except CorruptRecordError as error:
            pytest.fail(f"{account}: {error}")
        text = msgspec.json.encode(line).decode()
        assert [secret for secret in secrets if secret in text] == []
    for name in ("alpha", "beta"):
        log = (rig.home.path / f"worker-{name}.log").read_text()
        assert "event.recorded" in log
        words = [*secrets, "biz_content", '"sign"', "private_key", HOSTILE["TIGEROPEN_TIGER_ID"]]
        assert [word for word in words if word in log] == []
        assert all(json.loads(line) for line in log.splitlines())
