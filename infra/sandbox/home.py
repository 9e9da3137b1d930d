"""The sandbox's home: logins with keys and accounts, the gateway's own key, ports, the lock.

Made on first use and never changed afterwards, except that new logins can be added. Each home has
its own ids, so that a demo, a test and a running cluster do not meet.
"""

import base64
import hashlib
import os
import secrets
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from infra.sandbox.logins.files import (
    LOGIN_FILE,
    PORTS_FILE,
    PROPERTIES_FILE,
    TOKEN_FILE,
    AccountKind,
    Licence,
    LoginAccount,
    LoginFile,
    Ports,
    login_folder,
)
from infra.sandbox.logins.user_token import USER_TOKEN_LIFE, new_user_token

# Tiger's own examples use 1024 bits, and a 2048-bit signature costs the client 0.8 ms per call.
# These keys guard nothing: they sign play money on loopback.
KEY_BITS = 1024
# Enough that homes on one machine do not meet; Tiger's own ids have as few as eight digits in all.
TIGER_ID_DIGITS = 8
REGISTRY_FILE = "registry.json"
GATEWAY_KEY_FILE = "gateway_private_key.pem"
GATEWAY_PUBLIC_KEY_FILE = "gateway_public_key"
_ELSEWHERE = "put it back from a copy, or begin in another --home"
# Held for the life of a sandbox process.
LOCK_FILE = "sandbox.lock"
# Held while the home's files are made, which may happen beside a running sandbox.
MAKING_LOCK_FILE = "making.lock"


class QuoteRight(msgspec.Struct, frozen=True, kw_only=True):
    """A login's right to real-time quotes."""

    name: str  # as Tiger names it
    expires_ms: int = -1  # milliseconds since 1970; -1: never


# What an individual with every quote card has.
# Source: Tiger's documentation, page quote-common (read 2026-11-22), names and examples.
QUOTE_RIGHTS_DEFAULT = tuple(
    QuoteRight(name=name)
    for name in (
        "usStockQuote",
        "usStockQuoteLv2Totalview",
        "hkStockQuoteLv2",
        "usOptionQuote",
        "CBOEFuturesQuoteLv2",
        "HKEXFuturesQuoteLv2",
        "SGXFuturesQuoteLv2",
        "OSEFuturesQuoteLv2",
    )
)


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An account that a login is to have."""

    alias: str
    kind: AccountKind


class LoginSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A login that a home is to have."""

    name: str
    accounts: tuple[AccountSpec, ...]
    licence: Licence | None = None
    quote_rights: tuple[QuoteRight, ...] = QUOTE_RIGHTS_DEFAULT


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A developer login as the gateway knows it."""

    name: str
    tiger_id: str
    accounts: tuple[LoginAccount, ...]
    tiger_public_key: str  # the gateway's, for checking replies; base64 of DER
    developer_public_key: str  # for checking requests; base64 of DER
    licence: Licence | None = None
    quote_rights: tuple[QuoteRight, ...] = QUOTE_RIGHTS_DEFAULT


class SandboxHomeError(Exception):
    """The home can not be used: in use by another process, or other logins than asked for."""


DEFAULT_LOGINS = (
    LoginSpec(
        name="desk",
        accounts=(
            AccountSpec(alias="main", kind="prime"),
            AccountSpec(alias="paper", kind="paper"),
        ),
    ),
    LoginSpec(name="second", accounts=(AccountSpec(alias="second", kind="paper"),)),
)


def create_home(path: Path, logins: Sequence[LoginSpec] = ()) -> tuple[Login, ...]:
    """Make a home, or add the missing logins to one, and return all its logins.

    Args:
        path: the folder; made if it is missing.
        logins: what it must have; none asked means `DEFAULT_LOGINS` for a new home, and whatever
            is there for an old one.

    Raises:
        SandboxHomeError: a login exists with other accounts, or a file is damaged.
    """
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (path / MAKING_LOCK_FILE).open("a+b") as lock:
        _lock(lock.fileno(), is_patient=True)
        return _make(path, logins)


def gateway_key(path: Path) -> rsa.RSAPrivateKey:
    """Return the gateway's private key, made on first use.

    Raises:
        SandboxHomeError: what stands in its file is none.
    """
    file = path / GATEWAY_KEY_FILE
    if not file.exists():
        write_private(file, _private_pem(_new_key()))
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SandboxHomeError(
            f"expected an RSA key in {file}, was damaged; {_ELSEWHERE}"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SandboxHomeError(f"expected an RSA key in {file}, was another kind; {_ELSEWHERE}")
    return key


def user_token_key(path: Path) -> bytes:
    """Return the key that the home's user tokens are sealed with (32 bytes)."""
    return hashlib.sha256((path / GATEWAY_KEY_FILE).read_bytes()).digest()


def write_user_token(path: Path, name: str, token: str) -> None:
    """Put a login's user token where Tiger's client looks for it."""
    write_private(login_folder(path, name) / TOKEN_FILE, f"token={token}\n".encode())


def write_ports(path: Path, ports: Ports) -> None:
    """Say where the running sandbox listens."""
    write_private(path / PORTS_FILE, msgspec.json.encode(ports))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the home for this process; the system gives it back when the process ends.

    Raises:
        SandboxHomeError: another process holds it.
    """
    with (path / LOCK_FILE).open("a+b") as file:
        try:
            _lock(file.fileno(), is_patient=False)
        except OSError:
            raise SandboxHomeError(
                f"another sandbox runs on {path}; stop it, or give this one another --home"
            ) from None
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, is_patient: bool) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_LOCK if is_patient else msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int, *, is_patient: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if is_patient else fcntl.LOCK_NB))


def _make(path: Path, logins: Sequence[LoginSpec]) -> tuple[Login, ...]:
    gateway_public_key = _public_text(gateway_key(path))
    known = {login.name: login for login in _registry(path)}
    for spec in logins or (() if known else DEFAULT_LOGINS):
        if spec.name not in known:
            taken = {login.tiger_id for login in known.values()}
            known[spec.name] = _new_login(path, spec, gateway_public_key, taken)
        elif _spec_of(known[spec.name]) != spec:
            raise SandboxHomeError(f"expected login {spec}, was {_spec_of(known[spec.name])}")
    every = tuple(known.values())
    write_private(path / GATEWAY_PUBLIC_KEY_FILE, gateway_public_key.encode())
    write_private(path / REGISTRY_FILE, msgspec.json.encode(every))
    return every


def _registry(path: Path) -> tuple[Login, ...]:
    file = path / REGISTRY_FILE
    if not file.exists():
        return ()
    try:
        return msgspec.json.decode(file.read_bytes(), type=tuple[Login, ...])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SandboxHomeError(f"expected logins in {file}, was damaged; {_ELSEWHERE}") from None


def _spec_of(login: Login) -> LoginSpec:
    accounts = tuple(AccountSpec(alias=item.alias, kind=item.kind) for item in login.accounts)
    return LoginSpec(
        name=login.name,
        accounts=accounts,
        licence=login.licence,
        quote_rights=login.quote_rights,
    )


def _new_login(
    path: Path, spec: LoginSpec, gateway_public_key: str, taken: Collection[str]
) -> Login:
    key = _new_key()
    login = Login(
        name=spec.name,
        tiger_id=_new_tiger_id(taken),
        accounts=tuple(
            LoginAccount(alias=item.alias, account=_account_number(item.kind), kind=item.kind)
            for item in spec.accounts
        ),
        tiger_public_key=gateway_public_key,
        developer_public_key=_public_text(key),
        licence=spec.licence,
        quote_rights=spec.quote_rights,
    )
    folder = login_folder(path, spec.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(folder / PROPERTIES_FILE, _properties(login, key).encode())
    own = LoginFile(
        tiger_id=login.tiger_id,
        accounts=login.accounts,
        tiger_public_key=gateway_public_key,
        licence=login.licence,
    )
    write_private(folder / LOGIN_FILE, msgspec.json.encode(own))
    if login.licence == "TBHK":
        sealed_with = user_token_key(path)
        token = new_user_token(
            sealed_with, tiger_id=login.tiger_id, now=datetime.now(UTC), life=USER_TOKEN_LIFE
        )
        write_user_token(path, login.name, token)
    return login


def _properties(login: Login, key: rsa.RSAPrivateKey) -> str:
    # No licence where none is needed: with one, an SDK that looks domains up would replace the
    # sandbox's address by production's. Only with TBHK does it refresh its user token. Tiger's own
    # file carries both key formats.
    pk1 = _private_text(key, serialization.PrivateFormat.TraditionalOpenSSL)
    pk8 = _private_text(key, serialization.PrivateFormat.PKCS8)
    lines = (
        f"private_key_pk1={pk1}",
        f"private_key_pk8={pk8}",
        f"tiger_id={login.tiger_id}",
        f"account={login.accounts[0].account}",
        f"license={login.licence or ''}",
        "env=PROD",
    )
    return "\n".join(lines) + "\n"


def _account_number(kind: AccountKind) -> str:
    # A paper account has 17 digits, and the SDK tells it by that.
    return f"2026{_digits(13)}" if kind == "paper" else f"5{_digits(8)}"


def _new_tiger_id(taken: Collection[str]) -> str:
    # An id that two logins share would answer one of them with the other one's key.
    while (tiger_id := f"2015{_digits(TIGER_ID_DIGITS)}") in taken:
        pass
    return tiger_id


def _digits(count: int) -> str:
    return "".join(secrets.choice("0123456789") for _ in range(count))


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)


def _public_text(key: rsa.RSAPrivateKey) -> str:
    der = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(der).decode()


def _private_text(key: rsa.RSAPrivateKey, form: serialization.PrivateFormat) -> str:
    der = key.private_bytes(serialization.Encoding.DER, form, serialization.NoEncryption())
    return base64.b64encode(der).decode()


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner reads, at once and whole."""
    # Written beside and renamed, so that nobody reads half a file; private from its first byte.
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    beside.replace(file)
