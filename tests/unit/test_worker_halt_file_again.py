"""The same halt file again: moved away and back, or copied with its times, it is another halt."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.tiger_worker.file_halt import standing_of
from core import account_events
from core.cancelling import must_not_rest
from core.commands import HaltAccount, HaltTrading
from core.items import HaltFileSeen
from core.orders import Order
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.halt_watch import CARRIED, ELSEWHERE, HALTED, Watch
from tests.support.worker_parts import WAIT_S

TIGER = "21"


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
    assert isinstance(halted, account_events.AccountHalted)
    desk.when(core_items.round_of_open(after_n=len(desk.line)))
    desk.settle(core_items.external(tiger=TIGER))
    by_phone = desk.state.by_tiger_id[TIGER]
    assert not must_not_rest(desk.state, desk.state.orders[by_phone])
    put(watch.file)
    again = desk.when(HaltFileSeen(detail="by hand", file=watch.halt.file))
    assert isinstance(again, account_events.AccountHalted)
    assert must_not_rest(desk.state, desk.state.orders[by_phone])


def test_watch_is_owed_the_file_that_was_moved_away_and_back(watch: Watch) -> None:
    watch.file.touch()
    desk = facts.TestDesk(*facts.ready(facts.halted()))
    desk.when(HaltFileSeen(detail="by hand", file=watch.halt.file))
    desk.when(core_items.round_of_open(after_n=len(desk.line)))
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
        # A control halted since; the desk still names the file that halted it last.
        watch.looks_on()
        pass_a_tick_of_the_disk(watch.file)
        away.rename(watch.file)
        watch.until(watch.is_owed)


# --- a halt beside the file's ----------------------------------------------------------------


def halted_symbol_with_a_strangers_order() -> facts.TestDesk:
    """Return a desk of a verified halt of AAPL, under which an order of it came by phone."""
    desk = facts.TestDesk(*facts.ready())
    desk.when(core_items.halt("AAPL"))
    desk.when(core_items.round_of_open(after_n=len(desk.line)))
    desk.settle(core_items.external(tiger=TIGER))
    assert not must_not_rest(desk.state, by_phone(desk))
    return desk


def by_phone(desk: facts.TestDesk) -> Order:
    return desk.state.orders[desk.state.by_tiger_id[TIGER]]


def test_models_halt_in_the_second_of_a_persons_file_does_not_take_its_place(watch: Watch) -> None:
    desk = halted_symbol_with_a_strangers_order()
    watch.halt.follow(lambda: standing_of(desk.state, silent_s=0.0))
    watch.halt._look()
    watch.file.touch()
    watch.halt._look()
    model = HaltTrading(symbol="", reason="a runaway")
    assert desk.when(core_items.command(model, "cmd-model")) is not None
    watch.halt._look()
    assert not must_not_rest(desk.state, by_phone(desk))
    assert watch.halt.owed_file == watch.halt.file
    halted = desk.when(HaltFileSeen(detail="by hand", file=watch.halt.owed_file))
    assert isinstance(halted, account_events.AccountHalted)
    assert must_not_rest(desk.state, by_phone(desk))
    watch.halt._look()
    assert not watch.is_owed()
    assert watch.halt.is_wanted


def test_control_that_names_its_file_is_that_files_halt(watch: Watch) -> None:
    desk = halted_symbol_with_a_strangers_order()
    watch.halt.follow(lambda: standing_of(desk.state, silent_s=0.0))
    watch.file.touch()
    halt = HaltAccount(symbol="", detail="stop", file=watch.halt.file)
    desk.when(core_items.command(halt, "cmd-person", principal="ann"))
    watch.halt._look()
    assert not watch.is_owed()
    assert must_not_rest(desk.state, by_phone(desk))
    assert desk.when(HaltFileSeen(detail="by hand", file=watch.halt.file)) is None


def test_halt_of_a_symbol_is_no_files_whatever_it_names(watch: Watch) -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.when(core_items.command(HaltAccount(symbol="AAPL", detail="", file="1:2:3"), "cmd-1"))
    assert "AAPL" in desk.state.halted_symbols
    assert desk.state.halt_file == ""


def test_new_halt_file_is_a_new_halt_though_the_account_is_halted(watch: Watch) -> None:
    watch.standing = CARRIED
    watch.lists(21, **ELSEWHERE)
    with watch.running():
        watch.looks_on()
        watch.file.touch()
        # The desk is owed it, and nobody has cancelled what was opened since the other halt.
        watch.until(lambda: watch.asked == ["21"])
        assert watch.halt.owed_file == watch.halt.file
        assert watch.halt.is_wanted
        watch.standing = HALTED._replace(file=watch.halt.file)
        watch.until(lambda: not watch.is_owed())
        watch.looks_on()
        assert watch.halt.is_wanted
        watch.standing = watch.standing._replace(is_verified=True)
        watch.until(lambda: not watch.halt.is_wanted)


def test_halt_by_a_control_between_two_looks_is_that_of_the_file_put_with_it(watch: Watch) -> None:
    with watch.running():
        watch.looks_on()
        # The command put the file before it sent the control that names it.
        watch.file.touch()
        watch.standing = HALTED._replace(file=watch.halt.file)
        watch.looks_on()
        assert not watch.is_owed()


def test_halt_that_an_earlier_process_recorded_and_could_not_note_is_known(
    watch: Watch, tmp_path: Path
) -> None:
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.until(watch.is_owed)
    successor = Watch(tmp_path)
    successor.standing = HALTED._replace(file=successor.halt.file)
    assert successor.is_owed() is False
    other = Watch(tmp_path)
    other.standing = HALTED._replace(file="another")
    assert other.is_owed()


def test_account_that_was_halted_before_a_process_began_is_not_halted_by_its_file(
    watch: Watch,
) -> None:
    watch.file.touch()
    watch.standing = CARRIED
    watch.halt.follow(watch._look)
    with watch.running():
        watch.until(watch.is_owed)
        watch.looks_on()
        assert watch.is_owed()
