"""What `tiger-mcp status` says of the whole cluster follows its processes, there and back."""

from pathlib import Path

import pytest

from infra.clock import SystemClock
from infra.home import Home
from infra.supervisor.board import StatusBoard
from infra.supervisor.status import Phase, ProcessState, read_status

BETA = "worker-beta"


class Board:
    """A board of two processes, and what it wrote last."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.board = StatusBoard(home, SystemClock())
        self.set("projector", ProcessState.READY)

    def set(self, name: str, state: ProcessState) -> None:
        self.board.set_process(name, state, pid=1, restarts=0)

    def written(self) -> tuple[Phase, str]:
        status = read_status(self.home)
        assert status is not None
        return status.phase, status.message


@pytest.fixture
def board(tmp_path: Path) -> Board:
    home = Home(tmp_path)
    home.run.mkdir(parents=True)
    return Board(home)


def test_a_process_that_recovers_is_not_told_as_missing_any_more(board: Board) -> None:
    board.set(BETA, ProcessState.STARTING)
    board.board.set_phase(Phase.DEGRADED, message=f"not ready: {BETA}")
    board.set(BETA, ProcessState.READY)
    assert board.written() == (Phase.READY, "")


def test_a_process_that_is_away_is_named_with_all_that_are(board: Board) -> None:
    board.board.set_phase(Phase.READY)
    board.set(BETA, ProcessState.NOT_ANSWERING)
    assert board.written() == (Phase.DEGRADED, f"not ready: {BETA}")
    board.set("projector", ProcessState.WAITING)
    assert board.written() == (Phase.DEGRADED, f"not ready: projector, {BETA}")
    board.board.forget_process(BETA)
    assert board.written() == (Phase.DEGRADED, "not ready: projector")


def test_what_is_said_of_a_start_stays_while_it_lasts(board: Board) -> None:
    board.board.set_phase(Phase.STARTING, step="starting the workers", message="a word")
    board.set(BETA, ProcessState.READY)
    assert board.written() == (Phase.STARTING, "a word")
