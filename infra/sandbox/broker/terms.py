"""What an order asks for: its terms, as they are placed and as they are changed."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

Side = Literal["BUY", "SELL"]
# Tiger's words for when an order may trade; none: as `outside_rth` says.
SessionType = Literal["RTH", "PRE_RTH_POST", "OVERNIGHT", "FULL", "HK_AUC", "HK_CTS", "HK_AUC_CTS"]
AttachRole = Literal["PROFIT", "LOSS"]
PriceType = Literal["LIMIT_PRICE", "ASK_PRICE", "BID_PRICE", "LATEST_PRICE"]


class OrderLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a multi-leg option order, per unit of the whole."""

    key: str  # of its contract
    side: Side
    ratio: int


class AttachedTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A leg that comes to life when its parent fills: take profit, or stop loss."""

    role: AttachRole
    price: Decimal | None = None  # PROFIT: the limit; LOSS: the trigger, unless it trails
    limit_price: Decimal | None = None  # LOSS: makes it a stop-limit
    trailing_percent: Decimal | None = None
    trailing_amount: Decimal | None = None
    time_in_force: str = "DAY"
    outside_rth: bool = False


class AlgoTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a TWAP or VWAP order spreads over time; none: from now, to the end of the session."""

    start_at: datetime | None = None
    end_at: datetime | None = None
    participation_rate: Decimal | None = None  # VWAP: share of the volume, 0.01 to 0.5
    is_passive: bool = False  # `no_take_liq`
    may_run_over: bool = False  # `allow_past_end_time`


class IcebergTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How much of an ICEBERG order shows."""

    display_size: Decimal
    min_display_size: Decimal | None = None
    check_interval_s: int | None = None
    price_type: PriceType = "LIMIT_PRICE"
    start_at: datetime | None = None
    end_at: datetime | None = None


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an order and the request for one have in common."""

    tiger_id: str
    account: str
    symbol: str  # Tiger's; of an option its underlying's
    key: str = ""  # of the contract; empty: the stock called `symbol`, or an order of legs
    side: Side
    order_type: str
    quantity: Decimal  # 0 with `cash_amount`
    quantity_scale: int = 0
    cash_amount: Decimal | None = None  # an order by amount
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None  # the trigger of a stop; the distance of a TRAIL
    trailing_percent: Decimal | None = None  # the distance of a TRAIL; beats `aux_price`
    adjust_limit: Decimal | None = None  # how far a limit may be rounded to the tick, as a share
    time_in_force: str = "DAY"
    expire_at: datetime | None = None  # GTD
    outside_rth: bool = True
    session_type: SessionType | None = None
    user_mark: str = ""
    source: str = "OpenApi"
    legs: tuple[OrderLeg, ...] = ()
    combo_type: str | None = None
    attached: tuple[AttachedTerms, ...] = ()
    algo: AlgoTerms | None = None
    iceberg: IcebergTerms | None = None

    @property
    def contract_key(self) -> str:
        """The key of the contract; of an order of legs its underlying's symbol."""
        return self.key or self.symbol


class OrderRequest(OrderTerms, frozen=True, kw_only=True):
    """An order as somebody asks for it, before any check."""

    order_number: int | None = None  # none: the broker takes the next one
    external_id: str | None = None  # none: the order number, as Tiger does for API orders
    trail_stop_price: Decimal | None = None  # where a TRAIL starts; none: from the market


class OrderChange(msgspec.Struct, frozen=True, kw_only=True):
    """The terms that a modify asks for; the whole of them, not the differences."""

    quantity: Decimal
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None
    trailing_percent: Decimal | None = None
    trail_stop_price: Decimal | None = None
    time_in_force: str = "DAY"
    expire_at: datetime | None = None
    outside_rth: bool = True
