"""A change of an order on its lane: the real SDK on a real sandbox, held to the rules of a send."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from tigeropen.common.util import web_utils

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.contracts import ContractBook
from adapters.tiger_worker.desk_thread import Turn
from adapters.tiger_worker.guard import HaltLatch
from adapters.tiger_worker.lanes import Lanes
from adapters.tiger_worker.parts import ModifyIntent, Work
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from adapters.tiger_worker.session import LoginAccess, Session
from adapters.tiger_worker.watchdog import EXIT_STUCK, Watchdog
from core.items import ModifyAnswered, Outcome
from core.modes import Environment
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    login_folder,
)
from infra.sandbox.wire import faults
from tests.support import core_facts as facts
from tests.support.sandbox import Sandbox, running_sandbox
from tests.support.worker_parts import WAIT_S, DeskRig, ListeningDesk, ManualClock, open_guard

MODIFY: Final = "modify_order"
# The SDK gives up only after the test has let go what hangs.
TIMEOUT_S: Final = 20.0


class AnsweredDesk(ListeningDesk):
    """A desk whose one answer can be waited for."""

    def __init__(self) -> None:
        super().__init__(DeskRig())
        self._is_answered = threading.Event()

    def post(self, work: Work, turn: Turn) -> None:
        super().post(work, turn)
        self._is_answered.set()

    def answer(self) -> ModifyAnswered:
        assert self._is_answered.wait(WAIT_S)
        (found,) = self.items
        assert isinstance(found, ModifyAnswered)
        return found


class ChangeRig:
    """Lanes of one account, and an order that rests at the sandbox."""

    def __init__(self, sandbox: Sandbox, halt_file: Path) -> None:
        access = LoginAccess(
            properties=login_folder(sandbox.home, "desk") / PROPERTIES_FILE,
            environment=Environment.SANDBOX,
            server_url=sandbox.url,
            gateway_key=sandbox.login().tiger_public_key,
        )
        self.sandbox = sandbox
        self.clock = ManualClock()
        self.latch = HaltLatch()
        self.halt_file = halt_file
        self.is_halted = False
        self.is_lock_held = True
        self.desk = AnsweredDesk()
        self.under_way: list[str] = []
        self.on_sending: Callable[[str], None] = lambda order_id: self.under_way.append(order_id)
        session = Session(access, timeout_s=TIMEOUT_S)
        self.broker = AccountBroker(session, number=sandbox.account(), clock=self.clock)
        self.lanes = Lanes(
            self.broker,
            account=facts.ACCOUNT,
            guard=open_guard(
                self.clock,
                halt_file,
                latch=self.latch,
                is_halted=lambda _: self.is_halted,
                is_lock_held=lambda: self.is_lock_held,
                has_lease=lambda: True,
            ),
            latch=self.latch,
            budget=RateBudget(NO_BUDGETS),
            contracts=ContractBook(self.clock),
            deadline_s=TIMEOUT_S,
            is_number_used=lambda _: False,
            look_again=lambda: None,
            on_sending=lambda order_id: self.on_sending(order_id),
            on_sent=lambda order_id: self.under_way.remove(order_id),
            on_exhausted=lambda: None,
        )
        self.lanes.answer_to(self.desk)
        self._number = self.broker.reserve_number()
        terms = facts.spec(limit_price="1.00", quantity="5")
        placed = self.broker.place(
            self.broker.prepare(terms, order_number=self._number, mark=f"m.{self._number}")
        )
        assert placed.outcome is Outcome.DONE
        self.tiger_order_id = placed.tiger_order_id
        self.asked_before = self.asked

    @property
    def asked(self) -> int:
        """How often the broker was asked for a change."""
        return self.sandbox.control.request_count(MODIFY)

    @property
    def quantity(self) -> int:
        """How many shares the order at the broker is for."""
        book = self.sandbox.control.book(self.sandbox.account())
        (order,) = [o for o in book.orders if str(o.global_id) == self.tiger_order_id]
        return int(order.quantity)

    def change(self, **changes: Any) -> None:
        """Hand the lane a stored intention to change the size to 3."""
        assert self.lanes.hold_modify()
        made = ModifyIntent(
            order_id=facts.order_id_of(),
            tiger_order_id=self.tiger_order_id,
            spec=facts.spec(limit_price="1.00", quantity="3"),
            order_number=self._number,
            send_by=self.clock.now() + timedelta(seconds=2),
            send_by_boot_s=self.clock.boot_s() + 2,
            is_clean=True,
        )
        self.lanes.modify(made._replace(**changes))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("changes")) as running:
        yield running


@pytest.fixture
def rig(sandbox: Sandbox, tmp_path: Path) -> Iterator[ChangeRig]:
    sandbox.control.clear_faults()
    yield ChangeRig(sandbox, tmp_path / "halt")
    sandbox.control.release()
    web_utils.http_pool.clear()


def test_change_is_asked_once_and_stands_at_the_broker(rig: ChangeRig) -> None:
    rig.change()
    assert rig.desk.answer().outcome is Outcome.DONE
    assert (rig.asked, rig.quantity) == (rig.asked_before + 1, 3)
    assert rig.under_way == []


def _wall_past(rig: ChangeRig) -> dict[str, Any]:
    return {"send_by": rig.clock.now()}


def _boot_past(rig: ChangeRig) -> dict[str, Any]:
    return {"send_by_boot_s": rig.clock.boot_s()}


def _unclean(_: ChangeRig) -> dict[str, Any]:
    return {"is_clean": False}


def _latched(rig: ChangeRig) -> dict[str, Any]:
    rig.latch.set("AAPL")
    return {}


def _halted(rig: ChangeRig) -> dict[str, Any]:
    rig.is_halted = True
    return {}


def _halt_file(rig: ChangeRig) -> dict[str, Any]:
    rig.halt_file.touch()
    return {}


def _lock_lost(rig: ChangeRig) -> dict[str, Any]:
    rig.is_lock_held = False
    return {}


@pytest.mark.parametrize(
    "stale",
    [_wall_past, _boot_past, _unclean, _latched, _halted, _halt_file, _lock_lost],
    ids=lambda make: make.__name__.strip("_"),
)
def test_change_that_grew_stale_before_its_call_is_surely_not_sent(
    rig: ChangeRig, stale: Callable[[ChangeRig], dict[str, Any]]
) -> None:
    rig.change(**stale(rig))
    assert rig.desk.answer().outcome is Outcome.NOT_SENT
    assert (rig.asked, rig.quantity) == (rig.asked_before, 5)
    assert rig.under_way == []


@pytest.mark.parametrize(
    ("effect", "outcome"),
    [
        (faults.DropBeforeAcceptance(), Outcome.UNKNOWN),
        (faults.DropAfterAcceptance(), Outcome.UNKNOWN),
        (faults.Redirect(), Outcome.UNKNOWN),
        (faults.HttpStatus(status=502, accepted=True), Outcome.UNKNOWN),
        (faults.EmptyBody(), Outcome.UNKNOWN),
        (faults.MalformedBody(), Outcome.UNKNOWN),
        (faults.WrongSign(), Outcome.UNKNOWN),
        (faults.ErrorCode(code=2, message="network read time out"), Outcome.UNKNOWN),
        # Success, and nothing about what was done.
        (faults.ErrorCode(code=0, message="success"), Outcome.UNKNOWN),
        (faults.ErrorCode(code=4000, message="permission denied"), Outcome.REFUSED),
    ],
    ids=repr,
)
def test_change_is_one_request_whatever_comes_back(
    rig: ChangeRig, effect: faults.AnyEffect, outcome: Outcome
) -> None:
    rig.sandbox.control.add_fault(effect, method=MODIFY)
    rig.change()
    assert rig.desk.answer().outcome is outcome
    assert rig.asked == rig.asked_before + 1


def test_change_that_hangs_past_the_deadline_is_told_as_doubt_and_ends_the_process(
    rig: ChangeRig,
) -> None:
    doubts: list[str] = []
    codes: list[int] = []
    is_over = threading.Event()

    def end(code: int) -> None:
        codes.append(code)
        is_over.set()

    watchdog = Watchdog(
        deadline_s=0.0,
        record=doubts.append,
        is_recorded=lambda order_id: order_id in doubts,
        look=lambda: None,
        end=end,
    )

    def sending(order_id: str) -> None:
        rig.under_way.append(order_id)
        watchdog.sending(order_id)

    rig.on_sending = sending
    rig.sandbox.control.add_fault(faults.HoldBefore(), method=MODIFY)
    watchdog.start()
    rig.change()
    assert is_over.wait(WAIT_S)
    assert (codes, doubts) == ([EXIT_STUCK], [facts.order_id_of()])
    assert rig.desk.items == []
    rig.sandbox.control.release()
    assert rig.desk.answer().outcome is Outcome.DONE
