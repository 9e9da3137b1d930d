"""`python -P -m infra.supervisor --home H`: one local cluster, until it is told to stop."""

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Final

import structlog

from core.errors import ServiceError
from infra.clock import RandomIds, SystemClock
from infra.config import Settings, load_settings
from infra.home import Home
from infra.logs import configure
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.layout import NatsHome
from infra.nats.monitor import wait_until
from infra.supervisor.board import StatusBoard
from infra.supervisor.cluster import Cluster
from infra.supervisor.status import (
    EXIT_ALREADY_RUNNING,
    EXIT_FAILED,
    SUPERVISOR,
    Phase,
    supervisor_lock_path,
)

# Longer than anybody holds the lock only to look.
_LOCK_LIMIT_S: Final = 0.5


def main() -> int:
    """Run the cluster of a home; return the exit code."""
    parser = argparse.ArgumentParser(prog="infra.supervisor")
    parser.add_argument("--home", type=Path)
    try:
        settings = load_settings(home=parser.parse_args().home)
    except ServiceError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED
    configure(SUPERVISOR, settings.log_level)
    NatsHome(settings.home).make_folders()
    if _take_lock(Home(settings.home)) is None:
        return EXIT_ALREADY_RUNNING
    # Never given back: a free lock says that this process is gone, not that it is about to be.
    return _run(settings)


def _take_lock(home: Home) -> HomeLock | None:
    taken: list[HomeLock] = []
    owner = LockOwner(pid=os.getpid(), purpose=SUPERVISOR)

    def try_again() -> bool:
        lock = HomeLock.try_acquire(supervisor_lock_path(home), owner=owner)
        if lock is not None:
            taken.append(lock)
        return lock is not None

    return taken[0] if wait_until(try_again, limit_s=_LOCK_LIMIT_S) else None


def _run(settings: Settings) -> int:
    log = structlog.get_logger()
    clock = SystemClock()
    board = StatusBoard(Home(settings.home), clock)
    started_s = time.monotonic()
    message = ""
    try:
        asyncio.run(_serve(Cluster(settings, board, clock=clock, ids=RandomIds())))
    except* ServiceError as group:
        message = "; ".join(str(error) for error in group.exceptions)
    if message:
        log.error("supervisor.failed", message=message)
        board.set_phase(Phase.FAILED, message=message)
        return EXIT_FAILED
    board.set_phase(Phase.STOPPED)
    log.info("supervisor.stopped", elapsed_s=round(time.monotonic() - started_s, 3))
    return 0


async def _serve(cluster: Cluster) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        if sys.platform == "win32":
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(stop.set))
        else:
            loop.add_signal_handler(name, stop.set)
    await cluster.run(stop)


if __name__ == "__main__":
    sys.exit(main())
