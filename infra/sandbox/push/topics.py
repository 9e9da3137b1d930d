"""What one connection is subscribed to, and the rules of Tiger's for asking.

Source: tigeropen 3.8.0, `push/pb/util.py` and `push_client.py`; docs-en.itigerup.com, "Account
Change Push Notifications"; openapi-java-sdk, `SubscribedSymbol` and `TigerApiCode` (3001 and on).
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation

import msgspec
from tigeropen.push.pb.SocketCommon_pb2 import SocketCommon

from infra.sandbox.market.instruments import Instrument, Right, find, resolve

ACCOUNT_TYPES = frozenset(
    {
        SocketCommon.OrderStatus,
        SocketCommon.Asset,
        SocketCommon.Position,
        SocketCommon.OrderTransaction,
    }
)
# The SDK asks for options as quotes and has no way to give up a future but as a quote, so all of
# these are one set.
QUOTE_TYPES = frozenset(
    {SocketCommon.Quote, SocketCommon.Option, SocketCommon.Future, SocketCommon.Cc}
)
MARKETS = frozenset({"US", "HK"})


class TopicLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How many symbols one connection may follow; Tiger's example of a user's limits."""

    quote: int = 1200
    depth: int = 20
    tick: int = 1200
    kline: int = 1200


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a SUBSCRIBE or UNSUBSCRIBE names."""

    data_type: int
    symbols: tuple[str, ...] = ()
    account: str = ""
    market: str = ""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a request went; 0 is success, all else changed nothing."""

    code: int
    message: str


class Subscriptions:
    """One connection's subscriptions.

    Args:
        accounts: of the login; an account topic without an account means all of them.
        limits: how many symbols of each kind.
    """

    def __init__(self, *, accounts: Iterable[str], limits: TopicLimits) -> None:
        self._own_accounts = frozenset(accounts)
        self._limits = limits
        self.accounts: frozenset[str] = frozenset()
        # The symbol as the client wrote it, to the key of its contract.
        self.quotes: dict[str, str] = {}
        self.depths: dict[str, str] = {}
        self.ticks: dict[str, str] = {}
        self.klines: dict[str, str] = {}
        self.markets: set[str] = set()
        # By market: the indicators of the ranking asked for; none means all.
        self.tops: dict[str, frozenset[str]] = {}

    def subscribe(self, asked: Asked) -> Outcome:
        """Add what is asked for."""
        if asked.data_type in ACCOUNT_TYPES:
            return self._subscribe_accounts(asked.account)
        if asked.data_type == SocketCommon.StockTop:
            return self._subscribe_top(asked)
        if asked.data_type == SocketCommon.Quote and asked.market:
            return self._subscribe_market(asked.market)
        found = self._symbols_of(asked.data_type)
        if found is None:
            return _refusal(3003, "subscribe subject error", str(asked.data_type))
        symbols, limit = found
        return _add(symbols, asked.symbols, limit=limit)

    def unsubscribe(self, asked: Asked) -> Outcome:
        """Take away what is named, or all of a kind if nothing is named."""
        if asked.data_type in ACCOUNT_TYPES:
            gone = {asked.account} if asked.account else self.accounts
            self.accounts = self.accounts - gone
        elif asked.data_type == SocketCommon.StockTop:
            self.tops.pop(asked.market, None)
        elif asked.data_type == SocketCommon.Quote and asked.market:
            self.markets.discard(asked.market)
        elif (found := self._symbols_of(asked.data_type)) is not None:
            for symbol in asked.symbols or tuple(found[0]):
                found[0].pop(symbol, None)
        else:
            return _refusal(3006, "unsubscribe error", str(asked.data_type))
        return Outcome(code=0, message="success")

    def listing(self) -> dict[str, object]:
        """Return what a client is told that it follows."""
        return {
            "limit": self._limits.quote,
            "used": len(self.quotes),
            "subscribedSymbols": list(self.quotes),
            "askBidLimit": self._limits.depth,
            "askBidUsed": len(self.depths),
            "subscribedAskBidSymbols": list(self.depths),
            "tradeTickLimit": self._limits.tick,
            "tradeTickUsed": len(self.ticks),
            "subscribedTradeTickSymbols": list(self.ticks),
            "klineLimit": self._limits.kline,
            "klineUsed": len(self.klines),
            "subscribedKlineSymbols": list(self.klines),
            "subscribedMarketQuote": sorted(self.markets),
        }

    def _subscribe_accounts(self, account: str) -> Outcome:
        if account and account not in self._own_accounts:
            return _refusal(3005, "register subject (except quote) error", account)
        self.accounts |= {account} if account else self._own_accounts
        return Outcome(code=0, message="success")

    def _subscribe_top(self, asked: Asked) -> Outcome:
        if asked.market not in MARKETS:
            return _refusal(3003, "subscribe subject error", asked.market)
        self.tops[asked.market] = frozenset(asked.symbols)
        return Outcome(code=0, message="success")

    def _subscribe_market(self, market: str) -> Outcome:
        if market not in MARKETS:
            return _refusal(3003, "subscribe subject error", market)
        self.markets.add(market)
        return Outcome(code=0, message="success")

    def _symbols_of(self, data_type: int) -> tuple[dict[str, str], int] | None:
        if data_type in QUOTE_TYPES:
            return self.quotes, self._limits.quote
        return {
            SocketCommon.QuoteDepth: (self.depths, self._limits.depth),
            SocketCommon.TradeTick: (self.ticks, self._limits.tick),
            SocketCommon.Kline: (self.klines, self._limits.kline),
        }.get(data_type)


def instrument_of(symbol: str) -> Instrument | None:
    """Return the contract that a push client means; none if there is none.

    A stock's symbol, a future's code, and an option either by its identifier or by its four parts
    ("AAPL 20261218 230.0 CALL").
    """
    parts = symbol.split()
    if len(parts) != 4:
        return find(symbol)
    option_class, day, strike, right_word = parts
    rights: dict[str, Right] = {"CALL": "CALL", "PUT": "PUT"}
    right = rights.get(right_word.upper())
    try:
        expiry, price = date.fromisoformat(day), Decimal(strike)
    except (ValueError, InvalidOperation):
        return None
    if right is None or not price.is_finite():
        return None
    return resolve(option_class, sec_type="OPT", expiry=expiry, strike=price, right=right)


# All or nothing: a client that is told no knows that nothing has changed.
def _add(symbols: dict[str, str], asked: tuple[str, ...], *, limit: int) -> Outcome:
    found = {symbol: instrument_of(symbol) for symbol in asked}
    unknown = [symbol for symbol, instrument in found.items() if instrument is None]
    if unknown or not found:
        return _refusal(3001, "subscribe symbol error", ",".join(unknown))
    if len(symbols | found) > limit:
        return _refusal(3002, "subscribe symbol limit error", str(limit))
    symbols.update({symbol: item.key for symbol, item in found.items() if item is not None})
    return Outcome(code=0, message="success")


def _refusal(code: int, text: str, detail: str) -> Outcome:
    return Outcome(code=code, message=f"{text}({detail})")
