"""What stands behind a gateway in tests: a worker that answers by script, and what views show."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from core import account_events, events, views
from core.modes import Environment, Mode
from core.refusals import NEXT_STEP, Refusal
from tests.support.gateway import AS_OF, ORDER_ID, Published, World


def replying(world: World, *make: Callable[[str], events.Event]) -> Callable[[Published], None]:
    """Return a worker that answers each command with these facts."""

    def work(sent: Published) -> None:
        for each in make:
            command_id = sent.envelope.command_id
            world.bus.emit(sent.account, each(command_id), caused_by=command_id)

    return work


def accepted() -> events.OrderAccepted:
    """Return the fact that the broker took the order."""
    return events.OrderAccepted(order_id=ORDER_ID, tiger_order_id="99", evidence="reply")


def refused(command_id: str) -> events.OrderRefused:
    """Return the refusal of an account that is still compared with the broker."""
    return events.OrderRefused(
        command_id=command_id,
        code=Refusal.ACCOUNT_STALE,
        detail=f"not yet reconciled. {NEXT_STEP[Refusal.ACCOUNT_STALE]}",
    )


def account_row(**changes: Any) -> views.AccountRow:
    """Return an account on which nothing is open, as a view shows it."""
    return msgspec.structs.replace(
        views.AccountRow(
            alias="sandbox",
            login="main",
            environment=Environment.SANDBOX,
            mode=Mode.AUTO,
            state="active",
            detail="",
            halted_symbols=(),
            open_orders=0,
            doubtful_orders=0,
            as_of=AS_OF,
        ),
        **changes,
    )


def holding(symbol: str, quantity: str, **changes: Any) -> account_events.PositionFigure:
    """Return what an account holds of a contract."""
    return msgspec.structs.replace(
        account_events.PositionFigure(
            symbol=symbol,
            market="US",
            currency="USD",
            quantity=Decimal(quantity),
            average_cost=Decimal(1),
            market_price=None,
            unrealized_profit=None,
        ),
        **changes,
    )
