"""The exchange and the broker's desk: takes, fills, cancels and changes orders.

An object without sockets, clock or chance: time is handed in, prices come from a seed, and every
change leaves as a record before it is true. The same calls give the same records, for ever.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.attached import attach
from infra.sandbox.broker.book import Book
from infra.sandbox.broker.changes import apply_change, refuse_change
from infra.sandbox.broker.checks import (
    OrderRefusedError,
    contract_of,
    late_reason,
    refuse_order,
    with_adjusted_limit,
)
from infra.sandbox.broker.corporate import apply_action
from infra.sandbox.broker.desk import Desk
from infra.sandbox.broker.due import settle_due
from infra.sandbox.broker.groups import refuse_group
from infra.sandbox.broker.liquidity import Taken
from infra.sandbox.broker.matching import work
from infra.sandbox.broker.records import (
    AccountOpened,
    CorporateAction,
    Order,
    OrderChange,
    OrderRequest,
    OrderTerms,
    OrderWritten,
    Record,
    Status,
)
from infra.sandbox.broker.rounds import run_round, run_tick
from infra.sandbox.broker.triggers import trailed
from infra.sandbox.logins.files import AccountKind
from infra.sandbox.market.instruments import Instrument, find
from infra.sandbox.market.prices import Prices
from infra.sandbox.settings import Settings

OPENING_CASH: Mapping[AccountKind, Mapping[str, Decimal]] = {
    "prime": {"USD": Decimal(500_000), "HKD": Decimal(2_000_000)},
    "paper": {"USD": Decimal(1_000_000), "HKD": Decimal(1_000_000)},
}


class Engine:
    """The broker without its wire.

    `listeners` are called with each record after it became true, in the order they were added.

    Args:
        seed: of the price process.
        save: called with each record before it is applied.
        commit: called at the end of each call that saved something; when it returns, that is kept.
    """

    def __init__(
        self,
        *,
        seed: int,
        save: Callable[[Record], None],
        commit: Callable[[], None] = lambda: None,
    ) -> None:
        self._desk = Desk(seed=seed, save=save, commit=commit)
        self.listeners = self._desk.listeners

    @property
    def book(self) -> Book:
        """What the broker knows."""
        return self._desk.book

    @property
    def prices(self) -> Prices:
        """Where everything trades."""
        return self._desk.prices

    @property
    def settings(self) -> Settings:
        """The switches."""
        return self._desk.settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._desk.settings = settings

    def restore(self, record: Record) -> None:
        """Make a stored record true again, at start."""
        self._desk.restore(record)

    def open_account(self, *, tiger_id: str, account: str, kind: AccountKind) -> None:
        """Open an account with its opening cash, once."""
        if account not in self.book.accounts:
            self.keep(
                AccountOpened(
                    tiger_id=tiger_id, account=account, kind=kind, cash=OPENING_CASH[kind]
                )
            )

    def reserve_number(self, tiger_id: str) -> int:
        """Hand out the user's next order number."""
        with self._desk.act():
            return self._desk.reserve_number(tiger_id)

    def check(self, request: OrderRequest, now: datetime) -> str | None:
        """Return why an order would be refused or rejected, or none; nothing is done."""
        self._desk.see_day(now)
        request = with_adjusted_limit(request)
        try:
            refuse_order(request, self._desk, now)
        except OrderRefusedError as error:
            return error.text
        return late_reason(request)

    def place(self, request: OrderRequest, now: datetime, *, reject: str | None = None) -> Order:
        """Take an order, and fill what the book gives at once.

        Args:
            reject: reject the order after taking it, with this remark.

        Raises:
            OrderRefusedError: nothing was taken.
        """
        self._desk.see_day(now)
        self._refuse_duplicate(request)
        request = with_adjusted_limit(request)
        refuse_order(request, self._desk, now)
        with self._desk.act():
            order = self._take(request, now, oca_group=0)
            if order.attached:
                attach(self._desk, order, now)
            return self._start(order, now, reject=reject)

    def place_oca(self, requests: Sequence[OrderRequest], now: datetime) -> tuple[Order, ...]:
        """Take orders of which the first to fill cancels the others, in the order given.

        Raises:
            OrderRefusedError: nothing was taken.
        """
        self._desk.see_day(now)
        refuse_group(requests)
        adjusted = [with_adjusted_limit(request) for request in requests]
        for request in adjusted:
            self._refuse_duplicate(request)
            refuse_order(request, self._desk, now)
        group, taken = self.book.next_id(), []
        with self._desk.act():
            for request in adjusted:
                taken.append(self._take(request, now, oca_group=group))
            for order in taken:
                self._start(self.book.orders[order.global_id], now, reject=None)
        return tuple(self.book.orders[order.global_id] for order in taken)

    def cancel(self, order: Order, now: datetime) -> Order:
        """Take a cancel request; repeating one for a cancelled order changes nothing.

        Raises:
            OrderRefusedError: the order is over, and not by a cancel; or an auction holds it.
        """
        if order.status == "Cancelled" or order.cancel_status == "RECEIVED":
            return order
        if not order.is_open or self._desk.is_fixed(order, now):
            raise OrderRefusedError("bad_request", "The order can not be cancelled now")
        with self._desk.act():
            asked = self._desk.write(msgspec.structs.replace(order, cancel_status="RECEIVED"), now)
            if self.settings.defer_cancels:
                return asked
            return self._desk.close(asked, "Cancelled", now)

    def modify(self, order: Order, now: datetime, change: OrderChange) -> Order:
        """Take new terms for an open order.

        Raises:
            OrderRefusedError: the order stays as it was.
        """
        refuse_change(self._desk, order, change, now)
        with self._desk.act():
            asked = self._desk.write(
                msgspec.structs.replace(order, replace_status="RECEIVED", change=change), now
            )
            return asked if self.settings.defer_modifies else apply_change(self._desk, asked, now)

    def advance(self, now: datetime, *, step_count: int) -> None:
        """Move prices this many steps; after each, match and settle what was deferred. 0 steps
        only match and settle."""
        with self._desk.act():
            self._desk.see_day(now)
            for _ in range(step_count):
                moved = self.prices.next_prices()
                self.prices.set_all(moved, step_count=self.prices.step_count + 1)
                run_round(self._desk, now)
            if step_count == 0:
                run_round(self._desk, now)
            settle_due(self._desk, now)

    def tick(self, now: datetime) -> None:
        """Let time pass without a move of prices: orders lapse, slices come due, sessions open."""
        with self._desk.act():
            run_tick(self._desk, now)
            settle_due(self._desk, now)

    def settle(self, now: datetime) -> None:
        """Do what falls due by the clock: transfers arrive, options are used, contracts end."""
        with self._desk.act():
            settle_due(self._desk, now)

    def set_price(self, symbol: str, price: Decimal, now: datetime) -> None:
        """Put one contract at a price, keep it over restarts, and match what depends on it.

        Args:
            symbol: the contract's key.

        Raises:
            OrderRefusedError: no such contract, or no such price.
        """
        if find(symbol) is None or not self.prices.is_valid(symbol, price):
            raise OrderRefusedError("bad_request", f"no price {price} for {symbol}")
        with self._desk.act():
            self._desk.see_day(now)
            self.prices.set_all({symbol: price}, step_count=self.prices.step_count)
            self._desk.keep_prices()
            run_round(self._desk, now, key=symbol)

    def apply_corporate_action(self, action: CorporateAction, now: datetime) -> None:
        """Pay a dividend, or split a stock: holdings, cash and price follow; open orders end.

        Raises:
            OrderRefusedError: no such stock, or no such ratio or amount.
        """
        with self._desk.act():
            apply_action(self._desk, action, now)
            self._desk.keep_prices()

    def fill(self, order: Order, now: datetime, *, quantity: Decimal, price: Decimal) -> Order:
        """Fill a part of an open order, or all of it, whatever the market says.

        Raises:
            OrderRefusedError: the order is over, of legs, by amount, or wants less.
        """
        if not order.is_live or order.legs or not 0 < quantity <= order.remaining_quantity:
            raise OrderRefusedError("bad_request", f"can not fill {quantity} of the order")
        with self._desk.act():
            return self._desk.fill(order, Taken(price=price, quantity=quantity), now)

    def end(self, order: Order, status: Status, now: datetime, *, remark: str = "") -> Order:
        """End an open order from the broker's side.

        Raises:
            OrderRefusedError: the order is over.
        """
        if not order.is_open:
            raise OrderRefusedError("bad_request", "The order is over")
        with self._desk.act():
            return self._desk.close(order, status, now, remark=remark)

    def keep(self, record: Record) -> None:
        """Store a fact that came from outside, and make it true."""
        with self._desk.act():
            self._desk.record(record)

    def keep_prices(self) -> None:
        """Store where everything trades, so that a restart goes on from there."""
        with self._desk.act():
            self._desk.keep_prices()

    def _refuse_duplicate(self, request: OrderRequest) -> None:
        if not request.order_number or self.settings.duplicate_orders == "accept":
            return
        twin = self.book.find(request.account, global_id=None, order_number=request.order_number)
        if twin is not None:
            kind = self.settings.duplicate_orders
            raise OrderRefusedError(
                "duplicate" if kind == "refuse_1100" else "bad_request", "TRADE DUPLICATE ORDER ID"
            )

    def _start(self, order: Order, now: datetime, *, reject: str | None) -> Order:
        if not order.is_live:
            return order
        remark = reject if reject is not None else late_reason(order)
        if remark is not None:
            return self._desk.close(order, "Invalid", now, remark=remark)
        return work(self._desk, order, now, is_incoming=True)

    def _take(self, request: OrderRequest, now: datetime, *, oca_group: int) -> Order:
        item = contract_of(request)
        assert item is not None, "the contract of an order was checked before"
        number = request.order_number or 0
        if request.external_id is None and not number:
            number = self.reserve_number(request.tiger_id)
        order = Order(
            **{name: getattr(request, name) for name in TERM_NAMES},
            global_id=self.book.next_id(),
            order_number=number,
            external_id=str(number) if request.external_id is None else request.external_id,
            status="PendingSubmit",
            opened_at=now,
            updated_at=now,
            status_changed_at=now,
            oca_group=oca_group,
            sec_type="MLEG" if request.legs else item.sec_type,
            multiplier=item.multiplier,
            lapses_at=self._desk.hours.lapses_at(request, item, now),
            trail_stop_price=self._trail_stop(request, item),
            volume_mark=self._volume_mark(request),
            is_closing=self._is_closing(request),
        )
        self._desk.record(OrderWritten(order=order))
        return order

    def _trail_stop(self, request: OrderRequest, item: Instrument) -> Decimal | None:
        if request.order_type != "TRAIL":
            return None
        last = self.prices.last(request.contract_key)
        return trailed(request, request.trail_stop_price, last, item)

    def _is_closing(self, request: OrderRequest) -> bool:
        if request.legs:
            return False
        position = self.book.accounts[request.account].positions.get(request.contract_key)
        held = Decimal(0) if position is None else position.quantity
        return held < 0 if request.side == "BUY" else held > 0

    def _volume_mark(self, request: OrderRequest) -> int | None:
        if request.order_type != "VWAP":
            return None
        return self.prices.volume_ever


TERM_NAMES = OrderTerms.__struct_fields__
