"""The real push client and the account topics: what it is told is what the book says."""

import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import option_contract_by_symbol, stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order

from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import RejectLate
from tests.support.push import PushCollector, following
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

AAPL = stock_contract("AAPL", "USD")
SPY = stock_contract("SPY", "USD")
TENCENT = stock_contract("00700", "HKD")
TOPICS = ("order", "transaction", "position", "asset")
# What a push and a listing call the same, by the push's name.
SAME_FIELDS = {
    "id": "id",
    "account": "account",
    "symbol": "symbol",
    "identifier": "identifier",
    "market": "market",
    "currency": "currency",
    "secType": "secType",
    "name": "name",
    "action": "action",
    "orderType": "orderType",
    "totalQuantity": "totalQuantity",
    "totalQuantityScale": "totalQuantityScale",
    "filledQuantity": "filledQuantity",
    "filledQuantityScale": "filledQuantityScale",
    "avgFillPrice": "avgFillPrice",
    "limitPrice": "limitPrice",
    "realizedPnl": "realizedPnl",
    "replaceStatus": "replaceStatus",
    "cancelStatus": "cancelStatus",
    "outsideRth": "outsideRth",
    "canModify": "canModify",
    "canCancel": "canCancel",
    "source": "source",
    "filledCashAmount": "filledCashAmount",
    "timeInForce": "timeInForce",
    "userMark": "userMark",
    "openTime": "openTime",
    "updateTime": "updateTime",
    "latestTime": "latestTime",
}
# The SDK rewrites the status of a push into its own names.
SDK_STATUS = {
    "Initial": "NEW",
    "PendingSubmit": "HELD",
    "Filled": "FILLED",
    "Cancelled": "CANCELLED",
    "Inactive": "REJECTED",
    "Invalid": "EXPIRED",
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    # Options end; a clock that stands still keeps them.
    options = ("--clock", "virtual:2026-06-01T15:00:00+00:00")
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), *options) as started:
        yield started


@pytest.fixture
def account(sandbox: Sandbox) -> str:
    sandbox.control.set_settings(Settings(price_drift=False))
    sandbox.control.set_price("AAPL", Decimal("230.00"))
    return sandbox.account("main")


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Any:
    return sandbox.trade_client()


@pytest.fixture
def push(sandbox: Sandbox, account: str) -> Iterator[PushCollector]:
    del account
    with following(sandbox) as collector:
        yield collector


def listed(client: Any, account: str, order_id: int) -> dict[str, Any]:
    """Return an order as the HTTP side lists it, in Tiger's own names."""
    answer = raw_call(client, "orders", {"account": account, "id": order_id})
    fields: dict[str, Any] = json.loads(answer["data"])
    return fields


def sdk_status(order: dict[str, Any]) -> str:
    is_partly_filled = order["status"] == "PendingSubmit" and order["filledQuantity"]
    return "PARTIALLY_FILLED" if is_partly_filled else SDK_STATUS[order["status"]]


def assert_same(pushed: Any, order: dict[str, Any]) -> None:
    told = {name: getattr(pushed, name) for name in SAME_FIELDS}
    assert told == {name: order.get(key, 0) for name, key in SAME_FIELDS.items()}
    assert pushed.status == sdk_status(order)
    assert pushed.errorMsg == order.get("remark", "")
    # This one is a float of 32 bits on the wire.
    assert pushed.commissionAndFee == pytest.approx(order["commission"], rel=1e-6)


def last_of(push: PushCollector, order_id: int, status: str) -> Any:
    """Wait until the newest push about an order has a status, and return that push."""

    def newest(frames: list[Any]) -> Any:
        return next((frame for frame in reversed(frames) if frame.id == order_id), None)

    frames = push.wait_until(
        "order", lambda found: (last := newest(found)) is not None and last.status == status
    )
    return newest(frames)


@pytest.mark.parametrize("topic", TOPICS)
def test_any_account_topic_brings_all_four(
    client: Any, account: str, push: PushCollector, topic: str
) -> None:
    acknowledged = push.subscribe(lambda: getattr(push.client, f"subscribe_{topic}")(account))
    assert (acknowledged.code, acknowledged.msg) == (112, '{"code":0,"message":"success"}')
    order = market_order(account, AAPL, "BUY", 10)
    client.place_order(order)
    assert_same(last_of(push, order.id, "FILLED"), listed(client, account, order.id))
    (fill,) = client.get_transactions(account=account, order_id=order.id)
    told = push.wait_for("transaction")[-1]
    assert (told.id, told.orderId, told.account, told.symbol, told.action) == (
        fill.id,
        order.id,
        account,
        "AAPL",
        "BUY",
    )
    assert (told.filledPrice, told.filledQuantity, told.transactTime) == (
        fill.filled_price,
        10,
        fill.transaction_time,
    )
    held = client.get_positions(account=account, symbol="AAPL")[0]
    position = push.wait_for("position")[-1]
    assert (position.account, position.identifier, position.position, position.averageCost) == (
        account,
        "AAPL",
        held.quantity,
        held.average_cost,
    )
    assets = client.get_prime_assets(account=account).segments["S"]
    (asset,) = push.wait_until(
        "asset", lambda frames: bool(frames) and frames[-1].cashBalance == assets.cash_balance
    )[-1:]
    assert (asset.account, asset.segType, asset.netLiquidation, asset.buyingPower) == (
        account,
        "S",
        assets.net_liquidation,
        assets.buying_power,
    )
    assert (asset.initMarginReq, asset.maintMarginReq, asset.grossPositionValue) == (
        assets.init_margin,
        assets.maintain_margin,
        assets.gross_position_value,
    )


def test_unsubscribing_one_account_topic_ends_all_four(
    sandbox: Sandbox, client: Any, account: str, push: PushCollector
) -> None:
    push.follow_account()
    push.client.unsubscribe_position()
    push.wait_for("unsubscribed")
    client.place_order(market_order(account, AAPL, "BUY", 1))
    push.follow_account()
    order = market_order(account, AAPL, "BUY", 2)
    client.place_order(order)
    last_of(push, order.id, "FILLED")
    assert {frame.id for frame in push.of("order")} == {order.id}
    assert sandbox.control.push.connections()[0].accounts == tuple(
        sorted((account, sandbox.account("paper")))
    )


def test_only_the_account_that_was_named_is_told(
    sandbox: Sandbox, client: Any, account: str, push: PushCollector
) -> None:
    paper = sandbox.account("paper")
    push.follow_account(paper)
    client.place_order(market_order(account, AAPL, "BUY", 1))
    order = market_order(paper, AAPL, "BUY", 1)
    client.place_order(order)
    last_of(push, order.id, "FILLED")
    for topic in TOPICS:
        assert {frame.account for frame in push.wait_for(topic)} == {paper}


def test_without_a_name_every_account_of_the_login_is_told_and_no_other(
    sandbox: Sandbox, client: Any, account: str, push: PushCollector
) -> None:
    push.follow_account()
    paper, foreign = sandbox.account("paper"), sandbox.account("second", login="second")
    sandbox.trade_client("second").place_order(market_order(foreign, AAPL, "BUY", 1))
    for number in (account, paper):
        order = market_order(number, AAPL, "BUY", 1)
        client.place_order(order)
        last_of(push, order.id, "FILLED")
    for topic in TOPICS:
        frames = push.wait_until(topic, lambda found: len({item.account for item in found}) == 2)
        assert {frame.account for frame in frames} == {account, paper}


def test_account_of_another_login_can_not_be_followed(
    sandbox: Sandbox, push: PushCollector
) -> None:
    foreign = sandbox.account("second", login="second")
    refused = push.subscribe(lambda: push.client.subscribe_order(foreign))
    assert '"code":3005' in refused.msg
    assert sandbox.control.push.connections()[0].accounts == ()


def test_cancel_is_told_with_its_status(client: Any, account: str, push: PushCollector) -> None:
    push.follow_account(account)
    order = limit_order(account, AAPL, "BUY", 10, 200.25)
    order.user_mark = "mark-7"
    client.place_order(order)
    resting = last_of(push, order.id, "HELD")
    assert (resting.userMark, resting.limitPrice, resting.canCancel) == ("mark-7", 200.25, True)
    client.cancel_order(account=account, id=order.id)
    gone = last_of(push, order.id, "CANCELLED")
    assert (gone.cancelStatus, gone.canCancel, gone.canModify) == ("RECEIVED", False, False)
    assert_same(gone, listed(client, account, order.id))


def test_late_rejection_is_told_with_its_reason(
    sandbox: Sandbox, client: Any, account: str, push: PushCollector
) -> None:
    push.follow_account(account)
    sandbox.control.add_fault(RejectLate(remark="not today"), method="place_order")
    order = limit_order(account, AAPL, "BUY", 10, 200.25)
    client.place_order(order)
    assert last_of(push, order.id, "EXPIRED").errorMsg == "not today"


def test_partial_fills_are_told_one_by_one(
    sandbox: Sandbox, client: Any, account: str, push: PushCollector
) -> None:
    push.follow_account(account)
    sandbox.control.set_settings(Settings(price_drift=False, fill_quantity_max=Decimal(4)))
    order = market_order(account, AAPL, "BUY", 10)
    client.place_order(order)
    sandbox.control.advance(0)
    sandbox.control.advance(0)
    last_of(push, order.id, "FILLED")
    filled = [frame.filledQuantity for frame in push.of("order") if frame.id == order.id]
    assert sorted(set(filled)) == [0, 4, 8, 10]
    fills = push.wait_for("transaction", count=3)
    assert [fill.filledQuantity for fill in fills] == [4, 4, 2]


def test_sold_out_holding_is_told_as_nothing(
    sandbox: Sandbox, client: Any, account: str, push: PushCollector
) -> None:
    sandbox.control.set_price("SPY", Decimal("660.00"))
    push.follow_account(account)
    for side in ("BUY", "SELL"):
        order = market_order(account, SPY, side, 3)
        client.place_order(order)
        last_of(push, order.id, "FILLED")
    told = push.wait_for("position", count=2)
    assert [(item.symbol, item.position, item.positionQty) for item in told] == [
        ("SPY", 3, 3.0),
        ("SPY", 0, 0.0),
    ]


def test_option_is_told_with_its_terms(client: Any, account: str, push: PushCollector) -> None:
    push.follow_account(account)
    contract = option_contract_by_symbol("AAPL", "20261218", 230.0, "CALL", "USD")
    order = limit_order(account, contract, "BUY", 2, 50.0)
    client.place_order(order)
    told = last_of(push, order.id, "FILLED")
    assert_same(told, listed(client, account, order.id))
    position, fill = push.wait_for("position")[-1], push.wait_for("transaction")[-1]
    for item in (told, position):
        assert (item.expiry, item.strike, item.right) == ("20261218", "230.0", "CALL")
    for item in (told, position, fill):
        assert (item.identifier, item.multiplier, item.segType, item.secType) == (
            "AAPL  261218C00230000",
            100,
            "S",
            "OPT",
        )
    assert (position.position, fill.filledQuantity) == (2, 2)


def test_order_from_the_phone_app_is_told_too(
    sandbox: Sandbox, account: str, push: PushCollector
) -> None:
    push.follow_account(account)
    order = sandbox.control.external_order(account, "AAPL", side="BUY", quantity=Decimal(1))
    told = last_of(push, order.global_id, "FILLED")
    assert (told.source, told.userMark) == ("android", "")


def steps(sandbox: Sandbox, client: Any, account: str, chance: random.Random) -> None:
    """Do a hundred things that change orders; what the broker refuses counts as done."""
    placed: list[Any] = []
    refusals: set[int] = set()

    def place() -> None:
        contract, middle = chance.choice([(AAPL, 230), (SPY, 660)])
        price = float(middle + chance.randint(-3, 3))
        side = chance.choice(["BUY", "SELL"])
        order = limit_order(account, contract, side, chance.randint(1, 9), price)
        client.place_order(order)
        placed.append(order)

    def cancel() -> None:
        client.cancel_order(account=account, id=chance.choice(placed).id)

    def modify() -> None:
        order = chance.choice(placed)
        client.modify_order(order, quantity=chance.randint(1, 12))

    def move() -> None:
        symbol, middle = chance.choice([("AAPL", 230), ("SPY", 660)])
        sandbox.control.set_price(symbol, Decimal(middle + chance.randint(-3, 3)))

    acts: list[Callable[[], None]] = [place, place, place, cancel, modify, move]
    place()
    for _ in range(100):
        try:
            chance.choice(acts)()
        except ApiException as error:
            refusals.add(error.code)
    assert refusals <= {1200}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_book_and_pushes_tell_the_same_story(
    sandbox: Sandbox, client: Any, account: str, push: PushCollector, seed: int
) -> None:
    settings = Settings(price_drift=False, fill_quantity_max=Decimal(4), defer_cancels=True)
    sandbox.control.set_settings(settings)
    before = {item.fill_id for item in sandbox.control.book(account).fills}
    push.follow_account(account)
    steps(sandbox, client, account, random.Random(seed))
    book = sandbox.control.book(account)
    fills = {item.fill_id: item for item in book.fills if item.fill_id not in before}
    told = {item.id: item for item in push.wait_for("transaction", count=len(fills))}
    assert {key: (item.orderId, item.filledQuantity) for key, item in told.items()} == {
        key: (item.global_id, int(item.quantity)) for key, item in fills.items()
    }

    def is_told(frames: list[Any]) -> bool:
        last = {frame.id: frame for frame in frames}
        return all(
            (last[order.global_id].status, last[order.global_id].filledQuantity)
            == (sdk_status(listed(client, account, order.global_id)), int(order.filled_quantity))
            for order in book.orders
            if order.global_id in last
        )

    last = {frame.id: frame for frame in push.wait_until("order", is_told)}
    assert len(last) > 10
    for order_id, frame in last.items():
        assert_same(frame, listed(client, account, order_id))
    held = {item.contract.symbol: item.quantity for item in client.get_positions(account=account)}
    for symbol, item in {frame.symbol: frame for frame in push.of("position")}.items():
        assert item.position == held.get(symbol, 0)
    cash = client.get_prime_assets(account=account).segments["S"].cash_balance
    push.wait_until("asset", lambda frames: frames[-1].cashBalance == cash)
