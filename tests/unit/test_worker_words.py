"""Tiger's words, figures and rows in ours; what cannot be read is said so, never guessed."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adapters.tiger_worker import rows, words
from core.errors import CorruptRecordError
from core.money import Money
from core.readings import SeenPhase
from core.terms import OrderType, Side
from tests.support.scripted_broker import order_row


@pytest.mark.parametrize(
    ("word", "remark", "phase"),
    [
        ("Initial", "", SeenPhase.LIVE),
        ("PendingSubmit", "", SeenPhase.LIVE),
        ("Submitted", "", SeenPhase.LIVE),
        ("PendingCancel", "", SeenPhase.LIVE),
        ("Filled", "", SeenPhase.FILLED),
        ("Cancelled", "", SeenPhase.CANCELLED),
        # The SDK's names of these two are the reverse of what the broker's examples show.
        ("Inactive", "", SeenPhase.EXPIRED),
        ("Inactive", "price out of step", SeenPhase.REJECTED),
        ("Invalid", "", SeenPhase.REJECTED),
        ("Invalid", "price out of step", SeenPhase.REJECTED),
        # Anything else is doubt, where the SDK says "new".
        ("filled", "", SeenPhase.UNREADABLE),
        ("Rejected", "", SeenPhase.UNREADABLE),
        ("", "", SeenPhase.UNREADABLE),
        ("None", "", SeenPhase.UNREADABLE),
    ],
)
def test_status_word_is_read_from_one_table(word: str, remark: str, phase: SeenPhase) -> None:
    assert words.seen_phase(word, remark) is phase


@pytest.mark.parametrize(
    ("code", "message", "is_no"),
    [
        (4, "access forbidden(rate limit error)", True),
        (5, "rate limit error", True),
        (1000, "common param error(failed to verify signature)", True),
        (1010, "biz param error(field 'account' cannot be empty)", True),
        (1100, "global account response error(TRADE ORDER NOT ALLOWED)", True),
        (1200, "standard account response error(bad_request:cannot be placed now)", True),
        (1200, "standard account response error(not_found:Order does not exist)", True),
        (1200, "standard account response error(unauthorized:Please login in)", True),
        (1300, "paper account response error(bad_request:x)", True),
        (1300, "paper account response error(not_found:x)", True),
        (1300, "paper account response error(unauthorized:x)", True),
        (2400, "user token error", True),
        (4000, "permission denied", True),
        # A repeated number: the first order of that number may be live.
        (1100, "global account response error(TRADE DUPLICATE ORDER ID)", False),
        (1100, "TRADE DUPLICATE ORDER ID, TRADE ORDER NOT ALLOWED", False),
        (1200, "standard account response error(bad_request:Duplicate order id)", False),
        (1010, "biz param error(duplicate order_id)", False),
        # The server's own trouble says nothing of the order.
        (1, "server error", False),
        (2, "network read time out", False),
        (3, "sdk send exception", False),
        (0, "success", False),
        (1100, "global account response error(something)", False),
        (1200, "standard account response error(fail:try again)", False),
        (1200, "standard account response error(internal:x)", False),
        (1200, "standard account response error", False),
        # What a text quotes further on is not Tiger's own word.
        (1200, "standard account response error(fail:order x (bad_request:y))", False),
        (1200, "standard account response error(see below) (bad_request:y)", False),
        (1300, "paper account response error(FAIL:x)\n(not_found:y)", False),
        (1200, "", False),
        (1300, "paper account response error(fail:x)", False),
        (2000, "financial response error", False),
        (2100, "stock response error", False),
        (4001, "kick out by a new connection", False),
        (9999, "never heard of", False),
        (-1, "", False),
    ],
)
def test_definite_no_is_a_closed_list(code: int, message: str, is_no: bool) -> None:
    assert words.is_definite_no(code, message) is is_no


@pytest.mark.parametrize(
    ("value", "scale", "quantity"),
    [
        (111, 2, "1.11"),
        (100, 0, "100"),
        (100, None, "100"),
        (5, 1, "0.5"),
        ("7", "3", "0.007"),
        (0, 2, "0"),
    ],
)
def test_quantity_is_exact_from_integer_and_scale(
    value: object, scale: object, quantity: str
) -> None:
    row = {"totalQuantity": value, "totalQuantityScale": scale}
    assert words.scaled(row, "totalQuantity") == Decimal(quantity)


@pytest.mark.parametrize("value", [None, float("inf"), float("-inf"), float("nan"), True, "NaN"])
def test_figure_that_is_none_is_left_out_and_refused_where_it_must_be(value: object) -> None:
    assert words.optional_number({"x": value}, "x") is None
    with pytest.raises(CorruptRecordError):
        words.number({"x": value}, "x")


@pytest.mark.parametrize("value", ["ten", "", [1], {}])
def test_figure_that_is_no_number_is_corrupt(value: object) -> None:
    with pytest.raises(CorruptRecordError):
        words.optional_number({"x": value}, "x")


@pytest.mark.parametrize(
    ("value", "figure"), [(0.1, "0.1"), (5.0, "5"), (1e-7, "1E-7"), (185.55, "185.55"), (3, "3")]
)
def test_price_sent_as_a_double_is_the_decimal_that_was_meant(value: object, figure: str) -> None:
    assert words.optional_number({"x": value}, "x") == Decimal(figure)


@pytest.mark.parametrize("value", [1e300, -1e300, 10**19, "9" * 40, 1.7976931348623157e308])
def test_figure_that_no_money_can_be_is_corrupt(value: object) -> None:
    with pytest.raises(CorruptRecordError):
        words.optional_number({"x": value}, "x")
    assert words.optional_number({"x": words.FIGURE_MAX}, "x") == words.FIGURE_MAX


@pytest.mark.parametrize("scale", [-1, words.SCALE_MAX + 1, 10**9, 1e300])
def test_scale_that_no_quantity_has_is_corrupt(scale: object) -> None:
    with pytest.raises(CorruptRecordError):
        words.scaled({"x": 100, "xScale": scale}, "x")


@pytest.mark.parametrize("value", [10**18, -(10**18), 253_402_300_800_000, "1e17"])
def test_time_that_no_calendar_has_is_corrupt(value: object) -> None:
    with pytest.raises(CorruptRecordError):
        words.moment({"openTime": value}, "openTime")


@pytest.mark.parametrize(
    "odd",
    [{"totalQuantity": -100}, {"filledQuantity": -1}, {"totalQuantityScale": -3}],
    ids=str,
)
def test_order_of_less_than_nothing_is_corrupt(odd: dict[str, object]) -> None:
    with pytest.raises(CorruptRecordError):
        rows.order_of(order_row(**odd), ())


EXECUTION = {
    "id": "e1",
    "filledQuantity": 40,
    "filledPrice": 10.5,
    "currency": "USD",
    "transactionTime": 1,
}


@pytest.mark.parametrize(
    "odd",
    [
        {"currency": "usd"},
        {"currency": ""},
        {"currency": "DOLLARS"},
        {"filledPrice": None},
        {"filledPrice": float("nan")},
        {"filledPrice": 1e300},
    ],
    ids=str,
)
def test_execution_without_a_price_in_a_currency_is_corrupt(odd: dict[str, object]) -> None:
    assert rows.execution_of(EXECUTION).price == Money(amount=Decimal("10.5"), currency="USD")
    with pytest.raises(CorruptRecordError):
        rows.execution_of({**EXECUTION, **odd})


def test_estimate_in_an_odd_currency_is_corrupt() -> None:
    with pytest.raises(CorruptRecordError):
        rows.estimate_of({"is_pass": True, "commission": 1.0, "commission_currency": "us dollar"})


def test_margin_of_an_order_is_what_it_adds_to_the_accounts() -> None:
    told = {"is_pass": True, "init_margin_before": 11500.1, "margin_currency": "USD"}
    more = rows.estimate_of({**told, "init_margin": 12500.4})
    assert more.initial_margin == Money(amount=Decimal("1000.3"), currency="USD")
    less = rows.estimate_of({**told, "init_margin": 1500.1})
    assert less.initial_margin == Money(amount=Decimal("-10000.0"), currency="USD")
    noisy = rows.estimate_of({**told, "init_margin_before": 0.1, "init_margin": 240.39})
    assert str(noisy.initial_margin and noisy.initial_margin.amount) == "240.29"
    # The whole account's figure alone says nothing of the order.
    assert rows.estimate_of({"is_pass": True, "init_margin": 9.0}).initial_margin is None


def test_commission_of_a_preview_holds_its_tax() -> None:
    told = {"is_pass": True, "commission": 2.0, "gst": 0.18, "commission_currency": "SGD"}
    assert rows.estimate_of(told).commission == Money(amount=Decimal("2.18"), currency="SGD")
    assert rows.estimate_of({**told, "commission": None}).commission is None


def test_time_is_utc() -> None:
    row = {"openTime": 1_700_000_000_123}
    assert words.moment(row, "openTime") == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)


def test_ids_above_what_a_float_holds_stay_exact() -> None:
    seen = rows.order_of(order_row(id=40130857465156609), ())
    assert seen.tiger_order_id == "40130857465156609"


@pytest.mark.parametrize("missing", ["id", "action", "totalQuantity", "filledQuantity", "openTime"])
def test_row_without_what_makes_an_order_is_corrupt(missing: str) -> None:
    row = order_row()
    del row[missing]
    with pytest.raises(CorruptRecordError):
        rows.order_of(row, ())


@pytest.mark.parametrize("broker_id", [0, "0", "000", "", None])
def test_row_without_an_id_is_corrupt(broker_id: object) -> None:
    with pytest.raises(CorruptRecordError):
        rows.order_of(order_row(id=broker_id), ())


def test_row_of_an_order_is_read_whole() -> None:
    row = order_row(filledQuantity=405, filledQuantityScale=1, avgFillPrice=10.25, action="SELL")
    seen = rows.order_of(row, ())
    assert (seen.side, seen.filled_quantity, seen.average_price) == (
        Side.SELL,
        Decimal("40.5"),
        Decimal("10.25"),
    )
    assert (seen.order_number, seen.order_type, seen.phase) == (
        "901",
        OrderType.LIMIT,
        SeenPhase.LIVE,
    )


def test_order_type_that_we_never_send_is_none_and_a_price_of_nothing_too() -> None:
    seen = rows.order_of(order_row(orderType="OCA_X", limitPrice=float("inf"), avgFillPrice=0), ())
    assert (seen.order_type, seen.limit_price, seen.average_price) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("account 51230321 has no right", "account [number] has no right"),
        ("U9876543 and 20191106192858300", "[number] and [number]"),
        ("only 100 shares at 10.50", "only 100 shares at 10.50"),
        (None, ""),
        ("x" * 500, "x" * 200),
    ],
)
def test_broker_text_holds_no_account_number_and_has_an_end(text: object, kept: str) -> None:
    assert words.broker_text(text) == kept


def test_remark_and_source_of_a_row_are_scrubbed() -> None:
    seen = rows.order_of(order_row(remark="for 51230321", source="app 51230321"), ())
    assert "51230321" not in f"{seen.remark} {seen.source}"


def test_position_prefers_the_current_field_over_the_scaled_one() -> None:
    row = {
        "symbol": "AAPL",
        "secType": "STK",
        "market": "US",
        "currency": "USD",
        "positionQty": -2.5,
        "position": 99,
        "positionScale": 0,
        "averageCost": 10.0,
        "latestPrice": float("inf"),
    }
    assert rows.position_of(row).quantity == Decimal("-2.5")
    assert rows.position_of(row).market_price is None
    older = {**row, "positionQty": None, "position": 15, "positionScale": 1}
    assert rows.position_of(older).quantity == Decimal("1.5")


def test_balances_are_those_of_the_securities_segment() -> None:
    data = {
        "segments": [
            {"category": "C", "currency": "USD"},
            {
                "category": "S",
                "currency": "USD",
                "buyingPower": float("inf"),
                "netLiquidation": 10.5,
                "currencyAssets": [{"currency": "HKD", "cashBalance": 3.0}],
            },
        ]
    }
    now = datetime(2026, 3, 2, tzinfo=UTC)
    balances = rows.balances_of(data, now)
    assert (balances.buying_power, balances.net_liquidation) == (None, Decimal("10.5"))
    assert [(c.currency, c.balance, c.available) for c in balances.cash] == [
        ("HKD", Decimal(3), None)
    ]
    with pytest.raises(CorruptRecordError):
        rows.balances_of({"segments": data["segments"][:1]}, now)
