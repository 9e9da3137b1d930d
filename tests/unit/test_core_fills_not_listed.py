"""Fills that a row tells of and no execution is listed for: a finding, and never made up."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from core import account_events, readings
from core.lost_fills import FILLS_NOT_LISTED
from core.orders import Phase
from core.readings import SeenPhase
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_figures import (
    adopt,
    balances_seen,
    breaks,
    broken,
    cash_breaks,
    held,
    positions_seen,
)
from tests.unit.test_core_modify_table import settle

ORDER = facts.order_id_of()


def filled_unlisted(filled: str = "40") -> facts.TestDesk:
    """Return a desk that holds 20, whose order filled and shows no execution."""
    desk = held("20")
    desk.settle(core_items.seen(SeenPhase.LIVE, filled=filled))
    return desk


def test_fills_without_executions_freeze_their_symbol_once() -> None:
    desk = filled_unlisted()
    frozen = desk.when(core_items.not_listed())
    assert isinstance(frozen, account_events.AccountFrozen)
    assert (frozen.cause, frozen.symbol) == (FILLS_NOT_LISTED, "AAPL")
    assert desk.when(core_items.not_listed()) is None
    order = desk.state.orders[ORDER]
    assert (order.phase, order.recorded_quantity) == (Phase.WORKING, Decimal(0))
    # More that is not listed is another finding.
    desk.settle(core_items.seen(SeenPhase.LIVE, filled="50"))
    assert isinstance(desk.when(core_items.not_listed()), account_events.AccountFrozen)


@pytest.mark.parametrize("listings", range(facts.TIMING.absence_listings_min))
def test_few_listings_without_executions_are_no_finding(listings: int) -> None:
    assert filled_unlisted().when(core_items.not_listed(listings=listings)) is None


def test_fills_that_are_recorded_by_then_are_no_finding() -> None:
    desk = filled_unlisted()
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    assert desk.when(core_items.not_listed()) is None
    assert facts.TestDesk(*facts.ready()).when(core_items.not_listed()) is None


def test_position_that_unlisted_fills_moved_is_a_break_once_they_are_told_of() -> None:
    desk = filled_unlisted()
    moved = positions_seen(facts.figure(quantity="60"))
    assert breaks(settle(desk, moved)) == []
    desk.when(core_items.not_listed())
    assert breaks(settle(desk, moved)) == [(Decimal(20), Decimal(60))]
    desk.when(adopt(broken(desk)))
    assert breaks(settle(desk, moved)) == []
    assert desk.state.orders[ORDER].recorded_quantity == 0


def test_cash_that_fills_move_is_waited_for_until_they_are_told_of() -> None:
    desk = filled_unlisted()
    moved = balances_seen(USD="580")
    assert cash_breaks(settle(desk, moved)) == []
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    assert cash_breaks(settle(desk, moved)) == []
    never = filled_unlisted()
    settle(never, moved)
    never.when(core_items.not_listed())
    assert cash_breaks(settle(never, moved)) == [("USD", Decimal(1000), Decimal(580))]


def test_fills_of_an_order_from_elsewhere_are_waited_for_and_told_of_likewise() -> None:
    desk = held("20")
    sale = replace(
        core_items.external(quantity="20"),
        phase=SeenPhase.FILLED,
        filled_quantity=Decimal(20),
        side=Side.SELL,
    )
    desk.settle(sale)
    (order,) = (o for o in desk.state.orders.values() if o.is_external)
    assert breaks(settle(desk, positions_seen())) == []
    told = readings.FillsNotListed(order_id=order.order_id, listings=9)
    assert isinstance(desk.when(told), account_events.AccountFrozen)
    assert breaks(settle(desk, positions_seen())) == [(Decimal(20), Decimal(0))]


def test_order_that_fills_on_unlisted_is_waited_for_no_more_than_once() -> None:
    desk = filled_unlisted()
    desk.when(core_items.not_listed())
    desk.settle(core_items.seen(SeenPhase.LIVE, filled="50"))
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="70")))) == [
        (Decimal(20), Decimal(70))
    ]
    assert cash_breaks(settle(desk, balances_seen(USD="475"))) == [
        ("USD", Decimal(1000), Decimal(475))
    ]


def test_fills_are_waited_for_anew_after_one_that_was_listed_after_all() -> None:
    desk = filled_unlisted()
    desk.when(core_items.not_listed())
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "30"), filled="50"))
    assert desk.state.orders[ORDER].recorded_quantity == 30
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="70")))) == []
    desk.when(core_items.not_listed())
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="70")))) == [
        (Decimal(50), Decimal(70))
    ]
