"""A halt file once nothing was open any more: whose late orders are cancelled all the same."""

from pathlib import Path

import pytest

from adapters.tiger_worker.halt_journal import CancelJournal
from tests.support.halt_watch import (
    CARRIED,
    ELSEWHERE,
    FREE,
    HALTED,
    VERIFIED,
    Watch,
    again_at_once,
)
from tests.support.scripted_broker import order_row


def test_person_who_closes_by_hand_once_nothing_was_open_is_left_alone(watch: Watch) -> None:
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.until(lambda: not watch.halt.is_wanted)
        watch.lists(21, **ELSEWHERE)
        watch.lists_on()
        assert watch.asked == []
        # An order of ours came late.
        watch.client.rows += [order_row(id=23)]
        watch.until(lambda: watch.asked == ["23"])


@pytest.mark.parametrize("parents", [(77,), (), ("",), (0,)], ids=str)
def test_leg_of_a_strangers_bracket_is_a_persons_own_deed(
    watch: Watch, parents: tuple[int, ...]
) -> None:
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.until(lambda: not watch.halt.is_wanted)
        # Its parent was done before any listing showed it open, or is listed beside it.
        watch.lists(*parents, **ELSEWHERE)
        watch.client.rows += [
            order_row(id=78, parentId=77) | ELSEWHERE,
            order_row(id=79, parentId=78) | ELSEWHERE,
        ]
        watch.lists_on()
    assert watch.asked == []


def test_leg_of_an_order_of_ours_is_cancelled_once_nothing_was_open(
    watch: Watch, tmp_path: Path
) -> None:
    watch.file.touch()
    watch.halt.go_alone()
    watch.lists(9)
    leg, leg_of_leg = (
        order_row(id=each, parentId=parent) | ELSEWHERE for each, parent in ((24, 9), (25, 24))
    )
    with watch.running():
        watch.until(lambda: watch.asked == ["9"])
        watch.client.rows = []
        watch.until(lambda: not watch.halt.is_wanted)
        watch.client.rows = [leg_of_leg, leg]
        watch.until(lambda: sorted(watch.asked) == ["24", "25", "9"])
    watch.halt.stop()
    # And by a process that never saw their parent.
    successor = Watch(tmp_path)
    successor.halt.go_alone()
    successor.client.rows = [leg]
    with successor.running():
        successor.until(lambda: successor.asked == ["24"])


def test_order_that_the_ledger_knows_for_ours_is_cancelled_though_it_bears_no_mark(
    watch: Watch,
) -> None:
    watch.halt.follow(watch._look, is_ours={"9", "30"}.__contains__)
    watch.file.touch()
    watch.standing = VERIFIED._replace(silent_s=1e6, file=watch.halt.file)
    with watch.running():
        watch.until(lambda: not watch.halt.is_wanted)
        watch.halt.go_alone()
        watch.lists(30, **ELSEWHERE)
        watch.client.rows += [order_row(id=24, parentId=9) | ELSEWHERE]
        watch.client.rows += [order_row(id=31, parentId=8) | ELSEWHERE]
        watch.until(lambda: sorted(watch.asked) == ["24", "30"])
        watch.lists_on()
        assert "31" not in watch.asked


def test_order_from_elsewhere_that_was_open_at_the_halt_is_asked_for_to_its_end(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    again_at_once(monkeypatch)
    watch.lists(21, **ELSEWHERE)
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.until(lambda: watch.asked[:1] == ["21"])
        # A listing may lack it for a while.
        watch.client.rows = []
        watch.until(lambda: not watch.halt.is_wanted)
        asked = len(watch.asked)
        watch.lists(21, **ELSEWHERE)
        watch.until(lambda: len(watch.asked) > asked)


def test_readings_that_verified_the_halt_count_in_a_process_without_a_ledger(
    watch: Watch, tmp_path: Path
) -> None:
    watch.file.touch()
    watch.standing = CARRIED._replace(file=watch.halt.file)
    with watch.running():
        watch.looks_on()
    successor = Watch(tmp_path)
    successor.halt.go_alone()
    successor.lists(21, **ELSEWHERE)
    with successor.running():
        successor.lists_on()
    assert successor.asked == []


def test_second_halt_by_a_file_cancels_again_what_comes_from_elsewhere(watch: Watch) -> None:
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.until(lambda: not watch.halt.is_wanted)
        again = watch.file.with_name("again")
        again.touch()
        again.replace(watch.file)
        watch.lists(21, **ELSEWHERE)
        watch.until(lambda: watch.asked == ["21"])


def test_file_that_is_gone_is_owed_to_the_desk_until_it_has_halted(
    watch: Watch, tmp_path: Path
) -> None:
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.lists_on()
        assert watch.is_owed()
        file = watch.halt.file
        watch.file.unlink()
    # The process ended before its desk was there.
    successor = Watch(tmp_path)
    assert successor.is_owed()
    with successor.running():
        successor.looks_on()
        assert successor.is_owed()
        # A model's halt, say, is no word on what a person halts.
        successor.standing = HALTED
        successor.looks_on()
        assert successor.is_owed()
        successor.standing = HALTED._replace(file=file)
        successor.looks_on()
        assert not successor.is_owed()
        # A person resumes, and the halt does not come back.
        successor.standing = FREE
        successor.looks_on()
        assert not successor.is_owed()
    assert CancelJournal(tmp_path / "cancels.jsonl").note() is None
    assert not Watch(tmp_path).is_owed()


def test_halt_that_was_taken_and_resumed_between_two_looks_does_not_come_back(watch: Watch) -> None:
    watch.file.touch()
    with watch.running():
        watch.until(watch.is_owed)
        watch.looks_on()
        assert watch.is_owed()
        file = watch.halt.file
        watch.file.unlink()
        watch.standing = FREE._replace(file=file)
        watch.looks_on()
        assert not watch.is_owed()
