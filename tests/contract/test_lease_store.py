"""The lease's compare-and-set, on a real nats-server and on the simulation's twin alike."""

from collections.abc import Callable
from typing import Any, cast

import nats
import pytest
from msgspec.structs import replace
from nats.js.api import StreamConfig

from core.errors import CorruptRecordError
from core.lease import FoundLease, LeaseRecord
from core.subjects import lease_stream, lease_subject, lease_wildcard
from infra.nats.lease_store import LeaseStore
from infra.nats.link import LoopThread
from tests.contract.test_simulation_twins import BOTH, WAIT_S, NoIntents, as_task
from tests.simulation.ledger_twin import LedgerStream, LoopTwin, NatsTwin
from tests.simulation.machine import Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather
from tests.support.ledger import fresh_stream, shared_server

OURS = LeaseRecord(
    holder="holder-1", domain="domain-1", host="here", lease_s=10.0, late_s=24.0, renewals=1
)
THEIRS = replace(OURS, holder="holder-2", domain="domain-2", host="elsewhere")


def on_server(check: Callable[[LeaseStore], None], *, body: bytes | None = None) -> None:
    """Run a check against a server, on a new stream, with this message in it."""
    login = fresh_stream().lower()
    loop = LoopThread("lease")
    nc = loop.run(nats.connect(shared_server().url), WAIT_S)
    try:
        config = StreamConfig(
            name=lease_stream(login),
            subjects=[lease_wildcard(login)],
            max_msgs_per_subject=1,
            allow_direct=True,
        )
        loop.run(nc.jetstream().add_stream(config), WAIT_S)
        if body is not None:
            loop.run(nc.jetstream().publish(lease_subject(login), body), WAIT_S)
        check(LeaseStore(loop, nc, login=login))
    finally:
        loop.run(nc.close(), WAIT_S)
        loop.stop()


def on_both(kind: str, check: Callable[[LeaseStore], None]) -> None:
    async def on_twin(scheduler: Scheduler, process: Process) -> None:
        stream = LedgerStream(lease_stream("x"), lambda _: None)
        twin = NatsTwin(scheduler, stream, process, Weather(), lambda: False, NoIntents())
        check(LeaseStore(cast(Any, LoopTwin()), cast(Any, twin), login="x"))

    if kind == "server":
        on_server(check)
    else:
        as_task(on_twin)


@BOTH
def test_record_is_there_once_it_was_stored(kind: str) -> None:
    def check(store: LeaseStore) -> None:
        assert store.read() is None
        assert store.write(OURS, after=0) == 1
        assert store.read() == FoundLease(OURS, 1)
        renewed = replace(OURS, renewals=2)
        assert store.write(renewed, after=1) == 2
        assert store.read() == FoundLease(renewed, 2)

    on_both(kind, check)


@BOTH
def test_of_two_records_that_follow_the_same_one_is_stored(kind: str) -> None:
    def check(store: LeaseStore) -> None:
        assert store.write(OURS, after=0) == 1
        assert store.write(THEIRS, after=0) is None
        assert store.write(THEIRS, after=1) == 2
        assert store.write(replace(OURS, renewals=2), after=1) is None
        assert store.read() == FoundLease(THEIRS, 2)

    on_both(kind, check)


def test_message_that_is_no_lease_is_named_so() -> None:
    def check(store: LeaseStore) -> None:
        with pytest.raises(CorruptRecordError):
            store.read()

    on_server(check, body=b"{}")
