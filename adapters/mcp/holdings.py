"""What an account holds of the contracts that an order would sell, for a word of warning."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp.answers import one_line
from adapters.mcp.gateway import Gateway
from adapters.mcp.words import plain
from core import views
from core.price_sense import Quoted
from core.terms import OrderSpec, Side, position_key

_HELD_NOT_KNOWN: Final = "what the account holds is not known: it may be sold short"
_SIZE_NOT_KNOWN: Final = "how many the amount makes is not known: it may be sold short"
_PARTS: Final = Decimal("0.0001")
# By a contract's word, of the order's own market; what is not there is not held.
Holdings = Mapping[str, Decimal]


def sold(spec: OrderSpec) -> dict[str, Decimal]:
    """Return how much of each contract an order would sell, by the contract's word.

    To sell a combination sells the legs that it buys, and buys those that it sells. Of an order by
    amount it is 0: how many that makes is the market's to say.
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


def short_sale(spec: OrderSpec, quote: Quoted | None, held: Holdings | None) -> dict[str, str]:
    """Return a warning of what would be sold without being held, by its name.

    Orders that are open count as well, but the broker knows them better than we do.
    """
    wanted, about = sold(spec), ""
    if held is None:
        return {"held_known": _HELD_NOT_KNOWN} if wanted else {}
    if wanted and spec.cash_amount is not None:
        size = _size_at_market(spec, spec.cash_amount, quote)
        if size is None:
            return {"held_known": _SIZE_NOT_KNOWN}
        wanted, about = {spec.contract: size}, "about "
    shorts = [
        f"{one_line(word) + ': ' if spec.legs else ''}the account holds {plain(held[word])}: "
        f"{about}{plain(quantity - max(held[word], Decimal(0)))} of it is sold short"
        for word, quantity in wanted.items()
        if quantity > max(held[word], Decimal(0))
    ]
    return {"opens_short": "; ".join(shorts)} if shorts else {}


# A sale is filled at the bid, or at its own limit where that is higher.
def _size_at_market(spec: OrderSpec, amount: Decimal, quote: Quoted | None) -> Decimal | None:
    market = None if quote is None else quote.bid or quote.last
    price = max(market or Decimal(0), spec.limit_price or Decimal(0))
    if not price:
        return None
    return (amount / (price * spec.unit)).quantize(_PARTS, rounding=ROUND_HALF_UP)


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
