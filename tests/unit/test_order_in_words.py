"""An order in words: one sentence that says all terms, as a person reads them before it is sent."""

from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.mcp.words import option_of, order_in_words
from core.terms import (
    AlgoPlan,
    OptionLeg,
    OptionRight,
    OrderType,
    SecurityType,
    Side,
    StopLoss,
    TakeProfit,
    TimeInForce,
)
from tests.support.gateway import NOW, order_spec

EXPIRY = date(2026, 12, 18)
OPTION = {
    "security": SecurityType.OPTION,
    "expiry": EXPIRY,
    "strike": Decimal("230.0"),
    "right": OptionRight.CALL,
}
SPREAD: dict[str, Any] = {
    "security": SecurityType.COMBINATION,
    "legs": tuple(
        OptionLeg(right=OptionRight.PUT, expiry=EXPIRY, strike=strike, side=side, ratio=ratio)
        for strike, side, ratio in (
            (Decimal(200), Side.BUY, 1),
            (Decimal(190), Side.SELL, 2),
        )
    ),
}
WORDS: list[tuple[dict[str, Any], str]] = [
    (
        {"side": Side.SELL, "order_type": OrderType.MARKET, "limit_price": None},
        "Sell 10 AAPL (US stock) at market, good for the day.",
    ),
    (
        {**OPTION, "time_in_force": TimeInForce.GOOD_TILL_CANCELLED},
        "Buy 10 AAPL 2026-12-18 230.0 call (US option) at limit 185.50 USD, good until cancelled.",
    ),
    (
        {"order_type": OrderType.STOP, "limit_price": None, "stop_price": Decimal(200)},
        "Buy 10 AAPL (US stock) at market once the price rises to 200 USD, good for the day.",
    ),
    (
        {"order_type": OrderType.STOP_LIMIT, "stop_price": Decimal(200)},
        "Buy 10 AAPL (US stock) at limit 185.50 USD once the price rises to 200 USD, "
        "good for the day.",
    ),
    (
        {
            "order_type": OrderType.TRAILING_STOP,
            "limit_price": None,
            "trailing_percent": Decimal("2.5"),
        },
        "Buy 10 AAPL (US stock) at market once the price rises by 2.5 % from its lowest, "
        "good for the day.",
    ),
    (
        {
            "order_type": OrderType.TRAILING_STOP,
            "limit_price": None,
            "trailing_amount": Decimal(3),
        },
        "Buy 10 AAPL (US stock) at market once the price rises by 3 USD from its lowest, "
        "good for the day.",
    ),
    (
        {"order_type": OrderType.ICEBERG, "display_quantity": Decimal(2)},
        "Buy 10 AAPL (US stock) at limit 185.50 USD, showing 2 at a time, good for the day.",
    ),
    (
        {
            "order_type": OrderType.MARKET,
            "limit_price": None,
            "quantity": Decimal(0),
            "cash_amount": Decimal(500),
        },
        "Buy 500 USD of AAPL (US stock) at market, good for the day.",
    ),
    (
        {
            "take_profit": TakeProfit(limit_price=Decimal(200)),
            "stop_loss": StopLoss(stop_price=Decimal(170), limit_price=Decimal(169)),
            "outside_regular_hours": True,
        },
        "Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day, also outside regular hours, "
        "take profit at 200 once filled, stop loss at 170 limit 169 once filled, both end at the "
        "day's close and work in regular hours only.",
    ),
    (
        {
            "stop_loss": StopLoss(trailing_percent=Decimal(5)),
            "time_in_force": TimeInForce.GOOD_TILL_CANCELLED,
        },
        "Buy 10 AAPL (US stock) at limit 185.50 USD, good until cancelled, stop loss trailing 5 % "
        "once filled, it lasts until cancelled and works in regular hours only.",
    ),
    (
        {
            "take_profit": TakeProfit(limit_price=Decimal(200)),
            "time_in_force": TimeInForce.GOOD_TILL_DATE,
            "good_till": NOW,
        },
        f"Buy 10 AAPL (US stock) at limit 185.50 USD, good until {NOW.isoformat()}, take profit at "
        "200 once filled, it ends at that moment too and works in regular hours only.",
    ),
    (
        {"or_stop": StopLoss(stop_price=Decimal(170))},
        "Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day, "
        "or else at market once the price rises to 170, and one cancels the other.",
    ),
    (
        {"or_stop": StopLoss(stop_price=Decimal(170)), "outside_regular_hours": True},
        "Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day, also outside regular hours, "
        "or else at market once the price rises to 170 in regular hours, and one cancels the "
        "other.",
    ),
    (
        {
            "order_type": OrderType.VWAP,
            "limit_price": None,
            "algo": AlgoPlan(participation_rate=Decimal("0.1")),
        },
        "Buy 10 AAPL (US stock) spread by volume (VWAP), good for the day, "
        "at most this share of the volume: 0.1.",
    ),
    (
        {**SPREAD, "multiplier": Decimal(100), "limit_price": Decimal("3.00")},
        "Buy 10 AAPL combination (it will buy 10 2026-12-18 200 put; sell 20 2026-12-18 190 put), "
        "pays at most 3.00 USD (3000 USD in all), good for the day.",
    ),
    (
        {**SPREAD, "multiplier": Decimal(100), "side": Side.SELL},
        "Sell 10 AAPL combination (it will sell 10 2026-12-18 200 put; buy 20 2026-12-18 190 put), "
        "receives at least 185.50 USD (185500 USD in all), good for the day.",
    ),
    (
        {**SPREAD, "limit_price": Decimal("-1.76")},
        "Buy 10 AAPL combination (it will buy 10 2026-12-18 200 put; sell 20 2026-12-18 190 put), "
        "receives at least 1.76 USD, good for the day.",
    ),
    (
        {**SPREAD, "side": Side.SELL, "limit_price": Decimal("-1.76")},
        "Sell 10 AAPL combination (it will sell 10 2026-12-18 200 put; buy 20 2026-12-18 190 put), "
        "pays at most 1.76 USD, good for the day.",
    ),
    (
        {**SPREAD, "order_type": OrderType.MARKET, "limit_price": None},
        "Buy 10 AAPL combination (it will buy 10 2026-12-18 200 put; sell 20 2026-12-18 190 put) "
        "at market, pays or receives what the market gives, good for the day.",
    ),
]


@pytest.mark.parametrize(("terms", "words"), WORDS)
def test_an_order_in_words_says_every_term(terms: dict[str, Any], words: str) -> None:
    assert order_in_words(order_spec(**terms)) == words


@pytest.mark.parametrize("order_type", list(OrderType))
def test_every_type_of_order_has_words(order_type: OrderType) -> None:
    # The terms need not fit the type: an order from elsewhere is told as it is.
    spec = order_spec()
    msgspec.structs.force_setattr(spec, "order_type", order_type)
    assert order_in_words(spec).startswith("Buy 10 AAPL (US stock) ")


def test_the_word_of_an_option_gives_back_its_parts() -> None:
    spec = order_spec(**OPTION)
    assert option_of(spec.contract) == ("2026-12-18", "230", OptionRight.CALL)
    assert option_of("AAPL") is None


def test_exits_of_what_was_sent_are_told_as_of_then() -> None:
    spec = order_spec(
        take_profit=TakeProfit(limit_price=Decimal(200)),
        stop_loss=StopLoss(stop_price=Decimal(170)),
    )
    assert order_in_words(spec, is_sent=True) == (
        "Buy 10 AAPL (US stock) at limit 185.50 USD, good for the day, sent with take profit at "
        "200 once filled, stop loss at 170 once filled."
    )
