"""Tokens over HTTP: which of them count, and what is said of those that do not."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.mcp.access import AccessBatch
from adapters.mcp.tokens import revocation_name
from tests.support.gateway import MODES, Mode
from tests.support.http_gateway import HttpGateway, http_gateway, request, two_accounts


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[HttpGateway]:
    async with http_gateway(tmp_path, world=two_accounts()) as served:
        yield served


async def test_without_a_token_the_way_to_one_is_shown(gateway: HttpGateway) -> None:
    reply = await gateway.post(None)
    assert reply.status_code == 401
    shown = reply.headers["WWW-Authenticate"]
    where = f"{gateway.base}/.well-known/oauth-protected-resource/mcp"
    # No token is no bad token: then no error code is told, only what is needed.
    assert shown.startswith('Bearer scope="tiger", ')
    assert "error" not in shown
    assert f'resource_metadata="{where}"' in shown
    metadata = (await gateway.http.get(where)).json()
    assert metadata["resource"] == gateway.url
    assert metadata["authorization_servers"] == ["https://issuer.example"]
    assert metadata["scopes_supported"] == ["tiger"]
    assert metadata["bearer_methods_supported"] == ["header"]


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "https://other.example/mcp"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"nbf": 9_999_999_999},
        {"padding": "x" * 10_000},
        {"scope": "tiger tiger:sandbox:king"},
        {"jti": None},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_token_that_does_not_count_is_a_401_that_says_nothing_of_it(
    gateway: HttpGateway, change: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    token = gateway.issuer.token("ann", "sandbox:admin", **change)
    with caplog.at_level(logging.DEBUG):
        reply = await gateway.post(token)
    assert reply.status_code == 401
    assert "resource_metadata=" in reply.headers["WWW-Authenticate"]
    kept = reply.text + str(reply.headers) + caplog.text
    assert token not in kept
    assert token.split(".")[2] not in kept
    assert gateway.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a b"},
    ],
    ids=str,
)
async def test_another_way_to_say_who_calls_is_none(
    gateway: HttpGateway, headers: dict[str, str]
) -> None:
    assert (await gateway.post(None, headers=headers)).status_code == 401


async def test_a_token_in_the_address_is_none(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:admin")
    reply = await gateway.http.post(
        f"{gateway.url}?access_token={token}", json=request("tools/list")
    )
    assert reply.status_code == 401


async def test_a_token_for_other_services_of_the_issuer_is_a_403(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", scope="openid email")
    reply = await gateway.post(token)
    assert reply.status_code == 403
    assert 'error="insufficient_scope"' in reply.headers["WWW-Authenticate"]


async def test_keys_that_cannot_be_had_refuse_everybody(gateway: HttpGateway) -> None:
    token = gateway.issuer.token("ann", "sandbox:admin")
    assert (await gateway.post(token)).status_code == 200
    gateway.issuer.keys_file.unlink()
    assert (await gateway.post(token)).status_code == 401


async def test_a_token_revoked_between_two_calls_does_not_count_for_the_second(
    gateway: HttpGateway,
) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    assert (await gateway.post(token)).status_code == 200
    (gateway.issuer.revoked / revocation_name("tok-ann")).touch()
    assert (await gateway.post(token)).status_code == 401


@pytest.mark.parametrize("mode", MODES)
async def test_a_record_names_the_program_that_the_token_was_issued_to(
    tmp_path: Path, mode: Mode
) -> None:
    """In the older era the client's own name does not come with a call."""
    world = two_accounts()
    async with http_gateway(tmp_path, world=world) as gateway:
        token = gateway.issuer.token("ann", "sandbox:viewer", client_id="desktop")
        async with gateway.client(token, mode) as ann:
            await ann.call_tool("get_positions", {"account": "sandbox"})
    ((_, body),) = world.bus.accesses
    (record,) = msgspec.json.decode(body, type=AccessBatch).records
    assert (record.principal, record.token_client) == ("ann", "desktop")
    assert record.client == ("test-client 9" if mode == "auto" else "")
