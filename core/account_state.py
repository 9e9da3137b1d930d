"""What is true of one account: what every decision stands on, and the keys it is kept under."""

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from core import account_events, events, items, readings
from core.claims import Claim
from core.keyed import Keyed
from core.orders import CancelPhase, ModifyPhase, Order, Phase
from core.terms import OrderSpec, symbol_of
from core.tokens import TokenState
from core.unseen import Unseen

# In whole units of the currency: some fills' and fees' halves of a cent.
CASH_ROUNDING_MAX: Final = Decimal("0.05")

# Why a symbol, or the account, is frozen by a row of a listing that cannot be read.
UNREADABLE_CAUSES: Final = {kind: f"{kind}_unreadable" for kind in readings.RowKind}

# Why a symbol is frozen of which an order is listed that may be ours or somebody's.
IDENTITY_UNCLEAR: Final = "identity_unclear"
# Freezes of a symbol of which an order may be open that is in no books.
HIDING_CAUSES: Final = frozenset({UNREADABLE_CAUSES[readings.RowKind.ORDER], IDENTITY_UNCLEAR})

# Why an account is frozen whose login lost its push connection to another client.
KICKED: Final = "kicked"


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """A preview that may still be submitted, by `owner` alone if there is one."""

    preview_id: str
    spec: OrderSpec
    reason: str
    digest: str
    correlation_id: str
    expires_at: datetime
    all_passed: bool
    owner: str = ""


class PositionBreak(msgspec.Struct, frozen=True, kw_only=True):
    """A position that the recorded fills do not explain; `break_id` is its event's id.

    `symbol` is the contract's word. `observed` is the broker's quantity when it was told, moved by
    each fill recorded since: what cannot be explained stays the same.
    """

    break_id: str
    symbol: str
    market: str
    observed: Decimal


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """One account. `handled` maps a command id to the order or preview it led to ("" if none).

    `positions` are the broker's quantities by `position_key`, moved by each fill recorded since;
    `observed` are those figures unmoved, `bought_since` and `sold_since` the fills recorded after
    them. `expected` is what the fills make of the figures last agreed on, which no reading moves;
    `cash_expected` the same of cash, by currency. `executions` are by the broker's id the orders of
    the fills recorded, `fills` what was recorded; what was taken back is in neither. `frozen_for`
    holds what froze the account or a symbol before: a finding freezes once.
    """

    account: str = ""
    # The number of the last event of the account's line.
    n: int = 0
    # With the mode that holds now.
    opened: account_events.AccountOpened | None = None
    run_id: str = ""
    # Which number at the broker the account is bound to; see `account_events.AccountWorkerStarted`.
    number_check: str = ""
    is_stale: bool = True
    gap: int = 0
    # When the orders were last listed, as far as it is recorded, by the broker's clock.
    listed_at: datetime | None = None
    frozen_cause: str = ""
    frozen_symbols: frozenset[str] = frozenset()
    # Symbols, "" for all, of which an order may stand in a row that cannot be read.
    hidden_symbols: frozenset[str] = frozenset()
    frozen_for: Keyed[str] = msgspec.field(default_factory=lambda: Keyed[str]())
    # Keys of the kicks that no person has resumed since.
    kicks: frozenset[str] = frozenset()
    is_halted: bool = False
    halted_symbols: frozenset[str] = frozenset()
    # Which file halted the account last.
    halt_file: str = ""
    # The `n` of the last halt of each scope ("" or a symbol) that there ever was, and of each
    # scope's last freeze that no person has resumed.
    halted_at: Keyed[int] = msgspec.field(default_factory=lambda: Keyed[int]())
    frozen_at: Keyed[int] = msgspec.field(default_factory=lambda: Keyed[int]())
    # Scopes of halts ("" or a symbol) with the `n` of each, until readings show nothing open.
    unverified_halts: Keyed[int] = msgspec.field(default_factory=lambda: Keyed[int]())
    # Symbols of which the account's halt says nothing of orders from elsewhere: only theirs does.
    spared_symbols: frozenset[str] = frozenset()
    # The last halt of the account that readings verified: nothing of any symbol was open.
    verified_n: int = 0
    previews: Keyed[Preview] = msgspec.field(default_factory=lambda: Keyed[Preview]())
    orders: Keyed[Order] = msgspec.field(default_factory=lambda: Keyed[Order]())
    open_orders: frozenset[str] = frozenset()
    watched_orders: frozenset[str] = frozenset()
    released_orders: frozenset[str] = frozenset()
    # The broker's ids of the orders whose last cancel was surely never sent.
    unsent_cancels: frozenset[str] = frozenset()
    # Of each order in doubt, the `n` of the last event that told something of it.
    doubted_n: Keyed[int] = msgspec.field(default_factory=lambda: Keyed[int]())
    # When each order was watched no more: done with every fill recorded, or released.
    left_at: Keyed[datetime] = msgspec.field(default_factory=lambda: Keyed[datetime]())
    by_tiger_id: Keyed[str] = msgspec.field(default_factory=lambda: Keyed[str]())
    by_mark: Keyed[str] = msgspec.field(default_factory=lambda: Keyed[str]())
    executions: Keyed[str] = msgspec.field(default_factory=lambda: Keyed[str]())
    fills: Keyed[events.OrderFillRecorded] = msgspec.field(
        default_factory=lambda: Keyed[events.OrderFillRecorded]()
    )
    numbers: Keyed[str] = msgspec.field(default_factory=lambda: Keyed[str]())
    # The callers' keys, for ever: what each was first used for.
    claims: Keyed[Claim] = msgspec.field(default_factory=lambda: Keyed[Claim]())
    handled: Keyed[str] = msgspec.field(default_factory=lambda: Keyed[str]())
    positions: Keyed[Decimal] = msgspec.field(default_factory=lambda: Keyed[Decimal]())
    observed: Keyed[Decimal] = msgspec.field(default_factory=lambda: Keyed[Decimal]())
    bought_since: Keyed[Decimal] = msgspec.field(default_factory=lambda: Keyed[Decimal]())
    sold_since: Keyed[Decimal] = msgspec.field(default_factory=lambda: Keyed[Decimal]())
    expected: Keyed[Decimal] = msgspec.field(default_factory=lambda: Keyed[Decimal]())
    breaks: Keyed[PositionBreak] = msgspec.field(default_factory=lambda: Keyed[PositionBreak]())
    cash_expected: Keyed[Decimal] = msgspec.field(default_factory=lambda: Keyed[Decimal]())
    # Fills not recorded that a base of these holds; see `core.bases`.
    unlisted: Keyed[Decimal] = msgspec.field(default_factory=lambda: Keyed[Decimal]())
    # What nothing explained of their bases; see `core.unseen`.
    unseen: Keyed[tuple[Unseen, ...]] = msgspec.field(
        default_factory=lambda: Keyed[tuple[Unseen, ...]]()
    )
    token: TokenState | None = None
    position_figures: tuple[account_events.PositionFigure, ...] | None = None
    balances: account_events.AccountBalancesObserved | None = None

    def preview_for(self, preview_id: str, owner: str) -> Preview | None:
        """Return a preview that this owner may submit; another's is told from none by nothing."""
        found = self.previews.get(preview_id)
        return None if found is None or found.owner not in ("", owner) else found

    def open_of(self, symbol: str) -> tuple[Order, ...]:
        """Return the open orders of a symbol, oldest first."""
        found = (self.orders[order_id] for order_id in self.open_orders)
        return tuple(
            sorted(
                (order for order in found if order.spec.symbol == symbol),
                key=lambda order: (order.started_at, order.order_id),
            )
        )

    @property
    def begun_acts(self) -> tuple[str, ...]:
        """The orders that are being sent, changed or cancelled, as far as is recorded."""
        return tuple(
            sorted(
                order.order_id
                for order in self.orders.values()
                if order.phase is Phase.SUBMITTING
                or order.modify is ModifyPhase.STARTED
                or order.cancel is CancelPhase.STARTED
            )
        )

    def blocked_n(self, scope: str) -> int:
        """Return the `n` of the last halt or freeze that a resume of this scope would lift."""
        halted, frozen = self.halted_at.get(scope) or 0, self.frozen_at.get(scope) or 0
        if scope:
            return max(halted, frozen)
        # Of the account it lifts the freezes of every symbol, and no halt of one.
        return max([halted, *self.frozen_at.values()])

    def halts(self, symbol: str) -> bool:
        """Say whether the account, or this symbol of it, is halted."""
        return self.is_halted or symbol in self.halted_symbols

    def hides_orders_of(self, symbol: str) -> bool:
        """Say whether an order of the symbol may be open unseen, and no person has looked yet."""
        return not self.hidden_symbols.isdisjoint({symbol, ""})

    def open_in(self, scope: str) -> tuple[str, ...]:
        """Return the ids of the open orders of a symbol, or of the account for "", sorted."""
        return tuple(
            order_id
            for order_id in sorted(self.open_orders)
            if scope in ("", self.orders[order_id].spec.symbol)
        )

    def watched_of(self, symbol: str) -> tuple[Order, ...]:
        """Return the orders of a symbol by which its position may still move."""
        found = (self.orders[order_id] for order_id in self.watched_orders)
        return tuple(order for order in found if order.spec.symbol == symbol)

    def break_of(self, spec: OrderSpec) -> PositionBreak | None:
        """Return a position of the order's symbol that the recorded fills do not explain.

        An option that was exercised breaks two positions; neither is a ground to open the other on.
        """
        found = (b for b in self.breaks.values() if symbol_of(b.symbol) == spec.symbol)
        return min(found, key=lambda broken: broken.symbol, default=None)

    def doubtful_of(self, symbol: str) -> Order | None:
        """Return an order of the symbol whose fate or terms nobody knows, if there is one."""
        return next((o for o in self.open_of(symbol) if o.is_doubtful), None)


def is_rounding(balance: Decimal, expected: Decimal | None) -> bool:
    """Say whether two figures of cash differ by no more than rounding may make of some fills."""
    return abs(balance - (expected or Decimal(0))) <= CASH_ROUNDING_MAX


def kick_key(connection: str) -> str:
    """Return under what it is kept that this push connection was kicked out."""
    return freeze_key(account_events.AccountFrozen(cause=KICKED, detail=connection))


def freeze(
    state: AccountState, cause: str, detail: str, *, symbol: str = ""
) -> account_events.AccountFrozen | None:
    """Return the freeze by this finding, of one symbol or of the account; once for each."""
    found = account_events.AccountFrozen(cause=cause, detail=detail, symbol=symbol)
    return None if freeze_key(found) in state.frozen_for else found


def freeze_key(event: account_events.AccountFrozen) -> str:
    """Return what makes two freezes the same finding."""
    return f"{event.cause}\0{event.symbol}\0{event.detail}"


def message_key(message: account_events.CommandUnreadable | items.Unreadable) -> str:
    """Return under what a message that cannot be read is remembered."""
    return f"{message.stream}:{message.sequence}"
