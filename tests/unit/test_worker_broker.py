"""Readings are complete or failed; calls that change something end in one of four ways."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import urllib3.exceptions
from tigeropen.common.exceptions import ApiException, RequestException, ResponseException

from adapters.tiger_worker.broker import PAGES_MAX, ListingTooLongError
from core.errors import BrokerUnavailableError, CorruptRecordError
from core.items import Outcome
from core.terms import Side
from tests.support import core_facts as facts
from tests.support.scripted_broker import NUMBER, ScriptedClient, ok, order_row, scripted_broker
from tests.support.worker_parts import ManualClock

SINCE = facts.at(-3600)


def page(*ids: int, token: str = "") -> dict[str, object]:
    return ok({"items": [order_row(id=each) for each in ids], "nextPageToken": token})


def raised_over(cause: Exception) -> RequestException:
    """Return the SDK's error as it raises it: while it handles the transport's."""
    try:
        try:
            raise cause
        except (OSError, urllib3.exceptions.HTTPError):
            raise RequestException("POST request failed. params: secret") from None
    except RequestException as error:
        return error


def test_listing_is_all_pages_and_the_other_fields_never_change() -> None:
    client = ScriptedClient()
    client.answer("orders", page(1, 2, token="a"), page(3, token="b"), page(4))
    listing = scripted_broker(client).orders(since=SINCE)
    assert [row["id"] for row in listing.rows] == [1, 2, 3, 4]
    fields = [asked for _, asked in client.asked]
    assert [each.pop("page_token") for each in fields] == ["", "a", "b"]
    assert fields[0] == fields[1] == fields[2]
    assert fields[0]["account"] == NUMBER
    assert fields[0]["start_date"] == int(SINCE.timestamp() * 1000)


@pytest.mark.parametrize(
    "bad",
    [
        {"code": 1, "message": "server error"},
        {"code": 5},
        {},
        ok(None),
        ok("not json"),
        ok(7),
        RequestException("x"),
        ResponseException("x", status=502),
        ValueError("x"),
    ],
    ids=repr,
)
def test_a_page_that_fails_fails_the_listing(bad: object) -> None:
    client = ScriptedClient()
    client.answer("orders", page(1, token="a"), bad)
    with pytest.raises(BrokerUnavailableError):
        scripted_broker(client).orders(since=SINCE)


def test_a_listing_without_a_last_page_fails() -> None:
    client = ScriptedClient()
    client.answer("orders", *[page(n, token="on") for n in range(PAGES_MAX)])
    with pytest.raises(ListingTooLongError):
        scripted_broker(client).orders(since=SINCE)
    assert len(client.asked) == PAGES_MAX


def test_pages_that_lead_in_a_circle_fail_the_listing_at_once() -> None:
    client = ScriptedClient()
    client.answer("orders", *[page(1, token="a"), page(2, token="b")] * 2)
    with pytest.raises(BrokerUnavailableError, match="circle"):
        scripted_broker(client).orders(since=SINCE)
    assert len(client.asked) == 3


def test_listing_may_end_at_a_moment() -> None:
    client = ScriptedClient()
    client.answer("orders", page(1))
    scripted_broker(client).orders(since=SINCE, until=facts.at(5))
    ((_, asked),) = client.asked
    assert asked["end_date"] - asked["start_date"] == (facts.at(5) - SINCE) // timedelta(
        milliseconds=1
    )


def test_an_empty_listing_is_an_answer() -> None:
    client = ScriptedClient()
    client.answer("orders", ok({"items": []}))
    assert scripted_broker(client).orders(since=SINCE).rows == ()


def test_items_that_are_no_list_are_corrupt() -> None:
    client = ScriptedClient()
    client.answer("orders", ok({"items": "none"}))
    with pytest.raises(CorruptRecordError):
        scripted_broker(client).orders(since=SINCE)


def test_a_failure_quotes_nothing_of_the_signed_request() -> None:
    client = ScriptedClient()
    client.answer("orders", RequestException("params: sign=SECRET account=51230321"))
    with pytest.raises(BrokerUnavailableError) as raised:
        scripted_broker(client).orders(since=SINCE)
    assert raised.value.__suppress_context__
    assert "SECRET" not in str(raised.value)


def test_listing_says_the_brokers_time_before_it_began() -> None:
    client = ScriptedClient()
    broker = scripted_broker(client)
    client.answer("order_no", ok({"orderId": 7}, at=facts.at(-40)))
    client.answer("orders", ok({"items": []}, at=facts.at(-39)), ok({"items": []}))
    assert broker.orders(since=SINCE).begun_at is None
    assert broker.reserve_number() == "7"
    assert broker.clock_skew_s == 40.0
    client.answer("orders", ok({"items": []}, at=facts.at(-38)))
    assert broker.orders(since=SINCE).begun_at == facts.at(-40)


def test_data_may_come_as_text() -> None:
    client = ScriptedClient()
    client.answer("contracts", ok(json.dumps({"items": []})), ok(json.dumps([])))
    broker = scripted_broker(client)
    assert broker.contracts(["AAPL"]) == broker.contracts(["AAPL"]) == ()


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (40130857465156609, Outcome.DONE),
        (None, Outcome.UNKNOWN),
        (0, Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
        (ApiException(1200, "x(bad_request:y)"), Outcome.REFUSED),
        (ApiException("1200", "x(bad_request:y)"), Outcome.UNKNOWN),
        (ApiException(1200, None), Outcome.UNKNOWN),
        (ApiException(None, None), Outcome.UNKNOWN),
        (ApiException(1, "server error"), Outcome.UNKNOWN),
        (ApiException(1100, "TRADE DUPLICATE ORDER ID"), Outcome.UNKNOWN),
        (ResponseException("x", status=502), Outcome.UNKNOWN),
        (ResponseException("x", status=429), Outcome.UNKNOWN),
        (ResponseException("response sign verify failed"), Outcome.UNKNOWN),
        (RequestException("x"), Outcome.UNKNOWN),
        (raised_over(urllib3.exceptions.ProtocolError("dropped")), Outcome.UNKNOWN),
        (raised_over(TimeoutError()), Outcome.UNKNOWN),
        (raised_over(ConnectionRefusedError()), Outcome.UNKNOWN),
        (KeyError("x"), Outcome.UNKNOWN),
        (RecursionError(), Outcome.UNKNOWN),
    ],
    ids=repr,
)
def test_place_ends_in_done_refused_or_unknown(end: Any, outcome: Outcome) -> None:
    client = ScriptedClient()
    client.answer("place_order", end)
    broker = scripted_broker(client)
    order = broker.prepare(facts.spec(), order_number="901", mark="m")
    assert broker.place(order).outcome is outcome
    assert len(client.asked) == 1


@pytest.mark.parametrize(
    "cause",
    [
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.ConnectTimeoutError,
        urllib3.exceptions.NameResolutionError,
    ],
)
def test_no_connection_made_is_surely_not_sent(cause: type[Exception]) -> None:
    made = cause.__new__(cause)
    Exception.__init__(made, "no connection")
    client = ScriptedClient()
    client.answer("place_order", raised_over(made))
    client.answer("cancel_order", raised_over(made))
    broker = scripted_broker(client)
    order = broker.prepare(facts.spec(), order_number="901", mark="m")
    assert broker.place(order).outcome is Outcome.NOT_SENT
    assert broker.cancel("1").outcome is Outcome.NOT_SENT


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (77, Outcome.DONE),
        (None, Outcome.UNKNOWN),
        (ApiException(1200, "x(not_found:Order does not exist)"), Outcome.REFUSED),
        (ApiException(2, "network read time out"), Outcome.UNKNOWN),
        (RequestException("x"), Outcome.UNKNOWN),
    ],
    ids=repr,
)
def test_cancel_ends_likewise(end: Any, outcome: Outcome) -> None:
    client = ScriptedClient()
    client.answer("cancel_order", end)
    assert scripted_broker(client).cancel("77").outcome is outcome


def test_an_end_quotes_nothing_of_the_signed_request() -> None:
    client = ScriptedClient()
    client.answer("place_order", RequestException("sign=SECRET"), ApiException(9, "for 51230321"))
    broker = scripted_broker(client)
    for _ in range(2):
        order = broker.prepare(facts.spec(), order_number="901", mark="m")
        detail = broker.place(order).detail
        assert "SECRET" not in detail
        assert "51230321" not in detail


@pytest.mark.parametrize(
    ("quantity", "whole", "scale"),
    [("100", 100, 0), ("1.11", 111, 2), ("0.5", 5, 1), ("2.50", 25, 1), ("1000", 1000, 0)],
)
def test_prepared_order_says_the_exact_terms(quantity: str, whole: int, scale: int) -> None:
    broker = scripted_broker(ScriptedClient())
    terms = facts.spec(side=Side.SELL, quantity=quantity, limit_price="10.25")
    order = broker.prepare(terms, order_number="901", mark="led1.ord-1")
    assert (order.quantity, order.quantity_scale) == (whole, scale)
    assert (order.order_id, order.user_mark, order.account) == (901, "led1.ord-1", NUMBER)
    assert (order.action, order.order_type, order.limit_price) == ("SELL", "LMT", 10.25)
    assert (order.time_in_force, order.outside_rth) == ("DAY", False)
    assert broker.prepare(terms, order_number="901", mark="m") is not order


def test_estimate_tells_a_no_from_a_failure() -> None:
    client = ScriptedClient()
    client.answer(
        "preview_order",
        ApiException(1200, "x(bad_request:too much)"),
        ApiException(1, "server error"),
        RequestException("x"),
        {"is_pass": True, "commission": 1.5, "commission_currency": "USD"},
    )
    broker = scripted_broker(client)
    assert broker.estimate(facts.spec()).passed is False
    for _ in range(2):
        with pytest.raises(BrokerUnavailableError):
            broker.estimate(facts.spec())
    good = broker.estimate(facts.spec())
    assert good.passed
    assert good.commission is not None
    assert good.commission.amount == Decimal("1.5")
    # A preview reserves no number: with one the broker could take it for an order.
    assert {asked["order_id"] for _, asked in client.asked} == {None}


def test_skew_is_how_far_this_clock_is_ahead() -> None:
    clock = ManualClock()
    client = ScriptedClient()
    client.answer("order_no", ok({"orderId": 1}, at=facts.NOW + timedelta(seconds=31)))
    broker = scripted_broker(client, clock)
    broker.reserve_number()
    assert broker.clock_skew_s == -31.0
