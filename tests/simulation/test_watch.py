"""How the watch of the simulation counts: a halt that concerns no order begins nothing."""

from decimal import Decimal
from random import Random

from core import account_events
from core.desk import decide
from core.events import Event
from core.evolving import evolve
from core.terms import Side
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.line import Line
from tests.simulation.scheduler import Scheduler
from tests.simulation.watch import CANCELLED_WITHIN_S, Watch
from tests.simulation.weather import Weather
from tests.simulation.worker_process import HaltFile
from tests.support import core_facts as facts
from tests.support import core_items

NUMBER = "51230321"


class Watched:
    """One account whose book and line of events are looked at every second."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(Random(1))
        self.broker = BrokerTwin(self.scheduler, Weather(), [NUMBER])
        self.line = Line("sandbox", NUMBER)
        self.found: list[str] = []
        self.watch = Watch(
            self.scheduler,
            self.broker,
            [self.line],
            {"sandbox": HaltFile()},
            violate=self.found.append,
        )
        for event in facts.ready():
            self.store(event)

    def store(self, event: Event) -> None:
        """Record an event."""
        n = len(self.line.facts) + 1
        self.line.facts.append(facts.recorded(event, n))
        self.line.state = evolve(self.line.state, self.line.facts[-1])

    def halt(self, symbol: str = "", *, is_verified: bool = False) -> None:
        """Halt a scope."""
        self.store(facts.halted(symbol))
        self.watch.halted("sandbox", symbol)
        if is_verified:
            self.store(account_events.AccountHaltVerified(symbol=symbol, orders_read=0))

    def rest_elsewhere(self) -> None:
        """Have an order of the phone app rest, and the ledger know it."""
        self.broker.place_elsewhere(NUMBER, "AAPL", 10, "BUY", limit=Decimal("200.00"))
        (placed,) = self.broker.orders(NUMBER)
        assert placed.is_open
        seen = core_items.external(tiger=str(placed.global_id), side=Side.BUY, quantity="10")
        while event := decide(self.line.state, seen, facts.context()):
            self.store(event)

    def look(self, seconds: int) -> list[str]:
        """Let time pass, and return what was found."""
        for _ in range(seconds):
            self.scheduler.run_until(self.scheduler.now_s + 1.0)
            self.watch.look(["worker 1"], are_processes_well=True, are_desks_well=True)
        return self.found


def test_order_rests_under_a_halt_since_the_one_that_concerns_it() -> None:
    watched = Watched()
    watched.halt(is_verified=True)
    watched.rest_elsewhere()
    # What a person does under a verified halt is let be.
    assert watched.look(20) == []
    watched.halt("AAPL")
    assert watched.look(int(CANCELLED_WITHIN_S)) == []
    (found,) = watched.look(1)
    assert "rests under a halt" in found


def test_order_that_was_there_before_rests_since_the_first_halt() -> None:
    watched = Watched()
    watched.rest_elsewhere()
    watched.look(2)
    watched.halt()
    watched.look(5)
    watched.halt("AAPL")
    assert len(watched.look(int(CANCELLED_WITHIN_S) - 4)) == 1
