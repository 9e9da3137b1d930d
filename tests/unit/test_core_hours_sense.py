"""Orders that ask for hours in which they cannot trade."""

from typing import Any

import pytest

from core.hours_sense import hours_warnings
from core.terms import OrderType, SecurityType, TradingSession
from tests.support.gateway import order_spec

MARKET: dict[str, Any] = {"order_type": OrderType.MARKET, "limit_price": None}
EXTENDED: dict[str, Any] = {"session": TradingSession.EXTENDED}
OUTSIDE: dict[str, Any] = {"outside_regular_hours": True}


@pytest.mark.parametrize(
    "terms",
    [
        {},
        MARKET,
        {"session": TradingSession.REGULAR, **MARKET},
        EXTENDED,
        OUTSIDE,
        {"security": SecurityType.FUTURE, **OUTSIDE, **MARKET},
    ],
)
def test_hours_that_fit_are_not_warned_of(terms: dict[str, Any]) -> None:
    assert hours_warnings(order_spec(**terms)) == {}


@pytest.mark.parametrize("hours", [EXTENDED, OUTSIDE])
def test_what_has_no_limit_waits_for_regular_hours(hours: dict[str, Any]) -> None:
    (text,) = hours_warnings(order_spec(**MARKET, **hours)).values()
    assert text.startswith("outside regular hours nothing trades without a limit, so this market")


@pytest.mark.parametrize("terms", [{"market": "HK"}, {"security": SecurityType.WARRANT}])
def test_other_hours_are_for_us_stocks_alone(terms: dict[str, Any]) -> None:
    (text,) = hours_warnings(order_spec(**terms, **OUTSIDE)).values()
    assert text == "it trades in regular hours only: other hours are for US stocks alone"
