"""Twins of what stands around a worker's desk: clock, ledger, acts, messages.

Everything that a desk causes is written into one `trace`, in the order in which it happened.
"""

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from adapters.tiger_worker.desk import Desk, DeskSettings
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.guard import HaltLatch, SendGuard
from adapters.tiger_worker.parts import Intent, ModifyIntent, Work
from core import codec, events
from core.codec import EMPTY_TAIL, Recorded, Tail
from core.errors import VersionConflictError
from core.items import ActAbandoned, CommandItem, Item, WorkerStarts
from core.orders import CancelPhase, Phase
from core.ports import Appended, CommandMessage, StoredRecord
from core.terms import OrderSpec
from tests.support import core_facts as facts

# Within one process, anything that happens has happened by then.
WAIT_S: Final = 30.0
NO_MESSAGE: Final = CommandMessage("", b"", "", 0)


class ManualClock:
    """A clock that goes only when told, and a boot clock beside it."""

    def __init__(self, now: datetime = facts.NOW) -> None:
        self.wall = now
        self.boot = 1000.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return self.wall

    def boot_s(self) -> float:
        """Return the boot clock."""
        return self.boot

    def pass_s(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.wall += timedelta(seconds=seconds)
        self.boot += seconds

    def set_wall(self, seconds: float) -> None:
        """Set the wall clock alone, so many seconds on (or back)."""
        self.wall += timedelta(seconds=seconds)


class CountedIds:
    """Ids in the order in which they were made."""

    def __init__(self) -> None:
        self._count = 0

    def new(self, prefix: str) -> str:
        """Return the next."""
        self._count += 1
        return f"{prefix}-{self._count:032d}"


class Trace(list[tuple[str, str]]):
    """What happened, in order: (kind, what)."""

    def of(self, kind: str) -> list[str]:
        """Return what happened of one kind."""
        return [what for each, what in self if each == kind]


class MemoryLedger:
    """One account's line of events in memory; refuses a stale writer, as the stream does."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.records: list[StoredRecord] = []
        # How the next appends are answered: False means that the first answer was lost.
        self.cleanness: deque[bool] = deque()
        self.tail_of_line: Tail = EMPTY_TAIL
        self._news = threading.Condition()

    def wait_for(self, name: str) -> None:
        """Wait until an event of this name was stored since the trace began."""
        with self._news:
            assert self._news.wait_for(lambda: name in self.trace.of("stored"), WAIT_S), self.trace

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """Store one event."""
        if expected_sequence != self.tail_of_line.sequence:
            raise VersionConflictError("another writer was here")
        # Other accounts of the login write into the same stream.
        sequence = self.tail_of_line.sequence + 3
        recorded, self.tail_of_line = codec.follow(
            self.tail_of_line, subject, body, sequence=sequence
        )
        assert recorded.event_id == event_id
        with self._news:
            self.records.append(StoredRecord(subject, sequence, body))
            self.trace.append(("stored", recorded.type))
            self._news.notify_all()
        return Appended(sequence, self.cleanness.popleft() if self.cleanness else True)

    def tail(self) -> StoredRecord | None:
        """Return the last record."""
        return self.records[-1] if self.records else None

    def write(self, event: events.Event, *, at: datetime = facts.NOW) -> StoredRecord:
        """Append an event as another writer would."""
        name = codec.type_name(event)
        last = self.tail_of_line
        recorded = Recorded(
            type=name,
            event_id=f"evt-foreign-{last.n + 1}",
            account=facts.ACCOUNT,
            n=last.n + 1,
            recorded_at=at,
            correlation_id="cor-1",
            causation_id="cau-1",
            actor="test",
            code_version="0",
            data=event,
        )
        where, body = codec.encode(recorded, prev=last.prev)
        self.append(
            subject=where,
            body=body,
            event_id=recorded.event_id,
            expected_sequence=last.sequence,
        )
        return self.records[-1]

    def line(self) -> list[Recorded]:
        """Return everything stored, decoded."""
        return [codec.decode(r.subject, r.body, sequence=r.sequence) for r in self.records]

    def types(self) -> list[str]:
        """Return the stored names."""
        return [recorded.type for recorded in self.line()]

    def last(self) -> Recorded:
        """Return the last event."""
        return self.line()[-1]


class MemoryActs:
    """What a desk sets going; nothing happens, all is written down."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.numbers: deque[str] = deque(str(number) for number in range(901, 1000))
        self.slots = 4
        self.intents: list[Intent] = []
        self.modify_intents: list[ModifyIntent] = []
        self.reads: list[tuple[CommandItem, Work]] = []

    def hold(self) -> str | None:
        """Give a number while there is a slot."""
        if self.slots == 0 or not self.numbers:
            return None
        self.slots -= 1
        return self.numbers.popleft()

    def give_back(self, order_number: str) -> None:
        """Take a number and its slot back."""
        self.trace.append(("gave back", order_number))
        self.numbers.appendleft(order_number)
        self.slots += 1

    def place(self, intent: Intent) -> None:
        """Note a place."""
        self.trace.append(("place", intent.order_id))
        self.intents.append(intent)

    def hold_modify(self) -> bool:
        """Hold a slot if there is one."""
        if self.slots == 0:
            return False
        self.slots -= 1
        return True

    def give_back_modify(self) -> None:
        """Take a slot back."""
        self.trace.append(("gave back", "modify"))
        self.slots += 1

    def modify(self, intent: ModifyIntent) -> None:
        """Note a change."""
        self.trace.append(("modify", intent.order_id))
        self.modify_intents.append(intent)

    def cancel(self, order_id: str, tiger_order_id: str, *, is_urgent: bool) -> None:
        """Note a cancel."""
        self.trace.append(("cancel", order_id))
        self.trace.append(("urgent" if is_urgent else "not urgent", order_id))

    def read_for_preview(self, item: CommandItem, work: Work) -> None:
        """Note a preview that wants its readings."""
        self.trace.append(("read", item.command_id))
        self.reads.append((item, work))

    def read_for_modify(self, item: CommandItem, spec: OrderSpec, work: Work) -> None:
        """Note a change that wants its readings."""
        self.trace.append(("read", spec.symbol))
        self.reads.append((item, work))

    def look_again(self) -> None:
        """Note the wish for a round."""
        self.trace.append(("look again", ""))

    def halt_taken(self, symbol: str) -> None:
        """Note that the account's state tells of a halt from here on."""
        self.trace.append(("halt taken", symbol))


class Message:
    """One message of a command stream."""

    def __init__(self, trace: Trace, name: str, message: CommandMessage = NO_MESSAGE) -> None:
        self._trace = trace
        self._name = name
        self._message = message

    @property
    def message(self) -> CommandMessage:
        """Return what was received."""
        return self._message

    def acknowledge(self) -> None:
        """Note the acknowledgement."""
        self._trace.append(("ack", self._name))

    def set_aside(self, reason: str) -> None:
        """Note the setting aside."""
        self._trace.append(("set aside", self._name))


class DeskRig:
    """A desk among twins, with a line of events behind it."""

    def __init__(self, *given: events.Event) -> None:
        self.trace = Trace()
        self.clock = ManualClock()
        self.ledger = MemoryLedger(self.trace)
        self.acts = MemoryActs(self.trace)
        self.ids = CountedIds()
        # Time that passes on the other clock alone passes for a desk that looks all the while.
        self._look_clock = ManualClock()
        self.gaps = Gaps(self._look_clock)
        self.desk = self.new_desk()
        for event in given:
            record = self.ledger.write(event)
            self.desk.restore(record.subject, record.body, sequence=record.sequence)
        self.trace.clear()

    def new_desk(self) -> Desk:
        """Return a desk that knows nothing yet."""
        settings = DeskSettings(
            account=facts.ACCOUNT, login="login-1", timing=facts.TIMING, code_version="0"
        )
        return Desk(
            settings,
            ledger=self.ledger,
            acts=self.acts,
            clock=self.clock,
            ids=self.ids,
            gaps=self.gaps,
            on_woken=lambda: self.trace.append(("woken", "")),
        )

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which the desk's process does nothing."""
        self.clock.boot += seconds
        self._look_clock.boot += seconds

    def restart(self) -> None:
        """Have a successor go on with what is stored, as a worker's begin does."""
        self.desk = self.new_desk()
        for record in self.ledger.records:
            self.desk.restore(record.subject, record.body, sequence=record.sequence)
        self.take(WorkerStarts(run_id=self.ids.new("run")))
        for order_id, order in self.desk.state.orders.items():
            if order.phase is Phase.SUBMITTING or order.cancel is CancelPhase.STARTED:
                self.take(ActAbandoned(order_id=order_id))

    def take(self, item: Item, *, name: str = "", correlation_id: str = "cor-7") -> None:
        """Have the desk take an item, with a message of that name if one is given."""
        held = Message(self.trace, name) if name else None
        item = facts.as_shown(item, self.desk.n)
        self.desk.take(Work(item, held, correlation_id, "model:claude"))

    def stored(self) -> list[str]:
        """Return what was stored since the begin."""
        return self.trace.of("stored")


class ListeningDesk(DeskThread):
    """A desk's thread that is never started: what is posted is kept."""

    def __init__(self, rig: DeskRig) -> None:
        super().__init__(
            rig.desk,
            name="desk-test",
            on_failure=_fail,
        )
        self.posted: list[tuple[Turn, Work]] = []

    def post(self, work: Work, turn: Turn) -> None:
        """Keep an item."""
        self.posted.append((turn, work))

    @property
    def items(self) -> list[Item]:
        """Return the posted items."""
        return [work.item for _, work in self.posted]


def _fail(error: BaseException) -> None:
    raise AssertionError("a desk that does not run cannot fail") from error


def intent(clock: ManualClock, **changes: Any) -> Intent:
    """Return a stored intent that may be sent now."""
    made = Intent(
        order_id=facts.order_id_of(),
        spec=facts.spec(),
        order_number="901",
        mark=facts.mark_of(),
        send_by=clock.now() + timedelta(seconds=2),
        send_by_boot_s=clock.boot_s() + 2,
        is_clean=True,
    )
    return made._replace(**changes)


def open_guard(
    clock: ManualClock,
    halt_file: Path,
    *,
    latch: HaltLatch | None = None,
    is_halted: Callable[[str], bool] = lambda _: False,
    is_lock_held: Callable[[], bool] = lambda: True,
    has_lease: Callable[[], bool] = lambda: True,
) -> SendGuard:
    """Return a guard that objects to nothing by itself."""
    return SendGuard(
        clock=clock,
        latch=latch or HaltLatch(),
        is_halted=is_halted,
        halt_file=halt_file,
        is_lock_held=is_lock_held,
        has_lease=has_lease,
    )
