"""The real SDK over the wire: bars, time lines and trades of stocks, and their pages."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tigeropen.common.consts import BarPeriod, QuoteRight, TradingSession
from tigeropen.common.exceptions import ApiException

from tests.support.sandbox import Sandbox, raw_call, running_sandbox

# A Friday, 10:00:30 in New York; Hong Kong has closed.
NOW = datetime(2026, 11, 20, 15, 0, 30, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
NEW_YORK, HONG_KONG = ZoneInfo("America/New_York"), ZoneInfo("Asia/Hong_Kong")
MINUTE_MS = 60_000
LAST = Decimal("231.05")
# The SDK renames columns in place, which pandas 3.1 has begun to deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW.isoformat()}") as started:
        started.control.set_price("AAPL", LAST)
        yield started


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return sandbox.quote_client()


def ms(text: str, zone: ZoneInfo = NEW_YORK) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * 1000


def day_of(time_ms: int, zone: ZoneInfo = NEW_YORK) -> date:
    return datetime.fromtimestamp(time_ms / 1000, zone).date()


def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as error:
        call()
    return error.value.code, error.value.msg


def test_day_bars_have_their_columns_and_end_at_the_live_price(client: Any) -> None:
    bars = client.get_bars(["AAPL", "00700"], limit=5)
    assert set(bars.columns) == {
        "symbol",
        "time",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "amount",
        "next_page_token",
    }
    assert list(bars["symbol"]) == ["AAPL"] * 5 + ["00700"] * 5
    apple = bars[bars["symbol"] == "AAPL"]
    assert [day_of(time) for time in apple["time"]] == [
        date(2026, 11, day) for day in range(16, 21)
    ]
    assert list(apple["time"])[-1] == ms("2026-11-20")
    assert list(apple["close"])[-1] == float(LAST)
    tencent = bars[bars["symbol"] == "00700"]
    assert list(tencent["time"])[-1] == ms("2026-11-20", HONG_KONG)
    brief = client.get_stock_briefs(["00700"])
    assert list(tencent["close"])[-1] == brief["latest_price"].iloc[0]
    assert (bars["high"] >= bars[["open", "close"]].max(axis=1)).all()
    assert (bars["low"] <= bars[["open", "close"]].min(axis=1)).all()


@pytest.mark.parametrize("period", list(BarPeriod))
def test_every_period_of_the_sdk_is_served_in_order(client: Any, period: BarPeriod) -> None:
    bars = client.get_bars(["AAPL"], period=period, limit=4)
    assert len(bars) == 4
    assert list(bars["time"]) == sorted(set(bars["time"]))
    assert bars["close"].iloc[-1] == float(LAST)


def test_a_window_takes_its_begin_and_leaves_its_end(client: Any) -> None:
    begin, end = ms("2026-11-10"), ms("2026-11-17")
    bars = client.get_bars(["AAPL"], begin_time=begin, end_time=end)
    days = [date(2026, 11, day) for day in (10, 11, 12, 13, 16)]
    assert [day_of(time) for time in bars["time"]] == days
    again = client.get_bars(["AAPL"], begin_time="2026-11-10", end_time="2026-11-17")
    assert again.equals(bars)


def test_a_limit_above_the_most_is_cut(client: Any) -> None:
    assert len(client.get_bars(["AAPL"], limit=5000)) == 1200
    bare = raw_call(client, "kline", {"symbols": ["AAPL"], "period": "day"})
    assert len(bare["data"][0]["items"]) == 300


def test_week_bars_are_the_fold_of_their_days(client: Any) -> None:
    week = client.get_bars(["AAPL"], period=BarPeriod.WEEK, end_time=ms("2026-11-14"), limit=1)
    days = client.get_bars(["AAPL"], begin_time=ms("2026-11-09"), end_time=ms("2026-11-14"))
    assert week["open"].iloc[0] == days["open"].iloc[0]
    assert week["high"].iloc[0] == days["high"].max()
    assert week["low"].iloc[0] == days["low"].min()
    assert week["close"].iloc[0] == days["close"].iloc[-1]
    assert week["volume"].iloc[0] == days["volume"].sum()


def test_pages_reach_the_end_without_doubles_or_gaps(client: Any) -> None:
    begin, end = ms("2026-01-01"), ms("2026-11-20")
    paged = client.get_bars_by_page(
        "AAPL", begin_time=begin, end_time=end, page_size=30, time_interval=0
    )
    whole = client.get_bars(["AAPL"], begin_time=begin, end_time=end, limit=1200)
    columns = ["time", "open", "high", "low", "close", "volume", "amount"]
    assert paged[columns].equals(whole[columns])
    assert day_of(paged["time"].iloc[0]) == date(2026, 1, 2)
    assert not paged["time"].duplicated().any()


def test_pages_of_minutes_stop_at_the_total(client: Any) -> None:
    paged = client.get_bars_by_page(
        "AAPL", period=BarPeriod.FIVE_MINUTES, total=200, page_size=70, time_interval=0
    )
    whole = client.get_bars(["AAPL"], period=BarPeriod.FIVE_MINUTES, limit=200)
    assert list(paged["time"]) == list(whole["time"])
    assert list(paged["close"]) == list(whole["close"])


def test_pages_end_at_the_first_day(client: Any) -> None:
    paged = client.get_bars_by_page(
        "09988", begin_time=ms("2019-01-01", HONG_KONG), page_size=1000, time_interval=0
    )
    assert day_of(paged["time"].iloc[0], HONG_KONG) == date(2019, 11, 26)
    assert not paged["time"].duplicated().any()


def test_a_page_token_holds_for_its_own_question_only(client: Any) -> None:
    asked = {"begin_time": ms("2026-01-01"), "limit": 10}
    token = client.get_bars(["AAPL"], **asked)["next_page_token"].iloc[0]
    other = refused(
        lambda: client.get_bars(["AAPL"], period=BarPeriod.WEEK, page_token=token, **asked)
    )
    assert other == (
        1010,
        "biz param error('page_token' is used in the wrong way, when this parameter is used, "
        "other parameters cannot be changed)",
    )
    assert refused(lambda: client.get_bars(["MSFT"], page_token=token, **asked))[0] == 1010
    for wrong in ("nonsense", "bm90IG91cnM="):
        assert refused(
            lambda wrong=wrong: client.get_bars(["AAPL"], page_token=wrong, **asked)
        ) == (
            1010,
            "biz param error(field 'page_token' is illegal, can't be parsed)",
        )


def test_bars_that_can_not_be_asked_for_are_refused(client: Any) -> None:
    many = [f"S{number}" for number in range(51)]
    text = "biz param error(symbols cannot be empty and cannot exceed 50)"
    assert refused(lambda: client.get_bars(many)) == (1010, text)
    assert refused(lambda: client.get_bars([])) == (1010, text)
    assert refused(lambda: client.get_bars(["AAPL"], period="7min")) == (
        1010,
        "biz param error(field 'period' is invalid)",
    )
    assert refused(lambda: client.get_bars(["AAPL"], begin_time="soon"))[0] == 1010
    assert refused(lambda: client.get_bars(["AAPL"], limit=0))[0] == 1010
    assert refused(lambda: client.get_bars(["AAPL"], right="left"))[0] == 1010
    assert refused(lambda: client.get_bars(["AAPL"], trade_session="Noon"))[0] == 1010
    early = refused(lambda: client.get_bars(["AAPL"], period="1min", begin_time=ms("2026-01-05")))
    assert early == (4, "4000:permission denied(the time range is not allowed)")
    assert client.get_bars(["NOSUCH"]).empty


def test_unadjusted_prices_are_those_of_their_day(client: Any) -> None:
    window = {"begin_time": ms("2024-06-07"), "end_time": ms("2024-06-11")}
    quoted = client.get_bars(["NVDA"], right=QuoteRight.NR, **window)
    adjusted = client.get_bars(["NVDA"], right=QuoteRight.BR, **window)
    assert quoted["close"].iloc[0] / adjusted["close"].iloc[0] == pytest.approx(10, rel=0.01)
    assert quoted["close"].iloc[1] / adjusted["close"].iloc[1] == pytest.approx(1, rel=0.01)
    assert quoted["volume"].iloc[0] == adjusted["volume"].iloc[0] // 10
    assert quoted["amount"].equals(adjusted["amount"])


def test_a_date_gives_all_bars_of_its_day(client: Any) -> None:
    bars = client.get_bars(["AAPL"], period=BarPeriod.HALF_HOUR, date="2020-03-04", limit=2)
    assert len(bars) == 13
    assert bars["time"].iloc[0] == ms("2020-03-04T09:30")
    every = client.get_bars(
        ["AAPL"], period=BarPeriod.ONE_HOUR, date="2026-11-18", trade_session=TradingSession.All
    )
    assert every["time"].iloc[0] == ms("2026-11-17T20:00")
    assert every["time"].iloc[-1] == ms("2026-11-18T19:00")
    assert refused(lambda: client.get_bars(["AAPL"], period="day", date="2026-11-18"))[0] == 1010
    two = ["AAPL", "MSFT"]
    assert refused(lambda: client.get_bars(two, period="1min", date="2026-11-18"))[0] == 1010


def test_sessions_have_their_own_minutes(client: Any) -> None:
    early = client.get_bars(
        ["AAPL"], period="1min", limit=2, trade_session=TradingSession.PreMarket
    )
    assert list(early["time"]) == [ms("2026-11-20T09:28"), ms("2026-11-20T09:29")]
    late = client.get_bars(
        ["AAPL"], period="1min", limit=1, trade_session=TradingSession.AfterHours
    )
    assert list(late["time"]) == [ms("2026-11-19T19:59")]


def test_fundamentals_come_with_bars_when_asked_for(client: Any) -> None:
    bars = client.get_bars(["AAPL"], limit=2, with_fundamental=True)
    assert {"turnover_rate", "ttm_pe", "lyr_pe"} <= set(bars.columns)
    snapshot = client.get_stock_fundamental(["AAPL"], "US")
    assert bars["ttm_pe"].iloc[-1] == snapshot["ttm_pe_rate"].iloc[0]


def test_time_line_holds_the_minutes_of_today(client: Any) -> None:
    line = client.get_timeline(["AAPL"], include_hour_trading=True)
    assert {"symbol", "time", "price", "avg_price", "pre_close", "volume", "trade_session"} == set(
        line.columns
    )
    regular = line[line["trade_session"] == "Regular"]
    first = ms("2026-11-20T09:30")
    assert list(regular["time"]) == list(range(first, NOW_MS, MINUTE_MS))
    assert regular["price"].iloc[-1] == float(LAST)
    early = line[line["trade_session"] == "PreMarket"]
    assert early["time"].iloc[0] == ms("2026-11-20T04:00")
    assert early["time"].iloc[-1] == ms("2026-11-20T09:29")
    assert "AfterHours" not in set(line["trade_session"])
    days = client.get_bars(["AAPL"], limit=2)
    assert set(line["pre_close"]) == {days["close"].iloc[0]}
    assert regular["volume"].sum() == days["volume"].iloc[1]


def test_time_line_of_a_closed_market_is_its_whole_last_day(client: Any) -> None:
    line = client.get_timeline(["00700"])
    assert len(line) == 330
    assert line["time"].iloc[150] == ms("2026-11-20T13:00", HONG_KONG)
    from_noon = client.get_timeline(["00700"], begin_time=ms("2026-11-20T13:00", HONG_KONG))
    assert len(from_noon) == 180


def test_time_line_of_a_past_day_agrees_with_its_bars(client: Any) -> None:
    line = client.get_timeline_history(["AAPL"], "2026-11-18")
    bars = client.get_bars(["AAPL"], period="1min", date="2026-11-18")
    assert set(line.columns) == {"symbol", "trade_session", "time", "volume", "price", "avg_price"}
    assert list(line["time"]) == list(bars["time"])
    assert list(line["price"]) == list(bars["close"])
    assert list(line["volume"]) == list(bars["volume"])
    paid, traded = bars["amount"].sum(), bars["volume"].sum()
    assert line["avg_price"].iloc[-1] == pytest.approx(paid / traded, abs=1e-4)
    every = client.get_timeline_history(["AAPL"], "2026-11-18", trade_session=TradingSession.All)
    assert set(every["trade_session"]) == {"PreMarket", "Regular", "AfterHours", "OverNight"}
    code, _ = refused(lambda: client.get_timeline_history(["AAPL"], None))
    assert code == 1010


def test_newest_trades_end_at_the_live_price(client: Any) -> None:
    ticks = client.get_trade_ticks(["AAPL"])
    assert set(ticks.columns) == {"symbol", "index", "time", "price", "volume", "direction"}
    assert len(ticks) == 200
    assert list(ticks["index"]) == list(range(ticks["index"].iloc[0], ticks["index"].iloc[0] + 200))
    assert ticks["price"].iloc[-1] == float(LAST)
    assert list(ticks["time"]) == sorted(ticks["time"])
    assert ticks["time"].iloc[-1] <= NOW_MS
    assert set(ticks["direction"]) <= {"+", "-", "*"}


def test_trades_can_be_read_on_by_index(client: Any) -> None:
    total = client.get_trade_ticks(["AAPL"], limit=1)["index"].iloc[0] + 1
    found, begin = [], 0
    while begin < total:
        page = client.get_trade_ticks(["AAPL"], begin_index=begin, end_index=begin + 150)
        found += list(page["index"])
        begin = found[-1] + 1
    assert found == list(range(total))
    short = client.get_trade_ticks(["AAPL"], begin_index=10, end_index=100, limit=20)
    assert list(short["index"]) == list(range(10, 30))
    far = client.get_trade_ticks(["AAPL"], begin_index=0, end_index=2001)
    assert len(far) == 200
    assert refused(lambda: client.get_trade_ticks(["AAPL"], begin_index=9, end_index=3))[0] == 1010


def test_quota_counts_each_contract_once(sandbox: Sandbox) -> None:
    client = sandbox.quote_client("second")
    before = client.get_kline_quota()
    assert [(item["method"], item["used"]) for item in before] == [
        ("kline", 0),
        ("future_kline", 0),
        ("option_kline", 0),
    ]
    for _ in range(2):
        client.get_bars(["AAPL", "MSFT"], limit=1)
    client.get_future_bars(["ES2612"], limit=1)
    after = client.get_kline_quota(with_details=True)
    assert [item["used"] for item in after] == [2, 1, 0]
    assert [item["remain"] + item["used"] for item in after] == [2000, 600, 5000]
    assert after[0]["details"] == ["AAPL", "MSFT"]
    assert after[0]["symbol_details"][0] == {
        "code": "AAPL",
        "last_request_timestamp": str(NOW_MS),
    }
    left = client.get_addon_entitlement().effective_entitlement
    assert (left.history_stock_limit, left.history_stock_remaining) == (2000, 1998)
    assert left.history_future_remaining == 599


def test_the_past_survives_a_restart(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "--clock", f"virtual:{NOW.isoformat()}") as sandbox:
        asked = {"symbols": ["AAPL", "00700"], "period": "30min", "limit": 40}
        before = sandbox.quote_client().get_bars(**asked)
        sandbox.stop()
        sandbox.start()
        assert sandbox.quote_client().get_bars(**asked).equals(before)
