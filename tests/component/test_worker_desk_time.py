"""Time at a desk and in its thread: clocks that jump, sleep, turns, a failure."""

import threading
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.tiger_worker.desk_thread import SIGHTINGS_MAX, DeskThread, Turn
from adapters.tiger_worker.gaps import PAUSE_NOTICED_S
from adapters.tiger_worker.parts import Work
from core import account_events, events, items, readings
from core.errors import VersionConflictError
from core.items import GapNoticed, Outcome
from core.ports import Appended
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import WAIT_S, DeskRig, Message

ORDER = facts.order_id_of()
BALANCES = readings.BalancesSeen(
    currency="USD",
    net_liquidation=None,
    buying_power=None,
    initial_margin=None,
    maintenance_margin=None,
    cash=(),
    observed_at=facts.NOW,
)


def ready_rig(*more: events.Event) -> DeskRig:
    return DeskRig(*facts.ready(*more))


def previewed_rig(*names: str) -> DeskRig:
    return ready_rig(*(facts.previewed(name) for name in names))


def test_recorded_at_never_goes_back() -> None:
    rig = ready_rig()
    rig.clock.set_wall(60)
    rig.take(core_items.gap_noticed(1))
    rig.clock.set_wall(-3600)
    rig.take(core_items.gap_noticed(2))
    first, second = (recorded.recorded_at for recorded in rig.ledger.line()[-2:])
    assert first == second == facts.at(60)
    rig.clock.set_wall(7200)
    rig.take(core_items.gap_noticed(3))
    assert rig.ledger.last().recorded_at == rig.clock.now()


def test_recorded_at_never_goes_back_behind_what_was_restored() -> None:
    rig = ready_rig()
    record = rig.ledger.write(facts.stale(1), at=facts.at(500))
    rig.desk.restore(record.subject, record.body, sequence=record.sequence)
    rig.take(core_items.gap_noticed(2))
    assert rig.ledger.last().recorded_at == facts.at(500)


@pytest.mark.parametrize(("skew_s", "is_open"), [(29.0, True), (31.0, False), (-31.0, False)])
def test_clocks_that_differ_much_block_openings(skew_s: float, is_open: bool) -> None:
    rig = previewed_rig("1")
    rig.desk.clock_skew_s = skew_s
    rig.take(core_items.submit(number=""))
    assert (rig.stored() == ["order.submission_started"]) is is_open


class _RunningDesk:
    """A desk in its own thread; its failure and its wakings are kept."""

    def __init__(self, rig: DeskRig) -> None:
        self.failures: list[BaseException] = []
        self._failed = threading.Event()
        self.thread = DeskThread(
            rig.desk,
            name="desk-test",
            on_failure=self._fail,
        )

    def _fail(self, error: BaseException) -> None:
        self.failures.append(error)
        self._failed.set()

    def wait_failed(self) -> BaseException:
        assert self._failed.wait(WAIT_S)
        return self.failures[0]


def test_sleep_is_noticed_before_the_next_command_is_decided() -> None:
    rig = previewed_rig("1")
    running = _RunningDesk(rig)
    rig.stand_still(100)
    running.thread.post(Work(core_items.submit(number="")), Turn.COMMAND)
    running.thread.start()
    rig.ledger.wait_for("order.refused")
    running.thread.stop()
    assert running.failures == []
    assert rig.stored() == ["account.stale", "order.refused"]
    assert rig.trace.of("woken") == [""]


def test_sleep_is_noticed_before_what_was_parked_is_looked_at_again() -> None:
    rig = previewed_rig("1")
    running = _RunningDesk(rig)
    rig.acts.slots = 0
    rig.take(core_items.submit(number=""), name="submit")
    rig.acts.slots = 4
    rig.stand_still(100)
    running.thread.start()
    rig.ledger.wait_for("order.refused")
    running.thread.stop()
    assert running.failures == []
    assert rig.stored() == ["account.stale", "order.refused"]
    assert rig.acts.intents == []


def test_ledger_that_did_not_answer_for_long_is_a_gap_before_the_next_decision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = previewed_rig("1")
    running = _RunningDesk(rig)
    append = rig.ledger.append

    def append_late(**fields: Any) -> Appended:
        if rig.stored() == []:
            rig.stand_still(PAUSE_NOTICED_S + 1.0)
        return append(**fields)

    monkeypatch.setattr(rig.ledger, "append", append_late)
    running.thread.post(Work(core_items.cancel("ord-none")), Turn.COMMAND)
    running.thread.post(Work(core_items.submit(number="")), Turn.COMMAND)
    running.thread.start()
    rig.ledger.wait_for("account.stale")
    running.thread.stop()
    assert running.failures == []
    assert rig.stored()[:2] == ["order.refused", "account.stale"]
    assert rig.acts.intents == []


def test_ledger_that_did_not_answer_for_long_is_a_gap_before_what_was_parked_is_decided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = previewed_rig("1")
    rig.acts.slots = 0
    rig.take(core_items.submit(number=""), name="parked")
    rig.acts.slots = 4
    append = rig.ledger.append

    def append_late(**fields: Any) -> Appended:
        if rig.stored() == []:
            rig.stand_still(PAUSE_NOTICED_S + 1.0)
        return append(**fields)

    monkeypatch.setattr(rig.ledger, "append", append_late)
    # What was parked is looked at again after it, as part of the same item.
    rig.take(core_items.external())
    stored = rig.stored()
    assert stored[0] == "order.external_observed"
    assert stored[-2:] == ["account.stale", "order.refused"]
    assert rig.acts.intents == []


def test_pause_after_the_look_counts_against_the_time_to_send(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = previewed_rig("1")
    hold = rig.acts.hold

    def hold_late() -> str | None:
        rig.stand_still(100)
        return hold()

    monkeypatch.setattr(rig.acts, "hold", hold_late)
    before_s = rig.clock.boot_s()
    rig.take(core_items.submit(number=""))
    (intent,) = rig.acts.intents
    assert intent.send_by_boot_s == before_s + facts.TIMING.send_window_s


# A login that stops.


def test_desk_that_closes_takes_answers_and_sightings_but_no_command() -> None:
    rig = previewed_rig("1", "2")
    running = _RunningDesk(rig)
    rig.take(core_items.submit("1", number=""), name="open")
    for item, turn in (
        (core_items.submit("2", number=""), Turn.COMMAND),
        (core_items.halt(), Turn.CONTROL),
        (core_items.gap_noticed(), Turn.SIGHTING),
        (core_items.placed(Outcome.DONE), Turn.ANSWER),
    ):
        running.thread.post(Work(item, Message(rig.trace, type(item).__name__)), turn)
    running.thread.close_for_commands()
    running.thread.start()
    running.thread.stop()
    assert running.failures == []
    stored = rig.stored()
    assert {"account.halted", "order.accepted", "account.stale"} < set(stored)
    assert stored.count("order.submission_started") == 1
    assert "order.refused" not in stored


def test_desk_that_closes_leaves_what_is_parked_to_its_successor() -> None:
    rig = previewed_rig("1")
    running = _RunningDesk(rig)
    rig.acts.slots = 0
    rig.take(core_items.submit(number=""), name="parked")
    rig.acts.slots = 4
    running.thread.close_for_commands()
    running.thread.post(Work(core_items.gap_noticed()), Turn.SIGHTING)
    running.thread.start()
    running.thread.stop()
    assert rig.stored() == ["account.stale"]
    assert rig.trace.of("ack") == []
    assert rig.acts.intents == []


def test_desk_that_closes_and_waits_retries_nothing_parked(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = previewed_rig("1")
    running = _RunningDesk(rig)
    rig.acts.slots = 0
    rig.take(core_items.submit(number=""), name="parked")
    rig.acts.slots = 4
    looks = threading.Semaphore(0)
    pause = rig.gaps.pause

    def look() -> GapNoticed | None:
        looks.release()
        return pause()

    monkeypatch.setattr(rig.gaps, "pause", look)
    running.thread.close_for_commands()
    running.thread.start()
    # Only after the second idle look is the first one's end sure.
    assert all(looks.acquire(timeout=WAIT_S) for _ in range(2))
    running.thread.stop()
    assert rig.stored() == []
    assert rig.acts.intents == []


# Who may wait at a desk's queue, and who may not.


def test_messages_answers_and_doubts_never_wait_for_a_desk_that_hangs() -> None:
    running = _RunningDesk(ready_rig())

    def post() -> None:
        for turn in (Turn.CONTROL, Turn.ANSWER, Turn.COMMAND):
            for _ in range(5 * SIGHTINGS_MAX):
                running.thread.post(Work(core_items.gap_noticed()), turn)

    poster = threading.Thread(target=post, daemon=True)
    poster.start()
    poster.join(WAIT_S)
    assert not poster.is_alive()


def test_sightings_wait_for_room_and_nothing_else_does_behind_them() -> None:
    rig = ready_rig()
    running = _RunningDesk(rig)
    for _ in range(SIGHTINGS_MAX):
        running.thread.post(Work(core_items.gap_noticed()), Turn.SIGHTING)
    assert not running.thread._room.acquire(blocking=False)
    posted = threading.Event()

    def post() -> None:
        for _ in range(SIGHTINGS_MAX):
            running.thread.post(Work(core_items.gap_noticed(2)), Turn.SIGHTING)
        posted.set()

    threading.Thread(target=post, daemon=True).start()
    running.thread.post(Work(core_items.halt()), Turn.CONTROL)
    running.thread.start()
    assert posted.wait(WAIT_S)
    running.thread.stop()
    assert running.failures == []
    assert rig.stored() == ["account.halted", "account.stale", "account.stale"]
    # All room is given back.
    assert all(running.thread._room.acquire(blocking=False) for _ in range(SIGHTINGS_MAX))


def round_since(seconds: float, *, gaps: int = 0) -> Work:
    found = replace(core_items.round_completed(gaps), orders_since=facts.at(seconds))
    return Work(found, None, f"round {gaps}")


def test_rounds_that_reach_a_desk_that_hangs_take_one_place_and_never_wait() -> None:
    running = _RunningDesk(ready_rig())
    is_over = threading.Event()

    def post() -> None:
        for number in range(5 * SIGHTINGS_MAX):
            # What each round may tell, whatever it tells.
            for item in (
                core_items.seen(filled=str(number % 100)),
                core_items.absent(seconds=60, listings=number + 1),
                core_items.taken_back(listings=number + 1),
                core_items.not_listed(listings=number + 1),
                readings.PositionsSeen(positions=(), observed_at=facts.at(number)),
                core_items.round_completed(),
            ):
                running.thread.post(Work(item), Turn.SIGHTING)
        is_over.set()

    threading.Thread(target=post, daemon=True).start()
    assert is_over.wait(WAIT_S)
    assert len(running.thread._queue.queue) == 6


def test_latest_sight_of_a_thing_stands_for_the_earlier_ones_after_all_that_came_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = ready_rig()
    running = _RunningDesk(rig)
    taken: list[Work] = []

    def take(work: Work, *, with_parked: bool = True) -> None:
        taken.append(work)

    monkeypatch.setattr(rig.desk, "take", take)
    for work in (
        Work(core_items.seen(filled="1"), None, "first filled 1"),
        round_since(-60, gaps=1),
        Work(core_items.seen(tiger="t-2"), None, "second"),
        Work(core_items.gap_noticed(2), None, "gap"),
        Work(core_items.seen(filled="2"), None, "first filled 2"),
        round_since(-30, gaps=2),
    ):
        running.thread.post(work, Turn.SIGHTING)
    running.thread.start()
    running.thread.stop()
    assert [work.correlation_id for work in taken] == ["second", "gap", "first filled 2", "round 2"]
    # It reads what was opened since the round began for which it stands.
    assert taken[-1].item == round_since(-60, gaps=2).item
    assert all(running.thread._room.acquire(blocking=False) for _ in range(SIGHTINGS_MAX))


def test_figures_that_a_later_sight_of_an_order_overtook_are_left_to_the_round_that_brought_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = ready_rig()
    running = _RunningDesk(rig)
    taken: list[items.Item] = []

    def take(work: Work, *, with_parked: bool = True) -> None:
        taken.append(work.item)

    monkeypatch.setattr(rig.desk, "take", take)
    first, second = core_items.seen(filled="1"), core_items.seen(filled="2")
    figures = [readings.PositionsSeen(positions=(), observed_at=facts.at(n)) for n in (1, 2)]
    for item in (first, figures[0], core_items.round_completed(), second):
        running.thread.post(Work(item), Turn.SIGHTING)
    for item in (figures[1], core_items.round_completed()):
        running.thread.post(Work(item), Turn.SIGHTING)
    running.thread.start()
    running.thread.stop()
    # The first figures hold the second sight's fill, which would be counted on top of them.
    assert taken == [second, figures[1], core_items.round_completed()]
    assert all(running.thread._room.acquire(blocking=False) for _ in range(SIGHTINGS_MAX))


def test_renewed_figures_take_the_rounds_end_with_them() -> None:
    rig = DeskRig(facts.opened(), account_events.AccountWorkerStarted(run_id="run-1"))
    running = _RunningDesk(rig)

    def post_round(number: int, *, is_complete: bool) -> None:
        figures = (
            readings.PositionsSeen(positions=(facts.figure(),), observed_at=facts.at(number)),
            replace(BALANCES, observed_at=facts.at(number)),
        )
        for item in (core_items.external(quantity=str(100 + number)), *figures):
            running.thread.post(Work(item), Turn.SIGHTING)
        if is_complete:
            running.thread.post(Work(core_items.round_completed()), Turn.SIGHTING)

    post_round(1, is_complete=True)
    # The desk takes the order alone, and the next round is at its figures by then.
    assert running.thread._take_one()
    post_round(2, is_complete=False)
    for _ in range(4):
        assert running.thread._take_one()
    # What the first round read of positions and cash was never taken.
    assert rig.desk.state.position_figures is not None
    stale = [rig.desk.state.is_stale]
    running.thread.post(Work(core_items.round_completed()), Turn.SIGHTING)
    assert running.thread._take_one()
    stale.append(rig.desk.state.is_stale)
    assert stale == [True, False]
    assert all(running.thread._room.acquire(blocking=False) for _ in range(SIGHTINGS_MAX))


def test_desk_is_silent_since_the_last_whole_round_whatever_else_it_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Monotonic:
        now_s = 1000.0

        def monotonic(self) -> float:
            return self.now_s

    time = Monotonic()
    monkeypatch.setattr("adapters.tiger_worker.desk_thread.time", time)
    rig = ready_rig()
    running = _RunningDesk(rig)
    assert running.thread.silent_s == 0.0

    def take(*works: tuple[Work, Turn]) -> float:
        """Have these taken in turn, a second before each, and return the silence then."""
        for work, turn in works:
            time.now_s += 1.0
            running.thread.post(work, turn)
            assert running.thread._take_one()
        return running.thread.silent_s

    seen = Work(core_items.seen())
    halt = Work(items.HaltFileSeen(detail="there"))
    assert take((seen, Turn.SIGHTING), (halt, Turn.CONTROL)) == 2.0
    assert take((Work(core_items.round_completed()), Turn.SIGHTING)) == 0.0
    assert take((seen, Turn.SIGHTING)) == 1.0
    assert running.thread.taken == 4


def test_items_are_taken_by_their_turn_and_then_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = ready_rig()
    running = _RunningDesk(rig)
    taken: list[str] = []

    def take(work: Work, *, with_parked: bool = True) -> None:
        taken.append(work.correlation_id)

    monkeypatch.setattr(rig.desk, "take", take)
    for turn, name in (
        (Turn.COMMAND, "c1"),
        (Turn.SIGHTING, "s1"),
        (Turn.COMMAND, "c2"),
        (Turn.ANSWER, "a1"),
        (Turn.CONTROL, "p1"),
        (Turn.SIGHTING, "s2"),
    ):
        running.thread.post(Work(core_items.gap_noticed(), None, name), turn)
    running.thread.start()
    running.thread.stop()
    assert taken == ["p1", "a1", "s1", "s2", "c1", "c2"]


def test_failure_of_a_desk_is_told_and_ends_its_thread() -> None:
    rig = ready_rig()
    running = _RunningDesk(rig)
    rig.ledger.write(facts.stale(1))
    running.thread.start()
    running.thread.post(Work(core_items.gap_noticed(2)), Turn.SIGHTING)
    assert isinstance(running.wait_failed(), VersionConflictError)
    assert rig.ledger.types()[-1] == "account.stale"
