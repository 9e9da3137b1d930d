"""What open orders still want of each contract, and so bind.

An order in the market wants its remaining quantity; an attached leg that waits for its parent
wants nothing yet; of a one-cancels-other group the book counts the largest member only.
"""

from decimal import Decimal

import msgspec

from infra.sandbox.broker.records import Order, OrderTerms, Side


class OpenInterest(msgspec.Struct, frozen=True, kw_only=True):
    """What the open orders of one account on one contract still want, by side."""

    buy_quantity: Decimal = Decimal(0)
    buy_amount: Decimal = Decimal(0)
    sell_quantity: Decimal = Decimal(0)
    sell_amount: Decimal = Decimal(0)
    cash_amount: Decimal = Decimal(0)  # of buys by amount, and the net debit of orders of legs

    def plus(self, *, side: Side, quantity: Decimal, amount: Decimal) -> "OpenInterest":
        """Return the sum with one more want (or one fewer, with negative figures)."""
        return interest_sum(self, _wanted(side, quantity, amount))


def interest_of(order: Order) -> tuple[tuple[str, OpenInterest], ...]:
    """Return what an order still wants, by contract key; nothing unless it is in the market."""
    if not order.is_live:
        return ()
    if order.legs:
        return interest_of_legs(
            order,
            quantity=order.remaining_quantity,
            net=order.limit_price or Decimal(0),
            multiplier=order.multiplier,
        )
    if order.cash_amount is not None:
        # A sale by amount is bounded by what is held, so it opens nothing.
        cash = order.remaining_amount if order.side == "BUY" else Decimal(0)
        return ((order.contract_key, OpenInterest(cash_amount=cash)),)
    quantity = order.remaining_quantity
    amount = quantity * _worth(order) * order.multiplier
    return ((order.contract_key, _wanted(order.side, quantity, amount)),)


def leg_side(side: Side, of_leg: Side) -> Side:
    """Return what an order of legs does with one of them: to sell the whole turns every leg."""
    return "BUY" if side == of_leg else "SELL"


def interest_sum(one: OpenInterest, other: OpenInterest, *, sign: int = 1) -> OpenInterest:
    """Return one want and another together, or (sign -1) one without the other."""
    return OpenInterest(
        buy_quantity=one.buy_quantity + sign * other.buy_quantity,
        buy_amount=one.buy_amount + sign * other.buy_amount,
        sell_quantity=one.sell_quantity + sign * other.sell_quantity,
        sell_amount=one.sell_amount + sign * other.sell_amount,
        cash_amount=one.cash_amount + sign * other.cash_amount,
    )


def interest_of_legs(
    terms: OrderTerms, *, quantity: Decimal, net: Decimal, multiplier: Decimal
) -> tuple[tuple[str, OpenInterest], ...]:
    """Return what an order of legs wants of each of them, and the cash that its net debit binds.

    Args:
        net: price of one unit of the whole, as its buyer pays it.
    """
    debit = max(Decimal(0), net if terms.side == "BUY" else -net)
    parts = tuple(
        (leg.key, _wanted(leg_side(terms.side, leg.side), quantity * leg.ratio, Decimal(0)))
        for leg in terms.legs
    )
    cash = OpenInterest(cash_amount=debit * quantity * multiplier)
    return (*parts, (terms.legs[0].key, cash))


def _wanted(side: Side, quantity: Decimal, amount: Decimal) -> OpenInterest:
    if side == "BUY":
        return OpenInterest(buy_quantity=quantity, buy_amount=amount)
    return OpenInterest(sell_quantity=quantity, sell_amount=amount)


def _worth(order: Order) -> Decimal:
    # A TRAIL is worth where it would trigger; its `aux_price` is a distance. A market order has no
    # price: it is worth what it has paid so far.
    trigger = order.trail_stop_price if order.order_type == "TRAIL" else order.aux_price
    for price in (order.limit_price, trigger):
        if price is not None:
            return price
    return order.filled_amount / order.filled_quantity if order.filled_quantity else Decimal(0)
