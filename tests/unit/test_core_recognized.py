"""Our own order that stood on the books as a stranger, because its first rows lacked its names."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Final

import pytest

from adapters.tiger_worker import order_rows
from core import events, items
from core.items import Outcome
from core.orders import CancelPhase, Phase
from tests.support import core_facts as facts
from tests.support.worker_parts import order_row
from tests.unit.test_poison import ENOUGH, EXECUTION, PoisonRig
from tests.unit.test_worker_odd_rows import ORDER, TIGER, phase_of, read_apart, strangers_of

NAMELESS: Final = {"userMark": "", "orderId": 0}


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


def test_good_reply_after_a_row_without_names_is_not_lost_for_ever() -> None:
    rig = PoisonRig(facts.previewed(), facts.started())
    rig.read(order_row(**NAMELESS))
    rig.rig.take(facts.placed(Outcome.DONE, tiger=TIGER))
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
    rig.rig.take(facts.cancel(stranger), name="cancel")
    rig.read(order_row())
    rig.rig.take(
        items.CancelAnswered(order_id=stranger, outcome=Outcome.DONE, code=None, detail="")
    )
    assert rig.rig.trace.of("ack") == ["cancel"]
    assert_ours(rig, Phase.WORKING)
    assert rig.state.orders[ORDER].cancel is CancelPhase.NONE


def test_cancel_wished_in_doubt_is_asked_once_the_order_is_found() -> None:
    rig = doubtful()
    rig.rig.take(facts.cancel(ORDER))
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
