"""Which changes of an order only take risk away, and so need no question."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapters.mcp.questions import changed, shrinks
from core.commands import ModifyOrder
from core.errors import CommandError
from core.terms import OptionLeg, OptionRight, OrderType, SecurityType, Side
from tests.support.gateway import order_spec

STOP: dict[str, Any] = {"order_type": OrderType.STOP_LIMIT, "stop_price": Decimal(200)}
LEG = OptionLeg(
    right=OptionRight.CALL,
    expiry=date(2026, 12, 18),
    strike=Decimal(230),
    side=Side.BUY,
    ratio=1,
)
COMBINATION: dict[str, Any] = {"security": SecurityType.COMBINATION, "legs": (LEG, LEG)}
SELL: dict[str, Any] = {"side": Side.SELL}
# Terms beside 10 AAPL at 185.50, the change, and whether it is surely less.
CHANGES: list[tuple[dict[str, Any], dict[str, str], bool]] = [
    ({}, {"quantity": "9"}, True),
    ({}, {"quantity": "10"}, True),
    ({}, {"quantity": "10.5"}, False),
    ({}, {"limit_price": "185.49"}, True),
    ({}, {"limit_price": "185.51"}, False),
    (SELL, {"limit_price": "185.51"}, True),
    (SELL, {"limit_price": "185.49"}, False),
    ({}, {"quantity": "9", "limit_price": "185.49"}, True),
    # Less on the one side never pays for more on the other.
    ({}, {"quantity": "1", "limit_price": "186"}, False),
    ({}, {"quantity": "11", "limit_price": "1"}, False),
    # What waits for a trigger may guard a position.
    (STOP, {"limit_price": "185"}, False),
    (STOP, {"quantity": "9"}, False),
    (STOP, {"stop_price": "199"}, False),
    (STOP, {"stop_price": "201"}, False),
    (STOP, {"stop_price": "200"}, True),
    (COMBINATION, {"quantity": "9"}, True),
    (COMBINATION, {"limit_price": "1"}, False),
    ({"order_type": OrderType.MARKET, "limit_price": None}, {"quantity": "11"}, False),
    ({"order_type": OrderType.MARKET, "limit_price": None}, {"quantity": "9"}, True),
]


def asking(**change: str) -> ModifyOrder:
    nothing: dict[str, Any] = {"quantity": None, "limit_price": None}
    return ModifyOrder(order_id="o", reason="r", **(nothing | change))


@pytest.mark.parametrize(("terms", "change", "is_less"), CHANGES)
def test_only_less_at_no_worse_a_limit_is_less(
    terms: dict[str, Any], change: dict[str, str], is_less: bool
) -> None:
    old = order_spec(**terms)
    new = changed(old, asking(**change))
    assert shrinks(old, new) is is_less


@pytest.mark.parametrize(
    ("terms", "change", "field"),
    [
        ({}, {"stop_price": "1"}, "stop_price"),
        ({}, {"limit_price": "-1"}, "limit_price"),
        (
            {
                "order_type": OrderType.MARKET,
                "limit_price": None,
                "quantity": Decimal(0),
                "cash_amount": Decimal(100),
            },
            {"quantity": "5"},
            "quantity",
        ),
    ],
)
def test_a_term_that_the_order_has_not_is_named(
    terms: dict[str, Any], change: dict[str, str], field: str
) -> None:
    with pytest.raises(CommandError) as caught:
        changed(order_spec(**terms), asking(**change))
    assert caught.value.field == field
