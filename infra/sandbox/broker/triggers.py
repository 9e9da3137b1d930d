"""When a stop becomes a market or limit order, and how a trailing stop follows the market."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from infra.sandbox.broker.records import OrderTerms, Side
from infra.sandbox.market.instruments import Instrument, tick_at

STOP_TYPES = frozenset({"STP", "STP_LMT", "TRAIL"})
HUNDRED = Decimal(100)


def is_reached(side: Side, trigger: Decimal, last: Decimal) -> bool:
    """Say whether the market has come to a trigger: a sale's from above, a buy's from below."""
    return last <= trigger if side == "SELL" else last >= trigger


def trailed(terms: OrderTerms, stop: Decimal | None, last: Decimal, item: Instrument) -> Decimal:
    """Return where a trailing stop triggers now: it follows the market one way and never back.

    Args:
        stop: where it would have triggered so far; none: it starts at its distance from `last`.
    """
    if terms.trailing_percent is not None:
        distance = last * terms.trailing_percent / HUNDRED
    else:
        assert terms.aux_price is not None, "a trailing stop has a distance"
        distance = terms.aux_price
    if terms.side == "SELL":
        moved = _rounded(last - distance, item, ROUND_FLOOR)
        return moved if stop is None else max(stop, moved)
    moved = _rounded(last + distance, item, ROUND_CEILING)
    return moved if stop is None else min(stop, moved)


def adjusted(price: Decimal, share: Decimal | None, item: Instrument) -> Decimal:
    """Return a price moved to the tick, if that is within what the order allows.

    Args:
        share: the most it may move, as a share of the price; above 0 up, below 0 down.

    Source: tigeropen 3.8.0, `trade/domain/order.py`, `adjust_limit`.
    """
    if not share or price <= 0:
        return price
    moved = _rounded(price, item, ROUND_CEILING if share > 0 else ROUND_FLOOR)
    return moved if abs(moved - price) <= abs(share) * price else price


def _rounded(price: Decimal, item: Instrument, mode: str) -> Decimal:
    # A trigger at or below 0 is never reached; it stays where it is.
    if price <= 0:
        return price
    tick = tick_at(item, price)
    return (price / tick).to_integral_value(mode) * tick
