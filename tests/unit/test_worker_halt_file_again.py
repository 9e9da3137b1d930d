"""The same halt file again: moved away and back, or copied with its times, it is another halt."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.tiger_worker import file_halt
from adapters.tiger_worker.file_halt import standing_of
from core import events
from core.cancelling import must_not_rest
from core.items import HaltFileSeen
from tests.support import core_facts as facts
from tests.support.worker_parts import WAIT_S
from tests.unit.test_worker_file_halt import CARRIED, ELSEWHERE, Watch

TIGER = "21"


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    for name in ("_LOOK_S", "GRACE_S", "LIST_EVERY_S", "LIST_QUIET_EVERY_S"):
        monkeypatch.setattr(file_halt, name, 0.001)
    return Watch(tmp_path)


def move_away_and_back(file: Path) -> None:
    away = file.rename(file.with_name("off"))
    pass_a_tick_of_the_disk(file)
    away.rename(file)


def copy_of_a_template(file: Path) -> None:
    """Put a template in the file's place, as `cp -p` does; a first one is its template."""
    template = file.with_name("template")
    if not template.exists():
        shutil.copy2(file, template)
    file.unlink()
    pass_a_tick_of_the_disk(file)
    shutil.copy2(template, file)


def pass_a_tick_of_the_disk(file: Path) -> None:
    """Wait until the times that the disk gives are later than all it gave before."""
    probe = file.with_name("probe")
    probe.touch()
    first, give_up_at = probe.stat().st_ctime_ns, time.monotonic() + WAIT_S
    while probe.stat().st_ctime_ns == first:
        assert time.monotonic() < give_up_at
        probe.touch()


@pytest.mark.parametrize("put", [move_away_and_back, copy_of_a_template])
def test_halt_file_moved_away_and_back_is_a_new_halt(
    watch: Watch, put: Callable[[Path], None]
) -> None:
    watch.file.touch()
    put(watch.file)
    desk = facts.TestDesk(*facts.ready())
    halted = desk.when(HaltFileSeen(detail="by hand", file=watch.halt.file))
    assert isinstance(halted, events.AccountHalted)
    desk.when(facts.round_of_open(after_n=len(desk.line)))
    desk.settle(facts.external(tiger=TIGER))
    by_phone = desk.state.by_tiger_id[TIGER]
    assert not must_not_rest(desk.state, desk.state.orders[by_phone])
    put(watch.file)
    again = desk.when(HaltFileSeen(detail="by hand", file=watch.halt.file))
    assert isinstance(again, events.AccountHalted)
    assert must_not_rest(desk.state, desk.state.orders[by_phone])


def test_watch_is_owed_the_file_that_was_moved_away_and_back(watch: Watch) -> None:
    watch.file.touch()
    desk = facts.TestDesk(*facts.ready(facts.halted()))
    desk.when(HaltFileSeen(detail="by hand", file=watch.halt.file))
    desk.when(facts.round_of_open(after_n=len(desk.line)))
    watch.standing = standing_of(desk.state, silent_s=0.0)
    assert watch.standing.is_carried
    watch.lists(int(TIGER), **ELSEWHERE)
    with watch.running():
        watch.looks_on()
        assert not watch.is_owed()
        move_away_and_back(watch.file)
        # What was opened since is cancelled by the watch, until the desk has taken the halt.
        watch.until(lambda: watch.asked == [TIGER])
        assert watch.halt.owed_file == watch.halt.file


def test_halt_file_of_before_that_is_put_back_under_a_halt_by_control_is_owed(
    watch: Watch,
) -> None:
    watch.file.touch()
    first = watch.halt.file
    with watch.running():
        watch.standing = CARRIED._replace(file=first)
        watch.looks_on()
        away = watch.file.rename(watch.file.with_name("off"))
        watch.looks_on()
        # A control halted since; the desk still names the file that halted it last.
        watch.standing = CARRIED._replace(file=first, halted_n=CARRIED.halted_n + 9)
        watch.looks_on()
        pass_a_tick_of_the_disk(watch.file)
        away.rename(watch.file)
        watch.until(watch.is_owed)
