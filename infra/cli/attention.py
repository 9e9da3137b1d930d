"""What of the accounts needs a person: what stands still, why, and what to type about it."""

import asyncio
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from core.balances import doubts_of
from core.errors import LinkError
from core.items import TokenFact
from core.orders import DOUBTFUL_PHASES
from core.views import AccountRow, OrderRow, TokenRow
from infra.cli.account_views import SEEN_LIMIT_S, account_rows, balances, open_orders
from infra.cli.person import operator_link
from infra.cli.terminal import shown
from infra.config import Settings

_TOKEN_NEEDS: Final = frozenset(
    {TokenFact.REFRESH_FAILED, TokenFact.EXPIRING, TokenFact.EXPIRED, TokenFact.REVOKED}
)

_TOKEN_DEAD: Final = frozenset({TokenFact.EXPIRED, TokenFact.REVOKED})


async def needs(settings: Settings, *, now: datetime) -> tuple[str, ...]:
    """Return a line for each thing that needs a person now, by account; none if nothing does.

    Raises:
        ServiceError: the views do not answer within the limit.
    """
    try:
        async with asyncio.timeout(SEEN_LIMIT_S), operator_link(settings) as client:
            rows = await account_rows(client)
            doubtful = {
                row.alias: await open_orders(client, row.alias)
                for row in rows
                if row.doubtful_orders
            }
            figures = await asyncio.gather(*(balances(client, row.alias) for row in rows))
    except TimeoutError:
        raise LinkError("the views do not answer") from None
    return tuple(
        f"{row.alias}: {line}"
        for row, seen in zip(rows, figures, strict=True)
        for line in (
            *account_needs(row, now=now),
            *_of_orders(row, doubtful.get(row.alias, ())),
            *map(shown, doubts_of(seen.cash, seen.unread)),
        )
    )


def account_needs(row: AccountRow, *, now: datetime) -> Iterator[str]:
    """Return a line for each thing of an account, its orders and figures aside."""
    resume = f"`tiger-mcp resume {row.alias}"
    # A start ends by itself, and the table of the processes shows one that does not.
    if row.state != "starting" and (row.state != "active" or row.detail):
        typed = f"; {resume}`" if row.state in ("halted", "frozen") else ""
        yield f"{row.state}: {shown(row.detail) or 'no cause is recorded'}{typed}"
    for symbol in row.halted_symbols:
        yield f"{shown(symbol)} is halted; {resume} --symbol {shown(symbol)}`"
    for symbol in row.frozen_symbols:
        yield f"{shown(symbol)} is frozen; {resume} --symbol {shown(symbol)}`"
    for one in row.breaks:
        yield (
            f"{shown(one.symbol)}: the broker shows {one.observed}, the fills make {one.expected}; "
            f"compare it, then `tiger-mcp adopt {row.alias} {shown(one.break_id)}`"
        )
    for scope in row.unverified_halts:
        yield f"what is open after the halt of {shown(scope) or 'the account'} is not known yet"
    yield from _of_token(row.token, now=now)


# The clock goes before the record, as get_account tells it too.
def _of_token(token: TokenRow | None, *, now: datetime) -> Iterator[str]:
    if token is None:
        return
    if token.state in _TOKEN_NEEDS:
        yield f"its login's token is {token.state}: {shown(token.detail)}".rstrip(": ")
    if token.is_past(now) and token.state not in _TOKEN_DEAD:
        yield (
            f"its login's token ended at {token.expires_at:%Y-%m-%d %H:%M} UTC and no newer one is "
            "recorded; put a new one into the login's token file"
        )


def _of_orders(row: AccountRow, orders: tuple[OrderRow, ...]) -> Iterator[str]:
    for order in orders:
        if order.phase in DOUBTFUL_PHASES:
            # What is told of it later, nobody has seen here.
            typed = f"{row.alias} {shown(order.order_id)} --shown {row.as_of.n}"
            yield (
                f"{order.side} {order.quantity} {shown(order.symbol)} is {order.phase}; look at "
                f"the broker, then `tiger-mcp release {typed}`"
            )
