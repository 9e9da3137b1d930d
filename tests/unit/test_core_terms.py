"""Terms: what no order can have is refused by its field, and a plain order's bytes never change."""

from datetime import date
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from core import events, items
from core.commands import AlgoAsked, LegAsked, PreviewOrder, StopAsked
from core.errors import CommandError
from core.previewing import spec_of
from core.readings import SeenPhase
from core.refusals import Refusal
from core.submitting import is_reducing
from core.terms import (
    OptionLeg,
    OptionRight,
    OrderSpec,
    OrderType,
    SecurityType,
    Side,
    StopLoss,
    TakeProfit,
    TermsError,
    TimeInForce,
    TradingSession,
    contract_word,
    symbol_of,
)
from tests.support import core_facts as facts
from tests.support import core_items

EXPIRY: Final = date(2026, 12, 18)
OPTION: Final[dict[str, Any]] = {
    "security": SecurityType.OPTION,
    "expiry": EXPIRY,
    "strike": "230",
    "right": OptionRight.CALL,
}
LEGS: Final = tuple(
    LegAsked(right=OptionRight.CALL, expiry=EXPIRY, strike=strike, side=side)
    for strike, side in (("230", Side.BUY), ("240", Side.SELL))
)
MARKET: Final[dict[str, Any]] = {"order_type": OrderType.MARKET, "limit_price": None}


def asked(**more: Any) -> PreviewOrder:
    """Return a wish to buy 10 AAPL at 10.50, with `more` in place of some of it."""
    plain: dict[str, Any] = {
        "symbol": "AAPL",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": "10",
        "limit_price": "10.50",
        "time_in_force": TimeInForce.DAY,
        "outside_regular_hours": False,
        "reason": "because",
    }
    return PreviewOrder(**(plain | more))


def option_contract() -> items.ContractFacts:
    return replace(
        core_items.contract(),
        security=SecurityType.OPTION,
        expiry=EXPIRY,
        strike=Decimal(230),
        right=OptionRight.CALL,
        multiplier=Decimal(100),
    )


FIELDS: Final[list[tuple[dict[str, Any], str]]] = [
    ({"quantity": None}, "quantity"),
    ({"cash_amount": "100"}, "quantity"),
    ({"quantity": "0"}, "quantity"),
    ({"quantity": "-1"}, "quantity"),
    ({"quantity": "1e3"}, "quantity"),
    ({"limit_price": None}, "limit_price"),
    ({"limit_price": "0"}, "limit_price"),
    ({"order_type": OrderType.MARKET}, "limit_price"),
    ({"stop_price": "9"}, "stop_price"),
    ({"order_type": OrderType.STOP, "limit_price": None}, "stop_price"),
    ({"order_type": OrderType.STOP_LIMIT}, "stop_price"),
    ({"order_type": OrderType.TRAILING_STOP, "limit_price": None}, "trailing_percent"),
    (
        {
            "order_type": OrderType.TRAILING_STOP,
            "limit_price": None,
            "trailing_amount": "1",
            "trailing_percent": "1",
        },
        "trailing_percent",
    ),
    ({"trailing_percent": "1"}, "trailing_percent"),
    ({"time_in_force": TimeInForce.GOOD_TILL_DATE}, "good_till"),
    ({"good_till": facts.at(9999)}, "good_till"),
    ({"algo": AlgoAsked()}, "algo"),
    ({"order_type": OrderType.ICEBERG}, "display_quantity"),
    ({"display_quantity": "5"}, "display_quantity"),
    ({"order_type": OrderType.ICEBERG, "display_quantity": "11"}, "display_quantity"),
    ({"order_type": OrderType.ICEBERG, "display_quantity": "2.5"}, "display_quantity"),
    ({**MARKET, "take_profit_price": "12"}, "order_type"),
    ({"take_profit_price": "0"}, "take_profit_price"),
    ({"stop_loss": StopAsked()}, "stop_price"),
    ({"stop_loss": StopAsked(stop_price="9", trailing_percent="5")}, "stop_price"),
    ({"stop_loss": StopAsked(trailing_percent="5", limit_price="8")}, "limit_price"),
    ({"stop_loss": StopAsked(stop_price="x")}, "stop_loss.stop_price"),
    ({"or_stop": StopAsked(trailing_percent="5")}, "or_stop"),
    ({"or_stop": StopAsked(stop_price="9"), "take_profit_price": "12"}, "or_stop"),
    ({"or_stop": StopAsked(stop_price="9"), "quantity": "2.5"}, "quantity"),
    ({"legs": LEGS}, "legs"),
    ({"security": SecurityType.COMBINATION}, "legs"),
    ({"security": SecurityType.COMBINATION, "legs": LEGS[:1]}, "legs"),
    ({"security": SecurityType.COMBINATION, "legs": LEGS, "quantity": "1.5"}, "quantity"),
    ({"security": SecurityType.COMBINATION, "legs": LEGS, "limit_price": "-1.76"}, "limit_price"),
    ({"session": TradingSession.REGULAR, "outside_regular_hours": True}, "session"),
]


@pytest.mark.parametrize(("more", "field"), FIELDS, ids=str)
def test_terms_that_no_order_can_have_name_the_field_to_mend(
    more: dict[str, Any], field: str
) -> None:
    with pytest.raises(CommandError) as refused:
        spec_of(asked(**more), core_items.contract())
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("side", "hint"),
    [
        (Side.BUY, "to receive a credit of at least that much, turn both: side sell"),
        (Side.SELL, "to pay a debit of at most that much, turn both: side buy"),
    ],
)
def test_a_price_below_0_of_a_combination_says_how_it_is_asked_for(side: Side, hint: str) -> None:
    terms = asked(security=SecurityType.COMBINATION, legs=LEGS, limit_price="-1.76", side=side)
    with pytest.raises(CommandError, match=hint):
        spec_of(terms, core_items.contract())


@pytest.mark.parametrize(("more", "field"), FIELDS, ids=str)
def test_preview_of_such_terms_is_refused_and_says_the_field(
    more: dict[str, Any], field: str
) -> None:
    item = core_items.command(asked(**more), "cmd-preview")
    answer = items.PreviewAnswered(
        item=item, contract=core_items.contract(), quote=core_items.quote(), estimate=None
    )
    refused = facts.TestDesk(*facts.ready()).when(answer)
    assert isinstance(refused, events.OrderRefused)
    assert refused.code is Refusal.INVALID_TERMS
    assert field.split(".")[-1] in refused.detail


@pytest.mark.parametrize(
    "more",
    [
        MARKET,
        {**MARKET, "quantity": None, "cash_amount": "250.5"},
        {**MARKET, "order_type": OrderType.STOP, "stop_price": "11"},
        {"order_type": OrderType.STOP_LIMIT, "stop_price": "11"},
        {**MARKET, "order_type": OrderType.TRAILING_STOP, "trailing_percent": "5"},
        {**MARKET, "order_type": OrderType.TRAILING_STOP, "trailing_amount": "0.5"},
        {**MARKET, "order_type": OrderType.AUCTION, "time_in_force": TimeInForce.OPENING_AUCTION},
        {"order_type": OrderType.AUCTION_LIMIT},
        {"order_type": OrderType.TWAP, "algo": AlgoAsked(end_at=facts.at(900))},
        {**MARKET, "order_type": OrderType.VWAP, "algo": AlgoAsked(participation_rate="0.1")},
        {"order_type": OrderType.ICEBERG, "display_quantity": "2"},
        {"time_in_force": TimeInForce.GOOD_TILL_DATE, "good_till": facts.at(9999)},
        {"take_profit_price": "12", "stop_loss": StopAsked(stop_price="9", limit_price="8.9")},
        {"stop_loss": StopAsked(trailing_percent="5")},
        {"or_stop": StopAsked(stop_price="11")},
        {"security": SecurityType.COMBINATION, "legs": LEGS},
        {"quantity": "0.25"},
        {"session": TradingSession.REGULAR},
        {"session": TradingSession.EXTENDED, "outside_regular_hours": True},
        {"session": TradingSession.OVERNIGHT, "outside_regular_hours": True},
        {"session": TradingSession.FULL},
    ],
    ids=str,
)
def test_every_type_and_class_becomes_terms_whose_stored_form_reads_back(
    more: dict[str, Any],
) -> None:
    spec = spec_of(asked(**more), core_items.contract())
    stored = msgspec.json.encode(spec)
    assert msgspec.json.decode(stored, type=OrderSpec) == spec
    assert spec.digest("sandbox") != facts.spec().digest("sandbox")


def test_option_takes_its_terms_from_the_broker_and_its_worth_by_the_multiplier() -> None:
    spec = spec_of(asked(**OPTION), option_contract())
    assert (spec.contract, spec.unit) == ("AAPL261218C230", Decimal(100))


def test_warrant_is_named_by_its_symbol_alone_though_it_has_a_strike() -> None:
    contract = replace(option_contract(), security=SecurityType.WARRANT)
    spec = spec_of(asked(security=SecurityType.WARRANT), contract)
    assert (spec.contract, spec.strike, spec.right) == ("AAPL", None, None)


def test_plain_order_has_the_bytes_and_the_digest_that_it_always_had() -> None:
    spec = spec_of(asked(), core_items.contract())
    assert msgspec.json.encode(spec) == (
        b'{"symbol":"AAPL","market":"US","currency":"USD","side":"buy","order_type":"limit",'
        b'"quantity":"10","limit_price":"10.50","time_in_force":"day",'
        b'"outside_regular_hours":false}'
    )
    assert spec.digest("sandbox") == (
        "32baaf6798bf657ff043c3967ed1657002e975b64bad2da246840ca7d3c68eca"
    )


# --- a contract as one word ----------------------------------------------------------------


@given(
    st.sampled_from(["AAPL", "00700", "BRK.B", "ES2612", "C"]),
    st.dates(date(2026, 1, 1), date(2099, 12, 31)),
    st.sampled_from(list(OptionRight)),
    st.decimals("0.005", "99999", places=3),
)
def test_symbol_of_an_options_word_is_its_underlyings(
    symbol: str, expiry: date, right: OptionRight, strike: Decimal
) -> None:
    word = contract_word(symbol, expiry, right, strike)
    assert symbol_of(word) == symbol
    assert word == contract_word(symbol, expiry, right, strike.normalize())
    assert symbol_of(symbol) == symbol


def test_legs_of_a_combination_may_be_listed_in_any_order() -> None:
    spec = spec_of(asked(security=SecurityType.COMBINATION, legs=LEGS), core_items.contract())
    assert replace(spec, legs=spec.legs[::-1]).contract == spec.contract
    assert spec.contracts == ("AAPL261218C230", "AAPL261218C240")


def test_leg_of_the_underlying_itself_has_no_strike_and_half_an_option_is_none() -> None:
    stock = OptionLeg(right=None, expiry=None, strike=None, side=Side.BUY, ratio=100)
    assert stock.contract("AAPL") == "AAPL"
    with pytest.raises(TermsError):
        OptionLeg(right=OptionRight.PUT, expiry=None, strike=None, side=Side.BUY, ratio=1)


# --- what reduces --------------------------------------------------------------------------

SALE: Final = facts.spec(side=Side.SELL, quantity="10")


def holding(quantity: str, *more: events.Event) -> facts.TestDesk:
    return facts.TestDesk(*facts.ready(facts.positions(facts.figure(quantity=quantity)), *more))


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("quantity", ["-10", "0", "10"])
def test_order_by_amount_reduces_nothing_for_certain(side: Side, quantity: str) -> None:
    amount = replace(
        facts.spec(side=side, limit_price=None), quantity=Decimal(0), cash_amount=Decimal(5)
    )
    assert not is_reducing(holding(quantity).state, amount)


@pytest.mark.parametrize(
    "part",
    [
        {"take_profit": TakeProfit(limit_price=Decimal(9))},
        {"stop_loss": StopLoss(stop_price=Decimal(12))},
        {"or_stop": StopLoss(stop_price=Decimal(9))},
    ],
    ids=str,
)
def test_order_of_which_more_orders_are_made_reduces_nothing_for_certain(
    part: dict[str, Any],
) -> None:
    assert is_reducing(holding("10").state, SALE)
    assert not is_reducing(holding("10").state, replace(SALE, **part))


BRACKET: Final = replace(
    facts.spec(quantity="10"),
    take_profit=TakeProfit(limit_price=Decimal(12)),
    stop_loss=StopLoss(stop_price=Decimal(9)),
)


def bracket_leg(tiger: str, *, quantity: str = "10", phase: SeenPhase = SeenPhase.LIVE) -> Any:
    leg = core_items.seen(
        phase, tiger=tiger, number=f"95{tiger}", side=Side.SELL, quantity=quantity
    )
    terms = facts.spec(side=Side.SELL, quantity=quantity)
    return replace(leg, parent_tiger_id="t-1", spec=terms)


def bracket_desk(held: str) -> facts.TestDesk:
    return holding(
        held,
        facts.previewed("1", BRACKET),
        facts.started(terms=BRACKET),
        facts.accepted(),
        facts.working(),
    )


def test_legs_of_a_bracket_freeze_nothing_and_are_tied_to_their_parent() -> None:
    desk = bracket_desk("0")
    for tiger in ("7", "8"):
        observed, working = desk.settle(bracket_leg(tiger))
        assert isinstance(observed, events.OrderExternalObserved)
        assert observed.parent_order_id == facts.order_id_of()
        assert isinstance(working, events.OrderWorking)
    assert (desk.state.frozen_cause, desk.state.frozen_symbols) == ("", frozenset())


def test_sale_beside_the_open_legs_of_a_bracket_is_not_counted_as_reducing() -> None:
    desk = bracket_desk("0")
    fill = core_items.execution("e1", "10")
    desk.settle(
        replace(
            core_items.listed(BRACKET, SeenPhase.FILLED),
            executions=(fill,),
            filled_quantity=Decimal(10),
        )
    )
    desk.store(facts.positions(facts.figure(quantity="10")))
    for tiger in ("7", "8"):
        desk.settle(bracket_leg(tiger))
    assert not is_reducing(desk.state, replace(SALE, quantity=Decimal(1)))
    for tiger in ("7", "8"):
        desk.settle(bracket_leg(tiger, phase=SeenPhase.CANCELLED))
    # The way out: with its legs cancelled the whole position can be sold.
    assert is_reducing(desk.state, SALE)


def test_legs_of_a_parent_that_is_done_count_before_a_listing_shows_them() -> None:
    desk = bracket_desk("0")
    fill = core_items.execution("e1", "10")
    desk.settle(
        replace(
            core_items.listed(BRACKET, SeenPhase.FILLED),
            executions=(fill,),
            filled_quantity=Decimal(10),
        )
    )
    desk.store(facts.positions(facts.figure(quantity="10")))
    assert not is_reducing(desk.state, SALE)


def test_legs_that_no_listing_has_shown_yet_count_at_their_worst() -> None:
    desk = bracket_desk("100")
    assert not is_reducing(desk.state, SALE)
    for tiger in ("7", "8"):
        desk.settle(bracket_leg(tiger))
    # 100 are held and both legs may sell 10: the rest can be sold.
    assert is_reducing(desk.state, replace(SALE, quantity=Decimal(80)))
    assert not is_reducing(desk.state, replace(SALE, quantity=Decimal(81)))


def test_sibling_that_cancels_our_order_bears_its_mark_and_freezes_nothing() -> None:
    terms = replace(SALE, or_stop=StopLoss(stop_price=Decimal(9)))
    desk = holding("10", facts.previewed("1", terms), facts.started(terms=terms), facts.accepted())
    sibling = core_items.seen(
        tiger="t-2",
        number="950",
        side=Side.SELL,
        quantity="10",
        order_type=OrderType.STOP,
        limit_price=None,
    )
    observed, working = desk.settle(sibling)
    assert isinstance(observed, events.OrderExternalObserved)
    assert observed.parent_order_id == facts.order_id_of()
    assert isinstance(working, events.OrderWorking)
    assert desk.state.frozen_cause == ""
    assert not is_reducing(desk.state, replace(SALE, quantity=Decimal(1)))


def test_combination_stands_in_the_way_of_the_contracts_of_its_legs_alone() -> None:
    spread = spec_of(asked(security=SecurityType.COMBINATION, legs=LEGS), core_items.contract())
    call = spec_of(asked(**OPTION, side=Side.SELL, quantity="1"), option_contract())
    option = replace(facts.figure(quantity="5"), contract=call.contract)
    stock = facts.figure(quantity="10")
    desk = facts.TestDesk(*facts.ready(facts.positions(stock, option)))
    assert is_reducing(desk.state, SALE)
    assert is_reducing(desk.state, call)
    desk.store(facts.previewed("1", spread))
    desk.store(facts.started(terms=spread))
    assert is_reducing(desk.state, SALE)
    assert not is_reducing(desk.state, call)
    assert not is_reducing(desk.state, spread)
