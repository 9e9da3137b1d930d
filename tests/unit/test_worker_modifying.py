"""A desk and its changes: held, stored, sent, answered; nothing is lost or left held."""

from typing import Final

import pytest

from core import events, items
from core.items import Outcome
from core.orders import ModifyPhase
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import DeskRig

ORDER: Final = facts.order_id_of()
WISH: Final = core_items.modify_command(limit_price="11.00")
PREPARED: Final = core_items.modify_prepared(WISH)


def resting(*more: events.Event) -> DeskRig:
    given = (facts.previewed(), facts.started(), facts.accepted(), facts.working(), *more)
    return DeskRig(*facts.ready(*given))


def test_wish_is_read_for_then_stored_then_sent_and_acknowledged_last() -> None:
    rig = resting()
    rig.take(WISH, name="m")
    assert rig.trace == [("read", "AAPL")]
    rig.take(PREPARED, name="m")
    assert rig.trace[1:] == [("stored", "order.modify_started"), ("modify", ORDER)]
    rig.take(core_items.modify_answered(Outcome.DONE))
    assert rig.trace[3:] == [
        ("stored", "order.modify_requested"),
        ("look again", ""),
        ("ack", "m"),
    ]
    (intent,) = rig.acts.modify_intents
    assert (intent.tiger_order_id, intent.order_number) == ("t-1", "901")
    assert intent.spec == facts.spec(limit_price="11.00")


@pytest.mark.parametrize("reads", [2, 3])
def test_wish_that_was_delivered_again_while_it_was_read_for_is_sent_once(reads: int) -> None:
    rig = resting()
    for number in range(reads):
        rig.take(WISH, name=f"m{number}")
    for number in range(reads):
        rig.take(PREPARED, name=f"m{number}")
    assert rig.trace.of("modify") == [ORDER]
    assert rig.acts.slots == 3
    rig.take(core_items.modify_answered(Outcome.UNKNOWN))
    assert sorted(rig.trace.of("ack")) == sorted(f"m{number}" for number in range(reads))


@pytest.mark.parametrize(
    "bad",
    [
        core_items.modify_prepared(core_items.modify_command("cmd-bad", limit_price="10.505")),
        core_items.modify_prepared(core_items.modify_command("cmd-bad", quantity="0")),
        items.ModifyPrepared(item=core_items.modify_command("cmd-bad"), contract=None),
    ],
    ids=["tick", "quantity", "contract"],
)
def test_refused_change_gives_back_what_was_held(bad: items.ModifyPrepared) -> None:
    rig = resting()
    rig.take(bad, name="m")
    assert rig.acts.slots == 4
    assert rig.trace.of("gave back") == ["modify"]
    assert rig.trace.of("ack") == ["m"]


def test_failed_reading_and_expired_wish_hold_nothing() -> None:
    rig = resting()
    failed = items.ModifyPrepared(item=WISH, contract=None, failed="contracts")
    rig.take(failed, name="m1")
    rig.clock.pass_s(61)
    rig.take(
        core_items.modify_prepared(core_items.modify_command("cmd-2", quantity="5")), name="m2"
    )
    assert rig.stored() == ["order.refused"] * 2
    assert rig.trace.of("gave back") == []
    assert rig.trace.of("ack") == ["m1", "m2"]


def test_change_waits_for_a_thread_and_is_refused_when_its_time_is_up() -> None:
    rig = resting()
    rig.acts.slots = 0
    rig.take(PREPARED, name="m")
    assert rig.stored() == []
    rig.clock.pass_s(61)
    rig.desk.retry_parked()
    assert rig.stored() == ["order.refused"]
    assert rig.trace.of("ack") == ["m"]
    assert rig.acts.slots == 0


def test_change_that_waited_for_a_thread_goes_when_there_is_one() -> None:
    rig = resting()
    rig.acts.slots = 0
    rig.take(PREPARED, name="m")
    rig.acts.slots = 1
    rig.desk.retry_parked()
    assert rig.trace.of("modify") == [ORDER]


def second() -> items.ModifyPrepared:
    return core_items.modify_prepared(core_items.modify_command("cmd-2", quantity="50"))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_next_change_waits_for_the_answer_to_the_last_though_a_listing_was_quicker(
    outcome: Outcome,
) -> None:
    rig = resting()
    rig.take(PREPARED, name="m1")
    rig.take(core_items.seen(limit_price="11.00"))
    assert rig.desk.state.orders[ORDER].modify is ModifyPhase.REPLACED
    rig.take(second(), name="m2")
    assert len(rig.acts.modify_intents) == 1
    rig.take(core_items.modify_answered(outcome))
    # The late answer was the first change's; the second is sent only now, and stays open.
    assert rig.trace.of("ack") == ["m1"]
    rig.desk.retry_parked()
    assert len(rig.acts.modify_intents) == 2
    assert rig.desk.state.orders[ORDER].modify is ModifyPhase.STARTED
    rig.take(core_items.modify_answered(Outcome.DONE))
    assert rig.trace.of("ack") == ["m1", "m2"]


def test_change_waits_while_the_call_that_placed_its_order_is_still_under_way() -> None:
    rig = DeskRig(*facts.ready(facts.previewed()))
    rig.take(core_items.submit(), name="s")
    rig.take(core_items.seen())
    rig.take(PREPARED, name="m")
    assert rig.acts.modify_intents == []
    rig.take(core_items.placed(Outcome.DONE))
    rig.desk.retry_parked()
    assert len(rig.acts.modify_intents) == 1


@pytest.mark.parametrize("steps", range(2, 6))
def test_crash_at_each_step_sends_no_second_change_and_ends_in_what_is_listed(steps: int) -> None:
    rig = resting()
    way: list[items.Item] = [
        WISH,
        PREPARED,
        core_items.cancel(),
        core_items.modify_answered(Outcome.DONE),
        core_items.cancel_answered(Outcome.DONE),
    ]
    for item in way[:steps]:
        rig.take(item, name="m")
    rig.restart()
    rig.take(items.ActAbandoned(order_id=ORDER))
    for item in (WISH, PREPARED):
        rig.take(item, name="again")
    rig.take(core_items.seen(limit_price="11.00"))
    order = rig.desk.state.orders[ORDER]
    assert len(rig.acts.modify_intents) == 1
    assert (order.modify, order.spec.limit_price) == (
        ModifyPhase.REPLACED,
        facts.spec(limit_price="11.00").limit_price,
    )


@pytest.mark.parametrize("modify", [(), (WISH, PREPARED)], ids=["none", "open"])
def test_halt_asks_for_the_cancel_though_a_change_is_under_way(
    modify: tuple[items.Item, ...],
) -> None:
    rig = resting()
    for item in modify:
        rig.take(item, name="m")
    rig.take(core_items.halt(), name="h")
    assert rig.trace.of("cancel") == [ORDER]
    assert rig.trace.of("urgent") == [ORDER]


def test_own_cancel_that_came_to_nothing_is_asked_again_under_a_halt() -> None:
    rig = resting()
    rig.take(core_items.halt(), name="h")
    rig.take(core_items.cancel_answered(Outcome.NOT_SENT))
    rig.clock.pass_s(6)
    rig.take(core_items.round_completed())
    assert rig.trace.of("cancel") == [ORDER, ORDER]
