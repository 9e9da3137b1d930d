"""One worker process: the real parts of a login's worker, joined as its `__main__` joins them."""

import hashlib
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
from adapters.tiger_worker.halt_journal import HaltNote
from adapters.tiger_worker.login import Ending, begin, code_of, end
from adapters.tiger_worker.push import PushLink
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.reconcile import Pace
from core.context import Timing
from core.errors import ConfigError, ServiceError
from core.events import Environment, Mode
from core.items import CancelJournaled
from core.subjects import Kind
from infra.ledger.append import AccountWriter
from infra.ledger.desk_ledger import DeskLedger
from tests.simulation.broker_twin import ClientTwin
from tests.simulation.ledger_twin import LedgerStream, LoopTwin, NatsTwin
from tests.simulation.machine import CountedIds, MachineClock, Process
from tests.simulation.push_twin import ConnectionTwin, PushServerTwin
from tests.simulation.queue_twin import HeldTwin, QueueTwin
from tests.simulation.scheduler import Scheduler

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


class JournalLines(list[CancelJournaled]):
    """What the journal of an account holds on the disk, and the note beside it."""

    note: HaltNote | None = None


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
    """The login's lock file; a person may remove it, and then two workers hold one each."""

    def __init__(self) -> None:
        self.holder: Process | None = None

    def take(self, process: Process) -> bool:
        """Take it, unless a living process has it."""
        if self.holder is not None and not self.holder.is_dead:
            return False
        self.holder = process
        return True

    def remove(self) -> None:
        """Remove the file: whoever held it holds nothing any more."""
        self.holder = None


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
    lock: LoginLock
    numbers: Mapping[str, str]  # the broker's, by alias
    halt_files: Mapping[str, HaltFile]
    budgets: Mapping[str, int]
    journals: Mapping[str, JournalLines]  # each a file that outlives its processes
    make_nats: Callable[[Process], NatsTwin]
    make_session: Callable[[Process], SessionTwin]
    push: PushServerTwin
    yields: float  # chance that reading a clock lets another thread go first


class WorkerProcess:
    """Runs `main` as its first task; ends as the real process would."""

    def __init__(self, around: Surroundings, process: Process, number: int) -> None:
        self.process = process
        self.accounts: list[AccountWorker] = []
        self._around = around
        self._clock = MachineClock(around.scheduler, process.machine, yields=around.yields)
        self._ids = CountedIds(number)
        self._session = around.make_session(process)
        process.states = lambda alias: [a.state for a in self.accounts if a.alias == alias]
        around.scheduler.spawn(process, self.main, "main")

    def main(self) -> None:
        """Take the lock, restore, begin, take messages, and end."""
        process = self.process
        if not self._around.lock.take(process):
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
        around, process = self._around, self.process
        ending = Ending()
        self.accounts = self._make_accounts(ending)
        for account in self.accounts:
            around.scheduler.park(HISTORY_S)
            account.restore(around.stream.records(account.alias))
            account.check_binding()
        begin(self.accounts)
        for account in self.accounts:
            around.queue.subscribe(account.alias, _Taker(account, process))
        link = self._push_link(ending)
        link.start()
        code = ending.wait()
        link.stop()
        end(
            self.accounts,
            stop_taking=lambda: around.queue.unsubscribe(process),
            open_act_wait_s=TIMING.deadline_s,
        )
        return int(code)

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

    def _make_accounts(self, ending: Ending) -> list[AccountWorker]:
        around, process = self._around, self.process
        clock, ids = self._clock, self._ids
        session = cast(Any, self._session)
        nats = around.make_nats(process)
        world = World(
            session=session,
            make_broker=lambda number: AccountBroker(
                cast(Any, session), number=number, clock=clock
            ),
            budget=RateBudget(around.budgets),
            contracts=ContractBook(clock),
            clock=clock,
            ids=ids,
            verifiers={Kind.COMMAND: PlainVerifier(), Kind.CONTROL: PlainVerifier()},
            is_lock_held=lambda: around.lock.holder is process,
            is_number_used=lambda number: any(number in a.state.numbers for a in self.accounts),
            on_failure=ending.fail,
        )
        login = LoginPlan(
            name=LOGIN,
            ledger_id=LEDGER_ID,
            run_id=ids.new("run"),
            code_version="simulated",
            timing=TIMING,
            pace=PACE,
        )
        plans = [
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
        file_halts = [file_halt_of(plan, login, world) for plan in plans]
        for file_halt in file_halts:
            file_halt.start()
        return [
            AccountWorker(
                plan,
                login,
                world,
                ledger=DeskLedger(
                    cast(Any, LoopTwin()),
                    AccountWriter(cast(Any, nats), stream=around.stream.name, account=plan.alias),
                ),
                file_halt=file_halt,
            )
            for plan, file_halt in zip(plans, file_halts, strict=True)
        ]


class _Taker:
    def __init__(self, account: AccountWorker, process: Process) -> None:
        self._account = account
        self.process = process

    def take(self, held: HeldTwin) -> None:
        self._account.take(held)
