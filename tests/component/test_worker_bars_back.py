"""Bars of options and futures, page after page back in time, as a worker tells them.

The real SDK against the sandbox, whose clock stands still.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import pytest

from adapters.tiger_worker.asks import Asks
from core.asks import AskReply
from core.market_asks import MarketTable
from tests.support.market_asks import asks_of
from tests.support.sandbox import running_sandbox

# A Thursday, 14:30 in New York.
CLOCK: Final = "virtual:2026-11-19T19:30:00Z"
CALL: Final = {"symbol": "AAPL  261218C00230000", "security": "option"}
FUTURE: Final = {"symbol": "ES2612", "security": "future"}
PAGES_MAX: Final = 60


@pytest.fixture(scope="module")
def asks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asks]:
    with running_sandbox(tmp_path_factory.mktemp("bars"), "--clock", CLOCK) as sandbox:
        yield asks_of(sandbox)


def bars(asks: Asks, **question: Any) -> MarketTable:
    body = asks.answer("bars", msgspec.json.encode(question))
    reply = msgspec.json.decode(body, type=AskReply)
    assert reply.fault is None, reply.fault
    return msgspec.json.decode(reply.data, type=MarketTable)


def column(table: MarketTable, name: str) -> list[Any]:
    index = table.columns.index(name)
    return [row[index] for row in table.rows]


def every_page(asks: Asks, *limits: int, **question: Any) -> list[MarketTable]:
    """Return all pages, the limits taking turns."""
    pages: list[MarketTable] = []
    cursor = ""
    while len(pages) < PAGES_MAX:
        limit = limits[len(pages) % len(limits)]
        pages.append(bars(asks, **question, limit=limit, cursor=cursor))
        cursor = pages[-1].cursor
        if not cursor:
            return pages
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize(
    ("question", "name", "limits"),
    [
        ({**CALL}, "at", (40,)),
        ({**CALL, "begin": "2026-10-01"}, "at", (7, 2)),
        ({**CALL, "begin": "2026-11-02", "end": "2026-11-17"}, "at", (4,)),
        ({**CALL, "period": "60min", "begin": "2026-11-16"}, "at", (5,)),
        ({**CALL, "period": "60min", "begin": "2026-11-16", "end": "2026-11-17"}, "at", (13,)),
        ({"symbol": "TCH.HK261230C00620000", "security": "option"}, "at", (60,)),
        ({**FUTURE, "begin": "2026-10-20"}, "ends_at", (4,)),
        ({**FUTURE, "begin": "2026-10-20", "end": "2026-11-13"}, "ends_at", (6,)),
        ({**FUTURE, "period": "60min", "begin": "2026-11-17"}, "at", (9, 1)),
        ({**FUTURE, "period": "week", "begin": "2026-08-01"}, "ends_at", (3,)),
    ],
)
def test_pages_give_every_bar_once_and_the_last_has_no_cursor(
    asks: Asks, question: dict[str, Any], name: str, limits: tuple[int, ...]
) -> None:
    whole = bars(asks, **question, limit=300)
    assert whole.cursor == ""
    pages = every_page(asks, *limits, **question)
    assert len(pages) > 1
    assert all(page.rows for page in pages)
    assert all(page.columns == whole.columns for page in pages)
    # Each page in order of time, the latest page first.
    told = [row for page in reversed(pages) for row in page.rows]
    assert told == list(whole.rows)
    times = column(whole, name)
    assert times == sorted(set(times))


def test_a_page_that_ends_with_the_last_bar_is_the_last(asks: Asks) -> None:
    question: dict[str, Any] = {**CALL, "begin": "2026-11-02", "end": "2026-11-17"}
    count = len(bars(asks, **question).rows)
    assert count == 12
    assert bars(asks, **question, limit=count).cursor == ""
    assert bars(asks, **question, limit=count - 1).cursor != ""


def test_pages_of_an_options_minutes_reach_over_the_night(asks: Asks) -> None:
    question: dict[str, Any] = {**CALL, "period": "1min", "begin": "2026-11-18"}
    pages = every_page(asks, 300, **question)
    assert column(pages[0], "at")[-1] == "2026-11-19T19:29:00Z"
    times = [at for page in reversed(pages) for at in column(page, "at")]
    assert times == sorted(set(times))
    assert (times[0], len(times)) == ("2026-11-18T14:30:00Z", 390 + 300)


def test_a_futures_bar_is_told_by_its_begin_and_its_span_is_kept(asks: Asks) -> None:
    begin, end = "2026-11-19T18:00:00Z", "2026-11-19T19:00:00Z"
    question: dict[str, Any] = {**FUTURE, "period": "60min", "begin": begin, "end": end}
    (future,) = bars(asks, **question).rows
    table = bars(asks, **question)
    assert (column(table, "at"), table.cursor) == ([begin], "")
    # As a stock's of the same hour is.
    question |= {"symbol": "AAPL", "security": "stock", "begin": "2026-11-19T18:30:00Z"}
    stock = bars(asks, **question | {"end": "2026-11-19T19:30:00Z"})
    assert column(stock, "at") == ["2026-11-19T18:30:00Z"]
    minutes = bars(asks, **FUTURE, period="1min", begin=begin, end=end)
    assert column(minutes, "at")[0] == begin
    assert len(minutes.rows) == 60
    assert future[table.columns.index("open")] == column(minutes, "open")[0]
    assert future[table.columns.index("close")] == column(minutes, "close")[-1]


def test_a_futures_day_is_told_by_its_end_and_has_no_settlement_before(asks: Asks) -> None:
    table = bars(asks, **FUTURE, begin="2026-11-18", end="2026-11-19")
    assert "at" not in table.columns
    assert column(table, "ends_at_local") == [
        "2026-11-18T16:00:00-06:00",
        "2026-11-19T16:00:00-06:00",
    ]
    settled, running = column(table, "settlement")
    assert settled == column(table, "close")[0]
    assert running is None
    # A moment of the day means the day, as of every other class.
    within = "2026-11-18T12:00:00-06:00"
    of_day = bars(asks, **FUTURE, begin=within, end="2026-11-18T13:00:00-06:00")
    assert column(of_day, "ends_at_local") == ["2026-11-18T16:00:00-06:00"]
