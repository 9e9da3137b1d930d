"""Faults that change what is done or what a listing shows: the client's view, and the truth."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order

from infra.sandbox.control.client import SandboxControlError
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import (
    ClockSkew,
    HiddenOrder,
    LostPage,
    PartialThenCancel,
    RejectLate,
    RejectNow,
    SilentLoss,
    StaleList,
)
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.control.set_settings(Settings(price_drift=False))
    yield running
    running.control.clear_faults()


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


def resting(sandbox: Sandbox, *, account: str | None = None, quantity: int = 10) -> Any:
    return limit_order(account or sandbox.account(), AAPL, "BUY", quantity, 100.0)


def placed(sandbox: Sandbox, client: Any, **terms: Any) -> Any:
    order = resting(sandbox, **terms)
    client.place_order(order)
    return order


def held(client: Any, account: str) -> dict[str, float]:
    return {each.contract.symbol: each.quantity for each in client.get_positions(account=account)}


def cash(client: Any, account: str) -> float:
    return float(client.get_prime_assets(account=account).segments["S"].cash_balance)


def ids_listed(client: Any, account: str) -> set[int]:
    return {order.id for order in client.get_orders(account=account)}


def test_stale_positions_assets_and_executions_show_the_book_of_the_faults_making(
    sandbox: Sandbox, client: Any
) -> None:
    account = sandbox.account("paper")
    client.place_order(market_order(account, AAPL, "BUY", 3))
    before = held(client, account), cash(client, account)
    fills_before = len(client.get_transactions(account=account, symbol="AAPL"))
    for method in ("positions", "prime_assets", "order_transactions"):
        sandbox.control.add_fault(StaleList(), method=method)
    client.place_order(market_order(account, AAPL, "BUY", 4))
    assert (held(client, account), cash(client, account)) == before
    assert len(client.get_transactions(account=account, symbol="AAPL")) == fills_before
    assert held(client, account) == {"AAPL": before[0]["AAPL"] + 4}
    assert cash(client, account) < before[1]
    assert len(client.get_transactions(account=account, symbol="AAPL")) == fills_before + 1


def test_stale_list_without_a_method_spares_requests_that_act(
    sandbox: Sandbox, client: Any
) -> None:
    sandbox.control.add_fault(StaleList(), count=1)
    order = placed(sandbox, client)
    assert order.id not in ids_listed(client, sandbox.account())
    assert order.id in ids_listed(client, sandbox.account())


def test_hidden_order_shows_up_after_so_many_listings(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account()
    sandbox.control.add_fault(HiddenOrder(listing_count=2), method="place_order")
    hidden, shown = placed(sandbox, client), placed(sandbox, client)
    assert {hidden.id, shown.id} <= {
        order.global_id for order in sandbox.control.book(account).orders
    }
    for _ in range(2):
        listed = ids_listed(client, account)
        assert hidden.id not in listed
        assert shown.id in listed
    assert {hidden.id, shown.id} <= ids_listed(client, account)


def test_hidden_order_can_not_be_asked_for_by_id(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account()
    sandbox.control.add_fault(HiddenOrder(listing_count=1))
    order = placed(sandbox, client)
    with pytest.raises(ApiException):
        client.get_order(account=account, id=order.id)
    assert client.get_order(account=account, id=order.id).id == order.id


def test_hidden_order_stays_hidden_from_its_own_account_only(sandbox: Sandbox, client: Any) -> None:
    sandbox.control.add_fault(HiddenOrder(listing_count=1))
    order = placed(sandbox, client)
    client.get_orders(account=sandbox.account("paper"))
    assert order.id not in ids_listed(client, sandbox.account())
    assert order.id in ids_listed(client, sandbox.account())


def test_lost_page_is_empty_but_leads_on(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account()
    for _ in range(3):
        placed(sandbox, client)
    sandbox.control.add_fault(LostPage(), method="orders")
    first = client.get_orders(account=account, limit=1, page_token="")
    assert first.result == []
    assert first.next_page_token
    second = client.get_orders(account=account, limit=1, page_token=first.next_page_token)
    assert len(second.result) == 1


def test_lost_last_page_ends_the_listing(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account()
    for _ in range(2):
        placed(sandbox, client)
    sandbox.control.add_fault(LostPage(is_last=True), method="order_transactions")
    client.place_order(market_order(account, AAPL, "BUY", 1))
    assert client.get_transactions(account=account, symbol="AAPL") == []
    assert len(client.get_transactions(account=account, symbol="AAPL")) >= 1


def test_silently_lost_batch_has_ids_and_is_nowhere(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account()
    before = sandbox.control.book(account)
    sandbox.control.add_fault(SilentLoss(), count=3)
    lost = [placed(sandbox, client) for _ in range(3)]
    kept = placed(sandbox, client)
    ids = [order.id for order in (*lost, kept)]
    assert ids == sorted(set(ids))
    after = sandbox.control.book(account)
    assert {order.global_id for order in after.orders} - {
        order.global_id for order in before.orders
    } == {kept.id}
    assert after.cash == before.cash
    assert not {order.id for order in lost} & ids_listed(client, account)


def test_order_number_of_a_lost_order_is_not_given_out_again(sandbox: Sandbox, client: Any) -> None:
    sandbox.control.add_fault(SilentLoss())
    lost = resting(sandbox)
    client.place_order(lost)
    assert lost.order_id
    assert placed(sandbox, client).order_id == lost.order_id + 1


@pytest.mark.parametrize("alias, code", [("main", 1200), ("paper", 1300)])
def test_reject_storm_refuses_every_order_until_it_is_cleared(
    sandbox: Sandbox, client: Any, alias: str, code: int
) -> None:
    account = sandbox.account(alias)
    before = sandbox.control.book(account)
    fault_id = sandbox.control.add_fault(RejectNow(remark="storm"), account=account, count=None)
    for _ in range(5):
        with pytest.raises(ApiException) as error:
            placed(sandbox, client, account=account)
        assert error.value.code == code
        assert error.value.msg.endswith("(bad_request:storm)")
    assert sandbox.control.book(account) == before
    sandbox.control.remove_fault(fault_id)
    assert placed(sandbox, client, account=account).id


def test_late_reject_storm_takes_and_rejects_every_order(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account()
    sandbox.control.add_fault(RejectLate(remark="storm"), count=None)
    for _ in range(3):
        order = placed(sandbox, client)
        shown = client.get_order(account=account, id=order.id)
        assert (shown.status, shown.reason) == (OrderStatus.EXPIRED, "storm")


@pytest.mark.parametrize("order_type", ["resting", "marketable", "market"])
def test_part_is_filled_and_the_rest_cancelled(
    sandbox: Sandbox, client: Any, order_type: str
) -> None:
    account = sandbox.account()
    order = {
        "resting": limit_order(account, AAPL, "BUY", 10, 100.0),
        "marketable": limit_order(account, AAPL, "BUY", 10, 300.0),
        "market": market_order(account, AAPL, "BUY", 10),
    }[order_type]
    sandbox.control.add_fault(PartialThenCancel(quantity=Decimal(4), remark="no more"))
    client.place_order(order)
    shown = client.get_order(account=account, id=order.id)
    assert (shown.status, shown.filled, shown.quantity) == (OrderStatus.CANCELLED, 4, 10)
    fills = client.get_transactions(account=account, order_id=order.id)
    assert [fill.filled_quantity for fill in fills] == [4]


def test_order_no_bigger_than_the_part_is_cancelled_or_filled_whole(
    sandbox: Sandbox, client: Any
) -> None:
    account = sandbox.account()
    sandbox.control.add_fault(PartialThenCancel(quantity=Decimal(10)), count=2)
    small = placed(sandbox, client)
    market = market_order(account, AAPL, "BUY", 10)
    client.place_order(market)
    assert client.get_order(account=account, id=small.id).status == OrderStatus.CANCELLED
    assert client.get_order(account=account, id=market.id).status == OrderStatus.FILLED


@pytest.mark.parametrize("skew_s", [-3600, 7200])
def test_skewed_request_has_the_time_of_a_wrong_clock(
    sandbox: Sandbox, client: Any, skew_s: int
) -> None:
    account = sandbox.account()
    plain = placed(sandbox, client)
    sandbox.control.add_fault(ClockSkew(skew_s=skew_s), method="place_order")
    skewed = placed(sandbox, client)
    times = {order.id: order.order_time for order in client.get_orders(account=account)}
    assert abs(times[skewed.id] - times[plain.id] - skew_s * 1000) < 60_000


def test_skewed_broker_dates_everything_wrong(sandbox: Sandbox, client: Any) -> None:
    right = sandbox.control.clock().now
    sandbox.control.set_settings(Settings(price_drift=False, clock_skew_ms=DAY_MS))
    order = placed(sandbox, client)
    shown = client.get_order(account=sandbox.account(), id=order.id)
    assert shown.order_time >= right.timestamp() * 1000 + DAY_MS
    assert (sandbox.control.clock().now - right).days == 1


@pytest.mark.parametrize(
    "effect",
    [
        {"type": "clock_skew", "skew_s": 10**9},
        {"type": "hidden_order", "listing_count": 0},
        {"type": "partial_then_cancel", "quantity": "0"},
        {"type": "delay_before", "delay_s": -1},
        {"type": "no_such"},
    ],
)
def test_fault_that_makes_no_sense_is_refused(sandbox: Sandbox, effect: dict[str, object]) -> None:
    with pytest.raises(SandboxControlError) as error:
        sandbox.control._call("POST", "/faults", dict, body={"effect": effect})
    assert error.value.status == 400


def test_fault_that_is_not_there_can_not_be_removed(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxControlError) as error:
        sandbox.control.remove_fault(10**6)
    assert error.value.status == 400
