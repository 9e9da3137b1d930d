"""One desk among twins: what it stores, does and acknowledges, in which order."""

from datetime import timedelta

import pytest

from adapters.tiger_worker.desk import EVENTS_OF_A_SIGHTING_MAX
from adapters.tiger_worker.own_cancels import ASK_EVERY_S, LOOK_EVERY_S
from core import events, items
from core.commands import CancelOrders, PreviewOrder
from core.items import Outcome
from core.readings import SeenPhase
from core.refusals import Refusal
from core.terms import OrderType, Side, TimeInForce
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.worker_parts import DeskRig

ORDER = facts.order_id_of()


def ready_rig(*more: events.Event) -> DeskRig:
    return DeskRig(*facts.ready(*more))


def previewed_rig(*names: str) -> DeskRig:
    return ready_rig(*(facts.previewed(name) for name in names))


def resting_rig(*more: events.Event) -> DeskRig:
    return ready_rig(facts.previewed(), facts.started(), facts.accepted(), facts.working(), *more)


def preview_item() -> items.CommandItem:
    command = PreviewOrder(
        symbol="AAPL",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        quantity="100",
        limit_price="10.50",
        time_in_force=TimeInForce.DAY,
        outside_regular_hours=False,
        reason="because",
    )
    return core_items.command(command, "cmd-preview")


def unreadable() -> items.Unreadable:
    return items.Unreadable(
        code=Refusal.COMMAND_UNREADABLE,
        subject="cmd.x",
        stream="COMMANDS",
        sequence=7,
        body_digest="d",
        detail="no json",
    )


# The order of effects.


def test_intent_is_stored_before_the_act_and_the_outcome_before_the_acknowledgement() -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    assert rig.trace == [("stored", "order.submission_started"), ("place", ORDER)]
    rig.take(core_items.placed(Outcome.DONE))
    assert rig.trace[2:4] == [("stored", "order.accepted"), ("look again", "")]
    assert rig.trace[4:] == [("ack", "submit")]


@pytest.mark.parametrize(
    ("outcome", "stored"),
    [
        (Outcome.REFUSED, "order.rejected"),
        (Outcome.NOT_SENT, "order.not_sent"),
        (Outcome.UNKNOWN, "order.outcome_unknown"),
    ],
)
def test_every_end_of_a_place_is_stored_and_then_acknowledged(
    outcome: Outcome, stored: str
) -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    rig.take(core_items.placed(outcome))
    assert rig.stored() == ["order.submission_started", stored]
    assert rig.trace[-1] == ("ack", "submit")
    assert rig.desk.open_acts == 0


def test_intent_carries_what_the_last_checks_need() -> None:
    rig = previewed_rig("1")
    rig.ledger.cleanness.append(False)
    rig.take(core_items.submit(number=""), name="submit")
    (intent,) = rig.acts.intents
    window_s = facts.TIMING.send_window_s
    assert intent.send_by == rig.clock.now() + timedelta(seconds=window_s)
    assert intent.send_by_boot_s == rig.clock.boot_s() + window_s
    assert (intent.is_clean, intent.order_number) == (False, "901")


def test_cancel_is_acknowledged_when_its_own_end_is_stored() -> None:
    rig = resting_rig()
    rig.take(core_items.cancel(), name="cancel")
    assert rig.trace == [
        ("stored", "order.cancel_started"),
        ("cancel", ORDER),
        ("not urgent", ORDER),
    ]
    rig.take(core_items.cancel_answered(Outcome.DONE))
    assert rig.trace[3:] == [
        ("stored", "order.cancel_requested"),
        ("look again", ""),
        ("ack", "cancel"),
    ]


def test_cancel_of_all_asks_more_orders_than_a_sighting_brings_events() -> None:
    count = EVENTS_OF_A_SIGHTING_MAX + 1
    rig = ready_rig()
    for n in range(count):
        rig.take(core_items.external(tiger=f"t-{n}"))
    rig.trace.clear()
    rig.take(core_items.command(CancelOrders(symbol=None, side=None), "cmd-all"), name="all")
    stored = [what for step, what in rig.trace if step == "stored"]
    assert stored == ["order.cancel_started"] * count + ["account.cancels_asked"]
    assert ("ack", "all") in rig.trace


def test_refusal_is_stored_and_then_acknowledged_and_what_was_held_is_given_back() -> None:
    rig = ready_rig(facts.previewed(passed=False))
    rig.take(core_items.submit(number=""), name="submit")
    assert rig.trace == [
        ("gave back", "901"),
        ("stored", "order.refused"),
        ("ack", "submit"),
    ]
    assert rig.acts.slots == 4


def test_message_that_cannot_be_read_is_stored_and_then_set_aside_once() -> None:
    rig = ready_rig()
    rig.take(unreadable(), name="m")
    assert rig.trace == [("stored", "command.unreadable"), ("set aside", "m")]
    rig.take(unreadable(), name="again")
    assert rig.trace[2:] == [("set aside", "again")]


def test_second_delivery_of_a_command_is_acknowledged_and_does_nothing() -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="first")
    rig.take(core_items.placed(Outcome.DONE))
    rig.trace.clear()
    rig.take(core_items.submit(number=""), name="second")
    assert rig.trace == [("ack", "second")]
    assert rig.acts.slots == 3


def test_cancel_eaten_by_a_crash_is_asked_by_the_next_process() -> None:
    rig = resting_rig()
    rig.take(core_items.cancel(), name="first")
    rig.restart()
    rig.trace.clear()
    rig.take(core_items.cancel(), name="again")
    assert rig.trace == [
        ("stored", "order.cancel_started"),
        ("cancel", ORDER),
        ("not urgent", ORDER),
    ]
    rig.take(core_items.cancel(), name="once more")
    assert rig.trace.of("ack") == []
    rig.take(core_items.cancel_answered(Outcome.DONE))
    assert rig.trace.of("cancel") == [ORDER]
    assert rig.trace.of("ack") == ["again", "once more"]


# What has to wait.


def test_opening_order_waits_while_one_of_its_symbol_is_sent_and_then_goes() -> None:
    rig = previewed_rig("1", "2")
    rig.take(core_items.submit("1", number=""), name="first")
    rig.take(core_items.submit("2", number=""), name="second")
    assert [intent.order_id for intent in rig.acts.intents] == [ORDER]
    rig.take(core_items.placed(Outcome.DONE))
    assert [intent.order_id for intent in rig.acts.intents] == [ORDER, facts.order_id_of("2")]
    assert rig.trace.of("ack") == ["first"]


def test_cancel_passes_while_an_order_is_sent() -> None:
    rig = ready_rig(
        *(facts.previewed(name) for name in ("1", "2")),
        facts.started("2", number="800"),
        facts.accepted("2", tiger="t-2"),
    )
    rig.take(core_items.submit("1", number=""), name="submit")
    rig.take(core_items.cancel(facts.order_id_of("2")), name="cancel")
    assert rig.trace.of("cancel") == [facts.order_id_of("2")]


def test_submit_waits_for_capacity_and_starts_no_clock_before() -> None:
    rig = previewed_rig("1")
    rig.acts.slots = 0
    rig.take(core_items.submit(number=""), name="submit")
    assert rig.trace == []
    rig.clock.pass_s(30)
    rig.acts.slots = 1
    rig.desk.retry_parked()
    (intent,) = rig.acts.intents
    assert intent.send_by == rig.clock.now() + timedelta(seconds=facts.TIMING.send_window_s)


def test_parked_submit_goes_before_one_that_came_later() -> None:
    rig = ready_rig(facts.previewed("1"), facts.previewed("2", facts.spec(symbol="MSFT")))
    rig.acts.slots = 0
    rig.take(core_items.submit("1", number=""), name="first")
    rig.acts.slots = 1
    rig.take(core_items.submit("2", number=""), name="second")
    assert [intent.order_id for intent in rig.acts.intents] == [ORDER]
    rig.acts.slots = 1
    rig.desk.retry_parked()
    assert [intent.order_id for intent in rig.acts.intents] == [ORDER, facts.order_id_of("2")]


def test_parked_submit_expires_unsent() -> None:
    rig = previewed_rig("1")
    rig.acts.slots = 0
    rig.take(core_items.submit(number="", expires_s=10), name="submit")
    rig.clock.pass_s(11)
    rig.acts.slots = 1
    rig.desk.retry_parked()
    assert rig.stored() == ["order.refused"]
    assert rig.trace[-1] == ("ack", "submit")
    assert rig.acts.intents == []


def test_halt_asks_again_though_no_round_completes() -> None:
    rig = ready_rig(facts.previewed(), facts.started(), facts.accepted())
    rig.take(core_items.halt())
    asked = [ORDER]
    assert rig.trace.of("cancel") == asked
    rig.take(core_items.cancel_answered(Outcome.NOT_SENT))
    for wait_s in (ASK_EVERY_S, 2 * ASK_EVERY_S):
        rig.clock.pass_s(wait_s)
        rig.desk.retry_parked()
        asked.append(ORDER)
        assert rig.trace.of("cancel") == asked
        # And never while one is under way, or sooner.
        rig.clock.pass_s(LOOK_EVERY_S)
        rig.desk.retry_parked()
        assert rig.trace.of("cancel") == asked
        rig.take(core_items.cancel_answered(Outcome.NOT_SENT))


def test_second_cancel_of_an_order_waits_for_the_first() -> None:
    rig = resting_rig()
    rig.take(core_items.cancel(command_id="c1"), name="c1")
    rig.take(core_items.cancel(command_id="c2"), name="c2")
    assert rig.trace.of("cancel") == [ORDER]
    rig.take(core_items.cancel_answered(Outcome.UNKNOWN))
    assert rig.trace.of("cancel") == [ORDER, ORDER]
    assert rig.trace.of("ack") == ["c1"]


def test_preview_waits_for_its_readings_and_is_acknowledged_after_its_event() -> None:
    rig = ready_rig()
    item = preview_item()
    rig.take(item, name="preview")
    assert rig.trace == [("read", "cmd-preview")]
    ((_, work),) = rig.acts.reads
    answer = items.PreviewAnswered(
        item=item,
        contract=core_items.contract(),
        quote=core_items.quote(),
        estimate=core_items.estimate(),
    )
    rig.desk.take(work._replace(item=answer))
    assert rig.trace[1:] == [("stored", "order.previewed"), ("ack", "preview")]


def test_expired_preview_asks_the_broker_nothing() -> None:
    rig = ready_rig()
    rig.clock.pass_s(61)
    rig.take(preview_item(), name="preview")
    assert rig.trace == [("stored", "order.refused"), ("ack", "preview")]


# Wishes.


@pytest.mark.parametrize("is_sighted", [False, True])
def test_cancel_wanted_of_an_order_in_doubt_is_executed_when_it_is_sighted(
    is_sighted: bool,
) -> None:
    rig = ready_rig(facts.previewed(), facts.started(), facts.unknown())
    rig.take(core_items.cancel(), name="cancel")
    assert rig.trace == [("stored", "order.cancel_wanted"), ("ack", "cancel")]
    if is_sighted:
        rig.take(core_items.seen())
        # Once, though the sighting said more than one thing.
        assert rig.trace.of("cancel") == [ORDER]
        assert rig.stored()[1:] == ["order.accepted", "order.working", "order.cancel_started"]
    else:
        rig.take(core_items.absent(seconds=100))
        assert rig.stored()[1:] == ["order.not_found"]


def test_cancel_wanted_while_the_order_is_sent_is_executed_by_its_reply() -> None:
    rig = previewed_rig("1")
    rig.take(core_items.submit(number=""), name="submit")
    rig.take(core_items.cancel(), name="cancel")
    rig.take(core_items.placed(Outcome.DONE))
    assert rig.trace.of("cancel") == [ORDER]
    assert rig.trace.of("ack") == ["cancel", "submit"]


def test_follow_ups_are_taken_before_what_was_parked() -> None:
    rig = previewed_rig("1", "2")
    rig.take(core_items.submit("1", number=""), name="first")
    rig.take(core_items.submit("2", number=""), name="second")
    rig.take(core_items.cancel(), name="cancel")
    rig.take(core_items.placed(Outcome.DONE))
    assert rig.stored()[-2:] == ["order.cancel_started", "order.submission_started"]


# One item, one event; and who caused it.


@pytest.mark.parametrize(
    "item",
    [
        core_items.submit(),
        core_items.cancel(),
        core_items.release(),
        core_items.resume(),
        core_items.gap_noticed(),
        core_items.placed(Outcome.DONE),
        core_items.absent(seconds=100),
        unreadable(),
    ],
    ids=lambda item: type(getattr(item, "command", item)).__name__,
)
def test_item_other_than_a_sighting_brings_one_event_at_most(item: items.Item) -> None:
    rig = ready_rig(facts.previewed(), facts.started(), facts.unknown())
    rig.take(item, name="m")
    assert len(rig.stored()) <= 1


def test_sighting_with_fills_brings_each_of_its_facts_once() -> None:
    rig = resting_rig()
    seen = core_items.seen(
        SeenPhase.FILLED,
        core_items.execution("e1", "40"),
        core_items.execution("e2", "60"),
        word="Filled",
    )
    rig.take(seen)
    rig.take(seen)
    assert rig.stored() == ["order.fill_recorded", "order.fill_recorded", "order.filled"]


def test_events_of_an_order_bear_the_command_that_began_it_and_its_correlation() -> None:
    rig = previewed_rig("1")
    submit = core_items.submit(number="")
    rig.take(submit, name="submit", correlation_id="cor-other")
    rig.take(core_items.placed(Outcome.DONE))
    rig.take(core_items.seen())
    for recorded in rig.ledger.line()[-3:]:
        assert (recorded.causation_id, recorded.correlation_id) == (submit.command_id, "cor-1")


def test_end_of_a_cancel_bears_the_cancel() -> None:
    rig = resting_rig()
    rig.take(core_items.cancel(command_id="cmd-c"), name="cancel")
    rig.take(core_items.cancel_answered(Outcome.DONE))
    assert rig.ledger.last().causation_id == "cmd-c"


def test_refusal_bears_the_correlation_of_its_own_command() -> None:
    rig = ready_rig()
    rig.take(core_items.submit(number=""), correlation_id="cor-9")
    assert rig.ledger.last().correlation_id == "cor-9"
    assert rig.ledger.last().actor == "model:claude"
