"""Cancels that nothing comes of: asked again and again, later each time while nothing changes."""

from collections.abc import Callable
from typing import Final

import msgspec
import pytest
from msgspec.structs import replace

from adapters.tiger_worker.own_cancels import (
    ASK_EVERY_S,
    ASK_LATEST_S,
    LOOK_EVERY_S,
    TAKEN_ASK_EVERY_S,
    UNSENT_ASK_LATEST_S,
)
from adapters.tiger_worker.pauses import Pause, Pauses
from core import codec, events, items, readings
from core.codec import EMPTY_TAIL
from core.items import Outcome
from core.orders import CancelPhase
from projections.entries import AccountEntry, OrderEntry
from projections.fold import fold
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import DeskRig

ORDER: Final = facts.order_id_of()
NIGHT_S: Final = 8 * 3600.0


def refused(code: int = 1) -> items.CancelAnswered:
    return replace(core_items.cancel_answered(Outcome.REFUSED), code=code)


def halted_rig() -> DeskRig:
    given = (facts.previewed(), facts.started(), facts.accepted(), facts.working())
    rig = DeskRig(*facts.ready(*given))
    rig.take(core_items.halt())
    return rig


def asked_times(rig: DeskRig) -> int:
    return len(rig.trace.of("cancel"))


def wait_of(rig: DeskRig, answer: items.CancelAnswered) -> float:
    """Return how long after the last cancel the next one is asked that has this answer."""
    asked, asked_at = asked_times(rig), rig.clock.boot
    rig.take(answer)
    while asked_times(rig) == asked:
        assert rig.clock.boot - asked_at <= 2 * ASK_LATEST_S
        rig.clock.pass_s(LOOK_EVERY_S)
        rig.desk.retry_parked()
    return rig.clock.boot - asked_at


@pytest.mark.parametrize(
    ("answer", "waits_s"),
    [
        (refused(), [ASK_EVERY_S, 10, 20, 40, 80, ASK_LATEST_S, ASK_LATEST_S]),
        (
            core_items.cancel_answered(Outcome.UNKNOWN),
            [ASK_EVERY_S, 10, 20, 40, 80, ASK_LATEST_S, ASK_LATEST_S],
        ),
        (
            core_items.cancel_answered(Outcome.NOT_SENT),
            [ASK_EVERY_S, 10, 20, UNSENT_ASK_LATEST_S, UNSENT_ASK_LATEST_S],
        ),
        (
            core_items.cancel_answered(Outcome.DONE),
            [TAKEN_ASK_EVERY_S, 60, ASK_LATEST_S, ASK_LATEST_S],
        ),
    ],
    ids=["refused", "unknown", "not sent", "taken"],
)
def test_cancel_that_is_answered_the_same_is_asked_later_each_time(
    answer: items.CancelAnswered, waits_s: list[float]
) -> None:
    rig = halted_rig()
    assert [wait_of(rig, answer) for _ in waits_s] == waits_s


def test_another_answer_begins_anew() -> None:
    rig = halted_rig()
    for _ in range(4):
        wait_of(rig, refused())
    assert wait_of(rig, refused(code=2)) == ASK_EVERY_S
    assert wait_of(rig, refused(code=2)) == 2 * ASK_EVERY_S
    assert wait_of(rig, core_items.cancel_answered(Outcome.DONE)) == TAKEN_ASK_EVERY_S
    assert wait_of(rig, core_items.cancel_answered(Outcome.UNKNOWN)) == ASK_EVERY_S


def fill(rig: DeskRig) -> None:
    rig.take(core_items.seen(readings.SeenPhase.LIVE, core_items.execution()))


def halt_again(rig: DeskRig) -> None:
    rig.take(core_items.halt(command_id="cmd-halt-2"))


def halt_symbol(rig: DeskRig) -> None:
    rig.take(core_items.halt("AAPL", command_id="cmd-halt-2"))


def read_again(rig: DeskRig) -> None:
    rig.take(core_items.gap_noticed())


@pytest.mark.parametrize("change", [fill, halt_again, halt_symbol, read_again])
def test_change_of_what_is_true_begins_anew(change: Callable[[DeskRig], None]) -> None:
    rig = halted_rig()
    for _ in range(4):
        wait_of(rig, refused())
    asked = asked_times(rig)
    rig.take(refused())
    rig.clock.pass_s(ASK_EVERY_S)
    rig.desk.retry_parked()
    assert asked_times(rig) == asked
    change(rig)
    rig.clock.pass_s(LOOK_EVERY_S)
    rig.desk.retry_parked()
    assert asked_times(rig) == asked + 1


def test_answer_of_a_broker_that_is_read_again_is_asked_for_soon() -> None:
    rig = halted_rig()
    rig.take(core_items.gap_noticed())
    for _ in range(6):
        wait_of(rig, core_items.cancel_answered(Outcome.UNKNOWN))
    asked = asked_times(rig)
    rig.take(core_items.cancel_answered(Outcome.UNKNOWN))
    rig.clock.pass_s(ASK_EVERY_S)
    rig.take(core_items.round_completed(gaps=1))
    assert rig.stored()[-2:] == ["account.reconciled", "order.cancel_started"]
    assert asked_times(rig) == asked + 1


def night_of(rig: DeskRig, answer: items.CancelAnswered) -> None:
    until = rig.clock.boot + NIGHT_S
    while rig.clock.boot < until:
        if rig.desk.state.orders[ORDER].cancel is CancelPhase.STARTED:
            rig.take(answer)
        rig.clock.pass_s(ASK_EVERY_S)
        rig.desk.retry_parked()


def entry_of(rig: DeskRig) -> OrderEntry:
    """Return what the views keep of the order."""
    entry, tail, account = None, EMPTY_TAIL, AccountEntry(alias=facts.ACCOUNT)
    for record in rig.ledger.records:
        recorded, tail = codec.follow(tail, record.subject, record.body, sequence=record.sequence)
        is_orders = getattr(recorded.data, "order_id", "") == ORDER
        entry = fold(account, entry if is_orders else None, recorded).order or entry
    assert entry is not None
    return entry


def test_night_of_refused_cancels_costs_a_few_hundred_and_is_kept_once() -> None:
    rig = halted_rig()
    wait_of(rig, refused())
    rig.take(refused())
    kept, handled = msgspec.json.encode(entry_of(rig)), len(rig.desk.state.handled)
    night_of(rig, refused())
    if rig.desk.state.orders[ORDER].cancel is CancelPhase.STARTED:
        rig.take(refused())
    assert NIGHT_S / ASK_LATEST_S - 1 <= asked_times(rig) <= NIGHT_S / ASK_LATEST_S + 8
    assert len(rig.desk.state.handled) == handled
    assert len(msgspec.json.encode(entry_of(rig))) == len(kept)
    # Each of them is in the record all the same, with its answer.
    assert rig.stored().count("order.cancel_started") == asked_times(rig)
    assert rig.stored().count("order.cancel_refused") == asked_times(rig)


def test_end_of_a_cancel_is_tied_to_the_last_that_was_asked() -> None:
    rig = halted_rig()
    rig.take(refused())
    rig.take(core_items.cancel(command_id="cmd-mine"))
    rig.take(core_items.cancel_answered(Outcome.DONE))
    *_, started, answered = (
        codec.decode(each.subject, each.body, sequence=each.sequence) for each in rig.ledger.records
    )
    assert isinstance(started.data, events.OrderCancelStarted)
    assert started.data.command_id == answered.causation_id == "cmd-mine"


def test_successor_asks_at_once() -> None:
    rig = halted_rig()
    for _ in range(4):
        wait_of(rig, refused())
    rig.take(refused())
    asked = asked_times(rig)
    rig.restart()
    rig.clock.pass_s(LOOK_EVERY_S)
    rig.desk.retry_parked()
    assert asked_times(rig) == asked + 1


def test_what_is_forgotten_is_asked_at_once_and_with_the_first_pause() -> None:
    pauses, pause = Pauses(), Pause(5.0, 20.0)
    times = [now for now in range(60) if pauses.ask("one", pause, found="a", now_s=float(now))]
    assert times == [0, 5, 15, 35, 55]
    pauses.keep_only({"other"})
    assert pauses.ask("one", pause, found="a", now_s=60.0)
    assert not pauses.ask("one", pause, found="a", now_s=64.0)
    assert pauses.ask("one", pause, found="a", now_s=65.0)
    pauses.forget("one")
    assert pauses.ask("one", pause, found="a", now_s=66.0)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_own_wish_asks_again_under_one_id_and_is_told_of_no_second_time(outcome: Outcome) -> None:
    given = (facts.previewed(), facts.started(), facts.accepted(), facts.working())
    desk = facts.TestDesk(*facts.ready(*given), facts.halted())
    own = replace(core_items.cancel(command_id="cmd-own"), is_own=True)
    handled = len(desk.state.handled)
    for _ in range(3):
        assert isinstance(desk.when(own), events.OrderCancelStarted)
        desk.when(core_items.cancel_answered(outcome))
    assert len(desk.state.handled) == handled + 1
    desk.settle(core_items.seen(readings.SeenPhase.CANCELLED))
    # It may have waited for a cancel that ended the order.
    assert desk.when(own) is None
