"""The SDK's own user tokens, quote rights and rate errors, against the sandbox's gate."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from tigeropen.common.exceptions import ApiException, ResponseException
from tigeropen.quote.quote_client import QuoteClient
from tigeropen.trade.trade_client import TradeClient

from infra.sandbox.home import (
    QUOTE_RIGHTS_DEFAULT,
)
from infra.sandbox.logins.files import (
    TOKEN_FILE,
    login_folder,
)
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, raw_call, running_sandbox

LOGINS = (
    "--login=desk=main:prime,paper:paper",
    "--login=second=second:paper",
    "--login=hongkong=kong:prime;licence=TBHK",
    "--login=poor=poor:paper;rights=hkStockQuoteLv2",
    "--login=lapsed=lapsed:paper;rights=usStockQuote:1000",
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), *LOGINS) as started:
        yield started


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    shared.control.set_settings(Settings(price_drift=False))
    return shared


def switch(sandbox: Sandbox, **switches: Any) -> None:
    sandbox.control.set_settings(Settings(price_drift=False, logins=LoginSwitches(**switches)))


def answer_of(client: Any, method: str, business: dict[str, object] | None = None) -> Any:
    reply = raw_call(client, method, business)
    return reply["code"], reply["message"]


# User tokens of the licence TBHK.


@pytest.fixture
def kong(sandbox: Sandbox) -> TradeClient:
    sandbox.control.issue_user_token("hongkong")
    return TradeClient(sandbox.config("hongkong"))


def token_in_file(sandbox: Sandbox) -> str:
    name, _, token = (
        (login_folder(sandbox.home, "hongkong") / TOKEN_FILE).read_text().partition("=")
    )
    assert name.endswith("token"), "the SDK may put a comment in front"
    return token.strip()


def test_home_of_a_hong_kong_login_has_a_token_that_works_at_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_sandbox(tmp_path_factory.mktemp("home"), *LOGINS) as fresh:
        config = fresh.config("hongkong")
        assert config.license == "TBHK"
        made, ends = base64.b64decode(config.token)[:27].decode().split(",")
        assert int(ends) - int(made) == 30 * 86_400_000
        assert answer_of(TradeClient(config), "accounts", {})[0] == 0


def test_request_without_a_user_token_is_refused(sandbox: Sandbox, kong: TradeClient) -> None:
    config = sandbox.config("hongkong")
    config.token = None
    assert answer_of(TradeClient(config), "accounts", {}) == (2400, "user token can not be empty")


def test_expired_user_token_is_refused(sandbox: Sandbox) -> None:
    sandbox.control.issue_user_token("hongkong", life_s=0)
    client = TradeClient(sandbox.config("hongkong"))
    assert answer_of(client, "accounts", {}) == (2400, "user token expired invalid")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-4] + "AAAA",
        lambda token: "A" * len(token),
        lambda token: "no base64!",
        lambda token: base64.b64encode(b"1,2").decode(),
        lambda token: token * 3,
        lambda token: "tökén",
    ],
    ids=["seal", "zeros", "text", "short", "long", "beyond-ascii"],
)
def test_user_token_that_tiger_did_not_make_is_refused(sandbox: Sandbox, spoil: Any) -> None:
    config = sandbox.config("hongkong")
    config.token = spoil(sandbox.control.issue_user_token("hongkong"))
    assert answer_of(TradeClient(config), "accounts", {}) == (2400, "user token invalid")


def test_user_token_of_a_login_is_no_good_for_another_home(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with running_sandbox(tmp_path_factory.mktemp("other"), *LOGINS) as other:
        config = sandbox.config("hongkong")
        config.token = other.control.issue_user_token("hongkong")
    assert answer_of(TradeClient(config), "accounts", {}) == (2400, "user token invalid")


def test_login_without_the_licence_needs_no_token_and_ignores_one(sandbox: Sandbox) -> None:
    config = sandbox.config()
    config.token = "anything"
    assert answer_of(TradeClient(config), "accounts", {})[0] == 0
    assert answer_of(TradeClient(config), "user_token_refresh")[0] == 2400


def test_sdks_refresh_takes_a_new_token_and_writes_it_down(
    sandbox: Sandbox, kong: TradeClient
) -> None:
    before = token_in_file(sandbox)
    kong.refresh_token()
    after = token_in_file(sandbox)
    assert after != before
    assert answer_of(TradeClient(sandbox.config("hongkong")), "accounts", {})[0] == 0


def test_sdks_refresh_thread_refreshes_a_token_that_is_old_enough(sandbox: Sandbox) -> None:
    sandbox.control.issue_user_token("hongkong")
    config = sandbox.config("hongkong")
    client = TradeClient(config)
    count = sandbox.control.request_count("user_token_refresh")
    # What the SDK's thread calls every five minutes.
    task = client._TigerOpenClient__token_refresh_task
    config.token_refresh_duration = 86_400
    task()
    assert sandbox.control.request_count("user_token_refresh") == count
    old = config.token
    # Two days on, as far as the token says.
    made, ends = (int(part) for part in base64.b64decode(old)[:27].decode().split(","))
    aged = base64.b64encode(
        f"{made - 2 * 86_400_000},{ends}".encode() + base64.b64decode(old)[27:]
    ).decode()
    config.token = aged
    task()
    assert sandbox.control.request_count("user_token_refresh") == count + 1
    assert config.token not in (old, aged)
    assert answer_of(client, "accounts", {})[0] == 0


@pytest.mark.parametrize("is_ended, code", [(False, 0), (True, 2400)])
def test_older_token_lives_out_or_ends_with_a_refresh(
    sandbox: Sandbox, kong: TradeClient, is_ended: bool, code: int
) -> None:
    switch(sandbox, refresh_ends_older_tokens=is_ended)
    older = TradeClient(sandbox.config("hongkong"))
    kong.refresh_token()
    assert answer_of(older, "accounts", {})[0] == code
    assert answer_of(kong, "accounts", {})[0] == 0


def test_life_of_refreshed_tokens_can_be_set(sandbox: Sandbox, kong: TradeClient) -> None:
    switch(sandbox, user_token_life_s=60)
    kong.refresh_token()
    made, ends = base64.b64decode(token_in_file(sandbox))[:27].decode().split(",")
    assert int(ends) - int(made) == 60_000


def test_older_tokens_stay_ended_over_a_restart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_sandbox(tmp_path_factory.mktemp("restart"), *LOGINS) as restarted:
        switch(restarted, refresh_ends_older_tokens=True)
        older = restarted.config("hongkong")
        TradeClient(restarted.config("hongkong")).refresh_token()
        restarted.stop()
        restarted.start()
        older.server_url = older.quote_server_url = restarted.url
        assert answer_of(TradeClient(older), "accounts", {})[0] == 2400
        assert answer_of(TradeClient(restarted.config("hongkong")), "accounts", {})[0] == 0


# Quote rights.


def device(sandbox: Sandbox, device_id: str, login: str = "desk", *, grab: bool = False) -> Any:
    config = sandbox.config(login)
    config._device_id = device_id
    return QuoteClient(config, is_grab_permission=grab)


def error_of(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as error:
        call()
    return error.value.code, error.value.msg


OTHER_DEVICE = (4, "4000:permission denied(current device does not have permission)")


def test_grab_takes_the_quote_right_from_another_device(sandbox: Sandbox) -> None:
    switch(sandbox, quote_holders="last_grabber")
    first = device(sandbox, "aa:01", grab=True)
    assert [right["name"] for right in first.permissions] == [
        right.name for right in QUOTE_RIGHTS_DEFAULT
    ]
    assert all(right["expire_at"] == -1 for right in first.permissions)
    assert first.get_stock_briefs(["AAPL"]).symbol.tolist() == ["AAPL"]
    second = device(sandbox, "aa:02")
    assert error_of(lambda: second.get_stock_briefs(["AAPL"])) == OTHER_DEVICE
    second.grab_quote_permission()
    assert second.get_stock_briefs(["AAPL"]).symbol.tolist() == ["AAPL"]
    assert error_of(lambda: first.get_stock_briefs(["AAPL"])) == OTHER_DEVICE
    assert not first.get_quote_permission()
    assert second.get_quote_permission()


def test_delayed_quotes_need_no_right(sandbox: Sandbox) -> None:
    switch(sandbox, quote_holders="last_grabber")
    device(sandbox, "aa:01", grab=True)
    other = device(sandbox, "aa:02")
    assert other.get_stock_delay_briefs(["AAPL"]).symbol.tolist() == ["AAPL"]
    poor = device(sandbox, "bb:01", "poor")
    assert poor.get_stock_delay_briefs(["AAPL"]).symbol.tolist() == ["AAPL"]


def test_two_logins_do_not_take_each_others_right(sandbox: Sandbox) -> None:
    switch(sandbox, quote_holders="last_grabber")
    first = device(sandbox, "cc:01", grab=True)
    device(sandbox, "cc:02", "second", grab=True)
    assert first.get_stock_briefs(["AAPL"]).symbol.tolist() == ["AAPL"]


def test_every_device_has_the_right_unless_it_is_switched(sandbox: Sandbox) -> None:
    for name in ("dd:01", "dd:02", "dd:01"):
        assert device(sandbox, name).get_stock_briefs(["AAPL"]).symbol.tolist() == ["AAPL"]


@pytest.mark.parametrize("login", ["poor", "lapsed"])
def test_market_without_a_right_is_refused(sandbox: Sandbox, login: str) -> None:
    code, message = error_of(lambda: device(sandbox, "ee", login).get_stock_briefs(["AAPL"]))
    assert code == 4
    assert message.startswith("4000:permission denied(")
    assert "US quote market" in message


def test_market_with_a_right_is_served(sandbox: Sandbox) -> None:
    briefs = device(sandbox, "ee", "poor").get_stock_briefs(["00700"])
    assert briefs.symbol.tolist() == ["00700"]


def test_request_that_names_no_device_can_not_grab(sandbox: Sandbox) -> None:
    config = sandbox.config()
    config._device_id = ""
    client = QuoteClient(config, is_grab_permission=False)
    assert answer_of(client, "grab_quote_permission") == (
        1000,
        "common param error(get device information error)",
    )


def test_grabbed_right_is_kept_over_a_restart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_sandbox(tmp_path_factory.mktemp("restart"), *LOGINS) as restarted:
        device(restarted, "ff:01", grab=True)
        restarted.stop()
        restarted.start()
        switch(restarted, quote_holders="last_grabber")
        assert device(restarted, "ff:01").get_quote_permission()
        assert error_of(lambda: device(restarted, "ff:02").get_stock_briefs(["AAPL"]))[0] == 4


# Rates, the black list and the white list.


def test_rates_are_not_limited_unless_switched(sandbox: Sandbox) -> None:
    client = device(sandbox, "gg")
    assert {answer_of(client, "market_state", {"market": "US"})[0] for _ in range(15)} == {0}


def test_call_over_the_rate_is_refused_with_code_4(sandbox: Sandbox) -> None:
    switch(sandbox, rate_answers="code_4")
    client = device(sandbox, "gg")
    codes = [answer_of(client, "market_state", {"market": "US"}) for _ in range(11)]
    assert [code for code, _ in codes[:10]] == [0] * 10
    assert codes[10] == (
        4,
        "rate limit error(current limiting interface:market_state, up to 10 times per minute)",
    )
    # Each method and each tiger_id has its own.
    assert client.get_quote_permission()
    other = device(sandbox, "gg", "second")
    assert answer_of(other, "market_state", {"market": "US"})[0] == 0


def test_call_over_the_rate_is_refused_with_http_429(sandbox: Sandbox) -> None:
    switch(sandbox, rate_answers="http_429")
    client = device(sandbox, "gg", "lapsed")
    for _ in range(10):
        client.get_quote_permission()
    with pytest.raises(ResponseException) as error:
        client.get_quote_permission()
    assert error.value.status == 429
    assert '"code":5' in str(error.value)
    assert "up to 10 times per minute" in str(error.value)


def test_persistent_excess_puts_a_tiger_id_on_the_black_list(sandbox: Sandbox) -> None:
    switch(sandbox, rate_answers="code_4", refusals_per_minute_max=2)
    client = device(sandbox, "gg", "poor")
    for _ in range(13):
        answer_of(client, "get_quote_permission")
    code, message = answer_of(client, "accounts", {})
    assert (code, "black list" in message) == (4, True)
    other = device(sandbox, "gg", "second")
    assert answer_of(other, "accounts", {})[0] == 0
    switch(sandbox)
    assert answer_of(client, "accounts", {})[0] == 0


def test_address_outside_the_white_list_is_refused(sandbox: Sandbox) -> None:
    switch(sandbox, ip_white_list=("192.0.2.1",))
    code, message = answer_of(sandbox.trade_client(), "accounts", {})
    assert (code, message.startswith("access forbidden(")) == (4, True)
    switch(sandbox, ip_white_list=("192.0.2.1", "127.0.0.1"))
    assert answer_of(sandbox.trade_client(), "accounts", {})[0] == 0
