"""The facts the sandbox keeps: orders, fills, and the records its book is replayed from.

A record says what became true, never what was asked, so a replay needs neither prices nor rules.
"""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.broker.terms import (
    AlgoTerms,
    AttachedTerms,
    AttachRole,
    IcebergTerms,
    OrderChange,
    OrderLeg,
    OrderRequest,
    OrderTerms,
    PriceType,
    SessionType,
    Side,
)
from infra.sandbox.logins.files import AccountKind
from infra.sandbox.market.prices import PriceState

# The terms of orders are part of what the records say, and are found here as well.
__all__ = [
    "AlgoTerms",
    "AttachRole",
    "AttachedTerms",
    "IcebergTerms",
    "OrderChange",
    "OrderLeg",
    "OrderRequest",
    "OrderTerms",
    "PriceType",
    "SessionType",
    "Side",
]

# Tiger's own words. "Inactive" is an order past its time, "Invalid" one that was rejected late.
Status = Literal["Initial", "PendingSubmit", "Filled", "Cancelled", "Inactive", "Invalid"]
CancelStatus = Literal["NONE", "RECEIVED", "FAILED"]
ReplaceStatus = Literal["NONE", "RECEIVED", "REPLACED", "FAILED"]

OPEN_STATUSES: frozenset[Status] = frozenset({"Initial", "PendingSubmit"})


class Order(OrderTerms, frozen=True, kw_only=True):
    """An order in the book; every change makes a new version."""

    global_id: int  # Tiger's `id`
    order_number: int  # Tiger's `orderId`; 0 for an order of the phone app
    external_id: str
    status: Status
    opened_at: datetime
    updated_at: datetime
    status_changed_at: datetime
    remark: str = ""
    filled_quantity: Decimal = Decimal(0)
    filled_amount: Decimal = Decimal(0)  # price times quantity, without the multiplier
    commission: Decimal = Decimal(0)
    realized_pnl: Decimal = Decimal(0)
    cancel_status: CancelStatus = "NONE"
    replace_status: ReplaceStatus = "NONE"
    parent_id: int = 0  # of an attached leg
    attach_role: AttachRole | None = None
    oca_group: int = 0  # the same for all orders of which one cancels the others
    trail_stop_price: Decimal | None = None  # where a TRAIL would trigger now
    is_triggered: bool = False  # a stop that has become a market or limit order
    change: OrderChange | None = None  # a modify that was taken and is not yet done
    sec_type: str = "STK"  # "MLEG" for an order of legs
    multiplier: Decimal = Decimal(1)
    lapses_at: datetime | None = None  # when its time in force ends
    sliced_at: datetime | None = None  # when an ICEBERG last showed a new slice
    slice_price: Decimal | None = None  # where that slice of an ICEBERG stands
    volume_mark: int | None = None  # what had ever traded when a VWAP began
    is_closing: bool = False  # when it was taken, it would have made a holding smaller

    @property
    def is_open(self) -> bool:
        """Say whether the order can still fill."""
        return self.status in OPEN_STATUSES

    @property
    def is_live(self) -> bool:
        """Say whether the order is in the market; an attached leg is not until its parent fills."""
        return self.status == "PendingSubmit"

    @property
    def only_closes(self) -> bool:
        """Say whether it must not open a holding: a sale of what is held, an attached leg."""
        return bool(self.parent_id) or (self.side == "SELL" and self.is_closing)

    @property
    def remaining_quantity(self) -> Decimal:
        """What is not filled, whether or not it still can be; 0 of an order by amount."""
        return max(Decimal(0), self.quantity - self.filled_quantity)

    @property
    def remaining_amount(self) -> Decimal:
        """What an order by amount has not spent; 0 of any other."""
        return Decimal(0) if self.cash_amount is None else self.cash_amount - self.filled_amount

    @property
    def refund_amount(self) -> Decimal:
        """What an order by amount gave back when it ended."""
        return Decimal(0) if self.is_open else self.remaining_amount

    @property
    def shown_quantity(self) -> Decimal:
        """What the market sees of it."""
        if self.iceberg is None:
            return self.remaining_quantity
        return min(self.iceberg.display_size, self.remaining_quantity)


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
    key: str = ""  # of the contract; empty: the stock called `symbol`
    sec_type: str = "STK"
    multiplier: Decimal = Decimal(1)
    realized_pnl: Decimal = Decimal(0)  # won by what it closed, before fees

    @property
    def contract_key(self) -> str:
        """The key of the contract."""
        return self.key or self.symbol

    @property
    def amount(self) -> Decimal:
        """Price times quantity times multiplier, before fees."""
        return self.price * self.quantity * self.multiplier


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


class PositionMoved(msgspec.Struct, frozen=True, kw_only=True, tag="position.moved"):
    """A holding came into an account, or left it, without a trade."""

    account: str
    key: str  # of the contract
    quantity: Decimal  # negative: out
    price: Decimal  # at which it came or left, per unit
    moved_at: datetime


class IdsSkipped(msgspec.Struct, frozen=True, kw_only=True, tag="ids.skipped"):
    """Ids up to this one were handed out, and stand for nothing in the book."""

    id_last: int


class ComboTraded(msgspec.Struct, frozen=True, kw_only=True, tag="combo.traded"):
    """An order of legs filled: the executions of all its legs are one fact."""

    order: Order
    fills: tuple[Fill, ...]


class DividendPaid(msgspec.Struct, frozen=True, kw_only=True, tag="dividend.paid"):
    """A contract paid cash to whoever held it, and took it from whoever was short."""

    key: str
    currency: str
    amount: Decimal  # per share
    paid_at: datetime
    entries: tuple["CashEntry", ...] = ()  # what each account got or paid


class SharesSplit(msgspec.Struct, frozen=True, kw_only=True, tag="shares.split"):
    """Every share of a contract became `ratio` shares."""

    key: str
    ratio: Decimal
    split_at: datetime


class PricesSet(msgspec.Struct, frozen=True, kw_only=True, tag="prices.set"):
    """Prices to start from after a restart."""

    state: PriceState


# The parts of an account's cash; the securities segment pays for all but futures.
Segment = Literal["SEC", "FUT", "FUND"]
# Tiger's kinds of cash movement. Source: its list of `fund_type` (read 2026-11-23).
FundKind = Literal[
    "DEPOSIT_WITHDRAW",
    "TRADE",
    "FEE",
    "FUNDS_TRANSFER",
    "FOREX",
    "CORPORATE_ACTION",
    "OTHER",
]
TransferStatus = Literal["NEW", "SUCC", "CANC"]
ExerciseKind = Literal["Exercise", "Expire"]
ExerciseStatus = Literal["New", "Success", "Fail", "Cancel"]


class CashEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of cash outside of stock trading; negative when it goes out."""

    entry_id: int
    account: str
    segment: Segment
    currency: str
    amount: Decimal
    kind: FundKind
    label: str  # Tiger's word for it
    booked_at: datetime
    key: str = ""  # of the contract it is about, if there is one


class PositionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is added to a holding that did not trade; negative when it goes out."""

    account: str
    key: str
    quantity: Decimal
    cost: Decimal
    realized_pnl: Decimal = Decimal(0)


class SegmentTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Cash on its way from one segment of an account to another."""

    transfer_id: int
    account: str
    from_segment: Segment
    to_segment: Segment
    currency: str
    amount: Decimal
    status: TransferStatus
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None = None


class TransferredItem(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one contract changes its account."""

    key: str
    quantity: Decimal


class PositionTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """Holdings that went from one account of a user to another."""

    transfer_id: int
    from_account: str
    to_account: str
    market: str
    items: tuple[TransferredItem, ...]
    finished_at: datetime


class OptionExercise(msgspec.Struct, frozen=True, kw_only=True):
    """A request to use long options early, or to let them lapse."""

    exercise_id: int
    account: str
    key: str
    kind: ExerciseKind
    quantity: Decimal
    done_quantity: Decimal = Decimal(0)
    status: ExerciseStatus = "New"
    executing_on: date
    itm_rate: int = 0
    is_force: bool = False
    reason: str = ""


class CashPaid(msgspec.Struct, frozen=True, kw_only=True, tag="cash.paid"):
    """Money came into an account, or left it."""

    entry: CashEntry


class SegmentTransferWritten(
    msgspec.Struct, frozen=True, kw_only=True, tag="segment_transfer.written"
):
    """A transfer between segments is new, or has gone on, and what it moved."""

    transfer: SegmentTransfer
    entries: tuple[CashEntry, ...] = ()


class ForexTraded(msgspec.Struct, frozen=True, kw_only=True, tag="forex.traded"):
    """A currency was changed into another: the order, its execution and both movements."""

    order: Order
    fill: Fill
    entries: tuple[CashEntry, ...]


class PositionsTransferred(msgspec.Struct, frozen=True, kw_only=True, tag="positions.transferred"):
    """Holdings changed their account."""

    transfer: PositionTransfer
    changes: tuple[PositionChange, ...]


class ExerciseWritten(msgspec.Struct, frozen=True, kw_only=True, tag="exercise.written"):
    """A request about options is new, or was settled, and what it moved."""

    exercise: OptionExercise
    changes: tuple[PositionChange, ...] = ()
    entries: tuple[CashEntry, ...] = ()


class ContractExpired(msgspec.Struct, frozen=True, kw_only=True, tag="contract.expired"):
    """A contract came to its end: every holding of it was delivered, paid out, or lapsed."""

    key: str
    price: Decimal  # at which it was settled: of an option its underlying's
    expired_at: datetime
    changes: tuple[PositionChange, ...]
    entries: tuple[CashEntry, ...] = ()


CorporateAction = DividendPaid | SharesSplit
FundRecord = (
    CashPaid
    | SegmentTransferWritten
    | ForexTraded
    | PositionsTransferred
    | ExerciseWritten
    | DividendPaid
    | ContractExpired
    | PositionMoved
)
Record = (
    AccountOpened
    | NumberReserved
    | OrderWritten
    | OrderTraded
    | ComboTraded
    | SharesSplit
    | PricesSet
    | FundRecord
    | IdsSkipped
)
