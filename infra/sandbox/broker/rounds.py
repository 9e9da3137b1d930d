"""Rounds of the market: after a move of prices, or when time alone has passed.

Orders are worked symbol by symbol, oldest first.
"""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime

from infra.sandbox.broker.algos import is_past_end
from infra.sandbox.broker.changes import apply_change
from infra.sandbox.broker.desk import Desk, home_of
from infra.sandbox.broker.hours import ALGO_TYPES
from infra.sandbox.broker.matching import work
from infra.sandbox.broker.records import Order
from infra.sandbox.market.expiry import is_over
from infra.sandbox.market.instruments import instrument_of

EXPIRED = "The order has expired"
RANGE_ENDED = "The time range of the order has ended"
TIMED_TYPES = frozenset({*ALGO_TYPES, "ICEBERG"})
# Nothing trades while a market does one of these.
STILL = frozenset({"closed", "lunch", "break"})


def run_round(desk: Desk, now: datetime, *, key: str | None = None) -> None:
    """Match every open order that the market has reached, and settle what was deferred.

    Args:
        key: only orders that depend on the price of this contract.
    """
    desk.begin_round(now)
    if key is None:
        desk.matched_at = now
    wanted = {*desk.book.resting.watched(), *_lapsing(desk, now), *_reached(desk, now)}
    for order in _in_turn(desk, wanted):
        if key is not None and not _depends_on(order, key):
            continue
        order = work(desk, _lapsed(desk, order, now), now, is_incoming=False)
        if order.is_open and order.cancel_status == "RECEIVED":
            desk.close(order, "Cancelled", now)
        elif order.is_open and order.change is not None:
            apply_change(desk, order, now)


def run_tick(desk: Desk, now: datetime) -> None:
    """Let orders lapse and slices come due; match where a session has begun."""
    desk.begin_round(now)
    begun = desk.begun(now)
    wanted = {*desk.book.resting.watched(), *_lapsing(desk, now)}
    if begun:
        wanted |= {*_reached(desk, now)}
    for order in _in_turn(desk, wanted):
        order, item = _lapsed(desk, order, now), home_of(order)
        if (item.market, item.sec_type) in begun or order.order_type in TIMED_TYPES:
            work(desk, order, now, is_incoming=False)


def _lapsing(desk: Desk, now: datetime) -> tuple[int, ...]:
    resting = desk.book.resting
    found = tuple(item for item in resting.lapsed(now) if desk.book.orders[item].is_open)
    for order_id in found:
        resting.keep(order_id)
    # An always open market keeps some of them; once it is real again, they are over.
    return found if desk.settings.always_open else resting.overdue()


def _reached(desk: Desk, now: datetime) -> Iterator[int]:
    for key in desk.book.resting.contracts():
        item = instrument_of(key)
        if not desk.settings.always_open and desk.hours.session(item, now).kind in STILL:
            continue
        # An auction trades at the last price, all else at the book's.
        last = desk.prices.last(key)
        ask, bid = desk.liquidity.best(key, "BUY"), desk.liquidity.best(key, "SELL")
        yield from desk.book.resting.reached(
            key,
            lowest=last if ask is None else min(ask, last),
            highest=last if bid is None else max(bid, last),
        )


def _in_turn(desk: Desk, order_ids: Iterable[int]) -> Iterator[Order]:
    """Give orders by symbol, oldest first, as they are when their turn comes; legs that come to
    life meanwhile have theirs as well."""
    book = desk.book
    ranks = {symbol: rank for rank, symbol in enumerate(book.open_ids)}
    waiting = [(ranks[book.orders[order_id].symbol], order_id) for order_id in order_ids]
    heapq.heapify(waiting)
    book.resting.woken()
    last = (-1, -1)
    while waiting:
        turn = heapq.heappop(waiting)
        if turn == last:
            continue
        last = turn
        if (order := book.orders[turn[1]]).is_open:
            yield order
        for woken in book.resting.woken():
            heapq.heappush(waiting, (ranks[book.orders[woken].symbol], woken))


def _lapsed(desk: Desk, order: Order, now: datetime) -> Order:
    if order.lapses_at is not None and now >= order.lapses_at:
        is_kept = desk.settings.always_open and order.time_in_force in ("DAY", "OPG")
        if not is_kept or is_over(home_of(order), now):
            return desk.close(order, "Inactive", now, remark=EXPIRED)
    if is_past_end(order, now):
        return desk.close(order, "Inactive", now, remark=RANGE_ENDED)
    return order


def _depends_on(order: Order, key: str) -> bool:
    keys = [leg.key for leg in order.legs] or [order.contract_key]
    return any(key in (name, instrument_of(name).underlying) for name in keys)
