"""The broker's book: accounts, orders, fills, positions and cash, as the records say.

`apply` is the only way in, for a live change and for the replay at start alike; it takes every
record as true and checks nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import assert_never

import msgspec

from infra.sandbox.broker.records import (
    AccountKind,
    AccountOpened,
    Fill,
    NumberReserved,
    Order,
    OrderTraded,
    OrderWritten,
    PricesSet,
    Record,
    Side,
)

COST_STEP = Decimal("0.00000001")
# Tiger's ids are int64 above 2^53. An odd step makes most of them impossible to hold in a double,
# so that a client that reads ids as floats is found out.
ID_FIRST = 40130857465156608
ID_STEP = 1001


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds of one stock; negative when short."""

    quantity: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)  # of what is held, without fees; same sign as the quantity
    realized_pnl: Decimal = Decimal(0)


class OpenInterest(msgspec.Struct, frozen=True, kw_only=True):
    """What the open orders of one account on one stock still want, by side."""

    buy_quantity: Decimal = Decimal(0)
    buy_amount: Decimal = Decimal(0)
    sell_quantity: Decimal = Decimal(0)
    sell_amount: Decimal = Decimal(0)

    def plus(self, *, side: Side, quantity: Decimal, amount: Decimal) -> "OpenInterest":
        """Return the sum with one more want (or one fewer, with negative figures)."""
        if side == "BUY":
            return msgspec.structs.replace(
                self,
                buy_quantity=self.buy_quantity + quantity,
                buy_amount=self.buy_amount + amount,
            )
        return msgspec.structs.replace(
            self,
            sell_quantity=self.sell_quantity + quantity,
            sell_amount=self.sell_amount + amount,
        )


class ListingMark(msgspec.Struct, frozen=True, kw_only=True):
    """A point in the book's past: how many order versions and fills there were."""

    version_count: int
    fill_count: int


class Account:
    """One account's holdings and orders."""

    def __init__(self, *, tiger_id: str, account: str, kind: AccountKind) -> None:
        self.tiger_id = tiger_id
        self.account = account
        self.kind = kind
        self.cash: dict[str, Decimal] = {}
        self.opening_cash: Mapping[str, Decimal] = {}
        self.positions: dict[str, Position] = {}
        self.open_interest: dict[str, OpenInterest] = defaultdict(OpenInterest)
        self.order_ids: list[int] = []


class Book:
    """Everything the broker knows."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.versions: list[Order] = []
        self.open_ids: dict[str, dict[int, None]] = defaultdict(dict)  # by symbol, oldest first
        self.numbers: dict[str, int] = defaultdict(int)  # last reserved, by tiger_id
        self.prices_set: PricesSet | None = None
        self._ids_by_number: dict[tuple[str, int], int] = {}
        self._numbers_used: set[tuple[str, int]] = set()
        self._id_last = ID_FIRST

    def apply(self, record: Record) -> None:
        """Make a record true."""
        match record:
            case AccountOpened():
                account = Account(
                    tiger_id=record.tiger_id, account=record.account, kind=record.kind
                )
                account.cash, account.opening_cash = dict(record.cash), record.cash
                self.accounts[record.account] = account
            case NumberReserved():
                self.numbers[record.tiger_id] = record.order_number
            case OrderWritten():
                self._write(record.order)
            case OrderTraded():
                self._write(record.order)
                self._settle(record.fill)
            case PricesSet():
                self.prices_set = record
            case _:
                assert_never(record)

    def next_id(self) -> int:
        """Return an id that no order and no fill has yet; applying a record uses it up."""
        return self._id_last + ID_STEP

    def next_number(self, tiger_id: str) -> int:
        """Return the order number after the last reserved one that no order of the user has."""
        number = self.numbers[tiger_id] + 1
        while (tiger_id, number) in self._numbers_used:
            number += 1
        return number

    def find(
        self, account: str, *, global_id: int | None, order_number: int | None
    ) -> Order | None:
        """Return an account's order by either of Tiger's ids."""
        if not global_id and order_number:
            global_id = self._ids_by_number.get((account, order_number))
        order = self.orders.get(global_id or 0)
        return order if order is not None and order.account == account else None

    def mark(self) -> ListingMark:
        """Return the present, to look back at later."""
        return ListingMark(version_count=len(self.versions), fill_count=len(self.fills))

    def orders_of(self, account: str, *, mark: ListingMark | None = None) -> list[Order]:
        """Return an account's orders as they are, or as they were at a mark."""
        if mark is None:
            return [self.orders[global_id] for global_id in self.accounts[account].order_ids]
        past = {
            order.global_id: order
            for order in self.versions[: mark.version_count]
            if order.account == account
        }
        return list(past.values())

    def fills_of(self, account: str, *, mark: ListingMark | None = None) -> list[Fill]:
        """Return an account's fills, all or those up to a mark."""
        fills: Iterable[Fill] = self.fills if mark is None else self.fills[: mark.fill_count]
        return [fill for fill in fills if fill.account == account]

    def _write(self, order: Order) -> None:
        account, before = self.accounts[order.account], self.orders.get(order.global_id)
        if before is None:
            account.order_ids.append(order.global_id)
            # With duplicates allowed, the number keeps leading to the first order that had it.
            self._ids_by_number.setdefault((order.account, order.order_number), order.global_id)
            self._numbers_used.add((order.tiger_id, order.order_number))
            self._id_last = max(self._id_last, order.global_id)
        else:
            self._count_open(account, before, sign=-1)
        self.orders[order.global_id] = order
        self.versions.append(order)
        if order.is_open:
            self._count_open(account, order, sign=1)
            self.open_ids[order.symbol][order.global_id] = None
        else:
            self.open_ids[order.symbol].pop(order.global_id, None)

    def _count_open(self, account: Account, order: Order, *, sign: int) -> None:
        if not order.is_open:
            return
        quantity = order.remaining_quantity * sign
        # A market order rests only under a fill cap; it is worth what it has paid so far.
        price = order.limit_price or (
            order.filled_amount / order.filled_quantity if order.filled_quantity else Decimal(0)
        )
        account.open_interest[order.symbol] = account.open_interest[order.symbol].plus(
            side=order.side, quantity=quantity, amount=quantity * price
        )

    def _settle(self, fill: Fill) -> None:
        account = self.accounts[fill.account]
        sign = 1 if fill.side == "BUY" else -1
        cash = account.cash.get(fill.currency, Decimal(0))
        account.cash[fill.currency] = cash - sign * fill.amount - fill.fee
        position = account.positions.get(fill.symbol, Position())
        account.positions[fill.symbol] = position_after(
            position, signed_quantity=sign * fill.quantity, price=fill.price
        )
        self.fills.append(fill)
        self._id_last = max(self._id_last, fill.fill_id)


def position_after(position: Position, *, signed_quantity: Decimal, price: Decimal) -> Position:
    """Return a position after a trade, at average cost; a sale has a negative quantity."""
    held = position.quantity
    if held * signed_quantity >= 0:
        return msgspec.structs.replace(
            position,
            quantity=held + signed_quantity,
            cost=position.cost + signed_quantity * price,
        )
    closed = min(abs(held), abs(signed_quantity)).copy_sign(held)
    # The part of the cost that leaves is rounded (half even, to COST_STEP); the rest stays exact.
    closed_cost = (
        position.cost
        if closed == held
        else (position.cost * closed / held).quantize(COST_STEP, ROUND_HALF_EVEN)
    )
    opened = signed_quantity + closed
    return Position(
        quantity=held + signed_quantity,
        cost=position.cost - closed_cost + opened * price,
        realized_pnl=position.realized_pnl + closed * price - closed_cost,
    )
