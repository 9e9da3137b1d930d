"""`python -P -m infra.bench.guarded_server --home H`: `serve --http` with a tool that does nothing.

Beside the no-op on a bare server it shows what tokens, limits, bounded connections and access
records cost by themselves. The cluster is kept up by somebody else.
"""

import argparse
import asyncio
from pathlib import Path

import uvicorn

from adapters.mcp.__main__ import home_parts, http_settings
from adapters.mcp.http_service import around, config_of, server_of, sessions_of
from adapters.mcp.tokens import TokenChecker
from infra.cli.token_store import prepare_tokens
from infra.config import load_settings
from infra.logs import configure


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    settings = load_settings(home=parser.parse_args().home)
    configure("http", settings.log_level)
    http = http_settings(settings, prepare_tokens(settings))
    parts = home_parts(settings)
    checker = TokenChecker(http.rules, parts.clock)
    server = server_of(parts, checker)
    server.add_tool(nothing)
    app = around(
        sessions_of(server), server=server, checker=checker, settings=http, clock=parts.clock
    )
    asyncio.run(uvicorn.Server(config_of(app, http)).serve())


async def nothing() -> str:
    """Do nothing."""
    return "ok"


if __name__ == "__main__":
    main()
