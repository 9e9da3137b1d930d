"""What an account is worth and what it may still buy, in US dollars.

One pooled margin account: half the value of every position and of every opening order is bound.
"""

from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account, OpenInterest, Position
from infra.sandbox.market.instruments import CATALOGUE, USD_PER_UNIT
from infra.sandbox.market.prices import Prices

INITIAL_MARGIN = Decimal("0.5")
MAINTENANCE_MARGIN = Decimal("0.25")


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """An account's figures (unit: US dollars)."""

    cash: Decimal
    position_value: Decimal  # long minus short
    gross_position_value: Decimal  # long plus short
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    reserved: Decimal  # margin that open orders bind

    @property
    def net_liquidation(self) -> Decimal:
        """What would be left if all were sold now."""
        return self.cash + self.position_value

    @property
    def initial_margin(self) -> Decimal:
        """What the positions bind."""
        return self.gross_position_value * INITIAL_MARGIN

    @property
    def maintenance_margin(self) -> Decimal:
        """What the account must keep."""
        return self.gross_position_value * MAINTENANCE_MARGIN

    @property
    def available(self) -> Decimal:
        """What neither positions nor open orders bind; below zero when prices moved against it."""
        return self.net_liquidation - self.initial_margin - self.reserved

    @property
    def buying_power(self) -> Decimal:
        """For how much more can be bought."""
        return max(Decimal(0), self.available / INITIAL_MARGIN)


def funds_of(account: Account, prices: Prices) -> Funds:
    """Add up an account at the last prices."""
    value = gross = unrealized = realized = Decimal(0)
    for symbol, position in account.positions.items():
        rate = USD_PER_UNIT[CATALOGUE[symbol].currency]
        worth = position.quantity * prices.last(symbol) * rate
        value, gross = value + worth, gross + abs(worth)
        unrealized += worth - position.cost * rate
        realized += position.realized_pnl * rate
    return Funds(
        cash=sum(
            (amount * USD_PER_UNIT[currency] for currency, amount in account.cash.items()),
            Decimal(0),
        ),
        position_value=value,
        gross_position_value=gross,
        unrealized_pnl=unrealized,
        realized_pnl=realized,
        reserved=sum(
            (
                margin_bound(symbol, interest, account.positions.get(symbol, Position()))
                for symbol, interest in account.open_interest.items()
            ),
            Decimal(0),
        ),
    )


def margin_bound(symbol: str, interest: OpenInterest, position: Position) -> Decimal:
    """Return the margin that open orders on one stock bind: only what would open binds any."""
    short, long = max(Decimal(0), -position.quantity), max(Decimal(0), position.quantity)
    opening = _opening_amount(interest.buy_quantity, interest.buy_amount, covered=short)
    opening += _opening_amount(interest.sell_quantity, interest.sell_amount, covered=long)
    return opening * INITIAL_MARGIN * USD_PER_UNIT[CATALOGUE[symbol].currency]


def _opening_amount(quantity: Decimal, amount: Decimal, *, covered: Decimal) -> Decimal:
    if quantity <= covered:
        return Decimal(0)
    return amount * (quantity - covered) / quantity
