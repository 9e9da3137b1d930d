"""Positions and balances through the gateway: whose, of when, and in which currency."""

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from core import views
from core.account_events import CashFigure, FigureKept, PositionFigure
from core.asks import AskReply
from core.market_asks import PositionsAsk, PositionsTold
from core.terms import SecurityType
from tests.support.gateway import AS_OF, MODES, NOW, Mode, World, rows_of, told
from tests.support.gateway_script import holding

UTC_NOW = "2026-11-22T15:30:00Z"
both_eras = pytest.mark.parametrize("mode", MODES)
HELD = holding(
    "AAPL",
    "5",
    average_cost=Decimal("1.10"),
    market_price=Decimal("1.20"),
    unrealized_profit=Decimal("0.5"),
)
BALANCES = views.BalancesAnswer(
    as_of=AS_OF,
    observed_at=NOW,
    currency="USD",
    net_liquidation=Decimal("1000.10"),
    buying_power=Decimal(4000),
    initial_margin=None,
    maintenance_margin=None,
    cash=(CashFigure(currency="HKD", balance=Decimal(7), available=None),),
)


@both_eras
async def test_positions_are_one_row_per_contract_with_what_names_an_option(mode: Mode) -> None:
    world = World()
    cost = {"average_cost": Decimal("1.10"), "unrealized_profit": Decimal("-0.5")}
    stock = holding("AAPL", "-5", **cost)
    option = msgspec.structs.replace(
        stock,
        contract="AAPL261218C232.5",
        security=SecurityType.OPTION,
        multiplier=Decimal(100),
        quantity=Decimal(2),
    )
    world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
        as_of=AS_OF, observed_at=NOW, positions=(stock, option), cursor="next"
    )
    asked = {"account": "sandbox", "symbol": "AAPL", "market": "US", "limit": 2}
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_positions", asked))
    assert msgspec.json.decode(world.bus.asked[-1][1], type=views.PositionsQuery) == (
        views.PositionsQuery(symbol="AAPL", market="US", limit=2)
    )
    first, second = rows_of(answer.pop("positions"))
    assert answer == {
        "environment": "sandbox",
        "account": "sandbox",
        "as_of": {"n": 5, "at": UTC_NOW},
        "observed_at": UTC_NOW,
        "cursor": "next",
        "time_zone": "UTC",
    }
    assert {name: cell for name, cell in first.items() if cell != ""} == {
        "symbol": "AAPL",
        "market": "US",
        "quantity": "-5",
        "average_cost": "1.10",
        "unrealized_profit": "-0.5",
        "currency": "USD",
    }
    named = {name: second[name] for name in ("security", "expiry", "strike", "right", "contract")}
    assert named == {
        "security": "option",
        "expiry": "2026-12-18",
        "strike": "232.5",
        "right": "call",
        "contract": "AAPL261218C232.5",
    }


async def test_old_prices_of_positions_are_said_to_be_old() -> None:
    async def note(age: timedelta, *positions: PositionFigure) -> str:
        world = World()
        world.bus.answers["view.sandbox.positions"] = views.PositionsAnswer(
            as_of=AS_OF, observed_at=NOW - age, positions=positions
        )
        async with world.client("auto") as client:
            answer = told(await client.call_tool("get_positions", {"account": "sandbox"}))
        return str(answer.get("note", ""))

    assert await note(timedelta(minutes=1), HELD) == ""
    assert await note(timedelta(hours=2)) == ""
    old = await note(timedelta(hours=2), HELD)
    assert "120 min ago" in old
    assert "view=now" in old


@both_eras
async def test_positions_of_now_are_asked_of_the_broker_and_say_what_cannot_be_read(
    mode: Mode,
) -> None:
    world = World()
    reply = PositionsTold(positions=(HELD,), at=NOW, cursor="next", unreadable=2)
    world.bus.answers["ask.sandbox.positions"] = AskReply(
        data=msgspec.Raw(msgspec.json.encode(reply))
    )
    asked = {"account": "sandbox", "view": "now", "market": "US", "security": "stock", "limit": 7}
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_positions", asked))
    ((subject, question),) = world.bus.asked
    assert subject == "ask.sandbox.positions"
    assert msgspec.json.decode(question, type=PositionsAsk) == PositionsAsk(
        market="US", security=SecurityType.STOCK, limit=7
    )
    (row,) = rows_of(answer["positions"])
    assert (row["symbol"], row["market_price"]) == ("AAPL", "1.20")
    assert (answer["observed_at"], answer["cursor"]) == (UTC_NOW, "next")
    assert answer["note"].startswith("2 more of the broker's rows cannot be read")


@pytest.mark.parametrize(
    ("cursor", "unreadable", "says"),
    [
        ("next", 0, "Nothing on this page fits, but more pages follow; go on with cursor."),
        ("next", 1, "go on with cursor. 1 more of the broker's rows cannot be read"),
        ("", 0, ""),
    ],
)
async def test_empty_page_of_an_options_word_says_that_more_pages_follow(
    cursor: str, unreadable: int, says: str
) -> None:
    world = World()
    reply = PositionsTold(positions=(HELD,), at=NOW, cursor=cursor, unreadable=unreadable)
    world.bus.answers["ask.sandbox.positions"] = AskReply(
        data=msgspec.Raw(msgspec.json.encode(reply))
    )
    asked = {"account": "sandbox", "view": "now", "symbol": "AAPL261218C232.5"}
    async with world.client("auto") as client:
        answer = told(await client.call_tool("get_positions", asked))
    assert rows_of(answer["positions"]) == []
    note = answer.get("note", "")
    assert says in note
    assert bool(note) == bool(says)


@both_eras
async def test_balances_not_read_yet_are_not_shown_as_zero(mode: Mode) -> None:
    world = World()
    world.bus.answers["view.paper-1.balances"] = views.BalancesAnswer(
        as_of=AS_OF,
        observed_at=None,
        currency="",
        net_liquidation=None,
        buying_power=None,
        initial_margin=None,
        maintenance_margin=None,
        cash=(),
    )
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_balances", {"account": "paper-1"}))
    assert answer["environment"] == "paper"
    assert "not read yet" in answer["note"]
    assert "net_liquidation" not in answer


@both_eras
async def test_balances_name_the_currency_of_every_amount(mode: Mode) -> None:
    world = World()
    world.bus.answers["view.sandbox.balances"] = BALANCES
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_balances", {"account": "sandbox"}))
    assert answer["currency"] == "USD"
    assert answer["net_liquidation"] == "1000.10"
    assert rows_of(answer["cash"]) == [{"currency": "HKD", "balance": "7"}]


@both_eras
async def test_balances_name_the_figures_that_are_old_and_the_cash_that_is_no_currency(
    mode: Mode,
) -> None:
    world = World()
    world.bus.answers["view.sandbox.balances"] = msgspec.structs.replace(
        BALANCES,
        cash=(CashFigure(currency="USDT", balance=Decimal(7), available=None),),
        unread=(FigureKept(field="buying_power", detail="expected a number", known_at=NOW),),
    )
    async with world.client(mode) as client:
        answer = told(await client.call_tool("get_balances", {"account": "sandbox"}))
    assert answer["buying_power"] == "4000"
    assert answer["note"] == (
        "cash in USDT: 7, in no currency that is known here, so it counts for nothing; "
        "buying_power: expected a number, so the figure is that of 2026-11-22 15:30:00 UTC"
    )
