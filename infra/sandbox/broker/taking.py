"""How much of the book an order takes: level by level, in whole lots, no more than it wants."""

from datetime import datetime
from decimal import Decimal

from infra.sandbox.broker.book import Position
from infra.sandbox.broker.desk import Desk, home_of, whole_steps
from infra.sandbox.broker.liquidity import Taken
from infra.sandbox.broker.records import Order


def take(
    desk: Desk,
    order: Order,
    now: datetime,
    *,
    limit: Decimal | None,
    is_resting: bool,
    most: Decimal | None = None,
) -> Order:
    """Fill an order with what the book gives within a limit.

    Args:
        is_resting: the book came to the order, so that it trades at its limit.
        most: take no more than this.
    """
    key, side = order.contract_key, order.side
    own_price = limit if is_resting else None
    taken = _taken(desk, order, limit=limit, own_price=own_price, most=most)
    for part in taken:
        desk.liquidity.use(key, side, part)
    if own_price is not None and taken:
        quantity = sum((part.quantity for part in taken), Decimal(0))
        taken = [Taken(price=own_price, quantity=quantity)]
    for part in taken:
        order = desk.fill(order, part, now)
    return order


def _taken(
    desk: Desk,
    order: Order,
    *,
    limit: Decimal | None,
    own_price: Decimal | None,
    most: Decimal | None,
) -> list[Taken]:
    left, cash = wanted_quantity(desk, order), order.remaining_amount
    for bound in (most, desk.settings.fill_quantity_max):
        if bound is not None:
            left = min(left, bound)
    lot, found = home_of(order).lot_size, []
    for level in desk.liquidity.available(order.contract_key, order.side, limit=limit):
        quantity, price = min(left, level.quantity), own_price or level.price
        if order.cash_amount is not None:
            quantity = min(quantity, whole_steps(cash / price))
        elif quantity < left:
            quantity = quantity // lot * lot
        if quantity > 0:
            found.append(Taken(price=level.price, quantity=quantity))
            left, cash = left - quantity, cash - quantity * price
        # An amount that buys no whole step at this price is spent, whatever the next one is.
        is_spent = order.cash_amount is not None and not whole_steps(cash / price)
        if left <= 0 or is_spent:
            break
    return found


def wanted_quantity(desk: Desk, order: Order) -> Decimal:
    """Return the most that an order may take; of a sale by amount what no other sale wants."""
    if order.cash_amount is None:
        return order.remaining_quantity
    if order.side == "BUY":
        return order.remaining_amount / LEAST_PRICE
    account, key = desk.book.accounts[order.account], order.contract_key
    held = account.positions.get(key, Position()).quantity
    return max(Decimal(0), held - account.interest(key).sell_quantity)


# No share costs less, so that an amount buys no more shares than this makes of it.
LEAST_PRICE = Decimal("0.0001")
