"""Mutual funds: which there are, what one share is worth on a day, and what of them trades.

A fund has no book: who subscribes or sells gets its newest value.

The first two are those of Tiger's example of `fund_contracts` (read 2026-11); the others, and all
values, are the sandbox's own.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from infra.sandbox.market.calendars import is_trading_day, trading_day_on_or_before
from infra.sandbox.market.noise import MILLION, share, stream, wave
from infra.sandbox.market.terms import Instrument

NAV_STEP = Decimal("0.0001")
# Length in days and reach in millionths: funds move less than stocks.
WAVES = ((1024, 40_000), (128, 20_000), (16, 6_000), (2, 2_000))
FIRST_DAY = date(2015, 1, 2)
_CONTRACT_ID_FIRST = 6001


class Fund(msgspec.Struct, frozen=True, kw_only=True):
    """One fund; its symbol is its ISIN and its currency."""

    symbol: str
    name: str
    company: str
    currency: str
    sub_type: str
    dividend_type: str  # ACC keeps its income, INC pays it out
    base: Decimal
    is_vault: bool = False  # Tiger's own choice for idle cash


def nav_of(fund: Fund, seed: int, day: date) -> Decimal:
    """Return what one share is worth at the end of a day; without trading as the day before.

    Funds are valued when New York trades.
    """
    at = trading_day_on_or_before("US", day).toordinal()
    base = stream(seed, fund.symbol)
    ppm = sum(wave(base, at, length=length, amplitude=reach) for length, reach in WAVES)
    return (Decimal(share(int(fund.base * MILLION), ppm)) / MILLION).quantize(NAV_STEP)


def valued_day(day: date) -> date:
    """Return the newest day whose value is known on a day (UTC): one is valued once it is over.

    New York has closed by then.
    """
    return trading_day_on_or_before("US", day - timedelta(days=1))


def is_valued(day: date) -> bool:
    """Say whether funds get a value on a day."""
    return day >= FIRST_DAY and is_trading_day("US", day)


FUNDS: Mapping[str, Fund] = {
    fund.symbol: fund
    for fund in (
        Fund(
            symbol="IE00B11XZ988.USD",
            name="PIMCO Total Return Bond Fund E Acc",
            company="PIMCO Global Advisors (Ireland) Limited",
            currency="USD",
            sub_type="Fixed Income",
            dividend_type="ACC",
            base=Decimal("28.50"),
        ),
        Fund(
            symbol="LU0476943708.HKD",
            name="Templeton Global Total Return Fund A (Mdis) HKD",
            company="Franklin Templeton Investments",
            currency="HKD",
            sub_type="Fixed Income",
            dividend_type="INC",
            base=Decimal("5.2000"),
        ),
        Fund(
            symbol="LU0109391861.USD",
            name="Franklin U.S. Opportunities Fund A Acc",
            company="Franklin Templeton Investments",
            currency="USD",
            sub_type="Equity",
            dividend_type="ACC",
            base=Decimal("36.80"),
        ),
        Fund(
            symbol="HK0000584737.USD",
            name="CSOP USD Money Market Fund",
            company="CSOP Asset Management Limited",
            currency="USD",
            sub_type="Money Market",
            dividend_type="ACC",
            base=Decimal("112.40"),
            is_vault=True,
        ),
    )
}

# They are valued when New York trades, so that is where their orders are done.
FUND_CONTRACTS: Mapping[str, Instrument] = {
    fund.symbol: Instrument(
        contract_id=number,
        key=fund.symbol,
        symbol=fund.symbol,
        name=fund.name,
        market="US",
        currency=fund.currency,
        exchange="",
        base_price=fund.base,
        lot_size=1,
        sec_type="FUND",
        tick=NAV_STEP,
        is_shortable=False,
    )
    for number, fund in enumerate(FUNDS.values(), _CONTRACT_ID_FIRST)
}
