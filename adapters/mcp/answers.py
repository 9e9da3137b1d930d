"""What tools answer: one struct per tool, whose JSON is both the text and the structured content.

Every answer names the world, the account and how far its facts were folded. A field that says
nothing is left out. Text that came from outside stands under `broker_text` alone, cut and cleaned.
"""

from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

import msgspec

from core import asks, events, views
from core.events import Environment, Mode
from core.money import Money
from core.orders import CancelPhase, Phase
from core.refusals import Refusal
from core.terms import OrderType, Side, TimeInForce

_BROKER_TEXT_LENGTH_MAX: Final = 300


class AsOf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The account's fact counter that the answer includes, and the time (UTC) it speaks of."""

    n: int
    at: datetime | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every answer about one account says first."""

    environment: Environment
    account: str
    as_of: AsOf


class AccountLine(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """One account, and whether it takes orders now."""

    mode: Mode | None = None
    state: str
    detail: str = ""
    halted_symbols: tuple[str, ...] = ()
    frozen_symbols: tuple[str, ...] = ()
    open_orders: int
    doubtful_orders: int


class AccountsAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every account."""

    accounts: tuple[AccountLine, ...]


class QuoteLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One quote; prices in `currency`, `at` by the broker."""

    symbol: str
    market: str
    currency: str
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    previous_close: Decimal | None = None
    volume: Decimal | None = None
    at: datetime


class QuotesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Quotes; `as_of.at` is the time of the oldest of them."""

    quotes: tuple[QuoteLine, ...]
    unknown_symbols: tuple[str, ...] = ()


class PositionLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One position by the broker's word; prices in `currency`, negative quantity when short."""

    symbol: str
    market: str
    currency: str
    quantity: Decimal
    average_cost: Decimal
    market_price: Decimal | None = None
    unrealized_profit: Decimal | None = None


class PositionsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Positions as read at `observed_at`, which is absent until the first reading."""

    observed_at: datetime | None = None
    positions: tuple[PositionLine, ...]
    note: str = ""


class CashLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Cash of one currency."""

    currency: str
    balance: Decimal
    available: Decimal | None = None


class BalancesAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Figures in `currency`, as read at `observed_at`, which is absent until the first reading."""

    observed_at: datetime | None = None
    currency: str
    net_liquidation: Decimal | None = None
    buying_power: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    cash: tuple[CashLine, ...]
    note: str = ""


class OrderLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order as the ledger has it; prices in `currency`, quantities in shares."""

    order_id: str
    tiger_order_id: str = ""
    symbol: str
    market: str
    currency: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    time_in_force: TimeInForce
    phase: Phase
    cancel: CancelPhase = CancelPhase.NONE
    filled_quantity: Decimal
    average_price: Decimal | None = None
    reason: str = ""
    broker_text: str = ""
    is_external: bool = False
    started_at: datetime
    updated_at: datetime


class OrdersAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A page of orders, newest first; `cursor` is absent on the last page."""

    orders: tuple[OrderLine, ...]
    cursor: str | None = None
    note: str = ""


class ExecutionLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fill."""

    execution_id: str
    order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Money
    executed_at: datetime


class ExecutionsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A page of fills, newest first; `cursor` is absent on the last page."""

    executions: tuple[ExecutionLine, ...]
    cursor: str | None = None


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The exact order; `limit_price` in `currency`, quantity in shares."""

    symbol: str
    market: str
    currency: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    limit_price: Decimal | None = None
    time_in_force: TimeInForce
    outside_regular_hours: bool


class CheckLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check of a preview."""

    name: str
    passed: bool
    detail: str = ""
    broker_text: str = ""


class EstimateLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the order would cost."""

    notional: Money
    commission: Money | None = None
    initial_margin: Money | None = None
    broker_text: str = ""


class QuoteUsedLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quote a preview was made with."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    at: datetime


class PreviewAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """The exact order that submit_order would send, and whether it may be sent."""

    status: Literal["previewed", "refused", "pending"]
    can_submit: bool
    next_step: str
    command_id: str
    preview_id: str = ""
    order: OrderTerms | None = None
    checks: tuple[CheckLine, ...] = ()
    quote: QuoteUsedLine | None = None
    estimate: EstimateLine | None = None
    expires_at: datetime | None = None
    code: Refusal | None = None
    detail: str = ""


class SubmitAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the one order of a preview."""

    status: Literal["accepted", "refused", "rejected", "not_sent", "unknown", "pending"]
    next_step: str
    command_id: str
    preview_id: str
    order_id: str = ""
    tiger_order_id: str = ""
    code: Refusal | None = None
    detail: str = ""
    broker_text: str = ""


class CancelLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the wish to cancel one order."""

    order_id: str
    status: Literal["requested", "wanted", "refused", "rejected", "unknown", "pending"]
    next_step: str
    command_id: str
    code: Refusal | None = None
    detail: str = ""
    broker_text: str = ""


class CancelsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """One line per order asked for, in the order asked."""

    cancels: tuple[CancelLine, ...]


def broker_text(text: str) -> str:
    """Return text from outside on one line, without control characters, cut."""
    cut = text[:_BROKER_TEXT_LENGTH_MAX]
    if cut.isprintable():
        return cut
    return "".join(each if each.isprintable() else " " for each in cut)


def as_of(seen: views.AsOf) -> AsOf:
    """Return how far a view had folded."""
    return AsOf(n=seen.n, at=seen.recorded_at)


def account_line(row: views.AccountRow) -> AccountLine:
    """Return one account of the list."""
    return AccountLine(
        environment=row.environment,
        account=row.alias,
        as_of=as_of(row.as_of),
        mode=row.mode,
        state=row.state,
        detail=broker_text(row.detail),
        halted_symbols=row.halted_symbols,
        frozen_symbols=row.frozen_symbols,
        open_orders=row.open_orders,
        doubtful_orders=row.doubtful_orders,
    )


def quote_line(quote: asks.Quote) -> QuoteLine:
    """Return one quote."""
    return QuoteLine(
        symbol=broker_text(quote.symbol),
        market=broker_text(quote.market),
        currency=broker_text(quote.currency),
        last=quote.last,
        bid=quote.bid,
        ask=quote.ask,
        bid_size=quote.bid_size,
        ask_size=quote.ask_size,
        previous_close=quote.previous_close,
        volume=quote.volume,
        at=quote.at,
    )


def position_line(figure: events.PositionFigure) -> PositionLine:
    """Return one position."""
    return PositionLine(
        symbol=broker_text(figure.symbol),
        market=broker_text(figure.market),
        currency=broker_text(figure.currency),
        quantity=figure.quantity,
        average_cost=figure.average_cost,
        market_price=figure.market_price,
        unrealized_profit=figure.unrealized_profit,
    )


def cash_line(figure: events.CashFigure) -> CashLine:
    """Return the cash of one currency."""
    return CashLine(
        currency=broker_text(figure.currency), balance=figure.balance, available=figure.available
    )


def order_line(row: views.OrderRow) -> OrderLine:
    """Return one order; its detail may quote the broker, so it counts as the broker's."""
    return OrderLine(
        order_id=row.order_id,
        tiger_order_id=broker_text(row.tiger_order_id),
        symbol=broker_text(row.symbol),
        market=broker_text(row.market),
        currency=broker_text(row.currency),
        side=row.side,
        order_type=row.order_type,
        quantity=row.quantity,
        limit_price=row.limit_price,
        time_in_force=row.time_in_force,
        phase=row.phase,
        cancel=row.cancel,
        filled_quantity=row.filled_quantity,
        average_price=row.average_price,
        reason=row.reason,
        broker_text=broker_text(row.detail),
        is_external=row.is_external,
        started_at=row.started_at,
        updated_at=row.updated_at,
    )


def execution_line(row: views.ExecutionRow) -> ExecutionLine:
    """Return one fill."""
    return ExecutionLine(
        execution_id=broker_text(row.execution_id),
        order_id=row.order_id,
        symbol=broker_text(row.symbol),
        side=row.side,
        quantity=row.quantity,
        price=row.price,
        executed_at=row.executed_at,
    )


def check_line(check: events.Check) -> CheckLine:
    """Return one check; the detail of the broker's own preview is the broker's text."""
    detail = broker_text(check.detail)
    if check.name == "broker_preview":
        return CheckLine(name=check.name, passed=check.passed, broker_text=detail)
    return CheckLine(name=check.name, passed=check.passed, detail=detail)


def estimate_line(estimate: events.Estimate) -> EstimateLine:
    """Return what an order would cost."""
    return EstimateLine(
        notional=estimate.notional,
        commission=estimate.commission,
        initial_margin=estimate.initial_margin,
        broker_text=broker_text(estimate.message),
    )
