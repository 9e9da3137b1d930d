"""Tokens: what counts, and everything that does not."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from contextvars import Context
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp import callers
from adapters.mcp.callers import (
    LOCAL,
    NOBODY,
    Caller,
    Right,
    current,
    permit,
    read_grants,
)
from adapters.mcp.tokens import (
    KEYS_BYTES_MAX,
    KEYS_LIFE_S,
    KEYS_PAUSE_S,
    SKEW_S,
    RefusedTokenError,
    TokenChecker,
    is_loopback,
    parse_keys,
    revocation_name,
)
from core.errors import CommandError, ConfigError, LinkError
from infra.clock import SystemClock
from tests.support.http_gateway import KEY_ID, Issuer, jwks, public_jwk, public_pem


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


async def refusal(issuer: Issuer, token: str, **rules: Any) -> str:
    checker = TokenChecker(issuer.rules(**rules), SystemClock())
    with pytest.raises(RefusedTokenError) as caught:
        await checker.check(token)
    assert not token or token not in str(caught.value)
    return caught.value.why


async def test_a_good_token_says_who_calls_and_what_it_may_do_where(issuer: Issuer) -> None:
    checker = TokenChecker(issuer.rules(), SystemClock())
    checked = await checker.check(issuer.token("ann", "sandbox:trader", "paper-1:viewer"))
    assert checked.has_service_scope
    assert (checked.caller.principal, checked.caller.token_id) == ("ann", "tok-ann")
    assert checked.caller.rights("sandbox") == {Right.READ, Right.TRADE}
    assert checked.caller.rights("paper-1") == {Right.READ}
    assert checked.caller.rights("other") == frozenset()
    assert not checked.caller.is_local


Change = dict[str, Any]


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "https://other.example/mcp"},
        {"aud": ["https://other.example/mcp"]},
        {"aud": None},
        {"exp": -60.0},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": 600.0},
        {"iat": 600.0},
        {"iat": None},
        {"sub": None},
        {"sub": 7},
        {"jti": None},
    ],
    ids=str,
)
async def test_wrong_claims_are_refused(issuer: Issuer, change: Change) -> None:
    # A fraction says: so many seconds from now, which is when the test runs.
    at = {k: int(time.time() + v) if isinstance(v, float) else v for k, v in change.items()}
    told = issuer.claims("ann", "sandbox:viewer", **at)
    if change.get("sub") == 7:
        # The library refuses to write what others may send.
        token = raw_token({"alg": "EdDSA", "kid": KEY_ID}, told, issuer.key.sign)
    else:
        token = issuer.sign(told)
    assert await refusal(issuer, token) == "signature_or_claims"


@pytest.mark.parametrize("name", ["", "x" * 101, "a\nb"])
@pytest.mark.parametrize("claim", ["sub", "jti"])
async def test_names_that_no_log_should_hold_are_refused(
    issuer: Issuer, claim: str, name: str
) -> None:
    token = issuer.token("ann", "sandbox:viewer", **{claim: name})
    assert await refusal(issuer, token) == "malformed"


async def test_a_token_without_a_signature_is_refused(issuer: Issuer) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        header = {"alg": algorithm, "kid": KEY_ID, "typ": "JWT"}
        token = raw_token(header, issuer.claims("ann", "sandbox:admin"), lambda _: b"")
        assert await refusal(issuer, token) in ("algorithm", "malformed")


async def test_a_public_key_is_no_shared_secret(issuer: Issuer) -> None:
    claims = issuer.claims("ann", "sandbox:admin")
    secrets = (public_pem(issuer.key), issuer.key.public_key().public_bytes_raw())
    for algorithm, digest in (("HS256", "sha256"), ("HS384", "sha384"), ("HS512", "sha512")):
        for secret in secrets:
            header = {"alg": algorithm, "kid": KEY_ID, "typ": "JWT"}
            token = raw_token(header, claims, mac(secret, digest))
            assert await refusal(issuer, token) == "algorithm"


async def test_a_key_counts_only_with_its_own_algorithm(issuer: Issuer) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = issuer.claims("ann", "sandbox:admin")
    token = jwt.encode(claims, stranger, algorithm="RS256", headers={"kid": KEY_ID})
    assert await refusal(issuer, token) == "algorithm"


async def test_another_issuers_signature_is_refused(issuer: Issuer) -> None:
    stranger = Ed25519PrivateKey.generate()
    claims = issuer.claims("ann", "sandbox:admin")
    token = jwt.encode(claims, stranger, algorithm="EdDSA", headers={"kid": KEY_ID})
    assert await refusal(issuer, token) == "signature_or_claims"


async def test_a_changed_token_is_refused(issuer: Issuer) -> None:
    head, _, tail = issuer.token("ann", "sandbox:viewer").split(".")
    body = part(issuer.claims("ann", "sandbox:admin"))
    assert await refusal(issuer, f"{head}.{body}.{tail}") == "signature_or_claims"


@pytest.mark.parametrize("key_id", ["other", None, ""])
async def test_an_unknown_key_is_refused(issuer: Issuer, key_id: str | None) -> None:
    token = issuer.sign(issuer.claims("ann", "sandbox:viewer"), kid=key_id)
    assert await refusal(issuer, token) == "unknown_key"


async def test_keys_in_the_token_itself_are_not_used(issuer: Issuer) -> None:
    own = Ed25519PrivateKey.generate()
    headers = {"kid": KEY_ID, "jwk": public_jwk(own), "jku": "http://127.0.0.1:9/keys"}
    token = jwt.encode(issuer.claims("ann", "sandbox:admin"), own, "EdDSA", headers=headers)
    assert await refusal(issuer, token) == "signature_or_claims"


async def test_an_end_that_is_text_is_none(issuer: Issuer) -> None:
    # RFC 7519 §4.1.4: a number; the library would take text for one.
    token = issuer.token("ann", "sandbox:viewer", exp="9999999999")
    assert await refusal(issuer, token) == "malformed"


@pytest.mark.parametrize("headers", [{"typ": "dpop+jwt"}, {"crit": ["exp"]}], ids=str)
async def test_another_kind_of_token_is_refused(issuer: Issuer, headers: Change) -> None:
    token = raw_token(
        {"alg": "EdDSA", "kid": KEY_ID, **headers},
        issuer.claims("ann", "sandbox:admin"),
        issuer.key.sign,
    )
    assert await refusal(issuer, token) == "malformed"


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 100_000, "e30.e30.", "\x00"], ids=repr
)
async def test_what_is_no_token_is_refused(issuer: Issuer, token: str) -> None:
    assert await refusal(issuer, token) in ("malformed", "algorithm")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def json_token(header: object, claims: object, key: Ed25519PrivateKey) -> str:
    """Return a token of any JSON, as Python's reader takes it, properly signed."""
    told = (json.dumps(each).encode() for each in (header, claims))
    signed = b".".join(base64.urlsafe_b64encode(each).rstrip(b"=") for each in told)
    tail = base64.urlsafe_b64encode(key.sign(signed)).rstrip(b"=")
    return b".".join((signed, tail)).decode()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example(name="alg", value=["EdDSA"])
@example(name="alg", value={})
@example(name="typ", value=["JWT"])
@example(name="kid", value={})
@example(name="b64", value=False)
@example(name="crit", value=7)
@given(
    name=st.sampled_from(["alg", "kid", "typ", "b64", "crit"]),
    value=JSON.filter(lambda told: told not in (KEY_ID, True, "")),
)
def test_a_header_of_any_shape_is_refused(issuer: Issuer, name: str, value: object) -> None:
    header = {"alg": "EdDSA", "kid": KEY_ID, "typ": "JWT", name: value}
    token = json_token(header, issuer.claims("ann", "sandbox:viewer"), issuer.key)
    if name == "b64" and value is not False:
        # What is no `false` is the default.
        asyncio.run(TokenChecker(issuer.rules(), SystemClock()).check(token))
        return
    assert asyncio.run(refusal(issuer, token))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@example(name="exp", value=10**20)
@example(name="exp", value=253_402_300_800)
@example(name="exp", value=float("inf"))
@example(name="iss", value=["https://issuer.example"])
@example(name="aud", value={})
@given(
    name=st.sampled_from(["exp", "iat", "nbf", "iss", "aud", "sub", "jti", "scope"]),
    value=JSON,
)
def test_a_claim_of_any_shape_is_refused_or_counts(
    issuer: Issuer, name: str, value: object
) -> None:
    claims = issuer.claims("ann", "sandbox:viewer") | {name: value}
    token = json_token({"alg": "EdDSA", "kid": KEY_ID}, claims, issuer.key)
    # Any other error would be a 500.
    with contextlib.suppress(RefusedTokenError):
        asyncio.run(TokenChecker(issuer.rules(), SystemClock()).check(token))


@pytest.mark.parametrize("ends_s", [10**20, 253_402_300_800])
async def test_a_token_that_ends_after_all_times_is_refused(issuer: Issuer, ends_s: int) -> None:
    token = issuer.token("ann", "sandbox:viewer", exp=ends_s)
    assert await refusal(issuer, token) == "signature_or_claims"


async def test_a_huge_token_is_refused_before_it_is_read(issuer: Issuer) -> None:
    token = issuer.token("ann", "sandbox:viewer", padding="x" * 10_000)
    assert await refusal(issuer, token) == "malformed"


async def test_a_revoked_token_is_refused_at_once(issuer: Issuer) -> None:
    checker = TokenChecker(issuer.rules(), SystemClock())
    token = issuer.token("ann", "sandbox:viewer", jti="../any/thing")
    caller = (await checker.check(token)).caller
    assert checker.still_counts(caller)
    (issuer.revoked / revocation_name("../any/thing")).touch()
    with pytest.raises(RefusedTokenError, match="revoked"):
        await checker.check(token)
    assert not checker.still_counts(caller)


async def test_without_the_folder_of_revocations_no_token_counts(issuer: Issuer) -> None:
    issuer.revoked.rmdir()
    assert await refusal(issuer, issuer.token("ann", "sandbox:viewer")) == "revoked"


@pytest.mark.parametrize("scope", ["tiger tiger:sandbox:king", "tiger:", "tiger:sandbox", 7])
async def test_a_scope_of_ours_that_says_nothing_grants_nothing(issuer: Issuer, scope: Any) -> None:
    token = issuer.sign(issuer.claims("ann", scope=scope))
    if scope == 7:
        checked = await TokenChecker(issuer.rules(), SystemClock()).check(token)
        assert (checked.has_service_scope, dict(checked.caller.grants)) == (False, {})
    else:
        assert await refusal(issuer, token) == "scope"


# Keys


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


async def test_a_token_that_was_good_before_ends_when_its_time_is_over(issuer: Issuer) -> None:
    class Later(SystemClock):
        passed_s = 0

        def now(self) -> datetime:
            return super().now() + timedelta(seconds=self.passed_s)

    clock = Later()
    checker = TokenChecker(issuer.rules(), clock)
    token = issuer.token("ann", "sandbox:viewer")
    checked = await checker.check(token)
    assert await checker.check(token) == checked
    clock.passed_s = 600 + SKEW_S + 1
    with pytest.raises(RefusedTokenError, match="signature_or_claims"):
        await checker.check(token)
    assert not checker.still_counts(checked.caller)
    assert checker.listen_s(checked.caller) == 0


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


# Rights


def test_roles_grant_what_they_say() -> None:
    told = {role: callers.RIGHTS[role] for role in callers.Role}
    assert told == {
        "viewer": {Right.READ},
        "trader": {Right.READ, Right.TRADE},
        "approver": {Right.READ, Right.APPROVE},
        "auditor": {Right.READ, Right.AUDIT},
        "admin": set(Right),
    }


def test_scopes_add_up_by_account_and_others_are_passed_over() -> None:
    told = ("openid", "tiger", "tiger:a:viewer", "tiger:a:auditor", "tiger:*:approver")
    caller = Caller("ann", "t", read_grants(told))
    assert caller.rights("a") == {Right.READ, Right.AUDIT, Right.APPROVE}
    assert caller.rights("b") == {Right.READ, Right.APPROVE}


@pytest.mark.parametrize("scope", ["tiger:A:viewer", "tiger:system:viewer", "tiger:a.b:viewer"])
def test_a_grant_names_an_account_or_all(scope: str) -> None:
    with pytest.raises(CommandError):
        read_grants((scope,))


class Bus:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        self.reached.append(subject)
        return False

    async def request(self, subject: str, body: bytes, *, timeout_s: float) -> bytes:
        self.reached.append(subject)
        return b""

    async def listen(self, subject: str, handler: Callable[[Any], None]) -> None:
        raise LinkError("not here")


async def test_no_way_to_the_cluster_leads_past_the_grants() -> None:
    bus = Bus()
    guarded = callers.GuardedBus(
        bus, Caller("ann", "t", read_grants(("tiger:a:viewer", "tiger:b:trader")))
    )
    await guarded.request("view.a.orders", b"", timeout_s=1)
    await guarded.request("ask.b.quotes", b"", timeout_s=1)
    await guarded.request("view.system.accounts", b"", timeout_s=1)
    await guarded.publish("cmd.b.order.submit", b"", message_id="m", timeout_s=1)
    allowed = list(bus.reached)
    assert len(allowed) == 4
    for subject in ("cmd.a.order.submit", "cmd.c.order.submit", "cmd.system.x", "ctl.b.x"):
        with pytest.raises(ToolError, match="forbidden"):
            await guarded.publish(subject, b"", message_id="m", timeout_s=1)
    for subject in ("view.c.orders", "ask.c.quotes", "view.system.health", "log.b.x"):
        with pytest.raises(ToolError, match="forbidden"):
            await guarded.request(subject, b"", timeout_s=1)
    assert bus.reached == allowed


def test_a_request_without_a_caller_is_nobody() -> None:
    def ask() -> None:
        assert current() is NOBODY
        assert not current().may_somewhere(Right.READ)
        with pytest.raises(ToolError, match="forbidden"):
            permit("list_accounts", is_read=True, arguments={})

    # A context in which nobody said anything.
    Context().run(ask)
    assert LOCAL.rights("any") == set(Right)


def part(told: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(told)).rstrip(b"=").decode()


def raw_token(header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> str:
    signed = f"{part(header)}.{part(claims)}"
    tail = base64.urlsafe_b64encode(sign(signed.encode())).rstrip(b"=").decode()
    return f"{signed}.{tail}"


def mac(secret: bytes, digest: str) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.new(secret, signed, getattr(hashlib, digest)).digest()
