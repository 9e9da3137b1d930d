"""What the projector keeps between two events of an account, and what one event changes in it.

Each entry is stored beside the row that a question is answered with, so that a restart goes on
where the last transaction ended, without reading the ledger again.
"""

from datetime import datetime
from typing import NamedTuple

import msgspec

from core import events
from core.orders import Order
from core.views import CashBreakRow, ExecutionRow, OrderRow, PositionBreakRow, TokenRow


class OrderEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order: `n` of the event that brought it, and why phase, cancel and change are so."""

    order: Order
    n: int
    updated_at: datetime
    cause: str = ""
    cancel_cause: str = ""
    modify_cause: str = ""

    def row(self) -> OrderRow:
        """Return the order as questions show it."""
        order = self.order
        spec = order.spec
        return OrderRow(
            order_id=order.order_id,
            tiger_order_id=order.tiger_order_id,
            symbol=spec.symbol,
            market=spec.market,
            currency=spec.currency,
            side=spec.side,
            order_type=spec.order_type,
            quantity=spec.quantity,
            limit_price=spec.limit_price,
            time_in_force=spec.time_in_force,
            phase=order.phase,
            cancel=order.cancel,
            filled_quantity=order.filled_quantity,
            average_price=order.average_price,
            reason=order.reason,
            modify=order.modify,
            spec=spec,
            wanted=order.wanted,
            charges=order.charges,
            preview_id=order.preview_id,
            parent_order_id=order.parent_order_id,
            detail="; ".join(
                text for text in (self.cause, self.cancel_cause, self.modify_cause) if text
            ),
            is_external=order.is_external,
            started_at=order.started_at,
            updated_at=self.updated_at,
        )


class FrozenSymbol(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol whose openings are frozen, and the last finding that did it."""

    symbol: str
    why: str


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One account without its orders; its symbols and scopes are sorted."""

    alias: str
    added: events.AccountAdded | None = None
    is_removed: bool = False
    # With the mode that holds now.
    opened: events.AccountOpened | None = None
    run_id: str = ""
    is_stale: bool = True
    stale_cause: str = ""
    frozen_cause: str = ""
    frozen_detail: str = ""
    frozen_symbols: tuple[FrozenSymbol, ...] = ()
    is_halted: bool = False
    halt_detail: str = ""
    halted_symbols: tuple[str, ...] = ()
    breaks: tuple[PositionBreakRow, ...] = ()
    cash_break: CashBreakRow | None = None
    token: TokenRow | None = None
    unverified_halts: tuple[str, ...] = ()
    reconciled_at: datetime | None = None


class Change(NamedTuple):
    """What one event changes in the views; at most one field but for `order` and `execution`."""

    account: AccountEntry | None = None
    order: OrderEntry | None = None
    execution: ExecutionRow | None = None
    positions: events.AccountPositionsObserved | None = None
    balances: events.AccountBalancesObserved | None = None
