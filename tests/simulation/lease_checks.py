"""That nobody takes a lease that another may still send under, and nobody sends without it."""

from collections.abc import Callable, Container
from typing import Final

from core.lease import LeaseRecord, late_s
from tests.simulation.machine import Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.worker_process import TIMING

# What a step of the scheduler may add to an exact limit.
SLACK_S: Final = 0.001


class LeaseChecks:
    """Watches the login's lease; `in_flight` are the marks of the places on their way."""

    def __init__(
        self,
        scheduler: Scheduler,
        in_flight: Container[str],
        *,
        violate: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._in_flight = in_flight
        self._violate = violate
        self._note = note
        # The lease as it is stored, since when, and whose; and who sent each order.
        self._lease: tuple[LeaseRecord, float, Process] | None = None
        self._senders: dict[str, Process] = {}

    def sent(self, mark: str, process: Process) -> None:
        """Note who sends an order."""
        self._senders[mark] = process

    def is_held_by(self, process: Process) -> bool:
        """Say whether a process has the lease, and renewed it in time."""
        assert self._lease is not None
        lease, renewed_s, holder = self._lease
        return holder is process and self._scheduler.now_s - renewed_s <= lease.lease_s + SLACK_S

    def stored(self, lease: LeaseRecord, process: Process) -> None:
        """Look at a lease at the moment in which the server stores it."""
        before, self._lease = self._lease, (lease, self._scheduler.now_s, process)
        if before is None or before[2] is process:
            return
        self._note(f"{process.name} takes the lease of {before[2].name}")
        if before[0].domain == lease.domain:
            if not before[2].is_dead:
                self._violate(f"{process.name} took the lease of a living process for a dead one's")
            return
        silence_s = TIMING.lease_s + late_s(TIMING)
        if not before[0].is_released and self._scheduler.now_s - before[1] < silence_s:
            self._violate(f"{process.name} took a lease that was renewed a moment ago")
        if any(who is before[2] and mark in self._in_flight for mark, who in self._senders.items()):
            self._violate(f"{process.name} took a lease under which a place was on the way")
