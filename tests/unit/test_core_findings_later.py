"""What a second look at the core found: each of these failed before its mend."""

from decimal import Decimal

import pytest

from core import account_events, events
from core.items import Outcome
from core.money import is_multiple
from core.orders import Phase
from core.readings import SeenPhase
from core.submitting import is_new_number, is_reducing
from core.terms import Side, position_key
from tests.support import core_facts as facts
from tests.support import core_items

ORDER = facts.order_id_of()
LONG_100 = facts.positions(facts.figure(quantity="100"))
WORKING = (facts.started(), facts.accepted(), facts.working())


def test_a_listed_quantity_below_zero_freezes_its_symbol_and_nothing_else() -> None:
    desk = facts.TestDesk(*facts.ready())
    row = core_items.seen(tiger="t-9", mark="", number="0", quantity="-1")
    event = desk.when(row)
    assert isinstance(event, account_events.AccountFrozen)
    assert (event.cause, event.symbol) == ("quantity_unreadable", "AAPL")
    assert desk.when(row) is None


@pytest.mark.parametrize("number", ["²", "٣", "0901", "0", "-5", "", "1" * 20])
def test_an_order_number_is_plain_digits_without_a_leading_zero(number: str) -> None:
    assert not is_new_number(facts.TestDesk(*facts.ready()).state, number)
    assert is_new_number(facts.TestDesk(*facts.ready()).state, "901")


def test_fills_of_both_sides_around_one_figure_never_make_room() -> None:
    # The figure of 150 holds the purchase already; 60 are sold after it: 90 are left.
    bought = facts.started("1", facts.spec(quantity="50"))
    sold = facts.started("2", facts.spec(side=Side.SELL, quantity="60"), number="902")
    desk = facts.TestDesk(
        *facts.ready(LONG_100, bought, facts.accepted(), sold, facts.accepted("2", tiger="t-2"))
    )
    desk.settle(core_items.seen(SeenPhase.LIVE, quantity="50"))
    desk.state = facts.fold([*desk.line, facts.positions(facts.figure(quantity="150"))])
    desk.settle(core_items.seen(SeenPhase.FILLED, core_items.execution("e1", "50"), quantity="50"))
    desk.settle(
        core_items.seen(
            SeenPhase.FILLED,
            core_items.execution("e2", "60"),
            tiger="t-2",
            number="902",
            mark=facts.mark_of("2"),
            side=Side.SELL,
            quantity="60",
        )
    )
    assert desk.state.observed.get(position_key("AAPL", "US")) == 150
    assert not is_reducing(desk.state, facts.spec(side=Side.SELL, quantity="91"))
    assert is_reducing(desk.state, facts.spec(side=Side.SELL, quantity="90"))


def test_an_open_order_by_amount_has_a_size_that_nobody_knows() -> None:
    desk = facts.TestDesk(*facts.ready(LONG_100))
    desk.settle(core_items.seen(tiger="t-9", mark="", number="0", side=Side.SELL, quantity="0"))
    assert not is_reducing(desk.state, facts.spec(side=Side.SELL, quantity="1"))


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_SENT, Outcome.DONE])
def test_no_reply_takes_back_what_a_listing_has_shown(outcome: Outcome) -> None:
    desk = facts.TestDesk(*facts.ready(*WORKING))
    gone = desk.when(core_items.absent(seconds=9999))
    assert isinstance(gone, events.OrderOutcomeUnknown)
    assert desk.when(core_items.placed(outcome)) is None
    assert desk.state.orders[ORDER].phase is Phase.UNKNOWN


@pytest.mark.parametrize("step", ["1E-30", "NaN", "Infinity", "-1", "0"])
def test_a_step_that_is_none_divides_nothing(step: str) -> None:
    assert not is_multiple(Decimal("10.01"), Decimal(step))


def test_a_row_older_than_the_recorded_fills_says_nothing() -> None:
    desk = facts.TestDesk(*facts.ready(*WORKING))
    desk.settle(core_items.seen(SeenPhase.FILLED, core_items.execution("e1", "100"), filled="100"))
    assert desk.state.orders[ORDER].phase is Phase.FILLED
    assert desk.when(core_items.seen(SeenPhase.LIVE)) is None


def test_a_gap_that_never_reached_the_desk_locks_nobody_out() -> None:
    desk = facts.TestDesk(*facts.ready(facts.stale(gap=1)))
    assert isinstance(
        desk.when(core_items.round_completed(gaps=2)), account_events.AccountReconciled
    )
