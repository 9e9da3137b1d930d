"""What an account holds of the contracts that an order would sell, for a word of warning."""

from collections.abc import Mapping
from decimal import Decimal

from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp.gateway import Gateway
from core import views
from core.terms import OrderSpec, Side, position_key

# By a contract's word, of the order's own market; what is not there is not held.
Holdings = Mapping[str, Decimal]


def sold(spec: OrderSpec) -> dict[str, Decimal]:
    """Return how much of each contract an order would sell, by the contract's word.

    To sell a combination sells the legs that it buys, and buys those that it sells.
    """
    if not spec.legs:
        return {spec.contract: spec.quantity} if spec.side is Side.SELL else {}
    found: dict[str, Decimal] = {}
    for leg in spec.legs:
        is_sold = (leg.side is Side.SELL) == (spec.side is Side.BUY)
        if is_sold:
            word = leg.contract(spec.symbol)
            found[word] = found.get(word, Decimal(0)) + spec.quantity * leg.ratio
    return found


async def holdings_for(gateway: Gateway, account: str, spec: OrderSpec) -> Holdings | None:
    """Return what is held of what an order would sell, None where nobody knows."""
    wanted = sold(spec)
    if not wanted:
        return {}
    query = views.PositionsQuery(
        at_least_n=gateway.facts.highest(account), symbol=spec.symbol, limit=views.ROWS_MAX
    )
    try:
        found = await gateway.view(account, "positions", query, views.PositionsAnswer)
    except ToolError:
        # The preview stands all the same.
        return None
    if found.observed_at is None or found.cursor is not None:
        return None
    keys = {position_key(word, spec.market): word for word in wanted}
    held = dict.fromkeys(wanted, Decimal(0))
    for each in found.positions:
        if each.key in keys:
            held[keys[each.key]] += each.quantity
    return held
