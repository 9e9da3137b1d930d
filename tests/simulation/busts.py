"""Executions that the broker takes back, and what may follow in their place.

What is taken back is in no list any more, and what it moved is moved back. An order that was done
is listed as cancelled then, with what is left of its fills; one that is open may fill again.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from msgspec.structs import replace

from infra.sandbox.broker.book import Book
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import (
    CashEntry,
    CashPaid,
    Fill,
    Order,
    OrderTraded,
    OrderWritten,
    PositionMoved,
)

# By how much the price of what follows differs.
PRICE_STEP: Final = Decimal("0.25")


class FillGone(NamedTuple):
    """That an execution is in no list any more; kept among the broker's own records."""

    fill_id: int

    def apply(self, book: Book) -> None:
        """Make it true."""
        book.fills[:] = [fill for fill in book.fills if fill.fill_id != self.fill_id]


def take_back(engine: Engine, fill: Fill, now: datetime) -> None:
    """Undo what an execution made of its order, the position and the cash."""
    order = engine.book.orders[fill.global_id]
    left = replace(
        order,
        status=order.status if order.is_open else "Cancelled",
        filled_quantity=order.filled_quantity - fill.quantity,
        filled_amount=order.filled_amount - fill.quantity * fill.price,
        commission=order.commission - fill.fee,
        updated_at=now,
    )
    engine.keep(OrderWritten(order=left))
    sign = 1 if fill.side == "BUY" else -1
    moved = PositionMoved(
        account=fill.account,
        key=fill.contract_key,
        quantity=-sign * fill.quantity,
        price=fill.price,
        moved_at=now,
    )
    engine.keep(moved)
    entry = CashEntry(
        entry_id=engine.book.funds.next_entry_id(),
        account=fill.account,
        segment="SEC",
        currency=fill.currency,
        amount=sign * fill.amount + fill.fee,
        kind="TRADE",
        label="Trade Cancel",
        booked_at=now,
    )
    engine.keep(CashPaid(entry=entry))


def follow(engine: Engine, gone: Fill, now: datetime) -> Order | None:
    """Have another execution, at another price, take the place of one that is gone.

    Returns the order as it is then, or None if it may fill by itself.
    """
    order = engine.book.orders[gone.global_id]
    if order.is_open:
        return None
    fill = replace(
        gone, fill_id=engine.book.next_id(), price=gone.price + PRICE_STEP, filled_at=now
    )
    quantity = order.filled_quantity + fill.quantity
    full = replace(
        order,
        status="Filled" if quantity == order.quantity else order.status,
        filled_quantity=quantity,
        filled_amount=order.filled_amount + fill.quantity * fill.price,
        commission=order.commission + fill.fee,
        updated_at=now,
    )
    engine.keep(OrderTraded(order=full, fill=fill))
    return full
