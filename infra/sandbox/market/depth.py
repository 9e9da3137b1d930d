"""The order book around the best prices: a hash of (seed, key, step), the same for ever."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.market.terms import Instrument, Venue, tick_above, tick_below

# How many levels a side has. Source: Tiger's quote documentation: US stocks 40, Hong Kong 10.
LEVELS_MAX: Mapping[Venue, int] = {"US": 40, "HK": 10, "SG": 10, "AU": 10, "CN": 10}
LEVELS_OF_DERIVATIVES = 10
ROUND_LOT = 100  # what sizes of stocks with a lot of one are multiples of
ORDERS_PER_LEVEL_MAX = 12
Side = Literal["BUY", "SELL"]


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """One price of the book: how much is wanted there, by how many orders."""

    price: Decimal
    volume: int
    count: int


def levels_from(
    instrument: Instrument,
    best: Decimal,
    *,
    side: Side,
    seed: int,
    step: int,
    count_max: int | None = None,
) -> tuple[Level, ...]:
    """Return one side of the book from its best price on, best first.

    Args:
        side: BUY for the bids (falling prices), SELL for the asks (rising prices).
        best: 0 or less means that nobody bids; then there is no level.
        count_max: only so many levels, for who needs no more.
    """
    level_count = min(level_count_of(instrument), count_max or level_count_of(instrument))
    text = f"{seed}:{instrument.key}:{step}:{side}"
    digest = hashlib.shake_128(text.encode()).digest(2 * level_count)
    levels: list[Level] = []
    price = best
    for number in range(level_count):
        if price <= 0:
            break
        size, count = digest[2 * number], digest[2 * number + 1]
        # Deeper levels are thicker, as in a real book.
        lots = 1 + size % 20 + 2 * number
        levels.append(
            Level(
                price=price,
                volume=lots * size_unit(instrument),
                count=1 + count % min(ORDERS_PER_LEVEL_MAX, lots),
            )
        )
        price = tick_below(instrument, price) if side == "BUY" else tick_above(instrument, price)
    return tuple(levels)


def level_count_of(instrument: Instrument) -> int:
    """Return how many levels each side of a contract's book has."""
    if instrument.sec_type in ("OPT", "FUT"):
        return LEVELS_OF_DERIVATIVES
    return LEVELS_MAX[instrument.market]


def size_unit(instrument: Instrument) -> int:
    """Return what the sizes of a contract's book are multiples of."""
    if instrument.sec_type in ("OPT", "FUT"):
        return 1
    # A stock worth a house is not quoted in hundreds.
    if instrument.base_price > 10_000:
        return 1
    return max(instrument.lot_size, ROUND_LOT)
