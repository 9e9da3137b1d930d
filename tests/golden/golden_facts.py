"""One fact of every type with fixed values, in the order of one believable history.

The stored bytes beside this file were made from these values once, through the codec. Neither is
edited: a new event or a new schema is added at the end, with a file of its own.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from core import account_events, events, parent_events, preview_events
from core.codec import Recorded, type_name
from core.modes import Environment, Mode
from core.money import Money
from core.refusals import Refusal
from core.terms import OrderSpec, OrderType, Side, TimeInForce

_NOON: Final = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)
_ORDER: Final = "ord-00000000000000000000000000000001"
_EXTERNAL: Final = "ext-00000000000000000000000000000009"
_TIGER: Final = "40130857465156608"


def _at(seconds: float) -> datetime:
    return _NOON + timedelta(seconds=seconds)


def _usd(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


_SPEC: Final = OrderSpec(
    symbol="AAPL",
    market="US",
    currency="USD",
    side=Side.BUY,
    order_type=OrderType.LIMIT,
    quantity=Decimal(100),
    limit_price=Decimal("185.50"),
    time_in_force=TimeInForce.DAY,
    outside_regular_hours=False,
)

GOLDEN_FACTS: Final[tuple[events.Event, ...]] = (
    account_events.AccountOpened(
        environment=Environment.SANDBOX,
        mode=Mode.AUTO,
        ledger_id="led1",
        login="login-1",
    ),
    account_events.AccountWorkerStarted(run_id="run-1"),
    account_events.AccountPositionsObserved(
        positions=(
            account_events.PositionFigure(
                symbol="00700",
                market="HK",
                currency="HKD",
                quantity=Decimal(-200),
                average_cost=Decimal("310.2000"),
                market_price=None,
                unrealized_profit=Decimal("-12.5"),
            ),
        ),
        observed_at=_at(1),
    ),
    account_events.AccountBalancesObserved(
        currency="USD",
        net_liquidation=Decimal("100000.00"),
        buying_power=Decimal("200000.00"),
        initial_margin=None,
        maintenance_margin=Decimal(0),
        cash=(
            account_events.CashFigure(currency="HKD", balance=Decimal("-5.10"), available=None),
            account_events.CashFigure(
                currency="USD", balance=Decimal(100000), available=Decimal("9.9")
            ),
        ),
        observed_at=_at(2),
    ),
    account_events.AccountReconciled(orders_read=0, orders_since=_at(-86400)),
    preview_events.OrderPreviewed(
        preview_id="prv-1",
        command_id="cmd-1",
        spec=_SPEC,
        reason='asked for "100 Äpfel"',
        checks=(
            preview_events.Check(name="lot_size", passed=True, detail="100 in lots of 1"),
            preview_events.Check(name="tick_size", passed=True, detail="185.50 in steps of 0.01"),
        ),
        quote=preview_events.QuoteUsed(
            bid=Decimal("185.40"), ask=Decimal("185.60"), last=None, at=_at(3)
        ),
        estimate=preview_events.Estimate(
            notional=_usd("18550.00"),
            commission=_usd("1.99"),
            initial_margin=None,
            message="",
        ),
        digest="0123456789abcdef" * 4,
        expires_at=_at(604),
    ),
    events.OrderRefused(
        command_id="cmd-2",
        code=Refusal.ACCOUNT_STALE,
        detail="the account is not yet reconciled",
        preview_id="prv-0",
        order_id="",
    ),
    events.OrderSubmissionStarted(
        order_id=_ORDER,
        command_id="cmd-3",
        preview_id="prv-1",
        spec=_SPEC,
        reason="because",
        order_number="980",
        mark=f"led1.{_ORDER}",
        send_by=_at(12),
        arrives_by=_at(34),
    ),
    events.OrderOutcomeUnknown(order_id=_ORDER, cause="timeout"),
    events.OrderCancelWanted(order_id=_ORDER, command_id="cmd-4"),
    events.OrderNotFound(order_id=_ORDER, listings=3, first_listing_at=_at(40)),
    events.OrderReleased(order_id=_ORDER, command_id="cmd-5", person="ann"),
    events.OrderAccepted(order_id=_ORDER, tiger_order_id=_TIGER, evidence="listing"),
    events.OrderWorking(order_id=_ORDER, tiger_order_id=_TIGER, filled_quantity=Decimal(0)),
    events.OrderCancelStarted(order_id=_ORDER, command_id="cmd-4", tiger_order_id=_TIGER),
    events.OrderCancelUnknown(order_id=_ORDER, cause="timeout"),
    events.OrderCancelRefused(order_id=_ORDER, code=1200, detail="cannot be cancelled"),
    events.OrderCancelRequested(order_id=_ORDER),
    events.OrderFillRecorded(
        order_id=_ORDER,
        execution_id="x-1",
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal("40.5"),
        price=_usd("185.4999"),
        executed_at=_at(50),
    ),
    events.OrderCancelled(
        order_id=_ORDER, filled_quantity=Decimal("40.5"), average_price=Decimal("185.4999")
    ),
    events.OrderExternalObserved(
        order_id=_EXTERNAL,
        tiger_order_id="40130857465156609",
        symbol="MSFT",
        market="US",
        currency="USD",
        side=Side.SELL,
        order_type=None,
        quantity=Decimal(7),
        limit_price=None,
        source="ios",
        opened_at=_at(-100),
    ),
    events.OrderFilled(
        order_id=_EXTERNAL, filled_quantity=Decimal(7), average_price=Decimal("401.02")
    ),
    events.OrderExpired(order_id=_EXTERNAL, filled_quantity=Decimal(0), average_price=None),
    events.OrderRejected(
        order_id=_EXTERNAL, code=None, detail="no permission", filled_quantity=Decimal(0)
    ),
    events.OrderNotSent(order_id=_EXTERNAL, cause="send_by passed"),
    account_events.AccountStale(gap=1, cause="slept"),
    account_events.AccountFrozen(
        cause="status_word_unknown", detail=f"{_ORDER}: Enchanted", symbol="AAPL"
    ),
    account_events.AccountHalted(command_id="cmd-6", person="ann", symbol="AAPL", detail="stop"),
    account_events.AccountResumed(command_id="cmd-7", person="ann", symbol=""),
    account_events.CommandUnreadable(
        code=Refusal.SIGNATURE_INVALID,
        subject="cmd.sandbox.order.submit",
        stream="COMMANDS",
        sequence=17,
        body_digest="fedcba9876543210" * 4,
        detail="the signature is not ours",
    ),
    # The system's own line, of which this is the first event.
    account_events.AccountAdded(alias="sandbox", login="login-1", environment=Environment.SANDBOX),
    events.OrderAnswerObserved(
        order_id=_ORDER, outcome="done", tiger_order_id=_TIGER, code=None, detail=""
    ),
    events.OrderTermsObserved(
        order_id=_EXTERNAL, quantity=Decimal("7.25"), limit_price=Decimal("400.10")
    ),
    events.OrderModifyStarted(
        order_id=_ORDER,
        command_id="cmd-8",
        tiger_order_id=_TIGER,
        spec=replace(_SPEC, limit_price=Decimal("186.10")),
        reason="the market moved",
        send_by=_at(902),
        arrives_by=_at(924.5),
    ),
    events.OrderModifyUnknown(order_id=_ORDER, cause="timeout"),
    events.OrderModifyRequested(order_id=_ORDER),
    events.OrderReplaced(order_id=_ORDER, spec=replace(_SPEC, limit_price=Decimal("186.10"))),
    events.OrderModifyRefused(order_id=_ORDER, code=1200, detail="can not be modified now"),
    events.OrderModifyNotSent(order_id=_ORDER, cause="a halt had arrived"),
    events.OrderModifyNotApplied(order_id=_ORDER, listings=3, first_listing_at=_at(960)),
    account_events.AccountCancelsAsked(
        command_id="cmd-9", symbol="AAPL", side=None, order_ids=(_ORDER, _EXTERNAL)
    ),
    events.OrderChargesObserved(order_id=_ORDER, charges=_usd("1.99")),
    account_events.AccountPositionBreak(
        symbol="AAPL",
        market="US",
        expected=Decimal("40.5"),
        observed=Decimal(40),
        reads=3,
    ),
    account_events.AccountPositionAgreed(symbol="AAPL", market="US", quantity=Decimal("40.5")),
    account_events.AccountPositionAdopted(
        command_id="cmd-10",
        person="ann",
        break_id="evt-1",
        symbol="00700",
        market="HK",
        quantity=Decimal(-100),
    ),
    account_events.AccountCashBreak(expected=_usd("100.50"), observed=_usd("98.20"), reads=3),
    events.OrderCancelImported(
        order_id=_ORDER,
        key="journal:1:x",
        asked_at=_at(970),
        outcome="done",
        code=None,
        detail="",
    ),
    account_events.AccountHaltVerified(symbol="", orders_read=7),
    account_events.TokenIssued(issued_at=_at(0), expires_at=_at(3600)),
    account_events.TokenRefreshed(issued_at=_at(980), expires_at=_at(7200)),
    account_events.TokenRefreshFailed(expires_at=_at(7200), cause="answered with 2400"),
    account_events.TokenExpiring(expires_at=_at(7200), detail="less than 1 h are left"),
    account_events.TokenExpired(expires_at=_at(7200)),
    account_events.TokenRevoked(cause="the token file holds no token"),
    account_events.AccountModeSet(command_id="cmd-11", person="ann", mode=Mode.READ_ONLY),
    account_events.AccountRemoved(alias="sandbox", login="login-1", left_open=(_ORDER,)),
    events.OrderWasOurs(
        order_id=_EXTERNAL, tiger_order_id="40130857465156609", owner_order_id=_ORDER
    ),
    events.OrderFillTakenBack(
        order_id=_ORDER,
        execution_id="x-1",
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal("40.5"),
        price=_usd("185.4999"),
        executed_at=_at(50),
        filled_quantity=Decimal(0),
        listings=3,
    ),
    account_events.AccountListed(listed_at=_at(86400)),
    parent_events.OrderParentObserved(order_id=_EXTERNAL, parent_order_id=_ORDER),
)
_SYSTEM_FACTS: Final = (account_events.AccountAdded, account_events.AccountRemoved)


def golden_records() -> tuple[Recorded, ...]:
    """Return every fact as it was recorded; `n` counts per line."""
    found: list[Recorded] = []
    for index, fact in enumerate(GOLDEN_FACTS, start=1):
        account = "system" if isinstance(fact, _SYSTEM_FACTS) else "sandbox"
        n = 1 + sum(one.account == account for one in found)
        found.append(_recorded(fact, index, account=account, n=n))
    return tuple(found)


def _recorded(fact: events.Event, index: int, *, account: str, n: int) -> Recorded:
    return Recorded(
        type=type_name(fact),
        event_id=f"evt-{index:032d}",
        account=account,
        n=n,
        recorded_at=_at(index),
        correlation_id=f"cor-{index}",
        causation_id=f"cau-{index}",
        actor="worker",
        code_version="0.1.0",
        data=fact,
        sequence=n,
    )
