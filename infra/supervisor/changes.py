"""How a running cluster hears that a person added or removed an account.

The person's command writes the home's list of accounts, whole, and waits for the status to say that
the cluster took it. A list that cannot be taken live is said to be so; the next start takes it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from core.errors import ConfigError, ServiceError
from infra.home import Home, Installation, LoginSettings, digest_of
from infra.supervisor.board import StatusBoard
from infra.supervisor.status import AccountsTaken

LOOK_S: Final = 0.2

_log = structlog.get_logger("supervisor")

Take = Callable[[Installation, Installation], Awaitable[None]]


class AccountsWatch:
    """Looks at the list of accounts, and has each new one taken."""

    def __init__(self, home: Home, board: StatusBoard, installation: Installation) -> None:
        self._home = home
        self._board = board
        self._taken = installation
        self._stamp: tuple[int, int, int] | None = None
        board.set_accounts(AccountsTaken(digest=digest_of(installation)))

    async def run(self, take: Take) -> None:
        """Hand `take` the list as it was and as it is, at every change, for ever."""
        while True:
            stamp = _stamp_of(self._home.installation_file)
            if stamp != self._stamp:
                self._stamp = stamp
                await self._look(take)
            await asyncio.sleep(LOOK_S)

    async def _look(self, take: Take) -> None:
        try:
            wanted = self._home.load()
        except ConfigError as error:
            _log.error("accounts.unreadable", reason=str(error))
            return
        digest = digest_of(wanted)
        if wanted == self._taken:
            self._board.set_accounts(AccountsTaken(digest=digest))
            return
        try:
            check_change(self._taken, wanted)
            await take(self._taken, wanted)
        except ServiceError as error:
            _log.error("accounts.not_taken", reason=str(error))
            self._board.set_accounts(AccountsTaken(digest=digest, fault=str(error)))
            return
        self._taken = wanted
        self._board.set_accounts(AccountsTaken(digest=digest))
        _log.info("accounts.taken", accounts=sum(len(login.accounts) for login in wanted.logins))


def check_change(before: Installation, after: Installation) -> None:
    """Refuse a list that a running cluster must not take.

    Raises:
        ConfigError: saying why.
    """
    if after.ledger_id != before.ledger_id:
        raise ConfigError("expected the same ledger_id, for ever, was another")
    missing = {login.name for login in before.logins} - {login.name for login in after.logins}
    if missing:
        raise ConfigError(f"expected the logins {sorted(missing)} to stay, was without")


def changed_logins(before: Installation, after: Installation) -> tuple[str, ...]:
    """Return the names of the logins whose worker must end, begin, or begin anew.

    A mode alone is no cause: the account's own line of events has the last word on it.
    """
    known = {login.name: _served(login) for login in before.logins}
    return tuple(
        login.name
        for login in after.logins
        if known.get(login.name, _NOTHING_SERVED) != _served(login)
    )


_Served = tuple[str, object, tuple[tuple[str, str, str], ...]]
_NOTHING_SERVED: Final[_Served] = ("", None, ())


# What a worker is started with, except modes.
def _served(login: LoginSettings) -> _Served:
    if not login.accounts:
        return _NOTHING_SERVED
    accounts = tuple((each.alias, each.number, each.environment) for each in login.accounts)
    return login.properties, login.sandbox, accounts


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
