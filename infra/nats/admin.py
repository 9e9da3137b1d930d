"""Bring the embedded server up, and change its account list while it runs.

The order never differs: keys, configuration (judged by the server itself before it is used), server
or reload, streams, and last the test that each role can do what it must.
"""

import asyncio
from pathlib import Path

import msgspec

from core.errors import ConfigError
from infra.nats.config_text import Listener, render
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.keys import create_missing, read_public_keys
from infra.nats.layout import NatsHome
from infra.nats.link import LinkSettings, LinkTls, connect
from infra.nats.provision import Provisioned, provision
from infra.nats.self_test import try_roles
from infra.nats.server import NatsServer, check_config, reload_server, start_server
from infra.nats.streams import StoreLimits
from infra.nats.topology import PROVISIONER, Topology, inbox_prefix, role_names


class Deployment(msgspec.Struct, frozen=True, kw_only=True):
    """One embedded server: where it lives, its program, where it listens and its sizes."""

    home: NatsHome
    binary: Path
    listener: Listener
    limits: StoreLimits = StoreLimits()
    # What our own processes show to a listener with TLS.
    client_tls: LinkTls | None = None

    @property
    def url(self) -> str:
        """Return the address that clients connect to."""
        return f"nats://{self.listener.host}:{self.listener.ports.client}"

    def link(self, role: str, *, name: str) -> LinkSettings:
        """Return how a process of `role`, shown as `name` in the monitor, connects."""
        return LinkSettings(
            url=self.url,
            role=role,
            seed_path=self.home.seed_path(role),
            inbox_prefix=inbox_prefix(role),
            name=name,
            tls=self.client_tls,
        )


async def bring_up(deployment: Deployment, topology: Topology, lock: HomeLock) -> NatsServer:
    """Start the server of a home whose lock the caller holds; it is provisioned and tested.

    Raises:
        ConfigError: when anything stands otherwise than it must; the server is stopped again.
        LinkError: when the server does not answer; likewise.
    """
    await asyncio.to_thread(install, deployment, topology)
    server = await asyncio.to_thread(
        start_server,
        deployment.home,
        binary=deployment.binary,
        ports=deployment.listener.ports,
        lock=lock,
    )
    is_up = False
    try:
        await provision_as_provisioner(deployment, topology)
        await try_roles(topology, role_names(topology), deployment.link)
        is_up = True
    finally:
        if not is_up:
            await asyncio.to_thread(server.stop)
    return server


async def change(deployment: Deployment, topology: Topology, *, owner: LockOwner) -> Provisioned:
    """Give the running server a new account list; connections stay. Also ends a removed role's.

    Only roles that are new are tested, because the others have processes at work.

    Raises:
        ConfigError: when another change runs, or anything stands otherwise than it must.
        LinkError: when the server does not answer.
    """
    lock = HomeLock.try_acquire(deployment.home.change_lock_path, owner=owner)
    if lock is None:
        raise ConfigError("expected one change of accounts at a time, was another at work")
    with lock:
        before = load_topology(deployment.home)
        await asyncio.to_thread(install, deployment, topology)
        await asyncio.to_thread(reload_server, deployment.home, deployment.listener.ports)
        provisioned = await provision_as_provisioner(deployment, topology)
        known = () if before is None else role_names(before)
        added = tuple(role for role in role_names(topology) if role not in known)
        await try_roles(topology, added, deployment.link)
    return provisioned


def install(deployment: Deployment, topology: Topology) -> None:
    """Create missing keys and write the configuration, once the server finds it valid.

    Raises:
        ConfigError: as `check_config` and `create_missing`.
    """
    home = deployment.home
    create_missing(home, topology)
    text = render(
        topology,
        public_keys=read_public_keys(home, topology),
        listener=deployment.listener,
        home=home,
        limits=deployment.limits,
    )
    draft = home.config_path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    check_config(deployment.binary, draft)
    draft.replace(home.config_path)
    topology_draft = home.topology_path.with_suffix(".draft")
    topology_draft.write_bytes(msgspec.json.encode(topology))
    topology_draft.replace(home.topology_path)


def load_topology(home: NatsHome) -> Topology | None:
    """Return the account list that was installed last, or nothing for a new home.

    Raises:
        ConfigError: for a file that is not an account list.
    """
    try:
        return msgspec.json.decode(home.topology_path.read_bytes(), type=Topology)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise ConfigError(f"expected accounts in {home.topology_path}, was {error}") from None


async def provision_as_provisioner(deployment: Deployment, topology: Topology) -> Provisioned:
    """Connect as the provisioner and make or check streams and consumers.

    Raises:
        ConfigError: as `provision`.
        LinkError: as `provision`.
    """
    client = await connect(
        deployment.link(PROVISIONER, name="provisioner"),
        on_error=lambda _: None,
        on_closed=lambda: None,
    )
    try:
        return await provision(
            client,
            topology,
            deployment.limits,
            monitor_url=deployment.listener.ports.monitor_url,
        )
    finally:
        await client.close()
