"""Every fault, seen by the real SDK: what the client learns, and what the broker did."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib.util import module_from_spec
from typing import Any

import pytest
from tigeropen.common.consts import OrderStatus
from tigeropen.common.exceptions import ApiException, RequestException, ResponseException
from tigeropen.common.util import web_utils
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order

from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import (
    AnyEffect,
    DelayAfter,
    DelayBefore,
    Drip,
    DropAfterAcceptance,
    DropBeforeAcceptance,
    EmptyBody,
    ErrorCode,
    HoldAfter,
    HoldBefore,
    HttpStatus,
    MalformedBody,
    Redirect,
    RejectLate,
    StaleList,
    WrongSign,
)
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")
HELD_S_MAX = 20


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def sandbox(running: Sandbox) -> Iterator[Sandbox]:
    running.control.set_settings(Settings(price_drift=False))
    yield running
    running.control.clear_faults()
    running.control.release()


def order_of(sandbox: Sandbox) -> Any:
    return limit_order(sandbox.account(), AAPL, "BUY", 1, 100.0)


def broker_count(sandbox: Sandbox) -> int:
    return len(sandbox.control.book(sandbox.account()).orders)


def place_with(sandbox: Sandbox, effect: AnyEffect, error: type[Exception]) -> int:
    """Place one order under a fault that the client sees as `error`; return the orders taken."""
    before = broker_count(sandbox)
    sandbox.control.add_fault(effect, method="place_order")
    with pytest.raises(error):
        sandbox.trade_client().place_order(order_of(sandbox))
    return broker_count(sandbox) - before


@pytest.mark.parametrize(
    "effect, error, taken",
    [
        (DropBeforeAcceptance(), RequestException, 0),
        (DropAfterAcceptance(), RequestException, 1),
        (HttpStatus(status=502), ResponseException, 0),
        (HttpStatus(status=502, accepted=True), ResponseException, 1),
        (HttpStatus(status=429), ResponseException, 0),
        (EmptyBody(), ValueError, 1),
        (EmptyBody(accepted=False), ValueError, 0),
        (MalformedBody(), ValueError, 1),
        (WrongSign(), ResponseException, 1),
        (ErrorCode(code=5, message="rate limit error"), ApiException, 0),
        (ErrorCode(code=2, message="network read time out", accepted=True), ApiException, 1),
    ],
    ids=repr,
)
def test_fault_hides_or_prevents_an_order(
    sandbox: Sandbox, effect: AnyEffect, error: type[Exception], taken: int
) -> None:
    assert place_with(sandbox, effect, error) == taken


def test_error_code_carries_its_text(sandbox: Sandbox) -> None:
    sandbox.control.add_fault(ErrorCode(code=4, message="access forbidden"), method="accounts")
    with pytest.raises(ApiException) as error:
        sandbox.trade_client().get_managed_accounts()
    assert (error.value.code, error.value.msg) == (4, "access forbidden")


@pytest.fixture
def pool_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the SDK use its own pool, whatever a session of ours put in its place before."""
    spec = web_utils.__spec__
    assert spec is not None
    assert spec.loader is not None
    fresh = module_from_spec(spec)
    spec.loader.exec_module(fresh)
    monkeypatch.setattr(web_utils, "http_pool", fresh.http_pool)


@pytest.mark.usefixtures("pool_of_the_sdk")
def test_redirect_makes_the_sdks_pool_send_an_order_again(sandbox: Sandbox) -> None:
    before, arrived = broker_count(sandbox), sandbox.control.request_count("place_order")
    sandbox.control.add_fault(Redirect(), method="place_order")
    sandbox.trade_client().place_order(order_of(sandbox))
    assert sandbox.control.request_count("place_order") - arrived == 2
    assert broker_count(sandbox) - before == 1


@pytest.mark.parametrize("effect", [DelayBefore(delay_s=0.05), DelayAfter(delay_s=0.05)], ids=repr)
def test_delayed_order_is_answered(sandbox: Sandbox, effect: AnyEffect) -> None:
    sandbox.control.add_fault(effect, method="place_order")
    order = order_of(sandbox)
    assert sandbox.trade_client().place_order(order) == order.id


def test_dripping_reply_arrives_whole(sandbox: Sandbox) -> None:
    sandbox.control.add_fault(Drip(interval_s=0.0), method="accounts")
    assert len(sandbox.trade_client().get_managed_accounts()) == 2


@pytest.mark.parametrize(
    "effect, taken_while_held", [(HoldBefore(), 0), (HoldAfter(), 1)], ids=repr
)
def test_held_order_goes_on_when_released(
    sandbox: Sandbox, effect: AnyEffect, taken_while_held: int
) -> None:
    client, order = sandbox.trade_client(timeout_s=HELD_S_MAX), order_of(sandbox)
    before, arrived = broker_count(sandbox), sandbox.control.request_count("place_order")
    sandbox.control.add_fault(effect, method="place_order")
    with ThreadPoolExecutor(max_workers=1) as thread:
        placing = thread.submit(client.place_order, order)
        assert sandbox.control.wait_for("place_order", count=arrived + 1)
        assert broker_count(sandbox) - before == taken_while_held
        assert sandbox.control.health().held_count == 1
        assert sandbox.control.release() == 1
        assert placing.result(HELD_S_MAX) == order.id
    assert broker_count(sandbox) - before == 1


def test_held_order_is_taken_even_after_its_client_gave_up(sandbox: Sandbox) -> None:
    before = broker_count(sandbox)
    sandbox.control.add_fault(HoldBefore(), method="place_order")
    with pytest.raises(RequestException):
        sandbox.trade_client(timeout_s=1).place_order(order_of(sandbox))
    assert broker_count(sandbox) == before
    sandbox.control.release()
    # The released request is served by the same loop before the next control request is.
    assert broker_count(sandbox) == before + 1


def test_stale_listing_leaves_out_what_came_after_the_fault(sandbox: Sandbox) -> None:
    client, account = sandbox.trade_client(), sandbox.account()
    old = order_of(sandbox)
    client.place_order(old)
    sandbox.control.add_fault(StaleList(), method="orders", count=1)
    new = order_of(sandbox)
    client.place_order(new)
    client.cancel_order(account=account, id=old.id)
    stale = {order.id: order.status for order in client.get_orders(account=account)}
    assert stale[old.id] == OrderStatus.HELD
    assert new.id not in stale
    fresh = {order.id: order.status for order in client.get_orders(account=account)}
    assert (fresh[old.id], fresh[new.id]) == (OrderStatus.CANCELLED, OrderStatus.HELD)


def test_late_rejection_has_an_id_and_a_remark(sandbox: Sandbox) -> None:
    sandbox.control.add_fault(RejectLate(remark="not today"), method="place_order")
    client, order = sandbox.trade_client(), order_of(sandbox)
    client.place_order(order)
    shown = client.get_order(account=sandbox.account(), id=order.id)
    assert (shown.status, shown.reason) == (OrderStatus.EXPIRED, "not today")


def test_refused_connections_end_with_the_switch(sandbox: Sandbox) -> None:
    client = sandbox.trade_client()
    client.get_managed_accounts()
    sandbox.control.set_settings(Settings(price_drift=False, refuse_connections=True))
    with pytest.raises(RequestException):
        client.get_managed_accounts()
    push_ports = (sandbox.ports.push, sandbox.ports.push_tls)
    for port in push_ports:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=HELD_S_MAX)
    sandbox.control.set_settings(Settings(price_drift=False))
    web_utils.http_pool.clear()
    assert len(client.get_managed_accounts()) == 2
    for port in push_ports:
        socket.create_connection(("127.0.0.1", port), timeout=HELD_S_MAX).close()


def test_fault_meets_only_its_method_and_account_and_only_so_often(sandbox: Sandbox) -> None:
    client, paper = sandbox.trade_client(), sandbox.account("paper")
    error = ErrorCode(code=1, message="server error")
    sandbox.control.add_fault(error, method="positions", account=paper, count=2)
    assert client.get_positions(account=sandbox.account()) is not None
    assert client.get_prime_assets(account=paper) is not None
    for _ in range(2):
        with pytest.raises(ApiException):
            client.get_positions(account=paper)
    assert client.get_positions(account=paper) is not None
    assert sandbox.control.faults() == ()


def outcomes(sandbox: Sandbox, *, seed: int) -> list[bool]:
    client = sandbox.trade_client()
    sandbox.control.add_fault(
        ErrorCode(code=1, message="server error"),
        method="accounts",
        count=None,
        probability=Decimal("0.5"),
        seed=seed,
    )
    seen = []
    for _ in range(20):
        try:
            client.get_managed_accounts()
            seen.append(True)
        except ApiException:
            seen.append(False)
    sandbox.control.clear_faults()
    return seen


def test_chance_of_a_fault_is_the_seeds(sandbox: Sandbox) -> None:
    first = outcomes(sandbox, seed=1)
    assert set(first) == {True, False}
    assert outcomes(sandbox, seed=1) == first
    assert outcomes(sandbox, seed=2) != first


def test_journal_names_the_fault(sandbox: Sandbox) -> None:
    place_with(sandbox, DropAfterAcceptance(), RequestException)
    entry = sandbox.control.journal(method="place_order")[-1]
    assert (entry.fault, entry.reply_code, entry.is_answered) == ("drop_after_acceptance", 0, False)
    assert entry.took_us is None


def test_journal_says_how_long_a_request_took_the_broker(sandbox: Sandbox) -> None:
    sandbox.trade_client().place_order(order_of(sandbox))
    entry = sandbox.control.journal(method="place_order")[-1]
    assert entry.took_us is not None
    assert entry.took_us > 0
