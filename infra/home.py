"""The home folder: where everything of one installation lies, and which accounts it has."""

import hashlib
import os
import secrets
import shlex
import stat
import sys
from pathlib import Path
from typing import Final

import msgspec

from core.errors import ConfigError
from core.ids import is_alias
from core.modes import Environment, Mode

_PRIVATE: Final = 0o600
_OTHERS: Final = 0o077
_DRAFT_BYTES: Final = 8


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One account: its alias and its number at the broker, which never leaves this file."""

    alias: str
    number: str
    environment: Environment
    # Of its beginning; what a person set later stands in the ledger, and here for the gateway.
    mode: Mode

    def __post_init__(self) -> None:
        if self.environment is Environment.LIVE and self.mode is not Mode.READ_ONLY:
            raise ValueError(f"expected the live account {self.alias} to be read_only")


class RemovedAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An account that is served no more; its alias stays bound, because its ledger stays."""

    alias: str
    number: str
    environment: Environment
    # Orders that were open or in doubt when it was removed, by the ledger's ids.
    left_open: tuple[str, ...] = ()


class SandboxAddress(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a sandbox that is not the home's own listens on this machine.

    `gateway_key` checks its replies (base64 of DER), empty for one that signs none; `push_port` is
    that of plain TCP, 0 for none.
    """

    server_url: str
    gateway_key: str = ""
    push_port: int = 0


class LoginSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One Tiger login: Tiger's own properties file and its accounts.

    `properties` is a path under the home, or an absolute one; `sandbox` is set where the accounts
    live on a sandbox that is not the home's own. A login without accounts has no worker.
    """

    name: str
    properties: str
    accounts: tuple[AccountSettings, ...]
    sandbox: SandboxAddress | None = None
    removed: tuple[RemovedAccount, ...] = ()

    @property
    def aliases(self) -> tuple[str, ...]:
        """Return the names of all accounts that its ledger has, removed ones last."""
        served = tuple(each.alias for each in self.accounts)
        return (*served, *(each.alias for each in self.removed))


class Installation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All logins of a home; `ledger_id` is in every order's mark and never changes."""

    ledger_id: str
    logins: tuple[LoginSettings, ...]

    def __post_init__(self) -> None:
        names = [login.name for login in self.logins]
        aliases = [alias for login in self.logins for alias in login.aliases]
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


def digest_of(installation: Installation) -> str:
    """Return what tells one list of accounts from another (hex)."""
    return hashlib.sha256(msgspec.json.encode(installation)).hexdigest()


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
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.installation_file}: {error}") from error

    def save(self, installation: Installation) -> None:
        """Write the installation whole or not at all, readable by its owner alone."""
        write_private(self.installation_file, msgspec.json.encode(installation))


def write_private(path: Path, body: bytes) -> None:
    """Write a file whole or not at all, readable by its owner alone; of two writers one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(_DRAFT_BYTES)}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        # There no more, but where it did not come that far.
        draft.unlink(missing_ok=True)


def check_private(path: Path) -> None:
    """Refuse a file with secrets that somebody else owns or may read.

    Raises:
        ConfigError: with the command that mends it; or there is no such file.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise ConfigError(f"expected a file {path}: {error.strerror}") from None
    if sys.platform == "win32":
        return  # There the user's profile folder keeps it; a mode says nothing.
    if found.st_uid != os.getuid():
        raise ConfigError(
            f"expected {path} to be yours, was another user's; make a copy of your own"
        )
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        raise ConfigError(
            f"expected {path} readable by you alone, was mode {mode:04o}; type: "
            f"chmod 600 {shlex.quote(str(path))}"
        )
