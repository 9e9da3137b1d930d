"""The one tool that takes powers away; none gives any."""

from typing import Any, Final

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from msgspec.structs import replace

from adapters.mcp import change_outcomes, order_answers
from adapters.mcp.arguments import Account, Reason, Symbol
from adapters.mcp.gateway import Gateway
from adapters.mcp.names import check_underlying
from adapters.mcp.orders_flow import HALT
from adapters.mcp.tool_shape import Effect, GatewayTool, tool
from adapters.mcp.writes import Writes
from core import views
from core.commands import HaltTrading

_NEVER_SEEN: Final = (
    "This account has no order and no position in {symbol}. If the one meant is written otherwise "
    "(Hong Kong stocks have five digits: 00700), it is NOT halted: halt it by that symbol."
)


class SafetyTools:
    """Halts, as far as a model may ask for them."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._writes = Writes(gateway)

    def all(self) -> list[GatewayTool]:
        """Return the tools of this group."""
        effect = Effect(is_read=False, is_destructive=True, is_idempotent=True, asks_broker=True)
        return [tool(self.halt_trading, effect)]

    async def halt_trading(
        self,
        ctx: Context[Any, Any],
        account: Account,
        reason: Reason,
        symbol: Symbol | None = None,
    ) -> order_answers.HaltAnswer:
        """STOPS an account, or one symbol: sends no order any more and cancels every open one,
        those from the phone app too. Positions stay. Only a person can resume.

        Harmless to repeat. `still_open` may fill until `is_verified`.
        """
        check_underlying(symbol)
        environment = await self._gateway.writable(account)
        command_id = self._gateway.parts.ids.new("cmd")
        outcome = await self._writes.carry_out(
            ctx,
            account,
            HALT,
            command_id,
            HaltTrading(symbol=symbol or "", reason=reason),
            correlation_id=command_id,
            wait_s=self._gateway.parts.waits.halt_s,
        )
        asked = self._writes.asked(environment, account, command_id)
        answer = change_outcomes.halt_answer(outcome, asked, symbol=symbol or "")
        if answer.status != "halted":
            return answer
        try:
            answer = await self._looked_at(answer, account, symbol)
            if not symbol or answer.still_open or await self._has_seen(account, symbol):
                return answer
            return replace(answer, detail=_NEVER_SEEN.format(symbol=symbol))
        except ToolError:
            # It is halted all the same, and an error would sound as if it were not.
            return answer

    async def _looked_at(
        self, answer: order_answers.HaltAnswer, account: str, symbol: str | None
    ) -> order_answers.HaltAnswer:
        query = views.OrdersQuery(
            at_least_n=self._gateway.facts.highest(account),
            status=views.OrderStatus.OPEN,
            symbol=symbol,
            limit=views.ROWS_MAX,
        )
        found = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
        rows = await self._gateway.view_accounts(views.AccountsAnswer)
        unverified = next((r.unverified_halts for r in rows.accounts if r.alias == account), ("",))
        return change_outcomes.halt_looked_at(
            answer,
            symbol=symbol or "",
            still_open=tuple(row.order_id for row in found.orders),
            is_verified=(symbol or "") not in unverified and not found.orders,
        )

    # A halt of a symbol that is written otherwise stops nothing, and sounds as if it did.
    async def _has_seen(self, account: str, symbol: str) -> bool:
        query = views.OrdersQuery(symbol=symbol, limit=1)
        known = await self._gateway.view(account, "orders", query, views.OrdersAnswer)
        if known.orders:
            return True
        held = views.PositionsQuery(symbol=symbol, limit=1)
        found = await self._gateway.view(account, "positions", held, views.PositionsAnswer)
        return bool(found.positions)
