"""What the views tell a person of accounts and of the orders that are open on them."""

import asyncio
from typing import Final

import msgspec
from nats.aio.client import Client

from core.errors import LinkError
from core.subjects import SYSTEM, Kind, subject
from core.views import (
    AccountRow,
    AccountsAnswer,
    AccountsQuery,
    BalancesAnswer,
    BalancesQuery,
    OrderRow,
    OrdersAnswer,
    OrdersQuery,
    OrderStatus,
)
from infra.cli.person import operator_link
from infra.config import Settings
from infra.nats.bus import NatsBus

# A person who asks for something else beside it waits no longer for these.
SEEN_LIMIT_S: Final = 2.0
_VIEW_LIMIT_S: Final = 10.0


async def seen_accounts(settings: Settings) -> tuple[AccountRow, ...]:
    """Return every account as the views show it now.

    Raises:
        LinkError: they do not answer within the limit.
    """
    try:
        async with asyncio.timeout(SEEN_LIMIT_S), operator_link(settings) as client:
            return await account_rows(client)
    except TimeoutError:
        raise LinkError("the views do not answer") from None


async def account_rows(client: Client) -> tuple[AccountRow, ...]:
    """Return every account as the views show it.

    Raises:
        LinkError: the projector does not answer.
    """
    body = await NatsBus(client).request(
        f"{Kind.VIEW}.{SYSTEM}.accounts",
        msgspec.json.encode(AccountsQuery()),
        timeout_s=_VIEW_LIMIT_S,
    )
    return msgspec.json.decode(body, type=AccountsAnswer).accounts


async def balances(client: Client, alias: str) -> BalancesAnswer:
    """Return the figures of an account as they were recorded last.

    Raises:
        LinkError: the projector does not answer.
    """
    body = await NatsBus(client).request(
        subject(Kind.VIEW, alias, "balances"),
        msgspec.json.encode(BalancesQuery()),
        timeout_s=_VIEW_LIMIT_S,
    )
    return msgspec.json.decode(body, type=BalancesAnswer)


async def open_orders(client: Client, alias: str, *, at_least_n: int = 0) -> tuple[OrderRow, ...]:
    """Return the orders of an account that may still trade, those in doubt among them.

    Raises:
        ServiceError: the projector does not answer, or is behind `at_least_n`.
    """
    bus = NatsBus(client)
    found: list[OrderRow] = []
    cursor: str | None = None
    while True:
        query = OrdersQuery(status=OrderStatus.OPEN, at_least_n=at_least_n, cursor=cursor)
        body = await bus.request(
            subject(Kind.VIEW, alias, "orders"),
            msgspec.json.encode(query),
            timeout_s=_VIEW_LIMIT_S,
        )
        answer = msgspec.json.decode(body, type=OrdersAnswer)
        found.extend(answer.orders)
        cursor = answer.cursor
        if cursor is None:
            return tuple(found)
