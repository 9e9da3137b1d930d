"""The lanes of one account: none waits for another's, and the unforeseen has its own name."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.tiger_worker import lanes
from adapters.tiger_worker.broker import AccountBroker, Ended
from adapters.tiger_worker.cancel_lane import HANGING_MAX, THREADS, CancelJob
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.desk_thread import Turn
from adapters.tiger_worker.guard import HaltLatch
from adapters.tiger_worker.lanes import PREVIEW_THREADS, Lanes, ask_cancel
from adapters.tiger_worker.parts import Intent, Work
from adapters.tiger_worker.rates import HALT_LEAVE, NO_BUDGETS, RateBudget
from core.items import (
    CancelAnswered,
    ContractFacts,
    EstimateFacts,
    Item,
    Outcome,
    PreviewAnswered,
    QuoteFacts,
)
from core.terms import OrderSpec
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import (
    WAIT_S,
    DeskRig,
    ListeningDesk,
    ManualClock,
    intent,
    open_guard,
)

ORDER = facts.order_id_of()


class HangingBroker:
    """A broker each of whose methods hangs until let go, fails, or answers plainly."""

    def __init__(self) -> None:
        self.hanging: dict[str, threading.Event] = {}
        self.failing: dict[str, Exception] = {}
        self.began = threading.Semaphore(0)
        self._number = 900

    def _meet(self, method: str) -> None:
        if method in self.failing:
            raise self.failing[method]
        if method in self.hanging:
            self.began.release()
            assert self.hanging[method].wait(WAIT_S)

    def hang(self, method: str) -> None:
        self.hanging[method] = threading.Event()

    def let_go(self) -> None:
        for gate in self.hanging.values():
            gate.set()

    def wait_began(self, count: int) -> None:
        assert all(self.began.acquire(timeout=WAIT_S) for _ in range(count))

    def contracts(self, symbols: list[str]) -> tuple[ContractFacts, ...]:
        self._meet("contracts")
        return tuple(core_items.contract(symbol=symbol) for symbol in symbols)

    def quote_facts(self, symbol: str) -> QuoteFacts:
        self._meet("quote_facts")
        return core_items.quote()

    def estimate(self, spec: OrderSpec) -> EstimateFacts:
        self._meet("estimate")
        return core_items.estimate()

    def reserve_number(self) -> str:
        self._meet("reserve_number")
        self._number += 1
        return str(self._number)

    def prepare(self, spec: OrderSpec, *, order_number: str, mark: str) -> str:
        self._meet("prepare")
        return mark

    def place(self, order: str) -> Ended:
        return Ended(Outcome.DONE, tiger_order_id="t-1")

    def cancel(self, tiger_order_id: str) -> Ended:
        self._meet("cancel")
        return Ended(Outcome.DONE)


class AnsweredDesk(ListeningDesk):
    """A desk whose answers can be waited for."""

    def __init__(self) -> None:
        super().__init__(DeskRig())
        self._news = threading.Semaphore(0)
        self._answered = 0

    def post(self, work: Work, turn: Turn) -> None:
        super().post(work, turn)
        self._news.release()

    def answer(self) -> Any:
        assert self._news.acquire(timeout=WAIT_S)
        self._answered += 1
        return self.items[self._answered - 1]


class LanesRig:
    def __init__(self, tmp_path: Path, *, deadline_s: float) -> None:
        clock = ManualClock()
        self.broker = HangingBroker()
        self.desk = AnsweredDesk()
        self.latch = HaltLatch()
        self.exhausted = threading.Event()
        self.intent: Intent = intent(clock)
        self.lanes = Lanes(
            cast(AccountBroker, self.broker),
            account=facts.ACCOUNT,
            guard=open_guard(clock, tmp_path / "halt", latch=self.latch),
            latch=self.latch,
            budget=RateBudget(NO_BUDGETS),
            contracts=ContractBook(clock),
            deadline_s=deadline_s,
            is_number_used=lambda _: False,
            look_again=lambda: None,
            on_sending=lambda _: None,
            on_sent=lambda _: None,
            on_exhausted=self.exhausted.set,
        )
        self.lanes.answer_to(self.desk)

    def preview(self) -> None:
        item = core_items.preview_command()
        self.lanes.read_for_preview(item, Work(item))

    def fill(self) -> None:
        self.lanes.numbers.fill()
        self.lanes.numbers._thread.submit(lambda: None).result(WAIT_S)


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[LanesRig]:
    made = LanesRig(tmp_path, deadline_s=0.0)
    yield made
    made.broker.let_go()


def test_previews_that_hang_keep_no_number_from_being_reserved(rig: LanesRig) -> None:
    rig.broker.hang("contracts")
    for _ in range(PREVIEW_THREADS + 1):
        rig.preview()
    rig.broker.wait_began(PREVIEW_THREADS)
    rig.fill()
    assert rig.lanes.hold() == "901"


def test_number_that_hangs_keeps_no_preview_and_no_cancel_from_its_answer(rig: LanesRig) -> None:
    rig.broker.hang("reserve_number")
    rig.lanes.numbers.fill()
    rig.broker.wait_began(1)
    rig.preview()
    assert isinstance(rig.desk.answer(), PreviewAnswered)
    rig.lanes.cancel(ORDER, "t-1", is_urgent=False)
    assert isinstance(rig.desk.answer(), CancelAnswered)


@pytest.mark.parametrize(
    ("method", "failed"),
    [
        ("contracts", "contracts"),
        ("quote_facts", "quote_real_time"),
        ("estimate", "preview_order"),
    ],
)
@pytest.mark.parametrize(
    "error", [KeyError("x"), AttributeError("x"), RecursionError(), ValueError("x")], ids=repr
)
def test_preview_that_meets_the_unforeseen_says_which_reading_failed(
    rig: LanesRig, method: str, failed: str, error: Exception
) -> None:
    rig.broker.failing[method] = error
    rig.preview()
    item = core_items.preview_command()
    assert rig.desk.answer() == PreviewAnswered(
        item=item, contract=None, quote=None, estimate=None, failed=failed
    )


def test_cancel_that_hangs_is_unknown_at_the_deadline_and_the_next_is_asked(rig: LanesRig) -> None:
    rig.broker.hang("cancel")
    for _ in range(THREADS):
        rig.lanes.cancel(ORDER, "t-1", is_urgent=True)
    rig.broker.wait_began(THREADS)
    rig.lanes.cancels.check()
    given_up: list[Item] = [rig.desk.answer() for _ in range(THREADS)]
    assert given_up == THREADS * [
        CancelAnswered(order_id=ORDER, outcome=Outcome.UNKNOWN, detail="no end within the deadline")
    ]
    rig.lanes.cancel(ORDER, "t-1", is_urgent=True)
    rig.broker.wait_began(1)


def test_too_many_cancels_that_hang_end_the_process(rig: LanesRig) -> None:
    rig.broker.hang("cancel")
    for _ in range(HANGING_MAX + 1):
        assert not rig.exhausted.is_set()
        rig.lanes.cancel(ORDER, "t-1", is_urgent=True)
        rig.broker.wait_began(1)
        rig.lanes.cancels.check()
    assert rig.exhausted.is_set()


def test_cancel_that_meets_the_unforeseen_is_unknown(rig: LanesRig) -> None:
    rig.broker.failing["cancel"] = KeyError("x")
    rig.lanes.cancel(ORDER, "t-1", is_urgent=True)
    assert rig.desk.answer() == CancelAnswered(
        order_id=ORDER, outcome=Outcome.UNKNOWN, detail="KeyError"
    )


def test_halt_that_the_desk_took_holds_back_no_longer_than_that(rig: LanesRig) -> None:
    rig.latch.set("AAPL")
    rig.lanes.halt_taken("AAPL")
    assert not rig.latch.holds("AAPL")
    rig.lanes.place(rig.intent)
    assert rig.desk.answer().outcome is Outcome.DONE


def test_cancels_that_nobody_hurries_leave_tokens_to_a_halts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "CANCEL_TOKEN_WAIT_S", 0.0)
    budget, broker = RateBudget({"cancel_order": 60}), cast(AccountBroker, HangingBroker())

    def asked(*, is_urgent: bool) -> int:
        jobs = [CancelJob(ORDER, "t-1", is_urgent) for _ in range(60)]
        outcomes = [ask_cancel(broker, budget, job).outcome for job in jobs]
        return sum(outcome is not Outcome.NOT_SENT for outcome in outcomes)

    assert asked(is_urgent=False) == 60 - HALT_LEAVE
    assert asked(is_urgent=True) == HALT_LEAVE
