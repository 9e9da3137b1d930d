"""The real SDK's methods about money: segments, currencies, what came in, and an account's worth.

The shapes are held against the replies in `tests/test_trade_client.py` of
tigerfintech/openapi-python-sdk (commit 47854414) and Tiger's page "accounts-java", read 2026-11-23.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import Currency, OrderStatus, SegmentType
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order

from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
DAY_MS = 86_400_000
PAID_IN_MS = int(datetime(2025, 1, 1, 16, 0, tzinfo=UTC).timestamp()) * 1000


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
    return client_of(sandbox)


def client_of(sandbox: Sandbox) -> Any:
    # The methods about segments take no account: they use the client's own.
    client = sandbox.trade_client()
    client._account = sandbox.account("main")
    return client


def hold_transfers(sandbox: Sandbox, *, held: bool) -> None:
    sandbox.control.set_settings(Settings(price_drift=False, defer_transfers=held))


def cash_of(client: Any, account: str, segment: str, currency: str = "USD") -> float:
    assets = client.get_prime_assets(account=account)
    balance: float = assets.segments[segment].currency_assets[currency].cash_balance
    return balance


def test_transfer_between_segments_moves_cash_and_is_told_as_submitted(
    client: Any, account: str
) -> None:
    done = client.transfer_segment_fund(
        from_segment=SegmentType.SEC, to_segment="FUT", amount=1000.5, currency=Currency.USD
    )
    assert done.id > 2**53
    assert (done.from_segment, done.to_segment, done.currency, done.amount) == (
        "SEC",
        "FUT",
        "USD",
        1000.5,
    )
    assert (done.status, done.status_desc, done.message, done.settled_at) == (
        "NEW",
        "Submitted",
        None,
        None,
    )
    assert (done.created_at, done.updated_at) == (NOW_MS, NOW_MS)
    assert (cash_of(client, account, "S"), cash_of(client, account, "C")) == (498_999.5, 1000.5)
    (told,) = client.get_segment_fund_history()
    assert (told.id, told.status, told.status_desc, told.settled_at) == (
        done.id,
        "SUCC",
        "Received",
        NOW_MS,
    )


def test_repeated_transfer_moves_cash_again(client: Any, account: str) -> None:
    for _ in range(2):
        client.transfer_segment_fund("SEC", "FUT", amount=100, currency="USD")
    assert cash_of(client, account, "C") == 200.0
    assert len(client.get_segment_fund_history()) == 2
    assert len(client.get_segment_fund_history(limit=1)) == 1


def test_transfer_is_kept_over_a_restart(sandbox: Sandbox, client: Any, account: str) -> None:
    done = client.transfer_segment_fund("SEC", "FUT", amount=250, currency="HKD")
    sandbox.stop()
    sandbox.start()
    again = client_of(sandbox)
    assert [item.id for item in again.get_segment_fund_history()] == [done.id]
    assert cash_of(again, account, "C", "HKD") == 250.0
    assert again.place_order(limit_order(account, AAPL, "BUY", 1, 100.0)) > done.id


def test_transfer_on_its_way_can_be_cancelled_and_an_arrived_one_not(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    hold_transfers(sandbox, held=True)
    done = client.transfer_segment_fund("SEC", "FUT", amount=300, currency="USD")
    assert (cash_of(client, account, "S"), client.get_segment_fund_history()[0].status) == (
        499_700.0,
        "NEW",
    )
    assert client.get_prime_assets(account=account).segments["C"].uncollected == 300.0
    back = client.cancel_segment_fund(id=done.id)
    assert (back.id, back.status, back.status_desc) == (done.id, "CANC", "Canceled")
    assert cash_of(client, account, "S") == 500_000.0
    hold_transfers(sandbox, held=False)
    arrived = client.transfer_segment_fund("SEC", "FUT", amount=300, currency="USD")
    with pytest.raises(ApiException) as error:
        client.cancel_segment_fund(id=arrived.id)
    assert (error.value.code, error.value.msg) == (
        1200,
        "standard account response error(fail:The transfer cannot be cancelled now)",
    )


def test_transfer_that_was_held_arrives_when_it_is_let_go(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    hold_transfers(sandbox, held=True)
    client.transfer_segment_fund("SEC", "FUT", amount=300, currency="USD")
    hold_transfers(sandbox, held=False)
    assert cash_of(client, account, "C") == 300.0


@pytest.mark.parametrize(
    "terms, code",
    [
        ({"amount": 600_000}, 1200),
        ({"amount": 0}, 1010),
        ({"amount": -5}, 1010),
        ({"amount": 1.005}, 1010),
        ({"currency": "EUR"}, 1200),
        ({"currency": None}, 1010),
        ({"to_segment": "SEC"}, 1010),
        ({"to_segment": "BANK"}, 1010),
        ({"from_segment": None}, 1010),
    ],
    ids=["too much", "nothing", "below 0", "mill", "currency", "none", "same", "unknown", "from"],
)
def test_impossible_transfer_moves_nothing(
    client: Any, account: str, terms: dict[str, Any], code: int
) -> None:
    good = {"from_segment": "SEC", "to_segment": "FUT", "amount": 10, "currency": "USD"}
    with pytest.raises(ApiException) as error:
        client.transfer_segment_fund(**(good | terms))
    assert error.value.code == code
    assert client.get_segment_fund_history() in (None, [])
    assert cash_of(client, account, "S") == 500_000.0


def test_cash_that_margin_needs_can_not_leave(client: Any, account: str) -> None:
    (free,) = client.get_segment_fund_available("SEC", "USD")
    assert (free.from_segment, free.currency, free.amount) == ("SEC", "USD", 500_000.0)
    client.place_order(market_order(account, AAPL, "BUY", 2000))
    (left,) = client.get_segment_fund_available("SEC", "USD")
    assert left.amount < 500_000.0 - 460_000.0
    every = client.get_segment_fund_available()
    assert [(item.from_segment, item.currency) for item in every] == [
        ("SEC", "HKD"),
        ("SEC", "USD"),
    ]


@pytest.mark.parametrize(
    "source, target, amount, action, filled, price, received",
    [
        ("USD", "HKD", 1000, "SELL", (1000, 0), 7.8125, 7812.5),
        ("HKD", "USD", 1000, "BUY", (128, 0), 7.8125, 128.0),
    ],
)
def test_forex_order_changes_both_currencies(
    client: Any,
    account: str,
    source: str,
    target: str,
    amount: float,
    action: str,
    filled: tuple[int, int],
    price: float,
    received: float,
) -> None:
    before = {name: cash_of(client, account, "S", name) for name in (source, target)}
    order = client.place_forex_order(SegmentType.SEC, source, target, amount)
    assert (order.contract.symbol, order.contract.sec_type, order.contract.currency) == (
        "USD.HKD",
        "CASH",
        "HKD",
    )
    assert (order.account, order.action, order.order_type) == (account, action, "MKT")
    assert (order.status, order.filled, order.filled_scale) == (OrderStatus.FILLED, *filled)
    assert order.avg_fill_price == price
    assert order.id > 2**53
    assert cash_of(client, account, "S", source) == before[source] - amount
    assert cash_of(client, account, "S", target) == before[target] + received
    assert client.get_order(account=account, id=order.id).order_id == order.order_id
    (fill,) = client.get_transactions(account=account, order_id=order.id)
    assert (fill.contract.symbol, fill.contract.sec_type, fill.contract.market) == (
        "USD.HKD",
        "FOREX",
        "US",
    )
    assert (fill.action, fill.filled_quantity, fill.filled_price) == (action, filled[0], price)


def test_forex_order_is_kept_over_a_restart_and_listed(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    order = client.place_forex_order("SEC", "USD", "SGD", 100)
    client.place_forex_order("SEC", "USD", "SGD", 100)
    sandbox.stop()
    sandbox.start()
    again = client_of(sandbox)
    assert cash_of(again, account, "S") == 499_800.0
    found = again.get_orders(account=account, sec_type="CASH")
    assert len(found) == 2
    assert found[1].id == order.id


@pytest.mark.parametrize(
    "terms, code",
    [
        (("SEC", "USD", "USD", 5), 1200),
        (("SEC", "USD", "EUR", 5), 1200),
        (("SEC", "USD", "HKD", 10_000_000), 1200),
        (("FUT", "USD", "HKD", 5), 1200),
        (("SEC", "USD", "HKD", -5), 1010),
        ((None, "USD", "HKD", 5), 1010),
        (("SEC", None, "HKD", 5), 1010),
        (("SEC", "HKD", "USD", 0.01), 1200),
    ],
    ids=["same", "unknown", "too much", "empty segment", "below 0", "segment", "source", "tiny"],
)
def test_impossible_forex_order_changes_nothing(
    sandbox: Sandbox, client: Any, account: str, terms: tuple[Any, ...], code: int
) -> None:
    with pytest.raises(ApiException) as error:
        client.place_forex_order(*terms)
    assert error.value.code == code
    book = sandbox.control.book(account)
    assert (book.orders, book.cash) == ((), book.opening_cash)


def test_first_cash_is_told_as_a_deposit(sandbox: Sandbox, client: Any, account: str) -> None:
    sandbox.control.external_cash(account, "USD", Decimal("-250.00"))
    rows = client.get_funding_history().to_dict("records")
    assert [(row["type"], row["type_desc"], row["currency"], row["amount"]) for row in rows] == [
        (1, "Deposit", "HKD", 2_000_000.0),
        (1, "Deposit", "USD", 500_000.0),
        (3, "Withdrawal", "USD", 250.0),
    ]
    first, last = rows[0], rows[-1]
    assert (first["business_date"], first["created_at"], first["updated_at"]) == (
        "2025/01/02",
        PAID_IN_MS,
        PAID_IN_MS,
    )
    assert (last["business_date"], last["completed_status"]) == ("2026/03/02", True)
    assert len({row["id"] for row in rows}) == len({row["ref_id"] for row in rows}) == 3
    assert client.get_funding_history(seg_type="FUT") is None


def test_every_movement_of_cash_is_listed_newest_first(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.transfer_segment_fund("SEC", "FUT", amount=50, currency="USD")
    sandbox.control.advance_clock(1000)
    client.place_forex_order("SEC", "USD", "HKD", 10)
    sandbox.control.advance_clock(1000)
    client.place_order(market_order(account, AAPL, "BUY", 10))
    table = client.get_fund_details([SegmentType.SEC], account=account)
    rows = table.to_dict("records")
    assert [(row["type"], row["currency"], row["amount"]) for row in rows] == [
        ("Commission", "USD", -1.99),
        ("Trade Buy", "USD", -2300.1),
        ("Currency Exchange - Quotation Currency", "HKD", 78.12),
        ("Currency Exchange - Base Currency", "USD", -10.0),
        ("Internal Funds Transfer Out", "USD", -50.0),
        ("Deposit", "USD", 500_000.0),
        ("Deposit", "HKD", 2_000_000.0),
    ]
    newest = rows[0]
    assert (newest["seg_type"], newest["business_date"], newest["updated_at"]) == (
        "SEC",
        "2026-03-02",
        NOW_MS + 2000,
    )
    assert (newest["contract_name"], newest["page"], newest["limit"]) == ("Apple", 1, 50)
    assert (newest["item_count"], newest["page_count"], newest["timestamp"]) == (
        7,
        1,
        NOW_MS + 2000,
    )
    # What is listed is all that ever moved.
    balance = sum(Decimal(str(row["amount"])) for row in rows if row["currency"] == "USD")
    assert balance == sandbox.control.book(account).cash["USD"]
    (arrived,) = client.get_fund_details("FUT", account=account).to_dict("records")
    assert (arrived["type"], arrived["amount"]) == ("Internal Funds Transfer In", 50.0)


def test_movements_are_chosen_by_kind_currency_day_and_page(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 10))
    sandbox.control.advance_clock(DAY_MS)
    client.place_forex_order("SEC", "USD", "HKD", 10)

    def types(**filters: Any) -> list[str]:
        table = client.get_fund_details(["SEC"], account=account, **filters)
        return [row["type"] for row in table.to_dict("records")]

    assert types(fund_type="FEE") == ["Commission"]
    assert types(fund_type="TRADE") == ["Trade Buy"]
    assert types(fund_type="DEPOSIT_WITHDRAW") == ["Deposit", "Deposit"]
    assert types(currency="HKD") == ["Currency Exchange - Quotation Currency", "Deposit"]
    assert len(types(start_date="2026-03-03")) == 2
    assert types(end_date="2025-12-31") == ["Deposit", "Deposit"]
    assert types(limit=1, start=2) == ["Commission"]
    assert types(start=50) == []
    with pytest.raises(ApiException) as error:
        client.get_fund_details([], account=account)
    assert error.value.code == 1010
