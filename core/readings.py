"""What readings of the broker show, and what listings in a row have proved: items for a desk."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.account_events import CashFigure, PositionFigure
from core.money import Money
from core.terms import OrderSpec, OrderType, Side


class SeenPhase(StrEnum):
    """Our reading of the broker's status word in a listing."""

    LIVE = "live"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    UNREADABLE = "unreadable"


class ExecutionSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One execution in a listing; `contract` and `side` are a leg's own, for a combination.

    `contract` is "" where the listing does not say which option it was.
    """

    execution_id: str
    quantity: Decimal
    price: Money
    executed_at: datetime
    contract: str = ""
    side: Side | None = None


class OrderSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One order in a listing, with all its executions if it has any fill."""

    tiger_order_id: str
    order_number: str
    mark: str
    symbol: str
    market: str
    currency: str
    side: Side
    order_type: OrderType | None
    quantity: Decimal
    limit_price: Decimal | None
    phase: SeenPhase
    status_word: str
    remark: str
    filled_quantity: Decimal
    average_price: Decimal | None
    source: str
    opened_at: datetime
    is_changing: bool = False  # the broker says that a change of it is under way
    charges: Decimal | None = None  # all fees so far, in `currency`
    parent_tiger_id: str = ""  # of an order that the broker made of another one
    spec: OrderSpec | None = None  # all of its terms, where we have words for them
    executions: tuple[ExecutionSeen, ...] = ()
    # Complete listings in a row, this one included and some time apart, that said the same of whose
    # order it is.
    listings: int = 1

    @property
    def contract(self) -> str:
        """What is traded, as one word; see `OrderSpec.contract`."""
        return self.symbol if self.spec is None else self.spec.contract


class AbsenceConfirmed(msgspec.Struct, frozen=True, kw_only=True):
    """Complete listings, the first begun at `first_listing_at` by the broker's clock, lack it."""

    order_id: str
    listings: int
    first_listing_at: datetime


class ModifyNotShown(msgspec.Struct, frozen=True, kw_only=True):
    """Complete listings show the order, on other terms than asked, and no change under way."""

    order_id: str
    listings: int
    first_listing_at: datetime


class FillsTakenBack(msgspec.Struct, frozen=True, kw_only=True):
    """Listings in a row show an order with fewer fills than are recorded.

    `is_over`: they show it done, so that none of what is missing will be listed any more, and `end`
    how, as far as that is clear. `gone` are the executions recorded that so many complete lists in
    a row of the order's, `lists`, lacked since: these were taken back.
    """

    order_id: str
    listings: int
    filled_quantity: Decimal
    is_over: bool
    end: SeenPhase | None = None
    gone: tuple[str, ...] = ()
    lists: int = 0


class FillsNotListed(msgspec.Struct, frozen=True, kw_only=True):
    """Rows in a row, over a while, tell of fills of which no execution came, or could be asked for.

    What did come is recorded.
    """

    order_id: str
    listings: int


class OrderUnread(msgspec.Struct, frozen=True, kw_only=True):
    """Listings in a row, over a while, show an order in a row that says nothing of its state.

    The row cannot be read, or its status is a word that nobody knows.
    """

    order_id: str
    listings: int


class RowKind(StrEnum):
    """Of which listing a row is."""

    ORDER = "order"
    POSITION = "position"


class RowUnreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a listing that cannot be read: `detail` names it and says why, in fixed words.

    `symbol` is "" where not even that can be read; `tiger_order_id` likewise.
    """

    kind: RowKind
    symbol: str
    detail: str
    tiger_order_id: str = ""


class UnreadOrderOpen(msgspec.Struct, frozen=True, kw_only=True):
    """An order that may be open and is not open on the books: little but the broker's id is sure.

    Its row cannot be read, whose it is stands in doubt, or it is released or done there. `symbol`
    is "" where nobody can say it.
    """

    tiger_order_id: str
    symbol: str


class PositionsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A complete list of positions, as far as its rows can be read.

    `quiet_reads`: so many readings in a row, this one included, had these quantities and this
    cash, and no execution was told between them; the first of them was answered at `quiet_from`,
    by the broker's clock, if that is known.
    """

    positions: tuple[PositionFigure, ...]
    observed_at: datetime
    quiet_reads: int = 1
    quiet_from: datetime | None = None
    unreadable: tuple[RowUnreadable, ...] = ()


class FigureUnread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the whole account that is there and no number; `detail` says so in fixed words.

    `field` is one of `BalancesSeen`; of cash `currency` says which, "" where not even that is told.
    """

    field: str
    detail: str
    currency: str = ""


class BalancesSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A complete reading of cash and margin; `quiet_reads`, `quiet_from` as with positions.

    Cash is as the broker calls it, in a word that may be no currency.
    """

    currency: str
    net_liquidation: Decimal | None
    buying_power: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    cash: tuple[CashFigure, ...]
    observed_at: datetime
    quiet_reads: int = 1
    quiet_from: datetime | None = None
    unread: tuple[FigureUnread, ...] = ()


class RoundCompleted(msgspec.Struct, frozen=True, kw_only=True):
    """Orders, executions, positions and cash were all read completely, after every earlier item.

    `gaps` is how many gaps had been noticed when the first of these readings began; a later gap is
    not healed by them. `listed_at` is when its listing of orders began, by the broker's clock, if
    that is known.

    `open_symbols` are those of the orders that the broker itself called open in any of the last
    rounds that asked, this one included and enough of them to go by, "" among them for one that
    cannot be read; None: this one did not ask, or there are too few. `after_n` is the `n` of the
    account's last event that was stored when the first of these began, `open_from` a moment by the
    broker's clock before it; None: nobody knows.
    """

    gaps: int
    orders_read: int
    orders_since: datetime
    after_n: int = 0
    listed_at: datetime | None = None
    open_symbols: tuple[str, ...] | None = None
    open_from: datetime | None = None
