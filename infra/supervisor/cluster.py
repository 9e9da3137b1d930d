"""The local cluster: brought up in order, watched, and taken down in the reverse order.

Order up: home, nats-server, the system's facts, sandbox, projector and workers. Order down: workers
first, so that what is open at the broker is recorded while the ledger still answers.
"""

import asyncio
import os
import sys
from typing import Final

import structlog

from core.errors import ConfigError
from core.ports import Clock, Ids
from infra.config import Settings, child_environment
from infra.home import Home, Installation
from infra.nats.topology import PROJECTOR, worker_role
from infra.supervisor.board import StatusBoard
from infra.supervisor.changes import AccountsWatch, changed_logins
from infra.supervisor.foreign_server import ForeignServer
from infra.supervisor.installation import has_sandbox, load_or_make, topology_of
from infra.supervisor.process import ProcessSpec, SupervisedProcess
from infra.supervisor.sandbox_ports import read_or_choose_sandbox_ports
from infra.supervisor.server_watch import OwnServer, Server
from infra.supervisor.status import Phase
from infra.supervisor.system_ledger import record_accounts_as_operator

WORKER: Final = "adapters.tiger_worker"
# A worker lets a call to the broker end (20 s) and records what it does not know.
WORKER_STOP_LIMIT_S: Final = 28.0
# glibc gives every thread a heap of its own, and what one thread frees no other can use: 2 MiB of a
# worker with its 27 threads, of which one runs Python at a time. Elsewhere it means nothing.
# Source: glibc manual, "Memory Allocation Tunables", glibc.malloc.arena_max.
_ONE_HEAP: Final = {"MALLOC_ARENA_MAX": "1"}

_log = structlog.get_logger("supervisor")


class Cluster:
    """Everything of one home; the caller holds the supervisor's lock."""

    def __init__(self, settings: Settings, board: StatusBoard, *, clock: Clock, ids: Ids) -> None:
        self._settings = settings
        self._home = Home(settings.home)
        self._board = board
        self._clock = clock
        self._ids = ids
        self._environment = _ONE_HEAP | child_environment(settings)
        # Each layer needs the ones before it.
        self._layers: list[list[SupervisedProcess]] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Bring the cluster up, keep it up until `stop`, and take it down.

        Raises:
            ServiceError: it cannot come up; nothing is left running.
        """
        self._board.set_phase(Phase.STARTING, step="taking the home")
        server = await self._take_server()
        try:
            installation = await self._bring_up_server(server)
            async with asyncio.TaskGroup() as group:
                group.create_task(server.watch())
                warden = self._process(_warden(self._settings)) if _needs_warden(server) else None
                if warden is not None:
                    warden.start(group)
                await self._keep_up(group, server, installation, stop)
                await self._take_down()
                self._board.set_phase(Phase.STOPPING, step="stopping nats-server")
                await server.stop()
                if warden is not None:
                    await warden.stop()
        finally:
            await server.stop()

    async def _take_server(self) -> Server:
        if self._settings.nats_url is not None:
            return ForeignServer(self._settings)
        return await asyncio.to_thread(OwnServer.take, self._settings, self._board)

    async def _bring_up_server(self, server: Server) -> Installation:
        self._board.set_phase(Phase.STARTING, step="preparing the home")
        installation = await asyncio.to_thread(load_or_make, self._home)
        self._board.set_phase(Phase.STARTING, step="starting nats-server")
        await server.start(topology_of(installation))
        self._board.set_phase(Phase.STARTING, step="recording the accounts")
        await record_accounts_as_operator(
            self._settings, installation, clock=self._clock, ids=self._ids
        )
        return installation

    async def _keep_up(
        self,
        group: asyncio.TaskGroup,
        server: Server,
        installation: Installation,
        stop: asyncio.Event,
    ) -> None:
        stopping = asyncio.create_task(stop.wait())
        living = asyncio.create_task(self._live(group, server, installation))
        try:
            await asyncio.wait({stopping, living}, return_when=asyncio.FIRST_COMPLETED)
            if living.done():
                living.result()
        finally:
            living.cancel()
            stopping.cancel()
            await asyncio.gather(living, stopping, return_exceptions=True)

    # Start everything, then take what a person changes of the accounts, until cancelled.
    async def _live(
        self, group: asyncio.TaskGroup, server: Server, installation: Installation
    ) -> None:
        await self._start(group, installation)

        async def take(before: Installation, after: Installation) -> None:
            await self._take_accounts(group, server, before, after)

        await AccountsWatch(self._home, self._board, installation).run(take)

    async def _take_accounts(
        self,
        group: asyncio.TaskGroup,
        server: Server,
        before: Installation,
        after: Installation,
    ) -> None:
        if has_sandbox(after) and not has_sandbox(before):
            raise ConfigError("the home's sandbox broker is started with the cluster alone")
        if topology_of(after) != topology_of(before):
            await server.change(topology_of(after))
        await record_accounts_as_operator(self._settings, after, clock=self._clock, ids=self._ids)
        changed = changed_logins(before, after)
        if len(after.logins) != len(before.logins):
            # It follows the ledgers that were there when it began.
            await self._stop_desk(PROJECTOR)
            await self._start_desk(group, _projector(self._home))
        for name in changed:
            await self._stop_desk(worker_role(name))
            if after.login(name).accounts:
                await self._start_desk(group, _worker(self._home, name))

    async def _stop_desk(self, name: str) -> None:
        desks = self._layers[-1]
        for process in [each for each in desks if each.spec.name == name]:
            # Shielded: whoever stops the cluster meanwhile waits for the same end.
            await asyncio.shield(process.stop())
            desks.remove(process)
            self._board.forget_process(name)

    async def _start_desk(self, group: asyncio.TaskGroup, spec: ProcessSpec) -> None:
        process = self._process(spec)
        # Before it starts, so that whoever stops the cluster meanwhile stops it too.
        self._layers[-1].append(process)
        process.start(group)
        await process.settled.wait()

    async def _start(self, group: asyncio.TaskGroup, installation: Installation) -> None:
        try:
            async with asyncio.timeout(self._settings.start_limit_s):
                for layer in self._plan(installation):
                    await self._start_layer(group, layer)
        except TimeoutError:
            _log.warning("cluster.slow", limit_s=self._settings.start_limit_s)
        late = self._board.not_ready()
        if late:
            self._board.set_phase(Phase.DEGRADED, message=f"not ready: {', '.join(late)}")
        else:
            self._board.set_phase(Phase.READY)
        _log.info("cluster.started", not_ready=late)

    def _plan(self, installation: Installation) -> list[list[ProcessSpec]]:
        sandbox = [_sandbox(self._home, self._settings)] if has_sandbox(installation) else []
        desks = [_projector(self._home)] + [
            _worker(self._home, login.name) for login in installation.logins if login.accounts
        ]
        return [layer for layer in (sandbox, desks) if layer]

    async def _start_layer(self, group: asyncio.TaskGroup, layer: list[ProcessSpec]) -> None:
        names = ", ".join(spec.name for spec in layer)
        self._board.set_phase(Phase.STARTING, step=f"starting {names}")
        processes = [self._process(spec) for spec in layer]
        self._layers.append(processes)
        for process in processes:
            process.start(group)
        await asyncio.gather(*(process.settled.wait() for process in processes))

    async def _take_down(self) -> None:
        for layer in reversed(self._layers):
            # Workers before the projector, which shows what they record last.
            workers = [process for process in layer if process.spec.module == WORKER]
            others = [process for process in layer if process.spec.module != WORKER]
            for group in (workers, others):
                names = ", ".join(process.spec.name for process in group)
                self._board.set_phase(Phase.STOPPING, step=f"stopping {names}" if names else "")
                await asyncio.gather(*(process.stop() for process in group))

    def _process(self, spec: ProcessSpec) -> SupervisedProcess:
        return SupervisedProcess(
            spec, board=self._board, logs=self._home.logs, environment=self._environment
        )


def _needs_warden(server: Server) -> bool:
    # On Windows the server ends with its supervisor by itself.
    return isinstance(server, OwnServer) and sys.platform != "win32"


def _warden(settings: Settings) -> ProcessSpec:
    return ProcessSpec(
        name="warden",
        module="infra.supervisor.warden",
        arguments=("--home", str(settings.home), "--supervisor", str(os.getpid())),
        has_own_lifeline=True,
    )


def _sandbox(home: Home, settings: Settings) -> ProcessSpec:
    ports = read_or_choose_sandbox_ports(home.run / "sandbox-ports.json")
    return ProcessSpec(
        name="sandbox",
        module="infra.sandbox",
        arguments=(
            *("--home", str(home.sandbox)),
            *("--http", str(ports.http), "--control", str(ports.control)),
            *("--seed", str(settings.sandbox_seed)),
        ),
    )


def _projector(home: Home) -> ProcessSpec:
    return ProcessSpec(name=PROJECTOR, module="projections", arguments=("--home", str(home.path)))


def _worker(home: Home, login: str) -> ProcessSpec:
    return ProcessSpec(
        name=worker_role(login),
        module=WORKER,
        arguments=("--home", str(home.path), "--login", login),
        stop_limit_s=WORKER_STOP_LIMIT_S,
    )
