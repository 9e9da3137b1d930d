"""Money and holdings that nearly went missing: each test names the way."""

import resource
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import DividendPaid, OrderWritten, Record, TransferredItem
from infra.sandbox.broker.transfer_desk import transfer
from infra.sandbox.replica import Replicas
from infra.sandbox.store import BOOK_FILE, BookStore
from tests.support.engine_world import CALL, FUTURE, HIGHER_CALL, PRIME, TIGER_ID, World, request

LEGS = [
    {"key": CALL, "side": "BUY", "ratio": 1},
    {"key": HIGHER_CALL, "side": "SELL", "ratio": 1},
]


def test_option_that_comes_without_a_trade_costs_its_price_times_its_multiplier() -> None:
    world = World()
    world.bring(CALL, "2", "10.00")
    position = world.engine.book.accounts[PRIME].positions[CALL]
    assert (position.quantity, position.cost) == (Decimal(2), Decimal(2000))


def test_copy_without_an_order_of_legs_has_neither_the_order_nor_its_holdings() -> None:
    world = World()
    forgotten = world.place("BUY", "2", legs=LEGS)
    kept = world.place("BUY", "3")
    replicas = Replicas(
        engine=world.engine,
        make=lambda save: Engine(seed=7, save=save),
        records=lambda: world.records,
    )
    twin = replicas.copy(without=frozenset({forgotten.global_id}))
    assert list(twin.book.orders) == [kept.global_id]
    assert twin.book.accounts[PRIME].positions.keys() == {"AAPL"}
    assert twin.prices.state() == world.engine.prices.state()


def test_short_sale_that_rests_does_not_turn_a_holding_that_came_later_in_one_fill() -> None:
    world = World()
    sale = world.place("SELL", "10", "235.00")
    world.place("BUY", "4")
    world.price("240.00")
    assert world.order(sale).status == "Filled"
    fills = [fill for fill in world.engine.book.fills if fill.global_id == sale.global_id]
    assert [fill.quantity for fill in fills] == [4, 6]
    paid = world.engine.book.fills[0].price
    assert [fill.realized_pnl for fill in fills] == [4 * (Decimal(235) - paid), 0]
    assert world.held() == -6


@pytest.mark.parametrize(("left", "status"), [("3", "Invalid"), ("0", "Invalid"), ("8", "Filled")])
def test_sale_of_what_is_gone_by_then_ends_instead_of_opening_a_short(
    left: str, status: str
) -> None:
    world = World()
    world.place("BUY", "8")
    sale = world.place("SELL", "8", "235.00")
    if left != "8":
        world.bring("AAPL", str(Decimal(left) - 8), "230.00")
    world.price("240.00")
    ended = world.order(sale)
    assert (ended.status, ended.filled_quantity) == (status, Decimal(left))
    assert world.held() == 0


def test_attached_sale_never_sells_more_than_is_held() -> None:
    world = World()
    attached = [{"role": "PROFIT", "price": "240.00"}]
    parent = world.place("BUY", "5", "231.00", attached=attached)
    (leg,) = world.engine.book.children_of(parent.global_id)
    world.bring("AAPL", "-5", "230.00")
    world.price("245.00")
    assert [world.order(leg).status, world.held()] == ["Invalid", 0]


def test_dividend_is_a_movement_of_cash_of_each_who_holds_or_is_short() -> None:
    world = World()
    world.place("BUY", "100")
    world.place("SELL", "40", account="2152")
    action = DividendPaid(key="AAPL", currency="USD", amount=Decimal("0.25"), paid_at=world.now)
    world.engine.apply_corporate_action(action, world.now)
    funds = world.engine.book.funds
    for account, amount in ((PRIME, Decimal(25)), ("2152", Decimal(-10))):
        (entry,) = funds.entries_of(account)
        assert (entry.amount, entry.kind, entry.label, entry.key) == (
            amount,
            "CORPORATE_ACTION",
            "Cash Dividend",
            "AAPL",
        )
    assert world.replayed().book.accounts[PRIME].cash == world.engine.book.accounts[PRIME].cash


def test_holding_that_comes_to_a_short_one_loses_no_money() -> None:
    world = World()
    world.place("SELL", "10", account="2152")
    world.place("BUY", "4")
    accounts = world.engine.book.accounts
    before = sum(accounts[name].positions["AAPL"].cost for name in (PRIME, "2152"))
    items = [TransferredItem(key="AAPL", quantity=Decimal(4))]
    transfer(world.engine, accounts[PRIME], accounts["2152"], items, market="US", now=world.now)
    gone, short = (accounts[name].positions["AAPL"] for name in (PRIME, "2152"))
    assert [gone.quantity, gone.cost, short.quantity] == [0, 0, -6]
    # Six are short at the bid still; the four that came at the ask have lost the spread.
    assert [short.cost, short.realized_pnl] == [6 * Decimal("-229.99"), 4 * Decimal("-0.02")]
    assert short.cost - short.realized_pnl == before


@pytest.mark.parametrize("amount", ["0.0000001", "10.00500000001"])
def test_order_by_amount_is_no_finer_than_sums_can_hold(amount: str) -> None:
    with pytest.raises(OrderRefusedError, match="decimals"):
        World().place("BUY", "0", cash_amount=amount)


def test_legs_are_options_and_shares_only() -> None:
    world = World()
    legs = [{"key": CALL, "side": "BUY", "ratio": 1}, {"key": FUTURE, "side": "BUY", "ratio": 1}]
    with pytest.raises(OrderRefusedError, match="legs"):
        world.place("BUY", "1", legs=legs)


def stored(home: Path) -> tuple[BookStore, Engine]:
    store = BookStore(home)
    engine = Engine(seed=7, save=store.save, commit=store.commit)
    store.replay(engine.restore)
    engine.open_account(tiger_id=TIGER_ID, account=PRIME, kind="prime")
    return store, engine


def test_order_with_its_legs_is_on_disk_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    attached = [{"role": "PROFIT", "price": "240.00"}, {"role": "LOSS", "price": "220.00"}]
    store, engine = stored(tmp_path)
    engine.place(request("BUY", "1", "231.00", attached=attached), now)
    store.close()
    file = tmp_path / BOOK_FILE
    whole = file.read_bytes()
    # Whatever is cut off at the end: the order is there with both its legs and its fill, or is not.
    begin = whole[:-1].rfind(b"\n") + 1
    assert b'"type":"order.traded"' in whole[begin:]
    for size in range(begin, len(whole), 97):
        file.write_bytes(whole[:size])
        store, engine = stored(tmp_path)
        store.close()
        assert engine.book.orders == {}
    file.write_bytes(whole)
    store, engine = stored(tmp_path)
    store.close()
    assert [order.status for order in engine.book.orders.values()] == [
        "Filled",
        "PendingSubmit",
        "PendingSubmit",
    ]


def test_fill_and_the_cancels_that_follow_from_it_are_one_line(tmp_path: Path) -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    store, engine = stored(tmp_path)
    group = [request("BUY", "1", "200.00"), request("BUY", "1", "199.00")]
    engine.place_oca(group, now)
    engine.set_price("AAPL", Decimal("199.50"), now)
    store.close()
    lines = (tmp_path / BOOK_FILE).read_bytes().splitlines()
    act = msgspec.json.decode(lines[-1], type=list[Record])
    closed = [item.order.status for item in act if isinstance(item, OrderWritten)]
    assert closed == ["Cancelled"]
    assert len(act) == 3


def test_act_that_the_disk_had_no_room_for_spoils_no_line_and_is_written_with_the_next(
    tmp_path: Path,
) -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    store, engine = stored(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (tmp_path / BOOK_FILE).stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, limits[1]))
    try:
        with pytest.raises(OSError, match=r"write|large"):
            engine.place(request("BUY", "1", "200.00"), now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / BOOK_FILE).stat().st_size == room - 100
    engine.place(request("BUY", "2", "200.00"), now)
    store.close()
    store, twin = stored(tmp_path)
    store.close()
    assert twin.book.orders == engine.book.orders
    assert len(twin.book.orders) == 2


def test_account_without_cash_for_futures_is_told_no_and_keeps_its_book() -> None:
    world = World()
    before = len(world.records)
    with pytest.raises(OrderRefusedError):
        world.place("BUY", "1", symbol="ES", key=FUTURE)
    assert len(world.records) == before


def test_price_of_a_futures_trade_moves_only_what_was_won() -> None:
    world = World()
    world.fund("60000", segment="FUT")
    bought = world.place("BUY", "1", symbol="ES", key=FUTURE)
    world.price(str(bought.filled_amount - 20), key=FUTURE)
    sold = world.place("SELL", "1", symbol="ES", key=FUTURE)
    lost = (sold.filled_amount - bought.filled_amount) * 50
    assert [fill.realized_pnl for fill in world.engine.book.fills] == [0, lost]
    fees = bought.commission + sold.commission
    assert world.cash(segment="FUT") == 60_000 + lost - fees
