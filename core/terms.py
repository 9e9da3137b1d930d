"""The exact terms of one order: contract, size, price, time, and what hangs on it.

All of it is what a person could have typed at the broker; nothing here says what became of it.
"""

import hashlib
import re
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

import msgspec


class TermsError(ValueError):
    """Terms that no order can have; `field` is the one to mend."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """How the price is found."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"
    AUCTION = "auction"
    AUCTION_LIMIT = "auction_limit"
    TWAP = "twap"
    VWAP = "vwap"
    ICEBERG = "iceberg"


class TimeInForce(StrEnum):
    """How long an order stands: the exchange's day, until cancelled, until a moment, an auction."""

    DAY = "day"
    GOOD_TILL_CANCELLED = "gtc"
    GOOD_TILL_DATE = "gtd"
    OPENING_AUCTION = "opg"


class SecurityType(StrEnum):
    """The class of what is traded; a combination is several options in one order."""

    STOCK = "stock"
    OPTION = "option"
    FUTURE = "future"
    WARRANT = "warrant"
    CBBC = "cbbc"
    FUND = "fund"
    COMBINATION = "combination"


class OptionRight(StrEnum):
    """What an option gives the right to."""

    CALL = "call"
    PUT = "put"


class TradingSession(StrEnum):
    """In which hours of the exchange an order may trade; US stocks alone know the difference."""

    REGULAR = "regular"
    EXTENDED = "extended"  # regular, before and after
    OVERNIGHT = "overnight"
    FULL = "full"


class ContractRef(msgspec.Struct, frozen=True, kw_only=True):
    """Names one contract as a caller does; `strike` is decimal text."""

    symbol: str
    security: SecurityType = SecurityType.STOCK
    expiry: date | None = None
    strike: str | None = None
    right: OptionRight | None = None


class OptionLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a combination; `ratio` per unit of the order's quantity.

    Without right, expiry and strike it is the underlying itself, as in a covered call from
    elsewhere.
    """

    right: OptionRight | None
    expiry: date | None
    strike: Decimal | None
    side: Side
    ratio: int

    def __post_init__(self) -> None:
        if len({part is None for part in (self.right, self.expiry, self.strike)}) > 1:
            raise TermsError("expected right, expiry and strike of a leg together", field="legs")
        _check_above_zero(self.strike, "strike")
        if self.ratio < 1:
            raise TermsError(f"expected ratio of at least 1, was {self.ratio}", field="legs")

    def contract(self, symbol: str) -> str:
        """What is traded, as one word; see `OrderSpec.contract`."""
        return contract_word(symbol, self.expiry, self.right, self.strike)


class TakeProfit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit order that comes to life when its parent fills."""

    limit_price: Decimal

    def __post_init__(self) -> None:
        _check_above_zero(self.limit_price, "take_profit.limit_price")


class StopLoss(msgspec.Struct, frozen=True, kw_only=True):
    """A stop that comes to life when its parent fills: at a price, or trailing by percent.

    With `limit_price` it becomes a limit order when it triggers, else a market order.
    """

    stop_price: Decimal | None = None
    limit_price: Decimal | None = None
    trailing_percent: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.stop_price is None) == (self.trailing_percent is None):
            raise TermsError(
                "expected a stop with either stop_price or trailing_percent", field="stop_price"
            )
        if self.limit_price is not None and self.stop_price is None:
            raise TermsError(
                "expected the limit_price of a stop beside its stop_price alone",
                field="limit_price",
            )
        for name in ("stop_price", "limit_price", "trailing_percent"):
            _check_above_zero(getattr(self, name), f"stop_loss.{name}")


class AlgoPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How a TWAP or VWAP order spreads; None means from now, to the end of the session.

    `participation_rate` (VWAP alone) is a share of the volume, 0.01 to 0.5.
    """

    start_at: datetime | None = None
    end_at: datetime | None = None
    participation_rate: Decimal | None = None


_NEEDS_LIMIT: Final = frozenset(
    {OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.AUCTION_LIMIT, OrderType.ICEBERG}
)
_ALGOS: Final = frozenset({OrderType.TWAP, OrderType.VWAP})
# Types that may have a limit price, and those that have a stop price.
WITH_LIMIT: Final = _NEEDS_LIMIT | _ALGOS
WITH_STOP: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
# What `contract_word` makes of an option.
_OPTION_WORD: Final = re.compile(r"(.+)\d{6}[CP]\d+(?:\.\d+)?")


class OrderSpec(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The exact terms of one order.

    `symbol` is Tiger's: of an option its underlying's, of a future its contract code. `quantity`
    is in shares or contracts, 0 where the order is given by `cash_amount`; prices are in whole
    units of `currency`, `multiplier` None means 1. `take_profit` and `stop_loss` come to life when
    the order fills; `or_stop` is a stop that stands beside it from the start, and whichever of the
    two trades cancels the other. Terms that are not asked for stay at their
    default and are not stored, so that a plain order's record and digest never change.
    """

    symbol: str
    market: str
    currency: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None
    time_in_force: TimeInForce
    outside_regular_hours: bool
    security: SecurityType = SecurityType.STOCK
    expiry: date | None = None
    strike: Decimal | None = None
    right: OptionRight | None = None
    multiplier: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_amount: Decimal | None = None
    trailing_percent: Decimal | None = None
    cash_amount: Decimal | None = None
    good_till: datetime | None = None
    session: TradingSession | None = None
    legs: tuple[OptionLeg, ...] = ()
    take_profit: TakeProfit | None = None
    stop_loss: StopLoss | None = None
    or_stop: StopLoss | None = None
    algo: AlgoPlan | None = None
    display_quantity: Decimal | None = None

    def __post_init__(self) -> None:
        # An order from elsewhere may have any size, even none where it is given by amount; our own
        # are held to the broker's precision where their terms are made.
        if not self.quantity.is_finite() or self.quantity < 0:
            raise TermsError(
                f"expected a finite quantity of at least 0, was {self.quantity}", field="quantity"
            )
        _check_prices(self)
        _check_contract(self)
        if (self.good_till is not None) != (self.time_in_force is TimeInForce.GOOD_TILL_DATE):
            raise TermsError(
                "expected good_till with time_in_force gtd and with no other", field="good_till"
            )
        if self.algo is not None and self.order_type not in _ALGOS:
            raise TermsError("expected algo for a twap or vwap order alone", field="algo")
        if (self.display_quantity is not None) != (self.order_type is OrderType.ICEBERG):
            raise TermsError(
                "expected display_quantity for an iceberg order and for no other",
                field="display_quantity",
            )
        if self.cash_amount is not None and self.quantity != 0:
            raise TermsError("expected cash_amount in place of quantity", field="cash_amount")
        if self.has_children and self.order_type is not OrderType.LIMIT:
            raise TermsError(
                "expected order_type limit for take_profit, stop_loss and or_stop",
                field="order_type",
            )
        if self.or_stop is not None and self.or_stop.stop_price is None:
            raise TermsError("expected or_stop with a stop_price", field="or_stop")
        if self.or_stop is not None and (self.take_profit or self.stop_loss):
            raise TermsError("expected or_stop without take_profit and stop_loss", field="or_stop")

    @property
    def contract(self) -> str:
        """What is traded, as one word: the same contract always gives the same."""
        return contract_word(self.symbol, self.expiry, self.right, self.strike, self.legs)

    @property
    def ref(self) -> ContractRef:
        """Name of the contract whose rules hold; of a combination its underlying."""
        if self.legs:
            return ContractRef(symbol=self.symbol)
        return ContractRef(
            symbol=self.symbol,
            security=self.security,
            expiry=self.expiry,
            strike=None if self.strike is None else str(self.strike),
            right=self.right,
        )

    @property
    def unit(self) -> Decimal:
        """How many units of the underlying one unit of quantity stands for."""
        return Decimal(1) if self.multiplier is None else self.multiplier

    @property
    def has_children(self) -> bool:
        """Whether the broker makes further orders of it."""
        return any(part is not None for part in (self.take_profit, self.stop_loss, self.or_stop))

    @property
    def contracts(self) -> tuple[str, ...]:
        """Every contract whose position the order moves, each as one word."""
        if self.legs:
            return tuple(leg.contract(self.symbol) for leg in self.legs)
        return (self.contract,)

    def digest(self, account: str) -> str:
        """Return the hex SHA-256 that binds a submit to exactly these terms on this account."""
        return hashlib.sha256(account.encode() + b"\0" + msgspec.json.encode(self)).hexdigest()


def position_key(contract: str, market: str) -> str:
    """Return the key of a position: one contract may be listed in two markets."""
    return f"{contract}@{market}"


def symbol_of(word: str) -> str:
    """Return the symbol in a contract's word: of an option its underlying's."""
    found = _OPTION_WORD.fullmatch(word)
    return found.group(1) if found else word


def contract_word(
    symbol: str,
    expiry: date | None,
    right: OptionRight | None,
    strike: Decimal | None,
    legs: tuple[OptionLeg, ...] = (),
) -> str:
    """Return a contract as one word; of a stock or a future its symbol."""
    if legs:
        parts = sorted(
            f"{leg.side[0]}{leg.ratio}:{contract_word('', leg.expiry, leg.right, leg.strike)}"
            for leg in legs
        )
        return f"{symbol}[{','.join(parts)}]"
    if expiry is None or right is None or strike is None:
        return symbol
    return f"{symbol}{expiry:%y%m%d}{right[0].upper()}{strike.normalize():f}"


def _check_prices(spec: OrderSpec) -> None:
    if spec.order_type not in _ALGOS and (spec.limit_price is None) == (
        spec.order_type in _NEEDS_LIMIT
    ):
        raise TermsError(
            "expected limit_price for a limit order and for no other", field="limit_price"
        )
    if (spec.stop_price is None) == (spec.order_type in WITH_STOP):
        raise TermsError(
            "expected stop_price for a stop or stop_limit order and for no other",
            field="stop_price",
        )
    trails = (spec.trailing_amount is not None) + (spec.trailing_percent is not None)
    if trails != (spec.order_type is OrderType.TRAILING_STOP):
        raise TermsError(
            "expected either trailing_amount or trailing_percent for a trailing_stop order, "
            "and neither for any other",
            field="trailing_percent",
        )


def _check_contract(spec: OrderSpec) -> None:
    is_option = spec.security is SecurityType.OPTION
    named = (spec.expiry, spec.strike, spec.right)
    if is_option != all(part is not None for part in named) or (
        not is_option and any(part is not None for part in (spec.strike, spec.right))
    ):
        raise TermsError(
            "expected expiry, strike and right for an option and for no other", field="expiry"
        )
    is_combination = spec.security is SecurityType.COMBINATION
    if is_combination != bool(spec.legs) or len(spec.legs) == 1:
        raise TermsError(
            "expected two or more legs for a combination and none for any other", field="legs"
        )


def _check_above_zero(value: Decimal | None, name: str) -> None:
    if value is not None and not (value.is_finite() and value > 0):
        raise TermsError(f"expected {name} above 0, was {value}", field=name)
