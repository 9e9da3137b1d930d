"""The halt that needs nothing but a file: its journal, its watch, and what becomes of failures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import msgspec
import pytest
from tigeropen.common.exceptions import ApiException

from adapters.tiger_worker import file_halt, halt_orders, lanes
from adapters.tiger_worker.file_halt import QUIET_LISTINGS, FileHalt, Standing
from adapters.tiger_worker.halt_journal import CancelJournal, HaltNote, is_news
from adapters.tiger_worker.halt_orders import HaltOrders
from adapters.tiger_worker.rates import HALT_LEAVE, NO_BUDGETS, RateBudget
from core.items import CancelJournaled, Outcome
from tests.support import core_facts as facts
from tests.support.scripted_broker import ScriptedClient, ok, order_row, scripted_broker
from tests.support.worker_parts import WAIT_S, ManualClock

# How a desk stands that follows the account, and has taken no halt.
FREE: Final = Standing(is_halted=False, is_verified=False, is_carried=False, silent_s=0.0)
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
        return bool(self.halt.owed_file)

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


def again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halt_orders, "AGAIN_S", 0.0)
    monkeypatch.setattr(halt_orders, "TAKEN_AGAIN_S", 0.0)


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
    again_at_once(monkeypatch)
    watch.lists(11)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: watch.asked[:3] == ["11"] * 3)


def test_cancel_that_is_under_way_is_not_asked_beside_itself(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    again_at_once(monkeypatch)
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
        watch.standing = standing._replace(file=watch.halt.file)
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
    watch.lists(11)
    watch.file.touch()
    watch.standing = CARRIED._replace(file=watch.halt.file)
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


def test_rounds_and_cancels_of_others_leave_tokens_to_the_watch(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "CANCEL_TOKEN_WAIT_S", 0.0)
    budget = RateBudget({"active_orders": 120, "cancel_order": 60})
    for method in ("active_orders", "cancel_order"):
        while budget.try_take(method):
            pass
    watch = Watch(tmp_path, budget=budget)
    watch.lists(*range(11, 11 + HALT_LEAVE))
    watch.file.touch()
    with watch.running():
        watch.until(lambda: len(watch.asked) == HALT_LEAVE)


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
    again_at_once(monkeypatch)
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


# --- a file on an account that is halted already -------------------------------------------


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


# --- how often -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "again_s"),
    [
        (Outcome.DONE, halt_orders.TAKEN_AGAIN_S),
        (Outcome.REFUSED, halt_orders.AGAIN_S),
        (Outcome.NOT_SENT, halt_orders.AGAIN_S),
        (Outcome.UNKNOWN, halt_orders.AGAIN_S),
    ],
)
def test_cancel_that_was_taken_is_asked_again_seldomer_than_one_that_came_to_nothing(
    monkeypatch: pytest.MonkeyPatch, outcome: Outcome, again_s: float
) -> None:
    clock = ManualClock()
    monkeypatch.setattr(halt_orders, "time", SimpleNamespace(monotonic=clock.boot_s))
    orders = HaltOrders(own_marks="led1.", ours=())
    assert orders.due(["11", ""]) == ["11"]
    clock.pass_s(1e3)
    assert orders.due(["11"]) == []
    orders.ended("11", outcome)
    clock.pass_s(again_s - 0.1)
    assert orders.due(["11"]) == []
    clock.pass_s(0.2)
    assert orders.due(["11", "12"]) == ["11", "12"]


def test_night_of_one_answer_is_one_line(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    again_at_once(monkeypatch)
    watch.lists(11, 12)
    watch.file.touch()
    with watch.running():
        watch.until(lambda: len(watch.asked) > 20)
        watch.client.cancel_answer = ApiException(1200, "x(bad_request:too late)")
        asked = len(watch.asked)
        watch.until(lambda: len(watch.asked) > asked + 20)
    kept = [(one.tiger_order_id, one.code) for one in watch.halt.journal.entries()]
    assert sorted(kept, key=str) == [("11", 1200), ("11", None), ("12", 1200), ("12", None)]
