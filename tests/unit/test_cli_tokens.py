"""`tiger-mcp token`: a token is shown once, counts where it was granted, and ends when told."""

import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Final

import jwt
import msgspec
import pytest
from click.testing import CliRunner, Result

from adapters.mcp.__main__ import http_settings
from adapters.mcp.callers import Right
from adapters.mcp.tokens import RefusedTokenError, TokenChecker, parse_keys
from core.errors import ConfigError
from infra.cli.__main__ import main
from infra.cli.token_store import prepare_tokens, url_of
from infra.clock import SystemClock
from infra.config import Settings, settings_from
from infra.home import Home
from infra.supervisor.installation import load_or_make

ROOT: Final = Path(__file__).parents[2]
LIMIT_S: Final = 30.0
AT_ONCE: Final = 3
ISSUE: Final = """
import sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from infra.cli.token_store import IssuedToken, TokenStore

home, gate, number = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
now = datetime.now(UTC)
issued = IssuedToken(
    token_id=f"tok-{number}", principal="ann", scopes=("tiger",), issued_at=now,
    expires_at=now + timedelta(days=1), audience="here",
)
(gate / number).touch()
while len(list(gate.iterdir())) < int(sys.argv[4]):
    pass
print(TokenStore(home).issue(issued, issuer="us"))
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    load_or_make(Home(tmp_path / "home"))
    return tmp_path / "home"


def run(home: Path, *arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments], env=environment)


def issue(home: Path, *grants: str, principal: str = "ann") -> tuple[str, str]:
    """Return a new token's id and text."""
    told = [word for grant in grants for word in ("--grant", grant)]
    result = run(home, "token", "issue", principal, *told)
    assert result.exit_code == 0, result.output
    return result.stderr.split()[0], result.stdout.strip()


def settings_of(home: Path, **environment: str) -> Settings:
    return settings_from(environment, home=home, user_home=home)


def checker(home: Path) -> TokenChecker:
    return TokenChecker(prepare_tokens(settings_of(home)), SystemClock())


async def test_an_issued_token_counts_for_what_was_granted(home: Path) -> None:
    token_id, token = issue(home, "sandbox=trader", "*=auditor")
    checked = await checker(home).check(token)
    assert checked.has_service_scope
    assert (checked.caller.principal, checked.caller.token_id) == ("ann", token_id)
    assert checked.caller.rights("sandbox") == {Right.READ, Right.TRADE, Right.AUDIT}
    assert checked.caller.rights("later") == {Right.READ, Right.AUDIT}


async def test_revoking_takes_effect_at_once(home: Path) -> None:
    token_id, token = issue(home, "sandbox=viewer")
    _, other = issue(home, "sandbox=viewer")
    running = checker(home)
    await running.check(token)
    assert run(home, "token", "revoke", token_id).exit_code == 0
    with pytest.raises(RefusedTokenError, match="revoked"):
        await running.check(token)
    await running.check(other)


def test_the_list_shows_ids_and_times_and_no_token(home: Path) -> None:
    token_id, token = issue(home, "sandbox=viewer")
    other_id, other = issue(home, "sandbox=admin", principal="bob")
    run(home, "token", "revoke", other_id)
    lines = run(home, "token", "list").output.splitlines()
    assert [(line.split()[0], line.split()[-1]) for line in lines] == [
        (token_id, "good"),
        (other_id, "revoked"),
    ]
    kept = "".join(
        file.read_text()
        for file in (home / "tokens").rglob("*")
        if file.is_file() and file.suffix != ".pem"
    )
    for text in (token, other):
        for part in text.split("."):
            assert part not in kept
            assert part not in "".join(lines)


async def test_the_list_calls_no_token_good_that_another_issuers_rules_refuse(
    home: Path, tmp_path: Path
) -> None:
    _, token = issue(home, "sandbox=viewer")
    theirs = tmp_path / "theirs.json"
    theirs.write_text('{"keys": []}')
    own_keys = str(home / "tokens" / "keys.json")
    own_issuer = "http://127.0.0.1:8765"
    for issuer, keys, state in [
        ("https://issuer.example", "https://issuer.example/keys", "of another issuer than"),
        ("https://issuer.example", own_keys, "of another issuer than"),
        (own_issuer, str(theirs), "of another key"),
    ]:
        told = {"TIGER_MCP_TOKEN_ISSUER": issuer, "TIGER_MCP_TOKEN_KEYS": keys}
        listed = run(home, "token", "list", **told).output
        assert state in listed
        assert listed.rstrip().endswith("refused")
        if "://" not in keys:
            rules = prepare_tokens(settings_of(home, **told))
            with pytest.raises(RefusedTokenError):
                await TokenChecker(rules, SystemClock()).check(token)
    told = {"TIGER_MCP_TOKEN_ISSUER": own_issuer, "TIGER_MCP_TOKEN_KEYS": own_keys}
    assert run(home, "token", "list", **told).output.rstrip().endswith("good")
    await TokenChecker(prepare_tokens(settings_of(home, **told)), SystemClock()).check(token)
    told["TIGER_MCP_TOKEN_KEYS"] = "https://issuer.example/keys"
    assert "not known here" in run(home, "token", "list", **told).output


async def test_the_list_calls_no_token_good_whose_key_was_made_anew(home: Path) -> None:
    old_id, old = issue(home, "sandbox=viewer")
    (home / "tokens" / "issuer.pem").unlink()
    assert "of another key" in run(home, "token", "list").output
    new_id, new = issue(home, "sandbox=viewer")
    lines = {line.split()[0]: line for line in run(home, "token", "list").output.splitlines()}
    assert "of another key" in lines[old_id]
    assert lines[old_id].endswith("refused")
    assert lines[new_id].endswith("good")
    await checker(home).check(new)
    with pytest.raises(RefusedTokenError, match="unknown_key"):
        await checker(home).check(old)


def test_the_list_shows_what_was_granted_and_which_accounts_are_gone(home: Path) -> None:
    issue(home, "sandbox=trader", "*=auditor")
    store = Home(home)
    installation = store.load()
    logins = tuple(
        msgspec.structs.replace(
            login, accounts=tuple(each for each in login.accounts if each.alias != "sandbox")
        )
        for login in installation.logins
    )
    store.save(msgspec.structs.replace(installation, logins=logins))
    line = run(home, "token", "list").output
    assert "  sandbox=trader (no such account), *=auditor  issued " in line


def test_two_first_uses_at_once_make_one_key_and_tokens_that_both_count(home: Path) -> None:
    """Each in a process of its own, held at the start until both are there."""
    gate = home / "gate"
    gate.mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ISSUE, str(home), str(gate), str(number), str(AT_ONCE)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for number in range(AT_ONCE)
    ]
    tokens = [process.communicate(timeout=LIMIT_S)[0].strip() for process in processes]
    keys = parse_keys((home / "tokens" / "keys.json").read_bytes())
    (key_id,) = keys
    assert [jwt.get_unverified_header(token)["kid"] for token in tokens] == [key_id] * AT_ONCE
    for token in tokens:
        claims = jwt.decode(token, keys[key_id], algorithms=["EdDSA"], audience="here")
        assert claims["iss"] == "us"
    assert [file.name for file in home.rglob("*.new")] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_token_for_an_address_that_nobody_can_ask_for_is_not_issued(
    home: Path, host: str
) -> None:
    settings = {"TIGER_MCP_HTTP_HOST": host, "TIGER_MCP_HTTP_TLS_CERTIFICATE": "/c.pem"}
    words = ("token", "issue", "ann", "--grant", "sandbox=viewer")
    result = run(home, *words, **settings, TIGER_MCP_HTTP_TLS_KEY="/k.pem")
    assert result.exit_code == 1
    assert "TIGER_MCP_HTTP_URL" in result.output


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing there")
def test_a_tls_key_that_others_may_read_stops_the_start(home: Path) -> None:
    key = home / "tls.pem"
    key.write_text("a key")
    told = {"TIGER_MCP_HTTP_TLS_CERTIFICATE": str(key), "TIGER_MCP_HTTP_TLS_KEY": str(key)}
    settings = settings_of(home, **told)
    rules = prepare_tokens(settings)
    for mode in (0o644, 0o640, 0o604):
        key.chmod(mode)
        with pytest.raises(ConfigError, match="by you alone"):
            http_settings(settings, rules)
    key.chmod(0o600)
    assert http_settings(settings, rules).tls_key == key
    key.unlink()
    with pytest.raises(ConfigError, match=re.escape(str(key))):
        http_settings(settings, rules)


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing there")
def test_the_key_is_its_owners_alone(home: Path) -> None:
    issue(home, "sandbox=viewer")
    key = home / "tokens" / "issuer.pem"
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (home / "tokens").rglob("*")}
    assert modes <= {0o600, 0o700}
    key.chmod(0o644)
    result = run(home, "token", "issue", "ann", "--grant", "sandbox=viewer")
    assert result.exit_code == 1
    assert "by you alone" in result.output
    with pytest.raises(ConfigError):
        prepare_tokens(settings_of(home))


async def test_another_homes_token_does_not_count(home: Path, tmp_path: Path) -> None:
    load_or_make(Home(tmp_path / "other"))
    _, token = issue(tmp_path / "other", "sandbox=admin")
    with pytest.raises(RefusedTokenError, match="unknown_key"):
        await checker(home).check(token)


@pytest.mark.parametrize(
    "arguments, named",
    [
        (("issue", "ann", "--grant", "nobody=viewer"), "sandbox"),
        (("issue", "ann", "--grant", "sandbox=king"), "viewer"),
        (("issue", "ann", "--grant", "sandbox"), "viewer"),
        (("issue", " ann", "--grant", "sandbox=viewer"), "principal"),
        (("issue", "a\nb", "--grant", "sandbox=viewer"), "principal"),
        (("revoke", "tok-nobody"), "token list"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    home: Path, arguments: tuple[str, ...], named: str
) -> None:
    result = run(home, "token", *arguments)
    assert result.exit_code == 1
    assert named in result.output
    assert not list((home / "tokens" / "issued").glob("*.json"))


def test_with_another_issuer_this_home_issues_none_but_revokes_any(home: Path) -> None:
    told = {
        "TIGER_MCP_TOKEN_ISSUER": "https://issuer.example",
        "TIGER_MCP_TOKEN_KEYS": "https://issuer.example/keys",
    }
    result = run(home, "token", "issue", "ann", "--grant", "sandbox=viewer", **told)
    assert result.exit_code == 1
    assert "https://issuer.example" in result.output
    assert run(home, "token", "revoke", "any id/at all", **told).exit_code == 0
    rules = prepare_tokens(settings_of(home, **told))
    assert (rules.issuer, rules.keys) == tuple(told.values())


def test_the_address_that_tokens_are_for_follows_the_settings(home: Path) -> None:
    assert url_of(settings_of(home)) == "http://127.0.0.1:8765/mcp"
    told = {"TIGER_MCP_HTTP_HOST": "::1", "TIGER_MCP_HTTP_PORT": "9000"}
    assert url_of(settings_of(home, **told)) == "http://[::1]:9000/mcp"
    tls = {"TIGER_MCP_HTTP_TLS_CERTIFICATE": "/c.pem", "TIGER_MCP_HTTP_TLS_KEY": "/k.pem"}
    assert url_of(settings_of(home, **tls)) == "https://127.0.0.1:8765/mcp"
    assert url_of(settings_of(home, TIGER_MCP_HTTP_URL="https://x/mcp")) == "https://x/mcp"
