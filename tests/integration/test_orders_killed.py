"""Real processes killed or paused beside the one call that must never happen twice."""

import signal
from pathlib import Path

import msgspec
import pytest

from core import account_events, events
from infra.clock import SystemClock
from tests.support import worker_main
from tests.support.rig import ACCOUNT, Rig, WorkerProcess, running_rig

MAIN = "tests.support.worker_main"
TIMING = msgspec.json.encode(worker_main.SHORT).decode()


async def dying_worker(rig: Rig, step: str) -> WorkerProcess:
    return await rig.ready_worker(module=MAIN, TEST_STEP=step, TEST_TIMING=TIMING)


async def restarted(rig: Rig) -> int:
    """Start a healthy worker on what the dead one left; return how many facts there were."""
    before = len(rig.facts)
    await dying_worker(rig, worker_main.NOWHERE)
    await rig.fact(account_events.AccountReconciled, since=before)
    return before


async def test_killed_between_intent_and_call_leaves_an_unknown_order_never_sent(
    tmp_path: Path,
) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await dying_worker(rig, worker_main.BEFORE_CALL)
        started = await rig.started()
        assert await worker.ended() == -signal.SIGKILL
        before = await restarted(rig)
        unknown = await rig.fact(events.OrderOutcomeUnknown, since=before)
        assert unknown.order_id == started.order_id
        await rig.fact(events.OrderNotFound, order_id=started.order_id, wait_s=20)
        # The command comes again, and is answered by what is recorded.
        assert rig.seen(events.OrderSubmissionStarted) == [started]
        assert rig.sandbox.control.request_count("place_order") == 0
        assert rig.broker_orders() == []


async def test_killed_between_call_and_outcome_finds_the_order_by_its_mark(
    tmp_path: Path,
) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await dying_worker(rig, worker_main.AFTER_CALL)
        started = await rig.started()
        assert await worker.ended() == -signal.SIGKILL
        before = await restarted(rig)
        accepted = await rig.fact(events.OrderAccepted, since=before)
        assert (accepted.order_id, accepted.evidence) == (started.order_id, "listing")
        await rig.fact(events.OrderFilled, order_id=started.order_id)
        (order,) = rig.broker_orders()
        assert accepted.tiger_order_id == str(order.global_id)
        assert rig.sandbox.control.request_count("place_order") == 1


async def test_killed_between_outcome_and_acknowledgement_acts_once(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await dying_worker(rig, worker_main.AFTER_RECORD)
        started = await rig.started()
        assert await worker.ended() == -signal.SIGKILL
        before = await restarted(rig)
        await rig.fact(events.OrderFilled, since=before, order_id=started.order_id)
        assert rig.seen(events.OrderSubmissionStarted) == [started]
        assert rig.seen(events.OrderOutcomeUnknown) == []
        assert rig.sandbox.control.request_count("place_order") == 1
        assert len(rig.broker_orders()) == 1


async def test_paused_longer_than_send_by_sends_nothing(tmp_path: Path) -> None:
    async with running_rig(tmp_path) as rig:
        timing = msgspec.structs.replace(worker_main.SHORT, send_window_s=0.2, deadline_s=10.0)
        worker = await rig.ready_worker(
            module=MAIN,
            TEST_STEP=worker_main.PAUSE_BEFORE_GUARD,
            TEST_TIMING=msgspec.json.encode(timing).decode(),
        )
        started = await rig.started()
        clock = SystemClock()
        await rig.until_time(lambda: clock.now() > started.send_by)
        worker.signal(signal.SIGCONT)
        not_sent = await rig.fact(events.OrderNotSent)
        assert not_sent.order_id == started.order_id
        assert rig.sandbox.control.request_count("place_order") == 0


@pytest.mark.parametrize("step", [worker_main.AFTER_CALL, worker_main.AFTER_RECORD])
async def test_the_same_submit_after_a_crash_is_the_same_order(tmp_path: Path, step: str) -> None:
    async with running_rig(tmp_path) as rig:
        worker = await dying_worker(rig, step)
        preview = await rig.preview()
        command_id = await rig.submit(preview)
        started = await rig.fact(events.OrderSubmissionStarted, command_id=command_id)
        assert await worker.ended() == -signal.SIGKILL
        await restarted(rig)
        assert await rig.submit(preview) == command_id
        await rig.fact(events.OrderFilled, order_id=started.order_id)
        (order,) = rig.broker_orders()
        assert order.user_mark == started.mark
        types = [recorded.type for recorded in await rig.ledger(ACCOUNT)]
        assert types.count("order.submission_started") == 1
        assert types.count("order.accepted") == 1
