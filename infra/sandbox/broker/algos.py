"""How TWAP and VWAP orders spread over time.

A TWAP is cut into equal slices, one a minute (one in five minutes where few trades are asked for);
what is due and was not filled is due still. A VWAP follows the same plan, but takes no more than
its share of what the market trades.
"""

from datetime import datetime, timedelta
from decimal import Decimal

from infra.sandbox.broker.desk import Desk, home_of
from infra.sandbox.broker.records import AlgoTerms, Order

SLICE_S = 60
PASSIVE_SLICE_S = 300
# Without an end, and with the market open at all hours, an order takes this long.
SPAN_DEFAULT = timedelta(minutes=30)
PARTICIPATION_DEFAULT = Decimal("0.1")


def due_quantity(desk: Desk, order: Order, now: datetime) -> Decimal:
    """Return how much of an order is due now and not filled yet."""
    terms = order.algo or AlgoTerms()
    begin, end = span_of(desk, order)
    if now < begin:
        return Decimal(0)
    planned = _planned(order, terms, begin=begin, end=end, now=now)
    if order.order_type == "VWAP":
        planned = min(planned, _share_of_volume(desk, order, terms))
    lot = home_of(order).lot_size
    due = min(planned, order.quantity) - order.filled_quantity
    return due if planned >= order.quantity else due // lot * lot


def span_of(desk: Desk, order: Order) -> tuple[datetime, datetime]:
    """Return when an order begins to trade, and when it is to be done."""
    terms = order.algo or AlgoTerms()
    begin = max(order.opened_at, terms.start_at or order.opened_at)
    if terms.end_at is not None:
        return begin, max(begin, terms.end_at)
    if desk.settings.always_open or order.lapses_at is None:
        return begin, begin + SPAN_DEFAULT
    return begin, order.lapses_at


def is_past_end(order: Order, now: datetime) -> bool:
    """Say whether an order's own time range is over, and it may not run on."""
    if order.algo is not None and order.algo.end_at is not None:
        return now >= order.algo.end_at and not order.algo.may_run_over
    if order.iceberg is not None and order.iceberg.end_at is not None:
        return now >= order.iceberg.end_at
    return False


def _planned(
    order: Order, terms: AlgoTerms, *, begin: datetime, end: datetime, now: datetime
) -> Decimal:
    slice_s = PASSIVE_SLICE_S if terms.is_passive else SLICE_S
    count = max(1, -(-int((end - begin).total_seconds()) // slice_s))
    number = min(count, int((now - begin).total_seconds()) // slice_s + 1)
    return order.quantity * number / count


def _share_of_volume(desk: Desk, order: Order, terms: AlgoTerms) -> Decimal:
    share = terms.participation_rate or PARTICIPATION_DEFAULT
    traded = desk.prices.volume_ever - (order.volume_mark or 0)
    return max(Decimal(0), share * traded)
