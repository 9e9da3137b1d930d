"""Ends nats-server when the supervisor dies without ending it.

The server inherits the home's lock and outlives a killed supervisor, so that the store is never
free while it runs; this process, which holds the lifeline as every child does, then ends it.
"""

import argparse
import contextlib
import os
import signal
import sys
from pathlib import Path

from core.errors import ConfigError
from infra.nats.home_lock import HomeLock, LockOwner, read_owner
from infra.nats.layout import NatsHome
from infra.nats.server import read_pid
from infra.supervisor.lifeline import wait_for_end
from infra.supervisor.status import PROBE


def main() -> None:
    """Wait for the supervisor's end, then leave nothing behind."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--supervisor", type=int, required=True)
    arguments = parser.parse_args()
    sys.stdout.write('{"ready": true}\n')
    sys.stdout.flush()
    wait_for_end()
    end_orphan(NatsHome(arguments.home), supervisor=arguments.supervisor)


def end_orphan(home: NatsHome, *, supervisor: int) -> None:
    """End the server that holds the home's lock, if it is the dead supervisor's own."""
    owner = read_owner(home.lock_path)
    if owner is None or owner.pid != supervisor:
        return  # ended in order, or another supervisor took the home over already
    probe = LockOwner(pid=os.getpid(), purpose=PROBE)
    lock = HomeLock.try_acquire(home.lock_path, owner=probe)
    if lock is not None:
        lock.release()
        return
    with contextlib.suppress(ConfigError, ProcessLookupError):
        os.kill(read_pid(home), signal.SIGTERM)


if __name__ == "__main__":
    main()
