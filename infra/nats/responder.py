"""Answers requests on a subject filter with a function that may block."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

log = structlog.get_logger()
# Questions under way per filter; one more is answered at once with `busy`.
OPEN_MAX: Final = 32


class Responder:
    """Serves one filter; runs on the connection's event loop."""

    def __init__(
        self,
        nc: Client,
        *,
        subject_filter: str,
        answer: Callable[[str, bytes], bytes],
        busy: bytes,
        pool: Executor,
        at_once: frozenset[str] = frozenset(),
    ) -> None:
        """Make a responder; `answer` gets the last words of the subject and the body.

        It does not block for those in `at_once`, which are answered however much is under way.
        """
        self._nc = nc
        self._filter = subject_filter
        self._prefix = subject_filter.removesuffix(">")
        self._answer = answer
        self._busy = busy
        self._pool = pool
        self._at_once = at_once
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to answer."""
        await self._nc.subscribe(self._filter, cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        what = message.subject.removeprefix(self._prefix)
        if what in self._at_once:
            await self._respond(message, self._answer(what, message.data))
            return
        if len(self._open) >= OPEN_MAX:
            await self._respond(message, self._busy)
            return
        task = asyncio.create_task(self._serve(what, message))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, what: str, message: Msg) -> None:
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(self._pool, self._answer, what, message.data)
        await self._respond(message, answer)

    async def _respond(self, message: Msg, answer: bytes) -> None:
        try:
            await message.respond(answer)
        except nats.errors.Error as error:
            # Whoever asked waits a bounded time and asks again.
            log.warning("answer.not_sent", subject=message.subject, reason=type(error).__name__)
