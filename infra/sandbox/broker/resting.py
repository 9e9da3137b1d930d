"""Open orders by what can wake them, so that a round of the market looks at few of many.

A plain limit order sleeps until the market reaches its limit; whatever lapses sleeps until then;
all else is looked at in every round. A part of `Book`: fed with each version of an order.
"""

import heapq
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from infra.sandbox.broker.records import Order, Side

Place = tuple[str, Side]  # key of the contract, and the side of the order
# Above every id.
ID_END = 1 << 63


class Resting:
    """Which open orders a round has to look at."""

    def __init__(self) -> None:
        self._limits: dict[Place, list[tuple[Decimal, int]]] = defaultdict(list)
        self._watched: dict[int, None] = {}
        self._lapses: list[tuple[datetime, int]] = []
        self._overdue: dict[int, None] = {}
        self._woken: list[int] = []

    def put(self, before: Order | None, order: Order) -> None:
        """Take the next version of an order."""
        if before is not None:
            self._forget(before)
            if before.status == "Initial" and order.is_live:
                self._woken.append(order.global_id)
        if not order.is_open:
            self._overdue.pop(order.global_id, None)
            return
        if before is None or before.lapses_at != order.lapses_at:
            self._overdue.pop(order.global_id, None)
            if order.lapses_at is not None:
                heapq.heappush(self._lapses, (order.lapses_at, order.global_id))
        place = _place_of(order)
        if place is not None and order.limit_price is not None:
            insort(self._limits[place], (order.limit_price, order.global_id))
        elif order.is_live or order.cancel_status == "RECEIVED" or order.change is not None:
            self._watched[order.global_id] = None

    def contracts(self) -> set[str]:
        """Return the contracts that plain limit orders are for."""
        return {key for (key, _), limits in self._limits.items() if limits}

    def reached(self, key: str, *, lowest: Decimal, highest: Decimal) -> Iterator[int]:
        """Return the plain limit orders that would buy at `lowest` or sell at `highest`."""
        buys, sells = self._limits[key, "BUY"], self._limits[key, "SELL"]
        yield from (global_id for _, global_id in buys[bisect_left(buys, (lowest, 0)) :])
        yield from (global_id for _, global_id in sells[: bisect_right(sells, (highest, ID_END))])

    def watched(self) -> tuple[int, ...]:
        """Return the orders that every round looks at."""
        return tuple(self._watched)

    def lapsed(self, now: datetime) -> list[int]:
        """Return orders whose time has ended since this was last asked; some may be over."""
        found = []
        while self._lapses and self._lapses[0][0] <= now:
            found.append(heapq.heappop(self._lapses)[1])
        return found

    def keep(self, global_id: int) -> None:
        """Note that an order is open though its time is over."""
        self._overdue[global_id] = None

    def overdue(self) -> tuple[int, ...]:
        """Return the orders that are open though their time is over."""
        return tuple(self._overdue)

    def woken(self) -> list[int]:
        """Return the legs that came to life since this was last asked."""
        found, self._woken = self._woken, []
        return found

    def _forget(self, order: Order) -> None:
        self._watched.pop(order.global_id, None)
        place = _place_of(order)
        if place is not None and order.limit_price is not None:
            limits = self._limits[place]
            at = bisect_left(limits, (order.limit_price, order.global_id))
            del limits[at]


def _place_of(order: Order) -> Place | None:
    # Only what nothing but the market's price can change: an exit ends with what it was to close.
    is_plain = (
        order.is_live
        and not order.only_closes
        and order.order_type == "LMT"
        and not order.legs
        and order.cash_amount is None
        and order.cancel_status != "RECEIVED"
        and order.change is None
    )
    return (order.contract_key, order.side) if is_plain else None
