"""One worker process: the real parts of a login's worker, joined as its `__main__` joins them."""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from adapters.tiger_worker.account import (
    AccountPlan,
    AccountWorker,
    LoginPlan,
    World,
    file_halt_of,
)
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.halt_journal import HaltNote
from adapters.tiger_worker.lease import Holder, Lease, LeasedLedger, await_lease, may_arrive
from adapters.tiger_worker.login import EXIT_WORN, Ending, begin, code_of, end
from adapters.tiger_worker.push import PushLink
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.reconcile import Pace
from core.context import Timing
from core.errors import ConfigError, ServiceError
from core.items import CancelJournaled
from core.modes import Environment, Mode
from core.subjects import Kind
from infra.ledger.append import AccountWriter
from infra.ledger.desk_ledger import DeskLedger
from infra.nats.lease_store import LeaseStore
from tests.simulation.ledger_twin import LedgerStream, LoopTwin, NatsTwin
from tests.simulation.machine import CountedIds, Machine, MachineClock, Process
from tests.simulation.push_twin import ConnectionTwin, PushServerTwin
from tests.simulation.queue_twin import HeldTwin, QueueTwin
from tests.simulation.scheduler import Scheduler
from tests.simulation.wire_twin import ClientTwin

LOGIN: Final = "alpha"
LEDGER_ID: Final = "led1"
TIMING: Final = Timing()
PACE: Final = Pace(settle_s=0.03, gap_s=1.0, watching_s=3.0, idle_s=15.0, figures_s=20.0)
EXIT_LOGIN_IN_USE: Final = 75
EXIT_CONFIG: Final = 78
HISTORY_S: Final = 0.01


class HaltFile:
    """The local halt file of an account, on a disk that every process of the machine sees."""

    is_there = False

    def exists(self) -> bool:
        """Say whether it is in place."""
        return self.is_there

    def stat(self) -> "HaltFile":
        """Return what tells it from another; nobody puts a second one in its place here."""
        if not self.is_there:
            raise FileNotFoundError
        return self

    st_ino = 1
    st_mtime_ns = 1
    st_ctime_ns = 1


class JournalLines(list[CancelJournaled]):
    """What the journal of an account holds on the disk, and what lies beside it."""

    note: HaltNote | None = None
    bound: str = ""


class JournalTwin:
    """The journal of cancels under the halt file, without a disk."""

    def __init__(self, lines: JournalLines) -> None:
        self._lines = lines

    def note(self) -> HaltNote | None:
        """Return the note."""
        return self._lines.note

    def keep_note(self, note: HaltNote | None) -> None:
        """Put this note in the place of the one before."""
        self._lines.note = note

    def bound(self) -> str:
        """Return what the account is bound to."""
        return self._lines.bound

    def bind(self, bound: str) -> None:
        """Keep what the account is bound to."""
        self._lines.bound = bound

    def write(self, entry: CancelJournaled) -> None:
        """Keep one answer to a cancel."""
        self._lines.append(entry)

    def entries(self) -> tuple[CancelJournaled, ...]:
        """Return what is kept, oldest first."""
        return tuple(self._lines)

    def clear(self, recorded: tuple[CancelJournaled, ...]) -> None:
        """Forget all, if these are all."""
        if self.entries() == recorded:
            self._lines.clear()


class LoginLock:
    """One machine's lock file of the login; a person may remove it, and two workers hold one each.

    `domain` tells the file from every other, of this machine and of others.
    """

    def __init__(self, machine: str) -> None:
        self.holder: Process | None = None
        self._machine = machine
        self._files = 1

    @property
    def domain(self) -> str:
        """Return what names the file that is there now."""
        return f"{self._machine} {self._files}"

    def take(self, process: Process) -> bool:
        """Take it, unless a living process has it."""
        if self.holder is not None and not self.holder.is_dead:
            return False
        self.holder = process
        return True

    def remove(self) -> None:
        """Remove the file: whoever held it holds nothing any more."""
        self.holder = None
        self._files += 1


class SessionTwin:
    """What a worker knows of its session."""

    def __init__(self, client: ClientTwin) -> None:
        self.client = client
        self.server_url = "http://127.0.0.1:1/gateway"

        self.on_renewed: list[Callable[[], None]] = []

    def renew_connections(self) -> None:
        """Drop kept connections, of which there is push's alone."""
        for tell in self.on_renewed:
            tell()


class PlainVerifier:
    """Takes the signature that `signature_of` makes; keys are the business of other tests."""

    def is_valid(self, key_id: str, message: bytes, signature: str) -> bool:
        """See `core.ports.Verifier`."""
        return signature == signature_of(key_id, message)


def signature_of(key_id: str, message: bytes) -> str:
    """Return what the simulation's gateways and people sign with."""
    return hashlib.sha256(key_id.encode() + message).hexdigest()


@dataclass(kw_only=True)
class Surroundings:
    """What the world has for every process."""

    scheduler: Scheduler
    stream: LedgerStream
    queue: QueueTwin
    locks: Mapping[Machine, LoginLock]
    numbers: Mapping[str, str]  # the broker's, by alias
    halt_files: Mapping[str, HaltFile]
    budgets: Mapping[str, int]
    journals: Mapping[str, JournalLines]  # each a file that outlives its processes
    make_nats: Callable[[Process], NatsTwin]
    make_lease_nats: Callable[[Process], NatsTwin]
    on_holder: Callable[[str, Process], None]  # is told under which name a process holds the lease
    make_session: Callable[[Process], SessionTwin]
    push: PushServerTwin
    yields: float  # chance that reading a clock lets another thread go first


class WorkerProcess:
    """Runs `main` as its first task; ends as the real process would."""

    def __init__(self, around: Surroundings, process: Process, number: int) -> None:
        self.process = process
        self.accounts: list[AccountWorker] = []
        self.serves_since_s = math.inf
        self._around = around
        self._ending = Ending()
        self._clock = MachineClock(around.scheduler, process.machine, yields=around.yields)
        self._ids = CountedIds(number)
        self._session = around.make_session(process)
        self._lock = around.locks[process.machine]
        process.states = lambda alias: [a.state for a in self.accounts if a.alias == alias]
        around.scheduler.spawn(process, self.main, "main")

    def stop(self) -> None:
        """Have it end in order."""
        self._ending.stop()

    def main(self) -> None:
        """Take the lock, restore, begin, take messages, and end."""
        process = self.process
        if not self._lock.take(process):
            process.exit(EXIT_LOGIN_IN_USE)
            return
        try:
            code = self._run()
        except ConfigError:
            code = EXIT_CONFIG
        except (ServiceError, TimeoutError) as error:
            code = code_of(error)
        process.exit(code)

    def _run(self) -> int:
        around, process, ending = self._around, self.process, self._ending
        lease = self._new_lease(ending)
        world, plan = self._world(ending, lease), self._login_plan()
        file_halts = [file_halt_of(each, plan, world) for each in self._plans()]
        for file_halt in file_halts:
            file_halt.start()
        ended = await_lease(
            lease, file_halts, ending, tell=lambda text: process.note(text or "waits no longer")
        )
        if ended is not None:
            return ended
        lease.keep()
        self.accounts = self._make_accounts(world, plan, file_halts, lease)
        for account in self.accounts:
            around.scheduler.park(HISTORY_S)
            account.restore(around.stream.records(account.alias))
            account.check_binding()
        begin(self.accounts)
        for account in self.accounts:
            around.queue.subscribe(account.alias, _Taker(account, process))
        self.serves_since_s = around.scheduler.now_s
        link = self._push_link(ending)
        link.start()
        code = ending.wait()
        link.stop()
        end(
            self.accounts,
            stop_taking=lambda: around.queue.unsubscribe(process),
            open_act_wait_s=TIMING.deadline_s,
        )
        if code != EXIT_WORN:
            lease.give_up(may_arrive=lambda: may_arrive(self.accounts))
        return int(code)

    def _new_lease(self, ending: Ending) -> Lease:
        around, process = self._around, self.process
        holder = self._ids.new("holder")
        around.on_holder(holder, process)
        nats = around.make_lease_nats(process)
        return Lease(
            LeaseStore(cast(Any, LoopTwin()), cast(Any, nats), login=LOGIN),
            Holder(holder, self._lock.domain, process.name),
            clock=self._clock,
            timing=TIMING,
            on_failure=ending.fail,
        )

    def _push_link(self, ending: Ending) -> PushLink:
        around, process = self._around, self.process
        link = PushLink(
            lambda push: cast(Any, ConnectionTwin(around.push, process, push)),
            accounts=self.accounts,
            name=self._ids.new("push"),
            clock=self._clock,
            on_worn=ending.worn_out,
            on_failure=ending.fail,
            jitter=around.scheduler.rng.random,
        )
        self._session.on_renewed.append(link.renew)
        return link

    def _world(self, ending: Ending, lease: Lease) -> World:
        around, process = self._around, self.process
        clock = self._clock
        session = cast(Any, self._session)
        return World(
            session=session,
            make_broker=lambda number: AccountBroker(
                cast(Any, session), number=number, clock=clock
            ),
            budget=RateBudget(around.budgets),
            contracts=ContractBook(clock),
            clock=clock,
            ids=self._ids,
            verifiers={Kind.COMMAND: PlainVerifier(), Kind.CONTROL: PlainVerifier()},
            is_lock_held=lambda: self._lock.holder is process,
            has_lease=lambda: lease.is_valid,
            is_number_used=lambda number: any(number in a.state.numbers for a in self.accounts),
            on_failure=ending.fail,
        )

    def _login_plan(self) -> LoginPlan:
        return LoginPlan(
            name=LOGIN,
            ledger_id=LEDGER_ID,
            run_id=self._ids.new("run"),
            code_version="simulated",
            timing=TIMING,
            pace=PACE,
        )

    def _plans(self) -> list[AccountPlan]:
        around = self._around
        return [
            AccountPlan(
                alias=alias,
                number=number,
                environment=Environment.SANDBOX,
                mode=Mode.AUTO,
                halt_file=cast(Any, around.halt_files[alias]),
                halt_journal=cast(Any, around.journals[alias]),
            )
            for alias, number in around.numbers.items()
        ]

    def _make_accounts(
        self, world: World, login: LoginPlan, file_halts: list[FileHalt], lease: Lease
    ) -> list[AccountWorker]:
        around, nats = self._around, self._around.make_nats(self.process)
        return [
            AccountWorker(
                plan,
                login,
                world,
                ledger=LeasedLedger(
                    DeskLedger(
                        cast(Any, LoopTwin()),
                        AccountWriter(
                            cast(Any, nats), stream=around.stream.name, account=plan.alias
                        ),
                    ),
                    lease,
                ),
                file_halt=file_halt,
            )
            for plan, file_halt in zip(self._plans(), file_halts, strict=True)
        ]


class _Taker:
    def __init__(self, account: AccountWorker, process: Process) -> None:
        self._account = account
        self.process = process

    def take(self, held: HeldTwin) -> None:
        self._account.take(held)
