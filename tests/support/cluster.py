"""The whole service as a user starts it: `tiger-mcp serve` on a home, and a real MCP client."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from mcp import Client, StdioServerParameters
from mcp.client.session import ElicitationFnT
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult

from infra.config import Settings, settings_from
from infra.home import Home
from infra.nats.monitor import wait_until
from infra.sandbox.control.client import SandboxControl
from infra.sandbox.logins.files import (
    read_ports,
)
from infra.supervisor import detached

ACCOUNT: Final = "sandbox"
WAIT_S: Final = 30.0
Era = Literal["auto", "legacy"]


def settings_of(home: Path) -> Settings:
    """Return the settings of a home with nothing else set."""
    return settings_from({}, home=home, user_home=home)


@contextlib.asynccontextmanager
async def served(
    home: Path,
    *,
    mode: Era = "auto",
    options: Sequence[str] = (),
    asked: ElicitationFnT | None = None,
    program: str = "infra.cli",
) -> AsyncIterator[Client]:
    """Start `tiger-mcp serve` on a home and connect to it as Claude would.

    With `asked` the client declares that it shows questions, and answers them so. `program` is the
    module that is run as `tiger-mcp`.
    """
    await asyncio.to_thread(home.mkdir, parents=True, exist_ok=True)
    server = StdioServerParameters(
        command=sys.executable,
        args=["-P", "-m", program, "--home", str(home), "serve", *options],
    )
    with contextlib.ExitStack() as files:
        opened = await asyncio.to_thread((home / "gateway.log").open, "a")
        log = files.enter_context(opened)
        async with Client(
            stdio_client(server, errlog=log), mode=mode, elicitation_callback=asked
        ) as client:
            yield client


@contextlib.asynccontextmanager
async def cluster(home: Path) -> AsyncIterator[Settings]:
    """Take down, at the end, whatever cluster was started on a home."""
    settings = settings_of(home)
    try:
        yield settings
    finally:
        await asyncio.to_thread(detached.stop, settings)


def wait_for(check: Callable[[], bool]) -> None:
    """Wait until something holds of a cluster, as the test's process sees it."""
    assert wait_until(check, limit_s=WAIT_S), f"expected it within {WAIT_S} s"


def sandbox_of(home: Path) -> SandboxControl:
    """Return the control of a running home's sandbox."""
    ports = read_ports(Home(home).sandbox)
    assert ports is not None, "the sandbox said where it listens"
    return SandboxControl(ports.control)


async def answer(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed and return its structured answer."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    told: dict[str, Any] | None = result.structured_content
    assert told is not None
    return told


async def fault(client: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that must fail in a foreseen way and return what the model reads."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    return text_of(result)


def text_of(result: CallToolResult) -> str:
    """Return a result's text."""
    return "".join(getattr(block, "text", "") for block in result.content)
