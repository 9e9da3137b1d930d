"""The keys that tokens are held against, from a file or an address."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import RSAAlgorithm

from adapters.mcp.hosts import is_loopback
from adapters.mcp.tokens import (
    KEYS_BYTES_MAX,
    KEYS_LIFE_S,
    KEYS_PAUSE_S,
    RefusedTokenError,
    TokenChecker,
    parse_keys,
)
from core.errors import ConfigError
from infra.clock import SystemClock
from tests.support.http_gateway import KEY_ID, Issuer, jwks, public_jwk, refusal


async def test_keys_that_cannot_be_read_refuse_every_token(issuer: Issuer) -> None:
    token = issuer.token("ann", "sandbox:viewer")
    for body in (b"", b"[]", b'{"keys": 1}', b"{" * 10_000, b" " * (KEYS_BYTES_MAX + 1)):
        issuer.keys_file.write_bytes(body)
        assert await refusal(issuer, token) == "keys_unavailable"
    issuer.keys_file.unlink()
    assert await refusal(issuer, token) == "keys_unavailable"


async def test_a_changed_file_of_keys_counts_at_once(issuer: Issuer) -> None:
    checker = TokenChecker(issuer.rules(), SystemClock())
    token = issuer.token("ann", "sandbox:viewer")
    await checker.check(token)
    draft = issuer.keys_file.with_suffix(".new")
    draft.write_bytes(jwks(public_jwk(Ed25519PrivateKey.generate())))
    draft.replace(issuer.keys_file)
    with pytest.raises(RefusedTokenError, match="signature_or_claims"):
        await checker.check(token)


def test_shared_secrets_and_keys_for_other_uses_are_no_keys() -> None:
    key = public_jwk(Ed25519PrivateKey.generate())
    told = jwks(
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"},
        key | {"kid": "enc", "use": "enc"},
        key | {"kid": "odd", "crv": "none"},
        key,
    )
    assert set(parse_keys(told)) == {KEY_ID}
    with pytest.raises(ValueError, match="once"):
        parse_keys(jwks(key, key))


@pytest.mark.parametrize("bits, counts", [(1024, False), (2047, False), (2048, True)])
def test_rsa_keys_that_are_too_short_are_no_keys(bits: int, counts: bool) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    told = RSAAlgorithm.to_jwk(key, as_dict=True) | {"kid": KEY_ID, "alg": "RS256"}
    assert (KEY_ID in parse_keys(jwks(told))) is counts


async def test_other_kinds_of_key_pairs_count_too(issuer: Issuer) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    told = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(private.public_key()))
    issuer.keys_file.write_bytes(jwks(told | {"kid": KEY_ID}))
    claims = issuer.claims("ann", "sandbox:viewer")
    token = jwt.encode(claims, private, algorithm="ES256", headers={"kid": KEY_ID})
    checked = await TokenChecker(issuer.rules(), SystemClock()).check(token)
    assert checked.caller.principal == "ann"


class HandClock:
    """A boot clock that a test moves."""

    def __init__(self) -> None:
        self.boot = 0.0

    def boot_s(self) -> float:
        return self.boot

    now = SystemClock.now


class KeyServer:
    """Serves keys over HTTP as it is told, and counts who asks."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.status = "200 OK"
        self.asked = 0
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = f"HTTP/1.1 {self.status}\r\nLocation: /other\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body)
        with contextlib.suppress(ConnectionError):
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def key_server(issuer: Issuer) -> AsyncIterator[KeyServer]:
    served = KeyServer(issuer.keys_file.read_bytes())
    server = await asyncio.start_server(served.answer, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    async with server:
        yield served


async def test_keys_are_fetched_once_and_again_when_they_are_old(issuer: Issuer) -> None:
    async with key_server(issuer) as served:
        clock = HandClock()
        checker = TokenChecker(issuer.rules(keys=served.url), clock)
        token = issuer.token("ann", "sandbox:viewer")
        await asyncio.gather(*(checker.check(token) for _ in range(20)))
        assert served.asked == 1
        clock.boot = KEYS_LIFE_S + 1
        await checker.check(token)
        assert served.asked == 2


async def test_a_new_key_is_fetched_but_unknown_ones_do_not_make_a_flood(issuer: Issuer) -> None:
    async with key_server(issuer) as served:
        clock = HandClock()
        checker = TokenChecker(issuer.rules(keys=served.url), clock)
        await checker.check(issuer.token("ann", "sandbox:viewer"))
        rotated = public_jwk(issuer.key, kid="key-2")
        served.body = jwks(public_jwk(issuer.key), rotated)
        token = issuer.sign(issuer.claims("ann", "sandbox:viewer"), kid="key-2")
        for _ in range(5):
            with pytest.raises(RefusedTokenError, match="unknown_key"):
                await checker.check(token)
        assert served.asked == 1
        clock.boot = KEYS_PAUSE_S
        await checker.check(token)
        assert served.asked == 2


@pytest.mark.parametrize("status", ["500 Oops", "302 Found", "404 Not Found"])
async def test_an_address_without_keys_refuses_every_token(issuer: Issuer, status: str) -> None:
    async with key_server(issuer) as served:
        served.status = status
        token = issuer.token("ann", "sandbox:viewer")
        assert await refusal(issuer, token, keys=served.url) == "keys_unavailable"
        served.status, served.body = "200 OK", b"x" * (KEYS_BYTES_MAX + 1)
        assert await refusal(issuer, token, keys=served.url) == "keys_unavailable"


async def test_old_keys_do_not_count_while_the_address_is_away(issuer: Issuer) -> None:
    clock = HandClock()
    async with key_server(issuer) as served:
        checker = TokenChecker(issuer.rules(keys=served.url), clock)
        token = issuer.token("ann", "sandbox:viewer")
        await checker.check(token)
    await checker.check(token)
    clock.boot = KEYS_LIFE_S + 1
    with pytest.raises(RefusedTokenError, match="keys_unavailable"):
        await checker.check(token)


@pytest.mark.parametrize("where", ["http://issuer.example/keys", "ftp://127.0.0.1/keys"])
def test_keys_are_not_fetched_where_others_can_change_them(issuer: Issuer, where: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        TokenChecker(issuer.rules(keys=where), SystemClock())


def test_this_machine_is_told_from_others() -> None:
    assert [h for h in ("localhost", "127.0.0.1", "::1", "127.9.9.9") if not is_loopback(h)] == []
    others = ("localhost.evil.example", "127.0.0.1.nip.io", "0.0.0.0", "10.0.0.1", "", None)
    assert [host for host in others if is_loopback(host)] == []
