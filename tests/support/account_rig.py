"""One whole account of a worker on twins, with a broker that hangs until it is let go."""

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from adapters.tiger_worker.account import (
    AccountPlan,
    AccountWorker,
    LoginPlan,
    World,
    file_halt_of,
)
from adapters.tiger_worker.broker import AccountBroker, Ended, Listing
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from adapters.tiger_worker.reconcile import Pace
from adapters.tiger_worker.session import Session
from core.context import Timing
from core.errors import BrokerUnavailableError
from core.items import Outcome
from core.modes import Environment, Mode
from core.terms import OrderSpec
from tests.support import core_facts as facts
from tests.support.worker_parts import WAIT_S, CountedIds, ManualClock, MemoryLedger, Trace

# Short limits, for hanging on purpose.
TIMING = Timing(sdk_timeout_s=0.05, deadline_s=0.1)


PACE = Pace(settle_s=0.0, gap_s=0.0, watching_s=60.0, idle_s=0.0, figures_s=1e9)


class HangingBroker:
    """A broker whose listings and cancels hang until let go, and which has nothing else."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.clock_skew_s = 0.0
        self.last_told: datetime | None = None
        self.may_end = threading.Event()
        self.cancels = threading.Semaphore(0)

    def orders(self, *, since: datetime, **_: Any) -> Listing:
        assert self.may_end.wait(WAIT_S)
        raise BrokerUnavailableError("away")

    def open_orders(self, **_: Any) -> tuple[dict[str, Any], ...]:
        assert self.may_end.wait(WAIT_S)
        raise BrokerUnavailableError("away")

    def prepare(self, spec: OrderSpec, *, order_number: str, mark: str) -> str:
        return mark

    def cancel(self, tiger_order_id: str) -> Ended:
        self.cancels.release()
        assert self.may_end.wait(WAIT_S)
        return Ended(Outcome.UNKNOWN)

    def reserve_number(self) -> str:
        raise BrokerUnavailableError("away")

    def contracts(self, symbols: list[str]) -> tuple[()]:
        return ()


class _Renewing:
    def renew_connections(self) -> None:
        """There are no connections."""


class Exits:
    """Where the process would have ended, with which codes."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self._happened = threading.Event()

    def end(self, code: int) -> None:
        self.codes.append(code)
        self._happened.set()

    def wait(self) -> int:
        assert self._happened.wait(WAIT_S)
        return self.codes[0]


class Monotonic:
    """Stands where the account has the module `time`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


class AccountRig:
    """An account with a line of events behind it, and brokers that hang."""

    # The broker's id of the order that works there.
    tiger = "t-1"

    def __init__(
        self,
        halt_file: Path,
        *,
        new_ledger: Callable[[Trace], MemoryLedger] = MemoryLedger,
        new_broker: Callable[[str], HangingBroker] = HangingBroker,
    ) -> None:
        self.halt_file = halt_file
        self.trace = Trace()
        self.ledger = new_ledger(self.trace)
        self._new_broker = new_broker
        self.brokers: list[HangingBroker] = []
        self.failures: list[BaseException] = []
        self.clock = ManualClock()
        self.pace = PACE
        for event in facts.ready(
            facts.previewed(),
            facts.started(),
            facts.accepted(tiger=self.tiger),
            facts.working(tiger=self.tiger),
        ):
            self.ledger.write(event)
        self.trace.clear()

        self.begun: list[AccountWorker] = []
        self.world = World(
            session=cast(Session, _Renewing()),
            make_broker=self._make_broker,
            budget=RateBudget(NO_BUDGETS),
            contracts=ContractBook(self.clock),
            clock=self.clock,
            ids=CountedIds(),
            verifiers={},
            is_lock_held=lambda: True,
            has_lease=lambda: True,
            is_number_used=lambda _: False,
            on_failure=self.failures.append,
        )

    def make(self, alias: str = facts.ACCOUNT, *, number: str = "1") -> AccountWorker:
        plan = AccountPlan(
            alias=alias,
            number=number,
            environment=Environment.SANDBOX,
            mode=Mode.AUTO,
            halt_file=self.halt_file,
            halt_journal=self.halt_file.with_suffix(".jsonl"),
        )
        login = LoginPlan(
            name="login-1",
            ledger_id=facts.LEDGER_ID,
            run_id="run-2",
            code_version="0",
            timing=TIMING,
            pace=self.pace,
        )
        file_halt = file_halt_of(plan, login, self.world)
        made = AccountWorker(plan, login, self.world, ledger=self.ledger, file_halt=file_halt)
        if alias == facts.ACCOUNT:
            made.restore(self.ledger.records)
        return made

    def begin(self, account: AccountWorker) -> None:
        self.begun.append(account)
        account._file_halt.start()
        account.begin()

    def end(self) -> None:
        """Let go what hangs, and leave no thread that could end this process."""
        for broker in self.brokers:
            broker.may_end.set()
        for account in self.begun:
            account.stop_rounds()
            account.stop()
            account._watchdog._thread.join(WAIT_S)

    def _make_broker(self, number: str) -> AccountBroker:
        self.brokers.append(self._new_broker(number))
        return cast(AccountBroker, self.brokers[-1])

    def posted(self, account: AccountWorker) -> list[Any]:
        """Return the items that wait for the desk, which does not run."""
        return [work.item for _, _, work in sorted(account._thread._queue.queue) if work]
