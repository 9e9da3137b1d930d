"""The journal of what a halt file cancelled, and the note of the file beside it."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.tiger_worker.halt_journal import CancelJournal, HaltNote, is_news
from core.items import Outcome
from tests.support.halt_watch import (
    entry,
)
from tests.support.worker_parts import WAIT_S


@pytest.fixture
def journal(tmp_path: Path) -> CancelJournal:
    return CancelJournal(tmp_path / "cancels.jsonl")


def test_lines_are_read_back_in_order_by_whoever_comes_next(tmp_path: Path) -> None:
    path = tmp_path / "cancels.jsonl"
    for tiger in "123":
        CancelJournal(path).write(entry(tiger))
    assert CancelJournal(path).entries() == (entry("1"), entry("2"), entry("3"))


def test_journal_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "cancels.jsonl"
    CancelJournal(path).write(entry())
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kept", range(1, 40, 3))
def test_torn_line_takes_no_later_line_with_it(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "cancels.jsonl"
    first, second = entry("1"), entry("2")
    CancelJournal(path).write(first)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(second)[:kept])
    later = CancelJournal(path)
    later.write(second)
    assert later.entries() == (first, second)


def test_journal_is_forgotten_only_if_no_line_came_since(journal: CancelJournal) -> None:
    journal.write(entry("1"))
    known = journal.entries()
    journal.write(entry("2"))
    journal.clear(known)
    assert journal.entries() == (entry("1"), entry("2"))
    journal.clear(journal.entries())
    assert journal.entries() == ()


def test_journal_of_nothing_but_a_torn_line_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "cancels.jsonl"
    path.write_bytes(b'{"tiger_order_id":"1"')
    journal = CancelJournal(path)
    journal.clear(journal.entries())
    assert not path.exists()
    journal.clear(())


def test_answer_is_news_only_if_it_differs_from_the_last_one_kept_of_its_order() -> None:
    done, refused = entry("1"), msgspec.structs.replace(entry("1", 1.0), outcome=Outcome.REFUSED)
    assert is_news(done, ())
    assert is_news(done, (entry("2"),))
    assert not is_news(entry("1", 5.0), (done, entry("2")))
    assert is_news(refused, (done,))
    assert is_news(entry("1", 5.0), (done, refused))
    assert is_news(msgspec.structs.replace(refused, code=7), (done, refused))


def test_writers_of_two_threads_tear_no_line(journal: CancelJournal) -> None:
    def write(tiger: str) -> None:
        for second in range(50):
            journal.write(entry(tiger, second))

    threads = [threading.Thread(target=write, args=(tiger,)) for tiger in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(journal.entries()) == len({e.key for e in journal.entries()}) == 100


def test_note_is_kept_whole_for_whoever_comes_next(tmp_path: Path) -> None:
    path = tmp_path / "cancels.jsonl"
    assert CancelJournal(path).note() is None
    for note in (HaltNote(file="1:2"), HaltNote(file="1:2", is_told=True, is_quiet=True), None):
        CancelJournal(path).keep_note(note)
        assert CancelJournal(path).note() == note
    CancelJournal(path).keep_note(None)
    assert list(tmp_path.iterdir()) == []


def test_torn_note_is_none(tmp_path: Path) -> None:
    path = tmp_path / "cancels.jsonl"
    path.with_suffix(".note").write_bytes(b'{"file":"1')
    assert CancelJournal(path).note() is None


def test_key_of_a_line_is_its_order_and_moment() -> None:
    keys: list[Any] = [entry("1").key, entry("2").key, entry("1", 1.0).key]
    assert len(set(keys)) == 3
