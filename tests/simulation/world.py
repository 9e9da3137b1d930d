"""One run: a world made from a seed, its faults, its healing, and what was found.

Phases: people act while things go wrong; then everything heals and time passes; then a person
releases and resumes what only a person may; at last a probe must be filled. Then book and ledger
are held against each other.
"""

from dataclasses import dataclass
from random import Random
from typing import Final

from adapters.tiger_worker.rates import NO_BUDGETS, TIGER_BUDGETS
from core import events
from core.account_state import is_kick
from core.commands import AdoptPosition, ReleaseOrder, ResumeAccount
from core.orders import DOUBTFUL_PHASES, Phase
from core.ports import StoredRecord
from core.subjects import ledger_stream
from core.terms import Side
from tests.simulation.broker_twin import BrokerTwin, ClientTwin
from tests.simulation.checks import Checks, Line
from tests.simulation.final_checks import FinalChecks, is_settled, unverified
from tests.simulation.ledger_twin import LedgerStream, NatsTwin
from tests.simulation.machine import Machine, Process
from tests.simulation.order_kinds import terms_of
from tests.simulation.people import LOOK_S, Gateway, Person, Wish
from tests.simulation.primitives import Current
from tests.simulation.push_twin import PushServerTwin
from tests.simulation.queue_twin import QueueTwin
from tests.simulation.scenarios import Scenario
from tests.simulation.scheduler import Scheduler
from tests.simulation.traps import Trap, Traps
from tests.simulation.troubles import SYMBOLS
from tests.simulation.weather import ON, ON_BESIDE_A_TRAP, Weather, weather_of
from tests.simulation.worker_process import (
    LOGIN,
    HaltFile,
    JournalLines,
    LoginLock,
    SessionTwin,
    Surroundings,
    WorkerProcess,
)

NUMBERS: Final = {"sandbox": "51230321", "second": "51230322"}
HEALING_S: Final = 35.0
# What lists that stood still did not show is found by a sweep at the latest.
SWEPT_S: Final = 80.0
SETTLING_MAX_S: Final = 260.0
PERSON_S: Final = 12.0
PROBE_S: Final = 12.0
CLOSING_S: Final = 6.0
# How long a reading may have to wait for its turn under the broker's limits of rate.
RATION_S: Final = 65.0
VIOLATIONS_MAX: Final = 5
# Share of the runs that have a trap.
TRAPPED: Final = 0.2


@dataclass
class Result:
    """What a run came to."""

    seed: int
    violations: list[str]
    trace: list[str]
    events: int
    orders: int
    processes: int
    effects: int
    virtual_s: float
    breaks: int
    faults: list[str]


class Simulation(Traps):
    """One seed's world."""

    def __init__(self, seed: int, scenario: Scenario | None = None) -> None:
        self._seed = seed
        self._rng = Random(seed)
        self.scheduler = Scheduler(self._rng)
        Current.scheduler = self.scheduler
        self._trap = self._rng.choice(list(Trap)) if self._rng.random() < TRAPPED else None
        self.weather = weather_of(self._rng, share=ON_BESIDE_A_TRAP if self._trap else ON)
        if scenario is not None:
            self._trap, self.weather = scenario.trap, Weather(**scenario.faults)
        self._faults = [
            f"{name}={chance:.2f}" for name, chance in vars(self.weather).items() if chance
        ]
        self._faults += [str(self._trap)] if self._trap else []
        self.trace: list[tuple[float, str]] = []
        self.violations: list[str] = []
        count = 2 if self._rng.random() < 0.15 else 1
        self._numbers = dict(list(NUMBERS.items())[:count])
        self._halt_files = {alias: HaltFile() for alias in self._numbers}
        self._lock = LoginLock()
        self._broker = BrokerTwin(self.scheduler, self.weather, list(self._numbers.values()))
        self._checks = Checks(
            self.scheduler,
            self._broker,
            self._lock,
            self._halt_files,
            self._numbers,
            violate=self.violate,
            note=self.note,
        )
        self._stream = LedgerStream(ledger_stream(LOGIN), self._stored)
        self._nats_down = False
        self._outage = ""
        self._queue = QueueTwin(
            self.scheduler,
            self.weather,
            is_down=lambda: self._nats_down,
            on_acknowledged=self._checks.acknowledged,
            on_delivered=self._checks.delivered,
        )
        self._push = PushServerTwin(
            self.scheduler,
            self.weather,
            is_away=lambda: bool(self._outage or self.weather.push_away),
            note=self.note,
            violate=self.violate,
        )
        self._broker.on_change = self._push.changed
        self._broker.on_reading = self._trap_at_reading
        self._gateway = Gateway(self.scheduler, self._queue, self.weather, self.note)
        self._gateway.prices_of = self._prices_of
        self._person = Person(self.scheduler, self._queue, self.note)
        self._machines = [Machine(self.scheduler), Machine(self.scheduler)]
        self._processes: list[WorkerProcess] = []
        self._process_count = 0
        self._effects = 0
        self._is_healed = False
        self._is_market_open = True
        self._around = Surroundings(
            scheduler=self.scheduler,
            stream=self._stream,
            queue=self._queue,
            lock=self._lock,
            numbers=self._numbers,
            halt_files=self._halt_files,
            journals={alias: JournalLines() for alias in self._numbers},
            budgets=TIGER_BUDGETS if self._rng.random() < 0.2 else NO_BUDGETS,
            make_nats=self._make_nats,
            make_session=self._make_session,
            push=self._push,
            yields=self._rng.choice((0.0, 0.02, 0.2)),
        )

    def run(self) -> Result:
        """Live through all phases."""
        try:
            self._live()
        finally:
            owners = [one.process for one in self._processes]
            self.scheduler.unwind(list(owners))
        lines = self._checks.lines.values()
        return Result(
            seed=self._seed,
            violations=self.violations,
            trace=[f"{at_s:10.3f}  {text}" for at_s, text in self.trace],
            events=sum(len(line.records) for line in lines),
            orders=sum(len(self._broker.orders(line.number)) for line in lines),
            processes=self._process_count,
            effects=sum(one.process.effects for one in self._processes),
            virtual_s=self.scheduler.now_s,
            breaks=self._checks.breaks,
            faults=self._faults,
        )

    def note(self, text: str) -> None:
        """Write a line of the trace."""
        self.trace.append((self.scheduler.now_s, text))

    def violate(self, text: str) -> None:
        """Note what must not be."""
        self.note(f"VIOLATION: {text}")
        self.violations.append(text)
        if len(self.violations) >= VIOLATIONS_MAX:
            self.scheduler.stop()

    def _live(self) -> None:
        self.scheduler.slowness = self.weather.busy
        self._trap_at_start()
        self._start(self._machines[0])
        self._market()
        end_s = self._plan()
        healing_s = HEALING_S + SWEPT_S * bool(self.weather.lists_behind)
        self.scheduler.run_until(end_s)
        self._heal()
        self.scheduler.run_until(end_s + healing_s)
        settled_by_s = end_s + healing_s + SETTLING_MAX_S
        while self.scheduler.now_s < settled_by_s and not self._is_settled():
            self.scheduler.run_until(self.scheduler.now_s + 5)
        for account, line in self._checks.lines.items():
            for scope in unverified(line.state):
                self.violate(f"the halt of {scope or account} was never verified")
        self._release_and_resume()
        # What went wrong may have used up the broker's ration, and a verdict then waits for it.
        ration_s = RATION_S * (self._around.budgets is TIGER_BUDGETS)
        self.scheduler.run_until(self.scheduler.now_s + PERSON_S + ration_s)
        if self._is_something_left():
            self._release_and_resume()
            self.scheduler.run_until(self.scheduler.now_s + PERSON_S)
        probes = self._probe()
        self.scheduler.run_until(self.scheduler.now_s + PROBE_S)
        # What still moves could not be held against anything.
        self._is_market_open = False
        self.scheduler.run_until(self.scheduler.now_s + CLOSING_S + ration_s)
        if not self.scheduler.is_stopping:
            self._judge(probes)

    def _market(self) -> None:
        if not self._is_market_open:
            return
        is_asleep = all(process.is_frozen for process in self._machines[0].processes)
        self._broker.tick()
        self.scheduler.after(60.0 if is_asleep or self._outage else 2.5, self._market)

    def _start(self, machine: Machine) -> None:
        self._process_count += 1
        number = self._process_count
        process = Process(self.scheduler, machine, f"worker {number}")
        process.note = lambda text: self.note(f"{process.name} {text}")
        process.on_death = self._died
        rng, weather = self._rng, self.weather
        if not self._is_healed:
            if rng.random() < weather.crash:
                process.crash_at = int(1 + rng.random() ** 2 * 400)
            if rng.random() < weather.freeze:
                process.freeze_at = int(1 + rng.random() ** 2 * 400)
                process.freeze_s = rng.choice((0.5, 3.0, 12.0, 25.0, 90.0))
        self.note(f"{process.name} starts")
        self._processes.append(WorkerProcess(self._around, process, number))

    def _died(self, process: Process) -> None:
        self.note(f"{process.name} ended with {process.exit_code}")
        self._queue.unsubscribe(process)

        def start_again() -> None:
            if not any(machine.processes for machine in self._machines):
                self._start(self._machines[0])

        self.scheduler.after(1.0 + self._rng.random() * 3, start_again)

    def _make_nats(self, process: Process) -> NatsTwin:
        return NatsTwin(
            self.scheduler,
            self._stream,
            process,
            self.weather,
            lambda: self._nats_down,
            self._checks,
        )

    def _make_session(self, process: Process) -> SessionTwin:
        client = ClientTwin(
            self.scheduler,
            self._broker,
            process,
            self.weather,
            outage=lambda: self._outage,
            checks=self._checks,
            note=self.note,
        )
        return SessionTwin(client)

    def _stored(self, record: StoredRecord) -> None:
        self._checks.stored(record)
        account = record.subject.split(".")[1]
        recorded = self._checks.lines[account].facts[-1]
        if isinstance(recorded.data, events.OrderSubmissionStarted):
            self._aim(account, recorded.data)
            self._trap_at_intention(account, recorded.data)
        elif isinstance(recorded.data, events.AccountResumed) and not recorded.data.symbol:
            self._push.resumed()
        elif isinstance(recorded.data, events.OrderPreviewed):
            # The submit follows at once, and no reading comes between.
            self._jump_perhaps()
            self._trap_at_preview()
        is_lost = self._rng.random() < self.weather.fact_lost
        # A fact that is lost on the way is found by a look into the views.
        self.scheduler.after(
            LOOK_S if is_lost else 0.002, lambda: self._gateway.hear(account, recorded)
        )

    def _heal(self) -> None:
        self.note("everything heals")
        self.scheduler.slowness = 0.0
        self._is_healed = True
        for name in vars(self.weather):
            if name not in ("broker_skew",):
                setattr(self.weather, name, 0.0)
        self._nats_down, self._outage, self._broker.next_place = False, "", ""
        self._broker.shown = None
        for file in self._halt_files.values():
            file.is_there = False
        for machine in self._machines:
            machine.wall_offset_s = 0.0
            for process in machine.processes:
                process.crash_at = process.freeze_at = None

    def _is_settled(self) -> bool:
        now_s = self.scheduler.now_s
        is_quiet = not self._queue.open_commands() and not any(
            process.is_frozen or process.hanging
            for machine in self._machines
            for process in machine.processes
        )
        return is_quiet and all(
            is_settled(line.state, now_s) for line in self._checks.lines.values()
        )

    def _release_and_resume(self) -> None:
        for account, line in self._checks.lines.items():
            for order in line.state.orders.values():
                if order.phase in DOUBTFUL_PHASES:
                    self._person.control(account, ReleaseOrder(order_id=order.order_id))
            for symbol in ("", *sorted(line.state.halted_symbols)):
                shown_n = line.state.blocked_n
                self._person.control(account, ResumeAccount(symbol=symbol, shown_n=shown_n))
            for broken in sorted(line.state.breaks.values(), key=lambda each: each.break_id):
                self._person.control(account, AdoptPosition(break_id=broken.break_id))

    def _is_something_left(self) -> bool:
        states = [line.state for line in self._checks.lines.values()]
        return any(state.frozen_cause or len(state.breaks) for state in states)

    def _probe(self) -> list[Wish]:
        probes = []
        for number, account in enumerate(self._numbers):
            for symbol in SYMBOLS:
                terms = terms_of(self._rng, symbol, Side.BUY, 10, None)
                wish = Wish(
                    number=100 + 10 * number + SYMBOLS.index(symbol),
                    account=account,
                    terms=terms,
                    submits=1,
                    cancels=False,
                )
                self._gateway.want(wish)
                probes.append(wish)
        return probes

    def _judge(self, probes: list[Wish]) -> None:
        live = [one for one in self._processes if not one.process.is_dead and one.accounts]
        for alias, line in self._checks.lines.items():
            state = next((a.state for one in live for a in one.accounts if a.alias == alias), None)
            published = {c for account, c in self._gateway.published if account == alias}
            FinalChecks(self._broker, line, self.violate).run(state, published)
            if alias in self._checks.foreign_marks and not _is_told_of_a_stranger(line):
                self.violate(f"an order of a stranger under our marks froze nothing on {alias}")
            is_kicked = any(not process.is_dead for process in self._push.kicked)
            if is_kicked and not any(is_kick(key) for key, _ in line.state.frozen_for.items()):
                self.violate(f"a kick of the push connection froze nothing on {alias}")
            for wish in probes:
                if wish.account == alias and not self._is_filled(wish):
                    self.violate(f"the probe of {wish.terms.symbol} on {alias} was not filled")

    def _is_filled(self, wish: Wish) -> bool:
        orders = self._checks.lines[wish.account].state.orders
        return any(orders[order_id].phase is Phase.FILLED for order_id in wish.order_ids)


def _is_told_of_a_stranger(line: Line) -> bool:
    return any(key.startswith("mark_not_in_ledger") for key, _ in line.state.frozen_for.items())


def run_seed(seed: int, scenario: Scenario | None = None) -> Result:
    """Run one seed; `tests.simulation.stand_ins` must be in place."""
    return Simulation(seed, scenario).run()
