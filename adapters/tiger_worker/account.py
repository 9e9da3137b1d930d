"""One account inside a worker: its desk, its lanes, its rounds; nothing of another account's."""

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from adapters.tiger_worker.asks import Asks
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.desk import Desk, DeskSettings
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.file_halt import CancelJournal, FileHalt
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.guard import HaltLatch, SendGuard
from adapters.tiger_worker.intake import Held, Intake
from adapters.tiger_worker.lanes import Lanes
from adapters.tiger_worker.parts import Ledger, Work
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.reconcile import Pace, Reconciler
from adapters.tiger_worker.session import Session
from adapters.tiger_worker.watchdog import EXIT_STUCK, Watchdog, exit_now
from core.account_state import AccountState, is_kick, kick_key
from core.cancelling import is_halt_carried
from core.context import Timing
from core.errors import ConfigError
from core.events import Environment, Mode
from core.items import (
    AccountBegins,
    ActAbandoned,
    HaltFileSeen,
    Item,
    ModifyAnswered,
    Outcome,
    PlaceAnswered,
    PushKicked,
    TokenSeen,
    WorkerStarts,
)
from core.orders import ModifyPhase, Phase
from core.ports import Clock, Ids, StoredRecord, Verifier
from core.subjects import Kind

log = structlog.get_logger()
ASK_THREADS: Final = 3
# How often a halt file that the desk has not taken yet is told again.
HALT_FILE_EVERY_S: Final = 1.0
# A round that hangs for so many deadlines of a call is a gap; for so many more, a stuck process.
GAP_AFTER: Final = 2.0
ROUND_ENDS_AFTER: Final = 6.0
NO_END: Final = "no end within the deadline"


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
    is_number_used: Callable[[str], bool]
    on_failure: Callable[[BaseException], None]


class AccountWorker:
    """Joins one account's parts. `restore`, then `begin`, then messages may come."""

    def __init__(
        self, plan: AccountPlan, login: LoginPlan, world: World, *, ledger: Ledger
    ) -> None:
        self._plan = plan
        self._login = login
        self._world = world
        self._broker = broker = world.make_broker(plan.number)
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
            on_file_cancel=lambda tiger_id, ended: self._file_halt.ended(tiger_id, ended),
        )
        self._journal = CancelJournal(plan.halt_journal)
        self._file_halt = FileHalt(
            broker,
            account=plan.alias,
            halt_file=plan.halt_file,
            journal=self._journal,
            clock=world.clock,
            is_taken=lambda: is_halt_carried(self.state),
            cancel=self.lanes.cancel_under_file,
            on_failure=world.on_failure,
        )
        settings = DeskSettings(
            account=plan.alias,
            login=login.name,
            timing=login.timing,
            code_version=login.code_version,
        )
        self._desk = Desk(
            settings, ledger=ledger, acts=self.lanes, clock=world.clock, ids=world.ids
        )
        self._gaps = Gaps(world.clock)
        self._thread = DeskThread(
            self._desk,
            name=f"desk-{plan.alias}",
            gaps=self._gaps,
            on_woken=world.session.renew_connections,
            on_failure=world.on_failure,
        )
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
        self._halt_file_told_at = 0.0
        self._journal_looked_at = 0.0

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
            ConfigError: the account is bound to another environment, login or ledger.
        """
        opened = self.state.opened
        bound = (self._plan.environment, self._login.name, self._login.ledger_id)
        if opened and (opened.environment, opened.login, opened.ledger_id) != bound:
            raise ConfigError(
                f"{self.alias} is bound for ever to {opened.environment} under {opened.login}; "
                f"expected the same, was {self._plan.environment} under {self._login.name}"
            )

    def begin(self) -> None:
        """Take the account: record it, doubt what had begun, and start the first round."""
        if self.state.opened is None:
            self._desk.take(
                Work(
                    AccountBegins(
                        environment=self._plan.environment,
                        mode=self._plan.mode,
                        ledger_id=self._login.ledger_id,
                        login=self._login.name,
                    )
                )
            )
        self._desk.take(Work(WorkerStarts(run_id=self._login.run_id)))
        for order_id in sorted(self.state.open_orders):
            self._desk.take(Work(ActAbandoned(order_id=order_id)))
        self._thread.start()
        self._watchdog.start()
        self._file_halt.start()
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
        if kick and kick_key(kick) not in state.frozen_for:
            # The desk has not taken it yet.
            return True
        return bool(state.frozen_cause) and any(is_kick(key) for key, _ in state.frozen_for.items())

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

    def _look(self) -> None:
        """Look after what may hang unseen; called by the watchdog, several times a second."""
        self.lanes.cancels.check()
        now = time.monotonic()
        is_due = now - self._halt_file_told_at > HALT_FILE_EVERY_S
        if is_due and not self.state.is_halted and self._plan.halt_file.exists():
            self._halt_file_told_at = now
            self._thread.post(Work(HaltFileSeen(detail="the halt file is there")), Turn.CONTROL)
        if now - self._journal_looked_at > HALT_FILE_EVERY_S:
            self._journal_looked_at = now
            self._import_journal()
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

    def _end_if_lock_is_lost(self) -> None:
        # Nothing would be sent any more, and nobody would be told to start a worker that may.
        if not self._is_lock_lost and not self._world.is_lock_held():
            self._is_lock_lost = True
            log.error("login.lock_lost", account=self.alias)
            self._world.on_failure(ConfigError("expected to hold the login's lock, was lost"))

    def _import_journal(self) -> None:
        entries = self._journal.entries()
        waiting = [entry for entry in entries if entry.key not in self.state.handled]
        for entry in waiting:
            self._thread.post(Work(entry), Turn.CONTROL)
        if not waiting:
            self._journal.clear(entries)

    def _record_doubt(self, order_id: str) -> None:
        doubt: Item = PlaceAnswered(order_id=order_id, outcome=Outcome.UNKNOWN, detail=NO_END)
        if self.state.orders[order_id].phase is not Phase.SUBMITTING:
            doubt = ModifyAnswered(order_id=order_id, outcome=Outcome.UNKNOWN, detail=NO_END)
        self._thread.post(Work(doubt), Turn.CONTROL)

    def _is_doubt_recorded(self, order_id: str) -> bool:
        order = self.state.orders[order_id]
        return order.phase is not Phase.SUBMITTING and order.modify is not ModifyPhase.STARTED
