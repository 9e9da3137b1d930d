"""Appending to a ledger on a real server: races, lost answers, crashes."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from core.errors import AppendUnknownError, LinkError, VersionConflictError
from core.subjects import ledger_stream
from infra.ledger.append import AccountWriter, Appended
from infra.ledger.history import LedgerReader
from tests.support.ledger import (
    LedgerServer,
    connected,
    event_body,
    fresh_stream,
    make_ledger,
    proxied,
    shared_server,
    stored_count,
)

WAIT_S = 30.0
RACES = 60
WRITERS = 8
SUBJECT = "log.{account}.order.accepted"


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[LedgerServer]:
    """Yield a server that the test may kill."""
    server = LedgerServer(tmp_path / "server")
    server.start()
    yield server
    server.kill()


async def ledger_of_one(nc: Client) -> tuple[str, str]:
    """Make a ledger on the shared server; return its stream and its only account."""
    account = fresh_stream().lower()
    return await make_ledger(nc, login=fresh_stream(), accounts=(account,)), account


async def append(
    writer: AccountWriter, account: str, event_id: str, expected: int, *, deadline_s: float = WAIT_S
) -> Appended:
    return await writer.append(
        subject=SUBJECT.format(account=account),
        body=event_body(event_id),
        event_id=event_id,
        expected_sequence=expected,
        deadline_s=deadline_s,
    )


async def event_ids(nc: Client, stream: str) -> list[bytes]:
    reader = LedgerReader(nc, stream=stream, consumer="projector")
    return [record.body async for record in reader.read_all()]


async def test_of_eight_writers_for_one_place_exactly_one_wins() -> None:
    url = shared_server().url
    async with connected(url) as first, connected(url) as second:
        stream, account = await ledger_of_one(first)
        writers = [AccountWriter(nc, stream=stream, account=account) for nc in (first, second) * 4]
        assert len(writers) == WRITERS
        expected = 0
        for race in range(RACES):
            outcomes = await asyncio.gather(
                *(
                    append(writer, account, f"e-{race}-{place}", expected)
                    for place, writer in enumerate(writers)
                ),
                return_exceptions=True,
            )
            won = [outcome for outcome in outcomes if isinstance(outcome, Appended)]
            lost = [outcome for outcome in outcomes if isinstance(outcome, VersionConflictError)]
            assert (len(won), len(lost)) == (1, WRITERS - 1)
            assert won[0] == Appended(sequence=race + 1, clean=True)
            expected = won[0].sequence
        assert await stored_count(first, stream) == RACES


async def test_a_stale_writer_is_stopped_by_any_event_of_its_account() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        stale = AccountWriter(nc, stream=stream, account=account)
        fresh = AccountWriter(nc, stream=stream, account=account)
        first = await append(stale, account, "e-1", 0)
        await fresh.append(
            subject=f"log.{account}.account.halted",
            body=event_body("e-2"),
            event_id="e-2",
            expected_sequence=first.sequence,
            deadline_s=WAIT_S,
        )
        with pytest.raises(VersionConflictError):
            await append(stale, account, "e-3", first.sequence)
        tail = await stale.read_tail()
        assert tail is not None
        assert (tail.sequence, tail.body) == (2, event_body("e-2"))


async def test_other_accounts_of_the_login_do_not_disturb() -> None:
    async with connected(shared_server().url) as nc:
        one, two = fresh_stream().lower(), fresh_stream().lower()
        stream = await make_ledger(nc, login=fresh_stream(), accounts=(one, two))
        writer = AccountWriter(nc, stream=stream, account=one)
        other = AccountWriter(nc, stream=stream, account=two)
        assert await append(writer, one, "e-1", 0) == Appended(sequence=1, clean=True)
        assert await append(other, two, "f-1", 0) == Appended(sequence=2, clean=True)
        assert await append(writer, one, "e-2", 1) == Appended(sequence=3, clean=True)


async def test_tail_of_an_empty_line_is_none() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        assert await AccountWriter(nc, stream=stream, account=account).read_tail() is None


async def test_own_event_behind_a_conflict_counts_as_stored() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        writer = AccountWriter(nc, stream=stream, account=account)
        assert await append(writer, account, "e-1", 0) == Appended(sequence=1, clean=True)
        assert await append(writer, account, "e-1", 0) == Appended(sequence=1, clean=False)
        assert await stored_count(nc, stream) == 1


async def test_lost_ack_is_resolved_and_the_event_stored_once() -> None:
    server = shared_server()
    async with connected(server.url) as direct, proxied(server) as proxy:
        stream, account = await ledger_of_one(direct)
        async with connected(proxy.url) as nc:
            writer = AccountWriter(nc, stream=stream, account=account)
            await append(writer, account, "e-1", 0)
            proxy.lose_answers()
            appending = asyncio.create_task(append(writer, account, "e-2", 1))
            await asyncio.wait_for(proxy.lost.wait(), WAIT_S)
            proxy.mend()
            assert await asyncio.wait_for(appending, WAIT_S) == Appended(sequence=2, clean=False)
            assert await append(writer, account, "e-3", 2) == Appended(sequence=3, clean=True)
        assert await event_ids(direct, stream) == [event_body(f"e-{n}") for n in (1, 2, 3)]


async def test_an_event_stored_at_the_second_try_is_not_clean() -> None:
    async with connected(shared_server().url) as nc:
        account, login = fresh_stream().lower(), fresh_stream()
        subject = SUBJECT.format(account=account)
        first_try = await nc.subscribe(subject)
        writer = AccountWriter(nc, stream=ledger_stream(login), account=account)
        appending = asyncio.create_task(append(writer, account, "e-1", 0))
        await first_try.next_msg(timeout=WAIT_S)
        await make_ledger(nc, login=login, accounts=(account,))
        assert await asyncio.wait_for(appending, WAIT_S) == Appended(sequence=1, clean=False)


async def test_no_answer_at_all_is_unknown_and_a_later_try_finds_the_event() -> None:
    server = shared_server()
    async with connected(server.url) as direct, proxied(server) as proxy:
        stream, account = await ledger_of_one(direct)
        async with connected(proxy.url) as nc:
            writer = AccountWriter(nc, stream=stream, account=account)
            proxy.lose_answers()
            with pytest.raises(AppendUnknownError):
                await append(writer, account, "e-1", 0, deadline_s=0.3)
            proxy.mend()
            assert await append(writer, account, "e-1", 0) == Appended(sequence=1, clean=False)
        assert await stored_count(direct, stream) == 1


async def test_a_duplicate_ack_is_believed_only_after_reading_back() -> None:
    server = shared_server()
    async with connected(server.url) as direct, proxied(server) as proxy:
        stream, account = await ledger_of_one(direct)
        async with connected(proxy.url) as nc:
            writer = AccountWriter(nc, stream=stream, account=account)
            await writer.read_tail()  # the inbox of requests stands before the bytes are changed
            proxy.rewrite = acks_become_duplicates
            assert await append(writer, account, "e-1", 0) == Appended(sequence=1, clean=False)


async def test_a_duplicate_ack_of_nothing_stored_is_no_success() -> None:
    async with connected(shared_server().url) as nc:
        stream, _ = await ledger_of_one(nc)
        account = fresh_stream().lower()  # no stream captures its subjects; we answer instead

        async def answer(message: Msg) -> None:
            await message.respond(b'{"stream":"%s","seq":7,"duplicate":true}' % stream.encode())

        await nc.subscribe(f"log.{account}.>", cb=answer)
        writer = AccountWriter(nc, stream=stream, account=account)
        with pytest.raises(AppendUnknownError):
            await append(writer, account, "e-1", 0, deadline_s=0.5)


async def test_a_full_ledger_refuses_at_once() -> None:
    async with connected(shared_server().url) as nc:
        account = fresh_stream().lower()
        stream = await make_ledger(nc, login=fresh_stream(), accounts=(account,), bytes_max=2_000)
        writer = AccountWriter(nc, stream=stream, account=account)
        with pytest.raises(LinkError):
            await writer.append(
                subject=SUBJECT.format(account=account),
                body=event_body("e-1", size=5_000),
                event_id="e-1",
                expected_sequence=0,
                deadline_s=WAIT_S,
            )
        assert await append(writer, account, "e-2", 0) == Appended(sequence=1, clean=True)


async def test_an_event_without_its_id_or_of_another_account_is_not_sent() -> None:
    async with connected(shared_server().url) as nc:
        stream, account = await ledger_of_one(nc)
        writer = AccountWriter(nc, stream=stream, account=account)
        with pytest.raises(ValueError, match="holds its id"):
            await append(writer, "somebody-else", "e-1", 0)
        assert await stored_count(nc, stream) == 0


async def test_acknowledged_events_survive_kills_exactly_once(own_server: LedgerServer) -> None:
    kills = 3
    events_between_kills = 150
    async with connected(own_server.url) as nc:
        stream = await make_ledger(nc, accounts=("a1",))
        writer = AccountWriter(nc, stream=stream, account="a1")
        stored: list[str] = []
        reached = asyncio.Event()

        async def write_all() -> None:
            expected = 0
            for number in range((kills + 1) * events_between_kills):
                event_id = f"e-{number}"
                done = await append(writer, "a1", event_id, expected, deadline_s=30.0)
                stored.append(event_id)
                expected = done.sequence
                if number % events_between_kills == events_between_kills - 1:
                    reached.set()

        writing = asyncio.create_task(write_all())
        for _ in range(kills):
            await asyncio.wait_for(reached.wait(), 30.0)
            reached.clear()
            await asyncio.to_thread(own_server.kill)
            await asyncio.to_thread(own_server.start)
        await asyncio.wait_for(writing, 30.0)
        assert await event_ids(nc, stream) == [event_body(event_id) for event_id in stored]
        assert len(stored) == (kills + 1) * events_between_kills


def acks_become_duplicates(data: bytes) -> bytes:
    """Return the server's bytes with every plain ack marked as a duplicate."""

    def mark(found: re.Match[bytes]) -> bytes:
        body = found[3].replace(b"}", b',"duplicate":true}')
        return b"%s%d\r\n%s" % (found[1], len(body), body)

    return re.sub(rb'(MSG \S+ \d+ )(\d+)\r\n(\{"stream":"[^"]*","seq":\d+\})', mark, data)
