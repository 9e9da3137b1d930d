"""The audit of an account: what was recorded, by whose wish, when, and what came of it.

It is read under an address, page by page, by those who have the right to it. Text that came from
outside stands under `broker_text`; the facts themselves hold no secret and no account number.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.mcp import answers
from adapters.mcp.callers import Right, current, forbidden
from adapters.mcp.facts import Fact, fact_of
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.tables import Cell, Table, table
from core import account_events, events, preview_events, views
from core.errors import CommandError
from core.ports import EventMessage

_COLUMNS: Final = ("n", "at", "who", "what", "about", "outcome", "reason", "broker_text")
_CURSOR_LENGTH_MAX: Final = 15
_FIGURES: Final = frozenset({"account.positions_observed", "account.balances_observed"})


class AuditAnswer(answers.Answer, frozen=True, kw_only=True, omit_defaults=True):
    """Facts, newest first: `n` is each one's place in the account's line of the ledger.

    `next` is the address of the page before these, absent on the last.
    """

    facts: Table
    next: str = ""


def is_audited(message: EventMessage) -> bool:
    """Say whether a fact that was heard is one of those that the audit shows."""
    return message.subject.split(".", 2)[2] not in _FIGURES


def may_audit(account: str) -> bool:
    """Say whether this caller may read the account's audit."""
    return Right.AUDIT in current().rights(account)


async def audit_of(gateway: Gateway, account: str, *, before: str, address: str) -> AuditAnswer:
    """Return a page of an account's audit.

    Args:
        before: the place before which the page ends, "" for the newest.
        address: of the newest page, to which that of the next is made.

    Raises:
        ToolError: there is no such account, the caller may not, or nobody answers.
    """
    environment = await gateway.environment(account)
    if not may_audit(account):
        raise forbidden(Right.AUDIT, account)
    query = views.AuditQuery(
        at_least_n=gateway.facts.highest(account), before_n=_place_of(before) if before else 0
    )
    found = await gateway.view(account, "audit", query, views.AuditAnswer)
    more = "" if found.more_before is None else f"{address}?before={found.more_before}"
    return AuditAnswer(
        environment=environment,
        account=account,
        as_of=answers.as_of(found.as_of),
        facts=table(_COLUMNS, (_cells(row) for row in found.events)),
        next=more,
    )


def _place_of(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _CURSOR_LENGTH_MAX and int(text)):
        error = CommandError("expected a place as an earlier page gave it", field="before")
        raise refused_argument(error)
    return int(text)


def _cells(row: views.EventRow) -> Mapping[str, Cell]:
    # A fact that this version does not know is shown all the same, without its content.
    fact = fact_of(row)
    known: Mapping[str, Cell] = {} if fact is None else _told(fact)
    return {
        "n": row.n,
        "at": row.recorded_at,
        "who": answers.broker_text(row.actor),
        "what": row.type,
        **known,
    }


def _told(fact: Fact) -> Mapping[str, Cell]:
    data = fact.data
    about = getattr(data, "order_id", "") or getattr(data, "preview_id", "")
    return {
        "about": about or getattr(data, "symbol", ""),
        "outcome": _outcome(data),
        "reason": answers.one_line(getattr(data, "reason", "")),
        "broker_text": answers.broker_text(_words(data)),
    }


# What our own side decided, in its own words.
def _outcome(data: events.Event) -> str:
    match data:
        case events.OrderRefused(code=code) | account_events.CommandUnreadable(code=code):
            return code
        case account_events.AccountModeSet(mode=mode) | account_events.AccountOpened(mode=mode):
            return mode
        case events.OrderFillRecorded(side=side, quantity=quantity, price=price):
            return f"{side} {quantity:f} at {price.amount:f} {price.currency}"
        case events.OrderFillTakenBack(side=side, quantity=quantity, price=price):
            return f"taken back: {side} {quantity:f} at {price.amount:f} {price.currency}"
        case account_events.AccountCancelsAsked(order_ids=order_ids):
            return f"{len(order_ids)} orders"
        case preview_events.OrderPreviewed(checks=checks):
            failed = [check.name for check in checks if not check.passed]
            return f"failed: {', '.join(failed)}" if failed else "all checks passed"
        case _:
            return ""


def _words(data: events.Event) -> str:
    if isinstance(data, events.OrderRefused | account_events.CommandUnreadable):
        return ""
    words: str = getattr(data, "detail", "") or getattr(data, "cause", "")
    return words


def encoded(answer: AuditAnswer) -> str:
    """Return an answer as the text of a resource."""
    # As in the answers of tools.
    return msgspec.json.encode(msgspec.to_builtins(answer) | {"time_zone": "UTC"}).decode()
