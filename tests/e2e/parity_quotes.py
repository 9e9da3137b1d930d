"""Rows of the predecessors' table about prices: now, past, and what stands behind them."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
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
SIZES: Final = {"all": "all", "big": "big", "medium": "mid", "small": "small"}
BARS: Final = ("open", "high", "low", "close", "volume")


async def tiger_get_quote(stage: Stage) -> None:
    stage.control.set_price("GOOG", Decimal("301.50"))
    row = await stage.row("get_quotes", symbols=["GOOG"])
    assert (row["symbol"], row["last"], row["currency"]) == ("GOOG", "301.5", "USD")
    await _agree(
        partial(stage.rows, "get_quotes", symbols=["GOOG"]),
        partial(stage.sdk, stage.quotes.get_stock_briefs, ["GOOG"]),
        QUOTED,
    )


async def tiger_get_market_data(stage: Stage) -> None:
    symbols = ["AAPL", "MSFT", "00700", "SPY"]

    async def in_order() -> Any:
        briefs = await stage.sdk(stage.quotes.get_stock_briefs, symbols)
        return briefs.set_index("symbol").loc[symbols]

    rows = await _agree(
        partial(stage.rows, "get_quotes", symbols=symbols),
        in_order,
        {"last": "latest_price", "volume": "volume"},
    )
    assert [row["symbol"] for row in rows] == symbols
    assert [row["currency"] for row in rows] == ["USD", "USD", "HKD", "USD"]


async def tiger_get_kline(stage: Stage) -> None:
    rows = await _agree(
        partial(stage.rows, "get_bars", symbol="MSFT", period="day", limit=300),
        partial(stage.sdk, stage.quotes.get_bars, ["MSFT"], limit=300),
        BARS,
        by="time",
    )
    assert len(rows) == 300


async def get_realtime_quote(stage: Stage) -> None:
    stage.control.set_price("TSLA", Decimal("401.25"))
    extended = await stage.row("get_quotes", symbols=["TSLA"], session="extended")
    assert extended["last"] == "401.25"
    (overnight,) = await _agree(
        partial(stage.rows, "get_quotes", symbols=["TSLA"], session="overnight"),
        partial(stage.sdk, stage.quotes.get_quote_overnight, ["TSLA"]),
        {"last": "latest_price", "bid": "bid_price", "ask": "ask_price", "volume": "volume"},
    )
    # Of the other sessions the broker says more.
    assert overnight.keys().isdisjoint(("open", "state"))
    assert extended.keys() > {"open", "state"}
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
    await _agree(
        partial(stage.rows, "get_bars", symbol="AAPL", period="tick", limit=40),
        partial(stage.sdk, stage.quotes.get_trade_ticks, ["AAPL"], limit=40),
        ("price", "volume"),
    )
    early = await _agree(
        partial(stage.rows, "get_bars", symbol="AAPL", period="tick", session="pre", limit=40),
        partial(stage.sdk, stage.quotes.get_trade_ticks, ["AAPL"], "PreMarket", limit=40),
        ("price", "volume"),
    )
    assert all(row["at_local"][11:16] < "09:30" for row in early)
    arguments = {"symbol": stage.option, "security": "option", "period": "tick"}
    async with asyncio.timeout(WAIT_S):
        is_same = False
        while not is_same:
            read = await stage.sdk(stage.quotes.get_option_trade_ticks, [stage.option])
            told = await stage.ask("get_bars", **arguments, limit=20)
            newest = read.tail(20)
            is_same = not _differing(rows_of(told), newest, newest, ("price", "volume"))
    back = rows_of(await stage.ask("get_bars", **arguments, limit=20, cursor=told["cursor"]))
    assert back[-1]["at"] <= rows_of(told)[0]["at"]
    future = {"symbol": stage.future, "security": "future"}
    await _agree(
        partial(stage.rows, "get_bars", **future, period="tick", limit=30),
        partial(
            stage.sdk,
            stage.quotes.get_future_trade_ticks,
            stage.future,
            begin_index=0,
            end_index=30,
        ),
        ("price", "volume"),
    )


async def get_bars(stage: Stage) -> None:
    split = {"symbol": "NVDA", "begin": "2024-06-05", "end": "2024-06-07"}
    adjusted = await stage.rows("get_bars", **split)
    plain = await stage.rows("get_bars", **split, adjusted=False)
    # Ten new shares came for each on the tenth of June.
    assert len(plain) == 3
    assert round(Decimal(plain[0]["close"]) / Decimal(adjusted[0]["close"]), 1) == 10
    await _agree(
        partial(stage.rows, "get_bars", symbol="AAPL", period="60min", limit=7),
        partial(stage.sdk, stage.quotes.get_bars, ["AAPL"], "60min", limit=7),
        BARS,
        by="time",
    )
    day = {"symbol": "AAPL", "period": "30min", "begin": stage.day, "end": stage.day}
    regular = await stage.rows("get_bars", **day)
    whole = await stage.rows("get_bars", **day, session="extended", limit=300)
    assert len(regular) == 13 < len(whole)
    await _agree(
        partial(stage.rows, "get_bars", symbol=stage.option, security="option", limit=20),
        partial(stage.sdk, stage.quotes.get_option_bars, [stage.option], limit=20),
        ("close", "volume"),
        by="time",
    )

    async def settled() -> list[dict[str, Any]]:
        # A settlement that is not there yet is 0 for the SDK and nothing for us.
        told = await stage.rows("get_bars", symbol=stage.future, security="future", limit=20)
        return [row | {"settlement": row["settlement"] or "0"} for row in told]

    await _agree(
        settled,
        partial(stage.sdk, stage.quotes.get_future_bars, [stage.future], limit=20),
        ("close", "volume", "settlement"),
        by="time",
    )


async def get_timeline(stage: Stage) -> None:
    await _agree(
        partial(stage.rows, "get_bars", symbol="AAPL", period="timeline", limit=300),
        partial(stage.sdk, stage.quotes.get_timeline, ["AAPL"]),
        ("price", "volume"),
        first=300,
    )
    day = {"symbol": "AAPL", "period": "timeline", "begin": stage.day}
    rows = await stage.rows("get_bars", **day, session="pre", limit=300)
    read = await stage.sdk(
        stage.quotes.get_timeline_history, ["AAPL"], stage.day, trade_session="PreMarket"
    )
    assert not _differing(rows, read.head(300), read.head(300), ("price", "volume"))
    assert rows[0]["at_local"].startswith(f"{stage.day}T0")
    three = datetime.combine(date.fromisoformat(stage.day), time(15), NEW_YORK)
    late = await stage.rows("get_bars", symbol="AAPL", period="timeline", begin=three.isoformat())
    assert [late[0]["at_local"][11:16], late[-1]["at_local"][11:16]] == ["15:00", "15:59"]
    option = {"symbol": stage.option, "security": "option"}
    await _agree(
        partial(stage.rows, "get_bars", **option, period="timeline"),
        partial(stage.sdk, stage.quotes.get_option_timeline, [stage.option]),
        ("price",),
        first=100,
    )
    said = await stage.refusal(
        "get_bars", symbol=stage.future, security="future", period="timeline"
    )
    assert "futures have no timeline" in said


async def get_capital_flow(stage: Stage) -> None:
    await _agree(
        partial(stage.rows, "get_market_depth", symbol="AAPL", view="capital_flow", limit=10),
        partial(stage.sdk, stage.quotes.get_capital_flow, "AAPL", "US", "day", limit=10),
        ("net_inflow",),
        by="timestamp",
        is_newest_first=True,
    )
    weeks = await _agree(
        partial(
            stage.rows,
            "get_market_depth",
            symbol="AAPL",
            view="capital_flow",
            period="week",
            limit=5,
        ),
        partial(stage.sdk, stage.quotes.get_capital_flow, "AAPL", "US", "week", limit=5),
        ("net_inflow",),
        by="timestamp",
        is_newest_first=True,
    )
    begun = [date.fromisoformat(week["time_local"][:10]) for week in weeks]
    assert all(later - former > timedelta(days=2) for later, former in pairwise(begun))


async def get_capital_distribution(stage: Stage) -> None:
    async with asyncio.timeout(WAIT_S):
        is_same = False
        while not is_same:
            before = await stage.sdk(stage.quotes.get_capital_distribution, "AAPL", "US")
            told = await stage.ask("get_market_depth", symbol="AAPL", view="capital_distribution")
            after = await stage.sdk(stage.quotes.get_capital_distribution, "AAPL", "US")
            sizes = {row["order_size"]: row for row in rows_of(told)}
            ours = {"net_inflow": told["facts"]["net_inflow"]}
            for size, theirs in SIZES.items():
                ours[f"in_{theirs}"] = sizes[size]["inflow"]
                ours[f"out_{theirs}"] = sizes[size]["outflow"]
            is_same = all(
                _is_between(figure, getattr(before, name), getattr(after, name))
                for name, figure in ours.items()
            )


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


async def _agree(
    told: Callable[[], Awaitable[list[dict[str, Any]]]],
    read: Callable[[], Awaitable[Any]],
    names: Collection[str] | Mapping[str, str],
    *,
    by: str = "",
    is_newest_first: bool = False,
    first: int | None = None,
) -> list[dict[str, Any]]:
    """Return what the tool tells, which must lie between what the SDK reads before and after.

    An open market trades all the time. `names` are the columns that must agree, of theirs in a
    mapping those that are called otherwise; `by` is the column that the SDK's rows are sorted by,
    `first` how many of them count.
    """
    async with asyncio.timeout(WAIT_S):
        while True:
            before, rows, after = await read(), await told(), await read()
            if by:
                before, after = (
                    each.sort_values(by, ascending=not is_newest_first) for each in (before, after)
                )
            if first is not None:
                before, after = before.head(first), after.head(first)
            if not _differing(rows, before, after, names):
                return rows


def _is_between(ours: Any, before: Any, after: Any) -> bool:
    """Say whether a figure is one of two, or lies between them."""
    if same(ours, before) or same(ours, after):
        return True
    try:
        low, high = sorted((float(before), float(after)))
        return low <= float(ours) <= high
    except (TypeError, ValueError):
        return False


def _differing(
    rows: list[dict[str, Any]],
    before: Any,
    after: Any,
    names: Collection[str] | Mapping[str, str],
) -> list[tuple[str, Any, Any, Any]]:
    assert rows
    if not len(before) == len(rows) == len(after):
        return [("rows", len(rows), len(before), len(after))]
    theirs = names if isinstance(names, Mapping) else {name: name for name in names}
    return [
        (name, row.get(name), first, last)
        for name, column in theirs.items()
        for row, first, last in zip(
            rows, before[column].tolist(), after[column].tolist(), strict=True
        )
        if not _is_between(row.get(name), first, last)
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
