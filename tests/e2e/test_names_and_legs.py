"""What belongs together on a running service: an option's words, an order's legs; and its end.

The last test takes the cluster down, as a person would beside an open session.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp import Client

from infra.supervisor import detached
from tests.support.cluster import (
    ACCOUNT,
    WAIT_S,
    answer,
    cluster,
    fault,
    served,
    settings_of,
)
from tests.support.gateway import rows_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
TERMS: dict[str, Any] = {"account": ACCOUNT, "side": "buy", "quantity": "1", "reason": "a test"}
OPTION: dict[str, Any] = {
    "security": "option",
    "expiry": "2026-12-18",
    "strike": "220",
    "right": "call",
}
CALL, CALL_AT_MARKET = "AAPL261218C220", "AAPL  261218C00220000"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder = tmp_path_factory.mktemp("names") / "home"
    async with cluster(folder):
        async with served(folder) as client:
            await answer(client, "list_accounts")
        yield folder


async def submitted(client: Client, **terms: Any) -> str:
    """Return the id of an order that the broker took."""
    preview = await answer(client, "preview_order", **TERMS, **terms)
    told = await answer(client, "submit_order", account=ACCOUNT, preview_id=preview["preview_id"])
    assert told["status"] == "accepted", told
    return str(told["order_id"])


async def orders(client: Client, wanted: int, **filters: Any) -> list[dict[str, Any]]:
    """Return the rows that a filter lists, once there are so many."""
    async with asyncio.timeout(WAIT_S):
        while True:
            told = await answer(client, "get_orders", account=ACCOUNT, **filters)
            rows = rows_of(told["orders"])
            if len(rows) >= wanted:
                return rows


async def test_the_word_of_an_option_asks_for_it_wherever_it_is_told(home: Path) -> None:
    async with served(home) as client:
        order_id = await submitted(
            client, symbol="AAPL", order_type="limit", limit_price="0.01", **OPTION
        )
        for word in (CALL, CALL_AT_MARKET):
            (row,) = await orders(client, 1, symbol=word)
            assert (row["order_id"], row["contract"]) == (order_id, CALL)
            quotes = await answer(client, "get_quotes", symbols=[word])
            assert rows_of(quotes)[0]["symbol"] == CALL_AT_MARKET
            bars = await answer(client, "get_bars", symbol=word, begin="5d")
            assert bars["facts"]["symbol"] == CALL_AT_MARKET
        nothing = await answer(client, "get_orders", account=ACCOUNT, symbol="700")
        assert "five digits" in nothing["note"]
        by_tiger = await answer(
            client, "get_orders", account=ACCOUNT, order_ids=[row["tiger_order_id"]]
        )
        assert "is the broker's id" in by_tiger["note"]


async def test_the_legs_of_an_order_are_ours_and_are_cancelled_but_not_changed(home: Path) -> None:
    async with served(home) as client:
        bracket = {"take_profit_price": "5000.00", "stop_loss_price": "0.50"}
        order_id = await submitted(
            client, symbol="MSFT", order_type="limit", limit_price="4000", **bracket
        )
        rows = await orders(client, 3, symbol="MSFT")
        legs = [row for row in rows if row["parent_order_id"] == order_id]
        assert len(legs) == 2
        for leg in legs:
            assert (leg.get("is_external", ""), leg["reason"]) == ("", "a test")
            change = {"order_id": leg["order_id"], "quantity": "2", "reason": "a test"}
            refused = await answer(client, "modify_order", account=ACCOUNT, **change)
            assert (refused["status"], refused["code"]) == ("refused", "order_attached")
            assert order_id in refused["detail"]
            asked = await answer(
                client, "cancel_orders", account=ACCOUNT, order_ids=[leg["order_id"]]
            )
            assert rows_of(asked["cancels"])[0]["status"] == "requested"
        async with asyncio.timeout(WAIT_S):
            phases: set[str] = set()
            while phases != {"cancelled"}:
                rows = await orders(client, 2, order_ids=[leg["order_id"] for leg in legs])
                phases = {row["phase"] for row in rows}


async def test_a_cluster_that_a_person_took_down_is_told_at_once(home: Path) -> None:
    async with served(home) as client:
        await answer(client, "list_accounts")
        await asyncio.to_thread(detached.stop, settings_of(home))
        async with asyncio.timeout(WAIT_S):
            text = ""
            # Until the link is given up, it is the link that does not answer.
            while "a person starts it" not in text:
                text = await fault(client, "get_orders", account=ACCOUNT)
        assert text.startswith("unavailable: the cluster was stopped; a person starts it with")
        assert "few seconds" not in text
