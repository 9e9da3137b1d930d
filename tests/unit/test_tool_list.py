"""The list of tools as a client gets it: what is there, how it is annotated, and its bytes."""

import pytest
from mcp.types import JSONRPCResponse, Tool

from core.modes import Mode as AccountMode
from tests.support.gateway import MODES, Mode, World

TOOLS_MAX = 24
LIST_BYTES_MAX = 24_000
READ_ONLY_BYTES_MAX = 12_000
# The id that a client gives its request, and a version longer than the tests' own.
REQUEST_ID = 1_000_000
VERSION_BYTES_MAX = 30
# What every answer about an account says first.
EVERYWHERE = {"environment", "account", "as_of"}
DESCRIPTION_LENGTH_MAX = 2_000
FIRST_SENTENCE_MAX = 200
# Tools of orders, accounts and safety, and what each may do: (reads, destructive, repeatable).
ORDERS = {
    "list_accounts": (True, None, None),
    "get_account": (True, None, None),
    "get_positions": (True, None, None),
    "get_balances": (True, None, None),
    "get_orders": (True, None, None),
    "get_executions": (True, None, None),
    "explain_order": (True, None, None),
    "preview_order": (False, False, False),
    "submit_order": (False, True, True),
    "modify_order": (False, True, True),
    "cancel_orders": (False, True, True),
    "halt_trading": (False, True, True),
}
ORDERS_BYTES_MAX = 14_000


async def listed(mode: Mode, world: World | None = None) -> tuple[list[Tool], int]:
    """Return the tools and the bytes of the whole line that a client on stdio reads."""
    async with (world or World()).client(mode) as client:
        answer = await client.list_tools()
    result = answer.model_dump(by_alias=True, exclude_none=True, mode="json")
    line = JSONRPCResponse(jsonrpc="2.0", id=REQUEST_ID, result=result).model_dump_json() + "\n"
    return answer.tools, len(line.encode()) + VERSION_BYTES_MAX


def size_of(tool: Tool) -> int:
    return len(tool.model_dump_json(by_alias=True, exclude_none=True).encode())


@pytest.mark.parametrize("mode", MODES)
async def test_the_list_stays_within_its_bytes_and_its_number(mode: Mode) -> None:
    tools, size = await listed(mode)
    assert len(tools) <= TOOLS_MAX
    assert size <= LIST_BYTES_MAX, {tool.name: size_of(tool) for tool in tools}
    ours = {tool.name: size_of(tool) for tool in tools if tool.name in ORDERS}
    assert ours.keys() == ORDERS.keys()
    assert sum(ours.values()) <= ORDERS_BYTES_MAX, ours


@pytest.mark.parametrize("mode", MODES)
async def test_the_list_of_reads_alone_is_half_as_long(mode: Mode) -> None:
    world = World()
    world.modes = dict.fromkeys(world.accounts, AccountMode.READ_ONLY)
    tools, size = await listed(mode, world)
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    assert size <= READ_ONLY_BYTES_MAX, {tool.name: size_of(tool) for tool in tools}


@pytest.mark.parametrize("mode", MODES)
async def test_every_tool_has_schemas_annotations_and_words_that_suffice(mode: Mode) -> None:
    tools, _ = await listed(mode)
    for tool in tools:
        assert tool.description, tool.name
        assert len(tool.description) < DESCRIPTION_LENGTH_MAX
        assert len(tool.description.partition(".")[0]) < FIRST_SENTENCE_MAX, tool.name
        assert tool.output_schema is not None, tool.name
        assert tool.output_schema["type"] == "object"
        assert tool.input_schema["additionalProperties"] is False
        assert tool.annotations is not None
        assert tool.annotations.open_world_hint is not None
        assert "$ref" not in str(tool.input_schema)


async def test_answers_of_reads_promise_what_they_always_say_first() -> None:
    tools, _ = await listed("auto")
    for tool in tools:
        assert tool.output_schema is not None
        if tool.name != "list_accounts":
            assert set(tool.output_schema["required"]) >= EVERYWHERE, tool.name


async def test_tools_of_orders_say_what_they_do_to_the_world() -> None:
    tools, _ = await listed("auto")
    found = {
        tool.name: (
            tool.annotations.read_only_hint,
            tool.annotations.destructive_hint,
            tool.annotations.idempotent_hint,
        )
        for tool in tools
        if tool.name in ORDERS and tool.annotations is not None
    }
    assert found == ORDERS
    for tool in tools:
        if tool.name in ORDERS:
            is_needed = "account" in tool.input_schema.get("required", [])
            assert is_needed is (tool.name != "list_accounts")


async def test_the_order_of_the_list_is_the_same_for_every_client() -> None:
    first, _ = await listed("auto")
    second, _ = await listed("legacy")
    assert [tool.name for tool in first] == [tool.name for tool in second]
