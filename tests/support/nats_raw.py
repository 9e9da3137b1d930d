"""A NATS client that checks nothing, for what a proper client would refuse to send."""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Final, NamedTuple

import nkeys

_WAIT_LIMIT_S: Final = 30.0


class RawMessage(NamedTuple):
    """A message as it arrived."""

    subject: str
    reply: str
    headers: bytes
    body: bytes


class RawClient:
    """One connection; it reads only while `settle` runs."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._subscriptions = 0
        self.messages: list[RawMessage] = []
        self.errors: list[str] = []

    @classmethod
    async def connect(cls, port: int, seed: bytes) -> "RawClient":
        """Connect with an nkey."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        info = json.loads((await reader.readline()).removeprefix(b"INFO "))
        key = nkeys.from_seed(seed.strip())
        options = {
            "verbose": False,
            "pedantic": False,
            "headers": True,
            "no_responders": True,
            "protocol": 1,
            "lang": "raw",
            "version": "0",
            "nkey": key.public_key.decode(),
            "sig": base64.urlsafe_b64encode(key.sign(info["nonce"].encode())).decode().rstrip("="),
        }
        writer.write(b"CONNECT " + json.dumps(options).encode() + b"\r\n")
        client = cls(reader, writer)
        await client.settle()
        return client

    def publish(
        self, subject: str, *, reply: str = "", headers: Mapping[str, str] = {}, body: bytes = b""
    ) -> None:
        """Send a message as it is."""
        to = f"{subject} {reply}".strip()
        if headers:
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            block = f"NATS/1.0\r\n{lines}\r\n".encode()
            self._send(f"HPUB {to} {len(block)} {len(block) + len(body)}", block + body)
        else:
            self._send(f"PUB {to} {len(body)}", body)

    def subscribe(self, subject: str) -> None:
        """Ask for a subject."""
        self._subscriptions += 1
        self._writer.write(f"SUB {subject} {self._subscriptions}\r\n".encode())

    async def settle(self) -> None:
        """Read until the server has handled all that was sent."""
        self._writer.write(b"PING\r\n")
        async with asyncio.timeout(_WAIT_LIMIT_S):
            await self._writer.drain()
            while (line := (await self._reader.readline()).strip()) != b"PONG":
                await self._take(line)

    async def close(self) -> None:
        """Cut the connection."""
        self._writer.close()
        await self._writer.wait_closed()

    async def _take(self, line: bytes) -> None:
        match line.split():
            case [b"MSG", subject, _, *reply, size]:
                body = (await self._reader.readexactly(int(size) + 2))[:-2]
                self._keep(subject, reply, b"", body)
            case [b"HMSG", subject, _, *reply, header_size, size]:
                block = (await self._reader.readexactly(int(size) + 2))[:-2]
                self._keep(subject, reply, block[: int(header_size)], block[int(header_size) :])
            case [b"-ERR", *_]:
                self.errors.append(line.decode())
            case [b"PING"]:
                self._writer.write(b"PONG\r\n")
            case []:
                raise ConnectionError(f"expected an open connection, was closed: {self.errors}")
            case _:
                assert line.startswith((b"INFO", b"+OK")), line

    def _keep(self, subject: bytes, reply: list[bytes], headers: bytes, body: bytes) -> None:
        self.messages.append(
            RawMessage(subject.decode(), reply[0].decode() if reply else "", headers, body)
        )

    def _send(self, command: str, payload: bytes) -> None:
        self._writer.write(command.encode() + b"\r\n" + payload + b"\r\n")
