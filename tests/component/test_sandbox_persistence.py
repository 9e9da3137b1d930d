"""What a sandbox remembers over a stop, a kill and a torn file."""

import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tigeropen.common.util import web_utils
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order

from infra.sandbox.broker.records import NumberReserved
from infra.sandbox.store import BookStore, StoredBookError
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")


def restart(sandbox: Sandbox, number: signal.Signals) -> int:
    web_utils.http_pool.clear()
    code = sandbox.stop(number)
    sandbox.start()
    return code


def reserve(client: Any, account: str) -> int:
    order = client.create_order(account, AAPL, "BUY", "LMT", 1, limit_price=1.0)
    return int(order.order_id)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_book_and_counters_outlive_the_process(tmp_path: Path, number: signal.Signals) -> None:
    with running_sandbox(tmp_path) as sandbox:
        client, account = sandbox.trade_client(), sandbox.account()
        resting = limit_order(account, AAPL, "BUY", 10, 200.0)
        client.place_order(resting)
        client.place_order(market_order(account, AAPL, "BUY", 5))
        reserved = reserve(client, account)
        sandbox.control.set_price("AAPL", Decimal("231.50"))
        before, ids = sandbox.control.book(account), sandbox.login()
        code = restart(sandbox, number)
        assert code == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        assert (sandbox.control.book(account), sandbox.login()) == (before, ids)
        client = sandbox.trade_client()
        assert reserve(client, account) == reserved + 1
        another = limit_order(account, AAPL, "BUY", 1, 100.0)
        client.place_order(another)
        known = {order.global_id for order in before.orders} | {
            fill.fill_id for fill in before.fills
        }
        assert another.id > max(known)
        # The resting order is still in the book, and so is the price.
        sandbox.control.set_price("AAPL", Decimal("199.00"))
        filled = client.get_order(account=account, id=resting.id)
        assert filled.avg_fill_price == 200.0


def test_second_sandbox_on_a_home_does_not_start(tmp_path: Path) -> None:
    with running_sandbox(tmp_path) as sandbox:
        with pytest.raises(RuntimeError):
            Sandbox(sandbox.home)
        assert sandbox.control.health().ready


def test_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    first = NumberReserved(tiger_id="1", order_number=1)
    store = BookStore(tmp_path)
    store.save(first)
    store.commit()
    store.close()
    file = tmp_path / "book.jsonl"
    file.write_bytes(file.read_bytes() + b'{"type":"number.res')
    second = NumberReserved(tiger_id="1", order_number=2)
    seen: list[object] = []
    store = BookStore(tmp_path)
    store.replay(seen.append)
    store.save(second)
    store.commit()
    store.replay(seen.append)
    store.close()
    assert seen == [first, first, second]


def test_damaged_line_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "book.jsonl").write_bytes(msgspec.json.encode({"type": "no.such"}) + b"\n")
    store = BookStore(tmp_path)
    with pytest.raises(StoredBookError):
        store.replay(lambda _: None)
    store.close()
