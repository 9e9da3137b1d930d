"""Valuations: what a company's last reports make of a price; and when it reports."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

from infra.sandbox.market.bars import Bar, recent_days
from infra.sandbox.market.companies import COMPANIES, Company
from infra.sandbox.market.corporate import dividends_of, report_date_of
from infra.sandbox.market.history import Series
from infra.sandbox.market.instruments import CATALOGUE, USD_PER_UNIT, Instrument
from infra.sandbox.market.noise import between, stream
from infra.sandbox.market.statements import (
    Quarter,
    Report,
    ends_fiscal_year,
    quarter_before,
    quarter_end,
    report_of,
)
from infra.sandbox.market.stretches import day_at

YEAR = timedelta(days=365)
TRADING_YEAR = 252
# The reporting currency that is no trading currency here stands at the offshore rate.
REPORTING_RATE = {**USD_PER_UNIT, "CNY": USD_PER_UNIT["CNH"]}


class Earnings(msgspec.Struct, frozen=True, kw_only=True):
    """A date on which a company reports on a quarter."""

    instrument: Instrument
    report_date: date
    quarter_ends: date
    expected_eps: Decimal
    actual_eps: Decimal | None  # none as long as it lies ahead
    is_before_open: bool


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """What a price means (money in the stock's currency)."""

    price: Decimal
    shares: int
    float_shares: int
    ttm_eps: Decimal
    lyr_eps: Decimal
    ttm: Report
    lyr: Report
    rate: Decimal  # of the stock's currency for one unit of the reporting currency
    dividends: Decimal  # per share, of the last year

    @property
    def market_cap(self) -> Decimal:
        """What all shares cost."""
        return self.price * self.shares

    @property
    def float_cap(self) -> Decimal:
        """What the shares in free float cost."""
        return self.price * self.float_shares

    @property
    def enterprise(self) -> Decimal:
        """What the company costs with its debt, less its cash."""
        return self.market_cap + (self.ttm.balances.debt - self.ttm.balances.cash) * self.rate

    def to_profit(self, eps: Decimal) -> Decimal:
        """Return how many times the yearly profit of a share its price is."""
        return over(self.price, eps)

    def to_sales(self, report: Report) -> Decimal:
        """Return how many times the yearly sales all shares cost."""
        return over(self.market_cap, report.flows.revenue * self.rate)

    def to_book(self, report: Report) -> Decimal:
        """Return how many times their share of the equity all shares cost."""
        return over(self.market_cap, report.balances.equity * self.rate)


def company_of(instrument: Instrument) -> Company | None:
    """Return the company behind a stock; none behind a fund or a derived contract."""
    return COMPANIES.get(instrument.key)


def newest_quarter(instrument: Instrument, company: Company, day: date) -> Quarter:
    """Return the newest quarter on which a company had reported on a day."""
    quarter = quarter_before(company, day)
    while report_date_of(instrument, quarter_end(company, quarter)) > day:
        quarter -= 1
    return quarter


def newest_year(instrument: Instrument, company: Company, day: date) -> Quarter:
    """Return the last quarter of the newest fiscal year on which a company had reported."""
    quarter = newest_quarter(instrument, company, day)
    while not ends_fiscal_year(company, quarter):
        quarter -= 1
    return quarter


def valuation_of(instrument: Instrument, seed: int, price: Decimal, day: date) -> Valuation | None:
    """Return what a price means on a day; none for what has no company."""
    company = company_of(instrument)
    if company is None:
        return None
    ttm, lyr = _reports(instrument, seed, day)
    rate = REPORTING_RATE[company.currency] / USD_PER_UNIT[instrument.currency]
    paid = dividends_of(instrument, day - YEAR, day)
    return Valuation(
        price=price,
        shares=company.shares,
        float_shares=int(company.shares * company.float_share),
        ttm_eps=round(ttm.eps * rate, 6),
        lyr_eps=round(lyr.eps * rate, 6),
        ttm=ttm,
        lyr=lyr,
        rate=rate,
        dividends=sum((item.amount for item in paid), Decimal(0)),
    )


def daily_value(valuation: Valuation, field: str) -> Decimal | None:
    """Return a daily figure by Tiger's name for it; none for one that is not reckoned here."""
    reckon = DAILY.get(field)
    return None if reckon is None else round(reckon(valuation), 6)


def bar_ratios(series: Series, bar: Bar) -> dict[str, object]:
    """Return what Tiger adds to a bar: turnover rate, and price to profit."""
    day = day_at(series.instrument.market, bar.time_ms)
    found = valuation_of(series.instrument, series.seed, bar.close, day)
    if found is None:
        return {}
    return {
        "turnoverRate": float(over(Decimal(bar.volume), Decimal(found.float_shares))),
        "ttmPe": float(found.to_profit(found.ttm_eps)),
        "lyrPe": float(found.to_profit(found.lyr_eps)),
    }


def year_range(series: Series) -> tuple[Decimal, Decimal]:
    """Return the highest and the lowest price of the last 52 weeks."""
    bars = recent_days(series, TRADING_YEAR)
    if not bars:
        return series.instrument.base_price, series.instrument.base_price
    return max(bar.high for bar in bars), min(bar.low for bar in bars)


def earnings_between(
    instrument: Instrument, seed: int, begin: date, end: date, today: date
) -> tuple[Earnings, ...]:
    """Return a company's report dates from `begin` to `end`, both inclusive, oldest first."""
    company = company_of(instrument)
    if company is None:
        return ()
    quarter = quarter_before(company, begin - timedelta(days=60))
    found: list[Earnings] = []
    while (reported := report_date_of(instrument, quarter_end(company, quarter))) <= end:
        if reported >= begin:
            found.append(_earnings(instrument, company, seed, quarter, reported, today))
        quarter += 1
    return tuple(found)


def rate_per_usd(currency: str) -> Decimal | None:
    """Return how many units of a currency one US dollar buys; none for an unknown one."""
    rate = REPORTING_RATE.get(currency)
    return None if rate is None else round(1 / rate, 5)


def over(part: Decimal, whole: Decimal) -> Decimal:
    """Return a ratio with six places; 0 over nothing."""
    return Decimal(0) if whole == 0 else round(part / whole, 6)


@lru_cache(maxsize=8192)
def _reports(instrument: Instrument, seed: int, day: date) -> tuple[Report, Report]:
    company = COMPANIES[instrument.key]
    return (
        report_of(company, seed, newest_quarter(instrument, company, day), quarters=4),
        report_of(company, seed, newest_year(instrument, company, day), quarters=4),
    )


def _earnings(
    instrument: Instrument,
    company: Company,
    seed: int,
    quarter: Quarter,
    reported: date,
    today: date,
) -> Earnings:
    base = stream(seed, f"{instrument.key}/earnings")
    rate = REPORTING_RATE[company.currency] / USD_PER_UNIT[instrument.currency]
    eps = report_of(company, seed, quarter, quarters=1).eps * rate
    # Analysts are wrong by some percent.
    expected = eps * (100 + between(base, -8, 6, quarter)) / 100
    return Earnings(
        instrument=instrument,
        report_date=reported,
        quarter_ends=quarter_end(company, quarter),
        expected_eps=round(expected, 4),
        actual_eps=round(eps, 4) if reported < today else None,
        is_before_open=between(base, 0, 1, 0) == 0,
    )


def companies_in(market: str) -> tuple[Instrument, ...]:
    """Return the stocks of a market that a company stands behind."""
    return tuple(
        item for item in CATALOGUE.values() if item.market == market and item.key in COMPANIES
    )


# Names as in tigeropen 3.8.0, `common/consts/fundamental_fields.py`, `Valuation`.
DAILY: Mapping[str, Callable[[Valuation], Decimal]] = {
    "shares_outstanding": lambda v: Decimal(v.shares),
    "market_capitalization": lambda v: v.market_cap,
    "total_enterprise_value": lambda v: v.enterprise,
    "p_to_bv": lambda v: v.to_book(v.ttm),
    "p_to_tangbv": lambda v: over(
        v.market_cap, (v.ttm.balances.equity - v.ttm.balances.intangibles) * v.rate
    ),
    "p_to_ltm_diluted_eps_before_extra": lambda v: v.to_profit(v.ttm_eps),
    "market_cap_to_ltm_total_revenues": lambda v: v.to_sales(v.ttm),
    "market_cap_to_ltm_ebt_excl_unusual_items": lambda v: over(
        v.market_cap, (v.ttm.flows.net + v.ttm.flows.tax) * v.rate
    ),
    "market_cap_to_ltm_levered_fcf": lambda v: over(
        v.market_cap, (v.ttm.flows.from_operations + v.ttm.flows.capital_spending) * v.rate
    ),
    "tev_to_ltm_total_revenues": lambda v: over(v.enterprise, v.ttm.flows.revenue * v.rate),
    "tev_to_ltm_ebit": lambda v: over(v.enterprise, v.ttm.flows.operating * v.rate),
    "tev_to_ltm_ebitda": lambda v: over(
        v.enterprise, (v.ttm.flows.operating + v.ttm.flows.depreciation) * v.rate
    ),
    "tev_to_ltm_unlevered_fcf": lambda v: over(
        v.enterprise, (v.ttm.flows.from_operations + v.ttm.flows.capital_spending) * v.rate
    ),
}
