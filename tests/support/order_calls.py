"""Orders of a test through the tools: previewed, submitted, resting, and until they are so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from mcp import Client

from infra.sandbox.control.client import SandboxControl
from tests.support.cluster import (
    ACCOUNT,
    answer,
    cluster,
    sandbox_of,
    served,
)
from tests.support.gateway import rows_of

PLACE, MODIFY, CANCEL = "place_order", "modify_order", "cancel_order"
LOW: Final = "1.00"
WAIT_S: Final = 20.0
MARKET: Final = {"order_type": "market", "limit_price": None}


@asynccontextmanager
async def trading_cluster(folder: Path) -> AsyncIterator[None]:
    """Run the whole service of a home whose account trades at prices that stand still."""
    async with cluster(folder):
        async with served(folder) as client:
            await answer(client, "list_accounts")
            switch(sandbox_of(folder), price_drift=False)
            await until(client, "get_account", lambda told: told["state"] == "active")
        yield


def cleared(home: Path) -> Path:
    """Return the home of a service with every fault of its sandbox taken out."""
    control = sandbox_of(home)
    control.release()
    control.clear_faults()
    switch(control, refuse_connections=False, defer_cancels=False, defer_modifies=False)
    return home


def terms(symbol: str, **more: Any) -> dict[str, Any]:
    """Return the arguments of a preview: a buy that rests, with `more` in place of some."""
    plain = {
        "account": ACCOUNT,
        "symbol": symbol,
        "side": "buy",
        "order_type": "limit",
        "quantity": "10",
        "limit_price": LOW,
        "reason": "a test",
    }
    return {name: value for name, value in (plain | more).items() if value is not None}


async def until(
    client: Client, tool: str, holds: Callable[[dict[str, Any]], bool], **arguments: Any
) -> dict[str, Any]:
    """Ask a tool until its answer is so, and return that answer."""
    async with asyncio.timeout(WAIT_S):
        while True:
            told = await answer(client, tool, account=ACCOUNT, **arguments)
            if holds(told):
                return told


async def previewed(client: Client, symbol: str, **more: Any) -> dict[str, Any]:
    """Preview an order that passes every check, once the account is open.

    A reading of an outage that was slow may close it once more after the outage.
    """
    async with asyncio.timeout(WAIT_S):
        while True:
            told = await answer(client, "preview_order", **terms(symbol, **more))
            assert told["status"] == "previewed", told
            failed = [row for row in rows_of(told["checks"]) if row["result"] == "failed"]
            if [row["name"] for row in failed] != ["account_open"]:
                break
    assert (told["can_submit"], failed) == (True, []), (told, failed)
    return told


async def submitted(client: Client, symbol: str, **more: Any) -> dict[str, Any]:
    """Preview and submit an order, and return the answer."""
    preview = await previewed(client, symbol, **more)
    return await answer(client, "submit_order", account=ACCOUNT, preview_id=preview["preview_id"])


async def resting(client: Client, symbol: str, **more: Any) -> str:
    """Submit an order that is then working, and return its id."""
    sent = await submitted(client, symbol, **more)
    assert sent["status"] == "accepted", sent
    order_id: str = sent["order_id"]
    await order(client, order_id, lambda row: row["phase"] == "working")
    return order_id


async def order(
    client: Client, order_id: str, holds: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Return an order's row once it is so."""

    def fits(told: dict[str, Any]) -> bool:
        return any(holds(row) for row in rows_of(told["orders"]))

    told = await until(client, "get_orders", fits, order_ids=[order_id])
    (row,) = rows_of(told["orders"])
    return row


async def cancelled(client: Client, order_id: str) -> None:
    """Cancel an order, and wait until it is."""
    await answer(client, "cancel_orders", account=ACCOUNT, order_ids=[order_id])
    await order(client, order_id, lambda row: row["phase"] == "cancelled")


def switch(control: SandboxControl, **switches: Any) -> None:
    """Change settings of the sandbox."""
    control.set_settings(msgspec.structs.replace(control.settings(), **switches))
