"""One child of the supervisor: started, waited for, watched, started again, stopped.

A child says `{"ready": true}` on stdout when it does its work; a worker goes on saying so, with the
desks that are stuck, or is shown as not answering. A worker that waits for its login says
`{"ready": false, "detail": "what for"}` first and may do so for ever, until the same without a
detail says that the wait is over. One that waits for NATS while it does what a halt file asks for
adds `"waits_for": "nats"`, again and again, and is left alone as long as it goes on saying so. Its
log goes to a file, its stdin is the lifeline. After an end it is started again with growing pauses,
never in a busy loop.
"""

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import structlog

from infra.supervisor.board import StatusBoard
from infra.supervisor.child import GRACE_S
from infra.supervisor.log_files import rotate
from infra.supervisor.status import ProcessState

READY_LIMIT_S: Final = 60.0
# A worker that is ready says so about once a second; one that does not for so long hangs.
PULSE_LIMIT_S: Final = 5.0
PAUSE_MIN_S: Final = 0.2
PAUSE_MAX_S: Final = 5.0
# Who was ready for this long has proven itself: the next end is not part of a loop.
STEADY_S: Final = 30.0
CRASHES_MAX: Final = 5
# `EX_TEMPFAIL`: a worker's word for "another process holds this login".
EXIT_LOGIN_IN_USE: Final = 75
_READ_BYTES: Final = 64 * 1024
_DETAIL_MAX: Final = 300
# A worker's word, as is `EXIT_LOGIN_IN_USE`.
WAITS_FOR_NATS: Final = "nats"

_log = structlog.get_logger("supervisor")


class ProcessSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to run; `stop_limit_s` is how long an orderly stop may take."""

    name: str
    module: str
    arguments: tuple[str, ...]
    stop_limit_s: float = 10.0
    # A module that watches its own stdin is not wrapped.
    has_own_lifeline: bool = False


class _ReadyLine(msgspec.Struct, frozen=True):
    ready: bool
    detail: str = ""
    waits_for: str = ""
    # Seconds by account, of desks that stand still though the process lives; who says this, even
    # with none, goes on saying it.
    stuck: dict[str, float] | None = None


class SupervisedProcess:
    """One child and its history; `run` is its whole life."""

    def __init__(
        self, spec: ProcessSpec, *, board: StatusBoard, logs: Path, environment: dict[str, str]
    ) -> None:
        self.spec = spec
        # Set when the child was ready, or has shown that it will not be.
        self.settled = asyncio.Event()
        self._board = board
        self._log_path = logs / f"{spec.name}.log"
        self._environment = environment
        self._stopping = asyncio.Event()
        self._child: asyncio.subprocess.Process | None = None
        self._shown = ProcessState.STARTING
        self._restarts = 0
        self._crashes = 0
        # When its login was first found in use, of the ends in a row that say so.
        self._held_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, group: asyncio.TaskGroup) -> None:
        """Begin the child's life in a group of tasks."""
        self._show(ProcessState.STARTING)
        self._task = group.create_task(self._run(), name=self.spec.name)

    async def stop(self) -> None:
        """Ask the child to end, then end it; return when it is gone."""
        if self._task is None:
            return
        self._stopping.set()
        await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = PAUSE_MIN_S
        try:
            while not self._stopping.is_set():
                started_at = loop.time()
                code = await self._live()
                if self._stopping.is_set():
                    break
                is_steady = loop.time() - started_at >= STEADY_S
                pause_s = PAUSE_MIN_S if is_steady else pause_s
                state = self._state_after(code, is_steady=is_steady, now=loop.time())
                if self._is_settled(state, now=loop.time()):
                    pause_s = PAUSE_MAX_S
                    self.settled.set()
                self._restarts += 1
                self._show(state, detail=f"ended with {code}; see {self._log_path.name}")
                _log.warning("process.ended", name=self.spec.name, code=code, pause_s=pause_s)
                await self._sleep(pause_s)
                pause_s = min(pause_s * 2, PAUSE_MAX_S)
        finally:
            await self._end()
            self._show(ProcessState.STOPPED)

    # One life of the child: returns its exit code, or nothing when it was asked to stop.
    async def _live(self) -> int | None:
        child = await self._spawn()
        self._show(ProcessState.STARTING)
        stopping = asyncio.create_task(self._stopping.wait())
        serving = asyncio.create_task(self._serve(child))
        try:
            await asyncio.wait({stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
            return serving.result() if serving.done() else None
        finally:
            for task in (stopping, serving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _spawn(self) -> asyncio.subprocess.Process:
        rotate(self._log_path)
        wrapper = () if self.spec.has_own_lifeline else ("infra.supervisor.child",)
        command = (*wrapper, self.spec.module, *self.spec.arguments)
        with self._log_path.open("ab") as log:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._environment,
                # Ctrl-C in a terminal is for the supervisor, which stops its children in order.
                start_new_session=sys.platform != "win32",
                creationflags=_new_group(),
            )
        return self._child

    async def _serve(self, child: asyncio.subprocess.Process) -> int:
        try:
            async with asyncio.timeout(READY_LIMIT_S) as limit:
                while (line := await _next_line(child)) is not None and not line.ready:
                    limit.reschedule(self._limit_after(line))
        except TimeoutError:
            _log.warning("process.not_ready", name=self.spec.name, waited_s=READY_LIMIT_S)
            child.kill()
            return await child.wait()
        if line is not None:
            self._show(ProcessState.READY)
            self.settled.set()
            await self._follow(child, has_pulse=line.stuck is not None)
        assert child.stdout is not None
        while await child.stdout.read(_READ_BYTES):
            pass
        return await child.wait()

    async def _follow(self, child: asyncio.subprocess.Process, *, has_pulse: bool) -> None:
        """Hear a child that is ready, and show one that stops to say so; others say it once."""
        is_silent = False
        while True:
            try:
                async with asyncio.timeout(PULSE_LIMIT_S if has_pulse and not is_silent else None):
                    line = await _next_line(child)
            except TimeoutError:
                is_silent = True
                _log.warning("process.silent", name=self.spec.name, waited_s=PULSE_LIMIT_S)
                self._show(
                    ProcessState.NOT_ANSWERING,
                    detail="it lives, and says nothing any more",
                    since_s=PULSE_LIMIT_S,
                )
                continue
            if line is None:
                return
            is_silent = False
            self._hear(line)

    def _hear(self, line: _ReadyLine) -> None:
        if line.stuck:
            told = f"the desk of {', '.join(sorted(line.stuck))} stands still"
            self._show(
                ProcessState.NOT_ANSWERING,
                detail=told[:_DETAIL_MAX],
                since_s=max(line.stuck.values()),
            )
        elif self._shown is not ProcessState.READY:
            self._show(ProcessState.READY)

    # Shows what a child that is not ready says, and returns until when it may take to be.
    def _limit_after(self, line: _ReadyLine) -> float | None:
        if not line.detail:
            self._show(ProcessState.STARTING)
            return asyncio.get_running_loop().time() + READY_LIMIT_S
        if line.waits_for == WAITS_FOR_NATS:
            self._show(ProcessState.STARTING, detail=line.detail[:_DETAIL_MAX])
            self.settled.set()
            return asyncio.get_running_loop().time() + READY_LIMIT_S
        # Another machine's worker has the login: there is no telling for how long.
        self._show(ProcessState.LOGIN_IN_USE, detail=line.detail[:_DETAIL_MAX])
        self.settled.set()
        return None

    def _state_after(self, code: int | None, *, is_steady: bool, now: float) -> ProcessState:
        if code == EXIT_LOGIN_IN_USE:
            self._held_since = now if self._held_since is None else self._held_since
            return ProcessState.LOGIN_IN_USE
        self._held_since = None
        self._crashes = 1 if is_steady else self._crashes + 1
        return ProcessState.CRASH_LOOP if self._crashes >= CRASHES_MAX else ProcessState.WAITING

    def _is_settled(self, state: ProcessState, *, now: float) -> bool:
        if self._held_since is not None:
            # A worker whose supervisor was killed holds its login while it ends in order.
            return now - self._held_since >= GRACE_S
        return state is not ProcessState.WAITING

    async def _sleep(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()

    async def _end(self) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            async with asyncio.timeout(self.spec.stop_limit_s):
                await child.wait()
        except TimeoutError:
            _log.warning("process.killed", name=self.spec.name, waited_s=self.spec.stop_limit_s)
            child.kill()
            await child.wait()

    def _show(self, state: ProcessState, *, detail: str = "", since_s: float = 0.0) -> None:
        self._shown = state
        is_alive = self._child is not None and self._child.returncode is None
        self._board.set_process(
            self.spec.name,
            state,
            pid=self._child.pid if self._child is not None and is_alive else None,
            restarts=self._restarts,
            detail=detail,
            since_s=since_s,
        )


def _new_group() -> int:
    if sys.platform == "win32":
        return subprocess.CREATE_NEW_PROCESS_GROUP
    return 0


# What the child says next of itself; None when it says no more.
async def _next_line(child: asyncio.subprocess.Process) -> _ReadyLine | None:
    assert child.stdout is not None
    # A line longer than the stream's limit (ValueError) is no ready line of ours either.
    with contextlib.suppress(ValueError):
        while line := await child.stdout.readline():
            with contextlib.suppress(msgspec.DecodeError):
                return msgspec.json.decode(line, type=_ReadyLine)
    return None
