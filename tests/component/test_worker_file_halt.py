"""A whole account and its halt file: who cancels while the desk moves, hangs, or is not there."""

import queue
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from adapters.tiger_worker import file_halt, halt_orders, pulse
from adapters.tiger_worker.broker import Ended, Listing
from adapters.tiger_worker.file_halt import Standing
from core import account_events, events
from core.errors import BrokerUnavailableError
from core.items import HaltFileSeen, Outcome
from core.ports import Appended
from tests.support import core_facts as facts
from tests.support.account_rig import AccountRig, Exits, HangingBroker
from tests.support.scripted_broker import order_row
from tests.support.worker_parts import WAIT_S, MemoryLedger, Trace

TIGER: Final = "1"
BY_THE_FILE: Final = f"halt-cancel-{facts.ACCOUNT}"
BY_THE_DESK: Final = f"cancel-{facts.ACCOUNT}"


class Broker(HangingBroker):
    """A broker whose rounds of readings fail, which lists one order as open and cancels none."""

    def __init__(self, number: str) -> None:
        super().__init__(number)
        # The lanes that asked, by the names of their threads.
        self.asked: list[str] = []
        self._news = threading.Condition()

    def orders(self, *, since: datetime, **_: Any) -> Listing:
        raise BrokerUnavailableError("away")

    def open_orders(self, **_: Any) -> tuple[dict[str, Any], ...]:
        return (order_row(id=int(TIGER)),)

    def cancel(self, tiger_order_id: str) -> Ended:
        assert tiger_order_id == TIGER
        with self._news:
            self.asked.append(threading.current_thread().name)
            self._news.notify_all()
        return Ended(Outcome.UNKNOWN)

    def wait_asked(self, lane: str) -> None:
        """Wait until a lane has asked for the cancel."""
        with self._news:
            assert self._news.wait_for(lambda: lane in self.asked, WAIT_S), self.asked


class HangingLedger(MemoryLedger):
    """A ledger whose appends hang from the first event of one name on, as while NATS is away."""

    hangs_at: str | None = None

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.may_end = threading.Event()

    def append(
        self, *, subject: str, body: bytes, event_id: str, expected_sequence: int
    ) -> Appended:
        """Store one event, or hang."""
        if self.hangs_at is not None and subject.endswith(self.hangs_at):
            assert self.may_end.wait(WAIT_S)
        return super().append(
            subject=subject, body=body, event_id=event_id, expected_sequence=expected_sequence
        )


class FileRig(AccountRig):
    tiger = TIGER

    def __init__(self, halt_file: Path) -> None:
        self.hanging: list[HangingLedger] = []
        self.found: list[Broker] = []
        super().__init__(halt_file, new_ledger=self._new_ledger, new_broker=self._broker_of)

    @property
    def broker(self) -> Broker:
        return self.found[0]

    def _new_ledger(self, trace: Trace) -> MemoryLedger:
        self.hanging.append(HangingLedger(trace))
        return self.hanging[0]

    def _broker_of(self, number: str) -> HangingBroker:
        self.found.append(Broker(number))
        return self.found[-1]


@pytest.fixture
def exits(monkeypatch: pytest.MonkeyPatch) -> Exits:
    made = Exits()
    monkeypatch.setattr("adapters.tiger_worker.account.exit_now", made.end)
    return made


@pytest.fixture
def rig(tmp_path: Path, exits: Exits, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileRig]:
    for name, value_s in (
        ("_LOOK_S", 0.001),
        # Longer than any test: what is done comes from the other graces.
        ("GRACE_S", 60.0),
        ("DESK_GRACE_S", 0.05),
        ("LIST_EVERY_S", 0.01),
    ):
        monkeypatch.setattr(file_halt, name, value_s)
    monkeypatch.setattr(halt_orders, "AGAIN_S", 0.02)
    made = FileRig(tmp_path / "halt")
    yield made
    made.hanging[0].may_end.set()
    made.end()
    assert made.failures == []


def test_file_halt_goes_on_while_the_desk_hangs_before_it_took_the_halt(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_halt, "GRACE_S", 0.02)
    account = rig.make()
    rig.hanging[0].hangs_at = ".account.halted"
    rig.halt_file.touch()
    rig.begin(account)
    rig.broker.wait_asked(BY_THE_FILE)
    assert BY_THE_DESK not in rig.broker.asked


@pytest.mark.parametrize(
    ("hangs_at", "is_asked"),
    [(".order.cancel_started", False), (".order.cancel_unknown", True)],
    ids=["no cancel asked", "cancel came to nothing"],
)
def test_file_halt_goes_on_while_the_desk_hangs(
    rig: FileRig, hangs_at: str, is_asked: bool
) -> None:
    account = rig.make()
    rig.hanging[0].hangs_at = hangs_at
    rig.halt_file.touch()
    rig.begin(account)
    rig.broker.wait_asked(BY_THE_FILE)
    assert account.state.is_halted
    assert (BY_THE_DESK in rig.broker.asked) is is_asked


def test_file_halt_goes_on_while_no_reading_reaches_the_desk(rig: FileRig) -> None:
    account = rig.make()
    rig.halt_file.touch()
    rig.begin(account)
    rig.broker.wait_asked(BY_THE_DESK)
    rig.ledger.wait_for("order.cancel_unknown")
    rig.broker.wait_asked(BY_THE_FILE)


def test_file_halt_that_waits_for_no_desk_needs_none(rig: FileRig) -> None:
    account = rig.make()
    rig.halt_file.touch()
    account._file_halt.go_alone()
    account._file_halt.start()
    rig.broker.wait_asked(BY_THE_FILE)
    account._file_halt.stop()
    assert rig.ledger.last().type == "order.working"


def test_desk_carries_a_halt_only_once_readings_verified_it(rig: FileRig) -> None:
    account = rig.make()

    def standing(*more: events.Event) -> Standing:
        account.restore([rig.ledger.write(event) for event in more])
        return account._standing()._replace(silent_s=0.0)

    found = Standing(is_halted=False, is_verified=False, is_carried=False, silent_s=0.0)
    assert standing() == found
    found = found._replace(is_halted=True)
    assert standing(facts.halted()) == found
    assert standing(facts.halted("AAPL")) == found
    order_id = facts.order_id_of()
    asked = events.OrderCancelStarted(order_id=order_id, command_id="c", tiger_order_id=TIGER)
    assert standing(asked) == found
    assert standing(events.OrderCancelRequested(order_id=order_id)) == found
    done = events.OrderCancelled(order_id=order_id, filled_quantity=Decimal(0), average_price=None)
    assert standing(done) == found
    assert standing(account_events.AccountHaltVerified(symbol="AAPL", orders_read=1)) == found
    verified = account_events.AccountHaltVerified(symbol="", orders_read=1)
    found = found._replace(is_verified=True, is_carried=True)
    assert standing(verified) == found


def test_halt_file_that_is_gone_before_the_desk_is_there_halts_all_the_same(
    rig: FileRig, exits: Exits
) -> None:
    rig.halt_file.touch()
    before = rig.make()
    before._file_halt.go_alone()
    before._file_halt.start()
    rig.broker.wait_asked(BY_THE_FILE)
    before._file_halt.stop()
    before._file_halt._thread.join(WAIT_S)
    file = before._file_halt.file
    rig.halt_file.unlink()
    account = rig.make()
    account._look()
    told = [item for item in rig.posted(account) if isinstance(item, HaltFileSeen)]
    assert told == [HaltFileSeen(detail="the halt file was there", file=file)]
    assert exits.codes == []


def test_desk_that_hangs_is_named_with_each_word_that_its_process_lives(
    rig: FileRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulse, "PULSE_EVERY_S", 0.01)
    monkeypatch.setattr(pulse, "STUCK_AFTER_S", 0.5)
    account = rig.make()
    rig.hanging[0].hangs_at = ".account.halted"
    rig.begin(account)
    words: queue.SimpleQueue[Mapping[str, float]] = queue.SimpleQueue()
    beats = pulse.Pulse(
        {"sandbox": lambda: account.stood_s}, say=words.put, on_failure=rig.failures.append
    )
    beats.start()
    assert words.get(timeout=WAIT_S) == {}
    rig.halt_file.touch()
    while not (stuck := words.get(timeout=WAIT_S)):
        pass
    assert stuck["sandbox"] > 0.5
    rig.hanging[0].may_end.set()
    while words.get(timeout=WAIT_S):
        pass
    beats.stop()


def test_process_that_can_say_no_more_that_it_lives_does_not_go_on_in_silence() -> None:
    failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    unforeseen = KeyError("x")

    def say(_: Mapping[str, float]) -> None:
        raise unforeseen

    pulse.Pulse({}, say=say, on_failure=failures.put).start()
    assert failures.get(timeout=WAIT_S) is unforeseen
