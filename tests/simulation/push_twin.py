"""The broker's push, behind the real link: hints that come late, doubled or never, and ends.

The connection is a twin of `adapters.tiger_worker.push_connection`; the link above it is the
worker's own. A login has one connection, and a newer one kicks the older out.
"""

from collections.abc import Callable
from typing import Final, cast

from adapters.tiger_worker.push_connection import Push, PushConnection, Sign
from tests.simulation.machine import Process
from tests.simulation.primitives import FifoQueue, Thread, TimeModule
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather

CONNECT_S: Final = 0.02
LATENCY_S: Final = 0.004
# How late a hint may come; those that come later overtake it.
LATE_S_MAX: Final = 20.0
CLOSE_S: Final = 5.0
KINDS: Final = ("order", "transaction", "position", "asset")


class ConnectionTwin:
    """One connection of one process; its messages come in a thread of its own."""

    def __init__(self, server: "PushServerTwin", process: Process, push: Push) -> None:
        self._server = server
        self._push = push
        self._calls = FifoQueue()
        self._receiver: Thread | None = None
        self._is_open = False
        self._is_mute = False
        self._heard_at = TimeModule.monotonic()
        self.process = process
        self.is_following = False
        self.begun_boot_s = process.machine.boot_s()

    @property
    def heard_at(self) -> float:
        """When the broker last gave a sign of life; its heart beats while it is not mute."""
        if self._is_open and not self._is_mute:
            self._heard_at = TimeModule.monotonic()
        return self._heard_at

    def begin(self) -> bool:
        """Open, and ask to be told of every account; False if nobody is there."""
        self._server.wait(CONNECT_S)
        if not self._server.open(self):
            return False
        self._is_open = True
        self._receiver = Thread(self._receive, name="push-receiver")
        self._receiver.start()
        self._server.after(CONNECT_S, self._follow)
        return True

    def end(self) -> int:
        """End; return how many threads are left behind."""
        self._server.close(self)
        self.lose()
        if self._receiver is not None:
            self._receiver.join(CLOSE_S)
            return int(self._receiver.is_alive())
        return 0

    def lose(self, *, sign: Sign | None = None) -> None:
        """End from outside, with a word before it or without one."""
        if not self._is_open:
            return
        if not self._is_mute:
            # Its heart beat up to now.
            self._heard_at = self.process.machine.monotonic_s()
        if sign is not None:
            self._tell(sign)
        self._tell(Sign.ENDED)
        self._is_open = self.is_following = False
        self._calls.put(None)

    def fall_mute(self) -> None:
        """Say nothing any more, and do not end either."""
        self._heard_at = self.process.machine.monotonic_s()
        self._is_mute = True

    def hint(self, kind: str, number: str) -> None:
        """Let a message arrive."""
        if self._is_open and not self._is_mute:
            self._calls.put(lambda: self._push.hear(kind, number))

    @property
    def is_heard(self) -> bool:
        """Whether the process hears what is said on it, once it is awake."""
        return self.is_following and not self._is_mute and not self.process.is_dead

    def _follow(self) -> None:
        self.is_following = self._is_open
        self._tell(Sign.FOLLOWING)

    def _tell(self, sign: Sign) -> None:
        if self._is_open and not self._is_mute:
            self._calls.put(lambda: self._push.tell(cast(PushConnection, self), sign))

    def _receive(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


class PushServerTwin:
    """The broker's side: whom it tells what."""

    def __init__(
        self,
        scheduler: Scheduler,
        weather: Weather,
        *,
        is_away: Callable[[], bool],
        note: Callable[[str], None],
        violate: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._weather = weather
        self._is_away = is_away
        self._note = note
        self._violate = violate
        self._connection: ConnectionTwin | None = None
        # Who was kicked out, and of these whom no person has let go on yet.
        self.kicked: set[Process] = set()
        self._waiting: set[Process] = set()
        self.wait = scheduler.park
        self.after = scheduler.after

    @property
    def is_connected(self) -> bool:
        """Whether somebody is told of changes."""
        return self._connection is not None and self._connection.is_following

    def changed(self, number: str) -> None:
        """Tell that something of an account changed."""
        connection, rng, weather = self._connection, self._scheduler.rng, self._weather
        if connection is None or not connection.is_following:
            return
        if self._is_away() or (weather.push_lost and rng.random() < weather.push_lost):
            return
        kind = KINDS[int(rng.random() * len(KINDS))]
        times = 2 if weather.push_doubled and rng.random() < weather.push_doubled else 1
        for _ in range(times):
            is_late = weather.push_late and rng.random() < weather.push_late
            delay_s = rng.random() * (LATE_S_MAX if is_late else LATENCY_S)
            self.after(delay_s, lambda: connection.hint(kind, number))

    def open(self, connection: ConnectionTwin) -> bool:
        """Take a connection, and kick out the one before; False while the broker is away."""
        if self._is_away():
            return False
        if connection.process in self._waiting:
            self._violate(f"{connection.process.name} came back after a kick, unasked")
        if self._connection is not None:
            self._kick(self._connection)
        self._connection = connection
        return True

    def resumed(self) -> None:
        """Note that a person let an account go on."""
        self._waiting.clear()

    def close(self, connection: ConnectionTwin) -> None:
        """Forget a connection."""
        if self._connection is connection:
            self._connection = None

    def drop(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._note("push: the connection ends")
            self._connection.lose()

    def kick(self) -> None:
        """Have somebody else log in, and out again."""
        if self._connection is not None:
            self._kick(self._connection)

    def _kick(self, connection: ConnectionTwin) -> None:
        if connection.is_heard:
            self._note(f"push: {connection.process.name} is kicked out")
            self.kicked.add(connection.process)
            self._waiting.add(connection.process)
        connection.lose(sign=Sign.KICKED)

    def fall_mute(self) -> None:
        """Keep the connection, and tell nothing on it."""
        if self._connection is not None:
            self._note("push: the connection falls mute")
            self._connection.fall_mute()
