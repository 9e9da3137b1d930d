"""The price process: where each contract trades now, and how it moves.

A move is a hash of (seed, key, step), so the same seed gives the same prices for ever and no
generator state has to be stored: the last prices and the number of steps are the whole state.
Listed contracts and future families have their own process; what an option, a warrant or a single
future is worth follows from it, and a fund has its value of the day. A price that was set by hand
stays a distance from that value.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

import msgspec

from infra.sandbox.market.calendars import SessionKind
from infra.sandbox.market.depth import Level, Side, levels_from
from infra.sandbox.market.funds import FUNDS, nav_of, valued_day
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
FUND_SIZE = 10**9  # a fund gives and takes back as many shares as are wanted
# What options are priced as of until somebody says which day it is.
FIRST_DAY = date(2026, 1, 1)
# From the opening to the close of a day's regular trading.
TRADED_KINDS: frozenset[SessionKind] = frozenset({"regular", "auction", "lunch", "break"})


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


class DayFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A contract's day at its exchange so far."""

    previous_close: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal | None = None  # once regular trading has ended

    @classmethod
    def begun(cls, price: Decimal) -> "DayFigures":
        """Return a day that knows one price."""
        return cls(previous_close=price, open=price, high=price, low=price)


class RunningDay(msgspec.Struct, frozen=True, kw_only=True):
    """What a market is doing, on which of its trading days."""

    day: date
    kind: SessionKind
    step: int  # of the process, at which the day began


class PriceState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a process has come to; it goes on from there as if it had never stopped."""

    prices: Mapping[str, Decimal]  # of what moves by itself, by key
    step_count: int
    offsets: Mapping[str, Decimal] = {}  # how far derived contracts were set from their value
    day: date = FIRST_DAY
    figures: Mapping[str, DayFigures] = {}
    running: Mapping[str, RunningDay] = {}  # by place


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
        self._days = {key: DayFigures.begun(price) for key, price in self._base.items()}
        self._running: dict[str, RunningDay] = {}  # by place
        # One contract of each market and kind that has hours of its own.
        self.places = {
            f"{item.market} {item.sec_type}": item for item in reversed(self._moving.values())
        }
        # How far a derived contract was set from its value.
        self._offsets: dict[str, Decimal] = {}
        self._day = FIRST_DAY
        self.step_count = 0
        self.version = 0  # changes with everything that `state` tells
        self.listeners: list[Callable[[], None]] = []  # told after prices have been set

    @property
    def seed(self) -> int:
        """Return what the process was begun with."""
        return self._seed

    @property
    def day(self) -> date:
        """Return the day as of which options are priced."""
        return self._day

    def set_day(self, day: date) -> None:
        """Say as of which day options are priced; prices of stocks do not depend on it."""
        self._day = day

    def see_session(self, place: str, kind: SessionKind, day: date) -> None:
        """Say what a market is doing: with a new day of its own the day's figures begin anew.

        Args:
            place: a key of `places`.
            day: the exchange's trading day; one that is past is left unheard.
        """
        before = self._running.get(place)
        running = RunningDay(day=day, kind=kind, step=0 if before is None else before.step)
        if before is None:
            self._run(place, running)
            return
        if day < before.day or running == before:
            return
        if before.kind in TRADED_KINDS and kind not in TRADED_KINDS:
            self._note_close(place)
        if day > before.day:
            self._begin_day(place)
            running = msgspec.structs.replace(running, step=self.step_count)
        self._run(place, running)

    def state(self) -> PriceState:
        """Return all that the process has come to."""
        return PriceState(
            prices=dict(self._last),
            step_count=self.step_count,
            offsets=dict(self._offsets),
            day=self._day,
            figures=dict(self._days),
            running=dict(self._running),
        )

    def restore(self, state: PriceState) -> None:
        """Go on from where a process had come to."""
        self._last |= state.prices
        self._days |= state.figures
        self._offsets = dict(state.offsets)
        self._running = dict(state.running)
        self._day, self.step_count = state.day, state.step_count
        self._tell()

    @property
    def volume_ever(self) -> int:
        """How much of each contract was traded since the process began."""
        return VOLUME_PER_STEP * (self.step_count + 1)

    def quote(self, key: str) -> Quote:
        """Return the quote of a contract.

        Raises:
            KeyError: there is no such contract.
        """
        instrument, last = self._instrument(key), self.last(key)
        day = self._figures(instrument, last)
        step = self._running_step(instrument)
        bids, asks = self._levels(key, "BUY", 1), self._levels(key, "SELL", 1)
        return Quote(
            symbol=key,
            last=last,
            bid=bids[0].price if bids else Decimal(0),
            ask=asks[0].price,
            open=day.open,
            high=day.high,
            low=day.low,
            previous_close=day.previous_close,
            volume=VOLUME_PER_STEP * (self.step_count - step + 1),
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
        instrument = self._instrument(key)
        offset = self._offsets.get(key, Decimal(0))
        return self._on_tick(instrument, self._value(instrument) + offset)

    def snapshot(self) -> dict[str, Decimal]:
        """Return every price that is kept, by key: of what moves by itself, or was set by hand."""
        return self._last | {key: self.last(key) for key in self._offsets}

    def next_prices(self) -> dict[str, Decimal]:
        """Return every price that moves by itself one step on, without going there."""
        return {key: self._moved(key) for key in self._last}

    def set_all(self, prices: Mapping[str, Decimal], *, step_count: int) -> None:
        """Go to these prices; a key that stands for no contract is left out."""
        self.step_count = step_count
        for key, price in self._move(prices).items():
            self._offsets[key] = price - self._value(self._instrument(key))
        self._tell()

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
                day = self._days[key]
                if not day.low <= price <= day.high:
                    self._days[key] = msgspec.structs.replace(
                        day, high=max(day.high, price), low=min(day.low, price)
                    )
            elif find(key) is not None:
                derived[key] = price
        return derived

    def _tell(self) -> None:
        self.version += 1
        for told in self.listeners:
            told()

    def _run(self, place: str, running: RunningDay) -> None:
        self._running[place] = running
        self.version += 1

    def _note_close(self, place: str) -> None:
        for key in self._keys_at(place):
            self._days[key] = msgspec.structs.replace(self._days[key], close=self._last[key])

    def _begin_day(self, place: str) -> None:
        for key in self._keys_at(place):
            last, before = self._last[key], self._days[key]
            close = last if before.close is None else before.close
            self._days[key] = DayFigures(previous_close=close, open=last, high=last, low=last)

    def _keys_at(self, place: str) -> list[str]:
        return [
            key for key, item in self._moving.items() if f"{item.market} {item.sec_type}" == place
        ]

    def _running_step(self, instrument: Instrument) -> int:
        # A derived contract keeps its underlying's days; a future its family's.
        kind = "FUT" if instrument.sec_type == "FUT" else "STK"
        running = self._running.get(f"{instrument.market} {kind}")
        return 0 if running is None else running.step

    def _instrument(self, key: str) -> Instrument:
        instrument = self._catalogue.get(key) or find(key)
        if instrument is None:
            raise KeyError(f"expected the key of a contract, was {key}")
        return instrument

    def _levels(self, key: str, side: Side, count_max: int | None = None) -> tuple[Level, ...]:
        instrument, last = self._instrument(key), self.last(key)
        if instrument.sec_type == "FUND":
            return (Level(price=last, volume=FUND_SIZE, count=1),)
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
        if instrument.sec_type == "FUND":
            return nav_of(FUNDS[instrument.key], self._seed, valued_day(self.day))
        assert instrument.underlying is not None, "what has no process has an underlying"
        return value_of(instrument, prices[instrument.underlying], self.day)

    def _on_tick(self, instrument: Instrument, price: Decimal) -> Decimal:
        # Nothing trades below one tick.
        lowest = tick_at(instrument, Decimal(0))
        return max(lowest, rounded_to_tick(instrument, price))

    def _figures(self, instrument: Instrument, last: Decimal) -> DayFigures:
        """Return a contract's day; of a derived one what its underlying's day comes to."""
        own = self._days.get(instrument.key)
        if own is not None:
            return own
        if instrument.sec_type == "FUND":
            before = valued_day(valued_day(self.day))
            return DayFigures(
                previous_close=nav_of(FUNDS[instrument.key], self._seed, before),
                open=last,
                high=last,
                low=last,
            )
        spot = instrument.symbol if instrument.sec_type == "FUT" else instrument.underlying
        assert spot is not None, "what has no process follows from another"
        day = self._days[spot]

        def worth(price: Decimal) -> Decimal:
            return self._on_tick(instrument, self._value(instrument, at={spot: price}))

        opened, ends = worth(day.open), (worth(day.high), worth(day.low))
        return DayFigures(
            previous_close=worth(day.previous_close),
            open=opened,
            high=max(opened, last, *ends),
            low=min(opened, last, *ends),
        )

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
