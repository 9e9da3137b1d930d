"""What one login's accounts are asked over NATS: commands, controls, and questions."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

import msgspec
import structlog
from nats.aio.client import Client

from core.asks import HEALTH, AskFault, AskReply
from core.subjects import COMMANDS_STREAM, CONTROL_STREAM, Kind, work_consumer
from infra.nats.responder import Responder
from infra.nats.work_queue import HeldMessage, WorkQueue

log = structlog.get_logger()


class AccountEnd(NamedTuple):
    """Where one account's messages go; `take` returns at once, `answer` may block in `pool`."""

    alias: str
    take: Callable[[HeldMessage], None]
    answer: Callable[[str, bytes], bytes]
    pool: Executor


class LoginMessages:
    """Runs on the connection's event loop; `on_failure` is told when no more can be taken."""

    def __init__(
        self,
        nc: Client,
        accounts: Sequence[AccountEnd],
        *,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._nc = nc
        self._accounts = accounts
        self._on_failure = on_failure
        self._queues: list[WorkQueue] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to take messages and to answer questions."""
        busy = AskReply(fault=AskFault(code="busy", message="too many questions at once"))
        for account in self._accounts:
            for stream in (CONTROL_STREAM, COMMANDS_STREAM):
                queue = WorkQueue(
                    self._nc,
                    stream=stream,
                    consumer=work_consumer(account.alias),
                    take=account.take,
                )
                self._queues.append(queue)
                task = asyncio.get_running_loop().create_task(queue.run())
                task.add_done_callback(self._note_end)
                self._tasks.append(task)
            responder = Responder(
                self._nc,
                subject_filter=f"{Kind.ASK}.{account.alias}.>",
                answer=account.answer,
                busy=msgspec.json.encode(busy),
                pool=account.pool,
                at_once=frozenset({HEALTH}),
            )
            await responder.start()
        await self._nc.flush()

    async def stop(self) -> None:
        """Take no more; what is held stays held."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Leave to a successor what is held, and close the connection."""
        await asyncio.gather(*(queue.leave() for queue in self._queues))
        if not self._nc.is_closed:
            await self._nc.close()

    def _note_end(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("queue.failed", reason=repr(error))
            self._on_failure(error)
