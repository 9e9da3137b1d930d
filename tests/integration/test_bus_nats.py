"""The gateway's bus on a real nats-server, with the service's own accounts and rights."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import nats
import nats.micro
import pytest
from nats.aio.client import Client
from nats.micro.request import Request

from core.asks import AskFault
from core.errors import CommandError, LinkError
from core.ports import EventMessage
from infra.nats.bus import NatsBus
from infra.nats.topology import GATEWAY, PROJECTOR, worker_role
from tests.support.nats_server import PlainServer, plain_server, running_home

ANSWER_LIMIT_S = 30.0
SHORT_S = 0.3


class Heard:
    """Gathers facts and waits for a number of them."""

    def __init__(self) -> None:
        self.facts: list[EventMessage] = []
        self._changed = asyncio.Event()

    def __call__(self, fact: EventMessage) -> None:
        self.facts.append(fact)
        self._changed.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(ANSWER_LIMIT_S):
            while len(self.facts) < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainServer]:
    with plain_server(tmp_path_factory.mktemp("plain")) as server:
        yield server


@pytest.fixture
async def client(plain: PlainServer) -> AsyncIterator[Client]:
    connection = await nats.connect(plain.url)
    yield connection
    await connection.close()


async def test_with_the_gateways_own_rights_commands_are_stored_once_and_facts_are_heard(
    tmp_path: Path,
) -> None:
    async with running_home(tmp_path) as home:
        bus = NatsBus(await home.client(GATEWAY))
        heard = Heard()
        await bus.listen("evt.a1.>", heard)

        stored = [
            await bus.publish(
                "cmd.a1.order.submit", b"{}", message_id="a1/cmd-1", timeout_s=ANSWER_LIMIT_S
            )
            for _ in range(2)
        ]
        assert stored == [False, True]
        # An account that the gateway was not granted: no ack, so nothing is known.
        with pytest.raises(LinkError):
            await bus.publish("cmd.a2.order.submit", b"{}", message_id="a2/c", timeout_s=SHORT_S)

        worker = await home.client(worker_role("x"))
        ack = await worker.jetstream().publish("log.a1.order.accepted", b'{"n":1}')
        await heard.wait_for(1)
        assert heard.facts == [EventMessage("evt.a1.order.accepted", ack.seq, b'{"n":1}')]
        assert bus.dropped == 0

        with pytest.raises(LinkError):
            await bus.request("view.a1.orders", b"{}", timeout_s=SHORT_S)
        projector = await home.client(PROJECTOR)

        async def answer(request: Request) -> None:
            await request.respond(b'{"orders":[]}')

        service = await nats.micro.add_service(projector, name="views", version="1.0.0")
        await service.add_endpoint(name="orders", subject="view.*.orders", handler=answer)
        await projector.flush()
        answered = await bus.request("view.a1.orders", b"{}", timeout_s=ANSWER_LIMIT_S)
        assert answered == b'{"orders":[]}'
        await service.stop()


async def test_a_service_that_refuses_is_a_command_error_and_one_that_fails_is_a_link_error(
    client: Client,
) -> None:
    bus = NatsBus(client)
    fault = AskFault(code="behind", message="ask again", field="at_least_n")

    async def refuse(request: Request) -> None:
        body = msgspec.json.encode(fault) if request.data == b"worded" else b""
        await request.respond_error("behind", "ask again", body)

    async def fail(request: Request) -> None:
        await request.respond_error("500", "a text that may quote anything")

    service = await nats.micro.add_service(client, name="views", version="1.0.0")
    await service.add_endpoint(name="refuse", subject="view.a1.refuse", handler=refuse)
    await service.add_endpoint(name="fail", subject="view.a1.fail", handler=fail)
    with pytest.raises(CommandError) as worded:
        await bus.request("view.a1.refuse", b"worded", timeout_s=ANSWER_LIMIT_S)
    assert (str(worded.value), worded.value.code, worded.value.field) == (
        "ask again",
        "behind",
        "at_least_n",
    )
    with pytest.raises(CommandError) as bare:
        await bus.request("view.a1.refuse", b"", timeout_s=ANSWER_LIMIT_S)
    assert (bare.value.code, bare.value.field) == ("behind", "")
    with pytest.raises(LinkError) as failed:
        await bus.request("view.a1.fail", b"", timeout_s=ANSWER_LIMIT_S)
    assert "quote" not in str(failed.value)
    await service.stop()


async def test_a_service_that_never_answers_is_a_link_error_in_time(client: Client) -> None:
    silent = await client.subscribe("ask.a1.quotes")
    with pytest.raises(LinkError):
        await NatsBus(client).request("ask.a1.quotes", b"{}", timeout_s=SHORT_S)
    await silent.unsubscribe()


GOOD = {"Nats-Stream": "LEDGER_x", "Nats-Subject": "log.a1.order.accepted", "Nats-Sequence": "7"}


async def test_a_message_that_no_ledger_republished_is_dropped_and_counted(client: Client) -> None:
    bus = NatsBus(client)
    heard = Heard()
    await bus.listen("evt.a1.>", heard)
    forged: list[dict[str, str] | None] = [
        None,
        {},
        *({key: value for key, value in GOOD.items() if key != gone} for gone in GOOD),
        GOOD | {"Nats-Subject": "log.a1.order.rejected"},
        GOOD | {"Nats-Subject": "log.a2.order.accepted"},
        GOOD | {"Nats-Stream": "COMMANDS"},
        GOOD | {"Nats-Sequence": "0"},
        GOOD | {"Nats-Sequence": "-7"},
        GOOD | {"Nats-Sequence": "seven"},
    ]
    for headers in forged:
        await client.publish("evt.a1.order.accepted", b"forged", headers=headers)
    await client.publish("evt.a1.order.accepted", b"true", headers=GOOD)
    await heard.wait_for(1)
    assert heard.facts == [EventMessage("evt.a1.order.accepted", 7, b"true")]
    assert bus.dropped == len(forged)


async def test_a_closed_connection_is_a_link_error_everywhere(plain: PlainServer) -> None:
    connection = await nats.connect(plain.url)
    bus = NatsBus(connection)
    await connection.close()
    with pytest.raises(LinkError):
        await bus.publish("cmd.a1.order.submit", b"", message_id="a1/c", timeout_s=SHORT_S)
    with pytest.raises(LinkError):
        await bus.request("view.a1.orders", b"", timeout_s=SHORT_S)
    with pytest.raises(LinkError):
        await bus.listen("evt.a1.>", Heard())
