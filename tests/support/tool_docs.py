"""`python -P -m tests.support.tool_docs`: write docs/tools.md from the tools as clients get them.

Everything comes from the listing, the recorded examples, the closed lists of codes and the rows of
the predecessors' table; a test fails on drift. `--record` records the examples anew first.
"""

import asyncio
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mcp import Client
from mcp.types import Tool

from adapters.mcp.faults import NEXT_STEP as FAULT_STEP
from core.refusals import NEXT_STEP as REFUSAL_STEP
from tests.support import tool_examples
from tests.support.gateway import World
from tests.support.parity_rows import LATER_TOOLS, OFFICIAL, RESOURCES, SEED, SHIM, Row

PAGE: Final = Path(__file__).parents[2] / "docs" / "tools.md"
# What a parameter means where neither its schema nor its own words say it; of one tool by
# `tool.name`. A listing has a budget of bytes, this page has none.
MEANINGS: Final[Mapping[str, str]] = {
    "account": "Alias of an account, as `list_accounts` tells it.",
    "adjusted": "Whether earlier prices are brought to today's number of shares.",
    "all_open": "Every open order of the account.",
    "base_currency": "What totals are told in, with view now or history: USD, HKD.",
    "begin": 'From: 2026-01-31, a time with its zone, "5d", "3mo", "ytd", "last month".',
    "cursor": "Of an earlier answer, for its next page.",
    "end": "To, in the same forms; a day is meant whole.",
    "end_at": "twap, vwap: when it ends.",
    "expiry": "Day of expiry.",
    "get_positions.view": "As recorded when a holding last changed, or asked of the broker now.",
    "fields": "Names of figures, or one industry's id.",
    "filters": "Conditions that all must hold.",
    "limit": "Rows at most.",
    "limit_price": "New limit.",
    "market": "Market.",
    "money": "In or out of the money.",
    "or_stop_limit_price": "Makes the other order of the two a stop limit.",
    "order_id": "Ours, as `submit_order` and `get_orders` tell it.",
    "order_ids": "Ours, as `submit_order` and `get_orders` tell them.",
    "order_type": "Which of the prices it needs follows from it.",
    "outside_regular_hours": "May trade before and after the regular session.",
    "period": "Length of a bar, of a flow or of a report.",
    "preview_id": "As `preview_order` gave it.",
    "query": "Part of a name or ticker; a product or exchange of futures.",
    "right": "Call or put.",
    "security": "Class of instrument.",
    "session": "Hours of the exchange.",
    "side": "Buy or sell.",
    "sort": "A field, with a minus for falling.",
    "status": "Which orders.",
    "stop_loss_limit_price": "Makes the stop loss a stop limit.",
    "stop_loss_trailing_percent": "Makes the stop loss trail.",
    "stop_price": "New trigger.",
    "strike": "Strike price.",
    "symbol": "The contract.",
    "time_in_force": "How long it stays open: gtd until good_till, opg for the opening auction.",
    "symbols": "Up to 50 contracts of one class.",
    "trailing_amount": "Distance of a trailing stop, in money.",
    "trailing_percent": "Distance of a trailing stop, in percent.",
    "view": "What of it is shown.",
    "what": "Which figures.",
}
_CALL: Final = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b(?:\([^)]*\))?")
_HEAD: Final = """# Tools

Generated from the tools as the server ships them: `just tools-doc`. An answer of a list is a table,
`columns` once and then `rows`. Every answer names its `environment` (`sandbox`, `paper` or `live`)
and its account. The examples were recorded from the sandbox broker; of each table they show the
first two rows. What it costs to list a tool is told in bytes of JSON; a model reads the list once.

"""
_ERRORS: Final = """
## Codes

A call that gave no result is an error whose text starts with one of these codes, names the field
and says what to do next:

"""
_REFUSALS: Final = """
An order, a change, a cancel or a halt that is refused is an answer with `status` `refused` and one
of these in `code`, with `next_step` beside it:

"""
_PARITY: Final = """
## From the predecessors' tools to ours

Each row of the first two tables is performed by `tests/e2e/test_parity.py` on the sandbox, through
a client of MCP, and its answer is held against the broker's own book or what the broker's SDK
reads.

"""
_LATER: Final = """
Not listed until they work: {}.

Not told until they are kept: `get_account` shows what of its limits an account has used, once there
are limits; an order that waits for a person's approval is `held`, once there are approvals.
"""


async def page() -> str:
    """Return the whole page."""
    async with World().client("auto") as client:
        tools = (await client.list_tools()).tools
        beside = await _beside(client)
    examples = tool_examples.recorded()
    parts = [_HEAD, _overview(tools), beside]
    parts += [_section(tool, examples[tool.name]) for tool in tools]
    parts += [
        _ERRORS,
        _table(("code", "next"), ((f"`{code}`", step) for code, step in FAULT_STEP.items())),
        _REFUSALS,
        _table(("code", "next"), ((f"`{code}`", step) for code, step in REFUSAL_STEP.items())),
        _PARITY,
        "### The seed system, generation 1\n\n",
        _rows(SEED),
        "\n### Tiger's own `tigermcp` 0.1.7\n\n",
        _rows(OFFICIAL),
        "\n### The seed system, generation 2, where it adds anything\n\n",
        _rows(SHIM),
        "\n### Resources of both\n\n",
        _rows(RESOURCES),
        _LATER.format(", ".join(f"`{name}`" for name in LATER_TOOLS)),
    ]
    return "".join(parts)


def meaning_of(tool: Tool, name: str) -> str:
    """Return what a parameter means, "" where nobody says it."""
    said = tool.input_schema["properties"][name].get("description", "")
    return str(said or MEANINGS.get(f"{tool.name}.{name}") or MEANINGS.get(name, ""))


def size_of(tool: Tool) -> int:
    """Return the bytes of a tool in the list."""
    return len(tool.model_dump_json(by_alias=True, exclude_none=True).encode())


def _overview(tools: Sequence[Tool]) -> str:
    rows = [(f"[`{tool.name}`](#{tool.name})", _effect(tool), str(size_of(tool))) for tool in tools]
    rows.append(("all", "", str(sum(size_of(tool) for tool in tools))))
    return _table(("tool", "what it does to the world", "bytes"), rows)


async def _beside(client: Client) -> str:
    fixed = [(each.uri, each.description) for each in (await client.list_resources()).resources]
    by_account = [
        (each.uri_template, each.description)
        for each in (await client.list_resource_templates()).resource_templates
    ]
    resources = [(f"`{uri}`", said) for uri, said in (*fixed, *by_account) if said]
    prompts = (await client.list_prompts()).prompts
    named = [(f"`{each.name}`", each.description or "") for each in prompts]
    return (
        "\nResources, for clients that watch them. Notices of change are sent to those who speak\n"
        "2026-07-28; all others read again.\n\n"
        + _table(("address", "what"), resources)
        + "\nPrompts:\n\n"
        + _table(("prompt", "what"), named)
    )


def _section(tool: Tool, example: tool_examples.Example) -> str:
    first, stop, rest = (tool.description or "").partition(". ")
    said = f"{first}{stop.strip()}\n" + (f"\n{rest}\n" if rest else "")
    parameters = [
        (
            f"`{name}`",
            _type(each),
            "yes" if name in tool.input_schema.get("required", ()) else "",
            meaning_of(tool, name),
        )
        for name, each in tool.input_schema["properties"].items()
    ]
    table = "\n" + _table(("parameter", "type", "required", "meaning"), parameters)
    return (
        f"\n## {tool.name}\n\n{said}\n{_effect(tool)}; {size_of(tool)} bytes in the list.\n"
        f"{table if parameters else chr(10) + 'It takes nothing.' + chr(10)}\n"
        f"```json\n{_json(example.arguments)}\n```\n\nanswers\n\n"
        f"```json\n{_json(example.answer)}\n```\n"
    )


def _effect(tool: Tool) -> str:
    hints = tool.annotations
    assert hints is not None, "every tool has annotations"
    if hints.read_only_hint:
        return "Reads" + (", asks the broker" if hints.open_world_hint else " what is recorded")
    words = ["Acts"]
    words.append("destructive" if hints.destructive_hint else "not destructive")
    words.append("safe to repeat" if hints.idempotent_hint else "each call is a new one")
    return ", ".join(words)


def _type(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    after = "" if default is None or default == "" else f" (default `{json.dumps(default)}`)"
    if "enum" in schema:
        words = (str(word) for word in schema["enum"] if word != "")
        return " · ".join(f"`{word}`" for word in words) + after
    if schema.get("type") == "array":
        items = schema["items"]
        inner = "object" if items.get("type") == "object" else _type(items)
        return f"list of {inner}{after}"
    pattern = schema.get("pattern")
    return f"{schema['type']}{f' like `{pattern}`' if pattern else ''}{after}"


def _rows(rows: Iterable[Row]) -> str:
    return _table(
        ("its tool", "here", "how it is answered", "note"),
        (
            (f"`{row.name}`", _CALL.sub(r"`\g<0>`", row.ours), row.answered, row.note)
            for row in rows
        ),
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    cells = ([cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


# One field of the top per line, and one row of a table: short enough to read.
def _json(value: Mapping[str, Any]) -> str:
    if not value:
        return "{}"
    lines = [f"  {json.dumps(name)}: {_inner(each)}" for name, each in value.items()]
    return "{\n" + ",\n".join(lines) + "\n}"


def _inner(value: Any) -> str:
    def flat(each: Any) -> str:
        return json.dumps(each, ensure_ascii=False)

    match value:
        case {"columns": columns, "rows": rows}:
            return f'{{"columns": {flat(columns)},\n    "rows": {_inner(rows)}}}'
        case [[*_], *_]:
            return "[\n      " + ",\n      ".join(flat(row) for row in value) + "]"
        case _:
            return flat(value)


def main(arguments: Sequence[str]) -> int:
    """Write the page; with `--record` record the examples before."""
    if "--record" in arguments:
        asyncio.run(tool_examples.record())
    PAGE.write_text(asyncio.run(page()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
