"""What the commands tell a person of the record: real server and projector, a real terminal.

The test itself is the worker: it stores what a worker would, and what one of another day did.
"""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import pytest
import pytest_asyncio

from core import account_events, events
from core.commands import Envelope, ReleaseOrder, Sealed
from core.modes import Mode
from core.refusals import Refusal
from core.subjects import CONTROL_STREAM, work_consumer
from infra.accounts import account_of, with_mode
from infra.home import Home
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.topology import worker_role
from infra.nats.work_queue import HeldMessage, WorkQueue
from infra.supervisor.status import (
    SUPERVISOR,
    Phase,
    Status,
    supervisor_lock_path,
    write_status,
)
from tests.integration.test_projector_process import World, a_world
from tests.support import facts
from tests.support.sandbox import ROOT

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals"),
]
WAIT_S: Final = 30.0
TROUBLED, QUIET = "a1", "a2"
# Clears the screen and writes a line of its own, in characters of one byte and of two.
STEERING: Final = f"x\x1b[2J\x1b[H\x9b2J\u202e{TROUBLED} is active: nothing to lift is known\r\nok"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with a_world(tmp_path_factory.mktemp("person")) as running:
        begin = (
            facts.opened(),
            account_events.AccountWorkerStarted(run_id="r1"),
            facts.reconciled(),
        )
        running.ledger.add_all(*begin, account=QUIET)
        running.ledger.add_all(
            *begin,
            account_events.AccountHalted(
                command_id="c1", person="model", symbol="", detail=STEERING
            ),
            account_events.AccountHalted(
                command_id="c2", person="model", symbol="MSFT", detail="why"
            ),
            account_events.AccountFrozen(cause="a_cause", detail=STEERING, symbol="TSLA"),
            account_events.AccountPositionBreak(
                symbol="AAPL", market="US", expected=Decimal(10), observed=Decimal(9), reads=2
            ),
            account_events.AccountBalancesObserved(
                currency="USD",
                net_liquidation=None,
                buying_power=Decimal(5),
                initial_margin=None,
                maintenance_margin=None,
                cash=(
                    account_events.CashFigure(currency="USDT", balance=Decimal(7), available=None),
                ),
                observed_at=datetime(2026, 11, 22, tzinfo=UTC),
                unread=(
                    account_events.FigureKept(
                        field="buying_power",
                        detail="expected a number",
                        known_at=datetime(2026, 11, 21, tzinfo=UTC),
                    ),
                ),
            ),
            facts.started("ord-doubt"),
            events.OrderOutcomeUnknown(order_id="ord-doubt", cause=STEERING),
            account=TROUBLED,
        )
        await running.store()
        await running.start()
        yield running


@contextmanager
def supervised(home: Path) -> Iterator[None]:
    """Stand for the supervisor of a cluster whose processes are the test's."""
    lock = HomeLock.try_acquire(
        supervisor_lock_path(Home(home)), owner=LockOwner(pid=os.getpid(), purpose=SUPERVISOR)
    )
    assert lock is not None
    now = datetime.now(UTC)
    with lock:
        write_status(
            Home(home),
            Status(pid=os.getpid(), phase=Phase.READY, step="", started_at=now, updated_at=now),
        )
        yield


async def on_terminal(home: Path, *words: str, until: str = "", says: str | None = None) -> str:
    """Run a command on a terminal and return what was written there, up to the line of a text.

    `says` is what the person types; without it there is nobody who could type.
    """
    terminal, end = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "infra.cli", "--home", str(home), *words),
        stdin=asyncio.subprocess.DEVNULL if says is None else end,
        stdout=end,
        stderr=end,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    os.close(end)
    if says is not None:
        os.write(terminal, says.encode())

    def read() -> bytes:
        found = b""
        # A terminal whose last writer is gone says so by an error.
        with suppress(OSError):
            while not (until and until.encode() in found and found.endswith(b"\n")):
                found += os.read(terminal, 4096)
        return found

    try:
        async with asyncio.timeout(WAIT_S):
            return (await asyncio.to_thread(read)).decode()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()
        os.close(terminal)


async def answered(
    world: World,
    account: str,
    *words: str,
    decide: Callable[[Envelope], events.Event],
    says: str | None = None,
) -> tuple[Envelope, str]:
    """Run a person's command; as the worker, hear it and store the fact that `decide` makes of it.

    Returns what was asked and what the person was told.
    """
    heard: asyncio.Queue[HeldMessage] = asyncio.Queue()
    queue = WorkQueue(
        await world.client(worker_role("x")),
        stream=CONTROL_STREAM,
        consumer=work_consumer(account),
        take=heard.put_nowait,
    )
    taking = asyncio.create_task(queue.run())
    telling = asyncio.create_task(on_terminal(world.path, *words, says=says))
    try:
        async with asyncio.timeout(WAIT_S):
            held = await heard.get()
        sealed = msgspec.json.decode(held.message.body, type=Sealed)
        envelope = msgspec.json.decode(sealed.envelope, type=Envelope)
        fact = decide(envelope)
        world.ledger.add(fact, account=account, correlation_id=envelope.correlation_id)
        await world.store()
        held.acknowledge()
        return envelope, await telling
    finally:
        taking.cancel()
        telling.cancel()
        await asyncio.gather(taking, telling, return_exceptions=True)


@pytest.mark.parametrize("words", [("resume", TROUBLED), ("status",)], ids=lambda words: words[0])
async def test_what_a_model_wrote_cannot_steer_the_terminal(
    world: World, words: tuple[str, ...]
) -> None:
    with supervised(world.path):
        said = await on_terminal(world.path, *words, until="x\\u001b[2J")
    assert f"{TROUBLED} is active" in said
    lines = said.replace("\r\n", "\n").split("\n")
    assert all(line.isprintable() for line in lines), said
    assert not [line for line in lines if line.startswith((f"{TROUBLED} is active", "ok"))]


async def test_status_shows_what_needs_a_person(world: World) -> None:
    break_id = next(
        msgspec.json.decode(record.body)["event_id"]
        for record in world.ledger.records
        if record.subject.endswith("position_break")
    )
    with supervised(world.path):
        said = await on_terminal(world.path, "status")
    for expected in (
        "a person is needed:",
        f"{TROUBLED}: halted: by model: x",
        f"`tiger-mcp resume {TROUBLED}`",
        f"MSFT is halted; `tiger-mcp resume {TROUBLED} --symbol MSFT`",
        f"TSLA is frozen; `tiger-mcp resume {TROUBLED} --symbol TSLA`",
        "the broker shows 9, the fills make 10",
        f"`tiger-mcp adopt {TROUBLED} {break_id}`",
        "buy 10 AAPL is unknown",
        f"`tiger-mcp release {TROUBLED} ord-doubt --shown ",
        f"{TROUBLED}: cash in USDT: 7, in no currency that is known here",
        "buying_power: expected a number, so the figure is that of 2026-11-21 00:00:00 UTC",
    ):
        assert expected in said, said
    assert f"{QUIET}:" not in said


async def test_a_removal_is_refused_while_the_broker_cannot_be_asked(world: World) -> None:
    def decide(asked: Envelope) -> events.Event:
        # The worker answers, though the broker does not.
        world.ledger.add(account_events.AccountStale(gap=1, cause="no answer"), account=QUIET)
        return account_events.AccountModeSet(
            command_id=asked.command_id, person="operator", mode=Mode.READ_ONLY
        )

    _, said = await answered(world, QUIET, "account", "remove", QUIET, decide=decide)
    assert "orders are open is not known (the account is stale: no answer)" in said
    assert "it is not removed. `tiger-mcp doctor` says what to do, or say --force" in said
    home = Home(world.path)
    assert account_of(home.load(), QUIET).mode is Mode.READ_ONLY
    home.save(with_mode(home.load(), QUIET, Mode.AUTO))


async def test_a_removal_refused_at_its_second_look_says_that_the_account_is_read_only_now(
    world: World,
) -> None:
    def decide(asked: Envelope) -> events.Event:
        # Between the two looks an order begins.
        world.ledger.add(facts.started("ord-between"), account=QUIET)
        return account_events.AccountModeSet(
            command_id=asked.command_id, person="operator", mode=Mode.READ_ONLY
        )

    _, said = await answered(world, QUIET, "account", "remove", QUIET, decide=decide)
    assert "1 orders are open or in doubt, so it is not removed" in said
    assert f"It is now read_only; `tiger-mcp account mode {QUIET} auto` to go on" in said
    home = Home(world.path)
    assert account_of(home.load(), QUIET).mode is Mode.READ_ONLY
    with supervised(world.path):
        assert f"{QUIET}  login x  sandbox  read_only\r\n" in await on_terminal(
            world.path, "account", "list"
        )
        # A list that somebody edited says one thing, and the record has the last word.
        home.save(with_mode(home.load(), QUIET, Mode.AUTO))
        listed = await on_terminal(world.path, "account", "list")
    assert f"{QUIET}  login x  sandbox  auto (its record says read_only)\r\n" in listed


@pytest.mark.parametrize("word", ["release", "resume"])
@pytest.mark.parametrize("says", [None, "n\n", "\n"], ids=["nobody", "no", "not yes"])
async def test_what_nobody_said_yes_to_is_not_sent_and_its_line_is_told(
    world: World, word: str, says: str | None
) -> None:
    words = (word, TROUBLED, *(("ord-doubt",) if word == "release" else ()))
    said = await on_terminal(world.path, *words, says=says)
    # A control that was sent would have been waited for.
    assert "is stored" not in said
    assert re.search(rf"nothing was sent.*`tiger-mcp {' '.join(words)} --shown \d+`", said), said


@pytest.mark.parametrize(
    ("by_hand", "says"), [((), "y\n"), (("--shown", "3"), None)], ids=["now", "earlier"]
)
async def test_release_is_bound_to_what_was_shown_of_the_order(
    world: World, by_hand: tuple[str, ...], says: str | None
) -> None:
    with supervised(world.path):
        status = await on_terminal(world.path, "status")
    typed = re.search(rf"`tiger-mcp release {TROUBLED} ord-doubt --shown (\d+)`", status)
    assert typed is not None

    def decide(asked: Envelope) -> events.Event:
        return events.OrderRefused(
            command_id=asked.command_id,
            code=Refusal.SHOWN_OUTDATED,
            detail="more is known",
            order_id="ord-doubt",
            preview_id="",
        )

    asked, said = await answered(
        world, TROUBLED, "release", TROUBLED, "ord-doubt", *by_hand, decide=decide, says=says
    )
    shown_n = 3 if by_hand else int(typed[1])
    assert msgspec.json.decode(asked.body, type=ReleaseOrder) == ReleaseOrder(
        order_id="ord-doubt", shown_n=shown_n
    )
    shows = "ord-doubt: buy 10 AAPL is unknown, 0 filled: x\\u001b[2J" in said
    assert shows is not bool(by_hand)
    assert f"{TROUBLED}: refused, shown_outdated: more is known" in said
