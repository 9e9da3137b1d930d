"""The doctor on Tiger's own files; no secret in any finding."""

import base64
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec
import pytest

from infra.doctor.credentials import (
    TOKEN_FILE,
    check_credentials,
    credential_findings,
    properties_path,
    read_credentials,
    token_finding,
    token_life,
)
from infra.doctor.finding import Finding, Verdict
from infra.doctor.room import Room
from infra.home import LoginSettings
from infra.sandbox.logins.files import LOGIN_FILE, PORTS_FILE
from infra.supervisor.installation import load_or_make
from tests.support.doctor import NOW, READING, fields_of, live_login, room_of, write_fields


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = room_of(tmp_path / "home")
    load_or_make(room.home)
    return room


@pytest.fixture
def login(room: Room) -> LoginSettings:
    return live_login(room)


def look(room: Room, login: LoginSettings) -> list[Finding]:
    return list(credential_findings(room, login, READING))


def verdicts(findings: Iterable[Finding]) -> list[tuple[str, Verdict]]:
    return [(found.check, found.verdict) for found in findings]


def secrets_of(room: Room, login: LoginSettings) -> list[str]:
    """Return the numbers, the id and the keys of a login."""
    values = fields_of(room, login)
    named = [text for name, text in values.items() if "key" in name or name == "tiger_id"]
    return [*(each.number for each in login.accounts), *(text for text in named if text)]


def test_whole_private_file_is_ok(room: Room, login: LoginSettings) -> None:
    found = look(room, login)
    assert verdicts(found) == [("credentials alpha", Verdict.OK)]
    shown = "".join(each.seen + each.mend for each in found)
    assert len(secrets_of(room, login)) > len(login.accounts)
    assert [secret for secret in secrets_of(room, login) if secret in shown] == []


def test_file_that_others_may_read_fails_with_the_command_that_mends_it(
    room: Room, login: LoginSettings
) -> None:
    path = properties_path(room, login)
    path.chmod(0o644)
    (found,) = look(room, login)
    assert (found.verdict, found.mend) == (Verdict.FAILED, f"chmod 600 {path}")
    path.chmod(0o600)
    assert verdicts(look(room, login)) == [("credentials alpha", Verdict.OK)]


def test_file_that_is_missing_or_no_text_fails(room: Room, login: LoginSettings) -> None:
    path = properties_path(room, login)
    path.write_bytes(b"\xff\xfe\x00")
    assert verdicts(look(room, login)) == [("credentials alpha", Verdict.FAILED)]
    path.unlink()
    assert verdicts(look(room, login)) == [("credentials alpha", Verdict.FAILED)]
    assert read_credentials(room, login, READING) is None


@pytest.mark.parametrize(
    "changes",
    [{"tiger_id": ""}, *({"private_key_pk1": key, "private_key_pk8": key} for key in ("", "bm8="))],
    ids=["no id", "no key", "half a key"],
)
def test_missing_id_or_key_that_does_not_load_fails(
    room: Room, login: LoginSettings, changes: dict[str, str]
) -> None:
    write_fields(room, login, **changes)
    (found,) = look(room, login)
    assert found.verdict is Verdict.FAILED
    assert read_credentials(room, login, READING) is None


LINES: Final[dict[str, tuple[dict[str, str], str]]] = {
    "licence": ({"license": "TBUS"}, ""),
    "world": ({"env": "PROD"}, ""),
    "Tiger's host": ({"server_url": "https://openapi.tigerfintech.com/gateway"}, ""),
    "unknown licence": ({"license": "TBUK"}, "license: "),
    "no licence": ({"license": ""}, "license: "),
    "old sandbox": ({"env": "SANDBOX"}, "env: "),
    "plain": ({"server_url": "http://openapi.tigerfintech.com/gateway"}, "https"),
    "foreign": ({"server_url": "https://192.0.2.1/gateway"}, "server_url: "),
    "push": ({"socket_host_port": "tcp,openapi.tigerfintech.com,9883"}, "TLS"),
    "foreign push": ({"socket_host_port": "ssl,192.0.2.1,9883"}, "socket_host_port: "),
    "a space after the id": ({"tiger_id": "20150001 "}, "tiger_id: "),
    "a space after the licence": ({"license": "TBUS "}, "license: "),
    "the moon": ({"timezone": "Moon/Base"}, "timezone: "),
}


@pytest.mark.parametrize("case", LINES)
def test_what_account_add_or_the_worker_refuses_fails_with_its_reason(
    room: Room, login: LoginSettings, case: str
) -> None:
    changes, word = LINES[case]
    write_fields(room, login, **changes)
    (found,) = look(room, login)
    assert found.verdict is (Verdict.FAILED if word else Verdict.OK)
    assert word in found.seen
    assert (read_credentials(room, login, READING) is None) is bool(word)


def test_byte_order_mark_is_named(room: Room, login: LoginSettings) -> None:
    path = properties_path(room, login)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (found,) = look(room, login)
    assert found.verdict is Verdict.FAILED
    assert "BOM" in found.seen


def test_sandbox_login_is_read_as_its_worker_reads_it(room: Room) -> None:
    login = room.home.load().logins[0]
    assert verdicts(look(room, login)) == [("credentials alpha", Verdict.OK)]
    path = write_fields(room, login, timezone="Moon/Base")
    assert verdicts(look(room, login)) == [("credentials alpha", Verdict.FAILED)]
    write_fields(room, login, timezone="")
    for file in (path.with_name(LOGIN_FILE), room.home.sandbox / PORTS_FILE):
        kept = file.read_bytes() if file.exists() else b""
        file.write_bytes(b"{")
        (found,) = look(room, login)
        assert found.verdict is Verdict.FAILED
        assert str(file) in found.seen
        file.write_bytes(kept)
    mixed = (login.accounts[0], *live_login(room).accounts[1:])
    (found,) = look(room, msgspec.structs.replace(login, accounts=mixed))
    assert "beside others" in found.seen


def test_address_follows_the_licence(room: Room, login: LoginSettings) -> None:
    write_fields(room, login, license="TBUS")
    us = read_credentials(room, login, READING)
    write_fields(room, login, license="TBSG")
    common = read_credentials(room, login, READING)
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
    path = write_fields(room, login, license="TBHK")
    file = path.with_name(TOKEN_FILE)
    check, good = "token alpha", ("credentials alpha", Verdict.OK)
    (missing,) = look(room, login)
    assert (missing.verdict, TOKEN_FILE in missing.seen) == (Verdict.FAILED, True)
    file.write_text(f"token={token(timedelta(days=-1), timedelta(days=29))}\n")
    file.chmod(0o640)
    assert verdicts(look(room, login)) == [good, (check, Verdict.FAILED)]
    file.chmod(0o600)
    assert verdicts(look(room, login)) == [good, (check, Verdict.OK)]


@pytest.mark.parametrize(
    "body, word",
    [
        (b"\xff\xfe", "UTF-8"),
        (b"\xef\xbb\xbftoken=abc\n", "BOM"),
        (b"token=abc \n", "no space"),
        (None, "was a folder"),
    ],
    ids=["bytes", "mark", "space", "folder"],
)
def test_bad_token_file_is_judged_by_itself(
    room: Room, login: LoginSettings, body: bytes | None, word: str
) -> None:
    file = write_fields(room, login, license="TBHK").with_name(TOKEN_FILE)
    if body is None:
        file.mkdir(mode=0o700)
    else:
        file.write_bytes(body)
        file.chmod(0o600)
    about_login, about_token = look(room, login)
    assert about_login.verdict is Verdict.NOT_CHECKED
    assert (about_token.check, about_token.verdict) == ("token alpha", Verdict.FAILED)
    assert word in about_token.seen
    assert str(file) in about_token.seen


def test_login_without_accounts_is_passed_over(room: Room, login: LoginSettings) -> None:
    empty = msgspec.structs.replace(login, accounts=())
    room.home.save(msgspec.structs.replace(room.home.load(), logins=(empty,)))
    assert list(check_credentials(room, READING)) == []


def test_no_mend_of_a_sandboxs_own_login_points_to_tiger(room: Room) -> None:
    login = room.home.load().logins[0]
    path = properties_path(room, login)
    token = path.with_name(TOKEN_FILE)
    found = []
    token.write_text("token=x\n")
    token.chmod(0o600)
    found += look(room, login)
    token.write_bytes(b"\xff\xfe")
    found += look(room, login)
    token.unlink()
    path.write_bytes(b"\xff\xfe\x00")
    found += look(room, login)
    path.unlink()
    found += look(room, login)
    amiss = [each for each in found if each.verdict is Verdict.FAILED]
    assert len(amiss) == 4
    for each in amiss:
        assert "developer" not in each.mend
        assert "from a copy" in each.mend
        assert "never put a file of Tiger's" in each.mend
        assert "from a copy" in each.seen or "developer" not in each.seen
