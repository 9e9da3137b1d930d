"""What a client does with the cluster of a home: start it or join it, and stop it.

Clients race: each starts a supervisor of its own, the one that gets the lock goes on, the others
end at once and their clients wait for the winner's. Nobody chooses another port.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from infra.config import Settings, child_environment
from infra.home import Home
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.layout import NatsHome
from infra.supervisor.log_files import rotate
from infra.supervisor.status import (
    EXIT_ALREADY_RUNNING,
    PROBE,
    Phase,
    Status,
    live_status,
    read_status,
    supervisor_lock_path,
    supervisor_pid,
)

STOP_LIMIT_S: Final = 60.0
_LOOK_S: Final = 0.02
# Beyond the cluster's own limit, so that its own word about a slow start is heard.
_JOIN_EXTRA_S: Final = 10.0
_STARTS_MAX: Final = 3


def ensure_up(settings: Settings, *, on_step: Callable[[str], None] = lambda _: None) -> Status:
    """Start the cluster of a home, or join the one that runs or starts; wait until it has started.

    Blocks; `on_step` hears each long step once. The status is `ready`, or `degraded` when a process
    did not come up.

    Raises:
        ConfigError: it does not come up, in the supervisor's own words where it left some.
    """
    home = Home(settings.home)
    deadline = time.monotonic() + settings.start_limit_s + _JOIN_EXTRA_S
    child: subprocess.Popen[bytes] | None = None
    starts = 0
    step = ""
    while time.monotonic() < deadline:
        status = live_status(home)
        if status is not None:
            if status.phase in (Phase.READY, Phase.DEGRADED):
                return status
            if status.step != step:
                step = status.step
                on_step(step)
        elif child is None or child.poll() is not None:
            if child is not None and child.returncode != EXIT_ALREADY_RUNNING:
                raise ConfigError(_last_words(home, child.pid))
            if supervisor_pid(home) is None:
                if starts == _STARTS_MAX:
                    break
                starts += 1
                child = start_detached(settings)
        time.sleep(_LOOK_S)
    raise ConfigError(
        f"expected the cluster of {home.path} within {settings.start_limit_s:.0f} s, was at "
        f"{step or 'its beginning'!r}; see {supervisor_log(home)}"
    )


def start_detached(settings: Settings) -> subprocess.Popen[bytes]:
    """Start a supervisor that outlives this process and its terminal."""
    home = Home(settings.home)
    NatsHome(settings.home).make_folders()
    log_path = supervisor_log(home)
    rotate(log_path)
    with log_path.open("ab") as log:
        child = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-P", "-m", "infra.supervisor", "--home", str(home.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=home.path,
            env=child_environment(settings),
            start_new_session=sys.platform != "win32",
            creationflags=_detached_flags(),
        )
    # Reaped as soon as it ends, however long this process lives.
    threading.Thread(target=child.wait, name="supervisor-reaper", daemon=True).start()
    return child


def stop(settings: Settings, *, on_step: Callable[[str], None] = lambda _: None) -> bool:
    """Stop the cluster of a home and return when nothing of it runs; False if nothing ran.

    Raises:
        ConfigError: it did not stop within the limit.
    """
    home = Home(settings.home)
    pid = supervisor_pid(home)
    if pid is None:
        return _end_leftovers(settings)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_LIMIT_S
    step = ""
    while supervisor_pid(home) == pid:
        if time.monotonic() >= deadline:
            raise ConfigError(
                f"expected process {pid} to stop within {STOP_LIMIT_S:.0f} s; "
                f"see {supervisor_log(home)}"
            )
        status = read_status(home)
        if status is not None and status.step != step:
            step = status.step
            on_step(step)
        time.sleep(_LOOK_S)
    _end_leftovers(settings)
    return True


def supervisor_log(home: Home) -> Path:
    """Return the supervisor's own log."""
    return home.logs / "supervisor.log"


# A server whose supervisor was killed holds the home; taking the home ends it.
def _end_leftovers(settings: Settings) -> bool:
    # NATS stays out of the way of `serve`, which only starts or joins.
    from infra.supervisor.server_watch import end_server_without_supervisor

    home = Home(settings.home)
    if not NatsHome(settings.home).lock_path.exists():
        return False
    # With this lock no supervisor lives or begins, so what holds the home is a leftover.
    owner = LockOwner(pid=os.getpid(), purpose=PROBE)
    lock = HomeLock.try_acquire(supervisor_lock_path(home), owner=owner)
    if lock is None:
        return False
    with lock:
        return end_server_without_supervisor(NatsHome(settings.home))


def _last_words(home: Home, pid: int) -> str:
    status = read_status(home)
    if status is not None and status.pid == pid and status.message:
        return status.message
    return f"expected the supervisor to run, was ended at once; see {supervisor_log(home)}"


def _detached_flags() -> int:
    if sys.platform == "win32":
        return subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP
    return 0
