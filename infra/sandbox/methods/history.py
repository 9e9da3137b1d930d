"""Tiger's methods about a stock's bars, and how many contracts' bars were asked for.

Source: Tiger's documentation of the quote methods (read 2026-11); tigeropen 3.8.0,
`quote/response/quote_bar_response.py`.
"""

from datetime import date

import msgspec

from infra.sandbox.market.bars import (
    Bar,
    BarQuery,
    bars_of,
)
from infra.sandbox.market.fundamentals import bar_ratios
from infra.sandbox.market.history import AdjustedBy, Series, series_of
from infra.sandbox.market.instruments import CATALOGUE, Instrument
from infra.sandbox.market.quotas import LIMITS, quotas_of
from infra.sandbox.market.stretches import TradedKind, midnight_ms, stretches_of
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.history_parameters import (
    BARS_DEFAULT,
    BARS_MAX,
    Time,
    before_of,
    kinds_of,
    limit_of,
    minutes_reach_ms,
    next_token,
    period_of,
    place_of,
    refuse_reach,
    symbols_of,
    time_ms_of,
)
from infra.sandbox.methods.parameter_values import date_of, invalid, word
from infra.sandbox.wire.envelope import to_ms

DAY_MINUTES = 24 * 60  # no day has more bars
# With a date only these periods are served, and all of the day.
DATED_PERIODS = ("1min", "5min", "15min", "30min", "60min")


class KlineParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `kline`."""

    symbols: tuple[str, ...] = ()
    period: str = "day"
    begin_time: Time | None = None
    end_time: Time | None = None
    right: str = "br"
    limit: int | None = None
    page_token: str | None = None
    trade_session: str | None = None
    date: str | None = None
    with_fundamental: bool = False


class QuotaParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `kline_quota`."""

    with_details: bool = False


def kline(call: Call) -> object:
    """Return bars of stocks, oldest first; of a long window the newest page."""
    asked = parameters(call, KlineParameters)
    symbols, period = symbols_of(asked.symbols), period_of(asked.period)
    kinds = kinds_of(asked.trade_session)
    if asked.date:
        symbols = _one(symbols)
    found = [CATALOGUE[symbol] for symbol in symbols if symbol in CATALOGUE]
    return [_kline(call, asked, item, period, kinds, is_only=len(symbols) == 1) for item in found]


def kline_quota(call: Call) -> object:
    """Return how many contracts' bars the login may still ask for."""
    asked = parameters(call, QuotaParameters)
    quotas, tiger_id = quotas_of(call.engine), call.login.tiger_id
    found: list[Json] = []
    for method, most in LIMITS.items():
        used = quotas.used(tiger_id, method, call.now)
        shown = used if asked.with_details else ()
        found.append(
            {
                "remain": max(0, most - len(used)),
                "used": len(used),
                "method": method,
                "details": [item.key for item in shown],
                "symbolDetails": [
                    {"code": item.key, "lastRequestTimestamp": str(to_ms(item.asked_at))}
                    for item in shown
                ],
            }
        )
    return found


def series_for(call: Call, instrument: Instrument, right: AdjustedBy = "br") -> Series:
    """Return a contract's past as it is known to the caller."""
    return series_of(instrument, call.engine.prices.seed, call.now, right)


def bar_json(bar: Bar) -> Json:
    """Return a bar as Tiger writes it."""
    return {
        "time": bar.time_ms,
        "volume": bar.volume,
        "open": double(bar.open),
        "close": double(bar.close),
        "high": double(bar.high),
        "low": double(bar.low),
        "amount": double(bar.amount),
    }


def _kline(
    call: Call,
    asked: KlineParameters,
    instrument: Instrument,
    period: str,
    kinds: frozenset[TradedKind],
    *,
    is_only: bool,
) -> Json:
    quotas_of(call.engine).note(call.login.tiger_id, "kline", instrument.key, call.now)
    series = series_for(call, instrument, word(asked.right, AdjustedBy, "right") or "br")
    query, is_paged = _query(call, asked, series, period, kinds)
    bars, is_more = bars_of(series, query, last=call.engine.prices.last(instrument.key))
    items = [bar_json(bar) for bar in bars]
    if asked.with_fundamental:
        for item, bar in zip(items, bars, strict=True):
            item.update(bar_ratios(series, bar))
    answer: Json = {"symbol": instrument.key, "period": period, "items": items}
    if is_more and is_only and is_paged:
        place_ms = bars[0].time_ms
        answer["nextPageToken"] = next_token(call, "kline", instrument.key, period, place_ms)
    return answer


def _query(
    call: Call,
    asked: KlineParameters,
    series: Series,
    period: str,
    kinds: frozenset[TradedKind],
) -> tuple[BarQuery, bool]:
    """Return which bars are asked for, and whether there may be pages of them."""
    market, now_ms = series.instrument.market, series.now_ms
    if (day := date_of(asked.date, "date")) is not None:
        if period not in DATED_PERIODS:
            raise invalid("period")
        return _dated(series, day, period, kinds), False
    begin_ms = time_ms_of(asked.begin_time, market, "begin_time")
    end_ms = time_ms_of(asked.end_time, market, "end_time")
    since_ms = minutes_reach_ms(period, now_ms)
    if begin_ms is not None:
        refuse_reach(begin_ms, since_ms)
    place_ms = place_of(call, asked.page_token, "kline", series.instrument.key)
    query = BarQuery(
        period=period,
        begin_ms=since_ms if begin_ms is None else begin_ms,
        before_ms=before_of(end_ms, place_ms, now_ms),
        limit=limit_of(asked.limit, default=BARS_DEFAULT, most=BARS_MAX),
        kinds=kinds,
    )
    return query, begin_ms is not None or end_ms is not None


def _dated(series: Series, day: date, period: str, kinds: frozenset[TradedKind]) -> BarQuery:
    # The evening session before belongs to the day.
    stretches = stretches_of(series.instrument.market, series.instrument.sec_type, day)
    begin_ms = stretches[0].begin_ms if stretches else midnight_ms(series.instrument.market, day)
    before_ms = stretches[-1].end_ms if stretches else begin_ms
    return BarQuery(
        period=period,
        begin_ms=begin_ms,
        before_ms=before_ms,
        limit=DAY_MINUTES,
        kinds=kinds,
    )


def _one(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return symbols_of(symbols, 1)
