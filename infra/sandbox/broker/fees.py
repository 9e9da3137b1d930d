"""What trading costs. The only place that knows a fee."""

from decimal import ROUND_HALF_UP, Decimal

from infra.sandbox.market.instruments import Venue

CENT = Decimal("0.01")


def fees_due(market: Venue, *, quantity: Decimal, amount: Decimal) -> Decimal:
    """Return all fees of one order after it has filled this much (unit: the market's currency).

    Minimums are per order, so a fill costs the difference between the sums after and before it.
    Modelled on a broker's public price list: commission and platform fee, no exchange fees.
    """
    if quantity == 0:
        return Decimal(0)
    if market == "US":
        commission = max(Decimal("0.99"), quantity * Decimal("0.0039"))
        platform = max(Decimal("1.00"), quantity * Decimal("0.004"))
    else:
        commission = max(Decimal("3"), amount * Decimal("0.0003"))
        platform = Decimal("15")
    return (commission + platform).quantize(CENT, ROUND_HALF_UP)
