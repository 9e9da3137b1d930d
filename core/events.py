"""The facts that the ledger stores, one class per fact.

A stored event never changes: a new shape gets a new schema number and a pure upgrade in
`core.codec`. Names are fixed strings, given in `core.codec.EVENT_CLASSES`.
"""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from core.claims import Claim
from core.modes import Mode as Mode
from core.money import Money
from core.refusals import Refusal
from core.terms import OrderSpec, OrderType, SecurityType, Side, position_key


class Environment(StrEnum):
    """To which world an account is bound, for ever."""

    SANDBOX = "sandbox"
    PAPER = "paper"
    LIVE = "live"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One pre-trade check of a preview: its name, whether it held, and what was compared."""

    name: str
    passed: bool
    detail: str


class QuoteUsed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quote a preview was made with; prices in the order's currency, `at` by the broker."""

    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    at: datetime
    is_delayed: bool = False  # for want of a quote right


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What an order would cost, by the broker's own preview; amounts in `currency`."""

    notional: Money
    commission: Money | None
    initial_margin: Money | None
    message: str


class OrderPreviewed(msgspec.Struct, frozen=True, kw_only=True):
    """An exact order was shown to the caller; `digest` binds a later submit to it.

    `owner` is the one caller who may submit it; without one, as in records of before, anyone may.
    """

    preview_id: str
    command_id: str
    spec: OrderSpec
    reason: str
    checks: tuple[Check, ...]
    quote: QuoteUsed | None
    estimate: Estimate | None
    digest: str
    expires_at: datetime
    claim: Claim | msgspec.UnsetType = msgspec.UNSET
    owner: str | msgspec.UnsetType = msgspec.UNSET

    def is_for(self, owner: str) -> bool:
        """Say whether this owner may submit it."""
        return not self.owner or self.owner == owner


class OrderRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A command was refused before anything was sent."""

    command_id: str
    code: Refusal
    detail: str
    preview_id: str = ""
    order_id: str = ""
    claim: Claim | msgspec.UnsetType = msgspec.UNSET


class OrderSubmissionStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The intention to send one order; stored before the broker is called.

    `send_by`: after it the order must not be sent. `arrives_by`: after it a send that began in
    time can no longer reach the broker.
    """

    order_id: str
    command_id: str
    preview_id: str
    spec: OrderSpec
    reason: str
    order_number: str
    mark: str
    send_by: datetime
    arrives_by: datetime


class OrderAccepted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker has the order; `evidence` is `reply` or `listing`.

    `moved_from` is the stranger that it stood on the books as until now, and the figures after it
    are what is recorded of that one, `charges` in its currency.
    """

    order_id: str
    tiger_order_id: str
    evidence: str
    moved_from: str = ""
    filled_quantity: Decimal = Decimal(0)
    recorded_quantity: Decimal = Decimal(0)
    recorded_legs: tuple[tuple[str, Decimal], ...] = ()
    charges: Decimal = Decimal(0)


class OrderWasOurs(msgspec.Struct, frozen=True, kw_only=True):
    """A stranger on the books is one of our orders; what is left of its entry is empty.

    `owner_order_id` is the order of ours that has the broker's id now.
    """

    order_id: str
    tiger_order_id: str
    owner_order_id: str


class OrderNotSent(msgspec.Struct, frozen=True, kw_only=True):
    """The order was surely never sent; only the process that wrote the intent may say so."""

    order_id: str
    cause: str


class OrderOutcomeUnknown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The order may or may not be live; evidence or a person resolves it, never a time-out.

    `filled_quantity` is what it is listed with, where that is not what was told before.
    """

    order_id: str
    cause: str
    filled_quantity: Decimal | None = None


class OrderNotFound(msgspec.Struct, frozen=True, kw_only=True):
    """Complete listings begun after every send could have arrived do not show the order."""

    order_id: str
    listings: int
    first_listing_at: datetime


class OrderReleased(msgspec.Struct, frozen=True, kw_only=True):
    """A named person took an order in doubt off the books; a later sighting reopens it."""

    order_id: str
    command_id: str
    person: str


class OrderWorking(msgspec.Struct, frozen=True, kw_only=True):
    """A listing shows the order live; `filled_quantity` is the broker's cumulative figure."""

    order_id: str
    tiger_order_id: str
    filled_quantity: Decimal


class OrderFillRecorded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution of an order, keyed by the broker's execution id.

    `contract` is what was traded where that is not the order's own contract: one leg of a
    combination, whose `side` is the leg's.
    """

    order_id: str
    execution_id: str
    side: Side
    symbol: str
    quantity: Decimal
    price: Money
    executed_at: datetime
    contract: str = ""


class OrderFillTakenBack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The broker took an execution back: the complete lists of its order's hold it no more.

    Which fill that was, as it was recorded. So many `listings` in a row lacked it, after the order
    was listed with fewer fills than recorded; `filled_quantity` is what it was listed with then.
    Where the same execution is listed again, it is recorded again.
    """

    order_id: str
    execution_id: str
    side: Side
    symbol: str
    quantity: Decimal
    price: Money
    executed_at: datetime
    filled_quantity: Decimal
    listings: int
    contract: str = ""


class OrderFilled(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's listing shows the order wholly filled."""

    order_id: str
    filled_quantity: Decimal
    average_price: Decimal | None


class OrderCancelled(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's listing shows the order cancelled, perhaps after partial fills."""

    order_id: str
    filled_quantity: Decimal
    average_price: Decimal | None


class OrderExpired(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's listing shows that the order's time ran out."""

    order_id: str
    filled_quantity: Decimal
    average_price: Decimal | None


class OrderRejected(msgspec.Struct, frozen=True, kw_only=True):
    """A definite no of the broker, by its reply (`code` set) or later by its listing."""

    order_id: str
    code: int | None
    detail: str
    filled_quantity: Decimal = Decimal(0)


class OrderTermsObserved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A listing shows an order with other terms than recorded: somebody changed it elsewhere."""

    order_id: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_percent: Decimal | None = None


class OrderAnswerObserved(msgspec.Struct, frozen=True, kw_only=True):
    """A worker that had lost the account still held the broker's answer to its call.

    `outcome` is a value of `core.items.Outcome`; appended at the new tail, then that worker ends.
    """

    order_id: str
    outcome: str
    tiger_order_id: str
    code: int | None
    detail: str


class OrderCancelStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The intention to ask the broker to cancel; stored before the call."""

    order_id: str
    command_id: str
    tiger_order_id: str


class OrderCancelWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel of an order in doubt: executed when the order is sighted."""

    order_id: str
    command_id: str


class OrderCancelRequested(msgspec.Struct, frozen=True, kw_only=True):
    """The broker took the request to cancel; the order is not cancelled until a listing says so."""

    order_id: str


class OrderCancelRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The broker refused to cancel, or the request was surely not sent."""

    order_id: str
    code: int | None
    detail: str


class OrderCancelUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The request to cancel may or may not have arrived; it is safe to ask again."""

    order_id: str
    cause: str


class OrderChargesObserved(msgspec.Struct, frozen=True, kw_only=True):
    """What an order has cost so far, all fees together, by the broker's listing."""

    order_id: str
    charges: Money


class OrderCancelImported(msgspec.Struct, frozen=True, kw_only=True):
    """A cancel that was made under the halt file while no event could be stored.

    `outcome` is a value of `core.items.Outcome`; `key` names the line of the worker's journal.
    """

    order_id: str
    key: str
    asked_at: datetime
    outcome: str
    code: int | None
    detail: str


class OrderModifyStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The intention to change an order to the terms `spec`; stored before the broker is called.

    `send_by` and `arrives_by` mean what they mean for a submission.
    """

    order_id: str
    command_id: str
    tiger_order_id: str
    spec: OrderSpec
    reason: str
    send_by: datetime
    arrives_by: datetime
    claim: Claim | msgspec.UnsetType = msgspec.UNSET


class OrderModifyRequested(msgspec.Struct, frozen=True, kw_only=True):
    """The broker took the request to change; the old terms hold until a listing shows the new."""

    order_id: str


class OrderModifyRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The broker refused to change the order; it stands as it was."""

    order_id: str
    code: int | None
    detail: str


class OrderModifyNotSent(msgspec.Struct, frozen=True, kw_only=True):
    """The request to change was surely never sent; only the process that meant to may say so."""

    order_id: str
    cause: str


class OrderModifyUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The order may stand on its old or its new terms; the listings will show which."""

    order_id: str
    cause: str


class OrderModifyNotApplied(msgspec.Struct, frozen=True, kw_only=True):
    """Complete listings begun after every request could have arrived do not show the new terms.

    One listing is enough where it shows the order over.
    """

    order_id: str
    listings: int
    first_listing_at: datetime


class OrderReplaced(msgspec.Struct, frozen=True, kw_only=True):
    """A listing shows the order on the terms that were asked for."""

    order_id: str
    spec: OrderSpec


class OrderExternalObserved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An order that this service did not send, such as one from the phone app.

    `parent_order_id` names the order of ours that the broker made it of (a leg that was attached);
    `spec` is all of its terms, None where we have no words for them.
    """

    order_id: str
    tiger_order_id: str
    symbol: str
    market: str
    currency: str
    side: Side
    order_type: OrderType | None
    quantity: Decimal
    limit_price: Decimal | None
    source: str
    opened_at: datetime
    parent_order_id: str = ""
    spec: OrderSpec | None = None


class AccountOpened(msgspec.Struct, frozen=True, kw_only=True):
    """First event of every account: binds the alias to its environment and its ledger for ever."""

    environment: Environment
    mode: Mode
    ledger_id: str
    login: str


class AccountWorkerStarted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A worker took the account: nothing is known of the broker until it is reconciled.

    `number_check` tells the account's number at the broker from others, and not what it is; the
    first one binds the account to that number for ever.
    """

    run_id: str
    number_check: str = ""


class AccountReconciled(msgspec.Struct, frozen=True, kw_only=True):
    """Orders, executions, positions and cash were read completely and are in the ledger."""

    orders_read: int
    orders_since: datetime
    # When the orders were listed, by the broker's clock; records of before say nothing of it.
    listed_at: datetime | msgspec.UnsetType = msgspec.UNSET


class AccountListed(msgspec.Struct, frozen=True, kw_only=True):
    """How far the listings of orders went, by the broker's clock, while nothing was stale.

    Every order opened before `listed_at` is in the ledger. About one a day.
    """

    listed_at: datetime


class AccountStale(msgspec.Struct, frozen=True, kw_only=True):
    """Something may have been missed (a gap, a sleep): no order until a round begun after it.

    `gap` counts the gaps that the running worker noticed, from 1.
    """

    gap: int
    cause: str


class AccountFrozen(msgspec.Struct, frozen=True, kw_only=True):
    """Something at the broker contradicts this ledger; openings stop until a person resumes.

    `symbol` empty means the whole account. The same cause and detail freezes once.
    """

    cause: str
    detail: str
    symbol: str = ""


class AccountCancelsAsked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every open order that fitted was asked to be cancelled, each by its own event before this.

    `symbol` and `side` are the filter as it was asked, None for any. `unread` is the broker's id of
    an order on no book of ours, because its row cannot be read or nobody knows whose it is, which a
    halt has cancelled: without `outcome` this is the intention, stored before the call, and with it
    what the broker answered, a value of `core.items.Outcome` and `detail`. Or it is that of a line
    of the halt file's journal whose order no reading showed: `command_id` is then the line's key.
    """

    command_id: str
    symbol: str | None
    side: Side | None
    order_ids: tuple[str, ...]
    unread: str = ""
    outcome: str = ""
    detail: str = ""


class AccountHalted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Trading was stopped by a person or a model; `symbol` empty means the whole account.

    `file` tells the halt file that did it from the next of its name. `is_repeated`: by a model, of
    what was halted already; what stood before stands. `spares` are the symbols of which a model's
    halt wants no order from elsewhere cancelled, because another halt of theirs stood; `since_n` is
    the halt of the account, not verified yet, under which a model halted a single symbol, or 0.
    """

    command_id: str
    person: str
    symbol: str
    detail: str
    file: str = ""
    is_repeated: bool = False
    spares: tuple[str, ...] = ()
    since_n: int = 0


class AccountHaltVerified(msgspec.Struct, frozen=True, kw_only=True):
    """Readings begun after a halt show no order of its scope open, by the broker's own list too."""

    symbol: str
    orders_read: int


class AccountResumed(msgspec.Struct, frozen=True, kw_only=True):
    """A person allowed trading again; lifts a halt and a freeze of the same scope.

    Without a symbol it lifts every freeze, those of single symbols too.
    """

    command_id: str
    person: str
    symbol: str


class AccountModeSet(msgspec.Struct, frozen=True, kw_only=True):
    """A person set what a model may do on the account; stands over the mode it was opened with."""

    command_id: str
    person: str
    mode: Mode


class PositionFigure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One position by the broker's word; prices in `currency`, quantity negative when short.

    `contract` is the contract's own word where that is not the symbol, as for an option.
    """

    symbol: str
    market: str
    currency: str
    quantity: Decimal
    average_cost: Decimal | None  # None where the broker tells none, as of rights
    market_price: Decimal | None
    unrealized_profit: Decimal | None
    contract: str = ""
    security: SecurityType = SecurityType.STOCK
    multiplier: Decimal | None = None

    @property
    def key(self) -> str:
        """What the position is kept under; see `position_key`."""
        return position_key(self.contract or self.symbol, self.market)


class AccountPositionsObserved(msgspec.Struct, frozen=True, kw_only=True):
    """The complete list of positions by the broker's word; stored when it changes."""

    positions: tuple[PositionFigure, ...]
    observed_at: datetime


class CashFigure(msgspec.Struct, frozen=True, kw_only=True):
    """Cash of one currency by the broker's word, which may be no currency's, or "".

    What is no currency is shown, and counts for nothing: it is held against no fill.
    """

    currency: str
    balance: Decimal
    available: Decimal | None


class FigureKept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A figure of the whole account that the broker's reply did not tell as a number.

    What stands in its place was read at `known_at`; None: it was never known. `detail` says what
    the reply held, in fixed words; of cash `currency` says which, "" for cash of no known name.
    """

    field: str
    detail: str
    known_at: datetime | None
    currency: str = ""


class AccountBalancesObserved(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cash and margin by the broker's word; stored when a cash figure changes.

    `unread` names each figure that is not of this reading but the last one known; it freezes
    nothing, because what can be bought is the broker's word at each order's preview.
    """

    currency: str
    net_liquidation: Decimal | None
    buying_power: Decimal | None
    initial_margin: Decimal | None
    maintenance_margin: Decimal | None
    cash: tuple[CashFigure, ...]
    observed_at: datetime
    unread: tuple[FigureKept, ...] = ()


class AccountPositionBreak(msgspec.Struct, frozen=True, kw_only=True):
    """Readings without a fill between them show another position than the recorded fills make.

    Openings of the symbol stop until the figures agree again, or a person adopts the broker's; the
    id of this event names the break.
    """

    symbol: str
    market: str
    expected: Decimal
    observed: Decimal
    reads: int


class AccountPositionAgreed(msgspec.Struct, frozen=True, kw_only=True):
    """A broken position agrees with the recorded fills again."""

    symbol: str
    market: str
    quantity: Decimal


class AccountPositionAdopted(msgspec.Struct, frozen=True, kw_only=True):
    """A named person took the broker's figure of a break for true."""

    command_id: str
    person: str
    break_id: str
    symbol: str
    market: str
    quantity: Decimal


class AccountCashBreak(msgspec.Struct, frozen=True, kw_only=True):
    """Cash differs from what fills and charges make of it: a dividend, a deposit, interest.

    Freezes nothing: what can be bought is the broker's word.
    """

    expected: Money
    observed: Money
    reads: int


class TokenIssued(msgspec.Struct, frozen=True, kw_only=True):
    """The login has a token with this life; the token itself is in no record."""

    issued_at: datetime | None
    expires_at: datetime | None


class TokenRefreshed(msgspec.Struct, frozen=True, kw_only=True):
    """A new token is in use, and a call has proved it."""

    issued_at: datetime | None
    expires_at: datetime | None


class TokenRefreshFailed(msgspec.Struct, frozen=True, kw_only=True):
    """No new token came, or the one that came did not work; the old one stays until its end."""

    expires_at: datetime | None
    cause: str


class TokenExpiring(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the token is near, and it was not refreshed."""

    expires_at: datetime | None
    detail: str


class TokenExpired(msgspec.Struct, frozen=True, kw_only=True):
    """The token's life is over: the broker answers nothing until there is a new one."""

    expires_at: datetime | None


class TokenRevoked(msgspec.Struct, frozen=True, kw_only=True):
    """What the login has is no token, or none that the broker takes."""

    cause: str


class CommandUnreadable(msgspec.Struct, frozen=True, kw_only=True):
    """A message on the account's command subjects could not be read; it was set aside."""

    code: Refusal
    subject: str
    stream: str
    sequence: int
    body_digest: str
    detail: str


class AccountAdded(msgspec.Struct, frozen=True, kw_only=True):
    """System ledger: an account exists under a login (alias, never the broker's number)."""

    alias: str
    login: str
    environment: Environment


class AccountRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """System ledger: a person took an account out; its line of events stays, and may go on later.

    `left_open` are the orders that were open or in doubt then, by the ledger's ids.
    """

    alias: str
    login: str
    left_open: tuple[str, ...] = ()


OrderEvent = (
    OrderSubmissionStarted
    | OrderAccepted
    | OrderNotSent
    | OrderOutcomeUnknown
    | OrderNotFound
    | OrderReleased
    | OrderWorking
    | OrderFillRecorded
    | OrderFillTakenBack
    | OrderFilled
    | OrderCancelled
    | OrderExpired
    | OrderRejected
    | OrderTermsObserved
    | OrderAnswerObserved
    | OrderCancelStarted
    | OrderCancelWanted
    | OrderCancelRequested
    | OrderCancelRefused
    | OrderCancelUnknown
    | OrderChargesObserved
    | OrderCancelImported
    | OrderModifyStarted
    | OrderModifyRequested
    | OrderModifyRefused
    | OrderModifyNotSent
    | OrderModifyUnknown
    | OrderModifyNotApplied
    | OrderReplaced
    | OrderExternalObserved
    | OrderWasOurs
)
AccountEvent = (
    AccountOpened
    | AccountWorkerStarted
    | AccountReconciled
    | AccountListed
    | AccountStale
    | AccountFrozen
    | AccountCancelsAsked
    | AccountHalted
    | AccountHaltVerified
    | AccountResumed
    | AccountModeSet
    | AccountPositionsObserved
    | AccountBalancesObserved
    | AccountPositionBreak
    | AccountPositionAgreed
    | AccountPositionAdopted
    | AccountCashBreak
)
TokenEvent = (
    TokenIssued | TokenRefreshed | TokenRefreshFailed | TokenExpiring | TokenExpired | TokenRevoked
)
Event = (
    OrderPreviewed
    | OrderRefused
    | OrderEvent
    | AccountEvent
    | TokenEvent
    | CommandUnreadable
    | AccountAdded
    | AccountRemoved
)
