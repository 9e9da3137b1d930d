"""The real SDK's listings of orders, executions and holdings: filters, pages, charges, derivatives.

The shapes are held against the replies in `tests/test_trade_client.py` of
tigerfintech/openapi-python-sdk (commit 47854414) and Tiger's page "accounts-java", read 2026-11-23.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import (
    future_contract,
    option_contract,
    stock_contract,
)
from tigeropen.common.util.order_utils import combo_order, contract_leg, limit_order, market_order

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

AAPL = stock_contract("AAPL", "USD")
TENCENT = stock_contract("00700", "HKD")
CALL = option_contract("AAPL  260320C00230000")
PUT = option_contract("AAPL  260320P00230000")
ES = future_contract("ES2606", "USD")
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
HOUR_MS = 3_600_000


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    clock = f"virtual:{NOW.isoformat()}"
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), "--clock", clock) as started:
        started.control.set_settings(Settings(price_drift=False))
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    return sandbox.account("main")


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


def pay_for_futures(client: Any, account: str) -> None:
    # The method takes no account: it uses the client's own.
    client._account = account
    client.transfer_segment_fund("SEC", "FUT", amount=50_000, currency="USD")


def place(client: Any, order: Any) -> int:
    client.place_order(order)
    found: int = order.id
    return found


def test_orders_are_chosen_by_kind_segment_market_and_contract(client: Any, account: str) -> None:
    stock = place(client, limit_order(account, AAPL, "BUY", 1, 200.0))
    abroad = place(client, limit_order(account, TENCENT, "BUY", 100, 500.0))
    call = place(client, limit_order(account, CALL, "BUY", 1, 0.05))
    put = place(client, limit_order(account, PUT, "BUY", 1, 0.05))
    pay_for_futures(client, account)
    future = place(client, limit_order(account, ES, "BUY", 1, 5000.0))
    legs = [
        contract_leg("AAPL", "OPT", "20260320", 230.0, "CALL", "BUY", 1),
        contract_leg("AAPL", "OPT", "20260320", 240.0, "CALL", "SELL", 1),
    ]
    combo = place(client, combo_order(account, legs, "VERTICAL", "BUY", 1, limit_price=0.05))

    def ids(**filters: Any) -> list[int]:
        return [item.id for item in client.get_orders(account=account, **filters)]

    # Without a word on segment or kind Tiger lists the securities segment only.
    assert ids() == [combo, put, call, abroad, stock]
    assert ids(seg_type="ALL") == [combo, future, put, call, abroad, stock]
    assert ids(seg_type="FUT") == ids(sec_type="FUT") == [future]
    assert ids(sec_type="OPT") == [put, call]
    assert ids(sec_type="MLEG") == [combo]
    assert ids(market="HK") == [abroad]
    assert ids(symbol="AAPL") == [combo, put, call, stock]
    assert ids(symbol="AAPL  260320C00230000") == [call]
    assert ids(limit=2) == [combo, put]
    one = raw_call(
        client,
        "orders",
        {"account": account, "symbol": "AAPL", "sec_type": "OPT", "right": "PUT", "strike": 230.0},
    )
    assert str(put) in one["data"]
    assert str(call) not in one["data"]


def test_states_and_brevity_are_left_unread_as_for_a_prime_account(
    client: Any, account: str
) -> None:
    placed = place(client, limit_order(account, AAPL, "BUY", 1, 200.0))
    (shown,) = client.get_orders(account=account, states=[OrderStatus.FILLED], is_brief=True)
    assert (shown.id, shown.limit_price) == (placed, 200.0)


def test_orders_can_be_listed_by_their_last_change(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    first = place(client, limit_order(account, AAPL, "BUY", 1, 200.0))
    sandbox.control.advance_clock(HOUR_MS)
    second = place(client, limit_order(account, AAPL, "BUY", 1, 200.0))
    sandbox.control.advance_clock(HOUR_MS)
    client.cancel_order(account=account, id=first)

    def ids(**filters: Any) -> list[int]:
        return [item.id for item in client.get_orders(account=account, **filters)]

    assert ids(sort_by="LATEST_CREATED") == [second, first]
    assert ids(sort_by="LATEST_STATUS_UPDATED") == [first, second]
    changed_since = {"sort_by": "LATEST_STATUS_UPDATED", "start_time": NOW_MS + 2 * HOUR_MS}
    assert ids(**changed_since) == [first]
    assert ids(end_time=NOW_MS + HOUR_MS) == [first]
    assert ids(start_time="2026-03-02 23:30:00") == [second]


def test_each_listing_has_its_orders(client: Any, account: str) -> None:
    filled = place(client, market_order(account, AAPL, "BUY", 1))
    cancelled = place(client, limit_order(account, AAPL, "BUY", 1, 200.0))
    client.cancel_order(account=account, id=cancelled)
    rejected = place(client, limit_order(account, AAPL, "BUY", 1, 200.005))
    resting = place(client, limit_order(account, AAPL, "BUY", 1, 200.0))

    def ids(orders: Any) -> list[int]:
        return [item.id for item in orders]

    assert ids(client.get_open_orders(account=account)) == [resting]
    assert ids(client.get_cancelled_orders(account=account)) == [rejected, cancelled]
    span = {"start_time": NOW_MS, "end_time": NOW_MS + 1}
    assert ids(client.get_filled_orders(account=account, **span)) == [filled]
    assert ids(client.get_orders(account=account)) == [resting, rejected, cancelled, filled]


def test_no_more_than_three_hundred_orders_come_at_once(sandbox: Sandbox, account: str) -> None:
    client = sandbox.trade_client(timeout_s=30)
    for _ in range(301):
        sandbox.control.external_order(
            account, "AAPL", side="BUY", quantity=Decimal(1), limit_price=Decimal("100.00")
        )
    page = client.get_orders(account=account, limit=1000, page_token="")
    assert len(page.result) == 300
    rest = client.get_orders(account=account, limit=1000, page_token=page.next_page_token)
    assert (len(rest.result), rest.next_page_token) == (1, "")
    assert len(client.get_orders(account=account)) == 100
    with pytest.raises(ApiException) as error:
        client.get_orders(account=account, limit=-1)
    assert error.value.code == 1010


def test_charges_are_told_of_a_single_order_when_they_are_asked_for(
    client: Any, account: str
) -> None:
    order = place(client, market_order(account, AAPL, "BUY", 10))
    assert client.get_order(account=account, id=order).charges is None
    shown = client.get_order(account=account, id=order, show_charges=True)
    (charge,) = shown.charges
    assert (charge.category, charge.category_desc, charge.total) == ("TIGER", "Tiger Charge", 1.99)
    assert charge.total == shown.commission
    assert [(item.type, item.original_amount) for item in charge.details] == [
        ("COMMISSION", 0.99),
        ("PLATFORM_FEE", 1.0),
    ]
    assert [item.after_discount_amount for item in charge.details] == [0.99, 1.0]


def test_executions_of_derivatives_are_chosen_and_told(client: Any, account: str) -> None:
    stock = place(client, market_order(account, AAPL, "BUY", 2))
    call = place(client, market_order(account, CALL, "BUY", 1))
    place(client, market_order(account, PUT, "BUY", 1))

    def order_ids(**filters: Any) -> list[int]:
        found = client.get_transactions(account=account, **filters)
        return [item.order_id for item in found]

    assert order_ids(symbol="AAPL", sec_type="STK") == [stock]
    chosen = {"symbol": "AAPL", "sec_type": "OPT", "expiry": "20260320", "strike": 230.0}
    assert order_ids(**chosen, put_call="CALL") == [call]
    assert len(order_ids(**chosen)) == 2
    assert order_ids(symbol="AAPL", sec_type="OPT", expiry="20260417") == []
    (fill,) = client.get_transactions(account=account, order_id=call)
    assert (fill.contract.symbol, fill.contract.sec_type, fill.contract.market) == (
        "AAPL",
        "OPT",
        "US",
    )
    assert (fill.contract.expiry, fill.contract.strike, fill.contract.put_call) == (
        "20260320",
        "230.0",
        "CALL",
    )
    assert (fill.account, fill.filled_quantity, fill.filled_quantity_scale) == (int(account), 1, 0)
    assert fill.filled_amount == pytest.approx(fill.filled_price * 100)
    # Texts of times are in Tiger's own zone, eight hours ahead of UTC.
    assert (fill.transacted_at, fill.transaction_time) == ("2026-03-02 23:00:00", NOW_MS)


def test_executions_are_chosen_by_day_and_time(sandbox: Sandbox, client: Any, account: str) -> None:
    early = place(client, market_order(account, AAPL, "BUY", 1))
    sandbox.control.advance_clock(2 * HOUR_MS)
    late = place(client, market_order(account, AAPL, "BUY", 1))

    def order_ids(**filters: Any) -> list[int]:
        found = client.get_transactions(account=account, symbol="AAPL", **filters)
        return [item.order_id for item in found]

    assert order_ids() == [late, early]
    # The second one falls on the next day of Tiger's zone.
    assert order_ids(since_date="20260303") == [late]
    assert order_ids(to_date="20260302") == [early]
    assert order_ids(start_time=NOW_MS + 1) == [late]
    assert order_ids(end_time=NOW_MS + 1) == [early]
    with pytest.raises(ApiException) as error:
        client.get_transactions(account=account)
    assert error.value.code == 1010


def test_positions_are_listed_one_kind_at_a_time(client: Any, account: str) -> None:
    pay_for_futures(client, account)
    for order in (
        market_order(account, AAPL, "BUY", 5),
        market_order(account, TENCENT, "BUY", 100),
        market_order(account, CALL, "BUY", 2),
        market_order(account, ES, "BUY", 1),
    ):
        place(client, order)

    def keys(**filters: Any) -> list[str]:
        found = client.get_positions(account=account, **filters)
        return [item.contract.identifier for item in found]

    assert keys() == ["00700", "AAPL"]
    assert keys(market="US") == keys(currency="USD") == keys(symbol="AAPL") == ["AAPL"]
    call = "AAPL  260320C00230000"
    assert keys(sec_type="OPT") == keys(sec_type="OPT", symbol="AAPL") == [call]
    assert keys(sec_type="OPT", expiry="20260320", strike="230", put_call="CALL") == [call]
    assert keys(sec_type="OPT", put_call="PUT") == []
    assert keys(sec_type="FUT") == ["ES2606"]
    assert keys(sec_type="WAR") == []


def test_position_tells_every_published_figure(sandbox: Sandbox, client: Any, account: str) -> None:
    place(client, market_order(account, AAPL, "BUY", 10))
    sandbox.control.set_price("AAPL", Decimal("231.00"))
    place(client, limit_order(account, AAPL, "SELL", 4, 300.0))
    (item,) = client.get_positions(account=account)
    assert (item.account, item.contract.contract_id, item.contract.name) == (account, 14, "Apple")
    assert (item.quantity, item.position_scale, item.position_qty, item.salable_qty) == (
        10,
        0,
        10.0,
        6.0,
    )
    assert {item.average_cost, item.average_cost_by_average, item.average_cost_of_carry} == {230.01}
    assert (item.market_price, item.market_value) == (231.0, 2310.0)
    gains = {
        item.unrealized_pnl,
        item.unrealized_pnl_by_average,
        item.unrealized_pnl_by_cost_of_carry,
    }
    assert gains == {9.9}
    shares = {
        item.unrealized_pnl_percent,
        item.unrealized_pnl_percent_by_average,
        item.unrealized_pnl_percent_by_cost_of_carry,
    }
    assert shares == {0.0043}
    assert (item.realized_pnl, item.realized_pnl_by_average) == (0.0, 0.0)
    assert (item.last_close_price, item.today_pnl, item.today_pnl_percent) == (230.0, 10.0, 0.0043)
    assert (item.mm_percent, item.mm_value) == (0.25, 577.5)


def test_option_position_counts_its_multiplier(client: Any, account: str) -> None:
    place(client, market_order(account, CALL, "BUY", 2))
    (item,) = client.get_positions(account=account, sec_type="OPT")
    assert (item.contract.multiplier, item.contract.expiry, item.contract.strike) == (
        100.0,
        "20260320",
        "230.0",
    )
    assert item.market_value == pytest.approx(item.market_price * 200)
    assert item.unrealized_pnl == pytest.approx((item.market_price - item.average_cost) * 200)
