"""What becomes of holdings, requests and orders when a contract ends, on the clock alone."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from infra.sandbox.broker import exercise_desk
from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.desk_refusals import DeskRefusedError
from infra.sandbox.market.instruments import instrument_of
from tests.support.engine_world import CALL, FUTURE, NOW, PRIME, PUT, World

# 16:00 in New York on the options' last day, which is also the future's.
OPTIONS_END = datetime(2026, 12, 18, 21, tzinfo=UTC)
FUTURE_END = datetime(2026, 12, 18, 22, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def held(world: World) -> tuple[int, int]:
    """Return the options and the shares."""
    return int(world.held(CALL)), int(world.held())


def total(world: World, key: str = "AAPL") -> Decimal:
    """Return cash, with the cost of what is held less what it has won: it is never created."""
    account = world.engine.book.accounts[PRIME]
    fees = sum((fill.fee for fill in world.engine.book.fills), Decimal(0))
    worth = sum((item.cost - item.realized_pnl for item in account.positions.values()), fees)
    return account.cash["USD"] + worth


@pytest.mark.parametrize(
    ("key", "side", "last", "shares"),
    [
        (CALL, "BUY", "240.00", 200),
        (CALL, "SELL", "240.00", -200),
        (PUT, "BUY", "220.00", -200),
        (PUT, "SELL", "220.00", 200),
        (CALL, "BUY", "230.01", 200),
        (CALL, "BUY", "230.00", 0),
        (CALL, "BUY", "220.00", 0),
        (PUT, "SELL", "240.00", 0),
    ],
)
def test_option_in_the_money_delivers_at_its_end_and_any_other_lapses(
    key: str, side: str, last: str, shares: int
) -> None:
    world = World()
    world.place(side, "2", key=key)
    world.price(last)
    world.at(OPTIONS_END - SECOND)
    assert world.held(key) == (2 if side == "BUY" else -2)
    cash, before = world.cash(), total(world)
    world.at(OPTIONS_END)
    assert [world.held(key), world.held()] == [0, shares]
    assert world.cash() == cash - shares * 230
    assert total(world) == before
    assert len(world.engine.book.funds.entries_of(PRIME)) == (1 if shares else 0)
    records = len(world.records)
    world.later(days=1)
    assert len(world.records) == records
    assert world.replayed().book.accounts[PRIME].positions == (
        world.engine.book.accounts[PRIME].positions
    )


def test_future_is_paid_out_at_its_end_into_its_own_segment() -> None:
    world = World()
    world.fund("50000", segment="FUT")
    order = world.place("BUY", "1", symbol="ES", key=FUTURE)
    world.price("6700.00", key=FUTURE)
    world.at(FUTURE_END - SECOND)
    assert world.held(FUTURE) == 1
    world.at(FUTURE_END)
    last = world.engine.prices.last(FUTURE)
    won = (last - order.filled_amount) * 50
    assert world.held(FUTURE) == 0
    assert world.cash(segment="FUT") == 50_000 - order.commission + won
    assert world.engine.book.accounts[PRIME].positions[FUTURE].realized_pnl == won


def test_warrant_is_paid_out_in_cash() -> None:
    world = World(always_open=True)
    world.place("BUY", "10000", symbol="13719", key="13719")
    item = instrument_of("13719")
    assert item.expiry is not None
    assert item.strike is not None
    world.price(str(item.strike + 10), key="00700")
    cash = world.cash("HKD")
    world.at(datetime.combine(item.expiry, datetime.min.time(), UTC) + timedelta(hours=12))
    assert world.held("13719") == 0
    assert world.cash("HKD") - cash == 10_000 * 10 / item.conversion_ratio


def test_open_orders_end_with_their_contract_though_the_market_never_closes() -> None:
    world = World(always_open=True)
    option = world.place("BUY", "1", "0.05", key=CALL)
    legs = [
        {"key": "AAPL  261224C00240000", "side": "SELL", "ratio": 1},
        {"key": CALL, "side": "BUY", "ratio": 1},
    ]
    combo = world.place("BUY", "1", "-50", legs=legs)
    stock = world.place("BUY", "1", "100.00")
    world.at(OPTIONS_END - SECOND)
    assert world.order(combo).is_open
    world.at(OPTIONS_END)
    assert [world.order(item).status for item in (option, combo, stock)] == [
        "Inactive",
        "Inactive",
        "PendingSubmit",
    ]


@pytest.mark.parametrize("legs", [(), (CALL, "AAPL  261224C00240000")])
def test_ended_contract_takes_no_order(legs: tuple[str, ...]) -> None:
    world = World(always_open=True)
    world.at(OPTIONS_END)
    terms = {"legs": [{"key": key, "side": "BUY", "ratio": 1} for key in reversed(legs)]}
    with pytest.raises(OrderRefusedError, match="support trading"):
        world.place("BUY", "1", "0.05", **(terms if legs else {"key": CALL}))


def request(world: World, kind: str, day: date, quantity: int = 1) -> None:
    exercise_desk.submit(
        world.engine,
        world.engine.book.accounts[PRIME],
        instrument_of(CALL),
        kind="Exercise" if kind == "Exercise" else "Expire",
        quantity=Decimal(quantity),
        executing_on=day,
        itm_rate=0,
        is_force=False,
        now=world.now,
    )


def test_request_is_settled_by_the_clock_when_nobody_asks() -> None:
    world = World()
    world.place("BUY", "3", key=CALL)
    request(world, "Exercise", date(2026, 11, 23))
    world.at(datetime(2026, 11, 23, 4, 59, 59, tzinfo=UTC))
    assert held(world) == (3, 0)
    world.later(seconds=1)
    assert held(world) == (2, 100)


def test_who_asked_to_let_options_lapse_is_not_given_shares() -> None:
    world = World()
    world.place("BUY", "3", key=CALL)
    request(world, "Expire", date(2026, 12, 18), quantity=2)
    world.price("250.00")
    world.at(OPTIONS_END - SECOND)
    assert world.held(CALL) == 3
    world.at(OPTIONS_END)
    assert held(world) == (0, 100)
    with pytest.raises(DeskRefusedError):
        request(world, "Expire", date(2026, 12, 18))


def test_contract_that_ended_while_the_sandbox_was_down_is_settled_at_its_start() -> None:
    world = World()
    world.place("BUY", "1", key=CALL)
    world.price("250.00")
    twin = world.replayed()
    twin.tick(OPTIONS_END + timedelta(days=40))
    assert twin.book.accounts[PRIME].positions["AAPL"].quantity == 100
    assert world.now == NOW
