"""The real SDK made safe, on the real sandbox: one request per call, one host, no loud word."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from tigeropen.common.util import web_utils
from tigeropen.tiger_open_config import TIGER_PUBLIC_KEY, TigerOpenClientConfig

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.session import LoginAccess, Session
from core.context import Timing
from core.errors import BrokerUnavailableError, ConfigError
from core.items import Outcome
from core.modes import Environment
from infra.clock import SystemClock
from infra.config import drop_sdk_settings
from infra.sandbox.logins.files import (
    PROPERTIES_FILE,
    login_folder,
)
from infra.sandbox.wire import faults
from tests.support import core_facts as facts
from tests.support.sandbox import Sandbox, running_sandbox

PLACE: Final = "place_order"
TIMEOUT_S: Final = 1.0


class Captured(logging.Handler):
    """Everything that any logger says, at every level."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info is not None and record.exc_info[1] is not None:
            text += repr(record.exc_info[1])
        self.lines.append(text)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def captured() -> Iterator[Captured]:
    handler = Captured()
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.NOTSET)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


def access(sandbox: Sandbox, **changes: object) -> LoginAccess:
    made = LoginAccess(
        properties=login_folder(sandbox.home, "desk") / PROPERTIES_FILE,
        environment=Environment.SANDBOX,
        server_url=sandbox.url,
        gateway_key=sandbox.login().tiger_public_key,
    )
    fields = {name: getattr(made, name) for name in made.__struct_fields__}
    return LoginAccess(**{**fields, **changes})


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    sandbox.control.clear_faults()
    made = Session(access(sandbox), timeout_s=TIMEOUT_S)
    yield made
    web_utils.http_pool.clear()


@pytest.fixture
def broker(session: Session, sandbox: Sandbox) -> AccountBroker:
    return AccountBroker(session, number=sandbox.account(), clock=SystemClock())


def place(broker: AccountBroker, mark: str = "led1.ord-1") -> tuple[Outcome, str]:
    terms = facts.spec(limit_price="1.00", quantity="1")
    order = broker.prepare(terms, order_number=broker.reserve_number(), mark=mark)
    ended = broker.place(order)
    return ended.outcome, ended.detail


# Rules 2 and 4: one request for one call, and what its end means.

ENDS: Final[dict[str, tuple[faults.AnyEffect, Outcome]]] = {
    "dropped before": (faults.DropBeforeAcceptance(), Outcome.UNKNOWN),
    "dropped after": (faults.DropAfterAcceptance(), Outcome.UNKNOWN),
    "redirected to itself": (faults.Redirect(), Outcome.UNKNOWN),
    "redirected to nowhere": (faults.Redirect(location="http://127.0.0.1:1/"), Outcome.UNKNOWN),
    "500": (faults.HttpStatus(status=500), Outcome.UNKNOWN),
    "502 though accepted": (faults.HttpStatus(status=502, accepted=True), Outcome.UNKNOWN),
    "503": (faults.HttpStatus(status=503), Outcome.UNKNOWN),
    "401": (faults.HttpStatus(status=401), Outcome.UNKNOWN),
    "429": (faults.HttpStatus(status=429), Outcome.UNKNOWN),
    "empty": (faults.EmptyBody(), Outcome.UNKNOWN),
    "half a body": (faults.MalformedBody(), Outcome.UNKNOWN),
    "a wrong sign": (faults.WrongSign(), Outcome.UNKNOWN),
    "too slow": (faults.DelayAfter(delay_s=TIMEOUT_S + 0.5), Outcome.UNKNOWN),
    "code 1": (faults.ErrorCode(code=1, message="server error"), Outcome.UNKNOWN),
    "code 2": (faults.ErrorCode(code=2, message="network read time out"), Outcome.UNKNOWN),
    "code 1200 fail": (
        faults.ErrorCode(code=1200, message="standard account response error(fail:again)"),
        Outcome.UNKNOWN,
    ),
    "duplicate": (
        faults.ErrorCode(
            code=1100, message="global account response error(TRADE DUPLICATE ORDER ID)"
        ),
        Outcome.UNKNOWN,
    ),
    "unlisted": (faults.ErrorCode(code=4711, message="(bad_request:x)"), Outcome.UNKNOWN),
    "refused": (
        faults.ErrorCode(code=1200, message="standard account response error(bad_request:no)"),
        Outcome.REFUSED,
    ),
    "no right": (faults.ErrorCode(code=4000, message="permission denied"), Outcome.REFUSED),
}


@pytest.mark.parametrize("case", ENDS)
def test_place_is_one_request_whatever_comes_back(
    broker: AccountBroker, sandbox: Sandbox, case: str
) -> None:
    effect, outcome = ENDS[case]
    before = sandbox.control.request_count(PLACE)
    sandbox.control.add_fault(effect, method=PLACE)
    assert place(broker)[0] is outcome
    assert sandbox.control.request_count(PLACE) == before + 1


@pytest.mark.parametrize(
    "effect",
    [faults.DropBeforeAcceptance(), faults.HttpStatus(status=502), faults.HttpStatus(status=429)],
    ids=repr,
)
def test_reading_is_one_request_too_and_fails_clearly(
    broker: AccountBroker, sandbox: Sandbox, effect: faults.AnyEffect
) -> None:
    before = sandbox.control.request_count("orders")
    sandbox.control.add_fault(effect, method="orders")
    with pytest.raises(BrokerUnavailableError):
        broker.orders(since=facts.NOW)
    assert sandbox.control.request_count("orders") == before + 1


def test_refused_connection_is_surely_not_sent(sandbox: Sandbox, session: Session) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/gateway"
    broker = AccountBroker(
        Session(access(sandbox, server_url=url), timeout_s=TIMEOUT_S),
        number=sandbox.account(),
        clock=SystemClock(),
    )
    order = broker.prepare(facts.spec(), order_number="901", mark="m")
    assert broker.place(order).outcome is Outcome.NOT_SENT


def test_name_that_does_not_resolve_is_surely_not_sent(
    broker: AccountBroker, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = broker.prepare(facts.spec(), order_number="901", mark="m")
    web_utils.http_pool.clear()

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    before = sandbox.control.request_count(PLACE)
    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert broker.place(order).outcome is Outcome.NOT_SENT
    monkeypatch.undo()
    assert sandbox.control.request_count(PLACE) == before


def test_number_and_mark_reach_the_broker(broker: AccountBroker, sandbox: Sandbox) -> None:
    number = broker.reserve_number()
    terms = facts.spec(limit_price="1.00", quantity="1")
    ended = broker.place(broker.prepare(terms, order_number=number, mark="led1.ord-9"))
    (order,) = [
        order
        for order in sandbox.control.book(sandbox.account()).orders
        if str(order.global_id) == ended.tiger_order_id
    ]
    assert (str(order.order_number), order.user_mark) == (number, "led1.ord-9")


def test_pool_tries_nothing_twice_and_follows_nothing(session: Session) -> None:
    assert web_utils.http_pool.connection_pool_kw["retries"].total is False
    assert session.client._TigerOpenClient__config.retry_max_tries == 0


def test_sdk_gives_up_before_the_deadline(session: Session) -> None:
    timing = Timing()
    assert timing.sdk_timeout_s < timing.deadline_s
    assert session.client._TigerOpenClient__config.timeout == TIMEOUT_S
    with pytest.raises(ValueError, match="sdk_timeout_s"):
        Timing(sdk_timeout_s=20.0, deadline_s=20.0)


def test_connections_are_dropped_after_a_sleep(broker: AccountBroker, session: Session) -> None:
    broker.reserve_number()
    kept = web_utils.http_pool
    session.renew_connections()
    assert web_utils.http_pool is not kept
    assert web_utils.http_pool.connection_pool_kw["retries"].total is False
    kept.clear()
    broker.reserve_number()


# Rule 8: nothing of a signed request is said, whatever goes wrong.


def test_no_log_holds_a_request_a_signature_or_an_account_number(
    broker: AccountBroker, sandbox: Sandbox, session: Session, captured: Captured
) -> None:
    for effect, _ in ENDS.values():
        sandbox.control.add_fault(effect, method=PLACE)
        place(broker)
    sandbox.control.add_fault(faults.DropBeforeAcceptance(), method="orders")
    with pytest.raises(BrokerUnavailableError):
        broker.orders(since=facts.NOW)
    said = "\n".join(captured.lines)
    for secret in (sandbox.account(), session.tiger_id, "biz_content", "sign=", "'sign'"):
        assert secret not in said


def test_end_holds_no_account_number(broker: AccountBroker, sandbox: Sandbox) -> None:
    message = f"standard account response error(fail:account {sandbox.account()} is odd)"
    sandbox.control.add_fault(faults.ErrorCode(code=1200, message=message), method=PLACE)
    outcome, detail = place(broker)
    assert outcome is Outcome.UNKNOWN
    assert sandbox.account() not in detail


# Rule 10: no other host, ever.


@pytest.mark.parametrize(
    "url",
    [
        "https://openapi.tigerfintech.com/gateway",
        "http://192.0.2.1/gateway",
        "http://127.0.0.1.example.com/gateway",
        "http://localhost@192.0.2.1/gateway",
    ],
)
def test_sandbox_login_refuses_any_other_machine(sandbox: Sandbox, url: str) -> None:
    with pytest.raises(ConfigError):
        Session(access(sandbox, server_url=url), timeout_s=TIMEOUT_S)


def test_sandbox_login_without_an_url_of_its_own_does_not_start(sandbox: Sandbox) -> None:
    with pytest.raises(ConfigError):
        Session(access(sandbox, server_url=""), timeout_s=TIMEOUT_S)


@pytest.mark.parametrize("environment", [Environment.PAPER, Environment.LIVE])
def test_real_login_refuses_anything_but_https(sandbox: Sandbox, environment: Environment) -> None:
    with pytest.raises(ConfigError):
        Session(access(sandbox, environment=environment), timeout_s=TIMEOUT_S)
    Session(access(sandbox, environment=environment, server_url=""), timeout_s=TIMEOUT_S)


def test_replies_to_a_real_login_are_checked_with_tigers_key_alone(sandbox: Sandbox) -> None:
    session = Session(
        access(sandbox, environment=Environment.LIVE, server_url=""), timeout_s=TIMEOUT_S
    )
    assert session.client._TigerOpenClient__config.tiger_public_key == TIGER_PUBLIC_KEY


def test_quotes_go_to_the_same_host_as_orders(session: Session, sandbox: Sandbox) -> None:
    config = session.client._TigerOpenClient__config
    assert config.server_url == config.quote_server_url == sandbox.url


def test_url_that_the_sdk_changed_stops_the_start(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changing(TigerOpenClientConfig):  # type: ignore[misc]  # the SDK has no types
        def __setattr__(self, name: str, value: object) -> None:
            is_url = name.endswith("quote_server_url")
            super().__setattr__(name, "http://127.0.0.1:9/other" if is_url else value)

    monkeypatch.setattr("adapters.tiger_worker.properties_file.TigerOpenClientConfig", Changing)
    with pytest.raises(ConfigError):
        Session(access(sandbox), timeout_s=TIMEOUT_S)


def test_start_makes_no_call_to_anybody(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def fail(host: object, *_: object, **__: object) -> None:
        # The SDK swallows what goes wrong here, so it is counted.
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    Session(access(sandbox), timeout_s=TIMEOUT_S)
    Session(access(sandbox, environment=Environment.LIVE, server_url=""), timeout_s=TIMEOUT_S)
    assert asked == []


def test_environment_of_the_sdk_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIGEROPEN_SERVER_URL", "http://192.0.2.1/gateway")
    monkeypatch.setenv("TIGEROPEN_TIGER_ID", "20990001")
    drop_sdk_settings()
    assert [name for name in os.environ if name.startswith("TIGEROPEN_")] == []


def test_credentials_that_are_missing_stop_the_start(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Session(access(sandbox, properties=tmp_path / PROPERTIES_FILE), timeout_s=TIMEOUT_S)
    (tmp_path / PROPERTIES_FILE).write_text("tiger_id=\n")
    with pytest.raises(ConfigError):
        Session(access(sandbox, properties=tmp_path / PROPERTIES_FILE), timeout_s=TIMEOUT_S)
