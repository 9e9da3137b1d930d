"""A whole back end for tests: real nats-server, real sandbox broker, real workers as processes.

The test itself plays the gateway: it sends signed commands and reads republished facts.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from core import codec, events, preview_events
from core.codec import Recorded
from core.commands import (
    AdoptPosition,
    CancelOrder,
    CancelOrders,
    Command,
    Envelope,
    HaltAccount,
    ModifyOrder,
    PersonCommand,
    PreviewOrder,
    ReleaseOrder,
    ResumeAccount,
    Sealed,
    SetMode,
    SubmitOrder,
    signed_bytes,
    submit_command_id,
)
from core.lease import encode_lease
from core.ports import Clock, Ids
from core.subjects import Kind, lease_subject, ledger_stream, subject
from core.terms import OrderType, Side, TimeInForce
from infra.clock import RandomIds, SystemClock
from infra.home import Home, Installation
from infra.keyring import FileSigner
from infra.nats.topology import GATEWAY, OPERATOR, PROVISIONER
from infra.supervisor.installation import load_or_make, topology_of
from tests.support.leases import THEIRS
from tests.support.nats_server import RunningHome, running_home
from tests.support.sandbox import ROOT, Sandbox, running_sandbox

# Within this, anything that happens in running processes has happened.
WAIT_S: Final = 30.0
START_S: Final = 30.0
ACCOUNT: Final = "sandbox"
NAMES: Final = {
    PreviewOrder: "order.preview",
    SubmitOrder: "order.submit",
    CancelOrder: "order.cancel",
    CancelOrders: "order.cancel_many",
    ModifyOrder: "order.modify",
    HaltAccount: "account.halt",
    ResumeAccount: "account.resume",
    ReleaseOrder: "order.release",
    AdoptPosition: "position.adopt",
    SetMode: "account.set_mode",
}
E = TypeVar("E")


class WorkerProcess:
    """One worker as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        # What it said before it was ready.
        self.said: list[dict[str, Any]] = []

    async def wait_ready(self) -> None:
        """Wait for its ready line, whatever it says that it waits for until then."""
        while not (word := await self.next_word())["ready"]:
            self.said.append(word)

    async def next_word(self) -> dict[str, Any]:
        """Wait for what it says next of itself."""
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), START_S)
        assert line, "the worker ended before it was ready"
        return msgspec.json.decode(line, type=dict[str, Any])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and return the exit code."""
        return await asyncio.wait_for(self.process.wait(), START_S)

    async def stop(self) -> None:
        """Stop it, in order if it is alive."""
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), START_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


class Rig:
    """The running back end and the facts seen so far."""

    def __init__(
        self, home: Home, installation: Installation, nats: RunningHome, sandbox: Sandbox
    ) -> None:
        self.home = home
        self.installation = installation
        self.nats = nats
        self.sandbox = sandbox
        self.facts: list[Recorded] = []
        self.workers: list[WorkerProcess] = []
        self._news = asyncio.Event()
        self._clock: Clock = SystemClock()
        self._ids: Ids = RandomIds()
        self._signers = {
            Kind.COMMAND: FileSigner(home.keys, GATEWAY),
            Kind.CONTROL: FileSigner(home.keys, OPERATOR),
        }
        self._clients: dict[Kind, Client] = {}

    async def listen(self) -> None:
        """Connect as gateway and as operator, and collect every fact."""
        self._clients[Kind.COMMAND] = await self.nats.client(GATEWAY)
        self._clients[Kind.CONTROL] = await self.nats.client(OPERATOR)
        gateway = self._clients[Kind.COMMAND]
        for login in self.installation.logins:
            for account in login.accounts:
                await gateway.subscribe(f"evt.{account.alias}.>", cb=self._hear)
        await gateway.flush()

    async def start_worker(
        self,
        login: str = "alpha",
        *,
        module: str = "adapters.tiger_worker",
        home: Path | None = None,
        **options: str,
    ) -> WorkerProcess:
        """Start a worker; `module` may be a test's own main, `options` its environment.

        `home` may be a copy of the rig's, as another machine has it.
        """
        with (self.home.path / f"worker-{login}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                "--home",
                str(home or self.home.path),
                "--login",
                login,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
                env=os.environ | options,
            )
        worker = WorkerProcess(process)
        self.workers.append(worker)
        return worker

    async def ready_worker(self, login: str = "alpha", **more: Any) -> WorkerProcess:
        """Start a worker and wait until it is ready."""
        worker = await self.start_worker(login, **more)
        await worker.wait_ready()
        return worker

    def seal(
        self, account: str, command: Command, *, command_id: str, life_s: float = 30.0
    ) -> tuple[str, bytes]:
        """Return subject and message of a signed command."""
        kind = _kind_of(command)
        now = self._clock.now()
        envelope = msgspec.json.encode(
            Envelope(
                command_id=command_id,
                correlation_id=command_id,
                principal="test",
                issued_at=now,
                expires_at=now + timedelta(seconds=life_s),
                body=msgspec.Raw(msgspec.json.encode(command)),
            )
        )
        where = subject(kind, account, NAMES[type(command)])
        signer = self._signers[kind]
        sealed = Sealed(
            key_id=signer.key_id,
            signature=signer.sign(signed_bytes(where, envelope)),
            envelope=msgspec.Raw(envelope),
        )
        return where, msgspec.json.encode(sealed)

    async def send(
        self, account: str, command: Command, *, command_id: str = "", life_s: float = 30.0
    ) -> str:
        """Store a command durably and return its id."""
        command_id = command_id or self._ids.new("cmd")
        where, message = self.seal(account, command, command_id=command_id, life_s=life_s)
        js = self._clients[_kind_of(command)].jetstream()
        headers = {"Nats-Msg-Id": f"{account}/{command_id}"}
        await js.publish(where, message, headers=headers, timeout=WAIT_S)
        return command_id

    async def resume(self, account: str = ACCOUNT, symbol: str = "") -> str:
        """Have a person, who saw every fact so far, lift a halt or freeze; return the command."""
        return await self.send(account, ResumeAccount(symbol=symbol, shown_n=self.told_n(account)))

    def told_n(self, account: str = ACCOUNT) -> int:
        """Return the `n` of the account's last fact that was heard so far."""
        return max(recorded.n for recorded in self.facts if recorded.account == account)

    async def fact(
        self,
        wanted: type[E],
        *,
        account: str = ACCOUNT,
        since: int = 0,
        wait_s: float = WAIT_S,
        **fields: object,
    ) -> E:
        """Wait for a fact of this class with these fields, among those after `since`."""
        found = await self.until(
            lambda: self.seen(wanted, account=account, since=since, **fields), wait_s=wait_s
        )
        return found[0]

    def seen(
        self, wanted: type[E], *, account: str = ACCOUNT, since: int = 0, **fields: object
    ) -> list[E]:
        """Return the facts of this class with these fields that were heard so far."""
        return [
            recorded.data
            for recorded in self.facts[since:]
            if recorded.account == account
            and isinstance(recorded.data, wanted)
            and all(getattr(recorded.data, name) == value for name, value in fields.items())
        ]

    async def until(self, look: Callable[[], E], *, wait_s: float = WAIT_S) -> E:
        """Wait until `look` gives something true; it is called after every fact."""
        async with asyncio.timeout(wait_s):
            while not (found := look()):
                self._news.clear()
                await self._news.wait()
        return found

    async def until_time(self, is_over: Callable[[], bool]) -> None:
        """Let time pass until a moment that only the clock brings."""
        async with asyncio.timeout(WAIT_S):
            while not is_over():
                await asyncio.to_thread(self.sandbox.control.health)

    async def preview(
        self, *, account: str = ACCOUNT, **terms: Any
    ) -> preview_events.OrderPreviewed:
        """Preview an order and return what was shown."""
        command_id = await self.send(account, order_terms(**terms))
        return await self.fact(
            preview_events.OrderPreviewed, account=account, command_id=command_id
        )

    async def submit(
        self, preview: preview_events.OrderPreviewed, *, account: str = ACCOUNT
    ) -> str:
        """Submit a preview and return the command's id."""
        command_id = submit_command_id(account, preview.preview_id)
        command = SubmitOrder(preview_id=preview.preview_id)
        return await self.send(account, command, command_id=command_id)

    async def started(
        self, *, account: str = ACCOUNT, **terms: Any
    ) -> events.OrderSubmissionStarted:
        """Preview and submit an order, and wait until its intent is stored."""
        preview = await self.preview(account=account, **terms)
        command_id = await self.submit(preview, account=account)
        return await self.fact(
            events.OrderSubmissionStarted, account=account, command_id=command_id
        )

    async def filled(
        self, order_id: str, *, account: str = ACCOUNT, wait_s: float = WAIT_S
    ) -> list[events.OrderFillRecorded]:
        """Wait until an order is filled and its executions are recorded, which may be later."""
        end = await self.fact(events.OrderFilled, account=account, order_id=order_id, wait_s=wait_s)

        def fills() -> list[events.OrderFillRecorded]:
            found = self.seen(events.OrderFillRecorded, account=account, order_id=order_id)
            return found if sum(f.quantity for f in found) >= end.filled_quantity else []

        return await self.until(fills, wait_s=wait_s)

    async def ledger(self, account: str = ACCOUNT) -> list[Recorded]:
        """Return the account's whole stored line, its chain checked."""
        login = next(
            login.name
            for login in self.installation.logins
            if account in [a.alias for a in login.accounts]
        )
        provisioner = await self.nats.client(PROVISIONER)
        js = provisioner.jetstream()
        stream = ledger_stream(login)
        last = (await js.stream_info(stream)).state.last_seq
        tail = codec.EMPTY_TAIL
        found: list[Recorded] = []
        for sequence in range(1, last + 1):
            message = await js.get_msg(stream, sequence)
            assert message.subject is not None
            if message.subject.split(".")[1] == account:
                recorded, tail = codec.follow(
                    tail, message.subject, message.data or b"", sequence=sequence
                )
                found.append(recorded)
        return found

    async def give_up_lease(self, login: str = "alpha") -> None:
        """Leave a login's lease as a worker does that ends in order; for one that was killed."""
        provisioner = await self.nats.client(PROVISIONER)
        record = encode_lease(msgspec.structs.replace(THEIRS, is_released=True))
        js = provisioner.jetstream()
        await js.publish(lease_subject(login), record, timeout=WAIT_S)

    def number(self, account: str = ACCOUNT) -> str:
        """Return an account's number at the broker."""
        return next(
            entry.number
            for login in self.installation.logins
            for entry in login.accounts
            if entry.alias == account
        )

    def broker_orders(self, account: str = ACCOUNT) -> list[Any]:
        """Return the broker's own book of orders."""
        return list(self.sandbox.control.book(self.number(account)).orders)

    def client(self, kind: Kind) -> Client:
        """Return the gateway's connection (commands) or the operator's (controls)."""
        return self._clients[kind]

    async def _hear(self, message: Msg) -> None:
        sequence = int((message.headers or {})["Nats-Sequence"])
        self.facts.append(codec.decode(message.subject, message.data, sequence=sequence))
        self._news.set()


def order_terms(
    *,
    symbol: str = "AAPL",
    side: Side = Side.BUY,
    quantity: str = "10",
    limit_price: str | None = None,
    reason: str = "a test",
    **more: Any,
) -> PreviewOrder:
    """Return the terms of an order: market, or limit if a price is given; `more` overrides."""
    plain: dict[str, Any] = {
        "symbol": symbol,
        "side": side,
        "order_type": OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        "quantity": quantity,
        "limit_price": limit_price,
        "time_in_force": TimeInForce.DAY,
        "outside_regular_hours": False,
        "reason": reason,
    }
    return PreviewOrder(**(plain | more))


def _kind_of(command: Command) -> Kind:
    is_control = isinstance(command, PersonCommand)
    return Kind.CONTROL if is_control else Kind.COMMAND


# The client drops, unclosed, an attempt that a frozen server takes and never greets.
MAY_LEAVE_SOCKETS: Final = pytest.mark.filterwarnings(
    "ignore:unclosed:ResourceWarning", "ignore:loop is closed:ResourceWarning"
)


@contextmanager
def frozen_server(rig: Rig) -> Iterator[None]:
    """Keep a rig's nats-server from doing anything; for tests that are `MAY_LEAVE_SOCKETS`."""
    pid = int(rig.nats.deployment.home.pid_path.read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def running_rig(root: Path, *sandbox_options: str) -> AsyncIterator[Rig]:
    """Run nats-server and sandbox in a new home below `root`; workers are started by the test."""
    home = Home(root / "home")
    home.path.mkdir(parents=True)
    installation = load_or_make(home)
    async with running_home(root, topology_of(installation)) as nats:
        with running_sandbox(home.sandbox, *sandbox_options) as sandbox:
            rig = Rig(home, installation, nats, sandbox)
            await rig.listen()
            try:
                yield rig
            finally:
                for worker in rig.workers:
                    await worker.stop()
