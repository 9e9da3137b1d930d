"""What an account holds now: every class of the broker's lists, filtered, paged, never guessed."""

from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.tiger_worker.broker import POSITION_CLASSES
from core.asks import AskFault, AskReply
from core.market_asks import PositionsTold
from tests.unit.test_market_asks import NOW_MS, ScriptedBroker, asks, data

STOCK: Final = {
    "symbol": "AAPL",
    "secType": "STK",
    "market": "US",
    "currency": "USD",
    "position": 10,
    "positionScale": 0,
    "averageCost": 200.0,
    "latestPrice": 230.25,
    "unrealizedPnl": 302.5,
}
NAMES: Final = ("0700", "AAPL", "MSFT", "NVDA")


def broker_of(**by_class: list[Any]) -> ScriptedBroker:
    def reply(content: Any) -> dict[str, Any]:
        return data({"items": by_class.get(content["sec_type"], [])})

    return ScriptedBroker(positions=reply, market_state=data([{"market": "US"}]))


def replied(broker: ScriptedBroker, **question: Any) -> PositionsTold | AskFault:
    body = asks(broker, positions=120).answer("positions", msgspec.json.encode(question))
    reply = msgspec.json.decode(body, type=AskReply)
    return reply.fault or msgspec.json.decode(reply.data, type=PositionsTold)


def told(broker: ScriptedBroker, **question: Any) -> PositionsTold:
    found = replied(broker, **question)
    assert isinstance(found, PositionsTold), found
    return found


def test_every_class_is_asked_and_its_figures_are_exact() -> None:
    broker = broker_of(STK=[STOCK])
    found = told(broker)
    (row,) = found.positions
    figures = (row.quantity, row.average_cost, row.market_price, row.unrealized_profit)
    assert [str(figure) for figure in figures] == ["10", "200", "230.25", "302.5"]
    assert int(found.at.timestamp() * 1000) == NOW_MS
    assert (found.cursor, found.unreadable) == ("", 0)
    assert [each["sec_type"] for each in broker.asked["positions"]] == list(POSITION_CLASSES)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ({"symbol": "MSFT"}, ["MSFT"]),
        ({"market": "HK"}, ["0700"]),
        ({"symbol": "MSFT", "market": "HK"}, []),
        ({"security": "stock"}, ["AAPL", "0700", "MSFT", "NVDA"]),
    ],
)
def test_filters_leave_out_the_rest(question: dict[str, str], expected: list[str]) -> None:
    rows = [{**STOCK, "symbol": n, "market": "HK" if n == "0700" else "US"} for n in NAMES]
    found = told(broker_of(STK=rows), **question)
    assert sorted(row.symbol for row in found.positions) == sorted(expected)


@pytest.mark.parametrize(
    ("security", "asked"), [("option", ["OPT"]), ("cbbc", ["IOPT"]), ("combination", [])]
)
def test_one_class_spends_one_call_and_what_is_held_in_legs_spends_none(
    security: str, asked: list[str]
) -> None:
    broker = broker_of()
    assert told(broker, security=security).positions == ()
    assert [each["sec_type"] for each in broker.asked["positions"]] == asked


def test_pages_show_each_position_once() -> None:
    broker = broker_of(STK=[{**STOCK, "symbol": name} for name in NAMES])
    seen: list[str] = []
    cursor = ""
    while cursor or not seen:
        page = told(broker, limit=3, cursor=cursor)
        seen += [row.symbol for row in page.positions]
        cursor = page.cursor
    assert sorted(seen) == sorted(NAMES)
    first = told(broker, limit=3)
    refused = replied(broker, limit=3, symbol="AAPL", cursor=first.cursor)
    assert isinstance(refused, AskFault)
    assert refused.field == "cursor"


@pytest.mark.parametrize(("gone", "come"), [("AAPL", None), (None, "AAA"), ("MSFT", "AAA")])
def test_a_position_that_closes_or_opens_between_two_pages_hides_and_doubles_no_other(
    gone: str | None, come: str | None
) -> None:
    names = ["AAPL", "MSFT", "NVDA", "TSLA"]
    first = told(broker_of(STK=[{**STOCK, "symbol": name} for name in names]), limit=2)
    held = [name for name in names if name != gone] + ([come] if come else [])
    second = told(
        broker_of(STK=[{**STOCK, "symbol": name} for name in held]), limit=2, cursor=first.cursor
    )
    assert [row.symbol for row in first.positions] == ["AAPL", "MSFT"]
    assert ([row.symbol for row in second.positions], second.cursor) == (["NVDA", "TSLA"], "")


def test_a_row_that_cannot_be_read_is_counted_and_hides_no_other() -> None:
    found = told(broker_of(STK=[{**STOCK, "symbol": None}, STOCK]))
    assert ([row.symbol for row in found.positions], found.unreadable) == (["AAPL"], 1)


def test_a_curious_model_leaves_the_rounds_their_calls() -> None:
    broker = broker_of(STK=[STOCK])
    answering = asks(broker, positions=len(POSITION_CLASSES) + 20)
    reply = msgspec.json.decode(answering.answer("positions", b"{}"), type=AskReply)
    assert reply.fault is not None
    assert reply.fault.code == "busy"


ODD: Final = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@given(ODD | st.fixed_dictionaries({"items": ODD | st.lists(st.dictionaries(st.text(), ODD))}))
def test_no_list_of_positions_is_worse_than_a_fault(content: Any) -> None:
    found = replied(ScriptedBroker(positions=data(content)))
    if isinstance(found, AskFault):
        assert found.code in ("broker_unavailable", "busy")
    else:
        assert found.positions == ()
