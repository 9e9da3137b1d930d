"""What to tell a model of a preview's or a submit's outcome: a status, and what to do next."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from adapters.mcp import answers
from adapters.mcp.answers import broker_text, one_line
from adapters.mcp.asking import NotAgreed
from adapters.mcp.facts import Fact
from adapters.mcp.holdings import Holdings, short_sale
from adapters.mcp.order_answers import (
    PreviewAnswer,
    SubmitAnswer,
    checks_table,
    estimate_part,
    quote_part,
)
from adapters.mcp.orders_flow import Outcome
from adapters.mcp.words import order_in_words, plain
from core import events, preview_events
from core.modes import Environment
from core.money import Money
from core.price_sense import price_warnings
from core.refusals import NEXT_STEP, Refusal

_ACCEPTED: Final = (
    "The broker has the order. It is NOT done: follow it with get_orders until its phase is "
    "filled, cancelled, expired or rejected."
)
_ACCEPTED_BEFORE: Final = (
    "The broker took this one order at an earlier call, and nothing was sent now. get_orders says "
    "what it is by now: live, filled or ended otherwise."
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
_NOT_CONFIRMED: Final = (
    "This call sent nothing. Ask the person in words; only if they want this very order, submit "
    "the same preview_id, and they are asked again. If an earlier call with it was pending or cut "
    "off, look at get_orders. If no question was shown, this client cannot show one: a person can "
    "set TIGER_MCP_QUESTIONS=never."
)
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
# Of the account, not of the terms: who mends them would try for ever.
_GATE: Final = "account_open"
_SHUT: Final = (
    "It cannot be submitted now: account_open says why, and other terms do not mend it. See "
    "get_account; preview again once that is over."
)
_PREVIEW_PENDING_KEYED: Final = (
    "No answer yet, and nothing is sent by a preview. The same call with the same key asks for it."
)
_KEY_IS_USED: Final = " The key is used up: take a new one."
_EXPIRED: Final = (
    "This preview has expired. Call preview_order again (with a new key, if with any)."
)
SUBMITTED: Final = (
    "It was submitted already, as order {}: get_orders says what became of it. For another order "
    "call preview_order with a new key."
)
SUBMIT_REFUSED: Final = (
    "Its submit was refused, and always will be: explain_order says why. Call preview_order again "
    "with a new key."
)
# Another worker may yet take the very same command.
_NOT_LOOKED_AT: Final = frozenset({Refusal.COMMAND_UNREADABLE, Refusal.SIGNATURE_INVALID})
FAILED_CHECKS: Final = "did not pass in the preview: {}"
# An older quote is worth a word to the person.
QUOTE_AGE_MAX_S: Final = 60.0
# A checked shape ends here: an end that no branch knows is a bug of `orders_flow.ENDS`.
NO_BRANCH: Final = "expected a fact that ends the command"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer to a write begins with."""

    environment: Environment
    account: str
    command_id: str
    highest_n: int
    now: datetime
    has_key: bool = False


def preview_answer(
    outcome: Outcome, asked: Asked, *, held: Holdings | None = None, spent: str = ""
) -> PreviewAnswer:
    """Return what a preview came to.

    `held` is what there is of what would be sold; `spent` says why it can be submitted no more.
    """
    base = PreviewAnswer(
        environment=asked.environment,
        account=asked.account,
        as_of=as_of(last_fact((outcome,)), asked),
        status="pending",
        can_submit=False,
        next_step=_PREVIEW_PENDING_KEYED if asked.has_key else _PREVIEW_PENDING,
        command_id=asked.command_id,
    )
    match outcome.end:
        case None:
            return base
        case Fact(data=preview_events.OrderPreviewed() as shown, recorded_at=shown_at):
            warnings = warnings_of(shown, shown_at, held)
            told = _previewed(shown, base, warnings, now=asked.now)
            return replace(told, can_submit=False, next_step=spent) if spent else told
        case Fact(data=events.OrderRefused() as no):
            return replace(
                base,
                status="refused",
                next_step=refused_next(no, asked),
                code=no.code,
                detail=detail_of(no),
            )
        case _:
            raise AssertionError(NO_BRANCH)


def submit_answer(
    outcome: Outcome, asked: Asked, *, preview_id: str, failed: str = ""
) -> SubmitAnswer:
    """Return what became of a submit; `failed` names the checks that it was refused for."""
    started = next(
        (
            f.data.order_id
            for f in outcome.facts
            if isinstance(f.data, events.OrderSubmissionStarted)
        ),
        "",
    )
    base = SubmitAnswer(
        environment=asked.environment,
        account=asked.account,
        as_of=as_of(last_fact((outcome,)), asked),
        status="pending",
        next_step=_SUBMIT_PENDING,
        command_id=asked.command_id,
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
                next_step=_ACCEPTED_BEFORE if outcome.is_repeat else _ACCEPTED,
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
                next_step=NEXT_STEP[no.code]
                + ("" if no.code in _NOT_LOOKED_AT else _ALWAYS_THE_SAME),
                code=no.code,
                detail=FAILED_CHECKS.format(failed) if failed else detail_of(no),
            )
        case _:
            raise AssertionError(NO_BRANCH)


def unconfirmed_answer(asked: Asked, said: NotAgreed, *, preview_id: str) -> SubmitAnswer:
    """Return the answer to a submit that the person did not agree to."""
    return SubmitAnswer(
        environment=asked.environment,
        account=asked.account,
        as_of=as_of(None, asked),
        status="refused",
        next_step=said.next_step or _NOT_CONFIRMED,
        command_id=asked.command_id,
        preview_id=preview_id,
        code=said.code,
        detail=said.why,
    )


def last_fact(outcomes: tuple[Outcome, ...]) -> Fact | None:
    """Return the newest fact of several commands of one account."""
    facts = [fact for outcome in outcomes for fact in outcome.facts]
    return max(facts, key=lambda fact: fact.n, default=None)


def as_of(newest: Fact | None, asked: Asked) -> answers.AsOf:
    """Return how far the account is known here: a write's own fact, else what was heard by now."""
    if newest is None:
        return answers.AsOf(n=asked.highest_n, at=asked.now)
    return answers.AsOf(n=newest.n, at=newest.recorded_at)


def refused_next(
    no: events.OrderRefused, asked: Asked, *, steps: Mapping[Refusal, str] = NEXT_STEP
) -> str:
    """Return what to do about a refusal; a key that came with it is spent on it.

    `steps` go before what is said of every command.
    """
    is_spent = asked.has_key and no.code not in {Refusal.KEY_CONFLICT, *_NOT_LOOKED_AT}
    return steps.get(no.code, NEXT_STEP[no.code]) + (_KEY_IS_USED if is_spent else "")


def detail_of(no: events.OrderRefused) -> str:
    """Return why a command was refused: the desk writes the next step behind the cause."""
    return broker_text(no.detail.removesuffix(NEXT_STEP[no.code]).rstrip())


def _previewed(
    shown: preview_events.OrderPreviewed,
    base: PreviewAnswer,
    warnings: Mapping[str, str],
    *,
    now: datetime,
) -> PreviewAnswer:
    spec = shown.spec
    failed = {check.name for check in shown.checks if not check.passed}
    is_over = shown.expires_at < now
    next_step = _EXPIRED if is_over else _MAY_SUBMIT
    if failed:
        next_step = _SHUT if _GATE in failed else _CHECKS_FAILED
    return replace(
        base,
        status="previewed",
        can_submit=not failed and not is_over,
        next_step=next_step,
        # The caller may have asked by a key again: the command that made it counts.
        command_id=shown.command_id,
        preview_id=shown.preview_id,
        summary=one_line(order_in_words(spec)),
        costs=costs_in_words(shown.estimate),
        order=_terms(shown),
        checks=checks_table(shown.checks, warnings),
        # Of a combination the broker quotes the underlying alone.
        quote=None if spec.legs else quote_part(shown.quote),
        underlying_quote=quote_part(shown.quote) if spec.legs else None,
        estimate=estimate_part(shown.estimate),
        expires_at=shown.expires_at,
    )


# All terms as data; what came from the broker's contract is cleaned.
def _terms(shown: preview_events.OrderPreviewed) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(shown.spec)
    cleaned = {name: broker_text(told[name]) for name in ("symbol", "market", "currency")}
    terms: dict[str, Any] = _without_nulls(told | cleaned)
    if shown.spec.cash_amount is not None:
        # How many that makes, the broker says once it trades.
        terms.pop("quantity", None)
    return terms


# What hangs on an order, and the legs of a combination, have parts of their own that say nothing.
def _without_nulls(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_nulls(v) for name, v in value.items() if v is not None}
        case list() | tuple():
            return [_without_nulls(each) for each in value]
        case _:
            return value


def costs_in_words(estimate: preview_events.Estimate | None) -> str:
    """Return what an order would cost, in words."""
    if estimate is None:
        return "Not known: there is no price to value it at."
    parts = [f"worth about {_money(estimate.notional)}"]
    if estimate.commission is not None:
        parts.append(f"commission {_money(estimate.commission)}")
    if estimate.initial_margin is not None:
        parts.append(_margin_in_words(estimate.initial_margin))
    return f"{'; '.join(parts)}."


def warnings_of(
    shown: preview_events.OrderPreviewed, shown_at: datetime, held: Holdings | None
) -> dict[str, str]:
    """Return what no rule forbids, and a person should know all the same, by its name."""
    found: dict[str, str] = {}
    if shown.quote is None:
        found["quote_known"] = "the broker gave no quote"
    elif (age_s := (shown_at - shown.quote.at).total_seconds()) > QUOTE_AGE_MAX_S:
        found["quote_age"] = f"the quote was {age_s:.0f} s old"
    if shown.quote is not None and shown.quote.is_delayed:
        found["quote_delayed"] = "a quote right is missing here now: the price is a delayed one"
    found |= price_warnings(shown.spec, shown.quote, now=shown_at)
    if shown.estimate is not None and shown.estimate.commission is None:
        found["commission_known"] = "the broker did not say what it charges"
    return found | short_sale(shown.spec, shown.quote, held)


def _margin_in_words(bound: Money) -> str:
    if bound.amount < 0:
        return f"frees initial margin of {plain(-bound.amount)} {bound.currency}"
    return f"initial margin {_money(bound)}"


def _money(money: Money) -> str:
    return f"{plain(money.amount)} {money.currency}"
