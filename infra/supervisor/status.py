"""What the supervisor says of itself in `run/status.json`, and whether one lives at all.

The file is information; life is the lock `run/supervisor.lock`, which no child inherits, so a held
lock means a living supervisor and the process id in it is its own.
"""

import os
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from infra.home import Home, write_private
from infra.nats.home_lock import HomeLock, LockOwner, read_owner

SUPERVISOR: Final = "supervisor"
PROBE: Final = "probe"
# Exit codes of the supervisor.
EXIT_FAILED: Final = 1
EXIT_ALREADY_RUNNING: Final = 3


class Phase(StrEnum):
    """How far the cluster is."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"  # started, but a process is not ready; see the processes
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"  # it could not start; `message` says why


class ProcessState(StrEnum):
    """How one process is."""

    STARTING = "starting"
    READY = "ready"
    WAITING = "waiting"  # ended, and about to be started again
    CRASH_LOOP = "crash_loop"  # ends again and again; tried at the longest interval
    NOT_ANSWERING = "not_answering"  # it lives, and hangs or stands still
    LOGIN_IN_USE = "login_in_use"  # another process holds the broker login
    STOPPED = "stopped"


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One process; `since` is when it came into its state, `detail` why."""

    name: str
    pid: int | None
    state: ProcessState
    restarts: int
    since: datetime
    detail: str = ""


class AccountsTaken(msgspec.Struct, frozen=True, kw_only=True):
    """Which list of accounts the cluster looked at last; `fault` says why it did not take it."""

    digest: str
    fault: str = ""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole cluster; `step` is what is being done while it starts or stops."""

    pid: int
    phase: Phase
    step: str
    started_at: datetime
    updated_at: datetime
    message: str = ""
    processes: tuple[ProcessStatus, ...] = ()
    accounts: AccountsTaken | None = None


def status_path(home: Home) -> Path:
    """Return the file that the supervisor keeps up to date."""
    return home.run / "status.json"


def supervisor_lock_path(home: Home) -> Path:
    """Return the lock that a living supervisor holds."""
    return home.run / "supervisor.lock"


def write_status(home: Home, status: Status) -> None:
    """Write the status whole or not at all."""
    write_private(status_path(home), msgspec.json.format(msgspec.json.encode(status)))


def read_status(home: Home) -> Status | None:
    """Return what the last supervisor wrote, or nothing."""
    try:
        return msgspec.json.decode(status_path(home).read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError):
        return None


def supervisor_pid(home: Home) -> int | None:
    """Return the process id of the living supervisor of a home, or nothing."""
    path = supervisor_lock_path(home)
    if not path.exists():
        return None
    # A supervisor that starts just now tries for longer than this holds the lock.
    lock = HomeLock.try_acquire(path, owner=LockOwner(pid=os.getpid(), purpose=PROBE))
    if lock is not None:
        lock.release()
        return None
    owner = read_owner(path)
    return None if owner is None or owner.purpose != SUPERVISOR else owner.pid


def live_status(home: Home) -> Status | None:
    """Return the status of a home's living supervisor; nothing when none lives or wrote yet."""
    pid = supervisor_pid(home)
    status = read_status(home)
    return status if status is not None and status.pid == pid else None
