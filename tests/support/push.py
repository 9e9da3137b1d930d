"""The real push client with every callback set: it collects, and tests wait on what came."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tigeropen.push.network.exception import ConnectFailedException

from tests.support.sandbox import Sandbox

WAIT_S_MAX = 10.0
# Every data callback of the SDK, by the name under which its frames are collected.
DATA_CALLBACKS = (
    "order",
    "transaction",
    "position",
    "asset",
    "quote",
    "quote_bbo",
    "quote_depth",
    "tick",
    "full_tick",
    "stock_top",
    "option_top",
    "kline",
)
EVENT_CALLBACKS = {
    "connected": "connect_callback",
    "subscribed": "subscribe_callback",
    "unsubscribed": "unsubscribe_callback",
    "error": "error_callback",
    "kicked": "kickout_callback",
    "listing": "query_subscribed_callback",
    "heartbeat": "heartbeat_callback",
}


class PushCollector:
    """One push client of a sandbox's login, and all that it was told.

    Args:
        sandbox: whose push port it connects to.
        login: the login's name.
        use_tls: whether to take the TLS port.
        use_full_tick: whether to ask for trades in the long form.
        heartbeats_ms: how often it sends, and expects, a sign of life.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        login: str = "desk",
        *,
        use_tls: bool = False,
        use_full_tick: bool = False,
        heartbeats_ms: tuple[int, int] = (10_000, 10_000),
    ) -> None:
        self.config = sandbox.config(login)
        self.config.use_full_tick = use_full_tick
        self.client = sandbox.push_client(self.config, use_tls=use_tls, heartbeats_ms=heartbeats_ms)
        self.frames: dict[str, list[Any]] = {}
        self._arrival = threading.Condition()
        for kind in DATA_CALLBACKS:
            setattr(self.client, f"{kind}_changed", self._collector(kind))
        for kind, callback in EVENT_CALLBACKS.items():
            setattr(self.client, callback, self._collector(kind))
        self.client.disconnect_callback = lambda: self._collect("disconnected", None)

    def connect(self) -> "PushCollector":
        """Connect, and wait until the broker has welcomed the client."""
        count = len(self.of("connected"))
        self.client.connect(self.config.tiger_id, self.config.private_key)
        self.wait_for("connected", count=count + 1)
        return self

    def connect_in_vain(self, *, tiger_id: str | None = None, private_key: Any = None) -> Any:
        """Connect, wait for the refusal and the end of the connection; return the refusal.

        The SDK raises when the refusal is there before it has begun to wait, and else does not.
        """
        refused, ended = len(self.of("error")), len(self.of("disconnected"))
        with contextlib.suppress(ConnectFailedException):
            self.client.connect(
                tiger_id or self.config.tiger_id, private_key or self.config.private_key
            )
        refusals = self.wait_for("error", count=refused + 1)
        self.wait_for("disconnected", count=ended + 1)
        return refusals[-1]

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()

    def end_quietly(self) -> None:
        """Disconnect a client that would come back by itself, and keep it from that."""
        self.client.disconnect_callback = lambda: self._collect("disconnected", None)
        self.close()
        self.wait_for("disconnected")

    def follow_account(self, account: str | None = None) -> None:
        """Subscribe to the account topics, and wait for the acknowledgement."""
        self.subscribe(lambda: self.client.subscribe_order(account))

    def subscribe(self, ask: Callable[[], object]) -> Any:
        """Send a subscription, and return the broker's answer to it."""
        count = len(self.of("subscribed"))
        ask()
        return self.wait_for("subscribed", count=count + 1)[-1]

    def of(self, kind: str) -> list[Any]:
        """Return what has arrived of a kind, oldest first."""
        with self._arrival:
            return list(self.frames.get(kind, ()))

    def wait_for(self, kind: str, *, count: int = 1) -> list[Any]:
        """Wait until this many frames of a kind have arrived, and return all of them."""
        return self.wait_until(kind, lambda frames: len(frames) >= count)

    def wait_until(self, kind: str, is_enough: Callable[[list[Any]], bool]) -> list[Any]:
        """Wait until the frames of a kind are as they should be, and return them."""
        with self._arrival:
            met = self._arrival.wait_for(
                lambda: is_enough(self.frames.get(kind, [])), timeout=WAIT_S_MAX
            )
            frames = list(self.frames.get(kind, ()))
        assert met, f"expected other frames of {kind} within {WAIT_S_MAX} s, was {frames}"
        return frames

    def _collector(self, kind: str) -> Callable[[Any], None]:
        return lambda frame: self._collect(kind, frame)

    def _collect(self, kind: str, frame: Any) -> None:
        with self._arrival:
            self.frames.setdefault(kind, []).append(frame)
            self._arrival.notify_all()


@contextmanager
def following(sandbox: Sandbox, login: str = "desk", **options: Any) -> Iterator[PushCollector]:
    """Connect a push client for the length of a test."""
    collector = PushCollector(sandbox, login, **options).connect()
    try:
        yield collector
    finally:
        collector.close()
