"""One account's desk: takes one item at a time, decides, stores, and sets acts going.

Steps 4 to 10 of the way of an order. The rules of this file:
- The intention is stored before the act, the outcome after it, the message is acknowledged last.
- At most one event per decision; what an event leads to is a further item.
- A desk never waits for the broker. What cannot be decided yet is parked, in order.
- Before each decision the desk looks for a pause: what was known may be hours old.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import structlog
from msgspec.structs import replace

from adapters.tiger_worker.causes import links
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.own_cancels import OwnCancels
from adapters.tiger_worker.parts import Acts, Intent, Ledger, ModifyIntent, Work
from core import account_events, codec, events, items, readings
from core.account_state import AccountState
from core.cancelling import unread_key
from core.codec import EMPTY_TAIL, Recorded, Tail
from core.commands import Halt, ModifyOrder, SubmitOrder
from core.context import Context, Timing
from core.desk import decide, is_taken_again, waits, wants_reads
from core.errors import LinkError, VersionConflictError
from core.evolving import evolve
from core.orders import Phase
from core.ports import Clock, Ids
from core.subjects import Kind, subject

log = structlog.get_logger()
# One sighting brings an order, its fills and its end; an order of more fills takes more rounds.
EVENTS_OF_A_SIGHTING_MAX: Final = 1_000


@dataclass(frozen=True, kw_only=True)
class DeskSettings:
    """What a desk is told once."""

    account: str
    login: str
    timing: Timing
    code_version: str


class _Held(NamedTuple):
    """What is held for an act before its intent is stored."""

    number: str = ""
    for_modify: bool = False


_NOTHING_HELD: Final = _Held()


def _expires_at(item: items.Item, context: Context) -> datetime:
    if isinstance(item, items.ModifyPrepared):
        item = item.item
    return item.expires_at if isinstance(item, items.CommandItem) else context.now


class Desk:
    """Decides for one account; every call comes from one thread.

    Attributes:
        state: what is true now; other threads may read it, it is replaced and never changed.
        clock_skew_s: set from outside as the broker's replies tell.
    """

    def __init__(
        self,
        settings: DeskSettings,
        *,
        ledger: Ledger,
        acts: Acts,
        clock: Clock,
        ids: Ids,
        gaps: Gaps,
        on_woken: Callable[[], None],
    ) -> None:
        """Make a desk; `on_woken` is called after a pause of the process."""
        self._settings = settings
        self._ledger = ledger
        self._acts = acts
        self._clock = clock
        self._ids = ids
        self._gaps = gaps
        self._on_woken = on_woken
        self._tail: Tail = EMPTY_TAIL
        self._parked: deque[Work] = deque()
        self._placing: dict[str, Work] = {}
        self._cancelling: dict[str, Work] = {}
        self._modifying: dict[str, Work] = {}
        self._follow_ups: deque[Work] = deque()
        self._own_cancels = OwnCancels(account=settings.account, login=settings.login)
        self.state = AccountState(account=settings.account)
        self._skew_s = 0.0
        self._ahead_of_boot_s = self._wall_ahead_of_boot_s()

    @property
    def clock_skew_s(self) -> float:
        """How far this wall clock is ahead of the broker's; a jump since it was told counts.

        Without it, an order sent just after a jump back would be called absent before it arrives.
        """
        return self._skew_s + self._wall_ahead_of_boot_s() - self._ahead_of_boot_s

    @clock_skew_s.setter
    def clock_skew_s(self, skew_s: float) -> None:
        self._skew_s, self._ahead_of_boot_s = skew_s, self._wall_ahead_of_boot_s()

    def restore(self, log_subject: str, body: bytes, *, sequence: int) -> None:
        """Fold one record of the account's past; all of them, in order, before the first item.

        Raises:
            CorruptRecordError: a gap, a fork, or bytes that do not decode.
        """
        recorded, self._tail = codec.follow(self._tail, log_subject, body, sequence=sequence)
        self.state = evolve(self.state, recorded)

    def take(self, work: Work, *, with_parked: bool = True) -> None:
        """Carry one item through, and all that follows from it at once.

        Raises:
            VersionConflictError: another writer owns the account; this worker must end.
        """
        if with_parked and isinstance(work.item, items.CommandItem):
            # Who came first goes first.
            self.retry_parked()
        self._step(work)
        self._follow()
        if with_parked:
            self.retry_parked()

    def retry_parked(self) -> None:
        """Look again at what had to wait: capacity may be there, or its time may be up."""
        for _ in range(len(self._parked)):
            self._step(self._parked.popleft())
            self._follow()
        if self._own_cancels.is_time(boot_s=self._clock.boot_s()):
            # Also while no round of readings comes to its end.
            self._wish_cancels()
            self._follow()

    def look_for_a_pause(self) -> None:
        """Record that the process stood still, if it did since the last look."""
        self._look_for_a_pause()
        self._follow()

    @property
    def n(self) -> int:
        """The number of the last event of the account's line that is stored; from any thread."""
        return self._tail.n

    @property
    def open_acts(self) -> int:
        """Number of calls to the broker whose end is not recorded yet."""
        return len(self._placing) + len(self._cancelling) + len(self._modifying)

    def _follow(self) -> None:
        while self._follow_ups:
            self._step(self._follow_ups.popleft())

    def _look_for_a_pause(self) -> None:
        paused = self._gaps.pause()
        if paused is not None:
            self._on_woken()
            self._step(Work(paused))

    def _step(self, work: Work) -> None:
        # Read first: a pause after the look makes what is intended here too old to be sent.
        boot_s = self._clock.boot_s()
        self._look_for_a_pause()
        item = work.item
        context = self._context()
        is_expired = _expires_at(item, context) < context.now
        if not is_expired and waits(self.state, item):
            self._parked.append(work)
            return
        if not is_expired and wants_reads(self.state, item):
            assert isinstance(item, items.CommandItem)
            self._read(item, work)
            return
        held = _NOTHING_HELD
        if not is_expired and self._is_new_submit(item):
            held = _Held(number=self._acts.hold() or "")
            if not held.number:
                self._parked.append(work)
                return
            assert isinstance(item, items.CommandItem)
            item = replace(item, number=held.number)
        elif not is_expired and self._is_new_modify(item):
            if self._is_call_open(item):
                # Its answer must not be taken for this one's.
                self._parked.append(work)
                return
            held = _Held(for_modify=self._acts.hold_modify())
            if not held.for_modify:
                self._parked.append(work)
                return
        try:
            self._decide(item, work, context, held=held, boot_s=boot_s)
        except VersionConflictError:
            self._observe_at_new_tail(item)
            raise

    def _read(self, item: items.CommandItem, work: Work) -> None:
        if isinstance(item.command, ModifyOrder):
            spec = self.state.orders[item.command.order_id].spec
            self._acts.read_for_modify(item, spec, work)
        else:
            self._acts.read_for_preview(item, work)

    def _is_new_modify(self, item: items.Item) -> bool:
        return (
            isinstance(item, items.ModifyPrepared)
            and not item.failed
            and item.item.command_id not in self.state.handled
        )

    def _is_call_open(self, item: items.Item) -> bool:
        """Say whether an earlier call for the order to be changed has not come back."""
        assert isinstance(item, items.ModifyPrepared)
        command = item.item.command
        assert isinstance(command, ModifyOrder)
        return command.order_id in self._placing or command.order_id in self._modifying

    def _is_new_submit(self, item: items.Item) -> bool:
        return (
            isinstance(item, items.CommandItem)
            and isinstance(item.command, SubmitOrder)
            and item.command_id not in self.state.handled
            and self.state.preview_for(item.command.preview_id, item.owner) is not None
        )

    def _decide(
        self, item: items.Item, work: Work, context: Context, *, held: _Held, boot_s: float
    ) -> None:
        event = decide(self.state, item, context)
        if held.number and not isinstance(event, events.OrderSubmissionStarted):
            self._acts.give_back(held.number)
        if held.for_modify and not isinstance(event, events.OrderModifyStarted):
            self._acts.give_back_modify()
        is_open = False
        # A cancel of many has an event for each open order, and one that ends it.
        for _ in range(max(EVENTS_OF_A_SIGHTING_MAX, len(self.state.open_orders) + 1)):
            if event is None:
                break
            is_clean = self._record(event, work)
            is_open = self._act_on(event, work, boot_s=boot_s, is_clean=is_clean)
            log.info(
                "event.recorded",
                account=self._settings.account,
                type=codec.type_name(event),
                n=self._tail.n,
            )
            if not is_taken_again(item):
                break
            event = decide(self.state, item, context)
        if isinstance(item, readings.RoundCompleted):
            self._wish_cancels()
        if isinstance(item, items.CommandItem) and isinstance(item.command, Halt):
            self._acts.halt_taken(item.command.symbol)
        self._settle(item, work, is_open=is_open)

    def _record(self, event: events.Event, work: Work) -> bool:
        last_at = self._tail.recorded_at
        now = self._clock.now()
        causation_id, correlation_id = links(self.state, event, work)
        recorded = Recorded(
            type=codec.type_name(event),
            event_id=self._ids.new("evt"),
            account=self._settings.account,
            n=self._tail.n + 1,
            # Never back in time, whatever the wall clock does.
            recorded_at=now if last_at is None else max(now, last_at),
            correlation_id=correlation_id,
            causation_id=causation_id,
            actor=work.actor or f"worker:{self._settings.login}",
            code_version=self._settings.code_version,
            data=event,
        )
        log_subject, body = codec.encode(recorded, prev=self._tail.prev)
        appended = self._ledger.append(
            subject=log_subject,
            body=body,
            event_id=recorded.event_id,
            expected_sequence=self._tail.sequence,
        )
        self._tail = Tail(
            recorded.n,
            codec.digest(log_subject, body),
            appended.sequence,
            recorded.recorded_at,
        )
        self.state = evolve(self.state, replace(recorded, sequence=appended.sequence))
        return appended.clean

    def _act_on(self, event: events.Event, work: Work, *, boot_s: float, is_clean: bool) -> bool:
        """Set going what an event leads to; True if its message must be kept until an answer."""
        match event:
            case events.OrderSubmissionStarted():
                self._placing[event.order_id] = work
                intent = Intent(
                    order_id=event.order_id,
                    spec=event.spec,
                    order_number=event.order_number,
                    mark=event.mark,
                    send_by=event.send_by,
                    send_by_boot_s=boot_s + self._settings.timing.send_window_s,
                    is_clean=is_clean,
                )
                self._acts.place(intent)
                return True
            case events.OrderModifyStarted():
                self._modifying[event.order_id] = work
                self._acts.modify(
                    ModifyIntent(
                        order_id=event.order_id,
                        tiger_order_id=event.tiger_order_id,
                        spec=event.spec,
                        order_number=self.state.orders[event.order_id].order_number,
                        send_by=event.send_by,
                        send_by_boot_s=boot_s + self._settings.timing.send_window_s,
                        is_clean=is_clean,
                    )
                )
                return True
            case events.OrderCancelStarted():
                is_alone = not is_taken_again(work.item)
                # The message that asks for many is held by its own last event.
                self._cancelling[event.order_id] = (
                    work if is_alone else work._replace(delivery=None)
                )
                # Only this worker's own wish came with no message.
                is_own = work.delivery is None
                self._acts.cancel(event.order_id, event.tiger_order_id, is_urgent=is_own)
                return is_alone
            case account_events.AccountCancelsAsked(unread=unread, outcome="") if unread:
                key = unread_key(unread)
                self._cancelling[key] = work
                self._acts.cancel(key, unread, is_urgent=True)
            case events.OrderAccepted():
                self._own_cancels.forget(event.order_id)
                self._wish_cancels()
                self._acts.look_again()
            case account_events.AccountHalted():
                self._wish_cancels()
                self._acts.look_again()
            case (
                events.OrderOutcomeUnknown()
                | events.OrderCancelRequested()
                | events.OrderModifyRequested()
                | events.OrderModifyUnknown()
            ):
                self._acts.look_again()
            case _:
                pass
        return False

    def _wish_cancels(self) -> None:
        boot_s = self._clock.boot_s()
        self._follow_ups += self._own_cancels.wishes(
            self.state, now=self._clock.now(), boot_s=boot_s
        )

    def _settle(self, item: items.Item, work: Work, *, is_open: bool) -> None:
        match item:
            case items.PlaceAnswered(order_id=order_id):
                answered = self._placing.pop(order_id, None)
            case items.ModifyAnswered(order_id=order_id):
                answered = self._modifying.pop(order_id, None)
            case items.CancelAnswered(order_id=order_id):
                self._own_cancels.answered(item)
                answered = self._cancelling.pop(order_id, None)
            case items.Unreadable(detail=detail):
                if work.delivery is not None:
                    work.delivery.set_aside(detail)
                return
            case _:
                answered = None if is_open else work
        if answered is not None and answered.delivery is not None:
            answered.delivery.acknowledge()

    def _observe_at_new_tail(self, item: items.Item) -> None:
        # This worker lost the account while it held an answer nobody else can get.
        if not isinstance(item, items.PlaceAnswered) or item.outcome is items.Outcome.UNKNOWN:
            return
        order = self.state.orders[item.order_id]
        try:
            stored = self._ledger.tail()
        except LinkError:
            log.error("answer.unrecorded", account=self._settings.account, order_id=item.order_id)
            return
        if order.phase is not Phase.SUBMITTING or stored is None:
            return
        last = codec.decode(stored.subject, stored.body, sequence=stored.sequence)
        tail_subject = subject(Kind.LOG, last.account, last.type)
        self._tail = Tail(
            last.n, codec.digest(tail_subject, stored.body), stored.sequence, last.recorded_at
        )
        observed = events.OrderAnswerObserved(
            order_id=item.order_id,
            outcome=str(item.outcome),
            tiger_order_id=item.tiger_order_id,
            code=item.code,
            detail=item.detail,
        )
        try:
            self._record(observed, Work(item))
        except (VersionConflictError, LinkError):
            log.error("answer.unrecorded", account=self._settings.account, order_id=item.order_id)

    def _wall_ahead_of_boot_s(self) -> float:
        return self._clock.now().timestamp() - self._clock.boot_s()

    def _context(self) -> Context:
        return Context(
            now=self._clock.now(),
            timing=self._settings.timing,
            clock_skew_s=self.clock_skew_s,
        )
