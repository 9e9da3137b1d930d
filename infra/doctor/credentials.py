"""A login's credentials: Tiger's own two files, private, whole, and alive.

They are read as the login's worker reads them, so that nothing passes here that stops it there.

Source: tigeropen 3.8.0, `tiger_open_config.py`: names of files, and the token whose first 27
decoded bytes are two moments in ms.
"""

import base64
import binascii
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from core.errors import ConfigError
from core.modes import Environment
from infra.accounts import sandbox_login
from infra.doctor.files import accounts_unknown, installation_of
from infra.doctor.finding import Finding, failed, not_checked, ok, warning
from infra.doctor.owning import private_objection
from infra.doctor.room import Room, typed
from infra.home import Installation, LoginSettings, SandboxAddress
from infra.sandbox.logins.files import LOGIN_FILE, PORTS_FILE, Ports, read_ports

TOKEN_FILE: Final = "tiger_openapi_token.properties"  # noqa: S105 - a file's name
TOKEN_LEFT_MIN: Final = timedelta(hours=24)
RENEW: Final = (
    "make the token anew on the developer's page (docs/regions.md), and put the file in its place"
)
ANEW: Final = "download the file anew from the developer's page (docs/regions.md)"
# Of a sandbox's own login; the developer's page knows none.
BACK: Final = (
    "put the login's folder back from a copy, or take another home with --home; never put a file "
    "of Tiger's there"
)
_STAMPS_LENGTH: Final = 27


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a login proves itself with, and to whom; never shown.

    Attributes:
        url: where its requests go; empty for a home's sandbox that never ran.
        push: host and port of its push connection; none for a sandbox.
        gateway_key: checks the replies (base64 of DER); empty for a sandbox that signs none.
    """

    tiger_id: str
    key: rsa.RSAPrivateKey
    url: str
    gateway_key: str
    push: tuple[str, int] | None = None
    secret_key: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(***)"


class Reading(NamedTuple):
    """How the worker reads a login's files; each raises ConfigError with what it would say.

    Attributes:
        token: of the file beside a properties file, "" where there is none.
        login: of a properties file; the address is a sandbox's, None for a real account.
    """

    token: Callable[[Path], str]
    login: Callable[[Path, SandboxAddress | None], Credentials]


def check_credentials(room: Room, reading: Reading) -> Iterator[Finding]:
    """Look at each login's files, without a call."""
    installation = installation_of(room)
    if installation is None:
        yield accounts_unknown(room, "credentials")
        return
    for login in served_logins(installation):
        yield from credential_findings(room, login, reading)


def served_logins(installation: Installation) -> list[LoginSettings]:
    """Return the logins that have an account, and so a worker."""
    return [login for login in installation.logins if login.accounts]


def is_sandbox(login: LoginSettings) -> bool:
    """Say whether a login's broker is a sandbox on this machine."""
    return all(account.environment is Environment.SANDBOX for account in login.accounts)


def file_mend(login: LoginSettings) -> str:
    """Return how a login gets a whole properties file."""
    return BACK if is_sandbox(login) else ANEW


def token_mend(login: LoginSettings) -> str:
    """Return how a login gets a token that lives."""
    return BACK if is_sandbox(login) else RENEW


def credential_findings(room: Room, login: LoginSettings, reading: Reading) -> Iterator[Finding]:
    """Judge one login's properties file and its token, the token's file by itself."""
    check, token_check = f"credentials {login.name}", f"token {login.name}"
    path = properties_path(room, login)
    token_file = path.with_name(TOKEN_FILE)
    try:
        objection = private_objection(room, check, path)
    except FileNotFoundError:
        yield failed(check, f"{path} is not there", mend=file_mend(login))
        return
    for each in (path, token_file):
        if each.exists() and not os.access(each, os.R_OK):
            yield failed(check, f"{each} cannot be read", mend=typed("chmod", "600", each))
            return
    if objection is not None:
        yield objection
    try:
        reading.token(path)
    except ConfigError as error:
        yield not_checked(check, f"see {token_check}", mend="mend the token's file first")
        yield failed(token_check, str(error), mend=token_mend(login))
        return
    try:
        credentials = _read(room, login, reading)
    except ConfigError as error:
        yield failed(check, str(error), mend=f"mend that in {path}, or {file_mend(login)}")
        return
    if objection is None:
        yield ok(check, f"{path} holds an id and a key that loads")
    if token_file.exists() or credentials.token:
        objection = (
            private_objection(room, token_check, token_file) if token_file.exists() else None
        )
        yield objection or token_finding(
            token_check, credentials.token, now=room.now, renew=token_mend(login)
        )


def read_credentials(room: Room, login: LoginSettings, reading: Reading) -> Credentials | None:
    """Return a login's credentials, or nothing where `check_credentials` has something to say."""
    try:
        return _read(room, login, reading)
    except (ConfigError, OSError):
        return None


def properties_path(room: Room, login: LoginSettings) -> Path:
    """Return the login's properties file; a relative one lies in the home."""
    return room.settings.home / login.properties


def token_life(token: str) -> tuple[datetime, datetime] | None:
    """Return when a token was made and when it ends, or nothing for a text that is no token."""
    try:
        stamps = base64.b64decode(token)[:_STAMPS_LENGTH].decode().split(",")
        made, ends = (datetime.fromtimestamp(int(stamp) / 1000, UTC) for stamp in stamps)
    except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError, OSError):
        return None
    return made, ends


def token_finding(check: str, token: str, *, now: datetime, renew: str = RENEW) -> Finding:
    """Judge a token's life; `renew` is how its login gets another."""
    life = token_life(token)
    if life is None:
        return failed(check, "the token file holds no token", mend=renew)
    left = life[1] - now
    if left <= timedelta(0):
        return failed(check, f"the token ended on {life[1]:%Y-%m-%d %H:%M} UTC", mend=renew)
    if life[0] > now + timedelta(minutes=5):
        return warning(check, "the token was made in the future", mend="set this machine's clock")
    told = f"the token lives for {left.days} days, until {life[1]:%Y-%m-%d %H:%M} UTC"
    if left < TOKEN_LEFT_MIN:
        return warning(check, told, mend="tiger-mcp up keeps it alive while it runs; or " + renew)
    return ok(check, told)


def _read(room: Room, login: LoginSettings, reading: Reading) -> Credentials:
    worlds = {account.environment is Environment.SANDBOX for account in login.accounts}
    if len(worlds) > 1:
        raise ConfigError(f"login {login.name} has sandbox accounts beside others")
    path = properties_path(room, login)
    return reading.login(path, _address(room, login, path) if is_sandbox(login) else None)


def _address(room: Room, login: LoginSettings, path: Path) -> SandboxAddress:
    if login.sandbox is not None:
        return login.sandbox
    own = sandbox_login(path)
    if own is None:
        raise ConfigError(f"expected {path.with_name(LOGIN_FILE)} of the home's sandbox, was none")
    ports = _ports(room.home.sandbox)
    url = "" if ports is None else f"http://127.0.0.1:{ports.http}/gateway"
    return SandboxAddress(server_url=url, gateway_key=own.tiger_public_key)


def _ports(sandbox: Path) -> Ports | None:
    try:
        return read_ports(sandbox)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ConfigError(
            f"expected {sandbox / PORTS_FILE} as the sandbox writes it, was damaged; tiger-mcp "
            "down, tiger-mcp up makes it anew"
        ) from None
