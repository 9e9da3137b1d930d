"""Rows of the predecessors' table about prices: now, past, and what stands behind them."""

import asyncio
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

from tests.e2e.parity_stage import NEW_YORK, WAIT_S, Case, Stage, same
from tests.support.gateway import rows_of

QUOTED: Final = {
    "last": "latest_price",
    "bid": "bid_price",
    "bid_size": "bid_size",
    "ask": "ask_price",
    "ask_size": "ask_size",
    "previous_close": "pre_close",
    "open": "open",
    "high": "high",
    "low": "low",
    "volume": "volume",
}
BARS: Final = ("open", "high", "low", "close", "volume")


async def tiger_get_quote(stage: Stage) -> None:
    stage.control.set_price("GOOG", Decimal("301.50"))
    row = await stage.row("get_quotes", symbols=["GOOG"])
    assert (row["symbol"], row["last"], row["currency"]) == ("GOOG", "301.5", "USD")
    brief = (await stage.sdk(stage.quotes.get_stock_briefs, ["GOOG"])).iloc[0]
    for name, theirs in QUOTED.items():
        assert same(row[name], brief[theirs]), (name, row, dict(brief))


async def tiger_get_market_data(stage: Stage) -> None:
    symbols = ["AAPL", "MSFT", "00700", "SPY"]
    rows = {row["symbol"]: row for row in await stage.rows("get_quotes", symbols=symbols)}
    briefs = (await stage.sdk(stage.quotes.get_stock_briefs, symbols)).set_index("symbol")
    assert list(rows) == symbols
    assert [rows[each]["currency"] for each in symbols] == ["USD", "USD", "HKD", "USD"]
    for symbol in symbols:
        assert same(rows[symbol]["last"], briefs.loc[symbol, "latest_price"]), symbol
        assert same(rows[symbol]["volume"], briefs.loc[symbol, "volume"]), symbol


async def tiger_get_kline(stage: Stage) -> None:
    rows = await stage.rows("get_bars", symbol="MSFT", period="day", limit=300)
    read = await stage.sdk(stage.quotes.get_bars, ["MSFT"], limit=300)
    assert len(rows) == 300
    _same_bars(rows, read, BARS)


async def get_realtime_quote(stage: Stage) -> None:
    stage.control.set_price("TSLA", Decimal("401.25"))
    extended = await stage.row("get_quotes", symbols=["TSLA"], session="extended")
    assert extended["last"] == "401.25"
    option = await stage.row("get_quotes", symbols=[stage.option], security="option")
    read = (await stage.sdk(stage.quotes.get_option_briefs, [stage.option])).iloc[0]
    for name, theirs in {"last": "latest_price", "open_interest": "open_interest"}.items():
        assert same(option[name], read[theirs]), (name, option)
    future = await stage.row("get_quotes", symbols=[stage.future], security="future")
    read = (await stage.sdk(stage.quotes.get_future_brief, [stage.future])).iloc[0]
    for name, theirs in {"last": "latest_price", "settlement": "settlement"}.items():
        assert same(future[name], read[theirs]), (name, future)


async def get_depth_quote(stage: Stage) -> None:
    rows = await stage.rows("get_market_depth", symbol="AAPL")
    read = await stage.sdk(stage.quotes.get_depth_quote, ["AAPL"], "US")
    for side in ("bid", "ask"):
        told = [
            (Decimal(r[side]), Decimal(r[f"{side}_size"]), int(r[f"{side}_orders"])) for r in rows
        ]
        theirs = [(Decimal(str(p)), Decimal(str(v)), n) for p, v, n in read[f"{side}s"]]
        assert told == theirs[: len(told)]
    rows = await stage.rows("get_market_depth", symbol=stage.option, security="option")
    read = await stage.sdk(stage.quotes.get_option_depth, [stage.option])
    assert [(Decimal(r["ask"]), r["ask_exchange"]) for r in rows] == [
        (Decimal(str(price)), exchange) for price, _, _, exchange in read["asks"]
    ]


async def get_ticks(stage: Stage) -> None:
    rows = await stage.rows("get_bars", symbol="AAPL", period="tick", limit=40)
    read = await stage.sdk(stage.quotes.get_trade_ticks, ["AAPL"], limit=40)
    _same_columns(rows, read, ("price", "volume"))
    pre = {"symbol": "AAPL", "period": "tick", "session": "pre", "limit": 40}
    # Before the market opens, trades go on between two readings.
    async with asyncio.timeout(WAIT_S):
        is_same = False
        while not is_same:
            early = await stage.rows("get_bars", **pre)
            read = await stage.sdk(stage.quotes.get_trade_ticks, ["AAPL"], "PreMarket", limit=40)
            is_same = not _differing(early, read, ("price", "volume"))
    assert all(row["at_local"][11:16] < "09:30" for row in early)
    arguments = {"symbol": stage.option, "security": "option", "period": "tick"}
    told = await stage.ask("get_bars", **arguments, limit=20)
    read = await stage.sdk(stage.quotes.get_option_trade_ticks, [stage.option])
    _same_columns(rows_of(told), read.tail(20), ("price", "volume"))
    back = rows_of(await stage.ask("get_bars", **arguments, limit=20, cursor=told["cursor"]))
    assert back[-1]["at"] <= rows_of(told)[0]["at"]
    rows = await stage.rows(
        "get_bars", symbol=stage.future, security="future", period="tick", limit=30
    )
    read = await stage.sdk(
        stage.quotes.get_future_trade_ticks, stage.future, begin_index=0, end_index=30
    )
    _same_columns(rows, read, ("price", "volume"))


async def get_bars(stage: Stage) -> None:
    split = {"symbol": "NVDA", "begin": "2024-06-05", "end": "2024-06-07"}
    adjusted = await stage.rows("get_bars", **split)
    plain = await stage.rows("get_bars", **split, adjusted=False)
    # Ten new shares came for each on the tenth of June.
    assert len(plain) == 3
    assert round(Decimal(plain[0]["close"]) / Decimal(adjusted[0]["close"]), 1) == 10
    hours = await stage.rows("get_bars", symbol="AAPL", period="60min", limit=7)
    _same_bars(hours, await stage.sdk(stage.quotes.get_bars, ["AAPL"], "60min", limit=7), BARS)
    day = {"symbol": "AAPL", "period": "30min", "begin": stage.day, "end": stage.day}
    regular = await stage.rows("get_bars", **day)
    whole = await stage.rows("get_bars", **day, session="extended", limit=300)
    assert len(regular) == 13 < len(whole)
    rows = await stage.rows("get_bars", symbol=stage.option, security="option", limit=20)
    read = await stage.sdk(stage.quotes.get_option_bars, [stage.option], limit=20)
    _same_bars(rows, read, ("close", "volume"))
    rows = await stage.rows("get_bars", symbol=stage.future, security="future", limit=20)
    read = await stage.sdk(stage.quotes.get_future_bars, [stage.future], limit=20)
    _same_bars(rows, read.sort_values("time"), ("close", "volume", "settlement"))


async def get_timeline(stage: Stage) -> None:
    rows = await stage.rows("get_bars", symbol="AAPL", period="timeline", limit=300)
    read = await stage.sdk(stage.quotes.get_timeline, ["AAPL"])
    _same_columns(rows, read.head(300), ("price", "volume"))
    day = {"symbol": "AAPL", "period": "timeline", "begin": stage.day}
    rows = await stage.rows("get_bars", **day, session="pre", limit=300)
    read = await stage.sdk(
        stage.quotes.get_timeline_history, ["AAPL"], stage.day, trade_session="PreMarket"
    )
    _same_columns(rows, read.head(300), ("price", "volume"))
    assert rows[0]["at_local"].startswith(f"{stage.day}T0")
    three = datetime.combine(date.fromisoformat(stage.day), time(15), NEW_YORK)
    late = await stage.rows("get_bars", symbol="AAPL", period="timeline", begin=three.isoformat())
    assert [late[0]["at_local"][11:16], late[-1]["at_local"][11:16]] == ["15:00", "15:59"]
    rows = await stage.rows("get_bars", symbol=stage.option, security="option", period="timeline")
    read = await stage.sdk(stage.quotes.get_option_timeline, [stage.option])
    _same_columns(rows, read.head(100), ("price",))
    said = await stage.refusal(
        "get_bars", symbol=stage.future, security="future", period="timeline"
    )
    assert "futures have no timeline" in said


async def get_capital_flow(stage: Stage) -> None:
    rows = await stage.rows("get_market_depth", symbol="AAPL", view="capital_flow", limit=10)
    read = await stage.sdk(stage.quotes.get_capital_flow, "AAPL", "US", "day", limit=10)
    newest = read.sort_values("timestamp", ascending=False)
    _same_columns(rows, newest, ("net_inflow",))


async def get_capital_distribution(stage: Stage) -> None:
    told = await stage.ask("get_market_depth", symbol="AAPL", view="capital_distribution")
    read = await stage.sdk(stage.quotes.get_capital_distribution, "AAPL", "US")
    assert same(told["facts"]["net_inflow"], read.net_inflow)
    sizes = {row["order_size"]: row for row in rows_of(told)}
    for size, theirs in {"all": "all", "big": "big", "medium": "mid", "small": "small"}.items():
        assert same(sizes[size]["inflow"], getattr(read, f"in_{theirs}")), size
        assert same(sizes[size]["outflow"], getattr(read, f"out_{theirs}")), size


async def get_stock_broker(stage: Stage) -> None:
    rows = await stage.rows("get_market_depth", symbol="00700", view="brokers", limit=300)
    read = await stage.sdk(stage.quotes.get_stock_broker, "00700")
    theirs = [
        (side, level.price, broker.id)
        for side, levels in (("bid", read.bid_broker), ("ask", read.ask_broker))
        for level in levels
        for broker in level.broker
    ]
    assert [(r["side"], float(r["price"]), r["broker_id"]) for r in rows] == theirs


def _same_bars(rows: list[dict[str, Any]], read: Any, names: tuple[str, ...]) -> None:
    ordered = read.sort_values("time")
    _same_columns(rows, ordered, names)


def _same_columns(rows: list[dict[str, Any]], read: Any, names: tuple[str, ...]) -> None:
    differing = _differing(rows, read, names)
    assert not differing, differing[:3]


def _differing(
    rows: list[dict[str, Any]], read: Any, names: tuple[str, ...]
) -> list[tuple[str, Any, Any]]:
    assert rows
    assert len(rows) == len(read), (len(rows), len(read))
    return [
        (name, ours, theirs)
        for name in names
        for ours, theirs in zip((row.get(name) for row in rows), read[name].tolist(), strict=True)
        if not same(ours, theirs)
    ]


CASES: Final[dict[str, Case]] = {
    "seed tiger_get_quote": tiger_get_quote,
    "seed tiger_get_kline": tiger_get_kline,
    "seed tiger_get_market_data": tiger_get_market_data,
    "official get_realtime_quote": get_realtime_quote,
    "official get_depth_quote": get_depth_quote,
    "official get_ticks": get_ticks,
    "official get_bars": get_bars,
    "official get_timeline": get_timeline,
    "official get_capital_flow": get_capital_flow,
    "official get_capital_distribution": get_capital_distribution,
    "official get_stock_broker": get_stock_broker,
}
