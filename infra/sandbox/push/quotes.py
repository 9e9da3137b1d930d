"""The market topics: quotes, depth and trades as Tiger pushes them.

Source: tigeropen 3.8.0, `push/pb/*.proto`, and the examples of `examples/push_client_demo.py`.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from tigeropen.push.pb.PushData_pb2 import PushData
from tigeropen.push.pb.QuoteData_pb2 import QuoteData
from tigeropen.push.pb.QuoteDepthData_pb2 import QuoteDepthData
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon
from tigeropen.push.pb.TickData_pb2 import TickData
from tigeropen.push.pb.TradeTickData_pb2 import TradeTickData

from infra.sandbox.market.calendars import zone_of
from infra.sandbox.market.depth import Level
from infra.sandbox.market.instruments import Instrument, tick_at
from infra.sandbox.market.prices import Quote
from infra.sandbox.wire.envelope import to_ms

# Which of an exchange's trades a client is told of.
QUOTE_LEVELS = {"US": "usStockQuote", "HK": "hkStockQuoteLv2"}
# Tiger's letters of the exchanges that report a trade. Source: tigeropen, `tick_constants.py`.
PART_CODES = {"NASDAQ": "t", "ARCA": "p", "NYSE": "n"}
DATA_TYPES = {"OPT": SocketCommon.Option, "FUT": SocketCommon.Future}


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """One trade of the market's."""

    number: int  # in the order of the trades of one contract
    at_ms: int
    price: Decimal
    volume: int
    direction: str  # "+" a buyer took, "-" a seller did, "*" neither


class QuoteView(msgspec.Struct, frozen=True, kw_only=True):
    """A quote at a moment, and how its market stands then."""

    instrument: Instrument
    quote: Quote
    now: datetime
    status: str  # Tiger's word for the session
    hour_tag: str | None  # set outside of regular hours


def quote_message(symbol: str, view: QuoteView, *, before: Quote | None) -> PushData | None:
    """Return what has changed since the quote that was pushed before; none if nothing has.

    Args:
        symbol: as the subscriber wrote it.
        before: none for the first push, which says all.
    """
    quote = view.quote
    is_traded = before is None or _basic_of(before) != _basic_of(quote)
    is_quoted = before is None or _bbo_of(before) != _bbo_of(quote)
    if not is_traded and not is_quoted:
        return None
    data = QuoteData(symbol=symbol, timestamp=to_ms(view.now), serverTimestamp=to_ms(view.now))
    if is_traded:
        _write_basic(data, view)
    if is_quoted:
        _write_bbo(data, quote, at_ms=to_ms(view.now))
    if is_traded and is_quoted:
        data.type = SocketCommon.ALL
    else:
        data.type = SocketCommon.BASIC if is_traded else SocketCommon.BBO
    data_type = DATA_TYPES.get(view.instrument.sec_type, SocketCommon.Quote)
    return PushData(dataType=data_type, quoteData=data)


def depth_message(
    symbol: str,
    instrument: Instrument,
    *,
    bids: Sequence[Level],
    asks: Sequence[Level],
    at_ms: int,
) -> PushData:
    """Return both sides of a book, best first."""
    data = QuoteDepthData(symbol=symbol, timestamp=at_ms)
    for side, levels in ((data.bid, bids), (data.ask, asks)):
        side.price.extend(float(level.price) for level in levels)
        side.volume.extend(level.volume for level in levels)
        if instrument.market == "HK":
            side.orderCount.extend(level.count for level in levels)
    return PushData(dataType=SocketCommon.QuoteDepth, quoteDepthData=data)


def tick_message(
    symbol: str, instrument: Instrument, ticks: Sequence[Tick], *, at_ms: int
) -> PushData:
    """Return trades in the short form: prices above a base, times as differences."""
    decimals = max(0, *(_decimals(tick.price) for tick in ticks))
    prices = [int(tick.price.scaleb(decimals)) for tick in ticks]
    starts = (0, *(tick.at_ms for tick in ticks))
    data = TradeTickData(
        symbol=symbol,
        sn=ticks[0].number,
        priceBase=min(prices),
        priceOffset=decimals,
        time=[tick.at_ms - start for tick, start in zip(ticks, starts, strict=False)],
        price=[price - min(prices) for price in prices],
        volume=[tick.volume for tick in ticks],
        timestamp=at_ms,
        secType=instrument.sec_type,
    )
    if instrument.sec_type == "FUT":
        for tick in ticks:
            data.mergedVols.add(mergeTimes=1, vol=[tick.volume])
    else:
        data.type = "".join(tick.direction for tick in ticks)
        data.quoteLevel = QUOTE_LEVELS.get(instrument.market, "")
        data.partCode.extend(_part_code(instrument) for _ in ticks)
    return PushData(dataType=SocketCommon.TradeTick, tradeTickData=data)


def full_tick_message(
    symbol: str, instrument: Instrument, ticks: Sequence[Tick], *, at_ms: int
) -> PushData:
    """Return trades in the long form, for a client that asked for it."""
    data = TickData(symbol=symbol, timestamp=at_ms)
    for tick in ticks:
        data.ticks.add(
            sn=tick.number,
            time=tick.at_ms,
            price=float(tick.price),
            volume=tick.volume,
            type=tick.direction,
            partCode=_part_code(instrument),
        )
    return PushData(dataType=SocketCommon.TradeTick, tickData=data)


def _basic_of(quote: Quote) -> tuple[object, ...]:
    return quote.last, quote.volume, quote.open, quote.high, quote.low, quote.previous_close


def _bbo_of(quote: Quote) -> tuple[object, ...]:
    return quote.bid, quote.bid_size, quote.ask, quote.ask_size


def _write_basic(data: QuoteData, view: QuoteView) -> None:
    quote, instrument = view.quote, view.instrument
    data.latestPrice = float(quote.last)
    data.latestPriceTimestamp = to_ms(view.now)
    data.latestTime = view.now.astimezone(zone_of(instrument.market)).strftime("%m-%d %H:%M:%S")
    data.preClose = float(quote.previous_close)
    data.volume = quote.volume
    data.open, data.high, data.low = float(quote.open), float(quote.high), float(quote.low)
    data.marketStatus = view.status
    if view.hour_tag is not None:
        data.hourTradingTag = view.hour_tag
    if instrument.sec_type == "OPT":
        data.identifier = instrument.key
    elif instrument.sec_type == "FUT":
        data.tradeTime = to_ms(view.now)
        data.preSettlement = float(quote.previous_close)
        data.minTick = float(tick_at(instrument, quote.last))


def _write_bbo(data: QuoteData, quote: Quote, *, at_ms: int) -> None:
    data.askPrice, data.askSize, data.askTimestamp = float(quote.ask), quote.ask_size, at_ms
    data.bidPrice, data.bidSize, data.bidTimestamp = float(quote.bid), quote.bid_size, at_ms


def _part_code(instrument: Instrument) -> str:
    return PART_CODES.get(instrument.exchange, "")


def _decimals(price: Decimal) -> int:
    exponent = price.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a price is finite"
    return -exponent
