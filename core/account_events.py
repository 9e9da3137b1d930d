"""The facts about an account, its login's token and its commands, one class per fact.

What holds for every fact stands in `core.events`, which names them all in one union.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from core.modes import Environment, Mode
from core.money import Money
from core.refusals import Refusal
from core.terms import SecurityType, Side, position_key


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


class AccountPositionBreak(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Readings without a fill between them show another position than the recorded fills make.

    Openings of the symbol stop until the figures agree again, or a person adopts the broker's; the
    id of this event names the break. `quiet_from`: the first of them was answered then, by the
    broker's clock, if that is known.
    """

    symbol: str
    market: str
    expected: Decimal
    observed: Decimal
    reads: int
    quiet_from: datetime | None = None


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


class AccountCashBreak(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cash differs from what fills and charges make of it: a dividend, a deposit, interest.

    Freezes nothing: what can be bought is the broker's word. `quiet_from` as with positions.
    """

    expected: Money
    observed: Money
    reads: int
    quiet_from: datetime | None = None


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
