"""What companies did and will do: splits, dividends, earnings dates, listings, renamings.

Splits, listings, renamings and delistings are modelled on well-known ones, so that answers look
as in life; they were checked against no register and are no source about a company. Dividends
and earnings follow a yearly rule, so that there are always some ahead.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec

from infra.sandbox.market.calendars import next_trading_day, trading_day_on_or_before
from infra.sandbox.market.terms import Instrument, Venue

CENT = Decimal("0.01")
ANNOUNCED_BEFORE = timedelta(days=21)
PAID_AFTER = timedelta(days=14)
# A dividend grows by this share of today's figure a year; long ago it was not below the floor.
DIVIDEND_GROWTH = Decimal("0.03")
DIVIDEND_FLOOR = Decimal("0.2")
YEAR_NOW = 2026  # whose amounts the table gives
REPORTED_AFTER = timedelta(days=30)


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """So many old shares (`before`) became so many new ones (`after`)."""

    symbol: str
    execute_date: date
    before: int
    after: int


class Dividend(msgspec.Struct, frozen=True, kw_only=True):
    """A cash payment on each share held before `execute_date`."""

    symbol: str
    amount: Decimal
    currency: str
    announced_date: date
    execute_date: date
    record_date: date
    pay_date: date


class DividendRule(msgspec.Struct, frozen=True, kw_only=True):
    """When in a year a company pays how much (amount of `YEAR_NOW`, in the stock's currency)."""

    since: int  # year
    months: tuple[int, ...]
    day: int
    amount: Decimal


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A first day of trading."""

    symbol: str
    name: str
    market: Venue
    exchange: str
    currency: str
    listing_date: date
    price: Decimal
    shares: int  # outstanding after the offer
    offered: int


class Renaming(msgspec.Struct, frozen=True, kw_only=True):
    """A change of symbol."""

    old: str
    new: str
    market: Venue
    exchange: str
    execute_date: date


class Delisting(msgspec.Struct, frozen=True, kw_only=True):
    """The end of trading."""

    symbol: str
    market: Venue
    exchange: str
    announced_date: date
    execute_date: date
    reason: str


def splits_of(symbol: str) -> tuple[Split, ...]:
    """Return a stock's splits, oldest first."""
    return SPLITS.get(symbol, ())


def dividends_of(instrument: Instrument, begin: date, end: date) -> tuple[Dividend, ...]:
    """Return dividends that go ex from `begin` to `end`, both inclusive, oldest first."""
    rule = DIVIDENDS.get(instrument.key)
    if rule is None:
        return ()
    found = (
        _dividend(instrument, rule, year, month)
        for year in range(max(rule.since, begin.year), end.year + 1)
        for month in rule.months
    )
    return tuple(item for item in found if begin <= item.execute_date <= end)


def report_date_of(instrument: Instrument, period_end: date) -> date:
    """Return the day on which a company reports on a quarter."""
    return next_trading_day(instrument.market, period_end + REPORTED_AFTER)


def listed_on(symbol: str) -> date | None:
    """Return a stock's first day of trading, where it is known."""
    listing = LISTINGS.get(symbol)
    return None if listing is None else listing.listing_date


def _dividend(instrument: Instrument, rule: DividendRule, year: int, month: int) -> Dividend:
    planned = date(year, month, rule.day) - timedelta(days=1)
    execute = next_trading_day(instrument.market, planned)
    scale = max(DIVIDEND_FLOOR, 1 - DIVIDEND_GROWTH * (YEAR_NOW - year))
    return Dividend(
        symbol=instrument.key,
        amount=max(CENT, (rule.amount * scale).quantize(CENT, ROUND_HALF_EVEN)),
        currency=instrument.currency,
        announced_date=trading_day_on_or_before(instrument.market, execute - ANNOUNCED_BEFORE),
        execute_date=execute,
        record_date=execute,
        pay_date=next_trading_day(instrument.market, execute + PAID_AFTER),
    )


def _splits(symbol: str, *texts: str) -> tuple[str, tuple[Split, ...]]:
    # "2020-08-31 1:4" is four for one.
    found: list[Split] = []
    for text in texts:
        day, ratio = text.split()
        before, after = ratio.split(":")
        found.append(
            Split(
                symbol=symbol,
                execute_date=date.fromisoformat(day),
                before=int(before),
                after=int(after),
            )
        )
    return symbol, tuple(found)


def _rule(since: int, months: tuple[int, ...], day: int, amount: str) -> DividendRule:
    return DividendRule(since=since, months=months, day=day, amount=Decimal(amount))


def _listing(text: str, *, name: str) -> Listing:
    symbol, market, exchange, currency, day, price, shares, offered = text.split()
    return Listing(
        symbol=symbol,
        name=name,
        market=msgspec.convert(market, Venue),
        exchange=exchange,
        currency=currency,
        listing_date=date.fromisoformat(day),
        price=Decimal(price),
        shares=int(shares) * 1_000_000,
        offered=int(offered) * 1_000_000,
    )


SPLITS: Mapping[str, tuple[Split, ...]] = dict(
    (
        _splits("AAPL", "2014-06-09 1:7", "2020-08-31 1:4"),
        _splits("NVDA", "2021-07-20 1:4", "2024-06-10 1:10"),
        _splits("TSLA", "2020-08-31 1:5", "2022-08-25 1:3"),
        _splits("AMZN", "2022-06-06 1:20"),
        _splits("GOOG", "2022-07-18 1:20"),
        _splits("00700", "2014-05-15 1:5"),
    )
)
DIVIDENDS: Mapping[str, DividendRule] = {
    "AAPL": _rule(2013, (2, 5, 8, 11), 10, "0.26"),
    "MSFT": _rule(2010, (2, 5, 8, 11), 20, "0.91"),
    "NVDA": _rule(2013, (3, 6, 9, 12), 11, "0.01"),
    "GOOG": _rule(2024, (3, 6, 9, 12), 9, "0.21"),
    "SPY": _rule(2010, (3, 6, 9, 12), 20, "1.80"),
    "QQQ": _rule(2010, (3, 6, 9, 12), 22, "0.70"),
    "00700": _rule(2010, (5,), 16, "4.50"),
    "09988": _rule(2023, (6,), 12, "1.20"),
    "00005": _rule(2010, (3, 5, 8, 11), 6, "0.80"),
    "02318": _rule(2010, (5, 9), 22, "1.25"),
    "00939": _rule(2010, (7,), 8, "0.22"),
    "02800": _rule(2010, (5, 11), 18, "0.45"),
    "D05": _rule(2010, (4, 5, 8, 11), 14, "0.60"),
    "Z74": _rule(2010, (7, 11), 25, "0.08"),
    "BHP": _rule(2010, (3, 9), 5, "0.95"),
    "CBA": _rule(2010, (2, 8), 19, "2.40"),
    "600519": _rule(2010, (6,), 26, "27.60"),
    "000858": _rule(2010, (7,), 18, "3.20"),
}
LISTINGS: Mapping[str, Listing] = {
    item.symbol: item
    for item in (
        _listing("AAPL US NASDAQ USD 1980-12-12 22 54 4", name="Apple"),
        _listing("MSFT US NASDAQ USD 1986-03-13 21 24 2", name="Microsoft"),
        _listing("NVDA US NASDAQ USD 1999-01-22 12 31 3", name="NVIDIA"),
        _listing("TSLA US NASDAQ USD 2010-06-29 17 93 13", name="Tesla Motors"),
        _listing("AMZN US NASDAQ USD 1997-05-15 18 24 3", name="Amazon.com"),
        _listing("GOOG US NASDAQ USD 2004-08-19 85 271 19", name="Alphabet"),
        _listing("00700 HK SEHK HKD 2004-06-16 3.70 1680 420", name="TENCENT"),
        _listing("09988 HK SEHK HKD 2019-11-26 176 21391 500", name="BABA-W"),
        _listing("03690 HK SEHK HKD 2018-09-20 69 5490 480", name="MEITUAN-W"),
        _listing("02318 HK SEHK HKD 2004-06-24 10.33 6195 1387", name="PING AN"),
        _listing("00939 HK SEHK HKD 2005-10-27 2.35 224689 26486", name="CCB"),
        _listing("RIVN US NASDAQ USD 2021-11-10 78 882 153", name="Rivian Automotive"),
        _listing("ABNB US NASDAQ USD 2020-12-10 68 598 51", name="Airbnb"),
        _listing("ARM US NASDAQ USD 2023-09-14 51 1025 95", name="Arm Holdings"),
    )
}
RENAMINGS: tuple[Renaming, ...] = (
    Renaming(old="FB", new="META", market="US", exchange="NASDAQ", execute_date=date(2022, 6, 9)),
    Renaming(
        old="VIAC", new="PARA", market="US", exchange="NASDAQ", execute_date=date(2022, 2, 17)
    ),
)
DELISTINGS: tuple[Delisting, ...] = (
    Delisting(
        symbol="TWTR",
        market="US",
        exchange="NYSE",
        announced_date=date(2022, 10, 4),
        execute_date=date(2022, 10, 28),
        reason="voluntary",
    ),
    Delisting(
        symbol="ATVI",
        market="US",
        exchange="NASDAQ",
        announced_date=date(2023, 10, 13),
        execute_date=date(2023, 10, 13),
        reason="acquisition",
    ),
)
