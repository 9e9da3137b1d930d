"""Broken requests to the sandbox, one after the other from one seed, and how to send them raw.

The requests are valid ones of every method, spoiled: signature, envelope, parameters, HTTP itself.
"""

import json
import random
import socket
from collections.abc import Callable
from typing import Any

import msgspec
from tigeropen.common.util.signature_utils import get_sign_content, sign_with_rsa

from infra.sandbox.methods import table
from infra.sandbox.wire.http_server import HOST
from tests.support.sandbox import Sandbox

SEED = 20_260_105
REPLY_S_MAX = 10.0
METHODS = sorted({*table.TEXT_METHODS, *table.OBJECT_METHODS})
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


class Maker:
    """Makes broken requests, one after the other, from one seed."""

    def __init__(self, sandbox: Sandbox) -> None:
        config = sandbox.config()
        self._key = config.private_key
        self._tiger_id = config.tiger_id
        self._random = random.Random(SEED)
        self._order = order_of(sandbox)
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
        """Return the next broken request, of a kind by chance."""
        return self._random.choice(self._makers)()

    def fields(self, method: str, business: str) -> dict[str, Any]:
        """Return the envelope of a good request but for its signature."""
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
        """Return a good request's body, signed."""
        return self._signed(self.fields(method, business))

    def http(self, body: bytes, *, verb: bytes = b"POST", target: bytes = b"/gateway") -> bytes:
        """Return a body as an HTTP request."""
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


def send(sandbox: Sandbox, content: bytes) -> list[Reply]:
    """Send bytes on a connection of their own, and return every reply until it is closed."""
    replies: list[Reply] = []
    with connected(sandbox) as client, client.makefile("rb") as stream:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        while (reply := read_reply(stream)) is not None:
            replies.append(reply)
    return replies


def connected(sandbox: Sandbox) -> socket.socket:
    """Open a connection to the sandbox."""
    return socket.create_connection((HOST, sandbox.ports.http), timeout=REPLY_S_MAX)


def read_reply(stream: Any) -> Reply | None:
    """Read one reply; none where the connection is closed."""
    start = stream.readline()
    if not start:
        return None
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return Reply(status=int(start.split()[1]), body=stream.read(length))


def order_of(sandbox: Sandbox) -> dict[str, object]:
    """Return the parameters of a good order."""
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
