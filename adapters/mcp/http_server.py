"""uvicorn's server with a start and a stop of our own.

Its start has no limit on how long a client may take over TLS, and asyncio's is a minute, in which
nobody sees the connection. At its stop nobody who only listens keeps it, and no record is lost.

Source: uvicorn 0.54, `server.py`: `startup` names no `ssl_handshake_timeout`; a stop waits for
every open answer, and a second SIGINT leaves out the end of the application's life, in which access
records are sent (read 2026-11-23).
"""

import asyncio
import logging
import socket
import sys
from typing import Any, Final

import uvicorn
from starlette.applications import Starlette

from adapters.mcp.rare_lines import RareLines

# Until requests that were cut off by a second signal have left their records.
_CUT_LIMIT_S: Final = 1.0
# As uvicorn ends where it cannot listen.
_STARTUP_FAILURE: Final = 3
# Open files that the service asks for: far more than its connections, those in their handshake too.
FILES_MAX: Final = 8192
# Source: CPython 3.11, `asyncio/selector_events.py`, which says it up to 256 times a second.
_NO_FILES: Final = "socket.accept() out of system resource"

_log = logging.getLogger("uvicorn.error")


class HttpServer(uvicorn.Server):
    """Serves an application with these in its `state`.

    `end_listening` ends every stream of notices, `handshake_s` is how long a client may take over
    TLS, and `lines` writes what anybody may cause.
    """

    def __init__(self, app: Starlette, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._end_listening = app.state.end_listening
        self._handshake_s: float = app.state.handshake_s
        self._lines: RareLines = app.state.lines

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin the application's life, and then listen."""
        asyncio.get_running_loop().set_exception_handler(self._take_fault)
        # Without a socket uvicorn begins everything but to listen.
        await super().startup(sockets=[])
        try:
            for where in _places(self.config, sockets):
                self.servers.append(await self._listening(where))
        except OSError as error:
            _log.error(error)
            await self.lifespan.shutdown()
            sys.exit(_STARTUP_FAILURE)
        if sockets is None:
            self._log_started_message(self.servers[0].sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nobody new, end streams and answers, and then the application."""
        self._end_listening()
        await super().shutdown(sockets)
        if self.force_exit:
            await self._cut_requests()
            await self.lifespan.shutdown()

    async def _listening(self, where: dict[str, Any]) -> asyncio.Server:
        context = self.config.ssl
        return await asyncio.get_running_loop().create_server(
            self._connection,
            **where,
            ssl=context,
            ssl_handshake_timeout=None if context is None else self._handshake_s,
            backlog=self.config.backlog,
        )

    def _connection(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]  # as uvicorn has it
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        return made

    def _take_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") != _NO_FILES:
            loop.default_exception_handler(context)
            return
        self._lines.say("http.files_exhausted", (), {}, level=logging.ERROR)

    async def _cut_requests(self) -> None:
        open_ = list(self.server_state.tasks)
        for task in open_:
            task.cancel()
        if open_:
            await asyncio.wait(open_, timeout=_CUT_LIMIT_S)


def raise_file_limit() -> None:
    """Let this process open as many files as it may, up to `FILES_MAX`; each connection is one."""
    if sys.platform == "win32":
        return
    # Only here: Windows has no such module.
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _places(config: uvicorn.Config, sockets: list[socket.socket] | None) -> list[dict[str, Any]]:
    if sockets is None:
        return [{"host": config.host, "port": config.port}]
    return [{"sock": each} for each in sockets]
