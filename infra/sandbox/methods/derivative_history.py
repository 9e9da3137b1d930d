"""Tiger's methods about the past of options and futures: bars, trades, time lines.

Source: tigeropen 3.8.0, `quote/quote_client.py`, `quote/response/option_quote_bar_response.py`,
`future_quote_bar_response.py` and their neighbours, and the examples in that SDK's own tests. A
future's bar is named by its end, as there; its page goes from new to old. How many contracts one
request may name is not documented there: the limits are the sandbox's own.
"""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from infra.sandbox.market.bars import (
    PERIOD_MINUTES,
    PERIODS_LONG,
    Bar,
    BarQuery,
    bars_of,
    is_period,
)
from infra.sandbox.market.calendars import trading_day_on_or_before
from infra.sandbox.market.futures import FAMILIES, MAIN_SUFFIX, main_future
from infra.sandbox.market.history import Series
from infra.sandbox.market.instruments import Instrument, Right, Venue, find, resolve
from infra.sandbox.market.noise import between, stream
from infra.sandbox.market.quotas import quotas_of
from infra.sandbox.market.stretches import day_at, midnight_ms, stretches_of
from infra.sandbox.market.ticks import Tape
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double, strike_text
from infra.sandbox.methods.history import bar_json, series_for
from infra.sandbox.methods.history_parameters import (
    BARS_DEFAULT,
    BARS_MAX,
    Time,
    before_of,
    kinds_of,
    limit_of,
    next_token,
    place_of,
    symbols_of,
    time_ms_of,
)
from infra.sandbox.methods.parameter_values import finite, invalid, word
from infra.sandbox.methods.timelines import (
    index_window,
    newest_day,
    previous_close,
    timeline_parts,
)
from infra.sandbox.wire.envelope import business_error

OPTIONS_MAX = 30
FUTURES_MAX = 50
FUTURE_TICKS_MAX = 1000
MINUTE_MS = 60_000
INTEREST_MIN, INTEREST_MAX = 100, 60_000
OPTION_PERIODS = ("day", "1min", "5min", "30min", "60min")
DESCENDING = "SortDir_Descend"
REGULAR_KINDS = kinds_of(None)


class OptionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """One option of a request (`expiry` in milliseconds, or a date in the exchange's time)."""

    symbol: str = ""
    expiry: Time | None = None
    right: str = ""
    strike: Decimal | None = None
    period: str = "day"
    begin_time: Time | None = None
    end_time: Time | None = None
    limit: int | None = None
    sort_dir: str | None = None


class OptionParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `option_kline` and `option_timeline`."""

    option_query: tuple[OptionQuery, ...] = ()
    market: str | None = None


class FutureBarParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `future_kline`."""

    contract_codes: tuple[str, ...] = ()
    period: str = "day"
    begin_time: Time | None = None
    end_time: Time | None = None
    limit: int | None = None
    page_token: str | None = None


class FutureTickParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `future_tick`."""

    contract_code: str = ""
    begin_index: int | None = None
    end_index: int | None = None
    limit: int | None = None


def option_kline(call: Call) -> object:
    """Return bars of options, oldest first unless asked otherwise."""
    asked = _options(parameters(call, OptionParameters).option_query)
    return [_option_bars(call, query, item) for query, item in asked]


def option_trade_tick(call: Call) -> object:
    """Return all trades of options on their newest day."""
    asked = _options(parameters(call, tuple[OptionQuery, ...]))
    found: list[Json] = []
    for _, item in asked:
        tape = Tape(series_for(call, item), REGULAR_KINDS, last=call.engine.prices.last(item.key))
        trades = [
            {"time": tick.time_ms, "volume": tick.volume, "price": double(tick.price)}
            for tick in tape.between(0, len(tape))
        ]
        found.append({**_option_json(item), "items": trades})
    return found


def option_timeline(call: Call) -> object:
    """Return the minutes of options on their newest day."""
    asked = _options(parameters(call, OptionParameters).option_query)
    return [_option_timeline(call, query, item) for query, item in asked]


def future_kline(call: Call) -> object:
    """Return bars of futures, newest first; of a long window the newest page."""
    asked = parameters(call, FutureBarParameters)
    codes = symbols_of(asked.contract_codes, FUTURES_MAX)
    if not is_period(asked.period):
        raise invalid("period")
    found = [(code, future_of(call, code)) for code in codes]
    return [
        _future_bars(call, asked, code, item, is_only=len(codes) == 1)
        for code, item in found
        if item is not None
    ]


def future_tick(call: Call) -> object:
    """Return trades of a future on its newest day, by their index."""
    asked = parameters(call, FutureTickParameters)
    if not asked.contract_code:
        raise business_error("field 'contract_code' cannot be empty")
    item = future_of(call, asked.contract_code)
    if item is None:
        return {"contractCode": asked.contract_code, "items": []}
    tape = Tape(series_for(call, item), REGULAR_KINDS, last=call.engine.prices.last(item.key))
    begin, end = index_window(
        asked.begin_index, asked.end_index, asked.limit, count=len(tape), most=FUTURE_TICKS_MAX
    )
    return {
        "contractCode": asked.contract_code,
        "items": [
            {
                "index": tick.index,
                "price": double(tick.price),
                "volume": tick.volume,
                "time": tick.time_ms,
            }
            for tick in tape.between(begin, end)
        ],
    }


def future_of(call: Call, code: str) -> Instrument | None:
    """Return the future with a code; "ESmain" is the contract that is traded most now."""
    family = FAMILIES.get(code.removesuffix(MAIN_SUFFIX))
    if family is not None and code.endswith(MAIN_SUFFIX):
        return main_future(family.type, day_at(family.market, series_ms(call)))
    found = find(code)
    return found if found is not None and found.sec_type == "FUT" else None


def series_ms(call: Call) -> int:
    """Return when a call came (milliseconds since 1970)."""
    return int(call.now.timestamp() * 1000)


def open_interest(series: Series, day: date) -> int:
    """Return how many contracts were open at the end of a day: more towards the middle of life."""
    item = series.instrument
    base = stream(series.seed, f"{item.key}/interest")
    peak = between(base, INTEREST_MIN, INTEREST_MAX)
    assert item.expiry is not None, "what has open interest has an end"
    left = max(0, min(90, (item.expiry - day).days))
    return peak * (100 - left) // 100 * between(base, 95, 105, day.toordinal()) // 100


def _options(queries: Sequence[OptionQuery]) -> list[tuple[OptionQuery, Instrument]]:
    if not 0 < len(queries) <= OPTIONS_MAX:
        raise business_error(f"symbols cannot be empty and cannot exceed {OPTIONS_MAX}")
    found = [(query, _option(query)) for query in queries]
    return [(query, item) for query, item in found if item is not None]


def _option(query: OptionQuery) -> Instrument | None:
    market: Venue = "HK" if query.symbol.endswith(".HK") else "US"
    expiry_ms = time_ms_of(query.expiry, market, "expiry")
    right: Right | None = word(query.right.upper(), Right, "right")
    strike = finite(query.strike, "strike")
    if not query.symbol or expiry_ms is None or right is None or strike is None:
        raise business_error("option symbol format error")
    expiry = day_at(market, expiry_ms)
    return resolve(query.symbol, sec_type="OPT", expiry=expiry, strike=strike, right=right)


def _option_json(item: Instrument) -> Json:
    assert item.expiry is not None, "an option has an end"
    return {
        "symbol": item.symbol,
        "expiry": midnight_ms(item.market, item.expiry),
        "right": item.right,
        "strike": strike_text(item.strike),
    }


def _option_bars(call: Call, query: OptionQuery, item: Instrument) -> Json:
    if query.period not in OPTION_PERIODS:
        raise invalid("period")
    quotas_of(call.engine).note(call.login.tiger_id, "option_kline", item.key, call.now)
    series = series_for(call, item)
    begin_ms = time_ms_of(query.begin_time, item.market, "begin_time")
    end_ms = time_ms_of(query.end_time, item.market, "end_time")
    window = BarQuery(
        period=query.period,
        begin_ms=begin_ms or 0,
        before_ms=before_of(end_ms, None, series.now_ms),
        limit=limit_of(query.limit, default=BARS_DEFAULT, most=BARS_MAX),
    )
    bars, _ = bars_of(series, window, last=call.engine.prices.last(item.key))
    items = [_option_bar_json(series, bar) for bar in bars]
    return {
        **_option_json(item),
        "period": query.period,
        "items": items[::-1] if query.sort_dir == DESCENDING else items,
    }


def _option_bar_json(series: Series, bar: Bar) -> Json:
    answer = bar_json(bar)
    del answer["amount"]
    day = day_at(series.instrument.market, bar.time_ms)
    answer["markPrice"] = double(bar.close)
    answer["midPrice"] = 0.0
    answer["openInterest"] = open_interest(series, day)
    return answer


def _option_timeline(call: Call, query: OptionQuery, item: Instrument) -> Json:
    series = series_for(call, item)
    begin_ms = time_ms_of(query.begin_time, item.market, "begin_time")
    day = newest_day(series, REGULAR_KINDS)
    last = call.engine.prices.last(item.key)
    minutes: list[Json] = []
    for _, items, _ in timeline_parts(series, day, REGULAR_KINDS, last=last):
        minutes += [one for one in items if begin_ms is None or _time_of(one) >= begin_ms]
    regular = [
        stretch
        for stretch in stretches_of(item.market, item.sec_type, day)
        if stretch.kind == "regular"
    ]
    return {
        **_option_json(item),
        "preClose": double(previous_close(series, day)),
        "openAndCloseTimeList": [[stretch.begin_ms, stretch.end_ms] for stretch in regular],
        "minutes": minutes,
    }


def _time_of(item: Json) -> int:
    found = item["time"]
    assert isinstance(found, int), "a minute has a time"
    return found


def _future_bars(
    call: Call, asked: FutureBarParameters, code: str, item: Instrument, *, is_only: bool
) -> Json:
    quotas_of(call.engine).note(call.login.tiger_id, "future_kline", item.key, call.now)
    series = series_for(call, item)
    begin_ms = time_ms_of(asked.begin_time, item.market, "begin_time")
    end_ms = time_ms_of(asked.end_time, item.market, "end_time")
    place_ms = place_of(call, asked.page_token, "future_kline", code)
    # Bars are named by their ends: a window of names is one of begins, some time earlier.
    length_ms = 0 if asked.period in PERIODS_LONG else _length_ms(series, asked.period)
    if end_ms is not None and end_ms <= series.now_ms:
        end_ms = _long_before_ms(item, asked.period, end_ms - length_ms)
    window = BarQuery(
        period=asked.period,
        begin_ms=0 if begin_ms is None else begin_ms - length_ms,
        before_ms=before_of(end_ms, place_ms, series.now_ms),
        limit=limit_of(asked.limit, default=BARS_DEFAULT, most=BARS_MAX),
    )
    bars, is_more = bars_of(series, window, last=call.engine.prices.last(item.key))
    answer: Json = {
        "contractCode": code,
        "items": [_future_bar_json(series, asked.period, bar) for bar in reversed(bars)],
    }
    if is_more and is_only:
        place_ms = bars[0].time_ms
        answer["nextPageToken"] = next_token(call, "future_kline", code, asked.period, place_ms)
    return answer


def _future_bar_json(series: Series, period: str, bar: Bar) -> Json:
    answer = bar_json(bar)
    del answer["amount"]
    item = series.instrument
    day = day_at(item.market, bar.time_ms)
    end_ms = _end_ms(item, period, bar.time_ms, day)
    is_over = end_ms <= series.now_ms
    answer["time"] = end_ms
    answer["lastTime"] = min(end_ms, series.now_ms)
    answer["openInterest"] = open_interest(series, day)
    # Until a day is over it has no settlement price.
    answer["settlement"] = double(bar.close) if is_over or period != "day" else 0.0
    return answer


def _length_ms(series: Series, period: str) -> int:
    item = series.instrument
    day = trading_day_on_or_before(item.market, series.today)
    begin_ms = midnight_ms(item.market, day)
    return _end_ms(item, period, begin_ms, day) - begin_ms


def _end_ms(item: Instrument, period: str, begin_ms: int, day: date) -> int:
    minutes = PERIOD_MINUTES.get(period)
    if minutes is not None:
        return begin_ms + minutes * MINUTE_MS
    key = PERIODS_LONG.get(period)
    if key is not None:
        while key(day + timedelta(days=1)) == key(day):
            day += timedelta(days=1)
        day = trading_day_on_or_before(item.market, day)
    return stretches_of(item.market, "FUT", day)[-1].end_ms


# Before which begin the weeks, months and years are that end before a time; of others, before it.
def _long_before_ms(item: Instrument, period: str, end_ms: int) -> int:
    key = PERIODS_LONG.get(period)
    if key is None:
        return end_ms
    day = day_at(item.market, end_ms)
    step = timedelta(days=1 if _end_ms(item, period, end_ms, day) < end_ms else -1)
    while key(day + step) == key(day):
        day += step
    return midnight_ms(item.market, day + max(step, timedelta(0)))
