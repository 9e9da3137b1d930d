"""The orders that people want: plain ones, stops, trailing ones, brackets and pairs."""

from decimal import Decimal
from random import Random
from typing import Final

from msgspec.structs import replace

from core.commands import PreviewOrder, StopAsked
from core.orders import Order
from core.terms import OrderType, Side, TimeInForce

TICK: Final = Decimal("0.01")


def terms_of(
    rng: Random, symbol: str, side: Side, quantity: int, limit_price: str | None
) -> PreviewOrder:
    """Return the terms of a plain order; without a price a market order."""
    is_good = rng.random() < 0.3 and limit_price is not None
    return PreviewOrder(
        symbol=symbol,
        side=side,
        order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        quantity=str(quantity),
        limit_price=limit_price,
        time_in_force=TimeInForce.GOOD_TILL_CANCELLED if is_good else TimeInForce.DAY,
        outside_regular_hours=False,
        reason="simulated",
    )


def odd_terms_of(
    rng: Random, symbol: str, side: Side, quantity: int, last: Decimal
) -> PreviewOrder:
    """Return the terms of any other kind, with prices so near that they soon trigger."""
    way = 1 if side is Side.BUY else -1
    limit, stop = near(rng, last), near(rng, last, beyond=way)
    plain = terms_of(rng, symbol, side, quantity, limit)
    match rng.randrange(6):
        case 0:
            return replace(plain, order_type=OrderType.STOP, limit_price=None, stop_price=stop)
        case 1:
            return replace(plain, order_type=OrderType.STOP_LIMIT, stop_price=stop)
        case 2:
            return replace(
                plain,
                order_type=OrderType.TRAILING_STOP,
                limit_price=None,
                trailing_percent=rng.choice(("0.1", "1", "5")),
            )
        case 3:
            return replace(plain, or_stop=StopAsked(stop_price=stop))
        case 4:
            return replace(plain, take_profit_price=near(rng, last, beyond=way))
        case _:
            return replace(
                plain,
                take_profit_price=near(rng, last, beyond=way),
                stop_loss=StopAsked(stop_price=near(rng, last, beyond=-way)),
            )


def near(rng: Random, last: Decimal, *, beyond: int = 0) -> str:
    """Return a price about the market, or above it (`beyond` 1) or below it (-1)."""
    ticks = rng.randrange(-12, 13) if not beyond else beyond * rng.randrange(3, 25)
    return str((last + ticks * TICK).quantize(TICK))


def new_prices(rng: Random, order: Order, last: Decimal) -> dict[str, str]:
    """Return other prices for an order, by field of the change."""
    spec = order.spec
    prices = {}
    if spec.limit_price is not None:
        prices["limit_price"] = near(rng, last)
    if spec.stop_price is not None and rng.random() < 0.7:
        prices["stop_price"] = near(rng, last, beyond=1 if spec.side is Side.BUY else -1)
    if spec.trailing_percent is not None:
        prices["trailing_percent"] = rng.choice(("0.2", "2", "6"))
    return prices
