"""The worker's push link: the real SDK against the real push server, disturbed in every way."""

import logging
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order

from adapters.tiger_worker.push import (
    LEFT_THREADS_MAX,
    LinkState,
    PushLink,
)
from adapters.tiger_worker.push_connection import PushAddress, PushConnection
from adapters.tiger_worker.session import LoginAccess, Session
from core.errors import ConfigError
from core.modes import Environment
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    login_folder,
)
from infra.sandbox.push.faults import (
    CutConnect,
    DropFrames,
    DuplicateFrames,
    IgnoreConnect,
    RefuseConnect,
)
from tests.support.push import PushCollector
from tests.support.push_link import PACE, WAIT_S, LinkRig, following
from tests.support.sandbox import Sandbox, running_sandbox

LOW: Final = 1.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("push")


@pytest.fixture
def sandbox(home: Path) -> Iterator[Sandbox]:
    # A new process each time: the counts of its push side begin at 0.
    with running_sandbox(home) as running:
        yield running


def place(sandbox: Sandbox, alias: str = "main", *, price: float = LOW) -> int:
    client = sandbox.trade_client()
    order = limit_order(
        sandbox.account(alias), stock_contract("AAPL", "USD"), "BUY", 1, limit_price=price
    )
    placed: int = client.place_order(order)
    return placed


def threads_since(before: set[threading.Thread]) -> Counter[str]:
    """Count the threads that were begun since, and live; a receiver has no name of its own."""
    return Counter(
        "heartbeat" if thread.name.startswith("Heartbeat") else thread.name.partition("-")[0]
        for thread in threading.enumerate()
        if thread not in before
    )


@pytest.mark.parametrize("use_tls", [False, True], ids=["plain", "tls"])
def test_order_of_an_account_makes_a_round_of_that_account_alone(
    sandbox: Sandbox, use_tls: bool
) -> None:
    with following(sandbox, use_tls=use_tls) as rig:
        rig.followed(1)
        first, other = rig.accounts[:2]
        assert (rig.heard.count("look"), rig.heard.count("gap")) == (len(rig.accounts), 0)
        place(sandbox, first.alias)
        rig.heard.until(lambda: rig.heard.count("look", alias=first.alias) >= 2)
        assert rig.heard.count("look", alias=other.alias) == 1
        assert rig.link.health.state is LinkState.FOLLOWING
        assert rig.link.health.strangers == 0


def test_one_subscription_without_an_account_follows_all_of_the_login(sandbox: Sandbox) -> None:
    with following(sandbox) as rig:
        rig.followed(1)
        (view,) = rig.control.connections()
        assert set(view.accounts) == {account.number for account in rig.accounts}
        assert rig.control.count("subscribed") == 1


def test_message_of_an_account_that_is_not_ours_is_counted_and_nothing_else(
    sandbox: Sandbox,
) -> None:
    rig = LinkRig(sandbox)
    ours, stranger = rig.accounts[:2]
    rig.link = PushLink(
        rig._connect,
        accounts=[ours],
        name="run",
        clock=rig.clock,
        on_worn=rig.worn.set,
        on_failure=rig.failures.append,
        pace=PACE,
    )
    rig.link.start()
    try:
        assert rig.control.wait_for("subscribed", count=1)
        place(sandbox, stranger.alias)
        place(sandbox, ours.alias)
        rig.heard.until(lambda: rig.heard.count("look", alias=ours.alias) >= 2)
        assert rig.heard.count("look", alias=stranger.alias) == 0
        assert rig.link.health.strangers >= 1
    finally:
        rig.link.stop()


def test_cut_is_a_gap_of_every_account_and_its_return_another_with_a_round(
    sandbox: Sandbox,
) -> None:
    with following(sandbox) as rig:
        rig.followed(1)
        rig.control.cut()
        rig.followed(2)
        for account in rig.accounts:
            causes = [d for a, what, d in rig.heard.told if (a, what) == (account.alias, "gap")]
            assert causes == ["push was lost: ended", "push is back"]
            assert rig.heard.told.index((account.alias, "look", "")) >= 0
        looks = rig.heard.count("look", alias=rig.accounts[0].alias)
        place(sandbox, rig.accounts[0].alias)
        rig.heard.until(lambda: rig.heard.count("look", alias=rig.accounts[0].alias) > looks)


@pytest.mark.parametrize("use_tls", [False, True], ids=["plain", "tls"])
def test_twenty_reconnects_leave_no_thread_that_is_not_counted(
    sandbox: Sandbox, use_tls: bool
) -> None:
    before = set(threading.enumerate())
    with following(sandbox, use_tls=use_tls, heartbeats_ms=(1000, 4000)) as rig:
        for count in range(1, 21):
            rig.followed(count)
            rig.control.cut()
        rig.followed(21)

        def beating() -> int:
            return 1 + rig.link.health.left_threads

        # Each heart beat wakes this up, until the last of the ended threads is gone.
        rig.heard.until(
            lambda: (
                threads_since(before) == Counter({"push": 1, "Thread": 1, "heartbeat": beating()})
            )
        )
        # In TLS a connection may break before its first message, which is out of reach then.
        lost_early = rig.control.count("connected") - 21
        assert 0 <= rig.link.health.left_threads <= lost_early
        assert use_tls or lost_early == 0


def test_kicked_link_freezes_and_comes_back_once_for_each_resume(sandbox: Sandbox) -> None:
    rivals = []
    with following(sandbox) as rig:
        rig.followed(1)
        for round_ in (1, 2):
            # Another client of the same login, somewhere else.
            rivals.append(PushCollector(sandbox).connect())
            rig.heard.until(partial(rig.has_heard, "kick", round_))
            rivals[-1].follow_account()
            assert rivals[-1].of("kicked") == []
            assert rig.control.count("connect_asked") == 2 * round_
            rig.accounts[0].resume()
            rivals[-1].wait_for("kicked")
            assert rig.control.wait_for("subscribed", count=1 + 2 * round_, timeout_s=WAIT_S)
            rig.heard.until(partial(rig.has_heard, "gap", 2 * round_))
        assert rig.control.count("connect_asked") == 5
        assert len(set(rig.accounts[0].kicks)) == 2
        # The freeze is told before the gap, and before anything that may take its time.
        kinds = [what for alias, what, _ in rig.heard.told if alias == rig.accounts[0].alias]
        assert kinds.index("kick") < kinds.index("gap")
    for rival in rivals:
        rival.close()


def test_login_that_was_kicked_before_its_start_waits_for_a_person(sandbox: Sandbox) -> None:
    rig = LinkRig(sandbox)
    for account in rig.accounts:
        account.is_frozen = True
    rival = PushCollector(sandbox).connect()
    rig.link.start()
    rival.follow_account()
    assert (rig.control.count("connect_asked"), rival.of("kicked")) == (1, [])
    rig.accounts[-1].resume()
    rival.wait_for("kicked")
    rig.link.stop()
    rival.close()


@pytest.mark.parametrize(
    ("effect", "settings"),
    [
        (RefuseConnect(code=4, message="access forbidden"), {}),
        (CutConnect(), {}),
        (IgnoreConnect(), {"socket_wait_s": 0.5}),
    ],
    ids=["refused", "cut", "ignored"],
)
def test_connect_that_comes_to_nothing_is_tried_again(
    sandbox: Sandbox, effect: Any, settings: dict[str, Any]
) -> None:
    sandbox.control.push.add_fault(effect, count=2)
    pace = PACE._replace(follow_s=1.0)
    with following(sandbox, pace=pace, **settings) as rig:
        rig.heard.until(lambda: rig.heard.count("look") >= len(rig.accounts))
        assert rig.control.count("connect_asked") == 3
        # Nothing had been relied on, so nothing was lost.
        assert rig.heard.count("gap") == 0


def test_broker_that_is_away_is_probed_and_never_left_to_the_sdk(sandbox: Sandbox) -> None:
    with following(sandbox) as rig:
        rig.followed(1)
        sandbox.stop()
        rig.heard.until(lambda: rig.heard.count("gap") == len(rig.accounts))
        connects = rig.heard.count("connect")
        rig.heard.until(lambda: rig.heard.count("connect") >= connects + 5)
        assert rig.link.health.state is LinkState.AWAY
        sandbox.start()


def test_broker_that_falls_silent_is_a_loss(sandbox: Sandbox) -> None:
    pace = PACE._replace(silence_s=4.0)
    with following(sandbox, pace=pace, heartbeats_ms=(1000, 20_000)) as rig:
        rig.followed(1)
        assert rig.control.pause() == 1
        rig.heard.until(lambda: rig.heard.count("gap") >= len(rig.accounts))
        assert ("main", "gap", "push was lost: silent") in rig.heard.told
        rig.followed(2)


def test_heart_beats_alone_keep_a_quiet_link(sandbox: Sandbox) -> None:
    pace = PACE._replace(silence_s=3.0)
    with following(sandbox, pace=pace, heartbeats_ms=(500, 4000)) as rig:
        rig.followed(1)
        first = rig.made[0].heard_at
        rig.heard.until(lambda: rig.made[0].heard_at > first + 1.5 * pace.silence_s)
        assert (rig.heard.count("gap"), rig.link.health.connects) == (0, 1)


@pytest.mark.parametrize("use_tls", [False, True], ids=["plain", "tls"])
def test_woken_machine_has_a_new_connection_once_though_each_account_asks(
    sandbox: Sandbox, use_tls: bool
) -> None:
    with following(sandbox, use_tls=use_tls) as rig:
        rig.followed(1)
        rig.clock.pass_s(3600)
        for _ in rig.accounts:
            rig.link.renew()
        rig.followed(2)
        place(sandbox, rig.accounts[0].alias)
        looks = 2 * len(rig.accounts)
        rig.heard.until(lambda: rig.heard.count("look") > looks)
        assert rig.control.count("connect_asked") == 2


def test_doubled_messages_are_further_hints_and_dropped_ones_none(sandbox: Sandbox) -> None:
    control = sandbox.control.push
    control.add_fault(DropFrames(), kind="OrderStatus")
    control.add_fault(DuplicateFrames(copies=3), kind="OrderStatus", count=None)
    with following(sandbox) as rig:
        rig.followed(1)
        account = rig.accounts[0].alias
        place(sandbox, account)
        place(sandbox, account)
        rig.heard.until(lambda: rig.link.health.hints >= 4)


def test_threads_that_stay_end_the_link_at_last_and_the_process_after_it(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.tiger_worker.push.LEFT_THREADS_MAX", 1)
    assert LEFT_THREADS_MAX > 1
    # Deaf and never ended: a thread of the SDK is left each time.
    sandbox.control.push.add_fault(IgnoreConnect(), count=None)
    monkeypatch.setattr(PushConnection, "end", lambda _self: 1)
    with following(sandbox, pace=PACE._replace(follow_s=0.1), socket_wait_s=2.0) as rig:
        assert rig.worn.wait(WAIT_S)
        assert rig.link.health.left_threads == 2


def test_sdk_neither_logs_a_signature_nor_slows_the_tls_of_this_process(
    sandbox: Sandbox,
) -> None:
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root, handler = logging.getLogger(), Kept()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    wrap_socket = ssl.SSLContext.wrap_socket
    try:
        with following(sandbox, use_tls=True) as rig:
            rig.followed(1)
            assert ssl.SSLContext.wrap_socket is wrap_socket
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    text = "\n".join(lines)
    secrets = [sandbox.login().tiger_id, "sign", *(a.number for a in rig.accounts)]
    assert [secret for secret in secrets if secret in text] == []


def access_of(sandbox: Sandbox, environment: Environment, folder: Path, more: str = "") -> Any:
    """Return the access of a login with the sandbox's keys, and further properties."""
    content = (login_folder(sandbox.home, "desk") / PROPERTIES_FILE).read_text()
    properties = folder / PROPERTIES_FILE
    properties.write_text(f"{content}\n{more}\n")
    is_sandbox = environment is Environment.SANDBOX
    return LoginAccess(
        properties=properties,
        environment=environment,
        server_url=sandbox.url if is_sandbox else "",
        push_port=sandbox.ports.push if is_sandbox else 0,
    )


def test_sandbox_login_is_pushed_to_from_this_machine_alone(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    elsewhere = "socket_host_port=ssl,push.example.com,9883"
    access = access_of(sandbox, Environment.SANDBOX, tmp_path, elsewhere)
    assert Session(access, timeout_s=1.0).push_address == PushAddress(
        "127.0.0.1", sandbox.ports.push, use_tls=False
    )
    without = msgspec.structs.replace(access, push_port=0)
    assert Session(without, timeout_s=1.0).push_address is None


def test_real_login_is_pushed_to_in_tls_from_tigers_host(sandbox: Sandbox, tmp_path: Path) -> None:
    access = access_of(sandbox, Environment.PAPER, tmp_path)
    assert Session(access, timeout_s=1.0).push_address == PushAddress(
        "openapi.tigerfintech.com", 9883, use_tls=True
    )
    plain = access_of(
        sandbox, Environment.PAPER, tmp_path, "socket_host_port=tcp,openapi.tigerfintech.com,9883"
    )
    with pytest.raises(ConfigError):
        Session(plain, timeout_s=1.0)


def test_renewing_a_sessions_connections_renews_its_push(sandbox: Sandbox, tmp_path: Path) -> None:
    session = Session(access_of(sandbox, Environment.SANDBOX, tmp_path), timeout_s=1.0)
    renewed: list[str] = []
    session.on_renewed.append(lambda: renewed.append("push"))
    session.renew_connections()
    assert renewed == ["push"]
