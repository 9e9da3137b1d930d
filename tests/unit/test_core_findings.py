"""One test or more for each finding of the review of the pure core; each fails without its mend."""

from decimal import Decimal

import pytest

from core import account_events, events, readings
from core.account_state import AccountState
from core.ids import derived_id
from core.orders import Phase
from core.readings import SeenPhase
from core.refusals import Refusal
from core.submitting import is_reducing
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items

ORDER = facts.order_id_of()
STRANGER = derived_id("ext", facts.ACCOUNT, "t-9")
SELL = facts.spec(side=Side.SELL)
ACCEPTED_LINE = facts.ready(facts.started(), facts.accepted())
WORKING_LINE = (*ACCEPTED_LINE, facts.working())
LONG_100 = facts.positions(facts.figure())


def types_of(found: list[events.Event]) -> list[type[events.Event]]:
    return [type(event) for event in found]


def phase_of(desk: facts.TestDesk, order_id: str = ORDER) -> Phase:
    return desk.state.orders[order_id].phase


def sells(state: AccountState, quantity: str) -> bool:
    return is_reducing(state, facts.spec(side=Side.SELL, quantity=quantity))


# --- executions -----------------------------------------------------------------------------


def test_execution_that_two_orders_list_is_recorded_once() -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    copy = core_items.seen(
        SeenPhase.LIVE, core_items.execution("e1", "40"), tiger="t-9", mark="", number="0"
    )
    assert events.OrderFillRecorded not in types_of(desk.settle(copy))
    assert desk.state.positions.get("AAPL@US") == Decimal(40)
    assert desk.state.executions.get("e1") == ORDER


def test_fill_bears_the_side_and_symbol_of_its_order_whatever_the_row_says() -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    row = core_items.seen(
        SeenPhase.LIVE, core_items.execution("e1", "40"), symbol="MSFT", side=Side.SELL, filled="40"
    )
    assert facts.fill("e1", "40") in desk.settle(row)
    assert desk.state.positions.get("AAPL@US") == Decimal(40)


# --- what may still move a position ---------------------------------------------------------


def ended_filled(quantity: str) -> events.OrderFilled:
    return events.OrderFilled(order_id=ORDER, filled_quantity=Decimal(quantity), average_price=None)


def test_done_order_whose_fills_are_not_recorded_counts_until_they_are() -> None:
    selling = facts.started("1", facts.spec(side=Side.SELL, quantity="60"))
    line = facts.ready(LONG_100, selling, facts.accepted(), ended_filled("60"))
    state = facts.TestDesk(*line).state
    assert state.orders[ORDER].unsettled_quantity == Decimal(60)
    assert (sells(state, "40"), sells(state, "41")) == (True, False)
    sold = facts.fill("e1", "60", side=Side.SELL)
    assert facts.TestDesk(*line, sold).state.orders[ORDER].unsettled_quantity == 0


def test_order_filled_above_its_size_counts_what_was_filled() -> None:
    working = facts.working(filled="130")
    order = facts.TestDesk(*ACCEPTED_LINE, working).state.orders[ORDER]
    assert order.unsettled_quantity == Decimal(130)


def test_fill_that_the_brokers_figure_may_hold_already_adds_nothing_to_sell() -> None:
    bought = facts.started("1", facts.spec(quantity="50"))
    line = (bought, facts.accepted(), facts.positions(facts.figure(quantity="150")))
    state = facts.TestDesk(*facts.ready(*line, facts.fill("e1", "50"))).state
    assert state.positions.get("AAPL@US") == Decimal(200)
    assert state.observed.get("AAPL@US") == Decimal(150)
    assert (sells(state, "150"), sells(state, "151")) == (True, False)


def test_fill_that_the_brokers_figure_lacks_counts_at_once() -> None:
    selling = facts.started("1", facts.spec(side=Side.SELL, quantity="60"))
    sold = facts.fill("e1", "60", side=Side.SELL)
    state = facts.TestDesk(
        *facts.ready(LONG_100, selling, facts.accepted(), sold, ended_filled("60"))
    ).state
    assert (sells(state, "40"), sells(state, "41")) == (True, False)


def test_holding_of_the_same_symbol_in_another_market_covers_nothing() -> None:
    abroad = facts.positions(facts.figure(market="HK"))
    state = facts.TestDesk(*facts.ready(abroad)).state
    assert not is_reducing(state, SELL)
    assert is_reducing(state, facts.spec(side=Side.SELL, market="HK"))


def test_positions_of_one_symbol_in_two_markets_stand_side_by_side() -> None:
    desk = facts.TestDesk(*facts.ready())
    both = readings.PositionsSeen(
        positions=(facts.figure(quantity="7"), facts.figure(quantity="5", market="HK")),
        observed_at=facts.NOW,
    )
    assert desk.when(both) is not None
    assert desk.when(both) is None
    assert dict(desk.state.positions.items()) == {
        "AAPL@US": Decimal(7),
        "AAPL@HK": Decimal(5),
    }


def test_position_that_only_the_fills_know_is_corrected_by_an_unchanged_list() -> None:
    msft = facts.started("1", facts.spec(symbol="MSFT"))
    line = facts.ready(LONG_100, msft, facts.accepted(), facts.fill("e1", "40", symbol="MSFT"))
    desk = facts.TestDesk(*line)
    unchanged = readings.PositionsSeen(positions=LONG_100.positions, observed_at=facts.at(1))
    assert isinstance(desk.when(unchanged), account_events.AccountPositionsObserved)
    assert desk.state.positions.get("MSFT@US") is None


# --- freezes --------------------------------------------------------------------------------


def _word(word: str = "Enchanted") -> readings.OrderSeen:
    return core_items.seen(SeenPhase.UNREADABLE, word=word)


def test_unknown_word_freezes_its_symbol_alone() -> None:
    desk = facts.TestDesk(
        *facts.ready(
            facts.previewed("2"),
            facts.previewed("3", facts.spec(symbol="MSFT")),
            facts.started(),
            facts.accepted(),
        )
    )
    event = desk.when(_word())
    assert isinstance(event, account_events.AccountFrozen)
    assert (event.symbol, desk.state.frozen_symbols) == ("AAPL", frozenset({"AAPL"}))
    assert desk.state.frozen_cause == ""
    refused = desk.when(core_items.submit("2", number="902"))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.ACCOUNT_FROZEN
    sent = desk.when(core_items.submit("3", number="903"))
    assert isinstance(sent, events.OrderSubmissionStarted)


def test_same_finding_freezes_once_and_resume_lifts_it_for_good() -> None:
    desk = facts.TestDesk(*ACCEPTED_LINE)
    assert isinstance(desk.when(_word()), account_events.AccountFrozen)
    assert desk.when(_word()) is None
    desk.when(core_items.resume())
    assert desk.when(_word()) is None
    assert desk.state.frozen_symbols == frozenset()
    assert isinstance(desk.when(_word("Bewitched")), account_events.AccountFrozen)


def test_second_finding_is_recorded_while_the_first_still_freezes() -> None:
    desk = facts.TestDesk(*facts.ready())
    rows = [core_items.seen(tiger=f"t-{n}", mark=f"{facts.LEDGER_ID}.ord-{n}") for n in (7, 8)]
    assert [type(desk.when(row)) for row in rows] == [account_events.AccountFrozen] * 2
    assert desk.state.frozen_cause == "mark_not_in_ledger"


@pytest.mark.parametrize("symbol,left", [("AAPL", {"MSFT"}), ("TSLA", {"AAPL", "MSFT"}), ("", ())])
def test_resume_lifts_the_freezes_of_its_scope(symbol: str, left: set[str]) -> None:
    line = [facts.frozen(symbol=one) for one in ("AAPL", "MSFT")]
    desk = facts.TestDesk(*facts.ready(*line))
    desk.when(core_items.resume(symbol))
    assert desk.state.frozen_symbols == frozenset(left)


def test_reducing_order_passes_the_freeze_of_its_symbol() -> None:
    line = (LONG_100, facts.previewed("1", SELL), facts.frozen(symbol="AAPL"))
    event = facts.TestDesk(*facts.ready(*line)).when(core_items.submit())
    assert isinstance(event, events.OrderSubmissionStarted)


# --- orders that claim to be ours -----------------------------------------------------------


@pytest.mark.parametrize(
    "row,cause",
    [
        (core_items.seen(tiger="t-9", mark=f"{facts.LEDGER_ID}.ord-lost"), "mark_not_in_ledger"),
        (core_items.seen(tiger="t-9"), "order_doubled"),
        (core_items.seen(tiger="t-9", mark=""), "number_without_mark"),
        (core_items.seen(tiger="t-9", mark="note to self"), "number_without_mark"),
    ],
)
def test_order_that_claims_to_be_ours_freezes_and_is_put_on_the_books(
    row: readings.OrderSeen, cause: str
) -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    frozen, *rest = desk.settle(row)
    assert isinstance(frozen, account_events.AccountFrozen)
    assert frozen.cause == cause
    assert types_of(rest) == [events.OrderExternalObserved, events.OrderWorking]
    stranger = desk.state.orders[STRANGER]
    assert (stranger.is_external, stranger.phase) == (True, Phase.WORKING)
    assert desk.settle(row) == []


def test_order_with_our_mark_in_another_market_is_a_stranger() -> None:
    desk = facts.TestDesk(*facts.ready(facts.started(), facts.unknown()))
    assert types_of(desk.settle(core_items.seen(market="HK", listings=3))) == [
        account_events.AccountFrozen,
        events.OrderExternalObserved,
        events.OrderWorking,
    ]
    assert phase_of(desk) is Phase.UNKNOWN


@pytest.mark.parametrize(
    "row",
    [
        core_items.seen(mark="else"),
        core_items.seen(number="77"),
        core_items.seen(symbol="MSFT"),
        core_items.seen(market="HK"),
        core_items.seen(side=Side.SELL),
        core_items.seen(side=Side.SELL, mark=""),
    ],
)
def test_known_order_that_turns_into_another_freezes_once(row: readings.OrderSeen) -> None:
    desk = facts.TestDesk(*WORKING_LINE)
    assert desk.settle(row) == [
        account_events.AccountFrozen(cause="mark_mismatch", detail=f"{ORDER} and t-1")
    ]
    assert desk.settle(row) == []


def test_late_answer_with_the_id_of_another_order_proves_nothing() -> None:
    other = (facts.started("2", number="902"), facts.accepted("2", tiger="t-1"))
    late = events.OrderAnswerObserved(
        order_id=ORDER, outcome="done", tiger_order_id="t-1", code=None, detail=""
    )
    desk = facts.TestDesk(*facts.ready(*other, facts.started(), facts.unknown(), late))
    assert phase_of(desk) is Phase.UNKNOWN
    assert desk.state.by_tiger_id.get("t-1") == facts.order_id_of("2")
