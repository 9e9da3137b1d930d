"""One account inside a worker: its desk, its lanes, its rounds; nothing of another account's."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from adapters.tiger_worker.asks import Asks
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.desk import Desk, DeskSettings
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.guard import HaltLatch, SendGuard
from adapters.tiger_worker.intake import Held, Intake
from adapters.tiger_worker.lanes import Lanes
from adapters.tiger_worker.parts import Ledger, Work
from adapters.tiger_worker.rates import RateBudget
from adapters.tiger_worker.reconcile import Pace, Reconciler
from adapters.tiger_worker.session import Session
from adapters.tiger_worker.watchdog import Watchdog
from core.account_state import AccountState
from core.context import Timing
from core.errors import ConfigError
from core.events import Environment, Mode
from core.items import AccountBegins, ActAbandoned, Outcome, PlaceAnswered, WorkerStarts
from core.orders import CancelPhase, Phase
from core.ports import Clock, Ids, StoredRecord, Verifier
from core.subjects import Kind


@dataclass(frozen=True, kw_only=True)
class AccountPlan:
    """What a worker is told of one account; `number` is the broker's, and stays here."""

    alias: str
    number: str
    environment: Environment
    mode: Mode
    halt_file: Path


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
    reads: ThreadPoolExecutor
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
        broker = world.make_broker(plan.number)
        latch = HaltLatch()
        self._watchdog = Watchdog(
            deadline_s=login.timing.deadline_s,
            record=self._record_doubt,
            is_recorded=self._is_doubt_recorded,
        )
        self.lanes = Lanes(
            broker,
            account=plan.alias,
            guard=SendGuard(
                clock=world.clock,
                latch=latch,
                halt_file=plan.halt_file,
                is_lock_held=world.is_lock_held,
            ),
            latch=latch,
            budget=world.budget,
            contracts=world.contracts,
            reads=world.reads,
            is_number_used=world.is_number_used,
            look_again=self._look_again,
            on_sending=self._watchdog.sending,
            on_sent=self._watchdog.sent,
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
        gaps = Gaps(world.clock)
        self._thread = DeskThread(
            self._desk,
            name=f"desk-{plan.alias}",
            gaps=gaps,
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
            is_halt_file_in_place=plan.halt_file.exists,
            gaps=gaps,
            name=f"rounds-{plan.alias}",
        )
        self._intake = Intake(plan.alias, desk=self._thread, verifiers=world.verifiers, latch=latch)
        self.asks = Asks(broker, contracts=world.contracts, budget=world.budget)

    @property
    def alias(self) -> str:
        """Name of the account."""
        return self._plan.alias

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
            order = self.state.orders[order_id]
            if order.phase is Phase.SUBMITTING or order.cancel is CancelPhase.STARTED:
                self._desk.take(Work(ActAbandoned(order_id=order_id)))
        self._thread.start()
        self._watchdog.start()
        self.lanes.numbers.fill()
        self._reconciler.start()

    def take(self, held: Held) -> None:
        """Queue one message of the account's commands or controls; from any thread."""
        self._intake.take(held)

    def stop_rounds(self) -> None:
        """Begin no more readings."""
        self._reconciler.stop()

    def stop(self) -> None:
        """Take what is queued, then end the desk."""
        self._thread.stop()
        self._watchdog.stop()

    def _look_again(self) -> None:
        self._reconciler.look_again()

    def _record_doubt(self, order_id: str) -> None:
        doubt = PlaceAnswered(
            order_id=order_id, outcome=Outcome.UNKNOWN, detail="no end within the deadline"
        )
        self._thread.post(Work(doubt), Turn.CONTROL)

    def _is_doubt_recorded(self, order_id: str) -> bool:
        return self.state.orders[order_id].phase is not Phase.SUBMITTING
