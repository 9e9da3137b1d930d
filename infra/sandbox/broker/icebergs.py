"""How an ICEBERG order shows itself: one slice at a time, each where its price type says.

A slice that has filled is followed by the next one when the check interval has passed, at the
earliest in the next round.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_never

import msgspec

from infra.sandbox.broker.desk import Desk
from infra.sandbox.broker.records import IcebergTerms, Order
from infra.sandbox.broker.taking import take


def work_iceberg(desk: Desk, order: Order, now: datetime) -> Order:
    """Fill the slice that shows, or show the next one and fill what crosses."""
    terms = order.iceberg
    assert terms is not None, "an iceberg has its terms"
    if terms.start_at is not None and now < terms.start_at:
        return order
    if order.slice_price is not None:
        # The slice that showed rests; the market may have come to it.
        order = take(
            desk, order, now, limit=order.slice_price, is_resting=True, most=order.shown_quantity
        )
    if not order.is_live or not _is_due(order, terms, now):
        return order
    price = _slice_price(desk, order, terms)
    if price is None:
        return order
    if price != order.slice_price or terms.check_interval_s is not None:
        order = desk.write(msgspec.structs.replace(order, slice_price=price, sliced_at=now), now)
        return take(desk, order, now, limit=price, is_resting=False, most=order.shown_quantity)
    return order


def _is_due(order: Order, terms: IcebergTerms, now: datetime) -> bool:
    if order.sliced_at is None or terms.check_interval_s is None:
        return True
    return now >= order.sliced_at + timedelta(seconds=terms.check_interval_s)


def _slice_price(desk: Desk, order: Order, terms: IcebergTerms) -> Decimal | None:
    # However it is pegged, a slice never goes beyond the order's limit.
    limit = order.limit_price
    assert limit is not None, "an iceberg has a limit"
    key = order.contract_key
    match terms.price_type:
        case "LIMIT_PRICE":
            return limit
        case "LATEST_PRICE":
            price: Decimal | None = desk.prices.last(key)
        case "ASK_PRICE":
            price = desk.liquidity.best(key, "BUY")
        case "BID_PRICE":
            price = desk.liquidity.best(key, "SELL")
        case _:
            assert_never(terms.price_type)
    if price is None:
        return None
    return min(limit, price) if order.side == "BUY" else max(limit, price)
