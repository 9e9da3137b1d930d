"""What a desk takes, one at a time: commands, the broker's answers and sightings, and timers."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.commands import Command
from core.events import CashFigure, Environment, Mode, PositionFigure
from core.money import Money
from core.refusals import Refusal
from core.terms import OptionRight, OrderSpec, OrderType, SecurityType, Side


class CommandItem(msgspec.Struct, frozen=True, kw_only=True):
    """A command whose signature was checked; `number` is an order number held for a submit."""

    command: Command
    command_id: str
    principal: str
    expires_at: datetime
    owner: str = ""  # whose previews it may submit; see `Envelope`
    issued_at: datetime | None = None  # by the clock of who asked; None for the worker's own
    number: str = ""
    is_own: bool = False  # the worker's own wish, which no message asked for


class ContractFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker says of a contract; `tick_sizes` are (from price, step), ascending."""

    symbol: str
    market: str
    currency: str
    lot_size: Decimal
    is_tradeable: bool
    tick_sizes: tuple[tuple[Decimal, Decimal], ...]
    security: SecurityType = SecurityType.STOCK
    expiry: date | None = None
    strike: Decimal | None = None
    right: OptionRight | None = None
    multiplier: Decimal | None = None


class QuoteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid, ask and last trade by the broker; `at` is its time of them."""

    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    at: datetime
    is_delayed: bool = False  # for want of a quote right


class EstimateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's own preview of an order."""

    passed: bool
    message: str
    commission: Money | None
    initial_margin: Money | None


class PreviewAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """All reads that a preview needs came back; None means the broker has no such thing.

    `failed` names the read that failed, which is something else than an empty answer.
    """

    item: CommandItem
    contract: ContractFacts | None
    quote: QuoteFacts | None
    estimate: EstimateFacts | None
    failed: str = ""


class ModifyPrepared(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's rules for the contract of an order to be changed came back, or `failed`.

    `quote` is read where the change moves a trigger, which the market may have passed already, or
    the limit of an order with exits, which is filled at the market if that is better.
    """

    item: CommandItem
    contract: ContractFacts | None
    quote: QuoteFacts | None = None
    failed: str = ""


class Outcome(StrEnum):
    """How a call that changes something at the broker ended."""

    DONE = "done"
    REFUSED = "refused"  # a definite no, from the closed list
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class PlaceAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The one call that places an order ended."""

    order_id: str
    outcome: Outcome
    tiger_order_id: str = ""
    code: int | None = None
    detail: str = ""


class CancelAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """A call that asks for a cancel ended."""

    order_id: str
    outcome: Outcome
    code: int | None = None
    detail: str = ""


class ModifyAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The one call that changes an order ended."""

    order_id: str
    outcome: Outcome
    code: int | None = None
    detail: str = ""


class ActAbandoned(msgspec.Struct, frozen=True, kw_only=True):
    """At start: the ledger says that an act had begun, and nobody knows how it ended."""

    order_id: str


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

    `is_over`: they show it done, so that none of what is missing will be listed any more. `gone`
    are the executions recorded that so many complete lists in a row of the order's, `lists`, lacked
    since: these were taken back.
    """

    order_id: str
    listings: int
    filled_quantity: Decimal
    is_over: bool
    gone: tuple[str, ...] = ()
    lists: int = 0


class FillsNotListed(msgspec.Struct, frozen=True, kw_only=True):
    """Listings in a row of an order's executions, over a while, lack fills that its row tells of.

    What they do list is recorded.
    """

    order_id: str
    listings: int
    filled_quantity: Decimal


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
    cash, and no execution was told between them.
    """

    positions: tuple[PositionFigure, ...]
    observed_at: datetime
    quiet_reads: int = 1
    unreadable: tuple[RowUnreadable, ...] = ()


class FigureUnread(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of the whole account that is there and no number; `detail` says so in fixed words.

    `field` is one of `BalancesSeen`; of cash `currency` says which, "" where not even that is told.
    """

    field: str
    detail: str
    currency: str = ""


class BalancesSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A complete reading of cash and margin; `quiet_reads` as with positions.

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


class GapNoticed(msgspec.Struct, frozen=True, kw_only=True):
    """Something may have been missed: the machine slept, readings failed.

    `gap` counts the gaps that this process noticed, from 1.
    """

    gap: int
    cause: str


class PushKicked(msgspec.Struct, frozen=True, kw_only=True):
    """Another client of the login took its push connection; `connection` names the one we had."""

    connection: str


class HaltFileSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A person put the local halt file in place, as works without NATS.

    `file` tells this file from the next of its name.
    """

    detail: str
    file: str = ""


class CancelJournaled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A cancel made under the halt file while the ledger was away, as the journal has it.

    `is_unlisted`: readings went on for so long without its order that none is waited for.
    """

    tiger_order_id: str
    asked_at: datetime
    outcome: Outcome
    code: int | None
    detail: str
    is_unlisted: bool = False

    @property
    def key(self) -> str:
        """Under what it is remembered, so that it is recorded once."""
        return f"journal:{self.tiger_order_id}:{self.asked_at.isoformat()}"


class TokenFact(StrEnum):
    """What is known of the token that a login sends with every call."""

    ISSUED = "issued"
    REFRESHED = "refreshed"
    REFRESH_FAILED = "refresh_failed"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    REVOKED = "revoked"


class TokenSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A finding about the login's token; never the token."""

    fact: TokenFact
    issued_at: datetime | None
    expires_at: datetime | None
    detail: str = ""


class AccountBegins(msgspec.Struct, frozen=True, kw_only=True):
    """The account's line is empty: bind it."""

    environment: Environment
    mode: Mode
    ledger_id: str
    login: str


class WorkerStarts(msgspec.Struct, frozen=True, kw_only=True):
    """This process took the account; `number_check` is as in `AccountWorkerStarted`."""

    run_id: str
    number_check: str = ""


class Unreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is no command of ours."""

    code: Refusal
    subject: str
    stream: str
    sequence: int
    body_digest: str
    detail: str


Item = (
    CommandItem
    | PreviewAnswered
    | ModifyPrepared
    | PlaceAnswered
    | CancelAnswered
    | ModifyAnswered
    | ActAbandoned
    | OrderSeen
    | AbsenceConfirmed
    | ModifyNotShown
    | FillsTakenBack
    | FillsNotListed
    | OrderUnread
    | RowUnreadable
    | UnreadOrderOpen
    | PositionsSeen
    | BalancesSeen
    | RoundCompleted
    | GapNoticed
    | PushKicked
    | HaltFileSeen
    | CancelJournaled
    | TokenSeen
    | AccountBegins
    | WorkerStarts
    | Unreadable
)
