"""The local issuer of tokens: its key, what it issued, and what is revoked.

All of it lies in `tokens` of the home, for its owner alone. The tokens themselves are shown once
and kept nowhere.
"""

import base64
import hashlib
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from adapters.mcp.http_service import MCP_PATH
from adapters.mcp.tokens import TokenRules, is_revoked, parse_keys, revocation_name
from core.errors import ConfigError
from infra.config import Settings
from infra.home import check_private, write_private
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.monitor import wait_until

_ALGORITHM: Final = "EdDSA"
_LOCK_LIMIT_S: Final = 10.0
_KEY_ID_LENGTH: Final = 16


class IssuedToken(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a token that was issued.

    Of one by an older version `audience`, `issuer` and `key_id` are "".
    """

    token_id: str
    principal: str
    scopes: tuple[str, ...]
    issued_at: datetime
    expires_at: datetime
    audience: str = ""
    issuer: str = ""
    # Which key signed it.
    key_id: str = ""


class TokenStore:
    """The folder of one home's tokens."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "tokens"
        self._key_file = self._folder / "issuer.pem"
        self._issued = self._folder / "issued"
        self.keys_file = self._folder / "keys.json"
        self.revoked = self._folder / "revoked"

    def make(self) -> None:
        """Make the folders, the key and its public half, where they are missing."""
        for folder in (self._folder, self._issued, self.revoked):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._key_file.exists():
            self._make_key()
        key = self._key()
        public = msgspec.json.encode({"keys": [_public(key)]})
        if not self.keys_file.exists() or self.keys_file.read_bytes() != public:
            write_private(self.keys_file, public)

    def issue(self, issued: IssuedToken, *, issuer: str) -> str:
        """Return a signed token, and keep all but the token.

        Raises:
            ConfigError: the key is damaged, or others may read it.
        """
        self.make()
        key = self._key()
        claims: Mapping[str, Any] = {
            "iss": issuer,
            "aud": issued.audience,
            "sub": issued.principal,
            "jti": issued.token_id,
            "scope": " ".join(issued.scopes),
            "iat": int(issued.issued_at.timestamp()),
            "exp": int(issued.expires_at.timestamp()),
        }
        headers = {"kid": _key_id(key), "typ": "at+jwt"}
        token = jwt.encode(dict(claims), key, algorithm=_ALGORITHM, headers=headers)
        kept = msgspec.structs.replace(issued, issuer=issuer, key_id=_key_id(key))
        write_private(self._issued / f"{issued.token_id}.json", msgspec.json.encode(kept))
        return token

    def issued(self) -> list[IssuedToken]:
        """Return what was issued, oldest first.

        Raises:
            ConfigError: a file is damaged.
        """
        found = []
        for file in self._issued.glob("*.json"):
            try:
                found.append(msgspec.json.decode(file.read_bytes(), type=IssuedToken))
            except msgspec.DecodeError:
                raise ConfigError(f"expected a token's record in {file}, was damaged") from None
        return sorted(found, key=lambda each: each.issued_at)

    def key_ids(self, keys: Path | None = None) -> frozenset[str]:
        """Return the ids of the keys in a JWKS file; without one, of this home's own.

        Raises:
            ConfigError: the file is damaged.
        """
        # Without its private half this home's key is made anew at the next start.
        if keys is None and not self._key_file.exists():
            return frozenset()
        file = keys or self.keys_file
        try:
            return frozenset(parse_keys(file.read_bytes()))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError) as error:
            told = type(error).__name__
            raise ConfigError(f"expected a set of keys in {file}, was {told}") from None

    def is_revoked(self, token_id: str) -> bool:
        """Say whether a token is revoked."""
        return is_revoked(self.revoked, token_id)

    def revoke(self, token_id: str) -> None:
        """Revoke a token; from now on every server of this home refuses it."""
        self.make()
        told = f"{datetime.now(UTC).isoformat()}\n"
        write_private(self.revoked / revocation_name(token_id), told.encode())

    # A key that was overwritten would leave tokens behind that nobody takes.
    def _make_key(self) -> None:
        with _taken(self._folder / "issuer.lock"):
            if not self._key_file.exists():
                key = Ed25519PrivateKey.generate()
                pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
                write_private(self._key_file, pem)

    def _key(self) -> Ed25519PrivateKey:
        check_private(self._key_file)
        try:
            key = load_pem_private_key(self._key_file.read_bytes(), password=None)
        except ValueError:
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"expected an Ed25519 key in {self._key_file}, was something else")
        return key


def _taken(path: Path) -> HomeLock:
    owner = LockOwner(pid=os.getpid(), purpose="token issuer")
    locks: list[HomeLock] = []

    def try_again() -> bool:
        lock = HomeLock.try_acquire(path, owner=owner)
        locks.extend([] if lock is None else [lock])
        return bool(locks)

    if not wait_until(try_again, limit_s=_LOCK_LIMIT_S):
        raise ConfigError(f"expected to take {path}, which another process holds; try again")
    return locks[0]


def prepare_tokens(settings: Settings) -> TokenRules:
    """Return which tokens count on this home, whose own issuer is made ready if it is the one.

    Raises:
        ConfigError: a setting or the key is wrong.
    """
    store = TokenStore(settings.home)
    store.make()
    keys = settings.token_keys or str(store.keys_file)
    return TokenRules(
        issuer=issuer_of(settings),
        audience=url_of(settings),
        keys=keys,
        revoked=store.revoked,
    )


def url_of(settings: Settings) -> str:
    """Return the address that clients use."""
    if settings.http_url is not None:
        return settings.http_url
    scheme = "http" if settings.http_tls_certificate is None else "https"
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    return f"{scheme}://{host}:{settings.http_port}{MCP_PATH}"


def issuer_of(settings: Settings) -> str:
    """Return who issues tokens: the one that is set, or this service under its own address."""
    if settings.token_issuer is not None:
        return settings.token_issuer
    parts = urlsplit(url_of(settings))
    return f"{parts.scheme}://{parts.netloc}"


def _public(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes_raw()
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": x,
        "kid": _key_id(key),
        "alg": _ALGORITHM,
        "use": "sig",
    }


def _key_id(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(key.public_key().public_bytes_raw()).hexdigest()[:_KEY_ID_LENGTH]
