"""The price process: where each contract trades now, and how it moves.

A move is a hash of (seed, key, step), so the same seed gives the same prices for ever and no
generator state has to be stored: the last prices and the number of steps are the whole state.
Listed contracts and future families have their own process; what an option, a warrant or a single
future is worth follows from it. A price that was set by hand stays a distance from that value.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

import msgspec

from infra.sandbox.market.depth import Level, Side, levels_from
from infra.sandbox.market.futures import SPOTS, carried
from infra.sandbox.market.instruments import (
    PRICE_MAX,
    Instrument,
    find,
    is_on_tick,
    rounded_to_tick,
    tick_above,
    tick_at,
    tick_below,
)
from infra.sandbox.market.pricing import value_of

MOVE_TICKS_MAX = 3
# Beyond this share of its base price a contract is pulled back: a long demo stays plausible.
DRIFT_SHARE_MAX = Decimal("0.2")
QUOTE_SIZE = 500
VOLUME_PER_STEP = 1000
# What options are priced as of until somebody says which day it is.
FIRST_DAY = date(2026, 1, 1)


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """One contract's prices; `bid` and `ask` are one tick below and above `last`.

    A `bid` of 0 with `bid_size` 0 means that nobody bids.
    """

    symbol: str  # the contract's key
    last: Decimal
    bid: Decimal
    ask: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    previous_close: Decimal
    volume: int
    bid_size: int = QUOTE_SIZE
    ask_size: int = QUOTE_SIZE


class Prices:
    """The current price of every contract."""

    def __init__(self, *, seed: int, catalogue: Mapping[str, Instrument]) -> None:
        self._seed = seed
        self._catalogue = catalogue
        # What moves by itself: listed contracts, and the spots of futures.
        self._moving = {
            key: item for key, item in catalogue.items() if not item.is_derivative
        } | dict(SPOTS)
        self._base = {key: item.base_price for key, item in self._moving.items()}
        self._last = dict(self._base)
        self._high = dict(self._last)
        self._low = dict(self._last)
        # How far a derived contract was set from its value.
        self._offsets: dict[str, Decimal] = {}
        # Prices of derived contracts that were set before anybody said which day it is.
        self._waiting: dict[str, Decimal] = {}
        self._day: date | None = None
        self.step_count = 0
        self.listeners: list[Callable[[], None]] = []  # told after prices have been set

    @property
    def seed(self) -> int:
        """Return what the process was begun with."""
        return self._seed

    @property
    def day(self) -> date:
        """Return the day as of which options are priced."""
        return FIRST_DAY if self._day is None else self._day

    def set_day(self, day: date) -> None:
        """Say as of which day options are priced; prices of stocks do not depend on it."""
        self._day = day
        waiting, self._waiting = self._waiting, {}
        self._set_derived(waiting)

    def quote(self, key: str) -> Quote:
        """Return the quote of a contract.

        Raises:
            KeyError: there is no such contract.
        """
        instrument, last = self._instrument(key), self.last(key)
        high, low, opened = self._range(instrument, last)
        bids, asks = self._levels(key, "BUY", 1), self._levels(key, "SELL", 1)
        return Quote(
            symbol=key,
            last=last,
            bid=bids[0].price if bids else Decimal(0),
            ask=asks[0].price,
            open=opened,
            high=high,
            low=low,
            previous_close=opened,
            volume=VOLUME_PER_STEP * (self.step_count + 1),
            bid_size=bids[0].volume if bids else 0,
            ask_size=asks[0].volume,
        )

    def levels(self, key: str, side: Side) -> tuple[Level, ...]:
        """Return one side of a contract's book, best first: BUY the bids, SELL the asks.

        Raises:
            KeyError: there is no such contract.
        """
        return self._levels(key, side)

    def last(self, key: str) -> Decimal:
        """Return the last price of a contract.

        Raises:
            KeyError: there is no such contract.
        """
        if key in self._last:
            return self._last[key]
        if key in self._waiting:
            return self._waiting[key]
        instrument = self._instrument(key)
        offset = self._offsets.get(key, Decimal(0))
        return self._on_tick(instrument, self._value(instrument) + offset)

    def snapshot(self) -> dict[str, Decimal]:
        """Return every price that is kept, by key: of what moves by itself, or was set by hand."""
        return self._last | self._waiting | {key: self.last(key) for key in self._offsets}

    def next_prices(self) -> dict[str, Decimal]:
        """Return every price that moves by itself one step on, without going there."""
        return {key: self._moved(key) for key in self._last}

    def set_all(self, prices: Mapping[str, Decimal], *, step_count: int) -> None:
        """Go to these prices; a key that stands for no contract is left out."""
        self.step_count = step_count
        derived = self._move(prices)
        if self._day is None:
            self._waiting |= derived
        else:
            self._set_derived(derived)
        for told in self.listeners:
            told()

    def is_valid(self, key: str, price: Decimal) -> bool:
        """Say whether a price may be set: on the tick, and with room for a bid below it."""
        instrument = self._instrument(key)
        return (
            price.is_finite()
            and 0 < price <= PRICE_MAX
            and price > tick_at(instrument, price)
            and is_on_tick(instrument, price)
        )

    def _move(self, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
        # What has a process goes there; derived contracts' prices are returned.
        derived: dict[str, Decimal] = {}
        for key, price in prices.items():
            if key in self._last:
                self._last[key] = price
                self._high[key] = max(self._high[key], price)
                self._low[key] = min(self._low[key], price)
            elif find(key) is not None:
                derived[key] = price
        return derived

    def _set_derived(self, prices: Mapping[str, Decimal]) -> None:
        for key, price in prices.items():
            self._offsets[key] = price - self._value(self._instrument(key))

    def _instrument(self, key: str) -> Instrument:
        instrument = self._catalogue.get(key) or find(key)
        if instrument is None:
            raise KeyError(f"expected the key of a contract, was {key}")
        return instrument

    def _levels(self, key: str, side: Side, count_max: int | None = None) -> tuple[Level, ...]:
        instrument, last = self._instrument(key), self.last(key)
        return levels_from(
            instrument,
            tick_below(instrument, last) if side == "BUY" else tick_above(instrument, last),
            side=side,
            seed=self._seed,
            step=self.step_count,
            count_max=count_max,
        )

    def _value(self, instrument: Instrument, *, at: Mapping[str, Decimal] | None = None) -> Decimal:
        """Return what a derived contract is worth, at other prices if given."""
        prices = self._last if at is None else at
        if instrument.sec_type == "FUT":
            return carried(instrument, prices[instrument.symbol], self.day)
        assert instrument.underlying is not None, "what has no process has an underlying"
        return value_of(instrument, prices[instrument.underlying], self.day)

    def _on_tick(self, instrument: Instrument, price: Decimal) -> Decimal:
        # Nothing trades below one tick.
        lowest = tick_at(instrument, Decimal(0))
        return max(lowest, rounded_to_tick(instrument, price))

    def _range(self, instrument: Instrument, last: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Return the highest, the lowest and the first price."""
        if instrument.key in self._last:
            return (
                self._high[instrument.key],
                self._low[instrument.key],
                self._base[instrument.key],
            )
        opened = self._on_tick(instrument, self._value(instrument, at=self._base))
        ends = [
            self._on_tick(instrument, self._value(instrument, at=at))
            for at in (self._high, self._low)
        ]
        return max(opened, last, *ends), min(opened, last, *ends), opened

    def _moved(self, key: str) -> Decimal:
        last, base, instrument = self._last[key], self._base[key], self._moving[key]
        text = f"{self._seed}:{key}:{self.step_count}".encode()
        digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
        ticks = digest % (2 * MOVE_TICKS_MAX + 1) - MOVE_TICKS_MAX
        away = last / base - 1
        if abs(away) > DRIFT_SHARE_MAX:
            ticks = -abs(ticks) if away > 0 else abs(ticks)
        moved = last + ticks * tick_at(instrument, last)
        # A step over the border of two tick bands may land between two ticks of the new band.
        return rounded_to_tick(instrument, moved)
