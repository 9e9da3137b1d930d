"""Places of one address: who shows no token takes none from those who do, known or new."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from adapters.mcp.hosts import address_of
from adapters.mcp.http_connection import ConnectionLimits
from adapters.mcp.http_places import Places
from adapters.mcp.tokens import revocation_name
from core import views
from tests.component.test_http_connection import Client, connected, end_of, whole
from tests.component.test_mcp_http_guard import listening
from tests.support.gateway import World
from tests.support.http_gateway import HttpGateway, http_gateway

PLACES: Final = 3
LIMITS: Final = ConnectionLimits(places=Places(unknown_per_address_max=PLACES, unknown_s=0.0))
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


async def hold(
    held: contextlib.AsyncExitStack, gateway: HttpGateway, *, host: str = "127.0.0.1"
) -> Client:
    """Take a place and keep it with half a head."""
    client = await held.enter_async_context(connected(gateway, local=(host, 0)))
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
    limits = ConnectionLimits(places=Places(per_address_max=PLACES))
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
    limits = ConnectionLimits(places=Places(unknown_per_address_max=PLACES, unknown_s=600.0))
    world = World()
    world.bus.answers["view.system.accounts"] = views.AccountsAnswer(accounts=())
    async with (
        http_gateway(tmp_path, world=world, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("ann", "sandbox:viewer")
        clients = [await held.enter_async_context(connected(gateway)) for _ in range(3 * PLACES)]
        assert [await listed(gateway, client, token) for client in clients] == [200] * 3 * PLACES


# Also where they are all too young to be late: whoever opens and drops fast keeps nobody out.
@pytest.mark.parametrize("unknown_s", [0.0, 600.0])
async def test_where_every_place_is_held_the_oldest_without_a_token_goes(
    tmp_path: Path, unknown_s: float
) -> None:
    limits = ConnectionLimits(places=Places(per_address_max=PLACES, unknown_s=unknown_s))
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("ann", "sandbox:viewer")
        oldest, *_ = [await hold(held, gateway) for _ in range(PLACES)]
        async with connected(gateway) as new:
            assert await listed(gateway, new, token) == 200
            assert await end_of(oldest) == b""


async def test_many_addresses_without_a_token_shut_nobody_out(tmp_path: Path) -> None:
    places = Places(connections_max=8, unknown_max=6, unknown_per_address_max=2, unknown_s=0.0)
    limits = ConnectionLimits(places=places)
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("ann", "sandbox:viewer")
        async with connected(gateway) as known:
            assert await listed(gateway, known, token) == 200
            for index in range(2, 14):
                for _ in range(2):
                    await hold(held, gateway, host=f"127.0.0.{index}")
            assert await listed(gateway, known, token) == 200
            async with connected(gateway) as new:
                assert await listed(gateway, new, token) == 200
            assert len(gateway.server.server_state.connections) <= 8


async def test_where_the_service_is_full_the_most_crowded_address_makes_room(
    tmp_path: Path,
) -> None:
    limits = ConnectionLimits(places=Places(connections_max=4, unknown_s=600.0))
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        lone = await hold(held, gateway, host="127.0.0.2")
        crowd = [await hold(held, gateway, host="127.0.0.3") for _ in range(3)]
        await hold(held, gateway, host="127.0.0.4")
        assert await end_of(crowd[0]) == b""
        lone.send(f"{gateway.base.removeprefix('http://')}\r\n\r\n".encode())
        assert (await lone.answer())[0] == 401


async def test_one_principal_cannot_hold_every_place_of_its_address(tmp_path: Path) -> None:
    limits = ConnectionLimits(places=Places(per_address_max=4, per_principal_here_max=PLACES))
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        tokens = [gateway.issuer.token(who, "sandbox:viewer") for who in ("mallory", "ann")]
        hoard = []
        for _ in range(2 * PLACES):
            hoard.append(await held.enter_async_context(connected(gateway)))
            assert await listed(gateway, hoard[-1], tokens[0]) == 200
        # The oldest of its own went for each that was too many.
        assert [await end_of(each) for each in hoard[:PLACES]] == [b""] * PLACES
        async with connected(gateway) as new:
            assert await listed(gateway, new, tokens[1]) == 200
        assert await listed(gateway, hoard[-1], tokens[0]) == 200


async def test_streams_of_one_principal_are_held_to_its_share_while_they_stand(
    tmp_path: Path,
) -> None:
    limits = ConnectionLimits(places=Places(per_principal_here_max=PLACES))
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("mallory", "sandbox:viewer")
        for _ in range(PLACES):
            await held.enter_async_context(listening(gateway, token))
        assert (
            await listed(gateway, await held.enter_async_context(connected(gateway)), token) == 429
        )
        async with connected(gateway) as new:
            good = gateway.issuer.token("ann", "sandbox:viewer")
            assert await listed(gateway, new, good) == 200


async def test_one_principal_cannot_hold_every_place_from_many_addresses(tmp_path: Path) -> None:
    limits = ConnectionLimits(places=Places(connections_max=4, per_principal_max=PLACES))
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        tokens = [gateway.issuer.token(who, "sandbox:viewer") for who in ("mallory", "ann")]
        for index in range(2, 2 + 2 * PLACES):
            place = connected(gateway, local=(f"127.0.0.{index}", 0))
            assert await listed(gateway, await held.enter_async_context(place), tokens[0]) == 200
        async with connected(gateway) as new:
            assert await listed(gateway, new, tokens[1]) == 200


async def test_a_token_that_was_revoked_holds_no_place_any_more(tmp_path: Path) -> None:
    limits = ConnectionLimits(places=Places(per_address_max=PLACES))
    async with (
        http_gateway(tmp_path, connections=limits) as gateway,
        contextlib.AsyncExitStack() as held,
    ):
        token = gateway.issuer.token("mallory", "sandbox:viewer")
        hoard = [await held.enter_async_context(connected(gateway)) for _ in range(PLACES)]
        assert [await listed(gateway, each, token) for each in hoard] == [200] * PLACES
        (gateway.issuer.revoked / revocation_name("tok-mallory")).touch()
        assert [await listed(gateway, each, token) for each in hoard] == [401] * PLACES
        async with connected(gateway) as new:
            good = gateway.issuer.token("ann", "sandbox:viewer")
            assert await listed(gateway, new, good) == 200
            assert await end_of(hoard[0]) == b""


@pytest.mark.parametrize(
    "host, counted",
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_an_address_of_ipv6_is_its_whole_net(host: str, counted: str) -> None:
    assert address_of(host) == counted
