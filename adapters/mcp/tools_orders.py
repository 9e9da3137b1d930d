"""Tools that make and change orders: preview, submit, change.

A new order is two steps: a preview that shows the exact order, and a submit that names the preview
alone, so that nothing else can be sent than was shown.
"""

from typing import Any

from mcp.server.mcpserver import Context
from mcp.types import InputRequiredResult
from msgspec.structs import replace

from adapters.mcp import change_outcomes, outcomes
from adapters.mcp import order_answers as told
from adapters.mcp.arguments import (
    Account,
    Key,
    OrderId,
    PreviewId,
    Reason,
    Warned,
)
from adapters.mcp.confirming import Confirming
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.holdings import Holdings, holdings_for
from adapters.mcp.order_arguments import ChangeArguments, OrderArguments
from adapters.mcp.orders_flow import (
    MODIFY,
    PREVIEW,
    SUBMIT,
    Outcome,
)
from adapters.mcp.principals import own_key, owner_of_previews
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from adapters.mcp.writes import Writes
from core import preview_events
from core.claims import claim_of, claimed_command_id
from core.commands import (
    ModifyOrder,
    PreviewOrder,
    SubmitOrder,
    submit_command_id,
)
from core.errors import CommandError
from core.ids import derived_id


class OrderTools:
    """Orders: show, send, change."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._confirming = Confirming(gateway)
        self._writes = Writes(gateway)

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        records = Effect(is_read=False, is_destructive=False, is_idempotent=False, asks_broker=True)
        acts = Effect(is_read=False, is_destructive=True, is_idempotent=True, asks_broker=True)
        return [
            tool(self.preview_order, records),
            tool(self.submit_order, acts),
            tool(self.modify_order, acts),
        ]

    async def preview_order(
        self, ctx: Context[Any, Any], account: Account, terms: OrderArguments
    ) -> told.PreviewAnswer:
        """Sends nothing: shows the exact order that submit_order would send, its checks and cost.

        Always first. Show the person `summary`, `costs` and `environment` (live = REAL MONEY). Mend
        what `checks` says failed. Good for ten minutes. Give only what order_type and security
        need; amounts are decimal text.
        """
        try:
            command = terms.command()
        except CommandError as error:
            raise refused_argument(error) from None
        environment = await self._gateway.environment(account)
        command = replace(command, key=own_key(terms.key))
        command_id = self._command_id(account, command)
        outcome = await self._writes.carry_out(
            ctx,
            account,
            PREVIEW,
            command_id,
            command,
            # The preview's own id, which its submit carries too: one thread through the record.
            correlation_id=derived_id("prv", account, command_id),
            life_s=self._gateway.parts.waits.preview_life_s,
            wait_s=self._gateway.parts.waits.preview_s,
        )
        asked = self._writes.asked(environment, account, command_id, has_key=bool(command.key))
        held = await self._held(account, outcome)
        spent = await self._confirming.spent(account, outcome)
        return outcomes.preview_answer(outcome, asked, held=held, spent=spent)

    async def submit_order(
        self, ctx: Context[Any, Any], account: Account, preview_id: PreviewId
    ) -> told.SubmitAnswer | InputRequiredResult:
        """TRADES: sends the one order of a preview, with real money if `environment` is live.

        Only if the person wants this very order. Safe to repeat: always the same one order.
        `accepted`: the broker has it, not filled. `unknown`: it may be live, never send another.
        `pending`: call again. `refused`, `not_sent`: nothing was sent. `rejected`: the broker said
        no. Follow `next_step`.
        """
        environment = await self._gateway.writable(account)
        command_id = submit_command_id(account, preview_id, owner_of_previews())
        said = await self._confirming.order(ctx, environment, account, preview_id)
        if isinstance(said, InputRequiredResult):
            return said
        if said is not None:
            asked = self._writes.asked(environment, account, command_id)
            return outcomes.unconfirmed_answer(asked, said, preview_id=preview_id)
        outcome = await self._writes.carry_out(
            ctx,
            account,
            SUBMIT,
            command_id,
            SubmitOrder(preview_id=preview_id),
            correlation_id=preview_id,
            wait_s=self._gateway.parts.waits.submit_s,
        )
        failed = await self._confirming.failed_checks(account, preview_id, outcome)
        asked = self._writes.asked(environment, account, command_id)
        return outcomes.submit_answer(outcome, asked, preview_id=preview_id, failed=failed)

    async def modify_order(
        self,
        ctx: Context[Any, Any],
        account: Account,
        order_id: OrderId,
        reason: Reason,
        changes: ChangeArguments,
        key: Key | None = None,
        warned: Warned | None = None,
    ) -> told.ModifyAnswer | InputRequiredResult:
        """TRADES: changes an open order; what is not given stays. Ask the person first.

        `replaced`: a listing shows the new terms. `requested`: taken, the old ones hold until then.
        `unknown`: either may hold, do not repeat. Else it stands as it was.
        """
        environment = await self._gateway.writable(account)
        try:
            command = changes.command(order_id=order_id, reason=reason, key=own_key(key))
        except CommandError as error:
            raise refused_argument(error) from None
        command_id = self._command_id(account, command)
        said, seen = await self._confirming.change(
            ctx, environment, account, command, command_id, warned=warned or ""
        )
        if isinstance(said, InputRequiredResult):
            return said
        if said is not None:
            asked = self._writes.asked(environment, account, command_id)
            return change_outcomes.unconfirmed_change(asked, said, order_id=order_id)
        outcome = await self._writes.carry_out(
            ctx,
            account,
            MODIFY,
            command_id,
            replace(command, seen=seen),
            correlation_id=command_id,
            wait_s=self._gateway.parts.waits.modify_s,
            linger_s=self._gateway.parts.waits.replaced_s,
        )
        asked = self._writes.asked(environment, account, command_id, has_key=bool(command.key))
        return change_outcomes.modify_answer(outcome, asked, order_id=order_id)

    async def _held(self, account: str, outcome: Outcome) -> Holdings | None:
        shown = outcome.end.data if outcome.end else None
        if not isinstance(shown, preview_events.OrderPreviewed):
            return None
        return await holdings_for(self._gateway, account, shown.spec)

    def _command_id(self, account: str, command: PreviewOrder | ModifyOrder) -> str:
        claim = claim_of(command)
        if claim is None:
            return self._gateway.parts.ids.new("cmd")
        return claimed_command_id(account, claim)
