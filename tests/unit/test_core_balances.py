"""Figures of the whole account that cannot be read: kept with their age, no ground to freeze."""

from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace

from core import account_events, events, readings
from core.terms import Side
from tests.support import core_facts as facts
from tests.support import core_items
from tests.unit.test_core_modify_table import settle

QUIET: Final = facts.TIMING.quiet_reads_min
TOTALS: Final = ("net_liquidation", "buying_power", "initial_margin", "maintenance_margin")
DETAIL: Final = "expected a number in buyingPower"


def seen(*unread: tuple[str, str], seconds: float = 0.0, **changes: Any) -> readings.BalancesSeen:
    """Return a quiet reading with 1000 USD and some totals, of which some cannot be read."""
    missing = {field: None for field, _ in unread if field in TOTALS}
    cash = tuple(
        account_events.CashFigure(currency=code, balance=Decimal(amount), available=None)
        for code, amount in changes.pop("cash", {"USD": "1000"}).items()
    )
    made = readings.BalancesSeen(
        currency="USD",
        net_liquidation=Decimal(9000),
        buying_power=Decimal(5000),
        initial_margin=Decimal(10),
        maintenance_margin=Decimal(5),
        cash=cash,
        observed_at=facts.at(seconds),
        quiet_reads=QUIET,
        unread=tuple(
            readings.FigureUnread(field=field, detail=DETAIL, currency=code)
            for field, code in unread
        ),
    )
    return replace(made, **(missing | changes))


def opened(*given: events.Event) -> facts.TestDesk:
    return facts.TestDesk(*facts.ready(facts.positions(facts.figure(quantity="100")), *given))


def balances_of(desk: facts.TestDesk) -> account_events.AccountBalancesObserved:
    assert desk.state.balances is not None
    return desk.state.balances


@pytest.mark.parametrize("field", TOTALS)
def test_total_that_cannot_be_read_is_the_last_one_known_with_its_age(field: str) -> None:
    desk = opened()
    settle(desk, seen(seconds=1))
    good = getattr(balances_of(desk), field)
    settle(desk, seen((field, ""), seconds=60))
    settle(desk, seen((field, ""), seconds=120, cash={"USD": "1000", "HKD": "0"}))
    found = balances_of(desk)
    assert getattr(found, field) == good
    assert found.unread == (
        account_events.FigureKept(field=field, detail=DETAIL, known_at=facts.at(1)),
    )
    settle(desk, seen(seconds=180))
    assert balances_of(desk).unread == ()


def test_total_that_is_left_out_is_the_last_one_known_too() -> None:
    desk = opened()
    settle(desk, seen(seconds=1))
    settle(desk, seen(seconds=60, buying_power=None))
    (kept,) = balances_of(desk).unread
    assert (kept.field, kept.detail, kept.known_at) == (
        "buying_power",
        "it was left out",
        facts.at(1),
    )


def test_figure_that_was_never_known_is_none_and_says_so() -> None:
    desk = opened()
    settle(desk, seen(("buying_power", ""), ("cash", "USD"), seconds=1, cash={}))
    found = balances_of(desk)
    assert (found.buying_power, found.cash) == (None, ())
    assert [(k.field, k.known_at) for k in found.unread] == [("buying_power", None), ("cash", None)]


def test_reading_that_goes_on_without_a_figure_is_no_news() -> None:
    desk = opened()
    settle(desk, seen(seconds=1))
    told = settle(desk, seen(("buying_power", ""), seconds=60))
    assert [type(event) for event in told] == [account_events.AccountBalancesObserved]
    assert settle(desk, seen(("buying_power", ""), seconds=120)) == []


@pytest.mark.parametrize("code", ["USD", ""], ids=["of a currency", "of none that can be read"])
def test_cash_that_cannot_be_read_breaks_nothing_and_is_compared_again_later(code: str) -> None:
    desk = opened()
    settle(desk, seen(seconds=1))
    settle(desk, seen(("cash", code), seconds=60, cash={}))
    assert [f.balance for f in balances_of(desk).cash] == [Decimal(1000)]
    told = settle(desk, seen(seconds=120, cash={"USD": "700"}))
    broken = [event for event in told if isinstance(event, account_events.AccountCashBreak)]
    assert [(b.expected.amount, b.observed.amount) for b in broken] == [
        (Decimal(1000), Decimal(700))
    ]


@pytest.mark.parametrize("code", ["USD", ""], ids=["of a currency", "of none that can be read"])
def test_cash_that_is_read_for_the_first_time_is_what_later_figures_are_held_against(
    code: str,
) -> None:
    desk = opened()
    settle(desk, seen(("cash", code), seconds=1, cash={}))
    told = settle(desk, seen(seconds=60))
    assert [type(event) for event in told] == [account_events.AccountBalancesObserved]
    assert settle(desk, seen(seconds=120)) == []
    told = settle(desk, seen(seconds=180, cash={"USD": "1100"}))
    assert [type(event) for event in told] == [
        account_events.AccountCashBreak,
        account_events.AccountBalancesObserved,
    ]


@pytest.mark.parametrize("code", ["USDT", "usd", ""])
def test_cash_of_no_currency_is_recorded_as_it_is_and_held_against_nothing(code: str) -> None:
    desk = opened()
    settle(desk, seen(seconds=1, cash={"USD": "1000", code: "5"}))
    told = settle(desk, seen(seconds=60, cash={"USD": "1000", code: "7"}))
    assert [type(event) for event in told] == [account_events.AccountBalancesObserved]
    assert {f.currency: f.balance for f in balances_of(desk).cash} == {"USD": 1000, code: 7}


def test_openings_and_reductions_go_on_whatever_of_the_account_cannot_be_read() -> None:
    desk = opened()
    settle(desk, seen(seconds=1))
    whole = [(field, "") for field in (*TOTALS, "currency", "cash")]
    settle(desk, seen(*whole, seconds=60, cash={}, currency=""))
    assert balances_of(desk).currency == "USD"
    for number, side in (("1", Side.BUY), ("2", Side.SELL)):
        desk.store(facts.previewed(number, facts.spec(side=side)))
        started = desk.when(core_items.submit(number, number=f"90{number}"))
        assert isinstance(started, events.OrderSubmissionStarted)
