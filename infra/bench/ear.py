"""The bench's own link to a cluster, with the gateway's rights."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Self

from nats.aio.client import Client

from core.ports import EventMessage
from infra.access import link_settings
from infra.config import Settings
from infra.nats.bus import NatsBus
from infra.nats.link import connect
from infra.nats.topology import GATEWAY

_PUBLISH_LIMIT_S: Final = 15.0


class Ear:
    """Hears facts and stores commands; everything runs on one event loop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._bus = NatsBus(client)

    @classmethod
    async def open(cls, settings: Settings) -> Self:
        """Connect to the cluster of a home."""
        client = await connect(
            link_settings(settings, role=GATEWAY, name="bench"),
            on_error=lambda _: None,
            on_closed=lambda: None,
        )
        return cls(client)

    async def listen(self, subject: str, handler: Callable[[EventMessage], None]) -> None:
        """Hear the facts under a subject filter."""
        await self._bus.listen(subject, handler)

    async def publish_all(self, sealed: Sequence[tuple[str, bytes, str]]) -> None:
        """Store commands side by side: subject, body and message id of each."""
        await asyncio.gather(
            *(
                self._bus.publish(where, body, message_id=message, timeout_s=_PUBLISH_LIMIT_S)
                for where, body, message in sealed
            )
        )

    async def flush(self) -> None:
        """Wait until the server knows of every subscription."""
        await self._client.flush()

    async def close(self) -> None:
        """Close the link."""
        await self._client.close()
