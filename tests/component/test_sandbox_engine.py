"""The engine without a wire: what must hold whatever is asked of it, in any order."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.sandbox.broker.book import Position, position_after
from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.records import (
    Order,
    OrderChange,
    OrderRequest,
    OrderTraded,
    OrderWritten,
    Record,
)
from infra.sandbox.market.futures import SPOTS
from infra.sandbox.market.instruments import CATALOGUE, is_on_tick
from infra.sandbox.market.prices import Prices
from infra.sandbox.settings import Settings

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
ACCOUNT, TIGER_ID = "51", "2015"
SYMBOLS = ("AAPL", "NVDA", "00700")


class Place(msgspec.Struct, frozen=True):
    symbol: str
    side: str
    lots: int
    limit_ticks: int | None  # away from the base price; none: at the market


class Cancel(msgspec.Struct, frozen=True):
    pick: int


class Modify(msgspec.Struct, frozen=True):
    pick: int
    lots: int
    limit_ticks: int


class Move(msgspec.Struct, frozen=True):
    step_count: int


class Cap(msgspec.Struct, frozen=True):
    quantity: int | None
    defer_cancels: bool


Step = Place | Cancel | Modify | Move | Cap
ticks = st.integers(-40, 40)
steps = st.lists(
    st.one_of(
        st.builds(
            Place,
            st.sampled_from(SYMBOLS),
            st.sampled_from(["BUY", "SELL"]),
            st.integers(1, 2000),
            st.none() | ticks,
        ),
        st.builds(Cancel, st.integers(0, 20)),
        st.builds(Modify, st.integers(0, 20), st.integers(1, 2000), ticks),
        st.builds(Move, st.integers(0, 20)),
        st.builds(Cap, st.none() | st.integers(1, 300), st.booleans()),
    ),
    max_size=25,
)


def limit_at(symbol: str, away: int) -> Decimal:
    # Twice the base tick is legal on both sides of every border the price can reach.
    return CATALOGUE[symbol].base_price + away * (1 if symbol == "00700" else Decimal("0.02"))


def started(records: list[Record], *, seed: int = 7) -> Engine:
    engine = Engine(seed=seed, save=records.append)
    engine.open_account(tiger_id=TIGER_ID, account=ACCOUNT, kind="prime")
    return engine


def request(symbol: str, side: str, quantity: int, limit: Decimal | None) -> OrderRequest:
    return OrderRequest(
        tiger_id=TIGER_ID,
        account=ACCOUNT,
        symbol=symbol,
        side="BUY" if side == "BUY" else "SELL",
        order_type="MKT" if limit is None else "LMT",
        quantity=Decimal(quantity),
        limit_price=limit,
    )


def picked(engine: Engine, number: int) -> Order | None:
    orders = engine.book.orders_of(ACCOUNT)
    return orders[number % len(orders)] if orders else None


def take(engine: Engine, step: Step, now: datetime) -> None:
    match step:
        case Place(symbol=symbol, side=side, lots=lots, limit_ticks=away):
            limit = None if away is None else limit_at(symbol, away)
            engine.place(request(symbol, side, lots * CATALOGUE[symbol].lot_size, limit), now)
        case Cancel(pick=pick):
            if (order := picked(engine, pick)) is not None:
                engine.cancel(order, now)
        case Modify(pick=pick, lots=lots, limit_ticks=away):
            if (order := picked(engine, pick)) is not None:
                quantity = Decimal(lots * CATALOGUE[order.symbol].lot_size)
                limit = limit_at(order.symbol, away)
                engine.modify(order, now, OrderChange(quantity=quantity, limit_price=limit))
        case Move(step_count=step_count):
            engine.advance(now, step_count=step_count)
        case Cap(quantity=quantity_max, defer_cancels=defer_cancels):
            engine.settings = Settings(
                fill_quantity_max=None if quantity_max is None else Decimal(quantity_max),
                defer_cancels=defer_cancels,
            )


def run(engine: Engine, story: list[Step]) -> None:
    for number, step in enumerate(story):
        try:
            take(engine, step, NOW + timedelta(seconds=number))
        except OrderRefusedError:
            # A refusal is an answer; what it must not do is change the book.
            continue


@settings(max_examples=150)
@given(steps)
def test_cash_and_positions_are_the_sum_of_the_fills(story: list[Step]) -> None:
    engine = started([])
    run(engine, story)
    account = engine.book.accounts[ACCOUNT]
    cash = defaultdict(Decimal, account.opening_cash)
    held: dict[str, Decimal] = defaultdict(Decimal)
    for fill in engine.book.fills_of(ACCOUNT):
        sign = 1 if fill.side == "BUY" else -1
        cash[fill.currency] -= sign * fill.price * fill.quantity + fill.fee
        held[fill.symbol] += sign * fill.quantity
    assert account.cash == cash
    assert {symbol: item.quantity for symbol, item in account.positions.items()} == held


@settings(max_examples=150)
@given(steps)
def test_no_order_fills_beyond_its_quantity_or_outside_its_limit(story: list[Step]) -> None:
    records: list[Record] = []
    engine = started(records)
    limits: dict[int, list[Decimal]] = defaultdict(list)
    run(engine, story)
    for record in records:
        if not isinstance(record, OrderWritten | OrderTraded):
            continue
        version = record.order
        assert 0 <= version.filled_quantity <= version.quantity
        assert (version.status == "Filled") == (version.filled_quantity == version.quantity)
        if version.limit_price is not None:
            limits[version.global_id].append(version.limit_price)
    filled: dict[int, Decimal] = defaultdict(Decimal)
    for fill in engine.book.fills:
        filled[fill.global_id] += fill.quantity
        if fill.side == "BUY":
            assert fill.price <= max(limits[fill.global_id], default=fill.price)
        else:
            assert fill.price >= min(limits[fill.global_id], default=fill.price)
        assert is_on_tick(CATALOGUE[fill.symbol], fill.price)
    for order in engine.book.orders.values():
        assert filled[order.global_id] == order.filled_quantity


@settings(max_examples=150)
@given(steps)
def test_replayed_records_give_the_same_book(story: list[Step]) -> None:
    records: list[Record] = []
    live = started(records)
    run(live, story)
    replayed = Engine(seed=7, save=lambda _: None)
    decoder = msgspec.json.Decoder(Record)
    for record in records:
        replayed.restore(decoder.decode(msgspec.json.encode(record)))
    assert replayed.book.orders == live.book.orders
    assert replayed.book.fills == live.book.fills
    assert replayed.book.accounts[ACCOUNT].cash == live.book.accounts[ACCOUNT].cash
    assert replayed.book.accounts[ACCOUNT].positions == live.book.accounts[ACCOUNT].positions
    assert replayed.book.next_id() == live.book.next_id()
    assert replayed.book.next_number(TIGER_ID) == live.book.next_number(TIGER_ID)


@settings(max_examples=50)
@given(steps)
def test_same_seed_and_calls_give_the_same_records(story: list[Step]) -> None:
    first: list[Record] = []
    second: list[Record] = []
    run(started(first), story)
    run(started(second), story)
    assert first == second


@settings(max_examples=150)
@given(steps)
def test_ids_of_orders_and_fills_are_used_once(story: list[Step]) -> None:
    engine = started([])
    run(engine, story)
    ids = [*engine.book.orders, *(fill.fill_id for fill in engine.book.fills)]
    assert len(set(ids)) == len(ids)


def test_open_orders_bind_margin_until_they_end() -> None:
    engine = started([])
    resting = engine.place(request("AAPL", "BUY", 3000, Decimal("200.00")), NOW)
    rest = request("AAPL", "BUY", 7000, Decimal("200.00"))
    with pytest.raises(OrderRefusedError):
        engine.place(rest, NOW)
    engine.cancel(resting, NOW)
    assert engine.place(rest, NOW).status == "PendingSubmit"


def test_prices_stay_on_their_ticks_and_near_their_base() -> None:
    prices, moving = Prices(seed=3, catalogue=CATALOGUE), {**CATALOGUE, **SPOTS}
    for step in range(2000):
        prices.set_all(prices.next_prices(), step_count=step + 1)
        for symbol, price in prices.snapshot().items():
            instrument = moving[symbol]
            assert is_on_tick(instrument, price)
            assert abs(price / instrument.base_price - 1) < Decimal("0.25")


def test_seeds_give_different_prices() -> None:
    one, other = (Prices(seed=seed, catalogue=CATALOGUE).next_prices() for seed in (1, 2))
    assert one != other


def test_position_that_turns_realizes_only_what_it_closed() -> None:
    long = Position(quantity=Decimal(3), cost=Decimal(300))
    turned = position_after(long, signed_quantity=Decimal(-5), price=Decimal(110))
    assert turned == Position(quantity=Decimal(-2), cost=Decimal(-220), realized_pnl=Decimal(30))


def test_fees_have_a_minimum_per_order() -> None:
    assert fees_due("US", quantity=Decimal(1), amount=Decimal(1)) == Decimal("1.99")
    assert fees_due("US", quantity=Decimal(1000), amount=Decimal(1)) == Decimal("7.90")
    assert fees_due("HK", quantity=Decimal(100), amount=Decimal(100_000)) == Decimal("45.00")
    assert fees_due("HK", quantity=Decimal(0), amount=Decimal(0)) == 0
