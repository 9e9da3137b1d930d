"""What a person would ask Claude for, asked by a script through the same tools."""

import json
import time
from typing import Any, Final

from mcp import Client
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from core import events
from core.orders import FINAL_PHASES
from infra.demo.facts import FactTail

ACCOUNT: Final = "sandbox"
WAIT_S: Final = 15.0


class StoryError(Exception):
    """A step did not end as a user would expect; the text says which."""


class Story:
    """Tells the order's way: each call of a tool with its answer and its time."""

    def __init__(self, client: Client, tail: FactTail, console: Console) -> None:
        self._client = client
        self._tail = tail
        self._console = console

    async def tell(self) -> None:
        """Play the whole story.

        Raises:
            StoryError: a step ended otherwise than it must.
        """
        self._chapter("1", "The client asks what the server can do")
        tools = await self._client.list_tools()
        self._console.print("  " + ", ".join(tool.name for tool in tools.tools), highlight=False)
        accounts = await self._call("list_accounts", {})
        self._table(_rows(accounts["accounts"]), ("account", "environment", "mode", "state"))

        self._chapter("2", "It looks at the market: a live read through the account's worker")
        quotes = await self._call("get_quotes", {"account": ACCOUNT, "symbols": ["AAPL", "00700"]})
        rows = [dict(zip(quotes["columns"], row, strict=True)) for row in quotes["rows"]]
        self._table(rows, ("symbol", "currency", "bid", "ask", "last"))

        self._chapter("3", "It previews an order: nothing is sent, everything is shown")
        filled = await self._submitted(side="buy", order_type="market", quantity="10")

        self._chapter("4", "The fill is recorded from the broker's own listing")
        await self._tail.until(
            lambda fact: isinstance(fact.data, events.OrderFilled) and fact.data.order_id == filled,
            wait_s=WAIT_S,
        )
        orders = await self._call("get_orders", {"account": ACCOUNT, "status": "done"})
        self._table(
            _rows(orders["orders"]), ("contract", "side", "quantity", "phase", "average_price")
        )
        positions = await self._call("get_positions", {"account": ACCOUNT})
        self._table(
            _rows(positions["positions"]), ("symbol", "quantity", "average_cost", "currency")
        )

        self._chapter("5", "Another order, far from the market, is cancelled again")
        resting = await self._submitted(
            side="buy", order_type="limit", quantity="5", limit_price="100.00"
        )
        await self._call("cancel_orders", {"account": ACCOUNT, "order_ids": [resting]})
        await self._tail.until(
            lambda fact: (
                isinstance(fact.data, events.OrderCancelled) and fact.data.order_id == resting
            ),
            wait_s=WAIT_S,
        )
        again = await self._call("get_orders", {"account": ACCOUNT, "order_ids": [resting]})
        self._expect(
            all(order["phase"] in FINAL_PHASES for order in _rows(again["orders"])),
            "expected the cancelled order to be done",
        )

    async def _submitted(self, **terms: str) -> str:
        preview = await self._call(
            "preview_order",
            {"account": ACCOUNT, "symbol": "AAPL", "reason": "the demonstration", **terms},
        )
        self._table(_rows(preview["checks"]), ("name", "result", "detail"))
        self._expect(preview["can_submit"], "expected every check of the preview to pass")
        chosen = {"account": ACCOUNT, "preview_id": preview["preview_id"]}
        first = await self._call("submit_order", chosen)
        self._expect(first["status"] == "accepted", f"expected accepted, was {first['status']}")
        second = await self._call("submit_order", chosen)
        self._expect(
            second["order_id"] == first["order_id"], "expected a repeated submit to change nothing"
        )
        self._console.print("  [dim]submitted twice on purpose: one order, the same answer[/]")
        order_id: str = first["order_id"]
        return order_id

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        begun = time.monotonic()
        result = await self._client.call_tool(tool, arguments)
        took_ms = (time.monotonic() - begun) * 1000
        asked = json.dumps(arguments, ensure_ascii=False)
        self._console.print(
            f"  [bold magenta]{tool}[/] {escape(asked)} [dim]{took_ms:.1f} ms[/]", highlight=False
        )
        if result.is_error or result.structured_content is None:
            raise StoryError(f"{tool} failed: {result.content}")
        answer: dict[str, Any] = result.structured_content
        if "status" in answer:
            self._console.print(
                f"    [bold]{escape(answer['status'])}[/]: {escape(answer.get('next_step', ''))}",
                highlight=False,
            )
        return answer

    def _chapter(self, number: str, title: str) -> None:
        self._console.print(f"\n[bold cyan]{number}. {title}[/]")

    def _table(self, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
        table = Table(*columns, box=None, padding=(0, 2), header_style="dim")
        for row in rows:
            table.add_row(*(escape(str(row.get(column, ""))) for column in columns))
        self._console.print(table)

    def _expect(self, holds: bool, sentence: str) -> None:
        if not holds:
            raise StoryError(sentence)


def _rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
