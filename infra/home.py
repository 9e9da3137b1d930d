"""The home folder: where everything of one installation lies, and which accounts it has."""

import os
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from core.events import Environment, Mode
from core.ids import is_alias

_PRIVATE: Final = 0o600


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account: its alias and its number at the broker, which never leaves this file."""

    alias: str
    number: str
    environment: Environment
    mode: Mode


class LoginSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Tiger login: Tiger's own properties file (path under the home) and its accounts."""

    name: str
    properties: str
    accounts: tuple[AccountSettings, ...]


class Installation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All logins of a home; `ledger_id` is in every order's mark and never changes."""

    ledger_id: str
    logins: tuple[LoginSettings, ...]

    def __post_init__(self) -> None:
        names = [login.name for login in self.logins]
        aliases = [account.alias for login in self.logins for account in login.accounts]
        for name in (*names, *aliases):
            if not is_alias(name):
                raise ValueError(f"expected a name of a-z, 0-9 and '-', was {name!r}")
        if len(set(names)) != len(names) or len(set(aliases)) != len(aliases):
            raise ValueError("expected each login and each account once")

    def login(self, name: str) -> LoginSettings:
        """Return one login.

        Raises:
            ConfigError: there is none of that name.
        """
        for login in self.logins:
            if login.name == name:
                return login
        raise ConfigError(f"expected one of the logins {[x.name for x in self.logins]}, was {name}")


class Home:
    """Paths of one home; makes no folder by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.installation_file = path / "installation.json"
        self.keys = path / "keys"
        self.run = path / "run"
        self.nats = path / "nats"
        self.sandbox = path / "sandbox"
        self.views = path / "views"
        self.halt = path / "halt"
        self.logs = path / "logs"

    def halt_file(self, account: str) -> Path:
        """Return the file whose presence halts an account, with or without NATS."""
        return self.halt / account

    def halt_journal(self, account: str) -> Path:
        """Return where a worker keeps the cancels it made under the halt file, until recorded."""
        return self.halt / f"{account}.jsonl"

    def load(self) -> Installation:
        """Read the installation.

        Raises:
            ConfigError: there is none, or it does not decode.
        """
        try:
            body = self.installation_file.read_bytes()
        except FileNotFoundError:
            raise ConfigError(
                f"expected {self.installation_file}; run `tiger-mcp up` to make a sandbox home"
            ) from None
        try:
            return msgspec.json.decode(body, type=Installation)
        except msgspec.DecodeError as error:
            raise ConfigError(f"{self.installation_file}: {error}") from error

    def save(self, installation: Installation) -> None:
        """Write the installation whole or not at all, readable by its owner alone."""
        write_private(self.installation_file, msgspec.json.encode(installation))


def write_private(path: Path, body: bytes) -> None:
    """Write a file whole or not at all, readable by its owner alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
