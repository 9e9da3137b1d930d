"""Halts as a rule of state: what must not rest is asked away until it is gone, whatever fails."""

import pytest

from adapters.tiger_worker.own_cancels import ASK_EVERY_S, LOOK_EVERY_S
from core import events, items
from core.items import Outcome
from core.orders import CancelPhase, Phase
from core.readings import SeenPhase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import DeskRig

ORDER = facts.order_id_of()


def ready_rig(*more: events.Event) -> DeskRig:
    return DeskRig(*facts.ready(*more))


def resting_rig(*more: events.Event) -> DeskRig:
    return ready_rig(facts.previewed(), facts.started(), facts.accepted(), facts.working(), *more)


def test_halt_cancels_every_open_order_and_no_other() -> None:
    rig = resting_rig(
        facts.previewed("2"),
        facts.started("2", number="902"),
        facts.previewed("3"),
        facts.started("3", number="903"),
        facts.accepted("3", tiger="t-3"),
        events.OrderCancelled(
            order_id=facts.order_id_of("3"),
            filled_quantity=facts.spec().quantity,
            average_price=None,
        ),
    )
    rig.take(core_items.halt(), name="halt")
    assert rig.stored()[0] == "account.halted"
    assert sorted(rig.stored()[1:]) == ["order.cancel_started", "order.cancel_wanted"]
    assert rig.trace.of("cancel") == [ORDER]
    assert rig.desk.state.orders[facts.order_id_of("2")].cancel is CancelPhase.WANTED


def test_halt_of_a_symbol_leaves_the_others_alone() -> None:
    rig = resting_rig()
    rig.take(core_items.halt("MSFT"))
    assert rig.trace.of("cancel") == []
    rig.take(core_items.halt("AAPL", command_id="cmd-halt-2"))
    assert rig.trace.of("cancel") == [ORDER]


def test_halt_that_expired_still_halts() -> None:
    rig = resting_rig()
    rig.clock.pass_s(3600)
    rig.take(core_items.halt())
    assert rig.desk.state.is_halted


def test_cancels_of_a_halt_are_urgent_and_those_of_a_command_are_not() -> None:
    rig = resting_rig()
    rig.take(core_items.cancel(), name="cancel")
    rig.take(core_items.cancel_answered(Outcome.UNKNOWN))
    rig.take(core_items.halt(), name="halt")
    assert rig.trace.of("not urgent") == rig.trace.of("urgent") == [ORDER]


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.REFUSED, Outcome.NOT_SENT])
def test_cancel_of_a_halt_that_came_to_nothing_is_asked_again(outcome: Outcome) -> None:
    rig = resting_rig()
    rig.take(core_items.halt())
    for times in range(2, 5):
        rig.take(core_items.cancel_answered(outcome))
        # Not in a hot loop, and not by a clock that somebody sets; later each time.
        rig.clock.set_wall(3600)
        rig.clock.boot += ASK_EVERY_S * 2 ** (times - 2) - 0.5
        rig.take(core_items.round_completed())
        assert rig.trace.of("cancel") == [ORDER] * (times - 1)
        rig.clock.boot += 0.5
        rig.take(core_items.round_completed())
        assert rig.trace.of("cancel") == [ORDER] * times
    assert rig.trace.of("urgent") == rig.trace.of("cancel")


def test_cancel_that_is_under_way_is_not_asked_again() -> None:
    rig = resting_rig()
    rig.take(core_items.halt())
    for _ in range(2):
        rig.clock.pass_s(ASK_EVERY_S)
        rig.take(core_items.round_completed())
        rig.take(core_items.halt(command_id=rig.ids.new("cmd")))
        assert rig.trace.of("cancel") == [ORDER]
        # Taken by the broker: the order's end comes by a listing.
        rig.take(core_items.cancel_answered(Outcome.DONE))


def test_second_halt_asks_again_for_a_cancel_that_came_to_nothing() -> None:
    rig = resting_rig()
    rig.take(core_items.halt())
    rig.take(core_items.cancel_answered(Outcome.UNKNOWN))
    rig.clock.pass_s(ASK_EVERY_S)
    rig.take(core_items.halt(command_id="cmd-halt-2"))
    assert rig.trace.of("cancel") == [ORDER, ORDER]


def test_order_that_ended_is_not_asked_away() -> None:
    rig = resting_rig()
    rig.take(core_items.halt())
    rig.take(core_items.cancel_answered(Outcome.UNKNOWN))
    rig.take(core_items.seen(SeenPhase.CANCELLED, word="Cancelled"))
    rig.clock.pass_s(ASK_EVERY_S)
    rig.take(core_items.round_completed())
    assert rig.desk.state.orders[ORDER].phase is Phase.CANCELLED
    assert rig.trace.of("cancel") == [ORDER]


def test_order_that_is_first_seen_under_a_halt_is_asked_away() -> None:
    rig = ready_rig(facts.halted("AAPL"))
    rig.take(core_items.external(tiger="t-9"))
    rig.take(core_items.external(tiger="t-8", symbol="MSFT"))
    rig.take(core_items.round_completed())
    (external,) = rig.trace.of("urgent")
    assert rig.desk.state.orders[external].tiger_order_id == "t-9"


def test_halt_by_the_file_asks_away_like_a_persons() -> None:
    rig = resting_rig()
    rig.take(items.HaltFileSeen(detail="the halt file is there"))
    assert rig.stored() == ["account.halted", "order.cancel_started"]
    assert rig.trace.of("urgent") == [ORDER]


def test_resume_ends_the_asking() -> None:
    rig = resting_rig()
    rig.take(core_items.halt())
    rig.take(core_items.cancel_answered(Outcome.REFUSED))
    rig.take(core_items.resume(), name="resume")
    rig.clock.pass_s(ASK_EVERY_S)
    rig.take(core_items.round_completed())
    assert rig.trace.of("cancel") == [ORDER]
    assert rig.trace[-2:] == [("stored", "account.resumed"), ("ack", "resume")]


@pytest.mark.parametrize(
    "eaten",
    [
        (facts.halted(),),
        (facts.halted("AAPL"),),
        (
            facts.halted(),
            events.OrderCancelStarted(order_id=ORDER, command_id="c", tiger_order_id="t-1"),
        ),
        (
            facts.halted(),
            events.OrderCancelStarted(order_id=ORDER, command_id="c", tiger_order_id="t-1"),
            events.OrderCancelUnknown(order_id=ORDER, cause="timeout"),
        ),
    ],
    ids=["before the cancel", "of a symbol", "while it was asked", "after it failed"],
)
def test_cancel_of_a_halt_that_a_crash_ate_is_asked_by_the_successor(
    eaten: tuple[events.Event, ...],
) -> None:
    rig = resting_rig(*eaten)
    rig.restart()
    # No reading is needed.
    rig.clock.pass_s(LOOK_EVERY_S)
    rig.desk.retry_parked()
    assert rig.trace.of("urgent") == [ORDER]
    rig.take(core_items.round_completed())
    assert rig.trace.of("urgent") == [ORDER]


def test_halt_of_an_order_whose_send_a_crash_ate_is_carried_through_by_the_successor() -> None:
    rig = ready_rig(facts.previewed(), facts.started(), facts.halted())
    rig.restart()
    rig.take(core_items.round_completed())
    assert rig.desk.state.orders[ORDER].cancel is CancelPhase.WANTED
    rig.clock.pass_s(ASK_EVERY_S)
    rig.take(core_items.seen())
    assert rig.trace.of("urgent") == [ORDER]


def test_cancel_wanted_that_a_crash_ate_is_asked_by_the_successor() -> None:
    rig = ready_rig(
        facts.previewed(),
        facts.started(),
        events.OrderCancelWanted(order_id=ORDER, command_id="cmd-c"),
        facts.accepted(),
    )
    rig.restart()
    rig.take(core_items.round_completed())
    rig.take(core_items.round_completed())
    assert rig.trace.of("cancel") == [ORDER]


def test_order_in_doubt_is_not_wished_away_twice() -> None:
    rig = ready_rig(facts.previewed(), facts.started(), facts.unknown())
    rig.take(core_items.halt())
    for _ in range(3):
        rig.clock.pass_s(ASK_EVERY_S)
        rig.take(core_items.round_completed())
    assert rig.stored() == ["account.halted", "order.cancel_wanted"]


# The latch before the desk.


def test_halt_is_told_as_taken_only_when_it_is_stored() -> None:
    rig = ready_rig()
    rig.take(core_items.halt("AAPL"), name="halt")
    assert rig.trace == [
        ("stored", "account.halted"),
        ("look again", ""),
        ("halt taken", "AAPL"),
        ("ack", "halt"),
    ]


def test_halt_delivered_again_is_told_as_taken_again_and_halts_nothing() -> None:
    rig = ready_rig()
    rig.take(core_items.halt(), name="halt")
    rig.take(core_items.resume())
    rig.trace.clear()
    rig.take(core_items.halt(), name="again")
    assert rig.trace == [("halt taken", ""), ("ack", "again")]
    assert not rig.desk.state.is_halted


def test_order_in_flight_during_a_halt_is_cancelled_the_moment_it_is_accepted() -> None:
    rig = ready_rig(facts.previewed())
    rig.take(core_items.submit())
    rig.take(core_items.halt())
    assert rig.trace.of("cancel") == []
    rig.clock.pass_s(0.5)
    rig.take(core_items.placed(Outcome.DONE))
    assert rig.trace.of("cancel") == [ORDER]
