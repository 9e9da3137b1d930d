"""Two thousand broken requests: each gets a proper no, and the broker and its book stay as before.

Seeded; a failure prints its case. The requests are valid ones of every method, spoiled: signature,
envelope, parameters, HTTP itself.
"""

import asyncio
import json
import random
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from tigeropen.common.util.signature_utils import get_sign_content, sign_with_rsa

from infra.sandbox.methods import table
from infra.sandbox.store import BOOK_FILE
from infra.sandbox.wire.envelope import open_envelope
from infra.sandbox.wire.http_server import (
    HOST,
    HttpLimits,
    HttpListener,
    HttpReply,
    HttpRequest,
)
from infra.sandbox.wire.request_journal import TEXT_BYTES_MAX, RequestEntry, RequestJournal
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

SEED = 20_260_105
CASE_COUNT = 2000
REPLY_S_MAX = 10.0
RSS_GROWTH_MAX_KB = 200_000
METHODS = sorted({*table.TEXT_METHODS, *table.OBJECT_METHODS})
HTTP_REFUSALS = frozenset({400, 404, 405, 408, 411, 413, 414, 431, 501, 505})
# Of a text in JSON's place: parameters of which no value below is ever good.
RAW = "@raw@"
BAD_NUMBERS = ("NaN", "-Infinity", "1e400", "1" + "0" * 400, "-1", "[]", "{}", '"many"', "null")
BAD_TEXTS = (
    "null",
    "5",
    "[]",
    "{}",
    '""',
    '"\\u0000"',
    '"𝕏\u202e"',
    '"' + "x" * 100_000 + '"',
    "true",
)
NESTED = (b"[" * 50_000, b'{"a":' * 50_000, b'{"a":' * 900 + b"1" + b"}" * 900, b"[[]" * 9_000)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent, and what must come back."""

    name: str
    sent: bytes
    # Tiger's codes, or an HTTP refusal; what a method that ignores its parameters may answer is 0.
    is_http: bool = False
    codes: frozenset[int] | None = None  # none: any


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it came."""

    status: int
    body: bytes


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        client = started.trade_client()
        for symbol in ("AAPL", "TSLA"):
            order = _order(started) | {"symbol": symbol}
            assert raw_call(client, "place_order", order)["code"] == 0
        yield started


def test_two_thousand_malformed_requests_change_nothing(sandbox: Sandbox) -> None:
    maker = _Maker(sandbox)
    book = sandbox.home / BOOK_FILE
    before, view, rss = book.read_bytes(), _views(sandbox), _rss_kb(sandbox)
    assert before.count(b"\n") > 2, "the book has something to lose"
    kinds = Counter[str]()
    for number in range(CASE_COUNT):
        case = maker.next()
        kinds[case.name.split(":")[0]] += 1
        _check(case, _send(sandbox, case.sent), f"case {number} of seed {SEED}")
        if number % 100 == 0:
            _check_health(sandbox)
    _check_health(sandbox)
    assert book.read_bytes() == before
    assert _views(sandbox) == view
    assert _rss_kb(sandbox) - rss < RSS_GROWTH_MAX_KB
    assert min(kinds.values()) > CASE_COUNT // 20, kinds


def test_two_requests_in_one_write_are_both_answered(sandbox: Sandbox) -> None:
    maker = _Maker(sandbox)
    good = maker.http(maker.envelope("accounts", "{}"))
    replies = _send(sandbox, good + good)
    assert [json.loads(reply.body)["code"] for reply in replies] == [0, 0]


def test_good_request_before_a_broken_one_is_answered(sandbox: Sandbox) -> None:
    maker = _Maker(sandbox)
    good = maker.http(maker.envelope("accounts", "{}"))
    first, second = _send(sandbox, good + b"\x00garbage\r\n\r\n")
    assert (json.loads(first.body)["code"], second.status) == (0, 400)


def test_request_in_chunks_is_answered(sandbox: Sandbox) -> None:
    maker = _Maker(sandbox)
    body = maker.envelope("accounts", "{}")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = b"POST /gateway HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    (reply,) = _send(sandbox, head + chunks)
    assert json.loads(reply.body)["code"] == 0


def test_client_that_waits_for_100_continue_is_told_to_go_on(sandbox: Sandbox) -> None:
    maker = _Maker(sandbox)
    body = maker.envelope("accounts", "{}")
    head = (
        b"POST /gateway HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    with _connected(sandbox) as client, client.makefile("rb") as stream:
        client.sendall(head % len(body))
        assert stream.readline().startswith(b"HTTP/1.1 100")
        assert stream.readline() == b"\r\n"
        client.sendall(body)
        reply = _read_reply(stream)
        assert reply is not None
        assert json.loads(reply.body)["code"] == 0


def test_many_clients_that_say_nothing_leave_the_broker_alive(sandbox: Sandbox) -> None:
    silent = [_connected(sandbox) for _ in range(100)]
    for number, client in enumerate(silent):
        client.sendall(b"POST /gateway HTTP/1.1\r\nHost: x\r\n"[: number % 30])
    _check_health(sandbox)
    for client in silent:
        client.close()
    _check_health(sandbox)


@pytest.mark.parametrize("body", NESTED, ids=["lists", "objects", "closed", "mixed"])
def test_nesting_is_refused_and_not_followed(body: bytes) -> None:
    assert open_envelope(body).fields == {} or b"}" in body


# The server alone, with short limits: what a client may take of it.


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


class _Maker:
    """Makes broken requests, one after the other, from one seed."""

    def __init__(self, sandbox: Sandbox) -> None:
        config = sandbox.config()
        self._key = config.private_key
        self._tiger_id = config.tiger_id
        self._random = random.Random(SEED)
        self._order = _order(sandbox)
        self._makers: tuple[Callable[[], Case], ...] = (
            self._unsigned,
            self._envelope_fields,
            self._no_envelope,
            self._parameters,
            self._order_values,
            self._broken_http,
            self._other_requests,
        )

    def next(self) -> Case:
        return self._random.choice(self._makers)()

    def fields(self, method: str, business: str) -> dict[str, Any]:
        return {
            "tiger_id": self._tiger_id,
            "method": method,
            "charset": "UTF-8",
            "sign_type": "RSA",
            "version": "2.0",
            "timestamp": "2026-01-05 10:00:00",
            "device_id": "02:00:00:00:00:01",
            "biz_content": business,
        }

    def envelope(self, method: str, business: str) -> bytes:
        return self._signed(self.fields(method, business))

    def http(self, body: bytes, *, verb: bytes = b"POST", target: bytes = b"/gateway") -> bytes:
        head = b"%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n"
        return head % (verb, target, len(body)) + body

    def _signed(self, fields: dict[str, Any]) -> bytes:
        sign = sign_with_rsa(self._key, get_sign_content(fields), "UTF-8")
        return json.dumps(fields | {"sign": sign}).encode()

    def _unsigned(self) -> Case:
        fields = self.fields(self._random.choice(METHODS), json.dumps(self._order))
        sign = sign_with_rsa(self._key, get_sign_content(fields), "UTF-8")
        place = self._random.randrange(len(sign) - 4)
        spoiled = self._random.choice(
            (
                sign[:place] + ("A" if sign[place] != "A" else "B") + sign[place + 1 :],
                sign[:place],
                "",
                "é" + sign,
                "?" * 5_000,
                "A" * 600_000,
                [sign],
                None,
                7,
            )
        )
        body = json.dumps(fields | {"sign": spoiled}).encode()
        return Case(
            name=f"signature:{str(spoiled)[:20]}", sent=self.http(body), codes=frozenset({1000})
        )

    def _envelope_fields(self) -> Case:
        fields = self.fields(self._random.choice(METHODS), json.dumps(self._order))
        name = self._random.choice([name for name in fields if name != "biz_content"])
        value: Any = self._random.choice(
            ("", None, 0, 1.5, True, [], {"a": [1]}, "\x00", "x" * 50_000, "2026-13-45 99:99:99")
        )
        fields[name] = value
        if name in ("charset", "sign_type", "version", "device_id") and value:
            # Tiger looks at nothing of these but that they are there, and texts.
            fields["tiger_id"] = "1"
        if name == "device_id":
            fields["method"] = "no_such_method"
        return Case(
            name=f"envelope:{name}", sent=self.http(self._signed(fields)), codes=frozenset({1000})
        )

    def _no_envelope(self) -> Case:
        good = self.envelope(self._random.choice(METHODS), json.dumps(self._order))
        place = self._random.randrange(1, len(good))
        body = self._random.choice(
            (
                good[:place],
                good[:place] + b"\xff\xfe" + good[place:],
                b"\xef\xbb\xbf" + good,
                good + good,
                self._random.randbytes(self._random.randrange(3_000)),
                b"",
                b"null",
                b"[1]",
                b'"text"',
                b"NaN",
                b'{"method":' + b"9" * 5_000 + b"}",
                b'{"method":"\\ud800"}',
                b'{"method":"accounts","method":"accounts"}',
                b"{" + b",".join(b'"a%d":1' % number for number in range(20_000)) + b"}",
                b'{"' + b"k" * 500_000 + b'":1}',
                *NESTED,
            )
        )
        return Case(name=f"json:{body[:20]!r}", sent=self.http(body), codes=frozenset({1000}))

    def _parameters(self) -> Case:
        method = self._random.choice(METHODS)
        business = self._random.choice(
            (
                "",
                "null",
                "[]",
                "7",
                '"text"',
                "{",
                "{'account':1}",
                '{"account":NaN}',
                '{"account":1e999}',
                '{"account":[[[[]]]],"symbols":{"a":1},"symbol":[],"limit":"x","page_token":7}',
                '{"account":"nobody","symbols":["' + "x" * 200_000 + '"]}',
                '{"account":"\\u0000","symbol":"\u202e","lang":"xx"}',
                '{"symbols":[' + ",".join(['"AAPL"'] * 5_000) + "]}",
                '{"symbols":[1,null,{}],"begin_time":"' + "9" * 400 + '"}',
                *(text.decode() for text in NESTED),
            )
        )
        is_order = method in ("place_order", "modify_order", "cancel_order", "order_no")
        return Case(
            name=f"parameters:{method} {business[:40]}",
            sent=self.http(self.envelope(method, business)),
            codes=frozenset({1000, 1010, 1200, 1300}) if is_order else None,
        )

    def _order_values(self) -> Case:
        names = ("account", "symbol", "action", "order_type", "total_quantity", "limit_price")
        name = self._random.choice(names)
        is_number = name in ("total_quantity", "limit_price")
        raw = self._random.choice(BAD_NUMBERS if is_number else BAD_TEXTS)
        business = json.dumps(self._order | {name: RAW}).replace(json.dumps(RAW), raw)
        return Case(
            name=f"order:{name}={raw[:20]}",
            sent=self.http(self.envelope("place_order", business)),
            codes=frozenset({1010, 1200, 1300}),
        )

    def _broken_http(self) -> Case:
        body = self.envelope("place_order", json.dumps(self._order))
        start = b"POST /gateway HTTP/1.1\r\nHost: x\r\n"
        length = b"Content-Length: %d\r\n" % len(body)
        heads = (
            b"\x00\x01\x02\r\n\r\n",
            b"GARBAGE\r\n\r\n",
            b"POST  /gateway HTTP/1.1\r\nHost: x\r\n" + length,
            b"POST /gateway HTTP/9.9\r\nHost: x\r\n" + length,
            b"POST /gate way HTTP/1.1\r\nHost: x\r\n" + length,
            b"P\xd6ST /gateway HTTP/1.1\r\nHost: x\r\n" + length,
            b"POST /gateway HTTP/1.1\r\n" + length,
            start + b"Host: y\r\n" + length,
            start + b"Content-Length: -5\r\n",
            start + b"Content-Length: five\r\n",
            start + b"Content-Length: %d\r\nContent-Length: 3\r\n" % len(body),
            start + b"Content-Length: 99999999999999999999\r\n",
            start + b"Content-Length: 1000001\r\n",
            start + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\nX y\r\n",
            start + b"Transfer-Encoding: gzip\r\n",
            start + b"No colon here\r\n" + length,
            start + b"X-Null: a\x00b\r\n" + length,
            start + b"X: " + b"y" * 100_000 + b"\r\n" + length,
            start + b"X: y\r\n" * 20_000 + length,
            b"POST /" + b"g" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n" + length,
        )
        chunked = start + b"Transfer-Encoding: chunked\r\n\r\n"
        bodies = (
            chunked + b"zz\r\n" + body,
            chunked + b"-1\r\n" + body,
            chunked + b"fffffffffffffffffffff\r\n" + body,
            chunked + b"5;" + b"e" * 100_000 + b"\r\n" + body,
            chunked + b"".join(b"ffff\r\n" + b"x" * 65_535 + b"\r\n" for _ in range(17)),
            # Less than was announced, and then the client has gone.
            start + b"Content-Length: %d\r\n\r\n" % (len(body) + 1) + body,
            start + length + b"\r\n" + body[: self._random.randrange(len(body))],
            start[: self._random.randrange(1, len(start))],
        )
        head_sent = tuple(head + b"\r\n" + body for head in heads)
        sent = self._random.choice(head_sent + bodies)
        return Case(name=f"http:{sent[:60]!r}", sent=sent, is_http=True)

    def _other_requests(self) -> Case:
        body = self._random.choice((b"", b"{}", b"\xff", b"grant_type=x", b"a=1&" * 1_000))
        gateway = (b"GET", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"PATCH", b"TRACE")
        oauth = (b"token", b"register", b"device_authorization", b"revoke")
        if self._random.random() < 0.5:
            sent = self.http(body, verb=self._random.choice(gateway))
        else:
            # An empty registration says nothing wrong.
            sent = self.http(body or b"[]", target=b"/oauth2/" + self._random.choice(oauth))
            sent = sent.replace(b"\r\n\r\n{}", b"\r\n\r\n[]")
        return Case(name=f"other:{sent[:40]!r}", sent=sent, is_http=True)


def _check(case: Case, replies: list[Reply], where: str) -> None:
    assert len(replies) == 1, f"{where}: {len(replies)} replies to {case.name}"
    (reply,) = replies
    if case.is_http:
        is_refused = reply.status in HTTP_REFUSALS or reply.status == 401
        assert is_refused, f"{where}: {reply.status} to {case.name}"
        return
    assert reply.status == 200, f"{where}: {reply.status} to {case.name}"
    answer = json.loads(reply.body)
    assert isinstance(answer["code"], int), f"{where}: {answer} to {case.name}"
    allowed = case.codes
    assert allowed is None or answer["code"] in allowed, f"{where}: {answer} to {case.name}"


def _check_health(sandbox: Sandbox) -> None:
    maker = _Maker(sandbox)
    (reply,) = _send(sandbox, maker.http(maker.envelope("accounts", "{}")))
    assert json.loads(reply.body)["code"] == 0


def _send(sandbox: Sandbox, content: bytes) -> list[Reply]:
    replies: list[Reply] = []
    with _connected(sandbox) as client, client.makefile("rb") as stream:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        while (reply := _read_reply(stream)) is not None:
            replies.append(reply)
    return replies


def _connected(sandbox: Sandbox) -> socket.socket:
    return socket.create_connection((HOST, sandbox.ports.http), timeout=REPLY_S_MAX)


def _read_reply(stream: Any) -> Reply | None:
    start = stream.readline()
    if not start:
        return None
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return Reply(status=int(start.split()[1]), body=stream.read(length))


def _order(sandbox: Sandbox) -> dict[str, object]:
    return {
        "account": sandbox.account(),
        "symbol": "AAPL",
        "sec_type": "STK",
        "order_type": "LMT",
        "action": "BUY",
        "total_quantity": 1,
        "limit_price": 1.0,
        "time_in_force": "DAY",
    }


def _views(sandbox: Sandbox) -> list[Any]:
    accounts = sandbox.control.health().accounts
    return [sandbox.control.book(account) for account in accounts]


def _rss_kb(sandbox: Sandbox) -> int:
    program = shutil.which("ps")
    assert program is not None, "expected the system's ps"
    command = [program, "-o", "rss=", "-p", str(sandbox.ports.pid)]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=10).stdout)
