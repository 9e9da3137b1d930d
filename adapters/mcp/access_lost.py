"""How many calls have no access record: counted, and told on `access.system.records_lost`."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
import structlog

from adapters.mcp.access_sending import Message, is_stored
from core.ports import Bus, Ids
from core.subjects import SYSTEM

# Between two messages; what is lost meanwhile is told in one.
PAUSE_S: Final = 1.0
_NAME: Final = "records_lost"
_encoder: Final = msgspec.json.Encoder()

_log = structlog.get_logger()


class RecordsLost(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `access.system.records_lost`: how many calls have no record, and since when."""

    schema: int = 1
    lost: int
    first_at: datetime
    last_at: datetime


class Losses:
    """The calls that have no record, until the stream knows how many they are."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._counted: RecordsLost | None = None
        # Made of what was counted before, and the same until the stream has it.
        self._message: Message | None = None
        self._news = asyncio.Event()

    @property
    def count(self) -> int:
        """Return how many losses the stream does not surely know of."""
        counted = 0 if self._counted is None else self._counted.lost
        return counted + (0 if self._message is None else self._message.calls)

    def add(self, at: datetime) -> None:
        """Count one call."""
        before = self._counted or RecordsLost(lost=0, first_at=at, last_at=at)
        self._counted = RecordsLost(
            lost=before.lost + 1,
            first_at=min(before.first_at, at),
            last_at=max(before.last_at, at),
        )
        self._news.set()

    async def keep_telling(self, bus: Callable[[], Bus | None]) -> None:
        """Tell of losses as they come, for ever; `bus` gives the way to NATS while there is one."""
        while True:
            await self._news.wait()
            await asyncio.sleep(PAUSE_S)
            link = bus()
            if link is not None:
                await self.tell(link)

    async def tell(self, bus: Bus) -> None:
        """Tell of what was counted, once; what is not stored stays to be told again."""
        message = self._made()
        while message is not None and await is_stored(bus, SYSTEM, message):
            _log.warning("access.records_lost", lost=message.calls)
            self._message = None
            message = self._made()

    def _made(self) -> Message | None:
        counted = self._counted
        if self._message is None and counted is not None:
            body = _encoder.encode(counted)
            self._message = Message(_NAME, self._ids.new("acc"), body, counted.lost)
            self._counted = None
        if self._message is None:
            self._news.clear()
        return self._message
