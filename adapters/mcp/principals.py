"""Who a command is recorded under, and whose a key is."""

from typing import Any, Final

from mcp.server.mcpserver import Context

from adapters.mcp.callers import current

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


def own_key(key: str | None) -> str:
    """Return a caller's key so that no other principal's can be taken for it, "" for none."""
    caller = current()
    if not key or caller.is_local:
        return key or ""
    return f"{_plain(caller.principal)}/{key}"


def _plain(told: str) -> str:
    return "".join(each if each.isprintable() else " " for each in told)[:_PRINCIPAL_LENGTH_MAX]
