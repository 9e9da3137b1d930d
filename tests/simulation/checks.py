"""What must hold in every run: while it goes on, and once everything has healed.

The broker's own book is the judge: it is the sandbox's, and knows nothing of the service.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from core import account_events, codec, events, preview_events
from core.account_state import AccountState
from core.codec import Recorded
from core.commands import TermsSeen
from core.errors import CorruptRecordError
from core.evolving import evolve
from core.orders import CancelPhase, Order, Phase
from core.ports import StoredRecord
from infra.sandbox.broker.records import Fill
from tests.simulation.asked import Asked
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.bust_checks import CASH, BustChecks
from tests.simulation.gate_checks import WORKER, GateChecks, Opening
from tests.simulation.lease_checks import SLACK_S, LeaseChecks
from tests.simulation.line import Line
from tests.simulation.machine import Machine, Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.terms_checks import unlike_intended_change, unlike_intent
from tests.simulation.watch import Watch
from tests.simulation.wire_twin import DEADLINE_S
from tests.simulation.worker_process import LEDGER_ID, TIMING, HaltFile, LoginLock

_ANSWERS: Final = (
    preview_events.OrderPreviewed,
    events.OrderRefused,
    events.OrderSubmissionStarted,
)
_ENDS: Final = {
    events.OrderFilled: "Filled",
    events.OrderCancelled: "Cancelled",
    events.OrderExpired: "Inactive",
}


class Checks:
    """Watches a run; what it finds goes to `violate`."""

    def __init__(
        self,
        scheduler: Scheduler,
        broker: BrokerTwin,
        locks: Mapping[Machine, LoginLock],
        halt_files: dict[str, HaltFile],
        numbers: dict[str, str],
        asked: Asked,
        *,
        violate: Callable[[str], None],
        note: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._broker = broker
        self._locks = locks
        self._halt_files = halt_files
        self._violate = violate
        self._note = note
        self.lines = {alias: Line(alias, number) for alias, number in numbers.items()}
        self._by_number = {number: alias for alias, number in numbers.items()}
        # When the append of an event began, and whether its first answer was a plain ack.
        self._appends: dict[str, tuple[float, bool]] = {}
        # The last intent to send or to change, and its event, by the order's id.
        self._intents: dict[str, tuple[str, Opening]] = {}
        self.foreign_marks: set[str] = set()
        # Accounts, by number, of which the broker once told something that was not so.
        self._deceived: set[str] = set()
        # When each account, by number, was last told so, and each scope of it halted.
        self._deceived_at: dict[str, datetime] = {}
        self._halted_at: dict[tuple[str, str], datetime] = {}
        # The scope of every halt that a person sent, by command.
        self.halts: dict[str, str] = {}
        # The terms on which somebody agreed to a change, by its command.
        self._agreed: dict[str, TermsSeen] = {}
        self._hearers: list[Process] = []
        self.breaks = 0
        self._sent: Counter[str] = Counter()
        self._sent_at: dict[str, float] = {}
        self.in_flight: dict[str, tuple[str, str, str, Decimal]] = {}
        self.leases = LeaseChecks(scheduler, self.in_flight, violate=violate, note=note)
        self.watch = Watch(scheduler, broker, self.lines.values(), halt_files, violate=violate)
        self._gates = {
            alias: GateChecks(
                line,
                broker,
                asked,
                in_flight=self.in_flight,
                begun_s=lambda event_id: self._appends[event_id][0],
                violate=violate,
            )
            for alias, line in self.lines.items()
        }
        self.busts = {
            alias: BustChecks(broker, line, violate=violate) for alias, line in self.lines.items()
        }
        # Positions and cash that something else than a fill moved, and of which no break tells.
        self.unexplained: set[tuple[str, str]] = set()
        self._moved: Counter[tuple[str, str]] = Counter()

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
        if isinstance(recorded.data, Opening):
            self._intents[recorded.data.order_id] = (recorded.event_id, recorded.data)
        self._gates[line.account].look(before, recorded)
        self._event(line, before, recorded.data)
        if isinstance(recorded.data, events.OrderCancelStarted) and recorded.actor == WORKER:
            self._own_cancel(before, before.orders[recorded.data.order_id])

    def agree(self, order_id: str, command_id: str) -> TermsSeen | None:
        """Return the terms of an order on which a change is agreed to now."""
        for line in self.lines.values():
            order = line.state.orders.get(order_id)
            if order is not None:
                self._agreed[command_id] = TermsSeen.of(order.wanted or order.spec)
        return self._agreed.get(command_id)

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
        self.watch.called(process.name, method)
        if method == "orders" and not fields.get("page_token"):
            process.listed_at_s[fields["account"]] = self._scheduler.now_s
        if method == "modify_order":
            self._modify_requested(process, fields)
        if method == "cancel_order":
            line = self.lines[self._by_number[fields["account"]]]
            self.watch.cancel_asked(line, str(fields["id"]))
        if method != "place_order":
            return
        mark = str(fields.get("user_mark"))
        alias = self._by_number[fields["account"]]
        self._sent[mark] += 1
        self._sent_at[mark] = self._scheduler.now_s
        self.leases.sent(mark, process)
        if self._sent[mark] > 1:
            self._violate(f"{mark} was sent {self._sent[mark]} times")
        order_id = self.lines[alias].state.by_mark.get(mark)
        if order_id is None:
            self._violate(f"{mark} was sent before its intention was stored")
            return
        event = self._intents[order_id][1]
        if unlike := unlike_intent(event.spec, fields):
            self._violate(f"{order_id} was sent otherwise than intended: {unlike}")
        self._guarded(process, alias, order_id, order_id)

    def _modify_requested(self, process: Process, fields: dict[str, Any]) -> None:
        line = self.lines[self._by_number[fields["account"]]]
        order_id = line.state.by_tiger_id.get(str(fields["id"]))
        self._sent[f"modify {fields['id']}"] += 1
        intended = sum(
            isinstance(fact.data, events.OrderModifyStarted) and fact.data.order_id == order_id
            for fact in line.facts
        )
        if self._sent[f"modify {fields['id']}"] > intended:
            self._violate(f"{order_id} was changed more often than was intended")
            return
        assert order_id is not None
        event = self._intents[order_id][1]
        if unlike := unlike_intended_change(event.spec, fields):
            self._violate(f"{order_id} was changed otherwise than intended: {unlike}")
        self._guarded(process, line.account, order_id, f"a change of {order_id}")

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

    def _guarded(self, process: Process, alias: str, order_id: str, name: str) -> None:
        event_id, event = self._intents[order_id]
        symbol = event.spec.symbol
        begun_s, is_clean = self._appends[event_id]
        if not is_clean:
            self._violate(f"{name} was sent though its first ack was lost")
        if self._scheduler.now_s - begun_s > TIMING.send_window_s + SLACK_S:
            self._violate(f"{name} was sent after its time")
        if process.machine.wall() >= event.send_by:
            self._violate(f"{name} was sent after its time by the wall clock")
        if process.listed_at_s.get(self.lines[alias].number, 0.0) < process.woke_at_s:
            self._violate(f"{name} was sent after a pause, before anything was read")
        heard = {(alias, ""), (alias, symbol)} & process.halts_heard
        if heard or any(state.halts(symbol) for state in process.states(alias)):
            self._violate(f"{name} was sent past a halt")
        if self._halt_files[alias].exists():
            self._violate(f"{name} was sent past the halt file")
        if self._locks[process.machine].holder is not process:
            self._violate(f"{name} was sent without the login's lock")
        if not self.leases.is_held_by(process):
            self._violate(f"{name} was sent without the login's lease")

    def _event(self, line: Line, before: AccountState, event: events.Event) -> None:
        match event:
            case events.OrderSubmissionStarted():
                self._intent(before, event)
            case events.OrderModifyStarted():
                agreed = self._agreed.get(event.command_id)
                laid_over = TermsSeen.of(before.orders[event.order_id].spec)
                if agreed is not None and agreed != laid_over:
                    self._violate(f"{event.command_id} was laid over terms that nobody saw")
            case events.OrderFillRecorded():
                if event.execution_id in line.executions:
                    self._violate(f"execution {event.execution_id} was recorded twice")
                line.executions.add(event.execution_id)
            case events.OrderFillTakenBack():
                self.busts[line.account].taken_back(event)
            case events.OrderNotFound():
                order = before.orders[event.order_id]
                if self._broker.now() <= order.arrives_by:
                    self._violate(f"{order.order_id} was called not_found too early")
            case account_events.AccountHalted():
                self._halted_at[line.number, event.symbol] = self._broker.now()
                self.watch.halted(line.account, event.symbol)
            case account_events.AccountHaltVerified():
                self._halt_verified(line, event.symbol)
            case account_events.AccountResumed():
                self.watch.resumed(line.account, event.symbol)
                for process in self._hearers:
                    process.halts_heard.discard((line.account, event.symbol))
            case account_events.AccountPositionBreak() | account_events.AccountCashBreak():
                self._break(line, event)
            case account_events.AccountPositionAdopted(symbol=symbol):
                position = self._broker.engine.book.accounts[line.number].positions.get(symbol)
                if position is not None and position.quantity == event.quantity:
                    # A break that was open before may say by chance what is so since.
                    self.unexplained.discard((line.account, symbol))
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

    def took_back(self, account: str, fill: Fill) -> None:
        """Note that the broker takes an execution back."""
        self.busts[account].took_back(fill)
        self._gates[account].moved.add(fill.symbol)
        if self._broker.engine.book.orders[fill.global_id].is_open:
            # What it may fill again is not known before the next listing.
            self.touch(account, fill.symbol)

    def executions_listed(self, number: str, tiger_order_id: str, *, is_lie: bool) -> None:
        """Note that the executions of an order were listed, and whether as they are."""
        self.busts[self._by_number[number]].listed(tiger_order_id, is_lie=is_lie)

    def nothing_is_left(self) -> None:
        """Look for breaks that outlived their cause, before a person adopts what is left."""
        for alias, line in self.lines.items():
            if line.number not in self._deceived:
                moved = {thing for account, thing in self._moved if account == alias}
                self.busts[alias].nothing_is_left(moved=moved)

    def _halt_verified(self, line: Line, scope: str) -> None:
        halted_at = self._halted_at[line.number, scope]
        if self._deceived_at.get(line.number, halted_at) > halted_at:
            return
        for order in self._broker.orders(line.number):
            if order.is_open and order.opened_at < halted_at and scope in ("", order.symbol):
                self._violate(f"a halt was verified while {order.global_id} is {order.status}")
        for mark, (number, symbol, *_) in self.in_flight.items():
            if number == line.number and scope in ("", symbol):
                self._violate(f"a halt was verified while the place of {mark} is on its way")

    def _own_cancel(self, before: AccountState, order: Order) -> None:
        """Under a verified halt, what a person does elsewhere, and what comes of it, is let be."""
        scopes = ("", order.spec.symbol)
        is_verified = not any(scope in before.unverified_halts for scope in scopes)
        if order.cancel is CancelPhase.WANTED or not is_verified:
            return
        book = self._broker.engine.book.orders
        root = book[int(order.tiger_order_id)]
        while root.parent_id:
            root = book[root.parent_id]
        if not root.user_mark:
            self._violate(f"{order.order_id}, a person's own deed, was cancelled by the worker")

    def touch(self, account: str, symbol: str) -> None:
        """Note that somebody else moves a symbol's orders too."""
        self._gates[account].touched.add(symbol)

    def moved(self, account: str, thing: str, amount: int) -> None:
        """Note that no fill explains a position, by its symbol, or cash, by its currency."""
        self._moved[account, thing] += amount
        self._gates[account].moved.add(thing)
        self.unexplained.add((account, thing))
        if not self._moved[account, thing]:
            # There and back again.
            self.unexplained.discard((account, thing))

    def _break(
        self,
        line: Line,
        event: account_events.AccountPositionBreak | account_events.AccountCashBreak,
    ) -> None:
        # Whatever else moves here moves by fills, and every fill is in a listing.
        self.breaks += 1
        if isinstance(event, account_events.AccountCashBreak):
            thing = event.observed.currency
        else:
            thing = event.symbol
        self.unexplained.discard((line.account, thing))
        hidden = line.state.hidden_symbols
        # A row that cannot be read may tell of a fill; that it is there was told.
        is_hidden = thing in hidden or "" in hidden or (thing == CASH and len(hidden) > 0)
        is_explained = self.busts[line.account].explains(thing, is_hidden=is_hidden)
        if is_explained or (line.account, thing) in self._moved:
            return
        if line.number not in self._deceived:
            self._violate(f"a break without a cause: {event.expected} or {event.observed}")

    def _intent(self, before: AccountState, event: events.OrderSubmissionStarted) -> None:
        if event.order_number in before.numbers or event.order_id in before.orders:
            self._violate(f"{event.order_id} was intended twice")
        if not event.mark.startswith(f"{LEDGER_ID}."):
            self._violate(f"{event.order_id} has a mark of nobody")

    def _end(self, line: Line, order_id: str, word: str) -> None:
        tiger_order_id = line.state.orders[order_id].tiger_order_id
        order = self._broker.engine.book.orders.get(int(tiger_order_id or 0))
        if order is not None and word in self._broker.words_before[order.global_id]:
            # What it was called before an execution of it was taken back.
            return
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
