"""The worker's hold on its login's lease: taken before the first reading, renewed, given up.

The rules of this file (DESIGN, 6.1, rule 3):
- A renewal counts from the moment before it was sent, and only once the server confirmed it.
- Another holder's record is taken over after a silence seen here alone, by the clock since boot.
- Who finds another holder in its place stops for good; who merely cannot renew sends no more.
- The lease is given up only when nothing that was sent under it may still be on its way.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import structlog

from adapters.tiger_worker.account import AccountWorker
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.login import Ending
from adapters.tiger_worker.parts import Ledger
from core.context import Timing
from core.errors import LinkError, VersionConflictError
from core.lease import (
    FoundLease,
    LeaseRecord,
    Sight,
    late_s,
    renew_every_s,
    sighted,
    wait_left_s,
)
from core.orders import ModifyPhase, Order, Phase
from core.ports import Appended, Clock, StoredRecord

log = structlog.get_logger()
# How often a worker that waits looks at the lease, and says that it waits.
LOOK_S: Final = 1.0
TELL_EVERY_S: Final = 10.0
# At the start, NATS is waited for so long; who waits for another holder has no such limit.
ANSWER_LIMIT_S: Final = 15.0
# Pause after a renewal that was not answered.
AGAIN_S: Final = 0.2
_STOP_WAIT_S: Final = 10.0
_NO_ANSWER: Final = (
    "expected NATS to answer about the login's lease, was silent; a server of your own needs what "
    "`tiger-mcp nats config --accounts` prints"
)
# A fenced worker's last word: the broker's answer that nobody else can get.
_LAST_WORD: Final = ".order.answer_observed"


class LeaseStore(Protocol):
    """One login's record. Calls block, for a bounded time."""

    def read(self) -> FoundLease | None:
        """Return the record, or None if there never was one.

        Raises:
            LinkError: no answer.
        """

    def write(self, record: LeaseRecord, *, after: int) -> int | None:
        """Store a record after this sequence; returns its own, None if another stands there.

        Raises:
            LinkError: no answer: it may be stored, now or later.
        """


class Holder(NamedTuple):
    """Who this process is to others: see `core.lease.LeaseRecord`."""

    holder: str
    domain: str
    host: str


class Awaited(NamedTuple):
    """Whose lease this process waits for, and how long, if it is not renewed any more."""

    host: str
    left_s: float


class Lease:
    """This process's lease of its login. `try_take` until it is held, then `keep`."""

    def __init__(
        self,
        store: LeaseStore,
        who: Holder,
        *,
        clock: Clock,
        timing: Timing,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """Make a lease that is not held; `on_failure` is told if it is another's, or not kept."""
        self._store = store
        self._who = who
        self._clock = clock
        self._timing = timing
        self._on_failure = on_failure
        self._sight: Sight | None = None
        self._sequence = 0
        self._renewals = 0
        self._valid_until_s = float("-inf")
        self._is_lost = False
        self._is_unanswered = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    @property
    def is_valid(self) -> bool:
        """Whether this process may send now; from any thread, and without a wait."""
        return self._clock.boot_s() < self._valid_until_s

    @property
    def is_lost(self) -> bool:
        """Whether another process holds the lease, so that nothing may be recorded here."""
        return self._is_lost

    def try_take(self) -> Awaited | None:
        """Take the lease if it is free; returns what has to be waited for, or None once held.

        Raises:
            LinkError: NATS did not answer; it may be held all the same, and the next try tells.
            CorruptRecordError: the record there cannot be read.
        """
        found = self._store.read()
        left_s = 0.0 if found is None else self._wait_left_s(found)
        host = "another" if found is None else found.record.host
        if left_s > 0:
            return Awaited(host, left_s)
        if not self._write(after=0 if found is None else found.sequence):
            # Somebody was quicker, or it lives after all.
            return Awaited(host, LOOK_S)
        if found is not None:
            log.info("lease.taken", before=host, was_released=found.record.is_released)
        return None

    def keep(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def give_up(self, *, may_arrive: Callable[[], bool]) -> None:
        """Send no more, and leave the lease to others unless something may still be sent."""
        self._stopping.set()
        self._thread.join(_STOP_WAIT_S)
        # In this order: a send that begins after this line objects to itself.
        self._valid_until_s = float("-inf")
        if self._is_lost or self._thread.is_alive() or may_arrive():
            log.warning("lease.left_to_expire", is_lost=self._is_lost)
            return
        try:
            self._store.write(self._record(is_released=True), after=self._sequence)
        except LinkError as error:
            log.warning("lease.left_to_expire", reason=str(error))

    def _wait_left_s(self, found: FoundLease) -> float:
        now_s = self._clock.boot_s()
        self._sight = sighted(self._sight, found, now_s=now_s)
        return wait_left_s(
            found,
            self._sight,
            holder=self._who.holder,
            domain=self._who.domain,
            timing=self._timing,
            now_s=now_s,
        )

    def _run(self) -> None:
        try:
            self._keep()
        except Exception as error:
            # A worker that cannot renew any more would refuse every order, for ever.
            log.error("lease.failed", exc_info=error)
            self._on_failure(error)

    def _keep(self) -> None:
        pause_s = renew_every_s(self._timing)
        while not self._is_lost and not self._stopping.wait(pause_s):
            try:
                pause_s = self._renew()
                self._is_unanswered = False
            except LinkError as error:
                # It runs out by itself; sends object then.
                if not self._is_unanswered:
                    log.warning("lease.not_renewed", reason=str(error))
                self._is_unanswered = True
                pause_s = min(AGAIN_S, renew_every_s(self._timing))

    def _renew(self) -> float:
        """Renew once, or find out why not; returns the pause until the next try."""
        if self._write(after=self._sequence):
            return renew_every_s(self._timing)
        found = self._store.read()
        if found is not None and found.record.holder == self._who.holder:
            # A renewal whose answer was lost. When it was sent is not known here, so that it
            # counts for nothing but its place.
            self._sequence = max(self._sequence, found.sequence)
        elif found is None or found.sequence > self._sequence:
            self._lose("nobody" if found is None else found.record.host)
        return AGAIN_S

    def _lose(self, host: str) -> None:
        self._valid_until_s = float("-inf")
        self._is_lost = True
        log.error("lease.lost", holder=host)
        self._on_failure(VersionConflictError(f"expected to hold the login's lease, was {host}"))

    def _write(self, *, after: int) -> bool:
        sent_s = self._clock.boot_s()
        self._renewals += 1
        sequence = self._store.write(self._record(), after=after)
        if sequence is None:
            return False
        self._sequence = sequence
        if not self._stopping.is_set():
            self._valid_until_s = sent_s + self._timing.lease_s
        return True

    def _record(self, *, is_released: bool = False) -> LeaseRecord:
        return LeaseRecord(
            holder=self._who.holder,
            domain=self._who.domain,
            host=self._who.host,
            lease_s=self._timing.lease_s,
            late_s=late_s(self._timing),
            renewals=self._renewals,
            is_released=is_released,
        )


class LeasedLedger:
    """An account's ledger that takes nothing more once the login's lease is another's."""

    def __init__(self, ledger: Ledger, lease: Lease) -> None:
        self._ledger = ledger
        self._lease = lease

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """See `adapters.tiger_worker.parts.Ledger`."""
        if self._lease.is_lost and not subject.endswith(_LAST_WORD):
            raise VersionConflictError("expected to hold the login's lease, was another's")
        return self._ledger.append(
            subject=subject, body=body, event_id=event_id, expected_sequence=expected_sequence
        )

    def tail(self) -> StoredRecord | None:
        """See `adapters.tiger_worker.parts.Ledger`."""
        return self._ledger.tail()


def may_arrive(accounts: Sequence[AccountWorker]) -> bool:
    """Say whether an order, or a change of one, may still be on its way from these accounts."""
    return any(
        account.is_sending
        or any(_is_in_doubt(account.state.orders[each]) for each in account.state.open_orders)
        or _may_a_released_one(account)
        for account in accounts
    )


def _may_a_released_one(account: AccountWorker) -> bool:
    # Whoever releases an order takes it off the books, and not out of the network.
    told_at, orders = account.broker_told_at, account.state.orders
    arrive_by = (orders[each].arrives_by for each in account.state.released_orders)
    return any(told_at is None or moment >= told_at for moment in arrive_by)


def _is_in_doubt(order: Order) -> bool:
    # What was sent and not answered may lie in the network, though nobody waits for it any more.
    return order.phase in (Phase.SUBMITTING, Phase.UNKNOWN) or order.modify in (
        ModifyPhase.STARTED,
        ModifyPhase.UNKNOWN,
    )


def await_lease(
    lease: Lease,
    file_halts: Sequence[FileHalt],
    ending: Ending,
    *,
    tell: Callable[[str], None],
) -> int | None:
    """Take the lease, waiting for it as long as it takes; returns an exit code if told to end.

    Meanwhile a halt by file cancels what is open: no desk of this process will.

    Raises:
        LinkError: NATS did not answer at the start.
        CorruptRecordError: the record of the lease cannot be read.
    """
    begun_s = time.monotonic()
    told_s: float | None = None
    while True:
        pause_s = LOOK_S
        try:
            awaited = lease.try_take()
        except LinkError as error:
            if told_s is None and time.monotonic() - begun_s > ANSWER_LIMIT_S:
                raise LinkError(_NO_ANSWER) from error
        else:
            if awaited is None:
                if told_s is not None:
                    tell("")
                return None
            pause_s = min(LOOK_S, awaited.left_s)
            if told_s is None or time.monotonic() - told_s >= TELL_EVERY_S:
                told_s = time.monotonic()
                waited_s = told_s - begun_s
                log.warning("lease.awaited", host=awaited.host, waited_s=waited_s)
                tell(
                    f"the worker on {awaited.host} holds the lease of this login; it is free "
                    f"{awaited.left_s:.0f} s from now if that one renews it no more"
                )
                for each in file_halts:
                    each.go_alone()
        code = ending.wait_at_most(pause_s)
        if code is not None:
            return code
