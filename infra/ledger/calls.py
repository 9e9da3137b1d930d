"""Blocking calls into the loop thread, with our errors in the library's words."""

from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from eventsourcing.persistence import DatabaseError, DataError, OperationalError

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
