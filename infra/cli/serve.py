"""`serve`: an MCP server for one client over stdio, or for many over HTTP with tokens.

It answers before the cluster is up.

The cluster is started, or joined, by the gateway's first try to connect, in a thread beside it.
"""

import click

from core.errors import ConfigError, StoppedError
from infra.cli.context import with_settings
from infra.config import Settings, StdioEra
from infra.home import Home
from infra.lean import left_out


@click.command()
@click.option("--http", "is_http", is_flag=True, help="Serve over HTTP, with a token each.")
@click.option(
    "--era",
    type=click.Choice(["auto", "legacy", "modern"]),
    help="Serve these revisions of MCP alone, on stdio [default: TIGER_MCP_STDIO_ERA].",
)
@with_settings
def serve(settings: Settings, is_http: bool, era: StdioEra | None) -> None:
    """Serve one MCP client over stdin and stdout (this is what Claude starts)."""
    with left_out():
        _serve(settings, is_http=is_http, era=era)


def _serve(settings: Settings, *, is_http: bool, era: StdioEra | None) -> None:
    from adapters.mcp.__main__ import run, run_http

    prepare = Prepare(settings)
    if not is_http:
        run(settings, prepare=prepare, era=era)
        return
    if era is not None:
        raise ConfigError("expected --era for stdio alone: over HTTP each request names its own")
    from infra.cli.token_store import prepare_tokens

    run_http(settings, rules=prepare_tokens(settings), prepare=prepare)


class Prepare:
    """Brings the cluster up before each try to connect, unless a person took it down meanwhile.

    Raises StoppedError then, and ConfigError where it does not come up.
    """

    def __init__(self, settings: Settings, *, was_up: bool = False) -> None:
        self._settings = settings
        self._was_up = was_up

    def __call__(self) -> None:
        from infra.supervisor.detached import ensure_up
        from infra.supervisor.status import Phase, live_status, read_status

        home = Home(self._settings.home)
        last = live_status(home) or read_status(home)
        if self._was_up and last is not None and last.phase in (Phase.STOPPING, Phase.STOPPED):
            raise StoppedError("the cluster was stopped; a person starts it with `tiger-mcp up`")
        ensure_up(self._settings)
        self._was_up = True
