"""What others do to an account: orders, cancels and fills of the app, cash and shares moved."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order

from infra.sandbox.control.client import SandboxControlError
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    return sandbox.account()


@pytest.fixture
def order(client: Any, account: str) -> Any:
    placed = limit_order(account, AAPL, "BUY", 10, 100.0)
    client.place_order(placed)
    return placed


def held(client: Any, account: str) -> dict[str, tuple[float, float]]:
    return {
        each.contract.symbol: (each.quantity, each.average_cost)
        for each in client.get_positions(account=account)
    }


def cash(client: Any, account: str) -> float:
    return float(client.get_prime_assets(account=account).segments["S"].cash_balance)


def test_app_order_has_no_number_and_no_mark(sandbox: Sandbox, client: Any, account: str) -> None:
    app = sandbox.control.external_order(
        account, "AAPL", side="BUY", quantity=Decimal(2), limit_price=Decimal("90")
    )
    shown = client.get_order(account=account, id=app.global_id)
    assert (shown.order_id, shown.user_mark, shown.source) == (0, "", "android")
    assert client.cancel_order(account=account, id=app.global_id) == app.global_id


def test_order_cancelled_in_the_app_is_cancelled_for_the_client(
    sandbox: Sandbox, client: Any, account: str, order: Any
) -> None:
    sandbox.control.external_cancel(account, order.id)
    assert client.get_order(account=account, id=order.id).status == OrderStatus.CANCELLED
    # Cancelling a cancelled order changes nothing, as at Tiger.
    assert sandbox.control.external_cancel(account, order.id).status == "Cancelled"


def test_order_changed_in_the_app_has_its_new_terms(
    sandbox: Sandbox, client: Any, account: str, order: Any
) -> None:
    sandbox.control.external_modify(
        account, order.id, quantity=Decimal(7), limit_price=Decimal("99.5")
    )
    shown = client.get_order(account=account, id=order.id)
    assert (shown.quantity, shown.limit_price) == (7, 99.5)
    sandbox.control.external_modify(account, order.id, limit_price=Decimal("98"))
    shown = client.get_order(account=account, id=order.id)
    assert (shown.quantity, shown.limit_price) == (7, 98)


def test_order_fills_though_the_market_is_elsewhere(
    sandbox: Sandbox, client: Any, account: str, order: Any
) -> None:
    sandbox.control.external_fill(account, order.id, quantity=Decimal(3))
    shown = client.get_order(account=account, id=order.id)
    assert (shown.filled, shown.avg_fill_price) == (3, 100)
    sandbox.control.external_fill(account, order.id, price=Decimal("99"))
    shown = client.get_order(account=account, id=order.id)
    assert (shown.status, shown.filled) == (OrderStatus.FILLED, 10)
    fills = client.get_transactions(account=account, order_id=order.id)
    assert sorted((fill.filled_quantity, fill.filled_price) for fill in fills) == [
        (3, 100),
        (7, 99),
    ]


def test_more_than_is_left_can_not_be_filled(sandbox: Sandbox, account: str, order: Any) -> None:
    with pytest.raises(SandboxControlError) as error:
        sandbox.control.external_fill(account, order.id, quantity=Decimal(11))
    assert error.value.status == 409


@pytest.mark.parametrize("amount", ["2500.50", "-1200.25"])
def test_cash_is_paid_in_and_out(sandbox: Sandbox, client: Any, account: str, amount: str) -> None:
    before, shown = sandbox.control.book(account).cash["USD"], cash(client, account)
    after = sandbox.control.external_cash(account, "USD", Decimal(amount))
    assert after.cash["USD"] - before == Decimal(amount)
    assert cash(client, account) - shown == pytest.approx(float(amount))


def test_holding_comes_and_goes_without_a_trade(sandbox: Sandbox, client: Any) -> None:
    account = sandbox.account("paper")
    before = sandbox.control.book(account)
    sandbox.control.external_position(account, "MSFT", quantity=Decimal(8), price=Decimal("450"))
    assert held(client, account)["MSFT"] == (8, 450)
    after = sandbox.control.external_position(
        account, "MSFT", quantity=Decimal(-8), price=Decimal("450")
    )
    assert "MSFT" not in held(client, account)
    assert (after.cash, after.fills, after.orders) == (before.cash, before.fills, before.orders)


def test_dividend_and_split_reach_every_holder(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        account, client = sandbox.account(), sandbox.trade_client()
        sandbox.control.external_position(
            account, "AAPL", quantity=Decimal(10), price=Decimal("200")
        )
        before = sandbox.control.book(account).cash["USD"]
        sandbox.control.dividend("AAPL", Decimal("0.25"))
        assert sandbox.control.book(account).cash["USD"] - before == Decimal("2.5")
        assert sandbox.control.split("AAPL", Decimal(2)).last < 120
        assert held(client, account)["AAPL"] == (20, 100)


def test_what_came_from_outside_outlives_a_restart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        account = sandbox.account()
        sandbox.control.external_cash(account, "HKD", Decimal("-10"))
        after = sandbox.control.external_position(
            account, "AAPL", quantity=Decimal(5), price=Decimal("200")
        )
        sandbox.stop()
        sandbox.start()
        assert sandbox.control.book(account) == after


@pytest.mark.parametrize(
    "route, body",
    [
        ("/external_cash", {"currency": "ZZZ", "amount": "1"}),
        ("/external_cash", {"currency": "USD", "amount": "0"}),
        ("/external_cash", {"currency": "USD", "amount": "NaN"}),
        ("/external_position", {"key": "NOSUCH", "quantity": "1", "price": "1"}),
        ("/external_position", {"key": "AAPL", "quantity": "0", "price": "1"}),
        ("/external_position", {"key": "AAPL", "quantity": "1", "price": "-1"}),
        ("/external_fill", {"global_id": 1}),
        ("/external_cancel", {"global_id": 1}),
        ("/external_modify", {"global_id": 1}),
    ],
)
def test_act_that_makes_no_sense_is_refused(
    sandbox: Sandbox, account: str, route: str, body: dict[str, object]
) -> None:
    with pytest.raises(SandboxControlError) as error:
        sandbox.control._call("POST", route, dict, body={"account": account} | body)
    assert error.value.status == 400


def test_account_must_exist(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxControlError) as error:
        sandbox.control.external_cash("1", "USD", Decimal(1))
    assert error.value.status == 400
