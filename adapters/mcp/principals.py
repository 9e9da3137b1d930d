"""Who a command is recorded under, and whose a preview and a key are."""

from typing import Any, Final

from mcp.server.mcpserver import Context

from adapters.mcp.callers import current
from core.ids import derived_id

_PRINCIPAL_LENGTH_MAX: Final = 100


def principal_of(ctx: Context[Any, Any]) -> str:
    """Return who asks: the token's principal, else the name that the client gives itself.

    The latter explains, and no right stands on it.
    """
    caller = current()
    if not caller.is_local:
        return _plain(caller.principal)
    params = ctx.session.client_params
    if params is None:
        return "unnamed MCP client"
    return _plain(f"{params.client_info.name} {params.client_info.version}")


def owner_of_previews() -> str:
    """Return whose the previews are that are asked for now; nobody else may submit them.

    Over HTTP the subject of the token with the program that it was issued to, so that a renewed
    token goes on with what the old one began; on stdio the user of this machine. It is a function
    of these alone: the ledger keeps it with the preview, so it outlives this process.
    """
    caller = current()
    if caller.is_local:
        return derived_id("own", "local")
    return derived_id("own", "token", caller.principal, caller.client)


def own_key(key: str | None) -> str:
    """Return a caller's key so that no other principal's can be taken for it, "" for none."""
    caller = current()
    if not key or caller.is_local:
        return key or ""
    # As with a preview, another program of the same principal is another caller.
    who = owner_of_previews() if caller.client else _plain(caller.principal)
    return f"{who}/{key}"


def _plain(told: str) -> str:
    return "".join(each if each.isprintable() else " " for each in told)[:_PRINCIPAL_LENGTH_MAX]
