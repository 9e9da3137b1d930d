"""What must hold in every run: while it goes on, and once everything has healed.

The broker's own book is the judge: it is the sandbox's, and knows nothing of the service.
"""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from core import codec, events
from core.account_state import AccountState
from core.codec import EMPTY_TAIL, Recorded, Tail
from core.errors import CorruptRecordError
from core.evolving import evolve
from core.orders import Order, Phase
from core.ports import StoredRecord
from core.terms import Side
from tests.simulation.broker_twin import DEADLINE_S, BrokerTwin
from tests.simulation.machine import Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.worker_process import LEDGER_ID, TIMING, HaltFile, LoginLock

# What a step of the scheduler may add to an exact limit.
SLACK_S: Final = 0.001
_ANSWERS: Final = (events.OrderPreviewed, events.OrderRefused, events.OrderSubmissionStarted)
_ENDS: Final = {
    events.OrderFilled: "Filled",
    events.OrderCancelled: "Cancelled",
    events.OrderExpired: "Inactive",
}


class Line:
    """One account's line of events as it was stored, and what is true after it."""

    def __init__(self, account: str, number: str) -> None:
        self.account = account
        self.number = number
        self.records: list[StoredRecord] = []
        self.facts: list[Recorded] = []
        self.tail: Tail = EMPTY_TAIL
        self.state = AccountState(account=account)
        self.command_ids: set[str] = set()
        self.executions: set[str] = set()


class Checks:
    """Watches a run; what it finds goes to `violate`."""

    def __init__(
        self,
        scheduler: Scheduler,
        broker: BrokerTwin,
        lock: LoginLock,
        halt_files: dict[str, HaltFile],
        numbers: dict[str, str],
        *,
        violate: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._broker = broker
        self._lock = lock
        self._halt_files = halt_files
        self._violate = violate
        self._note = note
        self.lines = {alias: Line(alias, number) for alias, number in numbers.items()}
        self._by_number = {number: alias for alias, number in numbers.items()}
        # When the append of an event began, and whether its first answer was a plain ack.
        self._appends: dict[str, tuple[float, bool]] = {}
        # The event and the last moment to send of each stored intent, by mark.
        self._intents: dict[str, tuple[str, datetime]] = {}
        self.foreign_marks: set[str] = set()
        # Accounts, by number, of which the broker once told something that was not so.
        self._deceived: set[str] = set()
        # When each account, by number, was last told so, and each scope of it halted.
        self._deceived_at: dict[str, datetime] = {}
        self._halted_at: dict[tuple[str, str], datetime] = {}
        # The scope of every halt that a person sent, by command.
        self.halts: dict[str, str] = {}
        self._hearers: list[Process] = []
        self.breaks = 0
        self._sent: Counter[str] = Counter()
        self._sent_at: dict[str, float] = {}
        # Orders that the network, not the service, may have doubled, or a person touched.
        self.touched_symbols: set[tuple[str, str]] = set()
        self.in_flight: dict[str, tuple[str, str, str, Decimal]] = {}

    def stored(self, record: StoredRecord) -> None:
        """Look at a record at the moment in which the server stores it."""
        line = self.lines[record.subject.split(".")[1]]
        try:
            recorded, line.tail = codec.follow(
                line.tail, record.subject, record.body, sequence=record.sequence
            )
        except CorruptRecordError as error:
            self._violate(f"the chain of {line.account} is broken: {error}")
            return
        before = line.state
        line.records.append(record)
        line.facts.append(recorded)
        line.state = evolve(before, recorded)
        command_id = getattr(recorded.data, "command_id", "")
        if command_id in line.command_ids and isinstance(recorded.data, _ANSWERS):
            self._violate(f"{command_id} was answered twice")
        if command_id:
            line.command_ids.add(command_id)
        self._note(f"{line.account} #{recorded.n} {_told(recorded)}")
        if isinstance(recorded.data, events.OrderSubmissionStarted):
            self._intents[recorded.data.mark] = (recorded.event_id, recorded.data.send_by)
        self._event(line, before, recorded.data)

    def acknowledged(self, account: str, command_id: str) -> None:
        """Look at an acknowledgement: its outcome must be stored."""
        if command_id not in self.lines[account].command_ids:
            self._violate(f"{command_id} was acknowledged before anything was stored")

    def delivered(self, process: Process, account: str, command_id: str) -> None:
        """Note a halt at the moment in which a process is handed it."""
        symbol = self.halts.get(command_id)
        if symbol is not None and command_id not in self.lines[account].command_ids:
            process.halts_heard.add((account, symbol))
            self._hearers.append(process)

    def requested(self, process: Process, method: str, fields: dict[str, Any]) -> None:
        """Look at a request at the moment in which the SDK is called."""
        if method == "orders" and not fields.get("page_token"):
            process.listed_at_s[fields["account"]] = self._scheduler.now_s
        if method == "modify_order":
            self._modify_requested(fields)
        if method != "place_order":
            return
        mark = str(fields.get("user_mark"))
        alias = self._by_number[fields["account"]]
        self._sent[mark] += 1
        self._sent_at[mark] = self._scheduler.now_s
        if self._sent[mark] > 1:
            self._violate(f"{mark} was sent {self._sent[mark]} times")
        order_id = self.lines[alias].state.by_mark.get(mark)
        if order_id is None:
            self._violate(f"{mark} was sent before its intention was stored")
            return
        self._guarded(process, alias, mark, self.lines[alias].state.orders[order_id])

    def _modify_requested(self, fields: dict[str, Any]) -> None:
        line = self.lines[self._by_number[fields["account"]]]
        order_id = line.state.by_tiger_id.get(str(fields["id"]))
        self._sent[f"modify {fields['id']}"] += 1
        intended = sum(
            isinstance(fact.data, events.OrderModifyStarted) and fact.data.order_id == order_id
            for fact in line.facts
        )
        if self._sent[f"modify {fields['id']}"] > intended:
            self._violate(f"{order_id} was changed more often than was intended")

    def executed(self, method: str, fields: dict[str, Any]) -> None:
        """Look at a place at the moment in which the broker does it."""
        if method != "place_order":
            return
        mark = str(fields.get("user_mark"))
        self.in_flight.pop(mark, None)
        line = self.lines[self._by_number[fields["account"]]]
        order_id = line.state.by_mark.get(mark)
        is_late = self._scheduler.now_s - self._sent_at.get(mark, 0.0) > DEADLINE_S
        if order_id is None or is_late:
            return
        phase = line.state.orders[order_id].phase
        if phase in (Phase.NOT_FOUND, Phase.NOT_SENT):
            self._violate(f"{order_id} was called {phase} while its place was on the way")

    def _guarded(self, process: Process, alias: str, mark: str, order: Order) -> None:
        event_id, send_by = self._intents[mark]
        begun_s, is_clean = self._appends[event_id]
        if not is_clean:
            self._violate(f"{order.order_id} was sent though its first ack was lost")
        if self._scheduler.now_s - begun_s > TIMING.send_window_s + SLACK_S:
            self._violate(f"{order.order_id} was sent after its time")
        if process.machine.wall() >= send_by:
            self._violate(f"{order.order_id} was sent after its time by the wall clock")
        if process.listed_at_s.get(self.lines[alias].number, 0.0) < process.woke_at_s:
            self._violate(f"{order.order_id} was sent after a pause, before anything was read")
        heard = {(alias, ""), (alias, order.spec.symbol)} & process.halts_heard
        if heard or any(state.halts(order.spec.symbol) for state in process.states(alias)):
            self._violate(f"{order.order_id} was sent past a halt")
        if self._halt_files[alias].exists():
            self._violate(f"{order.order_id} was sent past the halt file")
        if self._lock.holder is not process:
            self._violate(f"{order.order_id} was sent without the login's lock")

    def _event(self, line: Line, before: AccountState, event: events.Event) -> None:
        match event:
            case events.OrderSubmissionStarted():
                self._intent(line, before, event)
            case events.OrderFillRecorded():
                if event.execution_id in line.executions:
                    self._violate(f"execution {event.execution_id} was recorded twice")
                line.executions.add(event.execution_id)
            case events.OrderNotFound():
                order = before.orders[event.order_id]
                if self._broker.now() <= order.arrives_by:
                    self._violate(f"{order.order_id} was called not_found too early")
            case events.AccountHalted():
                self._halted_at[line.number, event.symbol] = self._broker.now()
            case events.AccountHaltVerified():
                self._halt_verified(line, event.symbol)
            case events.AccountResumed():
                for process in self._hearers:
                    process.halts_heard.discard((line.account, event.symbol))
            case events.AccountPositionBreak() | events.AccountCashBreak():
                self._break(line, event)
            case events.OrderFilled() | events.OrderCancelled() | events.OrderExpired():
                self._end(line, event.order_id, _ENDS[type(event)])
            case events.OrderRejected(code=None):
                self._end(line, event.order_id, "Invalid")
            case events.OrderRejected() | events.OrderNotSent():
                self._never(line, before.orders[event.order_id])
            case _:
                pass

    def deceived(self, number: str) -> None:
        """Note that the broker told of an account what is old or not there."""
        self._deceived.add(number)
        self._deceived_at[number] = self._broker.now()

    def _halt_verified(self, line: Line, scope: str) -> None:
        halted_at = self._halted_at[line.number, scope]
        if self._deceived_at.get(line.number, halted_at) > halted_at:
            return
        for order in self._broker.orders(line.number):
            if order.is_open and order.opened_at < halted_at and scope in ("", order.symbol):
                self._violate(f"a halt was verified while {order.global_id} is {order.status}")

    def _break(
        self, line: Line, event: events.AccountPositionBreak | events.AccountCashBreak
    ) -> None:
        # Whatever moves here moves by fills, and every fill is in a listing.
        self.breaks += 1
        if line.number not in self._deceived:
            self._violate(f"a break without a cause: {event.expected} or {event.observed}")

    def _intent(
        self, line: Line, before: AccountState, event: events.OrderSubmissionStarted
    ) -> None:
        if before.halts(event.spec.symbol):
            self._violate(f"{event.order_id} was intended while halted")
        if before.is_stale:
            self._violate(f"{event.order_id} was intended before a verdict")
        if event.order_number in before.numbers or event.order_id in before.orders:
            self._violate(f"{event.order_id} was intended twice")
        if not event.mark.startswith(f"{LEDGER_ID}."):
            self._violate(f"{event.order_id} has a mark of nobody")
        key = (line.account, event.spec.symbol)
        doubtful = before.doubtful_of(event.spec.symbol)
        if before.frozen_cause or event.spec.symbol in before.frozen_symbols:
            doubtful = doubtful or event  # type: ignore[assignment]  # any reason will do
        if doubtful is not None and key not in self.touched_symbols:
            self._must_reduce(line, before, event)

    def _must_reduce(
        self, line: Line, before: AccountState, event: events.OrderSubmissionStarted
    ) -> None:
        """Hold an order in doubtful times against the broker's truth, unknowns at their worst."""
        symbol, side = event.spec.symbol, event.spec.side
        word = "BUY" if side is Side.BUY else "SELL"
        position = self._broker.engine.book.accounts[line.number].positions.get(symbol)
        held = Decimal(0) if position is None else position.quantity
        known = [o for o in self._broker.orders(line.number) if o.symbol == symbol]
        open_quantity = sum(
            (o.remaining_quantity for o in known if o.is_open and o.side == word), Decimal(0)
        )
        there = {o.user_mark for o in known}
        open_quantity += sum(
            (
                quantity
                for mark, (number, on, way, quantity) in self.in_flight.items()
                if (number, on, way) == (line.number, symbol, word) and mark not in there
            ),
            Decimal(0),
        )
        worst = (held if side is Side.SELL else -held) - open_quantity
        if worst < event.spec.quantity:
            self._violate(
                f"{event.order_id} opens {symbol} while an order of it is in doubt or frozen"
            )

    def _end(self, line: Line, order_id: str, word: str) -> None:
        tiger_order_id = line.state.orders[order_id].tiger_order_id
        order = self._broker.engine.book.orders.get(int(tiger_order_id or 0))
        if order is None or order.status != word:
            has = "nothing" if order is None else order.status
            self._violate(f"{order_id} was called {word}, the broker has {has}")

    def _never(self, line: Line, order: Order) -> None:
        booked = {each.user_mark for each in self._broker.orders(line.number)}
        if order.mark in booked or order.mark in self.in_flight:
            phase = line.state.orders[order.order_id].phase
            self._violate(f"{order.order_id} was called {phase}, but the broker has it")

    def append_begun(self, event_id: str) -> bool:
        """Note when the append of an intent began; True at the first try."""
        is_first = event_id not in self._appends
        if is_first:
            self._appends[event_id] = (self._scheduler.now_s, False)
        return is_first

    def append_clean(self, event_id: str) -> None:
        """Note that the first answer to an intent was its plain ack."""
        self._appends[event_id] = (self._appends[event_id][0], True)


def _told(recorded: Recorded) -> str:
    event = recorded.data
    names = ("order_id", "preview_id", "command_id", "cause", "detail", "code", "evidence")
    more = " ".join(
        f"{name}={str(value)[:44]}" for name in names if (value := getattr(event, name, ""))
    )
    return f"{recorded.type} {more}"
