"""Tiger's methods about a stock's days by the minute and by the trade.

Source: Tiger's documentation of the quote methods (read 2026-11); tigeropen 3.8.0,
`quote/response/quote_timeline_response.py`, `quote_timeline_history_response.py`,
`quote_ticks_response.py`.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

import msgspec

from infra.sandbox.market.bars import Bar, bar_from, ending_at, recent_days
from infra.sandbox.market.history import AdjustedBy, Series
from infra.sandbox.market.instruments import CATALOGUE, Instrument
from infra.sandbox.market.stretches import Stretch, TradedKind, midnight_ms
from infra.sandbox.market.ticks import Tape, Tick, millionths
from infra.sandbox.methods.calls import Call, parameters
from infra.sandbox.methods.figures import Json, double
from infra.sandbox.methods.history import series_for
from infra.sandbox.methods.history_parameters import (
    Time,
    kinds_of,
    limit_of,
    symbols_of,
    time_ms_of,
)
from infra.sandbox.methods.parameter_values import date_of, invalid, word
from infra.sandbox.wire.envelope import business_error

TICKS_DEFAULT, TICKS_MAX = 200, 2000
AVERAGE_STEP = Decimal("0.00001")
# What Tiger calls the parts of a day in a time line.
SECTIONS: dict[TradedKind, str] = {
    "pre": "preMarket",
    "regular": "intraday",
    "post": "afterHours",
    "overnight": "overnight",
}


class TimelineParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `timeline` and `history_timeline`."""

    symbols: tuple[str, ...] = ()
    include_hour_trading: bool = False
    begin_time: Time | None = None
    trade_session: str | None = None
    date: str | None = None
    right: str = "br"


class TickParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `trade_tick`."""

    symbols: tuple[str, ...] = ()
    begin_index: int | None = None
    end_index: int | None = None
    limit: int | None = None
    trade_session: str | None = None


def timeline(call: Call) -> object:
    """Return the minutes of the newest day, with the running average price."""
    asked = parameters(call, TimelineParameters)
    kinds = kinds_of(asked.trade_session)
    if asked.include_hour_trading:
        kinds = kinds | {"pre", "post"}
    return [_timeline(call, asked, item, kinds) for item in _stocks(asked.symbols)]


def history_timeline(call: Call) -> object:
    """Return the minutes of a day."""
    asked = parameters(call, TimelineParameters)
    kinds = kinds_of(asked.trade_session)
    day = date_of(asked.date, "date")
    if day is None:
        raise business_error("field 'date' cannot be empty")
    return [_day_timeline(call, asked, item, day, kinds) for item in _stocks(asked.symbols)]


def trade_tick(call: Call) -> object:
    """Return trades of the newest day by their index, or the newest ones."""
    asked = parameters(call, TickParameters)
    kinds = kinds_of(asked.trade_session)
    return [_ticks(call, asked, item, kinds) for item in _stocks(asked.symbols)]


def previous_close(series: Series, day: date) -> Decimal:
    """Return a contract's last regular price before a day; the first day's own if there is none."""
    before = midnight_ms(series.instrument.market, day)
    for bar in reversed(recent_days(series, 3)):
        if bar.time_ms < before:
            return bar.close
    return series.instrument.base_price


def _timeline(
    call: Call, asked: TimelineParameters, instrument: Instrument, kinds: frozenset[TradedKind]
) -> Json:
    series = series_for(call, instrument)
    begin_ms = time_ms_of(asked.begin_time, instrument.market, "begin_time")
    day = newest_day(series, kinds)
    last = call.engine.prices.last(instrument.key)
    answer: Json = {
        "symbol": instrument.key,
        "period": "day",
        "preClose": double(previous_close(series, day)),
    }
    for kind, items, stretches in timeline_parts(series, day, kinds, last=last):
        shown = [item for item in items if begin_ms is None or int(str(item["time"])) >= begin_ms]
        answer[SECTIONS[kind]] = {
            "items": shown,
            "beginTime": stretches[0].begin_ms,
            "endTime": stretches[-1].end_ms - 60_000,
        }
    return answer


def _day_timeline(
    call: Call,
    asked: TimelineParameters,
    instrument: Instrument,
    day: date,
    kinds: frozenset[TradedKind],
) -> Json:
    series = series_for(call, instrument, word(asked.right, AdjustedBy, "right") or "br")
    answer: Json = {"symbol": instrument.key, "items": []}
    last = call.engine.prices.last(instrument.key) if day == newest_day(series, kinds) else None
    for kind, items, _ in timeline_parts(series, day, kinds, last=last):
        answer["items" if kind == "regular" else SECTIONS[kind]] = items
    return answer


def newest_day(series: Series, kinds: frozenset[TradedKind]) -> date:
    """Return the newest day that has traded in a session."""
    for day in series.days_back(series.last_day):
        if any(raws for _, raws in series.minutes(day, kinds)):
            return day
    return series.today


def timeline_parts(
    series: Series, day: date, kinds: frozenset[TradedKind], *, last: Decimal | None
) -> list[tuple[TradedKind, list[Json], list[Stretch]]]:
    """Return the minutes of a day by the part of the day, in order of time.

    Args:
        last: the live price, at which the newest regular minute ends.
    """
    parts: dict[TradedKind, tuple[list[Json], list[Stretch]]] = {}
    amounts: dict[TradedKind, tuple[int, int]] = {}
    found = series.minutes(day, kinds)
    for number, (stretch, raws) in enumerate(found):
        items, stretches = parts.setdefault(stretch.kind, ([], []))
        stretches.append(stretch)
        amount, volume = amounts.get(stretch.kind, (0, 0))
        if last is not None and stretch.kind == "regular" and number == len(found) - 1:
            raws = [*raws[:-1], *(ending_at(raw, millionths(last)) for raw in raws[-1:])]
        for raw in raws:
            amount, volume = amount + raw[6], volume + raw[5]
            bar = bar_from(series.instrument, raw)
            items.append(_point_json(series.instrument, bar, amount, volume))
        amounts[stretch.kind] = (amount, volume)
    return [(kind, *part) for kind, part in parts.items()]


def _point_json(instrument: Instrument, bar: Bar, amount: int, volume: int) -> Json:
    average = bar.close
    if volume:
        units = volume * instrument.multiplier
        average = (Decimal(amount) / 1_000_000 / units).quantize(AVERAGE_STEP)
    return {
        "time": bar.time_ms,
        "volume": bar.volume,
        "price": double(bar.close),
        "avgPrice": double(average),
    }


def _ticks(
    call: Call, asked: TickParameters, instrument: Instrument, kinds: frozenset[TradedKind]
) -> Json:
    tape = Tape(series_for(call, instrument), kinds, last=call.engine.prices.last(instrument.key))
    begin, end = index_window(
        asked.begin_index, asked.end_index, asked.limit, count=len(tape), most=TICKS_MAX
    )
    return {
        "symbol": instrument.key,
        "beginIndex": begin,
        "endIndex": end,
        "items": [tick_json(tick) for tick in tape.between(begin, end)],
    }


def tick_json(tick: Tick) -> Json:
    """Return a trade as Tiger writes it."""
    return {
        "time": tick.time_ms,
        "volume": tick.volume,
        "price": double(tick.price),
        "type": tick.direction,
    }


def index_window(
    begin: int | None, end: int | None, limit: int | None, *, count: int, most: int
) -> tuple[int, int]:
    """Return which trades are meant: from an index (inclusive) to another (exclusive).

    Without both indexes the newest; a span beyond `most` counts as TICKS_DEFAULT trades.

    Raises:
        GatewayError: 1010.
    """
    wanted = limit_of(limit, default=TICKS_DEFAULT, most=most)
    if begin in (None, -1) and end in (None, -1):
        return max(0, count - wanted), count
    first = 0 if begin in (None, -1) else begin
    assert first is not None, "a missing index is the first"
    after = first + wanted if end in (None, -1) else end
    assert after is not None, "a missing end follows from the limit"
    if first < 0 or after < first:
        raise invalid("begin_index")
    span = after - first
    if span > most:
        span = TICKS_DEFAULT
    if limit is not None:
        span = min(span, wanted)
    return min(first, count), min(first + span, count)


def _stocks(symbols: Iterable[str]) -> list[Instrument]:
    asked = symbols_of(tuple(symbols))
    return [CATALOGUE[symbol] for symbol in asked if symbol in CATALOGUE]
