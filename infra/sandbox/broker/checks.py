"""Whether the broker takes an order: the rules that Tiger documents, in Tiger's order and words.

`refuse_order` raises for what is refused at once; `late_reason` names what is accepted first and
rejected afterwards, with the reason in the order's remark.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.combos import net_price
from infra.sandbox.broker.desk import UNCOVERED, Desk
from infra.sandbox.broker.fund_book import paying_segment
from infra.sandbox.broker.hours import ALGO_TYPES, AUCTION_TYPES, REGULAR_ONLY_TYPES, is_fractional
from infra.sandbox.broker.interest import OpenInterest, interest_of_legs, interest_sum
from infra.sandbox.broker.margin import NOTHING, funds_of, margin_bound
from infra.sandbox.broker.records import OrderRequest, OrderTerms
from infra.sandbox.broker.rules import (
    LEGS_MAX,
    LEGS_MIN,
    OrderRefusedError,
    RefusalKind,
    bad,
    is_within,
    refuse_terms,
)
from infra.sandbox.broker.triggers import adjusted
from infra.sandbox.market.expiry import is_over
from infra.sandbox.market.instruments import (
    USD_PER_UNIT,
    Instrument,
    find,
    is_on_tick,
    is_tradable,
    is_whole_lot,
    tick_above,
    tick_at,
    tick_below,
)
from infra.sandbox.market.prices import Prices

__all__ = [
    "OrderRefusedError",
    "RefusalKind",
    "contract_of",
    "late_reason",
    "refuse_order",
    "with_adjusted_limit",
    "without_interest",
    "working_price",
]

QUANTITY_MAX = Decimal(10) ** 9
NOT_TRADED = "We don't support trading of this stock now"
NOT_NOW = "Orders cannot be placed at this moment"
LIMIT_ONLY = "Only limit orders can be placed during pre market or post market"
Interest = tuple[tuple[str, OpenInterest], ...]


def refuse_order(request: OrderTerms, desk: Desk, now: datetime) -> None:
    """Raise if the order breaks a rule that Tiger checks before it answers.

    Raises:
        OrderRefusedError: with Tiger's kind and text.
    """
    account = desk.book.accounts[request.account]
    is_paper = account.kind == "paper"
    item = contract_of(request)
    if item is None or not _is_traded(item, now):
        raise bad(NOT_TRADED)
    if is_paper and item.sec_type in ("WAR", "IOPT"):
        raise bad("Paper accounts do not support warrants and callable bull/bear contracts")
    if request.legs:
        _refuse_legs(request, now)
    refuse_terms(request, item, now, is_paper=is_paper)
    _refuse_quantity(request, account, item)
    if not desk.settings.always_open:
        _refuse_session(request, desk, item, now)
    price = working_price(request, desk.prices)
    parts = _parts(request, item, price)
    _refuse_uncovered(request, account, parts)
    _refuse_unaffordable(request, account, parts, desk.prices, price=price)


def late_reason(request: OrderTerms) -> str | None:
    """Return why an order that was taken is rejected afterwards, or none.

    Source: Tiger's documented example of an `Invalid` order is a price out of step.
    """
    item = contract_of(request)
    assert item is not None, "an order that was taken has a contract"
    if request.legs:
        return None
    trigger = request.aux_price if request.order_type in ("STP", "STP_LMT") else None
    for price in (request.limit_price, trigger):
        if price is not None and not is_on_tick(item, price):
            tick = tick_at(item, price)
            return f"The order price does not match the minimum price increment of {tick}"
    return None


def contract_of(terms: OrderTerms) -> Instrument | None:
    """Return the contract an order is for, of legs the first one's; none if there is none."""
    return find(terms.legs[0].key if terms.legs else terms.contract_key)


def with_adjusted_limit(request: OrderRequest) -> OrderRequest:
    """Return a request with its limit moved to the tick, as far as it allows that."""
    item = contract_of(request)
    if item is None or request.limit_price is None or not request.adjust_limit or request.legs:
        return request
    if not request.limit_price.is_finite() or not request.adjust_limit.is_finite():
        return request
    price = adjusted(request.limit_price, request.adjust_limit, item)
    return msgspec.structs.replace(request, limit_price=price)


def working_price(request: OrderTerms, prices: Prices) -> Decimal:
    """Return the price an order is reckoned at: its limit, its trigger, or what the market asks."""
    if request.limit_price is not None:
        return request.limit_price
    if request.legs:
        return net_price(request, prices)
    key = request.contract_key
    item, last = find(key), prices.last(key)
    assert item is not None, "an order that is reckoned has a contract"
    if item.sec_type == "FUND":
        return last
    price = tick_above(item, last) if request.side == "BUY" else tick_below(item, last)
    if request.order_type == "STP" and request.aux_price is not None:
        return max(price, request.aux_price) if request.side == "BUY" else request.aux_price
    return price


@contextmanager
def without_interest(account: Account, interest: Interest) -> Iterator[None]:
    """Leave out what some orders want, while something else is checked in their place."""
    before: Mapping[str, OpenInterest] = {key: account.open_interest[key] for key, _ in interest}
    for key, wanted in interest:
        account.open_interest[key] = interest_sum(account.open_interest[key], wanted, sign=-1)
    try:
        yield
    finally:
        account.open_interest.update(before)


def _is_traded(item: Instrument, now: datetime) -> bool:
    return is_tradable(item, now.date()) and not is_over(item, now)


def _refuse_legs(request: OrderTerms, now: datetime) -> None:
    items = [find(leg.key) for leg in request.legs]
    if any(item is None or not _is_traded(item, now) for item in items):
        raise bad(NOT_TRADED)
    if any(leg.ratio < 1 for leg in request.legs):
        raise bad(NOT_TRADED)
    if any(item.sec_type not in ("OPT", "STK") for item in items if item is not None):
        raise bad("The legs of the order are invalid")
    keys = {leg.key for leg in request.legs}
    if not LEGS_MIN <= len(request.legs) <= LEGS_MAX or len(keys) != len(request.legs):
        raise bad("The legs of the order are invalid")
    if len({item.currency for item in items if item is not None}) != 1:
        raise bad("The legs of the order are invalid")
    if not any(item.sec_type == "OPT" for item in items if item is not None):
        raise bad("The legs of the order are invalid")
    if request.order_type not in ("MKT", "LMT") or request.attached or request.iceberg is not None:
        raise bad(f"Order type {request.order_type} is not supported")


def _refuse_quantity(request: OrderTerms, account: Account, item: Instrument) -> None:
    if request.cash_amount is not None:
        return
    quantity = request.quantity
    if not is_within(quantity, QUANTITY_MAX):
        raise bad("Order quantity must be greater than 0")
    is_whole = quantity % 1 == 0
    is_divisible = item.market == "US" and item.sec_type in ("STK", "FUND") and not request.legs
    if not is_whole and not (account.kind == "prime" and is_divisible):
        raise bad("Fractional shares are not supported")
    if is_whole and not request.legs and not is_whole_lot(item, quantity):
        raise bad(f"Order quantity must be a multiple of the lot size {item.lot_size}")


def _refuse_session(request: OrderTerms, desk: Desk, item: Instrument, now: datetime) -> None:
    kind, session = request.order_type, desk.hours.session(item, now)
    if item.sec_type == "FUND":
        # Funds take orders at any time, and do them while they are dealt in.
        return
    if kind in AUCTION_TYPES:
        if desk.hours.auction_phase(item, now) not in ("input", "no_cancel"):
            raise bad("Auction order is not allowed at this moment")
        return
    if session.is_regular:
        return
    if kind in ALGO_TYPES:
        raise bad(NOT_NOW)
    if item.market == "US" and item.sec_type == "STK":
        if is_fractional(request):
            raise bad("Only regular trading hours supported when trading fractional shares")
        if kind not in REGULAR_ONLY_TYPES or not request.outside_rth:
            return
        raise bad(LIMIT_ONLY if session.kind in ("pre", "post") else NOT_NOW)
    if kind in REGULAR_ONLY_TYPES:
        raise bad(NOT_NOW)


def _refuse_uncovered(request: OrderTerms, account: Account, parts: Interest) -> None:
    # From long to short in one order is refused; a short is opened from nothing or from a short.
    for key, wanted in parts:
        held = account.positions.get(key, Position()).quantity
        sold = wanted.sell_quantity
        if not sold:
            continue
        if held > 0:
            if account.interest(key).sell_quantity + sold > held:
                raise bad(UNCOVERED)
        elif not _may_be_short(key, request):
            raise bad(f"{request.symbol} does not support stock short")


def _may_be_short(key: str, request: OrderTerms) -> bool:
    item = find(key)
    assert item is not None, "the contract of an order was checked before"
    if item.sec_type in ("WAR", "IOPT", "FUND") or is_fractional(request):
        return False
    return item.sec_type != "STK" or item.is_shortable


def _refuse_unaffordable(
    request: OrderTerms, account: Account, parts: Interest, prices: Prices, *, price: Decimal
) -> None:
    needed = Decimal(0)
    for key, wanted in parts:
        position, before = account.positions.get(key, Position()), account.interest(key)
        needed += margin_bound(key, interest_sum(before, wanted), position, prices)
        needed -= margin_bound(key, before, position, prices)
    item = contract_of(request)
    assert item is not None, "the contract of an order was checked before"
    segment = paying_segment(item.sec_type)
    if needed > 0 and needed > funds_of(account, prices, segment).available:
        amount = request.cash_amount or request.quantity * price * item.multiplier
        usd = amount * USD_PER_UNIT[item.currency]
        raise bad(f"Insufficient buying power for an order of {usd:.2f} USD")


def _parts(request: OrderTerms, item: Instrument, price: Decimal) -> Interest:
    # What the order will want once it is in the market; a sale by amount counts in shares here.
    if request.cash_amount is not None:
        if request.side == "BUY":
            return ((request.contract_key, OpenInterest(cash_amount=request.cash_amount)),)
        shares = request.cash_amount / price
        sold = OpenInterest(sell_quantity=shares, sell_amount=request.cash_amount)
        return ((request.contract_key, sold),)
    if request.legs:
        return interest_of_legs(
            request, quantity=request.quantity, net=price, multiplier=item.multiplier
        )
    amount = request.quantity * price * item.multiplier
    wanted = NOTHING.plus(side=request.side, quantity=request.quantity, amount=amount)
    return ((request.contract_key, wanted),)
