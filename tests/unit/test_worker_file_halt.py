"""The watch over a halt file: what it cancels, how often, and what becomes of failures."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException

from adapters.tiger_worker import file_halt, halt_orders, lanes
from adapters.tiger_worker.file_halt import QUIET_LISTINGS, Standing
from adapters.tiger_worker.halt_orders import HaltOrders
from adapters.tiger_worker.rates import HALT_LEAVE, RateBudget
from core.items import Outcome
from tests.support import core_facts as facts
from tests.support.halt_watch import (
    CARRIED,
    FREE,
    HALTED,
    VERIFIED,
    Watch,
    again_at_once,
)
from tests.support.worker_parts import WAIT_S, ManualClock


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
