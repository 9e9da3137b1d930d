"""The halt that needs nothing but a file: its journal, its watch, and what becomes of failures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from adapters.tiger_worker import file_halt
from adapters.tiger_worker.broker import Ended
from adapters.tiger_worker.file_halt import CancelJournal, FileHalt
from core.items import CancelJournaled, Outcome
from tests.support import core_facts as facts
from tests.support.worker_parts import (
    WAIT_S,
    ManualClock,
    ScriptedClient,
    ok,
    order_row,
    scripted_broker,
)

DONE: Final = Ended(Outcome.DONE)


def entry(tiger: str = "1", seconds: float = 0.0) -> CancelJournaled:
    return CancelJournaled(
        tiger_order_id=tiger,
        asked_at=facts.at(seconds),
        outcome=Outcome.DONE,
        code=None,
        detail="",
    )


@pytest.fixture
def journal(tmp_path: Path) -> CancelJournal:
    return CancelJournal(tmp_path / "cancels.jsonl")


# --- the journal ---------------------------------------------------------------------------


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


# --- the watch -----------------------------------------------------------------------------


class Watch:
    """A watch over a halt file, with what it asked for."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "HALT"
        self.journal = CancelJournal(folder / "cancels.jsonl")
        self.client = ScriptedClient()
        self.is_taken = False
        self.asked: list[str] = []
        self.failures: list[BaseException] = []
        self.news = threading.Condition()
        self.halt = FileHalt(
            scripted_broker(self.client),
            account=facts.ACCOUNT,
            halt_file=self.file,
            journal=self.journal,
            clock=ManualClock(),
            is_taken=lambda: self.is_taken,
            cancel=self._ask,
            on_failure=self._fail,
        )

    def lists(self, *ids: object, times: int = 1) -> None:
        rows = [order_row(id=id_) for id_ in ids]
        self.client.answer("active_orders", *[ok({"items": rows})] * times)

    def until(self, is_so: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(is_so, WAIT_S)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.halt.start()
        try:
            yield
        finally:
            self.halt.stop()

    def _ask(self, tiger_order_id: str) -> None:
        with self.news:
            self.asked.append(tiger_order_id)
            self.news.notify_all()

    def _fail(self, error: BaseException) -> None:
        with self.news:
            self.failures.append(error)
            self.news.notify_all()


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watch:
    monkeypatch.setattr(file_halt, "_LOOK_S", 0.001)
    monkeypatch.setattr(file_halt, "GRACE_S", 0.005)
    monkeypatch.setattr(file_halt, "LIST_EVERY_S", 0.01)
    return Watch(tmp_path)


def test_what_is_open_is_cancelled_by_the_brokers_ids_alone(watch: Watch) -> None:
    watch.lists(11, 12, times=500)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: len(watch.asked) == 2)
    assert watch.asked == ["11", "12"]


def test_listing_that_fails_is_asked_again(watch: Watch) -> None:
    watch.client.answer("active_orders", *[{"code": 4}] * 3)
    watch.lists(11, times=500)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked == ["11"])


def test_row_without_an_id_keeps_no_other_from_being_cancelled(watch: Watch) -> None:
    watch.lists("", "odd", 12, times=500)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked == ["12"])


def test_order_that_goes_on_living_is_asked_again_after_a_while(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_halt, "AGAIN_S", 0.02)
    watch.lists(11, times=500)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked == ["11"] * 3)


@pytest.mark.parametrize("why", ["no file", "taken"])
def test_nothing_is_asked_without_the_file_or_once_the_desk_carries_the_halt(
    watch: Watch, why: str
) -> None:
    watch.is_taken = why == "taken"
    if watch.is_taken:
        watch.file.touch()
    looked = threading.Event()
    count = 0

    def is_taken() -> bool:
        nonlocal count
        count += 1
        if count == 20:
            looked.set()
        return True

    watch.halt._is_taken = is_taken
    with watch.running():
        if watch.is_taken:
            assert looked.wait(WAIT_S)
    assert watch.client.asked == []


def test_file_that_is_put_and_removed_at_once_asks_for_nothing(watch: Watch) -> None:
    watch.file.touch()
    watch.file.unlink()
    with watch.running():
        pass
    assert watch.client.asked == []


def test_watch_that_can_watch_no_more_says_so(watch: Watch) -> None:
    watch.client.answer("active_orders", MemoryError())
    watch.file.touch()
    with watch.running():
        watch.until(lambda: bool(watch.failures))
    assert isinstance(watch.failures[0], MemoryError)


def test_end_of_a_cancel_is_kept(watch: Watch) -> None:
    watch.halt.ended("11", Ended(Outcome.REFUSED, code=1200, detail="too late"))
    (kept,) = watch.journal.entries()
    assert (kept.tiger_order_id, kept.outcome, kept.code) == ("11", Outcome.REFUSED, 1200)
    assert kept.asked_at == facts.NOW


def test_journal_that_cannot_be_written_ends_no_thread_of_the_cancels(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    (tmp_path / "cancels.jsonl").mkdir()
    watch.halt.ended("11", DONE)


def test_key_of_a_line_is_its_order_and_moment() -> None:
    keys: list[Any] = [entry("1").key, entry("2").key, entry("1", 1.0).key]
    assert len(set(keys)) == 3
