"""What the tools of orders answer: previews, ends of a wish, and tables of orders and fills."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from adapters.mcp.answers import Answer, broker_text, one_line
from adapters.mcp.tables import Cell, Table, table
from adapters.mcp.times import exchange_time
from adapters.mcp.words import order_in_words, plain
from core import preview_events, views
from core.money import Money
from core.orders import CancelPhase, ModifyPhase
from core.refusals import Refusal
from core.terms import OrderSpec

CancelStatus = Literal[
    "requested", "wanted", "cancelled", "done", "refused", "rejected", "unknown", "pending"
]
_ORDER_COLUMNS: Final = (
    "order_id",
    "contract",
    "side",
    "quantity",
    "order_type",
    "limit_price",
    "stop_price",
    "currency",
    "terms",
    "phase",
    "filled_quantity",
    "average_price",
    "filled_value",
    "charges",
    "cancel",
    "change",
    "wanted_terms",
    "is_external",
    "parent_order_id",
    "tiger_order_id",
    "reason",
    "broker_text",
    "started_at",
    "exchange_time",
    "updated_at",
)
_EXECUTION_COLUMNS: Final = (
    "executed_at",
    "exchange_time",
    "order_id",
    "contract",
    "side",
    "quantity",
    "price",
    "currency",
    "execution_id",
    "taken_back_at",
)


class QuoteUsedPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quote a preview was made with; prices in the order's currency."""

    bid: str = ""
    ask: str = ""
    last: str = ""
    at: datetime


class EstimatePart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the order would cost."""

    notional: Money
    commission: Money | None = None
    initial_margin: Money | None = None
    broker_text: str = ""


class PreviewAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """The exact order that submit_order would send, in words and in data, and whether it may be."""

    status: Literal["previewed", "refused", "pending"]
    can_submit: bool
    next_step: str
    command_id: str
    preview_id: str = ""
    summary: str = ""
    costs: str = ""
    order: dict[str, Any] | None = None
    checks: Table | None = None
    quote: QuoteUsedPart | None = None
    underlying_quote: QuoteUsedPart | None = None
    estimate: EstimatePart | None = None
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
    # A `Refusal`, or `not_confirmed`: the person, who was asked, did not agree.
    code: str | None = None
    detail: str = ""
    broker_text: str = ""


class ModifyAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What became of the wish to change one order; `summary` is the order as asked for."""

    status: Literal[
        "replaced",
        "requested",
        "refused",
        "rejected",
        "not_sent",
        "not_applied",
        "unknown",
        "pending",
    ]
    next_step: str
    command_id: str
    order_id: str
    summary: str = ""
    # As of a submit, or `warned`: the person has to see what `detail` warns of.
    code: str | None = None
    detail: str = ""
    broker_text: str = ""


class CancelsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """One row per order; `next_steps` says what each status among them means.

    `more` orders were asked for too and are not shown.
    """

    status: Literal["asked", "refused", "pending"]
    cancels: Table
    next_steps: dict[str, str]
    command_id: str = ""
    more: int = 0


class HaltAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """What a halt came to; `still_open` are the orders that may yet fill."""

    status: Literal["halted", "refused", "pending"]
    scope: str
    next_step: str
    command_id: str
    is_verified: bool = False
    still_open: tuple[str, ...] = ()
    code: Refusal | None = None
    detail: str = ""


class Period(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The stretch of time asked for, in the person's zone; the end is not in it."""

    since: datetime | None = None
    until: datetime | None = None


class OrdersAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A page of orders, newest first; `cursor` is absent on the last page."""

    orders: Table
    cursor: str | None = None
    period: Period | None = None
    note: str = ""


class ExecutionsAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """A page of fills, newest first; `cursor` is absent on the last page."""

    executions: Table
    cursor: str | None = None
    period: Period | None = None
    note: str = ""


def orders_table(rows: tuple[views.OrderRow, ...]) -> Table:
    """Return orders, one row each; what the detail says may be the broker's own text."""
    return table(_ORDER_COLUMNS, (order_cells(row) for row in rows))


def order_cells(row: views.OrderRow) -> Mapping[str, Cell]:
    """Return one order by the names of its columns."""
    spec = row.spec
    return {
        "order_id": row.order_id,
        "contract": broker_text(spec.contract),
        "side": row.side,
        "quantity": row.quantity if spec.cash_amount is None else None,
        "order_type": row.order_type,
        "limit_price": row.limit_price,
        "stop_price": spec.stop_price,
        "currency": broker_text(row.currency),
        "terms": _terms(spec),
        "phase": row.phase,
        "filled_quantity": row.filled_quantity,
        "average_price": row.average_price,
        "filled_value": row.filled_value,
        "charges": row.charges or None,
        "cancel": "" if row.cancel is CancelPhase.NONE else row.cancel,
        "change": "" if row.modify is ModifyPhase.NONE else row.modify,
        "wanted_terms": ""
        if row.wanted is None
        else one_line(order_in_words(row.wanted, is_sent=True)),
        "is_external": row.is_external,
        "parent_order_id": row.parent_order_id,
        "tiger_order_id": broker_text(row.tiger_order_id),
        "reason": one_line(row.reason),
        "broker_text": broker_text(row.detail),
        "started_at": row.started_at,
        # What since and until go by, on the clock that the exchange's days have.
        "exchange_time": exchange_time(row.started_at, row.market),
        "updated_at": row.updated_at,
    }


def _terms(spec: OrderSpec) -> str:
    return one_line(order_in_words(spec, is_sent=True))


def executions_table(rows: tuple[views.ExecutionRow, ...]) -> Table:
    """Return fills, one row each, with the time on the exchange's own clock."""
    return table(
        _EXECUTION_COLUMNS,
        (
            {
                "executed_at": row.executed_at,
                "exchange_time": exchange_time(row.executed_at, row.market),
                "order_id": row.order_id,
                "contract": broker_text(row.contract),
                "side": row.side,
                "quantity": row.quantity,
                "price": row.price.amount,
                "currency": row.price.currency,
                "execution_id": broker_text(row.execution_id),
                "taken_back_at": row.taken_back_at,
            }
            for row in rows
        ),
    )


def quote_part(quote: preview_events.QuoteUsed | None) -> QuoteUsedPart | None:
    """Return the quote that a preview was made with."""
    if quote is None:
        return None
    figures = {"bid": quote.bid, "ask": quote.ask, "last": quote.last}
    known = {name: plain(value) for name, value in figures.items() if value is not None}
    return QuoteUsedPart(at=quote.at, **known)


def estimate_part(estimate: preview_events.Estimate | None) -> EstimatePart | None:
    """Return what an order would cost."""
    if estimate is None:
        return None
    return EstimatePart(
        notional=estimate.notional,
        commission=estimate.commission,
        initial_margin=estimate.initial_margin,
        broker_text=broker_text(estimate.message),
    )


def checks_table(checks: tuple[preview_events.Check, ...], warnings: Mapping[str, str]) -> Table:
    """Return what was checked, and what no rule forbids though a person should know it."""
    warned = ({"name": n, "result": "warned", "detail": d} for n, d in warnings.items())
    return table(("name", "result", "detail", "broker_text"), (*map(_check_cells, checks), *warned))


def _check_cells(check: preview_events.Check) -> Mapping[str, Cell]:
    detail = broker_text(check.detail)
    result = "passed" if check.passed else "failed"
    # The detail of the broker's own preview is the broker's text.
    if check.name == "broker_preview":
        return {"name": check.name, "result": result, "broker_text": detail}
    return {"name": check.name, "result": result, "detail": detail}
