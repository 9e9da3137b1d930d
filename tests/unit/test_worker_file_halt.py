"""The halt that needs nothing but a file: its journal, its watch, and what becomes of failures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tigeropen.common.exceptions import ApiException

from adapters.tiger_worker import file_halt
from adapters.tiger_worker.file_halt import QUIET_LISTINGS, FileHalt, Standing
from adapters.tiger_worker.halt_journal import CancelJournal, HaltNote
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
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

# How a desk stands that follows the account, and has taken no halt.
FREE: Final = Standing(
    is_halted=False, halted_n=3, is_verified=False, is_carried=False, silent_s=0.0
)
HALTED: Final = FREE._replace(is_halted=True)
VERIFIED: Final = HALTED._replace(is_verified=True)
CARRIED: Final = VERIFIED._replace(is_carried=True)
ELSEWHERE: Final = {"userMark": ""}
LOOKS: Final = 20


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


# --- the watch -----------------------------------------------------------------------------


class Client(ScriptedClient):
    """A broker with one list of what is open, which takes every cancel."""

    def __init__(self, news: threading.Condition) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.failing: list[BaseException | dict[str, Any]] = []
        # Each listing waits for the first of these.
        self.gates: list[threading.Event] = []
        self.cancel_answer: BaseException | bool = True
        self._news = news

    def _next(self, method: str, fields: dict[str, Any]) -> Any:
        with self._news:
            self.asked.append((method, fields))
            gate = self.gates.pop(0) if method == "active_orders" and self.gates else None
            self._news.notify_all()
        if gate is not None:
            assert gate.wait(WAIT_S)
        answer: object
        if method == "active_orders":
            answer = self.failing.pop(0) if self.failing else ok({"items": list(self.rows)})
        else:
            answer = self.cancel_answer
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Watch:
    """A watch over a halt file, with what it asked for."""

    def __init__(self, folder: Path, *, budget: RateBudget | None = None) -> None:
        self.file = folder / "HALT"
        self.news = threading.Condition()
        self.client = Client(self.news)
        self.failures: list[BaseException] = []
        self.exhausted = threading.Event()
        self.looks = 0
        self.standing: Standing | None = FREE
        self.halt = FileHalt(
            scripted_broker(self.client),
            account=facts.ACCOUNT,
            ledger_id=facts.LEDGER_ID,
            halt_file=self.file,
            journal=CancelJournal(folder / "cancels.jsonl"),
            budget=budget or RateBudget(NO_BUDGETS),
            clock=ManualClock(),
            deadline_s=WAIT_S,
            on_failure=self._fail,
            on_exhausted=self.exhausted.set,
        )
        self.halt.follow(self._look)

    @property
    def asked(self) -> list[str]:
        """The broker's ids of the orders whose cancel was asked, in order."""
        return [str(f["id"]) for method, f in list(self.client.asked) if method == "cancel_order"]

    def is_owed(self) -> bool:
        return self.halt.is_owed

    @property
    def listings(self) -> int:
        """Listings begun so far."""
        return sum(method == "active_orders" for method, _ in list(self.client.asked))

    def lists(self, *ids: object, **fields: object) -> None:
        self.client.rows = [order_row(id=id_) | fields for id_ in ids]

    def until(self, is_so: Callable[[], bool]) -> None:
        with self.news:
            assert self.news.wait_for(is_so, WAIT_S)

    def looks_on(self, looks: int = LOOKS) -> None:
        """Wait until the watch has looked so often again."""
        wanted = self.looks + looks
        self.until(lambda: self.looks >= wanted)

    def lists_on(self, listings: int = QUIET_LISTINGS) -> None:
        """Wait until so many further listings were begun and all but the last came to their end."""
        wanted = self.listings + listings + 1
        self.until(lambda: self.listings >= wanted)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.halt.start()
        try:
            yield
        finally:
            self.halt.stop()
            self.halt._thread.join(WAIT_S)

    def _look(self) -> Standing:
        assert self.standing is not None
        with self.news:
            self.looks += 1
            self.news.notify_all()
        return self.standing

    def _fail(self, error: BaseException) -> None:
        with self.news:
            self.failures.append(error)
            self.news.notify_all()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_halt, "_LOOK_S", 0.001)
    monkeypatch.setattr(file_halt, "GRACE_S", 0.005)
    monkeypatch.setattr(file_halt, "LIST_EVERY_S", 0.01)
    monkeypatch.setattr(file_halt, "LIST_QUIET_EVERY_S", 0.01)


@pytest.fixture
def watch(tmp_path: Path, quick: None) -> Watch:
    return Watch(tmp_path)


def test_what_is_open_is_cancelled_by_the_brokers_ids_alone(watch: Watch) -> None:
    watch.lists(11, 12)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: len(watch.asked) == 2)
    assert sorted(watch.asked) == ["11", "12"]
    assert {method for method, _ in watch.client.asked} == {"active_orders", "cancel_order"}


def test_listing_that_fails_is_asked_again(watch: Watch) -> None:
    watch.client.failing = [{"code": 4}] * 3
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked == ["11"])


def test_row_without_an_id_keeps_no_other_from_being_cancelled(watch: Watch) -> None:
    watch.lists("", "odd", 12)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked == ["12"])
        watch.lists_on(2 * QUIET_LISTINGS)
    # Nobody can say that it is done with.
    assert watch.halt.is_wanted


def test_order_that_goes_on_living_is_asked_again_after_a_while(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_halt, "AGAIN_S", 0.02)
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked[:3] == ["11"] * 3)


def test_cancel_that_is_under_way_is_not_asked_beside_itself(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_halt, "AGAIN_S", 0.0)
    may_end = threading.Event()
    cancel = watch.halt.broker.cancel

    def hang(tiger_order_id: str) -> Any:
        ended = cancel(tiger_order_id)
        assert may_end.wait(WAIT_S)
        return ended

    monkeypatch.setattr(watch.halt.broker, "cancel", hang)
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked == ["11"])
        watch.lists_on()
        assert watch.asked == ["11"]
        may_end.set()
        watch.until(lambda: len(watch.asked) > 1)


@pytest.mark.parametrize("standing", [FREE, CARRIED, HALTED], ids=["no file", "done", "moving"])
def test_nothing_is_asked_without_the_file_or_while_the_desk_carries_the_halt(
    watch: Watch, standing: Standing
) -> None:
    watch.standing = standing
    if standing.is_halted:
        watch.file.touch()
    with watch.running():
        watch.looks_on()
    assert watch.client.asked == []


@pytest.mark.parametrize(
    ("standing", "waited_s", "is_due"),
    [
        (None, file_halt.DESK_GRACE_S - 0.1, False),
        (None, file_halt.DESK_GRACE_S, True),
        (FREE, file_halt.GRACE_S - 0.1, False),
        (FREE, file_halt.GRACE_S, True),
        # The desk asks by itself, as long as it moves; and it is not silent since before the halt.
        (HALTED, 1e6, False),
        (HALTED._replace(silent_s=1e6), file_halt.DESK_GRACE_S - 0.1, False),
        (HALTED._replace(silent_s=1e6), file_halt.DESK_GRACE_S, True),
        (VERIFIED._replace(silent_s=1e6), file_halt.DESK_GRACE_S, True),
        (CARRIED._replace(silent_s=1e6), 1e6, False),
    ],
)
def test_who_cancels_what_is_open(
    tmp_path: Path, standing: Standing | None, waited_s: float, is_due: bool
) -> None:
    watch = Watch(tmp_path)
    assert watch.halt._is_due(standing, waited_s) is is_due


def test_watch_that_goes_alone_waits_for_nobody_until_a_desk_follows(watch: Watch) -> None:
    watch.standing = CARRIED
    watch.lists(11)
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.until(lambda: watch.asked == ["11"])
        watch.halt.follow(watch._look)
        watch.looks_on()
        begun = watch.listings
        watch.looks_on()
        assert watch.listings == begun


def test_file_that_is_put_and_removed_at_once_asks_for_nothing(watch: Watch) -> None:
    watch.file.touch()
    watch.file.unlink()
    with watch.running():
        watch.looks_on()
    assert watch.client.asked == []


def test_listing_that_drips_keeps_no_later_one_from_being_made(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch.halt, "_deadline_s", 0.02)
    monkeypatch.setattr(file_halt, "LISTING_ENDS_AFTER", 1e6)
    gate = threading.Event()
    watch.client.gates = [gate]
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked == ["11"])
        gate.set()


def test_listing_that_hangs_for_good_ends_the_process(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch.halt, "_deadline_s", 0.02)
    gate = threading.Event()
    watch.client.gates = [gate]
    watch.file.touch()
    with watch.running():
        assert watch.exhausted.wait(WAIT_S)
        gate.set()


def test_budget_that_is_used_up_only_puts_a_listing_off(tmp_path: Path, quick: None) -> None:
    budget = RateBudget({"active_orders": 1})
    watch = Watch(tmp_path, budget=budget)
    assert budget.try_take("active_orders")
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.looks_on()
        assert watch.client.asked == []
        budget._spent["active_orders"].clear()
        watch.until(lambda: watch.asked == ["11"])


def test_watch_that_can_watch_no_more_says_so(watch: Watch) -> None:
    watch.client.failing = [MemoryError()]
    watch.file.touch()
    with watch.running():
        watch.until(lambda: bool(watch.failures))
    assert isinstance(watch.failures[0], MemoryError)


def test_end_of_a_cancel_is_kept(watch: Watch) -> None:
    watch.client.cancel_answer = ApiException(1200, "x(bad_request:too late)")
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: bool(watch.halt.journal.entries()))
    (kept,) = watch.halt.journal.entries()
    assert (kept.tiger_order_id, kept.code) == ("11", 1200)
    assert kept.asked_at == facts.NOW


def test_journal_that_cannot_be_written_ends_no_thread_of_the_cancels(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_halt, "AGAIN_S", 0.0)
    (watch.file.parent / "cancels.jsonl").mkdir()
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: len(watch.asked) > 4)


def test_key_of_a_line_is_its_order_and_moment() -> None:
    keys: list[Any] = [entry("1").key, entry("2").key, entry("1", 1.0).key]
    assert len(set(keys)) == 3


# --- once nothing was open -----------------------------------------------------------------


def test_person_who_closes_by_hand_once_nothing_was_open_is_left_alone(watch: Watch) -> None:
    watch.file.touch()
    watch.halt.go_alone()
    with watch.running():
        watch.until(lambda: not watch.halt.is_wanted)
        watch.client.rows = [
            order_row(id=21) | ELSEWHERE,
            # What the broker made of it is that person's too.
            order_row(id=22, parentId=21) | ELSEWHERE,
        ]
        watch.lists_on()
        assert watch.asked == []
        # An order of ours came late, and the broker made one of an earlier one.
        watch.client.rows += [order_row(id=23), order_row(id=24, parentId=9) | ELSEWHERE]
        watch.until(lambda: sorted(watch.asked) == ["23", "24"])


def test_order_from_elsewhere_that_was_open_at_the_halt_is_asked_for_to_its_end(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_halt, "AGAIN_S", 0.0)
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
    watch.standing = CARRIED
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
        watch.file.unlink()
    # The process ended before its desk was there.
    successor = Watch(tmp_path)
    assert successor.is_owed()
    with successor.running():
        successor.looks_on()
        assert successor.is_owed()
        successor.standing = HALTED
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
        watch.file.unlink()
        watch.standing = FREE._replace(halted_n=9)
        watch.looks_on()
        assert not watch.is_owed()
