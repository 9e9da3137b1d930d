"""Minute bars of the live price, gathered while somebody follows them, and pushed as they grow.

Source: tigeropen 3.8.0, `push/pb/KlineData.proto`.
"""

from decimal import Decimal

import msgspec
from tigeropen.push.pb.KlineData_pb2 import KlineData
from tigeropen.push.pb.PushData_pb2 import PushData
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

from infra.sandbox.push.quotes import Tick

MINUTE_MS = 60_000


class MinuteBar(msgspec.Struct, frozen=True, kw_only=True):
    """What was traded in a minute so far."""

    begin_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    amount: Decimal
    count: int  # of trades


def bar_after(bar: MinuteBar | None, tick: Tick) -> MinuteBar:
    """Return the bar of a trade's minute: the same one grown, or a new one."""
    begin_ms = tick.at_ms - tick.at_ms % MINUTE_MS
    amount = tick.price * tick.volume
    if bar is None or bar.begin_ms != begin_ms:
        price = tick.price
        return MinuteBar(
            begin_ms=begin_ms,
            open=price,
            high=price,
            low=price,
            close=price,
            volume=tick.volume,
            amount=amount,
            count=1,
        )
    return msgspec.structs.replace(
        bar,
        high=max(bar.high, tick.price),
        low=min(bar.low, tick.price),
        close=tick.price,
        volume=bar.volume + tick.volume,
        amount=bar.amount + amount,
        count=bar.count + 1,
    )


def kline_message(symbol: str, bar: MinuteBar, *, at_ms: int) -> PushData:
    """Return a bar as its push."""
    data = KlineData(
        time=bar.begin_ms,
        open=float(bar.open),
        high=float(bar.high),
        low=float(bar.low),
        close=float(bar.close),
        avg=float(bar.amount / bar.volume),
        volume=bar.volume,
        count=bar.count,
        symbol=symbol,
        amount=float(bar.amount),
        serverTimestamp=at_ms,
    )
    return PushData(dataType=SocketCommon.Kline, klineData=data)
