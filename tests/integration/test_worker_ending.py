"""How a worker ends and what its successor finds: exit codes, locks, gates before the one call."""

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from adapters.tiger_worker.__main__ import EXIT_CONFIG, EXIT_LOGIN_IN_USE
from adapters.tiger_worker.login import EXIT_FENCED, EXIT_STOPPED
from core import account_events, codec, events
from core.codec import Recorded
from core.commands import CancelOrder, HaltAccount
from core.subjects import ledger_stream
from infra.ledger.append import AccountWriter
from infra.nats.topology import worker_role
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    TOKEN_FILE,
)
from infra.sandbox.wire import faults
from tests.support import worker_main
from tests.support.gate import open_gate
from tests.support.rig import ACCOUNT, START_S, Rig, WorkerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")
MAIN = "tests.support.gated_worker"
LOGIN = "alpha"
SHORT = msgspec.json.encode(worker_main.SHORT).decode()
# Long enough that a test can act while a send stands at the gate.
AT_THE_GATE = msgspec.structs.replace(worker_main.SHORT, send_window_s=30.0, deadline_s=60.0)
PLACE = "place_order"
LOW = "1.00"


@pytest.fixture
def locks(tmp_path: Path) -> Path:
    """A place of its own for the locks of logins."""
    return tmp_path / "locks"


def only_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


async def reconciled(rig: Rig, **options: str) -> WorkerProcess:
    before = len(rig.facts)
    worker = await rig.ready_worker(module=MAIN, **{"TEST_TIMING": SHORT, **options})
    await rig.fact(account_events.AccountReconciled, since=before)
    return worker


async def at_the_gate(rig: Rig, gate: Path, symbol: str, **options: str) -> tuple[str, int]:
    """Have an intent stored whose send waits; return the order and how many were placed so far."""
    timing = msgspec.json.encode(AT_THE_GATE).decode()
    await reconciled(rig, TEST_GATE=str(gate), TEST_TIMING=timing, **options)
    placed = rig.sandbox.control.request_count(PLACE)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    return started.order_id, placed


async def not_sent(rig: Rig, order_id: str, placed: int) -> str:
    """Check that the order was not sent and nothing was asked; return the cause."""
    found = await rig.fact(events.OrderNotSent, order_id=order_id)
    assert rig.sandbox.control.request_count(PLACE) == placed
    assert order_id not in {order.user_mark.partition(".")[2] for order in rig.broker_orders()}
    return found.cause


# Rule 1, with the broker's own count of requests.


async def test_gate_that_opens_in_time_sends(rig: Rig, gate: Path, symbol: str) -> None:
    order_id, placed = await at_the_gate(rig, gate, symbol)
    await open_gate(gate)
    await rig.fact(events.OrderAccepted, order_id=order_id)
    assert rig.sandbox.control.request_count(PLACE) == placed + 1


async def test_halt_between_intent_and_call_sends_nothing(
    rig: Rig, gate: Path, symbol: str
) -> None:
    order_id, placed = await at_the_gate(rig, gate, symbol)
    await rig.send(ACCOUNT, HaltAccount(symbol=symbol, detail="now"))
    await rig.fact(account_events.AccountHalted, symbol=symbol)
    await open_gate(gate)
    assert await not_sent(rig, order_id, placed) == "a halt had arrived"
    await rig.resume(symbol=symbol)
    await rig.fact(account_events.AccountResumed, symbol=symbol)


async def test_halt_file_between_intent_and_call_sends_nothing(
    rig: Rig, gate: Path, symbol: str
) -> None:
    order_id, placed = await at_the_gate(rig, gate, symbol)
    before = len(rig.facts)
    file = rig.home.halt_file(ACCOUNT)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    await open_gate(gate)
    assert await not_sent(rig, order_id, placed) == "the halt file is in place"
    # A person resumes only what was told; the send may see the file before the desk does.
    await rig.fact(account_events.AccountHalted, since=before, symbol="")
    file.unlink()
    await rig.resume()
    await rig.fact(account_events.AccountResumed, since=before, symbol="")


@pytest.mark.parametrize("is_replaced", [False, True], ids=["removed", "replaced"])
async def test_lock_file_that_is_gone_sends_nothing(
    rig: Rig, gate: Path, symbol: str, locks: Path, is_replaced: bool
) -> None:
    order_id, placed = await at_the_gate(rig, gate, symbol, TEST_LOCKS=str(locks))
    lock = only_file(locks)
    lock.unlink()
    if is_replaced:
        lock.touch()
    await open_gate(gate)
    assert await not_sent(rig, order_id, placed) == "the login's lock is lost"


async def test_intent_whose_ack_was_not_plain_is_not_sent(rig: Rig, symbol: str) -> None:
    await reconciled(rig, TEST_UNCLEAN="1")
    placed = rig.sandbox.control.request_count(PLACE)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    cause = await not_sent(rig, started.order_id, placed)
    assert cause == "the ledger's first answer to the intent was lost"


# Rule 3, and the other ends of a worker.


async def test_second_worker_of_a_login_ends_at_once_from_this_home_and_from_another(
    rig: Rig, tmp_path: Path
) -> None:
    await reconciled(rig)
    before = await rig.ledger()
    other = tmp_path / "other"
    shutil.copytree(rig.home.path, other, ignore=shutil.ignore_patterns("*.log", "nats", "*.lock"))
    here = await rig.start_worker(LOGIN)
    there = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "adapters.tiger_worker", "--home", str(other), "--login", LOGIN),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await here.ended() == EXIT_LOGIN_IN_USE
    assert await asyncio.wait_for(there.wait(), START_S) == EXIT_LOGIN_IN_USE
    # Not even that a worker started was written.
    worker_starts = [r for r in await rig.ledger() if r.type == "account.worker_started"]
    assert worker_starts == [r for r in before if r.type == "account.worker_started"]


async def test_successor_goes_on_with_an_order_that_rests(rig: Rig, symbol: str) -> None:
    worker = await reconciled(rig)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == EXIT_STOPPED
    before = len(rig.facts)
    await reconciled(rig)
    await rig.send(ACCOUNT, CancelOrder(order_id=started.order_id))
    await rig.fact(events.OrderCancelled, order_id=started.order_id)
    told = [r.type for r in rig.facts[before:] if r.account == ACCOUNT]
    assert "order.outcome_unknown" not in told
    assert "order.external_observed" not in told


async def test_stop_while_a_place_hangs_records_its_end_first(rig: Rig, symbol: str) -> None:
    worker = await reconciled(rig)
    placed = rig.sandbox.control.request_count(PLACE)
    rig.sandbox.control.add_fault(faults.HoldBefore(), method=PLACE)
    started = await rig.started(symbol=symbol, limit_price=LOW)
    assert rig.sandbox.control.wait_for(PLACE, count=placed + 1)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == EXIT_STOPPED
    unknown = await rig.fact(events.OrderOutcomeUnknown, order_id=started.order_id)
    assert unknown.cause != "worker_restarted"


async def test_foreign_append_stops_the_login_and_its_successor_goes_on(rig: Rig) -> None:
    worker = await reconciled(rig)
    line = await rig.ledger()
    last = line[-1]
    writer = AccountWriter(
        await rig.nats.client(worker_role(LOGIN)), stream=ledger_stream(LOGIN), account=ACCOUNT
    )
    tail = await writer.read_tail()
    assert tail is not None
    foreign = Recorded(
        type="account.stale",
        event_id="evt-foreign",
        account=ACCOUNT,
        n=last.n + 1,
        recorded_at=last.recorded_at,
        correlation_id="",
        causation_id="",
        actor="test",
        code_version="0",
        data=account_events.AccountStale(gap=1, cause="another writer"),
    )
    where, body = codec.encode(foreign, prev=codec.digest(tail.subject, tail.body))
    await writer.append(
        subject=where,
        body=body,
        event_id=foreign.event_id,
        expected_sequence=tail.sequence,
        deadline_s=5.0,
    )
    command_id = await rig.send(ACCOUNT, CancelOrder(order_id="ord-none"))
    assert await worker.ended() == EXIT_FENCED
    assert rig.seen(events.OrderRefused, command_id=command_id) == []
    # The command that met the conflict is left to the successor.
    await reconciled(rig)
    await rig.fact(events.OrderRefused, command_id=command_id)
    types = [recorded.type for recorded in await rig.ledger()]
    assert types.count("account.stale") == 1


# What a login trades with is its owner's alone, at every start.


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing there")
@pytest.mark.parametrize("name", [PROPERTIES_FILE, TOKEN_FILE])
async def test_a_worker_refuses_credentials_that_others_may_read(rig: Rig, name: str) -> None:
    properties = rig.home.path / rig.installation.login(LOGIN).properties
    file = properties.parent / name
    was_there = file.exists()
    file.touch()
    file.chmod(0o644)
    before = rig.sandbox.control.request_count()
    log = rig.home.path / f"worker-{LOGIN}.log"
    said = log.stat().st_size if log.exists() else 0
    try:
        worker = await rig.start_worker(LOGIN)
        assert await worker.ended() == EXIT_CONFIG
    finally:
        file.chmod(0o600)
        if not was_there:
            file.unlink()
    assert f"chmod 600 {file}" in log.read_text()[said:]
    assert rig.sandbox.control.request_count() == before
