"""Fills that the broker takes back: a finding, what was taken back by name, and an honest end."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from core import account_events, events, readings
from core.lost_fills import FILLS_TAKEN_BACK
from core.orders import Phase
from core.readings import SeenPhase
from core.sightings import may_be_over
from core.submitting import is_reducing
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_figures import breaks, held, positions_seen
from tests.unit.test_core_modify_table import settle

ORDER = facts.order_id_of()
ENOUGH = facts.TIMING.absence_listings_min


def filled_40() -> facts.TestDesk:
    given = (facts.previewed(), facts.started(), facts.accepted(), facts.working())
    desk = facts.TestDesk(*facts.ready(*given))
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    return desk


def busted(desk: facts.TestDesk) -> list[events.Event]:
    """Have the desk take the row of an order that is over without its fills, and the evidence."""
    assert desk.settle(core_items.seen(SeenPhase.CANCELLED, filled="0")) == []
    return desk.settle(core_items.taken_back())


def test_fills_that_are_taken_back_freeze_the_symbol_and_leave_the_order_to_a_person() -> None:
    desk = filled_40()
    frozen, doubted = busted(desk)
    assert isinstance(frozen, account_events.AccountFrozen)
    assert (frozen.cause, frozen.symbol) == (FILLS_TAKEN_BACK, "AAPL")
    assert doubted == events.OrderOutcomeUnknown(
        order_id=ORDER, cause=FILLS_TAKEN_BACK, filled_quantity=Decimal(0)
    )
    # The same again is no news, and the row alone no end of the doubt.
    assert busted(desk) == []
    assert desk.state.orders[ORDER].recorded_quantity == 40
    assert isinstance(desk.when(core_items.release()), events.OrderReleased)
    assert busted(desk) == []
    assert desk.state.orders[ORDER].phase is Phase.RELEASED


def test_halt_over_an_order_whose_fills_were_taken_back_is_verified_once_it_is_released() -> None:
    desk = filled_40()
    busted(desk)
    desk.when(core_items.halt())
    assert desk.when(core_items.round_of_open(after_n=len(desk.line))) is None
    desk.when(core_items.release())
    verified = desk.when(core_items.round_of_open(after_n=len(desk.line)))
    assert isinstance(verified, account_events.AccountHaltVerified)


@pytest.mark.parametrize("listings", range(ENOUGH))
def test_few_listings_take_no_fill_back(listings: int) -> None:
    assert filled_40().when(core_items.taken_back(is_over=True, listings=listings)) is None


@pytest.mark.parametrize("filled", ["40", "41"])
def test_figure_that_holds_what_is_recorded_takes_nothing_back(filled: str) -> None:
    assert filled_40().when(core_items.taken_back(is_over=True, filled=filled)) is None


def test_evidence_about_an_order_that_no_ledger_has_leads_to_nothing() -> None:
    assert facts.TestDesk(*facts.ready()).when(core_items.taken_back(is_over=True)) is None


def test_order_in_doubt_about_its_fills_is_back_as_soon_as_a_listing_has_them_again() -> None:
    desk = filled_40()
    busted(desk)
    again = core_items.seen(SeenPhase.CANCELLED, core_items.execution("e1", "40"))
    assert [type(event) for event in desk.settle(again)] == [
        events.OrderAccepted,
        events.OrderCancelled,
    ]


@pytest.mark.parametrize("release", [False, True])
def test_order_that_is_live_after_all_is_back_whatever_its_fills(release: bool) -> None:
    desk = filled_40()
    busted(desk)
    if release:
        desk.when(core_items.release())
    (back,) = desk.settle(core_items.seen(SeenPhase.LIVE, filled="0"))
    assert isinstance(back, events.OrderAccepted)
    assert desk.state.orders[ORDER].is_open


def test_finished_order_whose_fills_are_taken_back_comes_to_the_end_that_is_shown() -> None:
    desk = filled_40()
    both = (core_items.execution("e1", "40"), core_items.execution("e2", "60"))
    desk.settle(core_items.seen(SeenPhase.FILLED, *both))
    frozen, end = busted(desk)
    assert isinstance(frozen, account_events.AccountFrozen)
    assert isinstance(end, events.OrderCancelled)
    assert end.filled_quantity == 0
    assert busted(desk) == []
    order = desk.state.orders[ORDER]
    assert (order.phase, order.recorded_quantity) == (Phase.CANCELLED, Decimal(100))


def test_live_order_may_fill_again_what_was_taken_back() -> None:
    long = facts.positions(facts.figure(quantity="100"))
    selling = facts.started("1", facts.spec(side=Side.SELL))
    desk = facts.TestDesk(*facts.ready(long, selling, facts.accepted(), facts.working()))
    sold = core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40"), side=Side.SELL)
    desk.settle(sold)
    frozen, working = desk.settle(core_items.taken_back(is_over=False))
    assert isinstance(frozen, account_events.AccountFrozen)
    assert isinstance(working, events.OrderWorking)
    assert working.filled_quantity == 0
    assert desk.settle(core_items.taken_back(is_over=False)) == []
    assert desk.state.orders[ORDER].unsettled_quantity == 100
    # The broker's figure is 100 again, and all of it may yet be sold by the order that is open.
    desk.state = facts.fold([*desk.line, long])
    assert not is_reducing(desk.state, facts.spec(side=Side.SELL, quantity="1"))
    (grown,) = desk.settle(sold)
    assert isinstance(grown, events.OrderWorking)
    assert grown.filled_quantity == 40


# --- executions that the lists lack -------------------------------------------------------------


def e1_back(filled: str = "0") -> events.OrderFillTakenBack:
    return events.OrderFillTakenBack(
        order_id=ORDER,
        execution_id="e1",
        side=Side.BUY,
        symbol="AAPL",
        quantity=Decimal(40),
        price=core_items.execution().price,
        executed_at=core_items.execution().executed_at,
        filled_quantity=Decimal(filled),
        listings=ENOUGH,
    )


def test_execution_that_the_lists_lack_is_taken_back_and_the_order_comes_to_its_end() -> None:
    desk = filled_40()
    frozen, back = desk.settle(core_items.taken_back(gone=("e1",)))
    assert isinstance(frozen, account_events.AccountFrozen)
    assert (frozen.cause, frozen.symbol) == (FILLS_TAKEN_BACK, "AAPL")
    assert back == e1_back()
    order = desk.state.orders[ORDER]
    assert order.recorded_quantity == order.filled_quantity == 0
    assert "e1" not in desk.state.executions
    assert "e1" not in desk.state.fills
    assert desk.state.expected.get("AAPL@US") == 0
    assert desk.state.cash_expected.get("USD") == 0
    assert desk.settle(core_items.taken_back(gone=("e1",))) == []
    (end,) = desk.settle(core_items.seen(SeenPhase.CANCELLED, filled="0"))
    assert isinstance(end, events.OrderCancelled)
    assert desk.state.watched_orders == frozenset()


def test_order_that_fills_again_comes_to_its_end() -> None:
    desk = filled_40()
    desk.settle(core_items.taken_back(is_over=False, gone=("e1",)))
    again = (core_items.execution("e2", "40"), core_items.execution("e3", "60"))
    desk.settle(core_items.seen(SeenPhase.LIVE, *again[:1]))
    assert desk.state.orders[ORDER].recorded_quantity == 40
    assert isinstance(
        desk.settle(core_items.seen(SeenPhase.FILLED, *again))[-1], events.OrderFilled
    )
    assert desk.state.orders[ORDER].recorded_quantity == 100
    assert desk.state.expected.get("AAPL@US") == 100


def test_order_that_filled_again_before_anybody_knew_loses_only_what_was_taken_back() -> None:
    desk = filled_40()
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e2", "40"), filled="40"))
    assert desk.state.orders[ORDER].recorded_quantity == 80
    *_, back = desk.settle(core_items.taken_back(is_over=False, filled="40", gone=("e1",)))
    assert back == e1_back("40")
    order = desk.state.orders[ORDER]
    assert order.recorded_quantity == order.filled_quantity == 40
    assert [key for key, _ in desk.state.executions.items()] == ["e2"]


def test_several_executions_that_are_gone_are_one_finding() -> None:
    desk = filled_40()
    desk.settle(
        core_items.seen(
            SeenPhase.LIVE, core_items.execution("e1", "40"), core_items.execution("e2", "20")
        )
    )
    found = desk.settle(core_items.taken_back(gone=("e1", "e2")))
    assert [type(event) for event in found] == [
        account_events.AccountFrozen,
        events.OrderFillTakenBack,
        events.OrderFillTakenBack,
    ]
    assert desk.state.orders[ORDER].recorded_quantity == 0


@pytest.mark.parametrize("lists", range(ENOUGH))
def test_few_lists_take_no_execution_back(lists: int) -> None:
    desk = filled_40()
    found = desk.settle(core_items.taken_back(gone=("e1",), lists=lists))
    assert events.OrderFillTakenBack not in {type(event) for event in found}
    assert desk.state.orders[ORDER].recorded_quantity == 40


def test_execution_of_another_order_or_of_none_is_not_taken_back() -> None:
    desk = filled_40()
    desk.settle(
        core_items.seen(
            SeenPhase.LIVE, core_items.execution("x1", "5"), tiger="t-9", mark="", number="0"
        )
    )
    found = desk.settle(core_items.taken_back(gone=("x1", "never")))
    assert events.OrderFillTakenBack not in {type(event) for event in found}
    assert set(desk.state.fills.values()) == {
        event for event in desk.line if isinstance(event, events.OrderFillRecorded)
    }


def test_execution_that_is_listed_again_is_recorded_again() -> None:
    desk = filled_40()
    desk.settle(core_items.taken_back(is_over=False, gone=("e1",)))
    recorded, working = desk.settle(
        core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40"))
    )
    assert isinstance(recorded, events.OrderFillRecorded)
    assert isinstance(working, events.OrderWorking)
    assert desk.state.orders[ORDER].recorded_quantity == 40
    assert desk.state.expected.get("AAPL@US") == 40


@pytest.mark.parametrize("release", [False, True])
def test_order_in_doubt_about_its_fills_comes_to_its_end_once_it_is_known_which_are_gone(
    release: bool,
) -> None:
    desk = filled_40()
    busted(desk)
    if release:
        desk.when(core_items.release())
    assert desk.settle(core_items.taken_back(gone=("e1",))) == [e1_back()]
    back, end = desk.settle(core_items.seen(SeenPhase.CANCELLED, filled="0"))
    assert isinstance(back, events.OrderAccepted)
    assert isinstance(end, events.OrderCancelled)


@pytest.mark.parametrize("phase", [SeenPhase.CANCELLED, SeenPhase.LIVE])
def test_finished_order_one_fill_of_which_is_taken_back_stands_as_it_is_listed(
    phase: SeenPhase,
) -> None:
    desk = filled_40()
    both = (core_items.execution("e1", "40"), core_items.execution("e2", "60"))
    desk.settle(core_items.seen(SeenPhase.FILLED, *both))
    desk.settle(
        core_items.taken_back(is_over=phase is not SeenPhase.LIVE, filled="60", gone=("e1",))
    )
    (told,) = desk.settle(core_items.seen(phase, both[1]))
    order = desk.state.orders[ORDER]
    assert order.recorded_quantity == order.filled_quantity == 60
    wanted = {SeenPhase.CANCELLED: events.OrderCancelled, SeenPhase.LIVE: events.OrderWorking}
    assert isinstance(told, wanted[phase])


def test_shares_bought_by_what_was_taken_back_cannot_be_sold() -> None:
    bought = facts.positions(facts.figure(quantity="40"))
    given = (facts.previewed(), facts.started(), facts.accepted(), facts.working())
    desk = facts.TestDesk(*facts.ready(*given))
    desk.settle(core_items.seen(SeenPhase.CANCELLED, core_items.execution("e1", "40")))
    # The last figures are from before it was taken back.
    desk.state = facts.fold([*desk.line, bought])
    sale = facts.spec(side=Side.SELL, quantity="1")
    assert is_reducing(desk.state, sale)
    assert desk.settle(core_items.taken_back(gone=("e1",)))[-1] == e1_back()
    assert not is_reducing(desk.state, sale)
    # Nor is a phantom short a reason to buy.
    assert not is_reducing(desk.state, facts.spec(side=Side.BUY, quantity="1"))


# --- fills that were told, and never listed ----------------------------------------------------


ENDS = [
    (SeenPhase.CANCELLED, events.OrderCancelled),
    (SeenPhase.EXPIRED, events.OrderExpired),
    (SeenPhase.REJECTED, events.OrderRejected),
    (SeenPhase.LIVE, events.OrderWorking),
]


@pytest.mark.parametrize(("phase", "told"), ENDS)
def test_fills_that_are_told_of_no_more_hide_no_break(
    phase: SeenPhase, told: type[events.Event]
) -> None:
    desk = held("0")
    desk.settle(core_items.seen(phase, filled="40"))
    moved = positions_seen(facts.figure(quantity="500"))
    assert breaks(settle(desk, moved)) == []
    is_over = phase is not SeenPhase.LIVE
    assert desk.settle(core_items.seen(phase, filled="0")) == []
    frozen, fallen = desk.settle(core_items.taken_back(is_over=is_over, end=phase))
    assert isinstance(frozen, account_events.AccountFrozen)
    assert frozen.detail.endswith(": 40 filled, 0 listed")
    assert isinstance(fallen, told)
    assert desk.settle(core_items.taken_back(is_over=is_over)) == []
    order = desk.state.orders[ORDER]
    assert (order.filled_quantity, order.is_watched) == (Decimal(0), not is_over)
    assert breaks(settle(desk, moved)) == [(Decimal(0), Decimal(500))]


@pytest.mark.parametrize("filled", ["0", "40"])
def test_part_that_is_told_of_no_more_hides_no_break_beside_what_is_recorded(filled: str) -> None:
    desk = held("0")
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40"), filled="60"))
    moved = positions_seen(facts.figure(quantity="540"))
    assert breaks(settle(desk, moved)) == []
    desk.settle(core_items.taken_back(filled=filled, is_over=filled == "0"))
    assert desk.state.orders[ORDER].filled_quantity == Decimal(filled)
    assert breaks(settle(desk, moved)) == [(Decimal(40), Decimal(540))]


def test_finished_order_that_is_listed_live_without_its_fills_is_open_again() -> None:
    desk = filled_40()
    desk.settle(core_items.seen(SeenPhase.CANCELLED, core_items.execution("e1", "40")))
    assert not desk.state.orders[ORDER].is_open
    _, working = desk.settle(core_items.taken_back(is_over=False))
    assert isinstance(working, events.OrderWorking)
    assert desk.state.orders[ORDER].unsettled_quantity == 100


# --- a part that is called filled ---------------------------------------------------------------


def called_filled(*executions: readings.ExecutionSeen) -> readings.OrderSeen:
    """Return a row of an order of 100 that says "filled", whatever it is filled with."""
    seen = core_items.seen(SeenPhase.FILLED, *executions)
    return replace(seen, quantity=facts.spec().quantity)


def left_with_60() -> facts.TestDesk:
    desk = filled_40()
    both = (core_items.execution("e1", "40"), core_items.execution("e2", "60"))
    desk.settle(called_filled(*both))
    assert desk.state.orders[ORDER].phase is Phase.FILLED
    desk.settle(core_items.taken_back(is_over=True, filled="60", gone=("e1",)))
    (doubted,) = desk.settle(called_filled(both[1]))
    assert doubted == events.OrderOutcomeUnknown(order_id=ORDER, cause=FILLS_TAKEN_BACK)
    return desk


def test_part_that_is_called_filled_after_a_bust_is_left_to_a_person() -> None:
    desk = left_with_60()
    row = called_filled(core_items.execution("e2", "60"))
    assert desk.settle(row) == []
    desk.when(core_items.halt())
    assert isinstance(desk.when(core_items.release()), events.OrderReleased)
    assert desk.settle(row) == []
    assert desk.state.orders[ORDER].phase is Phase.RELEASED
    assert desk.state.watched_orders == frozenset()
    verified = desk.when(core_items.round_of_open(after_n=len(desk.line)))
    assert isinstance(verified, account_events.AccountHaltVerified)


@pytest.mark.parametrize("release", [False, True])
def test_order_that_fills_on_after_a_bust_is_in_doubt_until_it_is_filled(release: bool) -> None:
    desk = left_with_60()
    if release:
        desk.when(core_items.release())
    more = (core_items.execution("e2", "60"), core_items.execution("e3", "20"))
    recorded, doubted = desk.settle(called_filled(*more))
    assert isinstance(recorded, events.OrderFillRecorded)
    assert isinstance(doubted, events.OrderOutcomeUnknown)
    assert desk.state.orders[ORDER].filled_quantity == 80
    desk.settle(called_filled(*more, core_items.execution("e4", "20")))
    order = desk.state.orders[ORDER]
    assert (order.phase, order.recorded_quantity) == (Phase.FILLED, Decimal(100))


def test_part_that_is_called_filled_is_live_where_no_fill_was_taken_back() -> None:
    desk = filled_40()
    assert desk.settle(called_filled(core_items.execution("e1", "40"))) == []
    assert desk.state.orders[ORDER].phase is Phase.WORKING
    # One that is live after all is no more in doubt.
    desk = left_with_60()
    live = replace(called_filled(core_items.execution("e2", "60")), phase=SeenPhase.LIVE)
    desk.settle(live)
    assert desk.state.orders[ORDER].phase is Phase.WORKING


def test_row_that_calls_a_part_filled_shows_an_order_over_where_fills_are_missing() -> None:
    desk = filled_40()
    order = desk.state.orders[ORDER]
    assert may_be_over(order, called_filled())
    assert not may_be_over(order, called_filled(core_items.execution("e1", "40")))
