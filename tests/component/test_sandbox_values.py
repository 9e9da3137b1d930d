"""Requests that are good but for a value or two: every one is answered, in Tiger's words.

What the methods read is what strangers write: numbers beyond all reckoning, days that no calendar
holds, names of other things. Seeded; a failure prints its case.
"""

import http.client
import json
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tigeropen.common.util.contract_utils import option_contract, stock_contract
from tigeropen.common.util.order_utils import limit_order, market_order
from tigeropen.common.util.signature_utils import get_sign_content, sign_with_rsa

from infra.sandbox.methods import table
from infra.sandbox.wire.faults import ErrorCode
from infra.sandbox.wire.http_server import HOST
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

SEED = 20_261_123
CASE_COUNT = 1500
NOW = "2026-11-23T15:00:00+00:00"
REQUESTS = json.loads(
    (Path(__file__).resolve().parents[1] / "support" / "sandbox_requests.json").read_text()
)
# What is right to refuse in a good request: a transfer that is through, an exercise of nothing.
REFUSED = frozenset({"cancel_segment_fund", "option_exercise_cancel", "position_transfer_detail"})
# Of a login with another licence.
ELSEWHERE = frozenset({"user_token_refresh"})
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        "",
        0,
        -1,
        0.1,
        2**31,
        2**53 + 1,
        2**63,
        -(2**63),
        10**30,
        10**400,
        1e308,
        5e-324,
    ),
    *("NaN", "Infinity", "-Infinity", "1E+1000000", "1E-999999", "0E+999999", "-0", "0x10", "²"),
    *(
        [],
        {},
        [[]],
        [None],
        [1],
        ["AAPL"] * 51,
        "AAPL",
        " aapl ",
        "00700",
        "ALL",
        "US",
        "XX",
        "\x00",
    ),
    *(
        "9999-12-31",
        "0001-01-01",
        "00010101",
        "99991231",
        "2026-13-45",
        "10000-01-01",
        4070880000000,
    ),
    *(253402300799000, 253402300800000, -62135596800001, "253402300800000", "day", "BUY", "STK"),
    *("AAPL  991231C99999999", "ES9912", "ES0000", "ESmain", "CALL", "x" * 50_000, "é" * 300),
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("sandbox")
    with running_sandbox(home, "--clock", f"virtual:{NOW}") as started:
        client, account = started.trade_client(), started.account()
        client.place_order(market_order(account, stock_contract("AAPL", "USD"), "BUY", 10))
        call = option_contract("AAPL  261211C00230000")
        client.place_order(market_order(account, call, "BUY", 2))
        yield started


@pytest.fixture
def asker(sandbox: Sandbox) -> Iterator["_Asker"]:
    with closing(_Asker(sandbox)) as made:
        yield made


def good_request(sandbox: Sandbox, method: str) -> Any:
    text = json.dumps(REQUESTS[method])
    if '"ORDER"' in text:
        order = limit_order(sandbox.account(), stock_contract("AAPL", "USD"), "BUY", 1, 200.0)
        text = text.replace('"ORDER"', str(sandbox.trade_client().place_order(order)))
    text = text.replace("OTHER_ACCOUNT", sandbox.account("paper"))
    return json.loads(text.replace("ACCOUNT", sandbox.account()))


def test_there_is_a_good_request_for_every_method() -> None:
    assert {*table.TEXT_METHODS, *table.OBJECT_METHODS} - ELSEWHERE == set(REQUESTS)


@pytest.mark.parametrize("method", sorted(set(REQUESTS) - REFUSED))
def test_good_request_is_done(sandbox: Sandbox, method: str) -> None:
    answer = raw_call(sandbox.trade_client(), method, good_request(sandbox, method))
    assert (answer["code"], answer["message"]) == (0, "success")
    # Tiger says no more of a request that was only taken.
    assert (answer["data"] is None) is (method == "option_exercise_submit")


def test_spoiled_values_are_always_answered(sandbox: Sandbox, asker: "_Asker") -> None:
    spoiler = random.Random(SEED)
    good = {method: good_request(sandbox, method) for method in REQUESTS}
    codes = set()
    for number in range(CASE_COUNT):
        method = spoiler.choice(sorted(good))
        spoiled = _spoiled(spoiler, good[method])
        where = f"case {number} of seed {SEED}: {method} {str(spoiled)[:300]}"
        try:
            answer = asker.ask(method, spoiled)
        except (http.client.HTTPException, OSError) as error:
            pytest.fail(f"{where}: {error!r}")
        assert answer["code"] == 0 or answer["message"], where
        codes.add(answer["code"])
    assert codes <= {0, 4, 1010, 1100, 1200, 1300}
    assert {0, 1010, 1200} <= codes


@pytest.mark.parametrize(
    "method, field, value",
    [
        ("place_order", "limit_price", "1E+1000000"),
        ("place_order", "total_quantity", "1E+1000000"),
        ("preview_order", "limit_price", "-1E+1000000"),
        ("option_exercise_check", "quantity", "1E+1000000"),
        ("history_timeline", "date", "9999-12-31"),
        ("history_timeline", "date", "0001-01-01"),
        ("financial_daily", "begin_date", "9999-12-31"),
        ("financial_exchange_rate", "timezone", "US"),
    ],
)
def test_value_beyond_all_reckoning_is_a_parameter_error(
    sandbox: Sandbox, asker: "_Asker", method: str, field: str, value: str
) -> None:
    answer = asker.ask(method, good_request(sandbox, method) | {field: value})
    assert (answer["code"], answer["message"]) == (
        1010,
        f"biz param error(field '{field}' is invalid)",
    )


def test_null_is_as_good_as_absent_and_an_account_may_be_a_number(
    sandbox: Sandbox, asker: "_Asker"
) -> None:
    number = int(sandbox.account())
    order = good_request(sandbox, "place_order")
    nulls = dict.fromkeys(("id", "order_id", "total_quantity_scale", "local_symbol", "oca_orders"))
    assert asker.ask("place_order", order | nulls | {"account": number})["code"] == 0
    listing = asker.ask("orders", {"account": number, "symbol": None, "limit": None})
    assert json.loads(listing["data"])["items"]
    refused = asker.ask("orders", {"account": None})
    assert refused["message"] == "biz param error(field 'account' cannot be empty)"


def test_fault_of_an_account_meets_it_also_when_it_comes_as_a_number(
    sandbox: Sandbox, asker: "_Asker"
) -> None:
    account = sandbox.account()
    sandbox.control.add_fault(ErrorCode(code=1, message="server error"), account=account)
    assert asker.ask("orders", {"account": int(account)})["code"] == 1


def test_parameters_that_are_no_text_are_not_parsed(sandbox: Sandbox, asker: "_Asker") -> None:
    request = good_request(sandbox, "place_order")
    assert asker.ask("place_order", request, is_text=False)["message"] == (
        "biz param error(failed to parse parameters in 'biz_content')"
    )


def test_bars_since_ever_and_for_ever_are_the_bars_there_are(sandbox: Sandbox) -> None:
    client = sandbox.quote_client()
    asked = {"symbols": ["AAPL"], "period": "day", "limit": 5}
    plain = raw_call(client, "kline", asked)["data"]
    wide = asked | {"begin_time": "0001-01-01", "end_time": "9999-12-31"}
    assert raw_call(client, "kline", wide)["data"][0]["items"] == plain[0]["items"]


def test_scanner_bound_that_is_no_number_is_refused(sandbox: Sandbox, asker: "_Asker") -> None:
    request = good_request(sandbox, "market_scanner")
    request["base_filter_list"][0]["filter_max"] = "NaN"
    assert asker.ask("market_scanner", request)["code"] == 1010


# The control port: what a fixture of somebody's writes by mistake must not spoil the book.


@pytest.mark.parametrize(
    "path, command",
    [
        ("/split", {"symbol": "AAPL", "ratio": "1E-999999"}),
        ("/split", {"symbol": "AAPL", "ratio": "1E+999999"}),
        ("/dividend", {"symbol": "AAPL", "amount": "1E-999999"}),
        ("/external_cash", {"account": "ACCOUNT", "currency": "USD", "amount": "1E+1000000"}),
        ("/external_cash", {"account": "ACCOUNT", "currency": "USD", "amount": "1E-999999"}),
        (
            "/external_position",
            {"account": "ACCOUNT", "key": "AAPL", "quantity": "1E-999999", "price": "1"},
        ),
        (
            "/external_position",
            {"account": "ACCOUNT", "key": "AAPL", "quantity": "1", "price": "1E-999999"},
        ),
        ("/settings", {"clock_skew_ms": 2**63 - 1}),
        ("/settings", {"fill_quantity_max": "1E-999999"}),
        ("/clock", {"advance_ms": 2**62}),
        ("/faults", {"effect": {"type": "partial_then_cancel", "quantity": "1E-999999"}}),
        ("/price", {"symbol": "AAPL", "price": "1E+1000000"}),
    ],
)
def test_control_value_beyond_all_reckoning_changes_nothing(
    sandbox: Sandbox, path: str, command: dict[str, object]
) -> None:
    before = sandbox.control.book(sandbox.account())
    body = json.dumps(command).replace("ACCOUNT", sandbox.account())
    assert _told(sandbox, path, body) in (400, 409)
    assert sandbox.control.book(sandbox.account()) == before


@pytest.mark.parametrize("body", ["[" * 50_000, '{"a":' * 50_000, "{" * 900], ids=["[", "a", "{"])
@pytest.mark.parametrize("path", ["/faults", "/settings", "/push/faults", "/logins/user_token"])
def test_nested_control_request_is_refused(sandbox: Sandbox, path: str, body: str) -> None:
    assert _told(sandbox, path, body) == 400


def _told(sandbox: Sandbox, path: str, body: str) -> int:
    connection = http.client.HTTPConnection(HOST, sandbox.ports.control, timeout=10)
    try:
        connection.request("POST", path, body)
        reply = connection.getresponse()
        assert json.loads(reply.read())["error"]
        return reply.status
    finally:
        connection.close()


def _spoiled(spoiler: random.Random, value: Any) -> Any:
    """Return a value with something in it replaced, left out or added."""
    if isinstance(value, dict) and value:
        copy = dict(value)
        name = spoiler.choice(sorted(copy))
        if spoiler.random() < 0.1:
            del copy[name]
        else:
            copy[name] = _spoiled(spoiler, copy[name])
        return copy if spoiler.random() < 0.7 else _spoiled(spoiler, copy)
    if isinstance(value, list) and value and spoiler.random() < 0.6:
        place = spoiler.randrange(len(value))
        return [*value[:place], _spoiled(spoiler, value[place]), *value[place + 1 :]]
    return spoiler.choice(VALUES)


class _Asker:
    """Sends signed requests over one connection, without the SDK's own checks."""

    def __init__(self, sandbox: Sandbox) -> None:
        config = sandbox.config()
        self._key, self._tiger_id = config.private_key, config.tiger_id
        self._connection = http.client.HTTPConnection(HOST, sandbox.ports.http, timeout=10)

    def close(self) -> None:
        self._connection.close()

    def ask(self, method: str, business: Any, *, is_text: bool = True) -> Any:
        fields = {
            "tiger_id": self._tiger_id,
            "method": method,
            "charset": "UTF-8",
            "sign_type": "RSA",
            "version": "2.0",
            "timestamp": "2026-11-23 10:00:00",
            "device_id": "02:00:00:00:00:01",
            "biz_content": json.dumps(business) if is_text else business,
        }
        sign = sign_with_rsa(self._key, get_sign_content(fields), "UTF-8")
        self._connection.request("POST", "/gateway", json.dumps(fields | {"sign": sign}))
        reply = self._connection.getresponse()
        assert reply.status == 200
        return json.loads(reply.read())
