"""All accounts of one login in one process: begun together, ended together.

Accounts share the login's session, rate budget and read threads, and nothing else.
"""

import queue
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from adapters.tiger_worker.account import AccountWorker
from core.errors import VersionConflictError

log = structlog.get_logger()
EXIT_STOPPED: Final = 0
EXIT_FAILED: Final = 1
EXIT_FENCED: Final = 71
# So many threads of the SDK were left behind by push connections that a new process is better.
EXIT_WORN: Final = 72
# A worker is ready when it has reconciled, or has tried for this long: the broker may be away.
READY_WAIT_S: Final = 10.0
_LOOK_S: Final = 0.02


class Ending:
    """Why and when the process ends; the first reason counts. Any thread may give it."""

    def __init__(self) -> None:
        # A signal handler may run amid any other call; this queue alone allows that.
        self._codes: queue.SimpleQueue[int] = queue.SimpleQueue()

    def stop(self) -> None:
        """End in order."""
        self._codes.put(EXIT_STOPPED)

    def fail(self, error: BaseException) -> None:
        """End because a part cannot go on; a login that lost an account stops whole."""
        self._codes.put(code_of(error))

    def lost_link(self) -> None:
        """End because the connection to NATS is gone for good."""
        self._codes.put(EXIT_FAILED)

    def worn_out(self) -> None:
        """End in order, so that a new process goes on with fresh connections."""
        self._codes.put(EXIT_WORN)

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return self._codes.get()


def code_of(error: BaseException) -> int:
    """Return the exit code that an error ends the process with."""
    return EXIT_FENCED if isinstance(error, VersionConflictError) else EXIT_FAILED


def begin(accounts: Sequence[AccountWorker]) -> None:
    """Take every account, and wait for the first verdict of each, for a bounded time."""
    for account in accounts:
        account.begin()
    give_up_at = time.monotonic() + READY_WAIT_S
    while time.monotonic() < give_up_at and any(a.state.is_stale for a in accounts):
        time.sleep(_LOOK_S)


def end(
    accounts: Sequence[AccountWorker], *, stop_taking: Callable[[], None], open_act_wait_s: float
) -> None:
    """Stop in order: take no more, let open calls end and be recorded, then end the desks."""
    for account in accounts:
        account.close_for_commands()
    stop_taking()
    for account in accounts:
        account.stop_rounds()
    give_up_at = time.monotonic() + open_act_wait_s
    while time.monotonic() < give_up_at and any(a.open_acts for a in accounts):
        time.sleep(_LOOK_S)
    for account in accounts:
        account.stop()
    log.info("worker.stopped", open_acts=sum(a.open_acts for a in accounts))
