"""The scripted assistant: it has the person's words and the tools' answers, and nothing else.

It counts what a conversation costs: the calls, the bytes of what it asked (name and arguments as
JSON) and of what it had to read (the answer's text, which is also the structured content).
"""

import asyncio
import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from mcp import Client

from tests.support.cluster import text_of
from tests.support.gateway import rows_of

LOOK_LIMIT_S: Final = 30.0
Told = dict[str, Any]
Row = dict[str, Any]


class CannotError(Exception):
    """The assistant has to tell the person that it cannot, and why."""


class Assistant:
    """One conversation."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.tools: list[str] = []
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def calls(self) -> int:
        """How many calls the conversation took."""
        return len(self.tools)

    async def ask(self, tool: str, **arguments: Any) -> Told:
        """Call a tool.

        Raises:
            CannotError: the tool refused; in its words.
        """
        told, asked, read = await self._call(tool, arguments)
        self._count(tool, asked, read)
        return told

    async def look_until(self, holds: Callable[[Told], bool], tool: str, **arguments: Any) -> Told:
        """Call a read again until it shows something; counted once, as it was read last.

        How often depends on the machine, and at a real broker on the market.
        """
        async with asyncio.timeout(LOOK_LIMIT_S):
            while True:
                told, asked, read = await self._call(tool, arguments)
                if holds(told):
                    self._count(tool, asked, read)
                    return told

    async def account(self, alias: str) -> Row:
        """Return the line of the account that the person named."""
        for row in rows_of((await self.ask("list_accounts"))["accounts"]):
            if row["account"] == alias:
                return row
        raise CannotError(f"there is no account {alias}")

    async def preview(self, account: str, reason: str, **terms: Any) -> Told:
        """Return a preview that may be submitted.

        Raises:
            CannotError: it may not; with the checks that failed, or the refusal.
        """
        told = await self.ask("preview_order", account=account, reason=reason, **terms)
        if not told["can_submit"]:
            raise CannotError(why_not(told))
        return told

    async def order(self, account: str, reason: str, **terms: Any) -> Told:
        """Preview an order and submit it, as a person who said so wants it.

        Raises:
            CannotError: the preview or the broker says no.
        """
        shown = await self.preview(account, reason, **terms)
        told = await self.ask("submit_order", account=account, preview_id=shown["preview_id"])
        if told["status"] in ("refused", "rejected", "not_sent"):
            raise CannotError(f"{told.get('broker_text') or told['detail']} {told['next_step']}")
        return told

    async def order_row(self, account: str, order_id: str, *phases: str, **has: Any) -> Row:
        """Return an order once it is in one of the phases, and as `has` says."""

        def fits(told: Told) -> bool:
            return any(
                row["phase"] in phases and all(row.get(name) == has[name] for name in has)
                for row in rows_of(told["orders"])
            )

        told = await self.look_until(fits, "get_orders", account=account, order_ids=[order_id])
        (row,) = rows_of(told["orders"])
        return row

    async def _call(self, tool: str, arguments: dict[str, Any]) -> tuple[Told, int, int]:
        result = await self._client.call_tool(tool, arguments)
        text = text_of(result)
        asked = len(json.dumps({"name": tool, "arguments": arguments}, separators=(",", ":")))
        if result.is_error:
            self._count(tool, asked, len(text.encode()))
            raise CannotError(text)
        told: Told = json.loads(text)
        return told, asked, len(text.encode())

    def _count(self, tool: str, asked: int, read: int) -> None:
        self.tools.append(tool)
        self.bytes_in += asked
        self.bytes_out += read


def why_not(preview: Told) -> str:
    """Return why a preview may not be submitted, in the tool's words."""
    if preview["status"] != "previewed":
        return f"{preview.get('detail', '')} {preview['next_step']}"
    failed = [row for row in rows_of(preview["checks"]) if row["result"] == "failed"]
    return "; ".join(f"{row['name']}: {row['detail'] or row['broker_text']}" for row in failed)


def amount(text: object) -> Decimal:
    """Return a figure of an answer."""
    return Decimal(str(text))


def stepped(value: Decimal, step: object) -> Decimal:
    """Return a figure rounded down to whole steps."""
    return (value // amount(step)) * amount(step)


def plain(value: Decimal) -> str:
    """Return a figure as a tool takes it."""
    return f"{value.normalize():f}"


def ahead(day: str, days: int) -> str:
    """Return the day so many days after an ISO day."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
