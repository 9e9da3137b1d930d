"""What an order's recorded fills make: its average price and value while it is open, exactly."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import events, views
from core.money import Money
from core.terms import OptionLeg, OptionRight, SecurityType, Side
from projections.entries import OrderEntry
from projections.fold import fold
from tests.support import facts
from tests.unit.test_projections_fold import BLANK, order_after, record_of


def entry_of(*steps: events.Event, **terms: object) -> OrderEntry:
    began = facts.started("o1")
    began = replace(began, spec=msgspec.structs.replace(began.spec, **terms))
    return order_after(began, *steps)


def fill(
    name: str, quantity: str, price: str, *, currency: str = "USD"
) -> events.OrderFillRecorded:
    money = Money(amount=Decimal(price), currency=currency)
    return replace(facts.fill("o1", name, quantity=quantity), price=money)


def test_an_open_order_that_is_partly_filled_tells_its_price_and_value() -> None:
    row = entry_of(
        fill("e1", "3", "180.5"), fill("e2", "1", "181.1"), facts.working("o1", "4")
    ).row()
    assert (str(row.filled_quantity), str(row.average_price)) == ("4", "180.65")
    assert str(row.filled_value) == "722.6"


@pytest.mark.parametrize(
    ("price", "expected", "value"), [("100", "100", "1000"), ("0.0100", "0.01", "0.1")]
)
def test_figures_are_plain_decimals(price: str, expected: str, value: str) -> None:
    row = entry_of(fill("e1", "10", price), facts.working("o1", "10")).row()
    assert (str(row.average_price), str(row.filled_value)) == (expected, value)
    told = msgspec.json.decode(msgspec.json.encode(row))
    assert (told["average_price"], told["filled_value"]) == (expected, value)


def test_a_price_that_the_broker_tells_goes_before_ours() -> None:
    row = entry_of(fill("e1", "10", "180.4"), facts.working("o1", "10"), facts.filled("o1")).row()
    assert (row.average_price, row.filled_value) == (Decimal("180.5"), Decimal(1804))


UNSURE: dict[str, tuple[events.Event, ...]] = {
    "nothing is filled": (facts.working("o1", "0"),),
    "a fill is not recorded yet": (fill("e1", "3", "180"), facts.working("o1", "4")),
    "a fill was taken back": (
        fill("e1", "3", "180"),
        fill("e2", "3", "180"),
        facts.working("o1", "3"),
    ),
    "a fill is in another currency": (
        fill("e1", "3", "180"),
        fill("e2", "1", "180", currency="HKD"),
        facts.working("o1", "4"),
    ),
}


def taken_back(recorded: events.OrderFillRecorded, filled: str) -> events.OrderFillTakenBack:
    """Return that the broker took a fill back, after which so much of its order is filled."""
    return events.OrderFillTakenBack(
        order_id=recorded.order_id,
        execution_id=recorded.execution_id,
        side=recorded.side,
        symbol=recorded.symbol,
        quantity=recorded.quantity,
        price=recorded.price,
        executed_at=recorded.executed_at,
        filled_quantity=Decimal(filled),
        listings=3,
    )


def test_fill_that_was_taken_back_counts_for_nothing_and_is_shown_as_that() -> None:
    first, second = fill("e1", "3", "180"), fill("e2", "3", "190")
    both = (first, second, facts.working("o1", "6"))
    back = taken_back(first, "3")
    row = entry_of(*both, back).row()
    figures = (str(row.filled_quantity), str(row.average_price), str(row.filled_value))
    assert figures == ("3", "190", "570")
    change = fold(BLANK, entry_of(*both), record_of(back))
    assert change.execution is not None
    assert change.execution == replace(
        change.execution,
        execution_id="e1",
        quantity=Decimal(3),
        taken_back_at=record_of(back).recorded_at,
    )
    again = fold(BLANK, entry_of(*both, back), record_of(first))
    assert again.execution is not None
    assert again.execution.taken_back_at is None


def test_mean_of_the_broker_is_not_told_of_fills_some_of_which_were_taken_back() -> None:
    first, second = fill("e1", "6", "180.4"), fill("e2", "4", "190")
    done = (first, second, facts.working("o1", "10"), facts.filled("o1"))
    assert entry_of(*done).row().average_price == Decimal("180.5")
    row = entry_of(*done, taken_back(second, "6")).row()
    assert (row.average_price, row.filled_value) == (Decimal("180.4"), Decimal("1082.4"))


@pytest.mark.parametrize("name", UNSURE)
def test_what_the_fills_do_not_make_is_not_told(name: str) -> None:
    row = entry_of(*UNSURE[name]).row()
    assert (row.average_price, row.filled_value) == (None, None)


def test_a_combination_has_no_price_by_its_legs() -> None:
    legs = tuple(
        OptionLeg(
            right=OptionRight.CALL,
            expiry=facts.EPOCH.date() + timedelta(days=30),
            strike=Decimal(strike),
            side=Side.BUY,
            ratio=1,
        )
        for strike in (180, 190)
    )
    first = replace(fill("e1", "10", "2"), contract=legs[0].contract("AAPL"))
    row = entry_of(
        first, facts.working("o1", "10"), security=SecurityType.COMBINATION, legs=legs
    ).row()
    assert (row.filled_quantity, row.average_price, row.filled_value) == (Decimal(10), None, None)


@pytest.mark.parametrize(("multiplier", "value"), [(Decimal(100), Decimal(2000)), (None, None)])
def test_an_option_is_worth_what_it_stands_for(
    multiplier: Decimal | None, value: Decimal | None
) -> None:
    terms = {
        "security": SecurityType.OPTION,
        "expiry": facts.EPOCH.date(),
        "strike": Decimal(180),
        "right": OptionRight.CALL,
        "multiplier": multiplier,
    }
    row = entry_of(fill("e1", "10", "2"), facts.working("o1", "10"), **terms).row()
    assert (row.average_price, row.filled_value) == (Decimal(2), value)


def figures(most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(min_value="0.000001", max_value=most, places=6, allow_nan=False)


@given(st.lists(st.tuples(figures("1000000000"), figures("1000000000000000000")), min_size=1))
def test_price_and_value_are_the_mean_and_the_sum_of_the_fills(
    fills: list[tuple[Decimal, Decimal]],
) -> None:
    total = sum((quantity for quantity, _ in fills), start=Decimal(0))
    steps = [fill(f"e{n}", str(q), str(p)) for n, (q, p) in enumerate(fills)]
    row = entry_of(*steps, facts.working("o1", str(total))).row()
    exact = sum((Fraction(q) * Fraction(p) for q, p in fills), start=Fraction(0))
    assert row.filled_value is not None
    assert row.average_price is not None
    for told, meant in ((row.filled_value, exact), (row.average_price, exact / Fraction(total))):
        assert abs(Fraction(told) - meant) <= Fraction(1, 2_000_000)
    assert "E" not in f"{row.average_price}{row.filled_value}"


def test_a_stored_entry_goes_on_where_it_was() -> None:
    entry = entry_of(fill("e1", "3", "180.5"), facts.working("o1", "3"))
    again = msgspec.json.decode(msgspec.json.encode(entry), type=OrderEntry)
    change = fold(BLANK, again, record_of(fill("e2", "1", "181.1")))
    assert change.order is not None
    later = fold(BLANK, change.order, record_of(facts.working("o1", "4"))).order
    assert later is not None
    row: views.OrderRow = later.row()
    assert (row.average_price, row.filled_value) == (Decimal("180.65"), Decimal("722.6"))
