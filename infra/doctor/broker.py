"""Whether each login's broker answers, whether it accepts the key, and what its clock says."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from infra.doctor.credentials import (
    Reading,
    file_mend,
    is_sandbox,
    read_credentials,
    served_logins,
    token_mend,
)
from infra.doctor.files import accounts_unknown, installation_of
from infra.doctor.finding import Finding, failed, not_checked, ok, warning
from infra.doctor.room import MACOS, WINDOWS, Room
from infra.doctor.wire import Reply, UnreachableError, ask_accounts, connect
from infra.home import LoginSettings, SandboxAddress

CLOCK_WARN_S: Final = 1.0
CLOCK_FAIL_S: Final = 10.0
_HTTP_OK: Final = 200
_HTTP_PORT: Final = 80
_ACCESS_FORBIDDEN: Final = 4
_RATE_LIMITED: Final = (5, 429)
_BAD_ENVELOPE: Final = 1000
_BAD_TOKEN: Final = 2400
_WAIT: Final = "wait a minute, and run tiger-mcp doctor again"
_NETWORK: Final = (
    "check the network, its firewall and a VPN; a browser on this machine should reach the host"
)
# By whether the broker is to be a sandbox.
_STRANGER: Final = {
    True: "add the account again with that sandbox's own files, or its --gateway-key",
    False: "something between this machine and Tiger answers in its place (a proxy, a changed "
    "hosts file, a foreign root certificate): take it out before you trade",
}
_DOOR: Final = "add this machine's public address on the developer's page (docs/regions.md)"
_COMPARE: Final = {
    True: "compare the account's number with login.json of the sandbox, and add it anew",
    False: "compare the account's number with the developer's page, and add it anew",
}
_LOOK: Final = {
    True: "look whether it is the sandbox that made the login's files",
    False: "look at the developer's page whether the account is open and the login's own",
}
_SYNC: Final = {
    WINDOWS: "w32tm /resync (as administrator)",
    MACOS: "sudo sntp -sS time.apple.com",
}


def check_broker(room: Room, reading: Reading) -> Iterator[Finding]:
    """Send one reading for each login, and judge the reply and the clock in it."""
    installation = installation_of(room)
    if installation is None or room.is_offline:
        for check in ("broker", "clock"):
            if room.is_offline:
                yield not_checked(check, "--offline was asked for")
            else:
                yield accounts_unknown(room, check)
        return
    replies = []
    for login in served_logins(installation):
        found, reply = _look(room, login, reading)
        yield from found
        if reply is not None and reply.ahead_s is not None:
            replies.append((is_sandbox(login), login.name, reply))
    # A real broker knows the time; a sandbox is as good as this machine, or moved by a test.
    replies.sort(key=lambda each: each[0])
    if not replies:
        mend = "mend what stands above, and run it again"
        yield not_checked("clock", "no broker told the time", mend=mend)
        return
    _, name, reply = replies[0]
    assert reply.ahead_s is not None, "those without were left out"
    yield clock_finding(name, reply.ahead_s, reply.error_s, platform=room.platform)


def clock_finding(login: str, ahead_s: float, error_s: float, *, platform: str) -> Finding:
    """Judge how far the broker's clock is ahead of ours, known to `error_s`."""
    off_s = max(abs(ahead_s) - error_s, 0.0)
    side = "behind" if ahead_s > 0 else "ahead of"
    if off_s <= CLOCK_WARN_S:
        return ok("clock", f"within {abs(ahead_s) + error_s:.1f} s of the broker of {login}")
    seen = f"this machine is {abs(ahead_s):.1f} s {side} the broker of {login}"
    mend = f"set the clock by the network: {_SYNC.get(platform, 'sudo timedatectl set-ntp true')}"
    return (failed if off_s > CLOCK_FAIL_S else warning)("clock", seen, mend=mend)


def reply_finding(login: LoginSettings, reply: Reply) -> Finding:
    """Judge a gateway's reply; its own words are read and never shown."""
    check = f"broker {login.name}"
    if reply.code is None:
        seen = f"what answers with HTTP {reply.status} is not Tiger's gateway"
        return failed(
            check, seen, mend="a proxy stands between, or server_url is wrong: " + _NETWORK
        )
    is_bare = reply.is_genuine is None and reply.code == 0 and not is_sandbox(login)
    if reply.is_genuine is False or is_bare:
        seen = "its reply is not signed with the key expected of it: it is somebody else"
        return failed(check, seen, mend=_STRANGER[is_sandbox(login)])
    if reply.code == 0:
        return _accounts_finding(check, login, reply)
    reason = reply.reason.lower()
    if reply.code in _RATE_LIMITED or reply.status in _RATE_LIMITED or "rate limit" in reason:
        return warning(check, "the broker answers that requests come too fast", mend=_WAIT)
    seen, mend = _refusal(login, reply.code, reason)
    return failed(check, f"the broker refuses (code {reply.code}): {seen}", mend=mend)


def _refusal(login: LoginSettings, code: int, reason: str) -> tuple[str, str]:
    if code == _ACCESS_FORBIDDEN:
        seen = "this machine's address is not on the login's white list, or the login is barred"
        anew = f"{_mend_of_way(login)}: the white list and the faults of a sandbox end with it"
        return seen, anew if is_sandbox(login) else _DOOR
    if code == _BAD_TOKEN:
        return "the token is missing, ended or not its own", token_mend(login)
    if code == _BAD_ENVELOPE and "signature" in reason:
        return "the key is not the one that the broker knows", file_mend(login)
    if code == _BAD_ENVELOPE and "developer" in reason:
        return "the Tiger id is not known", file_mend(login)
    return "for a reason in Tiger's table of errors", "look the code up in Tiger's error table"


def _accounts_finding(check: str, login: LoginSettings, reply: Reply) -> Finding:
    strange = [each.alias for each in login.accounts if each.number not in reply.accounts]
    if reply.accounts and strange:
        return failed(
            check,
            f"the login does not hold {', '.join(strange)}",
            mend=_COMPARE[is_sandbox(login)],
        )
    if not reply.accounts:
        return warning(
            check,
            "it answers, and names no account of this login",
            mend=_LOOK[is_sandbox(login)],
        )
    return ok(check, f"it answers in {reply.took_s:.2f} s and accepts the key")


def _look(room: Room, login: LoginSettings, reading: Reading) -> tuple[list[Finding], Reply | None]:
    check = f"broker {login.name}"
    credentials = read_credentials(room, login, reading)
    # Nothing is sent for a login that its worker refuses: the request would prove it to anybody.
    if credentials is None:
        seen = f"nothing was sent: see credentials {login.name}"
        return [not_checked(check, seen, mend="mend them first")], None
    if not credentials.url:
        return [not_checked(check, "the sandbox does not run", mend="tiger-mcp up")], None
    try:
        reply = ask_accounts(credentials)
    except UnreachableError as error:
        return [failed(check, str(error), mend=_mend_of_way(login))], None
    found = [reply_finding(login, reply)]
    if credentials.push is not None:
        found.append(push_finding(login.name, *credentials.push))
    # A stranger's clock says nothing.
    is_known = reply.is_genuine or (reply.is_genuine is None and is_sandbox(login))
    return found, reply if is_known else None


def push_finding(login: str, host: str, port: int) -> Finding:
    """Judge the way to the broker's push connection."""
    try:
        connect(host, port)
    except UnreachableError as error:
        return warning(
            f"push {login}",
            f"{error}: fills are seen by asking alone, a little later",
            mend=f"let the firewall pass {host} port {port}",
        )
    return ok(f"push {login}", f"{host} port {port} is open")


# Without its ports named it takes others where those of the last start are taken.
def _expected(sandbox: SandboxAddress) -> str:
    push = f" --push {sandbox.push_port}" if sandbox.push_port else ""
    port = urlsplit(sandbox.server_url).port or _HTTP_PORT
    return f"tiger-mcp sandbox --home ITS_FOLDER --http {port}{push}"


def _mend_of_way(login: LoginSettings) -> str:
    if login.sandbox is not None:
        return f"start that sandbox again, on its own folder: {_expected(login.sandbox)}"
    return "tiger-mcp down, then tiger-mcp up" if is_sandbox(login) else _NETWORK
