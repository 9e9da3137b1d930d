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
from infra.nats.topology import worker_role
from infra.supervisor.status import ProcessState, Status

_TOKEN_NEEDS: Final = frozenset(
    {TokenFact.REFRESH_FAILED, TokenFact.EXPIRING, TokenFact.EXPIRED, TokenFact.REVOKED}
)

_TOKEN_DEAD: Final = frozenset({TokenFact.EXPIRED, TokenFact.REVOKED})
# A worker that is ready has read what its accounts have, or has tried in vain for a while; one that
# began again may be so much behind.
STARTING_MAX_S: Final = 5.0


async def needs(settings: Settings, live: Status, *, now: datetime) -> tuple[str, ...]:
    """Return a line for each thing that needs a person now, by account; none if nothing does.

    Args:
        settings: of this home.
        live: how its processes are.
        now: by this machine's clock.

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
            *account_needs(row, now=now, ready_s=_ready_s(live, row.login, now=now)),
            *_of_orders(row, doubtful.get(row.alias, ())),
            *map(shown, doubts_of(seen.cash, seen.unread)),
        )
    )


def account_needs(row: AccountRow, *, now: datetime, ready_s: float) -> Iterator[str]:
    """Return a line for each thing of an account, its orders and figures aside.

    Args:
        row: of the account.
        now: by this machine's clock.
        ready_s: seconds for which its worker is ready, 0 if it is not.
    """
    resume = f"`tiger-mcp resume {row.alias}"
    # A worker's start ends by itself, and the table of the processes shows one that does not.
    if row.state == "starting" and ready_s > STARTING_MAX_S:
        detail = shown(row.detail)
        yield f"its worker is ready, and still starting: {detail}; type `tiger-mcp doctor`"
    if row.state != "starting" and (row.state != "active" or row.detail):
        typed = f"; {resume}`" if row.state in ("halted", "frozen") else ""
        if row.state == "stale":
            log = f"`tiger-mcp logs {worker_role(row.login)}`"
            typed = f"; type `tiger-mcp doctor`, and {log} says more"
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


def _ready_s(live: Status, login: str, *, now: datetime) -> float:
    for process in live.processes:
        if process.name == worker_role(login) and process.state is ProcessState.READY:
            return (now - process.since).total_seconds()
    return 0.0


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
