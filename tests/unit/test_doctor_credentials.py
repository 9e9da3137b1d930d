"""The doctor on Tiger's own files and on what a broker answers; no secret in any finding."""

import base64
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.modes import Environment, Mode
from infra.doctor.broker import check_broker, clock_finding, push_finding, reply_finding
from infra.doctor.credentials import (
    TOKEN_FILE,
    check_credentials,
    credential_findings,
    parse_properties,
    properties_path,
    read_credentials,
    token_finding,
    token_life,
)
from infra.doctor.finding import Finding, Verdict
from infra.doctor.room import Room
from infra.doctor.wire import Reply, UnreachableError, connect, read_reply
from infra.home import LoginSettings
from infra.supervisor.installation import load_or_make
from tests.support.doctor import NOW, room_of


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = room_of(tmp_path / "home")
    load_or_make(room.home)
    return room


@pytest.fixture
def login(room: Room) -> LoginSettings:
    """Return a login with Tiger's files, as a person with a live account has it."""
    first = room.home.load().logins[0]
    accounts = tuple(
        msgspec.structs.replace(each, environment=Environment.LIVE, mode=Mode.READ_ONLY)
        for each in first.accounts
    )
    return msgspec.structs.replace(first, accounts=accounts)


def verdicts(findings: Iterator[Finding]) -> list[tuple[str, Verdict]]:
    return [(found.check, found.verdict) for found in findings]


def secrets_of(room: Room, login: LoginSettings) -> list[str]:
    """Return the numbers, the id and the keys of a login."""
    values = parse_properties(properties_path(room, login).read_text())
    named = [text for name, text in values.items() if "key" in name or name == "tiger_id"]
    return [*(each.number for each in login.accounts), *(text for text in named if text)]


def test_whole_private_file_is_ok(room: Room, login: LoginSettings) -> None:
    found = list(credential_findings(room, login))
    assert verdicts(iter(found)) == [("credentials alpha", Verdict.OK)]
    shown = "".join(each.seen + each.mend for each in found)
    assert len(secrets_of(room, login)) > len(login.accounts)
    assert [secret for secret in secrets_of(room, login) if secret in shown] == []


def test_file_that_others_may_read_fails_with_the_command_that_mends_it(
    room: Room, login: LoginSettings
) -> None:
    path = properties_path(room, login)
    path.chmod(0o644)
    (found,) = credential_findings(room, login)
    assert (found.verdict, found.mend) == (Verdict.FAILED, f"chmod 600 {path}")
    path.chmod(0o600)
    assert verdicts(credential_findings(room, login)) == [("credentials alpha", Verdict.OK)]


def test_file_that_is_missing_or_no_text_fails(room: Room, login: LoginSettings) -> None:
    path = properties_path(room, login)
    path.write_bytes(b"\xff\xfe\x00")
    assert verdicts(credential_findings(room, login)) == [("credentials alpha", Verdict.FAILED)]
    path.unlink()
    assert verdicts(credential_findings(room, login)) == [("credentials alpha", Verdict.FAILED)]
    assert read_credentials(room, login) is None


@pytest.mark.parametrize(
    "name, value", [("tiger_id", ""), ("private_key_pk1", ""), ("private_key_pk1", "bm8ga2V5")]
)
def test_missing_id_or_key_that_does_not_load_fails(
    room: Room, login: LoginSettings, name: str, value: str
) -> None:
    path = properties_path(room, login)
    values = parse_properties(path.read_text())
    kept = {key: text for key, text in values.items() if not key.startswith(name[:11])}
    path.write_text("\n".join(f"{key}={text}" for key, text in (kept | {name: value}).items()))
    (found,) = credential_findings(room, login)
    assert found.verdict is Verdict.FAILED
    assert read_credentials(room, login) is None


@pytest.mark.parametrize(
    "line, verdict",
    [
        ("license=TBSG", Verdict.OK),
        ("license=TBUK", Verdict.WARNING),
        ("env=SANDBOX", Verdict.FAILED),
        ("env=PROD", Verdict.OK),
        ("server_url=http://openapi.tigerfintech.com/gateway", Verdict.FAILED),
        ("server_url=https://openapi.tigerfintech.com/gateway", Verdict.OK),
    ],
)
def test_licence_environment_and_address_are_judged(
    room: Room, login: LoginSettings, line: str, verdict: Verdict
) -> None:
    path = properties_path(room, login)
    lines = path.read_text().splitlines()
    name = line.partition("=")[0]
    kept = [each for each in lines if not each.startswith((f"{name}=", f"{name} ="))]
    path.write_text("\n".join([*kept, line]))
    assert verdicts(credential_findings(room, login)) == [("credentials alpha", verdict)]


def test_address_follows_the_licence(room: Room, login: LoginSettings) -> None:
    path = properties_path(room, login)
    text = "\n".join(
        line for line in path.read_text().splitlines() if not line.startswith(("license", "server"))
    )
    path.write_text(text + "\nlicense=TBUS\n")
    us = read_credentials(room, login)
    path.write_text(text + "\nlicense=TBSG\n")
    common = read_credentials(room, login)
    assert us is not None
    assert common is not None
    assert (us.url, us.push) == (
        "https://openapi.tradeup.com/gateway",
        ("openapi.tradeup.com", 9983),
    )
    assert common.url == "https://openapi.tigerfintech.com/gateway"
    assert repr(us) == "Credentials(***)"


def token(made: timedelta, ends: timedelta) -> str:
    stamps = ",".join(str(int((NOW + each).timestamp() * 1000)) for each in (made, ends))
    return base64.b64encode(stamps.encode() + os.urandom(16)).decode()


@pytest.mark.parametrize(
    "made, ends, verdict",
    [
        (timedelta(days=-1), timedelta(days=29), Verdict.OK),
        (timedelta(days=-29), timedelta(hours=3), Verdict.WARNING),
        (timedelta(days=-30), timedelta(hours=-1), Verdict.FAILED),
        (timedelta(days=1), timedelta(days=31), Verdict.WARNING),
    ],
)
def test_token_is_judged_by_its_life(made: timedelta, ends: timedelta, verdict: Verdict) -> None:
    text = token(made, ends)
    found = token_finding("token a", text, now=NOW)
    assert found.verdict is verdict
    assert text not in found.seen + found.mend


@pytest.mark.parametrize("text", ["", "abc", "bm8gdG9rZW4=", "MSwyLDM="])
def test_text_that_is_no_token_fails(text: str) -> None:
    assert token_life(text) is None
    assert token_finding("token a", text, now=NOW).verdict is Verdict.FAILED


def test_hong_kong_needs_the_file_of_a_token_and_nobody_else_may_read_it(
    room: Room, login: LoginSettings
) -> None:
    path = properties_path(room, login)
    path.write_text(path.read_text() + "\nlicense=TBHK\n")
    file = path.with_name(TOKEN_FILE)
    check, good = "token alpha", [("credentials alpha", Verdict.OK)]
    assert verdicts(credential_findings(room, login)) == [*good, (check, Verdict.FAILED)]
    file.write_text(f"token={token(timedelta(days=-1), timedelta(days=29))}\n")
    file.chmod(0o640)
    assert verdicts(credential_findings(room, login)) == [*good, (check, Verdict.FAILED)]
    file.chmod(0o600)
    assert verdicts(credential_findings(room, login)) == [*good, (check, Verdict.OK)]


def test_properties_are_read_as_java_writes_them() -> None:
    text = (
        "# a\n! b\n\ntiger_id = 1\nkey:MII\\=x/+==\n"
        "long=ab\\\n   cd\nempty=\nu=\\u0041\\t.\nalone\n"
    )
    assert parse_properties(text) == {
        "tiger_id": "1",
        "key": "MII=x/+==",
        "long": "abcd",
        "empty": "",
        "u": "A\t.",
        "alone": "",
    }


@given(st.text(max_size=200))
def test_no_text_of_properties_breaks_the_reader(text: str) -> None:
    assert isinstance(parse_properties(text), dict)


def reply(code: int | None, reason: str = "", *, status: int = 200, accounts: str = "") -> Reply:
    held = frozenset(accounts.split())
    return Reply(status=status, code=code, reason=reason, accounts=held)


@pytest.mark.parametrize(
    "code, reason, verdict, word",
    [
        (4, "access forbidden(1.2.3.4)", Verdict.FAILED, "public address"),
        (4, "rate limit error(current limiting interface)", Verdict.WARNING, "wait"),
        (5, "rate limit error", Verdict.WARNING, "wait"),
        (1000, "common param error(failed to verify signature, …)", Verdict.FAILED, "download"),
        (
            1000,
            "common param error(failed to get developer information)",
            Verdict.FAILED,
            "download",
        ),
        (2400, "user token error", Verdict.FAILED, "token"),
        (1, "server error", Verdict.FAILED, "error table"),
        (None, "", Verdict.FAILED, "proxy"),
    ],
)
def test_refusal_of_the_broker_has_its_own_mend_and_none_of_its_words(
    login: LoginSettings, code: int | None, reason: str, verdict: Verdict, word: str
) -> None:
    found = reply_finding(login, reply(code, reason))
    assert found.verdict is verdict
    assert word in found.mend
    assert "1.2.3.4" not in found.seen + found.mend


def test_account_that_the_login_does_not_hold_is_named_by_its_alias(login: LoginSettings) -> None:
    numbers = " ".join(each.number for each in login.accounts)
    assert reply_finding(login, reply(0, accounts=numbers)).verdict is Verdict.OK
    found = reply_finding(login, reply(0, accounts="U123"))
    assert found.verdict is Verdict.FAILED
    assert "sandbox-paper" in found.seen
    assert not any(each.number in found.seen + found.mend for each in login.accounts)


@pytest.mark.parametrize(
    "ahead_s, error_s, verdict",
    [
        (0.2, 0.1, Verdict.OK),
        (-1.4, 0.6, Verdict.OK),
        (3.0, 0.1, Verdict.WARNING),
        (-3.0, 0.1, Verdict.WARNING),
        (3600.0, 0.1, Verdict.FAILED),
    ],
)
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_clock_is_judged_beyond_what_the_way_explains(
    ahead_s: float, error_s: float, verdict: Verdict, platform: str
) -> None:
    found = clock_finding("alpha", ahead_s, error_s, platform=platform)
    assert found.verdict is verdict
    assert bool(found.mend) is (verdict is not Verdict.OK)


def test_time_comes_from_the_reply_or_else_from_the_http_date() -> None:
    middle_s = 1_000_000.0
    body = b'{"code":0,"timestamp":1000002000,"data":"{\\"items\\":[{\\"account\\":\\"U1\\"}]}"}'
    told = read_reply(200, body, {}, middle_s=middle_s, took_s=0.2)
    assert (told.ahead_s, told.error_s, told.accounts) == (2.0, 0.1, frozenset({"U1"}))
    dated = {"date": "Mon, 12 Jan 1970 13:46:45 GMT"}
    proxy = read_reply(502, b"<html>", dated, middle_s=middle_s, took_s=0.2)
    assert (proxy.code, proxy.ahead_s, proxy.error_s) == (None, 5.5, 0.6)
    none = read_reply(502, b"[]", {"date": "yesterday"}, middle_s=middle_s, took_s=0.2)
    assert none.ahead_s is None


def test_way_that_ends_is_told_apart(tmp_path: Path) -> None:
    del tmp_path
    with pytest.raises(UnreachableError, match="refuses"):
        connect("127.0.0.1", 1)
    with pytest.raises(UnreachableError, match="not found"):
        connect("no-such-host.invalid", 443)
    assert push_finding("alpha", "127.0.0.1", 1).verdict is Verdict.WARNING


def test_offline_and_a_sandbox_that_never_ran_are_not_checked(room: Room) -> None:
    never = {each.verdict for each in check_broker(room)}
    asked_not = {
        each.verdict for each in check_broker(room_of(room.settings.home, is_offline=True))
    }
    assert never == asked_not == {Verdict.NOT_CHECKED}


def test_live_broker_out_of_reach_fails_and_tells_no_time(room: Room, login: LoginSettings) -> None:
    path = properties_path(room, login)
    kept = [line for line in path.read_text().splitlines() if not line.startswith("server_url")]
    path.write_text("\n".join([*kept, "server_url=https://127.0.0.1:1/gateway"]))
    room.home.save(msgspec.structs.replace(room.home.load(), logins=(login,)))
    found = {each.check: each for each in check_broker(room)}
    assert found["broker alpha"].verdict is Verdict.FAILED
    assert "refuses" in found["broker alpha"].seen
    assert "network" in found["broker alpha"].mend
    assert found["clock"].verdict is Verdict.NOT_CHECKED


def test_login_without_accounts_is_passed_over(room: Room, login: LoginSettings) -> None:
    empty = msgspec.structs.replace(login, accounts=())
    room.home.save(msgspec.structs.replace(room.home.load(), logins=(empty,)))
    assert list(check_credentials(room)) == []
