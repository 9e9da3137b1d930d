"""A child that waits and says so is left alone; one that says nothing is started again."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from adapters.tiger_worker.login import AWAITED
from infra.clock import SystemClock
from infra.home import Home
from infra.supervisor import process
from infra.supervisor.board import StatusBoard
from infra.supervisor.process import ProcessSpec, SupervisedProcess
from infra.supervisor.status import Phase, ProcessState, ProcessStatus, read_status
from tests.support.waiting_child import READY, STOOD_S, STUCK

ROOT: Final = Path(__file__).parents[2]
WAIT_S: Final = 30.0
LIMIT_S: Final = 3.0
NAME: Final = "worker-alpha"


class Watched(StatusBoard):
    """A board that keeps all it was told, and lets one wait for it."""

    def __init__(self, home: Home) -> None:
        super().__init__(home, SystemClock())
        self.told: list[ProcessStatus] = []
        self._news = asyncio.Event()
        self._home_read = home

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
        super().set_process(name, state, pid=pid, restarts=restarts, detail=detail, since_s=since_s)
        status = read_status(self._home_read)
        assert status is not None
        self.told += status.processes
        self._news.set()

    async def until(self, is_there: Callable[[list[ProcessStatus]], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not is_there(self.told):
                self._news.clear()
                await self._news.wait()


async def watched(
    tmp_path: Path, *arguments: str, until: Callable[[list[ProcessStatus]], bool]
) -> list[ProcessStatus]:
    """Supervise one child until its status is as wanted; returns all that was told of it."""
    home = Home(tmp_path)
    home.run.mkdir(parents=True)
    board = Watched(home)
    board.set_phase(Phase.READY)
    spec = ProcessSpec(name=NAME, module="tests.support.waiting_child", arguments=arguments)
    child = SupervisedProcess(
        spec, board=board, logs=tmp_path, environment={"PYTHONPATH": str(ROOT)}
    )
    async with asyncio.TaskGroup() as group:
        child.start(group)
        await board.until(until)
        told = list(board.told)
        await child.stop()
    return told


async def test_child_that_says_what_it_waits_for_is_left_alone_beyond_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "READY_LIMIT_S", LIMIT_S)
    told = await watched(
        tmp_path,
        "9",
        "0.5",
        READY,
        until=lambda told: any(each.state is ProcessState.READY for each in told),
    )
    assert {each.restarts for each in told} == {0}
    waiting = [each for each in told if each.detail]
    assert {(each.state, each.detail) for each in waiting} == {(ProcessState.STARTING, AWAITED)}
    # Since it was said first, however often it is said again.
    assert len({each.since for each in waiting}) == 1


async def test_child_that_says_nothing_any_more_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "READY_LIMIT_S", LIMIT_S)
    told = await watched(
        tmp_path, "1", "0", "mute", until=lambda told: any(each.restarts == 1 for each in told)
    )
    assert any(each.detail == AWAITED for each in told)
    assert told[-1].state is ProcessState.WAITING


async def test_child_whose_desk_stands_still_is_not_answering_until_it_turns_again(
    tmp_path: Path,
) -> None:
    wanted = [ProcessState.READY, ProcessState.NOT_ANSWERING, ProcessState.READY]
    told = await watched(
        tmp_path, "0", "0", STUCK, until=lambda told: [each.state for each in told[-3:]] == wanted
    )
    ready, stuck, again = told[-3:]
    assert stuck.detail == "the desk of sandbox stands still"
    # It has stood for a while when it is told of.
    assert ready.since - stuck.since > timedelta(seconds=STOOD_S / 2)
    assert again.since >= ready.since
