"""`ask.<account>.fundamentals`: what companies report, and what they are worth."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from tigeropen.common import consts

from adapters.tiger_worker.market_events import ACTIONS, Events
from adapters.tiger_worker.market_filters import near
from adapters.tiger_worker.market_listings import Listings
from adapters.tiger_worker.market_pages import Place, page, place_of
from adapters.tiger_worker.market_reads import MarketReads, wrong
from adapters.tiger_worker.market_rows import (
    CURRENCIES,
    NEW_YORK,
    ZONES,
    Cells,
    Part,
    Sheet,
    figure_in,
    figures,
    marks,
    moment_at,
    moment_in,
    objects_in,
    sheet,
    symbol_named,
    symbol_of,
    texts,
    trimmed,
    word_of,
)
from adapters.tiger_worker.market_spans import days_of
from adapters.tiger_worker.words import Row
from core.market_asks import FIELDS_MAX, SYMBOLS_MAX, FundamentalsAsk, MarketTable

_REPORT_PERIODS: Final = {"annual": "Annual", "quarterly": "Quarterly", "ltm": "LTM"}
_REPORT_DEFAULT: Final = (
    "total_revenue",
    "gross_profit",
    "operating_income",
    "net_income",
    "basic_eps",
    "total_assets",
    "total_liabilities",
    "cash_from_ops",
)
_DAILY_DEFAULT: Final = ("market_capitalization", "shares_outstanding", "p_to_bv")
_LEVELS: Final = ("GSECTOR", "GGROUP", "GIND", "GSUBIND")
_REPORT_BACK: Final = 730
_DAILY_BACK: Final = 30
_RATE_BACK: Final = 30
_MAIN_BACK: Final = 90
_DAILY_DAYS_MAX: Final = 366
# The broker's rows name none.
_OF_DAILY: Final = "money is in a currency that is not told here; see what=currency"
# Tiger stamps daily figures with midnight of its own time, whatever the market.
_TIGER_ZONE: Final = "Asia/Shanghai"


def _names(*enums: type[Enum]) -> frozenset[str]:
    return frozenset(str(each.value) for enum in enums for each in enum)


# Source: tigeropen 3.8.0, `common/consts/__init__.py` (read 2026-11).
_REPORT_FIELDS: Final = _names(
    consts.Income,
    consts.Balance,
    consts.CashFlow,
    consts.BalanceSheetRatio,
    consts.Growth,
    consts.Leverage,
    consts.Profitability,
)
_DAILY_FIELDS: Final = _names(consts.Valuation)
_RATIOS: Final = figures(
    market_cap="marketCap",
    float_market_cap="floatMarketCap",
    pe_ttm="ttmPeRate",
    pe_last_year="lyrPeRate",
    pb="pbRate",
    ps="psRate",
    eps_ttm="ttmEps",
    eps_last_year="lyrEps",
    roe="roe",
    roa="roa",
    dividend_rate="divideRate",
    week52_high="week52High",
    week52_low="week52Low",
    volume_ratio="volumeRatio",
    turnover_rate="turnoverRate",
)
_DETAIL: Final = (
    texts(name="name"),
    marks(market="market", exchange="exchange"),
    figures(last="latestPrice", shares="shares", float_shares="floatShares", halted="halted"),
    moment_at("listingDate", name="listed"),
)
_SHORT: Final = (
    symbol_named("symbol"),
    marks(settlement_day="settlementDate"),
    figures(
        short_interest="shortInterest",
        average_daily_volume="avgDailyVolume",
        days_to_cover="daysToCover",
        share_of_float="percentOfFloat",
    ),
)
_INDUSTRY: Final = (marks(level="industryLevel", id="id"), texts(name="nameEN"))
_CURRENCY: Final = (
    symbol_named("symbol"),
    marks(currency="currency", company_currency="companyCurrency"),
)
_VOLATILITY: Final = (
    symbol_named("symbol"),
    figures(
        implied_volatility_30_days="impliedVol30Days",
        historic_volatility="hisVolatility",
        implied_to_historic="ivHisVRatio",
        call_put_ratio="callPutRatio",
    ),
    Part(("iv_percentile", "iv_rank"), lambda row, _: _metric(row)),
)


class Figures:
    """Answers about companies."""

    def __init__(self, reads: MarketReads, listings: Listings) -> None:
        self._reads = reads
        self._listings = listings
        self._events = Events(reads)

    def answer(self, asked: FundamentalsAsk) -> MarketTable:
        """Return one kind of figures.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        if len(asked.symbols) > SYMBOLS_MAX:
            raise wrong("symbols", f"expected at most {SYMBOLS_MAX} symbols")
        if asked.what in ACTIONS:
            return self._events.answer(asked, place)
        match asked.what:
            case "industries":
                return self._industries(asked, place)
            case "industry_stocks":
                return self._industry_stocks(asked, place)
            case "exchange_rate":
                return self._rates(asked, place)
            case _:
                return self._of_symbols(asked, place)

    def _of_symbols(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        if not asked.symbols:
            raise wrong("symbols", f"is needed for what={asked.what}")
        match asked.what:
            case "overview":
                whole, at = self._overview(asked)
            case "report":
                return self._report(asked, place)
            case "daily":
                return self._daily(asked, place)
            case "short_interest":
                rows, at = self._read("quote_shortable_stocks", asked)
                flat = [
                    {**each, "symbol": row.get("symbol")}
                    for row in rows
                    for each in objects_in(row, "items")
                ]
                whole = sheet(flat, _SHORT, NEW_YORK)
            case "industry":
                whole, at = self._industry(asked)
            case "currency":
                rows, at = self._read("financial_currency", asked, market=asked.market)
                whole = sheet(rows, _CURRENCY, NEW_YORK)
            case "option_analysis":
                wanted = [{"symbol": each, "period": "52week"} for each in asked.symbols]
                fields: dict[str, Any] = {"symbols": wanted}
                fields |= {"market": "HK"} if asked.market == "HK" else {}
                rows, at = self._reads.items("option_analysis", fields, field="symbols")
                whole = sheet(rows, _VOLATILITY, NEW_YORK)
            case _:
                return self._main_contracts(asked, place)
        table = page(asked, place, whole, at=at)
        if asked.what != "overview":
            return table
        zone, currency = ZONES[asked.market], CURRENCIES[asked.market]
        return msgspec.structs.replace(table, zone=zone, currency=currency)

    def _read(
        self, method: str, asked: FundamentalsAsk, **fields: object
    ) -> tuple[list[Row], datetime]:
        wanted = {"symbols": list(asked.symbols), **fields}
        return self._reads.items(method, wanted, field="symbols")

    def _overview(self, asked: FundamentalsAsk) -> tuple[Sheet, datetime]:
        rows, at = self._read("stock_fundamental", asked, market=asked.market)
        details, _ = self._read("stock_detail", asked)
        by_symbol = {row.get("symbol"): row for row in details}
        merged = [by_symbol.get(row.get("symbol"), {}) | row for row in rows]
        parts = (symbol_named("symbol"), *_DETAIL, _RATIOS)
        return sheet(merged, parts, ZONES[asked.market]), at

    def _report(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        names = _checked(asked.fields or _REPORT_DEFAULT, _REPORT_FIELDS)
        fields: dict[str, Any] = {
            "symbols": list(asked.symbols),
            "market": asked.market,
            "fields": list(names),
            "period_type": _REPORT_PERIODS[asked.period],
        }
        first, last = self._days(asked, back=_REPORT_BACK)
        fields |= {"begin_date": first, "end_date": last}
        rows, at = self._reads.items("financial_report", fields, field="fields")
        keys = ("symbol", "periodEndDate", "filingDate", "currency")
        whole = _pivoted(rows, names, keys, ("symbol", "period_end", "filed", "currency"))
        table = page(asked, place, whole, at=at)
        facts = (("period", asked.period), ("from_day", first), ("to_day", last))
        return msgspec.structs.replace(table, facts=facts)

    def _daily(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        names = _checked(asked.fields or _DAILY_DEFAULT, _DAILY_FIELDS)
        first, last = self._days(asked, back=_DAILY_BACK, days_max=_DAILY_DAYS_MAX)
        fields = {
            "symbols": list(asked.symbols),
            "market": asked.market,
            "fields": list(names),
            "begin_date": first,
            "end_date": last,
        }
        rows, at = self._reads.items("financial_daily", fields, field="fields")
        dated = [row | {"day": _day(row)} for row in rows]
        whole = _pivoted(dated, names, ("symbol", "day"), ("symbol", "day"))
        table = page(asked, place, whole, at=at)
        notes = (table.note, _OF_DAILY if table.rows else "")
        return msgspec.structs.replace(
            table,
            facts=(("from_day", first), ("to_day", last)),
            note="; ".join(note for note in notes if note),
        )

    def _industry(self, asked: FundamentalsAsk) -> tuple[Sheet, datetime]:
        found: list[Row] = []
        times: list[datetime] = []
        for symbol in asked.symbols:
            fields = {"symbol": symbol, "market": asked.market}
            rows, at = self._reads.items("stock_industry", fields, field="symbols")
            found += [row | {"symbol": symbol} for row in rows]
            times.append(at)
        return sheet(found, (symbol_named("symbol"), *_INDUSTRY), NEW_YORK), min(times)

    def _industries(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        found: list[Row] = []
        times: list[datetime] = []
        for level in _LEVELS:
            rows, at = self._reads.items("industry_list", {"industry_level": level})
            found += rows
            times.append(at)
        return page(asked, place, sheet(found, _INDUSTRY, NEW_YORK), at=min(times))

    def _industry_stocks(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        if len(asked.fields) != 1 or not asked.fields[0].isdecimal():
            raise wrong("fields", "expected one id of what=industries, such as 45202030")
        wanted = {"industry_id": asked.fields[0], "market": asked.market}
        rows, at = self._reads.items("industry_stocks", wanted, field="fields")
        parts = (symbol_named("symbol"), texts(name="companyName"), marks(market="market"))
        return page(asked, place, sheet(rows, parts, NEW_YORK), at=at)

    def _rates(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        if not asked.symbols:
            raise wrong("symbols", "expected currencies such as HKD; rates are per US dollar")
        first, last = self._days(asked, back=_RATE_BACK, days_max=_DAILY_DAYS_MAX)
        fields = {
            "currency_list": list(asked.symbols),
            "begin_date": first,
            "end_date": last,
            "timezone": NEW_YORK,
        }
        rows, at = self._reads.items("financial_exchange_rate", fields, field="symbols")
        flat = [
            (word_of(row.get("currency")), _day(each, NEW_YORK), figure_in(each, "value"))
            for row in rows
            for each in objects_in(row, "dailyValueList")
        ]
        flat.sort(key=lambda cells: (cells[0] or "", cells[1] or ""), reverse=True)
        whole = Sheet(("currency", "day", "per_usd"), list(flat))
        table = page(asked, place, whole, at=at)
        return msgspec.structs.replace(table, facts=(("from_day", first), ("to_day", last)))

    def _main_contracts(self, asked: FundamentalsAsk, place: Place) -> MarketTable:
        if not all(symbol.endswith("main") for symbol in asked.symbols):
            raise wrong("symbols", "expected main contracts of futures, such as CLmain")
        zone = self._listings.one("future", asked.symbols[0]).zone
        first, last = self._days(asked, back=_MAIN_BACK)
        fields = {
            "contract_codes": list(asked.symbols),
            "begin_time": _midnight(first, zone),
            "end_time": _midnight(last, zone),
        }
        rows, at = self._reads.items("future_history_main_contract", fields, field="symbols")
        flat = [
            {**each, "symbol": row.get("contractCode")}
            for row in rows
            for each in objects_in(row, "mainReferItems")
        ]
        parts = (symbol_named("symbol"), marks(contract="referContractCode"), moment_at("time"))
        table = page(asked, place, sheet(flat, parts, zone), at=at)
        return msgspec.structs.replace(table, zone=zone)

    def _days(
        self, asked: FundamentalsAsk, *, back: int, days_max: int | None = None
    ) -> tuple[str, str]:
        zone = ZONES[asked.market]
        now = self._reads.now()
        first, last = days_of(asked.begin, asked.end, now=now, zone=zone, back=back)
        if days_max is not None and (last - first).days > days_max:
            raise wrong("begin", f"expected at most {days_max} days")
        return first.isoformat(), last.isoformat()


def _checked(names: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    if len(names) > FIELDS_MAX:
        raise wrong("fields", f"expected at most {FIELDS_MAX}")
    for name in names:
        if name not in known:
            raise wrong("fields", f"{name[:60]}: expected one such as {near(name, known)}")
    return tuple(dict.fromkeys(names))


# One row per field becomes one row per key with a column per field, latest first.
def _pivoted(
    rows: Iterable[Row], names: Sequence[str], keys: Sequence[str], columns: Sequence[str]
) -> Sheet:
    found: dict[tuple[str, ...], dict[str, str | None]] = {}
    for row in rows:
        key = tuple(str(row.get(name) or "") for name in keys)
        found.setdefault(key, {})[str(row.get("field", ""))] = figure_in(row, "value")
    ordered = sorted(found, key=lambda key: key[1], reverse=True)
    cells: list[Cells] = [
        (
            symbol_of(key[0]),
            *(word_of(each) for each in key[1:]),
            *(found[key].get(n) for n in names),
        )
        for key in sorted(ordered, key=lambda key: key[0])
    ]
    return trimmed(Sheet((*columns, *names), cells))


def _day(row: Row, zone: str = _TIGER_ZONE) -> str | None:
    moment = moment_in(row, "date")
    return None if moment is None else moment.astimezone(ZoneInfo(zone)).date().isoformat()


def _midnight(day: str, zone: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def _metric(row: Row) -> Cells:
    found = row.get("impliedVolMetric")
    metric: Row = found if isinstance(found, dict) else {}
    return figure_in(metric, "percentile"), figure_in(metric, "rank")
