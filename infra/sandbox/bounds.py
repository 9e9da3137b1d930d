"""Which numbers of a stranger can be reckoned with.

A book that once took a price of 1E-999999 can not be read any more.
"""

from decimal import Decimal

AMOUNT_MAX = Decimal(10) ** 12
DECIMALS_MAX = 18
SKEW_S_MAX = 366 * 86_400


def is_plain(value: Decimal) -> bool:
    """Say whether a number is finite, not too large and without needless decimals."""
    # Compared, not reckoned with: already the `abs` of 1E+1000000 overflows.
    if not value.is_finite() or not -AMOUNT_MAX <= value <= AMOUNT_MAX:
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMALS_MAX
