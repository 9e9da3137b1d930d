"""What holds of every tool of the gateway, whatever it reads."""

import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import CommandError
from tests.support.gateway import QUICK, World, error_of, text_of

DESCRIPTION_LENGTH_MAX = 2_000
ROOT = Path(__file__).parents[2]


async def test_instructions_fit_and_name_the_dangers() -> None:
    world = World()
    assert world.server.instructions is not None
    assert len(world.server.instructions) < DESCRIPTION_LENGTH_MAX
    assert "REAL MONEY" in world.server.instructions
    assert "broker_text" in world.server.instructions


@pytest.mark.parametrize(
    ("cause", "starts"),
    [
        (None, "unavailable: the projector does not answer; nothing was changed."),
        (
            CommandError("expected more; ask again", field="at_least_n", code="behind"),
            "behind: expected more; ask again. Nothing was changed. Try again",
        ),
        (
            CommandError("bad cursor", field="cursor"),
            "invalid_argument: cursor: bad cursor.",
        ),
        (CommandError("what", field="", code="novel"), "unavailable: what."),
    ],
)
async def test_a_view_that_does_not_answer_says_what_to_do(
    cause: Exception | None, starts: str
) -> None:
    world = World(QUICK)
    if cause is None:
        del world.bus.answers["view.sandbox.orders"]
    else:
        world.bus.answers["view.sandbox.orders"] = cause
    async with world.client("auto") as client:
        text = error_of(await client.call_tool("get_orders", {"account": "sandbox"}))
    assert text.startswith(starts)


async def test_an_answer_that_does_not_decode_is_an_error_without_its_text() -> None:
    world = World()
    world.bus.answers["view.sandbox.orders"] = b'{"secret": 1}'
    async with world.client("auto") as client:
        text = text_of(await client.call_tool("get_orders", {"account": "sandbox"}))
    assert text.startswith("internal: ")
    assert "secret" not in text


def test_the_gateway_imports_neither_the_brokers_sdk_nor_pandas() -> None:
    code = (
        "import sys, adapters.mcp.__main__\n"
        "heavy = {'tigeropen', 'pandas', 'numpy', 'eventsourcing'} & set(sys.modules)\n"
        "sys.exit(','.join(sorted(heavy)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, cwd=ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
