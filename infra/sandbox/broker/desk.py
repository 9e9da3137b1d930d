"""The broker's desk: book, prices and switches together, and the acts that change an order.

Every change leaves as a record, is kept, and then becomes true; listeners hear of it last.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Book, Position, position_after
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.hours import AUCTION_TYPES, Hours, TradingTime, trading_time
from infra.sandbox.broker.liquidity import Liquidity, Taken
from infra.sandbox.broker.margin import instrument_of
from infra.sandbox.broker.records import (
    Fill,
    NumberReserved,
    Order,
    OrderTraded,
    OrderWritten,
    Record,
    Status,
)
from infra.sandbox.market.instruments import CATALOGUE, Instrument
from infra.sandbox.market.prices import Prices
from infra.sandbox.settings import Settings

OCA_REMARK = "Another order of its group was filled"
PARENT_REMARK = "Its main order ended without a fill"


class Desk:
    """What the parts of the engine share.

    Args:
        seed: of the price process.
        save: called with each record before it is applied; when it returns, the record is kept.
    """

    def __init__(self, *, seed: int, save: Callable[[Record], None]) -> None:
        self.book = Book()
        self.prices = Prices(seed=seed, catalogue=CATALOGUE)
        self.settings = Settings()
        self.hours = Hours()
        self.liquidity = Liquidity(self.prices)
        self.listeners: list[Callable[[Record], None]] = []
        self._save = save
        self._moments: dict[tuple[str, str], tuple[str, str]] = {}  # last seen, by market

    def record(self, record: Record) -> None:
        """Keep a record, make it true, and tell the listeners."""
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
        """Let options be priced as of today."""
        if self.prices.day != now.date():
            self.prices.set_day(now.date())

    def has_begun(self, item: Instrument, now: datetime) -> bool:
        """Say whether a contract's market does something else than when this was last asked."""
        if self.settings.always_open:
            return False
        place = (item.market, item.sec_type)
        moment = (self.hours.session(item, now).kind, self.hours.auction_phase(item, now))
        before = self._moments.get(place)
        self._moments[place] = moment
        return moment != before

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
        """Fill an order with what the market gave, and draw the consequences."""
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
