"""The connection of one process to NATS, and a thread that runs it for synchronous parts.

A time-out of a call never means "not sent": the client buffers while it reconnects. Bind a consumer
with `pull_subscribe_bind(consumer=…, stream=…)` and append with `publish`; neither asks for the
stream's or consumer's information, which no role but the provisioner may.
"""

import asyncio
import contextlib
import re
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import nats.errors
import nkeys
from nats.aio.client import Client

from core.errors import ConfigError, LinkError

# What may wait in the client while it reconnects; a full buffer refuses at once.
PENDING_BYTES_MAX: Final = 128 * 1024
RECONNECT_WAIT_S: Final = 0.1
_PING_INTERVAL_S: Final = 5
_PINGS_OPEN_MAX: Final = 2
_DRAIN_LIMIT_S: Final = 5
_FLUSH_LIMIT_S: Final = 5.0
_STOP_LIMIT_S: Final = 10.0

T = TypeVar("T")


class LinkTls(msgspec.Struct, frozen=True, kw_only=True):
    """The certificates of a client; the server shows and demands one of the same CA."""

    ca_file: Path
    cert_file: Path
    key_file: Path


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one process reaches NATS and as whom."""

    url: str
    role: str
    seed_path: Path
    inbox_prefix: str
    name: str
    tls: LinkTls | None = None
    connect_limit_s: float = 5.0


def _ignore() -> None:
    """Do nothing: the caller has no use for this notice."""


async def connect(
    settings: LinkSettings,
    *,
    on_error: Callable[[Exception], None],
    on_closed: Callable[[], None],
    on_disconnected: Callable[[], None] = _ignore,
    on_reconnected: Callable[[], None] = _ignore,
) -> Client:
    """Connect one role; afterwards the client reconnects by itself until its key is refused.

    `on_error` hears every refused subject (`nats.errors.Error`, text in lower case): a publish that
    was refused fails its caller only by time-out. `on_closed` means the link is gone for good: the
    caller closed it, or the key was revoked. All four run on the event loop and must return at
    once.

    Raises:
        LinkError: when the server cannot be reached within the limit or refuses the key.
        ConfigError: when the role's seed is missing or damaged.
    """
    _check_seed(settings)
    loop = asyncio.get_running_loop()
    refused: asyncio.Future[Exception] = loop.create_future()
    closing: list[asyncio.Task[None]] = []

    async def hear_error(error: Exception) -> None:
        # The client would show a refused key again ten times a second, for ever.
        if _is_key_refused(error) and not refused.done():
            refused.set_result(error)
            if connecting.done():
                closing.append(loop.create_task(client.close()))
        on_error(error)

    client = Client()
    connecting = asyncio.create_task(
        client.connect(
            servers=[settings.url],
            name=settings.name,
            nkeys_seed=str(settings.seed_path),
            inbox_prefix=settings.inbox_prefix,
            error_cb=hear_error,
            closed_cb=_as_async(on_closed),
            disconnected_cb=_as_async(on_disconnected),
            reconnected_cb=_as_async(on_reconnected),
            allow_reconnect=True,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type]  # a sleep in seconds
            connect_timeout=2,
            ping_interval=_PING_INTERVAL_S,
            max_outstanding_pings=_PINGS_OPEN_MAX,
            pending_size=PENDING_BYTES_MAX,
            flush_timeout=_FLUSH_LIMIT_S,
            drain_timeout=_DRAIN_LIMIT_S,
            tls=_tls_context(settings.tls),
            tls_handshake_first=settings.tls is not None,
        )
    )
    waits: set[asyncio.Future[Any]] = {connecting, refused}
    try:
        await asyncio.wait(
            waits, timeout=settings.connect_limit_s, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        is_connected = client.is_connected and connecting.done()
        if not is_connected:
            await _abandon(client, connecting)
    if not is_connected:
        cause = refused.result() if refused.done() else _failure(connecting) or client.last_error
        # What stands before the @ may be a password.
        url = re.sub("//.*@", "//***@", settings.url)
        raise LinkError(f"expected {url} to take {settings.role}, was {cause!r}")
    return client


class LoopThread:
    """One named thread that runs an event loop for parts that are not async."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a coroutine on the loop; its outcome comes in the future.

        Raises:
            LinkError: after `stop`.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:
            work.close()
            raise LinkError(f"expected {self._thread.name} to run, was stopped") from None

    def run(self, work: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine on the loop and wait for it; never from the loop's own thread.

        Raises:
            TimeoutError: after `timeout_s`; the coroutine is cancelled.
            LinkError: after `stop`.
        """
        future = self.submit(work)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        """Cancel what still runs, end the loop and wait for the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_STOP_LIMIT_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()


# The client would end in what its own reader of the file raises, and of that nothing is to be read.
def _check_seed(settings: LinkSettings) -> None:
    path = settings.seed_path
    try:
        nkeys.from_seed(bytearray(path.read_bytes().strip())).wipe()
        return
    except OSError as error:
        found = error.strerror or type(error).__name__
    except (nkeys.NkeysError, ValueError):
        found = "something else"
    raise ConfigError(
        f"expected the key of {settings.role} in {path}, was: {found}. Put it back, or point "
        "TIGER_MCP_NATS_KEYS at its folder; a key of the home's own server is made anew if you "
        "remove what is left of it and type `tiger-mcp down`, then `tiger-mcp up`"
    )


async def _abandon(client: Client, connecting: asyncio.Task[None]) -> None:
    connecting.cancel()
    await asyncio.wait({connecting})
    # One that never came to its queues, as by an address that is none, asserts that it did.
    with contextlib.suppress(nats.errors.Error, OSError, AssertionError):
        await client.close()


def _failure(connecting: asyncio.Task[None]) -> BaseException | None:
    return None if connecting.cancelled() else connecting.exception()


# A handshake that the server refuses has no class of its own, only the server's words.
# Source: nats-py 2.16.0, `nats/aio/client.py`, `_process_connect_init` (read 2026-11-22).
def _is_key_refused(error: Exception) -> bool:
    return (
        isinstance(error, nats.errors.AuthorizationError)
        or "authorization violation" in str(error).lower()
    )


def _as_async(notice: Callable[[], None]) -> Callable[[], Coroutine[Any, Any, None]]:
    async def call() -> None:
        notice()

    return call


def _tls_context(tls: LinkTls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(tls.cert_file, tls.key_file)
    return context
