"""Executions that are listed after a figure was taken for the base: it holds them already."""

from decimal import Decimal
from typing import Final

import pytest
from msgspec.structs import replace

from core import account_events, codec, events, readings
from core.account_state import AccountState
from core.commands import AdoptPosition, Command
from core.money import Money
from core.readings import SeenPhase
from core.terms import OrderSpec, Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.support.scripted_broker import order_row
from tests.unit.test_core_combinations import BOUGHT, RATIO, SOLD, executed
from tests.unit.test_core_figures import adopt, balances_seen, broken, held, positions_seen
from tests.unit.test_core_modify_table import settle
from tests.unit.test_worker_sweeps import TIGER, WORKING, SweepRig

AAPL: Final = "AAPL@US"
PAID: Final = Decimal("10.50")


def told(
    filled: str, *executions: readings.ExecutionSeen, phase: SeenPhase = SeenPhase.LIVE
) -> readings.OrderSeen:
    """Return a row of order 1 with so much filled, and the executions that are listed."""
    return replace(
        core_items.seen(phase, *executions, filled=filled), quantity=facts.spec().quantity
    )


def unlisted(filled: str = "100", *, terms: OrderSpec | None = None) -> facts.TestDesk:
    """Return a desk that waits no more for the executions of what order 1 filled."""
    desk = held("0", terms=terms)
    seen = told(filled) if terms is None else core_items.listed(terms)
    desk.settle(replace(seen, filled_quantity=Decimal(filled)))
    desk.settle(core_items.not_listed())
    return desk


def adopted(desk: facts.TestDesk, quantity: str) -> facts.TestDesk:
    settle(desk, positions_seen(facts.figure(quantity=quantity)))
    assert isinstance(desk.when(adopt(broken(desk))), account_events.AccountPositionAdopted)
    return desk


def expected(desk: facts.TestDesk, key: str = AAPL) -> Decimal | None:
    return desk.state.expected.get(key)


def cash(desk: facts.TestDesk, currency: str = "USD") -> Decimal | None:
    return desk.state.cash_expected.get(currency)


def stored(rig: SweepRig, kind: type[events.Event]) -> list[events.Event]:
    found = (codec.decode(r.subject, r.body, sequence=r.sequence) for r in rig.rig.ledger.records)
    return [each.data for each in found if isinstance(each.data, kind)]


def test_executions_that_come_after_their_break_was_adopted_move_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = SweepRig(monkeypatch, *WORKING, figures_s=0.0)
    rig.broker_side.cash = 10000.0
    rig.broker_side.book = [order_row()]
    rig.after(10.0, rounds=5)
    rig.broker_side.book = [order_row(status="Filled", filledQuantity=100, avgFillPrice=10.5)]
    rig.broker_side.positions = [
        {"symbol": "AAPL", "secType": "STK", "market": "US", "currency": "USD"}
        | {"position": 100, "positionScale": 0, "averageCost": 10.5}
    ]
    rig.broker_side.cash = 8950.0
    rig.after(1.0, rounds=150)
    found = rig.rig.desk.state.break_of(facts.spec())
    assert found is not None
    figures = (
        len(stored(rig, account_events.AccountCashBreak)),
        len(stored(rig, account_events.AccountPositionBreak)),
    )
    for command, name in ((AdoptPosition(break_id=found.break_id), "a"), (resumed(), "r")):
        rig.rig.take(core_items.command(command, name, expires_s=9e5, principal="ann"))
    execution = {"id": "e1", "filledQuantity": 100, "filledPrice": 10.5, "currency": "USD"}
    rig.broker_side.executions = [execution | {"symbol": "AAPL", "transactionTime": 1}]
    rig.after(130.0, rounds=10)
    assert rig.rig.desk.state.orders[facts.order_id_of()].recorded_quantity == 100
    assert figures == (
        len(stored(rig, account_events.AccountCashBreak)),
        len(stored(rig, account_events.AccountPositionBreak)),
    )
    assert len(rig.rig.desk.state.breaks) == 0
    # In the view, too, nothing stands twice.
    assert rig.rig.desk.state.positions.get(AAPL) == 100


def resumed() -> Command:
    return core_items.resume("AAPL").command


def test_position_moves_by_what_comes_on_top_of_what_was_adopted() -> None:
    desk = adopted(unlisted("40"), "40")
    assert expected(desk) == 40
    first, second = core_items.execution("e1", "30"), core_items.execution("e2", "30")
    desk.settle(told("60", first))
    assert expected(desk) == 40
    desk.settle(told("60", first, second))
    assert expected(desk) == 60
    desk.settle(told("100", first, second, core_items.execution("e3", "40")))
    assert expected(desk) == 100


def test_cash_that_was_taken_for_the_base_is_paid_once() -> None:
    desk = unlisted("40")
    settle(desk, balances_seen(USD=str(1000 - 40 * PAID)))
    assert cash(desk) == 1000 - 40 * PAID
    first = core_items.execution("e1", "40")
    desk.settle(told("40", first))
    assert cash(desk) == 1000 - 40 * PAID
    # The position was no base, and is moved by it.
    assert expected(desk) == 40
    desk.settle(told("50", first, core_items.execution("e2", "10")))
    assert cash(desk) == 1000 - 50 * PAID


def test_base_of_other_money_holds_no_such_execution() -> None:
    desk = unlisted("40")
    settle(desk, balances_seen(USD="1000", HKD="7"))
    assert cash(desk, "HKD") == 7
    desk.settle(told("40", core_items.execution("e1", "40")))
    assert cash(desk) == 1000 - 40 * PAID
    other = unlisted("40")
    settle(other, balances_seen(USD="990"))
    money = Money(amount=PAID, currency="HKD")
    other.settle(told("40", replace(core_items.execution("e1", "40"), price=money)))
    assert (cash(other), cash(other, "HKD")) == (Decimal(990), -40 * PAID)


def test_figure_of_an_open_break_holds_them_too() -> None:
    desk = unlisted("40")
    settle(desk, positions_seen(facts.figure(quantity="40")))
    name = broken(desk)
    first = core_items.execution("e1", "40")
    desk.settle(told("40", first))
    # Until the next reading nobody adopts a figure that never was.
    assert isinstance(desk.when(adopt(name)), events.OrderRefused)
    (shown,) = desk.state.breaks.values()
    assert shown.observed == 40
    found = settle(desk, positions_seen(facts.figure(quantity="40")))
    assert [type(each) for each in found][-1] is account_events.AccountPositionAgreed
    # Another one, of what had not been told then, moves it.
    desk.settle(told("50", first, core_items.execution("e2", "10")))
    assert expected(desk) == 50


def test_fill_that_was_told_after_the_break_is_no_part_of_what_is_adopted() -> None:
    desk = unlisted("40")
    settle(desk, positions_seen(facts.figure(quantity="40")))
    desk.settle(told("100"))
    assert isinstance(desk.when(adopt(broken(desk))), account_events.AccountPositionAdopted)
    desk.settle(told("100", core_items.execution("e1", "100")))
    assert expected(desk) == 100


def test_first_figures_hold_what_was_told_by_then() -> None:
    desk = facts.TestDesk(*facts.ready(), *(facts.previewed(), facts.started(), facts.accepted()))
    desk.settle(told("40"))
    settle(desk, positions_seen(facts.figure(quantity="40")))
    settle(desk, balances_seen(HKD="7"))
    desk.settle(told("100", core_items.execution("e1", "100")))
    assert expected(desk) == 100
    # Cash that was not listed was none.
    assert cash(desk) == -60 * PAID


def test_execution_that_was_in_the_base_and_is_taken_back_moves_it_back() -> None:
    desk = adopted(unlisted("40"), "40")
    settle(desk, balances_seen(USD=str(1000 - 40 * PAID)))
    desk.settle(told("40", core_items.execution("e1", "40")))
    assert (expected(desk), cash(desk)) == (Decimal(40), 1000 - 40 * PAID)
    desk.settle(core_items.taken_back(is_over=False, gone=("e1",)))
    assert (expected(desk), cash(desk)) == (Decimal(0), Decimal(1000))
    desk.settle(told("40", core_items.execution("e1", "40")))
    assert (expected(desk), cash(desk)) == (Decimal(40), 1000 - 40 * PAID)


def test_each_leg_of_a_combination_stands_in_its_own_position() -> None:
    desk = held("0", terms=RATIO)
    desk.settle(replace(core_items.listed(RATIO), filled_quantity=Decimal(3)))
    desk.settle(core_items.not_listed())
    bought, sold = f"{BOUGHT}@US", f"{SOLD}@US"
    figures = facts.figure(BOUGHT, "3"), facts.figure(SOLD, "-6")
    settle(desk, positions_seen(*figures))
    (one,) = (b for b in desk.state.breaks.values() if b.symbol == SOLD)
    assert isinstance(desk.when(adopt(one.break_id)), account_events.AccountPositionAdopted)
    legs = executed("e1", BOUGHT, Side.BUY, "3"), executed("e2", SOLD, Side.SELL, "6")
    desk.settle(replace(core_items.listed(RATIO), filled_quantity=Decimal(3), executions=legs))
    assert (expected(desk, bought), expected(desk, sold)) == (Decimal(3), Decimal(-6))


def test_a_break_that_agrees_again_leaves_nothing_behind() -> None:
    desk = unlisted("40")
    settle(desk, positions_seen(facts.figure(quantity="40")))
    settle(desk, positions_seen())
    assert len(desk.state.breaks) == 0
    assert desk.state.unlisted == AccountState().unlisted
    desk.settle(told("40", core_items.execution("e1", "40")))
    assert expected(desk) == 40


def test_what_is_held_stays_though_the_order_turns_out_to_be_ours() -> None:
    desk = facts.TestDesk(
        *facts.ready(facts.positions(), facts.balances(USD="1000")),
        facts.previewed(),
        facts.started(),
        facts.unknown(),
    )
    row = replace(told("40"), tiger_order_id=TIGER, listings=facts.TIMING.absence_listings_min)
    half = replace(row, mark="")
    desk.settle(half)
    stranger = desk.state.orders[desk.state.by_tiger_id[TIGER]]
    assert stranger.is_external
    waited = readings.FillsNotListed(
        order_id=stranger.order_id,
        listings=facts.TIMING.absence_listings_min,
    )
    desk.settle(waited)
    adopted(desk, "40")
    desk.settle(row)
    assert not desk.state.orders[desk.state.by_tiger_id[TIGER]].is_external
    desk.settle(replace(row, executions=(core_items.execution("e1", "40"),)))
    assert expected(desk) == 40


# --- fills that a base had lost before they are taken back -------------------------------------


def lost(desk: facts.TestDesk, filled: str = "0", *, is_adopted: bool) -> None:
    """Have the row show so much of 100, and the figures taken for the base, or told of, so."""
    desk.settle(core_items.taken_back(filled=filled))
    settle(desk, positions_seen(*([facts.figure(quantity=filled)] if filled != "0" else [])))
    settle(desk, balances_seen(USD=str(1000 - Decimal(filled) * PAID)))
    if is_adopted:
        assert isinstance(desk.when(adopt(broken(desk))), account_events.AccountPositionAdopted)


def bought(*executions: readings.ExecutionSeen) -> facts.TestDesk:
    desk = held("0")
    quantity = str(sum((each.quantity for each in executions), start=Decimal(0)))
    desk.settle(told(quantity, *executions, phase=SeenPhase.CANCELLED))
    settle(desk, positions_seen(facts.figure(quantity=quantity)))
    settle(desk, balances_seen(USD=str(1000 - Decimal(quantity) * PAID)))
    assert len(desk.state.breaks) == 0
    return desk


@pytest.mark.parametrize("is_adopted", [False, True])
def test_bust_that_the_base_holds_is_not_subtracted_again(is_adopted: bool) -> None:
    desk = bought(core_items.execution("e1", "40"))
    lost(desk, is_adopted=is_adopted)
    desk.settle(core_items.taken_back(gone=("e1",)))
    assert (expected(desk), cash(desk)) == (Decimal(0), Decimal(1000))
    after = [*settle(desk, positions_seen()), *settle(desk, balances_seen(USD="1000"))]
    assert not any(isinstance(e, account_events.AccountPositionBreak) for e in after)
    assert not any(isinstance(e, account_events.AccountCashBreak) for e in after)
    assert len(desk.state.breaks) == len(desk.state.unlisted) == 0
    # What is traded from here on moves everything again, either way.
    desk.settle(told("40", core_items.execution("e2", "40")))
    assert (expected(desk), cash(desk)) == (Decimal(40), 1000 - 40 * PAID)
    desk.settle(core_items.taken_back(is_over=False, gone=("e2",)))
    assert (expected(desk), cash(desk)) == (Decimal(0), Decimal(1000))


def test_what_is_taken_back_beyond_what_the_base_had_lost_moves_it() -> None:
    first, second = core_items.execution("e1", "40"), core_items.execution("e2", "50")
    desk = bought(first, second)
    lost(desk, "50", is_adopted=True)
    assert (expected(desk), cash(desk)) == (Decimal(50), 1000 - 50 * PAID)
    desk.settle(core_items.taken_back(filled="0", gone=("e2",)))
    assert (expected(desk), cash(desk)) == (Decimal(40), 1000 - 40 * PAID)
    desk.settle(core_items.taken_back(filled="0", gone=("e1",)))
    assert (expected(desk), cash(desk)) == (Decimal(0), Decimal(1000))


def test_fill_after_a_bust_that_the_base_holds_moves_it() -> None:
    desk = bought(core_items.execution("e1", "40"))
    lost(desk, is_adopted=True)
    desk.settle(told("40", core_items.execution("e2", "40"), phase=SeenPhase.CANCELLED))
    assert (expected(desk), cash(desk)) == (Decimal(40), 1000 - 40 * PAID)
    desk.settle(core_items.taken_back(filled="40", gone=("e1",)))
    assert (expected(desk), cash(desk)) == (Decimal(40), 1000 - 40 * PAID)
