"""The doctor on what a broker answers; who is not the login's own broker hears and says nothing."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from infra.accounts import sandbox_login
from infra.doctor.broker import check_broker, clock_finding, push_finding, reply_finding
from infra.doctor.credentials import check_credentials, properties_path
from infra.doctor.files import check_keys
from infra.doctor.finding import Verdict
from infra.doctor.room import Room
from infra.doctor.wire import Reply, UnreachableError, connect, read_reply
from infra.home import LoginSettings, SandboxAddress
from infra.supervisor.installation import load_or_make
from tests.support.doctor import READING, live_login, room_of, write_fields


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = room_of(tmp_path / "home")
    load_or_make(room.home)
    return room


@pytest.fixture
def login(room: Room) -> LoginSettings:
    return live_login(room)


def reply(code: int | None, reason: str = "", *, status: int = 200, accounts: str = "") -> Reply:
    held = frozenset(accounts.split())
    return Reply(status=status, code=code, reason=reason, accounts=held, is_genuine=True)


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
    # Whoever names no account has not said that the login holds this one.
    assert reply_finding(login, reply(0)).verdict is Verdict.WARNING
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
    never = {each.verdict for each in check_broker(room, READING)}
    asked_not = {
        each.verdict for each in check_broker(room_of(room.settings.home, is_offline=True), READING)
    }
    assert never == asked_not == {Verdict.NOT_CHECKED}


def saved(room: Room, login: LoginSettings) -> None:
    room.home.save(msgspec.structs.replace(room.home.load(), logins=(login,)))


def test_live_broker_out_of_reach_fails_and_tells_no_time(
    room: Room, login: LoginSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(room, login)

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    found = {each.check: each for each in check_broker(room, READING)}
    assert found["broker alpha"].verdict is Verdict.FAILED
    assert "not found" in found["broker alpha"].seen
    assert "network" in found["broker alpha"].mend
    assert found["clock"].verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize("where", ["server_url", "socket_host_port"])
def test_nothing_is_sent_to_whoever_is_not_tiger(
    room: Room, login: LoginSettings, where: str
) -> None:
    saved(room, login)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        values = {
            "server_url": f"http://127.0.0.1:{port}/gateway",
            "socket_host_port": f"ssl,127.0.0.1,{port}",
        }
        write_fields(room, login, **{where: values[where]})
        (judged,) = check_credentials(room, READING)
        found = {each.check: each for each in check_broker(room, READING)}
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert judged.verdict is Verdict.FAILED
    assert found["broker alpha"].verdict is Verdict.NOT_CHECKED
    assert "nothing was sent" in found["broker alpha"].seen


@contextlib.contextmanager
def answering(body: bytes) -> Iterator[str]:
    """Answer each request with the same body; yields the address of the gateway."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            # The first connection is dropped by the caller: it only tries the way.
            for _ in range(2):
                stream, _ = listener.accept()
                with stream:
                    stream.settimeout(5.0)
                    if stream.recv(65_536):
                        stream.sendall(head.encode() + body)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/gateway"
        thread.join(5.0)


@pytest.mark.parametrize(
    "is_signed_one, body, verdict",
    [
        (True, b'{"code":0,"data":"{}","sign":"YWJj"}', Verdict.FAILED),
        (False, b'{"code":0,"data":"{}","sign":"YWJj"}', Verdict.FAILED),
        (False, b'{"code":0,"data":"{}"}', Verdict.WARNING),
    ],
)
def test_reply_with_another_signature_is_a_strangers(
    room: Room, is_signed_one: bool, body: bytes, verdict: Verdict
) -> None:
    login = room.home.load().logins[0]
    own = sandbox_login(properties_path(room, login))
    assert own is not None
    with answering(body) as url:
        key = own.tiger_public_key if is_signed_one else ""
        address = SandboxAddress(server_url=url, gateway_key=key)
        saved(room, msgspec.structs.replace(login, sandbox=address))
        found = {each.check: each for each in check_broker(room, READING)}
    assert found["broker alpha"].verdict is verdict
    assert ("not signed" in found["broker alpha"].seen) is (verdict is Verdict.FAILED)
    assert found["clock"].verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize("is_genuine", [None, False])
def test_yes_of_a_real_broker_counts_with_its_signature_alone(
    login: LoginSettings, is_genuine: bool | None
) -> None:
    numbers = " ".join(each.number for each in login.accounts)
    bare = msgspec.structs.replace(reply(0, accounts=numbers), is_genuine=is_genuine)
    found = reply_finding(login, bare)
    assert found.verdict is Verdict.FAILED
    assert "not signed" in found.seen


def test_damaged_list_of_accounts_points_to_its_own_line(room: Room) -> None:
    room.home.installation_file.write_text("{")
    found = [*check_credentials(room, READING), *check_broker(room, READING), *check_keys(room)]
    assert {each.verdict for each in found} == {Verdict.NOT_CHECKED}
    assert all("see accounts" in each.seen for each in found)


@pytest.mark.parametrize(
    "answer",
    [
        reply(4, "access forbidden(ip 127.0.0.1 is not on the white list)"),
        reply(1000, "common param error(failed to verify signature, …)"),
        reply(1000, "common param error(failed to get developer information)"),
        reply(2400, "user token error"),
        reply(0),
        reply(0, accounts="U123"),
    ],
)
def test_no_mend_of_a_sandboxs_no_points_to_tiger(room: Room, answer: Reply) -> None:
    found = reply_finding(room.home.load().logins[0], answer)
    assert found.verdict is not Verdict.OK
    assert "developer" not in found.mend
    assert "download" not in found.mend


def test_sandbox_that_is_away_is_asked_for_at_its_ports(room: Room) -> None:
    login = room.home.load().logins[0]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = SandboxAddress(server_url=f"http://127.0.0.1:{port}/gateway", push_port=4711)
    saved(room, msgspec.structs.replace(login, sandbox=address))
    found = {each.check: each for each in check_broker(room, READING)}
    assert found["broker alpha"].verdict is Verdict.FAILED
    assert f"--http {port} --push 4711" in found["broker alpha"].mend
