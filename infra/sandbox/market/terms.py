"""What a contract is, and the steps its price may take."""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Literal

import msgspec

Venue = Literal["US", "HK", "SG", "AU", "CN"]
SecType = Literal["STK", "OPT", "FUT", "WAR", "IOPT", "FUND"]
Right = Literal["CALL", "PUT"]

# Fixed rates are enough to add up currencies: the sandbox is no currency market.
USD_PER_UNIT: Mapping[str, Decimal] = {
    "USD": Decimal(1),
    "HKD": Decimal("0.128"),
    "SGD": Decimal("0.77"),
    "AUD": Decimal("0.65"),
    "CNH": Decimal("0.14"),
}
FUND_MARKET = "MF"
# Beyond this no price is believed, and decimal arithmetic would no longer be exact.
PRICE_MAX = Decimal(10) ** 9


class TickBand(msgspec.Struct, frozen=True, kw_only=True):
    """The price step from `begin` (inclusive) to `end` (exclusive; none means no end)."""

    begin: Decimal
    end: Decimal | None
    tick: Decimal


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """One contract.

    A warrant's (WAR) and a bull/bear contract's (IOPT) `multiplier` is 1; how many of them stand
    for one share is `conversion_ratio`.
    """

    contract_id: int
    key: str  # unique; Tiger's `identifier`, of a stock its symbol
    symbol: str  # of an option its underlying's, in Hong Kong the option class ("TCH.HK")
    name: str
    market: Venue
    currency: str
    exchange: str
    base_price: Decimal  # where its price begins; of an option 0, as it has no process
    lot_size: int
    sec_type: SecType = "STK"
    multiplier: Decimal = Decimal(1)
    expiry: date | None = None  # last day of trading
    strike: Decimal | None = None
    right: Right | None = None
    underlying: str | None = None  # its key; of an option, a warrant, a bull/bear contract
    conversion_ratio: Decimal = Decimal(1)
    tick: Decimal | None = None  # of a future: the same at every price
    is_etf: bool = False
    is_shortable: bool = True

    @property
    def told_market(self) -> str:
        """Return the market as clients read it: funds have one of their own.

        Source: Tiger's example of `fund_contracts` (read 2026-11).
        """
        return FUND_MARKET if self.sec_type == "FUND" else self.market

    @property
    def is_derivative(self) -> bool:
        """Say whether the price follows from an underlying's."""
        return self.underlying is not None


def tick_bands(instrument: Instrument) -> tuple[TickBand, ...]:
    """Return the price steps of a contract, lowest band first."""
    if instrument.tick is not None:
        return (TickBand(begin=Decimal(0), end=None, tick=instrument.tick),)
    if instrument.sec_type == "OPT":
        return OPTION_TICK_BANDS[instrument.market]
    return TICK_BANDS[instrument.market]


def tick_at(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the price step that holds at a price."""
    for band in tick_bands(instrument):
        if band.end is None or price < band.end:
            return band.tick
    raise AssertionError("the last band has no end")


def is_on_tick(instrument: Instrument, price: Decimal) -> bool:
    """Say whether a price is a whole number of steps."""
    return price % tick_at(instrument, price) == 0


def tick_above(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the next higher price on the tick."""
    return price + tick_at(instrument, price)


def tick_below(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the next lower price on the tick; it may be 0 or less, where nothing is quoted."""
    tick = tick_at(instrument, price)
    for band in tick_bands(instrument):
        # Exactly on a border the step down belongs to the band below.
        if band.end == price:
            tick = band.tick
    return price - tick


def rounded_to_tick(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the nearest price on the tick (half to even)."""
    tick = tick_at(instrument, price)
    return (price / tick).to_integral_value(ROUND_HALF_EVEN) * tick


def is_whole_lot(instrument: Instrument, quantity: Decimal) -> bool:
    """Say whether a quantity is a whole number of board lots."""
    return quantity % instrument.lot_size == 0


def _bands(*steps: tuple[str, str]) -> tuple[TickBand, ...]:
    # Each pair is (begin, tick); a band ends where the next begins.
    begins = [Decimal(begin) for begin, _ in steps]
    ends: list[Decimal | None] = [*begins[1:], None]
    return tuple(
        TickBand(begin=begin, end=end, tick=Decimal(tick))
        for begin, end, (_, tick) in zip(begins, ends, steps, strict=True)
    )


TICK_BANDS: Mapping[Venue, tuple[TickBand, ...]] = {
    "US": _bands(("0", "0.0001"), ("1", "0.01")),
    # Source: the exchange's spread table for equities (part A), in force since August 2025. It
    # holds for warrants and bull/bear contracts as well.
    "HK": _bands(
        ("0", "0.001"),
        ("0.25", "0.005"),
        ("0.5", "0.01"),
        ("20", "0.02"),
        ("50", "0.05"),
        ("100", "0.1"),
        ("200", "0.2"),
        ("500", "0.5"),
        ("1000", "1"),
        ("2000", "2"),
        ("5000", "5"),
    ),
    # Source: SGX rulebook, minimum bid size of stocks.
    "SG": _bands(("0", "0.001"), ("0.2", "0.005"), ("1", "0.01")),
    # Source: ASX operating rules procedures, price steps of equities.
    "AU": _bands(("0", "0.001"), ("0.1", "0.005"), ("2", "0.01")),
    "CN": _bands(("0", "0.01")),
}
OPTION_TICK_BANDS: Mapping[Venue, tuple[TickBand, ...]] = {
    # Source: the penny interval program of the US options exchanges: a cent below 3 dollars.
    "US": _bands(("0", "0.01"), ("3", "0.05")),
    # Source: HKEX contract specification of stock options: one cent.
    "HK": _bands(("0", "0.01")),
    "SG": _bands(("0", "0.01")),
    "AU": _bands(("0", "0.01")),
    "CN": _bands(("0", "0.01")),
}
