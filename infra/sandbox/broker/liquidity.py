"""What the book of the market holds, less what orders took from it since it last moved."""

from collections import defaultdict
from decimal import Decimal

import msgspec

from infra.sandbox.broker.records import Side
from infra.sandbox.market.depth import Level
from infra.sandbox.market.prices import Prices


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What an order takes at one price."""

    price: Decimal
    quantity: Decimal


class Liquidity:
    """The other side of every order. Each round of the market fills its book again."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        prices.listeners.append(self.refresh)
        self._day = prices.day
        self._levels: dict[tuple[str, Side], tuple[Level, ...]] = {}
        self._used: dict[tuple[str, Side], dict[Decimal, Decimal]] = defaultdict(dict)

    def refresh(self) -> None:
        """Forget what was taken: the market has moved on."""
        self._levels.clear()
        self._used.clear()

    def best(self, key: str, side: Side) -> Decimal | None:
        """Return the best price that an order of a side meets; none where nobody bids."""
        levels = self._opposite(key, side)
        return levels[0].price if levels else None

    def available(self, key: str, side: Side, *, limit: Decimal | None) -> list[Taken]:
        """Return what an order of a side could take within a limit, best first."""
        used = self._used[key, side]
        found = []
        for level in self._opposite(key, side):
            if limit is not None and not is_within(level.price, limit, side):
                break
            left = level.volume - used.get(level.price, Decimal(0))
            if left > 0:
                found.append(Taken(price=level.price, quantity=left))
        return found

    def use(self, key: str, side: Side, taken: Taken) -> None:
        """Take a quantity away from a level."""
        used = self._used[key, side]
        used[taken.price] = used.get(taken.price, Decimal(0)) + taken.quantity

    def _opposite(self, key: str, side: Side) -> tuple[Level, ...]:
        if self._day != self._prices.day:
            # What an option is worth depends on the day.
            self._day = self._prices.day
            self._levels.clear()
        levels = self._levels.get((key, side))
        if levels is None:
            # Who buys meets the asks, which are the book's selling side.
            levels = self._prices.levels(key, "SELL" if side == "BUY" else "BUY")
            self._levels[key, side] = levels
        return levels


def is_within(price: Decimal, limit: Decimal, side: Side) -> bool:
    """Say whether a price is no worse than a limit."""
    return price <= limit if side == "BUY" else price >= limit
