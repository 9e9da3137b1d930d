"""`account` and `up` on a home that is not there, is open to others, or lost a login's file."""

import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.errors import ConfigError
from infra.accounts import without_account
from infra.cli import account_add
from infra.cli.__main__ import main
from infra.config import Settings
from infra.home import Home
from infra.supervisor import detached
from infra.supervisor.installation import load_or_make


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


@pytest.mark.parametrize(
    "arguments", [("remove", "x"), ("remove", "x", "--force"), ("mode", "x", "read_only")]
)
def test_what_changes_an_account_makes_no_home(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    home = tmp_path / "home"
    result = run(home, "account", *arguments)
    assert result.exit_code == 1
    assert "run `tiger-mcp up` to make a sandbox home" in result.output
    assert not home.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="a mode says nothing there")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o755, 0o700])
@pytest.mark.parametrize("command", ["account add", "up"])
def test_home_into_which_others_may_write_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, mode: int
) -> None:
    home = tmp_path / "ann's home"
    home.mkdir()
    home.chmod(mode)

    def stays_down(_: Settings, **__: object) -> None:
        raise ConfigError("stays down")

    monkeypatch.setattr(detached, "ensure_up", stays_down)
    words = ("account", "add", "x", "--props", "none") if command != "up" else ("up",)
    said = run(home, *words).output
    is_told = f"mode {mode:04o}" in said and "; type: chmod 700 '" in said
    assert is_told is bool(mode & (stat.S_IWGRP | stat.S_IWOTH))


def test_login_whose_file_is_gone_is_told_with_what_mends_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    installation = without_account(load_or_make(home), "sandbox-paper", left_open=())
    login = installation.logins[0]
    file = tmp_path / login.properties
    file.unlink()
    with pytest.raises(ConfigError) as raised:
        account_add._tiger_ids(home, installation)
    said = str(raised.value)
    assert str(file) in said
    assert ". Put the file back, or type " in said
    assert "`tiger-mcp account remove sandbox --force`" in said
    assert "remove sandbox-paper" not in said
    assert "Errno" not in said
