"""Time at a desk and in its thread: clocks that jump, sleep, turns, a failure."""

import threading

import pytest

from adapters.tiger_worker.desk_thread import DeskThread, Turn
from adapters.tiger_worker.gaps import Gaps
from adapters.tiger_worker.parts import Work
from core import events
from core.errors import VersionConflictError
from tests.support import core_facts as facts
from tests.support.worker_parts import WAIT_S, DeskRig

ORDER = facts.order_id_of()


def ready_rig(*more: events.Event) -> DeskRig:
    return DeskRig(*facts.ready(*more))


def previewed_rig(*names: str) -> DeskRig:
    return ready_rig(*(facts.previewed(name) for name in names))


def test_recorded_at_never_goes_back() -> None:
    rig = ready_rig()
    rig.clock.set_wall(60)
    rig.take(facts.gap_noticed(1))
    rig.clock.set_wall(-3600)
    rig.take(facts.gap_noticed(2))
    first, second = (recorded.recorded_at for recorded in rig.ledger.line()[-2:])
    assert first == second == facts.at(60)
    rig.clock.set_wall(7200)
    rig.take(facts.gap_noticed(3))
    assert rig.ledger.last().recorded_at == rig.clock.now()


def test_recorded_at_never_goes_back_behind_what_was_restored() -> None:
    rig = ready_rig()
    record = rig.ledger.write(facts.stale(1), at=facts.at(500))
    rig.desk.restore(record.subject, record.body, sequence=record.sequence)
    rig.take(facts.gap_noticed(2))
    assert rig.ledger.last().recorded_at == facts.at(500)


@pytest.mark.parametrize(("skew_s", "is_open"), [(29.0, True), (31.0, False), (-31.0, False)])
def test_clocks_that_differ_much_block_openings(skew_s: float, is_open: bool) -> None:
    rig = previewed_rig("1")
    rig.desk.clock_skew_s = skew_s
    rig.take(facts.submit(number=""))
    assert (rig.stored() == ["order.submission_started"]) is is_open


class _RunningDesk:
    """A desk in its own thread; its failure and its wakings are kept."""

    def __init__(self, rig: DeskRig) -> None:
        self.failures: list[BaseException] = []
        self.woken = 0
        self._failed = threading.Event()
        self.thread = DeskThread(
            rig.desk,
            name="desk-test",
            gaps=Gaps(rig.clock),
            on_woken=self._wake,
            on_failure=self._fail,
        )

    def _wake(self) -> None:
        self.woken += 1

    def _fail(self, error: BaseException) -> None:
        self.failures.append(error)
        self._failed.set()

    def wait_failed(self) -> BaseException:
        assert self._failed.wait(WAIT_S)
        return self.failures[0]


def test_sleep_is_noticed_before_the_next_command_is_decided() -> None:
    rig = previewed_rig("1")
    running = _RunningDesk(rig)
    rig.clock.boot += 100
    running.thread.post(Work(facts.submit(number="")), Turn.COMMAND)
    running.thread.start()
    running.thread.stop()
    assert running.failures == []
    assert rig.stored() == ["account.stale", "order.refused"]
    assert running.woken == 1


def test_items_are_taken_by_their_turn_and_then_in_order() -> None:
    rig = ready_rig()
    running = _RunningDesk(rig)
    taken: list[str] = []

    def take(work: Work) -> None:
        taken.append(work.correlation_id)

    rig.desk.take = take  # type: ignore[method-assign]  # what it is given, nothing else
    for turn, name in (
        (Turn.COMMAND, "c1"),
        (Turn.SIGHTING, "s1"),
        (Turn.COMMAND, "c2"),
        (Turn.ANSWER, "a1"),
        (Turn.CONTROL, "p1"),
        (Turn.SIGHTING, "s2"),
    ):
        running.thread.post(Work(facts.gap_noticed(), None, name), turn)
    running.thread.start()
    running.thread.stop()
    assert taken == ["p1", "a1", "s1", "s2", "c1", "c2"]


def test_failure_of_a_desk_is_told_and_ends_its_thread() -> None:
    rig = ready_rig()
    running = _RunningDesk(rig)
    rig.ledger.write(facts.stale(1))
    running.thread.start()
    running.thread.post(Work(facts.gap_noticed(2)), Turn.SIGHTING)
    assert isinstance(running.wait_failed(), VersionConflictError)
    assert rig.ledger.types()[-1] == "account.stale"
