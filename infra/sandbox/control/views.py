"""What goes over the control port, in both directions: shared by `control` and `client`."""

from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Position
from infra.sandbox.broker.records import Fill, Order, Side
from infra.sandbox.logins.files import AccountKind
from infra.sandbox.wire.faults import ActiveFault
from infra.sandbox.wire.request_journal import RequestEntry


class BookView(msgspec.Struct, frozen=True, kw_only=True):
    """One account as the broker has it."""

    account: str
    kind: AccountKind
    orders: tuple[Order, ...]  # oldest first
    fills: tuple[Fill, ...]  # oldest first
    positions: dict[str, Position]  # by symbol; closed ones have quantity 0
    cash: dict[str, Decimal]  # by currency
    opening_cash: dict[str, Decimal]


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """That the sandbox runs, and for whom."""

    ready: bool
    accounts: tuple[str, ...]
    held_count: int


class JournalView(msgspec.Struct, frozen=True, kw_only=True):
    """Requests in the order of their arrival."""

    entries: tuple[RequestEntry, ...]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many."""

    count: int


class WaitCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Wait until `count` requests of a method have arrived since the start."""

    method: str | None = None
    count: int
    timeout_s: float = 5.0


class WaitResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a wait ended."""

    reached: bool
    count: int


class FaultsView(msgspec.Struct, frozen=True, kw_only=True):
    """The rules in force."""

    faults: tuple[ActiveFault, ...]


class FaultAdded(msgspec.Struct, frozen=True, kw_only=True):
    """The id of a new rule."""

    fault_id: int


class PriceCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Put a stock at a price."""

    symbol: str
    price: Decimal


class ExternalOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order as somebody places it in the phone app."""

    account: str
    symbol: str
    side: Side
    quantity: Decimal
    limit_price: Decimal | None = None  # none: at the market


class OutsideOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of an account's orders, to be cancelled as in the phone app."""

    account: str
    global_id: int


class OutsideChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New terms for one of an account's orders, as from the phone app; absent ones stay."""

    account: str
    global_id: int
    quantity: Decimal | None = None
    limit_price: Decimal | None = None


class OutsideFill(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A fill of an open order, whatever the market says."""

    account: str
    global_id: int
    quantity: Decimal | None = None  # none: all that is left
    price: Decimal | None = None  # none: its limit, or the last price


class OutsideCash(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deposit, or a withdrawal (negative)."""

    account: str
    currency: str
    amount: Decimal


class OutsidePosition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A holding that comes into an account, or leaves it (negative), without a trade."""

    account: str
    key: str  # of the contract; of a stock its symbol
    quantity: Decimal
    price: Decimal  # what a unit is taken to have cost


class DividendCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cash for every holder of a stock, in its currency."""

    symbol: str
    amount: Decimal  # per share


class SplitCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """More shares for every holder of a stock, or fewer."""

    symbol: str
    ratio: Decimal  # new shares for an old one


class ClockView(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's time, and whether it can be moved."""

    now: datetime  # as replies give it, with the skew
    is_virtual: bool


class ClockCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move a virtual clock by a span or to a time: one of the two. The skew does not count."""

    advance_ms: int | None = None
    to: datetime | None = msgspec.field(default=None, name="set")


class AdvanceCommand(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Move prices, settle deferred cancels, match."""

    step_count: int = 1


class ErrorView(msgspec.Struct, frozen=True, kw_only=True):
    """Why a control request was refused."""

    error: str
