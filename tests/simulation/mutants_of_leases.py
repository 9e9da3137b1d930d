"""Deliberate mistakes about a login's lease; see `tests.simulation.mutants`."""

from contextlib import AbstractContextManager
from typing import Any, Final
from unittest.mock import patch

import adapters.tiger_worker.lease
from adapters.tiger_worker.lease import Lease
from core.lease import FoundLease, Sight
from tests.simulation import worker_process
from tests.simulation.mutants_of_decisions import Mutant


def send_without_a_lease() -> AbstractContextManager[Any]:
    """A worker whose lease has run out goes on sending."""
    return patch.object(Lease, "is_valid", property(lambda self: not self.is_lost))


def take_a_lease_without_waiting() -> AbstractContextManager[Any]:
    """Another host's lease is taken over as it is found."""
    return patch.object(adapters.tiger_worker.lease, "wait_left_s", lambda *_, **__: 0)


def wait_for_a_lease_from_its_first_sight() -> AbstractContextManager[Any]:
    """A renewal that is seen while one waits for a lease prolongs nothing."""

    def stubborn(before: Sight | None, found: FoundLease, *, now_s: float) -> Sight:
        return Sight(found.sequence, now_s if before is None else before.first_s)

    return patch.object(adapters.tiger_worker.lease, "sighted", stubborn)


def give_the_lease_up_amid_a_send() -> AbstractContextManager[Any]:
    """A worker that ends in order gives its lease up though an order may be on its way."""
    return patch.object(worker_process, "may_arrive", lambda accounts: False)


LEASES: Final[tuple[Mutant, ...]] = (
    send_without_a_lease,
    take_a_lease_without_waiting,
    wait_for_a_lease_from_its_first_sight,
    give_the_lease_up_amid_a_send,
)
