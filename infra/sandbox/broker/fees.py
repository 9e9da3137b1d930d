"""What trading costs. The only place that knows a fee.

Modelled on a broker's public price list: commission and platform fee, no exchange fees. Minimums
are per order, so a fill costs the difference between the sums after and before it.
"""

from decimal import ROUND_HALF_UP, Decimal

import msgspec

from infra.sandbox.market.instruments import SecType, Venue

CENT = Decimal("0.01")


class Charges(msgspec.Struct, frozen=True, kw_only=True):
    """All fees of one order so far (unit: the market's currency)."""

    commission: Decimal = Decimal(0)
    platform: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """What is taken from the account."""
        return self.commission + self.platform


def fees_due(
    market: Venue, *, quantity: Decimal, amount: Decimal, sec_type: SecType = "STK"
) -> Decimal:
    """Return all fees of one order after it has filled this much (unit: the market's currency).

    Args:
        quantity: shares or contracts.
        amount: price times quantity times multiplier.
    """
    return charges_due(market, quantity=quantity, amount=amount, sec_type=sec_type).total


def charges_due(
    market: Venue, *, quantity: Decimal, amount: Decimal, sec_type: SecType = "STK"
) -> Charges:
    """Return the fees of one order by kind, for the same figures as `fees_due`."""
    if quantity == 0:
        return Charges()
    match sec_type:
        case "FUT":
            commission, platform = quantity * Decimal("1.49"), quantity * Decimal("0.50")
        case "OPT" if market == "US":
            commission = max(Decimal("1.99"), quantity * Decimal("0.65"))
            platform = max(Decimal("1.00"), quantity * Decimal("0.30"))
        case "FUND":
            commission, platform = Decimal(0), Decimal(0)
        case _ if market == "US":
            commission = max(Decimal("0.99"), quantity * Decimal("0.0039"))
            platform = max(Decimal("1.00"), quantity * Decimal("0.004"))
        case _:
            commission = max(Decimal("3"), amount * Decimal("0.0003"))
            platform = Decimal("15")
    return _rounded(commission, platform)


def _rounded(commission: Decimal, platform: Decimal) -> Charges:
    # The sum is what is rounded to a cent; the platform's part takes the difference.
    total = (commission + platform).quantize(CENT, ROUND_HALF_UP)
    part = commission.quantize(CENT, ROUND_HALF_UP)
    return Charges(commission=part, platform=total - part)
