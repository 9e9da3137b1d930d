"""What the projector keeps between two events of an account, and what one event changes in it.

Each entry is stored beside the row that a question is answered with, so that a restart goes on
where the last transaction ended, without reading the ledger again.
"""

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from core import account_events, events
from core.codec import Recorded
from core.orders import Order
from core.terms import SecurityType
from core.views import CashBreakRow, ExecutionRow, OrderRow, PositionBreakRow, TokenRow

# A mean of prices has no end; more of it, or of a value, tells nobody more.
_STEP: Final = Decimal("0.000001")
# Wide enough for any figure that a worker lets in, so that no stored fill stops the views.
_EXACT: Final = Context(prec=80, rounding=ROUND_HALF_EVEN)
# What one unit of these stands for must be known to value it.
_BY_MULTIPLIER: Final = frozenset({SecurityType.OPTION, SecurityType.FUTURE})


FillEvent = events.OrderFillRecorded | events.OrderFillTakenBack


class OrderEntry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order: `n` of the event that brought it, and why phase, cancel and change are so.

    `priced_quantity` of its fills are of its own contract, at prices in its own currency, and
    `priced_sum` is their quantities times these prices.
    """

    order: Order
    n: int
    updated_at: datetime
    cause: str = ""
    cancel_cause: str = ""
    modify_cause: str = ""
    priced_quantity: Decimal = Decimal(0)
    priced_sum: Decimal = Decimal(0)

    def with_fill(self, fill: FillEvent) -> "OrderEntry":
        """Return the entry with the price of one more fill, where that is a price of the order.

        Of one that was taken back: without it.
        """
        is_own = not fill.contract and fill.price.currency == self.order.spec.currency
        if not is_own:
            return self
        is_taken_back = isinstance(fill, events.OrderFillTakenBack)
        quantity = -fill.quantity if is_taken_back else fill.quantity
        return replace(
            self,
            priced_quantity=self.priced_quantity + quantity,
            priced_sum=_EXACT.fma(quantity, fill.price.amount, self.priced_sum),
        )

    def with_moved(self, stranger: "OrderEntry") -> "OrderEntry":
        """Return the entry with the prices of the fills that went on a stranger's which it is."""
        return replace(
            self,
            priced_quantity=self.priced_quantity + stranger.priced_quantity,
            priced_sum=_EXACT.add(self.priced_sum, stranger.priced_sum),
        )

    def without_prices(self) -> "OrderEntry":
        """Return the entry of a stranger whose fills are our order's."""
        return replace(self, priced_quantity=Decimal(0), priced_sum=Decimal(0))

    @property
    def _is_priced(self) -> bool:
        """Whether the prices of all that the broker counts as filled are known, and of no more."""
        order = self.order
        filled = order.filled_quantity
        return filled > 0 and self.priced_quantity == order.recorded_quantity == filled

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
            average_price=self._average_price(),
            filled_value=self._filled_value(),
            reason=order.reason,
            modify=order.modify,
            spec=spec,
            wanted=order.wanted,
            charges=order.charges,
            preview_id=order.preview_id,
            parent_order_id=order.parent_order_id,
            owner_order_id=order.owner_order_id,
            detail="; ".join(
                text for text in (self.cause, self.cancel_cause, self.modify_cause) if text
            ),
            is_external=order.is_external,
            started_at=order.started_at,
            updated_at=self.updated_at,
        )

    def _average_price(self) -> Decimal | None:
        if self.order.average_price is not None or not self._is_priced:
            return self.order.average_price
        mean = _EXACT.divide(self.priced_sum, self.priced_quantity)
        return _plain(mean)

    def _filled_value(self) -> Decimal | None:
        spec = self.order.spec
        is_unit_known = spec.multiplier is not None or spec.security not in _BY_MULTIPLIER
        if not (self._is_priced and is_unit_known):
            return None
        return _plain(_EXACT.multiply(self.priced_sum, spec.unit))


# Rounded half to even, without zeros at its end, and never with an exponent: that is no decimal
# text.
def _plain(value: Decimal) -> Decimal:
    rounded = value.quantize(_STEP, context=_EXACT)
    return Decimal(f"{rounded.normalize(_EXACT):f}")


def execution_of(event: FillEvent, order: Order, recorded: Recorded) -> ExecutionRow:
    """Return a fill as questions show it: one that was taken back is shown as that."""
    is_taken_back = isinstance(event, events.OrderFillTakenBack)
    return ExecutionRow(
        execution_id=event.execution_id,
        order_id=event.order_id,
        symbol=event.symbol,
        side=event.side,
        quantity=event.quantity,
        price=event.price,
        executed_at=event.executed_at,
        contract=event.contract or order.spec.contract,
        market=order.spec.market,
        taken_back_at=recorded.recorded_at if is_taken_back else None,
    )


class FrozenSymbol(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol whose openings are frozen, and the last finding that did it."""

    symbol: str
    why: str


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One account without its orders; its symbols and scopes are sorted."""

    alias: str
    added: account_events.AccountAdded | None = None
    is_removed: bool = False
    # With the mode that holds now.
    opened: account_events.AccountOpened | None = None
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
    # Which file halted the account last, and its event's number.
    halt_file: str = ""
    halt_file_n: int = 0


class Change(NamedTuple):
    """What one event changes in the views; at most one field but for `order` and `execution`."""

    account: AccountEntry | None = None
    order: OrderEntry | None = None
    execution: ExecutionRow | None = None
    positions: account_events.AccountPositionsObserved | None = None
    balances: account_events.AccountBalancesObserved | None = None
