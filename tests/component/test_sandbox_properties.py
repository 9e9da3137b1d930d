"""What must hold of the engine after any sequence of orders, changes, prices and time.

Each run is also repeated from its calls, and its book is rebuilt from its records.
"""

from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.records import ComboTraded, Fill, Order, OrderTraded, OrderWritten, Record
from infra.sandbox.market.instruments import find
from infra.sandbox.market.sessions import session_at
from infra.sandbox.settings import Settings
from tests.support.engine_world import CALL, FUTURE, HIGHER_CALL, PRIME, World, change_of, request

REGULAR_ONLY = ("MKT", "STP", "TRAIL", "TWAP", "VWAP")
CONTRACTS: dict[str, dict[str, Any]] = {
    "AAPL": {"symbol": "AAPL"},
    "00700": {"symbol": "00700"},
    CALL: {"symbol": "AAPL", "key": CALL},
    FUTURE: {"symbol": "ES", "key": FUTURE},
}
STEPS = {"AAPL": "0.02", "00700": "1", CALL: "0.05", FUTURE: "0.25"}
contracts = st.sampled_from(sorted(CONTRACTS))
sides = st.sampled_from(["BUY", "SELL"])
lots = st.integers(1, 900)
away = st.integers(-30, 30)
picks = st.integers(0, 30)
flags = st.booleans()


class Exchange(RuleBasedStateMachine):
    """An engine under every kind of call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.watch = Watch(World())

    def do(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, arguments))
        perform(self.watch.world, name, arguments)

    @rule(key=contracts, side=sides, count=lots, at=away, kind=st.sampled_from(["MKT", "LMT"]))
    def place(self, key: str, side: str, count: int, at: int, kind: str) -> None:
        self.do("place", key, side, count, kind, at, 0, {})

    @rule(
        side=sides,
        count=lots,
        at=away,
        distance=st.integers(1, 20),
        kind=st.sampled_from(["STP", "STP_LMT", "TRAIL"]),
        outside=flags,
    )
    def place_stop(
        self, side: str, count: int, at: int, distance: int, kind: str, outside: bool
    ) -> None:
        self.do("place", "AAPL", side, count, kind, at, distance, {"outside_rth": outside})

    @rule(
        side=sides, count=lots, minutes=st.integers(1, 30), kind=st.sampled_from(["TWAP", "VWAP"])
    )
    def place_algo(self, side: str, count: int, minutes: int, kind: str) -> None:
        self.do("place_algo", side, count, minutes, kind)

    @rule(side=sides, count=lots, at=away, shown=st.integers(1, 50))
    def place_iceberg(self, side: str, count: int, at: int, shown: int) -> None:
        terms = {"iceberg": {"display_size": str(shown)}}
        self.do("place", "AAPL", side, count, "ICEBERG", at, 0, terms)

    @rule(side=sides, amount=st.integers(1, 50_000), at=st.none() | away)
    def place_amount(self, side: str, amount: int, at: int | None) -> None:
        self.do("place_amount", side, amount, at)

    @rule(side=sides, count=lots, at=away, trails=flags, both=flags)
    def place_attached(self, side: str, count: int, at: int, trails: bool, both: bool) -> None:
        self.do("place_attached", side, count, at, trails, both)

    @rule(side=sides, count=lots, high=away, low=away)
    def place_group(self, side: str, count: int, high: int, low: int) -> None:
        self.do("place_group", side, count, high, low)

    @rule(side=sides, count=st.integers(1, 20), at=st.none() | away)
    def place_legs(self, side: str, count: int, at: int | None) -> None:
        self.do("place_legs", side, count, at)

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        self.do("cancel", pick)

    @rule(pick=picks, count=lots, at=away)
    def modify(self, pick: int, count: int, at: int) -> None:
        self.do("modify", pick, count, at)

    @rule(step_count=st.integers(0, 10))
    def advance(self, step_count: int) -> None:
        self.do("advance", step_count)

    @rule(key=contracts, at=away)
    def move(self, key: str, at: int) -> None:
        self.do("move", key, at)

    @rule(minutes=st.integers(1, 600))
    def wait(self, minutes: int) -> None:
        self.do("wait", minutes)

    @rule(cap=st.none() | st.integers(1, 300), cancels=flags, modifies=flags, is_open=flags)
    def switch(self, cap: int | None, cancels: bool, modifies: bool, is_open: bool) -> None:
        self.do("switch", cap, cancels, modifies, is_open)

    @invariant()
    def money_is_conserved(self) -> None:
        for account in self.watch.world.engine.book.accounts.values():
            assert self.watch.money_of(account) == dict(account.opening_cash)

    @invariant()
    def nothing_fills_beyond_what_was_asked(self) -> None:
        for order in self.watch.world.engine.book.orders.values():
            if order.cash_amount is None:
                assert 0 <= order.filled_quantity <= order.quantity
                assert (order.status == "Filled") == (order.filled_quantity == order.quantity)
            else:
                assert 0 <= order.filled_amount <= order.cash_amount

    @invariant()
    def one_of_a_group_fills(self) -> None:
        filled: dict[int, set[int]] = defaultdict(set)
        for order in self.watch.world.engine.book.orders.values():
            if order.oca_group and order.filled_quantity:
                filled[order.oca_group].add(order.global_id)
        assert all(len(members) == 1 for members in filled.values())

    @invariant()
    def legs_fill_no_more_than_their_parent(self) -> None:
        book = self.watch.world.engine.book
        filled: dict[int, Decimal] = defaultdict(Decimal)
        for order in book.orders.values():
            if order.parent_id:
                filled[order.parent_id] += order.filled_quantity
        for parent_id, quantity in filled.items():
            assert quantity <= book.orders[parent_id].filled_quantity

    @invariant()
    def open_interest_is_the_sum_over_open_orders(self) -> None:
        for account in self.watch.world.engine.book.accounts.values():
            found = {
                (key, side): quantity
                for key, interest in account.open_interest.items()
                for side, quantity in (
                    ("BUY", interest.buy_quantity),
                    ("SELL", interest.sell_quantity),
                )
                if quantity
            }
            assert found == self.watch.wanted_by(account)

    def teardown(self) -> None:
        world = self.watch.world
        book, twin = world.engine.book, world.replayed().book
        assert twin.orders == book.orders
        assert twin.fills == book.fills
        assert twin.open_ids == book.open_ids
        assert twin.next_id() == book.next_id()
        for name, account in book.accounts.items():
            other = twin.accounts[name]
            assert other.cash == account.cash
            assert other.positions == account.positions
            assert other.open_interest == account.open_interest
        again = World()
        for name, arguments in self.calls:
            perform(again, name, arguments)
        assert encoded(again.records) == encoded(world.records)


class Watch:
    """Sees every record as it becomes true, and holds the engine to its promises."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.closed: set[int] = set()
        self.spent: dict[int, tuple[Decimal, Decimal]] = {}
        world.engine.listeners.append(self.see)

    def see(self, record: Record) -> None:
        match record:
            case OrderWritten(order=order):
                assert order.global_id not in self.closed
            case OrderTraded(order=order, fill=fill):
                self._see_fill(order, fill)
                if order.limit_price is not None:
                    better = fill.price <= order.limit_price
                    assert better if fill.side == "BUY" else fill.price >= order.limit_price
            case ComboTraded(order=order, fills=fills):
                for fill in fills:
                    self._see_fill(order, fill)
                self._see_net(order)
            case _:
                return
        self.spent[order.global_id] = (order.filled_quantity, order.filled_amount)
        if not order.is_open:
            self.closed.add(order.global_id)

    def _see_fill(self, order: Order, fill: Fill) -> None:
        assert order.global_id not in self.closed
        assert fill.quantity > 0
        self._see_session(order, fill)

    def _see_net(self, order: Order) -> None:
        quantity, amount = self.spent.get(order.global_id, (Decimal(0), Decimal(0)))
        net = (order.filled_amount - amount) / (order.filled_quantity - quantity)
        if order.limit_price is not None:
            better = net <= order.limit_price
            assert better if order.side == "BUY" else net >= order.limit_price

    def _see_session(self, order: Order, fill: Fill) -> None:
        if self.world.engine.settings.always_open:
            return
        item = find(fill.contract_key)
        assert item is not None
        kind = session_at(item.market, fill.filled_at, sec_type=item.sec_type).kind
        is_extended = item.sec_type == "STK" and item.market == "US" and order.outside_rth
        is_regular_only = order.order_type in REGULAR_ONLY or order.cash_amount is not None
        if item.sec_type != "FUT" and (is_regular_only or not is_extended):
            assert kind == "regular"
        assert kind in ("pre", "regular", "post")

    def money_of(self, account: Account) -> dict[str, Decimal]:
        """Return what an account began with, reckoned from what it has: cash, fees paid, and the
        cost of what it holds less what it has won."""
        money = defaultdict(Decimal, account.cash)
        for key, position in account.positions.items():
            item = find(key)
            assert item is not None
            # A future costs nothing to hold.
            money[item.currency] += Decimal(0) if item.sec_type == "FUT" else position.cost
            money[item.currency] -= position.realized_pnl
        for fill in self.world.engine.book.fills_of(account.account):
            money[fill.currency] += fill.fee
        return dict(money)

    def wanted_by(self, account: Account) -> dict[tuple[str, str], Decimal]:
        """Return what open orders want, added up from nothing but the orders."""
        largest: dict[int, Order] = {}
        for order in self.world.engine.book.orders_of(account.account):
            if order.status != "PendingSubmit" or order.cash_amount is not None:
                continue
            group = order.oca_group or order.global_id
            kept = largest.get(group)
            if kept is None or order.remaining_quantity > kept.remaining_quantity:
                largest[group] = order
        wanted: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        for order in largest.values():
            if order.legs:
                for leg in order.legs:
                    side = leg.side if order.side == "BUY" else OTHER[leg.side]
                    wanted[leg.key, side] += order.remaining_quantity * leg.ratio
            else:
                wanted[order.contract_key, order.side] += order.remaining_quantity
        return dict(wanted)


OTHER = {"BUY": "SELL", "SELL": "BUY"}


def perform(world: World, name: str, arguments: tuple[Any, ...]) -> None:
    """Make one call; a refusal is an answer, and must have changed nothing."""
    world.now += timedelta(seconds=1)
    before = dict(world.engine.book.orders)
    try:
        ACTS[name](world, *arguments)
    except OrderRefusedError:
        assert world.engine.book.orders == before


def encoded(records: list[Record]) -> bytes:
    return b"\n".join(msgspec.json.encode(record) for record in records)


def _limit(world: World, key: str, at: int) -> str:
    item = find(key)
    assert item is not None
    base = world.engine.prices.last(key) if item.is_derivative else item.base_price
    if item.sec_type == "FUT":
        base = world.engine.prices.last(key)
    return str(max(Decimal(STEPS[key]), base + at * Decimal(STEPS[key])))


def _place(
    world: World,
    key: str,
    side: str,
    count: int,
    kind: str,
    at: int,
    distance: int,
    terms: dict[str, Any],
) -> None:
    item = find(key)
    assert item is not None
    limit = _limit(world, key, at) if kind in ("LMT", "STP_LMT", "ICEBERG") else None
    aux = str(distance) if kind == "TRAIL" else _limit(world, key, distance - 10)
    wanted = CONTRACTS[key] | {"order_type": kind} | terms
    if kind in ("STP", "STP_LMT", "TRAIL"):
        wanted |= {"aux_price": aux}
    world.place(side, str(count * item.lot_size), limit, **wanted)


def _place_algo(world: World, side: str, count: int, minutes: int, kind: str) -> None:
    end = world.now + timedelta(minutes=minutes)
    world.place(side, str(count), order_type=kind, algo={"end_at": end}, outside_rth=False)


def _place_amount(world: World, side: str, amount: int, at: int | None) -> None:
    limit = None if at is None else _limit(world, "AAPL", at)
    world.place(side, "0", limit, cash_amount=str(amount))


def _place_attached(world: World, side: str, count: int, at: int, trails: bool, both: bool) -> None:
    sign = 1 if side == "BUY" else -1
    profit = {"role": "PROFIT", "price": _limit(world, "AAPL", at + 15 * sign)}
    loss: dict[str, Any] = {"role": "LOSS"}
    loss |= (
        {"trailing_amount": "0.5"} if trails else {"price": _limit(world, "AAPL", at - 15 * sign)}
    )
    attached = [profit, loss] if both else [loss]
    world.place(side, str(count), _limit(world, "AAPL", at), attached=attached)


def _place_group(world: World, side: str, count: int, high: int, low: int) -> None:
    take: dict[str, Any] = {"order_type": "LMT", "limit_price": _limit(world, "AAPL", high)}
    stop: dict[str, Any] = {
        "order_type": "STP",
        "aux_price": _limit(world, "AAPL", low),
        "outside_rth": False,
    }
    requests = [request(side, str(count), **take), request(side, str(count + 5), **stop)]
    world.engine.place_oca(requests, world.now)


def _place_legs(world: World, side: str, count: int, at: int | None) -> None:
    legs = [
        {"key": CALL, "side": "BUY", "ratio": 1},
        {"key": HIGHER_CALL, "side": "SELL", "ratio": 2},
    ]
    limit = None if at is None else str(Decimal(at) / 10)
    world.place(side, str(count), limit, legs=legs)


def _picked(world: World, pick: int) -> Order | None:
    orders = world.engine.book.orders_of(PRIME)
    return orders[pick % len(orders)] if orders else None


def _cancel(world: World, pick: int) -> None:
    if (order := _picked(world, pick)) is not None:
        world.engine.cancel(order, world.now)


def _modify(world: World, pick: int, count: int, at: int) -> None:
    order = _picked(world, pick)
    if order is None:
        return
    item, terms = find(order.contract_key), {}
    assert item is not None
    if order.limit_price is not None and not order.legs:
        terms["limit_price"] = _limit(world, order.contract_key, at)
    change = change_of(order, quantity=str(count * item.lot_size), **terms)
    world.engine.modify(order, world.now, change)


def _move(world: World, key: str, at: int) -> None:
    world.price(_limit(world, key, at), key=key)


def _wait(world: World, minutes: int) -> None:
    world.at(world.now + timedelta(minutes=minutes))


def _switch(world: World, cap: int | None, cancels: bool, modifies: bool, is_open: bool) -> None:
    world.engine.settings = Settings(
        price_drift=False,
        fill_quantity_max=None if cap is None else Decimal(cap),
        defer_cancels=cancels,
        defer_modifies=modifies,
        always_open=is_open,
    )


def _advance(world: World, step_count: int) -> None:
    world.engine.advance(world.now, step_count=step_count)


ACTS: dict[str, Callable[..., None]] = {
    "place": _place,
    "place_algo": _place_algo,
    "place_amount": _place_amount,
    "place_attached": _place_attached,
    "place_group": _place_group,
    "place_legs": _place_legs,
    "cancel": _cancel,
    "modify": _modify,
    "advance": _advance,
    "move": _move,
    "wait": _wait,
    "switch": _switch,
}

TestExchange = Exchange.TestCase
TestExchange.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
