"""A nats-server without accounts, for the rows that measure the ledger by itself."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import nats
from nats.aio.client import Client

from core.subjects import log_wildcard
from infra.bench.fault import BenchError
from infra.nats.monitor import is_healthy, wait_until
from infra.nats.ports import read_or_choose_ports
from infra.nats.server import START_LIMIT_S, STOP_LIMIT_S, find_binary

STREAM: Final = "LEDGER_bench"
CONSUMER: Final = "projector"
_API_LIMIT_S: Final = 5.0


@contextmanager
def plain_server(folder: Path, *, sync_interval: str) -> Iterator[str]:
    """Run a server and yield its address."""
    folder.mkdir(parents=True)
    ports = read_or_choose_ports(folder / "ports.json")
    config = folder / "nats.conf"
    config.write_text(
        f"""
        listen: "127.0.0.1:{ports.client}"
        http: "127.0.0.1:{ports.monitor}"
        log_file: "{(folder / "nats.log").as_posix()}"
        jetstream {{
          store_dir: "{(folder / "js").as_posix()}"
          sync_interval: "{sync_interval}"
        }}
        """
    )
    process = subprocess.Popen([str(find_binary()), "-c", str(config)])
    try:
        wait_until(
            lambda: process.poll() is not None or is_healthy(ports.monitor_url),
            limit_s=START_LIMIT_S,
        )
        if process.poll() is not None:
            raise BenchError("expected nats-server to run, was ended at once")
        yield ports.client_url
    finally:
        process.terminate()
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def connected(url: str) -> Client:
    """Return a client; errors are raised where they matter."""
    return await nats.connect(url)


async def make_ledger(nc: Client, *, accounts: tuple[str, ...]) -> None:
    """Make a ledger as the provisioner does, with the projector's consumer."""
    await _api(
        nc,
        f"STREAM.CREATE.{STREAM}",
        {
            "name": STREAM,
            "subjects": [log_wildcard(account) for account in accounts],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "allow_direct": True,
            "deny_delete": True,
            "deny_purge": True,
            "republish": {"src": "log.*.>", "dest": "evt.{{wildcard(1)}}.>"},
        },
    )
    consumer = {
        "name": CONSUMER,
        "durable_name": CONSUMER,
        "ack_policy": "none",
        "deliver_policy": "all",
        "replay_policy": "instant",
        "max_waiting": 16,
    }
    await _api(
        nc,
        f"CONSUMER.CREATE.{STREAM}.{CONSUMER}",
        {"stream_name": STREAM, "config": consumer},
    )


async def _api(nc: Client, subject: str, request: dict[str, Any]) -> None:
    reply = await nc.request(
        f"$JS.API.{subject}", msgspec.json.encode(request), timeout=_API_LIMIT_S
    )
    answer: dict[str, Any] = msgspec.json.decode(reply.data)
    if "error" in answer:
        raise BenchError(f"{subject}: {answer['error']}")
