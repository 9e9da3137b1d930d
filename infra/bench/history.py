"""A made-up past of one account: whole orders, as the ledger would hold them, in a valid chain."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from core import account_events, codec, events, preview_events
from core.codec import EMPTY_TAIL, Recorded
from core.events import Event
from core.modes import Environment, Mode
from core.money import Money
from core.terms import OrderSpec, OrderType, Side, TimeInForce

_BEGAN: Final = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
_STEP: Final = timedelta(milliseconds=10)
_SPEC: Final = OrderSpec(
    symbol="AAPL",
    market="US",
    currency="USD",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    quantity=Decimal(10),
    limit_price=Decimal("230.00"),
    time_in_force=TimeInForce.DAY,
    outside_regular_hours=False,
)
_PRICE: Final = Money(amount=Decimal("229.98"), currency="USD")


def history(account: str, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield subject and body of an account's first `count` records."""
    prev = EMPTY_TAIL.prev
    for n, (event, cause) in enumerate(_events(count), start=1):
        recorded = Recorded(
            type=codec.type_name(event),
            event_id=f"evt-{n:032x}",
            account=account,
            n=n,
            recorded_at=_BEGAN + n * _STEP,
            correlation_id=cause,
            causation_id=cause,
            actor="worker:bench",
            code_version="bench",
            data=event,
        )
        subject, body = codec.encode(recorded, prev=prev)
        prev = codec.digest(subject, body)
        yield subject, body


def _events(count: int) -> Iterator[tuple[Event, str]]:
    opened = account_events.AccountOpened(
        environment=Environment.SANDBOX, mode=Mode.AUTO, ledger_id="tmbench", login="bench"
    )
    yield opened, ""
    made = 1
    order = 0
    while True:
        order += 1
        for event in _order(order):
            if made == count:
                return
            made += 1
            yield event, f"cmd-{order:032x}"


def _order(number: int) -> tuple[Event, ...]:
    name = f"{number:032x}"
    order_id = f"ord-{name}"
    at = _BEGAN + number * _STEP
    return (
        preview_events.OrderPreviewed(
            preview_id=f"prv-{name}",
            command_id=f"cmd-{name}",
            spec=_SPEC,
            reason="a made-up order of the bench",
            checks=(preview_events.Check(name="contract", passed=True, detail="AAPL is known"),),
            quote=None,
            estimate=None,
            digest=_SPEC.digest("bench"),
            expires_at=at + timedelta(minutes=10),
        ),
        events.OrderSubmissionStarted(
            order_id=order_id,
            command_id=f"cmd-{name}",
            preview_id=f"prv-{name}",
            spec=_SPEC,
            reason="a made-up order of the bench",
            order_number=str(number),
            mark=f"tmbench-{number}",
            send_by=at + timedelta(seconds=2),
            arrives_by=at + timedelta(seconds=22),
        ),
        events.OrderAccepted(order_id=order_id, tiger_order_id=f"4{number}", evidence="reply"),
        events.OrderWorking(
            order_id=order_id, tiger_order_id=f"4{number}", filled_quantity=Decimal(0)
        ),
        events.OrderFillRecorded(
            order_id=order_id,
            execution_id=f"fill-{number}",
            side=Side.BUY,
            symbol="AAPL",
            quantity=Decimal(10),
            price=_PRICE,
            executed_at=at,
        ),
        events.OrderFilled(
            order_id=order_id, filled_quantity=Decimal(10), average_price=_PRICE.amount
        ),
    )
