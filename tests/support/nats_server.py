"""A real nats-server for tests: one with the service's accounts, and a plain one for the ledger."""

import asyncio
import contextlib
import os
import re
import secrets
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import msgspec
import nkeys
from nats.aio.client import Client

from infra.nats.admin import Deployment, bring_up
from infra.nats.config_text import Listener
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.layout import NatsHome
from infra.nats.link import connect
from infra.nats.monitor import is_healthy, wait_until
from infra.nats.ports import read_or_choose_ports
from infra.nats.server import (
    NatsServer,
    find_binary,
    read_pid,
    reload_server,
    start_server,
)
from infra.nats.streams import StoreLimits
from infra.nats.topology import LoginPlan, SubscriberPlan, Topology

START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 10.0

# Two logins; the gateway was granted one account of the first and the one of the second.
TWO_LOGINS: Final = Topology(
    logins=(
        LoginPlan(name="x", accounts=("a1", "a2")),
        LoginPlan(name="y", accounts=("b1",)),
    ),
    gateway_accounts=("a1", "b1"),
    subscribers=(SubscriberPlan(name="s1", accounts=("a1",)),),
)


class RunningHome:
    """A home with its server up, and connections made through it."""

    def __init__(
        self, deployment: Deployment, topology: Topology, server: NatsServer, lock: HomeLock
    ) -> None:
        self._lock = lock
        self.deployment = deployment
        self.topology = topology
        self.server = server
        # What each connection was refused, in the server's words.
        self.denials: dict[str, list[str]] = {}
        self.reconnects: dict[str, int] = {}
        self._clients: list[Client] = []

    async def client(self, role: str) -> Client:
        """Connect as `role`; closed with the home."""
        denials = self.denials.setdefault(role, [])
        self.reconnects.setdefault(role, 0)

        def count() -> None:
            self.reconnects[role] += 1

        client = await connect(
            self.deployment.link(role, name=f"test {role}"),
            on_error=lambda error: denials.append(str(error)),
            on_closed=lambda: None,
            on_reconnected=count,
        )
        self._clients.append(client)
        return client

    def seed(self, role: str) -> bytes:
        """Return the nkey seed of a role."""
        return self.deployment.home.seed_path(role).read_bytes()

    def crash_and_restart(self) -> None:
        """Kill the server as a crash would, and start it again on the same store and ports."""
        os.kill(read_pid(self.deployment.home), signal.SIGKILL)
        self.server.stop()
        self.server = start_server(
            self.deployment.home,
            binary=self.deployment.binary,
            ports=self.deployment.listener.ports,
            lock=self._lock,
        )

    async def close(self) -> None:
        """Close the connections and stop the server."""
        for client in self._clients:
            await client.close()
        await asyncio.to_thread(self.server.stop)


def this_process() -> LockOwner:
    """Return this process as the owner of a lock."""
    return LockOwner(pid=os.getpid(), purpose="test")


def new_deployment(root: Path) -> Deployment:
    """Return a deployment in a new home below `root`, on free ports."""
    home = NatsHome(root / "home")
    home.make_folders()
    return Deployment(
        home=home,
        binary=find_binary(),
        listener=Listener(ports=read_or_choose_ports(home.ports_path)),
        limits=StoreLimits(),
    )


@contextlib.asynccontextmanager
async def running_home(root: Path, topology: Topology = TWO_LOGINS) -> AsyncIterator[RunningHome]:
    """Start a provisioned and self-tested server in a new home below `root`."""
    deployment = new_deployment(root)
    lock = HomeLock.try_acquire(deployment.home.lock_path, owner=this_process())
    assert lock is not None
    with lock:
        server = await bring_up(deployment, topology, lock)
        home = RunningHome(deployment, topology, server, lock)
        try:
            yield home
        finally:
            await home.close()


def open_seeds(home: RunningHome) -> dict[str, bytes]:
    """Add a user without any permissions to every NATS account; return their seeds.

    What such a user cannot do, the imports alone prevent.
    """
    config = home.deployment.home.config_path
    text = config.read_text()
    seeds: dict[str, bytes] = {}
    for account in re.findall(r'^  "(\S+)": \{$', text, flags=re.MULTILINE):
        seed = nkeys.encode_seed(secrets.token_bytes(32), nkeys.PREFIX_BYTE_USER)
        user = f'      {{ nkey: "{nkeys.from_seed(seed).public_key.decode()}" }}\n'
        users = re.search(rf'^  "{account}": \{{\n(?: .*\n)*?    users: \[\n', text, re.MULTILINE)
        assert users is not None, account
        text = text[: users.end()] + user + text[users.end() :]
        seeds[account] = seed
    config.write_text(text)
    reload_server(home.deployment.home, home.deployment.listener.ports)
    return seeds


class PlainServer(msgspec.Struct, frozen=True):
    """A server without accounts."""

    url: str
    monitor_url: str
    store_dir: Path
    pid: int


@contextlib.contextmanager
def plain_server(root: Path, *, sync_interval: str = "always") -> Iterator[PlainServer]:
    """Run a server without accounts or rights below `root`: JetStream, synced before each ack."""
    root.mkdir(parents=True, exist_ok=True)
    ports = read_or_choose_ports(root / "ports.json")
    config = root / "plain.conf"
    config.write_text(
        f"""
        server_name: plain
        listen: "127.0.0.1:{ports.client}"
        http: "127.0.0.1:{ports.monitor}"
        max_payload: 1MB
        log_file: "{(root / "plain.log").as_posix()}"
        jetstream {{
          store_dir: "{(root / "js").as_posix()}"
          sync_interval: {sync_interval}
          max_file_store: {StoreLimits().file_bytes_max}
          max_memory_store: {StoreLimits().memory_bytes_max}
        }}
        """
    )
    process = subprocess.Popen([str(find_binary()), "-c", str(config)])
    try:
        is_up = wait_until(
            lambda: process.poll() is not None or is_healthy(ports.monitor_url),
            limit_s=START_LIMIT_S,
        )
        assert is_up, (root / "plain.log").read_text()
        assert process.poll() is None, (root / "plain.log").read_text()
        yield PlainServer(ports.client_url, ports.monitor_url, root / "js", process.pid)
    finally:
        process.terminate()
        try:
            process.wait(timeout=STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
