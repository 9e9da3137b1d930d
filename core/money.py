"""Exact amounts, prices and quantities, made from text at the edge and never from floats."""

import re
from decimal import Decimal, InvalidOperation
from typing import Final

import msgspec

from core.errors import CommandError

# Tiger sends at most this many digits; more is a mistake of the caller, not precision.
DIGITS_MAX: Final = 15
DECIMALS_MAX: Final = 6
FRACTION_MIN: Final = Decimal(1).scaleb(-DECIMALS_MAX)
_CURRENCY_LENGTH: Final = 3
_PLAIN: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An exact amount in one currency (unit: whole currency units, not cents)."""

    amount: Decimal
    currency: str  # ISO 4217, upper case

    def __post_init__(self) -> None:
        # msgspec reads "NaN" and "Infinity" as Decimals; neither is money.
        if not self.amount.is_finite():
            raise ValueError(f"expected a finite amount, was {self.amount}")
        if not is_currency(self.currency):
            raise ValueError(f"expected an ISO 4217 code, was {self.currency!r}")


def is_currency(word: str) -> bool:
    """Say whether a word can be an ISO 4217 code."""
    return len(word) == _CURRENCY_LENGTH and word.isascii() and word.isupper()


def parse_positive(text: object, *, field: str) -> Decimal:
    """Return a price or quantity given as decimal text such as "185.50".

    Raises:
        CommandError: naming `field`, for anything but positive, finite decimal text of at most
            15 digits, 6 of them behind the point. A number is refused because a float has
            already lost what the person typed.
    """
    if not isinstance(text, str):
        raise CommandError(
            f'expected {field} as decimal text such as "10.50", was {type(text).__name__}',
            field=field,
        )
    # Signs, exponents, blanks and underscores are legal for Decimal() but nobody means them.
    if _PLAIN.fullmatch(text) is None:
        raise CommandError(
            f'expected {field} as plain decimal text such as "10.50", was {text[:40]!r}',
            field=field,
        )
    value = Decimal(text)
    check_precision(value, field=field)
    return value


def check_precision(value: Decimal, *, field: str) -> None:
    """Refuse a value that is not positive or has more digits than the broker can hold.

    Raises:
        CommandError: naming `field`.
    """
    if not value.is_finite() or value <= 0:
        raise CommandError(f"expected {field} above 0, was {value}", field=field)
    _, digits, exponent = value.as_tuple()
    decimals = max(0, -int(exponent))
    if len(digits) > DIGITS_MAX or decimals > DECIMALS_MAX:
        raise CommandError(
            f"expected {field} with at most {DIGITS_MAX} digits and {DECIMALS_MAX} decimals, "
            f"was {value}",
            field=field,
        )


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Say whether `value` is a whole number of `step`s; of a step that is none, nothing is."""
    if not step.is_finite() or step <= 0:
        return False
    try:
        return value % step == 0
    except InvalidOperation:
        # The quotient has more digits than Decimal holds; no price or lot is meant like that.
        return False
