"""The facts the sandbox keeps: orders, fills, and the records its book is replayed from.

A record says what became true, never what was asked, so a replay needs neither prices nor rules.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

AccountKind = Literal["prime", "paper"]
Side = Literal["BUY", "SELL"]
# Tiger's own words. "Inactive" is an order past its time, "Invalid" one that was rejected late.
Status = Literal["Initial", "PendingSubmit", "Filled", "Cancelled", "Inactive", "Invalid"]
CancelStatus = Literal["NONE", "RECEIVED", "FAILED"]
ReplaceStatus = Literal["NONE", "RECEIVED", "REPLACED", "FAILED"]

OPEN_STATUSES: frozenset[Status] = frozenset({"Initial", "PendingSubmit"})


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An order as somebody asks for it, before any check."""

    tiger_id: str
    account: str
    symbol: str
    side: Side
    order_type: str
    quantity: Decimal
    quantity_scale: int = 0
    limit_price: Decimal | None = None
    time_in_force: str = "DAY"
    outside_rth: bool = True
    user_mark: str = ""
    order_number: int | None = None  # none: the broker takes the next one
    source: str = "OpenApi"
    external_id: str | None = None  # none: the order number, as Tiger does for API orders


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order in the book; every change makes a new version."""

    global_id: int  # Tiger's `id`
    order_number: int  # Tiger's `orderId`; 0 for an order of the phone app
    external_id: str
    tiger_id: str
    account: str
    symbol: str
    side: Side
    order_type: str
    quantity: Decimal
    quantity_scale: int
    limit_price: Decimal | None
    time_in_force: str
    outside_rth: bool
    user_mark: str
    source: str
    status: Status
    opened_at: datetime
    updated_at: datetime
    status_changed_at: datetime
    remark: str = ""
    filled_quantity: Decimal = Decimal(0)
    filled_amount: Decimal = Decimal(0)
    commission: Decimal = Decimal(0)
    realized_pnl: Decimal = Decimal(0)
    cancel_status: CancelStatus = "NONE"
    replace_status: ReplaceStatus = "NONE"

    @property
    def is_open(self) -> bool:
        """Say whether the order can still fill."""
        return self.status in OPEN_STATUSES

    @property
    def remaining_quantity(self) -> Decimal:
        """What is not filled, whether or not it still can be."""
        return self.quantity - self.filled_quantity


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One execution."""

    fill_id: int
    global_id: int  # of its order
    account: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    currency: str  # of price and fee
    filled_at: datetime

    @property
    def amount(self) -> Decimal:
        """Price times quantity, before fees."""
        return self.price * self.quantity


class AccountOpened(msgspec.Struct, frozen=True, kw_only=True, tag="account.opened"):
    """An account exists and holds cash."""

    tiger_id: str
    account: str
    kind: AccountKind
    cash: Mapping[str, Decimal]  # by currency


class NumberReserved(msgspec.Struct, frozen=True, kw_only=True, tag="number.reserved"):
    """An order number was handed out and will not be again."""

    tiger_id: str
    order_number: int


class OrderWritten(msgspec.Struct, frozen=True, kw_only=True, tag="order.written"):
    """An order is new, or has changed without a fill."""

    order: Order


class OrderTraded(msgspec.Struct, frozen=True, kw_only=True, tag="order.traded"):
    """An order filled: its new version and the execution are one fact."""

    order: Order
    fill: Fill


class PricesSet(msgspec.Struct, frozen=True, kw_only=True, tag="prices.set"):
    """Prices to start from after a restart."""

    prices: Mapping[str, Decimal]  # by symbol
    step_count: int


Record = AccountOpened | NumberReserved | OrderWritten | OrderTraded | PricesSet
