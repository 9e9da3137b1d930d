"""The sandbox's time: moved by its controller, it drives prices, delays and dates, and repeats."""

import contextlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order

from infra.sandbox.clock import ADVANCE_MAX, ClockError, VirtualClock
from infra.sandbox.control.client import SandboxControlError
from infra.sandbox.home import create_home
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import DelayAfter, DelayBefore, ErrorCode, SilentLoss
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
VIRTUAL = f"virtual:{START.isoformat()}"
WAIT_S_MAX = 20


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path, "--clock", VIRTUAL) as started:
        yield started


def as_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def test_orders_are_dated_by_the_virtual_clock(sandbox: Sandbox) -> None:
    client, account = sandbox.trade_client(), sandbox.account()
    first, second = (limit_order(account, AAPL, "BUY", 1, 100.0) for _ in range(2))
    client.place_order(first)
    assert sandbox.control.advance_clock(90_500) == START + timedelta(seconds=90.5)
    client.place_order(second)
    times = {order.id: order.order_time for order in client.get_orders(account=account)}
    assert times == {first.id: as_ms(START), second.id: as_ms(START) + 90_500}


def test_prices_move_once_in_every_virtual_second(sandbox: Sandbox) -> None:
    sandbox.control.set_settings(Settings(price_drift=True))
    before = sandbox.control.advance(0)
    sandbox.control.advance_clock(999)
    assert sandbox.control.advance(0) == before
    sandbox.control.advance_clock(1)
    assert sandbox.control.advance(0) == before + 1
    sandbox.control.set_clock(START + timedelta(minutes=1))
    assert sandbox.control.advance(0) == before + 60


@pytest.mark.parametrize(
    "effect, taken_at_once", [(DelayBefore(delay_s=30), 0), (DelayAfter(delay_s=30), 1)], ids=repr
)
def test_delay_lasts_until_the_clock_is_moved(
    sandbox: Sandbox, effect: DelayBefore | DelayAfter, taken_at_once: int
) -> None:
    client, account = sandbox.trade_client(timeout_s=WAIT_S_MAX), sandbox.account()
    order = limit_order(account, AAPL, "BUY", 1, 100.0)
    sandbox.control.add_fault(effect, method="place_order")
    with ThreadPoolExecutor(max_workers=1) as thread:
        placing = thread.submit(client.place_order, order)
        assert sandbox.control.wait_for("place_order", count=1)
        sandbox.control.advance_clock(29_999)
        assert len(sandbox.control.book(account).orders) == taken_at_once
        assert not placing.done()
        sandbox.control.advance_clock(60_000)
        assert placing.result(WAIT_S_MAX) == order.id
    (taken,) = sandbox.control.book(account).orders
    late_s = 0 if taken_at_once else 30
    assert taken.opened_at == START + timedelta(seconds=late_s)


def test_virtual_clock_goes_on_where_the_book_ended(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "--clock", VIRTUAL) as sandbox:
        sandbox.control.advance_clock(3_600_000)
        sandbox.trade_client().place_order(limit_order(sandbox.account(), AAPL, "BUY", 1, 100.0))
        sandbox.stop()
        sandbox.start()
        assert sandbox.control.clock().now == START + timedelta(hours=1)
        assert sandbox.control.clock().is_virtual


@pytest.mark.parametrize(
    "body, status",
    [
        ({"advance_ms": -1}, 409),
        ({"advance_ms": 8 * 86_400_000}, 409),
        ({"set": "2026-03-02T14:59:59Z"}, 409),
        ({"set": "2026-03-02T15:00:01"}, 400),
        ({}, 400),
        ({"advance_ms": 1, "set": "2026-03-02T15:00:01Z"}, 400),
    ],
)
def test_clock_is_not_moved_by_nonsense(
    sandbox: Sandbox, body: dict[str, object], status: int
) -> None:
    with pytest.raises(SandboxControlError) as error:
        sandbox.control._call("POST", "/clock", dict, body=body)
    assert error.value.status == status
    assert sandbox.control.clock().now == START


def test_real_clock_can_not_be_moved(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        assert not sandbox.control.clock().is_virtual
        with pytest.raises(SandboxControlError) as error:
            sandbox.control.advance_clock(1000)
        assert error.value.status == 409
        assert "--clock virtual" in error.value.reason


async def test_clock_stops_at_every_second_and_at_the_end() -> None:
    clock, seen = VirtualClock(START + timedelta(milliseconds=400)), []
    await clock.move(START + timedelta(milliseconds=2700), lambda: seen.append(clock.now()))
    assert seen == [START + timedelta(seconds=1), START + timedelta(seconds=2)]
    assert clock.now() == START + timedelta(milliseconds=2700)


async def test_clock_does_not_go_back_nor_too_far() -> None:
    clock = VirtualClock(START)
    for to in (START - timedelta(seconds=1), START + ADVANCE_MAX + timedelta(seconds=1)):
        with pytest.raises(ClockError):
            await clock.move(to, lambda: None)
    assert clock.now() == START


def story(sandbox: Sandbox) -> None:
    """Do a bit of everything, with faults by chance, fills, changes and moves of the clock."""
    client, account, paper = sandbox.trade_client(), sandbox.account(), sandbox.account("paper")
    control = sandbox.control
    control.add_fault(
        ErrorCode(code=1, message="server error"),
        method="place_order",
        account=paper,
        count=None,
        probability=Decimal("0.4"),
        seed=7,
    )
    control.add_fault(SilentLoss(), account=account)
    control.set_settings(Settings(fill_quantity_max=Decimal(3)))
    for number in range(8):
        _place(client, limit_order(account, AAPL, "BUY", 5 + number, 229.0 + number / 2))
        _place(client, market_order(paper, AAPL, "BUY", 5))
        control.advance_clock(1_250)
    for order in client.get_open_orders(account=account)[:2]:
        client.cancel_order(account=account, id=order.id)
    for order in client.get_open_orders(account=account)[:1]:
        client.modify_order(order, quantity=order.quantity + 1)
    control.external_order(account, "MSFT", side="BUY", quantity=Decimal(1))
    control.external_cash(paper, "USD", Decimal("12.5"))
    control.set_price("AAPL", Decimal("225.00"))
    control.advance_clock(5_000)


def _place(client: Any, order: Any) -> None:
    # The fault refuses some, by chance; a refusal of the book's would show as another book.
    with contextlib.suppress(ApiException):
        client.place_order(order)


def test_same_seed_and_same_calls_write_the_same_book_byte_for_byte(tmp_path: Path) -> None:
    create_home(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    books = []
    for name in ("one", "two"):
        with running_sandbox(tmp_path / name, "--clock", VIRTUAL, "--seed", "5") as sandbox:
            story(sandbox)
        books.append((tmp_path / name / "book.jsonl").read_bytes())
    assert books[0].count(b"order.traded") > 5
    assert books[0] == books[1]
