"""Whether the net price of a combination fits its legs: what it can be worth at expiry bounds it.

Options of one expiry are worth, on that day, what their strikes and the underlying's price make of
them, so the least and the most that a whole can come to is known without any quote. A price beyond
these bounds is a slip: a credit asked for as a debit, or legs that are named the wrong way round.
"""

from decimal import Decimal
from typing import Final, NamedTuple

from core.terms import OptionLeg, OptionRight, OrderSpec, Side

# Tiger's documents show purchases of combinations alone (docs-en.itigerup.com/docs/place-order and
# tigeropen 3.8.0, read 2026-11-23): what a sale does to the legs is nowhere said.
TURNED: Final = (
    "side sell turns every leg round, so see in the summary what trades. The broker documents no "
    "sale of a combination: begin with one, and look at its executions"
)
_CREDIT: Final = (
    "For a credit, give side sell, each leg on the other side of what it shall trade, and the "
    "least to receive as limit_price"
)


class Worth(NamedTuple):
    """The least and the most that one unit can be worth at expiry; None is without bound."""

    least: Decimal | None
    most: Decimal | None


class _Option(NamedTuple):
    """One leg as it trades; `ratio` is below 0 where it is sold."""

    strike: Decimal
    right: OptionRight
    ratio: int

    def worth(self, price: Decimal) -> Decimal:
        is_call = self.right is OptionRight.CALL
        inside = price - self.strike if is_call else self.strike - price
        return self.ratio * max(Decimal(0), inside)


def combination_warnings(spec: OrderSpec) -> dict[str, str]:
    """Return what a person should know of an order of several legs, by the name of each warning."""
    found = {"legs_turned": TURNED} if spec.side is Side.SELL else {}
    worth = worth_at_expiry(spec)
    if worth is None or spec.limit_price is None:
        return found
    pays = spec.limit_price if spec.side is Side.BUY else -spec.limit_price
    if worth.most is not None and pays >= worth.most:
        found["price_beyond_worth"] = _too_dear(pays, worth.most)
    elif worth.least is not None and pays <= worth.least:
        found["price_beyond_worth"] = (
            f"it asks to {_gets(pays)} for what is worth at least {worth.least:f} at expiry: it "
            "may never fill. Look whether the legs are named the right way round"
        )
    return found


def worth_at_expiry(spec: OrderSpec) -> Worth | None:
    """Return what one unit of a combination can be worth as it trades, per unit of the underlying.

    None where the legs expire on several days, or are not options alone.
    """
    options = [
        _Option(leg.strike, leg.right, leg.ratio if _is_bought(leg, spec) else -leg.ratio)
        for leg in spec.legs
        if leg.strike is not None and leg.right is not None
    ]
    if len(options) < len(spec.legs) or len({leg.expiry for leg in spec.legs}) != 1:
        return None
    # Between two strikes it moves in a straight line, so the ends of the lines are enough.
    ends = [
        sum((each.worth(price) for each in options), Decimal(0))
        for price in {Decimal(0), *(each.strike for each in options)}
    ]
    # Beyond the highest strike calls move with the underlying, and puts are worth nothing.
    slope = sum(each.ratio for each in options if each.right is OptionRight.CALL)
    return Worth(
        least=None if slope < 0 else min(ends),
        most=None if slope > 0 else max(ends),
    )


# Who sells the whole turns every leg.
def _is_bought(leg: OptionLeg, spec: OrderSpec) -> bool:
    return (leg.side is Side.BUY) == (spec.side is Side.BUY)


def _too_dear(pays: Decimal, most: Decimal) -> str:
    if pays > 0 and most <= 0:
        return (
            f"it would pay up to {pays:f} for what is worth at most {most:f} at expiry, so it is "
            f"worth a credit, and this price is no bound. {_CREDIT}"
        )
    return f"it would {_gets(pays)} for what is worth at most {most:f} at expiry: it can only lose"


def _gets(pays: Decimal) -> str:
    return f"pay up to {pays:f}" if pays > 0 else f"receive at least {-pays:f}"
