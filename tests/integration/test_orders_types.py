"""One order of each type and class on running processes: preview, broker's book, ledger."""

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from core import account_events, events
from core.commands import AlgoAsked, CancelOrder, LegAsked, ModifyOrder, StopAsked
from core.terms import OptionRight, OrderType, SecurityType, Side, TimeInForce, TradingSession
from tests.support import worker_main
from tests.support.rig import ACCOUNT, Rig, running_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")
TIMING: Final = msgspec.json.encode(worker_main.SHORT).decode()
EXPIRY: Final = date(2026, 12, 18)
LOW: Final = "1.00"
HIGH: Final = "5000.00"
OPTION: Final[dict[str, Any]] = {
    "security": SecurityType.OPTION,
    "expiry": EXPIRY,
    "right": OptionRight.CALL,
    "quantity": "1",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with running_rig(tmp_path_factory.mktemp("types")) as rig:
        control = rig.sandbox.control
        # Futures are paid from a part of the account of their own.
        await fund_futures(rig)
        control.set_settings(msgspec.structs.replace(control.settings(), price_drift=False))
        await rig.ready_worker("alpha", module="tests.support.worker_main", TEST_TIMING=TIMING)
        yield rig


async def fund_futures(rig: Rig) -> None:
    client = rig.sandbox.trade_client("alpha")
    # The methods about segments take no account: they use the client's own.
    client._account = rig.number()
    client.transfer_segment_fund(
        from_segment="SEC", to_segment="FUT", currency="USD", amount=50_000.0
    )

    def has_arrived() -> bool:
        futures = client.get_prime_assets(account=rig.number()).segments["C"]
        return bool(futures.currency_assets["USD"].cash_balance >= 50_000.0)

    await rig.until_time(has_arrived)


@pytest.fixture
def rig(running: Rig) -> Rig:
    return running


async def submitted(rig: Rig, **terms: Any) -> events.OrderSubmissionStarted:
    """Preview and submit an order whose checks all pass."""
    preview = await rig.preview(**terms)
    failed = [check for check in preview.checks if not check.passed]
    assert failed == []
    command_id = await rig.submit(preview)
    return await rig.fact(events.OrderSubmissionStarted, command_id=command_id)


def in_book(rig: Rig, order_id: str) -> list[Any]:
    """Return the broker's orders that bear an order's mark, its own first."""
    found = [order for order in rig.broker_orders() if order.user_mark.endswith(order_id)]
    return sorted(found, key=lambda order: int(order.global_id))


async def cancelled(rig: Rig, order_id: str) -> None:
    await rig.send(ACCOUNT, CancelOrder(order_id=order_id))
    await rig.fact(events.OrderCancelled, order_id=order_id)


def calm(rig: Rig) -> None:
    """Say that nothing of what happened froze anything or was a break."""
    assert rig.seen(account_events.AccountFrozen) == []
    assert rig.seen(account_events.AccountPositionBreak) == []


MARKET: Final[dict[str, Any]] = {"order_type": OrderType.MARKET, "limit_price": None}
RESTING: Final[dict[str, dict[str, Any]]] = {
    "limit": {"limit_price": LOW},
    "good till cancelled": {
        "limit_price": LOW,
        "time_in_force": TimeInForce.GOOD_TILL_CANCELLED,
    },
    "extended hours": {
        "limit_price": LOW,
        "outside_regular_hours": True,
        "session": TradingSession.EXTENDED,
    },
    "stop": {**MARKET, "order_type": OrderType.STOP, "stop_price": HIGH},
    "stop limit": {
        "order_type": OrderType.STOP_LIMIT,
        "stop_price": HIGH,
        "limit_price": HIGH,
    },
    "trailing by percent": {
        **MARKET,
        "order_type": OrderType.TRAILING_STOP,
        "trailing_percent": "20",
    },
    "trailing by amount": {
        **MARKET,
        "order_type": OrderType.TRAILING_STOP,
        "trailing_amount": "50",
    },
    "iceberg": {
        "order_type": OrderType.ICEBERG,
        "limit_price": LOW,
        "display_quantity": "2",
    },
    "vwap": {
        "order_type": OrderType.VWAP,
        "limit_price": LOW,
        "algo": AlgoAsked(participation_rate="0.1"),
    },
    "option": {**OPTION, "strike": "230", "limit_price": "0.01"},
    "combination": {
        "security": SecurityType.COMBINATION,
        "quantity": "1",
        "limit_price": "0.01",
        "legs": tuple(
            LegAsked(right=OptionRight.CALL, expiry=EXPIRY, strike=strike, side=side)
            for strike, side in (("230", Side.BUY), ("240", Side.SELL))
        ),
    },
    "future": {
        "symbol": "ES2612",
        "security": SecurityType.FUTURE,
        "quantity": "1",
        "limit_price": "100.00",
    },
}


@pytest.mark.parametrize("name", RESTING)
async def test_resting_order_stands_in_the_book_as_previewed_and_is_cancelled(
    rig: Rig, name: str
) -> None:
    started = await submitted(rig, **RESTING[name])
    working = await rig.fact(events.OrderWorking, order_id=started.order_id)
    (order,) = in_book(rig, started.order_id)
    assert str(order.global_id) == working.tiger_order_id
    assert (order.quantity, order.limit_price) == (
        started.spec.quantity,
        started.spec.limit_price,
    )
    await cancelled(rig, started.order_id)
    assert rig.seen(events.OrderTermsObserved, order_id=started.order_id) == []
    calm(rig)


FILLING: Final[dict[str, dict[str, Any]]] = {
    "market": {**MARKET},
    "limit": {"limit_price": HIGH},
    "parts of a share": {**MARKET, "quantity": "0.25"},
    "by amount": {**MARKET, "quantity": None, "cash_amount": "500"},
    "option": {**OPTION, "symbol": "AAPL", "strike": "220", "limit_price": "200.00"},
    "future": {
        **MARKET,
        "symbol": "ES2612",
        "security": SecurityType.FUTURE,
        "quantity": "1",
    },
    "combination": {
        "symbol": "AAPL",
        "security": SecurityType.COMBINATION,
        "quantity": "2",
        "limit_price": "50.00",
        "legs": tuple(
            LegAsked(right=OptionRight.CALL, expiry=EXPIRY, strike=strike, side=side)
            for strike, side in (("210", Side.BUY), ("240", Side.SELL))
        ),
    },
    "fund by amount": {
        **MARKET,
        "symbol": "IE00B11XZ988.USD",
        "security": SecurityType.FUND,
        "quantity": None,
        "cash_amount": "500",
    },
    "twap": {"order_type": OrderType.TWAP, "limit_price": None, "quantity": "2", "algo": None},
}


@pytest.mark.parametrize("name", FILLING)
async def test_filled_order_has_its_fills_its_position_and_its_cash_in_the_ledger(
    rig: Rig, name: str
) -> None:
    terms = dict(FILLING[name])
    if name == "twap":
        terms["algo"] = AlgoAsked(end_at=datetime.now(UTC) + timedelta(seconds=4))
    started = await submitted(rig, symbol=terms.pop("symbol", "MSFT"), **terms)
    await rig.fact(events.OrderFilled, order_id=started.order_id, wait_s=30.0)
    (order,) = in_book(rig, started.order_id)
    assert order.status == "Filled"
    wanted = {leg.contract(started.spec.symbol) for leg in started.spec.legs} or {""}

    def traded() -> set[str]:
        fills = rig.seen(events.OrderFillRecorded, order_id=started.order_id)
        return {fill.contract for fill in fills}

    # The order's end may be known before its executions are.
    await rig.until(lambda: traded() >= wanted)
    assert traded() == wanted
    calm(rig)


async def test_shares_of_a_fund_are_sold_again(rig: Rig) -> None:
    fund = {**MARKET, "symbol": "LU0109391861.USD", "security": SecurityType.FUND}
    for terms in ({"quantity": None, "cash_amount": "500"}, {"side": Side.SELL, "quantity": "2.5"}):
        started = await submitted(rig, **fund, **terms)
        await rig.fact(events.OrderFilled, order_id=started.order_id, wait_s=30.0)
    calm(rig)


async def test_stop_that_is_triggered_fills_and_says_nothing_odd(rig: Rig) -> None:
    price = rig.sandbox.control.set_price("NVDA", Decimal("150")).last
    started = await submitted(
        rig,
        symbol="NVDA",
        **{**MARKET, "order_type": OrderType.STOP, "stop_price": str(price + 10)},
    )
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    rig.sandbox.control.set_price("NVDA", Decimal("161"))
    await rig.fact(events.OrderFilled, order_id=started.order_id)
    assert rig.seen(events.OrderTermsObserved, order_id=started.order_id) == []


async def test_order_good_till_a_moment_expires_at_it(rig: Rig) -> None:
    till = datetime.now(UTC) + timedelta(seconds=4)
    started = await submitted(
        rig, limit_price=LOW, time_in_force=TimeInForce.GOOD_TILL_DATE, good_till=till
    )
    await rig.fact(events.OrderExpired, order_id=started.order_id, wait_s=30.0)
    calm(rig)


async def children_of(rig: Rig, order_id: str, *, count: int) -> list[str]:
    """Wait until so many orders that the broker made of ours are on the books."""

    def seen() -> list[str]:
        found = rig.seen(events.OrderExternalObserved, parent_order_id=order_id)
        return [child.order_id for child in found]

    await rig.until(lambda: len(seen()) >= count)
    return seen()


async def test_bracket_brings_its_legs_and_freezes_nothing(rig: Rig) -> None:
    started = await submitted(
        rig,
        symbol="GOOG",
        limit_price=HIGH,
        take_profit_price="6000.00",
        stop_loss=StopAsked(stop_price=LOW),
    )
    await rig.fact(events.OrderFilled, order_id=started.order_id)
    legs = await children_of(rig, started.order_id, count=2)
    for leg in legs:
        await rig.fact(events.OrderWorking, order_id=leg)
    assert len(in_book(rig, started.order_id)) == 3
    for leg in legs:
        await rig.send(ACCOUNT, CancelOrder(order_id=leg))
        await rig.fact(events.OrderCancelled, order_id=leg)
    calm(rig)


async def test_one_of_two_cancels_the_other_and_freezes_nothing(rig: Rig) -> None:
    started = await submitted(
        rig, symbol="AMZN", limit_price=LOW, or_stop=StopAsked(stop_price=HIGH)
    )
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    (other,) = await children_of(rig, started.order_id, count=1)
    await rig.fact(events.OrderWorking, order_id=other)
    await rig.send(
        ACCOUNT,
        ModifyOrder(order_id=started.order_id, quantity=None, limit_price="1.10", reason="test"),
    )
    await rig.fact(events.OrderReplaced, order_id=started.order_id)
    assert len(in_book(rig, started.order_id)) == 2
    rig.sandbox.control.set_price("AMZN", Decimal("5001"))
    await rig.fact(events.OrderFilled, order_id=other)
    await rig.fact(events.OrderCancelled, order_id=started.order_id)
    calm(rig)


async def changed(rig: Rig, order_id: str, **patch: Any) -> events.OrderReplaced:
    whole: dict[str, Any] = {"quantity": None, "limit_price": None, "reason": "a test"}
    await rig.send(ACCOUNT, ModifyOrder(order_id=order_id, **(whole | patch)))
    return await rig.fact(events.OrderReplaced, order_id=order_id)


@pytest.mark.parametrize(
    ("name", "patch"),
    [
        ("stop", {"stop_price": "4900.00"}),
        ("stop limit", {"limit_price": "5100.00"}),
        ("trailing by percent", {"trailing_percent": "25"}),
        ("trailing by amount", {"trailing_amount": "60"}),
        ("option", {"limit_price": "0.02"}),
        ("combination", {"limit_price": "0.02"}),
        ("future", {"limit_price": "101.00"}),
        ("iceberg", {"quantity": "12"}),
    ],
)
async def test_order_of_each_type_can_be_changed(
    rig: Rig, name: str, patch: dict[str, str]
) -> None:
    started = await submitted(rig, **RESTING[name])
    await rig.fact(events.OrderWorking, order_id=started.order_id)
    replaced = await changed(rig, started.order_id, **patch)
    wanted = {field: Decimal(value) for field, value in patch.items()}
    assert replaced.spec == msgspec.structs.replace(started.spec, **wanted)
    (order,) = in_book(rig, started.order_id)
    assert (order.quantity, order.limit_price) == (
        replaced.spec.quantity,
        replaced.spec.limit_price,
    )
    await cancelled(rig, started.order_id)
    calm(rig)


async def test_cash_of_all_these_orders_is_what_the_fills_and_fees_make_of_it(rig: Rig) -> None:
    assert rig.seen(account_events.AccountCashBreak) == []
