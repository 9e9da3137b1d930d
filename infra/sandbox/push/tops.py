"""The ranking of a market's stocks, pushed when prices have moved.

Source: tigeropen 3.8.0, `push/pb/StockTopData.proto` and `StockRankingIndicator`. Of its
indicators `turnoverRate` and `changeRate5Min` are not told: the live price has neither a number of
shares nor a past.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from tigeropen.push.pb.PushData_pb2 import PushData
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon
from tigeropen.push.pb.StockTopData_pb2 import StockTopData

from infra.sandbox.market.prices import Quote

PLACES_MAX = 30

INDICATORS: Mapping[str, Callable[[Quote], Decimal]] = {
    "changeRate": lambda quote: quote.last / quote.previous_close - 1,
    "amount": lambda quote: quote.last * quote.volume,
    "volume": lambda quote: Decimal(quote.volume),
    "amplitude": lambda quote: (quote.high - quote.low) / quote.previous_close,
}


def stock_top_message(
    market: str, indicators: frozenset[str], quotes: Iterable[Quote], *, at_ms: int
) -> PushData:
    """Return the best stocks of a market by each indicator, best first.

    Args:
        indicators: those asked for; none means all.
    """
    data, stocks = StockTopData(market=market, timestamp=at_ms), tuple(quotes)
    for name, value_of in INDICATORS.items():
        if indicators and name not in indicators:
            continue
        top = data.topData.add(targetName=name)
        for quote in sorted(stocks, key=value_of, reverse=True)[:PLACES_MAX]:
            top.item.add(
                symbol=quote.symbol,
                latestPrice=float(quote.last),
                targetValue=float(value_of(quote)),
            )
    return PushData(dataType=SocketCommon.StockTop, stockTopData=data)
