"""Why a worker ends, with which code, and in which order it stops."""

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytest

from adapters.tiger_worker import __main__ as worker
from adapters.tiger_worker import login
from adapters.tiger_worker.account import AccountWorker
from adapters.tiger_worker.file_halt import FileHalt
from adapters.tiger_worker.login import (
    EXIT_FAILED,
    EXIT_FENCED,
    EXIT_STOPPED,
    Ending,
    code_of,
    end,
    finish_halts,
    reach,
)
from core.errors import ConfigError, CorruptRecordError, LinkError, VersionConflictError
from infra import logs
from infra.config import settings_from
from tests.support.worker_parts import WAIT_S


def test_the_first_reason_of_an_ending_counts() -> None:
    fenced = Ending()
    fenced.fail(VersionConflictError("x"))
    fenced.lost_link()
    fenced.stop()
    assert fenced.wait() == EXIT_FENCED
    failed = Ending()
    failed.fail(ValueError("x"))
    assert failed.wait() == EXIT_FAILED
    stopped = Ending()
    stopped.stop()
    stopped.fail(VersionConflictError("x"))
    assert stopped.wait() == EXIT_STOPPED
    away = Ending()
    away.lost_link()
    assert away.wait() == EXIT_FAILED


@pytest.mark.parametrize(
    "give",
    [
        lambda ending: ending.fail(VersionConflictError("x")),
        Ending.stop,
        Ending.lost_link,
    ],
    ids=["fail", "stop", "lost link"],
)
def test_signal_amid_any_line_of_an_ending_neither_hangs_nor_is_lost(
    give: Callable[[Ending], None],
) -> None:
    ending = Ending()
    handled = threading.Semaphore(0)

    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        # A handler runs between two lines of whatever the main thread does.
        if frame.f_code.co_filename == str(worker_login_file()):
            if event == "line":
                sys.settrace(None)
                ending.stop()
                handled.release()
                sys.settrace(interrupt)
            return interrupt
        return None

    def run() -> None:
        sys.settrace(interrupt)
        give(ending)
        sys.settrace(None)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert handled.acquire(blocking=False)
    assert ending.wait() == EXIT_STOPPED


def worker_login_file() -> Path:
    return Path(sys.modules[Ending.__module__].__file__ or "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VersionConflictError("x"), EXIT_FENCED),
        (CorruptRecordError("x"), EXIT_FAILED),
        (LinkError("x"), EXIT_FAILED),
        (TimeoutError(), EXIT_FAILED),
        (KeyError("x"), EXIT_FAILED),
    ],
    ids=repr,
)
def test_every_error_has_its_code(error: BaseException, code: int) -> None:
    assert code_of(error) == code


@pytest.fixture
def exited(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    codes: list[int] = []
    monkeypatch.setattr(worker, "exit_now", codes.append)
    monkeypatch.setattr(logs, "configure", lambda *_: None)
    interval_s = sys.getswitchinterval()
    yield codes
    sys.setswitchinterval(interval_s)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), worker.EXIT_CONFIG),
        (VersionConflictError("x"), EXIT_FENCED),
        (LinkError("x"), EXIT_FAILED),
        (CorruptRecordError("x"), EXIT_FAILED),
        (TimeoutError(), EXIT_FAILED),
    ],
    ids=repr,
)
def test_error_that_ends_a_run_ends_the_process_at_once_with_its_code(
    exited: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception, code: int
) -> None:
    class Failing:
        def __init__(self, *_: object) -> None:
            """Take what a login takes."""

        def run(self) -> int:
            raise error

    # Only a process of its own could fail in each of these ways for real.
    monkeypatch.setattr(worker, "_Login", Failing)
    worker.run(settings_from({}, home=tmp_path, user_home=tmp_path), "alpha")
    assert exited == [code]


class Account:
    """One account of a login that ends; notes what is asked of it, in order."""

    def __init__(self, steps: list[str], *, open_acts: int = 0) -> None:
        self._steps = steps
        self.open_acts = open_acts

    def close_for_commands(self) -> None:
        self._steps.append("close")

    def stop_rounds(self) -> None:
        self._steps.append("stop rounds")

    def stop(self) -> None:
        self._steps.append("stop")


@pytest.mark.parametrize("open_acts", [0, 1])
def test_login_that_ends_takes_no_command_from_its_first_step_on(open_acts: int) -> None:
    steps: list[str] = []
    accounts = [Account(steps, open_acts=open_acts), Account(steps)]
    end(
        cast(list[AccountWorker], accounts),
        stop_taking=lambda: steps.append("stop taking"),
        open_act_wait_s=0.0,
    )
    assert steps == ["close"] * 2 + ["stop taking"] + ["stop rounds"] * 2 + ["stop"] * 2


class Halt:
    """A watch over a halt file: whether the file stands, and whether it is done with."""

    def __init__(self, *, is_there: bool, looks: int = 0) -> None:
        self.is_file_there = is_there
        self.is_alone = False
        self._looks = looks

    def go_alone(self) -> None:
        self.is_alone = True

    @property
    def is_wanted(self) -> bool:
        # Nothing is open after so many looks.
        self._looks -= 1
        return self.is_file_there and self._looks >= 0


def halts(*each: Halt) -> list[FileHalt]:
    return cast(list[FileHalt], list(each))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "REACH_AGAIN_S", 0.001)
    monkeypatch.setattr(login, "_HALTS_LOOK_S", 0.001)


@pytest.mark.parametrize("error", [LinkError("away"), TimeoutError()], ids=repr)
def test_nats_is_tried_again_while_a_halt_file_stands_and_the_halt_goes_on_alone(
    at_once: None, error: Exception
) -> None:
    failures = [error, error]

    def connect() -> str:
        if failures:
            raise failures.pop()
        return "connected"

    halted, other = Halt(is_there=True), Halt(is_there=False)
    assert reach(connect, halts(other, halted), Ending()) == "connected"
    assert halted.is_alone


def test_nats_that_is_there_leaves_the_halt_to_the_desk() -> None:
    halted = Halt(is_there=True)
    assert reach(lambda: "connected", halts(halted), Ending()) == "connected"
    assert not halted.is_alone


def test_process_without_nats_and_without_a_halt_file_ends() -> None:
    def connect() -> str:
        raise LinkError("away")

    with pytest.raises(LinkError):
        reach(connect, halts(Halt(is_there=False)), Ending())


def test_process_that_waits_for_nats_ends_when_it_is_told_to(at_once: None) -> None:
    ending = Ending()

    def connect() -> str:
        ending.stop()
        raise LinkError("away")

    assert reach(connect, halts(Halt(is_there=True)), ending) == EXIT_STOPPED


def test_failure_waits_until_nothing_is_open_and_no_second_failure_cuts_it_short(
    at_once: None,
) -> None:
    halted, ending = Halt(is_there=True, looks=3), Ending()
    ending.fail(ValueError("x"))
    finish_halts(halts(halted), ending)
    assert halted.is_alone
    assert halted._looks < 0


def test_failure_waits_no_longer_than_it_may_and_not_for_a_person_who_stops_it(
    at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending = Ending()
    ending.stop()
    finish_halts(halts(Halt(is_there=True, looks=1_000_000)), ending)
    monkeypatch.setattr(login, "HALTS_WAIT_S", 0.01)
    finish_halts(halts(Halt(is_there=True, looks=1_000_000)), Ending())
