"""Access records on their way to the stream `ACCESS`: kept by account, sent, sent again.

Each account has a lane of its own, because its subject may be closed to the gateway for a while
(an account that is being added) or for good (one that was removed): what waits in one lane keeps
back no other, and takes no more than its share of the room. What was begun under the name of an
account that is no longer there goes to `system`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec
import structlog

from core.errors import LinkError
from core.ports import Bus, Ids
from core.subjects import SYSTEM, Kind, subject

BATCH_RECORDS_MAX: Final = 50
PUBLISH_LIMIT_S: Final = 5.0
# After a message that was not stored its lane rests, each time for twice as long.
PAUSE_S: Final = 1.0
PAUSE_MAX_S: Final = 10.0
_encoder: Final = msgspec.json.Encoder()

_log = structlog.get_logger()

R = TypeVar("R", bound=msgspec.Struct)


class Addressed(NamedTuple, Generic[R]):
    """A record with the last part of the subject that it belongs under."""

    account: str
    name: str
    record: R


class Message(NamedTuple):
    """What is published: the same bytes under the same id until the stream has them."""

    name: str
    message_id: str
    body: bytes
    calls: int


class _Lane(Generic[R]):
    def __init__(self) -> None:
        self.records: deque[Addressed[R]] = deque()
        self.messages: deque[Message] = deque()
        self.pause_s = 0.0
        self.rests_until_s = 0.0
        self.sending: asyncio.Task[int] | None = None

    @property
    def has_more(self) -> bool:
        return bool(self.records or self.messages)

    @property
    def held(self) -> int:
        return len(self.records) + sum(message.calls for message in self.messages)

    @property
    def is_under_way(self) -> bool:
        return self.sending is not None and not self.sending.done()

    def rest(self, now_s: float) -> None:
        self.pause_s = min(2 * self.pause_s or PAUSE_S, PAUSE_MAX_S)
        self.rests_until_s = now_s + self.pause_s

    def wake(self) -> None:
        self.pause_s = self.rests_until_s = 0.0


class Lanes(Generic[R]):
    """What is not stored yet, by account."""

    def __init__(
        self,
        ids: Ids,
        *,
        accounts: Callable[[], frozenset[str]],
        batch: Callable[[tuple[R, ...]], msgspec.Struct],
        lane_records_max: int,
    ) -> None:
        """Make lanes; `accounts` says which accounts there are now, `batch` makes one body."""
        self._ids = ids
        self._accounts = accounts
        self._batch = batch
        self._lane_records_max = lane_records_max
        self._lanes: dict[str, _Lane[R]] = {}
        self._bus: Bus | None = None

    @property
    def held(self) -> int:
        """Return how many records the stream does not surely have."""
        return sum(lane.held for lane in self._lanes.values())

    def start(self, bus: Bus, group: asyncio.TaskGroup) -> list[asyncio.Task[int]]:
        """Send what waits in every lane that is neither under way nor at rest.

        Returns:
            One task for each lane that started; its result is how many records were stored.
        """
        if bus is not self._bus:
            # What one link was not let to do may be open to the next.
            self._bus = bus
            self.hurry()
        self._leave_lanes_of_the_gone()
        now_s = asyncio.get_running_loop().time()
        started = []
        for account, lane in self._lanes.items():
            if lane.has_more and not lane.is_under_way and lane.rests_until_s <= now_s:
                lane.sending = group.create_task(self._empty(account, lane, bus))
                started.append(lane.sending)
        return started

    def hurry(self) -> None:
        """Let no lane rest any longer."""
        for lane in self._lanes.values():
            lane.wake()

    def take(self, record: Addressed[R]) -> bool:
        """Take a record into the lane of its account; False where that lane has its share."""
        account = record.account if record.account in self._accounts() else SYSTEM
        lane = self._lanes.setdefault(account, _Lane[R]())
        if lane.held >= self._lane_records_max:
            return False
        lane.records.append(record)
        return True

    # Looked up each time: a list that was kept would name accounts that are gone. What is under
    # way stays where it is until that try is over, so that nothing has two senders.
    def _leave_lanes_of_the_gone(self) -> None:
        for account in self._lanes.keys() - self._accounts() - {SYSTEM}:
            if self._lanes[account].is_under_way:
                continue
            gone = self._lanes.pop(account)
            system = self._lanes.setdefault(SYSTEM, _Lane[R]())
            system.records.extend(gone.records)
            system.messages.extend(gone.messages)

    async def _empty(self, account: str, lane: _Lane[R], bus: Bus) -> int:
        stored = 0
        while lane.has_more:
            if not lane.messages:
                lane.messages.extend(self._batched(lane.records))
            message = lane.messages[0]
            if not await is_stored(bus, account, message):
                lane.rest(asyncio.get_running_loop().time())
                break
            lane.messages.popleft()
            lane.wake()
            stored += message.calls
        return stored

    def _batched(self, records: deque[Addressed[R]]) -> list[Message]:
        groups: dict[str, list[R]] = {}
        for _ in range(min(len(records), BATCH_RECORDS_MAX)):
            one = records.popleft()
            groups.setdefault(one.name, []).append(one.record)
        return [
            Message(
                name, self._ids.new("acc"), _encoder.encode(self._batch(tuple(group))), len(group)
            )
            for name, group in groups.items()
        ]


async def is_stored(bus: Bus, account: str, message: Message) -> bool:
    """Publish a message and say whether the stream surely has it."""
    where = subject(Kind.ACCESS, account, message.name)
    try:
        await bus.publish(
            where, message.body, message_id=message.message_id, timeout_s=PUBLISH_LIMIT_S
        )
    except LinkError as error:
        # It may be stored all the same: the same id again does no harm.
        _log.warning("access.not_stored", subject=where, cause=str(error))
        return False
    return True
