"""Tools that act on orders: preview, submit, change, cancel.

A new order is two steps: a preview that shows the exact order, and a submit that names the preview
alone, so that nothing else can be sent than was shown.
"""

import asyncio
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import InputRequiredResult
from msgspec.structs import replace
from pydantic import Field

from adapters.mcp import change_outcomes, outcomes
from adapters.mcp import order_answers as told
from adapters.mcp.arguments import CANCELS_MAX, Account, Key, OrderId, PreviewId, Reason, Symbol
from adapters.mcp.confirming import Confirming
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.holdings import Holdings, holdings_for
from adapters.mcp.names import check_underlying
from adapters.mcp.order_arguments import ChangeArguments, OrderArguments
from adapters.mcp.orders_flow import (
    CANCEL,
    CANCEL_MANY,
    MODIFY,
    PREVIEW,
    SUBMIT,
    Asked,
    Outcome,
    carry_out,
)
from adapters.mcp.principals import own_key, owner_of_previews, principal_of
from adapters.mcp.tables import table
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from core import account_events, events, preview_events, views
from core.claims import claim_of, claimed_command_id
from core.commands import (
    CancelOrder,
    CancelOrders,
    ModelCommand,
    ModifyOrder,
    PreviewOrder,
    SubmitOrder,
    cancel_command_id,
    submit_command_id,
)
from core.errors import CommandError
from core.ids import derived_id
from core.modes import Environment
from core.terms import Side

# Of a cancel by filter; those that are not shown were asked all the same.
_ROWS_SHOWN_MAX: Final = views.ROWS_MAX
# What makes a preview or spends one.
_OF_PREVIEWS: Final = frozenset({PREVIEW, SUBMIT})
_CANCEL_COLUMNS: Final = (
    "order_id",
    "status",
    "code",
    "detail",
    "broker_text",
    "command_id",
)


class OrderTools:
    """Orders: show, send, change, cancel."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._confirming = Confirming(gateway)

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        records = Effect(is_read=False, is_destructive=False, is_idempotent=False, asks_broker=True)
        acts = Effect(is_read=False, is_destructive=True, is_idempotent=True, asks_broker=True)
        return [
            tool(self.preview_order, records),
            tool(self.submit_order, acts),
            tool(self.modify_order, acts),
            tool(self.cancel_orders, acts),
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
        outcome = await self._carry_out(
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
        asked = self._asked(environment, account, command_id, has_key=bool(command.key))
        return outcomes.preview_answer(outcome, asked, held=await self._held(account, outcome))

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
            asked = self._asked(environment, account, command_id)
            return outcomes.unconfirmed_answer(asked, said, preview_id=preview_id)
        outcome = await self._carry_out(
            ctx,
            account,
            SUBMIT,
            command_id,
            SubmitOrder(preview_id=preview_id),
            correlation_id=preview_id,
            wait_s=self._gateway.parts.waits.submit_s,
        )
        failed = await self._confirming.failed_checks(account, preview_id, outcome)
        asked = self._asked(environment, account, command_id)
        return outcomes.submit_answer(outcome, asked, preview_id=preview_id, failed=failed)

    async def modify_order(
        self,
        ctx: Context[Any, Any],
        account: Account,
        order_id: OrderId,
        reason: Reason,
        changes: ChangeArguments,
        key: Key | None = None,
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
        said, seen = await self._confirming.change(ctx, environment, account, command, command_id)
        if isinstance(said, InputRequiredResult):
            return said
        if said is not None:
            asked = self._asked(environment, account, command_id)
            return change_outcomes.unconfirmed_change(asked, said, order_id=order_id)
        outcome = await self._carry_out(
            ctx,
            account,
            MODIFY,
            command_id,
            replace(command, seen=seen),
            correlation_id=command_id,
            wait_s=self._gateway.parts.waits.modify_s,
            linger_s=self._gateway.parts.waits.replaced_s,
        )
        asked = self._asked(environment, account, command_id, has_key=bool(command.key))
        return change_outcomes.modify_answer(outcome, asked, order_id=order_id)

    async def cancel_orders(
        self,
        ctx: Context[Any, Any],
        account: Account,
        order_ids: Annotated[list[OrderId], Field(min_length=1, max_length=CANCELS_MAX)]
        | None = None,
        symbol: Symbol | None = None,
        side: Side | None = None,
        all_open: bool = False,
    ) -> told.CancelsAnswer:
        """Asks the broker to cancel up to 20 order_ids, or every open order of a symbol and/or
        side, or all_open. Safe to repeat.

        `requested` is NOT cancelled: it may fill until get_orders shows phase cancelled. See every
        row and `next_steps`.
        """
        environment = await self._gateway.writable(account)
        has_filter = symbol is not None or side is not None
        if (order_ids is not None) + has_filter + all_open != 1:
            error = CommandError(
                "expected either order_ids, or symbol and/or side, or all_open", field="order_ids"
            )
            raise refused_argument(error)
        check_underlying(symbol)
        if order_ids is not None:
            return await self._cancel_each(ctx, environment, account, order_ids)
        return await self._cancel_fitting(ctx, environment, account, symbol, side)

    async def _cancel_each(
        self,
        ctx: Context[Any, Any],
        environment: Environment,
        account: str,
        order_ids: list[str],
    ) -> told.CancelsAnswer:
        attempt = self._gateway.parts.ids.new("try")
        wanted = {
            order_id: cancel_command_id(account, order_id, attempt)
            for order_id in dict.fromkeys(order_ids)
        }
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    self._carry_out(
                        ctx,
                        account,
                        CANCEL,
                        command_id,
                        CancelOrder(order_id=order_id),
                        correlation_id=attempt,
                        wait_s=self._gateway.parts.waits.cancel_s,
                    )
                )
                for order_id, command_id in wanted.items()
            ]
        ended = tuple(task.result() for task in tasks)
        cells = [
            change_outcomes.cancel_cells(outcome, order_id=order_id, command_id=command_id)
            for outcome, (order_id, command_id) in zip(ended, wanted.items(), strict=True)
        ]
        base = self._cancels(environment, account, ended)
        return _with_rows(replace(base, status="asked"), cells)

    async def _cancel_fitting(
        self,
        ctx: Context[Any, Any],
        environment: Environment,
        account: str,
        symbol: str | None,
        side: Side | None,
    ) -> told.CancelsAnswer:
        command_id = self._gateway.parts.ids.new("cmd")
        outcome = await self._carry_out(
            ctx,
            account,
            CANCEL_MANY,
            command_id,
            CancelOrders(symbol=symbol, side=side),
            correlation_id=command_id,
            wait_s=self._gateway.parts.waits.cancel_s,
        )
        base = replace(self._cancels(environment, account, (outcome,)), command_id=command_id)
        match outcome.end.data if outcome.end else None:
            case account_events.AccountCancelsAsked(order_ids=order_ids):
                shown = order_ids[:_ROWS_SHOWN_MAX]
                cells: list[dict[str, object]]
                try:
                    rows = await self._settled(account, shown)
                    cells = [
                        {"order_id": row.order_id, "status": change_outcomes.cancel_status(row)}
                        for row in rows
                    ]
                except ToolError:
                    # They are asked all the same, and an error would sound as if they were not.
                    cells = [{"order_id": each, "status": "pending"} for each in shown]
                more = max(0, len(order_ids) - _ROWS_SHOWN_MAX)
                return _with_rows(replace(base, status="asked", more=more), cells)
            case events.OrderRefused() as no:
                row: dict[str, object] = {
                    "status": "refused",
                    "code": no.code,
                    "detail": outcomes.detail_of(no),
                }
                return _with_rows(replace(base, status="refused"), [row])
            case _:
                detail = "" if outcome.is_stored else change_outcomes.NOT_CONFIRMED
                return _with_rows(base, [{"status": "pending", "detail": detail}])

    async def _settled(self, account: str, order_ids: tuple[str, ...]) -> list[views.OrderRow]:
        """Return the orders once each cancel has an answer, or when the time for it is over."""
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._gateway.parts.waits.cancel_s
        while True:
            n = self._gateway.facts.highest(account)
            rows = await self._orders(account, order_ids, at_least_n=n)
            if all(change_outcomes.cancel_status(row) != "pending" for row in rows):
                return rows
            left_s = give_up_at - loop.time()
            if not await self._gateway.facts.beyond(account, n, limit_s=max(left_s, 0.0)):
                return rows

    async def _held(self, account: str, outcome: Outcome) -> Holdings | None:
        shown = outcome.end.data if outcome.end else None
        if not isinstance(shown, preview_events.OrderPreviewed):
            return None
        return await holdings_for(self._gateway, account, shown.spec)

    async def _orders(
        self, account: str, order_ids: tuple[str, ...], *, at_least_n: int
    ) -> list[views.OrderRow]:
        rows: list[views.OrderRow] = []
        cursor: str | None = None
        while True:
            query = views.OrdersQuery(
                at_least_n=at_least_n,
                order_ids=order_ids,
                limit=views.ROWS_MAX,
                cursor=cursor,
            )
            page = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
            rows += page.orders
            cursor = page.cursor
            if cursor is None:
                return rows

    async def _carry_out(
        self,
        ctx: Context[Any, Any],
        account: str,
        name: str,
        command_id: str,
        body: ModelCommand,
        *,
        correlation_id: str,
        wait_s: float,
        life_s: float | None = None,
        linger_s: float = 0.0,
    ) -> Outcome:
        return await carry_out(
            self._gateway,
            Asked(
                account=account,
                name=name,
                command_id=command_id,
                correlation_id=correlation_id,
                principal=principal_of(ctx),
                owner=owner_of_previews() if name in _OF_PREVIEWS else "",
                body=body,
                life_s=self._gateway.parts.waits.order_life_s if life_s is None else life_s,
                wait_s=wait_s,
                linger_s=linger_s,
            ),
        )

    def _command_id(self, account: str, command: PreviewOrder | ModifyOrder) -> str:
        claim = claim_of(command)
        if claim is None:
            return self._gateway.parts.ids.new("cmd")
        return claimed_command_id(account, claim)

    def _asked(
        self, environment: Environment, account: str, command_id: str, *, has_key: bool = False
    ) -> outcomes.Asked:
        return outcomes.Asked(
            environment=environment,
            account=account,
            command_id=command_id,
            highest_n=self._gateway.facts.highest(account),
            now=self._gateway.parts.clock.now(),
            has_key=has_key,
        )

    def _cancels(
        self, environment: Environment, account: str, ended: tuple[Outcome, ...]
    ) -> told.CancelsAnswer:
        asked = self._asked(environment, account, "")
        return told.CancelsAnswer(
            environment=environment,
            account=account,
            as_of=outcomes.as_of(outcomes.last_fact(ended), asked),
            status="pending",
            cancels=table((), ()),
            next_steps={},
        )


def _with_rows(base: told.CancelsAnswer, cells: list[dict[str, object]]) -> told.CancelsAnswer:
    seen = {str(each["status"]) for each in cells}
    steps = {
        status: text for status, text in change_outcomes.CANCEL_STEPS.items() if status in seen
    }
    return replace(base, cancels=table(_CANCEL_COLUMNS, cells), next_steps={**steps})
