"""Why an order is as it is: the ledger's facts about it, as one tree from reason to fills."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from adapters.mcp.answers import Answer, broker_text, one_line
from adapters.mcp.facts import Fact, fact_of
from adapters.mcp.order_answers import (
    EstimatePart,
    QuoteUsedPart,
    checks_table,
    estimate_part,
    order_cells,
    quote_part,
)
from adapters.mcp.tables import Cell, Table, table
from adapters.mcp.times import exchange_time
from adapters.mcp.words import order_in_words
from core import events, preview_events, views
from core.commands import submit_command_id
from core.refusals import Refusal

_FACT_COLUMNS: Final = ("n", "at", "fact", "by", "detail", "broker_text")
_FILL_COLUMNS: Final = (
    "executed_at",
    "exchange_time",
    "quantity",
    "price",
    "currency",
    "contract",
    "execution_id",
    "taken_back_at",
)
_CHANGE_COLUMNS: Final = ("at", "by", "terms", "reason", "outcome", "broker_text")


class PreviewPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was shown before the order was sent."""

    preview_id: str
    at: datetime
    by: str
    summary: str
    checks: Table
    quote: QuoteUsedPart | None = None
    estimate: EstimatePart | None = None
    expires_at: datetime


class SendingPart(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of sending it: `outcome` is the last that is known."""

    at: datetime
    by: str
    outcome: str
    answered_at: datetime | None = None
    tiger_order_id: str = ""
    code: Refusal | None = None
    detail: str = ""
    broker_text: str = ""


class ExplainAnswer(Answer, frozen=True, kw_only=True, omit_defaults=True):
    """One order as a tree; a branch that nothing is known of is left out.

    `facts` is every fact of this page, oldest first; `cursor` is absent on the last page.
    """

    order_id: str = ""
    summary: str = ""
    reason: str = ""
    now: dict[str, Any] | None = None
    preview: PreviewPart | None = None
    sending: SendingPart | None = None
    changes: Table | None = None
    fills: Table | None = None
    facts: Table
    cursor: str | None = None
    note: str = ""


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """One fact with whose wish it was."""

    fact: Fact
    by: str


def explained(found: views.ExplainAnswer, base: ExplainAnswer) -> ExplainAnswer:
    """Return the tree of one page of facts, on top of what every answer says."""
    told = [
        _Told(fact=fact, by=broker_text(row.actor))
        for row in found.events
        if (fact := fact_of(row)) is not None
    ]
    order = found.order
    preview = _preview(told)
    summary = "" if preview is None else preview.summary
    return msgspec.structs.replace(
        base,
        order_id="" if order is None else order.order_id,
        summary=summary if order is None else one_line(order_in_words(order.spec, is_sent=True)),
        reason=one_line(_reason(told) if order is None else order.reason),
        now=None if order is None else _now(order),
        preview=preview,
        sending=_sending(_not_strangers(told, base.account, is_sent=order is not None)),
        changes=_changes(told),
        fills=_fills(told, "" if order is None else order.market),
        facts=table(_FACT_COLUMNS, (_fact_cells(one) for one in told)),
    )


def _now(order: views.OrderRow) -> dict[str, Any]:
    cells = order_cells(order)
    said = {
        name: msgspec.to_builtins(value)
        for name, value in cells.items()
        if value not in (None, "", False)
    }
    for name in ("order_id", "terms", "reason"):
        said.pop(name, None)
    return said


def _reason(told: Sequence[_Told]) -> str:
    shown = (one.fact.data for one in told)
    return next(
        (each.reason for each in shown if isinstance(each, preview_events.OrderPreviewed)), ""
    )


def _preview(told: Sequence[_Told]) -> PreviewPart | None:
    for one in told:
        shown = one.fact.data
        if isinstance(shown, preview_events.OrderPreviewed):
            return PreviewPart(
                preview_id=shown.preview_id,
                at=one.fact.recorded_at,
                by=one.by,
                summary=one_line(order_in_words(shown.spec)),
                checks=checks_table(shown.checks, {}),
                quote=quote_part(shown.quote),
                estimate=estimate_part(shown.estimate),
                expires_at=shown.expires_at,
            )
    return None


# Whoever knows the id of a preview may try to submit it, in vain: that is a fact, and no part of
# what became of the preview. The one submit that its owner has is known by its id.
def _not_strangers(told: Sequence[_Told], account: str, *, is_sent: bool) -> list[_Told]:
    shown = next(
        (x.fact.data for x in told if isinstance(x.fact.data, preview_events.OrderPreviewed)), None
    )
    owner = "" if shown is None else shown.owner or ""

    def is_strangers(no: events.Event) -> bool:
        if not isinstance(no, events.OrderRefused) or not no.preview_id:
            return False
        if owner:
            return no.command_id != submit_command_id(account, no.preview_id, owner)
        # What was shown may be on another page; to its owner it was not unknown.
        return shown is None and is_sent and no.code is Refusal.PREVIEW_UNKNOWN

    return [one for one in told if not is_strangers(one.fact.data)]


def _sending(told: Sequence[_Told]) -> SendingPart | None:
    part: SendingPart | None = None
    for one in told:
        fact, at = one.fact, one.fact.recorded_at
        match fact.data:
            case events.OrderSubmissionStarted():
                part = SendingPart(at=at, by=one.by, outcome="no answer yet")
            # A refusal of what is being sent is another's, who may not send it.
            case events.OrderRefused(preview_id=preview_id) as no if preview_id and (
                part is None or part.code is not None
            ):
                part = SendingPart(
                    at=at, by=one.by, outcome="refused", code=no.code, detail=broker_text(no.detail)
                )
            case (
                events.OrderAccepted()
                | events.OrderNotSent()
                | events.OrderOutcomeUnknown()
                | events.OrderRejected()
                | events.OrderNotFound()
                | events.OrderReleased()
            ) if part is not None:
                part = msgspec.structs.replace(
                    part,
                    outcome=fact.type.removeprefix("order."),
                    answered_at=at,
                    tiger_order_id=broker_text(getattr(fact.data, "tiger_order_id", ""))
                    or part.tiger_order_id,
                    broker_text=broker_text(_words_of(fact.data)),
                )
            case _:
                pass
    return part


def _changes(told: Sequence[_Told]) -> Table | None:
    rows: list[dict[str, Cell]] = []
    for one in told:
        match one.fact.data:
            case events.OrderModifyStarted() as change:
                rows.append(
                    {
                        "at": one.fact.recorded_at,
                        "by": one.by,
                        "terms": one_line(order_in_words(change.spec, is_sent=True)),
                        "reason": one_line(change.reason),
                        "outcome": "no answer yet",
                    }
                )
            case (
                events.OrderModifyRequested()
                | events.OrderModifyRefused()
                | events.OrderModifyNotSent()
                | events.OrderModifyUnknown()
                | events.OrderModifyNotApplied()
                | events.OrderReplaced()
            ) as end if rows:
                rows[-1]["outcome"] = one.fact.type.removeprefix("order.").removeprefix("modify_")
                rows[-1]["broker_text"] = broker_text(_words_of(end))
            case _:
                pass
    return table(_CHANGE_COLUMNS, rows) if rows else None


def _fills(told: Sequence[_Told], market: str) -> Table | None:
    rows: list[dict[str, Cell]] = []
    # By the broker's execution id: one that was taken back may be listed, and recorded, again.
    last: dict[str, dict[str, Cell]] = {}
    for one in told:
        match one.fact.data:
            case events.OrderFillRecorded() as fill:
                last[fill.execution_id] = _fill_cells(fill, market)
                rows.append(last[fill.execution_id])
            case events.OrderFillTakenBack(execution_id=execution_id) if execution_id in last:
                last[execution_id]["taken_back_at"] = one.fact.recorded_at
            case _:
                pass
    return table(_FILL_COLUMNS, rows) if rows else None


def _fill_cells(fill: events.OrderFillRecorded, market: str) -> dict[str, Cell]:
    return {
        "executed_at": fill.executed_at,
        "exchange_time": exchange_time(fill.executed_at, market),
        "quantity": fill.quantity,
        "price": fill.price.amount,
        "currency": fill.price.currency,
        "contract": broker_text(fill.contract),
        "execution_id": broker_text(fill.execution_id),
    }


def _fact_cells(one: _Told) -> Mapping[str, Cell]:
    data = one.fact.data
    detail = ""
    if isinstance(data, events.OrderRefused):
        detail = f"{data.code}: {broker_text(data.detail)}"
    elif isinstance(data, events.OrderReleased):
        detail = f"by {broker_text(data.person)}"
    return {
        "n": one.fact.n,
        "at": one.fact.recorded_at,
        "fact": one.fact.type,
        "by": one.by,
        "detail": detail,
        "broker_text": broker_text(_words_of(data)),
    }


# What the broker, or the way to it, said: text from outside.
def _words_of(data: events.Event) -> str:
    if isinstance(data, events.OrderRefused):
        return ""
    words: str = getattr(data, "detail", "") or getattr(data, "cause", "")
    return words
