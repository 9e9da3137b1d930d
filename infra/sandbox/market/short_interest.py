"""What is published twice a month about shares sold short; a hash of symbol and day."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec

from infra.sandbox.market.calendars import trading_day_on_or_before
from infra.sandbox.market.companies import COMPANIES
from infra.sandbox.market.noise import between, stream
from infra.sandbox.market.terms import Instrument

REPORTS_MAX = 12
MID_MONTH = 15
FUND_SHARES = 1_000_000_000
_CENT = Decimal("0.01")
_SHARE_STEP = Decimal("0.0001")


class ShortReport(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a stock was sold short on a settlement day."""

    settlement_day: date
    short_interest: int  # shares
    average_volume: int  # shares per day
    days_to_cover: Decimal
    percent_of_float: Decimal


def short_reports(instrument: Instrument, day: date) -> tuple[ShortReport, ...]:
    """Return the reports up to a day, newest first: two a month, mid-month and month-end.

    Source: FINRA rule 4560, short interest reporting.
    """
    reports: list[ShortReport] = []
    settlement = day
    while len(reports) < REPORTS_MAX:
        settlement = _settlement_before(settlement)
        reports.append(_report(instrument, trading_day_on_or_before("US", settlement)))
    return tuple(reports)


def float_shares_of(instrument: Instrument) -> int:
    """Return how many shares are traded freely."""
    company = COMPANIES.get(instrument.key)
    return FUND_SHARES if company is None else int(company.shares * company.float_share)


def _settlement_before(day: date) -> date:
    if day.day > MID_MONTH:
        return day.replace(day=MID_MONTH)
    return day.replace(day=1) - timedelta(days=1)


def _report(instrument: Instrument, day: date) -> ShortReport:
    shares = float_shares_of(instrument)
    base = stream(0, f"short interest:{instrument.key}")
    sold = shares * between(base, 5, 25, day.toordinal()) // 1000
    volume = max(1, shares * between(base, 2, 10) // 1000)
    return ShortReport(
        settlement_day=day,
        short_interest=sold,
        average_volume=volume,
        days_to_cover=(Decimal(sold) / volume).quantize(_CENT),
        percent_of_float=(Decimal(sold) / shares).quantize(_SHARE_STEP),
    )
