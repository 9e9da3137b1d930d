"""One run: a world made from a seed, its faults, its healing, and what was found.

Phases: people act while things go wrong; then everything heals and time passes; then a person
releases and resumes what only a person may; at last a probe must be filled. Then book and ledger
are held against each other.
"""

from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final

from adapters.tiger_worker.rates import NO_BUDGETS, TIGER_BUDGETS
from core import account_events, events, preview_events
from core.lease import decode_lease
from core.ports import StoredRecord
from core.subjects import lease_stream, ledger_stream
from tests.simulation.asked import Asked
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.checks import Checks
from tests.simulation.endings import Endings
from tests.simulation.final_checks import unverified
from tests.simulation.gate_checks import Opening
from tests.simulation.ledger_twin import LedgerStream, NatsTwin
from tests.simulation.machine import Machine, Process
from tests.simulation.people import LOOK_S, Gateway, Person
from tests.simulation.primitives import Current
from tests.simulation.push_twin import PushServerTwin
from tests.simulation.queue_twin import QueueTwin
from tests.simulation.scenarios import Scenario
from tests.simulation.scenes import SCENE_S, STAGED_ALONE, Scene
from tests.simulation.scheduler import Scheduler
from tests.simulation.traps import Trap
from tests.simulation.watch import LOOK_EVERY_S
from tests.simulation.weather import ON, ON_BESIDE_A_TRAP, Weather, weather_of
from tests.simulation.wire_twin import ClientTwin
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
# An execution that follows another last of all, of an order that only sweeps show, is counted by
# three of them, and what figures differ by besides is told of afterwards.
COUNTED_BACK_S: Final = 140.0
PERSON_S: Final = 12.0
PROBE_S: Final = 12.0
# A connection that was away for long is tried again within this, and its return makes an account
# stale for a moment.
PUSH_BACK_S: Final = 70.0
CLOSING_S: Final = 6.0
# How long a reading may have to wait for its turn under the broker's limits of rate.
RATION_S: Final = 65.0
VIOLATIONS_MAX: Final = 5
# How often is looked at what may not last, while there is nothing to see.
ASLEEP_S: Final = 10.0
# Share of the runs that have a trap.
TRAPPED: Final = 0.2
# Share of the others that have a scene.
STAGED: Final = 0.2
# Share of all in which the broker takes executions back.
BUSTED: Final = 0.1


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


class Simulation(Endings):
    """One seed's world."""

    def __init__(self, seed: int, scenario: Scenario | None = None) -> None:
        self._seed = seed
        self._rng = Random(seed)
        self.scheduler = Scheduler(self._rng)
        Current.scheduler = self.scheduler
        self._trap = self._rng.choice(list(Trap)) if self._rng.random() < TRAPPED else None
        self.weather = weather_of(self._rng, share=ON_BESIDE_A_TRAP if self._trap else ON)
        self._scene: Scene | None = None
        # Drawn apart, so that the other runs stay as they are.
        staging = Random(f"scene {seed}")
        if self._trap is None and staging.random() < STAGED:
            self._scene = staging.choice([one for one in Scene if one not in STAGED_ALONE])
            self.weather = weather_of(staging, share=ON_BESIDE_A_TRAP)
        self.weather.busts = float(Random(f"busts {seed}").random() < BUSTED)
        if scenario is not None:
            self._trap, self._scene = scenario.trap, scenario.scene
            self.weather = Weather(**scenario.faults)
        self._faults = [
            f"{name}={chance:.2f}" for name, chance in vars(self.weather).items() if chance
        ]
        self._faults += [str(each) for each in (self._trap, self._scene) if each]
        self.trace: list[tuple[float, str]] = []
        self.violations: list[str] = []
        count = 2 if self._rng.random() < 0.15 else 1
        self._numbers = dict(list(NUMBERS.items())[:count])
        self._halt_files = {alias: HaltFile() for alias in self._numbers}
        self._machines = [Machine(self.scheduler), Machine(self.scheduler)]
        locks = {each: LoginLock(f"machine {n}") for n, each in enumerate(self._machines)}
        self._lock = locks[self._machines[0]]
        self._leases = LedgerStream(lease_stream(LOGIN), self._lease_stored)
        self._lease_away_until_s = 0.0
        self._holders: dict[str, Process] = {}
        self._broker = BrokerTwin(self.scheduler, self.weather, list(self._numbers.values()))
        asked = Asked()
        self._checks = Checks(
            self.scheduler,
            self._broker,
            locks,
            self._halt_files,
            self._numbers,
            asked,
            violate=self.violate,
            note=self.note,
        )
        self._ledger_away_until_s = 0.0
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
        self._broker.on_half_row = self._checks.watch.row_was_half
        self._gateway = Gateway(self.scheduler, self._queue, self.weather, asked, self.note)
        self._gateway.prices_of = self._prices_of
        self._gateway.terms_of = self._checks.agree
        self._person = Person(self.scheduler, self._queue, asked, self.note)
        self._processes: list[WorkerProcess] = []
        self._process_count = 0
        # Who was alive at the last look.
        self._living: list[str] = []
        self._effects = 0
        self._is_healed = False
        self._is_market_open = True
        self._around = Surroundings(
            scheduler=self.scheduler,
            stream=self._stream,
            queue=self._queue,
            locks=locks,
            numbers=self._numbers,
            halt_files=self._halt_files,
            journals={alias: JournalLines() for alias in self._numbers},
            budgets=TIGER_BUDGETS if self._rng.random() < 0.2 else NO_BUDGETS,
            make_nats=self._make_nats,
            make_lease_nats=self._make_lease_nats,
            on_holder=self._holders.__setitem__,
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
        self._checks.watch.has_rations = self._around.budgets is TIGER_BUDGETS
        self._watch()
        end_s = self._plan()
        if self._scene is not None:
            end_s = max(end_s, SCENE_S[self._scene])
            self._begin_scene()
        healing_s = HEALING_S + SWEPT_S * bool(self.weather.lists_behind)
        settling_s = SETTLING_MAX_S + COUNTED_BACK_S * bool(self.weather.busts)
        self.scheduler.run_until(end_s)
        self._heal()
        self.scheduler.run_until(end_s + healing_s)
        settled_by_s = end_s + healing_s + settling_s
        while self.scheduler.now_s < settled_by_s and not self._is_settled():
            self.scheduler.run_until(self.scheduler.now_s + 5)
        for account, line in self._checks.lines.items():
            for scope in unverified(line.state):
                self.violate(f"the halt of {scope or account} was never verified")
        self._checks.nothing_is_left()
        self._release_and_resume()
        # What went wrong may have used up the broker's ration, and a verdict then waits for it.
        ration_s = RATION_S * (self._around.budgets is TIGER_BUDGETS)
        self.scheduler.run_until(self.scheduler.now_s + PERSON_S + ration_s)
        if self._is_something_left():
            self._release_and_resume()
            self.scheduler.run_until(self.scheduler.now_s + PERSON_S)
        self._await_push()
        probes = self._probe()
        self.scheduler.run_until(self.scheduler.now_s + PROBE_S)
        # What still moves could not be held against anything.
        self._is_market_open = False
        self.scheduler.run_until(self.scheduler.now_s + CLOSING_S + ration_s)
        if not self.scheduler.is_stopping:
            self._judge(probes)

    def _await_push(self) -> None:
        back_by_s = self.scheduler.now_s + PUSH_BACK_S
        while self.scheduler.now_s < back_by_s and not self._push.is_connected:
            self.scheduler.run_until(self.scheduler.now_s + 1)
        self.scheduler.run_until(self.scheduler.now_s + 1)

    def _market(self) -> None:
        if not self._is_market_open:
            return
        is_asleep = all(process.is_frozen for process in self._machines[0].processes)
        self._broker.tick()
        self.scheduler.after(60.0 if is_asleep or self._outage else 2.5, self._market)

    def _watch(self) -> None:
        """Look at what may not last, and at who is there to end it."""
        living = [one for one in self._processes if not one.process.is_dead]
        names = [one.process.name for one in living]
        is_still = any(one.process.is_frozen or one.process.hanging for one in living)
        are_well = bool(living) and names == self._living and not is_still
        self._living = names
        is_away = self._nats_down or self.scheduler.now_s < self._lease_away_until_s
        self._checks.watch.look(
            names,
            are_processes_well=are_well and not self.weather.busy and not self._outage,
            are_desks_well=not is_away and any(one.accounts for one in living),
        )
        every_s = ASLEEP_S if is_still or self._outage else LOOK_EVERY_S
        self.scheduler.after(every_s, self._watch)

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

    def _stop_in_order(self, machine: Machine) -> None:
        for one in self._processes:
            if one.process.machine is machine and not one.process.is_dead:
                one.stop()

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
            lambda: self._nats_down or self.scheduler.now_s < self._ledger_away_until_s,
            self._checks,
            partial(self._checks.watch.ledger_answered, process.name, "ledger"),
        )

    def _make_lease_nats(self, process: Process) -> NatsTwin:
        return NatsTwin(
            self.scheduler,
            self._leases,
            process,
            self.weather,
            lambda: self._nats_down or self.scheduler.now_s < self._lease_away_until_s,
            self._checks,
            partial(self._checks.watch.ledger_answered, process.name, "leases"),
        )

    def _lease_stored(self, record: StoredRecord) -> None:
        lease = decode_lease(record.body)
        self._checks.leases.stored(lease, self._holders[lease.holder])

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
        if isinstance(recorded.data, Opening):
            self._aim(account, recorded.data)
            self._scene_at_intention(account, recorded.data)
        if isinstance(recorded.data, events.OrderSubmissionStarted):
            self._trap_at_intention(account, recorded.data)
        elif isinstance(recorded.data, account_events.AccountResumed) and not recorded.data.symbol:
            self._push.resumed()
        elif isinstance(recorded.data, preview_events.OrderPreviewed):
            # The submit follows at once, and no reading comes between.
            self._jump_perhaps()
            self._trap_at_preview()
        elif (
            isinstance(recorded.data, account_events.AccountHaltVerified)
            and not recorded.data.symbol
        ):
            self._trap_at_verified(account)
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
        self._ledger_away_until_s, self._broker.next_cancel = 0.0, ""
        self._queue.held_until_s = 0.0
        self._broker.hide_nothing()
        for file in self._halt_files.values():
            file.is_there = False
        for machine in self._machines:
            machine.wall_offset_s = 0.0
            for process in machine.processes:
                process.crash_at = process.freeze_at = None


def run_seed(seed: int, scenario: Scenario | None = None) -> Result:
    """Run one seed; `tests.simulation.stand_ins` must be in place."""
    return Simulation(seed, scenario).run()
