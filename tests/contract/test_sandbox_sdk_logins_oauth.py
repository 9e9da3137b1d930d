"""The SDK's OAuth2 classes against the sandbox's authorization server and gateway."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tigeropen.auth.oauth2 import Category, OAuth2Authentication, OAuth2Exception
from tigeropen.auth.oauth2 import OAuth2SessionManager as Sessions
from tigeropen.common.exceptions import ResponseException
from tigeropen.common.util.contract_utils import stock_contract
from tigeropen.common.util.order_utils import limit_order
from tigeropen.quote.quote_client import QuoteClient
from tigeropen.tiger_open_config import TigerOpenClientConfig
from tigeropen.trade.trade_client import TradeClient

from infra.sandbox.logins.scopes import ACCOUNT_READ, QUOTE_READ, SCOPES, TRADE_READ
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.settings import Settings
from tests.support.sandbox import SDK_TIMEOUT_S, Sandbox, running_sandbox

DECISION_S_MAX = 30.0
AAPL = stock_contract("AAPL", "USD")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as started:
        yield started


@pytest.fixture
def sandbox(shared: Sandbox) -> Sandbox:
    # The shortest interval that the SDK knows; Tiger tells none, and then it waits five seconds.
    switch(shared)
    return shared


def switch(sandbox: Sandbox, **switches: Any) -> None:
    logins = LoginSwitches(device_poll_interval_s=1, **switches)
    sandbox.control.set_settings(Settings(price_drift=False, logins=logins))


def issuer(sandbox: Sandbox) -> str:
    return f"http://127.0.0.1:{sandbox.ports.http}"


def new_sessions(sandbox: Sandbox, folder: Path) -> Any:
    return Sessions(issuer=issuer(sandbox), home=str(folder))


def device_login(sandbox: Sandbox, sessions: Any, login: str | None = "desk", **said: Any) -> Any:
    return sessions.login_with_device_code(
        lambda device: sandbox.control.decide(device.user_code, login, **said)
    )


def config_of(sandbox: Sandbox, sessions: Any, *, account: str = "") -> Any:
    config = TigerOpenClientConfig(enable_dynamic_domain=False, props_path=str(sandbox.home))
    config.authentication = OAuth2Authentication(sessions)
    config.server_url = config.quote_server_url = sandbox.url
    config.tiger_public_key = sandbox.login().tiger_public_key
    config.retry_max_tries = 0
    config.timeout = SDK_TIMEOUT_S
    config.account = account or sandbox.account("main")
    return config


@pytest.fixture
def sessions(sandbox: Sandbox, tmp_path: Path) -> Any:
    made = new_sessions(sandbox, tmp_path)
    device_login(sandbox, made)
    return made


def test_device_flow_gives_tokens_for_the_scopes_of_the_metadata(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sessions = new_sessions(sandbox, tmp_path)
    shown: list[Any] = []

    def approve(device: Any) -> None:
        shown.append(device)
        (waiting,) = sandbox.control.authorizations()
        assert (waiting.user_code, waiting.client_name, waiting.is_device) == (
            device.user_code,
            "Tiger Python SDK",
            True,
        )
        sandbox.control.decide(device.user_code, "desk")

    token = sessions.login_with_device_code(approve)
    (device,) = shown
    assert device.expires_in == 600
    assert device.verification_uri_complete == (
        f"{device.verification_uri}?user_code={device.user_code}"
    )
    assert token.scope.split() == sorted(SCOPES)
    assert token.token_type == "Bearer"
    assert 3_500_000 < token.remaining_millis() <= 3_600_000
    assert not sandbox.control.authorizations()


def test_device_flow_waits_while_nobody_has_decided(sandbox: Sandbox, tmp_path: Path) -> None:
    sessions = new_sessions(sandbox, tmp_path)
    codes: list[str] = []
    thread_tokens: list[Any] = []
    shown = threading.Event()

    def show(device: Any) -> None:
        codes.append(device.user_code)
        shown.set()

    waiter = threading.Thread(
        target=lambda: thread_tokens.append(sessions.login_with_device_code(show)), daemon=True
    )
    waiter.start()
    assert shown.wait(DECISION_S_MAX)
    assert [item.user_code for item in sandbox.control.authorizations()] == codes
    sandbox.control.decide(codes[0], "desk")
    waiter.join(DECISION_S_MAX)
    assert [token.client_id for token in thread_tokens] == [sessions.client_id]


def test_device_flow_ends_when_the_holder_says_no(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(OAuth2Exception) as error:
        device_login(sandbox, new_sessions(sandbox, tmp_path), None)
    assert error.value.category is Category.DEVICE_AUTHORIZATION_FAILED


def test_bearer_request_places_and_reads_without_id_and_signature(
    sandbox: Sandbox, sessions: Any
) -> None:
    client = TradeClient(config_of(sandbox, sessions))
    assert [item.account for item in client.get_managed_accounts()] == [
        item.account for item in sandbox.login().accounts
    ]
    order = limit_order(sandbox.account("main"), AAPL, "BUY", 1, 1.0)
    identity = client.place_order(order)
    assert [item.id for item in client.get_open_orders()] == [identity]
    client.cancel_order(id=identity)
    sent = sandbox.control.journal(method="place_order")[-1]
    assert (sent.tiger_id, sent.reply_code) == ("", 0)


def test_bearer_quote_client_grabs_and_reads(sandbox: Sandbox, sessions: Any) -> None:
    quotes = QuoteClient(config_of(sandbox, sessions))
    assert quotes.permissions
    assert quotes.get_stock_briefs(["AAPL"]).symbol.tolist() == ["AAPL"]


def test_ended_access_token_is_refreshed_once_and_the_call_repeated(
    sandbox: Sandbox, sessions: Any
) -> None:
    client = TradeClient(config_of(sandbox, sessions))
    old = sessions.status()
    old_tokens = (old.access_token, old.refresh_token)
    assert sandbox.control.end_access("desk") >= 1
    before = sandbox.control.request_count("accounts")
    assert client.get_managed_accounts()
    assert sandbox.control.request_count("accounts") == before + 2
    new = sessions.status()
    assert new.access_token != old_tokens[0]
    assert new.refresh_token != old_tokens[1]


def test_order_is_not_repeated_after_a_401(sandbox: Sandbox, sessions: Any) -> None:
    client = TradeClient(config_of(sandbox, sessions))
    sandbox.control.end_access("desk")
    before = sandbox.control.request_count("place_order")
    with pytest.raises(ResponseException) as error:
        client.place_order(limit_order(sandbox.account("main"), AAPL, "BUY", 1, 1.0))
    assert error.value.status == 401
    assert sandbox.control.request_count("place_order") == before + 1
    assert not client.get_open_orders()


def test_revoked_authorization_can_not_be_refreshed(sandbox: Sandbox, sessions: Any) -> None:
    client = TradeClient(config_of(sandbox, sessions))
    sandbox.control.end_access("desk", is_revoked=True)
    with pytest.raises(ResponseException) as error:
        client.get_managed_accounts()
    assert error.value.status == 401
    assert sessions.status() is None


def test_access_token_that_ends_soon_is_refreshed_before_use(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    switch(sandbox, access_token_life_s=60)
    sessions = new_sessions(sandbox, tmp_path)
    first = device_login(sandbox, sessions).access_token
    switch(sandbox)
    assert TradeClient(config_of(sandbox, sessions)).get_managed_accounts()
    assert sessions.status().access_token != first
    assert not sessions.should_refresh_soon()


def test_logout_revokes_on_the_server(sandbox: Sandbox, sessions: Any) -> None:
    access_token = sessions.status().access_token
    assert sessions.logout()
    assert bearer_status(sandbox, access_token) == 401


def test_refresh_token_works_once(sandbox: Sandbox, sessions: Any) -> None:
    used = sessions.status().refresh_token
    sessions.refresh_after_unauthorized(None)
    form = f"grant_type=refresh_token&refresh_token={used}&client_id={sessions.client_id}"
    status, body = post(sandbox, "/oauth2/token", form.encode())
    assert (status, '"error":"invalid_grant"' in body) == (400, True)


def test_holder_chooses_accounts_and_scopes(sandbox: Sandbox, tmp_path: Path) -> None:
    paper = sandbox.account("paper")
    sessions = new_sessions(sandbox, tmp_path)
    token = device_login(
        sandbox, sessions, accounts=(paper,), scopes=(ACCOUNT_READ, QUOTE_READ, TRADE_READ)
    )
    assert token.scope.split() == [ACCOUNT_READ, QUOTE_READ, TRADE_READ]
    client = TradeClient(config_of(sandbox, sessions, account=paper))
    assert [item.account for item in client.get_managed_accounts()] == [paper]
    with pytest.raises(ResponseException) as error:
        client.place_order(limit_order(paper, AAPL, "BUY", 1, 1.0))
    assert error.value.status == 403
    assert not sandbox.control.book(paper).orders


def test_browser_flow_gives_tokens(sandbox: Sandbox, tmp_path: Path) -> None:
    sessions = new_sessions(sandbox, tmp_path)
    browsers: list[threading.Thread] = []

    def browse(url: str) -> None:
        browser = threading.Thread(target=follow, args=(url,), daemon=True)
        browser.start()
        browsers.append(browser)
        (waiting,) = wait_for_browser(sandbox)
        sandbox.control.decide(waiting.user_code, "second")

    token = sessions.login(browse)
    browsers[0].join(DECISION_S_MAX)
    assert token.refresh_token
    client = TradeClient(
        config_of(sandbox, sessions, account=sandbox.account("second", login="second"))
    )
    assert len(client.get_managed_accounts()) == 1


def test_browser_flow_ends_when_the_holder_says_no(sandbox: Sandbox, tmp_path: Path) -> None:
    sessions = new_sessions(sandbox, tmp_path)

    def browse(url: str) -> None:
        threading.Thread(target=follow, args=(url,), daemon=True).start()
        (waiting,) = wait_for_browser(sandbox)
        sandbox.control.decide(waiting.user_code, None)

    with pytest.raises(OAuth2Exception) as error:
        sessions.login(browse)
    assert error.value.category is Category.CALLBACK_FAILED


def test_authorization_and_client_are_kept_over_a_restart(tmp_path: Path) -> None:
    with running_sandbox(tmp_path / "home") as restarted:
        switch(restarted)
        sessions = new_sessions(restarted, tmp_path)
        device_login(restarted, sessions)
        access_token = sessions.status().access_token
        restarted.stop()
        restarted.start()
        assert bearer_status(restarted, access_token) == 200


def test_forged_access_token_is_refused(sandbox: Sandbox) -> None:
    assert bearer_status(sandbox, "forged") == 401
    assert bearer_status(sandbox, "") == 401


@pytest.mark.parametrize(
    "path, body, status, error",
    [
        ("/oauth2/token", "grant_type=password", 400, "unsupported_grant_type"),
        ("/oauth2/token", "grant_type=refresh_token&client_id=x", 401, "invalid_client"),
        ("/oauth2/token", "\xff", 400, "unsupported_grant_type"),
        ("/oauth2/token", "&".join(f"a{n}=1" for n in range(60)), 400, "invalid_request"),
        (
            "/oauth2/device_authorization",
            "client_id=x&scope=api.quote%3Aread",
            401,
            "invalid_client",
        ),
        ("/oauth2/device_authorization", "client_id=x&scope=everything", 400, "invalid_scope"),
        ("/oauth2/register", "[]", 400, "invalid_client_metadata"),
        ("/oauth2/register", '{"client_name":"%s"}' % ("x" * 300), 400, "invalid_client_metadata"),
        ("/oauth2/revoke", "token=x", 401, "invalid_client"),
    ],
)
def test_bad_oauth_request_is_refused_in_oauths_words(
    sandbox: Sandbox, path: str, body: str, status: int, error: str
) -> None:
    answered, content = post(sandbox, path, body.encode())
    assert (answered, f'"error":"{error}"' in content) == (status, True)


def test_code_flow_demands_a_registered_address_and_a_challenge(
    sandbox: Sandbox, sessions: Any
) -> None:
    base = f"/oauth2/authorize?client_id={sessions.client_id}&scope=api.quote%3Aread&redirect_uri="
    for query in (
        "http%3A%2F%2Fevil.example%2Fcallback&code_challenge=x&code_challenge_method=S256",
        "http%3A%2F%2Fuser%40127.0.0.1%2Fcallback&code_challenge=x&code_challenge_method=S256",
        "http%3A%2F%2F127.0.0.1%3A99999999%2Fcallback&code_challenge=x&code_challenge_method=S256",
        "http%3A%2F%2F127.0.0.1%2Fcallback%0D%0AX:y&code_challenge=x&code_challenge_method=S256",
        "http%3A%2F%2F127.0.0.1%2Fcallback",
    ):
        assert get(sandbox, base + query)[0] == 400


def bearer_status(sandbox: Sandbox, access_token: str) -> int:
    body = (
        '{"method":"accounts","charset":"UTF-8","version":"2.0",'
        '"timestamp":"2026-01-05 10:00:00","device_id":"x","biz_content":"{}"}'
    )
    headers = {"Authorization": f"Bearer {access_token}"}
    return post(sandbox, "/gateway", body.encode(), headers)[0]


def post(
    sandbox: Sandbox, path: str, body: bytes, headers: dict[str, str] | None = None
) -> tuple[int, str]:
    return _call(sandbox, "POST", path, body, headers or {})


def get(sandbox: Sandbox, path: str) -> tuple[int, str]:
    return _call(sandbox, "GET", path, None, {})


def _call(
    sandbox: Sandbox, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.ports.http, timeout=5)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def follow(url: str) -> None:
    # What a browser does: it waits for the page, and goes where it is sent.
    parts = urlsplit(url)
    page = http.client.HTTPConnection(parts.netloc, timeout=DECISION_S_MAX)
    page.request("GET", f"{parts.path}?{parts.query}")
    back = urlsplit(page.getresponse().getheader("Location") or "")
    page.close()
    assert dict(parse_qsl(back.query))["state"] == dict(parse_qsl(parts.query))["state"]
    application = http.client.HTTPConnection(back.netloc, timeout=DECISION_S_MAX)
    application.request("GET", f"{back.path}?{back.query}")
    application.getresponse().read()
    application.close()


def wait_for_browser(sandbox: Sandbox) -> Any:
    # Each look is a request of its own, and the browser's comes in one of their turns.
    for _ in range(10_000):
        if waiting := sandbox.control.authorizations():
            return waiting
    raise AssertionError("expected a browser at the authorization page")
