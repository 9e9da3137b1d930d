"""Two thousand broken requests: each gets a proper no, and the broker and its book stay as before.

Seeded; a failure prints its case.
"""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from infra.sandbox.store import BOOK_FILE
from infra.sandbox.wire.envelope import open_envelope
from tests.support.malformed import (
    NESTED,
    SEED,
    Case,
    Maker,
    Reply,
    connected,
    order_of,
    read_reply,
    send,
)
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

CASE_COUNT = 2000
RSS_GROWTH_MAX_KB = 200_000
HTTP_REFUSALS = frozenset({400, 404, 405, 408, 411, 413, 414, 431, 501, 505})


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        client = started.trade_client()
        for symbol in ("AAPL", "TSLA"):
            order = order_of(started) | {"symbol": symbol}
            assert raw_call(client, "place_order", order)["code"] == 0
        yield started


def test_two_thousand_malformed_requests_change_nothing(sandbox: Sandbox) -> None:
    maker = Maker(sandbox)
    book = sandbox.home / BOOK_FILE
    before, view, rss = book.read_bytes(), _views(sandbox), _rss_kb(sandbox)
    assert before.count(b"\n") > 2, "the book has something to lose"
    kinds = Counter[str]()
    for number in range(CASE_COUNT):
        case = maker.next()
        kinds[case.name.split(":")[0]] += 1
        _check(case, send(sandbox, case.sent), f"case {number} of seed {SEED}")
        if number % 100 == 0:
            _check_health(sandbox)
    _check_health(sandbox)
    assert book.read_bytes() == before
    assert _views(sandbox) == view
    assert _rss_kb(sandbox) - rss < RSS_GROWTH_MAX_KB
    assert min(kinds.values()) > CASE_COUNT // 20, kinds


def test_two_requests_in_one_write_are_both_answered(sandbox: Sandbox) -> None:
    maker = Maker(sandbox)
    good = maker.http(maker.envelope("accounts", "{}"))
    replies = send(sandbox, good + good)
    assert [json.loads(reply.body)["code"] for reply in replies] == [0, 0]


def test_good_request_before_a_broken_one_is_answered(sandbox: Sandbox) -> None:
    maker = Maker(sandbox)
    good = maker.http(maker.envelope("accounts", "{}"))
    first, second = send(sandbox, good + b"\x00garbage\r\n\r\n")
    assert (json.loads(first.body)["code"], second.status) == (0, 400)


def test_request_in_chunks_is_answered(sandbox: Sandbox) -> None:
    maker = Maker(sandbox)
    body = maker.envelope("accounts", "{}")
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = b"POST /gateway HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    (reply,) = send(sandbox, head + chunks)
    assert json.loads(reply.body)["code"] == 0


def test_client_that_waits_for_100_continue_is_told_to_go_on(sandbox: Sandbox) -> None:
    maker = Maker(sandbox)
    body = maker.envelope("accounts", "{}")
    head = (
        b"POST /gateway HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    )
    with connected(sandbox) as client, client.makefile("rb") as stream:
        client.sendall(head % len(body))
        assert stream.readline().startswith(b"HTTP/1.1 100")
        assert stream.readline() == b"\r\n"
        client.sendall(body)
        reply = read_reply(stream)
        assert reply is not None
        assert json.loads(reply.body)["code"] == 0


def test_many_clients_that_say_nothing_leave_the_broker_alive(sandbox: Sandbox) -> None:
    silent = [connected(sandbox) for _ in range(100)]
    for number, client in enumerate(silent):
        client.sendall(b"POST /gateway HTTP/1.1\r\nHost: x\r\n"[: number % 30])
    _check_health(sandbox)
    for client in silent:
        client.close()
    _check_health(sandbox)


@pytest.mark.parametrize("body", NESTED, ids=["lists", "objects", "closed", "mixed"])
def test_nesting_is_refused_and_not_followed(body: bytes) -> None:
    assert open_envelope(body).fields == {} or b"}" in body


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
    maker = Maker(sandbox)
    (reply,) = send(sandbox, maker.http(maker.envelope("accounts", "{}")))
    assert json.loads(reply.body)["code"] == 0


def _views(sandbox: Sandbox) -> list[Any]:
    accounts = sandbox.control.health().accounts
    return [sandbox.control.book(account) for account in accounts]


def _rss_kb(sandbox: Sandbox) -> int:
    program = shutil.which("ps")
    assert program is not None, "expected the system's ps"
    command = [program, "-o", "rss=", "-p", str(sandbox.ports.pid)]
    return int(subprocess.run(command, capture_output=True, check=True, timeout=10).stdout)
