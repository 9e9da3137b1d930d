"""The stock scanner: what it knows of each stock, and how it filters and sorts.

A stock that a field says nothing about (an index fund has no profit) passes no filter on it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.market.bars import Bar, BarQuery, bars_of, recent_days
from infra.sandbox.market.companies import COMPANIES
from infra.sandbox.market.corporate import LISTINGS
from infra.sandbox.market.fundamentals import (
    Valuation,
    company_of,
    earnings_between,
    over,
    valuation_of,
)
from infra.sandbox.market.history import Series
from infra.sandbox.market.industries import path_of
from infra.sandbox.market.instruments import CATALOGUE
from infra.sandbox.market.options import class_of
from infra.sandbox.market.prices import Quote
from infra.sandbox.market.scanner_fields import (
    ACCUMULATED_FIGURES,
    FINANCIAL_FIGURES,
    Field,
)
from infra.sandbox.market.statements import figure
from infra.sandbox.market.stretches import midnight_ms

DAYS_PER_YEAR = 252
EARNINGS_AHEAD = timedelta(days=120)
# Trading days of an accumulating period; the others begin at a minute or a date.
PERIOD_DAYS: Mapping[str, int] = {
    "Five_Days": 5,
    "Ten_Days": 10,
    "Twenty_Days": 20,
    "Half_Year": 126,
    "Last_Year": 252,
    "Last_Two_Year": 504,
    "Last_Five_Year": 1260,
}
FIVE_MINUTES = "Five_Minutes"
YEAR_TO_DATE, SINCE_LISTING = "Beginning_Of_The_Year_To_Now", "Listing_Date_To_Now"
REPORT_PERIODS = ("ANNUAL", "QUARTERLY", "QUARTERLY_Recent_Third", "SEMIANNUAL")
PERIOD_DEFAULT = "Five_Days"
# Concepts of the scanner, by symbol; a stock may have several. The ids are the sandbox's own.
CONCEPTS: Mapping[str, str] = {
    "BK9001": "Artificial Intelligence",
    "BK9002": "Electric Vehicles",
    "BK9003": "Cloud Computing",
    "BK9004": "E-Commerce",
    "BK9005": "High Dividend",
}
CONCEPTS_OF: Mapping[str, tuple[str, ...]] = {
    "AAPL": ("BK9001",),
    "MSFT": ("BK9001", "BK9003"),
    "NVDA": ("BK9001",),
    "TSLA": ("BK9002",),
    "AMZN": ("BK9003", "BK9004"),
    "GOOG": ("BK9001", "BK9003"),
    "00700": ("BK9001", "BK9003"),
    "09988": ("BK9003", "BK9004"),
    "03690": ("BK9004",),
    "00005": ("BK9005",),
    "00939": ("BK9005",),
    "D05": ("BK9005",),
    "BHP": ("BK9005",),
}
SortDirection = Literal["SortDir_No", "SortDir_Ascend", "SortDir_Descend"]
Value = Decimal | str


class Candidate:
    """One stock as the scanner sees it; what is costly is reckoned when it is asked for."""

    def __init__(self, series: Series, quote: Quote) -> None:
        self.series = series
        self.instrument = series.instrument
        self.quote = quote
        self.today = series.today
        self.valuation: Valuation | None = valuation_of(
            series.instrument, series.seed, quote.last, series.today
        )
        self._bars: tuple[Bar, ...] = ()

    def bars(self, count: int) -> tuple[Bar, ...]:
        """Return the newest day bars, oldest first."""
        if len(self._bars) < count:
            self._bars = recent_days(self.series, count)
        return self._bars[-count:]

    def value(self, field: Field, period: str | None = None) -> Value | None:
        """Return what the stock has in a field; none if there is nothing."""
        match field.kind:
            case "StockField":
                reckon = BASE.get(field.name)
                return None if reckon is None else reckon(self)
            case "AccumulateField":
                return self._accumulated(field, period or PERIOD_DEFAULT)
            case "FinancialField":
                return self._financial(field)
            case "MultiTagField":
                tags = self.tags(field)
                return ",".join(tags) if tags else None

    def tags(self, field: Field) -> tuple[str, ...]:
        """Return the stock's tags of a field."""
        reckon = TAGS.get(field.name)
        return () if reckon is None else reckon(self)

    def _accumulated(self, field: Field, period: str) -> Decimal | None:
        if field.name in ("ChangeRate", "ChangeValue"):
            before = self._price_before(period)
            if before is None:
                return None
            change = self.quote.last - before
            return change if field.name == "ChangeValue" else over(change, before)
        name = ACCUMULATED_FIGURES.get(field.name)
        if self.valuation is None or name is None:
            return None
        report = self.valuation.lyr if period == "ANNUAL" else self.valuation.ttm
        return figure(report, name)

    def _price_before(self, period: str) -> Decimal | None:
        if period == SINCE_LISTING:
            listing = LISTINGS.get(self.instrument.key)
            return None if listing is None else listing.price
        if period == FIVE_MINUTES:
            return self._price_minutes_ago(5)
        days = PERIOD_DAYS.get(period)
        if period == YEAR_TO_DATE:
            days = self._days_of_year()
        if days is None:
            return None
        bars = self.bars(days + 1)
        return bars[0].close if bars else None

    def _price_minutes_ago(self, minutes: int) -> Decimal | None:
        query = BarQuery(period="1min", begin_ms=0, before_ms=None, limit=minutes + 1)
        bars, _ = bars_of(self.series, query, last=None)
        return bars[0].close if bars else None

    def _days_of_year(self) -> int:
        begin_ms = midnight_ms(self.instrument.market, date(self.today.year, 1, 1))
        return sum(bar.time_ms >= begin_ms for bar in self.bars(DAYS_PER_YEAR + 14))

    def _financial(self, field: Field) -> Decimal | None:
        if self.valuation is None:
            return None
        if (ratio := PRICE_RATIOS.get(field.name)) is not None:
            return ratio(self.valuation)
        name = FINANCIAL_FIGURES.get(field.name)
        return None if name is None else figure(self.valuation.ttm, name)


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One filter: a closed interval, or tags of which one is enough."""

    field: Field
    least: Decimal | None = None
    most: Decimal | None = None
    tags: tuple[str, ...] = ()
    period: str | None = None
    is_shown_only: bool = False  # nothing is filtered, the value is only returned

    def holds(self, candidate: Candidate) -> bool:
        """Say whether a stock passes."""
        if self.is_shown_only:
            return True
        if self.field.kind == "MultiTagField":
            return not self.tags or bool(set(self.tags) & set(candidate.tags(self.field)))
        value = candidate.value(self.field, self.period)
        if not isinstance(value, Decimal):
            return False
        return (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """By what the found stocks are sorted."""

    field: Field
    direction: SortDirection
    period: str | None = None


def scan(
    candidates: Iterable[Candidate], conditions: Iterable[Condition], order: Order | None
) -> list[Candidate]:
    """Return the stocks that pass every condition, sorted; what has no value comes last."""
    wanted = tuple(conditions)
    found = [item for item in candidates if all(one.holds(item) for one in wanted)]
    if order is None or order.direction == "SortDir_No":
        return found
    field, period = order.field, order.period
    valued = [(value, item) for item in found if (value := item.value(field, period)) is not None]
    blank = [item for item in found if item.value(field, period) is None]
    is_down = order.direction == "SortDir_Descend"
    valued.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=is_down)
    return [item for _, item in valued] + blank


def tag_values(field_name: str, market: str) -> list[tuple[str, str]]:
    """Return the tags of a field that can be asked for in a market, with their names."""
    listed = [item for item in COMPANIES.values() if CATALOGUE[item.symbol].market == market]
    if field_name == "Industry":
        industries = {path_of(item.industry)[-1] for item in listed}
        return sorted((f"BK{item.id}", item.name_en) for item in industries)
    concepts = {tag for item in listed for tag in CONCEPTS_OF.get(item.symbol, ())}
    return sorted((tag, CONCEPTS[tag]) for tag in concepts)


def _flag(condition: bool) -> tuple[str, ...]:
    return ("1",) if condition else ("0",)


def _day_volume(item: Candidate) -> Decimal:
    bars = item.bars(1)
    return Decimal(bars[-1].volume) if bars else Decimal(0)


def _of_company(reckon: Callable[[Valuation], Decimal]) -> Callable[[Candidate], Decimal | None]:
    return lambda item: None if item.valuation is None else reckon(item.valuation)


def _of_listing(
    reckon: Callable[[Candidate, Decimal], Decimal],
) -> Callable[[Candidate], Value | None]:
    def value(item: Candidate) -> Value | None:
        listing = LISTINGS.get(item.instrument.key)
        return None if listing is None else reckon(item, listing.price)

    return value


def _listed_at(item: Candidate) -> Decimal | None:
    listing = LISTINGS.get(item.instrument.key)
    if listing is None:
        return None
    return Decimal(midnight_ms(item.instrument.market, listing.listing_date))


def _next_earnings(item: Candidate) -> Decimal | None:
    found = earnings_between(
        item.instrument, item.series.seed, item.today, item.today + EARNINGS_AHEAD, item.today
    )
    return Decimal(midnight_ms(item.instrument.market, found[0].report_date)) if found else None


def _volume_ratio(item: Candidate) -> Decimal:
    *before, newest = item.bars(6)
    total = sum(bar.volume for bar in before)
    return over(Decimal(newest.volume) * len(before), Decimal(total))


def _change(item: Candidate) -> Decimal:
    return item.quote.last - item.quote.previous_close


def _figure(name: str) -> Callable[[Valuation], Decimal]:
    return lambda valuation: figure(valuation.ttm, name) or Decimal(0)


BASE: Mapping[str, Callable[[Candidate], Value | None]] = {
    "CurPrice": lambda c: c.quote.last,
    "BidPrice": lambda c: c.quote.bid,
    "AskPrice": lambda c: c.quote.ask,
    "OpenPrice": lambda c: c.quote.open,
    "PreClosePrice": lambda c: c.quote.previous_close,
    "HighPrice": lambda c: c.quote.high,
    "LowPrice": lambda c: c.quote.low,
    "Volume": _day_volume,
    "Amount": lambda c: c.bars(1)[-1].amount if c.bars(1) else Decimal(0),
    "FloatShare": _of_company(lambda v: Decimal(v.float_shares)),
    "Week52High": lambda c: max(bar.high for bar in c.bars(DAYS_PER_YEAR)),
    "Week52Low": lambda c: min(bar.low for bar in c.bars(DAYS_PER_YEAR)),
    "FloatMarketVal": _of_company(lambda v: v.float_cap),
    "MarketValue": _of_company(lambda v: v.market_cap),
    "ttm_Eps": _of_company(lambda v: v.ttm_eps),
    "lyr_Eps": _of_company(lambda v: v.lyr_eps),
    "VolumeRatio": _volume_ratio,
    "BidAskRatio": lambda c: over(
        Decimal(c.quote.bid_size - c.quote.ask_size), Decimal(c.quote.bid_size + c.quote.ask_size)
    ),
    "EarningDate": _next_earnings,
    "PeTTM": _of_company(lambda v: v.to_profit(v.ttm_eps)),
    "DividePrice": _of_company(lambda v: v.dividends),
    "DivideRate": _of_company(lambda v: over(v.dividends, v.price)),
    "Exchange": lambda c: c.instrument.exchange,
    "TurnoverRate": lambda c: (
        None if c.valuation is None else over(_day_volume(c), Decimal(c.valuation.float_shares))
    ),
    "ListingDate": _listed_at,
    "Share": _of_company(lambda v: Decimal(v.shares)),
    "ListingPrice": _of_listing(lambda _, price: price),
    "DiffBetweenLastPriceAndListPrice": _of_listing(lambda c, price: c.quote.last - price),
    "Equity_Ratio": _of_company(_figure("total_debt_to_equity")),
    "Equity_Multiplier": _of_company(_figure("total_liabilities_to_total_assets")),
    "Amplitude": lambda c: over(c.quote.high - c.quote.low, c.quote.previous_close),
    "current_ChangeRate": lambda c: over(_change(c), c.quote.previous_close),
    "current_ChangeVal": _change,
    "Net_Income": _of_company(_figure("net_income")),
    "Timestamp": lambda c: Decimal(c.series.now_ms),
}
TAGS: Mapping[str, Callable[[Candidate], tuple[str, ...]]] = {
    "Industry": lambda c: (
        () if (company := company_of(c.instrument)) is None else (f"BK{company.industry}",)
    ),
    "Concept": lambda c: CONCEPTS_OF.get(c.instrument.key, ()),
    "isOTC": lambda _: ("0",),
    "StockCode": lambda c: (c.instrument.key,),
    "Type": lambda c: _flag(c.instrument.is_etf),
    "Volume_Spike": lambda c: _flag(
        _day_volume(c) * len(c.bars(DAYS_PER_YEAR))
        > 5 * sum(bar.volume for bar in c.bars(DAYS_PER_YEAR))
    ),
    "Net_Broken": lambda c: _flag(
        c.valuation is not None and 0 < c.valuation.to_book(c.valuation.ttm) < 1
    ),
    "Issue_Price_Broken": lambda c: _flag(
        (listing := LISTINGS.get(c.instrument.key)) is not None and c.quote.last < listing.price
    ),
    "OptionsAvailable": lambda c: _flag(class_of(c.instrument.key) is not None),
    "Week52HighFlag": lambda c: _flag(
        c.quote.last >= max(bar.high for bar in c.bars(DAYS_PER_YEAR))
    ),
    "Week52LowFlag": lambda c: _flag(c.quote.last <= min(bar.low for bar in c.bars(DAYS_PER_YEAR))),
    "TradeCurrency": lambda c: (c.instrument.currency,),
    "Market_Name": lambda c: (c.instrument.market,),
    "One_Sectors_Level": lambda c: (
        () if (company := company_of(c.instrument)) is None else (company.industry[:2],)
    ),
}
PRICE_RATIOS: Mapping[str, Callable[[Valuation], Decimal]] = {
    "LYR_PE": lambda v: v.to_profit(v.lyr_eps),
    "TTM_PE": lambda v: v.to_profit(v.ttm_eps),
    "LYR_PS": lambda v: v.to_sales(v.lyr),
    "TTM_PS": lambda v: v.to_sales(v.ttm),
    "LYR_PB": lambda v: v.to_book(v.lyr),
    "TTM_PB": lambda v: v.to_book(v.ttm),
}
