"""The wire itself: who may call, what is answered, and what the process leaves on disk."""

import http.client
import json
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException, ResponseException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order

from infra.sandbox.control.client import SandboxControlError
from infra.sandbox.home import (
    DEFAULT_LOGINS,
    AccountSpec,
    LoginSpec,
    SandboxHomeError,
    create_home,
    locked,
)
from infra.sandbox.logins.files import (
    login_folder,
)
from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

AAPL = stock_contract("AAPL", "USD")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


def answer_to(client: Any, method: str, business: dict[str, object] | None = None) -> Any:
    reply = raw_call(client, method, business)
    return reply["code"], reply["message"]


def post(sandbox: Sandbox, body: bytes, *, method: str = "POST") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.ports.http, timeout=5)
    try:
        connection.request(method, "/gateway", body)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_request_signed_with_another_key_is_refused(sandbox: Sandbox) -> None:
    client, config = sandbox.trade_client(), sandbox.config()
    config.private_key = sandbox.config("second").private_key
    code, message = answer_to(type(client)(config), "accounts", {})
    assert code == 1000
    assert message.startswith("common param error(failed to verify signature")


def test_unknown_developer_is_refused(sandbox: Sandbox) -> None:
    client, config = sandbox.trade_client(), sandbox.config()
    config.tiger_id = "1"
    assert answer_to(type(client)(config), "accounts", {}) == (
        1000,
        "common param error(failed to get developer information)",
    )


def test_text_outside_ascii_is_signed_as_it_reads(sandbox: Sandbox) -> None:
    business: dict[str, object] = {"account": sandbox.account(), "user_mark": "测试 ü"}
    assert answer_to(sandbox.trade_client(), "positions", business)[0] == 0


@pytest.mark.parametrize("method", ["no_such_method", "user_license"])
def test_method_that_is_not_served_is_refused(sandbox: Sandbox, method: str) -> None:
    assert answer_to(sandbox.trade_client(), method) == (
        1000,
        "common param error(the current requested method does not support)",
    )


@pytest.mark.parametrize(
    "business, detail",
    [
        ({}, "field 'account' cannot be empty"),
        ({"account": 1, "limit": "many"}, "failed to parse parameters in 'biz_content'"),
    ],
)
def test_bad_parameters_are_refused(
    sandbox: Sandbox, business: dict[str, object], detail: str
) -> None:
    assert answer_to(sandbox.trade_client(), "orders", business) == (
        1010,
        f"biz param error({detail})",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"user_mark": "x" * 201},
        {"order_id": -1},
        {"order_id": 2**31},
        {"action": "HOLD"},
        {"total_quantity": 1e30},
        {"total_quantity_scale": 99},
        {"limit_price": "NaN"},
        {"limit_price": 1e30},
    ],
    ids=lambda change: next(iter(change)),
)
def test_order_with_a_bad_parameter_is_refused(sandbox: Sandbox, change: dict[str, object]) -> None:
    order: dict[str, object] = {
        "account": sandbox.account(),
        "symbol": "AAPL",
        "sec_type": "STK",
        "order_type": "LMT",
        "action": "BUY",
        "total_quantity": 1,
        "limit_price": 200.0,
    }
    assert answer_to(sandbox.trade_client(), "place_order", order | change)[0] == 1010


@pytest.mark.parametrize("body", [b"", b"no json", b"[1]", b"{}"])
def test_body_without_an_envelope_is_refused_in_tigers_words(sandbox: Sandbox, body: bytes) -> None:
    status, content = post(sandbox, body)
    assert (status, json.loads(content)["code"]) == (200, 1000)


def test_only_post_is_answered(sandbox: Sandbox) -> None:
    assert post(sandbox, b"", method="GET")[0] == 405


def test_reply_signed_by_another_gateway_is_found_out(sandbox: Sandbox) -> None:
    client, config = sandbox.trade_client(), sandbox.config()
    (other, *_) = create_home(sandbox.home / "other")
    config.tiger_public_key = other.tiger_public_key
    with pytest.raises(ResponseException):
        raw_call(type(client)(config), "accounts", {})


def test_unsigned_replies_carry_no_signature(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "--unsigned") as unsigned:
        reply = raw_call(unsigned.trade_client(), "accounts", {})
    assert reply["code"] == 0
    assert "sign" not in reply


def test_older_methods_send_data_as_text_and_newer_ones_as_json(sandbox: Sandbox) -> None:
    client = sandbox.trade_client()
    assert isinstance(raw_call(client, "accounts", {})["data"], str)
    assert isinstance(raw_call(client, "get_quote_permission")["data"], list)


def numbered_order(sandbox: Sandbox, order_id: int) -> Any:
    order = limit_order(sandbox.account(), AAPL, "BUY", 1, 100.0)
    order.order_id = order_id
    return order


@pytest.mark.parametrize(
    "policy, code",
    [("refuse_1100", 1100), ("refuse_by_kind", 1200)],
)
def test_second_order_with_the_same_number_is_refused(
    sandbox: Sandbox, policy: Any, code: int
) -> None:
    client, number = sandbox.trade_client(), 50_000 + code
    sandbox.control.set_settings(Settings(price_drift=False, duplicate_orders=policy))
    client.place_order(numbered_order(sandbox, number))
    with pytest.raises(ApiException) as error:
        client.place_order(numbered_order(sandbox, number))
    assert error.value.code == code
    assert "TRADE DUPLICATE ORDER ID" in error.value.msg


def test_second_order_with_the_same_number_can_be_accepted(sandbox: Sandbox) -> None:
    client = sandbox.trade_client()
    sandbox.control.set_settings(Settings(price_drift=False, duplicate_orders="accept"))
    first, second = numbered_order(sandbox, 60_000), numbered_order(sandbox, 60_000)
    assert client.place_order(first) != client.place_order(second)


def test_number_that_a_client_chose_is_not_handed_out(sandbox: Sandbox) -> None:
    client, account = sandbox.trade_client(), sandbox.account()
    reserved = client.create_order(account, AAPL, "BUY", "LMT", 1, limit_price=1.0).order_id
    client.place_order(numbered_order(sandbox, reserved + 1))
    after = client.create_order(account, AAPL, "BUY", "LMT", 1, limit_price=1.0).order_id
    assert after == reserved + 2


def test_journal_has_every_request_without_its_signature(sandbox: Sandbox) -> None:
    client, before = sandbox.trade_client(), sandbox.control.journal()[-1].number
    raw_call(client, "positions", {"account": sandbox.account()})
    raw_call(client, "no_such_method")
    entries = sandbox.control.journal(since=before)
    assert [(entry.method, entry.account, entry.reply_code) for entry in entries] == [
        ("positions", sandbox.account(), 0),
        ("no_such_method", "", 1000),
    ]
    assert entries[0].tiger_id == sandbox.login().tiger_id
    assert json.loads(entries[0].biz_content) == {"account": sandbox.account()}


def control_call(sandbox: Sandbox, route: str, body: bytes) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.ports.control, timeout=5)
    try:
        connection.request("POST", route, body)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    "route, body, status",
    [
        ("/no_such_route", b"{}", 404),
        ("/faults", b'{"effect":{"type":"no_such_fault"}}', 400),
        ("/faults", b'{"effect":{"type":"empty_body"},"probability":"NaN"}', 400),
        ("/faults", b'{"effect":{"type":"delay_before","delay_s":1e9}}', 400),
        ("/settings", b'{"no_such_setting":1}', 400),
        ("/settings", b'{"fill_quantity_max":"0"}', 400),
        ("/wait", b'{"count":1,"timeout_s":1e9}', 400),
        ("/advance", b'{"step_count":-1}', 400),
        ("/price", b'{"symbol":"NOSUCH","price":"1"}', 409),
        ("/price", b'{"symbol":"AAPL","price":"1.005"}', 409),
        ("/price", b'{"symbol":"AAPL","price":"NaN"}', 409),
        ("/external_order", b'{"account":"1","symbol":"A","side":"BUY","quantity":"1"}', 400),
    ],
)
def test_bad_control_request_is_refused_with_a_reason(
    sandbox: Sandbox, route: str, body: bytes, status: int
) -> None:
    answered, content = control_call(sandbox, route, body)
    assert (answered, list(content)) == (status, ["error"])


def test_setting_that_is_not_sent_stays(sandbox: Sandbox) -> None:
    sandbox.control.set_settings(Settings(price_drift=False, fill_quantity_max=Decimal(3)))
    control_call(sandbox, "/settings", b'{"defer_cancels":true}')
    assert sandbox.control.settings() == Settings(
        price_drift=False, fill_quantity_max=Decimal(3), defer_cancels=True
    )
    sandbox.control.set_settings(Settings(price_drift=False))


def test_steps_move_prices_even_when_they_do_not_drift(sandbox: Sandbox) -> None:
    client = sandbox.quote_client()
    before = client.get_stock_briefs(["TSLA"]).to_dict("records")[0]["latest_price"]
    steps = sandbox.control.advance(5)
    assert sandbox.control.advance(5) == steps + 5
    after = client.get_stock_briefs(["TSLA"]).to_dict("records")[0]["latest_price"]
    assert after != before


def test_control_client_names_the_reason_of_a_refusal(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxControlError) as error:
        sandbox.control.set_price("NOSUCH", Decimal(1))
    assert (error.value.status, error.value.reason) == (409, "no price 1 for NOSUCH")


def test_home_made_by_several_at_once_is_one_home(tmp_path: Path) -> None:
    with ThreadPoolExecutor(max_workers=4) as threads:
        homes = set(threads.map(lambda _: create_home(tmp_path), range(4)))
    assert len(homes) == 1


def test_home_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = create_home(tmp_path)
    assert create_home(tmp_path) == first
    assert [login.name for login in first] == [spec.name for spec in DEFAULT_LOGINS]
    folder = login_folder(tmp_path, "desk")
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}
    assert modes == {"tiger_openapi_config.properties": 0o600, "login.json": 0o600}
    assert (tmp_path / "gateway_public_key").read_text() == first[0].tiger_public_key


def test_login_can_be_added_but_not_changed(tmp_path: Path) -> None:
    create_home(tmp_path)
    extra = LoginSpec(name="third", accounts=(AccountSpec(alias="a", kind="paper"),))
    assert [login.name for login in create_home(tmp_path, (extra,))] == ["desk", "second", "third"]
    with pytest.raises(SandboxHomeError):
        create_home(tmp_path, (LoginSpec(name="third", accounts=()),))


def test_home_has_one_holder(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(SandboxHomeError), locked(tmp_path):
        pass


def test_logins_are_taken_from_the_command_line(tmp_path: Path) -> None:
    with running_sandbox(tmp_path, "--login", "solo=cash:prime,play:paper") as sandbox:
        assert [item.alias for item in sandbox.login("solo").accounts] == ["cash", "play"]
        assert len(sandbox.trade_client("solo").get_managed_accounts()) == 2
