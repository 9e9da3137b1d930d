"""Our own order that stood on the books as a stranger, because its first rows lacked its names."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

import pytest
from msgspec.structs import replace

from adapters.tiger_worker import order_rows
from core import events, items, readings
from core.cancelling import is_from_elsewhere
from core.commands import ModifyOrder
from core.desk import waits
from core.items import Outcome
from core.modifying import objection_to
from core.orders import CancelPhase, Order, Phase
from core.refusals import Refusal
from core.submitting import is_reducing
from core.terms import Side, StopLoss
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_poison import ENOUGH, EXECUTION, PoisonRig
from tests.unit.test_worker_odd_rows import (
    CALL_ROW,
    ORDER,
    TIGER,
    phase_of,
    read_apart,
    strangers_of,
)
from tests.unit.test_worker_reconcile import position_row

NAMELESS: Final = {"userMark": "", "orderId": 0}
FUTURE_ROW: Final = {"secType": "FUT", "identifier": "AAPL", "multiplier": 1}


def doubtful() -> PoisonRig:
    return PoisonRig(facts.previewed(), facts.started(), facts.unknown())


def stranger_in(rig: PoisonRig) -> Any:
    (stranger,) = strangers_of(rig)
    return rig.state.orders[stranger]


def assert_ours(rig: PoisonRig, phase: Phase) -> None:
    """Hold the books to the one order that there is."""
    ours, stranger = rig.state.orders[ORDER], stranger_in(rig)
    assert (ours.phase, ours.tiger_order_id) == (phase, TIGER)
    assert rig.state.by_tiger_id[TIGER] == ORDER
    assert (stranger.phase, stranger.is_watched) == (Phase.NOT_SENT, False)
    assert stranger.owner_order_id == ORDER
    assert (stranger.filled_quantity, stranger.recorded_quantity) == (0, 0)


@pytest.mark.parametrize(
    "half",
    [NAMELESS, {"userMark": "other"}, {"orderId": 7}, {**NAMELESS, "action": "SELL"}],
    ids=str,
)
def test_later_whole_row_makes_the_stranger_ours_again(half: dict[str, object]) -> None:
    rig = doubtful()
    rig.read(order_row(**half))
    assert (stranger_in(rig).phase, phase_of(rig)) == (Phase.WORKING, Phase.UNKNOWN)
    found_before = len(rig.frozen())
    rig.read(order_row())
    assert_ours(rig, Phase.WORKING)
    assert rig.rig.stored()[-3:] == ["order.accepted", "order.was_ours", "order.working"]
    stored = len(rig.rig.stored())
    rig.read(order_row())
    assert (len(rig.rig.stored()), len(rig.frozen())) == (stored, found_before)


@pytest.mark.parametrize("half", [{"userMark": ""}, {"orderId": 0}, {"action": "SELL"}], ids=str)
def test_row_that_was_half_written_for_long_is_ours_once_it_is_whole(
    half: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = doubtful()
    monkeypatch.setattr(order_rows, "time", SimpleNamespace(monotonic=rig.rig.clock.boot_s))
    read_apart(rig, *[order_row(**half)] * (2 * ENOUGH))
    assert rig.state.frozen_cause
    rig.read(order_row())
    assert_ours(rig, Phase.WORKING)
    # What was found stays for a person to look at.
    assert rig.state.frozen_cause


def test_cancel_by_the_strangers_id_is_one_of_our_order() -> None:
    rig = doubtful()
    rig.read(order_row(**NAMELESS))
    rig.read(order_row())
    name = stranger_in(rig).order_id
    rig.rig.take(core_items.cancel(name, "c-1"))
    assert rig.rig.stored()[-1] == "order.cancel_started"
    assert rig.state.orders[ORDER].cancel is CancelPhase.STARTED
    assert stranger_in(rig).cancel is CancelPhase.NONE
    assert waits(rig.state, core_items.cancel(name, "c-2"))
    rig.rig.take(core_items.cancel_answered(Outcome.UNKNOWN))
    # The same command again, as to a successor of a worker that died: it came to nothing.
    rig.rig.take(core_items.cancel(name, "c-1"))
    assert rig.rig.stored()[-2:] == ["order.cancel_unknown", "order.cancel_started"]


def test_change_by_the_strangers_id_is_refused_and_names_our_order() -> None:
    rig = doubtful()
    rig.read(order_row(**NAMELESS))
    rig.read(order_row())
    change = ModifyOrder(
        order_id=stranger_in(rig).order_id, quantity="5", limit_price=None, reason="less"
    )
    no = objection_to(rig.state, change)
    assert no is not None
    assert (no.code, ORDER in no.detail) == (Refusal.ORDER_UNKNOWN, True)


def test_good_reply_after_a_row_without_names_is_not_lost_for_ever() -> None:
    rig = PoisonRig(facts.previewed(), facts.started())
    rig.read(order_row(**NAMELESS))
    rig.rig.take(core_items.placed(Outcome.DONE, tiger=TIGER))
    assert phase_of(rig) is Phase.UNKNOWN
    rig.read(order_row())
    assert_ours(rig, Phase.WORKING)


def test_fills_of_the_stranger_are_ours_and_are_recorded_once() -> None:
    rig = doubtful()
    first, second = ({**EXECUTION, "id": id_, "filledQuantity": 40} for id_ in ("e1", "e2"))
    half = order_row(**NAMELESS, filledQuantity=40, commission=1)
    rig.read(half, executions=(first,))
    assert stranger_in(rig).recorded_quantity == 40
    rig.read(order_row(filledQuantity=80, commission=2), executions=(first, second))
    assert_ours(rig, Phase.WORKING)
    ours = rig.state.orders[ORDER]
    assert (ours.filled_quantity, ours.recorded_quantity, ours.charges) == (80, 80, 2)
    assert rig.state.expected["AAPL@US"] == 80
    price = Decimal(str(EXECUTION["filledPrice"]))
    assert rig.state.cash_expected["USD"] == -80 * price - 2
    rig.restart()
    assert_ours(rig, Phase.WORKING)


@pytest.mark.parametrize(
    "half",
    [{"action": "SELL"}, CALL_ROW, FUTURE_ROW, {"multiplier": 100}],
    ids=str,
)
def test_stranger_whose_fills_moved_something_else_is_left_to_a_person(
    half: dict[str, object],
) -> None:
    rig = doubtful()
    row = order_row(**NAMELESS, **half, filledQuantity=40)
    sideless = {k: v for k, v in EXECUTION.items() if k != "action"} | {"filledQuantity": 40}
    rig.read(row, executions=(sideless,))
    before, (fill,) = stranger_in(rig), list(rig.state.fills.values())
    assert (before.recorded_quantity, fill.side) == (40, before.spec.side)
    expected = dict(rig.state.expected.items())
    rig.read(order_row(filledQuantity=40), executions=(sideless,))
    ours, stranger = rig.state.orders[ORDER], stranger_in(rig)
    assert (ours.phase, ours.tiger_order_id, ours.recorded_quantity) == (Phase.UNKNOWN, "", 0)
    assert (stranger.tiger_order_id, stranger.recorded_quantity) == (TIGER, 40)
    assert dict(rig.state.expected.items()) == expected
    assert ("identity_unclear", "AAPL") in [found[:2] for found in rig.frozen()]
    assert rig.state.hides_orders_of("AAPL")
    stored = len(rig.rig.stored())
    rig.restart()
    rig.read(order_row(filledQuantity=40), executions=(sideless,))
    assert not [kind for kind in rig.rig.stored()[stored:] if kind.startswith("order.")]
    assert len([found for found in rig.frozen() if found[0] == "identity_unclear"]) == 1


def test_charges_of_another_contract_are_not_ours_by_themselves() -> None:
    rig = doubtful()
    rig.read(order_row(**NAMELESS, **FUTURE_ROW, commission=1))
    assert (stranger_in(rig).charges, rig.state.cash_expected.get("USD")) == (1, None)
    rig.read(order_row(commission=1))
    assert (phase_of(rig), rig.state.by_tiger_id[TIGER]) == (
        Phase.UNKNOWN,
        stranger_in(rig).order_id,
    )


def test_fills_that_the_stranger_lost_are_fills_that_ours_lost() -> None:
    rig = doubtful()
    execution = {**EXECUTION, "filledQuantity": 40}
    rig.read(order_row(**NAMELESS, filledQuantity=40), executions=(execution,))
    lost = readings.FillsTakenBack(
        order_id=stranger_in(rig).order_id,
        filled_quantity=Decimal(0),
        listings=ENOUGH,
        is_over=False,
        gone=("e1",),
        lists=ENOUGH,
    )
    rig.rig.take(lost)
    assert (stranger_in(rig).recorded_quantity, stranger_in(rig).has_lost_fills) == (0, True)
    rig.read(order_row())
    assert_ours(rig, Phase.WORKING)
    assert rig.state.orders[ORDER].has_lost_fills


def with_stop() -> tuple[PoisonRig, dict[str, Any]]:
    """Return a rig whose bracket was sent, reply lost, and the row of its stop without names."""
    spec = replace(facts.spec(), stop_loss=StopLoss(stop_price=Decimal(9)))
    rig = PoisonRig(facts.previewed("1", spec), facts.started("1", spec), facts.unknown())
    plain = order_row(action="SELL", orderType="STP", auxPrice=9, limitPrice=None)
    later = plain["openTime"] + 1
    return rig, {**plain, **NAMELESS, "id": 7, "parentId": int(TIGER), "openTime": later}


def with_stop_first_seen_under_the_stranger() -> tuple[PoisonRig, dict[str, Any]]:
    rig, leg = with_stop()
    rig.read(order_row(**NAMELESS), leg)
    stranger = rig.state.by_tiger_id[TIGER]
    assert stranger != ORDER
    assert stop_of(rig).parent_order_id == stranger
    return rig, leg


def stop_of(rig: PoisonRig) -> Order:
    order: Order = rig.state.orders[rig.state.by_tiger_id["7"]]
    return order


def test_leg_first_seen_under_the_stranger_is_what_was_made_of_ours() -> None:
    rig, leg = with_stop_first_seen_under_the_stranger()
    assert is_from_elsewhere(rig.state, stop_of(rig))
    rig.read(order_row(), leg)
    for _ in range(2):
        assert stop_of(rig).parent_order_id == rig.state.by_tiger_id[TIGER] == ORDER
        assert not is_from_elsewhere(rig.state, stop_of(rig))
        rig.restart()


def test_position_can_be_closed_after_a_leg_was_first_seen_under_the_stranger() -> None:
    rig, leg = with_stop_first_seen_under_the_stranger()
    filled = order_row(status="Filled", filledQuantity=100)
    execution = {**EXECUTION, "filledQuantity": 100}
    gone = {**leg, "status": "Cancelled"}
    for _ in range(2):
        held = position_row(positionQty=100)
        rig.read(filled, gone, executions=(execution,), positions=(held,))
    assert rig.state.orders[ORDER].phase is Phase.FILLED
    assert is_reducing(rig.state, facts.spec(side=Side.SELL))


@pytest.mark.parametrize("half", [{"orderId": 0}, {"action": "??"}], ids=str)
@pytest.mark.parametrize("end", [{}, {"status": "Cancelled"}], ids=["live", "over"])
def test_leg_first_seen_while_its_parent_was_on_no_book_is_what_was_made_of_ours(
    half: dict[str, object], end: dict[str, object]
) -> None:
    rig, leg = with_stop()
    rig.read(order_row(**half), leg)
    assert TIGER not in rig.state.by_tiger_id
    assert is_from_elsewhere(rig.state, stop_of(rig))
    # A round may read the leg's row before the desk has taken its parent's.
    rig.read(order_row(), {**leg, **end})
    for _ in range(2):
        rig.read(order_row(), {**leg, **end})
        assert stop_of(rig).parent_order_id == rig.state.by_tiger_id[TIGER] == ORDER
        assert not is_from_elsewhere(rig.state, stop_of(rig))
        assert rig.rig.stored().count("order.parent_observed") == 1
        rig.restart()


def test_our_own_leg_that_was_seen_too_early_does_not_rest_under_a_verified_halt() -> None:
    rig, leg = with_stop()
    rig.read(order_row(orderId=0), leg)
    filled = order_row(status="Filled", filledQuantity=100)
    execution = {**EXECUTION, "filledQuantity": 100}
    rig.read(filled, {**leg, "status": "Cancelled"}, executions=(execution,))
    rig.rig.take(core_items.halt())
    for _ in range(2 * ENOUGH):
        rig.read(filled, {**leg, "status": "Cancelled"}, executions=(execution,))
    assert "" not in rig.state.unverified_halts
    assert stop_of(rig).cancel is CancelPhase.NONE
    # A cancel that the broker undid, or a listing that was late.
    rig.read(filled, leg, executions=(execution,))
    assert stop_of(rig).cancel is CancelPhase.STARTED


def test_position_can_be_closed_after_a_leg_was_seen_before_its_parent() -> None:
    rig, leg = with_stop()
    rig.read(order_row(orderId=0), leg)
    filled = order_row(status="Filled", filledQuantity=100)
    execution = {**EXECUTION, "filledQuantity": 100}
    for _ in range(2):
        held = position_row(positionQty=100)
        rig.read(filled, {**leg, "status": "Cancelled"}, executions=(execution,), positions=(held,))
    rig.rig.take(core_items.resume("AAPL", shown_n=rig.rig.desk.n))
    assert is_reducing(rig.state, facts.spec(side=Side.SELL))


def test_rows_that_name_each_other_for_parents_make_no_ring() -> None:
    desk = facts.TestDesk(*facts.ready())
    first, second = core_items.external(tiger="21"), core_items.external(tiger="22")
    for row, parent in ((first, "21"), (first, "22"), (second, "21"), (first, "22")):
        desk.settle(replace(row, parent_tiger_id=parent))
    found = [desk.state.orders[desk.state.by_tiger_id[id_]] for id_ in ("21", "22")]
    assert [each.parent_order_id for each in found] == ["", found[0].order_id]
    assert all(is_from_elsewhere(desk.state, each) for each in found)


def test_stranger_is_hung_on_no_order_of_ours_that_is_not_found() -> None:
    spec = replace(facts.spec(), or_stop=StopLoss(stop_price=Decimal(9)))
    desk = facts.TestDesk(
        *facts.ready(), facts.previewed("1", spec), facts.started("1", spec), facts.unknown()
    )
    desk.settle(core_items.external(tiger="21"))
    marked = core_items.seen(tiger="21", number="7", side=Side.SELL)
    desk.settle(marked)
    stranger = desk.state.by_tiger_id["21"]
    assert desk.state.orders[stranger].parent_order_id == ""
    desk.settle(core_items.seen())
    desk.settle(marked)
    assert desk.state.orders[stranger].parent_order_id == ORDER


def test_stranger_that_is_over_is_ours_and_over() -> None:
    rig = doubtful()
    rig.read(order_row(**NAMELESS, status="Cancelled"))
    assert stranger_in(rig).phase is Phase.CANCELLED
    rig.read(order_row(status="Cancelled"))
    assert_ours(rig, Phase.CANCELLED)


def test_crash_between_the_two_events_is_made_good_by_the_next_listing() -> None:
    rig = doubtful()
    rig.read(order_row(**NAMELESS))
    stranger = stranger_in(rig).order_id
    record = rig.rig.ledger.write(
        events.OrderAccepted(
            order_id=ORDER, tiger_order_id=TIGER, evidence="listing", moved_from=stranger
        )
    )
    rig.rig.desk.restore(record.subject, record.body, sequence=record.sequence)
    rig.restart()
    rig.read(order_row())
    assert_ours(rig, Phase.WORKING)


def test_answer_to_a_cancel_of_the_stranger_changes_nothing_of_ours() -> None:
    rig = doubtful()
    rig.read(order_row(**NAMELESS))
    stranger = stranger_in(rig).order_id
    rig.rig.take(core_items.cancel(stranger), name="cancel")
    rig.read(order_row())
    rig.rig.take(
        items.CancelAnswered(order_id=stranger, outcome=Outcome.DONE, code=None, detail="")
    )
    assert rig.rig.trace.of("ack") == ["cancel"]
    assert_ours(rig, Phase.WORKING)
    assert rig.state.orders[ORDER].cancel is CancelPhase.NONE


def test_cancel_wished_in_doubt_is_asked_once_the_order_is_found() -> None:
    rig = doubtful()
    rig.rig.take(core_items.cancel(ORDER))
    rig.read(order_row(**NAMELESS))
    assert rig.rig.trace.of("cancel") == []
    rig.read(order_row())
    assert rig.rig.trace.of("cancel") == [ORDER]


def test_second_order_of_our_mark_moves_nothing() -> None:
    rig = doubtful()
    rig.read(order_row(**NAMELESS, id=7))
    rig.read(order_row())
    assert phase_of(rig) is Phase.WORKING
    rig.read(order_row(id=7), order_row())
    assert rig.state.by_tiger_id["7"] == stranger_in(rig).order_id
    assert rig.state.frozen_cause == "order_doubled"
