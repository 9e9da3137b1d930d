"""Attached legs: orders that wait for their parent, and come to life when it has filled.

A leg exists from the start, with its own numbers, in status `Initial`; the desk brings it to life
sized to what the parent filled, or ends it with a parent that filled nothing. Of two legs one
cancels the other.
"""

from datetime import datetime

from infra.sandbox.broker.desk import Desk
from infra.sandbox.broker.records import AttachedTerms, Order, OrderWritten


def attach(desk: Desk, parent: Order, now: datetime) -> None:
    """Write the legs that a new order asks for."""
    group = parent.global_id if len(parent.attached) > 1 else 0
    for terms in parent.attached:
        desk.record(OrderWritten(order=_leg(desk, parent, terms, now, group=group)))


def _leg(desk: Desk, parent: Order, terms: AttachedTerms, now: datetime, *, group: int) -> Order:
    number = desk.reserve_number(parent.tiger_id)
    is_profit = terms.role == "PROFIT"
    return Order(
        global_id=desk.book.next_id(),
        order_number=number,
        external_id=str(number),
        tiger_id=parent.tiger_id,
        account=parent.account,
        symbol=parent.symbol,
        key=parent.key,
        side="SELL" if parent.side == "BUY" else "BUY",
        order_type="LMT" if is_profit else _stop_type(terms),
        quantity=parent.quantity,
        quantity_scale=parent.quantity_scale,
        limit_price=terms.price if is_profit else terms.limit_price,
        aux_price=None if is_profit else terms.trailing_amount or terms.price,
        trailing_percent=terms.trailing_percent,
        time_in_force=terms.time_in_force,
        outside_rth=terms.outside_rth,
        user_mark=parent.user_mark,
        source=parent.source,
        status="Initial",
        opened_at=now,
        updated_at=now,
        status_changed_at=now,
        parent_id=parent.global_id,
        attach_role=terms.role,
        oca_group=group,
        sec_type=parent.sec_type,
        multiplier=parent.multiplier,
        is_closing=True,
    )


def _stop_type(terms: AttachedTerms) -> str:
    if terms.trailing_percent is not None or terms.trailing_amount is not None:
        return "TRAIL"
    return "STP" if terms.limit_price is None else "STP_LMT"
