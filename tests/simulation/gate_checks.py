"""That nothing is opened or changed past a gate, nothing cancelled unasked, nothing lifted unseen.

Each gate is looked up here by itself: what the service calls a gate may be what is wrong.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from core import account_events, events, preview_events
from core.account_state import AccountState
from core.codec import Recorded
from core.commands import CancelOrders, ModifyOrder, ReleaseOrder, ResumeAccount
from core.context import CLOCK_SKEW_MAX_S
from core.ids import derived_id
from core.orders import CancelPhase, ModifyPhase, Order, Phase
from core.terms import OrderSpec, Side, symbol_of
from tests.simulation.asked import Asked, fits
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.line import Line
from tests.simulation.machine import BEGIN
from tests.simulation.terms_checks import unlike_change, unlike_wish
from tests.simulation.worker_process import LOGIN, TIMING

WORKER: Final = f"worker:{LOGIN}"
# A decision is dated a moment before its append begins; a busy machine makes that some seconds.
DECIDED_BEFORE_S: Final = 12.0
_DOUBTFUL: Final = (Phase.UNKNOWN, Phase.NOT_FOUND)
_TELLING: Final = (
    events.OrderAccepted,
    events.OrderWorking,
    events.OrderOutcomeUnknown,
    events.OrderNotFound,
    events.OrderFillRecorded,
)

Opening = events.OrderSubmissionStarted | events.OrderModifyStarted
Cancel = events.OrderCancelStarted | events.OrderCancelWanted


class GateChecks:
    """Looks at each event of one account's line just before it is true."""

    def __init__(
        self,
        line: Line,
        broker: BrokerTwin,
        asked: Asked,
        *,
        in_flight: Mapping[str, tuple[str, str, str, Decimal]],
        begun_s: Callable[[str], float],
        violate: Callable[[str], None],
    ) -> None:
        """Make it.

        Args:
            in_flight: account number, symbol, side and quantity of each place on its way, by mark.
            begun_s: says when the append of an intent began.
        """
        self._line = line
        self._broker = broker
        self._asked = asked
        self._in_flight = in_flight
        self._begun_s = begun_s
        self._violate = violate
        # The `n` of what shuts each scope, by kind and scope, until a person lifts it.
        self._shut: dict[tuple[str, str], int] = {}
        # The `n` of the last event that told something of each order.
        self._told_n: dict[str, int] = {}
        # Symbols of which somebody else moves orders too: then nobody knows what reduces.
        self.touched: set[str] = set()
        # Symbols whose position was moved by no fill, and of which no figures tell yet.
        self.moved: set[str] = set()

    def look(self, before: AccountState, recorded: Recorded) -> None:
        """Look at an event, given what was true before it."""
        if isinstance(recorded.data, _TELLING):
            self._told_n[recorded.data.order_id] = recorded.n
        match recorded.data:
            case preview_events.OrderPreviewed() as event:
                self._preview(event)
            case events.OrderSubmissionStarted() as event:
                self._intent(before, event, recorded.event_id)
            case events.OrderModifyStarted() as event:
                self._change(before, event, recorded.event_id)
            case events.OrderCancelStarted() | events.OrderCancelWanted() as event:
                self._cancel(before, event, recorded.actor)
            case account_events.AccountCancelsAsked() as event:
                self._cancels(before, event)
            case account_events.AccountHalted(is_repeated=False, symbol=symbol):
                self._shut["halt", symbol] = recorded.n
            case account_events.AccountFrozen(symbol=symbol):
                self._shut["freeze", symbol] = recorded.n
            case account_events.AccountResumed() as event:
                self._resumed(event)
            case events.OrderReleased() as event:
                self._released(event)
            case account_events.AccountPositionsObserved() as event:
                self._observed(event)
            case _:
                pass

    def _observed(self, event: account_events.AccountPositionsObserved) -> None:
        positions = self._broker.engine.book.accounts[self._line.number].positions
        booked = {key: position.quantity for key, position in positions.items()}
        told = {figure.symbol: figure.quantity for figure in event.positions}
        self.moved = {one for one in self.moved if told.get(one, 0) != booked.get(one, 0)}

    def _preview(self, event: preview_events.OrderPreviewed) -> None:
        wish = self._asked.preview(self._line.account, event.command_id)
        unlike = ["all"] if wish is None else unlike_wish(event.spec, wish)
        if unlike:
            self._violate(f"{event.preview_id} shows other terms than were asked for: {unlike}")

    def _intent(
        self, before: AccountState, event: events.OrderSubmissionStarted, event_id: str
    ) -> None:
        preview = before.previews.get(event.preview_id)
        if preview is None or preview.spec != event.spec:
            self._violate(f"{event.order_id} is intended on other terms than its preview's")
        if preview is not None and preview.expires_at < _decided_at(event):
            self._violate(f"{event.order_id} was intended by a preview that had expired")
        self._opening(before, event, event_id)
        self._reduces_if_it_must(before, event, event_id, None)

    def _change(
        self, before: AccountState, event: events.OrderModifyStarted, event_id: str
    ) -> None:
        order = before.orders[event.order_id]
        wish = self._asked.of(self._line.account, event.command_id)
        if wish is None or not isinstance(wish.command, ModifyOrder):
            self._violate(f"{event.order_id} is changed by nobody's wish")
        elif unlike := unlike_change(order.spec, event.spec, wish.command):
            self._violate(f"{event.order_id} is changed otherwise than was asked for: {unlike}")
        self._opening(before, event, event_id)
        self._reduces_if_it_must(before, event, event_id, order)

    def _opening(self, before: AccountState, event: Opening, event_id: str) -> None:
        name = _name(event)
        if _is_halted(before, event.spec.symbol):
            self._violate(f"{name} was intended while halted")
        if before.is_stale:
            self._violate(f"{name} was intended before a verdict")
        wish = self._asked.of(self._line.account, event.command_id)
        if wish is not None and wish.expires_at < _decided_at(event):
            self._violate(f"{name} was intended by a command that had expired")

    def _reduces_if_it_must(
        self, before: AccountState, event: Opening, event_id: str, order: Order | None
    ) -> None:
        why = self._shut_gate(before, event, event_id, order)
        if not why or event.spec.symbol in self.touched | self.moved:
            return
        if self._worst_held(event.spec, order) < self._most(event.spec, order):
            self._violate(f"{_name(event)} opens {event.spec.symbol} while {why}")

    def _shut_gate(
        self, before: AccountState, event: Opening, event_id: str, order: Order | None
    ) -> str:
        symbol = event.spec.symbol
        if before.frozen_cause or symbol in before.frozen_symbols:
            return "it is frozen"
        if any(symbol_of(broken.symbol) == symbol for broken in before.breaks.values()):
            return "its position is broken"
        found = (before.orders[order_id] for order_id in before.open_orders)
        if any(one.spec.symbol == symbol and _is_doubtful(one) for one in found):
            return "an order of it is in doubt"
        return self._skewed(event, event_id)

    def _skewed(self, event: Opening, event_id: str) -> str:
        """Say whether the clocks differed too much at the decision."""
        begun_at = BEGIN + timedelta(seconds=self._begun_s(event_id) + self._broker.offset_s)
        # At most as far ahead as the clock was at the decision, and that not much before.
        ahead_s = (_decided_at(event) - begun_at).total_seconds()
        if -CLOCK_SKEW_MAX_S - DECIDED_BEFORE_S <= ahead_s <= CLOCK_SKEW_MAX_S + 0.1:
            return ""
        return f"the clocks differ by {ahead_s:.0f} s"

    def _worst_held(self, spec: OrderSpec, order: Order | None) -> Decimal:
        """Return what is held on the other side at the broker, whatever is on its way."""
        number, symbol = self._line.number, spec.symbol
        word = "BUY" if spec.side is Side.BUY else "SELL"
        position = self._broker.engine.book.accounts[number].positions.get(symbol)
        held = Decimal(0) if position is None else position.quantity
        known = [o for o in self._broker.orders(number) if o.symbol == symbol]
        there = {o.user_mark for o in known}
        own_id = "" if order is None else order.tiger_order_id
        others = [
            o.remaining_quantity
            for o in known
            if o.is_open and o.side == word and str(o.global_id) != own_id
        ]
        others += [
            quantity
            for mark, (of, on, way, quantity) in self._in_flight.items()
            if (of, on, way) == (number, symbol, word) and mark not in there
        ]
        return (held if spec.side is Side.SELL else -held) - sum(others, start=Decimal(0))

    def _most(self, spec: OrderSpec, order: Order | None) -> Decimal:
        """Return by how much the order may move the position from now on."""
        if order is None:
            return spec.quantity
        booked = self._broker.engine.book.orders[int(order.tiger_order_id)]
        return max(spec.quantity, order.spec.quantity) - booked.filled_quantity

    def _cancel(self, before: AccountState, event: Cancel, actor: str) -> None:
        order = before.orders[event.order_id]
        if actor == WORKER:
            is_wanted = order.cancel is CancelPhase.WANTED
            is_wanted = is_wanted or _is_halted(before, order.spec.symbol)
        else:
            account = self._line.account
            is_wanted = self._asked.wants_cancelled(account, order, event.command_id)
        if not is_wanted:
            self._violate(f"{order.order_id} is cancelled without a wish, halt or fitting filter")

    def _cancels(self, before: AccountState, event: account_events.AccountCancelsAsked) -> None:
        if event.unread:
            return
        account = self._line.account
        wanted = self._asked.of(account, event.command_id)
        assert wanted is not None
        assert isinstance(wanted.command, CancelOrders)
        for order_id in sorted(before.open_orders):
            order = before.orders[order_id]
            if not fits(order, wanted.command):
                continue
            own_id = derived_id("cmd", account, event.command_id, order_id)
            is_asked = own_id in self._line.command_ids or order.cancel is CancelPhase.STARTED
            if not is_asked or order_id not in event.order_ids:
                self._violate(f"{order_id} fits a cancel of many that never asked for it")

    def _resumed(self, event: account_events.AccountResumed) -> None:
        wanted = self._asked.of(self._line.account, event.command_id)
        assert wanted is not None
        assert isinstance(wanted.command, ResumeAccount)
        lifted = {
            (kind, scope): n
            for (kind, scope), n in self._shut.items()
            if scope == event.symbol or (kind == "freeze" and not event.symbol)
        }
        for (kind, scope), n in lifted.items():
            del self._shut[kind, scope]
            if n > wanted.command.shown_n:
                self._violate(f"{event.command_id} lifted a {kind} that was not shown")

    def _released(self, event: events.OrderReleased) -> None:
        wanted = self._asked.of(self._line.account, event.command_id)
        assert wanted is not None
        assert isinstance(wanted.command, ReleaseOrder)
        if self._told_n[event.order_id] > wanted.command.shown_n:
            self._violate(f"{event.order_id} was released, of which more was told than was shown")


def _decided_at(event: Opening) -> datetime:
    return event.send_by - timedelta(seconds=TIMING.send_window_s)


def _is_halted(state: AccountState, symbol: str) -> bool:
    return state.is_halted or symbol in state.halted_symbols


def _is_doubtful(order: Order) -> bool:
    return order.phase in _DOUBTFUL or order.modify is ModifyPhase.UNKNOWN


def _name(event: Opening) -> str:
    is_change = isinstance(event, events.OrderModifyStarted)
    return f"a change of {event.order_id}" if is_change else event.order_id
