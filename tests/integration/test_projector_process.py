"""The projector as a process on a provisioned server: follows, answers, survives, and stops."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from core import account_events, views
from core.asks import AskFault
from core.modes import Environment, Mode
from core.ports import StoredRecord
from core.subjects import SYSTEM_STREAM, ledger_stream
from infra.home import AccountSettings, Home, Installation, LoginSettings
from infra.ledger.append import AccountWriter
from infra.nats.topology import GATEWAY, OPERATOR, worker_role
from projections.progress import HealthAnswer, Progress
from projections.queries import Queries
from projections.service import WAITING_MAX, ViewService
from projections.store import ViewStore
from tests.support import facts
from tests.support.facts import Ledger, system_ledger
from tests.support.nats_server import (
    TWO_LOGINS,
    RunningHome,
    plain_server,
    running_home,
)

WAIT_S = 30.0
ANSWER_WAIT_S = 30.0
ROOT = Path(__file__).parents[2]
STREAM_X = ledger_stream("x")
A = TypeVar("A")


class World:
    """A home with its server, the ledgers' writers, and projector processes."""

    def __init__(self, running: RunningHome) -> None:
        self.running = running
        self.path = running.deployment.home.root
        self.ledger = Ledger()
        self.stored = 0
        self.processes: list[asyncio.subprocess.Process] = []
        self._clients: dict[str, Client] = {}

    async def client(self, role: str) -> Client:
        if role not in self._clients:
            self._clients[role] = await self.running.client(role)
        return self._clients[role]

    async def store(self) -> None:
        """Append what was added to `ledger` since the last call, as the worker of its login."""
        nc = await self.client(worker_role("x"))
        before = dict.fromkeys(self.ledger.tails, 0)
        for record in self.ledger.records:
            account = record.subject.split(".")[1]
            if record.sequence > self.stored:
                await append(nc, STREAM_X, record, before[account])
            before[account] = record.sequence
        self.stored = len(self.ledger.records)

    async def start(self) -> asyncio.subprocess.Process:
        """Start a projector and wait until it says that it is ready."""
        process = await self.spawn()
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), WAIT_S)
        assert line == b'{"ready": true}\n', await self.log_of(process)
        return process

    async def spawn(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "projections", "--home", str(self.path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.processes.append(process)
        return process

    async def log_of(self, process: asyncio.subprocess.Process) -> list[dict[str, Any]]:
        """Wait until the process ends; return its log."""
        _, log = await asyncio.wait_for(process.communicate(), WAIT_S)
        return [json.loads(line) for line in log.splitlines()]

    async def ask(self, subject: str, answer: type[A], **wanted: object) -> A:
        """Ask as the gateway."""
        reply = await self.asked(subject, json.dumps(wanted).encode())
        assert reply.headers is None, reply.headers
        return msgspec.json.decode(reply.data, type=answer)

    async def asked(self, subject: str, body: bytes) -> Msg:
        nc = await self.client(GATEWAY)
        return await nc.request(subject, body, timeout=ANSWER_WAIT_S)

    async def asked_until_answered(self, subject: str, body: bytes) -> Msg:
        """Ask as the gateway a projector that is on its way back."""
        async with asyncio.timeout(WAIT_S):
            while True:
                with contextlib.suppress(nats.errors.NoRespondersError):
                    reply = await self.asked(subject, body)
                    if not reply.headers:
                        return reply

    async def refused(self, subject: str, body: bytes) -> AskFault:
        """Ask as the gateway what must be refused."""
        reply = await self.asked(subject, body)
        fault = msgspec.json.decode(reply.data, type=AskFault)
        assert reply.headers == {
            "Nats-Service-Error-Code": fault.code,
            "Nats-Service-Error": fault.message,
        }
        return fault


async def append(nc: Client, stream: str, record: StoredRecord, after: int) -> None:
    account = record.subject.split(".")[1]
    writer = AccountWriter(nc, stream=stream, account=account)
    event_id = msgspec.json.decode(record.body)["event_id"]
    await writer.append(
        subject=record.subject,
        body=record.body,
        event_id=event_id,
        expected_sequence=after,
        deadline_s=ANSWER_WAIT_S,
    )


@contextlib.asynccontextmanager
async def a_world(
    root: Path, *, added: tuple[str, ...] = TWO_LOGINS.accounts
) -> AsyncIterator[World]:
    async with running_home(root) as running:
        world = World(running)
        Home(world.path).save(installation())
        nc, after = await world.client(OPERATOR), 0
        for record in system_ledger(*added).records:
            await append(nc, SYSTEM_STREAM, record, after)
            after = record.sequence
        try:
            yield world
        finally:
            for process in world.processes:
                if process.returncode is None:
                    process.kill()
                    await process.communicate()


def installation() -> Installation:
    return Installation(
        ledger_id="led1",
        logins=tuple(
            LoginSettings(
                name=login.name,
                properties=f"{login.name}.properties",
                accounts=tuple(
                    AccountSettings(
                        alias=alias,
                        number="1",
                        environment=Environment.SANDBOX,
                        mode=Mode.AUTO,
                    )
                    for alias in login.accounts
                ),
            )
            for login in TWO_LOGINS.logins
        ),
    )


def a_day(ledger: Ledger) -> None:
    ledger.add_all(
        facts.opened(), account_events.AccountWorkerStarted(run_id="r1"), facts.reconciled()
    )
    ledger.add_all(facts.positions(("AAPL", "10")), facts.balances())
    facts.trading_day(ledger, orders=4)


async def test_every_question_is_answered_and_live_facts_are_seen(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        a_day(world.ledger)
        await world.store()
        process = await world.start()

        orders = await world.ask("view.a1.orders", views.OrdersAnswer)
        assert [row.order_id for row in orders.orders] == [f"ord-00000{n}" for n in (3, 2, 1, 0)]
        assert orders.as_of.n == world.ledger.tails["a1"].n
        executions = await world.ask("view.a1.executions", views.ExecutionsAnswer, limit=1)
        assert [row.execution_id for row in executions.executions] == ["exe-000002"]
        positions = await world.ask("view.a1.positions", views.PositionsAnswer)
        assert [figure.symbol for figure in positions.positions] == ["AAPL"]
        balances = await world.ask("view.a1.balances", views.BalancesAnswer)
        assert balances.currency == "USD"
        command = await world.ask(
            "view.a1.command", views.CommandAnswer, command_id="cmd-ord-000001"
        )
        assert [row.type for row in command.events] == [
            "order.submission_started",
            "order.accepted",
        ]
        accounts = await world.ask("view.system.accounts", views.AccountsAnswer)
        assert [(row.alias, row.state) for row in accounts.accounts] == [
            ("a1", "active"),
            ("a2", "starting"),
            ("b1", "starting"),
        ]

        n = orders.as_of.n + 1
        question = asyncio.create_task(
            world.ask("view.a1.orders", views.OrdersAnswer, at_least_n=n, limit=1)
        )
        world.ledger.add(facts.started("ord-live"))
        await world.store()
        live = await question
        assert ([row.order_id for row in live.orders], live.as_of.n) == (["ord-live"], n)

        health = await world.ask("view.system.health", dict[str, object])
        streams = msgspec.convert(health["streams"], list[dict[str, object]])
        assert [
            (stream["stream"], stream["position"], stream["pending"], stream["is_caught_up"])
            for stream in streams
        ] == [
            (SYSTEM_STREAM, 3, 0, True),
            (STREAM_X, world.stored, 0, True),
            (ledger_stream("y"), 0, 0, True),
        ]

        if sys.platform != "win32":  # where a process can only be ended, not asked to end
            process.send_signal(signal.SIGTERM)
            log = await world.log_of(process)
            assert (process.returncode, log[-1]["event"]) == (0, "projector.ended")
            assert not [line for line in log if line["level"] in ("error", "warning")]


async def test_wrong_questions_are_refused_by_field_and_never_repeated(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        a_day(world.ledger)
        await world.store()
        await world.start()
        cases = [
            ("view.a1.orders", b'{"limit": 201}', "invalid_argument", "limit"),
            ("view.a1.orders", b'{"limit": "secret-4711"}', "invalid_argument", "limit"),
            ("view.a1.orders", b'{"status": "secret-4711"}', "invalid_argument", "status"),
            ("view.a1.orders", b'{"cursor": "secret-4711"}', "invalid_argument", "cursor"),
            ("view.a1.orders", b'{"secret-4711": 1}', "invalid_argument", "body"),
            ("view.a1.orders", b"secret-4711", "invalid_argument", "body"),
            ("view.a1.orders", b" " * 20_000, "invalid_argument", "body"),
            ("view.a1.orders", b'{"at_least_n": -1}', "invalid_argument", "at_least_n"),
            ("view.a1.command", b"{}", "invalid_argument", "body"),
            ("view.system.accounts", b'{"at_least_n": 1}', "invalid_argument", "at_least_n"),
            ("view.b1.orders", b'{"at_least_n": 1}', "behind", "at_least_n"),
        ]
        faults = await asyncio.gather(*(world.refused(case[0], case[1]) for case in cases))
        for (subject, body, code, field), fault in zip(cases, faults, strict=True):
            assert (fault.code, fault.field) == (code, field), (subject, body)
            assert "secret-4711" not in fault.message
        assert "at 0" in faults[-1].message


async def test_account_that_is_not_added_is_unknown(tmp_path: Path) -> None:
    async with a_world(tmp_path, added=("a1",)) as world:
        await world.start()
        for subject, code in (
            ("view.b1.orders", "unknown_account"),
            ("view.system.orders", "invalid_argument"),
        ):
            fault = await world.refused(subject, b"")
            assert (fault.code, fault.field) == (code, "account")


@contextlib.asynccontextmanager
async def served(root: Path) -> AsyncIterator[Client]:
    """Serve empty views on a server without rights; yield a client of anybody."""
    with plain_server(root / "nats") as server:
        nc = await nats.connect(server.url)
        store = ViewStore.open(root / "views")
        queries = Queries(store.path)
        health = HealthAnswer(view_version=1, streams=())
        service = ViewService(nc, queries, Progress(lambda _: 0), health=lambda: health)
        await service.start()
        yield nc
        await service.stop()
        queries.close()
        store.close()
        await nc.close()


async def test_subject_with_a_wildcard_names_no_account(tmp_path: Path) -> None:
    async with served(tmp_path) as nc:
        for account in ("*", "A1", "a1-", "system"):
            reply = await nc.request(f"view.{account}.orders", b"", timeout=ANSWER_WAIT_S)
            fault = msgspec.json.decode(reply.data, type=AskFault)
            assert (fault.code, fault.field) == ("invalid_argument", "account")


async def test_only_so_many_questions_may_wait(tmp_path: Path) -> None:
    async with served(tmp_path) as nc:
        inbox = nc.new_inbox()
        for _ in range(WAITING_MAX):
            await nc.publish("view.a1.orders", b'{"at_least_n": 1}', reply=inbox)
        reply = await nc.request("view.a1.orders", b'{"at_least_n": 1}', timeout=ANSWER_WAIT_S)
        assert msgspec.json.decode(reply.data, type=AskFault).code == "busy"
        reply = await nc.request("view.a1.orders", b"", timeout=ANSWER_WAIT_S)
        assert msgspec.json.decode(reply.data, type=AskFault).code == "unknown_account"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
async def test_a_server_that_is_paused_holds_up_no_stop_and_raises_nothing(tmp_path: Path) -> None:
    with plain_server(tmp_path / "nats") as server:
        nc = await nats.connect(server.url)
        store = ViewStore.open(tmp_path / "views")
        queries = Queries(store.path)
        health = HealthAnswer(view_version=1, streams=())
        service = ViewService(nc, queries, Progress(lambda _: 0), health=lambda: health)
        await service.start()
        os.kill(server.pid, signal.SIGSTOP)
        try:
            assert nc.is_connected
            await service.stop()
        finally:
            os.kill(server.pid, signal.SIGCONT)
        queries.close()
        store.close()
        await nc.close()


async def test_killed_projector_goes_on_where_it_was(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        a_day(world.ledger)
        await world.store()
        first = await world.start()
        first.kill()
        await world.log_of(first)
        stored = world.stored
        facts.trading_day(world.ledger, orders=2, first=4)
        await world.store()
        second = await world.start()
        orders = await world.ask("view.a1.orders", views.OrdersAnswer)
        assert len(orders.orders) == 6
        assert orders.as_of.n == world.ledger.tails["a1"].n
        second.kill()
        log = await world.log_of(second)
        begun = {line["stream"]: line["after_sequence"] for line in log[:3]}
        assert begun[STREAM_X] == stored


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
async def test_killed_server_comes_back_and_the_views_go_on(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        a_day(world.ledger)
        await world.store()
        process = await world.start()
        await asyncio.to_thread(world.running.crash_and_restart)
        world.ledger.add(facts.started("ord-after"))
        await world.store()
        n = world.ledger.tails["a1"].n
        reply = await world.asked_until_answered("view.a1.orders", b'{"at_least_n": %d}' % n)
        orders = msgspec.json.decode(reply.data, type=views.OrdersAnswer)
        assert (orders.orders[0].order_id, orders.as_of.n) == ("ord-after", n)
        assert process.returncode is None


async def test_second_projector_of_a_home_is_refused(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        await world.start()
        second = await world.spawn()
        log = await world.log_of(second)
        assert second.returncode == 1
        assert (log[-1]["event"], log[-1]["cause"]) == ("projector.stopped", "ConfigError")
        assert "only projector" in log[-1]["message"]
        assert (await world.ask("view.system.accounts", views.AccountsAnswer)).accounts


@pytest.mark.parametrize("fault", ["type", "gap"])
async def test_record_that_cannot_be_understood_stops_the_projector(
    tmp_path: Path, fault: str
) -> None:
    async with a_world(tmp_path) as world:
        a_day(world.ledger)
        await world.store()
        process = await world.start()
        nc = await world.client(worker_role("x"))
        if fault == "gap":
            world.ledger.add(facts.started("ord-never-stored"))
        bad = world.ledger.add(facts.reconciled())
        body = bad.body
        subject = bad.subject
        if fault == "type":
            subject = "log.a1.account.invented"
            body = body.replace(b'"account.reconciled"', b'"account.invented"')
        await append(nc, STREAM_X, StoredRecord(subject, 0, body), world.stored)
        log = await world.log_of(process)
        assert process.returncode == 1
        assert (log[-1]["event"], log[-1]["cause"]) == ("projector.stopped", "CorruptRecordError")
        assert f"{STREAM_X} sequence {world.stored + 1} ({subject})" in log[-1]["message"]
