"""Whether the person agreed to an order or to a change of one, where a client can show a question.

What cannot be sent is refused before anybody is asked, and what was said no to is over.
"""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

import msgspec
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp import asking, questions
from adapters.mcp.asking import Answered, NotAgreed
from adapters.mcp.facts import Fact, fact_of
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.holdings import holdings_for
from adapters.mcp.orders_flow import Outcome
from adapters.mcp.outcomes import FAILED_CHECKS, SUBMIT_REFUSED, SUBMITTED, warnings_of
from adapters.mcp.principals import owner_of_previews
from core import events, preview_events, views
from core.commands import ModifyOrder, TermsSeen, submit_command_id
from core.errors import CommandError
from core.modes import Environment
from core.refusals import NEXT_STEP, Refusal

# Each of these took a person's own no. A gateway that starts anew asks once more.
DECLINED_MAX: Final = 1_000
_ORDER_OVER: Final = (
    "This call sent nothing, and this preview is over. Ask the person in words what they want; "
    "only for another order, or if they ask for this one after all, call preview_order again "
    "(with a new key, if with any)."
)
_CHANGE_OVER: Final = (
    "This call changed nothing. It was declined, and so is its repetition. Ask the person in "
    "words what they want; only if they ask for this very change after all, call modify_order "
    "with a new key."
)
_WARNED: Final = (
    "This call changed nothing. Show the person what `detail` warns of; only if they want this "
    'very change, make the same call with warned "{}" besides.'
)
_CHANGED: Final = NotAgreed("what the question was about has changed since it was asked")


class Question(NamedTuple):
    """What a person is asked; a no ends what it is `about`, for whoever asks; `over` says so."""

    text: str
    about: tuple[str, ...]
    declined: str
    over: str


# The question, a refusal that needs none, or nothing to ask about.
Wording = Question | NotAgreed | None


class Confirming:
    """Asks about each preview and each change; keeps what a person declined."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        # What a code is made with: nobody else can make one, and none outlives this process.
        self._secret = gateway.parts.ids.new("warn").encode()
        self._declined: dict[tuple[str, ...], None] = {}

    async def order(
        self, ctx: Context[Any, Any], environment: Environment, account: str, preview_id: str
    ) -> Answered:
        """Return None if this order may be sent as far as the person is concerned.

        Raises:
            ToolError: the projector does not say what the preview is.
        """
        if not self._asks(ctx):
            return None

        async def wording() -> Wording:
            return await self._of_order(environment, account, preview_id)

        return await self._ask(ctx, wording)

    async def change(
        self,
        ctx: Context[Any, Any],
        environment: Environment,
        account: str,
        command: ModifyOrder,
        command_id: str,
        *,
        warned: str,
    ) -> tuple[Answered, TermsSeen | None]:
        """Return None if this change may be sent as far as the person is concerned.

        Beside it the order's terms as they were seen, over no others of which it may be laid.
        `warned` is what an answer to the same change gave, whose warnings the person has seen.

        Raises:
            ToolError: the projector does not say what the order is, or a term does not fit it.
        """
        if not self._asks(ctx):
            at_hand = await self._order_row(account, command.order_id)
            said = await self._warning(account, at_hand, command, command_id, warned=warned)
            return said, _terms_of(at_hand)
        seen: TermsSeen | None = None

        async def wording() -> Wording:
            nonlocal seen
            if command.key and await self._is_handled(account, command_id):
                return None
            row = await self._order_row(account, command.order_id)
            seen = _terms_of(row)
            return _of_change(account, row, command, environment)

        return await self._ask(ctx, wording), seen

    async def spent(self, account: str, outcome: Outcome) -> str:
        """Return why a preview that is told of again cannot be submitted any more, "" if it can.

        Nobody knows it while the projector is away; a submit is the same one order all the same.
        """
        shown = outcome.end.data if outcome.end else None
        if not outcome.is_repeat or not isinstance(shown, preview_events.OrderPreviewed):
            return ""
        try:
            found = await self._explained(account, shown.preview_id)
        except ToolError:
            return ""
        if found.order is not None:
            return SUBMITTED.format(found.order.order_id)
        command_id = submit_command_id(account, shown.preview_id, owner_of_previews())
        return SUBMIT_REFUSED if _was_refused(_facts_of(found), command_id) else ""

    async def failed_checks(self, account: str, preview_id: str, outcome: Outcome) -> str:
        """Return which checks a submit was refused for, "" if for none or if nobody knows them."""
        no = outcome.end.data if outcome.end else None
        if not isinstance(no, events.OrderRefused) or no.code is not Refusal.CHECK_FAILED:
            return ""
        try:
            return ", ".join(_failed(await self._explained(account, preview_id)))
        except ToolError:
            # It is refused all the same, and an error would sound as if it were not.
            return ""

    def _asks(self, ctx: Context[Any, Any]) -> bool:
        return self._gateway.parts.asks and asking.can_ask(ctx)

    async def _ask(
        self, ctx: Context[Any, Any], wording: Callable[[], Awaitable[Wording]]
    ) -> Answered:
        question = await wording()
        if not isinstance(question, Question):
            return question
        about = (owner_of_previews(), *question.about)
        if about in self._declined:
            return NotAgreed(question.declined, next_step=question.over)
        limit_s = self._gateway.parts.waits.person_s
        said = await asking.agreed(ctx, question.text, limit_s=limit_s)
        if isinstance(said, NotAgreed) and said.is_decline:
            self._decline(about)
            return said._replace(next_step=question.over)
        if said is not None or asking.is_asked_by_result(ctx):
            return said
        # A person takes their time, in which an order may become another.
        again = await wording()
        if isinstance(again, Question):
            return None if again == question else _CHANGED
        return again

    async def _of_order(self, environment: Environment, account: str, preview_id: str) -> Wording:
        found = await self._explained(account, preview_id)
        facts = _facts_of(found)
        owner = owner_of_previews()
        shown = next((f for f in facts if isinstance(f.data, preview_events.OrderPreviewed)), None)
        # Of another's preview nothing is known, as of none.
        is_known = shown is not None and _is_for(shown, owner)
        is_sent = found.order is not None and (is_known or shown is None)
        # What was sent or refused once is never sent anew: to repeat the call is only to look.
        if is_sent or _was_refused(facts, submit_command_id(account, preview_id, owner)):
            return None
        where = questions.place(environment, account)
        text: str | NotAgreed = questions.unknown_order_question(preview_id, where=where)
        if shown is not None and is_known:
            text = await self._of_preview(account, shown, where=where)
        if isinstance(text, NotAgreed):
            return text
        about = (account, preview_id)
        return Question(text, about, "the person said no to this preview", _ORDER_OVER)

    async def _explained(self, account: str, preview_id: str) -> views.ExplainAnswer:
        query = views.ExplainQuery(
            at_least_n=self._gateway.facts.highest(account), about=preview_id
        )
        return await self._gateway.view(account, "explain", query, views.ExplainAnswer)

    async def _of_preview(self, account: str, fact: Fact, *, where: str) -> str | NotAgreed:
        shown = fact.data
        assert isinstance(shown, preview_events.OrderPreviewed)
        failed = [check.name for check in shown.checks if not check.passed]
        if failed:
            detail = FAILED_CHECKS.format(", ".join(failed))
            return _unfit(Refusal.CHECK_FAILED, detail)
        if shown.expires_at < self._gateway.parts.clock.now():
            detail = f"the preview expired at {shown.expires_at.isoformat()}"
            return _unfit(Refusal.PREVIEW_EXPIRED, detail)
        held = await holdings_for(self._gateway, account, shown.spec)
        warnings = warnings_of(shown, fact.recorded_at, held)
        return questions.order_question(shown, warnings, where=where)

    async def _order_row(self, account: str, order_id: str) -> views.OrderRow | None:
        query = views.OrdersQuery(
            at_least_n=self._gateway.facts.highest(account), order_ids=(order_id,)
        )
        found = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
        return next((each for each in found.orders if each.order_id == order_id), None)

    # A new order is shown before it is sent, with its warnings; so is a change that needs one.
    async def _warning(
        self,
        account: str,
        row: views.OrderRow | None,
        command: ModifyOrder,
        command_id: str,
        *,
        warned: str,
    ) -> NotAgreed | None:
        warnings = {} if row is None else questions.warnings_of_change(row, command)
        if row is None or not warnings:
            return None
        detail = "; ".join(warnings.values())
        code = self._code_of(account, row, command, detail)
        if warned == code or (command.key and await self._is_handled(account, command_id)):
            return None
        return NotAgreed(detail, code="warned", next_step=_WARNED.format(code))

    # A key names one change: to repeat the call is only to look.
    async def _is_handled(self, account: str, command_id: str) -> bool:
        query = views.CommandQuery(
            at_least_n=self._gateway.facts.highest(account), command_id=command_id
        )
        found = await self._gateway.view(account, "command", query, views.CommandAnswer)
        return bool(found.events)

    # Of this change of these terms with these warnings and of no other.
    def _code_of(self, account: str, row: views.OrderRow, command: ModifyOrder, detail: str) -> str:
        asked = [getattr(command, name) for name in questions.CHANGEABLE]
        told = [owner_of_previews(), account, command.order_id, *asked, _terms_of(row), detail]
        made = hmac.digest(self._secret, msgspec.json.encode(told), hashlib.sha256)
        return f"w-{made.hex()[:8]}"

    def _decline(self, about: tuple[str, ...]) -> None:
        self._declined[about] = None
        if len(self._declined) > DECLINED_MAX:
            del self._declined[next(iter(self._declined))]


def _of_change(
    account: str, row: views.OrderRow | None, command: ModifyOrder, environment: Environment
) -> Wording:
    try:
        text = questions.change_question(row, command, where=questions.place(environment, account))
    except CommandError as error:
        raise refused_argument(error) from None
    if text is None:
        return None
    # Another reason, which stands last, makes no other change; a new key does.
    about = (account, text.rpartition("\n")[0], command.key)
    return Question(text, about, "the person said no to this change", _CHANGE_OVER)


# Terms that no listing shows yet are those that a later change is laid over.
def _terms_of(row: views.OrderRow | None) -> TermsSeen | None:
    return None if row is None else TermsSeen.of(row.wanted or row.spec)


def _facts_of(found: views.ExplainAnswer) -> list[Fact]:
    return [fact for fact in map(fact_of, found.events) if fact is not None]


def _failed(found: views.ExplainAnswer) -> list[str]:
    shown = (fact.data for fact in _facts_of(found))
    checks = (each.checks for each in shown if isinstance(each, preview_events.OrderPreviewed))
    return [check.name for each in checks for check in each if not check.passed]


def _is_for(fact: Fact, owner: str) -> bool:
    return isinstance(fact.data, preview_events.OrderPreviewed) and fact.data.is_for(owner)


def _was_refused(facts: list[Fact], command_id: str) -> bool:
    return any(
        isinstance(fact.data, events.OrderRefused) and fact.data.command_id == command_id
        for fact in facts
    )


def _unfit(code: Refusal, detail: str) -> NotAgreed:
    return NotAgreed(detail, code=code, next_step=NEXT_STEP[code])
