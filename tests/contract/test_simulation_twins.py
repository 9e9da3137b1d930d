"""The simulation's twins of JetStream and a real nats-server, held to the same sentences.

Each check is a coroutine that is run twice: against the server, and as a task of the simulation.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol, cast

import pytest
from nats.aio.client import Client

from core.errors import VersionConflictError
from core.ports import CommandMessage
from core.subjects import COMMANDS_STREAM, CONTROL_STREAM, work_consumer
from infra.ledger.append import AccountWriter, Appended
from infra.ledger.request import EXPECTED_SEQUENCE, EXPECTED_SUBJECT, last_record
from infra.nats.topology import GATEWAY, PROVISIONER, LoginPlan, Topology, worker_role
from infra.nats.work_queue import WorkQueue
from tests.simulation.ledger_twin import LedgerStream, LoopTwin, NatsTwin
from tests.simulation.machine import Machine, Process
from tests.simulation.primitives import Current
from tests.simulation.queue_twin import ACK_WAIT_S, DEDUPLICATION_S, HeldTwin, QueueTwin
from tests.simulation.scheduler import Owner, Scheduler
from tests.simulation.stand_ins import stand_ins
from tests.simulation.weather import Weather
from tests.support.ledger import connected, event_body, fresh_stream, make_ledger, shared_server
from tests.support.nats_server import RunningHome, running_home

WAIT_S: Final = 30.0
# The twin's consumer waits so long before it hands out again.
TAKE_WAIT_S: Final = 40.0
FAR: Final = 1e12
ONE_LOGIN: Final = Topology(
    logins=(LoginPlan(name="x", accounts=("a1", "a2")),), gateway_accounts=("a1", "a2")
)
BOTH: Final = pytest.mark.parametrize("kind", ["server", "twin"])


# --- the ledger ----------------------------------------------------------------------------


class Ledger:
    """A connection, and a stream with the lines of two accounts."""

    def __init__(self, nc: Client, stream: str, accounts: tuple[str, str]) -> None:
        self.nc = nc
        self.stream = stream
        self.accounts = accounts

    def subject(self, fact: str = "accepted", *, account: int = 0) -> str:
        return f"log.{self.accounts[account]}.order.{fact}"

    async def append(self, expected: int, event_id: str, *, account: int = 0) -> Appended:
        writer = AccountWriter(self.nc, stream=self.stream, account=self.accounts[account])
        return await writer.append(
            subject=self.subject(account=account),
            body=event_body(event_id),
            event_id=event_id,
            expected_sequence=expected,
            deadline_s=WAIT_S,
        )

    async def publish(self, expected: int | None, event_id: str = "x") -> dict[str, Any]:
        """Publish by hand, and return the server's own words."""
        line = f"log.{self.accounts[0]}.>"
        named = {EXPECTED_SEQUENCE: str(expected), EXPECTED_SUBJECT: line}
        headers = None if expected is None else named
        reply = await self.nc.request(
            self.subject(), event_body(event_id), timeout=WAIT_S, headers=headers
        )
        return cast(dict[str, Any], json.loads(reply.data))

    async def last(self, subject: str) -> tuple[str, int, bytes] | None:
        found = await last_record(self.nc, stream=self.stream, subject=subject, give_up_at=FAR)
        return None if found is None else (found.subject, found.sequence, found.body)


def on_ledger(kind: str, check: Callable[[Ledger], Awaitable[None]]) -> None:
    """Run a check against the server, or against the twin."""
    names = (fresh_stream().lower(), fresh_stream().lower())

    async def on_server() -> None:
        async with connected(shared_server().url) as nc:
            stream = await make_ledger(nc, login=fresh_stream(), accounts=names)
            await check(Ledger(nc, stream, names))

    async def on_twin(scheduler: Scheduler, process: Process) -> None:
        stream = LedgerStream("LEDGER_twin", lambda _: None)
        twin = NatsTwin(scheduler, stream, process, Weather(), lambda: False, NoIntents())
        await check(Ledger(cast(Client, twin), stream.name, names))

    if kind == "server":
        asyncio.run(on_server())
    else:
        as_task(on_twin)


class NoIntents:
    """No intent to send an order is appended here."""

    def append_begun(self, event_id: str) -> bool:
        raise AssertionError(f"{event_id} is no intent")

    def append_clean(self, event_id: str) -> None:
        raise AssertionError(f"{event_id} is no intent")


def as_task(check: Callable[[Scheduler, Process], Awaitable[None]]) -> None:
    """Run a check as the only task of a world without faults."""
    scheduler = Scheduler(Random(1))
    Current.scheduler = scheduler
    process = Process(scheduler, Machine(scheduler), "checker")
    with stand_ins():
        coroutine = cast(Any, check(scheduler, process))
        task = scheduler.spawn(process, lambda: LoopTwin().run(coroutine, FAR), "check")
        scheduler.run_until(FAR)
    assert task.is_done


@BOTH
def test_appends_are_acknowledged_in_order_and_read_back_as_they_were(kind: str) -> None:
    async def check(ledger: Ledger) -> None:
        assert await ledger.append(0, "e1") == Appended(sequence=1, clean=True)
        assert await ledger.append(1, "e2") == Appended(sequence=2, clean=True)
        line = f"log.{ledger.accounts[0]}.>"
        assert await ledger.last(line) == (ledger.subject(), 2, event_body("e2"))
        assert await ledger.last(ledger.subject()) == (ledger.subject(), 2, event_body("e2"))

    on_ledger(kind, check)


@BOTH
def test_empty_line_and_unused_subject_have_no_last_record(kind: str) -> None:
    async def check(ledger: Ledger) -> None:
        assert await ledger.last(f"log.{ledger.accounts[0]}.>") is None
        await ledger.append(0, "e1")
        assert await ledger.last(ledger.subject("filled")) is None
        assert await ledger.last(f"log.{ledger.accounts[1]}.>") is None

    on_ledger(kind, check)


@BOTH
@pytest.mark.parametrize("expected", [0, 2, 7])
def test_wrong_expectation_is_refused_by_code_and_stores_nothing(kind: str, expected: int) -> None:
    async def check(ledger: Ledger) -> None:
        await ledger.append(0, "e1")
        error = (await ledger.publish(expected))["error"]
        assert (error["code"], error["err_code"]) == (400, 10071)
        assert error["description"] == "wrong last sequence: 1"
        # The refused one took no place.
        assert await ledger.append(1, "e2") == Appended(sequence=2, clean=True)

    on_ledger(kind, check)


@BOTH
def test_expectation_is_of_the_accounts_own_line(kind: str) -> None:
    async def check(ledger: Ledger) -> None:
        assert (await ledger.append(0, "e1")).sequence == 1
        assert (await ledger.append(0, "f1", account=1)).sequence == 2
        assert (await ledger.append(1, "e2")).sequence == 3
        assert (await ledger.append(2, "f2", account=1)).sequence == 4

    on_ledger(kind, check)


@BOTH
def test_repeated_append_is_found_stored_and_is_not_clean(kind: str) -> None:
    async def check(ledger: Ledger) -> None:
        await ledger.append(0, "e1")
        assert await ledger.append(0, "e1") == Appended(sequence=1, clean=False)

    on_ledger(kind, check)


@BOTH
def test_stale_writer_meets_a_conflict(kind: str) -> None:
    async def check(ledger: Ledger) -> None:
        await ledger.append(0, "e1")
        with pytest.raises(VersionConflictError):
            await ledger.append(0, "other")

    on_ledger(kind, check)


@BOTH
def test_append_that_expects_nothing_is_stored(kind: str) -> None:
    async def check(ledger: Ledger) -> None:
        await ledger.append(0, "e1")
        answer = await ledger.publish(None, "e2")
        assert (answer["stream"], answer["seq"]) == (ledger.stream, 2)

    on_ledger(kind, check)


# --- the work queues -----------------------------------------------------------------------


class Held(Protocol):
    """A message that was handed over."""

    @property
    def message(self) -> CommandMessage:
        """What was received."""

    def acknowledge(self) -> None:
        """Take it off the stream."""


class Taker(Protocol):
    """A worker that takes an account's commands, and keeps what it is handed."""

    held: list[Held]

    async def until(self, count: int) -> list[Held]:
        """Wait until so many were handed over."""

    async def leave(self) -> None:
        """Take no more; what is not acknowledged is left to a successor."""


class Queue(Protocol):
    """The stream of commands."""

    async def publish(self, account: str, body: bytes, message_id: str) -> bool:
        """Publish; True if the stream had it already."""

    async def taker(self, account: str) -> Taker:
        """Begin to take."""


class ServerTaker:
    def __init__(self, worker: Client, account: str) -> None:
        self.held: list[Held] = []
        self._news = asyncio.Event()
        self._queue = WorkQueue(
            worker, stream=COMMANDS_STREAM, consumer=work_consumer(account), take=self._take
        )
        self._task = asyncio.create_task(self._queue.run())

    def _take(self, held: Held) -> None:
        self.held.append(held)
        self._news.set()

    async def until(self, count: int) -> list[Held]:
        async with asyncio.timeout(TAKE_WAIT_S):
            while len(self.held) < count:
                self._news.clear()
                await self._news.wait()
        return self.held

    async def leave(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._queue.leave()


class ServerQueue:
    def __init__(self, worker: Client, gateway: Client) -> None:
        self._worker = worker
        self._gateway = gateway.jetstream()

    async def publish(self, account: str, body: bytes, message_id: str) -> bool:
        subject, headers = subject_of(account), {"Nats-Msg-Id": message_id}
        return bool((await self._gateway.publish(subject, body, headers=headers)).duplicate)

    async def taker(self, account: str) -> Taker:
        return ServerTaker(self._worker, account)


class TwinTaker:
    def __init__(self, scheduler: Scheduler, queue: QueueTwin, account: str) -> None:
        self.held: list[Held] = []
        self.process = Process(scheduler, Machine(scheduler), "taker")
        self._scheduler = scheduler
        self._queue = queue
        queue.subscribe(account, self)

    def take(self, held: HeldTwin) -> None:
        self.held.append(held)

    async def until(self, count: int) -> list[Held]:
        give_up_at = self._scheduler.now_s + TAKE_WAIT_S
        while len(self.held) < count:
            assert self._scheduler.now_s < give_up_at
            self._scheduler.park(0.1)
        return self.held

    async def leave(self) -> None:
        self._queue.unsubscribe(self.process)
        self.process.exit(0)


class TwinQueue:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._queue = QueueTwin(
            scheduler,
            Weather(),
            is_down=lambda: False,
            on_acknowledged=lambda *_: None,
            on_delivered=lambda *_: None,
        )

    async def publish(self, account: str, body: bytes, message_id: str) -> bool:
        return bool(
            self._queue.publish(
                COMMANDS_STREAM, subject_of(account), body, message_id=message_id, command_id=""
            )
        )

    async def taker(self, account: str) -> Taker:
        return TwinTaker(self._scheduler, self._queue, account)


def subject_of(account: str) -> str:
    return f"cmd.{account}.order.preview"


def on_queue(kind: str, folder: Path, check: Callable[[Queue], Awaitable[None]]) -> None:
    """Run a check against the server, or against the twin."""

    async def on_server(home: RunningHome) -> None:
        worker, gateway = await home.client(worker_role("x")), await home.client(GATEWAY)
        await check(ServerQueue(worker, gateway))

    async def on_twin(scheduler: Scheduler, _: Owner) -> None:
        await check(TwinQueue(scheduler))

    if kind == "server":
        asyncio.run(in_home(folder, on_server))
    else:
        as_task(on_twin)


async def in_home(folder: Path, check: Callable[[RunningHome], Awaitable[None]]) -> None:
    async with running_home(folder, ONE_LOGIN) as home:
        await check(home)


def seen(held: list[Held]) -> list[tuple[str, bytes, str, int]]:
    return [
        (one.message.subject, one.message.body, one.message.stream, one.message.sequence)
        for one in held
    ]


@BOTH
def test_messages_are_handed_over_with_their_places_those_that_lay_there_too(
    kind: str, tmp_path: Path
) -> None:
    async def check(queue: Queue) -> None:
        assert not await queue.publish("a1", b"one", "m1")
        taker = await queue.taker("a1")
        await taker.until(1)
        assert not await queue.publish("a1", b"two", "m2")
        subject = subject_of("a1")
        assert seen(await taker.until(2)) == [
            (subject, b"one", COMMANDS_STREAM, 1),
            (subject, b"two", COMMANDS_STREAM, 2),
        ]
        await taker.leave()

    on_queue(kind, tmp_path, check)


@BOTH
def test_message_published_again_under_its_id_is_stored_once(kind: str, tmp_path: Path) -> None:
    async def check(queue: Queue) -> None:
        taker = await queue.taker("a1")
        assert not await queue.publish("a1", b"one", "m1")
        assert await queue.publish("a1", b"one", "m1")
        assert not await queue.publish("a1", b"one", "m2")
        held = await taker.until(2)
        assert [one.message.sequence for one in held] == [1, 2]
        await taker.leave()

    on_queue(kind, tmp_path, check)


@BOTH
def test_what_was_not_acknowledged_comes_to_the_successor_and_nothing_else(
    kind: str, tmp_path: Path
) -> None:
    async def check(queue: Queue) -> None:
        first = await queue.taker("a1")
        for body in (b"one", b"two"):
            await queue.publish("a1", body, body.decode())
        held = await first.until(2)
        held[0].acknowledge()
        await first.leave()
        await queue.publish("a1", b"three", "three")
        second = await queue.taker("a1")
        bodies = {one.message.body for one in await second.until(2)}
        assert bodies == {b"two", b"three"}
        assert {one.message.sequence for one in second.held} == {2, 3}
        await second.leave()

    on_queue(kind, tmp_path, check)


@BOTH
def test_account_is_handed_its_own_messages_alone(kind: str, tmp_path: Path) -> None:
    async def check(queue: Queue) -> None:
        one, other = await queue.taker("a1"), await queue.taker("a2")
        for account, body in (("a2", b"other"), ("a1", b"mine"), ("a2", b"last")):
            await queue.publish(account, body, body.decode())
        assert [held.message.body for held in await other.until(2)] == [b"other", b"last"]
        assert [held.message.body for held in await one.until(1)] == [b"mine"]
        await one.leave()
        await other.leave()

    on_queue(kind, tmp_path, check)


def test_twins_waits_are_those_that_the_provisioner_sets(tmp_path: Path) -> None:
    async def check(home: RunningHome) -> None:
        admin = (await home.client(PROVISIONER)).jetstream()
        waits = {}
        for stream in (COMMANDS_STREAM, CONTROL_STREAM):
            consumer = await admin.consumer_info(stream, work_consumer("a1"))
            waits[stream] = consumer.config.ack_wait
            info = await admin.stream_info(stream)
            assert info.config.duplicate_window == DEDUPLICATION_S
        assert waits == ACK_WAIT_S

    asyncio.run(in_home(tmp_path, check))
