"""A token is bound to the address of its issue, and `token list` says when that is another now."""

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from adapters.mcp.tokens import RefusedTokenError, TokenChecker
from infra.cli.__main__ import main
from infra.cli.token_store import prepare_tokens
from infra.clock import SystemClock
from infra.config import settings_from
from infra.home import Home
from infra.supervisor.installation import load_or_make

OLD, NEW = {"TIGER_MCP_HTTP_PORT": "8765"}, {"TIGER_MCP_HTTP_PORT": "8766"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    load_or_make(Home(tmp_path / "home"))
    return tmp_path / "home"


def run(home: Path, *words: str, port: dict[str, str]) -> tuple[str, str]:
    result = CliRunner().invoke(main, ["--home", str(home), "token", *words], env=port)
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def checker(home: Path, port: dict[str, str]) -> TokenChecker:
    rules = prepare_tokens(settings_from(port, home=home, user_home=home))
    return TokenChecker(rules, SystemClock())


async def test_a_token_counts_at_the_address_of_its_issue_alone(home: Path) -> None:
    told, about = run(home, "issue", "ann", "--grant", "sandbox=viewer", port=OLD)
    assert "for ann at http://127.0.0.1:8765/mcp" in about
    await checker(home, OLD).check(told.strip())
    with pytest.raises(RefusedTokenError):
        await checker(home, NEW).check(told.strip())
    assert run(home, "list", port=OLD)[0].rstrip().endswith("good")
    listed, _ = run(home, "list", port=NEW)
    assert "of another address (http://127.0.0.1:8765/mcp): refused" in listed
    assert "good" not in listed


def test_a_record_of_an_older_version_is_listed_without_its_address(home: Path) -> None:
    run(home, "issue", "ann", "--grant", "sandbox=viewer", port=OLD)
    (record,) = (home / "tokens" / "issued").glob("*.json")
    kept = msgspec.json.decode(record.read_bytes(), type=dict[str, object])
    del kept["audience"], kept["issuer"], kept["key_id"]
    record.write_bytes(msgspec.json.encode(kept))
    assert run(home, "list", port=NEW)[0].rstrip().endswith("good")
