"""A person's commands against a running cluster: each ends in a fact of the ledger."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from infra.cli.__main__ import main
from infra.config import Settings
from infra.home import Home
from infra.supervisor.detached import ensure_up, stop

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    settings = Settings(home=tmp_path_factory.mktemp("controls") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        ensure_up(settings)
        try:
            yield settings.home
        finally:
            stop(settings)


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


def test_status_tells_that_every_process_is_ready(home: Path) -> None:
    result = run(home, "status", "--json")
    assert result.exit_code == 0
    processes = json.loads(result.output)["processes"]
    assert {process["state"] for process in processes} == {"ready"}


def test_halt_and_resume_end_in_facts(home: Path) -> None:
    file = Home(home).halt_file("sandbox")
    halted = run(home, "halt", "sandbox", "--detail", "a test")
    assert halted.exit_code == 0
    assert halted.output.startswith("sandbox: halted")
    assert file.exists()
    resumed = run(home, "resume", "sandbox")
    assert resumed.exit_code == 0
    assert resumed.stderr.startswith("sandbox is halted: by operator: a test")
    assert resumed.stdout.startswith("sandbox: resumed")
    assert not file.exists()


def test_halt_goes_by_nats_where_its_file_cannot_be_written(home: Path) -> None:
    # A file in the folder's place fails as a full disk does, whoever runs the test.
    folder = Home(home).halt
    # Aside, because a worker may still have a note of an earlier halt there.
    folder.rename(folder.with_name("halt-aside"))
    folder.write_text("in the way")
    try:
        halted = run(home, "halt", "sandbox-paper")
        assert halted.exit_code == 0
        assert "sandbox-paper: halted" in halted.output
    finally:
        folder.unlink()
    assert run(home, "resume", "sandbox-paper").exit_code == 0


def test_halt_of_one_symbol_makes_no_file(home: Path) -> None:
    result = run(home, "halt", "sandbox-two", "--symbol", "AAPL")
    assert result.exit_code == 0
    assert result.output.startswith("sandbox-two, AAPL: halted")
    assert not Home(home).halt_file("sandbox-two").exists()


def test_resume_of_another_scope_names_the_halts_that_stay(home: Path) -> None:
    account = "sandbox-two"
    assert run(home, "halt", account, "--symbol", "MSFT").exit_code == 0
    whole = run(home, "resume", account)
    assert "halted or frozen by symbol: " in whole.stderr
    assert f"MSFT is still held; `tiger-mcp resume {account} --symbol MSFT`" in whole.stdout
    assert (
        f"MSFT is halted; `tiger-mcp resume {account} --symbol MSFT`" in run(home, "status").stdout
    )
    assert run(home, "halt", account).exit_code == 0
    of_symbol = run(home, "resume", account, "--symbol", "MSFT")
    assert f"{account} itself is still halted; `tiger-mcp resume {account}`" in of_symbol.stdout
    assert "MSFT is still held" not in of_symbol.stdout
    assert run(home, "resume", account).exit_code == 0


def test_release_of_an_unknown_order_is_refused_by_the_desk(home: Path) -> None:
    result = run(home, "release", "sandbox", "ord-none")
    assert result.exit_code == 1
    assert "order_unknown" in result.output
