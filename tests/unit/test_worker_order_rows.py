"""Orders' rows are read once for as long as they say the same, and anew as soon as they do not."""

import pytest

from adapters.tiger_worker import rows
from adapters.tiger_worker.order_rows import OrderRows
from core.errors import CorruptRecordError
from tests.support.scripted_broker import order_row


def test_same_row_is_read_once_and_a_changed_one_anew() -> None:
    order_rows = OrderRows()
    first = order_rows.order_of(order_row(filledQuantity=0))
    assert order_rows.order_of(order_row(filledQuantity=0)) is first
    filled = order_rows.order_of(order_row(filledQuantity=1))
    assert filled == rows.order_of(order_row(filledQuantity=1), ())
    assert filled.filled_quantity != first.filled_quantity


def test_row_that_cannot_be_read_says_so_each_time_and_is_left_out() -> None:
    order_rows = OrderRows()
    odd, good = order_row(id="7", symbol=""), order_row(id="8")
    for _ in range(2):
        with pytest.raises(CorruptRecordError, match="symbol"):
            order_rows.order_of(odd)
    assert list(order_rows.readable([odd, good])) == ["8"]
    # What it became can be read.
    assert order_rows.order_of(order_row(id="7")).tiger_order_id == "7"


def test_rows_of_orders_that_are_listed_no_more_are_forgotten() -> None:
    order_rows = OrderRows()
    kept, left = (order_rows.order_of(order_row(id=id_)) for id_ in ("7", "8"))
    order_rows.keep_only({"7"})
    assert order_rows.order_of(order_row(id="7")) is kept
    assert order_rows.order_of(order_row(id="8")) is not left
