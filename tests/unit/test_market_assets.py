"""What an account is worth, now and by day, and the minutes and trades of other sessions."""

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.asks import AskFault, AskReply
from core.market_asks import AssetsTold
from tests.unit.test_market_asks import NOW_MS, ScriptedBroker, ask, asks, data, refused, rows

STATUS: Final = data([{"market": "US"}])
# Midnights in New York.
NOV_19_MS, NOV_20_MS = 1_795_064_400_000, 1_795_150_800_000
SEGMENT: Final = {
    "category": "S",
    "currency": "USD",
    "netLiquidation": 1000.5,
    "unrealizedPL": -2.25,
    "currencyAssets": [{"currency": "HKD", "cashBalance": 80.0, "forexRate": 0.128}],
}


def day(at_ms: int, **figures: float) -> dict[str, Any]:
    plain = {"asset": 0.0, "cashBalance": 0.0, "pnl": 0.0}
    return {"date": at_ms, **plain, **figures}


def past(**by_segment: list[dict[str, Any]]) -> Any:
    def reply(content: Any) -> dict[str, Any]:
        history = by_segment.get(content["seg_type"], [])
        return data({"summary": {"pnl": 5.5, "pnlPercentage": 0.01}, "history": history})

    return reply


def replied(broker: ScriptedBroker, **question: Any) -> AssetsTold | AskFault:
    body = asks(broker).answer("assets", msgspec.json.encode(question))
    reply = msgspec.json.decode(body, type=AskReply)
    return reply.fault or msgspec.json.decode(reply.data, type=AssetsTold)


def told(broker: ScriptedBroker, **question: Any) -> AssetsTold:
    found = replied(broker, **question)
    assert isinstance(found, AssetsTold), found
    return found


def test_figures_of_now_are_exact_and_what_is_not_told_is_left_out() -> None:
    broker = ScriptedBroker(prime_assets=data({"segments": [SEGMENT], "updateTimestamp": NOW_MS}))
    found = told(broker, currency="USD")
    (row,) = rows(found.table)
    assert row == {
        "segment": "securities",
        "currency": "USD",
        "net_liquidation": "1000.5",
        "unrealized_profit": "-2.25",
    }
    assert found.cash is not None
    assert rows(found.cash) == [
        {"segment": "securities", "currency": "HKD", "balance": "80", "per_unit": "0.128"}
    ]
    assert int(found.table.at.timestamp() * 1000) == NOW_MS
    (asked,) = broker.asked["prime_assets"]
    assert asked["base_currency"] == "USD"


def test_a_history_is_the_latest_first_and_without_segments_that_were_never_used() -> None:
    days = [day(NOV_19_MS, asset=100.0), day(NOV_20_MS, asset=105.5, pnl=5.5)]
    unused = [day(NOV_19_MS), day(NOV_20_MS)]
    broker = ScriptedBroker(market_state=STATUS, analytics_asset=past(SEC=days, FUT=unused))
    found = told(broker, view="history", begin="2026-11-19", end="2026-11-20")
    assert [(row["segment"], row["day"], row["value"]) for row in rows(found.table)] == [
        ("securities", "2026-11-20", "105.5"),
        ("securities", "2026-11-19", "100"),
    ]
    assert dict(found.table.facts)["securities_profit"] == "5.5"
    # The reply names no currency, so that one is always asked for.
    assert found.table.currency == "USD"
    assert [each["currency"] for each in broker.asked["analytics_asset"]] == ["USD", "USD"]


def test_a_history_leads_through_its_pages() -> None:
    days = [day(NOV_19_MS - 86_400_000 * n, asset=1.0 + n) for n in range(25)]
    broker = ScriptedBroker(market_state=STATUS, analytics_asset=past(SEC=days))
    question = {"view": "history", "begin": "2026-10-01", "end": "2026-11-20", "limit": 10}
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        found = told(broker, **question, cursor=cursor)
        seen += [row["value"] for row in rows(found.table)]
        cursor = found.table.cursor
    assert (cursor, len(seen), len(set(seen))) == ("", 25, 25)


@pytest.mark.parametrize("currency", ["usd", "US", "DOLLAR", "US1", "ＵＳＤ"])
@pytest.mark.parametrize("view", ["now", "history"])
def test_what_is_no_currency_is_never_asked(view: str, currency: str) -> None:
    broker = ScriptedBroker()
    fault = replied(broker, view=view, currency=currency)
    assert isinstance(fault, AskFault)
    assert (fault.code, fault.field) == ("invalid_argument", "base_currency")
    assert not broker.asked


def test_a_currency_that_the_broker_does_not_take_is_named() -> None:
    broker = ScriptedBroker(prime_assets=refused(1010, "field 'base_currency' is invalid"))
    fault = replied(broker, currency="ZZZ")
    assert isinstance(fault, AskFault)
    assert (fault.code, fault.field) == ("invalid_argument", "base_currency")


ODD: Final = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
ROWS: Final = st.dictionaries(
    st.sampled_from(["segments", "history", "summary", "category", "date", "asset", "pnl"]),
    ODD | st.lists(st.dictionaries(st.sampled_from(["date", "asset", "category"]), ODD)),
)


@given(st.sampled_from(["now", "history"]), ODD | ROWS)
def test_no_reply_about_the_account_is_worse_than_a_fault(view: str, content: Any) -> None:
    broker = ScriptedBroker(
        market_state=STATUS, prime_assets=data(content), analytics_asset=data(content)
    )
    found = replied(broker, view=view)
    if isinstance(found, AskFault):
        assert found.code in ("broker_unavailable", "invalid_argument")
    else:
        assert all(len(row) == len(found.table.columns) for row in found.table.rows)


@pytest.mark.parametrize(
    "session, word", [("regular", None), ("pre", "PreMarket"), ("overnight", "OverNight")]
)
@pytest.mark.parametrize("method, more", [("trade_tick", {"period": "tick"}), ("kline", {})])
def test_a_session_is_asked_of_the_broker(
    method: str, more: dict[str, str], session: str, word: str | None
) -> None:
    broker = ScriptedBroker(**{method: data([])})
    ask(asks(broker), "bars", symbol="AAPL", session=session, **more)
    (asked,) = broker.asked[method]
    assert asked.get("trade_session") == word


def test_minutes_of_a_past_day_are_those_of_the_session_from_the_time_that_was_named() -> None:
    minutes = {
        name: [{"time": NOV_20_MS + offset * 3_600_000, "price": offset}]
        for name, offset in (("overnight", 1), ("preMarket", 5), ("items", 10), ("afterHours", 17))
    }
    broker = ScriptedBroker(history_timeline=data([{"symbol": "AAPL", **minutes}]))

    def prices(**question: str) -> list[str]:
        table = ask(asks(broker), "bars", symbol="AAPL", period="timeline", **question)
        return [row["price"] for row in rows(table)]

    assert prices(begin="2026-11-20") == ["10"]
    assert prices(begin="2026-11-20", session="pre") == ["5"]
    assert prices(begin="2026-11-20", session="overnight") == ["1"]
    assert prices(begin="2026-11-20", session="extended") == ["1", "5", "10", "17"]
    after_noon = "2026-11-20T12:00:00-05:00"
    assert prices(begin=after_noon, session="extended") == ["17"]
    # The day is the exchange's, wherever the person is: still the evening of the 20th there.
    prices(begin="2026-11-21T03:00:00+00:00")
    assert broker.asked["history_timeline"][-1]["date"] == "2026-11-20"
