"""What a desk is told of a halt file: once, and of a night's cancels after all else."""

from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from msgspec.structs import replace

from adapters.tiger_worker import halt_telling
from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.halt_telling import (
    LINES_MAX,
    TELL_EVERY_S,
    UNLISTED_AFTER_S,
    HaltTelling,
)
from adapters.tiger_worker.parts import Work
from core import events, items
from core.items import Outcome
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.halt_watch import Watch, entry
from tests.support.worker_parts import DeskRig, ManualClock

IMPORTED = "order.cancel_imported"
# What the watch over the file left of a night with three orders that stay open.
NIGHT = 17_280


class TellingRig:
    """A halted desk whose thread is run by hand, one item at a time, and its halt file's watch."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *given: events.Event) -> None:
        self.watch = Watch(folder)
        self.clock = ManualClock()
        monkeypatch.setattr(halt_telling, "time", SimpleNamespace(monotonic=self.clock.boot_s))
        self.rig = DeskRig(*facts.ready(*given))
        for tiger in ("1", "2", "3"):
            self.rig.take(core_items.external(tiger=tiger))
        failures: list[BaseException] = []
        self.thread = DeskThread(
            self.rig.desk,
            name="desk-test",
            on_failure=failures.append,
        )
        self.telling = HaltTelling(self.watch.halt, desk=self.thread)

    @property
    def waiting(self) -> int:
        return self.thread._queue.qsize()

    @property
    def imported(self) -> int:
        return self.rig.stored().count(IMPORTED)

    @property
    def asked(self) -> int:
        return self.rig.stored().count("account.cancels_asked")

    def look(self) -> None:
        """Look, a while after the desk took something."""
        self.clock.pass_s(TELL_EVERY_S + 0.1)
        self.thread.taken += 1
        self.telling.look()

    def take(self) -> None:
        assert self.thread._take_one()

    def write(self, lines: int, *, orders: int = 3) -> None:
        journal = self.watch.halt.journal
        with journal._path.open("ab") as file:
            for number in range(lines):
                line = entry(str(1 + number % orders), number)
                file.write(msgspec.json.encode(line) + b"\n")


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TellingRig:
    return TellingRig(tmp_path, monkeypatch, facts.halted())


def test_long_journal_keeps_no_round_waiting(rig: TellingRig) -> None:
    rig.write(NIGHT)
    for _ in range(5):
        rig.look()
    # However often it looks, the desk has a few of them and no more until it took these.
    assert rig.waiting == LINES_MAX
    rig.thread.post(Work(core_items.round_completed()), Turn.SIGHTING)
    rig.thread.post(Work(core_items.halt(command_id="cmd-later")), Turn.CONTROL)
    before = len(rig.rig.stored())
    rig.take()
    assert rig.rig.stored()[before:][:1] == ["account.halted"]
    round_at = rig.thread._round_at
    rig.take()
    assert rig.thread._round_at > round_at
    assert rig.imported == 0
    rig.take()
    assert rig.imported == 1
    rig.look()
    assert rig.waiting == LINES_MAX - 1


def test_each_line_becomes_one_event_and_the_journal_goes(rig: TellingRig) -> None:
    lines = 2 * LINES_MAX + 7
    rig.write(lines)
    while rig.watch.halt.journal.entries():
        rig.look()
        while rig.waiting:
            rig.take()
    assert rig.imported == lines
    rig.look()
    assert rig.waiting == 0


def test_line_of_an_order_that_no_listing_has_shown_keeps_no_other_waiting(
    rig: TellingRig,
) -> None:
    journal = rig.watch.halt.journal
    for number in range(LINES_MAX + 1):
        journal.write(entry("99", number))
    journal.write(entry("1", 1e6))
    rig.look()
    assert rig.waiting == 1
    rig.take()
    assert rig.imported == 1
    rig.look()
    assert rig.waiting == 0
    assert len(journal.entries()) == LINES_MAX + 2
    rig.rig.take(core_items.external(tiger="99"))
    rig.look()
    assert rig.waiting == LINES_MAX


def test_line_of_an_order_that_no_listing_ever_shows_is_told_once_and_the_journal_goes(
    rig: TellingRig,
) -> None:
    journal = rig.watch.halt.journal
    journal.write(entry("99"))
    journal.write(entry("98", 5.0))
    rig.look()
    rig.clock.pass_s(UNLISTED_AFTER_S - 2 * TELL_EVERY_S)
    rig.look()
    assert (rig.waiting, rig.asked) == (0, 0)
    # One of them was listed in the meantime.
    rig.rig.take(core_items.external(tiger="98"))
    rig.clock.pass_s(2 * TELL_EVERY_S)
    for _ in range(5):
        rig.look()
    assert rig.waiting == 2
    rig.take()
    rig.take()
    assert (rig.asked, rig.imported) == (1, 1)
    for _ in range(5):
        rig.look()
    assert (rig.waiting, rig.asked, rig.imported) == (0, 1, 1)
    assert journal.entries() == ()
    # The worker asks for no cancel of it.
    assert [each for each in rig.rig.trace.of("cancel") if "99" in each] == []


def test_time_without_readings_says_nothing_of_an_order(rig: TellingRig) -> None:
    rig.watch.halt.journal.write(entry("99"))
    rig.look()
    rig.rig.take(items.GapNoticed(gap=1, cause="readings fail"))
    rig.clock.pass_s(2 * UNLISTED_AFTER_S)
    rig.look()
    rig.look()
    assert rig.waiting == 0
    rig.rig.take(core_items.round_completed(gaps=1))
    rig.look()
    assert rig.waiting == 0
    rig.clock.pass_s(UNLISTED_AFTER_S)
    rig.look()
    assert rig.waiting == 1


def test_lines_that_come_while_the_desk_has_some_are_told_after_these(rig: TellingRig) -> None:
    rig.write(1)
    rig.look()
    rig.watch.halt.journal.write(replace(entry("2", 50.0), outcome=Outcome.REFUSED))
    rig.look()
    assert rig.waiting == 1
    rig.take()
    rig.look()
    rig.take()
    assert rig.imported == 2


def test_new_halt_file_is_told_to_a_desk_that_is_halted_until_it_took_it(
    rig: TellingRig,
) -> None:
    halt = rig.watch.halt
    halt.follow(
        lambda: rig.watch._look()._replace(is_halted=True, file=rig.rig.desk.state.halt_file)
    )
    halted = rig.rig.stored().count("account.halted")
    rig.look()
    assert rig.waiting == 0
    rig.watch.file.touch()
    halt._look()
    rig.look()
    rig.look()
    while rig.waiting:
        rig.take()
    assert rig.rig.stored().count("account.halted") == halted + 1
    assert rig.rig.desk.state.halt_file == halt.file
    rig.look()
    assert rig.waiting == 0


def test_halt_that_came_by_a_control_since_the_file_was_put_is_the_files(
    rig: TellingRig,
) -> None:
    halt = rig.watch.halt
    halt.follow(rig.watch._look)
    rig.watch.file.touch()
    halt._look()
    rig.watch.standing = rig.watch._look()._replace(is_halted=True, file=halt.file)
    rig.look()
    assert rig.waiting == 0
