"""Keeps `run/status.json` true while the supervisor runs."""

import os
from datetime import timedelta

import msgspec
import structlog

from core.ports import Clock
from infra.home import Home
from infra.supervisor.status import (
    AccountsTaken,
    Phase,
    ProcessState,
    ProcessStatus,
    Status,
    write_status,
)

_log = structlog.get_logger("supervisor")


class StatusBoard:
    """The status in memory, written at every change; used from the event loop alone."""

    def __init__(self, home: Home, clock: Clock) -> None:
        self._home = home
        self._clock = clock
        now = clock.now()
        self._status = Status(
            pid=os.getpid(), phase=Phase.STARTING, step="", started_at=now, updated_at=now
        )
        self._processes: dict[str, ProcessStatus] = {}

    def set_phase(self, phase: Phase, *, step: str = "", message: str = "") -> None:
        """Say how far the cluster is."""
        self._write(phase=phase, step=step, message=message)

    def set_process(
        self,
        name: str,
        state: ProcessState,
        *,
        pid: int | None,
        restarts: int,
        detail: str = "",
        since_s: float = 0.0,
    ) -> None:
        """Say how one process is, and if it is new, for how many seconds it has been so."""
        before = self._processes.get(name)
        began_at = self._clock.now() - timedelta(seconds=since_s)
        # What is said again and again is so since it was said first.
        is_same = before is not None and (before.state, before.pid) == (state, pid)
        self._processes[name] = ProcessStatus(
            name=name,
            pid=pid,
            state=state,
            restarts=restarts,
            since=before.since if before is not None and is_same else began_at,
            detail=detail,
        )
        self._write(**self._health())

    def forget_process(self, name: str) -> None:
        """Say no more of a process that is not part of the cluster any longer."""
        self._processes.pop(name, None)
        self._write(**self._health())

    def set_accounts(self, accounts: AccountsTaken) -> None:
        """Say which list of accounts the cluster took, or why it did not."""
        self._write(accounts=accounts)

    def not_ready(self) -> tuple[str, ...]:
        """Return the names of the processes that are not ready."""
        return tuple(
            process.name
            for process in self._processes.values()
            if process.state is not ProcessState.READY
        )

    # Once started, the phase and its message follow the processes.
    def _health(self) -> dict[str, object]:
        if self._status.phase not in (Phase.READY, Phase.DEGRADED):
            return {}
        late = ", ".join(self.not_ready())
        return {
            "phase": Phase.DEGRADED if late else Phase.READY,
            "message": f"not ready: {late}" if late else "",
        }

    def _write(self, **changes: object) -> None:
        self._status = msgspec.structs.replace(
            self._status,
            updated_at=self._clock.now(),
            processes=tuple(self._processes.values()),
            **changes,
        )
        try:
            write_status(self._home, self._status)
        except OSError as error:
            # It is information only: a full disk must not end the processes that it tells of.
            _log.error("status.not_written", reason=error.strerror)
