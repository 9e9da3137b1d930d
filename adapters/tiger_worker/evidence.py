"""What listings show, or do not show, again and again: counted until it is evidence.

One listing proves little: it may be old, or its row half written. Only complete listings count, and
for an absence or a change only those begun when every request could have arrived.
"""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final

from adapters.tiger_worker.broker import Listing
from adapters.tiger_worker.order_rows import OrderRows
from adapters.tiger_worker.row_names import RowNames
from adapters.tiger_worker.unread_rows import UnreadRows
from adapters.tiger_worker.windows import reaches
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.context import Timing
from core.items import Item
from core.orders import PENDING_MODIFIES, Phase
from core.readings import AbsenceConfirmed, ModifyNotShown
from core.terms_seen import shows_change

# Open, as far as the ledger knows, and not in the middle of being sent.
_LISTED_IF_REAL: Final = frozenset({Phase.UNKNOWN, Phase.ACCEPTED, Phase.WORKING})


class Evidence:
    """Counts for one account; `tell` is given what became evidence, each time it is shown again."""

    def __init__(
        self,
        *,
        timing: Timing,
        order_rows: OrderRows,
        state: Callable[[], AccountState],
        tell: Callable[[Item], None],
    ) -> None:
        self._timing = timing
        self._order_rows = order_rows
        self._state_now = state
        self._tell = tell
        self.absences: dict[str, tuple[int, datetime]] = {}
        self._unshown: dict[str, tuple[int, datetime]] = {}
        self._unread = UnreadRows(order_rows=order_rows, state=state, tell=tell)

    def count(
        self,
        listing: Listing,
        found: Mapping[str, Row],
        *,
        since: datetime,
        hidden: AbstractSet[str],
    ) -> None:
        """Take in a complete listing, and every row of its round by the broker's id.

        `since` is when the listing begins: it says nothing of an order that is older. `hidden` are
        the symbols of which an order may stand in a row that cannot be read, "" for any: none of
        theirs is absent.
        """
        self._count_absences(listing, found.values(), since, hidden)
        self._count_unshown(listing)
        self._unread.count(found)
        known = self._state.by_tiger_id
        self._order_rows.note_listed(key for key in found if key not in known)

    @property
    def _state(self) -> AccountState:
        return self._state_now()

    def begin_of(self, told_at: datetime | None) -> datetime | None:
        """Return a moment before a listing began; its clock was last told at `told_at` by then."""
        # The broker's clock was read before the listing began, so the listing is no older.
        return None if told_at is None else told_at - timedelta(seconds=self._timing.skew_s)

    def _count_absences(
        self, listing: Listing, found: Iterable[Row], since: datetime, hidden: AbstractSet[str]
    ) -> None:
        state = self._state
        expected = {
            order_id: state.orders[order_id]
            for order_id in state.open_orders
            if state.orders[order_id].phase in _LISTED_IF_REAL
        }
        self.absences = {o: count for o, count in self.absences.items() if o in expected}
        begun_at = self.begin_of(listing.begun_at)
        if begun_at is None:
            return
        names = RowNames(found)
        for order_id, order in expected.items():
            is_listed = names.may_show(order)
            if not is_listed and not reaches(since, order):
                continue
            is_hidden = not hidden.isdisjoint({order.spec.symbol, ""})
            if is_listed or is_hidden or begun_at <= order.arrives_by:
                self.absences.pop(order_id, None)
                continue
            count, first_at = self.absences.get(order_id, (0, begun_at))
            self.absences[order_id] = (count + 1, first_at)
            if count + 1 >= self._timing.absence_listings_min:
                self._tell(
                    AbsenceConfirmed(
                        order_id=order_id, listings=count + 1, first_listing_at=first_at
                    )
                )

    def _count_unshown(self, listing: Listing) -> None:
        """Count the listings that show an order, but not the change that was asked of it."""
        state = self._state
        changing = {
            order.tiger_order_id: order
            for order in (state.orders[order_id] for order_id in state.open_orders)
            if order.modify in PENDING_MODIFIES and order.modify_arrives_by is not None
        }
        asked = {order.order_id for order in changing.values()}
        self._unshown = {o: count for o, count in self._unshown.items() if o in asked}
        begun_at = self.begin_of(listing.begun_at)
        if begun_at is None:
            return
        for tiger_order_id, seen in self._order_rows.readable(listing.rows).items():
            order = changing.get(tiger_order_id)
            if order is None or order.modify_arrives_by is None:
                continue
            is_late = begun_at > order.modify_arrives_by and not seen.is_changing
            if not is_late or shows_change(order, seen):
                self._unshown.pop(order.order_id, None)
                continue
            count, first_at = self._unshown.get(order.order_id, (0, begun_at))
            self._unshown[order.order_id] = (count + 1, first_at)
            if count + 1 >= self._timing.absence_listings_min:
                self._tell(
                    ModifyNotShown(
                        order_id=order.order_id, listings=count + 1, first_listing_at=first_at
                    )
                )
