"""The terms that a listing shows of an order, against those on the books or asked for."""

from decimal import Decimal

from core import events, readings
from core.order_folds import terms_after
from core.orders import Order
from core.terms import OrderSpec, OrderType


def changed_terms(
    order: Order, seen: readings.OrderSeen
) -> events.OrderReplaced | events.OrderTermsObserved | None:
    """Return what follows where a listing shows other terms than those on the books."""
    if shows_change(order, seen):
        assert order.wanted is not None, "a change that is shown was asked for"
        return events.OrderReplaced(order_id=order.order_id, spec=order.wanted)
    told = _told_terms(order.spec, seen, order.order_id)
    # What the terms cannot take in would be told again with every listing.
    return None if terms_after(order.spec, told) == order.spec else told


def shows_change(order: Order, seen: readings.OrderSeen) -> bool:
    """Say whether a listing shows the terms asked for, and by something that is new in them."""
    return order.wanted is not None and _shows(seen, order.wanted) and not _shows(seen, order.spec)


def _shows(seen: readings.OrderSeen, spec: OrderSpec) -> bool:
    return terms_after(spec, _told_terms(spec, seen, "")) == spec


def _told_terms(
    spec: OrderSpec, seen: readings.OrderSeen, order_id: str
) -> events.OrderTermsObserved:
    """Return the terms that a listing tells of an order; what it is silent on is as in `spec`.

    A stop that was triggered may be listed as the market or limit order that it has become: then
    the listing says nothing of what triggered it.
    """
    listed = spec if seen.spec is None else seen.spec
    limit_price = spec.limit_price
    triggers = spec
    if spec.order_type in (OrderType.LIMIT, OrderType.MARKET):
        limit_price = _limit_of(seen)
    elif seen.order_type is spec.order_type and listed.order_type is spec.order_type:
        limit_price, triggers = listed.limit_price, listed
    elif seen.order_type is OrderType.LIMIT and spec.limit_price is not None:
        limit_price = _limit_of(seen)
    return events.OrderTermsObserved(
        order_id=order_id,
        quantity=seen.quantity,
        limit_price=limit_price,
        stop_price=triggers.stop_price,
        trailing_amount=triggers.trailing_amount,
        trailing_percent=triggers.trailing_percent,
    )


def _limit_of(seen: readings.OrderSeen) -> Decimal | None:
    if seen.spec is not None:
        return seen.spec.limit_price
    return seen.limit_price if seen.order_type is OrderType.LIMIT else None
