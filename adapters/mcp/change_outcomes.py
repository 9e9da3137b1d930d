"""What to tell a model of a change, a cancel or a halt: a status, and in words what to do next."""

from typing import Final

from msgspec.structs import replace

from adapters.mcp.answers import broker_text, one_line
from adapters.mcp.asking import NotAgreed
from adapters.mcp.facts import Fact
from adapters.mcp.names import brokers_note, is_brokers
from adapters.mcp.order_answers import CancelStatus, HaltAnswer, ModifyAnswer
from adapters.mcp.orders_flow import Outcome
from adapters.mcp.outcomes import NO_BRANCH, Asked, as_of, detail_of, last_fact, refused_next
from adapters.mcp.words import order_in_words
from core import account_events, events, views
from core.orders import FINAL_PHASES, CancelPhase, Phase
from core.refusals import Refusal

_REPLACED: Final = (
    "The broker's listing shows the order on its new terms. It may have filled by now: get_orders "
    "says whether it is still live."
)
_REPLACED_BEFORE: Final = (
    "An earlier call made this very change; nothing was sent now. get_orders shows how the order "
    "stands by now."
)
_REQUESTED: Final = (
    "The broker took the request. The old terms hold, and may fill, until get_orders shows change "
    "replaced."
)
_MODIFY_REJECTED: Final = (
    "The broker refused the change; the order stands as it was. See get_orders."
)
_MODIFY_NOT_SENT: Final = "Surely nothing was sent; the order stands as it was. Ask again."
_NOT_APPLIED: Final = (
    "The change did not happen: the listings go on showing the old terms, or the order ended on "
    "them. See get_orders."
)
_MODIFY_UNKNOWN: Final = (
    "The order may stand on its old or its new terms. Do not repeat the change: the service asks "
    "the broker until it is sure; follow it with get_orders. Only a cancel passes meanwhile."
)
_MODIFY_PENDING: Final = (
    "No outcome yet, and the change may still be made. Look at get_orders before you ask again; "
    "the same call with the same key is always the same one change."
)
_CHANGE_NOT_CONFIRMED: Final = (
    "This call changed nothing. Ask the person in words; only if they want this very change, ask "
    "for it again, and they are asked again. If no question was shown, this client cannot show "
    "one: a person can set TIGER_MCP_QUESTIONS=never."
)
_HALTED: Final = (
    "Nothing more is sent in this scope, and cancels of what is open are on their way. Look again "
    "with get_account: the halt is complete when it is in unverified_halts no more. Positions stay "
    "as they are."
)
_HALT_VERIFIED: Final = (
    "Nothing is open in this scope any more, and nothing is sent. Positions stay as they are."
)
_HALT_PENDING: Final = (
    "No outcome yet. Call halt_trading again (harmless), and have a person type `tiger-mcp halt`, "
    "which works without this service too."
)
CANCEL_STEPS: Final[dict[CancelStatus, str]] = {
    "requested": (
        "The broker took the request. The order is NOT cancelled until get_orders shows phase "
        "cancelled; it may still fill."
    ),
    "wanted": (
        "The order's own fate is not known yet; the cancel is recorded and carried out as soon as "
        "the broker shows the order. Follow it with get_orders."
    ),
    "cancelled": "The broker's listing shows it cancelled.",
    "done": "It ended otherwise before the cancel; see get_orders for how.",
    "refused": "Nothing was asked of the broker; `detail` says why.",
    "rejected": (
        "The cancel was refused or surely not sent, and the order may still be live. See "
        "get_orders, then cancel again if it is open."
    ),
    "unknown": "The request may or may not have arrived. Cancelling again is safe; see get_orders.",
    "pending": (
        "No outcome yet; the cancel may still be carried out. Cancelling again is safe; see "
        "get_orders."
    ),
}
# Where what helps a new order does not help a change of one.
_CHANGE_STEPS: Final = {
    Refusal.COMMAND_EXPIRED: "Nothing was sent; the order stands as it was. Ask again.",
    Refusal.INVALID_TERMS: "Nothing was sent; the order stands as it was. Mend the named field "
    "and ask for the change again.",
    Refusal.ORDER_NOT_OPEN: "The order is done; there is nothing to change.",
    Refusal.ACCOUNT_STALE: "It is being compared with the broker; ask again in a few seconds.",
    Refusal.SYMBOL_IN_DOUBT: "See get_orders; once it is resolved, ask for the change again.",
    Refusal.NO_CAPACITY: "Nothing was sent. Ask for the change again in a minute.",
}
NOT_CONFIRMED: Final = "the service did not confirm that it has it"


def modify_answer(outcome: Outcome, asked: Asked, *, order_id: str) -> ModifyAnswer:
    """Return what became of a change."""
    started = _started(outcome)
    base = ModifyAnswer(
        environment=asked.environment,
        account=asked.account,
        as_of=as_of(last_fact((outcome,)), asked),
        status="pending",
        next_step=_MODIFY_PENDING,
        command_id=asked.command_id,
        order_id=order_id,
        summary="" if started is None else one_line(order_in_words(started.spec, is_sent=True)),
    )
    match outcome.end.data if outcome.end else None:
        case None:
            return replace(base, detail="" if outcome.is_stored else NOT_CONFIRMED)
        case events.OrderReplaced():
            step = _REPLACED_BEFORE if outcome.is_repeat else _REPLACED
            return replace(base, status="replaced", next_step=step)
        case events.OrderModifyRequested():
            return replace(base, status="requested", next_step=_REQUESTED)
        case events.OrderModifyRefused(detail=detail):
            return replace(
                base,
                status="rejected",
                next_step=_MODIFY_REJECTED,
                broker_text=broker_text(detail),
            )
        case events.OrderModifyNotSent(cause=cause):
            return replace(
                base, status="not_sent", next_step=_MODIFY_NOT_SENT, broker_text=broker_text(cause)
            )
        case events.OrderModifyUnknown(cause=cause):
            return replace(
                base, status="unknown", next_step=_MODIFY_UNKNOWN, broker_text=broker_text(cause)
            )
        case events.OrderModifyNotApplied():
            return replace(base, status="not_applied", next_step=_NOT_APPLIED)
        case events.OrderRefused() as no:
            return replace(
                base,
                status="refused",
                next_step=refused_next(no, asked, steps=_CHANGE_STEPS),
                code=no.code,
                detail=_why(no, order_id),
            )
        case _:
            raise AssertionError(NO_BRANCH)


def unconfirmed_change(asked: Asked, said: NotAgreed, *, order_id: str) -> ModifyAnswer:
    """Return the answer to a change that the person did not agree to."""
    return ModifyAnswer(
        environment=asked.environment,
        account=asked.account,
        as_of=as_of(None, asked),
        status="refused",
        next_step=said.next_step or _CHANGE_NOT_CONFIRMED,
        command_id=asked.command_id,
        order_id=order_id,
        code=said.code,
        detail=said.why,
    )


def cancel_cells(outcome: Outcome, *, order_id: str, command_id: str) -> dict[str, object]:
    """Return what became of the wish to cancel one order, by the names of the columns."""
    base: dict[str, object] = {"order_id": order_id, "command_id": command_id}
    match outcome.end.data if outcome.end else None:
        case None:
            detail = "" if outcome.is_stored else NOT_CONFIRMED
            return base | {"status": "pending", "detail": detail}
        case events.OrderCancelRequested():
            return base | {"status": "requested"}
        case events.OrderCancelWanted():
            return base | {"status": "wanted"}
        case events.OrderCancelRefused(detail=detail):
            return base | {"status": "rejected", "broker_text": broker_text(detail)}
        case events.OrderCancelUnknown(cause=cause):
            return base | {"status": "unknown", "broker_text": broker_text(cause)}
        case events.OrderRefused() as no:
            return base | {"status": "refused", "code": no.code, "detail": _why(no, order_id)}
        case _:
            raise AssertionError(NO_BRANCH)


def cancel_status(row: views.OrderRow) -> CancelStatus:
    """Return what a view tells of a cancel that was asked of an order."""
    if row.phase is Phase.CANCELLED:
        return "cancelled"
    if row.phase in FINAL_PHASES:
        return "done"
    match row.cancel:
        case CancelPhase.REQUESTED:
            return "requested"
        case CancelPhase.WANTED:
            return "wanted"
        case CancelPhase.REFUSED:
            return "rejected"
        case CancelPhase.UNKNOWN:
            return "unknown"
        case CancelPhase.NONE | CancelPhase.STARTED:
            return "pending"


def halt_answer(outcome: Outcome, asked: Asked, *, symbol: str) -> HaltAnswer:
    """Return what a halt came to, before anybody has looked at what is still open."""
    base = HaltAnswer(
        environment=asked.environment,
        account=asked.account,
        as_of=as_of(last_fact((outcome,)), asked),
        status="pending",
        scope=f"{symbol} of {asked.account}" if symbol else f"all of {asked.account}",
        next_step=_HALT_PENDING,
        command_id=asked.command_id,
    )
    match outcome.end.data if outcome.end else None:
        case None:
            return replace(base, detail="" if outcome.is_stored else NOT_CONFIRMED)
        case account_events.AccountHalted():
            return replace(
                base, status="halted", next_step=f"{_HALTED} {_resumed_by(asked.account, symbol)}"
            )
        case events.OrderRefused() as no:
            return replace(
                base,
                status="refused",
                next_step=refused_next(no, asked),
                code=no.code,
                detail=detail_of(no),
            )
        case _:
            raise AssertionError(NO_BRANCH)


def halt_looked_at(
    halted: HaltAnswer, *, symbol: str, still_open: tuple[str, ...], is_verified: bool
) -> HaltAnswer:
    """Return a halt's answer with what was found open after it."""
    held = _HALT_VERIFIED if is_verified else _HALTED
    return replace(
        halted,
        still_open=still_open,
        is_verified=is_verified,
        next_step=f"{held} {_resumed_by(halted.account, symbol)}",
    )


def _resumed_by(account: str, symbol: str) -> str:
    scope = f" --symbol {symbol}" if symbol else ""
    return f"Only a person can resume, with `tiger-mcp resume {account}{scope}`."


def _why(no: events.OrderRefused, order_id: str) -> str:
    is_mistaken = no.code is Refusal.ORDER_UNKNOWN and is_brokers(order_id)
    return brokers_note((order_id,)) if is_mistaken else detail_of(no)


def _started(outcome: Outcome) -> events.OrderModifyStarted | None:
    found: list[Fact] = [f for f in outcome.facts if f.type == "order.modify_started"]
    data = found[-1].data if found else None
    return data if isinstance(data, events.OrderModifyStarted) else None
