"""The real SDK's methods about holdings that do not trade: transfers and exercises of options.

The shapes are held against the replies in `tests/test_trade_client.py` of
tigerfintech/openapi-python-sdk (commit 47854414) and Tiger's page "option-exercise" (both read
2026-11-23).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.consts import OptionExerciseType
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import option_contract, stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order
from tigeropen.trade.domain.transfer import TransferItem

from infra.sandbox.market.instruments import find
from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

AAPL = stock_contract("AAPL", "USD")
CALL_KEY, PUT_KEY = "AAPL  260320C00230000", "AAPL  260320P00230000"
CALL, PUT = option_contract(CALL_KEY), option_contract(PUT_KEY)
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
DAY_MS = 86_400_000
TODAY, TOMORROW = "2026-03-02", "2026-03-03"
EXERCISE, EXPIRE = OptionExerciseType.EXERCISE, OptionExerciseType.EXPIRE


@pytest.fixture
def sandbox(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Sandbox]:
    clock = f"virtual:{getattr(request, 'param', NOW).isoformat()}"
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), "--clock", clock) as started:
        started.control.set_settings(Settings(price_drift=False))
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    return sandbox.account("main")


@pytest.fixture
def paper(sandbox: Sandbox) -> str:
    return sandbox.account("paper")


@pytest.fixture
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


def contract_id(key: str) -> int:
    instrument = find(key)
    assert instrument is not None
    return instrument.contract_id


def held(client: Any, account: str, *, sec_type: str = "STK") -> dict[str, float]:
    found = client.get_positions(account=account, sec_type=sec_type)
    return {item.contract.identifier: item.position_qty for item in found}


def exercise(client: Any, account: str, key: str, quantity: float, day: str) -> bool:
    done: bool = client.submit_option_exercise(
        contract_id(key), EXERCISE, quantity, account=account, executing_date=day, is_force=False
    )
    return done


def test_transferred_holding_changes_its_account_at_what_it_cost(
    client: Any, account: str, paper: str
) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 10))
    client.place_order(market_order(account, CALL, "BUY", 2))
    (before,) = client.get_positions(account=account)
    done = client.transfer_position(
        account,
        paper,
        [
            TransferItem("AAPL", 4),
            TransferItem("AAPL", 1, "20260320", 230.0, put_call="CALL", sec_type="OPT"),
        ],
        market="US",
    )
    assert (done.account_id, done.counterparty_account_id) == (account, paper)
    assert (done.method, done.direction, done.status) == ("INTERNAL", "OUT", "Succ")
    assert int(done.id) > 2**53
    assert done.created_at == done.updated_at == done.finished_at == "2026-03-02 23:00:00"
    assert (held(client, account), held(client, paper)) == ({"AAPL": 6.0}, {"AAPL": 4.0})
    assert held(client, paper, sec_type="OPT") == {CALL_KEY: 1.0}
    (moved,) = client.get_positions(account=paper)
    assert moved.average_cost == before.average_cost


def test_transfers_are_listed_for_both_accounts_and_told_in_detail(
    sandbox: Sandbox, client: Any, account: str, paper: str
) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 10))
    done = client.transfer_position(account, paper, [TransferItem("AAPL", 4)])
    sandbox.stop()
    sandbox.start()
    again = sandbox.trade_client()
    assert held(again, paper) == {"AAPL": 4.0}
    span = {"since_date": TODAY, "to_date": TODAY}
    (out,) = again.get_position_transfer_records(**span, account_id=account)
    assert (out.id, out.direction, out.status, out.user_id) == (
        done.id,
        "OUT",
        "Succ",
        sandbox.login().tiger_id,
    )
    (into,) = again.get_position_transfer_records(**span, account_id=paper, symbol="AAPL")
    assert (into.id, into.direction, into.counterparty_account_id) == (done.id, "IN", account)
    for other in ({"symbol": "MSFT"}, {"market": "HK"}, {"status": "Fail"}):
        assert again.get_position_transfer_records(**span, account_id=paper, **other) == []
    detail = again.get_position_transfer_detail(done.id, account_id=paper)
    assert (detail.id, detail.account_id, detail.direction) == (done.id, paper, "IN")
    (item,) = detail.detail
    assert (item.transfer_id, item.symbol, item.formatted_symbol, item.market) == (
        done.id,
        "AAPL",
        "AAPL",
        "US",
    )
    assert (item.quantity, item.status, item.direction) == (4.0, "Succ", "IN")
    assert again.get_position_transfer_external_records(**span, account_id=paper) == []


@pytest.mark.parametrize(
    "items, code",
    [
        ([TransferItem("AAPL", 7)], 1200),
        ([TransferItem("AAPL", 2), TransferItem("AAPL", 2)], 1200),
        ([TransferItem("NOSUCH", 1)], 1200),
        ([TransferItem("MSFT", 1)], 1200),
        ([TransferItem("AAPL", 0)], 1010),
        ([TransferItem("AAPL", -1)], 1010),
        ([TransferItem("AAPL", 1), TransferItem("00700", 1)], 1010),
        ([], 1010),
    ],
    ids=["too much", "twice", "unknown", "not held", "nothing", "below 0", "markets", "empty"],
)
def test_impossible_position_transfer_moves_nothing(
    client: Any, account: str, paper: str, items: list[Any], code: int
) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 10))
    # Four of the ten are promised to an order.
    client.place_order(limit_order(account, AAPL, "SELL", 4, 300.0))
    with pytest.raises(ApiException) as error:
        client.transfer_position(account, paper, items)
    assert error.value.code == code
    assert (held(client, account), held(client, paper)) == ({"AAPL": 10.0}, {})


def test_position_transfer_needs_two_accounts_of_the_login(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 10))
    foreign = sandbox.account("second", login="second")
    for target in (foreign, account):
        with pytest.raises(ApiException) as error:
            client.transfer_position(account, target, [TransferItem("AAPL", 1)])
        assert error.value.code == 1200
    with pytest.raises(ApiException) as error:
        client.get_position_transfer_detail("42", account_id=account)
    assert error.value.code == 1200
    with pytest.raises(ApiException) as error:
        client.get_position_transfer_records("", TODAY, account_id=account)
    assert error.value.code == 1010


def test_check_tells_what_an_exercise_would_do(client: Any, account: str) -> None:
    client.place_order(market_order(account, CALL, "BUY", 5))
    client.place_order(limit_order(account, CALL, "SELL", 1, 90.0))
    found = client.check_option_exercise(
        contract_id(CALL_KEY), EXERCISE, account=account, quantity=3.0
    )
    assert (found.available_quantity, found.position, found.symbol) == (4.0, 5.0, "AAPL")
    assert (found.stk_position, found.stk_position_before) == (0.0, 0.0)
    assert (found.stk_position_change, found.stk_position_after) == (300.0, 300.0)
    lapse = client.check_option_exercise(contract_id(CALL_KEY), EXPIRE, account=account)
    assert (lapse.stk_position_change, lapse.stk_position_after) == (0.0, 0.0)


def test_exercised_call_buys_the_stock_at_the_strike(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, CALL, "BUY", 3))
    cash = sandbox.control.book(account).cash["USD"]
    assert exercise(client, account, CALL_KEY, 2, TODAY)
    assert held(client, account) == {"AAPL": 200.0}
    assert held(client, account, sec_type="OPT") == {CALL_KEY: 1.0}
    assert sandbox.control.book(account).cash["USD"] == cash - 200 * 230
    (stock,) = client.get_positions(account=account)
    assert stock.average_cost == 230.0
    rows = client.get_fund_details(["SEC"], account=account, fund_type="TRADE").to_dict("records")
    assert ("Option Exercise", -46_000.0) in [(row["type"], row["amount"]) for row in rows]


def test_exercised_put_sells_the_stock_at_the_strike(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, AAPL, "BUY", 150))
    client.place_order(market_order(account, PUT, "BUY", 1))
    cash = sandbox.control.book(account).cash["USD"]
    assert exercise(client, account, PUT_KEY, 1, TODAY)
    assert (held(client, account), held(client, account, sec_type="OPT")) == ({"AAPL": 50.0}, {})
    assert sandbox.control.book(account).cash["USD"] == cash + 23_000


def test_exercise_of_a_later_day_waits_and_survives_a_restart(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, CALL, "BUY", 2))
    assert exercise(client, account, CALL_KEY, 2, TOMORROW)
    page = client.get_option_exercise_records(account=account)
    assert (page.page_num, page.page_size, page.item_count, page.page_count) == (1, 20, 1, 1)
    (waiting,) = page.items
    assert (waiting.id, waiting.type, waiting.status) == (1, "Exercise", "New")
    assert (waiting.contract_id, waiting.symbol, waiting.stk_symbol, waiting.account_id) == (
        contract_id(CALL_KEY),
        "AAPL",
        "AAPL",
        int(account),
    )
    assert (waiting.expire_date, waiting.strike, waiting.call_put) == ("20260320", "230.0", "CALL")
    assert (waiting.request_quantity, waiting.quantity, waiting.executing_date) == (
        2.0,
        0.0,
        "20260303",
    )
    assert (waiting.itm_rate, waiting.is_force, waiting.reason) == (0, False, None)
    sandbox.stop()
    sandbox.start()
    again = sandbox.trade_client()
    assert held(again, account, sec_type="OPT") == {CALL_KEY: 2.0}
    sandbox.control.advance_clock(DAY_MS)
    assert held(again, account) == {"AAPL": 200.0}
    (done,) = again.get_option_exercise_records(account=account).items
    assert (done.status, done.quantity) == ("Success", 2.0)


def test_request_can_be_taken_back_until_it_is_done(client: Any, account: str) -> None:
    client.place_order(market_order(account, CALL, "BUY", 2))
    exercise(client, account, CALL_KEY, 1, TOMORROW)
    assert client.cancel_option_exercise(1, account=account)
    exercise(client, account, CALL_KEY, 1, TODAY)
    statuses = [item.status for item in client.get_option_exercise_records(account=account).items]
    assert statuses == ["Success", "Cancel"]
    for number in (1, 2, 99):
        with pytest.raises(ApiException) as error:
            client.cancel_option_exercise(number, account=account)
        assert error.value.code == 1200


# Every second on the way is a step of the market, so the last day is not far.
@pytest.mark.parametrize("sandbox", [datetime(2026, 3, 19, 15, 0, tzinfo=UTC)], indirect=True)
def test_abandoned_option_lapses_on_its_last_day(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, CALL, "BUY", 2))
    cash = sandbox.control.book(account).cash["USD"]
    assert client.submit_option_exercise(
        contract_id(CALL_KEY), EXPIRE, 2, account=account, itm_rate=5
    )
    (waiting,) = client.get_option_exercise_records(account=account, exercise_type=EXPIRE).items
    assert (waiting.type, waiting.executing_date, waiting.itm_rate) == ("Expire", "20260320", 5)
    assert client.get_option_exercise_records(account=account, exercise_type=EXERCISE).items == []
    sandbox.control.advance_clock(DAY_MS)
    # It is the option's last day; it lapses when that day's trading ends.
    assert held(client, account, sec_type="OPT") == {CALL_KEY: 2.0}
    sandbox.control.advance_clock(DAY_MS)
    assert held(client, account, sec_type="OPT") == {}
    assert held(client, account) == {}
    assert sandbox.control.book(account).cash["USD"] == cash


def test_options_that_can_be_exercised_are_listed(client: Any, account: str) -> None:
    empty = client.get_option_exercise_positions(EXERCISE, account=account)
    assert (empty.items, empty.item_count, empty.page_count) == ([], 0, 0)
    client.place_order(market_order(account, CALL, "BUY", 2))
    client.place_order(market_order(account, PUT, "BUY", 1))
    exercise(client, account, CALL_KEY, 1, TOMORROW)
    page = client.get_option_exercise_positions(EXERCISE, account=account)
    assert (page.page_num, page.page_size, page.item_count, page.page_count) == (1, 2, 2, 1)
    call, put = page.items
    assert (call.market, call.contract_id, call.stk_symbol, call.symbol) == (
        "US",
        contract_id(CALL_KEY),
        "AAPL",
        "AAPL",
    )
    assert (call.expire_date, call.strike, call.call_put, call.account_id) == (
        "20260320",
        "230.0",
        "CALL",
        int(account),
    )
    assert (call.position, call.available_quantity) == (2.0, 1.0)
    assert (put.call_put, put.position, put.available_quantity) == ("PUT", 1.0, 1.0)


def test_requests_are_paged_and_put_in_order(client: Any, account: str) -> None:
    client.place_order(market_order(account, CALL, "BUY", 2))
    client.place_order(market_order(account, PUT, "BUY", 1))
    for key in (PUT_KEY, CALL_KEY, CALL_KEY):
        exercise(client, account, key, 1, TOMORROW)

    def rights(**filters: Any) -> list[str]:
        page = client.get_option_exercise_records(account=account, **filters)
        return [item.call_put for item in page.items]

    assert rights() == ["CALL", "CALL", "PUT"]
    assert rights(page=2, size=2) == ["PUT"]
    assert rights(order_by="is_call") == ["CALL", "CALL", "PUT"]
    assert rights(symbol="MSFT") == rights(status="Success") == []
    assert len(rights(symbol="AAPL", status="New")) == 3
    page = client.get_option_exercise_records(account=account, size=2)
    assert (page.item_count, page.page_count) == (3, 2)
    for filters in ({"page": 0}, {"size": 101}, {"order_by": "mood"}):
        with pytest.raises(ApiException) as error:
            rights(**filters)
        assert error.value.code == 1010


@pytest.mark.parametrize(
    "changes, code",
    [
        ({"quantity": 3}, 1200),
        ({"contract_id": 42}, 1200),
        ({"executing_date": "2026-03-01"}, 1200),
        ({"executing_date": "2026-03-21"}, 1200),
        ({"executing_date": None}, 1010),
        ({"is_force": None}, 1010),
        ({"quantity": 0}, 1010),
        ({"quantity": 0.5}, 1010),
        ({"quantity": None}, 1010),
        ({"type": "Sell"}, 1010),
        ({"type": None}, 1010),
        ({"contract_id": 0}, 1010),
        ({"itm_rate": 11}, 1010),
    ],
)
def test_impossible_exercise_changes_nothing(
    client: Any, account: str, changes: dict[str, object], code: int
) -> None:
    client.place_order(market_order(account, CALL, "BUY", 2))
    terms: dict[str, object] = {
        "account": account,
        "contract_id": contract_id(CALL_KEY),
        "type": "Exercise",
        "quantity": 1,
        "executing_date": TODAY,
        "is_force": True,
    }
    assert raw_call(client, "option_exercise_submit", terms | changes)["code"] == code
    assert client.get_option_exercise_records(account=account).items == []
    assert held(client, account, sec_type="OPT") == {CALL_KEY: 2.0}


def test_request_fails_when_the_option_was_sold_meanwhile(
    sandbox: Sandbox, client: Any, account: str
) -> None:
    client.place_order(market_order(account, CALL, "BUY", 1))
    exercise(client, account, CALL_KEY, 1, TOMORROW)
    client.place_order(market_order(account, CALL, "SELL", 1))
    sandbox.control.advance_clock(DAY_MS)
    (item,) = client.get_option_exercise_records(account=account).items
    assert (item.status, item.reason) == ("Fail", "The option position does not exist")
    assert held(client, account) == {}
    assert sandbox.control.book(account).cash["USD"] > Decimal(499_000)
