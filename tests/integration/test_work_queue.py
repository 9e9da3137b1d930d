"""A work queue and a responder on a real server: what is held, answered, kept and outlived."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from itertools import pairwise
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
WAIT_S = 30.0
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

    def queue(self, taken: Taken, worker: Client | None = None) -> WorkQueue:
        return WorkQueue(
            worker or self.worker,
            stream=COMMANDS_STREAM,
            consumer=work_consumer("a1"),
            take=taken.take,
        )

    @asynccontextmanager
    async def running(self, taken: Taken) -> AsyncIterator[WorkQueue]:
        queue = self.queue(taken)
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
            await queue.leave()


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
            await queue.leave()
        assert await rig.left() == (0, 1)


async def test_queue_that_leaves_gives_back_what_it_holds_and_not_what_was_acknowledged(
    rig: QueueRig,
) -> None:
    taken = Taken()
    taken.is_kept = True
    leaving = rig.queue(taken)
    task = asyncio.create_task(leaving.run())
    await rig.publish(b"done", b"open", b"set aside")
    done, _, aside = await taken.until(3)
    done.acknowledge()
    aside.set_aside("it is no command")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await leaving.leave()
    after = Taken()
    async with rig.running(after):
        # Long before its time to be acknowledged is over.
        assert [held.message.body for held in await after.until(1)] == [b"open"]
        await rig.until_left((0, 0))
    assert len(after.held) == 1


async def test_queue_leaves_though_its_link_is_gone(home: RunningHome, rig: QueueRig) -> None:
    worker = await home.client(worker_role("x"))
    taken = Taken()
    taken.is_kept = True
    leaving = rig.queue(taken, worker)
    task = asyncio.create_task(leaving.run())
    await rig.publish(b"one")
    await taken.until(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await worker.close()
    await leaving.leave()
    # For the tests behind: taken off by the connection that is left.
    await rig.worker.request(taken.held[0].reply, b"+ACK")
    await rig.until_left((0, 0))


async def test_message_without_a_body_makes_the_queue_ask_anew_at_once(
    rig: QueueRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server takes it for the end of the request; silence would tell, but only later.
    monkeypatch.setattr(work_queue, "SILENCE_MAX_S", 100.0)
    taken, asked = Taken(), asyncio.Semaphore(0)
    publish = rig.worker.publish

    async def listen(subject: str, payload: bytes = b"", **more: Any) -> None:
        if ".MSG.NEXT." in subject:
            asked.release()
        await publish(subject, payload, **more)

    monkeypatch.setattr(rig.worker, "publish", listen)
    async with rig.running(taken):
        await asyncio.wait_for(asked.acquire(), WAIT_S)
        await rig.publish(b"")
        (held,) = await taken.until(1)
        assert held.message.body == b""
        await asyncio.wait_for(asked.acquire(), WAIT_S)
        # What comes later finds the new request, not the one whose way back is gone.
        await rig.publish(b"later")
        assert [each.message.body for each in await taken.until(2)] == [b"", b"later"]
        await rig.until_left((0, 0))


async def test_queue_whose_consumer_is_gone_asks_again_and_again_but_in_no_hot_loop(
    home: RunningHome, rig: QueueRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_queue, "PAUSE_S", 0.1)
    admin = await home.client(PROVISIONER)
    loop = asyncio.get_running_loop()
    asked_at: list[float] = []
    has_asked_often = asyncio.Event()
    publish = admin.publish

    async def listen(subject: str, payload: bytes = b"", **more: Any) -> None:
        asked_at.append(loop.time())
        if len(asked_at) == 4:
            has_asked_often.set()
        await publish(subject, payload, **more)

    monkeypatch.setattr(admin, "publish", listen)
    queue = WorkQueue(
        admin, stream=COMMANDS_STREAM, consumer=work_consumer("nobody"), take=Taken().take
    )
    task = asyncio.create_task(queue.run())
    await asyncio.wait_for(has_asked_often.wait(), WAIT_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    waits_s = [later - earlier for earlier, later in pairwise(asked_at)]
    assert min(waits_s) >= 0.1
    # And sooner than silence would bring the next.
    assert sum(waits_s) < work_queue.SILENCE_MAX_S


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
