"""What a contract is worth that follows from another's price: options, warrants, bull/bear.

Black-Scholes in exact decimal arithmetic, so that the same input gives the same tick everywhere.
Volatility is one figure by underlying, interest one figure by market; no dividends.
"""

import hashlib
from datetime import date
from decimal import Decimal
from functools import lru_cache

import msgspec

from infra.sandbox.market.terms import Instrument

DAYS_PER_YEAR = Decimal(365)
RATE = Decimal("0.04")  # interest per year
VOLATILITY_MIN = Decimal("0.18")
VOLATILITY_STEP = Decimal("0.02")
VOLATILITY_STEPS = 16
_TWO_PI = Decimal("6.283185307179586476925286767")
# Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.17; error below 7.5e-8.
_SLOPE = Decimal("0.2316419")
_WEIGHTS = tuple(
    Decimal(text)
    for text in ("0.319381530", "-0.356563782", "1.781477937", "-1.821255978", "1.330274429")
)


class Greeks(msgspec.Struct, frozen=True, kw_only=True):
    """An option's value and sensitivities, per unit of the underlying.

    `theta` is per day, `vega` and `rho` per percentage point.
    """

    value: Decimal
    delta: Decimal
    gamma: Decimal
    theta: Decimal
    vega: Decimal
    rho: Decimal
    volatility: Decimal


@lru_cache(maxsize=1024)
def volatility_of(underlying: str) -> Decimal:
    """Return the volatility per year of an underlying, always the same for it."""
    digest = hashlib.blake2b(f"volatility:{underlying}".encode(), digest_size=2).digest()
    return VOLATILITY_MIN + VOLATILITY_STEP * (int.from_bytes(digest, "big") % VOLATILITY_STEPS)


def value_of(instrument: Instrument, underlying_price: Decimal, day: date) -> Decimal:
    """Return what a derived contract is worth on a day, not rounded to its tick."""
    if instrument.sec_type == "IOPT":
        return intrinsic(instrument, underlying_price) / instrument.conversion_ratio
    return greeks_of(instrument, underlying_price, day).value / instrument.conversion_ratio


def intrinsic(instrument: Instrument, underlying_price: Decimal) -> Decimal:
    """Return what exercising would yield, per unit of the underlying; not below 0."""
    assert instrument.strike is not None, "a derived contract has a strike"
    gain = underlying_price - instrument.strike
    return max(Decimal(0), gain if instrument.right == "CALL" else -gain)


@lru_cache(maxsize=20_000)
def greeks_of(instrument: Instrument, underlying_price: Decimal, day: date) -> Greeks:
    """Return an option's value and sensitivities; after its expiry what exercising yields."""
    assert instrument.strike is not None, "an option has a strike"
    assert instrument.expiry is not None, "an option has an end"
    assert instrument.underlying is not None, "an option has an underlying"
    volatility = volatility_of(instrument.underlying)
    days = (instrument.expiry - day).days + 1
    if days <= 0:
        return _expired(instrument, underlying_price, volatility)
    years = Decimal(days) / DAYS_PER_YEAR
    strike, spread = instrument.strike, volatility * years.sqrt()
    drift = (RATE + volatility * volatility / 2) * years
    first = ((underlying_price / strike).ln() + drift) / spread
    second = first - spread
    sign = Decimal(1) if instrument.right == "CALL" else Decimal(-1)
    discounted = strike * (-RATE * years).exp()
    density, share = _density(first), _cumulated(sign * second)
    decay = -underlying_price * density * volatility / (2 * years.sqrt())
    return Greeks(
        value=sign * (underlying_price * _cumulated(sign * first) - discounted * share),
        delta=sign * _cumulated(sign * first),
        gamma=density / (underlying_price * spread),
        theta=(decay - sign * RATE * discounted * share) / DAYS_PER_YEAR,
        vega=underlying_price * density * years.sqrt() / 100,
        rho=sign * discounted * years * share / 100,
        volatility=volatility,
    )


def _expired(instrument: Instrument, underlying_price: Decimal, volatility: Decimal) -> Greeks:
    zero = Decimal(0)
    return Greeks(
        value=intrinsic(instrument, underlying_price),
        delta=zero,
        gamma=zero,
        theta=zero,
        vega=zero,
        rho=zero,
        volatility=volatility,
    )


def _density(value: Decimal) -> Decimal:
    return (-value * value / 2).exp() / _TWO_PI.sqrt()


def _cumulated(value: Decimal) -> Decimal:
    """Return the standard normal distribution's share below a value."""
    if value < 0:
        return 1 - _cumulated(-value)
    step = 1 / (1 + _SLOPE * value)
    polynomial = Decimal(0)
    for weight in reversed(_WEIGHTS):
        polynomial = (polynomial + weight) * step
    return 1 - _density(value) * polynomial
