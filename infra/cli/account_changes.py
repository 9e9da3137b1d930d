"""What every change of the accounts does: alone, saved whole, taken by a running cluster."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from core.errors import ConfigError
from infra.cli.context import warn_of_open_home
from infra.cli.terminal import shown
from infra.config import Settings
from infra.home import Home, Installation, digest_of
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.topology import worker_role
from infra.supervisor.installation import check_not_lost, new_ledger_id
from infra.supervisor.status import ProcessState, Status, live_status, supervisor_pid

# A worker that starts, reconciles or ends in order takes less.
TAKEN_LIMIT_S: Final = 120.0
_LOOK_S: Final = 0.05
_RESTART: Final = "type `tiger-mcp down` and then `tiger-mcp up`"


class Change:
    """The list of accounts while nobody else changes it."""

    def __init__(self, settings: Settings, installation: Installation, *, is_new: bool) -> None:
        self.installation = installation
        self._settings = settings
        self._home = Home(settings.home)
        self._is_new = is_new

    def save(self, installation: Installation) -> None:
        """Write the list whole or not at all.

        Raises:
            ConfigError: something else wrote it meanwhile.
        """
        is_there = self._home.installation_file.exists()
        if is_there == self._is_new or (is_there and self._home.load() != self.installation):
            raise ConfigError("the list of accounts was changed meanwhile; try again")
        self._home.save(installation)
        self.installation = installation
        self._is_new = False

    def wait_until_taken(self, login: str) -> None:
        """Say what the running cluster made of the list, and how the login's worker is."""
        status = self._taken()
        if status is None:
            click.echo("no cluster runs; it takes effect with the next `tiger-mcp up`")
            return
        if status.accounts is not None and status.accounts.fault:
            click.echo(
                "the running cluster goes on as it was, because it cannot take this live "
                f"({status.accounts.fault}); {_RESTART}",
                err=True,
            )
            return
        role = worker_role(login)
        for process in status.processes:
            if process.name == role and process.state is ProcessState.READY:
                click.echo(f"{role} is ready; no restart is needed")
            elif process.name == role:
                click.echo(
                    f"{role} is {process.state}: {shown(process.detail)}; see `tiger-mcp logs`"
                )

    def _taken(self) -> Status | None:
        digest = digest_of(self.installation)
        deadline = time.monotonic() + TAKEN_LIMIT_S
        while time.monotonic() < deadline:
            status = live_status(self._home)
            if status is None and supervisor_pid(self._home) is None:
                return None
            taken = None if status is None else status.accounts
            if taken is not None and taken.digest == digest:
                return status
            time.sleep(_LOOK_S)
        raise ConfigError(
            f"the list of accounts is saved, but the running cluster did not take it within "
            f"{TAKEN_LIMIT_S:.0f} s; {_RESTART}"
        )


@contextmanager
def changing(settings: Settings, *, may_begin: bool = True) -> Iterator[Change]:
    """Hold the list of accounts; a home that has none begins with an empty one, if it may.

    Raises:
        ConfigError: another change runs, or the list does not decode, or there is none.
    """
    home = Home(settings.home)
    if not may_begin:
        home.load()
    home.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    warn_of_open_home(home)
    owner = LockOwner(pid=os.getpid(), purpose="accounts")
    lock = HomeLock.try_acquire(home.run / "accounts.lock", owner=owner)
    if lock is None:
        raise ConfigError("another change of the accounts is at work; try again when it is done")
    with lock:
        if home.installation_file.exists():
            yield Change(settings, home.load(), is_new=False)
            return
        if supervisor_pid(home) is not None:
            raise ConfigError("the cluster is just being set up; try again in a few seconds")
        check_not_lost(home)
        empty = Installation(ledger_id=new_ledger_id(), logins=())
        yield Change(settings, empty, is_new=True)
