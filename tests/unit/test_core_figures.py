"""Positions and cash against the recorded fills: breaks are told once, and never explained away."""

from datetime import date
from decimal import Decimal
from typing import Final

import pytest
from msgspec.structs import replace

from core import account_events, events, items, readings
from core.commands import AdoptPosition
from core.money import Money
from core.readings import SeenPhase
from core.refusals import Refusal
from core.terms import OptionLeg, OptionRight, OrderSpec, SecurityType, Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_modify_table import settle

QUIET: Final = facts.TIMING.quiet_reads_min
EXPIRY: Final = date(2026, 12, 18)
CALL: Final = replace(
    facts.spec(quantity="2", limit_price="3.00"),
    security=SecurityType.OPTION,
    expiry=EXPIRY,
    strike=Decimal(230),
    right=OptionRight.CALL,
    multiplier=Decimal(100),
)


def positions_seen(
    *figures: account_events.PositionFigure, quiet_reads: int = QUIET
) -> readings.PositionsSeen:
    return readings.PositionsSeen(positions=figures, observed_at=facts.NOW, quiet_reads=quiet_reads)


def balances_seen(quiet_reads: int = QUIET, **cash: str) -> readings.BalancesSeen:
    figures = facts.balances(**cash).cash
    return readings.BalancesSeen(
        currency="USD",
        net_liquidation=None,
        buying_power=None,
        initial_margin=None,
        maintenance_margin=None,
        cash=figures,
        observed_at=facts.NOW,
        quiet_reads=quiet_reads,
    )


def held(quantity: str, *, cash: str = "1000", terms: OrderSpec | None = None) -> facts.TestDesk:
    """Return a desk that holds shares of AAPL and cash, with order 1 to buy at the broker."""
    figures = (facts.figure(quantity=quantity),) if quantity != "0" else ()
    return facts.TestDesk(
        *facts.ready(facts.positions(*figures), facts.balances(USD=cash)),
        facts.previewed("1", terms),
        facts.started(terms=terms),
        facts.accepted(),
        facts.working(),
    )


def adopt(break_id: str, command_id: str = "cmd-adopt") -> items.CommandItem:
    return core_items.command(AdoptPosition(break_id=break_id), command_id, principal="ann")


def broken(desk: facts.TestDesk) -> str:
    """Return the id of the one break there is."""
    (found,) = desk.state.breaks.values()
    return found.break_id


def breaks(found: list[events.Event]) -> list[tuple[Decimal, Decimal]]:
    """Return expected and observed of the breaks among some events."""
    return [
        (e.expected, e.observed)
        for e in found
        if isinstance(e, account_events.AccountPositionBreak)
    ]


# --- positions -----------------------------------------------------------------------------


def test_difference_is_a_break_after_quiet_readings_and_is_told_once() -> None:
    desk = held("20")
    told = [
        breaks(settle(desk, positions_seen(facts.figure(quantity="12"), quiet_reads=reads)))
        for reads in range(1, QUIET + 3)
    ]
    assert told == [[]] * (QUIET - 1) + [[(Decimal(20), Decimal(12))]] + [[], []]


def test_recorded_fill_explains_the_position() -> None:
    desk = held("20")
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="60")))) == []


def test_fill_of_an_order_from_elsewhere_explains_the_position_too() -> None:
    desk = held("100")
    sale = replace(
        core_items.external(quantity="30"), phase=SeenPhase.FILLED, filled_quantity=Decimal(30)
    )
    desk.settle(replace(sale, executions=(core_items.execution("e9", "30"),)))
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="70")))) == []


def test_fills_that_the_broker_told_of_and_did_not_list_yet_are_waited_for() -> None:
    desk = held("20")
    desk.settle(core_items.seen(SeenPhase.LIVE, filled="40"))
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="60")))) == []
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="61")))) == [
        (Decimal(60), Decimal(61))
    ]


def test_break_that_agrees_again_is_over_and_the_next_is_another() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="12")))
    first = broken(desk)
    (_, agreed) = settle(desk, positions_seen(facts.figure(quantity="20"), quiet_reads=1))
    assert agreed == account_events.AccountPositionAgreed(
        symbol="AAPL", market="US", quantity=Decimal(20)
    )
    settle(desk, positions_seen(facts.figure(quantity="12")))
    assert broken(desk) != first


def test_break_is_over_though_nothing_is_held_any_more() -> None:
    desk = held("20")
    settle(desk, positions_seen())
    # The sale that explains it was in a listing that came late.
    sale = replace(
        core_items.external(quantity="20"), phase=SeenPhase.FILLED, filled_quantity=Decimal(20)
    )
    desk.settle(replace(sale, executions=(core_items.execution("e9", "20"),)))
    found = settle(desk, positions_seen())
    agreed = account_events.AccountPositionAgreed(symbol="AAPL", market="US", quantity=Decimal(0))
    assert agreed in found
    assert list(desk.state.breaks.values()) == []


def test_position_that_is_gone_from_the_list_is_none() -> None:
    assert breaks(settle(held("20"), positions_seen())) == [(Decimal(20), Decimal(0))]


def test_broken_position_stops_openings_of_its_symbol_and_no_other() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="12")))
    for name, terms, is_sent in (
        ("a", facts.spec(), False),
        ("b", replace(CALL), False),
        ("c", facts.spec(side=Side.SELL, quantity="12"), True),
        ("d", facts.spec(symbol="MSFT"), True),
    ):
        desk.store(facts.previewed(name, terms))
        event = desk.when(core_items.submit(name, number=f"80{ord(name)}"))
        assert isinstance(event, events.OrderSubmissionStarted) == is_sent, name
        if isinstance(event, events.OrderRefused):
            assert event.code is Refusal.POSITION_BROKEN


def test_option_that_is_gone_stops_its_stock_and_combinations_of_it() -> None:
    desk = held("0", terms=CALL)
    fill = core_items.execution("e1", "2")
    desk.settle(replace(core_items.listed(CALL), executions=(fill,), filled_quantity=Decimal(2)))
    assert desk.state.expected.get("AAPL261218C230@US") == 2
    settle(desk, positions_seen())
    spread = replace(
        facts.spec(limit_price="1.00"),
        security=SecurityType.COMBINATION,
        legs=tuple(
            OptionLeg(right=OptionRight.CALL, expiry=EXPIRY, strike=Decimal(k), side=side, ratio=1)
            for k, side in ((300, Side.BUY), (310, Side.SELL))
        ),
    )
    for terms in (facts.spec(), spread):
        assert desk.state.break_of(terms) is not None
    assert desk.state.break_of(facts.spec(symbol="MSFT")) is None


# --- adopting ------------------------------------------------------------------------------


def test_adopted_figure_is_what_later_fills_start_from() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="12")))
    adopted = desk.when(adopt(broken(desk)))
    assert isinstance(adopted, account_events.AccountPositionAdopted)
    assert (adopted.person, adopted.quantity) == ("ann", Decimal(12))
    assert len(desk.state.breaks) == 0
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="52")))) == []


def test_fill_after_the_break_leaves_what_cannot_be_explained_as_it_was() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="12")))
    name = broken(desk)
    desk.settle(core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40")))
    assert breaks(settle(desk, positions_seen(facts.figure(quantity="52")))) == []
    adopted = desk.when(adopt(name))
    assert isinstance(adopted, account_events.AccountPositionAdopted)
    assert adopted.quantity == 52
    assert settle(desk, positions_seen(facts.figure(quantity="52"))) == []


def test_break_whose_position_has_changed_since_is_not_adopted() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="12")))
    old = broken(desk)
    settle(desk, positions_seen(facts.figure(quantity="9"), quiet_reads=1))
    refused = desk.when(adopt(old))
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.BREAK_UNKNOWN
    settle(desk, positions_seen(facts.figure(quantity="9")))
    assert broken(desk) != old
    late = desk.when(adopt(old, "cmd-adopt-2"))
    assert isinstance(late, events.OrderRefused)
    assert isinstance(
        desk.when(adopt(broken(desk), "cmd-adopt-3")), account_events.AccountPositionAdopted
    )


def test_break_that_is_over_is_not_adopted() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="12")))
    old = broken(desk)
    settle(desk, positions_seen(facts.figure(quantity="20")))
    assert isinstance(desk.when(adopt(old)), events.OrderRefused)


def test_adopting_twice_is_once() -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity="12")))
    command = adopt(broken(desk))
    desk.when(command)
    assert desk.when(command) is None


# --- cash ----------------------------------------------------------------------------------


def cash_breaks(found: list[events.Event]) -> list[tuple[str, Decimal, Decimal]]:
    return [
        (e.observed.currency, e.expected.amount, e.observed.amount)
        for e in found
        if isinstance(e, account_events.AccountCashBreak)
    ]


def bought(desk: facts.TestDesk, *, charges: str | None = None) -> None:
    """Have order 1 fill 40 at 10.50."""
    seen = core_items.seen(SeenPhase.LIVE, core_items.execution("e1", "40"))
    desk.settle(replace(seen, charges=None if charges is None else Decimal(charges)))


def test_first_balances_are_no_break() -> None:
    desk = facts.TestDesk(*facts.ready(facts.positions()))
    (observed,) = settle(desk, balances_seen(USD="1000"))
    assert isinstance(observed, account_events.AccountBalancesObserved)


def test_fill_and_its_fees_explain_the_cash() -> None:
    desk = held("0")
    bought(desk, charges="1.99")
    assert cash_breaks(settle(desk, balances_seen(USD="578.01"))) == []
    bought(desk, charges="2.50")
    assert cash_breaks(settle(desk, balances_seen(USD="577.50"))) == []


def test_dividend_is_one_break_and_what_follows_starts_from_it() -> None:
    desk = held("0")
    assert cash_breaks(settle(desk, balances_seen(USD="1012.34"))) == [
        ("USD", Decimal(1000), Decimal("1012.34"))
    ]
    assert settle(desk, balances_seen(USD="1012.34")) == []
    bought(desk)
    assert cash_breaks(settle(desk, balances_seen(USD="592.34"))) == []


def test_unquiet_reading_is_no_break() -> None:
    desk = held("0")
    assert cash_breaks(settle(desk, balances_seen(QUIET - 1, USD="900"))) == []


def test_rounding_is_no_break_however_often_it_comes() -> None:
    desk, cash = held("0"), Decimal(1000)
    for number in range(1, 40):
        desk.settle(
            core_items.seen(
                SeenPhase.LIVE,
                replace(
                    core_items.execution(f"e{number}", "3"),
                    price=Money(amount=Decimal("0.33333"), currency="USD"),
                ),
                quantity="200",
                filled=str(3 * number),
            )
        )
        # What the broker pays out is rounded to the cent.
        cash -= Decimal("1.01")
        assert cash_breaks(settle(desk, balances_seen(USD=str(cash)))) == []


def test_currency_that_is_not_listed_has_no_cash() -> None:
    desk = held("0")
    assert cash_breaks(settle(desk, balances_seen())) == [("USD", Decimal(1000), Decimal(0))]
    assert cash_breaks(settle(desk, balances_seen())) == []


def test_currency_that_comes_new_is_held_against_its_fills() -> None:
    desk = held("0")
    assert cash_breaks(settle(desk, balances_seen(HKD="-50", USD="1000"))) == [
        ("HKD", Decimal(0), Decimal(-50))
    ]


def test_option_is_paid_by_its_multiplier() -> None:
    desk = held("0", terms=CALL)
    fill = replace(
        core_items.execution("e1", "2"), price=Money(amount=Decimal("3.00"), currency="USD")
    )
    desk.settle(replace(core_items.listed(CALL), executions=(fill,), filled_quantity=Decimal(2)))
    assert cash_breaks(settle(desk, balances_seen(USD="400"))) == []


def test_future_is_not_paid_by_its_price_nor_its_fees_from_the_cash_that_is_read() -> None:
    future = replace(facts.spec(quantity="1"), security=SecurityType.FUTURE, multiplier=Decimal(50))
    desk = held("0", terms=future)
    fill = core_items.execution("e1", "1")
    row = replace(core_items.listed(future), executions=(fill,), filled_quantity=Decimal(1))
    desk.settle(replace(row, charges=Decimal("2.05")))
    assert desk.state.orders[facts.order_id_of()].charges == Decimal("2.05")
    assert cash_breaks(settle(desk, balances_seen(USD="1000"))) == []


def test_combination_with_the_stock_itself_pays_each_leg_by_its_own_unit() -> None:
    terms = replace(
        facts.spec(limit_price="98.00"),
        quantity=Decimal(1),
        security=SecurityType.COMBINATION,
        multiplier=Decimal(100),
        legs=(
            OptionLeg(right=None, expiry=None, strike=None, side=Side.BUY, ratio=100),
            OptionLeg(
                right=OptionRight.CALL,
                expiry=EXPIRY,
                strike=Decimal(230),
                side=Side.SELL,
                ratio=1,
            ),
        ),
    )
    desk = held("0", terms=terms, cash="20000")
    legs = (
        readings.ExecutionSeen(
            execution_id=execution_id,
            quantity=Decimal(quantity),
            price=Money(amount=Decimal(price), currency="USD"),
            executed_at=facts.at(1),
            contract=contract,
            side=side,
        )
        for execution_id, quantity, price, contract, side in (
            ("e1", "100", "100", "AAPL", Side.BUY),
            ("e2", "1", "2", "AAPL261218C230", Side.SELL),
        )
    )
    row = core_items.listed(terms, SeenPhase.FILLED)
    desk.settle(replace(row, executions=tuple(legs), filled_quantity=Decimal(1)))
    assert desk.state.orders[facts.order_id_of()].recorded_quantity == 1
    assert cash_breaks(settle(desk, balances_seen(USD="10200"))) == []
    stock = facts.figure(quantity="100")
    option = replace(facts.figure(quantity="-1"), contract="AAPL261218C230")
    assert breaks(settle(desk, positions_seen(stock, option))) == []


def test_expected_cash_survives_a_replay_and_fills_that_came_while_no_worker_ran() -> None:
    desk = held("0")
    bought(desk, charges="1.99")
    settle(desk, balances_seen(USD="578.01"))
    successor = facts.TestDesk(*desk.line)
    assert successor.state.cash_expected == desk.state.cash_expected
    successor.store(account_events.AccountWorkerStarted(run_id="run-2"))
    fills = (core_items.execution("e1", "40"), core_items.execution("e2", "60"))
    row = replace(core_items.seen(SeenPhase.FILLED, *fills), charges=Decimal("3.50"))
    successor.settle(row)
    # 1000 - 100 x 10.50 - 3.50
    assert cash_breaks(settle(successor, balances_seen(USD="-53.50"))) == []


@pytest.mark.parametrize("quantity", ["12", "0"])
def test_replay_gives_the_same_breaks(quantity: str) -> None:
    desk = held("20")
    settle(desk, positions_seen(facts.figure(quantity=quantity)))
    assert facts.snapshot(facts.fold(desk.line)) == facts.snapshot(desk.state)
