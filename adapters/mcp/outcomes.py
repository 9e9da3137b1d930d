"""What to tell a model of a command's outcome: a status, and in words what to do next."""

from typing import Final

from msgspec.structs import replace

from adapters.mcp import answers
from adapters.mcp.answers import broker_text
from adapters.mcp.facts import Fact
from adapters.mcp.orders_flow import Outcome
from core import events
from core.events import Environment
from core.refusals import NEXT_STEP

_ACCEPTED: Final = (
    "The broker has the order. It is NOT done: follow it with get_orders until its phase is "
    "filled, cancelled, expired or rejected."
)
_REJECTED: Final = "The broker refused it and nothing is live. Change the terms and preview again."
_NOT_SENT: Final = "Surely nothing was sent. To try again, call preview_order for a new preview."
_UNKNOWN: Final = (
    "The order MAY BE LIVE: never send another in its place. The service asks the broker until it "
    "is sure; follow it with get_orders. cancel_orders has it cancelled once it is sighted."
)
_SUBMIT_PENDING: Final = (
    "No outcome yet, and the order may still be sent. Call submit_order again with this same "
    "preview_id (always the same one order, never a second), or look at get_orders. Do not "
    "preview it again meanwhile."
)
_ALWAYS_THE_SAME: Final = " This preview_id will always give this answer."
_PREVIEW_PENDING: Final = (
    "No answer yet, and nothing is sent by a preview. Call preview_order again in a few seconds."
)
_MAY_SUBMIT: Final = (
    "Show the person this order with its account and environment. If it is wanted, call "
    "submit_order with this preview_id before expires_at."
)
_CHECKS_FAILED: Final = (
    "It cannot be submitted: see the checks that did not pass, mend the terms and preview again."
)
_CANCEL_REQUESTED: Final = (
    "The broker took the request. The order is NOT cancelled until get_orders shows phase "
    "cancelled; it may still fill."
)
_CANCEL_WANTED: Final = (
    "The order's own fate is not known yet; the cancel is recorded and carried out as soon as the "
    "broker shows the order. Follow it with get_orders."
)
_CANCEL_REJECTED: Final = (
    "The cancel was refused or surely not sent, and the order may still be live. See get_orders, "
    "then cancel again if it is open."
)
_CANCEL_UNKNOWN: Final = (
    "The request may or may not have arrived. Cancelling again is safe; see get_orders."
)
_CANCEL_PENDING: Final = (
    "No outcome yet; the cancel may still be carried out. Cancelling again is safe; see get_orders."
)
# A checked shape ends here: an end that no branch knows is a bug of `orders_flow.ENDS`.
_NO_BRANCH: Final = "expected a fact that ends the command"


def preview_answer(
    outcome: Outcome, *, environment: Environment, account: str, command_id: str, highest_n: int
) -> answers.PreviewAnswer:
    """Return what a preview came to."""
    seen = _as_of(outcome, highest_n)
    match outcome.end.data if outcome.end else None:
        case events.OrderPreviewed() as shown:
            return _previewed(shown, environment, account, seen)
        case events.OrderRefused() as no:
            return answers.PreviewAnswer(
                environment=environment,
                account=account,
                as_of=seen,
                status="refused",
                can_submit=False,
                next_step=NEXT_STEP[no.code],
                command_id=command_id,
                code=no.code,
                detail=_detail(no),
            )
        case None:
            return answers.PreviewAnswer(
                environment=environment,
                account=account,
                as_of=seen,
                status="pending",
                can_submit=False,
                next_step=_PREVIEW_PENDING,
                command_id=command_id,
            )
        case _:
            raise AssertionError(_NO_BRANCH)


def submit_answer(
    outcome: Outcome,
    *,
    environment: Environment,
    account: str,
    command_id: str,
    preview_id: str,
    highest_n: int,
) -> answers.SubmitAnswer:
    """Return what became of a submit."""
    started = next(
        (
            f.data.order_id
            for f in outcome.facts
            if isinstance(f.data, events.OrderSubmissionStarted)
        ),
        "",
    )
    base = answers.SubmitAnswer(
        environment=environment,
        account=account,
        as_of=_as_of(outcome, highest_n),
        status="pending",
        next_step=_SUBMIT_PENDING,
        command_id=command_id,
        preview_id=preview_id,
        order_id=started,
    )
    match outcome.end.data if outcome.end else None:
        case None:
            detail = "" if outcome.is_stored else "the service did not confirm that it has it"
            return replace(base, detail=detail)
        case events.OrderAccepted(order_id=order_id, tiger_order_id=tiger_order_id):
            return replace(
                base,
                status="accepted",
                next_step=_ACCEPTED,
                order_id=order_id,
                tiger_order_id=broker_text(tiger_order_id),
            )
        case events.OrderRejected(order_id=order_id, detail=detail):
            return replace(
                base,
                status="rejected",
                next_step=_REJECTED,
                order_id=order_id,
                broker_text=broker_text(detail),
            )
        case events.OrderNotSent(order_id=order_id, cause=cause):
            return replace(
                base,
                status="not_sent",
                next_step=_NOT_SENT,
                order_id=order_id,
                broker_text=broker_text(cause),
            )
        case events.OrderOutcomeUnknown(order_id=order_id, cause=cause):
            return replace(
                base,
                status="unknown",
                next_step=_UNKNOWN,
                order_id=order_id,
                broker_text=broker_text(cause),
            )
        case events.OrderRefused() as no:
            return replace(
                base,
                status="refused",
                next_step=NEXT_STEP[no.code] + _ALWAYS_THE_SAME,
                code=no.code,
                detail=_detail(no),
            )
        case _:
            raise AssertionError(_NO_BRANCH)


def cancel_line(outcome: Outcome, *, order_id: str, command_id: str) -> answers.CancelLine:
    """Return what became of the wish to cancel one order."""
    base = answers.CancelLine(
        order_id=order_id, status="pending", next_step=_CANCEL_PENDING, command_id=command_id
    )
    match outcome.end.data if outcome.end else None:
        case None:
            detail = "" if outcome.is_stored else "the service did not confirm that it has it"
            return replace(base, detail=detail)
        case events.OrderCancelRequested():
            return replace(base, status="requested", next_step=_CANCEL_REQUESTED)
        case events.OrderCancelWanted():
            return replace(base, status="wanted", next_step=_CANCEL_WANTED)
        case events.OrderCancelRefused(detail=detail):
            return replace(
                base,
                status="rejected",
                next_step=_CANCEL_REJECTED,
                broker_text=broker_text(detail),
            )
        case events.OrderCancelUnknown(cause=cause):
            return replace(
                base,
                status="unknown",
                next_step=_CANCEL_UNKNOWN,
                broker_text=broker_text(cause),
            )
        case events.OrderRefused() as no:
            return replace(
                base,
                status="refused",
                next_step=NEXT_STEP[no.code],
                code=no.code,
                detail=_detail(no),
            )
        case _:
            raise AssertionError(_NO_BRANCH)


def last_fact(outcomes: tuple[Outcome, ...]) -> Fact | None:
    """Return the newest fact of several commands of one account."""
    facts = [fact for outcome in outcomes for fact in outcome.facts]
    return max(facts, key=lambda fact: fact.n, default=None)


def as_of(newest: Fact | None, highest_n: int) -> answers.AsOf:
    """Return how far the account is known here: a write's own fact, else what was heard of it."""
    if newest is None:
        return answers.AsOf(n=highest_n)
    return answers.AsOf(n=newest.n, at=newest.recorded_at)


def _as_of(outcome: Outcome, highest_n: int) -> answers.AsOf:
    return as_of(last_fact((outcome,)), highest_n)


def _previewed(
    shown: events.OrderPreviewed, environment: Environment, account: str, seen: answers.AsOf
) -> answers.PreviewAnswer:
    spec, quote = shown.spec, shown.quote
    can_submit = all(check.passed for check in shown.checks)
    return answers.PreviewAnswer(
        environment=environment,
        account=account,
        as_of=seen,
        status="previewed",
        can_submit=can_submit,
        next_step=_MAY_SUBMIT if can_submit else _CHECKS_FAILED,
        command_id=shown.command_id,
        preview_id=shown.preview_id,
        order=answers.OrderTerms(
            symbol=spec.symbol,
            market=broker_text(spec.market),
            currency=broker_text(spec.currency),
            side=spec.side,
            order_type=spec.order_type,
            quantity=spec.quantity,
            limit_price=spec.limit_price,
            time_in_force=spec.time_in_force,
            outside_regular_hours=spec.outside_regular_hours,
        ),
        checks=tuple(answers.check_line(check) for check in shown.checks),
        quote=None
        if quote is None
        else answers.QuoteUsedLine(bid=quote.bid, ask=quote.ask, last=quote.last, at=quote.at),
        estimate=None if shown.estimate is None else answers.estimate_line(shown.estimate),
        expires_at=shown.expires_at,
    )


# The desk writes the next step behind the cause; here it has a field of its own.
def _detail(no: events.OrderRefused) -> str:
    return broker_text(no.detail.removesuffix(NEXT_STEP[no.code]).rstrip())
