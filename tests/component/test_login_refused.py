"""A login that the broker refuses outright: every reading of it says why, and what mends it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest
from tigeropen.common.util import web_utils

from adapters.tiger_worker.asks import Asks
from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.login_refusals import LoginRefusedError
from adapters.tiger_worker.rates import NO_BUDGETS, RateBudget
from adapters.tiger_worker.session import LoginAccess, Session
from core.asks import AskReply
from core.errors import BrokerUnavailableError
from core.modes import Environment
from infra.clock import SystemClock
from infra.sandbox.logins.files import PROPERTIES_FILE, login_folder
from infra.sandbox.wire import faults
from tests.support.sandbox import Sandbox, running_sandbox

Fields = dict[str, str]
Spoil = Callable[[Sandbox, Fields], object]
LOGINS: Final = ("--login", "desk=main:prime", "--login", "second=second:paper")
NOT_WHITE: Final = faults.ErrorCode(code=4, message="access forbidden(ip is not on the white list)")
RATE: Final = faults.ErrorCode(code=4, message="rate limit error(current limiting interface)")
WHY: Final[dict[str, tuple[Spoil, str]]] = {
    "another login's key": (
        lambda sandbox, fields: fields.update(_keys(sandbox, "second")),
        "private_key: it does not belong to this tiger_id",
    ),
    "an unknown id": (
        lambda _, fields: fields.update(tiger_id="29999999"),
        "tiger_id: the broker does not know it",
    ),
    "another address": (
        lambda sandbox, _: sandbox.control.add_fault(NOT_WHITE, count=None),
        "the broker refuses this address; add it to the IP white list",
    ),
}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("refused"), *LOGINS) as running:
        yield running
        web_utils.http_pool.clear()


def _fields(sandbox: Sandbox, login: str) -> Fields:
    text = (login_folder(sandbox.home, login) / PROPERTIES_FILE).read_text()
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, _, value in pairs}


def _keys(sandbox: Sandbox, login: str) -> Fields:
    found = _fields(sandbox, login)
    return {name: found[name] for name in ("private_key_pk1", "private_key_pk8")}


def _broker(sandbox: Sandbox, folder: Path, fields: Fields) -> AccountBroker:
    file = folder / PROPERTIES_FILE
    file.write_text("".join(f"{name}={value}\n" for name, value in fields.items()))
    access = LoginAccess(
        properties=file,
        environment=Environment.SANDBOX,
        server_url=sandbox.url,
        gateway_key=sandbox.login().tiger_public_key,
    )
    session = Session(access, timeout_s=2.0)
    return AccountBroker(session, number=fields["account"], clock=SystemClock())


@pytest.mark.parametrize("case", WHY)
def test_reading_of_a_refused_login_says_what_a_person_must_mend(
    sandbox: Sandbox, tmp_path: Path, case: str
) -> None:
    spoil, expected = WHY[case]
    fields = _fields(sandbox, "desk")
    try:
        spoil(sandbox, fields)
        broker = _broker(sandbox, tmp_path, fields)
        with pytest.raises(LoginRefusedError) as raised:
            broker.open_orders()
        assert str(raised.value).startswith(expected)
        asks = Asks(broker, budget=RateBudget(NO_BUDGETS))
        for what, asked in (("quotes", b'{"symbols":["AAPL"]}'), ("assets", b"{}")):
            reply = msgspec.json.decode(asks.answer(what, asked), type=AskReply)
            assert reply.fault is not None
            assert reply.fault.code == "broker_unavailable"
            assert f"which a person must mend: {expected}" in reply.fault.message, what
    finally:
        sandbox.control.clear_faults()


def test_login_that_is_well_is_refused_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    assert _broker(sandbox, tmp_path, _fields(sandbox, "desk")).open_orders() == ()


def test_rate_limit_is_no_refusal_of_the_login(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.control.add_fault(RATE, method="active_orders")
    with pytest.raises(BrokerUnavailableError) as raised:
        _broker(sandbox, tmp_path, _fields(sandbox, "desk")).open_orders()
    assert not isinstance(raised.value, LoginRefusedError)
