"""Turns what happens in the market into frames for those who follow a contract.

It is gathered and leaves when the broker has done with what it is doing, so that a thousand price
steps at once cost one push of each contract; only trades are told one by one.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from infra.sandbox.broker.engine import Engine
from infra.sandbox.market.instruments import CATALOGUE
from infra.sandbox.market.prices import Quote
from infra.sandbox.push.delivery import Delivery
from infra.sandbox.push.klines import bar_after, kline_message
from infra.sandbox.push.market_view import instrument_at, view_of
from infra.sandbox.push.quotes import (
    Tick,
    depth_message,
    full_tick_message,
    quote_message,
    tick_message,
)
from infra.sandbox.push.session import Session, Tape
from infra.sandbox.push.tops import stock_top_message
from infra.sandbox.wire.envelope import to_ms

TICKS_PER_FRAME_MAX = 100
# Of one contract, between two pushes; older ones are left out, as in any market feed.
TICKS_GATHERED_MAX = 1000


class MarketFeed:
    """Listens to the prices.

    Args:
        engine: the broker, for its prices and its hours.
        now: the broker's time.
        sessions: by tiger_id; others add to it and take from it.
        delivery: queues frames.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        now: Callable[[], datetime],
        sessions: Mapping[str, Session],
        delivery: Delivery,
    ) -> None:
        self._engine = engine
        self._now = now
        self._sessions = sessions
        self._delivery = delivery
        self._is_flush_due = False

    def refresh(self, session: Session) -> None:
        """Note where a session's contracts stand, after it has subscribed or unsubscribed.

        What it follows already is left as it was told; what is new counts from now.
        """
        self._set_day()
        prices, wanted = self._engine.prices, session.subscriptions
        session.quotes = {
            symbol: session.quotes.get(symbol) or prices.quote(key)
            for symbol, key in _quoted(session).items()
        }
        session.tapes = {
            symbol: session.tapes.get(symbol)
            or Tape(quote=prices.quote(key), number=prices.step_count)
            for symbol, key in (wanted.ticks | wanted.klines).items()
        }
        session.ticks = {
            symbol: ticks for symbol, ticks in session.ticks.items() if symbol in wanted.ticks
        }
        session.bars = {
            symbol: bar for symbol, bar in session.bars.items() if symbol in wanted.klines
        }

    def prices_moved(self) -> None:
        """Gather the trades of a price step, and push what has moved when the broker is done."""
        for session in self._sessions.values():
            self._gather(session)
        if not self._is_flush_due and self._sessions:
            self._is_flush_due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _set_day(self) -> None:
        # Options are worth less every day; the HTTP methods set the day with each call as well.
        self._engine.prices.set_day(self._now().date())

    def _flush(self) -> None:
        self._is_flush_due = False
        self._set_day()
        at_ms = to_ms(self._now())
        for session in tuple(self._sessions.values()):
            self._push_quotes(session)
            self._push_depths(session, at_ms)
            self._push_ticks(session, at_ms)
            self._push_klines(session, at_ms)
            self._push_tops(session, at_ms)

    def _push_quotes(self, session: Session) -> None:
        for symbol, key in _quoted(session).items():
            view = view_of(self._engine, key, now=self._now())
            message = quote_message(symbol, view, before=session.quotes[symbol])
            session.quotes[symbol] = view.quote
            if message is not None:
                self._delivery.deliver(session, message)

    def _push_depths(self, session: Session, at_ms: int) -> None:
        prices = self._engine.prices
        for symbol, key in session.subscriptions.depths.items():
            message = depth_message(
                symbol,
                instrument_at(key),
                bids=prices.levels(key, "BUY"),
                asks=prices.levels(key, "SELL"),
                at_ms=at_ms,
            )
            self._delivery.deliver(session, message)

    def _push_ticks(self, session: Session, at_ms: int) -> None:
        build = full_tick_message if session.use_full_tick else tick_message
        for symbol, ticks in session.ticks.items():
            instrument = instrument_at(session.subscriptions.ticks[symbol])
            for start in range(0, len(ticks), TICKS_PER_FRAME_MAX):
                part = ticks[start : start + TICKS_PER_FRAME_MAX]
                message = build(symbol, instrument, part, at_ms=at_ms)
                self._delivery.deliver(session, message)
        session.ticks = {}

    def _push_klines(self, session: Session, at_ms: int) -> None:
        for symbol, bar in session.bars.items():
            self._delivery.deliver(session, kline_message(symbol, bar, at_ms=at_ms))

    def _push_tops(self, session: Session, at_ms: int) -> None:
        for market, indicators in session.subscriptions.tops.items():
            quotes = (self._engine.prices.quote(key) for key in _stocks(market))
            message = stock_top_message(market, indicators, quotes, at_ms=at_ms)
            self._delivery.deliver(session, message)

    def _gather(self, session: Session) -> None:
        wanted = session.subscriptions
        for symbol, key in (wanted.ticks | wanted.klines).items():
            quote, before = self._engine.prices.quote(key), session.tapes[symbol]
            # A price that was set by hand is no trade, and a new day begins its volume anew.
            is_traded = quote.volume > before.quote.volume
            number = before.number + is_traded
            session.tapes[symbol] = Tape(quote=quote, number=number)
            if is_traded:
                tick = _tick(number, quote, before.quote, at_ms=to_ms(self._now()))
                _note(session, symbol, tick)


def _note(session: Session, symbol: str, tick: Tick) -> None:
    if symbol in session.subscriptions.ticks:
        ticks = session.ticks.setdefault(symbol, [])
        ticks.append(tick)
        del ticks[:-TICKS_GATHERED_MAX]
    if symbol in session.subscriptions.klines:
        session.bars[symbol] = bar_after(session.bars.get(symbol), tick)


def _tick(number: int, quote: Quote, before: Quote, *, at_ms: int) -> Tick:
    change = quote.last - before.last
    return Tick(
        number=number,
        at_ms=at_ms,
        price=quote.last,
        volume=quote.volume - before.volume,
        direction="*" if not change else "+" if change > 0 else "-",
    )


def _quoted(session: Session) -> dict[str, str]:
    # A subscription to a market is one to each of its stocks.
    stocks = [key for market in session.subscriptions.markets for key in _stocks(market)]
    return {key: key for key in stocks} | session.subscriptions.quotes


def _stocks(market: str) -> list[str]:
    return [
        key for key, item in CATALOGUE.items() if item.sec_type == "STK" and item.market == market
    ]
