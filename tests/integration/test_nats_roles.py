"""Each role does its work through its own NATS account, on a real server."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import nats.errors
import nats.js.errors
import pytest
import pytest_asyncio
from nats.aio.msg import Msg
from nats.js.api import PubAck
from nats.js.client import JetStreamContext
from nats.js.kv import KeyValue

from infra.nats.topology import subscriber_role
from tests.support.nats_raw import RawClient
from tests.support.nats_server import RunningHome, running_home

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMIT_S = 30.0
CONFLICT = 10071


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHome]:
    async with running_home(tmp_path_factory.mktemp("roles")) as running:
        yield running


async def append(js: JetStreamContext, account: str, body: bytes, *, after: int) -> PubAck:
    headers = {
        "Nats-Expected-Last-Subject-Sequence": str(after),
        "Nats-Expected-Last-Subject-Sequence-Subject": f"log.{account}.>",
    }
    return await js.publish(f"log.{account}.order.accepted", body, timeout=LIMIT_S, headers=headers)


async def pull(js: JetStreamContext, stream: str, consumer: str, count: int = 1) -> list[Msg]:
    subscription = await js.pull_subscribe_bind(consumer=consumer, stream=stream)
    try:
        return await subscription.fetch(count, timeout=LIMIT_S)
    finally:
        await subscription.unsubscribe()


async def test_a_command_reaches_its_worker_once_whatever_the_gateway_repeats(
    home: RunningHome,
) -> None:
    gateway = (await home.client("gateway")).jetstream()
    worker = (await home.client("worker-x")).jetstream()
    headers = {"Nats-Msg-Id": "a1/cmd-1"}
    first = await gateway.publish("cmd.a1.order.place", b"1", headers=headers)
    again = await gateway.publish("cmd.a1.order.place", b"1", headers=headers)
    assert (first.duplicate, again.duplicate, again.seq) == (None, True, first.seq)
    [message] = await pull(worker, "COMMANDS", "w-a1")
    assert (message.subject, message.data) == ("cmd.a1.order.place", b"1")
    await message.in_progress()
    await message.ack_sync(timeout=LIMIT_S)
    provisioner = (await home.client("provisioner")).jetstream()
    info = await provisioner.consumer_info("COMMANDS", "w-a1")
    assert (info.num_pending, info.num_ack_pending) == (0, 0)


async def test_a_control_reaches_its_worker(home: RunningHome) -> None:
    operator = (await home.client("operator")).jetstream()
    await operator.publish("ctl.b1.order.approve", b"yes")
    worker = (await home.client("worker-y")).jetstream()
    [message] = await pull(worker, "CONTROL", "w-b1")
    assert message.data == b"yes"
    await message.ack_sync(timeout=LIMIT_S)


async def test_every_form_of_acknowledgement_is_taken(home: RunningHome) -> None:
    gateway = (await home.client("gateway")).jetstream()
    client = await home.client("worker-x")
    worker = client.jetstream()
    provisioner = (await home.client("provisioner")).jetstream()
    for body in (b"+ACK", b"+TERM because", b""):
        await gateway.publish("cmd.a1.order.cancel", body)
        [message] = await pull(worker, "COMMANDS", "w-a1")
        assert message.reply.startswith("$JS.ACK.COMMANDS.w-a1.")
        await client.request(message.reply, body, timeout=LIMIT_S)
        info = await provisioner.consumer_info("COMMANDS", "w-a1")
        assert (info.num_pending, info.num_ack_pending) == (0, 0)
    await gateway.publish("cmd.a1.order.cancel", b"again")
    [message] = await pull(worker, "COMMANDS", "w-a1")
    await message.nak()
    [message] = await pull(worker, "COMMANDS", "w-a1")
    assert message.metadata.num_delivered == 2
    # The form that a later server will use: domain and account before the stream.
    later = message.reply.replace("$JS.ACK.", "$JS.ACK._.RtqtexZK.")
    await client.request(later, b"+ACK", timeout=LIMIT_S)
    info = await provisioner.consumer_info("COMMANDS", "w-a1")
    assert (info.num_pending, info.num_ack_pending) == (0, 0)
    assert home.denials["worker-x"] == []


async def test_an_append_behind_another_is_refused_and_stores_nothing(home: RunningHome) -> None:
    worker = (await home.client("worker-x")).jetstream()
    first = await append(worker, "a2", b"1", after=0)
    with pytest.raises(nats.js.errors.APIError) as refused:
        await append(worker, "a2", b"2", after=0)
    assert refused.value.err_code == CONFLICT
    second = await append(worker, "a2", b"2", after=first.seq)
    assert second.seq == first.seq + 1


async def test_stored_facts_reach_their_readers_with_stream_subject_and_sequence(
    home: RunningHome,
) -> None:
    readers = [await home.client(role) for role in ("gateway", "operator", subscriber_role("s1"))]
    subscriptions = [await reader.subscribe("evt.a1.>") for reader in readers]
    for reader in readers:
        await reader.flush()
    worker = (await home.client("worker-x")).jetstream()
    stored = await worker.publish("log.a1.order.accepted", b"fact")
    for subscription in subscriptions:
        message = await subscription.next_msg(LIMIT_S)
        assert message.subject == "evt.a1.order.accepted"
        assert message.data == b"fact"
        assert message.headers is not None
        expected = {
            "Nats-Stream": "LEDGER_x",
            "Nats-Subject": "log.a1.order.accepted",
            "Nats-Sequence": str(stored.seq),
        }
        assert {name: message.headers[name] for name in expected} == expected


async def test_a_refused_append_reaches_no_reader(home: RunningHome) -> None:
    gateway = await home.client("gateway")
    subscription = await gateway.subscribe("evt.b1.>")
    await gateway.flush()
    worker = (await home.client("worker-y")).jetstream()
    with pytest.raises(nats.js.errors.APIError):
        await append(worker, "b1", b"refused", after=999)
    # The barrier: what comes after it is the first to arrive.
    await worker.publish("log.b1.order.rejected", b"stored")
    assert (await subscription.next_msg(LIMIT_S)).data == b"stored"


async def test_a_worker_rewinds_its_own_history(home: RunningHome) -> None:
    worker = (await home.client("worker-y")).jetstream()
    sequences = [
        (await worker.publish("log.b1.order.accepted", str(n).encode())).seq for n in range(3)
    ]
    for _ in range(2):
        await worker.reset_consumer("LEDGER_y", "h-b1", seq=sequences[0])
        messages = await pull(worker, "LEDGER_y", "h-b1", 3)
        assert [message.metadata.sequence.stream for message in messages] == sequences
        assert [message.data for message in messages] == [b"0", b"1", b"2"]


async def test_a_worker_reads_the_end_of_its_own_line(home: RunningHome) -> None:
    worker = (await home.client("worker-y")).jetstream()
    stored = await worker.publish("log.b1.order.working", b"last")
    one = await worker.get_last_msg("LEDGER_y", "log.b1.order.working", direct=True)
    assert (one.seq, one.data) == (stored.seq, b"last")
    # All subjects of the account at once: a subject that only a raw client sends.
    raw = await RawClient.connect(home.deployment.listener.ports.client, home.seed("worker-y"))
    raw.subscribe("_INBOX_worker-y.tail")
    raw.publish("$JS.API.DIRECT.GET.LEDGER_y.log.b1.>", reply="_INBOX_worker-y.tail")
    async with asyncio.timeout(LIMIT_S):
        while not raw.messages:
            await raw.settle()
    await raw.close()
    [tail] = raw.messages
    assert tail.body == b"last"
    assert f"Nats-Sequence: {stored.seq}".encode() in tail.headers


async def test_the_operator_writes_and_reads_the_system_ledger(home: RunningHome) -> None:
    operator = (await home.client("operator")).jetstream()
    gateway = await home.client("gateway")
    facts = await gateway.subscribe("evt.system.>")
    await gateway.flush()
    stored = await append(operator, "system", b"account", after=0)
    assert (await facts.next_msg(LIMIT_S)).data == b"account"
    await operator.reset_consumer("LEDGER_system", "h-system", seq=1)
    [message] = await pull(operator, "LEDGER_system", "h-system")
    assert message.metadata.sequence.stream == stored.seq


async def test_the_gateway_asks_the_worker_and_the_projector(home: RunningHome) -> None:
    gateway = await home.client("gateway")
    operator = await home.client("operator")
    worker = await home.client("worker-x")
    projector = await home.client("projector")

    async def answer(message: Msg) -> None:
        await message.respond(b"answer to " + message.subject.encode())

    await worker.subscribe("ask.a1.>", queue="w", cb=answer)
    await projector.subscribe("view.*.>", cb=answer)
    await worker.flush()
    await projector.flush()
    for asker, subject in (
        (gateway, "ask.a1.quotes"),
        (gateway, "view.a1.orders"),
        (gateway, "view.system.accounts"),
        (operator, "view.a2.orders"),
    ):
        reply = await asker.request(subject, b"", timeout=LIMIT_S)
        assert reply.data == b"answer to " + subject.encode()


async def test_a_question_that_nobody_serves_is_answered_at_once(home: RunningHome) -> None:
    gateway = await home.client("gateway")
    with pytest.raises(nats.errors.NoRespondersError):
        await gateway.request("ask.b1.quotes", b"", timeout=LIMIT_S)


async def test_the_followers_read_every_ledger_and_raise_what_they_found(
    home: RunningHome,
) -> None:
    await (await home.client("worker-x")).jetstream().publish("log.a1.order.accepted", b"x")
    await (await home.client("gateway")).jetstream().publish("access.a1.get_quotes", b"seen")
    subscriber = await home.client(subscriber_role("s1"))
    alerts = await subscriber.subscribe("alert.a1.>")
    heads = await subscriber.subscribe("audit.head")
    await subscriber.flush()
    projector = (await home.client("projector")).jetstream()
    notary = (await home.client("notary")).jetstream()
    for reader, name in ((projector, "projector"), (notary, "notary")):
        await reader.reset_consumer("LEDGER_x", name, seq=1)
        [message] = await pull(reader, "LEDGER_x", name)
        assert message.metadata.sequence.stream == 1
    [call] = await pull(projector, "ACCESS", "projector")
    assert call.data == b"seen"
    await projector.publish("raise.alert.a1.risk.loss", b"alert")
    await notary.publish("raise.head", b"head")
    assert (await alerts.next_msg(LIMIT_S)).subject == "alert.a1.risk.loss"
    assert (await heads.next_msg(LIMIT_S)).data == b"head"


async def test_a_terminated_command_leaves_an_advisory(home: RunningHome) -> None:
    projector = (await home.client("projector")).jetstream()
    gateway = (await home.client("gateway")).jetstream()
    client = await home.client("worker-x")
    stored = await gateway.publish("cmd.a1.order.place", b"undecodable")
    [message] = await pull(client.jetstream(), "COMMANDS", "w-a1")
    await client.request(message.reply, b"+TERM undecodable", timeout=LIMIT_S)
    provisioner = (await home.client("provisioner")).jetstream()
    last = (await provisioner.stream_info("ADVISORY")).state.last_seq
    await projector.reset_consumer("ADVISORY", "projector", seq=max(last, 1))
    [advisory] = await pull(projector, "ADVISORY", "projector")
    told = msgspec.json.decode(advisory.data, type=dict[str, object])
    assert (told["stream_seq"], told["reason"]) == (stored.seq, "undecodable")


async def test_a_quote_is_cached_for_the_gateway(home: RunningHome) -> None:
    worker = (await home.client("worker-x")).jetstream()
    gateway = (await home.client("gateway")).jetstream()
    await worker.publish("$KV.quotes.x.AAPL", b"190.1")
    quotes = KeyValue(name="quotes", stream="KV_quotes", pre="$KV.quotes.", js=gateway, direct=True)
    assert (await quotes.get("x.AAPL")).value == b"190.1"


async def test_a_refused_subject_is_heard_of(home: RunningHome) -> None:
    subscriber = await home.client(subscriber_role("s1"))
    before = len(home.denials[subscriber_role("s1")])
    await subscriber.publish("cmd.a1.order.place", b"")
    await subscriber.subscribe("evt.b1.>")
    # The client hands refusals to a task of its own, some time after the flush.
    async with asyncio.timeout(30):
        while len(home.denials[subscriber_role("s1")]) < before + 2:
            await subscriber.flush()
    assert len(home.denials[subscriber_role("s1")]) == before + 2
