"""The price process: where each stock trades now, and how it moves.

A move is a hash of (seed, symbol, step), so the same seed gives the same prices for ever and no
generator state has to be stored: the last price and the number of steps are the whole state.
"""

import hashlib
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from infra.sandbox.market.instruments import PRICE_MAX, Instrument, is_on_tick, tick_at

MOVE_TICKS_MAX = 3
# Beyond this share of its base price a stock is pulled back, so that a long demo stays plausible.
DRIFT_SHARE_MAX = Decimal("0.2")
QUOTE_SIZE = 500
VOLUME_PER_STEP = 1000


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """One stock's prices; `bid` and `ask` are one tick below and above `last`."""

    symbol: str
    last: Decimal
    bid: Decimal
    ask: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: int


class Prices:
    """The current price of every stock."""

    def __init__(self, *, seed: int, catalogue: Mapping[str, Instrument]) -> None:
        self._seed = seed
        self._catalogue = catalogue
        self._last = {symbol: item.base_price for symbol, item in catalogue.items()}
        self._high = dict(self._last)
        self._low = dict(self._last)
        self.step_count = 0

    def quote(self, symbol: str) -> Quote:
        """Return the quote of a stock of the catalogue."""
        instrument, last = self._catalogue[symbol], self._last[symbol]
        tick = tick_at(instrument, last)
        return Quote(
            symbol=symbol,
            last=last,
            bid=last - tick,
            ask=last + tick,
            open=instrument.base_price,
            high=self._high[symbol],
            low=self._low[symbol],
            previous_close=instrument.base_price,
            volume=VOLUME_PER_STEP * (self.step_count + 1),
        )

    def last(self, symbol: str) -> Decimal:
        """Return the last price of a stock of the catalogue."""
        return self._last[symbol]

    def snapshot(self) -> dict[str, Decimal]:
        """Return every last price, by symbol."""
        return dict(self._last)

    def next_prices(self) -> dict[str, Decimal]:
        """Return every price one step on, without going there."""
        return {symbol: self._moved(symbol) for symbol in self._catalogue}

    def set_all(self, prices: Mapping[str, Decimal], *, step_count: int) -> None:
        """Go to these prices; a symbol that the catalogue no longer has is left out."""
        self.step_count = step_count
        for symbol, price in prices.items():
            if symbol in self._catalogue:
                self._last[symbol] = price
                self._high[symbol] = max(self._high[symbol], price)
                self._low[symbol] = min(self._low[symbol], price)

    def is_valid(self, symbol: str, price: Decimal) -> bool:
        """Say whether a price may be set: on the tick, and with room for a bid below it."""
        instrument = self._catalogue[symbol]
        return (
            price.is_finite()
            and 0 < price <= PRICE_MAX
            and price > tick_at(instrument, price)
            and is_on_tick(instrument, price)
        )

    def _moved(self, symbol: str) -> Decimal:
        instrument, last = self._catalogue[symbol], self._last[symbol]
        text = f"{self._seed}:{symbol}:{self.step_count}".encode()
        digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        ticks = digest % (2 * MOVE_TICKS_MAX + 1) - MOVE_TICKS_MAX
        away = last / instrument.base_price - 1
        if abs(away) > DRIFT_SHARE_MAX:
            ticks = -abs(ticks) if away > 0 else abs(ticks)
        moved = last + ticks * tick_at(instrument, last)
        # A step over the border of two tick bands may land between two ticks of the new band.
        tick = tick_at(instrument, moved)
        return (moved / tick).to_integral_value(ROUND_HALF_EVEN) * tick
