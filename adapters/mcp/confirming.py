"""Whether the person agreed to an order or to a change of one, where a client can show a question.

What cannot be sent is refused before anybody is asked, and what was said no to is over.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from mcp.server.mcpserver import Context

from adapters.mcp import asking, questions
from adapters.mcp.asking import Answered, NotAgreed
from adapters.mcp.facts import Fact, fact_of
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.holdings import holdings_for
from adapters.mcp.outcomes import warnings_of
from core import events, views
from core.commands import ModifyOrder
from core.errors import CommandError
from core.events import Environment
from core.refusals import NEXT_STEP, Refusal

# Previews live for minutes, and each of these took a person's own no.
DECLINED_MAX: Final = 1_000
_OVER: Final = (
    "This call sent nothing, and this preview is over. Ask the person in words what they want; "
    "only for another order, or if they ask for this one after all, call preview_order again "
    "(with a new key, if with any)."
)
_CHANGED: Final = NotAgreed("what the question was about has changed since it was asked")
# The question, a refusal that needs none, or nothing to ask about.
Wording = str | NotAgreed | None


class Confirming:
    """Asks about each preview and each change; keeps the previews that a person declined."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._declined: dict[tuple[str, str], None] = {}

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

        said = await self._ask(ctx, wording)
        if isinstance(said, NotAgreed) and said.is_decline:
            self._decline(account, preview_id)
            return said._replace(next_step=_OVER)
        return said

    async def change(
        self,
        ctx: Context[Any, Any],
        environment: Environment,
        account: str,
        command: ModifyOrder,
        command_id: str,
    ) -> Answered:
        """Return None if this change may be sent as far as the person is concerned.

        Raises:
            ToolError: the projector does not say what the order is, or a term does not fit it.
        """
        if not self._asks(ctx):
            return None

        async def wording() -> Wording:
            return await self._of_change(environment, account, command, command_id)

        return await self._ask(ctx, wording)

    def _asks(self, ctx: Context[Any, Any]) -> bool:
        return self._gateway.parts.asks and asking.can_ask(ctx)

    async def _ask(
        self, ctx: Context[Any, Any], wording: Callable[[], Awaitable[Wording]]
    ) -> Answered:
        question = await wording()
        if not isinstance(question, str):
            return question
        limit_s = self._gateway.parts.waits.person_s
        said = await asking.agreed(ctx, question, limit_s=limit_s)
        if said is not None or asking.is_asked_by_result(ctx):
            return said
        # A person takes their time, in which an order may become another.
        again = await wording()
        if isinstance(again, str):
            return None if again == question else _CHANGED
        return again

    async def _of_order(self, environment: Environment, account: str, preview_id: str) -> Wording:
        query = views.ExplainQuery(
            at_least_n=self._gateway.facts.highest(account), about=preview_id
        )
        found = await self._gateway.view(account, "explain", query, views.ExplainAnswer)
        facts = [fact for fact in map(fact_of, found.events) if fact is not None]
        if found.order is not None or _was_refused(facts, preview_id):
            # What was sent or refused once is never sent anew: to repeat the call is only to look.
            return None
        if (account, preview_id) in self._declined:
            return NotAgreed("the person said no to this preview", next_step=_OVER)
        where = questions.place(environment, account)
        for fact in facts:
            if isinstance(fact.data, events.OrderPreviewed):
                return await self._of_preview(account, fact.data, fact, where=where)
        return questions.unknown_order_question(preview_id, where=where)

    async def _of_preview(
        self, account: str, shown: events.OrderPreviewed, fact: Fact, *, where: str
    ) -> Wording:
        failed = [check.name for check in shown.checks if not check.passed]
        if failed:
            detail = f"did not pass in the preview: {', '.join(failed)}"
            return _unfit(Refusal.CHECK_FAILED, detail)
        if shown.expires_at < self._gateway.parts.clock.now():
            detail = f"the preview expired at {shown.expires_at.isoformat()}"
            return _unfit(Refusal.PREVIEW_EXPIRED, detail)
        held = await holdings_for(self._gateway, account, shown.spec)
        warnings = warnings_of(shown, fact.recorded_at, held)
        return questions.order_question(shown, warnings, where=where)

    async def _of_change(
        self, environment: Environment, account: str, command: ModifyOrder, command_id: str
    ) -> Wording:
        if command.key and await self._is_handled(account, command_id):
            return None
        query = views.OrdersQuery(
            at_least_n=self._gateway.facts.highest(account), order_ids=(command.order_id,)
        )
        found = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
        row = next((each for each in found.orders if each.order_id == command.order_id), None)
        try:
            return questions.change_question(
                row, command, where=questions.place(environment, account)
            )
        except CommandError as error:
            raise refused_argument(error) from None

    # A key names one change: to repeat the call is only to look.
    async def _is_handled(self, account: str, command_id: str) -> bool:
        query = views.CommandQuery(
            at_least_n=self._gateway.facts.highest(account), command_id=command_id
        )
        found = await self._gateway.view(account, "command", query, views.CommandAnswer)
        return bool(found.events)

    def _decline(self, account: str, preview_id: str) -> None:
        self._declined[account, preview_id] = None
        if len(self._declined) > DECLINED_MAX:
            del self._declined[next(iter(self._declined))]


def _was_refused(facts: list[Fact], preview_id: str) -> bool:
    return any(
        isinstance(fact.data, events.OrderRefused) and fact.data.preview_id == preview_id
        for fact in facts
    )


def _unfit(code: Refusal, detail: str) -> NotAgreed:
    return NotAgreed(detail, code=code, next_step=NEXT_STEP[code])
