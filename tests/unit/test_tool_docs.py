"""docs/tools.md says what the tools say, and its examples fit the tools' own schemas."""

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import pytest
from mcp.types import Tool

from adapters.mcp.faults import Fault
from core.refusals import Refusal
from tests.support.gateway import World
from tests.support.parity_rows import LATER_TOOLS, OFFICIAL, RESOURCES, SEED, SHIM, all_rows
from tests.support.tool_docs import MEANINGS, PAGE, meaning_of, page
from tests.support.tool_examples import recorded


async def listed() -> list[Tool]:
    async with World().client("auto") as client:
        return (await client.list_tools()).tools


async def test_page_is_what_the_tools_and_the_records_give() -> None:
    assert PAGE.read_text(encoding="utf-8") == await page(), "run `just tools-doc`"


async def test_every_tool_has_an_example_that_fits_its_schemas() -> None:
    tools, examples = await listed(), recorded()
    assert examples.keys() == {tool.name for tool in tools}
    for tool in tools:
        example = examples[tool.name]
        jsonschema.validate(example.arguments, tool.input_schema)
        assert tool.output_schema is not None
        jsonschema.validate(example.answer, tool.output_schema)


@pytest.mark.parametrize("field", ["environment", "account"])
async def test_every_example_says_in_which_world_it_is(field: str) -> None:
    for name, example in recorded().items():
        if name != "list_accounts":
            assert str(example.answer[field]).startswith("sandbox"), name


async def test_every_parameter_has_a_meaning_and_every_meaning_a_parameter() -> None:
    tools = await listed()
    named = {(tool.name, name) for tool in tools for name in tool.input_schema["properties"]}
    unsaid = [
        f"{tool.name}.{name}"
        for tool in tools
        for name in tool.input_schema["properties"]
        if not meaning_of(tool, name)
    ]
    assert unsaid == []
    assert {key.rpartition(".")[2] for key in MEANINGS} <= {name for _, name in named}


def test_every_code_has_its_line() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    codes = {line.split("`")[1] for line in lines if line.startswith("| `")}
    assert {str(code) for code in (*Fault, *Refusal)} <= codes


async def test_predecessors_have_all_their_rows_and_ours_name_tools_that_there_are() -> None:
    names = {tool.name for tool in await listed()}
    assert (len(SEED), len(OFFICIAL), len(all_rows())) == (23, 22, 45)
    rows = (*all_rows().values(), *SHIM, *RESOURCES)
    assert {tool for row in rows for tool in row.tools} <= names
    assert names.isdisjoint(LATER_TOOLS)
