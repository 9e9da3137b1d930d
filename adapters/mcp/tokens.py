"""Whether a bearer token counts: issued by whom, for whom, for how long, and not revoked.

Only signatures of key pairs are taken, each key only with its own algorithm, so that a public key
is never a shared secret. Whatever cannot be decided is a refusal. No token, and no part of one, is
in any error or log of this module.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

import httpx2
import jwt
import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from adapters.mcp.callers import SERVICE_SCOPE, Caller, read_grants
from adapters.mcp.hosts import is_loopback
from core.errors import CommandError, ConfigError
from core.ports import Clock

TOKEN_LENGTH_MAX: Final = 8 * 1024
KEYS_BYTES_MAX: Final = 256 * 1024
# How far the issuer's clock may be from ours.
SKEW_S: Final = 5
KEYS_LIFE_S: Final = 300.0
# Between two fetches for a key that is not known, or after one that failed.
KEYS_PAUSE_S: Final = 30.0
FETCH_LIMIT_S: Final = 5.0
# A stream of notices ends with its token, and after this at the latest: the client listens anew.
LISTEN_MAX_S: Final = 3600.0
ALGORITHMS: Final = frozenset({"EdDSA", "ES256", "ES384", "RS256", "RS384", "PS256", "PS384"})
# Source: RFC 7518 sections 3.3 and 3.5.
RSA_BITS_MIN: Final = 2048
# Source: RFC 9068 §2.1 and §4: `at+jwt`; issuers that are older say JWT or nothing.
_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt"})
_CLAIMS: Final = ("exp", "iat", "iss", "aud", "sub", "jti")
_NAME_LENGTH_MAX: Final = 100
_SCOPES_MAX: Final = 200
_KNOWN_MAX: Final = 1024

_log = structlog.get_logger()

Why = Literal[
    "malformed",
    "algorithm",
    "unknown_key",
    "keys_unavailable",
    "signature_or_claims",
    "revoked",
    "scope",
]


class RefusedTokenError(Exception):
    """A token that does not count; `why` is for the log and says nothing of its content.

    `caller` is whose it is, where its signature is the issuer's.
    """

    def __init__(self, why: Why, caller: Caller | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.caller = caller


class TokenRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a token must say, and where the keys and the revocations are.

    `keys` is the path of a JWKS file or an https URL (http only on this machine). `revoked` is a
    folder; a token whose `revocation_name` is in it does not count.
    """

    issuer: str
    audience: str
    keys: str
    revoked: Path


class Checked(NamedTuple):
    """A token that counts: who calls, and what an HTTP layer asks besides."""

    caller: Caller
    has_service_scope: bool
    expires_at_s: int


class _Known(NamedTuple):
    """A token whose signature and claims were checked with a key that is still the issuer's."""

    key_id: str
    key: jwt.PyJWK
    checked: Checked


class TokenChecker:
    """Checks tokens by one set of rules."""

    def __init__(self, rules: TokenRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._keys = key_source(rules.keys, clock)
        # By digest: the token itself is kept nowhere.
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    async def check(self, token: str) -> Checked:
        """Return who a token speaks for.

        Raises:
            RefusedTokenError: it does not count.
        """
        if len(token) > TOKEN_LENGTH_MAX:
            raise RefusedTokenError("malformed")
        digest = hashlib.sha256(token.encode(errors="backslashreplace")).digest()
        known = self._known.get(digest)
        # A key that was fetched or read anew is another object, and everything is checked again.
        if known is not None and await self._keys(known.key_id) is known.key:
            return self._again(known.checked)
        algorithm, key_id = _header(token)
        key = await self._keys(key_id)
        if key.algorithm_name != algorithm:
            raise RefusedTokenError("algorithm")
        checked = self._checked(self._claims(token, key, algorithm))
        self._known[digest] = _Known(key_id, key, checked)
        if len(self._known) > _KNOWN_MAX:
            self._known.popitem(last=False)
        return checked

    def _again(self, checked: Checked) -> Checked:
        if checked.expires_at_s + SKEW_S <= self._clock.now().timestamp():
            raise RefusedTokenError("signature_or_claims")
        if is_revoked(self._rules.revoked, checked.caller.token_id):
            raise RefusedTokenError("revoked", checked.caller)
        return checked

    def _claims(self, token: str, key: jwt.PyJWK, algorithm: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._rules.audience,
                issuer=self._rules.issuer,
                leeway=SKEW_S,
                options={"require": list(_CLAIMS)},
            )
        except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError, RecursionError):
            # Its text may quote claims.
            raise RefusedTokenError("signature_or_claims") from None
        return claims

    def _checked(self, claims: Mapping[str, Any]) -> Checked:
        token_id, principal = claims["jti"], claims["sub"]
        # Source: RFC 9068 §2.2 and RFC 8693 §4.3: `client_id` is whom the token was issued to.
        client = claims.get("client_id", "")
        is_whole = isinstance(claims["exp"], int | float) and isinstance(client, str)
        if not (is_whole and _is_name(token_id) and _is_name(principal)):
            raise RefusedTokenError("malformed")
        nobody = Caller(principal=principal, token_id=token_id, grants={}, client=client)
        if is_revoked(self._rules.revoked, token_id):
            raise RefusedTokenError("revoked", nobody)
        told = claims.get("scope", "")
        scopes = tuple(told.split()) if isinstance(told, str) else ()
        if len(scopes) > _SCOPES_MAX:
            raise RefusedTokenError("scope", nobody)
        try:
            grants = read_grants(scopes)
        except CommandError:
            raise RefusedTokenError("scope", nobody) from None
        expires_at_s = int(claims["exp"])
        caller = nobody._replace(grants=grants, expires_at=_moment(expires_at_s))
        return Checked(caller, SERVICE_SCOPE in scopes, expires_at_s)

    def listen_s(self, caller: Caller) -> float:
        """Return for how long a stream of this caller may stand, in seconds."""
        left = LISTEN_MAX_S
        if caller.expires_at is not None:
            left = min(left, (caller.expires_at - self._clock.now()).total_seconds())
        return max(left, 0.0)

    def still_counts(self, caller: Caller) -> bool:
        """Say whether the token of a caller that was checked before has neither ended nor been
        revoked since.
        """
        is_over = caller.expires_at is not None and caller.expires_at <= self._clock.now()
        return not is_over and not is_revoked(self._rules.revoked, caller.token_id)


def revocation_name(token_id: str) -> str:
    """Return the file name under which a token's id is revoked (an id may hold anything)."""
    return hashlib.sha256(token_id.encode(errors="backslashreplace")).hexdigest()


def is_revoked(folder: Path, token_id: str) -> bool:
    """Say whether a token is revoked; where the folder cannot be read, every token is."""
    try:
        return not folder.is_dir() or (folder / revocation_name(token_id)).exists()
    except OSError as error:
        _log.error("auth.revocations_unreadable", cause=type(error).__name__)
        return True


KeySource = Callable[[str], Awaitable[jwt.PyJWK]]


def key_source(where: str, clock: Clock) -> KeySource:
    """Return what finds an issuer's public key by its id.

    Raises:
        ConfigError: a URL that is neither https nor on this machine.
    """
    if "://" not in where:
        return FileKeys(Path(where)).find
    parts = urlsplit(where)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ConfigError("expected the keys' address to begin with https://")
    return UrlKeys(where, clock).find


class FileKeys:
    """Keys in a JWKS file, read anew when it changes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, jwt.PyJWK] = {}

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Return a key.

        Raises:
            RefusedTokenError: there is none of that id, or the file cannot be read.
        """
        self._read()
        return _known(self._keys, key_id)

    def _read(self) -> None:
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                if found.st_size > KEYS_BYTES_MAX:
                    raise ValueError("too long")
                self._keys = parse_keys(self._path.read_bytes())
                self._seen = seen
        except (OSError, ValueError) as error:
            self._seen = None
            _log.warning("auth.keys_unavailable", cause=type(error).__name__)
            raise RefusedTokenError("keys_unavailable") from None


class UrlKeys:
    """Keys at an address, fetched when first needed, when old, and for an id that is not known.

    While they are old and cannot be fetched, no token counts.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_s: float | None = None
        self._tried_s: float | None = None
        self._one_at_a_time = asyncio.Lock()

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Return a key.

        Raises:
            RefusedTokenError: there is none of that id, or the address does not answer.
        """
        if self._is_fresh and key_id in self._keys:
            return self._keys[key_id]
        async with self._one_at_a_time:
            if not (self._is_fresh and key_id in self._keys) and self._may_try:
                await self._fetch()
        if not self._is_fresh:
            raise RefusedTokenError("keys_unavailable")
        return _known(self._keys, key_id)

    @property
    def _is_fresh(self) -> bool:
        return self._fetched_s is not None and self._clock.boot_s() - self._fetched_s <= KEYS_LIFE_S

    @property
    def _may_try(self) -> bool:
        return self._tried_s is None or self._clock.boot_s() - self._tried_s >= KEYS_PAUSE_S

    async def _fetch(self) -> None:
        self._tried_s = self._clock.boot_s()
        try:
            async with asyncio.timeout(FETCH_LIMIT_S):
                body = await _get(self._url)
            self._keys = parse_keys(body)
        except (httpx2.HTTPError, TimeoutError, OSError, ValueError) as error:
            _log.warning("auth.keys_unavailable", cause=type(error).__name__)
            return
        self._fetched_s = self._clock.boot_s()


def parse_keys(body: bytes) -> dict[str, jwt.PyJWK]:
    """Return the public keys of a JWKS that have an id and an algorithm that we take.

    Raises:
        ValueError: it is no JWKS, or an id is there twice.
    """
    keys: dict[str, jwt.PyJWK] = {}
    for told in msgspec.json.decode(body, type=_KeySet).keys:
        key_id = told.get("kid")
        # A shared secret, or a key that is meant for something else.
        if not isinstance(key_id, str) or told.get("kty") == "oct" or told.get("use") == "enc":
            continue
        try:
            key = jwt.PyJWK(told)
        except (jwt.PyJWKError, jwt.InvalidKeyError):
            continue
        if key.algorithm_name not in ALGORITHMS or _is_weak(key):
            continue
        if key_id in keys:
            raise ValueError("expected each key's id once")
        keys[key_id] = key
    return keys


def _is_weak(key: jwt.PyJWK) -> bool:
    return isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS_MIN


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _header(token: str) -> tuple[str, str]:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.InvalidTokenError, ValueError):
        raise RefusedTokenError("malformed") from None
    algorithm, key_id = header.get("alg"), header.get("kid")
    kind = header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise RefusedTokenError("algorithm")
    if not isinstance(kind, str) or kind.lower() not in _TYPES or "crit" in header:
        raise RefusedTokenError("malformed")
    if not isinstance(key_id, str):
        raise RefusedTokenError("unknown_key")
    return algorithm, key_id


# A whole number of seconds need not be a time that there is.
def _moment(at_s: int) -> datetime:
    try:
        return datetime.fromtimestamp(at_s, UTC)
    except (OverflowError, ValueError, OSError):
        raise RefusedTokenError("signature_or_claims") from None


def _known(keys: Mapping[str, jwt.PyJWK], key_id: str) -> jwt.PyJWK:
    key = keys.get(key_id)
    if key is None:
        raise RefusedTokenError("unknown_key")
    return key


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _NAME_LENGTH_MAX and value.isprintable()


async def _get(url: str) -> bytes:
    body = bytearray()
    # Redirects could lead elsewhere, and a proxy of the environment is not the issuer.
    async with (
        httpx2.AsyncClient(
            follow_redirects=False, trust_env=False, timeout=FETCH_LIMIT_S
        ) as client,
        client.stream("GET", url, headers={"Accept": "application/json"}) as reply,
    ):
        reply.raise_for_status()
        async for chunk in reply.aiter_bytes():
            body += chunk
            if len(body) > KEYS_BYTES_MAX:
                raise ValueError("too long")
    return bytes(body)
