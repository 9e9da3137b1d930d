"""The exchange and the broker's desk: takes, fills, cancels and changes orders.

An object without sockets, clock or chance: time is handed in, prices come from a seed, and every
change leaves as a record before it is true. The same calls give the same records, for ever.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Book, Position, position_after
from infra.sandbox.broker.checks import OrderRefusedError, late_reason, refuse_order
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.records import (
    AccountKind,
    AccountOpened,
    Fill,
    NumberReserved,
    Order,
    OrderRequest,
    OrderTraded,
    OrderWritten,
    PricesSet,
    Record,
    Status,
)
from infra.sandbox.market.instruments import CATALOGUE
from infra.sandbox.market.prices import Prices
from infra.sandbox.settings import Settings

OPENING_CASH: Mapping[AccountKind, Mapping[str, Decimal]] = {
    "prime": {"USD": Decimal(500_000), "HKD": Decimal(2_000_000)},
    "paper": {"USD": Decimal(1_000_000), "HKD": Decimal(1_000_000)},
}


class Engine:
    """The broker without its wire.

    Args:
        seed: of the price process.
        save: called with each record before it is applied; when it returns, the record is kept.
    """

    def __init__(self, *, seed: int, save: Callable[[Record], None]) -> None:
        self.book = Book()
        self.prices = Prices(seed=seed, catalogue=CATALOGUE)
        self.settings = Settings()
        self._save = save

    def restore(self, record: Record) -> None:
        """Make a stored record true again, at start."""
        self.book.apply(record)
        if isinstance(record, PricesSet):
            self.prices.set_all(record.prices, step_count=record.step_count)

    def open_account(self, *, tiger_id: str, account: str, kind: AccountKind) -> None:
        """Open an account with its opening cash, once."""
        if account not in self.book.accounts:
            self._record(
                AccountOpened(
                    tiger_id=tiger_id, account=account, kind=kind, cash=OPENING_CASH[kind]
                )
            )

    def reserve_number(self, tiger_id: str) -> int:
        """Hand out the user's next order number."""
        number = self.book.next_number(tiger_id)
        self._record(NumberReserved(tiger_id=tiger_id, order_number=number))
        return number

    def check(self, request: OrderRequest) -> str | None:
        """Return why an order would be refused or rejected, or none; nothing is done."""
        try:
            refuse_order(request, self.book.accounts[request.account], self.prices)
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
        self._refuse_duplicate(request)
        refuse_order(request, self.book.accounts[request.account], self.prices)
        order = self._new_order(request, now)
        self._record(OrderWritten(order=order))
        remark = reject if reject is not None else late_reason(request)
        if remark is not None:
            return self._close(order, "Invalid", now, remark=remark)
        return self._match(order, now, is_incoming=True)

    def cancel(self, order: Order, now: datetime) -> Order:
        """Take a cancel request; repeating one for a cancelled order changes nothing.

        Raises:
            OrderRefusedError: the order is over, and not by a cancel.
        """
        if order.status == "Cancelled" or order.cancel_status == "RECEIVED":
            return order
        if not order.is_open:
            raise OrderRefusedError("bad_request", "The order can not be cancelled now")
        asked = msgspec.structs.replace(order, cancel_status="RECEIVED", updated_at=now)
        self._record(OrderWritten(order=asked))
        return asked if self.settings.defer_cancels else self._close(asked, "Cancelled", now)

    def modify(
        self, order: Order, now: datetime, *, quantity: Decimal, limit_price: Decimal | None
    ) -> Order:
        """Change an open order's quantity and limit.

        Raises:
            OrderRefusedError: the order stays as it was.
        """
        if not order.is_open or order.cancel_status == "RECEIVED":
            raise OrderRefusedError("bad_request", "The order can not be modified now")
        if quantity <= order.filled_quantity:
            raise OrderRefusedError("bad_request", "The quantity is already filled")
        request = _request_of(order, quantity=quantity, limit_price=limit_price)
        self._refuse_change(order, request)
        if (reason := late_reason(request)) is not None:
            raise OrderRefusedError("bad_request", reason)
        changed = msgspec.structs.replace(
            order,
            quantity=quantity,
            limit_price=limit_price,
            replace_status="REPLACED",
            updated_at=now,
        )
        self._record(OrderWritten(order=changed))
        return self._match(changed, now, is_incoming=True)

    def advance(self, now: datetime, *, step_count: int) -> None:
        """Move prices this many steps; after each, settle deferred cancels and match. 0 steps
        only settle and match."""
        for _ in range(step_count):
            moved = self.prices.next_prices()
            self.prices.set_all(moved, step_count=self.prices.step_count + 1)
            self._settle_all(now)
        if step_count == 0:
            self._settle_all(now)

    def set_price(self, symbol: str, price: Decimal, now: datetime) -> None:
        """Put one stock at a price, keep it over restarts, and match.

        Raises:
            OrderRefusedError: no such stock, or no such price.
        """
        if symbol not in CATALOGUE or not self.prices.is_valid(symbol, price):
            raise OrderRefusedError("bad_request", f"no price {price} for {symbol}")
        self.prices.set_all({symbol: price}, step_count=self.prices.step_count)
        self.keep_prices()
        self._settle_symbol(symbol, now)

    def keep_prices(self) -> None:
        """Store the prices, so that a restart goes on from them."""
        self._record(PricesSet(prices=self.prices.snapshot(), step_count=self.prices.step_count))

    def _record(self, record: Record) -> None:
        self._save(record)
        self.book.apply(record)

    def _refuse_duplicate(self, request: OrderRequest) -> None:
        if not request.order_number or self.settings.duplicate_orders == "accept":
            return
        twin = self.book.find(request.account, global_id=None, order_number=request.order_number)
        if twin is not None:
            kind = self.settings.duplicate_orders
            raise OrderRefusedError(
                "duplicate" if kind == "refuse_1100" else "bad_request", "TRADE DUPLICATE ORDER ID"
            )

    def _refuse_change(self, order: Order, request: OrderRequest) -> None:
        # The order's own want is taken out while its new terms are checked.
        account = self.book.accounts[order.account]
        interest = account.open_interest[order.symbol]
        own = order.remaining_quantity
        account.open_interest[order.symbol] = interest.plus(
            side=order.side, quantity=-own, amount=-own * (order.limit_price or Decimal(0))
        )
        try:
            refuse_order(request, account, self.prices)
        finally:
            account.open_interest[order.symbol] = interest

    def _new_order(self, request: OrderRequest, now: datetime) -> Order:
        is_from_api = request.external_id is None
        number = request.order_number or 0
        if is_from_api and not number:
            number = self.reserve_number(request.tiger_id)
        return Order(
            global_id=self.book.next_id(),
            order_number=number,
            external_id=str(number) if request.external_id is None else request.external_id,
            tiger_id=request.tiger_id,
            account=request.account,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            quantity_scale=request.quantity_scale,
            limit_price=request.limit_price,
            time_in_force=request.time_in_force,
            outside_rth=request.outside_rth,
            user_mark=request.user_mark,
            source=request.source,
            status="PendingSubmit",
            opened_at=now,
            updated_at=now,
            status_changed_at=now,
        )

    def _settle_all(self, now: datetime) -> None:
        for symbol in CATALOGUE:
            self._settle_symbol(symbol, now)

    def _settle_symbol(self, symbol: str, now: datetime) -> None:
        for global_id in tuple(self.book.open_ids[symbol]):
            order = self._match(self.book.orders[global_id], now, is_incoming=False)
            if order.is_open and order.cancel_status == "RECEIVED":
                self._close(order, "Cancelled", now)

    def _match(self, order: Order, now: datetime, *, is_incoming: bool) -> Order:
        price = self._fill_price(order, is_incoming=is_incoming)
        if price is None:
            return order
        quantity = order.remaining_quantity
        if self.settings.fill_quantity_max is not None:
            quantity = min(quantity, self.settings.fill_quantity_max)
        return self._fill(order, now, quantity=quantity, price=price)

    def _fill_price(self, order: Order, *, is_incoming: bool) -> Decimal | None:
        quote, limit = self.prices.quote(order.symbol), order.limit_price
        best = quote.ask if order.side == "BUY" else quote.bid
        if limit is None:
            return best
        if (limit < best) if order.side == "BUY" else (limit > best):
            return None
        # An order that comes to the book gets the book's price; the book comes to one that rests.
        return best if is_incoming else limit

    def _fill(self, order: Order, now: datetime, *, quantity: Decimal, price: Decimal) -> Order:
        instrument = CATALOGUE[order.symbol]
        filled_quantity = order.filled_quantity + quantity
        filled_amount = order.filled_amount + quantity * price
        fees = fees_due(instrument.market, quantity=filled_quantity, amount=filled_amount)
        position = self.book.accounts[order.account].positions.get(order.symbol, Position())
        signed_quantity = quantity if order.side == "BUY" else -quantity
        after = position_after(position, signed_quantity=signed_quantity, price=price)
        is_done = filled_quantity == order.quantity
        filled = msgspec.structs.replace(
            order,
            filled_quantity=filled_quantity,
            filled_amount=filled_amount,
            commission=fees,
            realized_pnl=order.realized_pnl + after.realized_pnl - position.realized_pnl,
            status="Filled" if is_done else order.status,
            status_changed_at=now if is_done else order.status_changed_at,
            updated_at=now,
        )
        fill = Fill(
            # The order's own record uses up no new id, so the fill takes the next one.
            fill_id=self.book.next_id(),
            global_id=order.global_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            quantity=quantity,
            price=price,
            fee=fees - order.commission,
            currency=instrument.currency,
            filled_at=now,
        )
        self._record(OrderTraded(order=filled, fill=fill))
        return filled

    def _close(self, order: Order, status: Status, now: datetime, *, remark: str = "") -> Order:
        closed = msgspec.structs.replace(
            order, status=status, remark=remark, updated_at=now, status_changed_at=now
        )
        self._record(OrderWritten(order=closed))
        return closed


def _request_of(order: Order, *, quantity: Decimal, limit_price: Decimal | None) -> OrderRequest:
    # Only what is not filled yet is asked for anew.
    return OrderRequest(
        tiger_id=order.tiger_id,
        account=order.account,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=quantity - order.filled_quantity,
        limit_price=limit_price,
        time_in_force=order.time_in_force,
    )
