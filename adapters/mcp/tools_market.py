"""Tools that look at the market, asked of the broker through one account's login.

Their descriptions are as short as a model can use right the first time: the argument's names and
closed lists of words say the rest, and refusals say how.
"""

from typing import Literal

from msgspec.structs import replace

from adapters.mcp import spans
from adapters.mcp.arguments import Account, Flag
from adapters.mcp.faults import Fault, GatewayError
from adapters.mcp.gateway import Gateway
from adapters.mcp.market_answers import TABLE_SCHEMA, MarketAnswer, market_answer
from adapters.mcp.market_arguments import (
    Expiry,
    Fields,
    Filters,
    Instrument,
    Instruments,
    Next,
    Query,
    Rows,
    Sort,
    When,
    terse,
)
from adapters.mcp.market_places import (
    DEFAULT,
    has_days_ahead,
    market_of,
    market_of_days,
    other_markets_note,
)
from adapters.mcp.market_route import MarketRoute
from adapters.mcp.names import hong_kong_note, in_market
from adapters.mcp.times import exchange_zone
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from core import market_asks
from core.market_asks import (
    DepthView,
    FlowPeriod,
    Fundamental,
    Market,
    Period,
    Question,
    ReportPeriod,
    ScanView,
    Security,
    Session,
    StatusView,
)


class MarketTools:
    """Market data; it belongs to no account, so that without one the gateway picks a login."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._route = MarketRoute(gateway)

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        effect = Effect(is_read=True, is_destructive=False, is_idempotent=True, asks_broker=True)
        made = [
            tool(method, effect)
            for method in (
                self.get_quotes,
                self.get_bars,
                self.get_market_depth,
                self.get_option_chain,
                self.find_contracts,
                self.get_market_status,
                self.get_fundamentals,
                self.scan_market,
            )
        ]
        for each in made:
            each.fn_metadata.output_schema = TABLE_SCHEMA
            each.parameters = terse(each.parameters)
        return made

    async def get_quotes(
        self,
        symbols: Instruments,
        security: Security = "stock",
        session: Session = "regular",
        account: Account | None = None,
        limit: Rows = 100,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Prices now of up to 50 contracts of one class.

        Like AAPL, 00700, "AAPL  261218C00230000" (option), CL2701 or CLmain (future). `quality`
        says if a price is delayed, `at` how old it is.
        """
        named, security = in_market(symbols, security)
        asked = market_asks.QuotesAsk(
            symbols=named, security=security, session=session, limit=limit, cursor=cursor
        )
        return await self._answer(account, "quotes", asked)

    async def get_bars(
        self,
        symbol: Instrument,
        period: Period = "day",
        begin: When = "",
        end: When = "",
        security: Security = "stock",
        session: Session = "regular",
        adjusted: Flag = True,
        account: Account | None = None,
        limit: Rows = 100,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Past prices of one contract: bars, minutes of a day (timeline) or single trades (tick).

        begin and end: 2026-01-31, a time with zone, "5d", "3mo", "ytd", "last month".
        """
        (named,), security = in_market((symbol,), security)
        span = self._span(begin, end, market=market_of_days(named, security))
        asked = market_asks.BarsAsk(
            symbol=named,
            security=security,
            period=period,
            begin=span.begin,
            end=span.end,
            session=session,
            is_adjusted=adjusted,
            limit=limit,
            cursor=cursor,
        )
        return await self._answer(account, "bars", asked)

    async def get_market_depth(
        self,
        symbol: Instrument = "",
        view: DepthView = "book",
        security: Security = "stock",
        period: FlowPeriod = "day",
        begin: When = "",
        end: When = "",
        account: Account | None = None,
        limit: Rows = 20,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Order book of a contract, brokers in it (Hong Kong), or where money flowed."""
        (named,), security = in_market((symbol,), security)
        span = self._span(begin, end, market=market_of_days(named, security))
        asked = market_asks.DepthAsk(
            symbol=named,
            security=security,
            view=view,
            period=period,
            begin=span.begin,
            end=span.end,
            limit=limit,
            cursor=cursor,
        )
        return await self._answer(account, "depth", asked)

    async def get_option_chain(
        self,
        symbol: Instrument,
        expiry: Expiry = "",
        right: Literal["call", "put", ""] = "",
        money: Literal["in", "out", ""] = "",
        filters: Filters = [],  # noqa: B006 - nobody changes it
        account: Account | None = None,
        limit: Rows = 100,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Expiries of a stock's options; with expiry, its calls and puts with prices and greeks.

        filters like "delta>=0.3", "open_interest>=100", "strike<=120".
        """
        asked = market_asks.OptionChainAsk(
            symbol=symbol,
            expiry=expiry,
            right=right,
            money=money,
            filters=tuple(filters),
            limit=limit,
            cursor=cursor,
        )
        return await self._answer(account, "option_chain", asked)

    async def find_contracts(
        self,
        query: Query = "",
        symbols: Instruments = [],  # noqa: B006 - nobody changes it
        security: Security = "stock",
        market: Market = "US",
        account: Account | None = None,
        limit: Rows = 50,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Contracts by name (query), or details of known symbols: lot, tick, currency, rights.

        query: part of a name or ticker; for futures a product (CL) or exchange (CME); for warrants
        the stock (00700). Options without query: Hong Kong's underlyings.
        """
        named, security = in_market(symbols, security)
        if security == "stock":
            market = market_of((query,) if query else (), market)
        asked = market_asks.ContractsAsk(
            symbols=named,
            query=query,
            security=security,
            market=market,
            limit=limit,
            cursor=cursor,
        )
        return await self._answer(account, "contracts", asked)

    async def get_market_status(
        self,
        view: StatusView = "status",
        market: Literal["ALL", "US", "HK", "CN", "SG"] = "ALL",
        symbol: Instrument = "",
        begin: When = "",
        end: When = "",
        account: Account | None = None,
        limit: Rows = 100,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Whether markets are open, trading days, a future's hours, or the quote rights held."""
        place = DEFAULT if market == "ALL" else market
        span = self._span(begin, end, market=place, is_ahead=view == "calendar")
        asked = market_asks.MarketStatusAsk(
            view=view,
            market=market,
            symbol=symbol,
            begin=span.begin,
            end=span.end,
            limit=limit,
            cursor=cursor,
        )
        return await self._answer(account, "market_status", asked)

    async def get_fundamentals(
        self,
        what: Fundamental,
        symbols: Instruments = [],  # noqa: B006 - nobody changes it
        market: Market = "US",
        begin: When = "",
        end: When = "",
        fields: Fields = [],  # noqa: B006 - nobody changes it
        period: ReportPeriod = "ltm",
        account: Account | None = None,
        limit: Rows = 100,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Companies' ratios, reports, dividends, splits, earnings days, industries, short interest.

        exchange_rate: symbols are currencies. industry_stocks: fields is one industry's id.
        """
        market = market_of(symbols, market)
        span = self._span(begin, end, market=market, is_ahead=has_days_ahead(what))
        asked = market_asks.FundamentalsAsk(
            what=what,
            symbols=tuple(symbols),
            market=market,
            begin=span.begin,
            end=span.end,
            fields=tuple(fields),
            period=period,
            limit=limit,
            cursor=cursor,
        )
        return await self._answer(account, "fundamentals", asked)

    async def scan_market(
        self,
        view: ScanView = "stocks",
        filters: Filters = [],  # noqa: B006 - nobody changes it
        sort: Sort = "",
        market: Market = "US",
        account: Account | None = None,
        limit: Rows = 50,
        cursor: Next = "",
    ) -> MarketAnswer:
        """Stocks that pass every filter, or those most traded (hot).

        filters like "market_value>=10000000000", "change_rate:5d>=0.05", "industry=BK45301020";
        sort like "-pe_ttm". The views fields and tags list what there is.
        """
        asked = market_asks.ScanAsk(
            view=view, market=market, filters=tuple(filters), sort=sort, limit=limit, cursor=cursor
        )
        return await self._answer(account, "scan", asked)

    async def _answer(self, account: str | None, what: str, asked: Question) -> MarketAnswer:
        try:
            told = await self._route.ask(account, what, asked)
        except GatewayError as error:
            note = hong_kong_note(_symbols_of(asked))
            if not note or error.code is not Fault.INVALID_ARGUMENT:
                raise
            raise GatewayError(error.code, f"{error.text} {note}") from None
        answer = market_answer(
            told.table,
            account=told.account,
            environment=told.environment,
            zone=self._gateway.parts.zone,
        )
        notes = (
            answer.note,
            other_markets_note(asked, told.table),
            hong_kong_note(told.table.unknown),
        )
        return replace(answer, note=" ".join(each for each in notes if each))

    # A future may be of an exchange where it is later than anywhere else: its days are the person's
    # as well.
    def _span(
        self, begin: str, end: str, *, market: Market | None, is_ahead: bool = False
    ) -> spans.Span:
        parts = self._gateway.parts
        here, there = parts.zone, exchange_zone(market or DEFAULT) or parts.zone
        now = parts.clock.now()
        span = spans.span(begin, end, now=now, zones=(here, there), is_ahead=is_ahead)
        if market is not None:
            return span
        return spans.wider(span, spans.span(begin, end, now=now, zones=(here,)))


def _symbols_of(asked: Question) -> tuple[str, ...]:
    match asked:
        case market_asks.BarsAsk(symbol=symbol) | market_asks.DepthAsk(symbol=symbol):
            return (symbol,)
        case market_asks.QuotesAsk(symbols=symbols) | market_asks.ContractsAsk(symbols=symbols):
            return symbols
        case _:
            return ()
