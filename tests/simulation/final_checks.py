"""Book against ledger, once everything has healed."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from core import codec, events
from core.account_state import AccountState
from core.codec import EMPTY_TAIL
from core.evolving import evolve
from core.orders import PENDING_MODIFIES, CancelPhase, Order, Phase
from core.terms import position_key
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.line import Line
from tests.simulation.machine import BEGIN

# Cash travels as a float.
CASH_STEP: Final = Decimal("0.01")
# A doubt that a jumped clock puts off for longer is a person's to resolve.
FAR_S: Final = 120.0
WORD_OF: Final = {
    Phase.FILLED: "Filled",
    Phase.CANCELLED: "Cancelled",
    Phase.EXPIRED: "Inactive",
    Phase.REJECTED: "Invalid",
}


class FinalChecks:
    """Book against ledger, once everything has healed."""

    def __init__(self, broker: BrokerTwin, line: Line, violate: Callable[[str], None]) -> None:
        self._broker = broker
        self._line = line
        self._violate = violate

    def run(self, live_state: AccountState | None, published: set[str]) -> None:
        """Look at everything."""
        self._replay(live_state)
        self._orders()
        self._fills()
        self._figures()
        lost = published - self._line.command_ids
        if lost:
            self._violate(f"commands were lost: {sorted(lost)}")

    def _replay(self, live_state: AccountState | None) -> None:
        tail, state = EMPTY_TAIL, AccountState(account=self._line.account)
        for record in self._line.records:
            recorded, tail = codec.follow(
                tail, record.subject, record.body, sequence=record.sequence
            )
            state = evolve(state, recorded)
        if live_state is None:
            self._violate("no worker is alive after everything healed")
        elif live_state != state:
            self._violate("the replayed ledger gives another state than the worker's")

    def _orders(self) -> None:
        state = self._line.state
        booked = {str(order.global_id): order for order in self._broker.orders(self._line.number)}
        # The broker gives what it makes of one order the mark of that: legs that hang on it, and
        # both of a pair.
        placed = {
            (order.user_mark, order.oca_group or order.global_id)
            for order in booked.values()
            if order.user_mark and not order.parent_id
        }
        marks = Counter(mark for mark, _ in placed)
        for mark, count in marks.items():
            is_told = any(key.startswith("order_doubled\0") for key, _ in state.frozen_for.items())
            if count > 1 and not is_told:
                self._violate(f"{mark} is {count} times in the book")
        for tiger_order_id, order in booked.items():
            order_id = state.by_tiger_id.get(tiger_order_id)
            if order_id is None:
                self._violate(f"{tiger_order_id} ({order.user_mark}) is lost from view")
                continue
            self._compare(state.orders[order_id], order)
        for ours in state.orders.values():
            if ours.is_open and ours.modify in PENDING_MODIFIES:
                self._violate(f"{ours.order_id} has a change that is still {ours.modify}")
            if ours.cancel is CancelPhase.WANTED and ours.is_open and ours.tiger_order_id:
                self._violate(f"{ours.order_id} rests, though its cancel was wished")
            if ours.phase in (Phase.SUBMITTING, Phase.UNKNOWN):
                self._violate(f"{ours.order_id} is still {ours.phase}")
            if ours.tiger_order_id and ours.tiger_order_id not in booked:
                self._violate(f"{ours.order_id} has an id that the book has not")
            if not ours.tiger_order_id and ours.mark in marks:
                self._violate(f"{ours.order_id} is {ours.phase}, and the book has its mark")

    def _compare(self, ours: Order, theirs: Any) -> None:
        if not ours.is_external and ours.mark != theirs.user_mark:
            self._violate(f"{ours.order_id} is taken for {theirs.user_mark}")
        word = WORD_OF.get(ours.phase)
        is_same = theirs.is_open if ours.phase is Phase.WORKING else word == theirs.status
        if not is_same:
            self._violate(f"{ours.order_id} is {ours.phase}, the book says {theirs.status}")
        want = (theirs.quantity, theirs.filled_quantity, theirs.filled_quantity)
        if (ours.spec.quantity, ours.filled_quantity, ours.recorded_quantity) != want:
            self._violate(f"{ours.order_id} differs from the book in its quantities")
        if not ours.is_external and ours.spec.limit_price != theirs.limit_price:
            self._violate(f"{ours.order_id} differs from the book in its price")

    def _fills(self) -> None:
        booked = {
            (str(fill.fill_id), fill.quantity, fill.price, fill.filled_at.replace(microsecond=0))
            for fill in self._broker.engine.book.fills_of(self._line.number)
        }
        by_id: dict[str, tuple[str, Decimal, Decimal, datetime]] = {}
        for event in (fact.data for fact in self._line.facts):
            if isinstance(event, events.OrderFillTakenBack):
                by_id.pop(event.execution_id)
            elif isinstance(event, events.OrderFillRecorded):
                at = event.executed_at.replace(microsecond=0)
                by_id[event.execution_id] = (
                    event.execution_id,
                    event.quantity,
                    event.price.amount,
                    at,
                )
        recorded = set(by_id.values())
        if booked != recorded:
            self._violate(f"fills differ: book {booked - recorded}, ledger {recorded - booked}")

    def _figures(self) -> None:
        account = self._broker.engine.book.accounts[self._line.number]
        booked = {
            position_key(symbol, "US"): position.quantity
            for symbol, position in account.positions.items()
            if position.quantity
        }
        known = {key: held for key, held in self._line.state.positions.items() if held}
        if known != booked:
            self._violate(f"positions differ: book {booked}, ledger {known}")
        balances = self._line.state.balances
        cash = {} if balances is None else {f.currency: f.balance for f in balances.cash}
        gaps = [abs(cash.get(name, Decimal(0)) - held) for name, held in account.cash.items()]
        if any(gap > CASH_STEP for gap in gaps):
            self._violate(f"cash differs: book {account.cash}, ledger {cash}")


def unverified(state: AccountState) -> list[str]:
    """Return the scopes of halts that are not verified though nothing of them is open."""
    return [one for one, _ in state.unverified_halts.items() if not state.open_in(one)]


def is_settled(state: AccountState, now_s: float) -> bool:
    """Say whether evidence has resolved every doubt that time alone resolves soon."""
    far = BEGIN + timedelta(seconds=now_s + FAR_S)
    return (
        not state.is_stale
        and not unverified(state)
        and not _is_break_outdated(state)
        and all(
            (order.phase not in (Phase.SUBMITTING, Phase.UNKNOWN) or order.arrives_by > far)
            and not (order.is_open and order.modify in PENDING_MODIFIES)
            for order in state.orders.values()
        )
    )


def _is_break_outdated(state: AccountState) -> bool:
    # A fill that its figure held already, and that was recorded since, moved it away from what is
    # held, as the next reading shows. It is told anew after some more, and nobody can adopt it as
    # it was.
    return any(
        not broken.observed == (state.positions.get(key) or 0) == (state.observed.get(key) or 0)
        for key, broken in state.breaks.items()
    )
