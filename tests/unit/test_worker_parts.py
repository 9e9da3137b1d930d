"""The small parts of a worker: guard, watchdog, gaps, rates, contracts, questions."""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.tiger_worker import rates
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import KEEP_S, ContractBook
from adapters.tiger_worker.gaps import PAUSE_NOTICED_S, Gaps
from adapters.tiger_worker.guard import HaltLatch
from adapters.tiger_worker.rates import NO_BUDGETS, TIGER_BUDGETS, RateBudget
from adapters.tiger_worker.watchdog import EXIT_STUCK, Watchdog
from core.errors import BrokerUnavailableError
from core.items import ContractFacts
from core.terms import ContractRef
from infra.nats.work_queue import HeldMessage
from tests.support import core_items
from tests.support.worker_parts import WAIT_S, ManualClock, intent, open_guard


def test_guard_lets_a_fresh_intent_pass(tmp_path: Path) -> None:
    clock = ManualClock()
    assert open_guard(clock, tmp_path / "halt").objection(intent(clock)) is None


def test_guard_objects_to_an_intent_whose_ack_was_not_plain(tmp_path: Path) -> None:
    clock = ManualClock()
    assert open_guard(clock, tmp_path / "halt").objection(intent(clock, is_clean=False))


def test_guard_objects_once_the_wall_clock_is_past(tmp_path: Path) -> None:
    clock = ManualClock()
    fresh = intent(clock)
    clock.set_wall(2)
    assert open_guard(clock, tmp_path / "halt").objection(fresh)


def test_guard_objects_once_the_boot_clock_is_past_though_the_wall_clock_went_back(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    fresh = intent(clock)
    clock.pass_s(2)
    clock.set_wall(-3600)
    assert open_guard(clock, tmp_path / "halt").objection(fresh)


@pytest.mark.parametrize(("scope", "is_held"), [("", True), ("AAPL", True), ("MSFT", False)])
def test_guard_objects_while_the_latch_holds_the_symbol(
    tmp_path: Path, scope: str, is_held: bool
) -> None:
    clock = ManualClock()
    latch = HaltLatch()
    guard = open_guard(clock, tmp_path / "halt", latch=latch)
    latch.set(scope)
    assert (guard.objection(intent(clock)) is not None) is is_held
    latch.taken(scope)
    assert guard.objection(intent(clock)) is None


@pytest.mark.parametrize("scope", ["", "AAPL"])
def test_latch_holds_until_every_halt_that_arrived_is_taken(scope: str) -> None:
    latch = HaltLatch()
    latch.set(scope)
    latch.set(scope)
    latch.taken(scope)
    assert latch.holds("AAPL")
    latch.taken(scope)
    assert not latch.holds("AAPL")
    # What was never set leaves nothing to be set off against a later halt.
    latch.taken(scope)
    latch.set(scope)
    assert latch.holds("AAPL")


@pytest.mark.parametrize(("symbol", "is_held"), [("AAPL", True), ("MSFT", False)])
def test_guard_objects_while_the_accounts_state_halts_the_symbol(
    tmp_path: Path, symbol: str, is_held: bool
) -> None:
    clock = ManualClock()
    guard = open_guard(clock, tmp_path / "halt", is_halted=lambda asked: asked == symbol)
    assert (guard.objection(intent(clock)) is not None) is is_held


def test_guard_objects_while_the_halt_file_is_in_place(tmp_path: Path) -> None:
    clock = ManualClock()
    guard = open_guard(clock, tmp_path / "halt")
    (tmp_path / "halt").touch()
    assert guard.objection(intent(clock))
    (tmp_path / "halt").unlink()
    assert guard.objection(intent(clock)) is None


def test_guard_objects_without_the_logins_lock(tmp_path: Path) -> None:
    clock = ManualClock()
    guard = open_guard(clock, tmp_path / "halt", is_lock_held=lambda: False)
    assert guard.objection(intent(clock))


def test_guard_objects_once_the_logins_lease_has_run_out(tmp_path: Path) -> None:
    clock = ManualClock()
    until_s = clock.boot_s() + 1.0
    guard = open_guard(clock, tmp_path / "halt", has_lease=lambda: clock.boot_s() < until_s)
    assert guard.objection(intent(clock)) is None
    clock.pass_s(1.0)
    assert guard.objection(intent(clock)) == "the login's lease had run out"


class Ended:
    """The end of a process, noted; the order of things before it too."""

    def __init__(self) -> None:
        self.noted: list[str] = []
        self.code: int | None = None
        self._happened = threading.Event()

    def end(self, code: int) -> None:
        self.code = code
        self._happened.set()

    def wait(self) -> int | None:
        assert self._happened.wait(WAIT_S)
        return self.code


def watchdog(
    ended: Ended,
    *,
    is_recorded: bool,
    deadline_s: float = 0.0,
    look: Callable[[], None] = lambda: None,
) -> Watchdog:
    made = Watchdog(
        deadline_s=deadline_s,
        record=ended.noted.append,
        is_recorded=lambda _: is_recorded,
        look=look,
        end=ended.end,
    )
    made.start()
    return made


def test_watchdog_has_the_doubt_recorded_and_then_ends_the_process() -> None:
    ended = Ended()
    watchdog(ended, is_recorded=True).sending("ord-1")
    assert ended.wait() == EXIT_STUCK
    assert ended.noted == ["ord-1"]


def test_watchdog_that_is_stopped_waits_for_no_record_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Longer than the test waits: only the stop can end it.
    monkeypatch.setattr("adapters.tiger_worker.watchdog.RECORD_WAIT_S", 100 * WAIT_S)
    ended = Ended()
    is_asked = threading.Event()

    def is_recorded(_: str) -> bool:
        is_asked.set()
        return False

    watched = Watchdog(
        deadline_s=0.0,
        record=ended.noted.append,
        is_recorded=is_recorded,
        look=lambda: None,
        end=ended.end,
    )
    watched.start()
    watched.sending("ord-1")
    assert is_asked.wait(WAIT_S)
    watched.stop()
    assert ended.wait() == EXIT_STUCK


def test_watchdog_ends_the_process_though_the_ledger_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.tiger_worker.watchdog.RECORD_WAIT_S", 0.05)
    ended = Ended()
    watchdog(ended, is_recorded=False).sending("ord-1")
    assert ended.wait() == EXIT_STUCK


def test_watchdog_leaves_a_send_alone_that_came_back() -> None:
    ended = Ended()
    dog = watchdog(ended, is_recorded=True, deadline_s=0.1)
    dog.sending("ord-1")
    dog.sent("ord-1")
    dog.sending("ord-2")
    assert ended.wait() == EXIT_STUCK
    assert ended.noted == ["ord-2"]


def test_watchdog_that_stopped_ends_nothing() -> None:
    ended = Ended()
    dog = watchdog(ended, is_recorded=True)
    dog.stop()
    dog.sending("ord-1")
    dog._thread.join(WAIT_S)
    assert ended.code is None


def test_watchdog_deadline_is_counted_from_the_hand_over_to_the_thread() -> None:
    ended = Ended()
    began_s = time.monotonic()
    watchdog(ended, is_recorded=True, deadline_s=0.3).sending("ord-1")
    assert ended.wait() == EXIT_STUCK
    assert time.monotonic() - began_s >= 0.3


def test_watchdog_looks_again_and_again_for_what_else_may_hang() -> None:
    looks = threading.Semaphore(0)
    dog = watchdog(Ended(), is_recorded=True, look=looks.release)
    assert all(looks.acquire(timeout=WAIT_S) for _ in range(2))
    dog.stop()


def test_a_pause_by_the_boot_clock_is_one_gap_and_passing_time_is_none() -> None:
    clock = ManualClock()
    gaps = Gaps(clock)
    assert gaps.pause() is None
    clock.boot += PAUSE_NOTICED_S + 1.0
    noticed = gaps.pause()
    assert noticed is not None
    assert (noticed.gap, gaps.count) == (1, 1)
    assert gaps.pause() is None
    for _ in range(3):
        clock.boot += PAUSE_NOTICED_S
        assert gaps.pause() is None
    clock.set_wall(3600)
    assert gaps.pause() is None


def test_gaps_of_all_causes_are_counted_together() -> None:
    gaps = Gaps(ManualClock())
    assert [gaps.note("a").gap, gaps.note("b").gap] == [1, 2]


class ManualMonotonic:
    """Stands where `rates` has the module `time`: its budget does not let a clock in."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> ManualMonotonic:
    clock = ManualMonotonic()
    monkeypatch.setattr(rates, "time", clock)
    return clock


def test_rate_window_rolls_and_never_lets_more_through(monotonic: ManualMonotonic) -> None:
    budget = RateBudget({"place_order": 3})
    sent: deque[float] = deque()
    for _ in range(1000):
        if budget.try_take("place_order"):
            sent.append(monotonic.now_s)
        monotonic.now_s += 1.7
        recent = [at for at in sent if at > monotonic.now_s - rates.WINDOW_S]
        assert len(recent) <= 3
    # And it is used up: three in each minute, not three at the minute's turn.
    assert len(sent) >= 3 * (1700 // 62)


def test_rate_token_is_waited_for_in_bounds(monotonic: ManualMonotonic) -> None:
    budget = RateBudget({"orders": 1})
    assert budget.take("orders", wait_s=0.0)
    began_s = monotonic.now_s
    assert not budget.take("orders", wait_s=5.0)
    assert 5.0 <= monotonic.now_s - began_s < 6.0
    assert budget.take("orders", wait_s=rates.WINDOW_S)


def test_method_without_a_number_is_free_and_methods_do_not_share() -> None:
    budget = RateBudget({"orders": 1})
    assert all(budget.try_take("order_no") for _ in range(500))
    assert budget.try_take("orders")
    assert not budget.try_take("orders")
    assert RateBudget(NO_BUDGETS).is_unlimited


@pytest.mark.parametrize("method", ["active_orders", "cancel_order"])
def test_halt_finds_its_tokens_whatever_else_is_asked(
    method: str, monotonic: ManualMonotonic
) -> None:
    budget = RateBudget(TIGER_BUDGETS)
    found: list[bool] = []
    for step in range(12_000):
        # Rounds of many accounts, and cancels without number, take whatever they are given.
        while budget.try_take(method):
            pass
        # One each two seconds, as the watch lists.
        if step % 40 == 0:
            found.append(budget.try_take(method, for_halt=True))
        monotonic.now_s += 0.05
    assert found[: rates.HALT_LEAVE] == [True] * rates.HALT_LEAVE
    minutes = [found[begin : begin + 31] for begin in range(0, 270)]
    assert min(minute.count(True) for minute in minutes) >= rates.HALT_LEAVE


def test_small_budget_leaves_a_halt_no_more_than_a_share() -> None:
    budget = RateBudget({"active_orders": 12, "cancel_order": 1, "orders": 12})
    assert [budget.try_take("active_orders") for _ in range(12)].count(True) == 10
    assert budget.try_take("active_orders", count=2, for_halt=True)
    assert not budget.try_take("active_orders", for_halt=True)
    assert budget.try_take("cancel_order")
    assert budget.try_take("orders", count=12)


def test_places_and_cancels_of_a_paper_account_stay_within_what_it_has_together() -> None:
    assert TIGER_BUDGETS["place_order"] + TIGER_BUDGETS["cancel_order"] <= 120


def test_rate_budget_counts_right_from_many_threads() -> None:
    budget = RateBudget({"orders": 50})
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: budget.try_take("orders"), range(400)))
    assert sum(taken) == 50


class Contracts:
    """A broker that knows AAPL, and says how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.is_away = False

    def contracts(self, symbols: list[str]) -> tuple[ContractFacts, ...]:
        self.asked.append(list(symbols))
        if self.is_away:
            raise BrokerUnavailableError("away")
        return tuple(core_items.contract(symbol=s) for s in symbols if s == "AAPL")


def as_broker(contracts: Contracts) -> AccountBroker:
    return cast(AccountBroker, contracts)


def test_contract_is_kept_for_a_while_and_an_unknown_one_is_not() -> None:
    clock, broker = ManualClock(), Contracts()
    book = ContractBook(clock)
    assert book.find(as_broker(broker), ContractRef(symbol="AAPL")) == core_items.contract()
    assert book.find(as_broker(broker), ContractRef(symbol="AAPL")) == core_items.contract()
    assert book.find(as_broker(broker), ContractRef(symbol="NEW")) is None
    assert book.find(as_broker(broker), ContractRef(symbol="NEW")) is None
    assert broker.asked == [["AAPL"], ["NEW"], ["NEW"]]
    clock.pass_s(KEEP_S)
    book.find(as_broker(broker), ContractRef(symbol="AAPL"))
    assert broker.asked[-1] == ["AAPL"]


def test_failed_reading_of_a_contract_is_no_unknown_symbol() -> None:
    broker = Contracts()
    broker.is_away = True
    with pytest.raises(BrokerUnavailableError):
        ContractBook(ManualClock()).find(as_broker(broker), ContractRef(symbol="AAPL"))


def test_contract_book_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.tiger_worker.contracts.CONTRACTS_MAX", 2)
    book = ContractBook(ManualClock())

    class Everything(Contracts):
        def contracts(self, symbols: list[str]) -> tuple[ContractFacts, ...]:
            return tuple(core_items.contract(symbol=s) for s in symbols)

    for symbol in ("A", "B", "C"):
        assert book.find(as_broker(Everything()), ContractRef(symbol=symbol)) is not None
    assert len(book._known) <= 2


def test_place_of_a_message_is_read_from_both_shapes_of_its_reply() -> None:
    class Msg:
        subject = "cmd.a1.order.preview"
        data = b""

        def __init__(self, reply: str) -> None:
            self.reply = reply

    for reply in (
        "$JS.ACK.COMMANDS.w-a1.1.42.7.1795393836971699205.0",
        "$JS.ACK._.hash.COMMANDS.w-a1.1.42.7.1795393836971699205.0.random",
    ):
        message: Any = Msg(reply)
        queue: Any = None
        held = HeldMessage(queue, message)
        assert (held.message.stream, held.message.sequence) == ("COMMANDS", 42)
