"""`ask.<account>.bars`: the past of one contract, as bars, minutes or single trades.

Rows of a page are in order of time; a first page is the latest of the span, and its cursor goes
back in time, except for minutes of a day and a future's trades, which go forward. Bars of options
and futures are asked for by time: a page is what lies before the oldest bar of the page before.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from adapters.tiger_worker.market_futures import bar_parts, is_in, last_end_ms, with_begin
from adapters.tiger_worker.market_listings import Listing, Listings, option_fields
from adapters.tiger_worker.market_pages import Place, page, page_back, place_of
from adapters.tiger_worker.market_reads import MarketReads, object_in, rows_in, wrong
from adapters.tiger_worker.market_rows import (
    Part,
    figures,
    marks,
    midnight_ms,
    moment_at,
    moment_in,
    objects_in,
    sheet,
)
from adapters.tiger_worker.market_spans import Span, span_of
from adapters.tiger_worker.words import Row
from core.errors import CorruptRecordError
from core.market_asks import BarsAsk, MarketTable

_OPEN_END_MS: Final = 4_070_880_000_000  # what the SDK sends for "until now" of options
_FUND_BACK_MS: Final = 400 * 86_400_000
_AHEAD_DAYS: Final = 2
_LATEST_FIRST: Final = "SortDir_Descend"
# Asked for beyond a page: one that says whether there is more, and one that the broker may give
# although it is as late as the end.
_BEYOND: Final = 2
_SESSIONS: Final = {
    "extended": "All",
    "pre": "PreMarket",
    "post": "AfterHours",
    "overnight": "OverNight",
}
# Where a time line keeps the minutes of each session, the regular ones of a past day apart.
# Source: tigeropen 3.8.0, `QuoteTimelineResponse`, `QuoteTimelineHistoryResponse` (read 2026-11).
_SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "regular": ("intraday",),
    "pre": ("preMarket",),
    "post": ("afterHours",),
    "overnight": ("overnight",),
    "extended": ("overnight", "preMarket", "intraday", "afterHours"),
}
_PAST_REGULAR: Final = {"intraday": "items"}
_OHLC: Final = figures(open="open", high="high", low="low", close="close", volume="volume")
_BAR: Final = (moment_at("time"), _OHLC, figures(turnover="amount"))
_OPTION_BAR: Final = (moment_at("time"), _OHLC, figures(open_interest="openInterest"))
_MINUTE: Final = (moment_at("time"), figures(price="price", average="avgPrice", volume="volume"))
_TRADE: Final = (moment_at("time"), figures(price="price", volume="volume"))
_NET_VALUE: Final = (moment_at("time"), figures(net_asset_value="nav"))
# "+" a trade on a rising price, "-" on a falling one, "*" on the same.
_STOCK_TRADE: Final = (*_TRADE, marks(tick="type"))


class _Read(NamedTuple):
    rows: list[Row]
    parts: Sequence[Part]
    at: datetime
    next_token: str = ""
    # For what is asked for by time: when each row is, in milliseconds.
    times_ms: Sequence[int] | None = None


class History:
    """Answers for the past."""

    def __init__(self, reads: MarketReads, listings: Listings) -> None:
        self._reads = reads
        self._listings = listings

    def answer(self, asked: BarsAsk) -> MarketTable:
        """Return a page of the past of one contract.

        Raises:
            MarketRefusalError: see `MarketReads`; or an argument is wrong.
        """
        place = place_of(asked)
        _check(asked)
        listing = self._listings.one(asked.security, asked.symbol)
        span = span_of(asked.begin, asked.end, listing.zone)
        read = self._read(_as_before(asked, place), listing, span, place)
        if read.times_ms is not None:
            whole = sheet(read.rows, read.parts, listing.zone)
            table = page_back(asked, place, whole, at=read.at, tokens=list(map(str, read.times_ms)))
        else:
            whole = sheet(_inside(asked, read.rows, span), read.parts, listing.zone)
            table = page(asked, place, whole, at=read.at, next_token=read.next_token)
        return msgspec.structs.replace(
            table,
            zone=listing.zone,
            currency=listing.currency,
            begin=span.begin,
            end=span.end,
            facts=(("symbol", listing.symbol), ("period", asked.period)),
        )

    def _read(self, asked: BarsAsk, listing: Listing, span: Span, place: Place) -> _Read:
        match (asked.security, asked.period):
            case ("fund", _):
                return _tail(self._net_values(listing, span), asked, place)
            case ("option", "tick"):
                return _tail(self._option_trades(listing), asked, place)
            case ("option", "timeline"):
                return self._option_minutes(listing, span)
            case ("option", _):
                return self._option_bars(asked, listing, span, place)
            case ("future", "tick"):
                return self._future_trades(asked, place)
            case ("future", _):
                return self._future_bars(asked, listing, span, place)
            case (_, "tick"):
                return self._stock_trades(asked, listing, place)
            case (_, "timeline"):
                return self._stock_minutes(asked, listing, span)
            case _:
                return self._stock_bars(asked, listing, span, place)

    def _stock_bars(self, asked: BarsAsk, listing: Listing, span: Span, place: Place) -> _Read:
        fields: dict[str, Any] = {
            "symbols": [asked.symbol],
            "right": "br" if asked.is_adjusted else "nr",
            "period": asked.period,
            "begin_time": span.begin_ms,
            "end_time": span.end_ms,
            "limit": asked.limit,
            **_session_fields(asked),
        }
        rows, at, token = self._paged("kline", fields, listing, place)
        return _Read(rows, _BAR, at, token)

    def _future_bars(self, asked: BarsAsk, listing: Listing, span: Span, place: Place) -> _Read:
        period, zone = asked.period, listing.zone
        before_ms = _index(place.token) if place.token else last_end_ms(period, span, zone)
        fields: dict[str, Any] = {
            "contract_codes": [asked.symbol],
            "period": period,
            "begin_time": span.begin_ms,
            "end_time": before_ms,
            "limit": asked.limit + _BEYOND,
        }
        found, at = self._reads.items("future_kline", fields, field="period")
        timed = [
            (end_ms, with_begin(period, row, end_ms=end_ms))
            for end_ms, row in _timed(objects_in(found[0], "items") if found else [])
            if is_in(period, end_ms, span, zone) and not (place.token and end_ms >= before_ms)
        ]
        return _read_back(timed, bar_parts(period), at)

    # The broker's own pages. Their token is given only for a span that has an end, and goes with
    # the very same parameters, so that an end of ours is kept beside it.
    def _paged(
        self, method: str, fields: dict[str, Any], listing: Listing, place: Place
    ) -> tuple[list[Row], datetime, str]:
        kept_end, _, page_token = place.token.partition("/")
        if page_token:
            fields["page_token"] = page_token
        if fields["end_time"] < 0:
            fields["end_time"] = _index(kept_end) if kept_end else _soon(listing)
        found, at = self._reads.items(method, fields, field="period")
        if not found:
            return [], at, ""
        rows = objects_in(found[0], "items")
        token = str(found[0].get("nextPageToken") or "")
        return _by_time(rows), at, f"{fields['end_time']}/{token}" if token else ""

    def _stock_trades(self, asked: BarsAsk, listing: Listing, place: Place) -> _Read:
        fields: dict[str, Any] = {
            "symbols": [listing.symbol],
            "symbol": listing.symbol,
            "limit": asked.limit,
            **_session_fields(asked),
        }
        if place.token:
            last = _index(place.token)
            fields |= {"begin_index": max(0, last - asked.limit), "end_index": last}
        found, at = self._reads.items("trade_tick", fields, field="symbol")
        if not found:
            return _Read([], _STOCK_TRADE, at)
        first = found[0].get("beginIndex") or 0
        token = str(first) if isinstance(first, int) and first > 0 else ""
        return _Read(objects_in(found[0], "items"), _STOCK_TRADE, at, token)

    def _future_trades(self, asked: BarsAsk, place: Place) -> _Read:
        begin = _index(place.token) if place.token else 0
        fields = {
            "version": "3.0",
            "contract_code": asked.symbol,
            "begin_index": begin,
            "end_index": begin + asked.limit,
            "limit": asked.limit,
        }
        data, at = self._reads.read("future_tick", fields, version="3.0", field="symbol")
        rows = objects_in(object_in(data, "future_tick"), "items")
        token = str(begin + len(rows)) if len(rows) == asked.limit else ""
        return _Read(rows, _TRADE, at, token)

    def _stock_minutes(self, asked: BarsAsk, listing: Listing, span: Span) -> _Read:
        fields: dict[str, Any] = {"symbols": [listing.symbol], **_session_fields(asked)}
        if span.begin is not None:
            day = span.begin.astimezone(ZoneInfo(listing.zone)).date()
            fields |= {"right": "br" if asked.is_adjusted else "nr", "date": str(day)}
            found, at = self._reads.items("history_timeline", fields, field="begin")
        else:
            fields |= {
                "version": "3.0",
                "include_hour_trading": asked.session in ("extended", "pre", "post"),
                "begin_time": -1,
            }
            found, at = self._reads.items("timeline", fields, version="3.0", field="symbol")
        regular = {} if span.begin is None else _PAST_REGULAR
        names = [regular.get(name, name) for name in _SECTIONS[asked.session]]
        rows = [row for name in names for row in _minutes(found, name)]
        return _Read(_by_time(rows), _MINUTE, at)

    def _option_bars(self, asked: BarsAsk, listing: Listing, span: Span, place: Place) -> _Read:
        before_ms = _index(place.token) if place.token else span.end_ms
        query = option_fields(listing.symbol) | {
            "period": asked.period,
            "begin_time": span.begin_ms,
            "end_time": _OPEN_END_MS if before_ms < 0 else before_ms,
            "limit": asked.limit + _BEYOND,
            "sort_dir": _LATEST_FIRST,
        }
        fields = {"market": listing.market, "option_query": [query]}
        found, at = self._reads.items("option_kline", fields, field="period")
        timed = [
            (time_ms, row)
            for time_ms, row in _timed(objects_in(found[0], "items") if found else [])
            if before_ms < 0 or time_ms < before_ms
        ]
        return _read_back(timed, _OPTION_BAR, at)

    def _option_trades(self, listing: Listing) -> _Read:
        # This one method takes a bare list.
        found, at = self._reads.items(
            "option_trade_tick", [option_fields(listing.symbol)], field="symbol"
        )
        return _Read(objects_in(found[0], "items") if found else [], _TRADE, at)

    def _option_minutes(self, listing: Listing, span: Span) -> _Read:
        query = option_fields(listing.symbol) | {"begin_time": span.begin_ms}
        fields = {"market": listing.market, "option_query": [query]}
        found, at = self._reads.items("option_timeline", fields, field="symbol")
        return _Read(objects_in(found[0], "minutes") if found else [], _MINUTE, at)

    def _net_values(self, listing: Listing, span: Span) -> _Read:
        now_ms = int(self._reads.read("fund_quote", {"symbols": [listing.symbol]}).at.timestamp())
        # Whole days, so that the same question is the same reading.
        end = span.end_ms if span.end_ms > 0 else (now_ms // 86_400 + 1) * 86_400_000
        begin = span.begin_ms if span.begin_ms > 0 else end - _FUND_BACK_MS
        fields = {"symbols": [listing.symbol], "begin_time": begin, "end_time": end}
        data, at = self._reads.read("fund_history_quote", fields, field="begin")
        found = rows_in(data, "fund_history_quote")
        return _Read(objects_in(found[0], "items") if found else [], _NET_VALUE, at)


# The limit may change from page to page, but not within a page of the broker's.
def _as_before(asked: BarsAsk, place: Place) -> BarsAsk:
    return msgspec.structs.replace(asked, limit=place.size) if place.size else asked


def _check(asked: BarsAsk) -> None:
    if asked.security == "future" and asked.period == "timeline":
        raise wrong("period", "expected 1min or longer; futures have no timeline")
    if asked.security == "fund" and asked.period != "day":
        raise wrong("period", "expected day; funds have one value a day")
    if asked.session != "regular" and asked.security != "stock":
        raise wrong("session", "expected regular; only stocks have other sessions")
    if asked.period in ("tick", "timeline") and asked.end:
        raise wrong("end", "expected none; trades and minutes are of one day")
    if asked.period == "tick" and asked.begin:
        raise wrong("begin", "expected none; trades are of the latest day")


def _session_fields(asked: BarsAsk) -> dict[str, str]:
    session = _SESSIONS.get(asked.session)
    return {} if session is None else {"trade_session": session}


# A session of today is an object with its minutes, one of a past day is their list.
def _minutes(found: list[Row], name: str) -> list[Row]:
    if not found:
        return []
    part = found[0].get(name)
    return objects_in(part, "items") if isinstance(part, dict) else objects_in(found[0], name)


def _by_time(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.get("time") or 0)


def _timed(rows: list[Row]) -> list[tuple[int, Row]]:
    if not all(isinstance(row.get("time"), int) and moment_in(row, "time") for row in rows):
        raise CorruptRecordError("expected the time of every bar")
    return sorted(((row["time"], row) for row in rows), key=lambda pair: pair[0])


def _read_back(timed: list[tuple[int, Row]], parts: Sequence[Part], at: datetime) -> _Read:
    return _Read([row for _, row in timed], parts, at, times_ms=[time_ms for time_ms, _ in timed])


# Tiger reads `end_time` as a moment that still belongs; a day ends before the next one's midnight.
def _inside(asked: BarsAsk, rows: list[Row], span: Span) -> list[Row]:
    if asked.period == "timeline":
        # The minutes of a day come whole.
        return [
            row
            for row in rows
            if not isinstance(row.get("time"), int) or row["time"] >= span.begin_ms
        ]
    if span.end_ms < 0:
        return rows
    return [
        row for row in rows if not isinstance(row.get("time"), int) or row["time"] < span.end_ms
    ]


# The midnight after tomorrow: the same for every page and for questions of one day.
def _soon(listing: Listing) -> int:
    assert listing.at is not None, "the broker was asked for it"
    day = listing.at.astimezone(ZoneInfo(listing.zone)).date() + timedelta(days=_AHEAD_DAYS)
    return midnight_ms(day, listing.zone)


# Of what the broker gives whole, the latest part.
def _tail(read: _Read, asked: BarsAsk, place: Place) -> _Read:
    end = min(_index(place.token), len(read.rows)) if place.token else len(read.rows)
    start = max(0, end - asked.limit)
    return read._replace(rows=read.rows[start:end], next_token=str(start) if start else "")


def _index(token: str) -> int:
    if not token.isdecimal() or len(token) > 13:
        raise wrong("cursor", "expected the cursor of an answer, as it was given")
    return int(token)
