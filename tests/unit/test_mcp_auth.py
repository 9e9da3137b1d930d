"""Tokens: what counts, and everything that does not."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters.mcp.callers import (
    Right,
)
from adapters.mcp.tokens import (
    SKEW_S,
    RefusedTokenError,
    TokenChecker,
    revocation_name,
)
from infra.clock import SystemClock
from tests.support.http_gateway import KEY_ID, Issuer, public_jwk, public_pem, refusal


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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
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


def part(told: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(told)).rstrip(b"=").decode()


def raw_token(header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> str:
    signed = f"{part(header)}.{part(claims)}"
    tail = base64.urlsafe_b64encode(sign(signed.encode())).rstrip(b"=").decode()
    return f"{signed}.{tail}"


def mac(secret: bytes, digest: str) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.new(secret, signed, getattr(hashlib, digest)).digest()
