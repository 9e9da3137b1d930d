"""The tool that cancels open orders: those that are named, or all that fit a filter."""

import asyncio
from typing import Annotated, Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from msgspec.structs import replace
from pydantic import Field

from adapters.mcp import change_outcomes, outcomes
from adapters.mcp import order_answers as told
from adapters.mcp.arguments import CANCELS_MAX, Account, Flag, OrderId, Symbol
from adapters.mcp.faults import refused_argument
from adapters.mcp.gateway import Gateway
from adapters.mcp.names import check_underlying
from adapters.mcp.orders_flow import CANCEL, CANCEL_MANY, Outcome
from adapters.mcp.tables import table
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from adapters.mcp.writes import Writes
from core import account_events, events, views
from core.commands import CancelOrder, CancelOrders, cancel_command_id
from core.errors import CommandError
from core.modes import Environment
from core.terms import Side

# Of a cancel by filter; those that are not shown were asked all the same.
_ROWS_SHOWN_MAX: Final = views.ROWS_MAX
_CANCEL_COLUMNS: Final = (
    "order_id",
    "status",
    "code",
    "detail",
    "broker_text",
    "command_id",
)


class CancelTools:
    """Cancels, by id and by filter."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._writes = Writes(gateway)

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        acts = Effect(is_read=False, is_destructive=True, is_idempotent=True, asks_broker=True)
        return [tool(self.cancel_orders, acts)]

    async def cancel_orders(
        self,
        ctx: Context[Any, Any],
        account: Account,
        order_ids: Annotated[list[OrderId], Field(min_length=1, max_length=CANCELS_MAX)]
        | None = None,
        symbol: Symbol | None = None,
        side: Side | None = None,
        all_open: Flag = False,
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
                    self._writes.carry_out(
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
        outcome = await self._writes.carry_out(
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

    def _cancels(
        self, environment: Environment, account: str, ended: tuple[Outcome, ...]
    ) -> told.CancelsAnswer:
        asked = self._writes.asked(environment, account, "")
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
