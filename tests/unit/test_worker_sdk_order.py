"""What goes to the broker for each type and class, and how its rows read back as the same terms."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

import pytest
from msgspec.structs import replace
from tigeropen.trade.domain.order import Order as SdkOrder
from tigeropen.trade.request.model import PlaceModifyOrderParams

from adapters.tiger_worker import rows
from adapters.tiger_worker.sdk_order import (
    sdk_change_of,
    sdk_order_of,
    sdk_preview_of,
    whole_and_scale,
)
from core.errors import CorruptRecordError
from core.readings import SeenPhase
from core.terms import (
    AlgoPlan,
    OptionLeg,
    OptionRight,
    OrderSpec,
    OrderType,
    SecurityType,
    Side,
    StopLoss,
    TakeProfit,
    TimeInForce,
    TradingSession,
)
from tests.support import core_facts as facts
from tests.support.scripted_broker import NUMBER, order_row

EXPIRY: Final = date(2026, 12, 18)
LIMIT: Final = facts.spec(quantity="10")
MARKET: Final = facts.spec(quantity="10", limit_price=None)
COMBINATION: Final = replace(
    LIMIT,
    security=SecurityType.COMBINATION,
    multiplier=Decimal(100),
    legs=tuple(
        OptionLeg(right=OptionRight.CALL, expiry=EXPIRY, strike=Decimal(strike), side=side, ratio=1)
        for strike, side in (("230", Side.BUY), ("232.5", Side.SELL))
    ),
)
OPTION: Final = replace(
    LIMIT,
    security=SecurityType.OPTION,
    expiry=EXPIRY,
    strike=Decimal("232.5"),
    right=OptionRight.PUT,
    multiplier=Decimal(100),
)


def wire(order: SdkOrder) -> dict[str, Any]:
    """Return what the SDK's own client makes of an order to place it.

    Source: tigeropen 3.8.0, `trade/trade_client.py`, `place_order`.
    """
    asked = PlaceModifyOrderParams()
    for name in vars(asked):
        public = name.removeprefix("_")
        if hasattr(order, public):
            setattr(asked, public, getattr(order, public))
    return dict(asked.to_openapi_dict())


def sent(spec: OrderSpec) -> dict[str, Any]:
    return wire(sdk_order_of(spec, number=NUMBER, order_number="901", mark="led1.ord-1"))


def test_every_order_bears_account_number_and_mark_and_says_its_hours() -> None:
    fields = sent(LIMIT)
    assert (fields["account"], fields["order_id"], fields["user_mark"]) == (
        NUMBER,
        901,
        "led1.ord-1",
    )
    # What is left out the broker takes for true.
    assert fields["outside_rth"] is False


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (MARKET, {"order_type": "MKT", "total_quantity": 10, "action": "BUY"}),
        (LIMIT, {"order_type": "LMT", "limit_price": 10.5, "time_in_force": "DAY"}),
        (
            replace(MARKET, order_type=OrderType.STOP, stop_price=Decimal(11)),
            {"order_type": "STP", "aux_price": 11.0},
        ),
        (
            replace(LIMIT, order_type=OrderType.STOP_LIMIT, stop_price=Decimal(11)),
            {"order_type": "STP_LMT", "aux_price": 11.0, "limit_price": 10.5},
        ),
        (
            replace(MARKET, order_type=OrderType.TRAILING_STOP, trailing_amount=Decimal("0.5")),
            {"order_type": "TRAIL", "aux_price": 0.5},
        ),
        (
            replace(MARKET, order_type=OrderType.TRAILING_STOP, trailing_percent=Decimal(5)),
            {"order_type": "TRAIL", "trailing_percent": 5.0},
        ),
        (replace(MARKET, order_type=OrderType.AUCTION), {"order_type": "AM"}),
        (replace(LIMIT, order_type=OrderType.AUCTION_LIMIT), {"order_type": "AL"}),
        (
            replace(LIMIT, order_type=OrderType.ICEBERG, display_quantity=Decimal(2)),
            {"order_type": "ICEBERG", "display_size": 2},
        ),
        (
            replace(MARKET, quantity=Decimal(0), cash_amount=Decimal("250.5")),
            {"order_type": "MKT", "cash_amount": 250.5},
        ),
        (replace(MARKET, quantity=Decimal("1.11")), {"total_quantity": 111}),
        (replace(MARKET, quantity=Decimal("1.11")), {"total_quantity_scale": 2}),
        (
            replace(LIMIT, time_in_force=TimeInForce.GOOD_TILL_DATE, good_till=facts.NOW),
            {"time_in_force": "GTD", "expire_time": int(facts.NOW.timestamp() * 1000)},
        ),
        (
            replace(LIMIT, session=TradingSession.OVERNIGHT, outside_regular_hours=True),
            {"trading_session_type": "OVERNIGHT", "outside_rth": True},
        ),
        (
            OPTION,
            {
                "symbol": "AAPL",
                "sec_type": "OPT",
                "expiry": "20261218",
                "strike": 232.5,
                "right": "PUT",
                "multiplier": 100.0,
            },
        ),
        (
            replace(
                LIMIT,
                take_profit=TakeProfit(limit_price=Decimal(12)),
                stop_loss=StopLoss(stop_price=Decimal(9), limit_price=Decimal("8.9")),
            ),
            {
                "order_type": "LMT",
                "attach_type": "BRACKETS",
                "profit_taker_price": 12.0,
                "stop_loss_price": 9.0,
                "stop_loss_limit_price": 8.9,
            },
        ),
        (
            replace(LIMIT, stop_loss=StopLoss(trailing_percent=Decimal(5))),
            {"attach_type": "LOSS", "stop_loss_trailing_percent": 5.0},
        ),
        (
            replace(LIMIT, take_profit=TakeProfit(limit_price=Decimal(12))),
            {"attach_type": "PROFIT", "profit_taker_price": 12.0, "profit_taker_tif": "DAY"},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_terms_in_the_brokers_words(spec: OrderSpec, fields: dict[str, Any]) -> None:
    found = sent(spec)
    assert {name: found.get(name) for name in fields} == fields


def test_order_by_amount_says_no_quantity() -> None:
    by_amount = replace(MARKET, quantity=Decimal(0), cash_amount=Decimal(250))
    assert "total_quantity" not in sent(by_amount)


@pytest.mark.parametrize("order_type", [OrderType.TWAP, OrderType.VWAP])
def test_plan_of_an_algo_goes_as_its_tags(order_type: OrderType) -> None:
    plan = AlgoPlan(start_at=facts.NOW, participation_rate=Decimal("0.1"))
    told = sent(replace(MARKET, order_type=order_type, algo=plan))["algo_params"]
    values = {entry["tag"]: entry["value"] for entry in told}
    assert values["start_time"] == int(facts.NOW.timestamp() * 1000)
    assert values["participation_rate"] == 0.1
    assert sent(replace(MARKET, order_type=order_type))["order_type"] == order_type.upper()


def test_group_of_two_names_both_orders_and_no_third() -> None:
    found = sent(replace(LIMIT, side=Side.SELL, or_stop=StopLoss(stop_price=Decimal(9))))
    assert "order_type" not in found
    assert "total_quantity" not in found
    first, second = found["oca_orders"]
    assert (first["order_type"], first["limit_price"], first["total_quantity"]) == ("LMT", 10.5, 10)
    assert (second["order_type"], second["aux_price"], second["total_quantity"]) == ("STP", 9.0, 10)
    assert {first["action"], second["action"]} == {"SELL"}
    assert (found["order_id"], found["user_mark"]) == (901, "led1.ord-1")


def test_combination_names_its_legs_and_no_contract_of_its_own() -> None:
    found = sent(COMBINATION)
    assert (found["sec_type"], found["combo_type"]) == ("MLEG", "CUSTOM")
    assert "symbol" not in found
    legs = [(leg["strike"], leg["action"], leg["ratio"]) for leg in found["contract_legs"]]
    assert sorted(legs) == [(230.0, "BUY", 1), (232.5, "SELL", 1)]


@pytest.mark.parametrize(
    "part",
    [
        {"or_stop": StopLoss(stop_price=Decimal(9))},
        {"take_profit": TakeProfit(limit_price=Decimal(12))},
        {"stop_loss": StopLoss(stop_price=Decimal(9))},
    ],
    ids=str,
)
def test_change_of_an_order_asks_for_no_new_parts_of_it(part: dict[str, Any]) -> None:
    change = sdk_change_of(replace(LIMIT, **part), number=NUMBER, order_number="901")
    found = wire(change)
    assert (found["order_type"], found["total_quantity"], found["limit_price"]) == ("LMT", 10, 10.5)
    assert not {"oca_orders", "attach_type", "user_mark"} & set(found)


def test_preview_is_of_what_the_previews_fields_have_room_for() -> None:
    iceberg = replace(LIMIT, order_type=OrderType.ICEBERG, display_quantity=Decimal(2))
    pair = replace(LIMIT, or_stop=StopLoss(stop_price=Decimal(9)))
    bracket = replace(LIMIT, take_profit=TakeProfit(limit_price=Decimal(12)))
    for spec in (iceberg, pair, bracket, LIMIT):
        found = wire(sdk_preview_of(spec, number=NUMBER))
        assert (found["order_type"], found["total_quantity"], found["limit_price"]) == (
            "LMT",
            10,
            10.5,
        )
        assert not {"order_id", "user_mark", "oca_orders"} & set(found)


@pytest.mark.parametrize(
    ("quantity", "whole", "scale"),
    [("100", 100, 0), ("1.10", 11, 1), ("0.000001", 1, 6), ("1E+2", 100, 0), ("12.345", 12345, 3)],
)
def test_quantity_goes_as_an_integer_and_a_scale(quantity: str, whole: int, scale: int) -> None:
    assert whole_and_scale(Decimal(quantity)) == (whole, scale)


# --- rows ----------------------------------------------------------------------------------


def listed(**fields: object) -> OrderSpec | None:
    plain = {"secType": "STK", "timeInForce": "DAY", "totalQuantity": 10}
    return rows.order_of(order_row(**(plain | fields)), ()).spec


LEG_ROWS: Final = [
    {"right": "CALL", "expiry": "20261218", "strike": strike, "action": side, "ratio": 1}
    for strike, side in (("232.5", "SELL"), ("230", "BUY"))
]


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (MARKET, {"orderType": "MKT", "limitPrice": 0}),
        (LIMIT, {"orderType": "LMT"}),
        (
            replace(MARKET, order_type=OrderType.STOP, stop_price=Decimal(11)),
            {"orderType": "STP", "auxPrice": 11.0},
        ),
        (
            replace(LIMIT, order_type=OrderType.STOP_LIMIT, stop_price=Decimal(11)),
            {"orderType": "STP_LMT", "auxPrice": 11.0},
        ),
        (
            replace(MARKET, order_type=OrderType.TRAILING_STOP, trailing_percent=Decimal(5)),
            {"orderType": "TRAIL", "trailingPercent": 5.0, "auxPrice": 0.52, "limitPrice": 9.9},
        ),
        (
            replace(MARKET, order_type=OrderType.TRAILING_STOP, trailing_amount=Decimal("0.5")),
            {"orderType": "TRAIL", "auxPrice": 0.5},
        ),
        (
            replace(LIMIT, order_type=OrderType.ICEBERG, display_quantity=Decimal(2)),
            {"orderType": "ICEBERG", "display_size": 2.0},
        ),
        (
            replace(MARKET, quantity=Decimal(0), cash_amount=Decimal("250.5")),
            {"orderType": "MKT", "totalCashAmount": 250.5, "totalQuantity": 3},
        ),
        (
            OPTION,
            {
                "secType": "OPT",
                "expiry": "20261218",
                "strike": "232.5",
                "right": "PUT",
                "multiplier": 100.0,
            },
        ),
        (COMBINATION, {"secType": "MLEG", "legs": LEG_ROWS}),
        (
            replace(LIMIT, time_in_force=TimeInForce.GOOD_TILL_DATE, good_till=facts.NOW),
            {"timeInForce": "GTD", "expireTime": int(facts.NOW.timestamp() * 1000)},
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_row_reads_as_the_terms_that_were_sent(spec: OrderSpec, fields: dict[str, Any]) -> None:
    found = listed(**fields)
    assert found is not None
    assert found.contract == spec.contract
    assert set(found.legs) == set(spec.legs)
    assert replace(found, legs=spec.legs) == spec


@pytest.mark.parametrize(
    ("fields", "order_type"),
    [
        ({"orderType": "REL"}, OrderType.MARKET),
        ({"orderType": "STP", "auxPrice": None}, OrderType.MARKET),
        ({"orderType": "STP_LMT", "auxPrice": 0}, OrderType.MARKET),
        ({"orderType": "LMT", "limitPrice": 0}, OrderType.MARKET),
        ({"timeInForce": "IOC"}, OrderType.LIMIT),
        ({"timeInForce": "GTD", "expireTime": None}, OrderType.LIMIT),
        ({"timeInForce": "GTD", "expireTime": 0}, OrderType.LIMIT),
    ],
    ids=str,
)
def test_row_without_words_for_some_of_it_keeps_its_contract_and_size(
    fields: dict[str, Any], order_type: OrderType
) -> None:
    option = {"secType": "OPT", "expiry": "20261218", "strike": "230", "right": "CALL"}
    found = listed(**option, **fields)
    assert found is not None
    assert (found.order_type, found.contract, found.quantity) == (
        order_type,
        "AAPL261218C230",
        Decimal(10),
    )


def test_covered_call_from_elsewhere_is_read_with_the_stock_as_a_leg() -> None:
    stock = {"secType": "STK", "action": "BUY", "ratio": 100}
    found = listed(secType="MLEG", legs=[stock, LEG_ROWS[0]])
    assert found is not None
    assert found.contracts == ("AAPL", "AAPL261218C232.5")


def test_class_of_security_without_a_word_stops_no_round() -> None:
    seen = rows.order_of(order_row(secType="CASH"), ())
    assert (seen.spec, seen.phase) == (None, SeenPhase.LIVE)


OPTION_ROW: Final = {"secType": "OPT", "expiry": "20261218", "strike": "230", "right": "CALL"}


@pytest.mark.parametrize(
    "fields",
    [
        {"secType": "MLEG", "legs": [LEG_ROWS[0], {"right": "CALL", "action": "BUY"}]},
        {"secType": "MLEG", "legs": [LEG_ROWS[0], {**LEG_ROWS[1], "right": "C"}]},
        {"secType": "MLEG", "legs": [LEG_ROWS[0], {**LEG_ROWS[1], "right": None}]},
        {"secType": "MLEG", "legs": [LEG_ROWS[0], {**LEG_ROWS[1], "action": "SELL_SHORT"}]},
        {"secType": "MLEG", "legs": LEG_ROWS[:1]},
        {"secType": "MLEG", "legs": None},
        {**OPTION_ROW, "expiry": "soon"},
        {**OPTION_ROW, "expiry": "2026/12/18"},
        {**OPTION_ROW, "strike": None},
        {**OPTION_ROW, "right": "C"},
        {**OPTION_ROW, "right": None},
        {"secType": None},
        {"secType": "", **{name: OPTION_ROW[name] for name in ("expiry", "strike", "right")}},
        {"secType": "FUT", "symbol": "ES", "identifier": None},
        {"market": ""},
    ],
    ids=str,
)
def test_row_that_does_not_say_which_contract_is_no_order_of_another(
    fields: dict[str, Any],
) -> None:
    with pytest.raises(CorruptRecordError):
        rows.order_of(order_row(**fields), ())


@pytest.mark.parametrize(
    "fields",
    [
        *(
            {**OPTION_ROW, name: odd}
            for name in ("expiry", "strike", "right")
            for odd in (None, "x")
        ),
        {"secType": None},
        {"secType": "FOP"},
        {"secType": "FUT", "symbol": "ES"},
        {"market": None},
    ],
    ids=str,
)
def test_position_that_does_not_say_which_contract_is_none_of_another(
    fields: dict[str, Any],
) -> None:
    held = {"symbol": "AAPL", "secType": "STK", "market": "US", "currency": "USD", "positionQty": 1}
    assert rows.position_of({**held, **OPTION_ROW}).contract == "AAPL261218C230"
    with pytest.raises(CorruptRecordError):
        rows.position_of({**held, **fields})


@pytest.mark.parametrize(
    "odd",
    [
        {"commission": "--"},
        {"gst": "n/a", "commission": 1.0},
        {"avgFillPrice": "n/a"},
        {"orderType": "MKT", "limitPrice": "--", "auxPrice": "--"},
        {"timeInForce": "GTD", "expireTime": "--"},
        {"expiry": "--"},
    ],
    ids=str,
)
def test_figure_that_decides_nothing_keeps_no_order_from_being_read(odd: dict[str, Any]) -> None:
    seen = rows.order_of(order_row(status="Cancelled", **odd), ())
    assert (seen.phase, seen.charges, seen.average_price) == (SeenPhase.CANCELLED, None, None)


def test_warrant_is_one_contract_in_orders_executions_and_positions() -> None:
    terms = {
        "secType": "WAR",
        "symbol": "13570",
        "expiry": "20261218",
        "strike": "20",
        "right": "CALL",
    }
    spec = listed(**terms)
    assert spec is not None
    assert spec.contract == rows.contract_in(order_row(**terms)) == "13570"
    held = rows.position_of(
        {**terms, "market": "HK", "currency": "HKD", "positionQty": 1, "averageCost": 0.2}
    )
    assert held.key == "13570@HK"


def test_stock_of_which_parts_trade_has_the_finest_lot_and_no_other() -> None:
    row = {"symbol": "AAPL", "market": "US", "currency": "USD", "tradeable": True, "lotSize": 1.0}
    assert rows.contract_of(row).lot_size == 1
    assert rows.contract_of(row | {"supportFractionalShare": True}).lot_size == Decimal("0.000001")
    lot = row | {"supportFractionalShare": True, "lotSize": 100.0}
    assert rows.contract_of(lot).lot_size == 100


def test_two_months_of_one_future_are_two_contracts() -> None:
    keys = {
        rows.position_of(
            {
                "symbol": "ES",
                "identifier": code,
                "secType": "FUT",
                "market": "US",
                "currency": "USD",
                "positionQty": 1,
                "averageCost": 6600.0,
            }
        ).key
        for code in ("ES2612", "ES2703")
    }
    assert keys == {"ES2612@US", "ES2703@US"}
    spec = listed(secType="FUT", symbol="ES", identifier="ES2612", multiplier=50.0)
    assert spec is not None
    assert (spec.symbol, spec.contract, spec.unit) == ("ES2612", "ES2612", Decimal(50))


@pytest.mark.parametrize(
    ("remark", "phase"),
    [
        ("", SeenPhase.EXPIRED),
        ("The order has expired", SeenPhase.EXPIRED),
        ("订单已过期", SeenPhase.EXPIRED),
        ("Insufficient buying power", SeenPhase.REJECTED),
    ],
)
def test_inactive_order_is_expired_unless_its_remark_says_otherwise(
    remark: str, phase: SeenPhase
) -> None:
    assert rows.order_of(order_row(status="Inactive", remark=remark), ()).phase is phase
