"""What an order takes from the market in one round: by its type, its limit and the book's depth.

An order that comes to the book gets the book's prices, level by level; the book comes to one that
rests, at the order's own limit.
"""

from datetime import datetime

import msgspec

from infra.sandbox.broker.algos import due_quantity
from infra.sandbox.broker.combos import work_legs
from infra.sandbox.broker.desk import UNCOVERED, Desk, home_of
from infra.sandbox.broker.hours import ALGO_TYPES
from infra.sandbox.broker.icebergs import work_iceberg
from infra.sandbox.broker.liquidity import Taken, is_within
from infra.sandbox.broker.records import Order
from infra.sandbox.broker.taking import take
from infra.sandbox.broker.triggers import STOP_TYPES, is_reached, trailed


def work(desk: Desk, order: Order, now: datetime, *, is_incoming: bool) -> Order:
    """Let an order have what the market gives it now, and return it as it is then."""
    if not order.is_live:
        return order
    time = desk.time_for(order, now)
    if not time.is_open:
        return order
    if order.legs:
        return work_legs(desk, order, now)
    if order.only_closes and not desk.closable(order):
        # What it was to close went another way: by an exercise, a transfer, another order.
        return desk.close(order, "Invalid", now, remark=UNCOVERED)
    if time.is_auction:
        return _work_at_auction(desk, order, now)
    if order.order_type in ALGO_TYPES:
        return _work_algo(desk, order, now)
    if order.order_type == "ICEBERG":
        return work_iceberg(desk, order, now)
    if order.order_type in STOP_TYPES and not order.is_triggered:
        return _work_stop(desk, order, now)
    return take(desk, order, now, limit=order.limit_price, is_resting=not is_incoming)


def _work_stop(desk: Desk, order: Order, now: datetime) -> Order:
    item, last = home_of(order), desk.prices.last(order.contract_key)
    trigger = order.aux_price
    if order.order_type == "TRAIL":
        # What the stop was before this price counts first: a fall through it triggers it.
        trigger = order.trail_stop_price
        moved = trailed(order, trigger, last, item)
        if trigger is None or not is_reached(order.side, trigger, last):
            if moved != trigger:
                order = desk.write(msgspec.structs.replace(order, trail_stop_price=moved), now)
            trigger = moved
    assert trigger is not None, "a stop has a trigger"
    if not is_reached(order.side, trigger, last):
        return order
    order = desk.write(msgspec.structs.replace(order, is_triggered=True), now)
    return take(desk, order, now, limit=order.limit_price, is_resting=False)


def _work_algo(desk: Desk, order: Order, now: datetime) -> Order:
    quantity = due_quantity(desk, order, now)
    if quantity <= 0:
        return order
    return take(desk, order, now, limit=order.limit_price, is_resting=False, most=quantity)


def _work_at_auction(desk: Desk, order: Order, now: datetime) -> Order:
    # An auction has one price, and everybody who accepts it trades at it.
    price = desk.prices.last(order.contract_key)
    if order.limit_price is not None and not is_within(price, order.limit_price, order.side):
        return order
    quantity = order.remaining_quantity
    if desk.settings.fill_quantity_max is not None:
        quantity = min(quantity, desk.settings.fill_quantity_max)
    return desk.fill(order, Taken(price=price, quantity=quantity), now)
