"""What a model (`cmd.`) or a person (`ctl.`) asks for, sealed in a signed envelope.

The signature covers the subject and the exact bytes of the envelope, so that a message moved to
another account's subject, or altered by anyone between, is refused by the worker.
"""

import re
from datetime import date, datetime
from decimal import Decimal
from typing import Final, Self

import msgspec

from core.errors import CommandError
from core.ids import derived_id
from core.modes import Mode
from core.terms import (
    ContractRef,
    OptionRight,
    OrderSpec,
    OrderType,
    SecurityType,
    Side,
    TimeInForce,
    TradingSession,
)

REASON_LENGTH_MAX: Final = 500
PRINTABLE_EXPECTED: Final = "expected one line of printable characters"
SYMBOL_PATTERN: Final = r"[A-Z0-9][A-Z0-9.\-]{0,19}"
_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
# A worker takes nothing longer than this; the stream refuses more than 64 KiB by itself.
MESSAGE_BYTES_MAX: Final = 32 * 1024


class LegAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One option of a combination."""

    right: OptionRight
    expiry: date
    strike: str
    side: Side
    ratio: int = 1


class StopAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A stop beside or below an order; `limit_price` makes it a stop-limit."""

    stop_price: str | None = None
    limit_price: str | None = None
    trailing_percent: str | None = None


class AlgoAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a TWAP or VWAP order spreads over time."""

    start_at: datetime | None = None
    end_at: datetime | None = None
    participation_rate: str | None = None


class PreviewOrder(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Show the exact order that these terms would make; sends nothing.

    Figures are decimal texts. What is not said of the later fields is not asked for.
    """

    symbol: str
    side: Side
    order_type: OrderType
    quantity: str | None
    limit_price: str | None
    time_in_force: TimeInForce
    outside_regular_hours: bool
    reason: str
    security: SecurityType = SecurityType.STOCK
    expiry: date | None = None
    strike: str | None = None
    right: OptionRight | None = None
    stop_price: str | None = None
    trailing_amount: str | None = None
    trailing_percent: str | None = None
    cash_amount: str | None = None
    good_till: datetime | None = None
    session: TradingSession | None = None
    legs: tuple[LegAsked, ...] = ()
    take_profit_price: str | None = None
    stop_loss: StopAsked | None = None
    or_stop: StopAsked | None = None
    algo: AlgoAsked | None = None
    display_quantity: str | None = None
    # The caller's own, so that a repeated call is the same command; see `core.claims`.
    key: str = ""

    def __post_init__(self) -> None:
        check_text(self.reason, field="reason")

    @property
    def contract(self) -> ContractRef:
        """Which contract's rules the order must fit; of a combination its underlying's."""
        if self.security is SecurityType.COMBINATION:
            return ContractRef(symbol=self.symbol)
        return ContractRef(
            symbol=self.symbol,
            security=self.security,
            expiry=self.expiry,
            strike=self.strike,
            right=self.right,
        )


class SubmitOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Send the order of a preview; holds no terms, so nothing else can be sent than was shown."""

    preview_id: str


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask the broker to cancel one order."""

    order_id: str


class CancelOrders(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask the broker to cancel every open order of the account that fits; None fits all."""

    symbol: str | None
    side: Side | None

    def __post_init__(self) -> None:
        check_scope(self.symbol or "")


class TermsSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be changed of an order, as it stood when somebody agreed to a change of it."""

    quantity: Decimal
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_percent: Decimal | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value is not None and not value.is_finite():
                raise ValueError(f"expected a number in {name}")

    @classmethod
    def of(cls, spec: OrderSpec) -> Self:
        """Return them of an order's terms."""
        return cls(**{name: getattr(spec, name) for name in cls.__struct_fields__})

    def differing(self, now: "TermsSeen") -> tuple[str, ...]:
        """Return for each term that is another one now its name and both values, in words."""
        return tuple(
            f"{name} is {_told(getattr(now, name))}, was {_told(getattr(self, name))}"
            for name in self.__struct_fields__
            if getattr(self, name) != getattr(now, name)
        )


class ModifyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask the broker to change an open order; what is None stays as it is then.

    The wish is this patch, not a whole order: it is laid over the terms that hold when it is
    decided, so that a change of the price never brings an old quantity back. `seen` are the terms
    that whoever agreed to it knew: over any others it is not laid. None: nobody looked.
    """

    order_id: str
    quantity: str | None
    limit_price: str | None
    reason: str
    stop_price: str | None = None
    trailing_amount: str | None = None
    trailing_percent: str | None = None
    key: str = ""
    seen: TermsSeen | None = None

    def __post_init__(self) -> None:
        check_text(self.reason, field="reason")


class HaltTrading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model's halt: what a person's does, and only a person can lift it."""

    symbol: str
    reason: str

    def __post_init__(self) -> None:
        check_scope(self.symbol)
        check_text(self.reason, field="reason")


class HaltAccount(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Stop sending and cancel what is open; `symbol` empty means the whole account.

    `file` tells the halt file that was put there with it from the next of its name.
    """

    symbol: str
    detail: str
    file: str = ""

    def __post_init__(self) -> None:
        check_scope(self.symbol)
        check_text(self.detail, field="detail")
        check_text(self.file, field="file")


class ResumeAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lift a halt and a freeze of the same scope, of those that were shown.

    `shown_n`: how far the account's events went in what the person looked at; a halt or freeze
    that came later is not lifted.
    """

    symbol: str
    shown_n: int

    def __post_init__(self) -> None:
        check_scope(self.symbol)


class ReleaseOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take an order in doubt off the books, on a person's word about what was shown of it.

    `shown_n`: how far the account's events went in that; a doubt that more was told of since, or of
    which nothing was shown (0), is not taken off.
    """

    order_id: str
    shown_n: int = 0


class AdoptPosition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Take the broker's figure of a position break for true, on a person's word."""

    break_id: str


class SetMode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Set what a model may do on the account."""

    mode: Mode


ModelCommand = PreviewOrder | SubmitOrder | CancelOrder | CancelOrders | ModifyOrder | HaltTrading
PersonCommand = HaltAccount | ResumeAccount | ReleaseOrder | AdoptPosition | SetMode
Command = ModelCommand | PersonCommand
Halt = HaltTrading | HaltAccount

COMMAND_CLASSES: Final[dict[str, type[ModelCommand]]] = {
    "order.preview": PreviewOrder,
    "order.submit": SubmitOrder,
    "order.cancel": CancelOrder,
    "order.cancel_many": CancelOrders,
    "order.modify": ModifyOrder,
    "trading.halt": HaltTrading,
}
CONTROL_CLASSES: Final[dict[str, type[PersonCommand]]] = {
    "account.halt": HaltAccount,
    "account.resume": ResumeAccount,
    "order.release": ReleaseOrder,
    "position.adopt": AdoptPosition,
    "account.set_mode": SetMode,
}


class Envelope(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A command with who asked, when, until when it may act, and the ids that tie it together.

    `principal` is the MCP client's own name for a model's command, the person's for a control; it
    explains. `owner` is whose a preview is: no other owner may submit it. "" binds nobody.
    """

    command_id: str
    correlation_id: str
    principal: str
    issued_at: datetime
    expires_at: datetime
    body: msgspec.Raw
    owner: str = ""

    def __post_init__(self) -> None:
        if self.issued_at.tzinfo is None or self.expires_at.tzinfo is None:
            raise ValueError("expected moments with a zone")


class Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What travels: the exact envelope bytes, and a signature over subject, zero byte and them."""

    key_id: str
    signature: str  # base64 of the 64 bytes of Ed25519
    envelope: msgspec.Raw


def signed_bytes(message_subject: str, envelope: bytes) -> bytes:
    """Return the bytes that a signature covers."""
    return message_subject.encode() + b"\0" + envelope


def submit_command_id(account: str, preview_id: str, owner: str = "") -> str:
    """Return the id of the one submit that a preview can have from one owner.

    Another's vain try is a command of its own: it spends nothing, and its caller learns nothing.
    """
    parts = (owner,) if owner else ()
    return derived_id("cmd", account, "order.submit", preview_id, *parts)


def cancel_command_id(account: str, order_id: str, attempt: str) -> str:
    """Return the id of a cancel; a repeated call with the same `attempt` is the same command."""
    return derived_id("cmd", account, "order.cancel", order_id, attempt)


def parse_body(kind_classes: dict[str, type[Command]], name: str, body: bytes) -> Command:
    """Read a command's own fields.

    Raises:
        CommandError: for a name that is not served, or fields that do not fit.
    """
    command_class = kind_classes.get(name)
    if command_class is None:
        raise CommandError(f"expected one of {sorted(kind_classes)}, was {name!r}", field="type")
    try:
        return msgspec.json.decode(body, type=command_class)
    except msgspec.ValidationError as error:
        raise CommandError(f"{name}: {error}", field="body") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CommandError(f"{name}: not JSON", field="body") from error


def check_scope(symbol: str) -> None:
    """Refuse a scope that would stop nothing, such as a symbol in lower case.

    Raises:
        ValueError: `symbol` is neither empty nor a symbol.
    """
    if symbol and _SYMBOL.fullmatch(symbol) is None:
        raise ValueError(f"expected symbol as AAPL or 00700, or none, was {symbol[:20]!r}")


def check_text(text: str, *, field: str) -> None:
    """Refuse words for the record that would do more than be read, such as steer a terminal.

    Only commands are held to it: facts of an earlier day may hold anything.

    Raises:
        ValueError: a character is not printable; a new line is not either.
    """
    if not text.isprintable():
        raise ValueError(f"{field}: {PRINTABLE_EXPECTED}")


def _told(value: Decimal | None) -> str:
    return "none" if value is None else f"{value:f}"
