"""The orders that a round found, told to the desk: each with its executions, and each that is news.

Most rows of most rounds say what they said before. What cannot be read is told as that, row by row.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from msgspec.structs import replace

from adapters.tiger_worker import rows, words
from adapters.tiger_worker.executions import Executions
from adapters.tiger_worker.open_looks import OpenLooks
from adapters.tiger_worker.order_rows import OrderRows
from adapters.tiger_worker.taken_back import TakenBack
from adapters.tiger_worker.turns import Turns
from adapters.tiger_worker.words import Row
from core.account_state import AccountState
from core.errors import CorruptRecordError
from core.identity import decide_parent
from core.items import Item
from core.lost_fills import is_short
from core.orders import Phase
from core.readings import OrderSeen, RowKind, RowUnreadable
from core.sightings import decide_unreadable, is_over

# Whatever a listing shows of these is news.
_DOUBTED: Final = frozenset(
    {Phase.SUBMITTING, Phase.UNKNOWN, Phase.NOT_FOUND, Phase.RELEASED, Phase.NOT_SENT}
)


class Told(NamedTuple):
    """What was told of the orders of a round.

    `has_news`: of fills, also of such whose execution is not listed yet. `hidden` are the symbols
    of which an order may stand in a row that cannot be read, "" among them for any; where a person
    has looked at such a row and resumed, it hides nothing any more.
    """

    has_news: bool
    hidden: frozenset[str]


class OrderSights:
    """Knows each order's row of one account as it was last told; `tell` is given each sighting."""

    def __init__(
        self,
        *,
        order_rows: OrderRows,
        executions: Executions,
        taken_back: TakenBack,
        looks: OpenLooks,
        turns: Turns,
        state: Callable[[], AccountState],
        tell: Callable[[Item], None],
    ) -> None:
        self._order_rows = order_rows
        self._executions = executions
        self._taken_back = taken_back
        self._looks = looks
        self._turns = turns
        self._state_now = state
        self._tell = tell
        self._told: dict[str, Row] = {}

    def tell(self, found: Mapping[str, Row]) -> Told:
        """Tell every order, and every row that cannot be read."""
        self._turns.begin(found.keys())
        has_news = False
        hidden: set[str] = set()
        for row in sorted(found.values(), key=_age):
            try:
                seen, has_fills = self._seen(row)
            except CorruptRecordError as error:
                hidden |= self._unread(row, error)
                continue
            has_news = has_news or has_fills
            if seen is not None:
                self._tell(seen)
            self._cancel_seen(row, self._order_rows.order_of(row))
        return Told(has_news, frozenset(hidden))

    def keep_only(self, tiger_order_ids: Collection[str]) -> None:
        """Forget every order but the given ones."""
        self._told = {id_: row for id_, row in self._told.items() if id_ in tiger_order_ids}
        self._looks.keep_only(tiger_order_ids)

    def _seen(self, row: Row) -> tuple[OrderSeen | None, bool]:
        """Return the sighting, or None if nothing is new; and whether that is news of fills.

        It comes with its executions where some are missing.

        Raises:
            CorruptRecordError: the row is no order that can be read.
        """
        is_news = False
        seen = self._order_rows.order_of(row)
        state = self._state_now()
        order_id = state.by_tiger_id.get(seen.tiger_order_id)
        order = state.orders.get(order_id) if order_id is not None else None
        recorded = order.recorded_quantity if order is not None else 0
        if seen.filled_quantity > recorded:
            self._taken_back.forget(seen.tiger_order_id)
            executions, is_news = self._executions.of(seen, row)
            # Also where they were told before: this sighting may take the place of that one.
            seen = replace(seen, executions=executions)
        elif order is not None:
            self._executions.forget(seen.tiger_order_id)
            look = self._taken_back.look(seen, row, order)
            if look is not None:
                # What it says of its end is told again once the record agrees.
                self._told.pop(seen.tiger_order_id, None)
                return replace(seen, executions=look.executions), look.is_news
        if order is not None and is_short(order, seen.filled_quantity):
            # What it says counts once that is evidence, and is told then though it is the same.
            self._told.pop(seen.tiger_order_id, None)
            return seen, is_news
        is_settled = (
            order is not None
            and order.phase not in _DOUBTED
            and not is_news
            # What it was made of may be on the books only now.
            and decide_parent(state, order, seen) is None
        )
        if is_settled and self._told.get(seen.tiger_order_id) == row:
            return None, False
        self._told[seen.tiger_order_id] = row
        return seen, is_news

    # Returns the symbols of which it may hide an order.
    def _unread(self, row: Row, error: CorruptRecordError) -> frozenset[str]:
        odd = rows.unreadable(RowKind.ORDER, row, error)
        self._tell(odd)
        self._cancel_unbooked(row, odd.tiger_order_id, odd.symbol)
        may_hide = _may_hide_an_order(self._state_now(), odd)
        return frozenset({odd.symbol}) if may_hide else frozenset()

    def _cancel_seen(self, row: Row, seen: OrderSeen) -> None:
        # What came of the sighting may be a doubt whose it is and no entry on the books; or it may
        # have opened no order there, because its status is a word that nobody knows.
        state = self._state_now()
        order = state.orders.get(state.by_tiger_id.get(seen.tiger_order_id) or "")
        if order is None or not is_over(order, seen):
            self._cancel_unbooked(row, seen.tiger_order_id, seen.symbol)

    def _cancel_unbooked(self, row: Row, tiger_order_id: str, symbol: str) -> None:
        found = self._looks.unbooked(
            row, tiger_order_id=tiger_order_id, symbol=symbol, state=self._state_now()
        )
        if found is not None:
            self._tell(found)


def _may_hide_an_order(state: AccountState, odd: RowUnreadable) -> bool:
    """Say whether an order that the ledger knows may stand in a row that cannot be read.

    Not where the row names an order, nor where a person has resumed what it froze.
    """
    if odd.tiger_order_id in state.by_tiger_id:
        return False
    return decide_unreadable(state, odd) is not None or odd.symbol in state.hidden_symbols


def _age(row: Row) -> tuple[int, str, str]:
    """Sort rows by opening, and an order before those that the broker made of it."""
    tiger_order_id = words.text(row, "id")
    return len(words.text(row, "openTime")), words.text(row, "openTime"), tiger_order_id.zfill(20)
