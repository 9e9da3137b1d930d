"""uvicorn's server with a stop of our own: nobody who only listens keeps it, no record is lost.

Source: uvicorn 0.54, `server.py`: a stop waits for every open answer, and a second SIGINT leaves
out the end of the application's life, in which access records are sent (read 2026-11-23).
"""

import asyncio
import socket
from typing import Final

import uvicorn
from starlette.applications import Starlette

# Until requests that were cut off by a second signal have left their records.
_CUT_LIMIT_S: Final = 1.0


class HttpServer(uvicorn.Server):
    """Serves an application whose `state.end_listening` ends every stream of notices."""

    def __init__(self, app: Starlette, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._end_listening = app.state.end_listening

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nobody new, end streams and answers, and then the application."""
        self._end_listening()
        await super().shutdown(sockets)
        if self.force_exit:
            await self._cut_requests()
            await self.lifespan.shutdown()

    async def _cut_requests(self) -> None:
        open_ = list(self.server_state.tasks)
        for task in open_:
            task.cancel()
        if open_:
            await asyncio.wait(open_, timeout=_CUT_LIMIT_S)
