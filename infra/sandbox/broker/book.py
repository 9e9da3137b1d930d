"""The broker's book: accounts, orders, fills, positions and cash, as the records say.

`apply` is the only way in, for a live change and for the replay at start alike; it takes every
record as true and checks nothing.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import assert_never

import msgspec

from infra.sandbox.broker.fund_book import FundBook, paying_segment
from infra.sandbox.broker.interest import OpenInterest, interest_of, interest_sum
from infra.sandbox.broker.records import (
    AccountOpened,
    ComboTraded,
    ContractExpired,
    ExerciseWritten,
    Fill,
    ForexTraded,
    FundRecord,
    IdsSkipped,
    NumberReserved,
    Order,
    OrderTraded,
    OrderWritten,
    PositionChange,
    PositionMoved,
    PositionsTransferred,
    PricesSet,
    Record,
    Segment,
    SharesSplit,
)
from infra.sandbox.broker.resting import Resting
from infra.sandbox.logins.files import AccountKind
from infra.sandbox.market.instruments import instrument_of

COST_STEP = Decimal("0.00000001")
# Tiger's ids are int64 above 2^53. An odd step makes most of them impossible to hold in a double,
# so that a client that reads ids as floats is found out.
ID_FIRST = 40130857465156608
ID_STEP = 1001


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What an account holds of one contract; negative when short."""

    quantity: Decimal = Decimal(0)
    # Of what is held, with the multiplier and without fees; same sign as the quantity.
    cost: Decimal = Decimal(0)
    realized_pnl: Decimal = Decimal(0)


class Account:
    """One account's holdings and orders."""

    def __init__(self, *, tiger_id: str, account: str, kind: AccountKind) -> None:
        self.tiger_id = tiger_id
        self.account = account
        self.kind = kind
        self.cash: dict[str, Decimal] = {}  # of the securities segment
        self._other_cash: dict[Segment, dict[str, Decimal]] = defaultdict(dict)
        self.opening_cash: Mapping[str, Decimal] = {}
        self.positions: dict[str, Position] = {}
        self.open_interest: dict[str, OpenInterest] = defaultdict(OpenInterest)
        self.order_ids: list[int] = []

    def cash_of(self, segment: Segment) -> dict[str, Decimal]:
        """Return what a segment holds, by currency."""
        return self.cash if segment == "SEC" else self._other_cash[segment]

    def interest(self, key: str) -> OpenInterest:
        """Return what the open orders want of a contract."""
        return self.open_interest.get(key) or OpenInterest()


class Book:
    """Everything the broker knows."""

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.fills: list[Fill] = []
        self.open_ids: dict[str, dict[int, None]] = defaultdict(dict)  # by symbol, oldest first
        self.numbers: dict[str, int] = defaultdict(int)  # last reserved, by tiger_id
        self.resting = Resting()
        self.funds = FundBook()
        self._ids_by_number: dict[tuple[str, int], int] = {}
        self._numbers_used: set[tuple[str, int]] = set()
        self._id_last = ID_FIRST
        self._groups: dict[int, dict[int, None]] = defaultdict(dict)  # live members, by OCA group
        self._children: dict[int, list[int]] = defaultdict(list)  # attached legs, by parent

    def apply(self, record: Record) -> None:
        """Make a record true."""
        if isinstance(record, FundRecord):
            self._apply_funds(record)
            return
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
            case ComboTraded():
                self._write(record.order)
                for fill in record.fills:
                    self._settle(fill)
            case SharesSplit():
                self._split(record)
            case PricesSet():
                # Where contracts trade is no part of the book.
                return
            case IdsSkipped():
                self._id_last = max(self._id_last, record.id_last)
            case _:
                assert_never(record)

    def next_id(self, number: int = 0) -> int:
        """Return an id that no order and no fill has yet, or the one this many after it; applying
        a record uses it up."""
        return self._id_last + ID_STEP * (number + 1)

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

    def members_of(self, group: int) -> list[Order]:
        """Return the orders of a one-cancels-other group that are in the market, oldest first."""
        return [self.orders[global_id] for global_id in self._groups.get(group, ())]

    def children_of(self, parent_id: int) -> list[Order]:
        """Return the attached legs of an order."""
        return [self.orders[global_id] for global_id in self._children.get(parent_id, ())]

    def counted(self, order: Order) -> Order | None:
        """Return the order whose want stands for this one's: of a group only one can fill, so
        the largest binds what all of them do."""
        if not order.oca_group:
            return order
        return max(
            self.members_of(order.oca_group),
            key=lambda member: (member.remaining_quantity, -member.global_id),
            default=None,
        )

    def orders_of(self, account: str) -> list[Order]:
        """Return an account's orders, oldest first."""
        return [self.orders[global_id] for global_id in self.accounts[account].order_ids]

    def fills_of(self, account: str) -> list[Fill]:
        """Return an account's fills, oldest first."""
        return [fill for fill in self.fills if fill.account == account]

    def _apply_funds(self, record: FundRecord) -> None:
        if isinstance(record, ForexTraded):
            self._write(record.order)
            self.fills.append(record.fill)
        if isinstance(record, PositionsTransferred | ExerciseWritten | ContractExpired):
            for change in record.changes:
                self._adjust(change)
        if isinstance(record, PositionMoved):
            self._move(record)
        self._id_last = max(self._id_last, self.funds.apply(record, self.accounts))

    def _adjust(self, change: PositionChange) -> None:
        positions = self.accounts[change.account].positions
        before = positions.get(change.key, Position())
        positions[change.key] = Position(
            quantity=before.quantity + change.quantity,
            cost=before.cost + change.cost,
            realized_pnl=before.realized_pnl + change.realized_pnl,
        )

    def _move(self, record: PositionMoved) -> None:
        positions = self.accounts[record.account].positions
        positions[record.key] = position_after(
            positions.get(record.key, Position()),
            signed_quantity=record.quantity,
            price=record.price * instrument_of(record.key).multiplier,
        )

    def _write(self, order: Order) -> None:
        account, before = self.accounts[order.account], self.orders.get(order.global_id)
        self._count_open(account, order if before is None else before, sign=-1, is_new=not before)
        self.orders[order.global_id] = order
        self.resting.put(before, order)
        if before is None:
            self._enter(account, order)
        if order.oca_group:
            if order.is_live:
                self._groups[order.oca_group][order.global_id] = None
            else:
                self._groups[order.oca_group].pop(order.global_id, None)
        self._count_open(account, order, sign=1)
        if order.is_open:
            self.open_ids[order.symbol][order.global_id] = None
        else:
            self.open_ids[order.symbol].pop(order.global_id, None)

    def _enter(self, account: Account, order: Order) -> None:
        account.order_ids.append(order.global_id)
        # With duplicates allowed, the number keeps leading to the first order that had it.
        self._ids_by_number.setdefault((order.account, order.order_number), order.global_id)
        self._numbers_used.add((order.tiger_id, order.order_number))
        self._id_last = max(self._id_last, order.global_id)
        if order.parent_id:
            self._children[order.parent_id].append(order.global_id)

    def _count_open(
        self, account: Account, order: Order, *, sign: int, is_new: bool = False
    ) -> None:
        # A new order counts for nothing yet, but the group it joins does.
        counted = None if is_new and not order.oca_group else self.counted(order)
        if counted is None:
            return
        for key, wanted in interest_of(counted):
            account.open_interest[key] = interest_sum(account.open_interest[key], wanted, sign=sign)

    def _settle(self, fill: Fill) -> None:
        account, key = self.accounts[fill.account], fill.contract_key
        sign = 1 if fill.side == "BUY" else -1
        before = account.positions.get(key, Position())
        after = position_after(
            before, signed_quantity=sign * fill.quantity, price=fill.price * fill.multiplier
        )
        account.positions[key] = after
        # A future is a promise: only what is won or lost on it moves cash.
        is_future = fill.sec_type == "FUT"
        paid = before.realized_pnl - after.realized_pnl if is_future else sign * fill.amount
        cash = account.cash_of(paying_segment(fill.sec_type))
        cash[fill.currency] = cash.get(fill.currency, Decimal(0)) - paid - fill.fee
        self.fills.append(fill)
        self._id_last = max(self._id_last, fill.fill_id)

    def _split(self, record: SharesSplit) -> None:
        for account in self.accounts.values():
            position = account.positions.get(record.key)
            if position is not None:
                account.positions[record.key] = msgspec.structs.replace(
                    position, quantity=position.quantity * record.ratio
                )


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
