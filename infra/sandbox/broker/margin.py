"""What an account is worth and what it may still buy, in US dollars.

A margin account of two parts that do not answer for one another: futures, and all else. Of stocks
half the value of every position and of every opening order is bound; long options and warrants are
paid in full; short options bind what a fall or a rise of the underlying would cost, futures what
their exchange asks.
"""

from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account, Position
from infra.sandbox.broker.fund_book import paying_segment
from infra.sandbox.broker.interest import OpenInterest
from infra.sandbox.broker.records import Segment
from infra.sandbox.market.futures import family_of
from infra.sandbox.market.instruments import USD_PER_UNIT, Instrument, instrument_of
from infra.sandbox.market.prices import Prices

INITIAL_MARGIN = Decimal("0.5")
MAINTENANCE_MARGIN = Decimal("0.25")
# Of what a future's exchange asks at first, the part that must stay.
FUTURE_MAINTENANCE = Decimal("0.9")
# Source: margin rules of short equity options (FINRA 4210(f)(2)): 20 % of the underlying less what
# the option is out of the money, and at least 10 % (of a put: of its strike).
SHORT_OPTION_SHARE = Decimal("0.20")
SHORT_OPTION_SHARE_MIN = Decimal("0.10")
PAID_IN_FULL = frozenset({"OPT", "WAR", "IOPT", "FUND"})


class Funds(msgspec.Struct, frozen=True, kw_only=True):
    """An account's figures (unit: US dollars)."""

    cash: Decimal
    position_value: Decimal  # long minus short; of futures what they have won or lost
    gross_position_value: Decimal  # long plus short; of futures what they stand for
    unrealized_pnl: Decimal
    realized_pnl: Decimal
    reserved: Decimal  # margin that open orders bind
    initial_margin: Decimal  # what the positions bind
    maintenance_margin: Decimal  # what the account must keep

    @property
    def net_liquidation(self) -> Decimal:
        """What would be left if all were sold now."""
        return self.cash + self.position_value

    @property
    def available(self) -> Decimal:
        """What neither positions nor open orders bind; below zero when prices moved against it."""
        return self.net_liquidation - self.initial_margin - self.reserved

    @property
    def buying_power(self) -> Decimal:
        """For how much more stock can be bought."""
        return max(Decimal(0), self.available / INITIAL_MARGIN)


def funds_of(account: Account, prices: Prices, segment: Segment = "SEC") -> Funds:
    """Add up a segment of an account at the last prices: FUT its futures, SEC all else."""
    value = gross = unrealized = realized = initial = maintenance = Decimal(0)
    for key, position in account.positions.items():
        instrument = instrument_of(key)
        if paying_segment(instrument.sec_type) != segment:
            continue
        rate = USD_PER_UNIT[instrument.currency]
        realized += position.realized_pnl * rate
        if not position.quantity:
            continue
        worth = position.quantity * prices.last(key) * instrument.multiplier * rate
        gain = worth - position.cost * rate
        value += gain if instrument.sec_type == "FUT" else worth
        gross += abs(worth)
        unrealized += gain
        bound = margin_of(instrument, position.quantity, worth, prices)
        initial, maintenance = initial + bound.initial, maintenance + bound.maintenance
    return Funds(
        cash=sum(
            (amount * USD_PER_UNIT[name] for name, amount in account.cash_of(segment).items()),
            Decimal(0),
        ),
        position_value=value,
        gross_position_value=gross,
        unrealized_pnl=unrealized,
        realized_pnl=realized,
        reserved=sum(
            (
                margin_bound(key, interest, account.positions.get(key, Position()), prices)
                for key, interest in account.open_interest.items()
                if interest != NOTHING and paying_segment(instrument_of(key).sec_type) == segment
            ),
            Decimal(0),
        ),
        initial_margin=initial,
        maintenance_margin=maintenance,
    )


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """What a position binds (unit: US dollars)."""

    initial: Decimal
    maintenance: Decimal


def margin_of(instrument: Instrument, quantity: Decimal, worth: Decimal, prices: Prices) -> Margin:
    """Return what holding a contract binds.

    Args:
        quantity: negative when short.
        worth: of the holding, in US dollars, with the sign of the quantity.
    """
    if instrument.sec_type == "FUT":
        rate = USD_PER_UNIT[instrument.currency]
        asked = abs(quantity) * family_of(instrument).margin * rate
        return Margin(initial=asked, maintenance=asked * FUTURE_MAINTENANCE)
    if instrument.sec_type == "OPT" and quantity < 0:
        asked = -quantity * short_option_margin(instrument, prices)
        return Margin(initial=asked, maintenance=asked)
    if instrument.sec_type in PAID_IN_FULL:
        return Margin(initial=abs(worth), maintenance=abs(worth))
    return Margin(initial=abs(worth) * INITIAL_MARGIN, maintenance=abs(worth) * MAINTENANCE_MARGIN)


def short_option_margin(instrument: Instrument, prices: Prices) -> Decimal:
    """Return what one short option binds beside its own value (unit: US dollars)."""
    assert instrument.underlying is not None, "an option has an underlying"
    assert instrument.strike is not None, "an option has a strike"
    price, strike = prices.last(instrument.underlying), instrument.strike
    out_of_money = strike - price if instrument.right == "CALL" else price - strike
    least = (price if instrument.right == "CALL" else strike) * SHORT_OPTION_SHARE_MIN
    asked = max(price * SHORT_OPTION_SHARE - max(Decimal(0), out_of_money), least)
    return asked * instrument.multiplier * USD_PER_UNIT[instrument.currency]


def margin_bound(key: str, interest: OpenInterest, position: Position, prices: Prices) -> Decimal:
    """Return the margin that open orders on one contract bind: only what would open binds any
    (unit: US dollars)."""
    if interest == NOTHING:
        return Decimal(0)
    instrument = instrument_of(key)
    rate = USD_PER_UNIT[instrument.currency]
    short, long = max(Decimal(0), -position.quantity), max(Decimal(0), position.quantity)
    bought = _opening(interest.buy_quantity, covered=short)
    sold = _opening(interest.sell_quantity, covered=long)
    if instrument.sec_type == "FUT":
        opened = bought * interest.buy_quantity + sold * interest.sell_quantity
        return opened * family_of(instrument).margin * rate
    paid = interest.buy_amount * bought * rate
    if instrument.sec_type == "OPT":
        written = sold * interest.sell_quantity
        bound = written * short_option_margin(instrument, prices) if written else Decimal(0)
        return paid + interest.cash_amount * rate + bound
    share = Decimal(1) if instrument.sec_type in PAID_IN_FULL else INITIAL_MARGIN
    sum_of_opening = paid + interest.cash_amount * rate + interest.sell_amount * sold * rate
    return sum_of_opening * share


def _opening(quantity: Decimal, *, covered: Decimal) -> Decimal:
    # The share of a quantity that is more than what it closes.
    return Decimal(0) if quantity <= covered else (quantity - covered) / quantity


NOTHING = OpenInterest()
