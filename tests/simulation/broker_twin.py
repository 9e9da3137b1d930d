"""The broker: the sandbox's own engine and methods on the virtual clock."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, cast

import msgspec

from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import (
    AttachedTerms,
    CashEntry,
    CashPaid,
    Fill,
    Order,
    OrderRequest,
    OrderTraded,
    OrderWritten,
    PositionMoved,
    Record,
)
from infra.sandbox.home import (
    Login,
)
from infra.sandbox.logins.files import (
    LoginAccount,
)
from infra.sandbox.methods import table
from infra.sandbox.methods.calls import Call
from infra.sandbox.settings import Settings
from infra.sandbox.wire.envelope import GatewayError, to_ms
from tests.simulation import busts
from tests.simulation.machine import BEGIN
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather

TIGER_ID: Final = "20150001"
ORDER_LISTINGS: Final = frozenset({"orders", "active_orders"})
# What a row may lack that is written while it is read.
HALF_WRITTEN: Final = ("userMark", "orderId", "secType", "market", "currency", "openTime")
# What the row of an order may say that nobody here can read.
UNREADABLE: Final = {"action": "SELL_SHORT"}
# How old a stale reading may be.
STALE_S: Final = 40.0


class BrokerTwin:
    """The broker's side: what it has, and what it answers."""

    def __init__(self, scheduler: Scheduler, weather: Weather, numbers: list[str]) -> None:
        rng = scheduler.rng
        self._scheduler = scheduler
        self._weather = weather
        self.offset_s = (rng.random() * 6 - 3) if weather.broker_skew else 0.0
        self._seed = rng.randrange(1 << 30)
        self._records: list[Record | busts.FillGone] = []
        # Words that orders of which executions were taken back had before.
        self.words_before: dict[int, set[str]] = defaultdict(set)
        # What is to happen to the next place, whatever the weather.
        self.next_place = ""
        # Orders that some listing has shown.
        self._listed: set[int] = set()
        # The same of the next cancel.
        self.next_cancel = ""
        # How many records the lists of orders show, while they stand still; and the positions.
        self.shown: int | None = None
        self.shown_positions: int | None = None
        # A reading that is not answered, and an order whose fills are not.
        self.away = ""
        self.are_next_fills_away = False
        self._fills_away: set[int] = set()
        # Orders, by the broker's id, whose rows cannot be read.
        self.in_odd_rows: set[str] = set()
        # Called when a listing has a row that lacks something.
        self.on_half_row: Callable[[], None] = lambda: None
        # Told the method and the account of each reading, and that an account's order changed.
        self.on_reading: Callable[[str, str], None] = lambda *_: None
        self.on_change: Callable[[str], None] = lambda _: None
        self.engine = Engine(seed=self._seed, save=self._save)
        for number in numbers:
            self.engine.open_account(tiger_id=TIGER_ID, account=number, kind="prime")
        self.engine.settings = Settings(
            # A doubled place must not be hidden by the broker's own guard; a doubling network must.
            duplicate_orders="refuse_1100" if weather.post_doubled else "accept",
            price_drift=False,
            fill_quantity_max=Decimal(40) if weather.partial_fills else None,
            defer_cancels=bool(weather.slow_cancels),
        )
        accounts = tuple(
            LoginAccount(alias=f"a{index}", account=number, kind="prime")
            for index, number in enumerate(numbers)
        )
        self._login = Login(
            name="alpha",
            tiger_id=TIGER_ID,
            accounts=accounts,
            tiger_public_key="",
            developer_public_key="",
        )
        # How many records there were, and when.
        self._marks: list[tuple[float, int]] = []

    def _save(self, record: Record) -> None:
        self._records.append(record)
        if isinstance(record, OrderWritten | OrderTraded):
            self.on_change(record.order.account)

    def stand_still(self, seconds: float) -> None:
        """Have the lists of orders show for so long what there is now."""
        self.shown = len(self._records)
        self._scheduler.after(seconds, lambda: setattr(self, "shown", None))

    def hold_positions(self) -> None:
        """Have the positions show what there is now, until `hide_nothing`."""
        self.shown_positions = len(self._records)

    def hide_nothing(self) -> None:
        """Have every reading answered again, by what is so."""
        self.shown = self.shown_positions = None
        self.away, self.are_next_fills_away = "", False
        self._fills_away.clear()
        self.in_odd_rows.clear()

    def is_away(self, method: str, fields: dict[str, Any]) -> bool:
        """Say whether a reading is not answered."""
        if method == "order_transactions" and self.are_next_fills_away:
            self._fills_away.add(fields["order_id"])
            self.are_next_fills_away = False
        return method == self.away or fields.get("order_id") in self._fills_away

    def now(self) -> datetime:
        """Return the broker's clock."""
        return BEGIN + timedelta(seconds=self._scheduler.now_s + self.offset_s)

    def tick(self, steps: int = 1) -> None:
        """Let the market move, and remember how the book stands."""
        self.engine.advance(self.now(), step_count=steps)
        self._marks.append((self._scheduler.now_s, len(self._records)))

    def orders(self, number: str) -> list[Order]:
        """Return an account's orders as they are."""
        return list(self.engine.book.orders_of(number))

    def place_elsewhere(
        self,
        number: str,
        symbol: str,
        quantity: int,
        side: Any,
        *,
        mark: str = "",
        limit: Decimal | None = None,
        stop: Decimal | None = None,
    ) -> None:
        """Have somebody else buy or sell: the phone app, or a copy of this service.

        Args:
            limit: the worst price; None is at the market.
            stop: the trigger of a stop loss that is attached to it.
        """
        # A stop is attached to limit orders alone.
        if stop is not None:
            limit = round(self.engine.prices.last(symbol) * 2, 2)
        request = OrderRequest(
            tiger_id=TIGER_ID,
            account=number,
            symbol=symbol,
            side=side,
            order_type="MKT" if limit is None else "LMT",
            quantity=Decimal(quantity),
            limit_price=limit,
            source="OpenApi" if mark else "android",
            user_mark=mark,
            external_id=None if mark else f"phone{self._scheduler.now_s}",
            attached=() if stop is None else (AttachedTerms(role="LOSS", price=stop),),
        )
        self.engine.place(request, self.now())

    def move_in(self, number: str, symbol: str, quantity: int) -> None:
        """Have shares and as many dollars come without a trade, or go."""
        price = self.engine.prices.last(symbol)
        moved = PositionMoved(
            account=number,
            key=symbol,
            quantity=Decimal(quantity),
            price=price,
            moved_at=self.now(),
        )
        self.engine.keep(moved)
        entry = CashEntry(
            entry_id=self.engine.book.funds.next_entry_id(),
            account=number,
            segment="SEC",
            currency="USD",
            amount=Decimal(quantity),
            kind="DEPOSIT_WITHDRAW",
            label="Deposit" if quantity > 0 else "Withdrawal",
            booked_at=self.now(),
        )
        self.engine.keep(CashPaid(entry=entry))

    def take_back(self, fill: Fill) -> None:
        """Take an execution back."""
        self.words_before[fill.global_id].add(self.engine.book.orders[fill.global_id].status)
        busts.take_back(self.engine, fill, self.now())
        gone = busts.FillGone(fill.fill_id)
        self._records.append(gone)
        gone.apply(self.engine.book)

    def execute_again(self, gone: Fill) -> None:
        """Have another execution follow one that was taken back."""
        self.words_before[gone.global_id].add(self.engine.book.orders[gone.global_id].status)
        busts.follow(self.engine, gone, self.now())

    def execute(self, method: str, business: str, *, fault: str = "") -> dict[str, Any]:
        """Do one request and return the reply's document."""
        reply: dict[str, Any] = {"timestamp": to_ms(self.now()), "success": True}
        try:
            data = table.run(method, self._call(method, business, fault))
        except GatewayError as error:
            return reply | {"code": error.code, "message": error.message, "success": False}
        # What the wire would do to it.
        sent = json.loads(_encode(data))
        if method in ORDER_LISTINGS and self._weather.rows_half:
            sent = self._half_written(sent)
        if method in ORDER_LISTINGS and self.in_odd_rows:
            sent = self._with_odd_rows(sent)
        return reply | {"code": 0, "message": "success", "data": sent}

    def _half_written(self, sent: str) -> str:
        """Return a listing in which rows of orders that none has shown before lack something."""
        listing, rng = json.loads(sent), self._scheduler.rng
        for row in listing["items"]:
            if row["id"] not in self._listed and rng.random() < self._weather.rows_half:
                row[rng.choice(HALF_WRITTEN)] = None
                self.on_half_row()
            self._listed.add(row["id"])
        return json.dumps(listing)

    def _with_odd_rows(self, sent: str) -> str:
        listing = json.loads(sent)
        for row in listing["items"]:
            if str(row["id"]) in self.in_odd_rows:
                row.update(UNREADABLE)
        return json.dumps(listing)

    def _call(self, method: str, business: str, fault: str) -> Call:
        return Call(
            login=self._login,
            business=business.encode(),
            engine=self._engine_for(fault, method),
            # No method of trading asks who was let in.
            gate=cast(Any, None),
            device_id="",
            now=self.now(),
            reject="rejected late" if fault == "late_reject" else None,
        )

    def _engine_for(self, fault: str, method: str) -> Engine:
        """Return the broker as it is, or as it was a while ago, as a replica that lags shows it."""
        oldest_s = self._scheduler.now_s - STALE_S
        young = [count for at_s, count in self._marks if at_s >= oldest_s]
        if fault == "stale" and young:
            return self._past(young[int(self._scheduler.rng.random() * len(young))])
        shown = self.shown_positions if method == "positions" else self.shown
        return self.engine if fault != "behind" or shown is None else self._past(shown)

    def _past(self, count: int) -> Engine:
        past = Engine(seed=self._seed, save=lambda _: None)
        for record in self._records[:count]:
            if isinstance(record, busts.FillGone):
                record.apply(past.book)
            else:
                past.restore(record)
        return past


def _encode(data: object) -> bytes:
    return msgspec.json.encode(data)
