"""`tiger-mcp token`: a token is shown once, counts where it was granted, and ends when told."""

import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters.mcp.callers import Right
from adapters.mcp.tokens import RefusedTokenError, TokenChecker
from core.errors import ConfigError
from infra.cli.__main__ import main
from infra.cli.token_store import prepare_tokens, url_of
from infra.clock import SystemClock
from infra.config import Settings, settings_from
from infra.home import Home
from infra.supervisor.installation import load_or_make


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


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing there")
def test_the_key_is_its_owners_alone(home: Path) -> None:
    issue(home, "sandbox=viewer")
    key = home / "tokens" / "issuer.pem"
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (home / "tokens").rglob("*")}
    assert modes <= {0o600, 0o700}
    key.chmod(0o644)
    result = run(home, "token", "issue", "ann", "--grant", "sandbox=viewer")
    assert result.exit_code == 1
    assert "owner alone" in result.output
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
