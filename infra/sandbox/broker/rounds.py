"""Rounds of the market: after a move of prices, or when time alone has passed."""

from datetime import datetime

from infra.sandbox.broker.algos import is_past_end
from infra.sandbox.broker.changes import apply_change
from infra.sandbox.broker.desk import Desk, home_of
from infra.sandbox.broker.hours import ALGO_TYPES
from infra.sandbox.broker.margin import instrument_of
from infra.sandbox.broker.matching import work
from infra.sandbox.broker.records import Order

EXPIRED = "The order has expired"
RANGE_ENDED = "The time range of the order has ended"
TIMED_TYPES = frozenset({*ALGO_TYPES, "ICEBERG"})


def run_round(desk: Desk, now: datetime, *, key: str | None = None) -> None:
    """Match every open order, oldest first by symbol, and settle what was deferred.

    Args:
        key: only orders that depend on the price of this contract.
    """
    desk.begin_round(now)
    for order_id in desk.open_ids():
        order = desk.book.orders[order_id]
        if not order.is_open or (key is not None and not _depends_on(order, key)):
            continue
        order = work(desk, _lapsed(desk, order, now), now, is_incoming=False)
        if order.is_open and order.cancel_status == "RECEIVED":
            desk.close(order, "Cancelled", now)
        elif order.is_open and order.change is not None:
            apply_change(desk, order, now)


def run_tick(desk: Desk, now: datetime) -> None:
    """Let orders lapse and slices come due; match where a session has begun."""
    desk.begin_round(now)
    begun: dict[tuple[str, str], bool] = {}
    for order_id in desk.open_ids():
        order = desk.book.orders[order_id]
        if not order.is_open:
            continue
        order, item = _lapsed(desk, order, now), home_of(order)
        place = (item.market, item.sec_type)
        if place not in begun:
            begun[place] = desk.has_begun(item, now)
        if begun[place] or order.order_type in TIMED_TYPES:
            work(desk, order, now, is_incoming=False)


def _lapsed(desk: Desk, order: Order, now: datetime) -> Order:
    is_kept = desk.settings.always_open and order.time_in_force in ("DAY", "OPG")
    if order.lapses_at is not None and now >= order.lapses_at and not is_kept:
        return desk.close(order, "Inactive", now, remark=EXPIRED)
    if is_past_end(order, now):
        return desk.close(order, "Inactive", now, remark=RANGE_ENDED)
    return order


def _depends_on(order: Order, key: str) -> bool:
    keys = [leg.key for leg in order.legs] or [order.contract_key]
    return any(key in (name, instrument_of(name).underlying) for name in keys)
