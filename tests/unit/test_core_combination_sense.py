"""The net price of a combination beside what its legs can be worth."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from core.combination_sense import combination_warnings, worth_at_expiry
from core.price_sense import change_warnings, price_warnings
from core.terms import OptionLeg, OptionRight, OrderSpec, OrderType, SecurityType, Side
from tests.support.core_facts import NOW
from tests.support.gateway import order_spec

DECEMBER, JANUARY = date(2026, 12, 18), date(2027, 1, 15)


def leg(side: Side, right: OptionRight, strike: int, **more: Any) -> OptionLeg:
    terms = {"expiry": DECEMBER, "ratio": 1, **more}
    return OptionLeg(side=side, right=right, strike=Decimal(strike), **terms)


def combination(*legs: OptionLeg, side: Side, price: str | None, **more: Any) -> OrderSpec:
    kind = OrderType.MARKET if price is None else OrderType.LIMIT
    return order_spec(
        security=SecurityType.COMBINATION,
        legs=legs,
        side=side,
        order_type=kind,
        limit_price=None if price is None else Decimal(price),
        **more,
    )


BUY, SELL, CALL, PUT = Side.BUY, Side.SELL, OptionRight.CALL, OptionRight.PUT
DEBIT = (leg(BUY, CALL, 230), leg(SELL, CALL, 240))
CREDIT = (leg(SELL, CALL, 230), leg(BUY, CALL, 240))
CONDOR = (leg(SELL, PUT, 210), leg(BUY, PUT, 200), leg(SELL, CALL, 250), leg(BUY, CALL, 260))
STRADDLE = (leg(BUY, CALL, 230), leg(BUY, PUT, 230))
RATIO = (leg(BUY, CALL, 230), leg(SELL, CALL, 240, ratio=2))
BOX = (*DEBIT, leg(BUY, PUT, 240), leg(SELL, PUT, 230))


@pytest.mark.parametrize(
    ("legs", "side", "least", "most"),
    [
        (DEBIT, BUY, 0, 10),
        (DEBIT, SELL, -10, 0),
        (CREDIT, BUY, -10, 0),
        (CREDIT, SELL, 0, 10),
        (CONDOR, BUY, -10, 0),
        (STRADDLE, BUY, 0, None),
        (STRADDLE, SELL, None, 0),
        (RATIO, BUY, None, 10),
        (BOX, BUY, 10, 10),
        ((leg(BUY, PUT, 230), leg(SELL, PUT, 220)), BUY, 0, 10),
    ],
    ids=str,
)
def test_the_strikes_say_what_a_whole_can_be_worth(
    legs: tuple[OptionLeg, ...], side: Side, least: int | None, most: int | None
) -> None:
    assert worth_at_expiry(combination(*legs, side=side, price="1")) == (least, most)


@pytest.mark.parametrize(
    ("legs", "side", "price", "says"),
    [
        (DEBIT, BUY, "3.00", ""),
        (DEBIT, BUY, "9.99", ""),
        (DEBIT, BUY, "10", "pay up to 10 for what is worth at most 10 at expiry: it can only lose"),
        (CREDIT, BUY, "3.00", "worth a credit, and this price is no bound"),
        (CONDOR, BUY, "0.05", "worth a credit, and this price is no bound"),
        (DEBIT, SELL, "1.76", ""),
        (DEBIT, SELL, "10", "receive at least 10 for what is worth at least -10 at expiry"),
        (CREDIT, SELL, "1.76", "receive at least 1.76 for what is worth at least 0 at expiry"),
        (BOX, SELL, "9", "receive at least 9 for what is worth at most -10 at expiry"),
        (STRADDLE, BUY, "500", ""),
        (STRADDLE, SELL, "0.05", ""),
        (CREDIT, BUY, None, ""),
    ],
    ids=str,
)
def test_a_price_that_the_legs_cannot_be_worth_is_warned_of(
    legs: tuple[OptionLeg, ...], side: Side, price: str | None, says: str
) -> None:
    found = combination_warnings(combination(*legs, side=side, price=price))
    assert says in found.get("price_beyond_worth", "")
    assert ("price_beyond_worth" in found) == bool(says)


@pytest.mark.parametrize(
    "legs",
    [
        (leg(SELL, CALL, 230), leg(BUY, CALL, 230, expiry=JANUARY)),
        (
            OptionLeg(side=BUY, right=None, expiry=None, strike=None, ratio=100),
            leg(SELL, CALL, 240),
        ),
    ],
    ids=["calendar", "covered"],
)
def test_nothing_is_said_of_legs_whose_worth_no_one_day_settles(
    legs: tuple[OptionLeg, ...],
) -> None:
    assert combination_warnings(combination(*legs, side=BUY, price="300")) == {}


def test_a_sale_says_that_it_turns_every_leg() -> None:
    told = price_warnings(combination(*DEBIT, side=SELL, price="3"), None, now=NOW)
    assert told.keys() == {"legs_turned"}
    assert price_warnings(combination(*DEBIT, side=BUY, price="3"), None, now=NOW) == {}


def test_a_change_of_the_price_tells_what_the_old_one_did_not() -> None:
    old = combination(*DEBIT, side=SELL, price="3")
    assert change_warnings(old, combination(*DEBIT, side=SELL, price="4")) == {}
    found = change_warnings(old, combination(*DEBIT, side=SELL, price="11"))
    assert found.keys() == {"limit_price", "price_beyond_worth"}
