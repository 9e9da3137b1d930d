"""Changing an open order: what may change, and when it has come too late."""

from datetime import datetime

import msgspec

from infra.sandbox.broker.checks import (
    contract_of,
    late_reason,
    refuse_order,
    without_interest,
)
from infra.sandbox.broker.desk import UNCOVERED, Desk
from infra.sandbox.broker.interest import interest_of
from infra.sandbox.broker.matching import work
from infra.sandbox.broker.records import Order, OrderChange
from infra.sandbox.broker.rules import OrderRefusedError, bad
from infra.sandbox.broker.triggers import adjusted

NOT_NOW = "The order can not be modified now"


def refuse_change(desk: Desk, order: Order, change: OrderChange, now: datetime) -> None:
    """Raise unless an order may have new terms.

    Raises:
        OrderRefusedError: the order is over, is about to be cancelled or changed, is by amount or
            has begun to trade by a plan; or it would be refused with the new terms.
    """
    if not order.is_open or order.cancel_status == "RECEIVED" or order.change is not None:
        raise bad(NOT_NOW)
    if order.cash_amount is not None or desk.is_fixed(order, now):
        raise bad(NOT_NOW)
    if order.status == "Initial":
        # The size of a leg that waits follows from its parent.
        return
    if change.quantity <= order.filled_quantity:
        raise bad("The quantity is already filled")
    if order.parent_id and change.quantity > desk.book.orders[order.parent_id].filled_quantity:
        raise bad(UNCOVERED)
    terms = _changed(order, change)
    # Only what is not filled yet is asked for anew, and nothing of it is attached again.
    asked = msgspec.structs.replace(
        terms, quantity=change.quantity - order.filled_quantity, attached=()
    )
    counted = desk.book.counted(order)
    account = desk.book.accounts[order.account]
    with without_interest(account, interest_of(counted) if counted is not None else ()):
        refuse_order(asked, desk, now)
    if (reason := late_reason(terms)) is not None:
        raise bad(reason)


def apply_change(desk: Desk, order: Order, now: datetime) -> Order:
    """Give an order the terms it was promised, or fail to: it may have filled meanwhile."""
    change = order.change
    assert change is not None, "a change is applied once, when it was taken"
    try:
        refuse_change(desk, msgspec.structs.replace(order, change=None), change, now)
    except OrderRefusedError:
        # The answer is on the order: nothing but its word changes.
        failed = msgspec.structs.replace(order, change=None, replace_status="FAILED")
        return desk.write(failed, now)
    item = contract_of(order)
    assert item is not None, "an order in the book has a contract"
    changed = _changed(order, change)
    changed = msgspec.structs.replace(
        changed,
        change=None,
        replace_status="REPLACED",
        lapses_at=desk.hours.lapses_at(changed, item, now),
        # A slice that shows is of the old terms.
        slice_price=None,
    )
    return work(desk, desk.write(changed, now), now, is_incoming=True)


def _changed(order: Order, change: OrderChange) -> Order:
    item = contract_of(order)
    assert item is not None, "an order in the book has a contract"
    limit = change.limit_price
    if limit is not None and not order.legs and limit.is_finite():
        limit = adjusted(limit, order.adjust_limit, item)
    return msgspec.structs.replace(
        order,
        quantity=order.quantity if order.status == "Initial" else change.quantity,
        limit_price=limit,
        aux_price=change.aux_price,
        trailing_percent=change.trailing_percent,
        time_in_force=change.time_in_force,
        expire_at=change.expire_at,
        outside_rth=change.outside_rth,
        trail_stop_price=change.trail_stop_price or order.trail_stop_price,
    )
