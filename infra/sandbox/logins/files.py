"""What a sandbox's home tells its clients: the files of its logins, and where it listens.

`infra.sandbox.home` makes them. A client that reads them loads nothing of the broker.
"""

from pathlib import Path
from typing import Literal

import msgspec

PROPERTIES_FILE = "tiger_openapi_config.properties"
TOKEN_FILE = "tiger_openapi_token.properties"  # noqa: S105 - a file's name
LOGIN_FILE = "login.json"
PORTS_FILE = "sandbox.json"
PORT_MAX = 65_535

AccountKind = Literal["prime", "paper"]
# Tiger's Hong Kong licence, the only one whose requests carry a user token besides the signature.
Licence = Literal["TBHK"]


class LoginAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account of a login, with its number."""

    alias: str
    account: str
    kind: AccountKind


class LoginFile(msgspec.Struct, frozen=True, kw_only=True):
    """What a login's own folder says beside Tiger's properties file."""

    tiger_id: str
    accounts: tuple[LoginAccount, ...]
    tiger_public_key: str
    licence: Licence | None = None


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running sandbox listens; also the line it prints when it is ready."""

    ready: bool
    http: int
    control: int
    pid: int
    push: int = 0  # protobuf over TCP
    push_tls: int = 0

    @property
    def all(self) -> tuple[int, ...]:
        """Return all four."""
        return self.http, self.control, self.push, self.push_tls


def login_folder(path: Path, name: str) -> Path:
    """Return the folder that holds a login's own files."""
    return path / "logins" / name


def read_ports(path: Path) -> Ports | None:
    """Return where the sandbox of this home last said it listens; None if it never ran."""
    try:
        return msgspec.json.decode((path / PORTS_FILE).read_bytes(), type=Ports)
    except FileNotFoundError:
        return None


def last_ports(path: Path) -> Ports:
    """Return where the sandbox of this home listened last, 0 for what is not known."""
    try:
        last = read_ports(path)
    except (msgspec.DecodeError, UnicodeDecodeError):
        last = None  # The next start writes it anew.
    if last is None or not all(0 <= port <= PORT_MAX for port in last.all):
        return Ports(ready=False, http=0, control=0, pid=0)
    return last
