"""A work queue and a responder on a real server: what is held, answered, kept and outlived."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import nats.errors
import pytest
import pytest_asyncio
from nats.aio.client import Client

from core.subjects import COMMANDS_STREAM, work_consumer
from infra.nats import work_queue
from infra.nats.responder import OPEN_MAX, Responder
from infra.nats.topology import GATEWAY, PROVISIONER, worker_role
from infra.nats.work_queue import HELD_MAX, HeldMessage, WorkQueue
from tests.support.nats_server import RunningHome, running_home

pytestmark = pytest.mark.asyncio(loop_scope="module")
WAIT_S = 10.0
SUBJECT = "cmd.a1.order.preview"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningHome]:
    async with running_home(tmp_path_factory.mktemp("queue")) as running:
        yield running


class Taken:
    """What a queue handed over."""

    def __init__(self) -> None:
        self.held: list[HeldMessage] = []
        self._news = asyncio.Event()
        self.is_kept = False

    def take(self, held: HeldMessage) -> None:
        self.held.append(held)
        self._news.set()
        if not self.is_kept:
            held.acknowledge()

    async def until(self, count: int, *, wait_s: float = WAIT_S) -> list[HeldMessage]:
        async with asyncio.timeout(wait_s):
            while len(self.held) < count:
                self._news.clear()
                await self._news.wait()
        return self.held


class QueueRig:
    def __init__(self, home: RunningHome, worker: Client, gateway: Client, admin: Client) -> None:
        self.home = home
        self.worker = worker
        self._gateway = gateway.jetstream()
        self._admin = admin.jetstream()

    async def publish(self, *bodies: bytes) -> list[int]:
        return [(await self._gateway.publish(SUBJECT, body)).seq for body in bodies]

    async def left(self) -> tuple[int, int]:
        """Return how many messages wait and how many are held."""
        info = await self._admin.consumer_info(COMMANDS_STREAM, work_consumer("a1"))
        return info.num_pending or 0, info.num_ack_pending or 0

    async def until_left(self, wanted: tuple[int, int]) -> None:
        async with asyncio.timeout(WAIT_S):
            while await self.left() != wanted:
                pass

    @asynccontextmanager
    async def running(self, taken: Taken) -> AsyncIterator[WorkQueue]:
        queue = WorkQueue(
            self.worker, stream=COMMANDS_STREAM, consumer=work_consumer("a1"), take=taken.take
        )
        task = asyncio.create_task(queue.run())
        try:
            yield queue
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            # What the test left goes off the stream, for the next.
            for held in taken.held:
                held.acknowledge()
            await asyncio.sleep(0)
            await queue.flush()


@pytest_asyncio.fixture(loop_scope="module")
async def rig(home: RunningHome) -> QueueRig:
    made = QueueRig(
        home,
        await home.client(worker_role("x")),
        await home.client(GATEWAY),
        await home.client(PROVISIONER),
    )
    await made.until_left((0, 0))
    return made


async def test_message_is_handed_over_with_its_place_and_gone_once_acknowledged(
    rig: QueueRig,
) -> None:
    taken = Taken()
    async with rig.running(taken):
        sequences = await rig.publish(b"one", b"two")
        held = await taken.until(2)
        assert [(h.message.subject, h.message.body, h.message.stream) for h in held] == [
            (SUBJECT, b"one", COMMANDS_STREAM),
            (SUBJECT, b"two", COMMANDS_STREAM),
        ]
        assert [h.message.sequence for h in held] == sequences
        await rig.until_left((0, 0))


async def test_message_stays_held_until_another_thread_answers(rig: QueueRig) -> None:
    taken = Taken()
    taken.is_kept = True
    async with rig.running(taken):
        await rig.publish(b"one", b"two")
        first, second = await taken.until(2)
        assert await rig.left() == (0, 2)
        await asyncio.to_thread(first.acknowledge)
        await rig.until_left((0, 1))
        await asyncio.to_thread(second.set_aside, "it is no command: \u00e9 \n x")
        await rig.until_left((0, 0))


async def test_queue_that_stopped_takes_no_more_and_keeps_what_it_holds(rig: QueueRig) -> None:
    taken = Taken()
    taken.is_kept = True
    async with rig.running(taken):
        await rig.publish(b"one")
        await taken.until(1)
    await rig.until_left((0, 0))
    await rig.publish(b"two")
    assert [h.message.body for h in taken.held] == [b"one"]
    after = Taken()
    async with rig.running(after):
        assert [h.message.body for h in await after.until(1)] == [b"two"]


async def test_no_more_are_held_than_the_consumer_lets_and_the_rest_follows(
    rig: QueueRig,
) -> None:
    taken = Taken()
    taken.is_kept = True
    async with rig.running(taken):
        await asyncio.gather(*(rig.publish(b"%d" % n) for n in range(HELD_MAX + 20)))
        await taken.until(HELD_MAX)
        assert await rig.left() == (20, HELD_MAX)
        for held in tuple(taken.held[:20]):
            held.acknowledge()
        await taken.until(HELD_MAX + 20)


async def test_held_messages_are_kept_alive(rig: QueueRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work_queue, "ALIVE_EVERY_S", 0.05)
    taken, alive = Taken(), asyncio.Event()
    taken.is_kept = True
    replies: list[str] = []
    publish = rig.worker.publish

    async def listen(subject: str, payload: bytes = b"", **more: Any) -> None:
        if payload == b"+WPI":
            replies.append(subject)
            alive.set()
        await publish(subject, payload, **more)

    monkeypatch.setattr(rig.worker, "publish", listen)
    async with rig.running(taken):
        await rig.publish(b"one")
        (held,) = await taken.until(1)
        await asyncio.wait_for(alive.wait(), WAIT_S)
        assert set(replies) == {held.reply}
        # A sign of life is no acknowledgement.
        assert await rig.left() == (0, 1)
        held.acknowledge()
        await rig.until_left((0, 0))


async def test_lost_acknowledgement_brings_no_failure(
    rig: QueueRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = Taken()
    taken.is_kept = True
    async with rig.running(taken) as queue:
        await rig.publish(b"one")
        (held,) = await taken.until(1)

        async def lose(*_: object, **__: object) -> None:
            raise nats.errors.TimeoutError

        with monkeypatch.context() as patched:
            patched.setattr(rig.worker, "request", lose)
            held.acknowledge()
            await asyncio.sleep(0)
            await queue.flush()
        assert await rig.left() == (0, 1)


async def test_queue_outlives_a_crash_of_the_server(rig: QueueRig) -> None:
    taken = Taken()
    async with rig.running(taken):
        await rig.publish(b"before")
        await taken.until(1)
        await rig.until_left((0, 0))
        await asyncio.to_thread(rig.home.crash_and_restart)
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    await rig.publish(b"after")
                except nats.errors.Error:
                    continue
                break
        held = await taken.until(2)
        assert held[-1].message.body == b"after"


async def _asking(gateway: Client, count: int) -> list[bytes]:
    replies = await asyncio.gather(
        *(gateway.request("ask.a1.quotes", b"%d" % n, timeout=WAIT_S) for n in range(count))
    )
    return [reply.data for reply in replies]


async def _respond(home: RunningHome, answer: Callable[[str, bytes], bytes]) -> Client:
    worker = await home.client(worker_role("x"))
    pool = ThreadPoolExecutor(4, thread_name_prefix="responder-test")
    responder = Responder(worker, subject_filter="ask.a1.>", answer=answer, busy=b"busy", pool=pool)
    await responder.start()
    await worker.flush()
    return worker


async def test_responder_answers_with_the_words_after_its_filter(home: RunningHome) -> None:
    worker = await _respond(home, lambda what, body: what.encode() + b":" + body)
    gateway = await home.client(GATEWAY)
    assert await _asking(gateway, 3) == [b"quotes:0", b"quotes:1", b"quotes:2"]
    await worker.close()


async def test_one_question_too_many_is_told_so_at_once(home: RunningHome) -> None:
    may_end = threading.Event()

    def answer(what: str, body: bytes) -> bytes:
        assert may_end.wait(WAIT_S)
        return b"done"

    worker = await _respond(home, answer)
    gateway = await home.client(GATEWAY)
    open_ones = asyncio.create_task(_asking(gateway, OPEN_MAX))
    async with asyncio.timeout(WAIT_S):
        # The first of these may themselves be among the open ones, and wait.
        replies = [asyncio.create_task(_asking(gateway, 1)) for _ in range(2)]
        done, waiting = await asyncio.wait(replies, return_when=asyncio.FIRST_COMPLETED)
    assert {task.result()[0] for task in done} == {b"busy"}
    may_end.set()
    assert (await open_ones).count(b"done") >= OPEN_MAX - 2
    await asyncio.gather(*waiting)
    assert await _asking(gateway, 1) == [b"done"]
    await worker.close()
