"""Two hosts with one login on one NATS: one sends, the other waits, and nothing is sent twice.

A host is a place of locks and a copy of the home of its own; the machine is the same.
"""

import shutil
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.tiger_worker.login import EXIT_FENCED, EXIT_STOPPED
from adapters.tiger_worker.watchdog import EXIT_STUCK
from core import account_events, events
from core.context import Timing
from core.lease import LeaseRecord, decode_lease, encode_lease, late_s
from core.subjects import lease_stream, lease_subject
from infra.clock import SystemClock
from infra.home import Home
from infra.nats.topology import PROVISIONER
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.gate import open_gate
from tests.support.leases import THEIRS
from tests.support.rig import ACCOUNT, START_S, Rig, WorkerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAIN = "tests.support.gated_worker"
LOGIN = "alpha"
PLACE = "place_order"
LOW = "1.00"
SHORT = Timing(send_window_s=1.0, sdk_timeout_s=1.0, deadline_s=2.0, skew_s=0.2, lease_s=1.0)
SILENCE_S = SHORT.lease_s + late_s(SHORT)
# Who waits by these would not be done within a test.
LONG = Timing(deadline_s=600.0)
# A send at the gate is not too old for a long time, but its lease soon is.
AT_THE_GATE = Timing(send_window_s=60.0, deadline_s=120.0, lease_s=1.0)


class Host:
    """One machine of the two: its locks, and its copy of the home."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        self._rig = rig
        self._locks = folder / "locks"
        self.home = Home(folder / "home")
        ignored = shutil.ignore_patterns("*.log", "nats", "*.lock", "gate")
        shutil.copytree(rig.home.path, self.home.path, ignore=ignored)

    async def start(self, timing: Timing, *, module: str = MAIN, **options: str) -> WorkerProcess:
        """Start the login's worker here."""
        return await self._rig.start_worker(
            LOGIN,
            module=module,
            home=self.home.path,
            TEST_LOCKS=str(self._locks),
            TEST_TIMING=msgspec.json.encode(timing).decode(),
            **options,
        )

    async def reconciled(self, timing: Timing, **options: str) -> WorkerProcess:
        """Start the worker and wait until it trades."""
        before = len(self._rig.facts)
        worker = await self.start(timing, **options)
        await worker.wait_ready()
        await self._rig.fact(account_events.AccountReconciled, since=before)
        return worker


@pytest.fixture
def hosts(rig: Rig, tmp_path: Path) -> tuple[Host, Host]:
    return Host(rig, tmp_path / "first"), Host(rig, tmp_path / "second")


async def lease(rig: Rig) -> tuple[LeaseRecord, datetime]:
    """Return the stored lease, and when the server stored it."""
    js = (await rig.nats.client(PROVISIONER)).jetstream()
    found = await js.get_last_msg(lease_stream(LOGIN), lease_subject(LOGIN))
    assert found.time is not None
    return decode_lease(found.data or b""), found.time


async def put_foreign_lease(rig: Rig) -> None:
    """Have a worker of a third machine hold the lease."""
    record = replace(THEIRS, late_s=600.0)
    js = (await rig.nats.client(PROVISIONER)).jetstream()
    await js.publish(lease_subject(LOGIN), encode_lease(record))


async def set_message_size(rig: Rig, size: int) -> None:
    """Have the lease's stream take no record, or take records again."""
    provisioner = await rig.nats.client(PROVISIONER)
    info = await provisioner.request(f"$JS.API.STREAM.INFO.{lease_stream(LOGIN)}")
    config = msgspec.json.decode(info.data)["config"]
    body = msgspec.json.encode(config | {"max_msg_size": size})
    answer = await provisioner.request(f"$JS.API.STREAM.UPDATE.{lease_stream(LOGIN)}", body)
    assert "error" not in msgspec.json.decode(answer.data)


def starts(rig: Rig) -> int:
    return len(rig.seen(account_events.AccountWorkerStarted))


def places(rig: Rig) -> int:
    return rig.sandbox.control.request_count(PLACE)


def booked(rig: Rig, order_id: str) -> list[Any]:
    return [each for each in rig.broker_orders() if each.user_mark.endswith(f".{order_id}")]


async def test_second_host_waits_while_the_first_lives_and_follows_its_end_at_once(
    rig: Rig, hosts: tuple[Host, Host], symbol: str
) -> None:
    first = await hosts[0].reconciled(LONG)
    second = await hosts[1].start(LONG)
    waiting = await second.next_word()
    assert not waiting["ready"]
    assert "holds the lease of this login" in waiting["detail"]
    begun = starts(rig)
    sent = await rig.started(symbol=symbol, limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=sent.order_id)
    assert starts(rig) == begun
    assert (second.process.returncode, places(rig)) == (None, len(rig.broker_orders()))
    # What has ended in order is waited for no longer; by the limits it would be ten minutes.
    before = len(rig.facts)
    first.signal(signal.SIGTERM)
    assert await first.ended() == EXIT_STOPPED
    await second.wait_ready()
    assert second.said == [{"ready": False}]
    await rig.fact(account_events.AccountReconciled, since=before)
    after = await rig.started(symbol=symbol, limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=after.order_id)
    second.signal(signal.SIGTERM)
    assert await second.ended() == EXIT_STOPPED
    assert (await lease(rig))[0].is_released


async def test_killed_host_with_a_hanging_place_is_followed_after_its_silence(
    rig: Rig, hosts: tuple[Host, Host], symbol: str
) -> None:
    first = await hosts[0].reconciled(SHORT)
    second = await hosts[1].start(SHORT)
    assert not (await second.next_word())["ready"]
    placed = places(rig)
    rig.sandbox.control.add_fault(faults.HoldBefore(), method=PLACE)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    assert rig.sandbox.control.wait_for(PLACE, count=placed + 1)
    first.signal(signal.SIGKILL)
    await first.ended()
    _, renewed_at = await lease(rig)
    before = len(rig.facts)
    await second.wait_ready()
    await rig.fact(account_events.AccountWorkerStarted, since=before)
    begun = next(
        r for r in rig.facts[before:] if isinstance(r.data, account_events.AccountWorkerStarted)
    )
    assert begun.recorded_at - renewed_at >= timedelta(seconds=SILENCE_S)
    # Even then absence resolves nothing: it is said of what can no longer arrive, and stays open.
    unknown = await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    assert unknown.cause == "worker_restarted"
    await rig.fact(events.OrderNotFound, order_id=started.order_id)
    told = next(r for r in rig.facts[before:] if isinstance(r.data, events.OrderNotFound))
    latest_s = SHORT.deadline_s + SHORT.skew_s
    assert told.recorded_at > started.send_by + timedelta(seconds=latest_s)
    rig.sandbox.control.release()
    working = await rig.fact(events.OrderWorking, order_id=started.order_id, wait_s=START_S)
    assert working.order_id == started.order_id
    assert places(rig) == placed + 1
    assert len(booked(rig, started.order_id)) == 1


async def test_stopped_host_that_wakes_after_a_takeover_sends_nothing(
    rig: Rig, hosts: tuple[Host, Host], symbol: str, symbols: Iterator[str]
) -> None:
    pause = {"module": "tests.support.worker_main", "TEST_STEP": worker_main.PAUSE_BEFORE_GUARD}
    first = await hosts[0].reconciled(SHORT, **pause)
    second = await hosts[1].start(SHORT)
    assert not (await second.next_word())["ready"]
    placed = places(rig)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    await second.wait_ready()
    await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    first.signal(signal.SIGCONT)
    # Its deadline has passed as well; whichever it notices first.
    assert await first.ended() in (EXIT_FENCED, EXIT_STUCK)
    # Its last word may have fenced the other, whose supervisor then starts it again.
    await second.stop()
    await hosts[1].reconciled(SHORT)
    await rig.fact(events.OrderNotFound, order_id=started.order_id)
    assert places(rig) == placed
    assert booked(rig, started.order_id) == []
    holder, _ = await lease(rig)
    assert not holder.is_released
    # The one that took over still has the login.
    after = await rig.started(symbol=next(symbols), limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=after.order_id)


async def test_send_whose_lease_ran_out_is_not_sent(
    rig: Rig, hosts: tuple[Host, Host], symbol: str, gate: Path
) -> None:
    await hosts[0].reconciled(AT_THE_GATE, TEST_GATE=str(gate))
    placed = places(rig)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    await set_message_size(rig, 1)
    clock = SystemClock()
    until_s = clock.boot_s() + AT_THE_GATE.lease_s
    await rig.until_time(lambda: clock.boot_s() > until_s)
    await open_gate(gate)
    not_sent = await rig.fact(events.OrderNotSent, order_id=started.order_id)
    assert not_sent.cause == "the login's lease had run out"
    assert places(rig) == placed
    # Nobody else took it, so that it is renewed as soon as it can be.
    await set_message_size(rig, 4096)
    again = await rig.started(symbol=symbol, limit_price=LOW)
    renewed_until_s = clock.boot_s() + AT_THE_GATE.lease_s
    await rig.until_time(lambda: clock.boot_s() > renewed_until_s)
    await open_gate(gate)
    await rig.fact(events.OrderWorking, order_id=again.order_id)
    assert places(rig) == placed + 1


async def test_host_that_finds_another_holder_records_and_sends_nothing_more(
    rig: Rig, hosts: tuple[Host, Host], symbol: str, gate: Path
) -> None:
    timing = replace(AT_THE_GATE, sdk_timeout_s=1.0, deadline_s=6.0)
    worker = await hosts[0].reconciled(timing, TEST_GATE=str(gate))
    placed = places(rig)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    line = await rig.ledger()
    await put_foreign_lease(rig)
    clock = SystemClock()
    until_s = clock.boot_s() + AT_THE_GATE.lease_s
    await rig.until_time(lambda: clock.boot_s() > until_s)
    await open_gate(gate)
    assert await worker.ended() == EXIT_FENCED
    assert places(rig) == placed
    assert booked(rig, started.order_id) == []
    # Not even that the order was not sent, which its observation alone may tell at the new end.
    more = [recorded.type for recorded in (await rig.ledger())[len(line) :]]
    assert set(more) <= {"order.answer_observed"}
    assert (await lease(rig))[0].holder == THEIRS.holder


async def test_killed_worker_is_followed_at_once_on_its_own_host(
    rig: Rig, hosts: tuple[Host, Host], symbol: str
) -> None:
    first = await hosts[0].reconciled(LONG)
    first.signal(signal.SIGKILL)
    await first.ended()
    assert not (await lease(rig))[0].is_released
    # By the limits, another host would wait for ten minutes.
    successor = await hosts[0].reconciled(LONG)
    assert successor.said == []
    sent = await rig.started(symbol=symbol, limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=sent.order_id)


async def test_lease_with_an_order_in_doubt_is_not_given_up(
    rig: Rig, hosts: tuple[Host, Host], symbol: str
) -> None:
    timing = replace(SHORT, deadline_s=20.0)
    worker = await hosts[0].reconciled(timing)
    placed = places(rig)
    rig.sandbox.control.add_fault(faults.HoldBefore(), method=PLACE)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    assert rig.sandbox.control.wait_for(PLACE, count=placed + 1)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == EXIT_STOPPED
    unknown = await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    assert unknown.order_id == started.order_id
    assert not (await lease(rig))[0].is_released


async def test_halt_file_of_a_waiting_host_cancels_what_is_open(
    rig: Rig, hosts: tuple[Host, Host], symbol: str
) -> None:
    await hosts[0].reconciled(LONG)
    sent = await rig.started(symbol=symbol, limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=sent.order_id)
    second = await hosts[1].start(LONG)
    assert not (await second.next_word())["ready"]
    begun = starts(rig)
    file = hosts[1].home.halt_file(ACCOUNT)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    cancelled = await rig.fact(events.OrderCancelled, order_id=sent.order_id, wait_s=START_S)
    assert cancelled.order_id == sent.order_id
    # The host that holds the lease was told nothing of a halt, and the other one still waits.
    assert starts(rig) == begun
    assert second.process.returncode is None
