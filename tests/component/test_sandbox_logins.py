"""How logins are written, kept and read; user tokens at their edges; the authorization server."""

import base64
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sandbox import home
from infra.sandbox.home import (
    QUOTE_RIGHTS_DEFAULT,
    AccountSpec,
    Login,
    LoginSpec,
    QuoteRight,
    SandboxHomeError,
    create_home,
    user_token_key,
)
from infra.sandbox.logins.files import (
    TOKEN_FILE,
    login_folder,
)
from infra.sandbox.logins.gate import open_gate
from infra.sandbox.logins.oauth import AuthorizationServer, OAuthError, Request
from infra.sandbox.logins.options import login_spec
from infra.sandbox.logins.register import REGISTER_FILE, Register
from infra.sandbox.logins.scopes import QUOTE_READ, TRADE_READ
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.logins.user_token import new_user_token, read_user_token

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
KEY = b"k" * 32
MAIN = AccountSpec(alias="main", kind="prime")


@pytest.mark.parametrize(
    "text, spec",
    [
        ("solo=main:prime", LoginSpec(name="solo", accounts=(MAIN,))),
        (
            "solo=main:prime,play:paper;licence=TBHK",
            LoginSpec(
                name="solo",
                accounts=(MAIN, AccountSpec(alias="play", kind="paper")),
                licence="TBHK",
            ),
        ),
        (
            "solo=main:prime;rights=usStockQuote:1799999999000+hkStockQuoteLv2",
            LoginSpec(
                name="solo",
                accounts=(MAIN,),
                quote_rights=(
                    QuoteRight(name="usStockQuote", expires_ms=1_799_999_999_000),
                    QuoteRight(name="hkStockQuoteLv2"),
                ),
            ),
        ),
        ("solo=main:prime;rights=", LoginSpec(name="solo", accounts=(MAIN,), quote_rights=())),
    ],
)
def test_login_is_read_from_the_command_line(text: str, spec: LoginSpec) -> None:
    assert login_spec(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "solo",
        "=main:prime",
        "solo=main:gold",
        "solo=:prime",
        "solo=main:prime;licence=TBXX",
        "solo=main:prime;colour=red",
        "solo=main:prime;rights=usStockQuote:soon",
    ],
)
def test_login_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected NAME"):
        login_spec(text)


def test_licence_and_rights_of_a_login_are_kept(tmp_path: Path) -> None:
    spec = login_spec("solo=main:prime;licence=TBHK;rights=usStockQuote")
    (made,) = create_home(tmp_path, (spec,))
    assert create_home(tmp_path, (spec,)) == (made,)
    assert (made.licence, made.quote_rights) == ("TBHK", (QuoteRight(name="usStockQuote"),))
    with pytest.raises(SandboxHomeError):
        create_home(tmp_path, (login_spec("solo=main:prime"),))
    file = login_folder(tmp_path, "solo") / TOKEN_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text().removeprefix("token=").strip()
    assert read_user_token(user_token_key(tmp_path), tiger_id=made.tiger_id, token=token)


def test_login_of_an_older_home_has_every_right_and_no_licence(tmp_path: Path) -> None:
    (made, *_) = create_home(tmp_path)
    stored = msgspec.to_builtins(made)
    del stored["licence"], stored["quote_rights"]
    assert msgspec.convert(stored, Login) == made
    assert made.quote_rights == QUOTE_RIGHTS_DEFAULT


# User tokens.


@given(
    made=st.datetimes(datetime(2020, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - bounds
    life_s=st.integers(0, 10**8),
    tiger_id=st.text("0123456789", min_size=1, max_size=10),
)
def test_user_token_reads_back_as_it_was_made(made: datetime, life_s: int, tiger_id: str) -> None:
    now = made.replace(tzinfo=UTC)
    token = new_user_token(KEY, tiger_id=tiger_id, now=now, life=timedelta(seconds=life_s))
    times = read_user_token(KEY, tiger_id=tiger_id, token=token)
    assert times is not None
    assert times.ends_ms - times.made_ms == life_s * 1000
    # What Tiger's client takes it apart to.
    made_text, ends_text = base64.b64decode(token)[:27].decode().split(",")
    assert (int(made_text), int(ends_text)) == (times.made_ms, times.ends_ms)


@given(position=st.integers(0, 99), letter=st.sampled_from("ABab01+/"))
def test_user_token_with_one_letter_changed_does_not_hold(position: int, letter: str) -> None:
    token = new_user_token(KEY, tiger_id="1", now=NOW, life=timedelta(days=30))
    forged = token[:position] + letter + token[position + 1 :]
    assert (read_user_token(KEY, tiger_id="1", token=forged) is None) == (forged != token)


@given(st.text(max_size=300))
def test_any_text_is_read_as_no_token(text: str) -> None:
    assert read_user_token(KEY, tiger_id="1", token=text) is None


def test_user_token_is_no_good_for_another_login_or_home() -> None:
    token = new_user_token(KEY, tiger_id="1", now=NOW, life=timedelta(days=30))
    assert read_user_token(KEY, tiger_id="2", token=token) is None
    assert read_user_token(b"other", tiger_id="1", token=token) is None


# The authorization server.


class Bench:
    """An authorization server with its time."""

    def __init__(self, home: Path) -> None:
        self.now = NOW
        self.logins = create_home(home)
        self.switches = LoginSwitches()
        self.server = self.start(home)
        self.client_id = self.server.add_client("app", ("http://127.0.0.1/callback",)).client_id

    def start(self, home: Path) -> AuthorizationServer:
        return AuthorizationServer(
            register=Register(home),
            logins=self.logins,
            switches=lambda: self.switches,
            now=lambda: self.now,
        )

    def ask(self) -> Request:
        return self.server.ask(self.client_id, (QUOTE_READ, TRADE_READ))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def error_of(call: Callable[[], object]) -> str:
    with pytest.raises(OAuthError) as error:
        call()
    return error.value.error


def test_client_that_keeps_to_the_interval_is_never_told_to_slow_down(bench: Bench) -> None:
    code = bench.ask().secret
    for _ in range(10):
        assert error_of(lambda: bench.server.poll(bench.client_id, code)) == "authorization_pending"
        bench.pass_time(5)
    assert error_of(lambda: bench.server.poll(bench.client_id, code)) == "authorization_pending"
    bench.pass_time(1)
    assert error_of(lambda: bench.server.poll(bench.client_id, code)) == "slow_down"


def test_device_code_ends(bench: Bench) -> None:
    request = bench.ask()
    bench.pass_time(600)
    assert not bench.server.waiting()
    assert error_of(lambda: bench.server.poll(bench.client_id, request.secret)) == "expired_token"
    with pytest.raises(ValueError, match="waits for a decision"):
        bench.server.decide(request.user_code, login_name="desk")


def test_device_code_is_redeemed_once_and_only_by_its_client(bench: Bench) -> None:
    request = bench.ask()
    bench.server.decide(request.user_code, login_name="desk")
    other = bench.server.add_client("other", ()).client_id
    assert error_of(lambda: bench.server.poll(other, request.secret)) == "invalid_grant"
    assert bench.server.poll(bench.client_id, request.secret).login_name == "desk"
    assert error_of(lambda: bench.server.poll(bench.client_id, request.secret)) == "invalid_grant"


def test_decision_is_taken_once(bench: Bench) -> None:
    request = bench.ask()
    bench.server.decide(request.user_code, login_name=None)
    with pytest.raises(ValueError, match="waits for a decision"):
        bench.server.decide(request.user_code, login_name="desk")
    assert error_of(lambda: bench.server.poll(bench.client_id, request.secret)) == "access_denied"


@pytest.mark.parametrize(
    "said",
    [
        {"login_name": "nobody"},
        {"login_name": "desk", "accounts": ("1",)},
        {"login_name": "desk", "scopes": ("api.trade:write",)},
    ],
)
def test_holder_can_not_give_what_is_not_there(bench: Bench, said: dict[str, object]) -> None:
    request = bench.ask()
    with pytest.raises(ValueError, match="expected"):
        bench.server.decide(request.user_code, **said)  # type: ignore[arg-type] # a table's row
    assert bench.server.waiting() == (request,)


def test_access_token_ends_and_a_refresh_gives_another(bench: Bench) -> None:
    request = bench.ask()
    bench.server.decide(request.user_code, login_name="desk")
    first = bench.server.poll(bench.client_id, request.secret)
    assert bench.server.login_for_access_token(first.access_token) == bench.logins[0]
    bench.pass_time(3600)
    assert bench.server.login_for_access_token(first.access_token) is None
    second = bench.server.refresh(bench.client_id, first.refresh_token)
    assert bench.server.login_for_access_token(second.access_token) == bench.logins[0]
    assert error_of(lambda: bench.server.refresh(bench.client_id, first.refresh_token)) == (
        "invalid_grant"
    )


def test_authorization_lasts_fifteen_days_however_often_it_is_refreshed(bench: Bench) -> None:
    request = bench.ask()
    bench.server.decide(request.user_code, login_name="desk")
    grant = bench.server.poll(bench.client_id, request.secret)
    for _ in range(14):
        bench.pass_time(86_400)
        grant = bench.server.refresh(bench.client_id, grant.refresh_token)
    bench.pass_time(86_400)
    assert error_of(lambda: bench.server.refresh(bench.client_id, grant.refresh_token)) == (
        "invalid_grant"
    )
    assert bench.server.login_for_access_token(grant.access_token) is None


def test_caller_has_only_the_accounts_that_the_holder_chose(bench: Bench) -> None:
    paper = bench.logins[0].accounts[1].account
    request = bench.ask()
    bench.server.decide(request.user_code, login_name="desk", accounts=(paper,))
    grant = bench.server.poll(bench.client_id, request.secret)
    login = bench.server.login_for_access_token(grant.access_token)
    assert login is not None
    assert [item.account for item in login.accounts] == [paper]


def test_authorizations_are_read_back_after_a_restart(tmp_path: Path, bench: Bench) -> None:
    request = bench.ask()
    bench.server.decide(request.user_code, login_name="second")
    grant = bench.server.poll(bench.client_id, request.secret)
    again = bench.start(tmp_path)
    assert again.grant_for(grant.access_token) == grant
    assert stat.S_IMODE((tmp_path / REGISTER_FILE).stat().st_mode) == 0o600


def test_number_of_waiting_authorizations_is_bounded(bench: Bench) -> None:
    for _ in range(1000):
        bench.ask()
    assert error_of(bench.ask) == "temporarily_unavailable"
    bench.pass_time(600)
    assert bench.ask() in bench.server.waiting()


def test_register_that_does_not_decode_stops_the_start(tmp_path: Path) -> None:
    logins = create_home(tmp_path)
    (tmp_path / REGISTER_FILE).write_text("{")
    with pytest.raises(SandboxHomeError):
        open_gate(tmp_path, logins, switches=LoginSwitches, now=lambda: NOW)


@pytest.mark.parametrize(
    "switches",
    [{"access_token_life_s": 0}, {"orders_per_s_max": 0}, {"grant_life_s": 10**12}],
)
def test_switch_outside_its_bounds_is_refused(switches: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        LoginSwitches(**switches)  # type: ignore[arg-type] # a table's row


def test_no_two_logins_of_a_home_have_one_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = iter(["11111111", "222222222", "11111111", "33333333", "444444444"])
    monkeypatch.setattr(home, "_digits", lambda _: next(drawn))
    account = (AccountSpec(alias="main", kind="prime"),)
    logins = home.create_home(
        tmp_path, [LoginSpec(name=name, accounts=account) for name in ("one", "two")]
    )
    assert [login.tiger_id for login in logins] == ["201511111111", "201533333333"]
