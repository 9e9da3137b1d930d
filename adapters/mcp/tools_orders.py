"""Tools that act on orders, and the two that list what became of them.

A write is two steps: a preview that shows the exact order, and a submit that names the preview
alone, so that nothing else can be sent than was shown.
"""

import asyncio
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from pydantic import Field

from adapters.mcp import answers, outcomes
from adapters.mcp.arguments import (
    CANCELS_MAX,
    Account,
    Cursor,
    Limit,
    OrderId,
    PreviewId,
    Price,
    Quantity,
    Reason,
    Symbol,
)
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.orders_flow import CANCEL, PREVIEW, SUBMIT, Asked, Outcome, carry_out
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from core import views
from core.commands import (
    CancelOrder,
    PreviewOrder,
    SubmitOrder,
    cancel_command_id,
    submit_command_id,
)
from core.errors import CommandError
from core.ids import derived_id
from core.money import parse_positive
from core.terms import OrderType, Side, TimeInForce

_NOT_LISTED = "An order that is not listed may still exist: a view may be behind."
_PRINCIPAL_LENGTH_MAX = 100
_READ = Effect(is_read=True, is_destructive=False, is_idempotent=True, asks_broker=False)


class OrderTools:
    """Orders: show, send, cancel, list."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        records = Effect(is_read=False, is_destructive=False, is_idempotent=False, asks_broker=True)
        acts = Effect(is_read=False, is_destructive=True, is_idempotent=True, asks_broker=True)
        return [
            tool(self.preview_order, records),
            tool(self.submit_order, acts),
            tool(self.cancel_orders, acts),
            tool(self.get_orders, _READ),
            tool(self.get_executions, _READ),
        ]

    async def preview_order(
        self,
        ctx: Context[Any, Any],
        account: Account,
        symbol: Symbol,
        side: Side,
        order_type: OrderType,
        quantity: Quantity,
        reason: Reason,
        limit_price: Price | None = None,
        time_in_force: TimeInForce = TimeInForce.DAY,
        outside_regular_hours: bool = False,
    ) -> answers.PreviewAnswer:
        """Sends nothing: shows the exact stock order that submit_order would send, with checks,
        cost and the quote used.

        Always the first step of an order. Show the person the result with its account and
        `environment` (live = real money) before submitting. A limit order needs limit_price, a
        market order must not have one. If `can_submit` is false, see the checks that failed. The
        preview_id is good for ten minutes; everything is checked again at submit.
        """
        try:
            parse_positive(quantity, field="quantity")
            if limit_price is not None:
                parse_positive(limit_price, field="limit_price")
            if (limit_price is None) == (order_type is OrderType.LIMIT):
                raise CommandError(
                    "expected for a limit order and for no other", field="limit_price"
                )
        except CommandError as error:
            raise refused_argument(error) from None
        environment = await self._gateway.environment(account)
        command_id = self._gateway.parts.ids.new("cmd")
        outcome = await carry_out(
            self._gateway,
            Asked(
                account=account,
                name=PREVIEW,
                command_id=command_id,
                # The preview's own id, which its submit carries too: one thread through the record.
                correlation_id=derived_id("prv", account, command_id),
                principal=_principal(ctx),
                body=PreviewOrder(
                    symbol=symbol,
                    side=side,
                    order_type=order_type,
                    quantity=quantity,
                    limit_price=limit_price,
                    time_in_force=time_in_force,
                    outside_regular_hours=outside_regular_hours,
                    reason=reason,
                ),
                life_s=self._gateway.parts.waits.preview_life_s,
                wait_s=self._gateway.parts.waits.preview_s,
            ),
        )
        return outcomes.preview_answer(
            outcome,
            environment=environment,
            account=account,
            command_id=command_id,
            highest_n=self._gateway.facts.highest(account),
        )

    async def submit_order(
        self, ctx: Context[Any, Any], account: Account, preview_id: PreviewId
    ) -> answers.SubmitAnswer:
        """TRADES: sends the one order of a preview to the broker, with real money if the account's
        environment is live.

        Call it only after preview_order, and only if the person wants this very order. Calling
        again with the same preview_id is safe: it is always the same one order and gives its
        answer. `accepted` means that the broker has the order, not that it is filled. `unknown`
        means that it may be live: never send another in its place. `pending` means no outcome yet:
        call again. `refused` and `not_sent` mean that nothing was sent, `rejected` that the broker
        said no. Follow `next_step`.
        """
        environment = await self._gateway.environment(account)
        command_id = submit_command_id(account, preview_id)
        outcome = await carry_out(
            self._gateway,
            Asked(
                account=account,
                name=SUBMIT,
                command_id=command_id,
                correlation_id=preview_id,
                principal=_principal(ctx),
                body=SubmitOrder(preview_id=preview_id),
                life_s=self._gateway.parts.waits.order_life_s,
                wait_s=self._gateway.parts.waits.submit_s,
            ),
        )
        return outcomes.submit_answer(
            outcome,
            environment=environment,
            account=account,
            command_id=command_id,
            preview_id=preview_id,
            highest_n=self._gateway.facts.highest(account),
        )

    async def cancel_orders(
        self,
        ctx: Context[Any, Any],
        account: Account,
        order_ids: Annotated[
            list[OrderId],
            Field(min_length=1, max_length=CANCELS_MAX, description="Ours, from get_orders."),
        ],
    ) -> answers.CancelsAnswer:
        """Asks the broker to cancel up to 20 orders of one account, each on its own.

        Safe to repeat. `requested` means that the broker took the request, NOT that the order is
        cancelled: it may still fill until get_orders shows phase cancelled. `wanted` means that
        the order's own fate is unknown, and the cancel is carried out once the broker shows it.
        `refused` (such as: already done) and `rejected` say why. Look at every line.
        """
        environment = await self._gateway.environment(account)
        attempt = self._gateway.parts.ids.new("try")
        wanted = {
            order_id: cancel_command_id(account, order_id, attempt)
            for order_id in dict.fromkeys(order_ids)
        }
        principal = _principal(ctx)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._cancel(account, order_id, command_id, attempt, principal))
                for order_id, command_id in wanted.items()
            ]
        ended = tuple(task.result() for task in tasks)
        highest_n = self._gateway.facts.highest(account)
        return answers.CancelsAnswer(
            environment=environment,
            account=account,
            as_of=outcomes.as_of(outcomes.last_fact(ended), highest_n),
            cancels=tuple(
                outcomes.cancel_line(outcome, order_id=order_id, command_id=command_id)
                for outcome, (order_id, command_id) in zip(ended, wanted.items(), strict=True)
            ),
        )

    async def get_orders(
        self,
        account: Account,
        status: views.OrderStatus = views.OrderStatus.ALL,
        symbol: Symbol | None = None,
        order_ids: Annotated[list[OrderId], Field(max_length=views.ROWS_MAX)] | None = None,
        limit: Limit = views.ROWS_DEFAULT,
        cursor: Cursor | None = None,
    ) -> answers.OrdersAnswer:
        """Orders of an account, newest first, those from the phone app included (`is_external`).

        status: open = may still trade, unknown ones included; done; all. Only `phase` says what is
        true of an order: `unknown` and `not_found` mean that it MAY BE LIVE. Prices are in each
        order's `currency`. Never conclude from a missing row that an order does not exist. Includes
        what you wrote before.
        """
        environment = await self._gateway.environment(account)
        asked = tuple(dict.fromkeys(order_ids or ()))
        query = views.OrdersQuery(
            at_least_n=self._gateway.facts.highest(account),
            status=status,
            symbol=symbol,
            order_ids=asked,
            limit=limit,
            cursor=cursor,
        )
        found = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
        rows = tuple(answers.order_line(row) for row in found.orders)
        return answers.OrdersAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            orders=rows,
            cursor=found.cursor,
            note=_NOT_LISTED if len(rows) < len(asked) else "",
        )

    async def get_executions(
        self,
        account: Account,
        symbol: Symbol | None = None,
        order_id: OrderId | None = None,
        limit: Limit = views.ROWS_DEFAULT,
        cursor: Cursor | None = None,
    ) -> answers.ExecutionsAnswer:
        """Fills of an account, newest first, each with quantity, price, currency and time (UTC).

        Recorded from the broker's own lists, so a fill may take a few seconds to appear here.
        """
        environment = await self._gateway.environment(account)
        query = views.ExecutionsQuery(
            at_least_n=self._gateway.facts.highest(account),
            symbol=symbol,
            order_id=order_id,
            limit=limit,
            cursor=cursor,
        )
        found = await self._gateway.view(account, "executions", query, views.ExecutionsAnswer)
        return answers.ExecutionsAnswer(
            environment=environment,
            account=account,
            as_of=answers.as_of(found.as_of),
            executions=tuple(answers.execution_line(row) for row in found.executions),
            cursor=found.cursor,
        )

    async def _cancel(
        self, account: str, order_id: str, command_id: str, attempt: str, principal: str
    ) -> Outcome:
        return await carry_out(
            self._gateway,
            Asked(
                account=account,
                name=CANCEL,
                command_id=command_id,
                correlation_id=attempt,
                principal=principal,
                body=CancelOrder(order_id=order_id),
                life_s=self._gateway.parts.waits.order_life_s,
                wait_s=self._gateway.parts.waits.cancel_s,
            ),
        )


# Only a name that the client gives itself: it explains, and no right stands on it.
def _principal(ctx: Context[Any, Any]) -> str:
    params = ctx.session.client_params
    if params is None:
        return "unnamed MCP client"
    told = f"{params.client_info.name} {params.client_info.version}"
    return "".join(each if each.isprintable() else " " for each in told)[:_PRINCIPAL_LENGTH_MAX]
