"""`ask.<account>.quotes`: prices now. Where a right is missing, stocks' prices come delayed."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec

from adapters.tiger_worker import words
from adapters.tiger_worker.market_listings import Listing, Listings, option_fields
from adapters.tiger_worker.market_pages import page, place_of
from adapters.tiger_worker.market_reads import MarketReads, MarketRefusalError, wrong
from adapters.tiger_worker.market_rows import (
    Cells,
    Part,
    Sheet,
    figure_in,
    figures,
    joined,
    marks,
    moment_at,
    newest,
    oldest,
    same,
    sheet,
    symbol_named,
    trimmed,
)
from adapters.tiger_worker.words import Row
from core.market_asks import SYMBOLS_MAX, MarketTable, Quality, QuotesAsk

# Source: the methods' documented limit of options in one request (read 2026-11).
_OPTIONS_AT_ONCE: Final = 30
_PRICES: Final = figures(
    last="latestPrice",
    bid="bidPrice",
    bid_size="bidSize",
    ask="askPrice",
    ask_size="askSize",
    previous_close="preClose",
    change_rate="changeRate",
    open="open",
    high="high",
    low="low",
    volume="volume",
)
_STOCK: Final = (symbol_named("symbol"), _PRICES, marks(state="status"), moment_at("latestTime"))
_DELAYED: Final = (
    symbol_named("symbol"),
    figures(
        last="close",
        previous_close="preClose",
        open="open",
        high="high",
        low="low",
        volume="volume",
    ),
    moment_at("time"),
)
_OVERNIGHT: Final = (symbol_named("symbol"), _PRICES, moment_at("timestamp"))
_OPTION: Final = (
    symbol_named("identifier"),
    _PRICES,
    figures(
        open_interest="openInterest", multiplier="multiplier", mid="midPrice", mark="markPrice"
    ),
    Part(("implied_volatility",), lambda row, _: (_share(row.get("volatility")),)),
    moment_at("timestamp"),
)
_FUTURE: Final = (
    symbol_named("contractCode"),
    _PRICES,
    figures(
        last_size="latestSize",
        settlement="settlement",
        open_interest="openInterest",
        open_interest_change="openInterestChange",
        limit_up="limitUp",
        limit_down="limitDown",
        average="avgPrice",
    ),
    moment_at("latestTime"),
)
_WARRANT: Final = (
    symbol_named("symbol"),
    _PRICES,
    figures(
        strike="strike",
        entitlement_ratio="entitlementRatio",
        premium="premium",
        leverage="leverageRatio",
        implied_volatility="impliedVolatility",
        delta="delta",
        call_price="callPrice",
        breakeven="breakevenPoint",
        outstanding="outstandingRatio",
    ),
    marks(right="right", underlying="underlyingSymbol", expiry="expiry"),
    moment_at("timestamp"),
)
_FUND: Final = (symbol_named("symbol"), figures(net_asset_value="close"), moment_at("timestamp"))
_EXTENDED_KEY: Final = "hourTrading"
# Prices of the same time are as little apart.
_SAME_TIME: Final = timedelta(minutes=1)
_OF_MANY_TIMES: Final = "prices are of different times: `as_of` is the newest, `at` each row's own"


class _Read(NamedTuple):
    sheet: Sheet
    oldest: datetime
    newest: datetime
    quality: Quality | None


class Quotes:
    """Answers for prices now."""

    def __init__(self, reads: MarketReads, listings: Listings) -> None:
        self._reads = reads
        self._listings = listings

    def answer(self, asked: QuotesAsk) -> MarketTable:
        """Return one row for each contract that the broker knows.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        symbols = tuple(dict.fromkeys(asked.symbols))
        if not 0 < len(symbols) <= SYMBOLS_MAX:
            raise wrong("symbols", f"expected 1 to {SYMBOLS_MAX} symbols")
        if asked.session != "regular" and asked.security != "stock":
            raise wrong("session", "expected regular; only stocks have other sessions")
        place = place_of(asked)
        known = self._listings.find(asked.security, symbols)
        by_zone: dict[str, list[Listing]] = {}
        for listing in known.values():
            by_zone.setdefault(listing.zone, []).append(listing)
        read = [self._group(asked, zone, group) for zone, group in by_zone.items()]
        if not read:
            raise wrong("symbols", "the broker knows none of them; see find_contracts")
        whole = trimmed(_in_order(joined([each.sheet for each in read]), known))
        answered = {row[0] for row in whole.rows}
        at = max(each.newest for each in read)
        table = page(asked, place, whole, at=at)
        if at - min(each.oldest for each in read) > _SAME_TIME:
            table = _noted(table, _OF_MANY_TIMES)
        qualities = {each.quality for each in read}
        return _described(
            table,
            zone=next(iter(by_zone)) if len(by_zone) == 1 else "",
            quality="mixed" if len(qualities) > 1 else qualities.pop(),
            unknown=tuple(
                symbol
                for symbol in symbols
                if symbol not in known or known[symbol].symbol not in answered
            ),
        )

    def _group(self, asked: QuotesAsk, zone: str, group: Sequence[Listing]) -> _Read:
        names = [listing.symbol for listing in group]
        match asked.security:
            case "option":
                rows, at = self._options(group)
                parts: tuple[Part, ...] = _OPTION
            case "future":
                rows, at = self._reads.items(
                    "future_real_time_quote", {"contract_codes": names}, field="symbols"
                )
                parts = _FUTURE
            case "warrant":
                rows, at = self._reads.items(
                    "warrant_real_time_quote", {"symbols": names}, field="symbols"
                )
                parts = _WARRANT
            case "fund":
                rows, at = self._reads.items("fund_quote", {"symbols": names}, field="symbols")
                parts = _FUND
            case _:
                return self._stocks(asked, zone, group)
        quality: Quality | None = None if asked.security == "fund" else "real_time"
        name = "latestTime" if asked.security == "future" else "timestamp"
        return _read(_with_currency(sheet(rows, parts, zone), group), rows, name, at, quality)

    def _stocks(self, asked: QuotesAsk, zone: str, group: Sequence[Listing]) -> _Read:
        names = [listing.symbol for listing in group]
        if asked.session == "overnight":
            rows, at = self._reads.items("quote_overnight", {"symbols": names}, field="symbols")
            whole = sheet(rows, _OVERNIGHT, zone)
            return _read(_with_currency(whole, group), rows, "timestamp", at, "real_time")
        is_extended = asked.session != "regular"
        fields: dict[str, Any] = {"symbols": names, "include_hour_trading": is_extended}
        try:
            rows, at = self._reads.items("quote_real_time", fields, field="symbols")
        except MarketRefusalError as refusal:
            if refusal.code != "no_quote_right" or is_extended:
                raise
            return self._delayed(names, zone, group, refusal)
        parts = [*_STOCK, same("quality", "real_time")]
        whole = sheet([_flat(row) for row in rows], [*parts, *_extended_parts(is_extended)], zone)
        return _read(_with_currency(whole, group), rows, "latestTime", at, "real_time")

    # Everybody has delayed prices, of some markets; where there are none, the refusal stands.
    def _delayed(
        self,
        names: list[str],
        zone: str,
        group: Sequence[Listing],
        refusal: MarketRefusalError,
    ) -> _Read:
        try:
            rows, at = self._reads.items("quote_delay", {"symbols": names}, field="symbols")
        except MarketRefusalError:
            raise refusal from None
        if not rows:
            raise refusal
        whole = sheet(rows, [*_DELAYED, same("quality", "delayed")], zone)
        return _read(_with_currency(whole, group), rows, "time", at, "delayed")

    def _options(self, group: Sequence[Listing]) -> tuple[list[Row], datetime]:
        found: list[Row] = []
        times: list[datetime] = []
        for start in range(0, len(group), _OPTIONS_AT_ONCE):
            part = group[start : start + _OPTIONS_AT_ONCE]
            fields = {
                "market": part[0].market,
                "option_basic": [
                    option_fields(listing.symbol, field="symbols") for listing in part
                ],
            }
            rows, at = self._reads.items("option_brief", fields, field="symbols")
            found.extend(rows)
            times.append(at)
        return found, min(times)


# `name` is where a row has its time; a row without one is of the reply's.
def _read(
    whole: Sheet, rows: Sequence[Row], name: str, at: datetime, quality: Quality | None
) -> _Read:
    return _Read(whole, oldest(rows, name, at), newest(rows, name, at), quality)


def _flat(row: Row) -> Row:
    outside = row.get(_EXTENDED_KEY)
    if not isinstance(outside, dict):
        return row
    return row | {f"extended.{name}": value for name, value in outside.items()}


def _extended_parts(is_extended: bool) -> tuple[Part, ...]:
    if not is_extended:
        return ()
    return (
        marks(extended_session="extended.tag"),
        figures(
            extended_last="extended.latestPrice",
            extended_previous_close="extended.preClose",
            extended_volume="extended.volume",
        ),
        moment_at("extended.timestamp", name="extended_at"),
    )


def _with_currency(whole: Sheet, group: Sequence[Listing]) -> Sheet:
    known = {
        listing.symbol: (listing.market or None, listing.currency or None) for listing in group
    }
    rows: list[Cells] = [
        (row[0], *known.get(str(row[0]), (None, None)), *row[1:]) for row in whole.rows
    ]
    return (
        Sheet((whole.columns[0], "market", "currency", *whole.columns[1:]), rows) if rows else whole
    )


# Tiger writes this one share as "46.00%".
def _share(value: object) -> str | None:
    text = str(value or "")
    if not text.endswith("%"):
        return figure_in({"value": value}, "value")
    percent = words.optional_number({"value": text.removesuffix("%")}, "value")
    return None if percent is None else figure_in({"value": percent / 100}, "value")


def _in_order(whole: Sheet, known: Mapping[str, Listing]) -> Sheet:
    order = {listing.symbol: index for index, listing in enumerate(known.values())}
    return Sheet(
        whole.columns, sorted(whole.rows, key=lambda row: order.get(str(row[0]), len(order)))
    )


def _described(
    table: MarketTable, *, zone: str, quality: Quality | None, unknown: tuple[str, ...]
) -> MarketTable:
    if quality in ("delayed", "mixed"):
        late = "delayed rows are 15 minutes or more behind, because a quote right is missing"
        table = _noted(table, late)
    return msgspec.structs.replace(table, zone=zone, quality=quality, unknown=unknown)


def _noted(table: MarketTable, note: str) -> MarketTable:
    return msgspec.structs.replace(table, note=f"{table.note}; {note}" if table.note else note)
