"""The real SDK over the wire: placing, changing and cancelling, field by field."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import (
    limit_order,
    limit_order_with_legs,
    market_order,
    order_leg,
    stop_order,
)

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")
TENCENT = stock_contract("00700", "HKD")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    sandbox.control.set_settings(Settings(price_drift=False))
    sandbox.control.set_price("AAPL", Decimal("230.00"))
    return sandbox.account("main")


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


def resting_order(client: Any, account: str, *, user_mark: str = "") -> Any:
    order = limit_order(account, AAPL, "BUY", 10, 200.25)
    order.user_mark = user_mark
    client.place_order(order)
    return order


def codes_of(error: pytest.ExceptionInfo[ApiException]) -> tuple[int, str]:
    return error.value.code, error.value.msg


def test_order_numbers_are_counted_per_user(sandbox: Sandbox, account: str) -> None:
    client, paper = sandbox.trade_client(), sandbox.account("paper")
    first = client.create_order(account, AAPL, "BUY", "LMT", 1, limit_price=1.0)
    second = client.create_order(paper, AAPL, "BUY", "LMT", 1, limit_price=1.0)
    assert second.order_id == first.order_id + 1


def test_resting_limit_order_is_shown_as_placed(client: Any, account: str) -> None:
    placed = resting_order(client, account, user_mark="mark-1")
    assert placed.id > 2**53
    shown = client.get_order(account=account, id=placed.id)
    assert (shown.id, shown.order_id, shown.external_id) == (
        placed.id,
        placed.order_id,
        str(placed.order_id),
    )
    assert (shown.account, shown.action, shown.order_type) == (account, "BUY", "LMT")
    assert (shown.contract.symbol, shown.contract.currency, shown.contract.market) == (
        "AAPL",
        "USD",
        "US",
    )
    assert (shown.quantity, shown.quantity_scale, shown.filled, shown.limit_price) == (
        10,
        0,
        0,
        200.25,
    )
    assert (shown.status, shown.user_mark, shown.source) == (
        OrderStatus.HELD,
        "mark-1",
        "OpenApi",
    )
    assert shown.is_open
    assert shown.order_time == shown.update_time == shown.trade_time
    by_number = client.get_order(account=account, order_id=placed.order_id)
    assert by_number.id == placed.id


def test_market_order_fills_at_the_ask(client: Any, account: str) -> None:
    order = market_order(account, AAPL, "BUY", 10)
    client.place_order(order)
    shown = client.get_order(account=account, id=order.id)
    assert (shown.status, shown.filled, shown.avg_fill_price, shown.commission) == (
        OrderStatus.FILLED,
        10,
        230.01,
        1.99,
    )


def test_marketable_limit_order_fills_at_the_book_and_not_at_its_limit(
    client: Any, account: str
) -> None:
    order = limit_order(account, AAPL, "BUY", 10, 235.0)
    client.place_order(order)
    assert client.get_order(account=account, id=order.id).avg_fill_price == 230.01


def test_resting_order_fills_when_the_price_comes_to_it(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    order = limit_order(account, AAPL, "BUY", 10, 229.0)
    client.place_order(order)
    sandbox.control.set_price("AAPL", Decimal("228.90"))
    shown = client.get_order(account=account, id=order.id)
    assert (shown.status, shown.avg_fill_price) == (OrderStatus.FILLED, 229.0)


def test_fill_cap_leaves_an_order_partly_filled(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    sandbox.control.set_settings(Settings(price_drift=False, fill_quantity_max=Decimal(4)))
    order = market_order(account, AAPL, "BUY", 10)
    client.place_order(order)
    shown = client.get_order(account=account, id=order.id)
    assert (shown.filled, shown.remaining, shown.is_open) == (4, 6, True)
    sandbox.control.advance(0)
    sandbox.control.advance(0)
    fills = client.get_transactions(account=account, order_id=order.id)
    assert [fill.filled_quantity for fill in fills] == [2, 4, 4]
    shown = client.get_order(account=account, id=order.id)
    # Fees have a minimum per order, and are not taken once per fill.
    assert (shown.status, shown.commission) == (OrderStatus.FILLED, 1.99)


def test_fractional_quantity_travels_with_its_scale(client: Any, account: str) -> None:
    order = market_order(account, AAPL, "BUY", 111)
    order.quantity_scale = 2
    client.place_order(order)
    shown = client.get_order(account=account, id=order.id)
    assert (shown.quantity, shown.quantity_scale, shown.filled, shown.filled_scale) == (
        111,
        2,
        111,
        2,
    )


def test_cancelled_order_is_listed_as_inactive(client: Any, account: str) -> None:
    order = resting_order(client, account)
    assert client.cancel_order(account=account, id=order.id) == order.id
    assert client.get_order(account=account, id=order.id).status == OrderStatus.CANCELLED
    assert order.id in [item.id for item in client.get_cancelled_orders(account=account)]
    assert order.id not in [item.id for item in client.get_open_orders(account=account)]


def test_deferred_cancel_can_lose_against_a_fill(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    sandbox.control.set_settings(Settings(price_drift=False, defer_cancels=True))
    order = limit_order(account, AAPL, "BUY", 10, 229.0)
    client.place_order(order)
    client.cancel_order(account=account, id=order.id)
    assert client.get_order(account=account, id=order.id).status == OrderStatus.HELD
    sandbox.control.set_price("AAPL", Decimal("228.00"))
    assert client.get_order(account=account, id=order.id).status == OrderStatus.FILLED


def test_deferred_cancel_takes_effect_at_the_next_advance(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    sandbox.control.set_settings(Settings(price_drift=False, defer_cancels=True))
    order = resting_order(client, account)
    client.cancel_order(account=account, order_id=order.order_id)
    sandbox.control.advance(0)
    assert client.get_order(account=account, id=order.id).status == OrderStatus.CANCELLED


def test_filled_order_can_not_be_cancelled(client: Any, account: str) -> None:
    order = market_order(account, AAPL, "BUY", 1)
    client.place_order(order)
    with pytest.raises(ApiException) as error:
        client.cancel_order(account=account, id=order.id)
    assert error.value.code == 1200


def test_modified_order_keeps_its_id_and_mark(client: Any, account: str) -> None:
    order = resting_order(client, account, user_mark="mark-2")
    assert client.modify_order(order, quantity=20, limit_price=201.0) == order.id
    shown = client.get_order(account=account, id=order.id)
    assert (shown.quantity, shown.limit_price, shown.user_mark) == (20, 201.0, "mark-2")


def test_order_modified_over_the_ask_fills(client: Any, account: str) -> None:
    order = resting_order(client, account)
    client.modify_order(order, limit_price=240.0)
    assert client.get_order(account=account, id=order.id).status == OrderStatus.FILLED


def test_preview_says_what_an_order_would_bind_and_places_nothing(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    before = sandbox.control.book(account).orders
    good = client.preview_order(limit_order(account, AAPL, "BUY", 10, 200.0))
    assert (good["is_pass"], good["message"], good["commission"]) == (True, "", 1.99)
    assert good["init_margin"] - good["init_margin_before"] == 1000.0
    bad = client.preview_order(limit_order(account, AAPL, "BUY", 10_000_000, 200.0))
    assert (bad["is_pass"], bad["message"]) == (
        False,
        "Insufficient buying power for an order of 2000000000.00 USD",
    )
    assert sandbox.control.book(account).orders == before


@pytest.mark.parametrize(
    "contract, terms",
    [
        (stock_contract("NOSUCH", "USD"), {"quantity": 1, "limit_price": 1.0}),
        (stock_contract("AAPL", "HKD"), {"quantity": 1, "limit_price": 200.0}),
        (TENCENT, {"quantity": 150, "limit_price": 600.0}),
        (AAPL, {"quantity": 0, "limit_price": 200.0}),
        (AAPL, {"quantity": 100_000, "limit_price": 200.0}),
        (AAPL, {"quantity": 1, "limit_price": 200.0, "time_in_force": "IOC"}),
    ],
    ids=["unknown symbol", "wrong currency", "odd lot", "nothing", "too much", "time in force"],
)
def test_impossible_limit_order_is_refused_at_once(
    client: Any, account: str, contract: Any, terms: dict[str, Any]
) -> None:
    order = limit_order(account, contract, "BUY", **terms)
    with pytest.raises(ApiException) as error:
        client.place_order(order)
    assert error.value.code == 1200
    assert error.value.msg.startswith("standard account response error(bad_request:")
    assert order.id is None


def test_terms_that_do_not_go_together_are_refused(client: Any, account: str) -> None:
    legs = [order_leg("LOSS", 190.0)]
    attached_to_a_stop = stop_order(account, AAPL, "BUY", 1, 240.0)
    attached_to_a_stop.order_legs = legs
    for order in (
        attached_to_a_stop,
        market_order(account, AAPL, "BUY", 1, time_in_force="GTC"),
        limit_order_with_legs(account, AAPL, "BUY", 1, 200.0, order_legs=legs, time_in_force="OPG"),
    ):
        with pytest.raises(ApiException) as error:
            client.place_order(order)
        assert error.value.code == 1200


def test_paper_account_is_refused_with_its_own_code(sandbox: Sandbox, client: Any) -> None:
    order = limit_order(sandbox.account("paper"), AAPL, "BUY", 1, 200.0, time_in_force="GTC")
    with pytest.raises(ApiException) as error:
        client.place_order(order)
    assert codes_of(error) == (
        1300,
        "paper account response error(bad_request:Paper accounts do not support GTC)",
    )


def test_price_between_two_ticks_is_taken_and_then_rejected(client: Any, account: str) -> None:
    order = limit_order(account, AAPL, "BUY", 1, 200.005)
    client.place_order(order)
    shown = client.get_order(account=account, id=order.id)
    # The SDK calls the wire's "Invalid" EXPIRED, though it marks a rejection.
    assert (shown.status, shown.reason) == (
        OrderStatus.EXPIRED,
        "The order price does not match the minimum price increment of 0.01",
    )


def test_selling_more_than_is_held_is_refused_but_a_short_can_be_opened(
    sandbox: Sandbox, client: Any
) -> None:
    paper, spy = sandbox.account("paper"), stock_contract("SPY", "USD")
    client.place_order(market_order(paper, spy, "BUY", 5))
    with pytest.raises(ApiException) as error:
        client.place_order(market_order(paper, spy, "SELL", 6))
    assert error.value.code == 1300
    client.place_order(market_order(paper, spy, "SELL", 5))
    client.place_order(market_order(paper, spy, "SELL", 3))
    held = client.get_positions(account=paper, symbol="SPY")
    assert [item.position_qty for item in held] == [-3.0]
