"""The real SDK over the wire: the past of options and futures."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tigeropen.common.consts import BarPeriod, SortDirection
from tigeropen.common.exceptions import ApiException

from tests.support.sandbox import Sandbox, raw_call, running_sandbox

# A Friday, 10:00:30 in New York; Hong Kong has closed.
NOW = datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
NEW_YORK, HONG_KONG = ZoneInfo("America/New_York"), ZoneInfo("Asia/Hong_Kong")
CALL, PUT = "AAPL  261218C00230000", "AAPL  261218P00230000"
HONG_KONG_CALL = "TCH.HK261230C00620000"
FUTURE_COLUMNS = [
    "identifier",
    "time",
    "latest_time",
    "open",
    "high",
    "low",
    "close",
    "settlement",
    "volume",
    "open_interest",
    "next_page_token",
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW.isoformat()}") as started:
        started.control.set_price("ES2612", Decimal("6712.50"))
        yield started


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


def ms(text: str, zone: ZoneInfo = NEW_YORK) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1000


def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as error:
        call()
    return error.value.code, error.value.msg


def test_option_bars_have_their_terms_and_end_at_the_live_price(client: Any) -> None:
    bars = client.get_option_bars([CALL, PUT], begin_time="2026-11-16")
    assert list(bars.columns) == [
        "identifier",
        "symbol",
        "expiry",
        "put_call",
        "strike",
        "time",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "open_interest",
    ]
    assert list(bars["identifier"]) == [CALL] * 5 + [PUT] * 5
    assert set(bars["expiry"]) == {ms("2026-12-18")}
    assert list(bars["time"])[:5] == [ms(f"2026-11-{day}") for day in range(16, 21)]
    briefs = client.get_option_briefs([CALL, PUT]).set_index("identifier")
    for identifier in (CALL, PUT):
        last = bars[bars["identifier"] == identifier]["close"].iloc[-1]
        assert last == briefs.loc[identifier, "latest_price"]
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()
    assert (bars["open_interest"] > 0).all()


def test_option_bars_follow_their_underlying(client: Any) -> None:
    window = {"begin_time": ms("2026-10-01"), "end_time": ms("2026-11-20")}
    days = client.get_option_bars([CALL], **window).set_index("time")
    stock = client.get_timeline_history(["AAPL"], "2026-11-18")
    day = {"begin_time": ms("2026-11-18"), "end_time": ms("2026-11-19"), "limit": 400}
    minutes = client.get_option_bars([CALL], period=BarPeriod.ONE_MINUTE, **day)
    assert list(minutes["time"]) == list(stock["time"])
    whole = days.loc[ms("2026-11-18")]
    assert (whole["high"], whole["low"]) == (minutes["high"].max(), minutes["low"].min())
    assert (whole["open"], whole["close"]) == (minutes["open"].iloc[0], minutes["close"].iloc[-1])
    assert whole["volume"] == minutes["volume"].sum()
    # A call gains and loses with its stock.
    assert stock["price"].corr(minutes["close"]) > 0.99


def test_option_bars_are_limited_and_sorted_as_asked(client: Any) -> None:
    up = client.get_option_bars([CALL], limit=4)
    down = client.get_option_bars([CALL], limit=4, sort_dir=SortDirection.DESC)
    assert list(down["time"]) == list(up["time"])[::-1]
    assert len(up) == 4


def test_hong_kong_option_is_asked_for_by_its_class(client: Any) -> None:
    bars = client.get_option_bars([HONG_KONG_CALL], limit=2)
    assert list(bars["time"]) == [
        ms("2026-11-19", HONG_KONG),
        ms("2026-11-20", HONG_KONG),
    ]
    assert set(bars["identifier"]) == {HONG_KONG_CALL}


def test_option_history_that_can_not_be_asked_for_is_refused(client: Any) -> None:
    text = "biz param error(symbols cannot be empty and cannot exceed 30)"
    assert refused(lambda: client.get_option_bars([])) == (1010, text)
    assert refused(lambda: client.get_option_bars([CALL] * 31)) == (1010, text)
    assert refused(lambda: client.get_option_bars([CALL], period="week"))[0] == 1010
    nameless = raw_call(client, "option_kline", {"option_query": [{}]})
    assert nameless["code"] == 1010
    assert nameless["message"] == "biz param error(option symbol format error)"
    assert client.get_option_bars(["AAPL  261218C00230001"]) == []


def test_option_trades_are_those_of_today(client: Any) -> None:
    ticks = client.get_option_trade_ticks([CALL])
    assert list(ticks.columns) == [
        "identifier",
        "symbol",
        "expiry",
        "put_call",
        "strike",
        "time",
        "price",
        "volume",
    ]
    day = client.get_option_bars([CALL], limit=1)
    assert ticks["volume"].sum() == day["volume"].iloc[0]
    assert ticks["price"].iloc[-1] == day["close"].iloc[0]
    assert ms("2026-11-20T09:30") <= ticks["time"].iloc[0] <= ticks["time"].iloc[-1] <= NOW_MS


def test_option_time_line_covers_both_halves_of_a_day(client: Any) -> None:
    line = client.get_option_timeline([HONG_KONG_CALL], market="HK")
    assert list(line.columns) == [
        "identifier",
        "symbol",
        "expiry",
        "put_call",
        "strike",
        "pre_close",
        "time",
        "volume",
        "price",
        "avg_price",
    ]
    assert len(line) == 330
    assert line["time"].iloc[0] == ms("2026-11-20T09:30", HONG_KONG)
    assert line["time"].iloc[150] == ms("2026-11-20T13:00", HONG_KONG)
    days = client.get_option_bars([HONG_KONG_CALL], limit=2)
    assert set(line["pre_close"]) == {days["close"].iloc[0]}
    assert line["price"].iloc[-1] == days["close"].iloc[1]


def test_future_bars_go_from_new_to_old_and_are_named_by_their_end(client: Any) -> None:
    bars = client.get_future_bars(["ES2612"], limit=3)
    assert list(bars.columns) == FUTURE_COLUMNS
    assert list(bars["time"]) == [ms(f"2026-11-{day}T17:00") for day in (20, 19, 18)]
    assert bars["close"].iloc[0] == 6712.5
    assert bars["settlement"].iloc[0] == 0
    assert bars["settlement"].iloc[1] == bars["close"].iloc[1]
    assert bars["latest_time"].iloc[0] == NOW_MS
    assert (bars["open_interest"] > 0).all()
    minutes = client.get_future_bars(["ES2612"], period="1min", limit=2)
    assert list(minutes["time"]) == [ms("2026-11-20T10:01"), ms("2026-11-20T10:00")]


@pytest.mark.parametrize(("period", "size"), [("day", 30), ("60min", 50)])
def test_future_pages_reach_the_end_without_doubles_or_gaps(
    client: Any, period: str, size: int
) -> None:
    begin = ms("2026-09-01") if period == "day" else ms("2026-11-10")
    paged = client.get_future_bars_by_page(
        "ES2612", period=period, begin_time=begin, page_size=size, time_interval=0
    )
    whole = client.get_future_bars(["ES2612"], period=period, begin_time=begin, limit=1000)
    columns = [name for name in FUTURE_COLUMNS if name != "next_page_token"]
    ascending = whole.sort_values("time").reset_index(drop=True)
    assert paged[columns].equals(ascending[columns])
    assert len(paged) > size
    assert not paged["time"].duplicated().any()


def test_future_day_begins_on_the_evening_before(sandbox: Sandbox, tmp_path: Any) -> None:
    del sandbox
    evening = datetime(2026, 11, 19, 19, 30, tzinfo=NEW_YORK).astimezone(UTC)
    with running_sandbox(tmp_path, "--clock", f"virtual:{evening.isoformat()}") as started:
        client = started.quote_client()
        bars = client.get_future_bars(["ES2612"], limit=2)
        assert list(bars["time"]) == [ms("2026-11-20T17:00"), ms("2026-11-19T17:00")]
        brief = client.get_future_brief(["ES2612"])
        assert bars["close"].iloc[0] == brief["latest_price"].iloc[0]
        paged = client.get_future_bars_by_page("ES2612", total=9, page_size=1, time_interval=0)
        assert len(set(paged["time"])) == 9


def test_future_window_is_one_of_the_ends_of_its_bars(client: Any) -> None:
    bars = client.get_future_bars(
        ["ES2612"], begin_time=ms("2026-11-16T17:00"), end_time=ms("2026-11-19T17:00")
    )
    assert list(bars["time"]) == [ms(f"2026-11-{day}T17:00") for day in (18, 17, 16)]


def test_weeks_and_months_of_a_future_are_named_by_the_end_of_their_last_day(client: Any) -> None:
    weeks = client.get_future_bars(["ES2612"], period="week", limit=3)
    fridays = [ms(f"2026-11-{day}T17:00") for day in ("20", "13", "06")]
    assert list(weeks["time"]) == fridays
    # The window is one of their ends; the end itself is not in it.
    before = client.get_future_bars(["ES2612"], period="week", end_time=fridays[1], limit=1)
    assert list(before["time"]) == fridays[2:]
    upto = client.get_future_bars(["ES2612"], period="week", end_time=fridays[1] + 1, limit=1)
    assert list(upto["time"]) == fridays[1:2]
    months = client.get_future_bars(
        ["ES2612"], period="month", end_time=ms("2026-11-01"), begin_time=ms("2026-09-15")
    )
    assert list(months["time"]) == [ms("2026-10-30T17:00"), ms("2026-09-30T17:00")]
    days = client.get_future_bars(
        ["ES2612"], begin_time=ms("2026-11-09"), end_time=ms("2026-11-14"), limit=9
    )
    assert weeks["close"].iloc[1] == days["close"].iloc[0]


def test_main_contract_can_be_asked_for(client: Any) -> None:
    bars = client.get_future_bars(["ESmain", "HSI2612"], limit=2)
    assert list(bars["identifier"]) == ["ESmain"] * 2 + ["HSI2612"] * 2
    assert bars["close"].iloc[0] == 6712.5


def test_future_history_that_can_not_be_asked_for_is_refused(client: Any) -> None:
    assert refused(lambda: client.get_future_bars([])) == (
        1010,
        "biz param error(symbols cannot be empty and cannot exceed 50)",
    )
    assert refused(lambda: client.get_future_bars(["ES2612"], period="x"))[0] == 1010
    wrong = refused(lambda: client.get_future_bars(["ES2612"], page_token="bm90IG91cnM="))
    assert wrong == (1010, "biz param error(field 'page_token' is illegal, can't be parsed)")
    assert client.get_future_bars(["NO2612"]).empty


def test_future_trades_are_read_by_index(client: Any) -> None:
    ticks = client.get_future_trade_ticks("ES2612")
    assert list(ticks.columns) == ["identifier", "index", "price", "volume", "time"]
    assert list(ticks["index"]) == list(range(30))
    assert set(ticks["identifier"]) == {"ES2612"}
    assert ticks["time"].iloc[0] >= ms("2026-11-19T18:00")
    following = client.get_future_trade_ticks("ES2612", begin_index=30, end_index=60)
    assert following["time"].iloc[0] >= ticks["time"].iloc[-1]
    minute = client.get_future_bars(["ES2612"], period="1min", end_time=ms("2026-11-19T18:02"))
    assert minute["time"].iloc[0] == ms("2026-11-19T18:01")
    first = client.get_future_trade_ticks("ES2612", begin_index=0, end_index=20)
    assert first["volume"].sum() == minute["volume"].iloc[0]
