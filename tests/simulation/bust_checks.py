"""That the fills recorded, without those taken back, are the broker's; and nothing else is undone.

The broker's own book says what was taken back.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from core import events
from infra.sandbox.broker.records import Fill
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.final_checks import WORD_OF
from tests.simulation.line import Line
from tests.simulation.worker_process import TIMING

CASH: Final = "USD"


class BustChecks:
    """Looks after the executions of one account."""

    def __init__(self, broker: BrokerTwin, line: Line, *, violate: Callable[[str], None]) -> None:
        self._broker = broker
        self._line = line
        self._violate = violate
        # How many executions are still to follow in the place of others.
        self.follows_due = 0
        # The symbol of each order, by the broker's id, of which an execution was taken back.
        self._symbols: dict[int, str] = {}
        # Whether a break of cash told of what was not recorded yet.
        self._is_cash_told = False
        # How often in a row the executions of an order were listed otherwise than they were.
        self._lies: Counter[str] = Counter()
        self._lies_most: Counter[str] = Counter()

    def took_back(self, fill: Fill) -> None:
        """Note that the broker takes an execution back."""
        self._symbols[fill.global_id] = fill.symbol

    def listed(self, tiger_order_id: str, *, is_lie: bool) -> None:
        """Note that an order's executions were listed, and whether as they were."""
        self._lies[tiger_order_id] = self._lies[tiger_order_id] + 1 if is_lie else 0
        most = max(self._lies_most[tiger_order_id], self._lies[tiger_order_id])
        self._lies_most[tiger_order_id] = most

    def taken_back(self, event: events.OrderFillTakenBack) -> None:
        """Look at a fill that is taken back in the ledger, at that moment."""
        if event.execution_id not in self._line.executions:
            self._violate(f"execution {event.execution_id} was taken back and never recorded")
        self._line.executions.discard(event.execution_id)
        tiger_order_id = self._line.state.orders[event.order_id].tiger_order_id
        is_deceived = self._lies_most[tiger_order_id] >= TIMING.absence_listings_min
        if event.execution_id in self._booked(int(tiger_order_id)) and not is_deceived:
            self._violate(f"execution {event.execution_id} was taken back, and the book has it")

    def explains(self, thing: str, *, is_hidden: bool) -> bool:
        """Say whether a break of a symbol, or of cash, is of what the ledger has yet to record.

        What was told of cash is compared with from then on, so it is told of once more when what
        it was is recorded. `is_hidden`: that may stand in a row that cannot be read.
        """
        is_owed = is_hidden or any(
            thing in (symbol, CASH) and not self._is_recorded(global_id)
            for global_id, symbol in self._symbols.items()
        )
        if thing != CASH:
            return is_owed
        was_told, self._is_cash_told = self._is_cash_told, is_owed
        return is_owed or was_told

    @property
    def is_settled(self) -> bool:
        """Whether all that was taken back is so in the ledger, and what became of its orders."""
        are_recorded = all(
            self._is_recorded(each) and self._is_end_told(each) for each in self._symbols
        )
        return are_recorded and not self.follows_due

    def nothing_is_left(self, *, moved: set[str]) -> None:
        """Look for breaks that outlived what they told of; `moved` are symbols that differ."""
        for broken in self._line.state.breaks.values():
            if broken.symbol in self._symbols.values() and broken.symbol not in moved:
                self._violate(f"a break of {broken.symbol} outlived what was taken back")

    def _is_recorded(self, global_id: int) -> bool:
        state = self._line.state
        order = state.orders.get(state.by_tiger_id.get(str(global_id)) or "")
        if order is None:
            return not self._booked(global_id)
        recorded = {one for one, owner in state.executions.items() if owner == order.order_id}
        return recorded == self._booked(global_id)

    def _is_end_told(self, global_id: int) -> bool:
        state = self._line.state
        order = state.orders.get(state.by_tiger_id.get(str(global_id)) or "")
        status = self._broker.engine.book.orders[global_id].status
        return order is not None and WORD_OF.get(order.phase, status) == status

    def _booked(self, global_id: int) -> set[str]:
        fills = self._broker.engine.book.fills
        return {str(fill.fill_id) for fill in fills if fill.global_id == global_id}
