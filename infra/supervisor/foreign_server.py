"""A nats-server that somebody else runs (`NATS_URL`): checked and provisioned, never started.

Its accounts are those that `tiger-mcp nats config --accounts` prints; the keys lie on this machine.
"""

import asyncio

from core.errors import ConfigError
from infra.access import link_settings
from infra.config import Settings
from infra.nats.link import connect
from infra.nats.provision import provision
from infra.nats.streams import StoreLimits
from infra.nats.topology import PROVISIONER, Topology


class ForeignServer:
    """Stands where the own server stands, with nothing to start or stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = asyncio.Event()

    async def start(self, topology: Topology) -> None:
        """Make the streams that are missing, and check the rest and the server.

        Raises:
            ConfigError: naming what differs from what it must be.
            LinkError: the server does not answer, or refuses the provisioner's key.
        """
        assert self._settings.nats_monitor is not None
        client = await connect(
            link_settings(self._settings, role=PROVISIONER, name="provisioner"),
            on_error=lambda _: None,
            on_closed=lambda: None,
        )
        try:
            await provision(
                client, topology, StoreLimits(), monitor_url=self._settings.nats_monitor
            )
        finally:
            await client.close()

    async def change(self, topology: Topology) -> None:
        """Refuse: its accounts are installed by hand.

        Raises:
            ConfigError: always, with what to do.
        """
        del topology
        raise ConfigError(
            "install what `tiger-mcp nats config --accounts` prints on your nats-server first"
        )

    async def watch(self) -> None:
        """Return at `stop`; the other processes reconnect by themselves."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Leave the server as it is."""
        self._stopping.set()
