"""The real push client's connection: welcome, refusal, kick, faults, outage and return."""

import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order

from infra.sandbox.control.push_client import PushControl
from infra.sandbox.logins.files import (
    login_folder,
)
from infra.sandbox.push.faults import (
    DelayFrames,
    DropFrames,
    DuplicateFrames,
    RefuseConnect,
    ReorderFrames,
)
from tests.support.push import PushCollector, following
from tests.support.sandbox import Sandbox, running_sandbox

AAPL = stock_contract("AAPL", "USD")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path) as started:
        yield started


@pytest.fixture
def control(sandbox: Sandbox) -> PushControl:
    return sandbox.control.push


def resting(sandbox: Sandbox, count: int = 1) -> list[int]:
    """Place orders that rest, each of them one push, and return their ids."""
    client, account = sandbox.trade_client(), sandbox.account("main")
    orders = [limit_order(account, AAPL, "BUY", 1, 200.0) for _ in range(count)]
    for order in orders:
        client.place_order(order)
    return [order.id for order in orders]


def told_ids(push: PushCollector, count: int) -> list[int]:
    return [frame.id for frame in push.wait_for("order", count=count)]


def test_tls_tells_the_same_as_plain_tcp(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox, use_tls=True) as push:
        push.follow_account()
        (order_id,) = resting(sandbox)
        assert told_ids(push, 1) == [order_id]
        assert [item.transport for item in control.connections()] == ["tls"]


def test_certificate_of_a_home_stays_the_same(sandbox: Sandbox) -> None:
    before = (sandbox.home / "push_certificate.pem").read_bytes()
    sandbox.stop()
    sandbox.start()
    assert (sandbox.home / "push_certificate.pem").read_bytes() == before
    with following(sandbox, use_tls=True):
        assert [item.transport for item in sandbox.control.push.connections()] == ["tls"]


def test_wrong_key_is_refused_with_code_4_and_the_connection_closed(
    sandbox: Sandbox, control: PushControl
) -> None:
    push = PushCollector(sandbox)
    refused = push.connect_in_vain(private_key=sandbox.config("second").private_key)
    assert (refused.code, push.of("connected"), control.connections()) == (4, [], ())
    push.close()


def test_unknown_login_is_refused(sandbox: Sandbox) -> None:
    push = PushCollector(sandbox)
    assert push.connect_in_vain(tiger_id="20159999999").code == 4
    push.close()


def test_heart_beats_are_answered(sandbox: Sandbox) -> None:
    with following(sandbox, heartbeats_ms=(500, 500)) as push:
        # Without answers the client would give up within the second beat.
        push.wait_for("heartbeat", count=3)
        assert push.of("disconnected") == []


def test_disconnecting_closes_the_connection_once(sandbox: Sandbox, control: PushControl) -> None:
    push = PushCollector(sandbox).connect()
    push.close()
    assert control.wait_for("closed", count=1)
    assert (control.connections(), len(push.wait_for("disconnected"))) == ((), 1)


def test_newer_connection_kicks_the_older_and_nobody_comes_back(
    sandbox: Sandbox, control: PushControl
) -> None:
    older = PushCollector(sandbox).connect()
    with following(sandbox) as newer:
        assert older.wait_for("kicked")[0].code == 4001
        older.wait_for("disconnected")
        newer.follow_account()
        (order_id,) = resting(sandbox)
        assert told_ids(newer, 1) == [order_id]
        # With a disconnect callback the SDK does not reconnect: no storm of CONNECTs.
        assert control.count("connect_asked") == 2
        assert (control.count("kicked"), older.of("order"), newer.of("kicked")) == (1, [], [])
    older.close()


def test_client_without_a_disconnect_callback_comes_back_by_itself(
    sandbox: Sandbox, control: PushControl
) -> None:
    push = PushCollector(sandbox)
    push.client.disconnect_callback = None
    push.connect()
    for count in (2, 3, 4):
        control.kick()
        assert control.wait_for("connected", count=count)
    push.end_quietly()
    assert control.wait_for("closed", count=4)


def test_two_logins_do_not_meet(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox), following(sandbox, "second"):
        assert control.count("kicked") == 0
        assert len(control.connections()) == 2


def test_kick_on_demand_is_told_to_the_one_that_is_named(
    sandbox: Sandbox, control: PushControl
) -> None:
    with following(sandbox) as push, following(sandbox, "second") as other:
        assert control.kick(push.config.tiger_id) == 1
        assert push.wait_for("kicked")[0].code == 4001
        push.wait_for("disconnected")
        assert [item.tiger_id for item in control.connections()] == [other.config.tiger_id]


def test_cut_connection_just_ends(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox) as push:
        assert control.cut() == 1
        push.wait_for("disconnected")
        assert (push.of("kicked"), push.of("error")) == ([], [])


def test_connect_can_be_refused_on_demand(sandbox: Sandbox, control: PushControl) -> None:
    control.add_fault(RefuseConnect(code=4, message="access forbidden(black list)"))
    push = PushCollector(sandbox)
    refused = push.connect_in_vain()
    assert (refused.code, refused.msg) == (4, "access forbidden(black list)")
    push.connect()
    push.close()


def test_paused_connection_makes_the_client_give_up(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox, heartbeats_ms=(500, 500)) as push:
        assert control.pause() == 1
        push.wait_for("disconnected")
        assert push.of("error") == []


def test_paused_frames_come_when_it_goes_on(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox) as push:
        push.follow_account()
        control.pause()
        order_ids = resting(sandbox, 3)
        assert (control.connections()[0].is_paused, push.of("order")) == (True, [])
        control.resume()
        assert told_ids(push, 3) == order_ids


def test_lost_frames_are_never_told(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox) as push:
        push.follow_account()
        control.add_fault(DropFrames(), kind="OrderStatus", count=2)
        *lost, told = resting(sandbox, 3)
        assert told_ids(push, 1) == [told]
        assert len(lost) == 2
        assert control.faults() == ()


def test_lost_frames_are_of_one_kind_and_account_only(
    sandbox: Sandbox, control: PushControl
) -> None:
    paper = sandbox.account("paper")
    with following(sandbox) as push:
        push.follow_account()
        control.add_fault(DropFrames(), kind="OrderStatus", account=paper, count=None)
        for account in (paper, sandbox.account("main")):
            sandbox.control.external_order(account, "AAPL", side="BUY", quantity=Decimal(1))
        push.wait_for("transaction", count=2)
        frames = push.wait_for("order", count=2)
        assert {frame.account for frame in frames} == {sandbox.account("main")}
        control.clear_faults()
        assert control.faults() == ()


def test_doubled_frames_are_told_twice(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox) as push:
        push.follow_account()
        control.add_fault(DuplicateFrames(), kind="OrderStatus")
        first, second = resting(sandbox, 2)
        assert told_ids(push, 3) == [first, first, second]


def test_held_frames_come_in_reverse(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox) as push:
        push.follow_account()
        control.add_fault(ReorderFrames(size=3), kind="OrderStatus")
        order_ids = resting(sandbox, 4)
        assert told_ids(push, 4) == [*reversed(order_ids[:3]), order_ids[3]]


def test_frames_that_still_wait_can_be_released(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox) as push:
        push.follow_account()
        control.add_fault(ReorderFrames(size=5), kind="OrderStatus")
        first, second = resting(sandbox, 2)
        assert control.release() == 2
        assert told_ids(push, 2) == [second, first]


def test_late_frame_is_overtaken(sandbox: Sandbox, control: PushControl) -> None:
    with following(sandbox) as push:
        push.follow_account()
        control.add_fault(DelayFrames(delay_s=0.2), kind="OrderStatus")
        late, early = resting(sandbox, 2)
        assert told_ids(push, 2) == [early, late]


def test_client_that_comes_back_after_an_outage_must_subscribe_again(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "--push", str(free_port())) as sandbox:
        push = PushCollector(sandbox).connect()
        push.follow_account()
        (before,) = resting(sandbox)
        assert told_ids(push, 1) == [before]
        sandbox.stop(SIGKILL)
        push.wait_for("disconnected")
        sandbox.start()
        push.connect()
        # The broker has forgotten what the client followed: what happens now is told to nobody.
        (missed,) = resting(sandbox)
        assert sandbox.control.push.connections()[0].accounts == ()
        push.follow_account()
        (after,) = resting(sandbox)
        assert told_ids(push, 2) == [before, after]
        client, account = sandbox.trade_client(), sandbox.account("main")
        assert client.get_order(account=account, id=missed).id == missed
        push.close()


def test_fixed_port_that_is_taken_stops_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError):
            Sandbox(tmp_path, "--push", str(port))


def test_hundred_logins_worth_of_noise_does_not_stop_the_broker(sandbox: Sandbox) -> None:
    """Strangers open the push port and write nonsense while an order is placed and told."""

    def shout() -> None:
        with socket.create_connection(("127.0.0.1", sandbox.ports.push)) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n" * 50)

    with following(sandbox) as push:
        push.follow_account()
        strangers = [threading.Thread(target=shout) for _ in range(20)]
        for thread in strangers:
            thread.start()
        (order_id,) = resting(sandbox)
        assert told_ids(push, 1) == [order_id]
        for thread in strangers:
            thread.join()
        assert sandbox.control.push.wait_for("closed", count=20)


def test_private_key_of_the_port_is_readable_by_its_owner_only(sandbox: Sandbox) -> None:
    assert login_folder(sandbox.home, "desk").exists()
    assert (sandbox.home / "push_private_key.pem").stat().st_mode & 0o777 == 0o600


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: Any = server.getsockname()[1]
    return int(port)
