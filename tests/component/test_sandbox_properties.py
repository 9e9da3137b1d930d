"""What must hold of the engine after any sequence of orders, changes, prices and time.

Each run is also repeated from its calls, and its book is rebuilt from its records.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.records import (
    ComboTraded,
    Fill,
    Order,
    OrderTraded,
    OrderWritten,
    Record,
)
from infra.sandbox.market.instruments import find
from infra.sandbox.market.sessions import session_at
from tests.support.engine_acts import CONTRACTS, encoded, perform
from tests.support.engine_world import CALL, World

REGULAR_ONLY = ("MKT", "STP", "TRAIL", "TWAP", "VWAP")
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
        self.twin: World | None = None  # began again from the records
        self.twin_begin = 0

    def do(self, name: str, *arguments: Any) -> None:
        self.calls.append((name, arguments))
        perform(self.watch.world, name, arguments)
        if self.twin is not None:
            perform(self.twin, name, arguments)

    @rule()
    def restart(self) -> None:
        # Prices that nothing was recorded at are lost but in an orderly stop; a restart ends with
        # a round of the market, in which its book is whole again.
        self.do("keep_prices")
        self.twin = self.watch.world.restarted()
        self.do("advance", 0)
        self.twin_begin = len(self.watch.world.records)
        self.twin.records.clear()

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

    @rule(
        key=st.sampled_from(["AAPL", "00700", CALL]),
        count=st.integers(-20, 20).filter(bool),
        at=away,
    )
    def bring(self, key: str, count: int, at: int) -> None:
        self.do("bring", key, count, at)

    @rule(count=st.integers(1, 9), days=st.integers(0, 3))
    def exercise(self, count: int, days: int) -> None:
        self.do("exercise", count, days)

    @rule(days=st.integers(1, 40))
    def sleep(self, days: int) -> None:
        self.do("wait", days * 1440)

    @rule(symbol=st.sampled_from(["AAPL", "00700"]), amount=st.integers(1, 300))
    def dividend(self, symbol: str, amount: int) -> None:
        self.do("dividend", symbol, amount)

    @rule(amount=st.integers(1, 90_000), to_futures=flags)
    def transfer(self, amount: int, to_futures: bool) -> None:
        self.do("transfer", amount, to_futures)

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
            assert self.watch.money_of(account) == self.watch.paid_in(account)

    @invariant()
    def nothing_fills_beyond_what_was_asked(self) -> None:
        for order in self.watch.world.engine.book.orders.values():
            if order.cash_amount is None:
                assert 0 <= order.filled_quantity <= order.quantity
                assert (order.status == "Filled") == (order.filled_quantity == order.quantity)
            else:
                assert 0 <= order.filled_amount <= order.cash_amount

    @invariant()
    def an_order_is_the_sum_of_its_fills(self) -> None:
        book = self.watch.world.engine.book
        sums: dict[int, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 2)
        for fill in book.fills:
            fees, won = sums[fill.global_id]
            sums[fill.global_id] = [fees + fill.fee, won + fill.realized_pnl]
        for order in book.orders.values():
            assert [order.commission, order.realized_pnl] == sums[order.global_id]

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
    def a_sale_of_what_was_held_opens_no_short(self) -> None:
        assert self.watch.turned == []

    @invariant()
    def every_open_order_is_where_a_round_finds_it(self) -> None:
        book = self.watch.world.engine.book
        found = [*book.resting.watched()]
        for key in sorted(book.resting.contracts()):
            found += book.resting.reached(key, lowest=Decimal(0), highest=Decimal(10) ** 9)
        live = {order.global_id for order in book.orders.values() if order.is_live}
        assert len(found) == len(set(found))
        assert live <= set(found)
        assert all(book.orders[order_id].is_open for order_id in found)

    @invariant()
    def what_began_again_goes_on_in_the_same_way(self) -> None:
        if self.twin is not None:
            ours = self.watch.world.records[self.twin_begin :]
            assert encoded(self.twin.records) == encoded(ours)

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
            assert other.cash_of("FUT") == account.cash_of("FUT")
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
        self.held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.turned: list[Fill] = []
        world.engine.listeners.append(self.see)

    def see(self, record: Record) -> None:
        self._see_sides(record)
        self.held = defaultdict(Decimal)
        for account in self.world.engine.book.accounts.values():
            for key, position in account.positions.items():
                self.held[account.account, key] = position.quantity
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

    def _see_sides(self, record: Record) -> None:
        # An order of legs trades all of each leg at once.
        if not isinstance(record, OrderTraded):
            return
        order, fill = record.order, record.fill
        before = self.held[fill.account, fill.contract_key]
        after = before + (fill.quantity if fill.side == "BUY" else -fill.quantity)
        is_opening = abs(after) > abs(before)
        is_bound = order.parent_id or (order.is_closing and order.side == "SELL")
        if before * after < 0 or (is_opening and is_bound):
            self.turned.append(fill)

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
        for currency, amount in account.cash_of("FUT").items():
            money[currency] += amount
        for key, position in account.positions.items():
            item = find(key)
            assert item is not None
            # A future costs nothing to hold.
            money[item.currency] += Decimal(0) if item.sec_type == "FUT" else position.cost
            money[item.currency] -= position.realized_pnl
        for fill in self.world.engine.book.fills_of(account.account):
            money[fill.currency] += fill.fee
        return dict(money)

    def paid_in(self, account: Account) -> dict[str, Decimal]:
        """Return what came into an account that no trade explains: cash, and what holdings that
        came without one had cost."""
        money = defaultdict(Decimal, account.opening_cash)
        funds = self.world.engine.book.funds
        for entry in funds.entries_of(account.account):
            if entry.kind in ("DEPOSIT_WITHDRAW", "CORPORATE_ACTION"):
                money[entry.currency] += entry.amount
        for move in funds.position_moves:
            item = find(move.key)
            assert item is not None
            if move.account == account.account:
                money[item.currency] += move.quantity * move.price * item.multiplier
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


TestExchange = Exchange.TestCase
TestExchange.settings = settings(max_examples=40, stateful_step_count=40)
