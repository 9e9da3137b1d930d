"""What a desk takes, one at a time: commands, the broker's answers and sightings, and timers."""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from core import readings
from core.commands import Command
from core.modes import Environment, Mode
from core.money import Money
from core.refusals import Refusal
from core.terms import OptionRight, SecurityType


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
    | readings.OrderSeen
    | readings.AbsenceConfirmed
    | readings.ModifyNotShown
    | readings.FillsTakenBack
    | readings.FillsNotListed
    | readings.OrderUnread
    | readings.RowUnreadable
    | readings.UnreadOrderOpen
    | readings.PositionsSeen
    | readings.BalancesSeen
    | readings.RoundCompleted
    | GapNoticed
    | PushKicked
    | HaltFileSeen
    | CancelJournaled
    | TokenSeen
    | AccountBegins
    | WorkerStarts
    | Unreadable
)
