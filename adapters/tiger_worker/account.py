"""One account inside a worker: its desk, its lanes, its rounds; nothing of another account's."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from adapters.tiger_worker.asks import Asks
from adapters.tiger_worker.binding import Binding
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.desk import Desk, DeskSettings
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.file_halt import FileHalt, Standing, standing_of
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.guard import HaltLatch, SendGuard
from adapters.tiger_worker.halt_journal import CancelJournal
from adapters.tiger_worker.halt_telling import HaltTelling
from adapters.tiger_worker.intake import Held, Intake
from adapters.tiger_worker.lanes import NO_END, Lanes
from adapters.tiger_worker.parts import Ledger, Work
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.reconcile import Pace, Reconciler
from adapters.tiger_worker.session import Session
from adapters.tiger_worker.watchdog import EXIT_STUCK, Watchdog, exit_now
from core.account_state import AccountState, kick_key
from core.cancelling import is_ours
from core.commands import SetMode
from core.context import Timing
from core.errors import ConfigError
from core.items import (
    AccountBegins,
    ActAbandoned,
    CommandItem,
    Item,
    ModifyAnswered,
    Outcome,
    PlaceAnswered,
    PushKicked,
    TokenSeen,
    WorkerStarts,
)
from core.modes import Environment, Mode
from core.orders import ModifyPhase, Phase
from core.ports import Clock, Ids, StoredRecord, Verifier
from core.subjects import Kind

log = structlog.get_logger()
ASK_THREADS: Final = 3
# A round that hangs for so many deadlines of a call is a gap; for so many more, a stuck process.
GAP_AFTER: Final = 2.0
ROUND_ENDS_AFTER: Final = 6.0
MODE_LIFE: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class AccountPlan:
    """What a worker is told of one account; `number` is the broker's, and stays here."""

    alias: str
    number: str
    environment: Environment
    mode: Mode
    halt_file: Path
    halt_journal: Path


@dataclass(frozen=True, kw_only=True)
class LoginPlan:
    """What a worker is told of its login."""

    name: str
    ledger_id: str
    run_id: str
    code_version: str
    timing: Timing
    pace: Pace


@dataclass(frozen=True, kw_only=True)
class World:
    """What every account of a login uses together; `make_broker` takes an account's number."""

    session: Session
    make_broker: Callable[[str], AccountBroker]
    budget: RateBudget
    contracts: ContractBook
    clock: Clock
    ids: Ids
    verifiers: Mapping[Kind, Verifier]
    is_lock_held: Callable[[], bool]
    has_lease: Callable[[], bool]
    is_number_used: Callable[[str], bool]
    on_failure: Callable[[BaseException], None]


def binding_of(plan: AccountPlan, login: LoginPlan) -> Binding:
    """Return what the home's list says of an account."""
    return Binding(
        alias=plan.alias,
        environment=plan.environment,
        login=login.name,
        ledger_id=login.ledger_id,
        number=plan.number,
    )


def file_halt_of(plan: AccountPlan, login: LoginPlan, world: World) -> FileHalt:
    """Return the watch over an account's halt file; it needs no ledger, and begins before all.

    Raises:
        ConfigError: the account is bound to another number at the broker.
    """
    journal = CancelJournal(plan.halt_journal)
    binding_of(plan, login).check_kept(journal)
    return FileHalt(
        world.make_broker(plan.number),
        account=plan.alias,
        ledger_id=login.ledger_id,
        halt_file=plan.halt_file,
        journal=journal,
        budget=world.budget,
        clock=world.clock,
        deadline_s=login.timing.deadline_s,
        on_failure=world.on_failure,
        on_exhausted=lambda: exit_now(EXIT_STUCK),
    )


class AccountWorker:
    """Joins one account's parts. `restore`, then `begin`, then messages may come.

    `file_halt` watches since the login was locked, and goes on as this account's.
    """

    def __init__(
        self,
        plan: AccountPlan,
        login: LoginPlan,
        world: World,
        *,
        ledger: Ledger,
        file_halt: FileHalt,
    ) -> None:
        self._plan = plan
        self._login = login
        self._binding = binding_of(plan, login)
        self._world = world
        self._file_halt = file_halt
        self._broker = broker = file_halt.broker
        latch = HaltLatch()
        self._watchdog = Watchdog(
            deadline_s=login.timing.deadline_s,
            record=self._record_doubt,
            is_recorded=self._is_doubt_recorded,
            look=self._look,
        )
        self.lanes = Lanes(
            broker,
            account=plan.alias,
            guard=SendGuard(
                clock=world.clock,
                latch=latch,
                is_halted=lambda symbol: self.state.halts(symbol),
                halt_file=plan.halt_file,
                is_lock_held=world.is_lock_held,
                has_lease=world.has_lease,
            ),
            latch=latch,
            budget=world.budget,
            contracts=world.contracts,
            deadline_s=login.timing.deadline_s,
            is_number_used=world.is_number_used,
            look_again=self.look_again,
            on_sending=self._watchdog.sending,
            on_sent=self._watchdog.sent,
            on_exhausted=lambda: exit_now(EXIT_STUCK),
        )
        settings = DeskSettings(
            account=plan.alias,
            login=login.name,
            timing=login.timing,
            code_version=login.code_version,
        )
        self._gaps = Gaps(world.clock)
        self._desk = Desk(
            settings,
            ledger=ledger,
            acts=self.lanes,
            clock=world.clock,
            ids=world.ids,
            gaps=self._gaps,
            on_woken=world.session.renew_connections,
        )
        self._thread = DeskThread(
            self._desk,
            name=f"desk-{plan.alias}",
            on_failure=world.on_failure,
        )
        self._halt_telling = HaltTelling(file_halt, desk=self._thread)
        self.lanes.answer_to(self._thread)
        self._reconciler = Reconciler(
            broker,
            desk=self._thread,
            budget=world.budget,
            clock=world.clock,
            timing=login.timing,
            pace=login.pace,
            on_failure=world.on_failure,
            gaps=self._gaps,
            name=f"rounds-{plan.alias}",
        )
        self._intake = Intake(plan.alias, desk=self._thread, verifiers=world.verifiers, latch=latch)
        self.asks = Asks(broker, budget=world.budget)
        # Questions have threads of their own: neither a preview nor another account waits for them.
        self.ask_threads = ThreadPoolExecutor(ASK_THREADS, thread_name_prefix=f"ask-{plan.alias}")
        self._is_silence_told = False
        self._is_lock_lost = False

    @property
    def alias(self) -> str:
        """Name of the account."""
        return self._plan.alias

    @property
    def number(self) -> str:
        """The broker's number of the account."""
        return self._plan.number

    @property
    def state(self) -> AccountState:
        """What is true of the account now."""
        return self._desk.state

    @property
    def open_acts(self) -> int:
        """Number of calls to the broker whose end is not recorded yet."""
        return self._desk.open_acts

    @property
    def is_sending(self) -> bool:
        """Whether an order, or a change of one, may still be on its way from here."""
        return self._watchdog.is_sending

    @property
    def broker_told_at(self) -> datetime | None:
        """The broker's clock as its last reply told it: what is asked now is read later."""
        return self._broker.last_told

    @property
    def stood_s(self) -> float:
        """Seconds for which the desk has stood still; from any thread."""
        return self._thread.stood_s

    def restore(self, records: Iterable[StoredRecord]) -> None:
        """Fold the next part of the account's past, in order.

        Raises:
            CorruptRecordError: it has a gap, a fork, or does not decode.
        """
        for record in records:
            self._desk.restore(record.subject, record.body, sequence=record.sequence)

    def check_binding(self) -> None:
        """Hold the account's plan against its first event.

        Raises:
            ConfigError: the account is bound to another environment, login, ledger or number.
        """
        self._binding.check(self.state)

    def begin(self) -> None:
        """Take the account: record it, doubt what had begun, and start the first round."""
        if self.state.opened is None:
            begins = AccountBegins(
                environment=self._plan.environment,
                mode=self._plan.mode,
                ledger_id=self._login.ledger_id,
                login=self._login.name,
            )
            self._desk.take(Work(begins))
        check = self._binding.number_check
        self._desk.take(Work(WorkerStarts(run_id=self._login.run_id, number_check=check)))
        self._binding.keep(self._file_halt.journal)
        self._lower_mode()
        for order_id in self.state.begun_acts:
            self._desk.take(Work(ActAbandoned(order_id=order_id)))
        self._thread.start()
        self._watchdog.start()
        self._file_halt.follow(self._standing, is_ours=lambda id_: is_ours(self.state, id_))
        self.lanes.numbers.fill()
        self._reconciler.start()

    def take(self, held: Held) -> None:
        """Queue one message of the account's commands or controls; from any thread."""
        self._intake.take(held)

    def token_seen(self, seen: TokenSeen) -> None:
        """Have a finding about the login's token recorded; from any thread."""
        self._thread.post(Work(seen), Turn.CONTROL)

    def probe(self) -> None:
        """Read something small of the account.

        Raises:
            BrokerUnavailableError: the broker did not answer.
        """
        self._broker.balances()

    def look_again(self) -> None:
        """Have a round of readings soon; from any thread, and many calls make one round."""
        self._reconciler.look_again()

    def note_gap(self, cause: str) -> None:
        """Open nothing until a round that begins after this call is complete; from any thread."""
        self._thread.post(Work(self._gaps.note(cause)), Turn.CONTROL)
        self.look_again()

    def note_kick(self, connection: str) -> None:
        """Open nothing until a person resumes; from any thread."""
        self._thread.post(Work(PushKicked(connection=connection)), Turn.CONTROL)

    def awaits_resume(self, kick: str) -> bool:
        """Say whether this kick, or with "" an earlier one, still waits for a person's resume."""
        state = self.state
        # One that was not recorded yet is one that the desk has not taken.
        return bool(state.kicks) or bool(kick and kick_key(kick) not in state.frozen_for)

    def close_for_commands(self) -> None:
        """Take no command any more, in whatever order the rest ends."""
        self._thread.close_for_commands()

    def stop_rounds(self) -> None:
        """Begin no more readings."""
        self._reconciler.stop()

    def stop(self) -> None:
        """Take what is queued, then end the desk."""
        self._thread.stop()
        self._watchdog.stop()
        self._file_halt.stop()

    # What a person lowered while no worker ran. Only a control raises a mode.
    def _lower_mode(self) -> None:
        opened = self.state.opened
        if opened is None or opened.mode is self._plan.mode:
            return
        if self._plan.mode is not Mode.READ_ONLY:
            return
        self._desk.take(
            Work(
                CommandItem(
                    command=SetMode(mode=Mode.READ_ONLY),
                    command_id=self._world.ids.new("ctl"),
                    principal="the home's list of accounts",
                    expires_at=self._world.clock.now() + MODE_LIFE,
                    is_own=True,
                )
            )
        )

    def _look(self) -> None:
        """Look after what may hang unseen; called by the watchdog, several times a second."""
        self.lanes.cancels.check()
        self._halt_telling.look()
        self._end_if_lock_is_lost()
        if self.lanes.readings.longest_s > ROUND_ENDS_AFTER * self._login.timing.deadline_s:
            log.error("reading.hangs", account=self.alias)
            exit_now(EXIT_STUCK)
        silent_s = self._reconciler.silent_s - self._login.pace.idle_s
        if silent_s > ROUND_ENDS_AFTER * self._login.timing.deadline_s:
            log.error("rounds.hang", account=self.alias, silent_s=silent_s)
            exit_now(EXIT_STUCK)
        is_silent = silent_s > GAP_AFTER * self._login.timing.deadline_s
        if is_silent and not self._is_silence_told:
            gap = self._gaps.note("a reading of the broker hangs")
            self._thread.post(Work(gap), Turn.CONTROL)
        self._is_silence_told = is_silent

    def _standing(self) -> Standing:
        return standing_of(self.state, silent_s=self._thread.silent_s)

    def _end_if_lock_is_lost(self) -> None:
        # Nothing would be sent any more, and nobody would be told to start a worker that may.
        if not self._is_lock_lost and not self._world.is_lock_held():
            self._is_lock_lost = True
            log.error("login.lock_lost", account=self.alias)
            self._world.on_failure(ConfigError("expected to hold the login's lock, was lost"))

    def _record_doubt(self, order_id: str) -> None:
        doubt: Item = PlaceAnswered(order_id=order_id, outcome=Outcome.UNKNOWN, detail=NO_END)
        if self.state.orders[order_id].phase is not Phase.SUBMITTING:
            doubt = ModifyAnswered(order_id=order_id, outcome=Outcome.UNKNOWN, detail=NO_END)
        self._thread.post(Work(doubt), Turn.CONTROL)

    def _is_doubt_recorded(self, order_id: str) -> bool:
        order = self.state.orders[order_id]
        return order.phase is not Phase.SUBMITTING and order.modify is not ModifyPhase.STARTED
