"""What the control API can switch while the sandbox runs; a restart has the defaults again."""

from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.bounds import SKEW_S_MAX, is_plain
from infra.sandbox.logins.switches import LoginSwitches

# What a second order with the same (account, order number) meets. Tiger documents the 1100 text
# for one kind of account only; what the others do is unknown, so all three can be tried.
DuplicateOrders = Literal["refuse_1100", "refuse_by_kind", "accept"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The switches with their defaults."""

    duplicate_orders: DuplicateOrders = "refuse_1100"
    price_drift: bool = True  # prices move by themselves, once a second
    always_open: bool = True  # every market is in its regular session at all hours
    fill_quantity_max: Decimal | None = None  # per order and round; none: what the book holds
    defer_cancels: bool = False  # a cancel takes effect at the next advance
    defer_modifies: bool = False  # so does a modify
    defer_transfers: bool = False  # cash between segments stays on its way
    clock_skew_ms: int = 0  # how far the broker's clock is ahead; negative: behind
    refuse_connections: bool = False  # the Tiger port is closed, as in an outage
    logins: LoginSwitches = LoginSwitches()

    def __post_init__(self) -> None:
        limit = self.fill_quantity_max
        if limit is not None and not (is_plain(limit) and limit > 0):
            raise ValueError(f"expected fill_quantity_max above 0, was {limit}")
        if abs(self.clock_skew_ms) > SKEW_S_MAX * 1000:
            raise ValueError(f"expected at most {SKEW_S_MAX} s, was {self.clock_skew_ms} ms")
