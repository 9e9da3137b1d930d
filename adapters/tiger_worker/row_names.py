"""What rows of a listing call their orders: by what an order is found in them, and by what not.

What the broker makes of an order, a bracket's leg or the other one of two that cancel each other,
may bear that order's mark and outlives it. So a mark alone does not say whose a row is.
"""

from collections.abc import Iterable

from adapters.tiger_worker import rows, words
from adapters.tiger_worker.words import Row
from core.orders import Order


class RowNames:
    """The names in some rows: every row's id at the broker, and of no leg's row mark and number."""

    def __init__(self, found: Iterable[Row]) -> None:
        """Take in rows of one listing or more, in any order, also such as cannot be read."""
        all_rows = tuple(found)
        self._ids = frozenset(rows.key_of(row) for row in all_rows)
        self._pairs = frozenset(_pair(row) for row in all_rows if not _has_parent(row))
        self._marks = frozenset(mark for mark, _ in self._pairs if mark)
        self._numbers = frozenset(number for _, number in self._pairs if number)

    def show(self, order: Order) -> bool:
        """Say whether a row is surely the order's: by the broker's id, or by mark and number."""
        if order.tiger_order_id:
            return order.tiger_order_id in self._ids
        return bool(order.mark) and (order.mark, order.order_number) in self._pairs

    def may_show(self, order: Order) -> bool:
        """Say whether a row may be the order's: its mark or number is enough, without a parent.

        Of an order that the broker makes others of, unless the row has another number or mark too.
        """
        if self.show(order):
            return True
        if not order.mark:
            return False
        if order.spec.has_children:
            mark, number = order.mark, order.order_number
            return not self._pairs.isdisjoint({(mark, number), (mark, ""), ("", number)})
        return order.mark in self._marks or order.order_number in self._numbers


def _pair(row: Row) -> tuple[str, str]:
    # An order of the phone app has the number 0.
    number = words.text(row, "orderId")
    return words.text(row, "userMark"), number if number.strip("0") else ""


def _has_parent(row: Row) -> bool:
    # Tiger writes 0 where there is none.
    return bool(words.text(row, "parentId").strip("0"))
