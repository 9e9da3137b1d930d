"""A login's credentials: Tiger's own two files, private, whole, and alive.

Source: tigeropen 3.8.0, `tiger_open_config.py`: names of files and keys, which key of several is
used, the hosts by licence, and the token whose first 27 decoded bytes are two moments in ms.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from core.modes import Environment
from infra.doctor.files import installation_of
from infra.doctor.finding import Finding, failed, not_checked, ok, warning
from infra.doctor.owning import private_objection
from infra.doctor.room import Room, typed
from infra.home import Installation, LoginSettings

TOKEN_FILE: Final = "tiger_openapi_token.properties"  # noqa: S105 - a file's name
NEEDS_TOKEN: Final = "TBHK"  # noqa: S105 - a licence's name
LICENCES: Final = ("TBSG", "TBHK", "TBUS", "TBAU", "TBNZ")
KEY_NAMES: Final = ("private_key", "private_key_pk8", "private_key_pk1")
COMMON_URL: Final = "https://openapi.tigerfintech.com/gateway"
US_URL: Final = "https://openapi.tradeup.com/gateway"
COMMON_PUSH: Final = ("openapi.tigerfintech.com", 9883)
US_PUSH: Final = ("openapi.tradeup.com", 9983)
TOKEN_LEFT_MIN: Final = timedelta(hours=24)
RENEW: Final = (
    "make the token anew on the developer's page (docs/regions.md), and put the file in its place"
)
ANEW: Final = "download the file anew from the developer's page (docs/regions.md)"
_STAMPS_LENGTH: Final = 27
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f"}


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a login proves itself with; never shown."""

    tiger_id: str
    key: rsa.RSAPrivateKey
    licence: str = ""
    server_url: str = ""
    secret_key: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return "Credentials(***)"

    @property
    def url(self) -> str:
        """Return where this login's requests go, unless it is a sandbox's."""
        return self.server_url or (US_URL if self.licence == "TBUS" else COMMON_URL)

    @property
    def push(self) -> tuple[str, int]:
        """Return host and port of the push connection."""
        return US_PUSH if self.licence == "TBUS" else COMMON_PUSH


def check_credentials(room: Room) -> Iterator[Finding]:
    """Look at each login's files, without a call."""
    installation = installation_of(room)
    if installation is None:
        yield not_checked("credentials", "no accounts are set up yet", mend="tiger-mcp up")
        return
    for login in served_logins(installation):
        yield from credential_findings(room, login)


def served_logins(installation: Installation) -> list[LoginSettings]:
    """Return the logins that have an account, and so a worker."""
    return [login for login in installation.logins if login.accounts]


def is_sandbox(login: LoginSettings) -> bool:
    """Say whether a login's broker is a sandbox on this machine."""
    return all(account.environment is Environment.SANDBOX for account in login.accounts)


def credential_findings(room: Room, login: LoginSettings) -> Iterator[Finding]:
    """Judge one login's properties file and its token."""
    check = f"credentials {login.name}"
    path = properties_path(room, login)
    try:
        objection = private_objection(room, check, path)
        values = parse_properties(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        yield failed(check, f"{path} is not there", mend=ANEW)
        return
    except PermissionError:
        yield failed(check, f"{path} cannot be read", mend=typed("chmod", "600", path))
        return
    except UnicodeDecodeError:
        yield failed(check, f"{path} is no text", mend=ANEW)
        return
    if objection is not None:
        yield objection
    yield from _content_findings(check, path, values, login) or (
        [] if objection else [ok(check, f"{path} holds an id and a key that loads")]
    )
    yield from _token_findings(room, login, path, values)


def read_credentials(room: Room, login: LoginSettings) -> Credentials | None:
    """Return a login's credentials, or nothing where `check_credentials` has something to say."""
    path = properties_path(room, login)
    try:
        values = parse_properties(path.read_text(encoding="utf-8"))
        key = _load_key(_key_text(values))
    except (OSError, UnicodeDecodeError):
        return None
    if key is None or not values.get("tiger_id"):
        return None
    return Credentials(
        tiger_id=values["tiger_id"],
        key=key,
        licence=values.get("license", ""),
        server_url=values.get("server_url", ""),
        secret_key=values.get("secret_key", ""),
        token=values.get("token", "") or _read_token(path),
    )


def properties_path(room: Room, login: LoginSettings) -> Path:
    """Return the login's properties file; a relative one lies in the home."""
    return room.settings.home / login.properties


def parse_properties(text: str) -> dict[str, str]:
    """Return the pairs of a Java properties file; a later one of a name stands."""
    pairs: dict[str, str] = {}
    joined = re.sub(r"(?<!\\)((?:\\\\)*)\\\r?\n[ \t]*", r"\1", text)
    for line in (each.strip() for each in joined.splitlines()):
        if line and line[0] not in "#!":
            found = re.match(r"((?:\\.|[^\\=:\s])*)\s*[=:]?\s*(.*)", line)
            assert found is not None, "every part of the pattern may be empty"
            pairs[_unescaped(found[1])] = _unescaped(found[2])
    return pairs


def token_life(token: str) -> tuple[datetime, datetime] | None:
    """Return when a token was made and when it ends, or nothing for a text that is no token."""
    try:
        stamps = base64.b64decode(token)[:_STAMPS_LENGTH].decode().split(",")
        made, ends = (datetime.fromtimestamp(int(stamp) / 1000, UTC) for stamp in stamps)
    except (binascii.Error, UnicodeDecodeError, ValueError, OverflowError, OSError):
        return None
    return made, ends


def token_finding(check: str, token: str, *, now: datetime) -> Finding:
    """Judge a token's life."""
    life = token_life(token)
    if life is None:
        return failed(check, "the token file holds no token", mend=RENEW)
    left = life[1] - now
    if left <= timedelta(0):
        return failed(check, f"the token ended on {life[1]:%Y-%m-%d %H:%M} UTC", mend=RENEW)
    if life[0] > now + timedelta(minutes=5):
        return warning(check, "the token was made in the future", mend="set this machine's clock")
    told = f"the token lives for {left.days} days, until {life[1]:%Y-%m-%d %H:%M} UTC"
    if left < TOKEN_LEFT_MIN:
        return warning(check, told, mend="tiger-mcp up keeps it alive while it runs; or " + RENEW)
    return ok(check, told)


def _content_findings(
    check: str, path: Path, values: dict[str, str], login: LoginSettings
) -> list[Finding]:
    found = []
    missing = [name for name in ("tiger_id",) if not values.get(name)]
    if missing:
        found.append(failed(check, f"{path} has no {', '.join(missing)}", mend=ANEW))
    text = _key_text(values)
    if not text:
        found.append(failed(check, f"{path} has no {' or '.join(KEY_NAMES)}", mend=ANEW))
    elif _load_key(text) is None:
        mend = f"{ANEW}; a key that was copied by hand must be one line without spaces"
        found.append(failed(check, f"the key in {path} does not load", mend=mend))
    if is_sandbox(login):
        return found
    return found + _address_findings(check, path, values)


def _address_findings(check: str, path: Path, values: dict[str, str]) -> list[Finding]:
    found = []
    licence, url = values.get("license", ""), values.get("server_url", "")
    if licence and licence not in LICENCES:
        seen = f"{path} names the licence {licence[:8]!r}, known are {', '.join(LICENCES)}"
        found.append(warning(check, seen, mend=ANEW))
    if values.get("env", "").upper() in ("SANDBOX", "TEST"):
        mend = "use the paper account of the live gateway instead: take the line env out"
        found.append(failed(check, f"{path} asks for Tiger's retired sandbox", mend=mend))
    if url and urlsplit(url).scheme != "https":
        seen = f"server_url in {path} is not https"
        found.append(failed(check, seen, mend="take the line server_url out"))
    return found


def _token_findings(
    room: Room, login: LoginSettings, path: Path, values: dict[str, str]
) -> Iterator[Finding]:
    check, file = f"token {login.name}", path.with_name(TOKEN_FILE)
    token = values.get("token", "")
    if not file.exists() and not token:
        if values.get("license") == NEEDS_TOKEN:
            yield failed(check, f"{NEEDS_TOKEN} needs {file}, which is not there", mend=RENEW)
        return
    objection = private_objection(room, check, file) if file.exists() else None
    yield objection or token_finding(check, token or _read_token(path), now=room.now)


def _read_token(properties: Path) -> str:
    try:
        text = properties.with_name(TOKEN_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    return parse_properties(text).get("token", "")


def _key_text(values: dict[str, str]) -> str:
    return next((values[name] for name in KEY_NAMES if values.get(name)), "")


def _load_key(text: str) -> rsa.RSAPrivateKey | None:
    try:
        key = serialization.load_der_private_key(base64.b64decode(text), password=None)
    except (ValueError, TypeError):
        return None
    return key if isinstance(key, rsa.RSAPrivateKey) else None


def _unescaped(text: str) -> str:
    def one(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        return _ESCAPES.get(found[2], found[2])

    return re.sub(r"\\(?:u([0-9A-Fa-f]{4})|(.))", one, text)
