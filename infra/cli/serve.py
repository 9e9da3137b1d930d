"""`serve`: an MCP server for one client over stdio. It answers before the cluster is up.

The cluster is started, or joined, by the gateway's first try to connect, in a thread beside it.
"""

import click

from adapters.mcp.__main__ import run
from infra.cli.context import with_settings
from infra.config import Settings


@click.command()
@with_settings
def serve(settings: Settings) -> None:
    """Serve one MCP client over stdin and stdout (this is what Claude starts)."""

    def prepare() -> None:
        from infra.supervisor.detached import ensure_up

        ensure_up(settings)

    run(settings, prepare=prepare)
