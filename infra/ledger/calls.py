"""Blocking calls into the loop thread, with our errors in the library's words."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from eventsourcing.persistence import DatabaseError, DataError, OperationalError
from nats.aio.client import Client

from core.errors import AppendUnknownError, CorruptRecordError, LinkError
from infra.nats.link import LoopThread

# Longer than every wait inside, so that the reason is reported and not the time-out.
CALL_WAIT_S: Final = 60.0

T = TypeVar("T")


def translated(error: Exception) -> DatabaseError:
    """Return the library's word for one of our errors."""
    if isinstance(error, CorruptRecordError):
        return DataError(str(error))
    return OperationalError(str(error))


def run(thread: LoopThread, work: Coroutine[Any, Any, T]) -> T:
    """Run a call on the loop thread and wait for it.

    Raises:
        OperationalError: the server did not answer, or refused; what was asked may be done.
        DataError: what is stored does not decode.
    """
    try:
        return thread.run(work, CALL_WAIT_S)
    except (AppendUnknownError, CorruptRecordError, LinkError, TimeoutError) as error:
        raise translated(error) from error


async def close_client(nc: Client) -> None:
    """Close a connection, also one that is trying to come back."""
    closing = asyncio.ensure_future(nc.close())
    await asyncio.wait({closing})
    # Amid a reconnect the client (nats-py 2.16.0) lets the cancelling of its own tasks out.
    if not closing.cancelled():
        closing.result()
