"""`python -m tests.conformance.fixture_server`: the service with the suite's fixtures in it.

It is `serve --http` in all else: the same home, cluster, tokens, guards, limits and middleware, and
the tools of the gateway beside those of the suite. With `--sessions` the SDK answers in streams and
keeps sessions, which some of the fixtures need and the service does not have.
"""

import argparse
import asyncio
from pathlib import Path

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from adapters.mcp.__main__ import home_parts, http_settings
from adapters.mcp.http_server import HttpServer
from adapters.mcp.http_service import around, config_of, server_of, sessions_of
from adapters.mcp.limits import BODY_BYTES_MAX
from adapters.mcp.tokens import TokenChecker
from infra.cli.serve import Prepare
from infra.cli.token_store import prepare_tokens
from infra.config import load_settings
from infra.logs import configure
from tests.conformance import asking, fixtures


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--sessions", action="store_true")
    given = parser.parse_args()
    settings = load_settings(home=given.home)
    configure("http", settings.log_level)
    http = http_settings(settings, prepare_tokens(settings))
    parts = home_parts(settings, prepare=Prepare(settings))
    checker = TokenChecker(http.rules, parts.clock)
    server = server_of(parts, checker)
    fixtures.add_to(server)
    asking.add_to(server)
    manager = sessions_of(server)
    if given.sessions:
        manager = StreamableHTTPSessionManager(
            server._lowlevel_server, max_request_body_size=BODY_BYTES_MAX
        )
    app = around(manager, server=server, checker=checker, settings=http, clock=parts.clock)
    asyncio.run(HttpServer(app, config_of(app, http)).serve())


if __name__ == "__main__":
    main()
