"""Words of the broker that no encoder takes, or nobody can read: the login lives, and says so."""

from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Final

import pytest
import pytest_asyncio
from msgspec.structs import replace

from core import account_events, events
from core.commands import HaltAccount
from core.refusals import Refusal
from infra.sandbox.home import (
    write_ports,
)
from infra.sandbox.logins.files import (
    read_ports,
)
from infra.sandbox.wire import faults
from tests.support.relay import Relay, relayed
from tests.support.rig import ACCOUNT, Rig, WorkerProcess, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOW: Final = "1.00"
# As Java cuts a text: the half of an emoji that is left is valid JSON, and no text.
CUT: Final = {b"CUT": rb"\ud83d"}
SHORT_SALES: Final = {b"SELL": b"SELL_SHORT"}


class Stage:
    """A back end whose worker hears the broker through a relay."""

    def __init__(self, rig: Rig, relay: Relay) -> None:
        self.rig = rig
        self.relay = relay


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with running_rig(tmp_path_factory.mktemp("poison")) as rig:
        with relayed(rig.sandbox) as relay:
            ports = read_ports(rig.home.sandbox)
            assert ports is not None
            write_ports(rig.home.sandbox, replace(ports, http=relay.server_address[1]))
            yield Stage(rig, relay)
            for worker in rig.workers:
                await worker.stop()


@pytest.fixture(autouse=True)
def as_written(stage: Stage) -> Iterator[None]:
    yield
    stage.relay.respelled.clear()


@pytest_asyncio.fixture(loop_scope="module")
async def worker(stage: Stage) -> AsyncIterator[WorkerProcess]:
    worker = await stage.rig.ready_worker()
    yield worker
    await worker.stop()


async def test_words_that_were_cut_inside_an_emoji_end_no_login(
    stage: Stage, worker: WorkerProcess
) -> None:
    rig = stage.rig
    stage.relay.respelled.update(CUT)
    rig.sandbox.control.add_fault(faults.RejectLate(remark="no CUT"), method="place_order")
    first = await rig.started(symbol="NVDA", limit_price=LOW)
    rejected = await rig.fact(events.OrderRejected, order_id=first.order_id)
    assert rejected.detail == "no \ufffd"
    # The same of a definite no to the place itself.
    refusal = faults.ErrorCode(code=1200, message="response(bad_request:no CUT)")
    rig.sandbox.control.add_fault(refusal, method="place_order")
    second = await rig.started(symbol="NVDA", limit_price=LOW)
    rejected = await rig.fact(events.OrderRejected, order_id=second.order_id)
    assert (rejected.code, rejected.detail) == (1200, "response(bad_request:no \ufffd)")
    third = await rig.started(symbol="NVDA", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=third.order_id)
    assert worker.process.returncode is None


async def test_cash_and_figures_that_are_none_are_told_as_such_and_orders_go_on(
    stage: Stage, worker: WorkerProcess
) -> None:
    rig = stage.rig
    before = await rig.fact(account_events.AccountBalancesObserved)
    assert before.unread == ()
    since = len(rig.facts)
    stage.relay.respelled.update({b"HKD": b"USDT", b"buyingPower": b"buyingPowder"})
    # A reading that had begun before is told as it was.
    (told, *_) = await rig.until(
        lambda: [
            each
            for each in rig.seen(account_events.AccountBalancesObserved, since=since)
            if each.unread
        ]
    )
    assert {figure.currency for figure in told.cash} == {
        {"HKD": "USDT"}.get(figure.currency, figure.currency) for figure in before.cash
    }
    assert "USDT" in {figure.currency for figure in told.cash}
    assert [kept.field for kept in told.unread] == ["buying_power"]
    assert told.buying_power is not None
    # What is behind these readings are no freeze and no doubt: orders go on.
    started = await rig.started(symbol="AAPL", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    assert rig.seen(account_events.AccountFrozen, since=since) == []
    misread = len(rig.facts)
    stage.relay.respelled.clear()
    await rig.fact(account_events.AccountBalancesObserved, since=misread, unread=())


async def test_open_order_that_cannot_be_read_is_cancelled_by_an_ordinary_halt(
    stage: Stage, worker: WorkerProcess
) -> None:
    rig = stage.rig
    stage.relay.respelled.update(SHORT_SALES)
    placed = rig.sandbox.control.external_order(
        rig.number(), "TSLA", side="SELL", quantity=Decimal(10), limit_price=Decimal(9_000)
    )
    await rig.fact(account_events.AccountFrozen, symbol="TSLA")
    number = str(placed.global_id)
    halt_id = await rig.send(ACCOUNT, HaltAccount(symbol="TSLA", detail="a test"))
    await rig.fact(account_events.AccountHalted, command_id=halt_id)
    # The intention before the call, then what the broker answered.
    await rig.fact(account_events.AccountCancelsAsked, unread=number, outcome="")
    await rig.fact(account_events.AccountCancelsAsked, unread=number, outcome="done")
    await rig.fact(account_events.AccountHaltVerified, symbol="TSLA")
    (order,) = [o for o in rig.broker_orders() if o.global_id == placed.global_id]
    assert order.status == "Cancelled"
    await rig.fact(account_events.AccountResumed, command_id=await rig.resume(ACCOUNT, "TSLA"))


async def test_order_that_cannot_be_read_freezes_its_symbol_until_a_person_resumes(
    stage: Stage, worker: WorkerProcess
) -> None:
    rig = stage.rig
    stage.relay.respelled.update(SHORT_SALES)
    placed = rig.sandbox.control.external_order(
        rig.number(), "MSFT", side="SELL", quantity=Decimal(10), limit_price=Decimal(9_000)
    )
    frozen = await rig.fact(account_events.AccountFrozen, symbol="MSFT")
    assert (frozen.cause, frozen.symbol) == ("order_unreadable", "MSFT")
    assert frozen.detail == f"{placed.global_id}: expected BUY or SELL, was 'SELL_SHORT'"
    refused_id = await rig.submit(await rig.preview(symbol="MSFT", limit_price=LOW))
    refused = await rig.fact(events.OrderRefused, command_id=refused_id)
    assert refused.code is Refusal.ACCOUNT_FROZEN
    # A successor is open for all others at once.
    await worker.stop()
    since = len(rig.facts)
    await rig.ready_worker()
    await rig.fact(account_events.AccountReconciled, since=since)
    other = await rig.started(symbol="AAPL", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=other.order_id)
    resume_id = await rig.resume("sandbox", "MSFT")
    await rig.fact(account_events.AccountResumed, command_id=resume_id, symbol="MSFT")
    allowed = await rig.started(symbol="MSFT", limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=allowed.order_id)
    assert len(rig.seen(account_events.AccountFrozen, symbol="MSFT")) == 1
