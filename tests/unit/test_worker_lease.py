"""A worker's hold on its lease: taken, renewed, lost, given up, on a store that is held by hand."""

import threading
from collections.abc import Callable, Iterator

import pytest
from msgspec.structs import replace

from adapters.tiger_worker.lease import Awaited, Holder, Lease, LeasedLedger
from core.context import Timing
from core.errors import LinkError, VersionConflictError
from core.lease import FoundLease, LeaseRecord
from core.ports import Appended
from tests.support.worker_parts import WAIT_S, ManualClock, MemoryLedger, Trace

# Short pauses between renewals; what runs out does so by the clock that the test holds.
LEASE_S = 0.0625
TICK_S = 0.015625
TIMING = Timing(lease_s=LEASE_S)
SILENCE_S = LEASE_S + 24.0
OURS = Holder("holder-own", "domain-own", "here")
THEIRS = LeaseRecord(
    holder="holder-theirs",
    domain="domain-theirs",
    host="elsewhere",
    lease_s=LEASE_S,
    late_s=24.0,
    renewals=7,
)


class Store:
    """The record in memory, with its server's compare-and-set; answers may be lost."""

    def __init__(self, record: LeaseRecord | None = None) -> None:
        self.found = None if record is None else FoundLease(record, 41)
        self.writes: list[LeaseRecord] = []
        self.is_away = False
        self.loses_acks = False
        self.on_write: Callable[[], None] = lambda: None
        self._news = threading.Condition()

    def read(self) -> FoundLease | None:
        if self.is_away:
            raise LinkError("away")
        return self.found

    def write(self, record: LeaseRecord, *, after: int) -> int | None:
        self.on_write()
        with self._news:
            self.writes.append(record)
            self._news.notify_all()
            if self.is_away:
                raise LinkError("away")
            if after != (0 if self.found is None else self.found.sequence):
                return None
            self.found = FoundLease(record, after + 1)
            if self.loses_acks:
                raise LinkError("the ack was lost")
            return after + 1

    def put(self, record: LeaseRecord) -> None:
        """Store another's record."""
        with self._news:
            sequence = 0 if self.found is None else self.found.sequence
            self.found = FoundLease(record, sequence + 1)

    def wait_for_write(self) -> None:
        """Wait until one more write came in, whatever became of it."""
        with self._news:
            seen = len(self.writes)
            assert self._news.wait_for(lambda: len(self.writes) > seen, WAIT_S)


class Bench:
    """A lease on a store, and what it told."""

    def __init__(self, record: LeaseRecord | None = None) -> None:
        self.clock = ManualClock()
        self.store = Store(record)
        self.failures: list[BaseException] = []
        self.has_failed = threading.Event()
        self.lease = self.new_lease(OURS)

    def new_lease(self, who: Holder) -> Lease:
        return Lease(
            self.store, who, clock=self.clock, timing=TIMING, on_failure=self._take_failure
        )

    def held(self) -> Lease:
        assert self.lease.try_take() is None
        self.lease.keep()
        return self.lease

    def _take_failure(self, error: BaseException) -> None:
        self.failures.append(error)
        self.has_failed.set()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    if made.store.found is not None and made.store.found.record.holder == OURS.holder:
        made.lease.give_up(may_arrive=lambda: False)


def test_first_worker_of_a_login_takes_its_lease_at_once() -> None:
    bench = Bench()
    assert not is_valid(bench.lease)
    assert bench.lease.try_take() is None
    assert is_valid(bench.lease)
    (stored,) = bench.store.writes
    assert (stored.holder, stored.domain, stored.host) == OURS
    assert (stored.lease_s, stored.late_s, stored.renewals) == (LEASE_S, 24.0, 1)
    assert not stored.is_released


def test_lease_of_another_domain_is_taken_after_its_silence_and_not_before() -> None:
    bench = Bench(THEIRS)
    assert bench.lease.try_take() == Awaited("elsewhere", SILENCE_S)
    bench.clock.pass_s(SILENCE_S - 0.5)
    assert bench.lease.try_take() == Awaited("elsewhere", 0.5)
    assert bench.store.writes == []
    assert not is_valid(bench.lease)
    bench.clock.pass_s(0.6)
    assert bench.lease.try_take() is None
    assert is_valid(bench.lease)


def test_sign_of_life_begins_the_wait_anew() -> None:
    bench = Bench(THEIRS)
    bench.lease.try_take()
    bench.clock.pass_s(SILENCE_S - 0.5)
    bench.store.put(replace(THEIRS, renewals=8))
    assert bench.lease.try_take() == Awaited("elsewhere", SILENCE_S)


def test_wait_is_measured_by_the_clock_since_boot_alone() -> None:
    bench = Bench(THEIRS)
    bench.lease.try_take()
    bench.clock.set_wall(3600.0)
    assert bench.lease.try_take() == Awaited("elsewhere", SILENCE_S)


def test_renewal_at_the_last_moment_beats_the_takeover() -> None:
    bench = Bench(THEIRS)
    bench.lease.try_take()
    bench.clock.pass_s(SILENCE_S)
    bench.store.on_write = lambda: bench.store.put(replace(THEIRS, renewals=8))
    assert bench.lease.try_take() is not None
    assert not is_valid(bench.lease)
    bench.store.on_write = lambda: None
    assert bench.lease.try_take() == Awaited("elsewhere", SILENCE_S)


@pytest.mark.parametrize(
    "record", [replace(THEIRS, domain=OURS.domain), replace(THEIRS, is_released=True)]
)
def test_what_nobody_holds_any_more_is_taken_at_once(record: LeaseRecord) -> None:
    bench = Bench(record)
    assert bench.lease.try_take() is None
    assert is_valid(bench.lease)


def test_of_two_that_take_a_free_lease_one_gets_it() -> None:
    bench = Bench(replace(THEIRS, is_released=True))
    other = bench.new_lease(Holder("holder-third", "domain-third", "third"))
    bench.store.on_write = lambda: bench.store.put(THEIRS)
    assert bench.lease.try_take() is not None
    bench.store.on_write = lambda: None
    assert other.try_take() is not None
    assert not is_valid(bench.lease)


def test_take_whose_ack_was_lost_is_found_at_the_next_try() -> None:
    bench = Bench()
    bench.store.loses_acks = True
    with pytest.raises(LinkError):
        bench.lease.try_take()
    assert not is_valid(bench.lease)
    bench.store.loses_acks = False
    assert bench.lease.try_take() is None
    assert is_valid(bench.lease)


def test_lease_runs_out_by_the_clock_since_boot_unless_renewed(bench: Bench) -> None:
    assert bench.lease.try_take() is None
    bench.clock.set_wall(-3600.0)
    bench.clock.boot += LEASE_S - TICK_S
    assert is_valid(bench.lease)
    bench.clock.boot += TICK_S
    assert not is_valid(bench.lease)
    bench.lease.keep()
    wait_until(bench, lambda: is_valid(bench.lease))


def test_renewal_counts_from_before_it_was_sent(bench: Bench) -> None:
    bench.store.on_write = lambda: bench.clock.pass_s(LEASE_S - TICK_S)
    assert bench.lease.try_take() is None
    assert is_valid(bench.lease)
    bench.clock.pass_s(TICK_S)
    assert not is_valid(bench.lease)
    bench.lease.keep()


def test_renewal_without_an_answer_prolongs_nothing(bench: Bench) -> None:
    lease = bench.held()
    bench.store.is_away = True
    bench.store.wait_for_write()
    bench.store.wait_for_write()
    bench.clock.pass_s(TIMING.lease_s)
    assert not is_valid(lease)
    assert bench.failures == []
    bench.store.is_away = False
    wait_until(bench, lambda: is_valid(lease))


def test_renewal_whose_ack_was_lost_is_no_other_holder(bench: Bench) -> None:
    lease = bench.held()
    bench.store.loses_acks = True
    bench.store.wait_for_write()
    bench.store.wait_for_write()
    bench.clock.pass_s(TIMING.lease_s)
    bench.store.loses_acks = False
    wait_until(bench, lambda: is_valid(lease))
    assert bench.failures == []
    assert not lease.is_lost


def test_other_holder_ends_this_one_for_good() -> None:
    bench = Bench()
    lease = bench.held()
    bench.store.put(THEIRS)
    assert bench.has_failed.wait(WAIT_S)
    assert [type(each) for each in bench.failures] == [VersionConflictError]
    assert lease.is_lost
    assert not is_valid(lease)
    writes = len(bench.store.writes)
    lease.give_up(may_arrive=lambda: False)
    assert len(bench.store.writes) == writes
    assert bench.store.found is not None
    assert bench.store.found.record == THEIRS


def test_lease_given_up_is_free_for_all() -> None:
    bench = Bench()
    lease = bench.held()
    lease.give_up(may_arrive=lambda: False)
    assert not is_valid(lease)
    assert bench.store.found is not None
    assert bench.store.found.record.is_released
    other = bench.new_lease(Holder("holder-third", "domain-third", "third"))
    assert other.try_take() is None


def test_lease_is_not_given_up_while_something_may_still_be_sent() -> None:
    bench = Bench()
    lease = bench.held()
    seen: list[bool] = []

    def may_arrive() -> bool:
        # What begins from here on objects to itself, so that the count can only fall.
        seen.append(is_valid(lease))
        return True

    lease.give_up(may_arrive=may_arrive)
    assert seen == [False]
    assert not is_valid(lease)
    assert bench.store.found is not None
    assert not bench.store.found.record.is_released


def test_lease_that_cannot_be_given_up_runs_out() -> None:
    bench = Bench()
    lease = bench.held()
    bench.store.is_away = True
    lease.give_up(may_arrive=lambda: False)
    assert not is_valid(lease)


def test_ledger_takes_nothing_of_one_whose_lease_is_anothers_but_its_last_word() -> None:
    bench = Bench()
    lease = bench.held()
    ledger = _Line(Trace())
    leased = LeasedLedger(ledger, lease)
    leased.append(subject="log.a.order.accepted", body=b"1", event_id="1", expected_sequence=0)
    bench.store.put(THEIRS)
    assert bench.has_failed.wait(WAIT_S)
    with pytest.raises(VersionConflictError):
        leased.append(subject="log.a.order.accepted", body=b"2", event_id="2", expected_sequence=1)
    observed = "log.a.order.answer_observed"
    leased.append(subject=observed, body=b"3", event_id="3", expected_sequence=1)
    assert ledger.taken == ["log.a.order.accepted", observed]


class _Line(MemoryLedger):
    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.taken: list[str] = []

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """Note the subject."""
        self.taken.append(subject)
        return Appended(expected_sequence + 1, True)


def is_valid(lease: Lease) -> bool:
    return lease.is_valid


def wait_until(bench: Bench, is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        bench.store.wait_for_write()
    raise AssertionError("it never was")
