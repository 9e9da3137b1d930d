"""Tiger's methods about companies' figures, currencies and industries.

Source: tigeropen 3.8.0, `fundamental/response/*.py`, `quote/response/quote_dataframe_response.py`;
the shapes of Tiger's examples in its SDK's tests (read 2026-11).
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from infra.sandbox.market.bars import recent_days
from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.companies import COMPANIES, Company
from infra.sandbox.market.corporate import report_date_of
from infra.sandbox.market.fundamentals import (
    Valuation,
    daily_value,
    newest_quarter,
    over,
    rate_per_usd,
    valuation_of,
    year_range,
)
from infra.sandbox.market.industries import LEVELS, Industry, industries_at, path_of
from infra.sandbox.market.instruments import CATALOGUE, Instrument, Venue
from infra.sandbox.market.statements import (
    Quarter,
    ends_fiscal_year,
    figure,
    quarter_end,
    report_of,
)
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.corporate import day_of
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.history import series_for
from infra.sandbox.methods.history_parameters import Time, symbols_of, time_ms_of
from infra.sandbox.methods.parameter_values import invalid, word
from infra.sandbox.wire.envelope import business_error

SYMBOLS_MAX = 50
DAYS_MAX = 3_660  # of daily figures in one answer
YEARS_DEFAULT = 5
VOLUME_DAYS = 5  # that a day's volume is compared with
# Tiger stamps daily figures with midnight of its own time, whatever the market.
TIGER_ZONE = ZoneInfo("Asia/Shanghai")


class FinancialParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `financial_daily`, `financial_report` and `financial_currency`."""

    symbols: tuple[str, ...] = ()
    market: str = ""
    fields: tuple[str, ...] = ()
    period_type: str = "Annual"
    begin_date: Time | None = None
    end_date: Time | None = None


class RateParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `financial_exchange_rate`."""

    currency_list: tuple[str, ...] = ()
    begin_date: Time | None = None
    end_date: Time | None = None
    timezone: str = "Asia/Shanghai"


class IndustryParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `industry_list`, `industry_stocks` and `stock_industry`."""

    industry_level: str = ""
    industry_id: str = ""
    market: str = ""
    symbol: str = ""


def financial_daily(call: Call) -> object:
    """Return daily valuations: one row for each stock, field and calendar day."""
    asked = parameters(call, FinancialParameters)
    market, stocks = _asked(asked)
    begin, end = _window(asked, market, call)
    rows: list[Json] = []
    for stock in stocks:
        closes = _closes(call, stock, begin)
        for field in _fields(asked):
            for number in range((end - begin).days + 1):
                day = begin + timedelta(days=number)
                found = valuation_of(stock, call.engine.prices.seed, closes(day), day)
                value = None if found is None else daily_value(found, field)
                if value is not None:
                    rows.append(_daily_json(stock, field, day, value))
    return rows


def financial_report(call: Call) -> object:
    """Return reported figures: one row for each stock, field and reporting period."""
    asked = parameters(call, FinancialParameters)
    market, stocks = _asked(asked)
    if asked.period_type not in PERIOD_QUARTERS:
        raise invalid("period_type")
    today = call.now.astimezone(zone_of(market)).date()
    begin = day_of(asked.begin_date, market, "begin_date") or today - timedelta(
        days=365 * YEARS_DEFAULT
    )
    end = day_of(asked.end_date, market, "end_date") or today
    rows: list[Json] = []
    for stock in stocks:
        company = COMPANIES[stock.key]
        for field in _fields(asked):
            for quarter in _reported(stock, company, asked.period_type, today):
                if begin <= quarter_end(company, quarter) <= end:
                    rows += _report_json(call, stock, quarter, field, asked.period_type)
    return rows


def financial_currency(call: Call) -> object:
    """Return in which currency companies report."""
    _, stocks = _asked(parameters(call, FinancialParameters))
    return [
        {
            "symbol": stock.key,
            "currency": stock.currency,
            "companyCurrency": COMPANIES[stock.key].currency,
        }
        for stock in stocks
    ]


def financial_exchange_rate(call: Call) -> object:
    """Return for each day what one US dollar buys of each currency."""
    asked = parameters(call, RateParameters)
    if not asked.currency_list:
        raise business_error("field 'currency_list' cannot be empty")
    zone = _zone(asked.timezone)
    begin_ms = time_ms_of(asked.begin_date, "US", "begin_date")
    if begin_ms is None:
        raise business_error("field 'begin_date' cannot be empty")
    end_ms = time_ms_of(asked.end_date, "US", "end_date") or begin_ms
    begin, end = (
        datetime.fromtimestamp(ms // 1000, UTC).astimezone(zone) for ms in (begin_ms, end_ms)
    )
    count = (end.date() - begin.date()).days + 1
    if not 0 < count <= DAYS_MAX:
        raise invalid("end_date")
    days = [begin.date() + timedelta(days=number) for number in range(count)]
    return [
        {
            "currency": currency,
            "dailyValueList": [
                {"date": _midnight_ms(day, zone), "value": double(rate)} for day in days
            ],
        }
        for currency in asked.currency_list
        if (rate := rate_per_usd(currency)) is not None
    ]


def stock_fundamental(call: Call) -> object:
    """Return a snapshot of stocks' ratios."""
    market, stocks = _asked(parameters(call, FinancialParameters))
    del market
    return {"items": [_fundamental_json(call, stock) for stock in stocks]}


def industry_list(call: Call) -> object:
    """Return the industries of a level."""
    asked = parameters(call, IndustryParameters)
    if asked.industry_level not in LEVELS:
        raise invalid("industry_level")
    return [_industry_json(item) for item in industries_at(asked.industry_level)]


def industry_stocks(call: Call) -> object:
    """Return the companies of an industry of any level."""
    asked = parameters(call, IndustryParameters)
    if not asked.industry_id:
        raise business_error("field 'industry_id' cannot be empty")
    market: Venue = word(asked.market, Venue, "market") or "US"
    found: list[Json] = []
    for company in COMPANIES.values():
        stock, path = CATALOGUE[company.symbol], path_of(company.industry)
        if stock.market == market and any(item.id == asked.industry_id for item in path):
            found.append(
                {
                    "symbol": stock.key,
                    "companyName": stock.name,
                    "market": stock.market,
                    "industryDetailDTOList": [_industry_json(item) for item in path],
                }
            )
    return found


def stock_industry(call: Call) -> object:
    """Return the industries of a stock, from the sector down."""
    asked = parameters(call, IndustryParameters)
    if not asked.symbol:
        raise business_error("field 'symbol' cannot be empty")
    company = COMPANIES.get(asked.symbol)
    if company is None or CATALOGUE[asked.symbol].market != (asked.market or "US"):
        return []
    return [_industry_json(item) for item in path_of(company.industry)]


def java_double(value: Decimal) -> str:
    """Return a number as Java writes a double, which is how Tiger sends reported figures."""
    if value == 0:
        return "0.0"
    exponent = value.adjusted()
    if -3 <= exponent < 7:
        text = format(value.normalize(), "f")
        return text if "." in text else f"{text}.0"
    digits = "".join(str(digit) for digit in value.normalize().as_tuple().digits)
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[0]}.{digits[1:] or '0'}E{exponent}"


def volume_ratio(volumes: list[int]) -> Decimal:
    """Return how the newest day's volume compares with the days before it."""
    *before, newest = volumes
    if not before:
        return Decimal(0)
    return over(Decimal(newest) * len(before), Decimal(sum(before)))


def _asked(asked: FinancialParameters) -> tuple[Venue, list[Instrument]]:
    symbols = symbols_of(asked.symbols, SYMBOLS_MAX)
    market: Venue | None = word(asked.market, Venue, "market")
    if market is None:
        raise business_error("field 'market' cannot be empty")
    found = [CATALOGUE[symbol] for symbol in symbols if symbol in COMPANIES]
    return market, [item for item in found if item.market == market]


def _fields(asked: FinancialParameters) -> tuple[str, ...]:
    if not asked.fields:
        raise business_error("field 'fields' cannot be empty")
    return asked.fields


def _window(asked: FinancialParameters, market: Venue, call: Call) -> tuple[date, date]:
    today = call.now.astimezone(zone_of(market)).date()
    begin = day_of(asked.begin_date, market, "begin_date")
    end = min(today, day_of(asked.end_date, market, "end_date") or today)
    if begin is None:
        raise business_error("field 'begin_date' cannot be empty")
    if begin > end or (end - begin).days >= DAYS_MAX:
        raise invalid("begin_date")
    return begin, end


def _closes(call: Call, stock: Instrument, begin: date) -> Callable[[date], Decimal]:
    # Of a day without trading the last price before it counts.
    series = series_for(call, stock)
    bars = {
        datetime.fromtimestamp(bar.time_ms / 1000, zone_of(stock.market)).date(): bar.close
        for bar in recent_days(series, (series.today - begin).days + 15)
    }

    def close_on(day: date) -> Decimal:
        for number in range(15):
            if (found := bars.get(day - timedelta(days=number))) is not None:
                return found
        return stock.base_price

    return close_on


def _daily_json(stock: Instrument, field: str, day: date, value: Decimal) -> Json:
    return {
        "symbol": stock.key,
        "date": _midnight_ms(day, TIGER_ZONE),
        "field": field,
        "value": double(value),
    }


def _reported(stock: Instrument, company: Company, period_type: str, today: date) -> list[Quarter]:
    newest = newest_quarter(stock, company, today)
    quarters = range(newest - 4 * 10, newest + 1)
    if period_type == "Annual":
        return [quarter for quarter in quarters if ends_fiscal_year(company, quarter)]
    return list(quarters)


def _report_json(
    call: Call, stock: Instrument, quarter: Quarter, field: str, period_type: str
) -> list[Json]:
    company = COMPANIES[stock.key]
    report = report_of(
        company, call.engine.prices.seed, quarter, quarters=PERIOD_QUARTERS[period_type]
    )
    value = figure(report, field)
    if value is None:
        return []
    ends = quarter_end(company, quarter)
    return [
        {
            "symbol": stock.key,
            "currency": company.currency,
            "field": field,
            "value": java_double(value),
            "filingDate": report_date_of(stock, ends).isoformat(),
            "periodEndDate": ends.isoformat(),
        }
    ]


def _fundamental_json(call: Call, stock: Instrument) -> Json:
    series = series_for(call, stock)
    price = call.engine.prices.last(stock.key)
    found: Valuation | None = valuation_of(stock, series.seed, price, series.today)
    assert found is not None, "only companies are asked for"
    high, low = year_range(series)
    bars = recent_days(series, VOLUME_DAYS + 1)
    return {
        "symbol": stock.key,
        "roe": double(_ratio(found, "return_on_equity")),
        "roa": double(_ratio(found, "return_on_assets")),
        "pbRate": double(found.to_book(found.ttm)),
        "psRate": double(found.to_sales(found.ttm)),
        "divideRate": double(over(found.dividends, price)),
        "week52High": double(max(high, price)),
        "week52Low": double(min(low, price)),
        "ttmEps": double(found.ttm_eps),
        "lyrEps": double(found.lyr_eps),
        "volumeRatio": double(volume_ratio([bar.volume for bar in bars])),
        "turnoverRate": double(over(Decimal(bars[-1].volume), Decimal(found.float_shares))),
        "ttmPeRate": double(found.to_profit(found.ttm_eps)),
        "lyrPeRate": double(found.to_profit(found.lyr_eps)),
        "marketCap": double(found.market_cap),
        "floatMarketCap": double(found.float_cap),
    }


def _ratio(valuation: Valuation, field: str) -> Decimal:
    return figure(valuation.ttm, field) or Decimal(0)


def _industry_json(item: Industry) -> Json:
    return {
        "id": item.id,
        "industryLevel": item.level,
        "nameCN": item.name_cn,
        "nameEN": item.name_en,
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # OSError: the name of a folder of zones, as "US".
        raise invalid("timezone") from None


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


# How many quarters the figures of a period type span.
PERIOD_QUARTERS = {"Annual": 4, "Quarterly": 1, "LTM": 4}
