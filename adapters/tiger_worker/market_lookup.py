"""`ask.<account>.contracts`: contracts by symbol, or by what a person calls them."""

from datetime import datetime
from typing import Final

import msgspec

from adapters.tiger_worker.market_listings import Listings, named_option
from adapters.tiger_worker.market_pages import Place, page, place_of
from adapters.tiger_worker.market_reads import MarketReads, object_in, rows_in, wrong
from adapters.tiger_worker.market_rows import (
    HONG_KONG,
    NEW_YORK,
    Part,
    figure_in,
    figures,
    flags,
    marks,
    objects_in,
    option_symbol,
    sheet,
    symbol_named,
    texts,
)
from adapters.tiger_worker.words import Row
from core.errors import BrokerUnavailableError
from core.market_asks import SYMBOLS_MAX, ContractsAsk, MarketTable

_TICKS: Final = Part(("tick_size",), lambda row, _: (_ticks(row),))
_CONTRACT: Final = (
    symbol_named("identifier"),
    texts(name="name"),
    marks(market="market", exchange="exchange", currency="currency", security="secType"),
    figures(lot_size="lotSize", multiplier="multiplier"),
    _TICKS,
    flags(
        tradeable="tradeable",
        close_only="closeOnly",
        shortable="shortable",
        marginable="marginable",
        fractional="supportFractionalShare",
        overnight="supportOvernightTrading",
        is_etf="isEtf",
    ),
    marks(expiry="expiry", right="right"),
    figures(strike="strike"),
)
_FUTURE: Final = (
    symbol_named("contractCode"),
    texts(name="name"),
    marks(
        product="type",
        exchange="exchange",
        currency="currency",
        month="contractMonth",
        last_trading_day="lastTradingDate",
        first_notice_day="firstNoticeDate",
        delivery="deliveryMode",
    ),
    figures(multiplier="multiplier", tick_size="minTick"),
    flags(tradeable="trade", is_main="continuous"),
)
_EXCHANGE: Final = (marks(exchange="code", zone="zoneId"), texts(name="name"))
_NAMED: Final = (symbol_named("symbol"), texts(name="name"))
_OPTION_ROOT: Final = (
    symbol_named("symbol"),
    marks(underlying="underlyingSymbol"),
    texts(name="name"),
)
_FUND: Final = (
    symbol_named("symbol"),
    texts(name="name", company="companyName"),
    marks(currency="currency", kind="subType", dividends="dividendType"),
    flags(tradeable="tradeable"),
)
_WARRANT_KINDS: Final = {"1": "call", "2": "put", "3": "bull", "4": "bear", "5": "inline"}
_WARRANT: Final = (
    symbol_named("symbol"),
    texts(name="name"),
    Part(("kind",), lambda row, _: (_WARRANT_KINDS.get(str(row.get("type")), None),)),
    figures(
        strike="strike",
        last="latestPrice",
        change_rate="changeRate",
        volume="volume",
        entitlement_ratio="entitlementRatio",
        premium="premium",
        leverage="leverageRatio",
        effective_leverage="effectiveLeverage",
        implied_volatility="impliedVolatility",
        delta="delta",
        call_price="callPrice",
        outstanding="outstandingRatio",
        lot_size="lotSize",
    ),
    marks(expiry="expireDate", last_trading_day="lastTradingDate"),
)
_WARRANTS_AT_ONCE: Final = 50
# Of what a search finds, as many as can be looked at in one answer.
_FOUND_MAX: Final = 2_000


class Lookup:
    """Answers which contracts there are."""

    def __init__(self, reads: MarketReads, listings: Listings) -> None:
        self._reads = reads
        self._listings = listings

    def answer(self, asked: ContractsAsk) -> MarketTable:
        """Return contracts by symbol or by a search.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        if asked.symbols and asked.query:
            raise wrong("query", "expected symbols or query, was both")
        if len(asked.symbols) > SYMBOLS_MAX:
            raise wrong("symbols", f"expected at most {SYMBOLS_MAX} symbols")
        if asked.symbols:
            return self._by_symbol(asked, place)
        match asked.security:
            case "stock":
                return self._stocks(asked, place)
            case "future":
                return self._futures(asked, place)
            case "option":
                every, at = self._listings.hong_kong_options()
                rows = _matching(asked, every)
                return page(asked, place, sheet(rows, _OPTION_ROOT, HONG_KONG), at=at)
            case "warrant":
                return self._warrants(asked, place)
            case "fund":
                return self._funds(asked, place)

    def _by_symbol(self, asked: ContractsAsk, place: Place) -> MarketTable:
        symbols = tuple(dict.fromkeys(asked.symbols))
        parts = {"future": _FUTURE, "fund": _FUND}.get(asked.security, _CONTRACT)
        if asked.security == "option":
            told = {symbol: self._option(symbol) for symbol in symbols}
        else:
            known = self._listings.find(asked.security, symbols)
            told = {symbol: (each.row, each.at) for symbol, each in known.items()}
        found = {symbol: (row, at) for symbol, (row, at) in told.items() if row and at}
        if not found:
            raise wrong("symbols", "the broker knows none of them; try query")
        whole = sheet([row for row, _ in found.values()], parts, NEW_YORK)
        table = page(asked, place, whole, at=min(at for _, at in found.values()))
        unknown = tuple(symbol for symbol in symbols if symbol not in found)
        return msgspec.structs.replace(table, unknown=unknown)

    def _option(self, symbol: str) -> tuple[Row, datetime | None]:
        name = named_option(symbol, field="symbols")
        fields = {
            "version": "3.0",
            "symbol": name.underlying,
            "sec_type": "OPT",
            "expiry": f"{name.expiry:%Y%m%d}",
            "strike": name.strike,
            "right": name.right,
        }
        data, at = self._reads.read(
            "contract", fields, version="3.0", of_account=True, field="symbols"
        )
        row = object_in(data, "contract")
        rows = [row] if "symbol" in row else rows_in(row, "contract")
        return ({"identifier": option_symbol(name), **rows[0]} if rows else {}), at

    def _stocks(self, asked: ContractsAsk, place: Place) -> MarketTable:
        rows, at = self._reads.items("all_symbol_names", {"market": asked.market}, field="market")
        found = _matching(asked, rows)
        table = page(asked, place, sheet(found[:_FOUND_MAX], _NAMED, NEW_YORK), at=at)
        return msgspec.structs.replace(
            table, facts=(("market", asked.market), ("found", len(found)))
        )

    # A product (CL), an exchange (CME), a part of a name; nothing lists the exchanges.
    def _futures(self, asked: ContractsAsk, place: Place) -> MarketTable:
        exchanges, read_at = self._reads.items("future_exchange", {"sec_type": "FUT"})
        if not asked.query:
            return page(asked, place, sheet(exchanges, _EXCHANGE, NEW_YORK), at=read_at)
        rows, at = self._futures_by_code(asked.query.upper(), exchanges)
        if not rows:
            every = [
                row
                for exchange in exchanges
                for row in self._reads.items(
                    "future_contract_by_exchange_code", {"exchange_code": exchange.get("code")}
                )[0]
            ]
            rows = _matching(asked, every)
        return page(asked, place, sheet(rows, _FUTURE, NEW_YORK), at=at or read_at)

    def _futures_by_code(
        self, code: str, exchanges: list[Row]
    ) -> tuple[list[Row], datetime | None]:
        if code in {str(each.get("code", "")) for each in exchanges}:
            fields = {"exchange_code": code}
            return self._reads.items("future_contract_by_exchange_code", fields, field="query")
        if not code.isalnum():
            return [], None
        return self._reads.items("future_contracts", {"type": code}, field="query")

    def _warrants(self, asked: ContractsAsk, place: Place) -> MarketTable:
        if not asked.query.isdecimal():
            raise wrong("query", "expected the Hong Kong stock behind the warrants, such as 00700")
        number = int(place.token) if place.token.isdecimal() else 0
        fields = {"symbol": asked.query, "page": number, "page_size": _WARRANTS_AT_ONCE}
        data, at = self._reads.read("warrant_filter", fields, field="query")
        row = object_in(data, "warrant_filter")
        last = row.get("totalPage")
        token = str(number + 1) if isinstance(last, int) and number + 1 < last else ""
        whole = sheet(objects_in(row, "items"), _WARRANT, HONG_KONG)
        table = page(asked, place, whole, at=at, next_token=token)
        return msgspec.structs.replace(
            table,
            zone=HONG_KONG,
            currency="HKD",
            facts=(("underlying", asked.query), ("found", figure_in(row, "totalCount"))),
        )

    def _funds(self, asked: ContractsAsk, place: Place) -> MarketTable:
        data, at = self._reads.read("fund_all_symbols", {})
        if not isinstance(data, list) or not all(isinstance(each, str) for each in data):
            raise BrokerUnavailableError("fund_all_symbols was answered with odd data")
        symbols = sorted(data)[:_FOUND_MAX]
        rows: list[Row] = []
        for start in range(0, len(symbols), 500):
            part = symbols[start : start + 500]
            rows += self._reads.items("fund_contracts", {"symbols": part})[0]
        found = _matching(asked, rows)
        return page(asked, place, sheet(found, _FUND, NEW_YORK), at=at)


# Words in any order, in the symbol or the name; a symbol that begins so comes first.
def _matching(asked: ContractsAsk, rows: list[Row]) -> list[Row]:
    wanted = asked.query.casefold().split()
    names = ("symbol", "contractCode", "name", "companyName", "underlyingSymbol")

    def text(row: Row) -> str:
        return " ".join(str(row.get(name, "")) for name in names).casefold()

    def rank(row: Row) -> tuple[bool, str]:
        symbol = str(row.get("symbol") or row.get("contractCode") or "")
        return not symbol.casefold().startswith(asked.query.casefold()), symbol

    return sorted((row for row in rows if all(word in text(row) for word in wanted)), key=rank)


def _ticks(row: Row) -> str | None:
    # "0:0.0001 1:0.01": from this price on, steps of this size.
    steps = [
        f"{figure_in(step, 'begin')}:{figure_in(step, 'tickSize')}"
        for step in objects_in(row, "tickSizes")
    ]
    return " ".join(steps) or None
