"""Reading a ledger on a real server: catching up, following, holes, and other people's hands."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client

from core.errors import CorruptRecordError, LinkError
from core.subjects import history_consumer
from infra.ledger.history import LedgerReader
from infra.ledger.pull import Pull
from infra.ledger.record import StoredRecord
from tests.support.ledger import (
    PROJECTOR,
    LedgerServer,
    api,
    connected,
    delete_message,
    event_body,
    fresh_stream,
    make_ledger,
    shared_server,
)

WAIT_S = 30.0


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[LedgerServer]:
    """Yield a server that the test may kill."""
    server = LedgerServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


async def ledger_of_one(nc: Client, *, is_erasable: bool = False) -> tuple[str, str]:
    """Make a ledger on a shared server; return its stream and its only account."""
    account = fresh_stream().lower()
    stream = await make_ledger(
        nc, login=fresh_stream(), accounts=(account,), is_erasable=is_erasable
    )
    return stream, account


async def fill(nc: Client, account: str, numbers: range) -> None:
    """Store events e-<number>, in order."""
    subject = f"log.{account}.order.accepted"
    # Each is synced to the disk by itself, and all of a group must be within the limit.
    for start in range(numbers.start, numbers.stop, 100):
        await asyncio.gather(
            *(
                nc.request(subject, event_body(f"e-{number}"), timeout=WAIT_S)
                for number in range(start, min(start + 100, numbers.stop))
            )
        )


def bodies(numbers: range) -> list[bytes]:
    return [event_body(f"e-{number}") for number in numbers]


async def take(records: AsyncIterator[StoredRecord], count: int) -> list[StoredRecord]:
    """Return the next records, within the limit."""
    taken: list[StoredRecord] = []
    async with asyncio.timeout(WAIT_S):
        while len(taken) < count:
            taken.append(await anext(records))
    return taken


async def read_into(seen: list[int], reader: LedgerReader) -> None:
    """Read everything, and remember the sequences also when the reading fails."""
    async for record in reader.read_all():
        seen.append(record.sequence)


async def reset(nc: Client, stream: str, consumer: str, sequence: int) -> None:
    """Rewind a consumer behind its reader's back."""
    await api(nc, f"CONSUMER.RESET.{stream}.{consumer}", {"seq": sequence})


async def test_everything_is_read_in_order_and_the_end_is_noticed() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        await fill(nc, account, range(2_500))
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        records = [record async for record in reader.read_all()]
        assert [record.body for record in records] == bodies(range(2_500))
        assert [record.sequence for record in records] == list(range(1, 2_501))
        assert {record.stream for record in records} == {stream}
        assert records[0].time <= records[-1].time
        assert reader.pending == 0
        rest = [record.sequence async for record in reader.read_all(2_490)]
        assert rest == list(range(2_491, 2_501))
        assert [record async for record in reader.read_all(2_500)] == []


async def test_large_events_come_in_several_requests() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        # Together more than four requests may bring; a lost one would cost a silence each.
        large = [event_body(f"e-{number}", size=900_000) for number in range(36)]
        for body in large:
            await nc.request(f"log.{account}.order.accepted", body, timeout=WAIT_S)
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        async with asyncio.timeout(WAIT_S):
            assert [record.body async for record in reader.read_all()] == large


async def test_an_empty_ledger_ends_at_once() -> None:
    async with connected(shared_server().url) as nc:
        stream, _ = await ledger_of_one(nc)
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        assert [record async for record in reader.read_all()] == []


async def test_an_account_reads_its_own_line_alone() -> None:
    async with connected(shared_server().url) as nc:
        one, two = fresh_stream().lower(), fresh_stream().lower()
        stream = await make_ledger(nc, login=fresh_stream(), accounts=(one, two))
        await fill(nc, one, range(3))
        await fill(nc, two, range(3, 5))
        await fill(nc, one, range(5, 8))
        reader = LedgerReader(nc, stream=stream, consumer=history_consumer(one), is_filtered=True)
        records = [record async for record in reader.read_all()]
        assert [record.sequence for record in records] == [1, 2, 3, 6, 7, 8]


async def test_a_follower_gets_what_comes_later() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        await fill(nc, account, range(3))
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        async with aclosing(reader.follow(1)) as records:
            assert [record.sequence for record in await take(records, 2)] == [2, 3]
            later = asyncio.create_task(take(records, 1))
            await fill(nc, account, range(3, 4))
            assert [record.sequence for record in await later] == [4]


async def test_a_follower_goes_on_after_a_restart(own_server: LedgerServer) -> None:
    async with connected(own_server.url) as nc, connected(own_server.url) as writer:
        stream = await make_ledger(nc)
        await fill(writer, "a1", range(10))
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        async with aclosing(reader.follow()) as records:
            seen = await take(records, 10)
            for first in (10, 20):
                waiting = asyncio.create_task(anext_of(records))
                await asyncio.to_thread(own_server.kill)
                await asyncio.to_thread(own_server.start)
                async with connected(own_server.url) as fresh:
                    await fill(fresh, "a1", range(first, first + 10))
                seen.append(await asyncio.wait_for(waiting, WAIT_S))
                seen += await take(records, 9)
            assert [record.body for record in seen] == bodies(range(30))


async def anext_of(records: AsyncIterator[StoredRecord]) -> StoredRecord:
    return await anext(records)


async def test_a_hole_in_the_ledger_is_no_ledger() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc, is_erasable=True)
        await fill(nc, account, range(6))
        await delete_message(nc, stream, 4)
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        seen: list[int] = []
        with pytest.raises(CorruptRecordError):
            await read_into(seen, reader)
        assert seen == [1, 2, 3]


async def test_a_ledger_that_begins_late_is_no_ledger() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc, is_erasable=True)
        await fill(nc, account, range(3))
        await delete_message(nc, stream, 1)
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        with pytest.raises(CorruptRecordError):
            await anext(reader.read_all())


async def test_a_ledger_without_our_position_is_not_the_one_we_read() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        await fill(nc, account, range(3))
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        with pytest.raises(CorruptRecordError):
            await anext(reader.follow(9))


@pytest.mark.parametrize("sequence", (1, 3, 8, 20))
@pytest.mark.parametrize("is_filtered", (False, True))
async def test_a_rewind_by_somebody_else_is_noticed_and_healed(
    sequence: int, is_filtered: bool
) -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        consumer = history_consumer(account) if is_filtered else PROJECTOR
        await fill(nc, account, range(5))
        reader = LedgerReader(nc, stream=stream, consumer=consumer, is_filtered=is_filtered)
        async with aclosing(reader.follow()) as records:
            seen = await take(records, 5)
            await reset(nc, stream, consumer, sequence)
            await fill(nc, account, range(5, 10))
            seen += await take(records, 5)
            assert [record.body for record in seen] == bodies(range(10))


@pytest.mark.parametrize("count", (6, 30))
async def test_records_taken_by_somebody_else_are_noticed_and_read_again(count: int) -> None:
    async with connected(shared_server().url) as nc, connected(shared_server().url) as other:
        stream, account = await ledger_of_one(nc)
        await fill(nc, account, range(2))
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        async with aclosing(reader.follow()) as records:
            seen = await take(records, 2)
            # Rewound, so that the thief's pull is answered before ours, which still waits.
            await reset(other, stream, PROJECTOR, 3)
            thief = await other.subscribe(inbox := other.new_inbox())
            pull = msgspec.json.encode({"batch": 2, "expires": 3_000_000_000})
            for _ in range(8):
                await other.publish(
                    f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{PROJECTOR}", pull, reply=inbox
                )
            await other.flush()
            await fill(nc, account, range(2, count))
            seen += await take(records, count - 2)
            assert [record.body for record in seen] == bodies(range(count))
            assert thief.delivered > 0


async def test_a_request_that_runs_out_is_replaced_without_a_rewind() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        requests = await nc.subscribe(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{PROJECTOR}")
        pull = await Pull.open(nc, stream=stream, consumer=PROJECTOR, pending=0, expires_s=1.0)
        taking = asyncio.create_task(pull.take())
        for _ in range(3):
            await requests.next_msg(timeout=WAIT_S)
        await fill(nc, account, range(1))
        deliveries = await asyncio.wait_for(taking, WAIT_S)
        assert [delivery.record.sequence for delivery in deliveries] == [1]
        await pull.close()


async def test_a_newer_reading_ends_the_older_one() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        await fill(nc, account, range(3))
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR)
        async with aclosing(reader.follow()) as older:
            await take(older, 3)
            assert len([record async for record in reader.read_all()]) == 3
            with pytest.raises(LinkError):
                await take(older, 1)


async def test_a_missing_consumer_ends_the_reading() -> None:
    async with connected(shared_server().url) as nc:
        stream, _ = await ledger_of_one(nc)
        reader = LedgerReader(nc, stream=stream, consumer="nobody", rewind_wait_s=0.2)
        with pytest.raises(LinkError):
            await anext(reader.follow())


async def test_what_the_check_refuses_stops_the_reading_after_what_it_passed() -> None:
    checked: list[int] = []

    def refuse_the_third(record: StoredRecord) -> None:
        checked.append(record.sequence)
        if record.sequence == 3:
            raise CorruptRecordError("expected another body")

    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        await fill(nc, account, range(5))
        reader = LedgerReader(nc, stream=stream, consumer=PROJECTOR, check=refuse_the_third)
        seen: list[int] = []
        with pytest.raises(CorruptRecordError):
            await read_into(seen, reader)
        assert (seen, checked) == ([1, 2], [1, 2, 3])


async def test_a_check_sees_each_record_once_whatever_happens() -> None:
    checked: list[int] = []
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        await fill(nc, account, range(2_500))
        reader = LedgerReader(
            nc,
            stream=stream,
            consumer=PROJECTOR,
            check=lambda record: checked.append(record.sequence),
        )
        async with aclosing(reader.batches(0, until_caught_up=True)) as batches:
            async for batch in batches:
                if batch[0].sequence == 1:
                    await reset(nc, stream, PROJECTOR, 700)
        assert checked == list(range(1, 2_501))
