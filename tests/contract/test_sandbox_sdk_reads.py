"""The real SDK over the wire: accounts, listings, quotes, field by field."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import (
    limit_order,
    market_order,
)

from infra.sandbox.home import QUOTE_RIGHTS_DEFAULT
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


def resting_order(client: Any, account: str) -> Any:
    order = limit_order(account, AAPL, "BUY", 10, 200.25)
    client.place_order(order)
    return order


def codes_of(error: pytest.ExceptionInfo[ApiException]) -> tuple[int, str]:
    return error.value.code, error.value.msg


def test_accounts_are_listed_with_their_kind(sandbox: Sandbox, client: Any) -> None:
    profiles = client.get_managed_accounts()
    assert [(item.account, item.account_type, item.status) for item in profiles] == [
        (sandbox.account("main"), "STANDARD", "Funded"),
        (sandbox.account("paper"), "PAPER", "Funded"),
    ]


def test_account_of_another_login_is_refused(sandbox: Sandbox, client: Any) -> None:
    foreign = sandbox.account("second", login="second")
    with pytest.raises(ApiException) as error:
        client.get_orders(account=foreign)
    assert codes_of(error) == (
        1200,
        "standard account response error(unauthorized:Please login in)",
    )


def test_unknown_order_is_not_found(client: Any, account: str) -> None:
    with pytest.raises(ApiException) as error:
        client.get_order(account=account, id=42)
    assert codes_of(error) == (
        1200,
        "standard account response error(not_found:Order does not exist)",
    )


def test_position_and_assets_follow_a_fill(sandbox: Sandbox, client: Any) -> None:
    paper = sandbox.account("paper")
    client.place_order(market_order(paper, TENCENT, "BUY", 100))
    (position,) = client.get_positions(account=paper, market="HK")
    assert (position.contract.symbol, position.quantity, position.position_scale) == (
        "00700",
        100,
        0,
    )
    assert (position.average_cost, position.market_price, position.market_value) == (
        620.5,
        620.0,
        62000.0,
    )
    assert (position.position_qty, position.salable_qty, position.unrealized_pnl) == (
        100.0,
        100.0,
        -50.0,
    )
    assert client.get_positions(account=paper, sec_type="OPT") == []
    assets = client.get_prime_assets(account=paper)
    assert assets.account == paper
    segment = assets.segments["S"]
    cash = sandbox.control.book(paper).cash
    # 62050 for the shares, and 3 + 15 for the fees (0.03 % of the amount is above the minimum).
    assert cash["HKD"] == Decimal(1_000_000) - Decimal("62050") - Decimal("33.62")
    assert segment.currency_assets["HKD"].cash_balance == float(cash["HKD"])
    assert segment.currency == "USD"
    assert segment.buying_power > 0


def test_orders_are_paged_newest_first(sandbox: Sandbox) -> None:
    client, account = sandbox.trade_client("second"), sandbox.account("second", login="second")
    placed = [resting_order(client, account).id for _ in range(5)]
    token, pages = "", []
    while True:
        page = client.get_orders(account=account, limit=2, page_token=token)
        pages.append([order.id for order in page.result])
        token = page.next_page_token
        if not token:
            break
    newest_first = placed[::-1]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:]]


def test_page_token_is_refused_with_other_parameters(client: Any, account: str) -> None:
    resting_order(client, account)
    resting_order(client, account)
    page = client.get_orders(account=account, limit=1, page_token="")
    for limit, token in ((2, page.next_page_token), (1, "bm90IG91cnM=")):
        with pytest.raises(ApiException) as error:
            client.get_orders(account=account, limit=limit, page_token=token)
        assert error.value.code == 1010


def test_orders_are_filtered_by_symbol_market_and_time(client: Any, account: str) -> None:
    order = resting_order(client, account)
    opened_ms = client.get_order(account=account, id=order.id).order_time

    def ids(**filters: Any) -> list[int]:
        return [item.id for item in client.get_orders(account=account, **filters)]

    assert order.id in ids(symbol="AAPL", market="US", sec_type="STK", seg_type="SEC")
    assert order.id in ids(start_time=opened_ms, end_time=opened_ms + 1)
    assert order.id not in ids(start_time=opened_ms + 1)
    assert order.id not in ids(end_time=opened_ms)
    assert order.id not in ids(symbol="MSFT")
    assert order.id not in ids(market="HK")
    assert order.id not in ids(sec_type="OPT")


def test_filled_orders_need_a_span_of_time(client: Any, account: str) -> None:
    order = market_order(account, AAPL, "BUY", 1)
    client.place_order(order)
    with pytest.raises(ApiException) as error:
        client.get_filled_orders(account=account)
    assert error.value.code == 1010
    filled = client.get_filled_orders(account=account, start_time=1, end_time=2**42)
    assert order.id in [item.id for item in filled]


def test_transactions_are_paged_and_complete(sandbox: Sandbox) -> None:
    client, account = sandbox.trade_client("second"), sandbox.account("second", login="second")
    nvda = stock_contract("NVDA", "USD")
    for _ in range(3):
        client.place_order(market_order(account, nvda, "BUY", 2))
    first = client.get_transactions(account=account, symbol="NVDA", limit=2, page_token="")
    rest = client.get_transactions(
        account=account, symbol="NVDA", limit=2, page_token=first.next_page_token
    )
    assert (len(first.result), len(rest.result), rest.next_page_token) == (2, 1, "")
    fill = rest.result[0]
    # Tiger writes the account of an execution as a number.
    assert (fill.account, fill.action, fill.contract.symbol, fill.filled_quantity) == (
        int(account),
        "BUY",
        "NVDA",
        2,
    )
    assert (fill.filled_price, fill.filled_amount, fill.filled_quantity_scale) == (
        180.01,
        360.02,
        0,
    )
    assert fill.id != fill.order_id


def test_order_from_the_phone_app_has_no_number_and_no_mark(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    placed = sandbox.control.external_order(
        account, "AAPL", side="BUY", quantity=Decimal(2), limit_price=Decimal("100.00")
    )
    shown = client.get_order(account=account, id=placed.global_id)
    assert (shown.order_id, shown.source, shown.user_mark) == (0, "android", "")
    assert not shown.external_id.isdigit()


def test_contract_tells_ticks_and_lots(client: Any) -> None:
    found = client.get_contract("00700")
    assert (found.symbol, found.currency, found.market, found.lot_size) == (
        "00700",
        "HKD",
        "HK",
        100.0,
    )
    assert found.trade
    assert {
        "begin": "500",
        "end": "1000",
        "type": "OPEN_CLOSED",
        "tick_size": 0.5,
    } in found.tick_sizes
    assert client.get_contract("NOSUCH") is None
    several = client.get_contracts(["AAPL", "NOSUCH", "00700"])
    assert [item.symbol for item in several] == ["AAPL", "00700"]


def test_quotes_are_read_in_both_shapes(sandbox: Sandbox, account: str) -> None:
    quotes = sandbox.quote_client()
    current = quotes.get_stock_briefs(["AAPL", "09988"]).to_dict("records")
    assert [(row["symbol"], row["latest_price"]) for row in current] == [
        ("AAPL", 230.0),
        ("09988", 160.0),
    ]
    assert (current[0]["bid_price"], current[0]["ask_price"]) == (229.99, 230.01)
    (delayed,) = quotes.get_stock_delay_briefs(["AAPL"]).to_dict("records")
    assert (delayed["symbol"], delayed["close"], delayed["pre_close"]) == ("AAPL", 230.0, 230.0)


def test_too_many_symbols_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ApiException) as error:
        sandbox.quote_client().get_stock_briefs(["AAPL"] * 51)
    assert codes_of(error) == (
        1010,
        "biz param error(symbols cannot be empty and cannot exceed 50)",
    )


def test_markets_are_open(sandbox: Sandbox) -> None:
    states = sandbox.quote_client().get_market_status()
    assert [(state.market, state.trading_status) for state in states] == [
        ("US", "TRADING"),
        ("HK", "TRADING"),
        ("CN", "TRADING"),
    ]


def test_quote_rights_are_listed_and_can_be_grabbed(sandbox: Sandbox) -> None:
    quotes = sandbox.quote_client()
    names = [right.name for right in QUOTE_RIGHTS_DEFAULT]
    assert [right["name"] for right in quotes.get_quote_permission()] == names
    assert [right["name"] for right in quotes.grab_quote_permission()] == names


def test_licence_is_not_given(client: Any) -> None:
    # With a licence, an SDK that looks domains up would leave the sandbox for production.
    assert client.query_license() is None
