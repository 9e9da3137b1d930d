"""How a tool writes: a command is sent and waited for, and its answer begins like all others."""

from typing import Any, Final

from mcp.server.mcpserver import Context

from adapters.mcp import outcomes
from adapters.mcp.gateway import Gateway
from adapters.mcp.orders_flow import PREVIEW, SUBMIT, Asked, Outcome, carry_out
from adapters.mcp.principals import owner_of_previews, principal_of
from core.commands import ModelCommand
from core.modes import Environment

# What makes a preview or spends one.
_OF_PREVIEWS: Final = frozenset({PREVIEW, SUBMIT})


class Writes:
    """Sends the commands of one gateway's tools."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def carry_out(
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
        """Store a command for its worker and wait for its end; see `orders_flow.carry_out`.

        `life_s` is how long it may wait to be acted on, by default as long as an order may.

        Raises:
            ToolError: before anything was sent, if there is no link yet.
        """
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

    def asked(
        self, environment: Environment, account: str, command_id: str, *, has_key: bool = False
    ) -> outcomes.Asked:
        """Return what the answer to a command begins with."""
        return outcomes.Asked(
            environment=environment,
            account=account,
            command_id=command_id,
            highest_n=self._gateway.facts.highest(account),
            now=self._gateway.parts.clock.now(),
            has_key=has_key,
        )
