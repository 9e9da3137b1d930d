"""How long the exits of an order stand: told before it is sent, for they guard what it fills."""

from decimal import Decimal
from typing import Any

import pytest

from core.exit_sense import exit_warnings
from core.terms import StopLoss, TakeProfit, TimeInForce, TradingSession
from tests.support.core_facts import NOW
from tests.support.gateway import order_spec

GTC: dict[str, Any] = {"time_in_force": TimeInForce.GOOD_TILL_CANCELLED}
GTD: dict[str, Any] = {"time_in_force": TimeInForce.GOOD_TILL_DATE, "good_till": NOW}
PROFIT: dict[str, Any] = {"take_profit": TakeProfit(limit_price=Decimal(250))}
LOSS: dict[str, Any] = {"stop_loss": StopLoss(trailing_percent=Decimal(5))}


@pytest.mark.parametrize("exits", [PROFIT, LOSS, {**PROFIT, **LOSS}], ids=str)
@pytest.mark.parametrize(
    ("terms", "warned"),
    [
        ({}, {"exits_end": "at the day's close"}),
        (GTD, {"exits_end": "with good_till"}),
        (GTC, {}),
        ({**GTC, "session": TradingSession.REGULAR}, {}),
        ({**GTC, "session": TradingSession.EXTENDED}, {"exits_hours": ""}),
        ({**GTC, "session": TradingSession.OVERNIGHT}, {"exits_hours": ""}),
        ({**GTC, "outside_regular_hours": True}, {"exits_hours": ""}),
        ({"outside_regular_hours": True}, {"exits_end": "day's close", "exits_hours": ""}),
    ],
    ids=str,
)
def test_it_is_told_when_what_has_filled_stands_without_its_exits(
    exits: dict[str, Any], terms: dict[str, Any], warned: dict[str, str]
) -> None:
    found = exit_warnings(order_spec(**exits, **terms))
    assert found.keys() == warned.keys()
    assert all(words in found[name] for name, words in warned.items())


@pytest.mark.parametrize("parts", [{}, {"or_stop": StopLoss(stop_price=Decimal(170))}], ids=str)
def test_an_order_that_nothing_hangs_on_has_nothing_to_be_told(parts: dict[str, Any]) -> None:
    assert exit_warnings(order_spec(**parts, outside_regular_hours=True)) == {}
