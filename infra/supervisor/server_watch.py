"""The nats-server under the supervisor: taken over, started, started again on the same ports."""

import asyncio
import contextlib
import os
import signal
import sys
from typing import Final, Protocol, Self

import structlog

from core.errors import ConfigError
from infra.config import Settings
from infra.nats.admin import Deployment, bring_up, change
from infra.nats.config_text import Listener
from infra.nats.home_lock import HomeLock, LockOwner, read_owner
from infra.nats.layout import NatsHome
from infra.nats.monitor import wait_until
from infra.nats.ports import read_or_choose_ports
from infra.nats.server import NatsServer, find_binary, read_pid, start_server
from infra.nats.topology import Topology
from infra.supervisor.board import StatusBoard
from infra.supervisor.process import CRASHES_MAX, PAUSE_MAX_S, PAUSE_MIN_S, STEADY_S
from infra.supervisor.status import PROBE, SUPERVISOR, ProcessState

NAME: Final = "nats-server"
TAKE_LIMIT_S: Final = 15.0
_LOOK_S: Final = 0.05

_log = structlog.get_logger("supervisor")


class Server(Protocol):
    """What the cluster asks of its NATS server, whoever runs it."""

    async def start(self, topology: Topology) -> None:
        """Make it ready for an installation."""

    async def change(self, topology: Topology) -> None:
        """Let it take another list of accounts while it runs; connections of the others stay."""

    async def watch(self) -> None:
        """Keep it running until `stop`."""

    async def stop(self) -> None:
        """Leave nothing of ours running; a second call does nothing."""


def take_home(home: NatsHome) -> HomeLock:
    """Take the home's lock, ending a server that outlived its supervisor.

    The caller holds the supervisor's lock, so no other supervisor lives, whatever process id stands
    in the file: only a server that inherited the lock can hold it.

    Raises:
        ConfigError: something else holds the home.
    """
    owner = LockOwner(pid=os.getpid(), purpose=SUPERVISOR)
    taken: list[HomeLock] = []
    signalled: set[int] = set()

    def try_again() -> bool:
        lock = HomeLock.try_acquire(home.lock_path, owner=owner)
        if lock is not None:
            taken.append(lock)
            return True
        _end_orphan(home, signalled)
        return False

    if not wait_until(try_again, limit_s=TAKE_LIMIT_S):
        raise ConfigError(
            f"expected {home.root} free, was held by {read_owner(home.lock_path)}; end it first"
        )
    return taken[0]


def end_server_without_supervisor(home: NatsHome) -> bool:
    """End a server whose supervisor is dead; say whether there was one.

    The caller holds the supervisor's lock.

    Raises:
        ConfigError: something else holds the home.
    """
    if not home.lock_path.exists():
        return False
    probe = LockOwner(pid=os.getpid(), purpose=PROBE)
    lock = HomeLock.try_acquire(home.lock_path, owner=probe)
    was_held = lock is None
    (lock or take_home(home)).release()
    return was_held


def _end_orphan(home: NatsHome, signalled: set[int]) -> None:
    holder = read_owner(home.lock_path)
    # On Windows the server ends with its supervisor by itself.
    if sys.platform == "win32" or holder is None or holder.purpose not in (SUPERVISOR, PROBE):
        return
    # The server may be so young that it has not written its process id yet.
    with contextlib.suppress(ConfigError, ProcessLookupError):
        pid = read_pid(home)
        if pid not in signalled:
            signalled.add(pid)
            os.kill(pid, signal.SIGTERM)
            _log.warning("nats.orphan_ended", pid=pid)


def deployment_of(settings: Settings) -> Deployment:
    """Return the home's own server. The caller holds the home's lock, or ports exist already.

    Raises:
        ConfigError: there is no server program that can be used, or the ports do not decode.
    """
    home = NatsHome(settings.home)
    return Deployment(
        home=home,
        binary=find_binary(settings.nats_server),
        listener=Listener(ports=read_or_choose_ports(home.ports_path)),
    )


class OwnServer:
    """Holds the home's lock and keeps one server running on it."""

    @classmethod
    def take(cls, settings: Settings, board: StatusBoard) -> Self:
        """Take the home and choose its ports; starts nothing.

        Raises:
            ConfigError: the home is held, or there is no server program that can be used.
        """
        home = NatsHome(settings.home)
        lock = take_home(home)
        try:
            deployment = deployment_of(settings)
        except ConfigError:
            lock.release()
            raise
        return cls(deployment, lock, board)

    def __init__(self, deployment: Deployment, lock: HomeLock, board: StatusBoard) -> None:
        self._deployment = deployment
        self._lock = lock
        self._board = board
        self._server: NatsServer | None = None
        self._restarts = 0
        self._crashes = 0
        self._stopping = asyncio.Event()

    async def start(self, topology: Topology) -> None:
        """Bring the server up: keys, configuration, streams, every role tried.

        Raises:
            ConfigError: it cannot be; nothing is left running.
            LinkError: likewise.
        """
        self._show(ProcessState.STARTING)
        self._forget_pid()
        self._server = await bring_up(self._deployment, topology, self._lock)
        self._show(ProcessState.READY)

    async def change(self, topology: Topology) -> None:
        """Let the running server take another list of accounts; connections of the others stay.

        Raises:
            ConfigError: it does not take it, or cannot on this system.
            LinkError: it does not answer.
        """
        owner = LockOwner(pid=os.getpid(), purpose=SUPERVISOR)
        await change(self._deployment, topology, owner=owner)

    async def watch(self) -> None:
        """Start the server again whenever it ends, until `stop`."""
        loop = asyncio.get_running_loop()
        pause_s = PAUSE_MIN_S
        ready_at = loop.time()
        while not await self._is_stopping(_LOOK_S):
            if self._server is not None and self._server.is_alive:
                continue
            is_steady = loop.time() - ready_at >= STEADY_S
            self._crashes = 1 if is_steady else self._crashes + 1
            pause_s = PAUSE_MIN_S if is_steady else pause_s
            self._restarts += 1
            is_loop = self._crashes >= CRASHES_MAX
            self._show(ProcessState.CRASH_LOOP if is_loop else ProcessState.WAITING)
            _log.error("nats.ended", restarts=self._restarts, pause_s=pause_s)
            if await self._is_stopping(pause_s):
                return
            pause_s = min(pause_s * 2, PAUSE_MAX_S)
            await self._restart()
            ready_at = loop.time()

    async def stop(self) -> None:
        """End the server and give the home back."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)
        self._forget_pid()
        self._lock.release()
        self._show(ProcessState.STOPPED)

    async def _restart(self) -> None:
        self._server = None
        self._forget_pid()
        try:
            self._server = await asyncio.to_thread(
                start_server,
                self._deployment.home,
                binary=self._deployment.binary,
                ports=self._deployment.listener.ports,
                lock=self._lock,
            )
        except ConfigError as error:
            self._show(ProcessState.WAITING, detail=str(error))
            return
        self._show(ProcessState.READY)

    # A stale process id must never be taken for that of the server which inherits the lock next.
    def _forget_pid(self) -> None:
        self._deployment.home.pid_path.unlink(missing_ok=True)

    async def _is_stopping(self, wait_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._stopping.wait()
        return self._stopping.is_set()

    def _show(self, state: ProcessState, *, detail: str = "") -> None:
        is_alive = self._server is not None and self._server.is_alive
        self._board.set_process(
            NAME,
            state,
            pid=self._server.pid if self._server is not None and is_alive else None,
            restarts=self._restarts,
            detail=detail,
        )
