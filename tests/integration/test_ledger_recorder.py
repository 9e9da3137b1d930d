"""The persistence module beyond the library's own suite: races, crashes, stops, bound ledgers."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

import msgspec
import pytest
from eventsourcing.persistence import (
    ApplicationRecorder,
    DataError,
    InfrastructureFactory,
    IntegrityError,
    Notification,
    NotSupportedError,
    StoredEvent,
)
from eventsourcing.utils import Environment

from core.errors import ConfigError
from infra.ledger.jetstream import JetStreamFactory
from infra.nats.topology import PROJECTOR, inbox_prefix, worker_role
from tests.support.ledger import LedgerServer, connected, proxied, recorder_env, shared_server
from tests.support.nats_server import RunningHome, running_home

WAIT_S = 30.0
START_S = 30.0
RACES = 60
WRITERS = 8
Construct = Callable[[dict[str, str]], JetStreamFactory]


@pytest.fixture
def construct() -> Iterator[Construct]:
    """Yield a maker of factories that are closed at the end."""
    made: list[JetStreamFactory] = []

    def make(env: dict[str, str]) -> JetStreamFactory:
        factory = InfrastructureFactory.construct(Environment(env=env))
        made.append(cast(JetStreamFactory, factory))
        return made[-1]

    yield make
    for factory in made:
        factory.close()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[LedgerServer]:
    """Yield a server that the test may kill."""
    server = LedgerServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


def event(originator_id: UUID | str, version: int, state: bytes = b"state") -> StoredEvent:
    return StoredEvent(
        originator_id=originator_id, originator_version=version, topic="module:Class", state=state
    )


def batch(originator_id: UUID | str, first: int, count: int) -> list[StoredEvent]:
    return [event(originator_id, version) for version in range(first, first + count)]


def outcome(recorder: ApplicationRecorder, events: Sequence[StoredEvent]) -> object:
    try:
        return recorder.insert_events(events)
    except IntegrityError as error:
        return error


@pytest.mark.parametrize(("size", "races"), ((1, RACES), (3, RACES // 3)))
def test_of_eight_recorders_for_one_version_exactly_one_wins(
    construct: Construct, size: int, races: int
) -> None:
    env = recorder_env(shared_server())
    recorders = [construct(env).application_recorder() for _ in range(4)] * 2
    assert len(recorders) == WRITERS
    originator_id = uuid4()
    with ThreadPoolExecutor(WRITERS) as pool:
        for race in range(races):
            events = batch(originator_id, race * size, size)  # the same bytes for all
            outcomes = list(pool.map(lambda recorder: outcome(recorder, events), recorders))  # noqa: B023
            won = [result for result in outcomes if not isinstance(result, IntegrityError)]
            assert won == [list(range(race * size + 1, (race + 1) * size + 1))]
    assert recorders[0].max_notification_id() == races * size


@pytest.mark.parametrize(
    ("originator_id", "topic"),
    (
        (UUID(int=7), "module:Class.Event"),
        ("sandbox", "order.accepted"),
        ("system", "topic1"),
        ("with.dots and *>", "a b.c*>"),
        ("~u0000", "~stilde"),
        ("größe", "Ünïcode:Klasse"),
        ("", "x"),
        ("UPPER", "Upper.case"),
    ),
)
@pytest.mark.parametrize("state", (b"", b"\x00\xff\r\n\x80", b"{}", b'{"type":"order.accepted"}'))
def test_any_name_and_any_bytes_come_back_verbatim(
    construct: Construct, originator_id: UUID | str, topic: str, state: bytes
) -> None:
    recorder = construct(recorder_env(shared_server())).application_recorder()
    stored = StoredEvent(originator_id, 3, topic, state)
    assert recorder.insert_events([stored]) == [1]
    assert recorder.select_events(originator_id) == [stored]
    assert recorder.select_events(originator_id, desc=True, limit=1) == [stored]
    assert recorder.select_notifications(None, 10) == [
        Notification(originator_id, 3, topic, state, id=1)
    ]


def test_versions_may_come_out_of_order_but_never_twice(construct: Construct) -> None:
    recorder = construct(recorder_env(shared_server())).aggregate_recorder("snapshots")
    other = construct(recorder_env(shared_server())).aggregate_recorder("snapshots")
    for version in (5, 3, 4):
        recorder.insert_events([event("a", version)])
    for version in (3, 4, 5):
        with pytest.raises(IntegrityError):
            recorder.insert_events([event("a", version)])
    recorder.insert_events([event("a", 6), event("b", 1), event("a", 1)])
    versions = [item.originator_version for item in recorder.select_events("a")]
    assert versions == [1, 3, 4, 5, 6]
    assert recorder.select_events("a", desc=True, limit=1) == [event("a", 6)]
    assert other.select_events("a") == []


def test_a_batch_is_never_seen_in_part(construct: Construct) -> None:
    size, batches = 200, 10
    env = recorder_env(shared_server())
    writer = construct(env).application_recorder()
    reader = construct(env).application_recorder()
    is_done = threading.Event()

    def write() -> None:
        try:
            for _ in range(batches):
                writer.insert_events(batch(uuid4(), 1, size))
        finally:
            is_done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        seen: set[int] = set()
        while not is_done.is_set():
            seen.add(reader.max_notification_id() or 0)
        writing.result(WAIT_S)
    assert {count % size for count in seen} == {0}
    assert reader.max_notification_id() == size * batches


async def test_a_batch_without_its_commit_is_nothing(construct: Construct) -> None:
    env = recorder_env(shared_server())
    recorder = construct(env).application_recorder()
    async with connected(shared_server().url) as nc:
        for place in (1, 2):
            await nc.publish(
                f"{env['NATS_STREAM']}.log.a.t",
                b"{}",
                headers={"Nats-Batch-Id": "broken", "Nats-Batch-Sequence": str(place)},
            )
        await nc.flush()
    assert await asyncio.to_thread(recorder.max_notification_id) is None
    assert await asyncio.to_thread(recorder.insert_events, [event("a", 1)]) == [1]


def test_batches_survive_a_kill_whole_or_not_at_all(
    construct: Construct, own_server: LedgerServer
) -> None:
    size, batches = 50, 30
    env = recorder_env(own_server)
    recorder = construct(env).application_recorder()
    half_done = threading.Event()
    acknowledged: list[Sequence[int] | None] = []

    def write() -> None:
        for number in range(batches):
            acknowledged.append(recorder.insert_events(batch(f"o-{number}", 1, size)))
            if number == batches // 2:
                half_done.set()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        assert half_done.wait(START_S)
        own_server.kill()
        own_server.start()
        writing.result(START_S)
    notifications = recorder.select_notifications(None, size * batches + 1)
    assert [item.originator_id for item in notifications] == [
        f"o-{number}" for number in range(batches) for _ in range(size)
    ]
    assert acknowledged == [
        list(range(number * size + 1, (number + 1) * size + 1)) for number in range(batches)
    ]


@pytest.mark.parametrize("size", (1, 3))
async def test_a_lost_ack_of_a_recorder_is_resolved_by_reading_back(
    construct: Construct, size: int
) -> None:
    server = shared_server()
    async with proxied(server) as proxy:
        recorder = construct(recorder_env(server) | {"NATS_URL": proxy.url}).application_recorder
        made = await asyncio.to_thread(recorder)
        await asyncio.to_thread(made.insert_events, batch("a", 1, size))
        proxy.lose_answers()
        inserting = asyncio.create_task(
            asyncio.to_thread(made.insert_events, batch("a", 1 + size, size))
        )
        await asyncio.wait_for(proxy.lost.wait(), WAIT_S)
        proxy.mend()
        ids = await asyncio.wait_for(inserting, WAIT_S)
        assert ids == list(range(size + 1, 2 * size + 1))
        assert await asyncio.to_thread(made.max_notification_id) == 2 * size


async def test_a_record_that_is_no_event_stops_every_reading(construct: Construct) -> None:
    env = recorder_env(shared_server())
    recorder = construct(env).application_recorder()

    def read_all() -> None:
        with pytest.raises(DataError):
            recorder.select_notifications(None, 10)
        with recorder.subscribe() as subscription, pytest.raises(DataError):
            next(subscription)

    async with connected(shared_server().url) as nc:
        await nc.request(f"{env['NATS_STREAM']}.log.a.t", b"no event", timeout=WAIT_S)
    await asyncio.to_thread(read_all)


def test_more_events_than_a_batch_holds_are_refused(construct: Construct) -> None:
    recorder = construct(recorder_env(shared_server())).application_recorder()
    with pytest.raises(DataError):
        recorder.insert_events(batch("a", 1, 1_001))
    assert recorder.max_notification_id() is None


def test_a_subscription_goes_on_after_a_restart(
    construct: Construct, own_server: LedgerServer
) -> None:
    env = recorder_env(own_server)
    recorder = construct(env).application_recorder()
    recorder.insert_events(batch("a", 1, 5))
    with recorder.subscribe() as subscription, ThreadPoolExecutor(1) as pool:
        ids = [next(subscription).id for _ in range(5)]
        waiting = pool.submit(next, subscription)
        own_server.kill()
        own_server.start()
        construct(env).application_recorder().insert_events(batch("b", 1, 5))
        ids.append(waiting.result(WAIT_S).id)
        ids += [next(subscription).id for _ in range(4)]
    assert ids == list(range(1, 11))


def test_a_waiting_subscription_stops_from_another_thread(construct: Construct) -> None:
    recorder = construct(recorder_env(shared_server())).application_recorder()
    recorder.insert_events([event("a", 1)])
    subscription = recorder.subscribe()
    with subscription, ThreadPoolExecutor(1) as pool:
        assert next(subscription).id == 1
        rest = pool.submit(list, subscription)
        subscription.stop()
        assert rest.result(WAIT_S) == []


async def test_a_subscription_leaves_no_consumer_behind(construct: Construct) -> None:
    env = recorder_env(shared_server())
    recorder = construct(env).application_recorder()

    def read_one() -> None:
        recorder.insert_events([event("a", 1)])
        with recorder.subscribe() as subscription:
            next(subscription)

    await asyncio.to_thread(read_one)
    async with connected(shared_server().url) as nc:
        info = await nc.jetstream().stream_info(env["NATS_STREAM"])
    assert info.state.consumer_count == 0


def test_a_factory_closes_while_the_server_is_away(
    construct: Construct, own_server: LedgerServer
) -> None:
    factory = construct(recorder_env(own_server))
    factory.application_recorder()
    own_server.kill()
    factory.close()


def test_a_mode_or_setting_that_is_missing_stops_the_start(construct: Construct) -> None:
    env = recorder_env(shared_server())
    with pytest.raises(ConfigError):
        construct(env | {"NATS_MODE": "half"})
    for name in ("NATS_URL", "NATS_SEED_FILE", "NATS_STREAM"):
        with pytest.raises(ConfigError):
            construct(env | {name: ""}).application_recorder()


def bound_env(home: RunningHome, role: str, **settings: str) -> dict[str, str]:
    link = home.deployment.link(role, name="test recorder")
    return {
        "PERSISTENCE_MODULE": "infra.ledger.jetstream",
        "NATS_URL": link.url,
        "NATS_ROLE": role,
        "NATS_SEED_FILE": str(link.seed_path),
        "NATS_INBOX_PREFIX": inbox_prefix(role),
        "NATS_STREAM": "LEDGER_x",
        "NATS_MODE": "bound",
        **settings,
    }


def own_event(account: str, n: int) -> StoredEvent:
    body = {"type": "order.accepted", "account": account, "n": n, "event_id": f"e-{account}-{n}"}
    return StoredEvent(account, n, "order.accepted", msgspec.json.encode(body))


async def test_a_bound_ledger_is_written_and_followed_with_the_rights_of_its_roles(
    construct: Construct, tmp_path: Path
) -> None:
    async with running_home(tmp_path) as home:
        worker = construct(
            bound_env(home, worker_role("x"), NATS_CONSUMER="h-a1", NATS_CONSUMER_FILTERED="y")
        )
        projector = construct(bound_env(home, PROJECTOR, NATS_CONSUMER=PROJECTOR))

        def use() -> None:
            recorder = worker.application_recorder()
            events = [own_event("a1", n) for n in range(1, 4)]
            for place, stored in enumerate(events, start=1):
                assert recorder.insert_events([stored]) == [place]
            with pytest.raises(IntegrityError):
                recorder.insert_events([own_event("a1", 3)])
            assert recorder.insert_events([own_event("a2", 1)]) == [4]
            assert recorder.select_events("a1") == events
            assert recorder.select_events("a1", desc=True, limit=1) == events[-1:]

            follower = projector.application_recorder()
            assert follower.max_notification_id() == 4
            assert [item.id for item in follower.select_notifications(2, 2)] == [2, 3]
            with follower.subscribe(gt=1) as subscription:
                found = [next(subscription) for _ in range(3)]
            assert [(item.id, item.originator_id) for item in found] == [
                (2, "a1"),
                (3, "a1"),
                (4, "a2"),
            ]
            for refused in (projector.process_recorder, projector.tracking_recorder):
                with pytest.raises(NotSupportedError):
                    refused()

        await asyncio.wait_for(asyncio.to_thread(use), START_S)
        worker.close()
        projector.close()
