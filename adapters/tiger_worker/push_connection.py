"""One connection of the SDK's push client: its callbacks made into signs, its threads ended.

The client is the SDK's own, unmodified. What it does by itself is kept from harm: its callbacks run
in its one receiving thread, its root logger's lines (signed requests among them) are dropped, and
the thread of its heart beats, which it forgets with every connection, is ended.

Source: tigeropen 3.8.0, `push/` (read 2026-11-23).
"""

import contextlib
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog

from core.ports import Clock

log = structlog.get_logger()
# How often the client says that it lives, and hears the same, in milliseconds.
HEARTBEATS_MS: Final = (10_000, 10_000)
# Nothing heard for so long ends the SDK's receiving thread.
SOCKET_WAIT_S: Final = 20.0
PROBE_WAIT_S: Final = 5.0
CLOSE_WAIT_S: Final = 5.0
DATA_KINDS: Final = ("order", "transaction", "position", "asset")
_SDK_FOLDER: Final = f"{Path('tigeropen', 'push')}{os.sep}"


class Sign(StrEnum):
    """What a connection tells its link, or another thread asks of it."""

    FOLLOWING = "following"
    REFUSED = "refused"
    KICKED = "kicked"
    ENDED = "ended"
    SILENT = "silent"
    RENEW = "renew"
    STOP = "stop"


class Push(NamedTuple):
    """Whom a connection tells: `tell` its signs, `hear` the kind and account of each message."""

    tell: Callable[["PushConnection", Sign], None]
    hear: Callable[[str, str], None]


class PushAddress(NamedTuple):
    """Where a login's push is spoken, and whether in TLS."""

    host: str
    port: int
    use_tls: bool


class PushConnection:
    """A connection from `begin` to `end`, both by one thread.

    Args:
        config: the SDK's configuration of the login.

    Attributes:
        heard_at: when the broker last gave a sign of life, on the monotonic clock.
        begun_boot_s: when it was begun, on the clock that counts sleep.
    """

    def __init__(
        self,
        push: Push,
        *,
        address: PushAddress,
        config: Any,
        clock: Clock,
        heartbeats_ms: tuple[int, int] = HEARTBEATS_MS,
        socket_wait_s: float = SOCKET_WAIT_S,
    ) -> None:
        self._push = push
        self._address = address
        self._config = config
        self._heartbeats_ms = heartbeats_ms
        self._socket_wait_s = socket_wait_s
        self._calls = _Calls(self._note_life)
        self._ended = threading.Event()
        self._is_welcomed = False
        self._client: Any = None
        self.begun_boot_s = clock.boot_s()
        self.heard_at = time.monotonic()

    def begin(self) -> bool:
        """Open the socket and ask to be told of every account; False if nobody is there.

        Whether the broker agrees comes as a sign.

        With a broker that answers at first and then is gone, the SDK tries again by itself, with
        growing pauses of up to a minute, before it returns.
        """
        try:
            # The SDK alone would try sixty times, and nothing could stop it.
            socket.create_connection(self._address[:2], PROBE_WAIT_S).close()
        except OSError as error:
            log.warning("push.unreachable", reason=type(error).__name__)
            return False
        self._client = client = self._new_client()
        self._try(lambda: client.connect(self._config.tiger_id, self._config.private_key))
        return True

    def end(self) -> int:
        """End the connection; return how many threads of the SDK may go on."""
        transport = self._calls.end_heartbeats()
        if transport is not None and not self._ended.is_set():
            _shut(transport)
        # Out of reach before its first message, a mute broker's connection ends by its own limit.
        self._ended.wait(CLOSE_WAIT_S if transport is not None else self._socket_wait_s + 1)
        is_beating = self._is_welcomed and transport is None
        return int(not self._ended.is_set()) + int(is_beating)

    def _new_client(self) -> Any:
        # Here and not above: the import asks for names of this host, which may take long.
        # The SDK's `PushClient` makes one of these and passes everything on to it, but loads its
        # STOMP client as well, 1 MiB that nothing uses.
        from tigeropen.push.protobuf_push_client import ProtobufPushClient

        logging.getLogger().addFilter(_DROP_SDK_LINES)
        with _own_ssl():
            client = ProtobufPushClient(
                self._address.host,
                self._address.port,
                use_ssl=self._address.use_tls,
                connection_timeout=self._socket_wait_s,
                heartbeats=self._heartbeats_ms,
                client_config=self._config,
                callback_executor=self._calls,
            )
        for kind in DATA_KINDS:
            setattr(client, f"{kind}_changed", self._hearing(kind))
        client.connect_callback = self._welcomed
        client.subscribe_callback = self._subscribed
        client.error_callback = self._refused
        client.kickout_callback = lambda _frame: self._push.tell(self, Sign.KICKED)
        client.heartbeat_callback = lambda _frame: self._note_life()
        # Without this one the SDK reconnects by itself, with no pause, even after a kick.
        client.disconnect_callback = self._gone
        return client

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - on a broker lane, unforeseen means lost
            log.warning("push.call_failed", reason=type(error).__name__)
            self._push.tell(self, Sign.ENDED)

    def _hearing(self, kind: str) -> Callable[[Any], None]:
        return lambda message: self._push.hear(kind, message.account)

    def _welcomed(self, _frame: Any) -> None:
        self._is_welcomed = True
        self._note_life()
        # In the thread that reads: in TLS, reading and writing at once breaks a connection.
        # One account topic brings all four, and no account means all of the login's.
        self._try(self._client.subscribe_order)

    def _subscribed(self, frame: Any) -> None:
        code = _code_of(frame.msg)
        if code:
            log.warning("push.subscription_refused", code=code)
        self._push.tell(self, Sign.REFUSED if code else Sign.FOLLOWING)

    def _refused(self, frame: Any) -> None:
        # Its text may hold the account's number.
        log.warning("push.refused", code=frame.code)
        self._push.tell(self, Sign.REFUSED)

    def _gone(self) -> None:
        self._ended.set()
        self._push.tell(self, Sign.ENDED)

    def _note_life(self) -> None:
        self.heard_at = time.monotonic()


class _Calls:
    """Runs the SDK's callbacks where they arise, so that no thread is made for them.

    It also sees which objects of the SDK are called: nothing else hands out the one that can end
    the thread of the heart beats.
    """

    def __init__(self, note_life: Callable[[], None]) -> None:
        self._note_life = note_life
        self._protocol: Any = None

    def submit(self, call: Callable[..., None], *args: Any, **_routing: object) -> None:
        """Run one callback of a message, now."""
        owner = getattr(args[0], "__self__", None)
        if hasattr(owner, "heartbeat_thread"):
            self._protocol = owner
        self._note_life()
        call(*args)

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = True) -> None:
        """There is nothing to shut down."""

    def end_heartbeats(self) -> Any:
        """End the heart beats, and return the transport; None before the first message."""
        if self._protocol is None:
            return None
        # The SDK has this method, and never calls it.
        self._protocol.on_disconnected()
        return self._protocol.transport


class _DropSdkLines(logging.Filter):
    """Drops what the SDK's push side says through the root logger, signatures among it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a line may pass."""
        return _SDK_FOLDER not in record.pathname


_DROP_SDK_LINES: Final = _DropSdkLines()


@contextmanager
def _own_ssl() -> Iterator[None]:
    # The SDK has every TLS handshake of the process wait for 10 ms from its first client on.
    wrap_socket = ssl.SSLContext.wrap_socket
    try:
        yield
    finally:
        ssl.SSLContext.wrap_socket = wrap_socket  # type: ignore[method-assign]


def _shut(transport: Any) -> None:
    # Ends the receiving thread, in TLS too, and waits for nobody; that thread may close it first.
    opened = transport.socket
    if opened is not None:
        with contextlib.suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)


def _code_of(text: str) -> int:
    """Return the code in an acknowledgement's JSON text; 0 is success, and so is none."""
    try:
        fields = msgspec.json.decode(text or "{}", type=dict[str, Any])
        return int(fields.get("code") or 0)
    except (msgspec.DecodeError, TypeError, ValueError):
        return -1
