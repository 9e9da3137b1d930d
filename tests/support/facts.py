"""Ledgers for tests without a server: chained records of core events, as a worker makes them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from core import account_events, codec, events
from core.codec import EMPTY_TAIL, Recorded, Tail
from core.modes import Environment, Mode
from core.money import Money
from core.ports import StoredRecord
from core.subjects import SYSTEM
from core.terms import OrderSpec, OrderType, Side, TimeInForce

EPOCH: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
LOGIN: Final = "x"


class Ledger:
    """One stream: its records in order, the lines of its accounts numbered together."""

    def __init__(self) -> None:
        self.records: list[StoredRecord] = []
        self.tails: dict[str, Tail] = {}

    def add(
        self,
        event: events.Event,
        *,
        account: str = "a1",
        causation_id: str = "",
        correlation_id: str = "",
        recorded_at: datetime | None = None,
    ) -> StoredRecord:
        """Append one event to an account's line; by default one second after the one before."""
        tail = self.tails.get(account, EMPTY_TAIL)
        sequence = len(self.records) + 1
        recorded = Recorded(
            type=codec.type_name(event),
            event_id=f"evt-{account}-{tail.n + 1}",
            account=account,
            n=tail.n + 1,
            recorded_at=recorded_at or EPOCH + timedelta(seconds=sequence),
            correlation_id=correlation_id or f"cor-{sequence}",
            causation_id=causation_id,
            actor="test",
            code_version="test",
            data=event,
        )
        subject, body = codec.encode(recorded, prev=tail.prev)
        record = StoredRecord(subject, sequence, body)
        _, self.tails[account] = codec.follow(tail, subject, body, sequence=sequence)
        self.records.append(record)
        return record

    def add_all(self, *facts: events.Event, account: str = "a1") -> None:
        """Append events to an account's line, caused by nothing."""
        for event in facts:
            self.add(event, account=account)


def system_ledger(*aliases: str, login: str = LOGIN) -> Ledger:
    """Return a system ledger that adds accounts of one login."""
    ledger = Ledger()
    for alias in aliases:
        ledger.add(
            account_events.AccountAdded(alias=alias, login=login, environment=Environment.SANDBOX),
            account=SYSTEM,
        )
    return ledger


def spec(
    symbol: str = "AAPL", *, side: Side = Side.BUY, quantity: str = "10", limit: str | None = "180"
) -> OrderSpec:
    """Return the terms of an order; a market order without `limit`."""
    return OrderSpec(
        symbol=symbol,
        market="US",
        currency="USD",
        side=side,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        quantity=Decimal(quantity),
        limit_price=None if limit is None else Decimal(limit),
        time_in_force=TimeInForce.DAY,
        outside_regular_hours=False,
    )


def opened(login: str = LOGIN) -> account_events.AccountOpened:
    """Return the first event of an account's line."""
    return account_events.AccountOpened(
        environment=Environment.SANDBOX,
        mode=Mode.AUTO,
        ledger_id="led1",
        login=login,
    )


def reconciled() -> account_events.AccountReconciled:
    """Return a complete reconciliation."""
    return account_events.AccountReconciled(orders_read=0, orders_since=EPOCH)


def started(order_id: str, terms: OrderSpec | None = None) -> events.OrderSubmissionStarted:
    """Return the intent to send an order, for a reason of its own, by command `cmd-<order_id>`."""
    return events.OrderSubmissionStarted(
        order_id=order_id,
        command_id=f"cmd-{order_id}",
        preview_id=f"prv-{order_id}",
        spec=terms or spec(),
        reason=f"reason of {order_id}",
        order_number=f"9{order_id}",
        mark=f"led1.{order_id}",
        send_by=EPOCH + timedelta(seconds=2),
        arrives_by=EPOCH + timedelta(seconds=24),
    )


def accepted(order_id: str) -> events.OrderAccepted:
    """Return the broker's yes."""
    return events.OrderAccepted(order_id=order_id, tiger_order_id=f"t-{order_id}", evidence="reply")


def working(order_id: str, filled: str = "0") -> events.OrderWorking:
    """Return a sighting of a live order."""
    return events.OrderWorking(
        order_id=order_id, tiger_order_id=f"t-{order_id}", filled_quantity=Decimal(filled)
    )


def fill(
    order_id: str, execution_id: str, *, quantity: str = "10", second: int = 0
) -> events.OrderFillRecorded:
    """Return one execution of AAPL, bought at 180.5 USD so many seconds after the epoch."""
    return events.OrderFillRecorded(
        order_id=order_id,
        execution_id=execution_id,
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(quantity),
        price=Money(amount=Decimal("180.5"), currency="USD"),
        executed_at=EPOCH + timedelta(seconds=second),
    )


def filled(order_id: str) -> events.OrderFilled:
    """Return a sighting of an order that is wholly filled."""
    return events.OrderFilled(
        order_id=order_id, filled_quantity=Decimal(10), average_price=Decimal("180.5")
    )


def terms(order_id: str, quantity: str, limit: str | None) -> events.OrderTermsObserved:
    """Return a sighting of an order that somebody changed elsewhere."""
    limit_price = None if limit is None else Decimal(limit)
    return events.OrderTermsObserved(
        order_id=order_id, quantity=Decimal(quantity), limit_price=limit_price
    )


def external(order_id: str, *, second: int = 0) -> events.OrderExternalObserved:
    """Return an order from the phone app, opened so many seconds after the epoch."""
    return events.OrderExternalObserved(
        order_id=order_id,
        tiger_order_id=f"t-{order_id}",
        symbol="TSLA",
        market="US",
        currency="USD",
        side=Side.SELL,
        order_type=OrderType.LIMIT,
        quantity=Decimal(5),
        limit_price=Decimal(300),
        source="mobile",
        opened_at=EPOCH + timedelta(seconds=second),
    )


def positions(*quantities: tuple[str, str]) -> account_events.AccountPositionsObserved:
    """Return a complete list of positions, given as (symbol, quantity)."""
    return account_events.AccountPositionsObserved(
        positions=tuple(
            account_events.PositionFigure(
                symbol=symbol,
                market="US",
                currency="USD",
                quantity=Decimal(quantity),
                average_cost=Decimal(100),
                market_price=None,
                unrealized_profit=None,
            )
            for symbol, quantity in quantities
        ),
        observed_at=EPOCH,
    )


def balances(cash: str = "1000.50") -> account_events.AccountBalancesObserved:
    """Return cash and margin in USD."""
    return account_events.AccountBalancesObserved(
        currency="USD",
        net_liquidation=Decimal(2000),
        buying_power=Decimal(4000),
        initial_margin=None,
        maintenance_margin=None,
        cash=(account_events.CashFigure(currency="USD", balance=Decimal(cash), available=None),),
        observed_at=EPOCH,
    )


def trading_day(ledger: Ledger, *, orders: int, account: str = "a1", first: int = 0) -> None:
    """Append the whole lives of so many orders: five records each, the first by a command.

    Every third order stays open, every seventh is in doubt.
    """
    for number in range(first, first + orders):
        order_id = f"ord-{number:06d}"
        ledger.add(started(order_id), account=account, causation_id=f"cmd-{order_id}")
        if number % 7 == 0:
            doubt = events.OrderOutcomeUnknown(order_id=order_id, cause="no answer in 20 s")
            ledger.add(doubt, account=account, causation_id=f"cmd-{order_id}")
            continue
        ledger.add(accepted(order_id), account=account, causation_id=f"cmd-{order_id}")
        ledger.add(working(order_id), account=account)
        if number % 3:
            ledger.add(fill(order_id, f"exe-{number:06d}", second=number), account=account)
            ledger.add(filled(order_id), account=account)
