"""One worked example of every tool, recorded from the sandbox: `tool_examples.json` beside this.

`python -P -m tests.support.tool_docs --record` records anew; a test plays the same calls on a
cluster and holds the answers' names against the record.
"""

import asyncio
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from mcp import Client

from tests.support.cluster import answer, cluster, sandbox_of, served
from tests.support.gateway import rows_of

FILE: Final = Path(__file__).with_name("tool_examples.json")
# Nothing else uses this account where the calls are played.
ACCOUNT: Final = "sandbox-paper"
ROWS_SHOWN: Final = 2
TEXT_SHOWN: Final = 400
WAIT_S: Final = 20.0


class Example(msgspec.Struct, frozen=True):
    """A call and its answer, shortened: of every table the first rows."""

    tool: str
    arguments: dict[str, Any]
    answer: dict[str, Any]


def recorded() -> dict[str, Example]:
    """Return the stored examples by tool."""
    found = msgspec.json.decode(FILE.read_bytes(), type=list[Example])
    return {each.tool: each for each in found}


async def played(client: Client) -> dict[str, Example]:
    """Make every call of the examples, and return them with their answers."""
    found: dict[str, Example] = {}

    async def call(tool: str, **arguments: Any) -> dict[str, Any]:
        told = await answer(client, tool, **arguments)
        found[tool] = Example(tool, arguments, shortened(told))
        return told

    await call("list_accounts")
    await call("get_account", account=ACCOUNT)
    await call("get_balances", account=ACCOUNT, view="now", base_currency="HKD")
    await _play_market(call)
    await _play_orders(client, call)
    await call("get_positions", account=ACCOUNT)
    await call("halt_trading", account=ACCOUNT, reason="end of the example", symbol="QQQ")
    return found


async def _play_market(call: Any) -> None:
    await call("get_quotes", symbols=["AAPL", "00700"])
    await call("get_bars", symbol="AAPL", period="60min", begin="5d", limit=2)
    await call("get_market_depth", symbol="AAPL", limit=2)
    expiries = await call("get_option_chain", symbol="AAPL")
    await call(
        "get_option_chain",
        symbol="AAPL",
        expiry=rows_of(expiries)[2]["expiry"],
        right="call",
        filters=["delta>=0.4", "delta<=0.6"],
    )
    await call("find_contracts", symbols=["AAPL", "00700"])
    await call("get_market_status", market="US")
    await call("get_fundamentals", what="dividend", symbols=["AAPL"], begin="1y")
    await call(
        "scan_market", filters=["market_value>=1000000000000"], sort="-market_value", limit=2
    )


async def _play_orders(client: Client, call: Any) -> None:
    own = {"account": ACCOUNT}
    terms = {"symbol": "QQQ", "side": "buy", "quantity": "2", "reason": "the example"}
    market = await answer(client, "preview_order", **own, **terms, order_type="market")
    filled = await answer(client, "submit_order", **own, preview_id=market["preview_id"])
    await _phase(client, filled["order_id"], "filled")
    preview = await call("preview_order", **own, **terms, order_type="limit", limit_price="100.00")
    submitted = await call("submit_order", **own, preview_id=preview["preview_id"])
    named = own | {"order_id": submitted["order_id"]}
    await _phase(client, submitted["order_id"], "working")
    await call("modify_order", **named, reason="a better price", limit_price="100.50")
    await call("cancel_orders", **own, order_ids=[submitted["order_id"]])
    await _phase(client, submitted["order_id"], "cancelled")
    await call("get_orders", **own, symbol="QQQ", since="today")
    await call("get_executions", **own, order_id=filled["order_id"])
    await call("explain_order", **named)
    async with asyncio.timeout(WAIT_S):
        while not (await answer(client, "get_positions", **own))["positions"]["rows"]:
            pass


async def _phase(client: Client, order_id: str, phase: str) -> None:
    async with asyncio.timeout(WAIT_S):
        seen: list[str] = []
        while seen != [phase]:
            told = await answer(client, "get_orders", account=ACCOUNT, order_ids=[order_id])
            seen = [row["phase"] for row in rows_of(told["orders"])]


def shortened(told: Any) -> Any:
    """Return an answer with the first rows of each table, and long texts cut."""
    match told:
        case {"columns": _, "rows": list(rows)}:
            kept = {name: value for name, value in told.items() if name != "rows"}
            return {name: shortened(value) for name, value in kept.items()} | {
                "rows": rows[:ROWS_SHOWN]
            }
        case dict():
            return {name: shortened(value) for name, value in told.items()}
        case str() if len(told) > TEXT_SHOWN:
            return f"{told[:TEXT_SHOWN]}…"
        case _:
            return told


def names_in(told: Mapping[str, Any]) -> set[str]:
    """Return the names that an answer uses: its fields, and the columns of its tables."""
    found = set(told)
    for name, value in told.items():
        if isinstance(value, dict) and "columns" in value:
            found |= {f"{name}.{column}" for column in value["columns"]}
    return found | {f"column {column}" for column in told.get("columns", ())}


async def record() -> None:
    """Record every example from a sandbox of its own."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        async with cluster(home), served(home) as client:
            await answer(client, "list_accounts")
            control = sandbox_of(home)
            still = msgspec.structs.replace(control.settings(), price_drift=False)
            control.set_settings(still)
            found = await played(client)
    listed = [msgspec.to_builtins(found[name]) for name in sorted(found)]
    FILE.write_text(json.dumps(listed, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
