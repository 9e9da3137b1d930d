"""What the control API can switch while the sandbox runs; a restart has the defaults again."""

from decimal import Decimal
from typing import Literal

import msgspec

# What a second order with the same (account, order number) meets. Tiger documents the 1100 text
# for one kind of account only; what the others do is unknown, so all three can be tried.
DuplicateOrders = Literal["refuse_1100", "refuse_by_kind", "accept"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The switches with their defaults."""

    duplicate_orders: DuplicateOrders = "refuse_1100"
    price_drift: bool = True  # prices move by themselves, once a second
    fill_quantity_max: Decimal | None = None  # per fill; none: everything at once
    defer_cancels: bool = False  # a cancel takes effect at the next advance
    refuse_connections: bool = False  # the Tiger port is closed, as in an outage

    def __post_init__(self) -> None:
        limit = self.fill_quantity_max
        if limit is not None and not (limit.is_finite() and limit > 0):
            raise ValueError(f"expected fill_quantity_max above 0, was {limit}")
