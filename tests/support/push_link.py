"""The worker's push link on a real sandbox, and accounts that write down what it tells them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.tiger_worker.push import PushLink, PushPace
from adapters.tiger_worker.push_connection import Push, PushAddress, PushConnection
from infra.sandbox.control.push_client import PushControl
from tests.support.sandbox import Sandbox
from tests.support.worker_parts import ManualClock

WAIT_S: Final = 20.0
# Nothing is awaited for long, and nothing is given up early on a busy machine.
PACE: Final = PushPace(pause_s=0.01, pause_s_max=0.05, held_s=0.0, follow_s=5.0, silence_s=60.0)


@dataclass
class Heard:
    """Everything that the accounts were told, in order; tests wait on it."""

    told: list[tuple[str, str, str]] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, alias: str, what: str, detail: str = "") -> None:
        """Write down one thing and wake who waits."""
        with self.news:
            self.told.append((alias, what, detail))
            self.news.notify_all()

    def count(self, what: str, *, alias: str | None = None) -> int:
        """Return how often something was told, to one account or to any."""
        with self.news:
            return sum(1 for a, w, _ in self.told if w == what and alias in (None, a))

    def until(self, is_enough: Callable[[], bool]) -> None:
        """Wait until what was told is enough."""
        with self.news:
            assert self.news.wait_for(is_enough, WAIT_S), self.told


class FollowedAccount:
    """An account that writes down what the link tells it; `resume` is a person's."""

    def __init__(self, alias: str, number: str, heard: Heard) -> None:
        self.alias = alias
        self.number = number
        self._heard = heard
        self.kicks: list[str] = []
        self.is_frozen = False

    def look_again(self) -> None:
        """Write down a hint."""
        self._heard.tell(self.alias, "look")

    def note_gap(self, cause: str) -> None:
        """Write down a gap."""
        self._heard.tell(self.alias, "gap", cause)

    def note_kick(self, connection: str) -> None:
        """Write down a kick, and freeze."""
        self.kicks.append(connection)
        self.is_frozen = True
        self._heard.tell(self.alias, "kick", connection)

    def awaits_resume(self, kick: str) -> bool:
        """Say whether nobody has resumed yet."""
        return self.is_frozen

    def resume(self) -> None:
        """Go on, as a person says."""
        self.is_frozen = False


class WatchedConnection(PushConnection):
    """Has the test wake up at every sign of life."""

    def __init__(self, push: Push, heard: Heard, **more: Any) -> None:
        self._heard = heard
        super().__init__(push, **more)

    def _note_life(self) -> None:
        super()._note_life()
        with self._heard.news:
            self._heard.news.notify_all()


class LinkRig:
    """A link of the login `desk`, its accounts, and the broker's control of push."""

    def __init__(
        self, sandbox: Sandbox, *, pace: PushPace = PACE, use_tls: bool = False, **more: Any
    ) -> None:
        self.sandbox = sandbox
        self.control: PushControl = sandbox.control.push
        self.heard = Heard()
        self.clock = ManualClock()
        self.worn = threading.Event()
        self.failures: list[BaseException] = []
        self.accounts = [
            FollowedAccount(item.alias, item.account, self.heard)
            for item in sandbox.login().accounts
        ]
        self.made: list[PushConnection] = []
        ports = sandbox.ports
        self._address = PushAddress("127.0.0.1", ports.push_tls if use_tls else ports.push, use_tls)
        self._more = more
        self.link = PushLink(
            self._connect,
            accounts=self.accounts,
            name="run",
            clock=self.clock,
            on_worn=self.worn.set,
            on_failure=self.failures.append,
            pace=pace,
        )

    def _connect(self, push: Push) -> PushConnection:
        self.made.append(
            WatchedConnection(
                push,
                self.heard,
                address=self._address,
                config=self.sandbox.config(),
                clock=self.clock,
                **self._more,
            )
        )
        self.heard.tell("", "connect")
        return self.made[-1]

    def has_heard(self, what: str, times: int) -> bool:
        """Say whether every account was told something so many times."""
        return self.heard.count(what) == times * len(self.accounts)

    def followed(self, times: int) -> None:
        """Wait until the accounts were followed so many times since the link began."""
        accounts = len(self.accounts)
        # Beside the look of each beginning come those of hints, which tests count for themselves.
        assert self.control.wait_for("subscribed", count=times, timeout_s=WAIT_S)
        self.heard.until(
            lambda: (
                self.heard.count("gap") >= (2 * (times - 1)) * accounts
                and self.heard.count("look") >= times * accounts
            )
        )


@contextmanager
def following(sandbox: Sandbox, **options: Any) -> Iterator[LinkRig]:
    """Run a link for the length of a test."""
    rig = LinkRig(sandbox, **options)
    rig.link.start()
    try:
        yield rig
    finally:
        rig.link.stop()
        assert rig.failures == []
