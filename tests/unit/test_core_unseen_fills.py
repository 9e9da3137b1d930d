"""Fills that no listing had told of when a figure was taken for the base: it holds them too."""

from datetime import datetime
from decimal import Decimal

import pytest
from msgspec.structs import replace

from core import account_events, readings
from core.money import Money
from core.readings import SeenPhase
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_figures import adopt, balances_seen, broken, held, positions_seen
from tests.unit.test_core_late_executions import PAID, cash, expected, told
from tests.unit.test_core_modify_table import settle

ORDER = facts.order_id_of()
# When the first of the quiet readings was answered, by the broker's clock; see `executed`.
READ_AT = facts.at(60)


def executed(execution_id: str, quantity: str, *, seconds: float = 5.0) -> readings.ExecutionSeen:
    """Return an execution at that moment; that of the readings is 60."""
    return replace(core_items.execution(execution_id, quantity), executed_at=facts.at(seconds))


def positions(quantity: str, *, at: datetime | None = READ_AT) -> readings.PositionsSeen:
    figures = () if quantity == "0" else (facts.figure(quantity=quantity),)
    return replace(positions_seen(*figures), quiet_from=at)


def balances(usd: Decimal, *, at: datetime | None = READ_AT) -> readings.BalancesSeen:
    return replace(balances_seen(USD=str(usd)), quiet_from=at)


def adopted(quantity: str, usd: Decimal, *, at: datetime | None = READ_AT) -> facts.TestDesk:
    """Return a desk of which a person adopted figures that no listing explains."""
    desk = held("0")
    settle(desk, positions(quantity, at=at))
    settle(desk, balances(usd, at=at))
    assert isinstance(desk.when(adopt(broken(desk))), account_events.AccountPositionAdopted)
    assert (expected(desk), cash(desk)) == (Decimal(quantity), usd)
    return desk


def broke_again(desk: facts.TestDesk, quantity: str, usd: Decimal) -> bool:
    found = [*settle(desk, positions(quantity)), *settle(desk, balances(usd))]
    kinds = (account_events.AccountPositionBreak, account_events.AccountCashBreak)
    return any(isinstance(event, kinds) for event in found)


def test_fill_that_no_row_told_of_moves_what_was_adopted_no_more() -> None:
    left = 1000 - 40 * PAID
    desk = adopted("40", left)
    desk.settle(told("40", executed("e1", "40")))
    assert desk.state.orders[ORDER].recorded_quantity == 40
    assert (expected(desk), cash(desk)) == (Decimal(40), left)
    assert not broke_again(desk, "40", left)
    # What comes on top moves both.
    desk.settle(told("60", executed("e1", "40"), executed("e2", "20", seconds=70)))
    assert (expected(desk), cash(desk)) == (Decimal(60), left - 20 * PAID)


def test_break_that_is_open_shows_such_a_fill_already() -> None:
    desk = held("0")
    settle(desk, positions("40"))
    settle(desk, balances(1000 - 40 * PAID))
    desk.settle(told("40", executed("e1", "40")))
    (shown,) = desk.state.breaks.values()
    assert (shown.observed, expected(desk)) == (Decimal(40), Decimal(40))
    found = settle(desk, positions("40"))
    assert isinstance(found[-1], account_events.AccountPositionAgreed)
    assert cash(desk) == 1000 - 40 * PAID


@pytest.mark.parametrize(("seconds", "moved"), [(59.999, 0), (60.0, 0), (60.001, 40), (600.0, 40)])
def test_fill_is_in_the_base_if_it_was_no_later_than_the_reading(
    seconds: float, moved: int
) -> None:
    desk = adopted("40", 1000 - 40 * PAID)
    desk.settle(told("40", executed("e1", "40", seconds=seconds)))
    assert expected(desk) == 40 + moved
    assert cash(desk) == 1000 - (40 + moved) * PAID


def test_base_whose_moment_is_not_known_holds_no_such_fill() -> None:
    desk = adopted("40", 1000 - 40 * PAID, at=None)
    desk.settle(told("40", executed("e1", "40")))
    assert (expected(desk), cash(desk)) == (Decimal(80), 1000 - 80 * PAID)


def test_no_more_is_in_the_base_than_it_was_moved_by() -> None:
    desk = adopted("40", 1000 - 40 * PAID)
    # Of 100 before the reading 60 were not in it: the broker's figure was behind.
    desk.settle(told("100", executed("e1", "100")))
    assert (expected(desk), cash(desk)) == (Decimal(100), 1000 - 100 * PAID)


def test_fill_the_other_way_is_not_what_the_base_was_moved_by() -> None:
    desk = adopted("-40", 1000 + 40 * PAID)
    desk.settle(told("40", executed("e1", "40")))
    assert (expected(desk), cash(desk)) == (Decimal(0), Decimal(1000))


def test_fills_both_ways_come_out_at_the_figure_in_either_order() -> None:
    for turn in (1, -1):
        desk = adopted("40", 1000 - 40 * PAID)
        both = (
            executed("e1", "100"),
            replace(executed("e2", "60"), side=Side.SELL),
        )
        desk.settle(told("100", *both[::turn]))
        assert expected(desk) == 40
        assert desk.state.orders[ORDER].recorded_quantity == 160


def test_what_was_told_by_then_is_no_part_of_the_rest() -> None:
    desk = held("0")
    desk.settle(told("40"))
    desk.settle(core_items.not_listed())
    settle(desk, positions("40"))
    assert isinstance(desk.when(adopt(broken(desk))), account_events.AccountPositionAdopted)
    desk.settle(told("60", executed("e1", "40"), executed("e2", "20")))
    # 40 were told, and are held once; 20 more the broker's figure did not show.
    assert expected(desk) == 60


def test_fill_that_is_busted_and_listed_again_moves_the_base_both_ways() -> None:
    desk = adopted("40", 1000 - 40 * PAID)
    row = told("40", executed("e1", "40"))
    desk.settle(row)
    desk.settle(core_items.taken_back(is_over=False, gone=("e1",)))
    assert (expected(desk), cash(desk)) == (Decimal(0), Decimal(1000))
    desk.settle(row)
    assert (expected(desk), cash(desk)) == (Decimal(40), 1000 - 40 * PAID)


def test_fill_that_was_recorded_before_is_not_found_in_a_base_when_it_is_listed_again() -> None:
    desk = held("0")
    row = told("40", executed("e1", "40"))
    desk.settle(row)
    settle(desk, positions("100"))
    assert isinstance(desk.when(adopt(broken(desk))), account_events.AccountPositionAdopted)
    desk.settle(core_items.taken_back(is_over=False, gone=("e1",)))
    assert expected(desk) == 60
    desk.settle(row)
    assert expected(desk) == 100


def test_what_the_unseen_fill_cost_is_in_the_base_too() -> None:
    left = 1000 - 40 * PAID - 2
    desk = adopted("40", left)
    row = replace(told("40", executed("e1", "40")), charges=Decimal(2))
    desk.settle(row)
    assert cash(desk) == left
    # Later charges are not.
    desk.settle(replace(row, charges=Decimal(5)))
    assert cash(desk) == left - 3


def test_what_another_order_cost_is_not_in_the_base() -> None:
    desk = adopted("40", Decimal(500))
    desk.settle(replace(told("40", executed("e1", "40", seconds=90)), charges=Decimal(2)))
    assert cash(desk) == 500 - 40 * PAID - 2


def test_fill_in_other_money_is_not_in_the_base() -> None:
    desk = adopted("40", 1000 - 40 * PAID)
    money = Money(amount=PAID, currency="HKD")
    desk.settle(told("40", replace(executed("e1", "40"), price=money)))
    assert (cash(desk), cash(desk, "HKD")) == (1000 - 40 * PAID, -40 * PAID)


def test_order_that_was_not_found_and_released_moves_what_was_adopted_no_more() -> None:
    given = (facts.previewed(), facts.started(), facts.unknown(), facts.not_found())
    figures = (facts.positions(), facts.balances(USD="1000"))
    desk = facts.TestDesk(*facts.ready(*figures, *given))
    settle(desk, positions("100"))
    settle(desk, balances(1000 - 100 * PAID))
    desk.when(core_items.release())
    assert isinstance(desk.when(adopt(broken(desk))), account_events.AccountPositionAdopted)
    desk.settle(told("100", executed("e1", "100"), phase=SeenPhase.FILLED))
    assert (expected(desk), cash(desk)) == (Decimal(100), 1000 - 100 * PAID)
    assert not broke_again(desk, "100", 1000 - 100 * PAID)


def test_each_of_two_bases_holds_what_was_executed_before_it() -> None:
    desk = adopted("40", 1000 - 40 * PAID)
    later = facts.at(600)
    settle(desk, positions("0", at=later))
    settle(desk, balances(Decimal(1000), at=later))
    assert isinstance(
        desk.when(adopt(broken(desk), "cmd-2")), account_events.AccountPositionAdopted
    )
    # It was bought before the one, and sold before the other.
    sold = replace(executed("e2", "40", seconds=300), side=Side.SELL)
    for some in ((sold,), (sold, executed("e1", "40"))):
        desk.settle(told("40", *some))
        assert (expected(desk), cash(desk)) == (Decimal(0), Decimal(1000))


def test_a_new_process_knows_what_the_base_holds() -> None:
    desk = adopted("40", 1000 - 40 * PAID)
    again = facts.TestDesk(*desk.line)
    again.settle(told("40", executed("e1", "40")))
    assert (expected(again), cash(again)) == (Decimal(40), 1000 - 40 * PAID)


def moments(desk: facts.TestDesk) -> list[datetime | None]:
    kinds = account_events.AccountPositionBreak | account_events.AccountCashBreak
    return [event.quiet_from for event in desk.line if isinstance(event, kinds)]


def test_break_says_from_when_its_figure_stood() -> None:
    desk = adopted("40", 1000 - 40 * PAID)
    assert moments(desk) == [READ_AT, READ_AT]
