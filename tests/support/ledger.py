"""Ledgers for tests: a real nats-server, streams and consumers as the provisioner makes them."""

import asyncio
import atexit
import functools
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import nats
import nkeys
from nats.aio.client import Client

from core.subjects import history_consumer, ledger_stream, log_wildcard
from infra.ledger.calls import close_client
from infra.nats.monitor import wait_until
from infra.nats.server import find_binary

START_WAIT_S: Final = 30.0
LOGIN: Final = "x"
PROJECTOR: Final = "projector"


class LedgerServer:
    """One plain nats-server with `sync_interval: always` that can be killed and started again."""

    def __init__(self, root: Path) -> None:
        self._root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        root.mkdir(parents=True, exist_ok=True)
        self._config = root / "nats.conf"
        # A server without accounts asks for no key; the persistence module always brings one.
        self.seed_path = root / "test.seed"
        self.seed_path.write_bytes(
            nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)
        )
        self._config.write_text(
            f"listen: 127.0.0.1:{self.port}\n"
            f'jetstream {{ store_dir: "{(root / "js").as_posix()}", sync_interval: always }}\n'
        )

    @property
    def url(self) -> str:
        """Return the address for clients."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        with (self._root / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(find_binary()), "-c", str(self._config)], stdout=log, stderr=log
            )
        process = self._process
        wait_until(lambda: process.poll() is not None or self._answers(), limit_s=START_WAIT_S)
        if not self._answers():
            raise RuntimeError((self._root / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        """End the server as a power cut of the process would: no flush, no goodbye."""
        if self._process is not None:
            self._process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
            self._process.wait(START_WAIT_S)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                return probe.recv(4) == b"INFO"
        except OSError:
            return False


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """Yield a client that reconnects fast and for ever, and closes at the end."""

    async def ignore(_: Exception) -> None:
        """Outages are what these tests are about; the client's report of them is noise."""

    nc = await nats.connect(
        url,
        error_cb=ignore,
        allow_reconnect=True,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,
        connect_timeout=2,
    )
    try:
        yield nc
    finally:
        await close_client(nc)


class Proxy:
    """A relay in front of a server that can lose or change what the server says."""

    def __init__(self, server: LedgerServer) -> None:
        self._server_port = server.port
        self._listener: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.url = ""
        # What to pass on instead of some bytes from the server.
        self.rewrite: Callable[[bytes], bytes] = _unchanged
        self.lost = asyncio.Event()

    async def start(self) -> None:
        """Listen on a free port."""
        self._listener = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"nats://127.0.0.1:{port}"

    def lose_answers(self) -> None:
        """Swallow everything from the server, until `mend`."""

        def swallow(_: bytes) -> bytes:
            self.lost.set()
            return b""

        self.lost.clear()
        self.rewrite = swallow

    def mend(self) -> None:
        """Break the connections that lost bytes; new ones pass everything."""
        self.rewrite = _unchanged
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def close(self) -> None:
        """Close every connection and the listener."""
        self.mend()
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers += [writer, downstream]
        for source, sink, changes in ((reader, downstream, False), (upstream, writer, True)):
            task = asyncio.create_task(self._pump(source, sink, changes=changes))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, changes: bool
    ) -> None:
        try:
            while data := await source.read(64 * 1024):
                sink.write(self.rewrite(data) if changes else data)
                await sink.drain()
        except ConnectionError:
            return  # the other side is gone; so is this one
        finally:
            sink.close()


def _unchanged(data: bytes) -> bytes:
    return data


@asynccontextmanager
async def proxied(server: LedgerServer) -> AsyncIterator[Proxy]:
    """Yield a relay in front of a server."""
    proxy = Proxy(server)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


async def make_ledger(
    nc: Client,
    *,
    login: str = LOGIN,
    accounts: tuple[str, ...] = ("a1",),
    is_erasable: bool = False,
    bytes_max: int = -1,
) -> str:
    """Make a login's ledger with its consumers, as the provisioner does; return the stream.

    An erasable one lacks the provisioner's protection, so that a test can make a hole.
    """
    stream = ledger_stream(login)
    await api(
        nc,
        f"STREAM.CREATE.{stream}",
        {
            "name": stream,
            "subjects": [log_wildcard(account) for account in accounts],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_bytes": bytes_max,
            "allow_direct": True,
            "deny_delete": not is_erasable,
            "deny_purge": not is_erasable,
            "republish": {"src": "log.*.>", "dest": "evt.{{wildcard(1)}}.>"},
        },
    )
    for account in accounts:
        await make_consumer(nc, stream, history_consumer(account), filter_=log_wildcard(account))
    await make_consumer(nc, stream, PROJECTOR)
    return stream


async def make_consumer(nc: Client, stream: str, name: str, *, filter_: str | None = None) -> None:
    """Make a pull consumer without acks, as the provisioner does."""
    config = {
        "name": name,
        "durable_name": name,
        "ack_policy": "none",
        "deliver_policy": "all",
        "replay_policy": "instant",
        "max_waiting": 16,
    }
    subject = f"CONSUMER.CREATE.{stream}.{name}"
    if filter_ is not None:
        config["filter_subject"] = filter_
        subject = f"{subject}.{filter_}"
    await api(nc, subject, {"stream_name": stream, "config": config})


async def api(nc: Client, subject: str, request: object = None) -> dict[str, object]:
    """Ask JetStream and return its answer.

    Raises:
        RuntimeError: when it refuses.
    """
    body = b"" if request is None else msgspec.json.encode(request)
    reply = await nc.request(f"$JS.API.{subject}", body, timeout=30)
    answer: dict[str, object] = msgspec.json.decode(reply.data)
    if "error" in answer:
        raise RuntimeError(f"{subject}: {answer['error']}")
    return answer


async def stored_count(nc: Client, stream: str) -> int:
    """Return how many messages a stream holds."""
    answer = await api(nc, f"STREAM.INFO.{stream}")
    state = msgspec.convert(answer["state"], dict[str, object])
    return msgspec.convert(state["messages"], int)


async def delete_message(nc: Client, stream: str, sequence: int) -> None:
    """Erase one message, which makes a hole in an erasable ledger."""
    await api(nc, f"STREAM.MSG.DELETE.{stream}", {"seq": sequence})


def event_body(event_id: str, *, size: int = 0) -> bytes:
    """Return a small document that holds its id, padded to about `size` bytes."""
    return msgspec.json.encode({"event_id": event_id, "padding": "x" * size})


@functools.cache
def shared_server() -> LedgerServer:
    """Return the one server of this test run; it ends with the interpreter."""
    root = Path(tempfile.mkdtemp(prefix="ledger-test-"))
    server = LedgerServer(root)
    server.start()
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    atexit.register(server.kill)
    return server


def recorder_env(server: LedgerServer, *, stream: str | None = None) -> dict[str, str]:
    """Return the settings of the persistence module, for a fresh stream if none is given."""
    return {
        "PERSISTENCE_MODULE": "infra.ledger.jetstream",
        "NATS_URL": server.url,
        "NATS_SEED_FILE": str(server.seed_path),
        "NATS_STREAM": stream or fresh_stream(),
    }


def fresh_stream() -> str:
    """Return a stream name that nobody has used."""
    return f"T{secrets.token_hex(8)}"
