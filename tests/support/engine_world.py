"""An engine without a wire, and short words for what is asked of it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import (
    CashEntry,
    CashPaid,
    Order,
    OrderChange,
    OrderRequest,
    PositionMoved,
    Record,
    Segment,
)
from infra.sandbox.logins.files import AccountKind
from infra.sandbox.settings import Settings

PRIME, PAPER, TIGER_ID = "51", "2152", "2015"
# A Friday in winter, 10:00 in New York: the regular session of both days around has hours to go.
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
CALL = "AAPL  261218C00230000"
HIGHER_CALL = "AAPL  261218C00240000"
PUT = "AAPL  261218P00230000"
FUTURE = "ES2612"


class World:
    """One engine with a prime and a paper account, its records, and a clock that stands."""

    def __init__(self, *, seed: int = 7, **settings: Any) -> None:
        self.records: list[Record] = []
        self.engine = Engine(seed=seed, save=self.records.append)
        self.engine.settings = Settings(price_drift=False, **settings)
        self.at(NOW)
        for account, kind in ((PRIME, "prime"), (PAPER, "paper")):
            self.engine.open_account(
                tiger_id=TIGER_ID, account=account, kind=msgspec.convert(kind, AccountKind)
            )

    def place(self, side: str, quantity: str, limit: str | None = None, **terms: Any) -> Order:
        """Place an order; of AAPL, at the market or a limit, unless the terms say otherwise."""
        return self.engine.place(request(side, quantity, limit, **terms), self.now)

    def order(self, order: Order) -> Order:
        """Return an order as it is now."""
        return self.engine.book.orders[order.global_id]

    def change(self, order: Order, **terms: Any) -> Order:
        """Modify an order: its own terms with some replaced."""
        return self.engine.modify(self.order(order), self.now, change_of(order, **terms))

    def price(self, price: str, *, key: str = "AAPL") -> None:
        """Put a contract at a price."""
        self.engine.set_price(key, Decimal(price), self.now)

    def at(self, when: datetime) -> None:
        """Go to a moment, and let the engine notice."""
        self.now = when
        self.engine.tick(when)

    def later(self, **span: float) -> None:
        """Let time pass."""
        self.at(self.now + timedelta(**span))

    def fund(self, amount: str, *, segment: Segment = "SEC") -> None:
        """Pay US dollars into a segment of the prime account."""
        entry = CashEntry(
            entry_id=self.engine.book.funds.next_entry_id(),
            account=PRIME,
            segment=segment,
            currency="USD",
            amount=Decimal(amount),
            kind="DEPOSIT_WITHDRAW",
            label="Deposit",
            booked_at=self.now,
        )
        self.engine.keep(CashPaid(entry=entry))

    def held(self, key: str = "AAPL", *, account: str = PRIME) -> Decimal:
        """Return what an account holds."""
        position = self.engine.book.accounts[account].positions.get(key)
        return Decimal(0) if position is None else position.quantity

    def cash(
        self, currency: str = "USD", *, account: str = PRIME, segment: Segment = "SEC"
    ) -> Decimal:
        """Return what a segment of an account has."""
        return self.engine.book.accounts[account].cash_of(segment)[currency]

    def bring(self, key: str, quantity: str, price: str) -> None:
        """Move a holding into the prime account, or out of it, without a trade."""
        self.engine.keep(
            PositionMoved(
                account=PRIME,
                key=key,
                quantity=Decimal(quantity),
                price=Decimal(price),
                moved_at=self.now,
            )
        )

    def restarted(self) -> "World":
        """Return a world that has begun again from the records, and keeps its own from now on."""
        twin = World()
        twin.records = []
        twin.engine = self.replayed(save=twin.records.append)
        twin.engine.settings, twin.now = self.engine.settings, self.now
        return twin

    def replayed(self, *, save: Callable[[Record], None] = lambda _: None) -> Engine:
        """Return an engine that knows the records alone, as they are stored."""
        twin = Engine(seed=7, save=save)
        decoder = msgspec.json.Decoder(Record)
        for record in self.records:
            twin.restore(decoder.decode(msgspec.json.encode(record)))
        return twin


def request(side: str, quantity: str, limit: str | None = None, **terms: Any) -> OrderRequest:
    """Return a request; texts become decimals where numbers are meant."""
    wanted: dict[str, Any] = {
        "tiger_id": TIGER_ID,
        "account": PRIME,
        "symbol": "AAPL",
        "side": side,
        "order_type": "MKT" if limit is None else "LMT",
        "quantity": quantity,
        "limit_price": limit,
    }
    return msgspec.convert(wanted | terms, OrderRequest)


def change_of(order: Order, **terms: Any) -> OrderChange:
    """Return a change that keeps what is not named."""
    kept = {
        name: getattr(order, name)
        for name in OrderChange.__struct_fields__
        if name != "trail_stop_price"
    }
    return msgspec.convert(kept | terms, OrderChange)
