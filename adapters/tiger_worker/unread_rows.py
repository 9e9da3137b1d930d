"""Orders on the books whose rows say nothing of their state, listing after listing.

One such row may be half written. An order of which nothing else is listed would stay as it was for
ever: no listing shows its end, none lacks it, and nobody could release it.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

from adapters.tiger_worker import words
from adapters.tiger_worker.order_rows import OrderRows
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.errors import CorruptRecordError
from core.items import Item
from core.orders import Order, Phase
from core.readings import OrderUnread, SeenPhase

UNREAD_AFTER_S: Final = 30.0
_SURE: Final = frozenset({Phase.ACCEPTED, Phase.WORKING})


class UnreadRows:
    """Counts for one account; `tell` is given what became evidence, each time it is shown again."""

    def __init__(
        self,
        *,
        order_rows: OrderRows,
        state: Callable[[], AccountState],
        tell: Callable[[Item], None],
    ) -> None:
        self._order_rows = order_rows
        self._state_now = state
        self._tell = tell
        # Listings in a row that show an order so, and when the first did.
        self._counts: dict[str, tuple[int, float]] = {}

    def count(self, found: Mapping[str, Row]) -> None:
        """Take in every row of a complete round by the broker's id."""
        state, now_s = self._state_now(), time.monotonic()
        is_read: dict[str, bool] = {}
        for key, row in found.items():
            order = _order_of(state, key, row)
            if order is not None and order.phase in _SURE:
                is_read[order.order_id] = is_read.get(order.order_id, False) or self._says(row)
        # A listing that does not reach back to an order says nothing of it, either way.
        self._counts = {
            order_id: count
            for order_id, count in self._counts.items()
            if order_id in state.open_orders and not is_read.get(order_id, False)
        }
        for order_id in (one for one, is_told in is_read.items() if not is_told):
            listings, since_s = self._counts.get(order_id, (0, now_s))
            self._counts[order_id] = (listings + 1, since_s)
            if now_s - since_s >= UNREAD_AFTER_S:
                self._tell(OrderUnread(order_id=order_id, listings=listings + 1))

    def _says(self, row: Row) -> bool:
        try:
            return self._order_rows.order_of(row).phase is not SeenPhase.UNREADABLE
        except CorruptRecordError:
            # Told of where the rows are read.
            return False


def _order_of(state: AccountState, key: str, row: Row) -> Order | None:
    """Return the order that a row names: by the broker's id, or by its mark if it has no id."""
    order = state.orders.get(state.by_tiger_id.get(key) or "")
    if order is not None or key.isdecimal():
        return order
    marked = state.orders.get(state.by_mark.get(words.text(row, "userMark")) or "")
    # What the broker makes of an order may bear the mark of that.
    return None if marked is None or marked.spec.has_children else marked
