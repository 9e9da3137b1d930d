"""Pages of bars back in time, whatever the broker means by the end of a window."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tiger_worker.market_futures import is_in, last_end_ms
from adapters.tiger_worker.market_spans import Span, span_of
from core.market_asks import ROWS_MAX
from tests.unit.test_market_asks import ScriptedBroker, ask, asks, data, refusal, rows

OPTION: Final = {"symbol": "AAPL  261218C00230000", "security": "option", "period": "1min"}
FIRST_MS: Final = 1_795_100_000_000
STEP_MS: Final = 60_000
CHICAGO: Final = "America/Chicago"
NO_END: Final = Span(-1, -1)


def broker_of(count: int, *, is_end_included: bool, close: float = 1.0) -> ScriptedBroker:
    """Return a broker with so many bars of an option, a minute apart."""
    times = [FIRST_MS + STEP_MS * n for n in range(count)]

    def reply(content: Any) -> dict[str, Any]:
        (query,) = content["option_query"]
        begin, end = query["begin_time"], query["end_time"]
        fitting = [
            at for at in times if begin <= at and (at < end or (is_end_included and at == end))
        ]
        assert query["sort_dir"] == "SortDir_Descend"
        latest = fitting[::-1][: query["limit"]]
        return data([{"items": [{"time": at, "close": close, "volume": 1} for at in latest]}])

    return ScriptedBroker(option_kline=reply)


def told(broker: ScriptedBroker, limit: int, **question: Any) -> list[str]:
    service, cursor = asks(broker), ""
    found: list[str] = []
    while True:
        table = ask(service, "bars", **OPTION, **question, limit=limit, cursor=cursor)
        found = [*(row["at"] for row in rows(table)), *found]
        cursor = table.cursor
        if not cursor:
            return found


@given(st.integers(1, 30), st.integers(1, 12), st.booleans(), st.integers(0, 30))
def test_every_bar_comes_once(count: int, limit: int, is_end_included: bool, until: int) -> None:
    broker = broker_of(count, is_end_included=is_end_included)
    whole = told(broker, limit)
    assert whole == sorted(set(whole))
    assert len(whole) == count
    assert len(broker.asked["option_kline"]) == -(-count // limit)
    # A bar that begins with the end of the span is not of it.
    end = datetime.fromtimestamp((FIRST_MS + until * STEP_MS) / 1000, ZoneInfo("UTC"))
    if until:
        assert told(broker, limit, end=end.isoformat()) == whole[:until]


def test_a_page_too_long_for_an_answer_keeps_the_latest() -> None:
    broker = broker_of(ROWS_MAX + 50, is_end_included=False, close=1.23456789012345e-90)
    first = ask(asks(broker), "bars", **OPTION, limit=ROWS_MAX)
    assert len(first.rows) < ROWS_MAX
    assert first.note.startswith(f"cut after {len(first.rows)} rows")
    whole = told(broker, ROWS_MAX)
    assert [row["at"] for row in rows(first)] == whole[-len(first.rows) :]
    assert len(set(whole)) == len(whole) == ROWS_MAX + 50


def test_a_page_cut_short_goes_on_where_it_was_cut_whatever_the_limit() -> None:
    times = [FIRST_MS + STEP_MS * n for n in range(2 * ROWS_MAX)]

    def reply(content: Any) -> dict[str, Any]:
        end = int(content.get("page_token") or len(times))
        begin = max(0, end - content["limit"])
        items = [{"time": at, "close": 1.23456789012345e-90} for at in times[begin:end]]
        return data([{"items": items, "nextPageToken": str(begin) if begin else None}])

    service = asks(ScriptedBroker(kline=reply))
    found: list[str] = []
    cursor = ""
    for limit in (ROWS_MAX, 7, 50, *[ROWS_MAX] * 9):
        table = ask(
            service,
            "bars",
            symbol="AAPL",
            period="1min",
            end="2026-12-01",
            limit=limit,
            cursor=cursor,
        )
        found += [row["at"] for row in rows(table)]
        cursor = table.cursor
        if not cursor:
            break
    assert cursor == ""
    assert len(found) == len(set(found)) == len(times)


@pytest.mark.parametrize("time", [None, 0, "soon", 1.5, 10**15])
def test_a_bar_without_its_time_is_no_answer(time: object) -> None:
    broker = ScriptedBroker(option_kline=data([{"items": [{"time": time, "close": 1}]}]))
    assert refusal(asks(broker), "bars", **OPTION).code == "broker_unavailable"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(CHICAGO)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("period", "ends", "begin", "end", "expected"),
    [
        ("60min", "2026-11-19T13:00", "2026-11-19T12:00:00-06:00", "2026-11-19", True),
        ("60min", "2026-11-19T12:00", "2026-11-19T12:00:00-06:00", "2026-11-19", False),
        ("60min", "2026-11-20T00:00", "2026-11-19", "2026-11-19", True),
        ("60min", "2026-11-20T01:00", "2026-11-19", "2026-11-19", False),
        ("day", "2026-11-19T16:00", "2026-11-19", "2026-11-19", True),
        ("day", "2026-11-20T00:00", "2026-11-19", "2026-11-19", True),
        ("day", "2026-11-18T16:00", "2026-11-19", "2026-11-19", False),
        ("day", "2026-11-20T16:00", "2026-11-19", "2026-11-19", False),
        # A part of a week, a month or a year is enough.
        ("week", "2026-11-20T16:00", "2026-11-17", "2026-11-18", True),
        ("week", "2026-11-20T16:00", "2026-11-21", "", False),
        ("week", "2026-11-20T16:00", "", "2026-11-15", False),
        ("month", "2026-11-30T16:00", "2026-11-17", "2026-11-18", True),
        ("month", "2026-11-30T16:00", "", "2026-10-31", False),
        ("year", "2026-12-31T16:00", "2026-11-17", "2026-11-18", True),
        ("year", "2025-12-31T16:00", "2026-01-01", "", False),
    ],
)
def test_a_futures_bar_belongs_to_the_spans_that_touch_it(
    period: str, ends: str, begin: str, end: str, expected: bool
) -> None:
    span = span_of(begin, end, CHICAGO)
    assert is_in(period, ms(ends), span, CHICAGO) is expected
    if expected:
        assert span.end_ms < 0 or ms(ends) <= last_end_ms(period, span, CHICAGO)


def test_an_open_span_takes_every_bar() -> None:
    for period in ("1min", "day", "week", "month", "year"):
        assert is_in(period, ms("2026-11-20T16:00"), NO_END, CHICAGO)
        assert last_end_ms(period, NO_END, CHICAGO) == -1


FUTURE: Final = {"contractCode": "CL2701", "exchange": "NYMEX", "currency": "USD"}


def future_broker(reply: Callable[[Any], dict[str, Any]]) -> ScriptedBroker:
    return ScriptedBroker(
        future_contract_by_contract_code=data(FUTURE),
        future_exchange=data([{"code": "NYMEX", "zoneId": "America/New_York"}]),
        future_kline=reply,
    )


def test_what_ends_beyond_the_span_is_left_out_though_the_broker_gives_it() -> None:
    hour_ms = 3_600_000
    first = ms("2026-11-19T12:00")
    items = [{"time": first + hour_ms * n, "close": n, "settlement": 0} for n in range(5)]
    broker = future_broker(lambda _: data([{"items": items[::-1]}]))
    span = {"begin": "2026-11-19T12:00:00-06:00", "end": "2026-11-19T14:00:00-06:00"}
    question = {"symbol": "CL2701", "security": "future", "period": "60min"}
    table = ask(asks(broker), "bars", **question, **span)
    assert [(row["close"], row["at"]) for row in rows(table)] == [
        ("1", "2026-11-19T18:00:00Z"),
        ("2", "2026-11-19T19:00:00Z"),
    ]
    assert ("settlement" in table.columns, table.cursor) == (False, "")
    (asked,) = broker.asked["future_kline"]
    assert (asked["begin_time"], asked["end_time"]) == (first, first + 3 * hour_ms)
