"""Notices of change from the ledger to a client that listens, over the real bus."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from mcp.shared.subscriptions import ResourceUpdated
from mcp.types import TextResourceContents

from adapters.mcp.resources import ACCOUNTS
from tests.support.cluster import ACCOUNT, Era, answer, cluster, served

pytestmark = pytest.mark.asyncio(loop_scope="module")
ORDERS: Final = f"tiger://accounts/{ACCOUNT}/orders"
OTHERS: Final = "tiger://accounts/sandbox-paper/orders"
WAIT_S: Final = 30.0
TERMS: Final[dict[str, Any]] = {
    "account": ACCOUNT,
    "symbol": "AAPL",
    "side": "buy",
    "order_type": "limit",
    "quantity": "1",
    "limit_price": "1.00",
    "reason": "a test",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder = tmp_path_factory.mktemp("notices") / "home"
    async with cluster(folder):
        async with served(folder) as client:
            await answer(client, "list_accounts")
        yield folder


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_order_of_one_client_is_noticed_by_another_that_listens(
    home: Path, mode: Era
) -> None:
    async with served(home) as listener, served(home, mode=mode) as other:
        for client in (listener, other):
            await answer(client, "get_orders", account=ACCOUNT)
        preview = await answer(other, "preview_order", **TERMS)
        async with listener.listen(resource_subscriptions=[ORDERS, OTHERS]) as notices:
            told = await answer(
                other, "submit_order", account=ACCOUNT, preview_id=preview["preview_id"]
            )
            # The other account's orders changed not at all: nothing else can come.
            async with asyncio.timeout(WAIT_S):
                assert await anext(notices) == ResourceUpdated(ORDERS)
                text = ""
                while told["order_id"] not in text:
                    (content,) = (await listener.read_resource(ORDERS)).contents
                    assert isinstance(content, TextResourceContents)
                    text = content.text


async def test_accounts_are_noticed_when_one_is_halted(home: Path) -> None:
    async with served(home) as listener, served(home) as other:
        for client in (listener, other):
            await answer(client, "list_accounts")
        async with listener.listen(resource_subscriptions=[ACCOUNTS]) as notices:
            await answer(other, "halt_trading", account="sandbox-paper", reason="a test")
            async with asyncio.timeout(WAIT_S):
                assert await anext(notices) == ResourceUpdated(ACCOUNTS)
