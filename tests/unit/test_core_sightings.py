"""What the broker's listings and replies prove, and what they do not."""

from decimal import Decimal

import pytest

from core import account_events, events, items, readings
from core.ids import derived_id
from core.items import Outcome
from core.orders import CancelPhase, Phase
from core.readings import SeenPhase
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items

ORDER = facts.order_id_of()
UNKNOWN_LINE = facts.ready(facts.started(), facts.unknown())


def _phase(desk: facts.TestDesk, order_id: str = ORDER) -> Phase:
    return desk.state.orders[order_id].phase


# --- from unknown to accepted ---------------------------------------------------------------


def test_number_mark_and_contract_together_prove_an_order() -> None:
    desk = facts.TestDesk(*UNKNOWN_LINE)
    assert desk.when(core_items.seen()) == facts.accepted(evidence="listing")


@pytest.mark.parametrize(
    "row",
    [
        core_items.seen(number="902"),
        core_items.seen(symbol="MSFT", listings=3),
        core_items.seen(side=Side.SELL, listings=3),
    ],
)
def test_mark_alone_proves_nothing_and_freezes(row: readings.OrderSeen) -> None:
    desk = facts.TestDesk(*UNKNOWN_LINE)
    event = desk.when(row)
    assert isinstance(event, account_events.AccountFrozen)
    assert event.cause == "mark_mismatch"
    assert _phase(desk) is Phase.UNKNOWN


def test_look_alike_without_our_mark_is_not_taken_for_the_answer() -> None:
    desk = facts.TestDesk(*UNKNOWN_LINE)
    desk.settle(core_items.seen(mark="", number="0"))
    assert _phase(desk) is Phase.UNKNOWN
    assert len(desk.state.orders) == 2


def test_mark_like_ours_that_is_not_in_the_ledger_freezes() -> None:
    desk = facts.TestDesk(*facts.ready())
    event = desk.when(core_items.seen(mark=f"{facts.LEDGER_ID}.ord-lost", tiger="t-7"))
    assert event == account_events.AccountFrozen(cause="mark_not_in_ledger", detail="t-7")


@pytest.mark.parametrize("mark", ["", "else.ord-1", f"{facts.LEDGER_ID}x.ord-1", "note to self"])
def test_other_marks_are_orders_from_elsewhere(mark: str) -> None:
    desk = facts.TestDesk(*facts.ready())
    event = desk.when(core_items.seen(mark=mark, tiger="t-7", number="0"))
    assert isinstance(event, events.OrderExternalObserved)
    assert event.order_id == derived_id("ext", facts.ACCOUNT, "t-7")


def test_second_order_at_the_broker_with_one_mark_freezes() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started(), facts.accepted(), facts.working()))
    event = desk.when(core_items.seen(tiger="t-2"))
    assert isinstance(event, account_events.AccountFrozen)
    assert event.cause == "order_doubled"
    assert "t-2" in event.detail


def test_status_word_that_nobody_knows_freezes_and_changes_no_phase() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started(), facts.accepted(), facts.working()))
    event = desk.when(core_items.seen(SeenPhase.UNREADABLE, word="Enchanted"))
    assert isinstance(event, account_events.AccountFrozen)
    assert event.cause == "status_word_unknown"
    assert _phase(desk) is Phase.WORKING


# --- replies --------------------------------------------------------------------------------


@pytest.mark.parametrize("tiger", ["", "0", "00"])
def test_reply_without_an_id_is_unknown(tiger: str) -> None:
    desk = facts.TestDesk(*facts.ready(facts.started()))
    item = items.PlaceAnswered(order_id=ORDER, outcome=Outcome.DONE, tiger_order_id=tiger)
    assert isinstance(desk.when(item), events.OrderOutcomeUnknown)


def test_reply_with_the_id_of_another_of_our_orders_is_unknown() -> None:
    other = (facts.started("2", number="902"), facts.accepted("2", tiger="t-1"))
    desk = facts.TestDesk(*facts.ready(*other, facts.started()))
    event = desk.when(core_items.placed(Outcome.DONE, tiger="t-1"))
    assert isinstance(event, events.OrderOutcomeUnknown)
    assert desk.state.by_tiger_id.get("t-1") == facts.order_id_of("2")


def test_late_reply_resolves_an_unknown_order() -> None:
    desk = facts.TestDesk(*UNKNOWN_LINE)
    assert desk.when(core_items.placed(Outcome.DONE)) == facts.accepted()


def test_reply_after_the_listing_changes_nothing() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started()))
    desk.settle(core_items.seen(SeenPhase.FILLED, core_items.execution("e1", "100")))
    for outcome in Outcome:
        assert desk.when(core_items.placed(outcome)) is None
    assert _phase(desk) is Phase.FILLED


def test_definite_no_keeps_the_brokers_code() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started()))
    assert desk.when(core_items.placed(Outcome.REFUSED, code=1200)) == events.OrderRejected(
        order_id=ORDER, code=1200, detail="d"
    )


# --- absence --------------------------------------------------------------------------------


def test_absence_is_said_only_after_every_send_could_have_arrived() -> None:
    desk = facts.TestDesk(*UNKNOWN_LINE)
    assert desk.when(core_items.absent(seconds=24)) is None
    assert desk.when(core_items.absent(seconds=25, listings=2)) is None
    event = desk.when(core_items.absent(seconds=25))
    assert isinstance(event, events.OrderNotFound)
    assert _phase(desk) is Phase.NOT_FOUND


def test_absence_of_an_order_being_sent_says_nothing() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started()))
    assert desk.when(core_items.absent(seconds=9999)) is None


@pytest.mark.parametrize("released", [False, True])
def test_sighting_reopens_what_was_not_found_or_released(released: bool) -> None:
    desk = facts.TestDesk(*UNKNOWN_LINE, facts.not_found())
    if released:
        desk.when(core_items.release())
    desk.settle(core_items.seen())
    assert _phase(desk) is Phase.WORKING
    assert desk.state.open_orders == {ORDER}


# --- cancels --------------------------------------------------------------------------------


def test_cancel_of_an_order_in_doubt_is_kept_until_it_is_sighted() -> None:
    desk = facts.TestDesk(*UNKNOWN_LINE)
    assert desk.when(core_items.cancel()) == events.OrderCancelWanted(
        order_id=ORDER, command_id="cmd-cancel"
    )
    desk.when(core_items.absent(seconds=25))
    desk.settle(core_items.seen())
    order = desk.state.orders[ORDER]
    assert (order.phase, order.cancel) == (Phase.WORKING, CancelPhase.WANTED)
    event = desk.when(core_items.cancel(command_id="cmd-of-the-wish"))
    assert isinstance(event, events.OrderCancelStarted)


def test_cancel_that_the_broker_took_is_no_cancelled_order() -> None:
    line = (facts.started(), facts.accepted(), facts.working())
    desk = facts.TestDesk(*facts.ready(*line))
    desk.when(core_items.cancel())
    desk.when(core_items.cancel_answered(Outcome.DONE))
    assert _phase(desk) is Phase.WORKING
    desk.settle(core_items.seen(SeenPhase.CANCELLED))
    assert _phase(desk) is Phase.CANCELLED


# --- fills ----------------------------------------------------------------------------------


def test_partial_fill_then_cancel_keeps_the_fill() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started(), facts.accepted()))
    desk.settle(core_items.seen(SeenPhase.CANCELLED, core_items.execution("e1", "40")))
    order = desk.state.orders[ORDER]
    assert (order.phase, order.filled_quantity, order.recorded_quantity) == (
        Phase.CANCELLED,
        Decimal(40),
        Decimal(40),
    )
    assert desk.state.positions.get("AAPL@US") == Decimal(40)


def test_order_stays_watched_until_its_fills_are_all_recorded() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started(), facts.accepted()))
    desk.settle(core_items.seen(SeenPhase.FILLED, core_items.execution("e1", "40"), filled="100"))
    assert (len(desk.state.open_orders), desk.state.watched_orders) == (0, frozenset({ORDER}))
    second = core_items.execution("e2", "60")
    found = desk.settle(core_items.seen(SeenPhase.FILLED, core_items.execution("e1", "40"), second))
    assert [type(event) for event in found] == [events.OrderFillRecorded]
    assert desk.state.watched_orders == frozenset()


def test_external_order_whose_first_sight_is_its_fill_gives_order_and_fill() -> None:
    desk = facts.TestDesk(*facts.ready())
    row = core_items.seen(
        SeenPhase.FILLED, core_items.execution("x1", "100"), tiger="t-9", mark="", number="0"
    )
    assert [type(event) for event in desk.settle(row)] == [
        events.OrderExternalObserved,
        events.OrderFillRecorded,
        events.OrderFilled,
    ]
    assert desk.settle(row) == []


def test_market_order_from_elsewhere_is_kept_whole() -> None:
    desk = facts.TestDesk(*facts.ready())
    desk.settle(core_items.seen(tiger="t-9", mark="", order_type=None, limit_price=None))
    order = desk.state.orders[derived_id("ext", facts.ACCOUNT, "t-9")]
    assert (order.is_external, order.spec.limit_price) == (True, None)


# --- positions and balances -----------------------------------------------------------------


def _positions(
    *figures: account_events.PositionFigure, seconds: float = 0
) -> readings.PositionsSeen:
    return readings.PositionsSeen(positions=figures, observed_at=facts.at(seconds))


def test_positions_are_stored_at_first_and_when_they_change() -> None:
    desk = facts.TestDesk(*facts.ready())
    aapl, msft = facts.figure("AAPL"), facts.figure("MSFT", "5")
    assert desk.when(_positions()) is not None
    assert desk.when(_positions(seconds=1)) is None
    assert desk.when(_positions(msft, aapl)) is not None
    assert desk.when(_positions(aapl, msft, seconds=2)) is None
    assert desk.when(_positions(aapl)) is not None
    assert desk.state.positions.get("MSFT@US") is None


def test_positions_are_stored_when_the_fold_of_fills_differs() -> None:
    desk = facts.TestDesk(
        *facts.ready(facts.positions(facts.figure()), facts.started(), facts.fill("e1", "40"))
    )
    assert desk.state.positions.get("AAPL@US") == Decimal(140)
    assert desk.when(_positions(facts.figure())) is not None
    assert desk.state.positions.get("AAPL@US") == Decimal(100)


def _balances(cash: str, *, net: str) -> readings.BalancesSeen:
    return readings.BalancesSeen(
        currency="USD",
        net_liquidation=Decimal(net),
        buying_power=None,
        initial_margin=None,
        maintenance_margin=None,
        cash=(account_events.CashFigure(currency="USD", balance=Decimal(cash), available=None),),
        observed_at=facts.NOW,
    )


def test_balances_are_stored_when_cash_changes_and_not_with_every_quote() -> None:
    desk = facts.TestDesk(*facts.ready())
    assert desk.when(_balances("100", net="500")) is not None
    assert desk.when(_balances("100", net="501")) is None
    assert desk.when(_balances("99", net="501")) is not None
