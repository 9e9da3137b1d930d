"""A round of the market looks at few of many open orders: it must miss none."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox.broker.records import Order, Side
from infra.sandbox.broker.resting import Resting
from tests.support.engine_world import NOW, World, change_of

prices = st.integers(1, 12).map(Decimal)
changes = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(["BUY", "SELL"]),
        prices,
        st.sampled_from(["PendingSubmit", "Initial", "Filled"]),
        st.sampled_from(["LMT", "STP_LMT"]),
        st.sampled_from(["NONE", "RECEIVED"]),
    ),
    max_size=40,
)


def order(number: int, side: Side, limit: Decimal, **terms: object) -> Order:
    plain = Order(
        tiger_id="1",
        account="51",
        symbol="AAPL",
        side=side,
        order_type="LMT",
        quantity=Decimal(1),
        limit_price=limit,
        global_id=number,
        order_number=number,
        external_id=str(number),
        status="PendingSubmit",
        opened_at=NOW,
        updated_at=NOW,
        status_changed_at=NOW,
    )
    return msgspec.structs.replace(plain, **terms)


@given(changes, prices, prices)
def test_what_the_market_reached_is_found_as_a_walk_over_all_finds_it(
    story: list[tuple[int, Side, Decimal, str, str, str]], lowest: Decimal, highest: Decimal
) -> None:
    resting, orders = Resting(), dict[int, Order]()
    for number, side, limit, status, kind, cancel_status in story:
        before = orders.get(number)
        if before is not None and not before.is_open:
            continue
        # An order keeps its side.
        after = order(
            number,
            side if before is None else before.side,
            limit,
            status=status,
            order_type=kind,
            cancel_status=cancel_status,
        )
        resting.put(before, after)
        orders[number] = after
    live = [item for item in orders.values() if item.is_live]
    sleeping = [item for item in live if item.order_type == "LMT" and item.cancel_status == "NONE"]
    reached = {
        item.global_id
        for item in sleeping
        if item.limit_price is not None
        and (item.limit_price >= lowest if item.side == "BUY" else item.limit_price <= highest)
    }
    found = list(resting.reached("AAPL", lowest=lowest, highest=highest))
    assert (len(found), set(found)) == (len(reached), reached)
    watched = {item.global_id for item in live if item not in sleeping}
    watched |= {
        item.global_id
        for item in orders.values()
        if item.status == "Initial" and item.cancel_status == "RECEIVED"
    }
    assert set(resting.watched()) == watched


def test_order_lapses_at_the_time_it_was_given_last() -> None:
    world = World(always_open=False)
    ends = [NOW + timedelta(days=days) for days in (20, 10)]
    orders = [
        world.place("BUY", "1", "100.00", time_in_force="GTD", expire_at=ends[0]) for _ in range(2)
    ]
    world.change(orders[0], expire_at=ends[1])
    world.at(ends[1] - timedelta(seconds=1))
    assert [world.order(item).status for item in orders] == ["PendingSubmit"] * 2
    world.at(ends[1])
    assert [world.order(item).status for item in orders] == ["Inactive", "PendingSubmit"]
    world.at(ends[0])
    assert world.order(orders[1]).status == "Inactive"


def test_order_that_is_given_more_time_does_not_lapse_before() -> None:
    world = World(always_open=False)
    end = NOW + timedelta(days=10)
    item = world.place("BUY", "1", "100.00", time_in_force="GTD", expire_at=end)
    world.engine.modify(
        world.order(item), world.now, change_of(item, expire_at=end + timedelta(days=1))
    )
    world.at(end)
    assert world.order(item).is_open


def test_order_kept_by_an_open_market_lapses_when_hours_count_again() -> None:
    world = World(always_open=True)
    item = world.place("BUY", "2", "100.00")
    world.at(datetime(2026, 12, 1, 15, tzinfo=UTC))
    assert world.order(item).is_open
    world.engine.fill(world.order(item), world.now, quantity=Decimal(1), price=Decimal(100))
    world.engine.settings = msgspec.structs.replace(world.engine.settings, always_open=False)
    world.later(seconds=1)
    assert world.order(item).status == "Inactive"


def test_leg_that_comes_to_life_in_a_round_has_its_turn_in_it() -> None:
    world = World()
    attached = [{"role": "PROFIT", "price": "224.00"}]
    parent = world.place("BUY", "5", "228.00", attached=attached)
    world.price("226.00")
    (leg,) = world.engine.book.children_of(parent.global_id)
    assert [world.order(parent).status, leg.status] == ["Filled", "Filled"]
