"""What the simulation found in the service, each held by the smallest test that shows it."""

import threading

import pytest

from adapters.tiger_worker.reading_watch import ReadingWatch
from core.account_state import AccountState
from core.evolving import PREVIEWS_KEPT, evolve
from tests.support import core_facts as facts
from tests.support.worker_parts import DeskRig, ManualClock, ScriptedClient, ok, scripted_broker


def test_preview_outlives_the_next_after_the_wall_clock_jumped_and_went_back() -> None:
    # The ledger's time stays where the clock once was.
    first = facts.recorded(facts.previewed("1"), 1, seconds=3600.0)
    second = facts.recorded(facts.previewed("2"), 2, seconds=3600.0)
    state = evolve(evolve(AccountState(), first), second)
    assert sorted(preview.preview_id for preview in state.previews.values()) == ["prv-1", "prv-2"]


def test_preview_long_over_is_forgotten_at_the_next() -> None:
    old = facts.previewed("1", expires_s=600.0)
    new = facts.previewed("2", expires_s=601.0 + PREVIEWS_KEPT.total_seconds())
    state = facts.fold((old, new))
    assert [preview.preview_id for preview in state.previews.values()] == ["prv-2"]


def test_jump_of_the_wall_clock_counts_as_skew_before_the_next_reading() -> None:
    rig = DeskRig()
    rig.desk.clock_skew_s = 1.5
    rig.clock.pass_s(10)
    assert rig.desk.clock_skew_s == pytest.approx(1.5)
    rig.clock.set_wall(-40)
    assert rig.desk.clock_skew_s == pytest.approx(-38.5)


def test_brokers_skew_is_that_of_now_not_of_its_last_reply() -> None:
    clock = ManualClock()
    client = ScriptedClient()
    client.answer("order_no", ok({"orderId": 7}, at=facts.NOW))
    broker = scripted_broker(client, clock)
    broker.reserve_number()
    clock.pass_s(30)
    assert broker.clock_skew_s == 0.0
    clock.set_wall(3600)
    assert broker.clock_skew_s == 3600.0


def test_reading_that_hangs_is_seen_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now_s)
    watch = ReadingWatch()
    begun, end = threading.Event(), threading.Event()

    def hang() -> None:
        with watch.reading():
            begun.set()
            end.wait(5)

    thread = threading.Thread(target=hang)
    thread.start()
    assert begun.wait(5)
    now_s += 70
    with watch.reading():
        assert watch.longest_s == 70.0
    end.set()
    thread.join(5)
    assert watch.longest_s == 0.0
