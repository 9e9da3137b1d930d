"""Numbers as Tiger writes them: floats, scaled integers, averages and strikes.

The only place where the sandbox's exact numbers become floats for a reply.
"""

from decimal import ROUND_HALF_EVEN, Decimal

AVERAGE_STEP = Decimal("0.0001")
Json = dict[str, object]


def double(value: Decimal) -> float:
    """Return a number as a JSON float."""
    return float(value)


def optional_double(value: Decimal | None) -> float | None:
    """Return a number as a JSON float, or none."""
    return None if value is None else float(value)


def scaled(value: Decimal, scale_min: int) -> tuple[int, int]:
    """Return a quantity as an integer and how many decimal places it has."""
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a quantity is finite"
    scale = max(scale_min, -exponent, 0)
    return int(value.scaleb(scale)), scale


def average(amount: Decimal, quantity: Decimal) -> Decimal:
    """Return an amount per unit, rounded half even to AVERAGE_STEP; 0 of nothing."""
    if quantity == 0:
        return Decimal(0)
    return (amount / quantity).quantize(AVERAGE_STEP, ROUND_HALF_EVEN)


def strike_text(strike: Decimal | None) -> str | None:
    """Return a strike as Tiger writes it: a text with a decimal place ("114.0")."""
    return None if strike is None else str(float(strike))


def present(values: Json) -> Json:
    """Return the values that are there: Tiger leaves out what a thing does not have."""
    return {name: value for name, value in values.items() if value is not None}
