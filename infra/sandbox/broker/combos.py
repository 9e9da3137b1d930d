"""Orders of several option legs: all legs trade at once, at a net price, or none does.

The net price of a whole is what its buyer pays: bought legs add, sold legs take away. Who sells the
whole turns every leg, and gets what the buyer pays; a net below 0 is a credit.
"""

from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Position, position_after
from infra.sandbox.broker.desk import Desk, as_filled
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.interest import leg_side
from infra.sandbox.broker.liquidity import Taken, is_within
from infra.sandbox.broker.records import ComboTraded, Fill, Order, OrderLeg, OrderTerms, Side
from infra.sandbox.market.instruments import instrument_of
from infra.sandbox.market.prices import Prices


class LegTrade(msgspec.Struct, frozen=True, kw_only=True):
    """One leg at the best price of the other side."""

    leg: OrderLeg
    side: Side
    best: Taken


def net_price(terms: OrderTerms, prices: Prices) -> Decimal:
    """Return what one unit of the whole costs its buyer, or brings its seller, at last prices."""
    return sum(
        (prices.last(leg.key) * leg.ratio * (1 if leg.side == "BUY" else -1) for leg in terms.legs),
        Decimal(0),
    )


def work_legs(desk: Desk, order: Order, now: datetime) -> Order:
    """Fill an order of legs as far as every leg has a counterpart within the net price."""
    trades = _at_best(desk, order)
    if not trades:
        return order
    net = sum(
        (
            trade.best.price * trade.leg.ratio * (1 if trade.leg.side == "BUY" else -1)
            for trade in trades
        ),
        Decimal(0),
    )
    if order.limit_price is not None and not is_within(net, order.limit_price, order.side):
        return order
    quantity = min(
        order.remaining_quantity,
        *(trade.best.quantity // trade.leg.ratio for trade in trades),
    )
    if desk.settings.fill_quantity_max is not None:
        quantity = min(quantity, desk.settings.fill_quantity_max)
    if quantity <= 0:
        return order
    return _fill(desk, order, trades, quantity=quantity, net=net, now=now)


def _at_best(desk: Desk, order: Order) -> list[LegTrade]:
    found = []
    for leg in order.legs:
        side = leg_side(order.side, leg.side)
        available = desk.liquidity.available(leg.key, side, limit=None)
        if not available:
            return []
        found.append(LegTrade(leg=leg, side=side, best=available[0]))
    return found


def _fill(
    desk: Desk,
    order: Order,
    trades: list[LegTrade],
    *,
    quantity: Decimal,
    net: Decimal,
    now: datetime,
) -> Order:
    filled_quantity = order.filled_quantity + quantity
    fills, fees, realized = [], Decimal(0), Decimal(0)
    for number, trade in enumerate(trades):
        taken = Taken(price=trade.best.price, quantity=quantity * trade.leg.ratio)
        desk.liquidity.use(trade.leg.key, trade.side, taken)
        fill = _leg_fill(desk, order, trade, taken, number=number, now=now)
        fill = msgspec.structs.replace(fill, realized_pnl=_gain(desk, fill))
        fills.append(fill)
        fees, realized = fees + fill.fee, realized + fill.realized_pnl
    filled = msgspec.structs.replace(
        order,
        filled_quantity=filled_quantity,
        filled_amount=order.filled_amount + quantity * net,
        commission=order.commission + fees,
        realized_pnl=order.realized_pnl + realized,
        updated_at=now,
    )
    is_full = filled_quantity == order.quantity
    if is_full:
        filled = as_filled(filled, now)
    desk.record(ComboTraded(order=filled, fills=tuple(fills)))
    desk.after_fill(filled, now, is_full=is_full)
    return filled


def _leg_fill(
    desk: Desk, order: Order, trade: LegTrade, taken: Taken, *, number: int, now: datetime
) -> Fill:
    item = instrument_of(trade.leg.key)
    # Fees of a leg are those of an order of its own: they depend on all it has filled.
    before = order.filled_quantity * trade.leg.ratio
    after = before + taken.quantity
    fee = _leg_fees(trade, after, taken.price) - _leg_fees(trade, before, taken.price)
    return Fill(
        fill_id=desk.book.next_id(number),
        global_id=order.global_id,
        account=order.account,
        symbol=item.symbol,
        side=trade.side,
        quantity=taken.quantity,
        price=taken.price,
        fee=fee,
        currency=item.currency,
        filled_at=now,
        key=item.key,
        sec_type=item.sec_type,
        multiplier=item.multiplier,
    )


def _leg_fees(trade: LegTrade, quantity: Decimal, price: Decimal) -> Decimal:
    item = instrument_of(trade.leg.key)
    return fees_due(
        item.market,
        quantity=quantity,
        amount=quantity * price * item.multiplier,
        sec_type=item.sec_type,
    )


def _gain(desk: Desk, fill: Fill) -> Decimal:
    before = desk.book.accounts[fill.account].positions.get(fill.contract_key, Position())
    after = position_after(
        before,
        signed_quantity=fill.quantity if fill.side == "BUY" else -fill.quantity,
        price=fill.price * fill.multiplier,
    )
    return after.realized_pnl - before.realized_pnl
