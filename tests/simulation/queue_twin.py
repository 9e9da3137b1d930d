"""JetStream's twin for commands and controls: a work queue that hands out until it is acknowledged.

A message comes again while nobody acknowledged it: when its holder died, when it stood still for
longer than the consumer waits, when an acknowledgement was lost, or for no reason at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from core.ports import CommandMessage
from core.subjects import COMMANDS_STREAM, CONTROL_STREAM
from tests.simulation.machine import Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather

# Source: `infra/nats/streams.py`.
ACK_WAIT_S: Final = {COMMANDS_STREAM: 30.0, CONTROL_STREAM: 3.0}
DEDUPLICATION_S: Final = 600.0
LATENCY_S: Final = 0.002


class Taker(Protocol):
    """Who takes an account's messages."""

    process: Process

    def take(self, held: "HeldTwin") -> None:
        """Take one message."""


@dataclass
class _Message:
    message: CommandMessage
    account: str
    command_id: str
    delivery: int = 0
    is_over: bool = False
    deliveries: list[int] = field(default_factory=list)
    # A copy lies in the socket of a process that stands still; it asks for no other meanwhile.
    is_unheard: bool = False


class HeldTwin:
    """One delivery of one message."""

    def __init__(self, queue: "QueueTwin", message: _Message, process: Process) -> None:
        self._queue = queue
        self._message = message
        self._process = process
        self.is_let_go = False

    @property
    def message(self) -> CommandMessage:
        """What was received."""
        return self._message.message

    def acknowledge(self) -> None:
        """Take the message off the stream."""
        self._let_go()

    def set_aside(self, reason: str) -> None:
        """Take off a message that can never be read."""
        self._let_go()

    def _let_go(self) -> None:
        self._process.effect()
        self.is_let_go = True
        self._queue.acknowledged(self._message)


class QueueTwin:
    """The streams COMMANDS and CONTROL with each account's consumer."""

    def __init__(
        self,
        scheduler: Scheduler,
        weather: Weather,
        *,
        is_down: Callable[[], bool],
        on_acknowledged: Callable[[str, str], None],
        on_delivered: Callable[[Process, str, str], None],
    ) -> None:
        self._on_delivered = on_delivered
        # Until when messages are kept back that the streams have.
        self.held_until_s = 0.0
        self._scheduler = scheduler
        self._weather = weather
        self._is_down = is_down
        self._on_acknowledged = on_acknowledged
        self._messages: list[_Message] = []
        self._seen: dict[str, float] = {}
        self._takers: dict[str, list[Taker]] = {}

    def open_commands(self) -> list[str]:
        """Return the ids of the messages that nobody acknowledged."""
        return [one.command_id for one in self._messages if not one.is_over and one.command_id]

    def publish(
        self, stream: str, subject: str, body: bytes, *, message_id: str, command_id: str
    ) -> bool | None:
        """Store a message once per id and window; None when the answer is lost."""
        if self._is_down():
            return None
        now_s = self._scheduler.now_s
        seen_at = self._seen.get(message_id)
        is_duplicate = seen_at is not None and now_s - seen_at < DEDUPLICATION_S
        if not is_duplicate:
            self._seen[message_id] = now_s
            stored = _Message(
                CommandMessage(subject, body, stream, len(self._messages) + 1),
                subject.split(".")[1],
                command_id,
            )
            self._messages.append(stored)
            self._deliver_soon(stored)
        return None if self._happens(self._weather.publish_ack_lost) else is_duplicate

    def subscribe(self, account: str, taker: Taker) -> None:
        """Have a process take an account's messages, those that lie there too."""
        self._takers.setdefault(account, []).append(taker)
        for message in self._messages:
            if message.account == account and not message.is_over and not message.deliveries:
                self._deliver_soon(message)

    def unsubscribe(self, process: Process) -> None:
        """Hand no more to a process; what it holds and did not answer comes again."""
        for takers in self._takers.values():
            takers[:] = [taker for taker in takers if taker.process is not process]

    def acknowledged(self, message: _Message) -> None:
        """A holder's acknowledgement is on its way."""
        if message.command_id:
            self._on_acknowledged(message.account, message.command_id)
        if self._is_down() or self._happens(self._weather.delivery_ack_lost):
            return
        self._scheduler.after(LATENCY_S, lambda: self._end(message))

    @staticmethod
    def _end(message: _Message) -> None:
        message.is_over = True

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._scheduler.rng.random() < chance

    def _deliver_soon(self, message: _Message) -> None:
        delay_s = LATENCY_S
        if self._happens(self._weather.delivery_late):
            delay_s += self._scheduler.rng.random() * 5
        message.delivery += 1
        message.deliveries.append(message.delivery)
        number = message.delivery
        self._scheduler.after(delay_s, lambda: self._deliver(message, number))

    def _deliver(self, message: _Message, number: int) -> None:
        takers = [t for t in self._takers.get(message.account, ()) if not t.process.is_dead]
        if message.is_over:
            return
        is_held = self._scheduler.now_s < self.held_until_s
        if is_held or (self._is_down() and takers):
            self._scheduler.after(1.0, lambda: self._deliver(message, number))
            return
        if not takers:
            message.deliveries.clear()
            return
        taker = takers[int(self._scheduler.rng.random() * len(takers))]
        held = HeldTwin(self, message, taker.process)
        taker.process.when_awake(lambda: self._hand_over(taker, held, message))
        if self._happens(self._weather.delivery_doubled):
            again = HeldTwin(self, message, taker.process)
            taker.process.when_awake(lambda: taker.take(again))
        self._watch(message, held, taker.process, number)

    def _hand_over(self, taker: Taker, held: HeldTwin, message: _Message) -> None:
        message.is_unheard = False
        taker.take(held)
        self._on_delivered(taker.process, message.account, message.command_id)

    def _watch(self, message: _Message, held: HeldTwin, process: Process, number: int) -> None:
        """Deliver again when the holder gives no more signs of life."""
        wait_s = ACK_WAIT_S[message.message.stream]

        def look() -> None:
            if message.is_over or number != message.delivery:
                return
            is_unheard = process.is_frozen and message.is_unheard
            if process.is_dead or held.is_let_go or (process.is_frozen and not is_unheard):
                message.is_unheard = process.is_frozen
                self._deliver_soon(message)
                return
            self._scheduler.after(wait_s, look)

        self._scheduler.after(wait_s, look)
