"""Orders that are live at the broker, though the books hold them for released or done."""

from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from adapters.tiger_worker.open_looks import UNREAD_EVERY_S, UNREAD_LATEST_S
from adapters.tiger_worker.own_cancels import ASK_EVERY_S, UNSENT_ASK_LATEST_S
from core import account_events, events, items
from core.desk import waits
from core.items import Outcome
from core.orders import CancelPhase, Phase
from core.sightings import ROW_UNREADABLE
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_worker_sweeps import (
    LATE_S,
    ORDER,
    ROUNDS,
    TIGER,
    WORKING,
    BookClient,
    SweepRig,
)

RELEASED: Final = (
    *WORKING,
    events.OrderOutcomeUnknown(order_id=ORDER, cause=ROW_UNREADABLE),
    facts.released(),
)
DONE: Final = (
    *WORKING,
    events.OrderExpired(order_id=ORDER, filled_quantity=Decimal(0), average_price=None),
)
OFF: Final = pytest.mark.parametrize("given", [RELEASED, DONE], ids=["released", "done"])
# A side and a status that nobody knows.
ODD: Final = pytest.mark.parametrize(
    "odd", [{"action": "SELL_SHORT"}, {"status": "Resting"}], ids=["row", "status"]
)


def listed(monkeypatch: pytest.MonkeyPatch, row: dict[str, Any], *given: events.Event) -> SweepRig:
    """Return rounds on a broker that calls the order open, long after it was sent."""
    monkeypatch.setattr(BookClient, "active", property(lambda client: client.book))
    rig = SweepRig(monkeypatch, *given)
    rig.broker_side.book = [order_row(**row)]
    rig.after(LATE_S)
    return rig


@ODD
@OFF
@pytest.mark.parametrize("scope", ["", "AAPL"])
def test_halt_cancels_a_released_order_whose_row_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch, given: Any, odd: dict[str, Any], scope: str
) -> None:
    rig = listed(monkeypatch, odd, *given)
    assert rig.rig.trace.of("cancel") == []
    rig.rig.take(core_items.halt(scope))
    rig.after(1.0)
    assert rig.rig.trace.of("urgent") == [ORDER]
    # The intention stands in the record before the call, and the order's phase is as it was.
    assert rig.rig.stored()[-1] == "order.cancel_started"
    assert not rig.order().is_open
    rig.after(1.0, rounds=2 * ROUNDS)
    assert rig.rig.trace.of("cancel") == [ORDER]
    assert "account.halt_verified" not in rig.rig.stored()


@ODD
@OFF
def test_its_cancel_that_came_to_nothing_is_asked_again_until_a_row_shows_its_end(
    monkeypatch: pytest.MonkeyPatch, given: Any, odd: dict[str, Any]
) -> None:
    rig = listed(monkeypatch, odd, *given)
    rig.rig.take(core_items.halt())
    rig.after(1.0)
    rig.rig.take(core_items.cancel_answered(Outcome.REFUSED))
    rig.after(UNREAD_EVERY_S)
    assert rig.rig.trace.of("cancel") == [ORDER, ORDER]
    rig.rig.take(core_items.cancel_answered(Outcome.DONE))
    rig.broker_side.book = [order_row(**odd | {"status": "Cancelled"})]
    monkeypatch.setattr(BookClient, "active", property(lambda _: []))
    rig.after(UNREAD_EVERY_S, rounds=ROUNDS)
    assert rig.rig.trace.of("cancel") == [ORDER, ORDER]
    assert "account.halt_verified" in rig.rig.stored()


@ODD
def test_verified_halt_leaves_no_order_of_ours_alone(
    monkeypatch: pytest.MonkeyPatch, odd: dict[str, Any]
) -> None:
    verified = (facts.halted(), account_events.AccountHaltVerified(symbol="", orders_read=0))
    rig = listed(monkeypatch, odd, *RELEASED, *verified)
    assert rig.rig.trace.of("cancel") == [ORDER]


@pytest.mark.parametrize("is_verified", [False, True])
def test_strangers_order_that_was_released_is_a_persons_own_under_a_verified_halt(
    monkeypatch: pytest.MonkeyPatch, is_verified: bool
) -> None:
    rig = listed(monkeypatch, {"userMark": "", "orderId": 0})
    order_id = rig.rig.desk.state.by_tiger_id[TIGER]
    assert rig.rig.desk.state.orders[order_id].is_external
    rig.rig.take(replace(core_items.unread(), order_id=order_id))
    release = core_items.release(order_id)
    rig.rig.take(replace(release, expires_at=facts.at(9 * LATE_S)))
    odd = order_row(userMark="", orderId=0, action="SELL_SHORT")
    rig.broker_side.book = [] if is_verified else [odd]
    rig.rig.take(core_items.halt())
    rig.after(1.0, rounds=ROUNDS)
    assert ("account.halt_verified" in rig.rig.stored()) == is_verified
    rig.broker_side.book = [odd]
    rig.after(1.0, rounds=ROUNDS)
    assert rig.rig.desk.state.orders[order_id].phase is Phase.RELEASED
    assert rig.rig.trace.of("cancel") == ([] if is_verified else [order_id])


@OFF
def test_it_rests_without_a_halt_or_under_that_of_another_symbol(
    monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    rig = listed(monkeypatch, {"action": "SELL_SHORT"}, *given)
    rig.rig.take(core_items.halt("MSFT"))
    rig.after(1.0, rounds=ROUNDS)
    assert rig.rig.trace.of("cancel") == []


@pytest.mark.parametrize("status", ["Filled", "Cancelled", "Inactive"])
@OFF
def test_what_a_row_shows_as_over_is_cancelled_no_more(
    monkeypatch: pytest.MonkeyPatch, given: Any, status: str
) -> None:
    row = {"action": "SELL_SHORT", "status": status, "filledQuantity": 100}
    rig = listed(monkeypatch, row, *given)
    rig.rig.take(core_items.halt())
    rig.after(1.0, rounds=ROUNDS)
    assert rig.rig.trace.of("cancel") == []


def test_order_that_a_row_shows_live_again_is_cancelled_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = listed(monkeypatch, {}, *DONE, facts.halted())
    assert rig.order().phase is Phase.WORKING
    assert rig.rig.trace.of("cancel") == [ORDER]


# --- a wish --------------------------------------------------------------------------------


def test_wish_to_cancel_a_released_order_is_asked_at_once_by_its_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = listed(monkeypatch, {"action": "SELL_SHORT"}, *RELEASED)
    wish = replace(core_items.cancel(), expires_at=facts.at(9 * LATE_S))
    rig.rig.take(wish, name="wish")
    assert rig.order().cancel is CancelPhase.STARTED
    assert rig.rig.trace.of("not urgent") == [ORDER]
    # Another one waits for the end of this one.
    assert waits(rig.rig.desk.state, replace(wish, command_id="cmd-cancel-2"))
    rig.after(1.0, rounds=ROUNDS)
    assert rig.rig.trace.of("cancel") == [ORDER]


def test_wish_to_cancel_a_released_order_without_an_id_waits_for_its_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = (facts.previewed(), facts.started(), facts.unknown(), facts.released())
    rig = SweepRig(monkeypatch, *given)
    rig.rig.take(core_items.cancel())
    assert rig.order().cancel is CancelPhase.WANTED
    rig.broker_side.book = [order_row()]
    rig.after(LATE_S)
    assert rig.rig.trace.of("cancel") == [ORDER]


def test_wish_that_a_record_of_before_holds_is_asked_at_the_next_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wanted = events.OrderCancelWanted(order_id=ORDER, command_id="cmd-cancel")
    rig = listed(monkeypatch, {"action": "SELL_SHORT"}, *RELEASED, wanted)
    assert rig.rig.trace.of("cancel") == [ORDER]


# --- again and again -----------------------------------------------------------------------


REFUSED: Final = replace(core_items.cancel_answered(Outcome.REFUSED), code=1200)
NOT_SENT: Final = core_items.cancel_answered(Outcome.NOT_SENT)


def asked_after(rig: SweepRig, seconds: int, answer: items.CancelAnswered = REFUSED) -> list[int]:
    """Return after how many seconds each cancel was asked, each answered like this at once."""
    found, before = [], len(rig.rig.trace.of("cancel"))
    for second in range(1, seconds + 1):
        rig.after(1.0)
        if len(rig.rig.trace.of("cancel")) > before:
            before = len(rig.rig.trace.of("cancel"))
            found.append(second)
            name = rig.rig.trace.of("cancel")[-1]
            rig.rig.take(replace(answer, order_id=name))
    return found


@pytest.mark.parametrize("given", [(), RELEASED], ids=["on no book", "released"])
def test_cancel_that_was_surely_not_sent_is_asked_again_as_soon_as_of_any_order(
    monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    rig = listed(monkeypatch, {"action": "SELL_SHORT"}, *given)
    rig.rig.take(core_items.halt())
    first, longest = int(ASK_EVERY_S), int(UNSENT_ASK_LATEST_S)
    waits_s = (first, 2 * first, 4 * first, longest, longest)
    asked = asked_after(rig, 1 + sum(waits_s), NOT_SENT)
    assert asked == [1 + sum(waits_s[:n]) for n in range(len(waits_s) + 1)]
    # One that is answered otherwise waits as ever, and a call that hangs is waited for.
    assert asked_after(rig, longest, REFUSED) == [longest]
    assert asked_after(rig, int(UNREAD_EVERY_S) - 1, REFUSED) == []


@pytest.mark.parametrize("given", [(), RELEASED], ids=["on no book", "released"])
def test_order_whose_row_stays_unreadable_is_asked_away_later_each_time(
    monkeypatch: pytest.MonkeyPatch, given: Any
) -> None:
    rig = listed(monkeypatch, {"action": "SELL_SHORT"}, *given)
    rig.rig.take(core_items.halt())
    first, second = int(UNREAD_EVERY_S), 2 * int(UNREAD_EVERY_S)
    third = int(UNREAD_LATEST_S)
    assert asked_after(rig, 400) == [
        1,
        1 + first,
        1 + first + second,
        1 + first + second + third,
        1 + first + second + 2 * third,
    ]
    # Another row is news, and so is another halt.
    rig.broker_side.book = [order_row(action="SELL_SHORT", filledQuantity=1)]
    assert asked_after(rig, 10) == [1]
    rig.after(UNREAD_EVERY_S)
    rig.rig.take(core_items.halt(command_id="cmd-halt-2"))
    assert asked_after(rig, 10) == [1]
