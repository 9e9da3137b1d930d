"""What is published about warrants (WAR) and bull/bear contracts (IOPT) besides prices.

Source of the terms: HKEX, "Structured products: key terms"; a bull/bear contract is called back
when its underlying touches the call price, which here lies a hundredth above (bull) or below (bear)
its strike.
"""

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.market.noise import between, stream
from infra.sandbox.market.pricing import greeks_of, volatility_of
from infra.sandbox.market.stocks import CATALOGUE
from infra.sandbox.market.terms import Instrument

Kind = Literal[1, 2, 3, 4]  # call, put, bull, bear
CALL_PRICE_SHARE = Decimal("0.01")
ISSUERS = ("SG", "JP", "UB", "CT")
_STEP = Decimal("0.0001")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a warrant's price and its underlying's."""

    kind: Kind
    issuer: str
    call_price: Decimal | None  # of a bull/bear contract
    before_call_level: Decimal | None  # how far the underlying is from it, as a share
    entitlement_price: Decimal  # what one share costs through the warrant
    premium: Decimal  # as a share
    breakeven_point: Decimal  # of the underlying
    in_out_price: Decimal  # how far in (above 0) or out of the money, as a share
    delta: Decimal
    leverage_ratio: Decimal
    effective_leverage: Decimal
    implied_volatility: Decimal
    outstanding_ratio: Decimal


def is_structured(instrument: Instrument) -> bool:
    """Say whether a contract is a warrant or a bull/bear contract."""
    return instrument.sec_type in ("WAR", "IOPT")


def structured_on(underlying: str) -> tuple[Instrument, ...]:
    """Return the warrants and bull/bear contracts on a stock."""
    return tuple(
        item for item in CATALOGUE.values() if is_structured(item) and item.underlying == underlying
    )


def figures_of(
    warrant: Instrument, *, price: Decimal, underlying_price: Decimal, day: date
) -> Figures:
    """Return the figures of a warrant at these prices on a day."""
    assert warrant.strike is not None, "a warrant has a strike"
    assert warrant.underlying is not None, "a warrant has an underlying"
    sign = 1 if warrant.right == "CALL" else -1
    per_share = price * warrant.conversion_ratio
    breakeven = warrant.strike + sign * per_share
    delta = Decimal(sign) if warrant.sec_type == "IOPT" else _delta(warrant, underlying_price, day)
    leverage = underlying_price / per_share
    call_price = _call_price(warrant)
    away = None if call_price is None else sign * (underlying_price - call_price) / underlying_price
    return Figures(
        kind=_kind(warrant),
        issuer=ISSUERS[between(stream(0, f"issuer:{warrant.key}"), 0, len(ISSUERS) - 1)],
        call_price=call_price,
        before_call_level=None if away is None else away.quantize(_STEP),
        entitlement_price=per_share,
        premium=(sign * (breakeven - underlying_price) / underlying_price).quantize(_STEP),
        breakeven_point=breakeven,
        in_out_price=(sign * (underlying_price - warrant.strike) / warrant.strike).quantize(_STEP),
        delta=delta.quantize(_STEP),
        leverage_ratio=leverage.quantize(_STEP),
        effective_leverage=abs(leverage * delta).quantize(_STEP),
        implied_volatility=volatility_of(warrant.underlying),
        outstanding_ratio=Decimal(between(stream(0, f"street:{warrant.key}"), 1, 90)) / 100,
    )


def _kind(warrant: Instrument) -> Kind:
    if warrant.sec_type == "WAR":
        return 1 if warrant.right == "CALL" else 2
    return 3 if warrant.right == "CALL" else 4


def _call_price(warrant: Instrument) -> Decimal | None:
    if warrant.sec_type != "IOPT" or warrant.strike is None:
        return None
    sign = 1 if warrant.right == "CALL" else -1
    return warrant.strike * (1 + sign * CALL_PRICE_SHARE)


def _delta(warrant: Instrument, underlying_price: Decimal, day: date) -> Decimal:
    return greeks_of(warrant, underlying_price, day).delta
