"""Whether the broker takes an order: the rules that Tiger documents, in Tiger's order and words.

`refuse_order` raises for what is refused at once; `late_reason` names what is accepted first and
rejected afterwards, with the reason in the order's remark.
"""

from decimal import Decimal
from typing import Literal

from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.margin import funds_of, margin_bound
from infra.sandbox.broker.records import OrderRequest
from infra.sandbox.market.instruments import (
    CATALOGUE,
    PRICE_MAX,
    USD_PER_UNIT,
    Instrument,
    is_on_tick,
    tick_at,
)
from infra.sandbox.market.prices import Prices

ORDER_TYPES = frozenset({"MKT", "LMT"})
TIMES_IN_FORCE = frozenset({"DAY", "GTC"})
QUANTITY_MAX = Decimal(10) ** 9
RefusalKind = Literal["bad_request", "not_found", "duplicate"]


class OrderRefusedError(Exception):
    """The broker says no at once; no order exists."""

    def __init__(self, kind: RefusalKind, text: str) -> None:
        super().__init__(f"{kind}:{text}")
        self.kind: RefusalKind = kind
        self.text = text


def refuse_order(request: OrderRequest, account: Account, prices: Prices) -> None:
    """Raise if the order breaks a rule that Tiger checks before it answers.

    Raises:
        OrderRefusedError: with Tiger's kind and text.
    """
    instrument = CATALOGUE.get(request.symbol)
    if instrument is None:
        raise _bad("We don't support trading of this stock now")
    _refuse_terms(request, account)
    _refuse_quantity(request, account, instrument)
    _refuse_uncovered(request, account)
    _refuse_unaffordable(request, account, prices)


def late_reason(request: OrderRequest) -> str | None:
    """Return why an order that was taken is rejected afterwards, or none.

    Source: Tiger's documented example of an `Invalid` order is a price out of step.
    """
    instrument, price = CATALOGUE[request.symbol], request.limit_price
    if price is None or is_on_tick(instrument, price):
        return None
    tick = tick_at(instrument, price)
    return f"The order price does not match the minimum price increment of {tick}"


def working_price(request: OrderRequest, prices: Prices) -> Decimal:
    """Return the price an order is reckoned at: its limit, or what the market asks now."""
    if request.limit_price is not None:
        return request.limit_price
    quote = prices.quote(request.symbol)
    return quote.ask if request.side == "BUY" else quote.bid


def _refuse_terms(request: OrderRequest, account: Account) -> None:
    if request.order_type not in ORDER_TYPES:
        raise _bad(f"Order type {request.order_type} is not supported")
    if request.time_in_force not in TIMES_IN_FORCE:
        raise _bad(f"Time in force {request.time_in_force} is not supported")
    if request.order_type == "MKT":
        if request.limit_price is not None:
            raise _bad("Market orders do not take a limit price")
        if request.time_in_force == "GTC":
            raise _bad("Market orders do not support GTC")
    elif request.limit_price is None or not _is_within(request.limit_price, PRICE_MAX):
        raise _bad("Limit orders need a limit price above 0")
    if account.kind == "paper" and request.time_in_force == "GTC":
        raise _bad("Paper accounts do not support GTC")


def _refuse_quantity(request: OrderRequest, account: Account, instrument: Instrument) -> None:
    quantity = request.quantity
    if not _is_within(quantity, QUANTITY_MAX):
        raise _bad("Order quantity must be greater than 0")
    is_whole = quantity == quantity.to_integral_value()
    if not is_whole and not (account.kind == "prime" and instrument.market == "US"):
        raise _bad("Fractional shares are not supported")
    if is_whole and quantity % instrument.lot_size != 0:
        raise _bad(f"Order quantity must be a multiple of the lot size {instrument.lot_size}")


def _refuse_uncovered(request: OrderRequest, account: Account) -> None:
    # From long to short in one order is refused; a short is opened from nothing or from a short.
    held = account.positions.get(request.symbol, Position()).quantity
    if request.side == "BUY" or held <= 0:
        return
    wanted = account.open_interest[request.symbol].sell_quantity + request.quantity
    if wanted > held:
        raise _bad("The order quantity you entered exceeds your currently available position")


def _refuse_unaffordable(request: OrderRequest, account: Account, prices: Prices) -> None:
    symbol = request.symbol
    amount = request.quantity * working_price(request, prices)
    position = account.positions.get(symbol, Position())
    interest = account.open_interest[symbol]
    with_it = interest.plus(side=request.side, quantity=request.quantity, amount=amount)
    needed = margin_bound(symbol, with_it, position) - margin_bound(symbol, interest, position)
    if needed > 0 and needed > funds_of(account, prices).available:
        usd = amount * USD_PER_UNIT[CATALOGUE[symbol].currency]
        raise _bad(f"Insufficient buying power for an order of {usd:.2f} USD")


def _is_within(value: Decimal, most: Decimal) -> bool:
    # Not a number and infinity are read as decimals, and every comparison with them is a trap.
    return value.is_finite() and 0 < value <= most


def _bad(text: str) -> OrderRefusedError:
    return OrderRefusedError("bad_request", text)
