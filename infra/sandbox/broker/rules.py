"""What an order's own terms must be, whatever the account and the market: Tiger's documented rules.

Sources: tigeropen 3.8.0, `common/util/order_utils.py` and `trade/domain/order.py`; Tiger's pages on
placing orders and trading rules (docs-en.itigerup.com, read 2026-11). Where Tiger documents a rule
without its text, the wording is ours.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from infra.sandbox.broker.hours import ALGO_TYPES, AUCTION_TYPES, GTC_DAYS_MAX
from infra.sandbox.broker.records import AttachedTerms, Order, OrderRequest, OrderTerms
from infra.sandbox.market.instruments import PRICE_MAX, Instrument

ORDER_TYPES = frozenset(
    {"MKT", "LMT", "STP", "STP_LMT", "TRAIL", "ICEBERG", *AUCTION_TYPES, *ALGO_TYPES}
)
LIMIT_TYPES = frozenset({"LMT", "STP_LMT", "AL", "ICEBERG"})
TIMES_IN_FORCE = frozenset({"DAY", "GTC", "GTD", "OPG"})
LEG_TIMES_IN_FORCE = frozenset({"DAY", "GTC"})
OCA_TYPES = frozenset({"LMT", "STP", "STP_LMT"})
ATTACHED_MAX = 2
LEGS_MIN, LEGS_MAX = 2, 4
RATE_MIN, RATE_MAX = Decimal("0.01"), Decimal("0.5")
# Finer, sums of money would no longer be exact.
AMOUNT_STEP = Decimal("0.000001")
TRAILING_PERCENT_MAX = Decimal(100)
RefusalKind = Literal["bad_request", "not_found", "duplicate"]


class OrderRefusedError(Exception):
    """The broker says no at once; no order exists."""

    def __init__(self, kind: RefusalKind, text: str) -> None:
        super().__init__(f"{kind}:{text}")
        self.kind: RefusalKind = kind
        self.text = text


def bad(text: str) -> OrderRefusedError:
    """Return the refusal of a request."""
    return OrderRefusedError("bad_request", text)


def refuse_terms(terms: OrderTerms, item: Instrument, now: datetime, *, is_paper: bool) -> None:
    """Raise if the terms contradict each other or the contract.

    Raises:
        OrderRefusedError: with Tiger's kind and text.
    """
    if terms.order_type not in ORDER_TYPES:
        raise bad(f"Order type {terms.order_type} is not supported")
    _refuse_time_in_force(terms, now, is_paper=is_paper)
    _refuse_prices(terms)
    _refuse_place(terms, item)
    if terms.attached:
        _refuse_attached(terms, is_paper=is_paper)
    if terms.order_type in ALGO_TYPES:
        _refuse_algo(terms, now)
    if terms.order_type == "ICEBERG":
        _refuse_iceberg(terms, item, now)
    if terms.cash_amount is not None:
        _refuse_amount(terms, item, is_paper=is_paper)


def is_within(value: Decimal | None, most: Decimal) -> bool:
    """Say whether a value is there, finite, above 0 and no more than `most`."""
    # Not a number and infinity are read as decimals, and every comparison with them is a trap.
    return value is not None and value.is_finite() and 0 < value <= most


def _refuse_time_in_force(terms: OrderTerms, now: datetime, *, is_paper: bool) -> None:
    kind = terms.time_in_force
    if kind not in TIMES_IN_FORCE:
        raise bad(f"Time in force {kind} is not supported")
    if (kind == "OPG") != (terms.order_type in AUCTION_TYPES) and kind != "DAY":
        raise bad(f"{terms.order_type} orders do not support {kind}")
    if terms.order_type == "MKT" and kind in ("GTC", "GTD"):
        raise bad(f"Market orders do not support {kind}")
    if terms.order_type in ALGO_TYPES and kind != "DAY":
        raise bad(f"{terms.order_type} orders do not support {kind}")
    if is_paper and kind == "GTC":
        raise bad("Paper accounts do not support GTC")
    if kind == "GTD":
        end = terms.expire_at
        if end is None or not now < end <= now + timedelta(days=GTC_DAYS_MAX):
            raise bad("The expire time of the order is invalid")


def _refuse_prices(terms: OrderTerms) -> None:
    kind, limit = terms.order_type, terms.limit_price
    if kind == "MKT" and limit is not None:
        raise bad("Market orders do not take a limit price")
    if kind in LIMIT_TYPES and not terms.legs and not is_within(limit, PRICE_MAX):
        raise bad("Limit orders need a limit price above 0")
    if kind in ALGO_TYPES and limit is not None and not is_within(limit, PRICE_MAX):
        raise bad("Limit orders need a limit price above 0")
    if (
        terms.legs
        and kind == "LMT"
        and (limit is None or not limit.is_finite() or abs(limit) > PRICE_MAX)
    ):
        raise bad("Limit orders need a limit price")
    if kind in ("STP", "STP_LMT") and not is_within(terms.aux_price, PRICE_MAX):
        raise bad("Stop orders need a stop price above 0")
    if kind == "TRAIL":
        _refuse_distance(terms.trailing_percent, terms.aux_price)
        start = terms.trail_stop_price if isinstance(terms, Order | OrderRequest) else None
        if start is not None and not is_within(start, PRICE_MAX):
            raise bad("Stop orders need a stop price above 0")


def _refuse_distance(percent: Decimal | None, amount: Decimal | None) -> None:
    if percent is not None:
        if not is_within(percent, TRAILING_PERCENT_MAX):
            raise bad("The trailing percent must be above 0 and at most 100")
    elif not is_within(amount, PRICE_MAX):
        raise bad("Trailing stop orders need a trailing percent or amount above 0")


def _refuse_place(terms: OrderTerms, item: Instrument) -> None:
    kind, is_us_stock = terms.order_type, item.market == "US" and item.sec_type == "STK"
    if kind in AUCTION_TYPES and item.market != "HK":
        raise bad("Auction orders are supported in Hong Kong only")
    if kind == "TWAP" and not (item.market == "US" and item.sec_type in ("STK", "OPT")):
        raise bad("TWAP orders are supported for US stocks and options only")
    if kind == "VWAP" and not is_us_stock:
        raise bad("VWAP orders are supported for US stocks only")
    if item.sec_type == "FUND":
        _refuse_fund(terms)
    session = terms.session_type
    if session is not None and session.startswith("HK") and item.market != "HK":
        raise bad(f"Trading session {session} is not supported")
    if session in ("OVERNIGHT", "FULL") and not (is_us_stock and kind == "LMT"):
        raise bad(f"Trading session {session} is supported for limit orders of US stocks only")


def _refuse_fund(terms: OrderTerms) -> None:
    # Source: the examples of Tiger's clients for C# and Java place a market order by amount
    # (`BuildFundContract`, `BuildAmountOrder`; read 2026-11-23). What is held is sold by either.
    if terms.order_type != "MKT":
        raise bad(f"Order type {terms.order_type} is not supported for funds")
    if terms.side == "BUY" and terms.cash_amount is None:
        raise bad("Funds are bought by amount")


def _refuse_attached(terms: OrderTerms, *, is_paper: bool) -> None:
    if terms.order_type != "LMT" or terms.legs or terms.cash_amount is not None:
        raise bad("Attached orders are supported for limit orders only")
    roles = [leg.role for leg in terms.attached]
    if len(roles) > ATTACHED_MAX or len(set(roles)) != len(roles):
        raise bad("An order takes one take-profit and one stop-loss order at most")
    for leg in terms.attached:
        _refuse_leg(leg, is_paper=is_paper)


def _refuse_leg(leg: AttachedTerms, *, is_paper: bool) -> None:
    if leg.time_in_force not in LEG_TIMES_IN_FORCE:
        raise bad(f"Time in force {leg.time_in_force} is not supported")
    if is_paper and leg.time_in_force == "GTC":
        raise bad("Paper accounts do not support GTC")
    if leg.role == "LOSS" and (leg.trailing_percent or leg.trailing_amount) is not None:
        _refuse_distance(leg.trailing_percent, leg.trailing_amount)
    elif not is_within(leg.price, PRICE_MAX):
        raise bad("Attached orders need a price above 0")
    if leg.limit_price is not None and not is_within(leg.limit_price, PRICE_MAX):
        raise bad("Limit orders need a limit price above 0")


def _refuse_algo(terms: OrderTerms, now: datetime) -> None:
    algo = terms.algo
    if algo is None:
        return
    rate = algo.participation_rate
    if rate is not None:
        if terms.order_type != "VWAP":
            raise bad("Only VWAP orders take a participation rate")
        if not rate.is_finite() or not RATE_MIN <= rate <= RATE_MAX:
            raise bad("The participation rate must be between 0.01 and 0.5")
    _refuse_range(algo.start_at, algo.end_at, now)


def _refuse_range(start: datetime | None, end: datetime | None, now: datetime) -> None:
    if end is not None and (end <= now or (start is not None and end <= start)):
        raise bad("The time range for the order is invalid")


def _refuse_iceberg(terms: OrderTerms, item: Instrument, now: datetime) -> None:
    iceberg = terms.iceberg
    if iceberg is None or not is_within(iceberg.display_size, terms.quantity):
        raise bad("The display size must be above 0 and at most the order's quantity")
    if iceberg.display_size % item.lot_size != 0:
        raise bad(f"The display size must be a multiple of the lot size {item.lot_size}")
    least = iceberg.min_display_size
    if least is not None and not is_within(least, iceberg.display_size):
        raise bad("The minimum display size must be above 0 and at most the display size")
    if iceberg.check_interval_s is not None and iceberg.check_interval_s <= 0:
        raise bad("The check interval must be above 0")
    _refuse_range(iceberg.start_at, iceberg.end_at, now)


def _refuse_amount(terms: OrderTerms, item: Instrument, *, is_paper: bool) -> None:
    is_traded_so = item.sec_type == "FUND" or (item.market == "US" and item.sec_type == "STK")
    if is_paper or not is_traded_so:
        raise bad("Orders by amount are not supported")
    if terms.order_type not in ("MKT", "LMT"):
        raise bad("Orders by amount are supported for market and limit orders only")
    if not is_within(terms.cash_amount, PRICE_MAX):
        raise bad("Order amount must be greater than 0")
    if terms.cash_amount is not None and terms.cash_amount % AMOUNT_STEP != 0:
        raise bad("The order amount has too many decimals")
    if terms.quantity != 0:
        raise bad("An order takes a quantity or an amount, not both")
