"""Urgent cancels go first, and one that hangs never keeps the next from being asked."""

import threading

from adapters.tiger_worker.cancel_lane import HANGING_MAX, THREADS, CancelJob, CancelLane
from tests.support.worker_parts import WAIT_S


def job(name: str, *, is_urgent: bool = False) -> CancelJob:
    return CancelJob(name, f"t-{name}", is_urgent)


class LaneRig:
    """A lane whose jobs hang until they are let go, each by its name."""

    def __init__(self, *, deadline_s: float = 0.0) -> None:
        self.begun: list[str] = []
        self.threads: list[threading.Thread] = []
        self.ended: list[str] = []
        self.told: list[str] = []
        self.given_up: list[CancelJob] = []
        self.exhausted = 0
        self._gates: dict[str, threading.Event] = {}
        self._news = threading.Condition()
        self.lane = CancelLane(
            self._run,
            name="cancel-test",
            deadline_s=deadline_s,
            on_ended=lambda job, _: self.told.append(job.order_id),
            on_given_up=self.given_up.append,
            on_exhausted=self._exhaust,
        )

    def _run(self, asked: CancelJob) -> None:
        gate = self._gates.get(asked.order_id)
        with self._news:
            self.begun.append(asked.order_id)
            self.threads.append(threading.current_thread())
            self._news.notify_all()
        if gate is not None:
            assert gate.wait(WAIT_S)
        with self._news:
            self.ended.append(asked.order_id)
            self._news.notify_all()

    def _exhaust(self) -> None:
        self.exhausted += 1

    def hang(self, *names: str) -> None:
        """Submit jobs that hang, and wait until they do."""
        for name in names:
            self._gates[name] = threading.Event()
            self.lane.submit(job(name))
        self.wait_begun(*names)

    def let_go(self) -> None:
        for gate in self._gates.values():
            gate.set()

    def wait_begun(self, *names: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: {*names} <= {*self.begun}, WAIT_S), self.begun

    def wait_ended(self, *names: str) -> None:
        with self._news:
            assert self._news.wait_for(lambda: {*names} <= {*self.ended}, WAIT_S), self.ended


def test_urgent_cancels_go_before_all_that_wait_and_each_kind_in_order() -> None:
    rig = LaneRig(deadline_s=60.0)
    hanging = [f"h{n}" for n in range(THREADS)]
    rig.hang(*hanging)
    for waiting in (job("a"), job("b"), job("u1", is_urgent=True), job("u2", is_urgent=True)):
        rig.lane.submit(waiting)
    # One thread goes on, so that the order is plain.
    rig._gates["h0"].set()
    rig.wait_ended("u1", "u2", "a", "b")
    assert rig.begun[THREADS:] == ["u1", "u2", "a", "b"]
    rig.let_go()


def test_cancels_that_hang_are_given_up_and_their_threads_replaced() -> None:
    rig = LaneRig()
    hanging = [f"h{n}" for n in range(THREADS)]
    rig.hang(*hanging)
    rig.lane.submit(job("next", is_urgent=True))
    rig.lane.check()
    assert sorted(given_up.order_id for given_up in rig.given_up) == hanging
    rig.wait_ended("next")
    # Once each.
    rig.lane.check()
    assert [each.order_id in hanging for each in rig.given_up].count(True) == THREADS
    assert rig.exhausted == 0
    rig.let_go()
    rig.wait_ended(*hanging)


def test_cancel_within_its_deadline_is_left_alone() -> None:
    rig = LaneRig(deadline_s=60.0)
    rig.hang("slow")
    rig.lane.check()
    assert rig.given_up == []
    rig.let_go()
    rig.wait_ended("slow")


def test_more_hanging_cancels_than_threads_may_hang_end_the_process() -> None:
    rig = LaneRig()
    for number in range(HANGING_MAX):
        rig.hang(f"h{number}")
        rig.lane.check()
    assert rig.exhausted == 0
    rig.hang("one too many")
    rig.lane.check()
    assert rig.exhausted == 1
    rig.let_go()


def test_cancel_that_comes_back_late_ends_its_thread_and_hangs_no_more() -> None:
    rig = LaneRig()
    names = [f"h{number}" for number in range(HANGING_MAX)]
    for name in names:
        rig.hang(name)
        rig.lane.check()
    rig.let_go()
    for thread in rig.threads[:HANGING_MAX]:
        thread.join(WAIT_S)
        assert not thread.is_alive()
    for number in range(HANGING_MAX):
        rig.hang(f"later-{number}")
        rig.lane.check()
    assert rig.exhausted == 0
    rig.let_go()


def test_answer_of_a_job_that_was_given_up_is_told_to_nobody() -> None:
    rig = LaneRig()
    rig.hang("h")
    rig.lane.check()
    assert [asked.order_id for asked in rig.given_up] == ["h"]
    rig.let_go()
    rig.wait_ended("h")
    # A job behind it was told, so what came before would have been.
    rig.lane.submit(job("after"))
    rig.wait_ended("after")
    assert "h" not in rig.told
