"""Tools that look at the market."""

from adapters.mcp.answers import AsOf, QuotesAnswer, broker_text, quote_line
from adapters.mcp.arguments import Account, Symbols
from adapters.mcp.gateway import Gateway
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from core import asks


class MarketTools:
    """Market data, asked of the broker through one account's login."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        effect = Effect(is_read=True, is_destructive=False, is_idempotent=True, asks_broker=True)
        return [tool(self.get_quotes, effect)]

    async def get_quotes(self, account: Account, symbols: Symbols) -> QuotesAnswer:
        """Current quotes of up to 50 stocks, asked of the broker now with this account's rights.

        Prices are decimal text in each quote's `currency`; `at` is the broker's time (UTC), so
        compare it with now before relying on a price. Symbols that the broker does not know come
        back in `unknown_symbols`.
        """
        environment = await self._gateway.environment(account)
        wanted = tuple(dict.fromkeys(symbols))
        found = await self._gateway.ask(
            account, "quotes", asks.QuotesAsk(symbols=wanted), asks.QuotesAnswer
        )
        return QuotesAnswer(
            environment=environment,
            account=account,
            as_of=AsOf(
                n=self._gateway.facts.highest(account),
                at=min((quote.at for quote in found.quotes), default=None),
            ),
            quotes=tuple(quote_line(quote) for quote in found.quotes),
            unknown_symbols=tuple(broker_text(symbol) for symbol in found.unknown),
        )
