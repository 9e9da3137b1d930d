"""The broker's desk: book, prices and switches together, and the acts that change an order.

Every change leaves as a record, is kept, and then becomes true; listeners hear of it last.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Book, Position, position_after
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.hours import AUCTION_TYPES, Hours, TradingTime, trading_time
from infra.sandbox.broker.liquidity import Liquidity, Taken
from infra.sandbox.broker.records import (
    Fill,
    NumberReserved,
    Order,
    OrderTraded,
    OrderWritten,
    PricesSet,
    Record,
    Status,
)
from infra.sandbox.market.instruments import CATALOGUE, Instrument, instrument_of
from infra.sandbox.market.prices import Prices
from infra.sandbox.settings import Settings

OCA_REMARK = "Another order of its group was filled"
PARENT_REMARK = "Its main order ended without a fill"


class Desk:
    """What the parts of the engine share.

    Args:
        seed: of the price process.
        save: called with each record before it is applied.
        commit: called at the end of each act; when it returns, what was saved since is kept.
    """

    def __init__(
        self,
        *,
        seed: int,
        save: Callable[[Record], None],
        commit: Callable[[], None],
    ) -> None:
        self.book = Book()
        self.prices = Prices(seed=seed, catalogue=CATALOGUE)
        self._version_kept = self.prices.version
        self.settings = Settings()
        self.hours = Hours()
        self.liquidity = Liquidity(self.prices)
        self.listeners: list[Callable[[Record], None]] = []
        self._save = save
        self._commit = commit
        self._depth = 0
        self.matched_at: datetime | None = None  # when all orders were
        self._turn_at: tuple[datetime, datetime] | None = None

    @contextmanager
    def act(self) -> Iterator[None]:
        """Keep all records of an act together: after a crash all of them are there, or none."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self._commit()

    def record(self, record: Record) -> None:
        """Keep a record, make it true, and tell the listeners."""
        self.keep_prices()
        self._make_true(record)

    def keep_prices(self) -> None:
        """Keep where everything trades, if that has changed since it was last kept."""
        if self.prices.version != self._version_kept:
            self._version_kept = self.prices.version
            self._make_true(PricesSet(state=self.prices.state()))

    def restore(self, record: Record) -> None:
        """Make a stored record true again."""
        self.book.apply(record)
        if isinstance(record, PricesSet):
            self.prices.restore(record.state)
            self._version_kept = self.prices.version

    def _make_true(self, record: Record) -> None:
        self._save(record)
        self.book.apply(record)
        for listener in self.listeners:
            listener(record)

    def reserve_number(self, tiger_id: str) -> int:
        """Hand out a user's next order number."""
        number = self.book.next_number(tiger_id)
        self.record(NumberReserved(tiger_id=tiger_id, order_number=number))
        return number

    def time_for(self, order: Order, now: datetime) -> TradingTime:
        """Say whether an order may trade now."""
        return trading_time(
            self.hours,
            order,
            home_of(order),
            now,
            always_open=self.settings.always_open,
        )

    def open_ids(self) -> tuple[int, ...]:
        """Return every open order there is now, by symbol, oldest first."""
        return tuple(
            global_id for symbol in self.book.open_ids for global_id in self.book.open_ids[symbol]
        )

    def begin_round(self, now: datetime) -> None:
        """Let the market's book be whole again."""
        self.see_day(now)
        self.liquidity.refresh()

    def see_day(self, now: datetime) -> None:
        """Let options be priced as of today, and each exchange's day begin when it does."""
        if self.prices.day != now.date():
            self.prices.set_day(now.date())
        if self._turn_at is not None and self._turn_at[0] <= now < self._turn_at[1]:
            return
        sessions = {
            place: self.hours.session(item, now) for place, item in self.prices.places.items()
        }
        for place, session in sessions.items():
            self.prices.see_session(place, session.kind, session.trading_day)
        self._turn_at = (
            max(session.begins_at for session in sessions.values()),
            min(session.ends_at for session in sessions.values()),
        )

    def begun(self, now: datetime) -> frozenset[tuple[str, str]]:
        """Return the markets (and kinds of contract) with open orders that do something else than
        when all orders were last matched; after a restart every one counts."""
        before, self.matched_at = self.matched_at, now
        if self.settings.always_open:
            return frozenset()
        resting = self.book.resting
        items = [instrument_of(key) for key in resting.contracts()]
        items += [home_of(self.book.orders[order_id]) for order_id in resting.watched()]
        places = {(item.market, item.sec_type): item for item in items}
        return frozenset(
            place
            for place, item in places.items()
            if before is None or self._moment(item, before) != self._moment(item, now)
        )

    def _moment(self, item: Instrument, now: datetime) -> tuple[str, str]:
        return self.hours.session(item, now).kind, self.hours.auction_phase(item, now)

    def is_fixed(self, order: Order, now: datetime) -> bool:
        """Say whether an order stands in an auction that no longer lets it go."""
        if self.settings.always_open or order.order_type not in AUCTION_TYPES:
            return False
        return self.hours.auction_phase(home_of(order), now) in ("no_cancel", "matching")

    def write(self, order: Order, now: datetime) -> Order:
        """Make a new version of an order true."""
        written = msgspec.structs.replace(order, updated_at=now)
        self.record(OrderWritten(order=written))
        return written

    def close(self, order: Order, status: Status, now: datetime, *, remark: str = "") -> Order:
        """End an order; what was asked of it and is not done has failed."""
        is_cancelled = status == "Cancelled" and order.cancel_status == "RECEIVED"
        closed = msgspec.structs.replace(
            order if is_cancelled else _with_failed_cancel(order),
            status=status,
            remark=remark or order.remark,
            quantity=_last_quantity(order),
            status_changed_at=now,
            updated_at=now,
        )
        closed = _with_failed_change(closed)
        self.record(OrderWritten(order=closed))
        self._after_end(closed, now)
        return closed

    def fill(self, order: Order, taken: Taken, now: datetime) -> Order:
        """Fill an order with what the market gave, and draw the consequences.

        No fill turns a holding from one side to the other: what closes and what opens are two, and
        an order that may only close ends where there is nothing more to close.
        """
        closed = self.closable(order)
        if 0 < closed < taken.quantity:
            first = Taken(price=taken.price, quantity=closed)
            order = self._fill_part(order, first, now)
            taken = Taken(price=taken.price, quantity=taken.quantity - closed)
            closed = Decimal(0)
        if not order.is_live:
            return order
        if not closed and order.only_closes:
            return self.close(order, "Invalid", now, remark=UNCOVERED)
        return self._fill_part(order, taken, now)

    def closable(self, order: Order) -> Decimal:
        """Return how much an order could close of what its account holds."""
        positions = self.book.accounts[order.account].positions
        held = positions.get(order.contract_key, Position()).quantity
        return max(Decimal(0), held if order.side == "SELL" else -held)

    def _fill_part(self, order: Order, taken: Taken, now: datetime) -> Order:
        instrument = instrument_of(order.contract_key)
        position = self.book.accounts[order.account].positions.get(order.contract_key, Position())
        after = position_after(
            position,
            signed_quantity=taken.quantity if order.side == "BUY" else -taken.quantity,
            price=taken.price * order.multiplier,
        )
        quantity = order.filled_quantity + taken.quantity
        amount = order.filled_amount + taken.quantity * taken.price
        fees = fees_due(
            instrument.market,
            quantity=quantity,
            amount=amount * order.multiplier,
            sec_type=instrument.sec_type,
        )
        filled = msgspec.structs.replace(
            order,
            filled_quantity=quantity,
            filled_amount=amount,
            commission=fees,
            realized_pnl=order.realized_pnl + after.realized_pnl - position.realized_pnl,
            updated_at=now,
        )
        if is_full := self.is_full(filled, taken.price):
            filled = as_filled(filled, now)
        fill = Fill(
            # The order's own record uses up no new id, so the fill takes the next one.
            fill_id=self.book.next_id(),
            global_id=order.global_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            quantity=taken.quantity,
            price=taken.price,
            fee=fees - order.commission,
            currency=instrument.currency,
            filled_at=now,
            key=order.key,
            sec_type=order.sec_type,
            multiplier=order.multiplier,
            realized_pnl=after.realized_pnl - position.realized_pnl,
        )
        self.record(OrderTraded(order=filled, fill=fill))
        self.after_fill(filled, now, is_full=is_full)
        return filled

    def is_full(self, order: Order, price: Decimal) -> bool:
        """Say whether nothing more can be filled; of an order by amount: less than a step."""
        if order.cash_amount is None:
            return order.filled_quantity == order.quantity
        return whole_steps(order.remaining_amount / price) == 0

    def after_fill(self, order: Order, now: datetime, *, is_full: bool) -> None:
        """Cancel the rest of a group, and bring attached legs to life."""
        if order.oca_group:
            for other in self.book.members_of(order.oca_group):
                if other.global_id != order.global_id:
                    self.close(other, "Cancelled", now, remark=OCA_REMARK)
        if is_full:
            self._after_end(order, now)

    def _after_end(self, parent: Order, now: datetime) -> None:
        # Legs wait in `Initial`; those that a user has cancelled already are over.
        for leg in self.book.children_of(parent.global_id):
            if leg.status != "Initial":
                continue
            if not parent.filled_quantity:
                self.close(leg, "Cancelled", now, remark=PARENT_REMARK)
                continue
            live = msgspec.structs.replace(
                leg,
                status="PendingSubmit",
                quantity=parent.filled_quantity,
                status_changed_at=now,
                lapses_at=self.hours.lapses_at(leg, home_of(leg), now),
            )
            if self._is_covered(live):
                self.write(live, now)
            else:
                self.close(leg, "Invalid", now, remark=UNCOVERED)

    def _is_covered(self, leg: Order) -> bool:
        # What the parent opened may be gone by now; a leg must not open the other side.
        account, key = self.book.accounts[leg.account], leg.contract_key
        held, interest = account.positions.get(key, Position()).quantity, account.interest(key)
        siblings = self.book.members_of(leg.oca_group) if leg.oca_group else []
        wanted = Decimal(0) if siblings else leg.quantity
        if leg.side == "SELL":
            return interest.sell_quantity + wanted <= held
        return interest.buy_quantity + wanted <= -held


UNCOVERED = "The order quantity you entered exceeds your currently available position"
# Shares of an order by amount are cut to this step.
SHARE_STEP = Decimal("0.00001")


def home_of(order: Order) -> Instrument:
    """Return the contract whose market an order keeps to: of legs the first one's."""
    return instrument_of(order.legs[0].key if order.legs else order.contract_key)


def whole_steps(quantity: Decimal) -> Decimal:
    """Return a quantity of shares cut to the step of orders by amount (rounded down)."""
    return quantity // SHARE_STEP * SHARE_STEP


def as_filled(order: Order, now: datetime) -> Order:
    """Return an order whose last part has filled, ended."""
    filled = msgspec.structs.replace(
        order,
        status="Filled",
        quantity=_last_quantity(order),
        status_changed_at=now,
    )
    return _with_failed_change(_with_failed_cancel(filled))


def _last_quantity(order: Order) -> Decimal:
    # Of an order by amount the quantity is known when it ends.
    return order.quantity if order.cash_amount is None else order.filled_quantity


def _with_failed_cancel(order: Order) -> Order:
    if order.cancel_status != "RECEIVED":
        return order
    return msgspec.structs.replace(order, cancel_status="FAILED")


def _with_failed_change(order: Order) -> Order:
    if order.change is None:
        return order
    return msgspec.structs.replace(order, replace_status="FAILED", change=None)
