"""A real MCP client against the whole service: what a model may get wrong, and repeated calls."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp import Client

from infra.home import Home
from infra.supervisor.status import live_status
from tests.support.cluster import (
    ACCOUNT,
    answer,
    cluster,
    fault,
    sandbox_of,
    served,
)
from tests.support.gateway import rows_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
TERMS: dict[str, Any] = {
    "account": ACCOUNT,
    "symbol": "AAPL",
    "side": "buy",
    "order_type": "market",
    "quantity": "1",
    "reason": "a test",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    folder = tmp_path_factory.mktemp("e2e") / "home"
    async with cluster(folder):
        async with served(folder) as client:
            await answer(client, "list_accounts")
        yield folder


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_order_walks_through_the_tools_of_both_eras(home: Path, mode: Any) -> None:
    async with served(home, mode=mode) as client:
        preview = await answer(client, "preview_order", **TERMS)
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        submitted = await answer(client, "submit_order", **chosen)
        assert submitted["status"] == "accepted"
        # The reader sees its own write, and the fill as soon as it is recorded.
        async with asyncio.timeout(30):
            phase = ""
            while phase != "filled":
                orders = await answer(
                    client, "get_orders", account=ACCOUNT, order_ids=[submitted["order_id"]]
                )
                (order,) = rows_of(orders["orders"])
                phase = order["phase"]
        # The order's end may be known before its executions are.
        async with asyncio.timeout(30):
            told: set[str] = set()
            while submitted["order_id"] not in told:
                executions = await answer(client, "get_executions", account=ACCOUNT)
                told = {row["order_id"] for row in rows_of(executions["executions"])}


async def test_a_submit_repeated_by_this_and_another_client_is_one_order(home: Path) -> None:
    control = sandbox_of(home)
    async with served(home) as first, served(home) as second:
        placed = control.request_count("place_order")
        preview = await answer(first, "preview_order", **TERMS)
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        at_once = await asyncio.gather(
            answer(first, "submit_order", **chosen),
            answer(second, "submit_order", **chosen),
            answer(first, "submit_order", **chosen),
        )
        answers = [*at_once, await answer(second, "submit_order", **chosen)]
        for field in ("status", "order_id", "tiger_order_id", "command_id"):
            assert len({told[field] for told in answers}) == 1, field
        assert control.request_count("place_order") == placed + 1


async def test_positions_are_told_at_prices_of_now_where_that_is_asked(home: Path) -> None:
    control = sandbox_of(home)
    own: dict[str, Any] = {"account": ACCOUNT, "symbol": "MSFT"}
    async with served(home) as client:
        preview = await answer(client, "preview_order", **TERMS | own)
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        assert (await answer(client, "submit_order", **chosen))["status"] == "accepted"
        async with asyncio.timeout(30):
            held: list[dict[str, Any]] = []
            while not held:
                held = rows_of((await answer(client, "get_positions", **own))["positions"])
        far = Decimal(held[0]["market_price"]) * 3
        control.set_price("MSFT", far)
        (recorded,) = rows_of((await answer(client, "get_positions", **own))["positions"])
        told = await answer(client, "get_positions", view="now", **own)
        (now,) = rows_of(told["positions"])
    assert (now["quantity"], recorded["market_price"]) == ("1", held[0]["market_price"])
    # The market goes on from where it was put.
    assert Decimal(now["market_price"]) > far / 2
    assert told["observed_at"]


async def test_an_open_order_tells_what_the_part_that_filled_came_to(home: Path) -> None:
    control = sandbox_of(home)
    terms = TERMS | {"order_type": "limit", "limit_price": "1.00", "quantity": "10"}
    async with served(home) as client:
        preview = await answer(client, "preview_order", **terms)
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        sent = await answer(client, "submit_order", **chosen)
        number = next(
            account.number
            for login in Home(home).load().logins
            for account in login.accounts
            if account.alias == ACCOUNT
        )
        placed = int(sent["tiger_order_id"])
        control.external_fill(number, placed, quantity=Decimal(3), price=Decimal("0.98"))
        control.external_fill(number, placed, quantity=Decimal(1), price=Decimal("1.00"))
        async with asyncio.timeout(30):
            row: dict[str, Any] = {}
            # The prices come with the executions, which may be listed later.
            while row.get("filled_quantity") != "4" or not row.get("filled_value"):
                told = await answer(
                    client, "get_orders", account=ACCOUNT, order_ids=[sent["order_id"]]
                )
                (row,) = rows_of(told["orders"])
        assert row["phase"] == "working"
        assert (row["average_price"], row["filled_value"]) == ("0.985", "3.94")
        await answer(client, "cancel_orders", account=ACCOUNT, order_ids=[sent["order_id"]])


async def test_the_brokers_no_tells_the_amount_that_is_wanted(home: Path) -> None:
    terms = TERMS | {"order_type": "limit", "limit_price": "900.00", "quantity": "90000"}
    async with served(home) as client:
        preview = await answer(client, "preview_order", **terms)
        checks = {row["name"]: row for row in rows_of(preview["checks"])}
    assert checks["broker_preview"]["result"] == "failed"
    assert "an order of 81000000.00 USD" in checks["broker_preview"]["broker_text"]


WRONG: dict[str, list[dict[str, Any]]] = {
    "account": [{"account": "nobody"}, {"account": "../x"}, {"account": ""}],
    "symbol": [{"symbol": "NOSUCH"}, {"symbol": "A B"}, {"symbol": ">"}],
    "quantity": [
        {"quantity": quantity} for quantity in ("-5", "NaN", "0", "1e3", 1.5, "1.1234567890123456")
    ],
    "limit_price": [
        {"order_type": "limit", "limit_price": 1.5},
        {"order_type": "limit", "limit_price": "Infinity"},
        {"order_type": "limit"},
        {"order_type": "market", "limit_price": "10"},
    ],
    "side": [{"side": "hold"}],
    "reason": [{"reason": ""}, {"reason": "x" * 10_000_000}],
    "unheard_of": [{"unheard_of": 1}],
}


async def test_bad_input_is_refused_by_name_and_nothing_is_sent(home: Path) -> None:
    control = sandbox_of(home)
    async with served(home) as client:
        placed = control.request_count("place_order")
        for named, cases in WRONG.items():
            for wrong in cases:
                shown = str(wrong)[:60]
                result = await client.call_tool("preview_order", {**TERMS, **wrong})
                told = result.structured_content or {}
                said = str(result.content) + str(told)
                assert result.is_error or told["status"] == "refused", (shown, said[:500])
                assert named in said, (shown, said[:500])
                assert len(said) < 5_000, shown
        # The server lives on, and the broker never heard of any of it.
        await answer(client, "list_accounts")
        assert control.request_count("place_order") == placed


async def test_a_preview_that_nobody_made_cannot_be_submitted(home: Path) -> None:
    control = sandbox_of(home)
    async with served(home) as client:
        placed = control.request_count("place_order")
        told = await answer(client, "submit_order", account=ACCOUNT, preview_id="prv-" + "0" * 32)
        assert (told["status"], told["code"]) == ("refused", "preview_unknown")
        said = await fault(client, "submit_order", account=ACCOUNT, preview_id="x" * 5_000)
        assert "preview_id" in said
        assert control.request_count("place_order") == placed


async def state_until(client: Client, wanted: str) -> dict[str, Any]:
    """Return what get_account says once the account's state is the one that is waited for."""
    async with asyncio.timeout(30):
        told: dict[str, Any] = {}
        while told.get("state") != wanted:
            told = await answer(client, "get_account", account=ACCOUNT)
    return told


async def test_an_account_whose_worker_is_away_is_not_called_active(home: Path) -> None:
    status = live_status(Home(home))
    assert status is not None
    login = next(
        login.name
        for login in Home(home).load().logins
        if ACCOUNT in {account.alias for account in login.accounts}
    )
    (pid,) = [each.pid for each in status.processes if each.name == f"worker-{login}"]
    assert pid is not None
    async with served(home) as client:
        await state_until(client, "active")
        os.kill(pid, signal.SIGSTOP)
        try:
            told = await state_until(client, "unavailable")
            assert "tiger-mcp status" in told["next_step"]
            assert told["detail"].startswith("last recorded: active")
            listed = rows_of((await answer(client, "list_accounts"))["accounts"])
            states = {row["account"]: row["state"] for row in listed}
            assert states[ACCOUNT] == "unavailable"
        finally:
            os.kill(pid, signal.SIGCONT)
        await state_until(client, "active")
