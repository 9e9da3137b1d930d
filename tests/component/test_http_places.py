"""Places of one address: who shows no token takes none from those who do, known or new."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from adapters.mcp.http_connection import ConnectionLimits
from core import views
from tests.component.test_http_connection import Client, connected, end_of, whole
from tests.support.gateway import World
from tests.support.http_gateway import HttpGateway, http_gateway

PLACES: Final = 3
LIMITS: Final = ConnectionLimits(unknown_per_address_max=PLACES, unknown_s=0.0)
HALF_A_HEAD: Final = b"POST /mcp HTTP/1.1\r\nHost: "


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[HttpGateway]:
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=())
    async with http_gateway(tmp_path, world=world, connections=LIMITS) as served:
        yield served


@pytest.fixture
async def held() -> AsyncIterator[contextlib.AsyncExitStack]:
    async with contextlib.AsyncExitStack() as stack:
        yield stack


async def hold(held: contextlib.AsyncExitStack, gateway: HttpGateway) -> Client:
    """Take a place and keep it with half a head."""
    client = await held.enter_async_context(connected(gateway))
    client.send(HALF_A_HEAD)
    return client


async def listed(gateway: HttpGateway, client: Client, token: str) -> int:
    """Return the status of a list of tools."""
    client.send(whole(gateway, token))
    return (await client.answer())[0]


async def test_who_has_shown_a_token_keeps_their_place(
    gateway: HttpGateway, held: contextlib.AsyncExitStack
) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    async with connected(gateway) as known:
        assert await listed(gateway, known, token) == 200
        for _ in range(3 * PLACES):
            await hold(held, gateway)
        assert await listed(gateway, known, token) == 200


async def test_a_new_client_with_a_token_is_served_among_those_who_only_hold_places(
    gateway: HttpGateway, held: contextlib.AsyncExitStack
) -> None:
    token = gateway.issuer.token("ann", "sandbox:viewer")
    oldest, *others = [await hold(held, gateway) for _ in range(PLACES)]
    async with connected(gateway) as new:
        assert await listed(gateway, new, token) == 200
        # The oldest went for the new one, and nobody else.
        assert await end_of(oldest) == b""
        for other in others:
            other.send(f"{gateway.base.removeprefix('http://')}\r\n\r\n".encode())
            assert (await other.answer())[0] == 401


async def test_a_token_that_is_not_good_makes_nobody_known(
    gateway: HttpGateway, held: contextlib.AsyncExitStack
) -> None:
    stranger = await held.enter_async_context(connected(gateway))
    assert await listed(gateway, stranger, "not.a.token") == 401
    for _ in range(PLACES):
        await hold(held, gateway)
    assert await end_of(stranger) == b""


async def test_places_of_the_known_are_bounded_too(tmp_path: Path) -> None:
    limits = ConnectionLimits(per_address_max=PLACES)
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("ann", "sandbox:viewer")
        for _ in range(PLACES):
            known = await held.enter_async_context(connected(gateway))
            assert await listed(gateway, known, token) == 200
        async with connected(gateway) as one_more:
            assert await end_of(one_more) == b""


async def test_clients_that_come_all_at_once_are_given_time_to_show_a_token(
    tmp_path: Path,
) -> None:
    limits = ConnectionLimits(unknown_per_address_max=PLACES, unknown_s=600.0)
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=())
    async with (
        http_gateway(tmp_path, world=world, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("ann", "sandbox:viewer")
        clients = [await held.enter_async_context(connected(gateway)) for _ in range(3 * PLACES)]
        assert [await listed(gateway, client, token) for client in clients] == [200] * 3 * PLACES


async def test_where_every_place_is_held_the_oldest_without_a_token_goes(tmp_path: Path) -> None:
    limits = ConnectionLimits(per_address_max=PLACES, unknown_s=0.0)
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("ann", "sandbox:viewer")
        oldest, *_ = [await hold(held, gateway) for _ in range(PLACES)]
        async with connected(gateway) as new:
            assert await listed(gateway, new, token) == 200
            assert await end_of(oldest) == b""
