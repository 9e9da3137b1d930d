"""A tool that somebody knows from elsewhere and that is none here is answered with what to do."""

import re

import pytest

from infra.cli.account import account
from tests.support.gateway import World, error_of
from tests.support.parity_rows import LATER_TOOLS, SEED, Answered

ABSENT = [row.name for row in SEED if row.answered is not Answered.BY_TOOL]
BARE = ["add_account", "remove_account", "set_default_account", *LATER_TOOLS]
_TYPED = re.compile(r"`tiger-mcp ([a-z -]+?)(?: [A-Z-].*?)?`")
_CALL = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")


@pytest.mark.parametrize("name", [*ABSENT, *BARE])
async def test_a_known_name_that_is_no_tool_says_what_to_do_instead(name: str) -> None:
    async with World().client("auto") as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        text = error_of(await client.call_tool(name, {"secret_key": "not-to-be-seen"}))
    assert name not in tools
    assert text.startswith(f"invalid_argument: name: there is no tool '{name}': ")
    assert "tools/list" not in text
    assert "not-to-be-seen" not in text
    typed, named = _TYPED.findall(text), set(_CALL.findall(text)) - {name, "invalid_argument"}
    assert typed or named, "it names a command or a tool"
    assert named <= tools
    assert {words.removeprefix("account ") for words in typed} <= account.commands.keys()
