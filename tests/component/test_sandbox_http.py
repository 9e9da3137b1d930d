"""The sandbox's HTTP server alone, with short limits: what a client may take of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from infra.sandbox.wire.http_server import HOST, HttpLimits, HttpListener, HttpReply, HttpRequest
from infra.sandbox.wire.request_journal import TEXT_BYTES_MAX, RequestEntry, RequestJournal
from tests.support.malformed import REPLY_S_MAX


@asynccontextmanager
async def listening(limits: HttpLimits) -> AsyncIterator[HttpListener]:
    async def handle(request: HttpRequest) -> HttpReply:
        return HttpReply(body=request.body)

    listener = HttpListener(handle, limits)
    await listener.open(0)
    try:
        yield listener
    finally:
        await listener.close()


async def answer_to(listener: HttpListener, content: bytes) -> bytes:
    async with asyncio.timeout(REPLY_S_MAX):
        reader, writer = await asyncio.open_connection(HOST, listener.port)
        try:
            writer.write(content)
            return await reader.read()
        finally:
            writer.close()


@pytest.mark.parametrize(
    "content",
    [
        b"POST /gateway HTT",
        b"POST /gateway HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab",
        b"POST /gateway HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=["head", "body", "chunk"],
)
async def test_request_that_never_ends_is_cut_off(content: bytes) -> None:
    async with listening(HttpLimits(request_s_max=0.05)) as listener:
        assert (await answer_to(listener, content)).startswith(b"HTTP/1.1 408 ")


async def test_request_that_drips_is_cut_off_however_often_it_sends() -> None:
    async with listening(HttpLimits(request_s_max=0.05)) as listener:
        reader, writer = await asyncio.open_connection(HOST, listener.port)
        answer = asyncio.ensure_future(reader.read())
        async with asyncio.timeout(REPLY_S_MAX):
            writer.write(b"POST /gateway HTTP/1.1\r\nHost: x\r\n")
            while not answer.done():
                writer.write(b"X: y\r\n")
                await asyncio.wait([answer], timeout=0.001)
        writer.close()
        assert (await answer).startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 431 "))


async def test_connection_that_is_idle_is_closed_without_a_word() -> None:
    async with listening(HttpLimits(idle_s_max=0.05)) as listener:
        assert await answer_to(listener, b"") == b""
        one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
        assert (await answer_to(listener, one)).endswith(b"\r\n\r\nok")


async def test_clients_beyond_the_limit_are_turned_away() -> None:
    async with listening(HttpLimits(connection_count_max=2)) as listener:
        first = await asyncio.open_connection(HOST, listener.port)
        second = await asyncio.open_connection(HOST, listener.port)
        one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok"
        for reader, writer in (first, second):
            writer.write(one)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await answer_to(listener, b"") == b""
        for _, writer in (first, second):
            writer.close()


def test_journal_forgets_the_oldest_of_too_much_text_and_of_too_many_names() -> None:
    journal = RequestJournal()
    for number in range(1, 1501):
        journal.arrived(
            RequestEntry(
                number=number,
                received_at=datetime(2026, 1, 5, tzinfo=UTC),
                tiger_id="",
                account="",
                method=f"name {number}",
                biz_content="x" * 100_000,
                fault=None,
            )
        )
    kept = journal.entries()
    assert sum(len(entry.biz_content) for entry in kept) <= TEXT_BYTES_MAX
    assert kept[-1].number == journal.count() == 1500
    assert journal.count("name 1") == 1
    assert journal.count("name 1500") == 0
    assert journal.count("") == 500
