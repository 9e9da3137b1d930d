"""A person's commands against a running cluster: each ends in a fact of the ledger."""

import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from infra.cli.__main__ import main
from infra.config import Settings
from infra.home import Home, write_private
from infra.nats.monitor import wait_until
from infra.supervisor.detached import ensure_up, stop

ROOT: Final = Path(__file__).parents[2]
WAIT_S: Final = 30.0


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


def resumed(home: Path, *words: str) -> Result:
    """Resume as who cannot be asked: read what would be lifted, then type the line that is said."""
    shown = run(home, "resume", *words)
    assert shown.exit_code == 1
    typed = re.search(r"`tiger-mcp (resume [^`]* --shown \d+)`", shown.output)
    assert typed is not None, shown.output
    return run(home, *typed[1].split())


def told(home: Path) -> list[dict[str, Any]]:
    processes: list[dict[str, Any]] = json.loads(run(home, "status", "--json").output)["processes"]
    return processes


def state_of(home: Path, name: str = "worker-alpha") -> str:
    return next(str(each["state"]) for each in told(home) if each["name"] == name)


def test_status_tells_that_every_process_is_ready(home: Path) -> None:
    result = run(home, "status", "--json")
    assert result.exit_code == 0
    processes = json.loads(result.output)["processes"]
    assert {process["state"] for process in processes} == {"ready"}


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process as POSIX does")
def test_worker_that_hangs_is_told_as_not_answering_until_it_goes_on(home: Path) -> None:
    worker = next(each for each in told(home) if each["name"] == "worker-alpha")
    stopped_at = datetime.now(UTC)
    os.kill(worker["pid"], signal.SIGSTOP)
    try:
        assert wait_until(lambda: state_of(home) == "not_answering", limit_s=WAIT_S)
        status = run(home, "status")
        doctor = run(home, "doctor")
    finally:
        os.kill(worker["pid"], signal.SIGCONT)
    (line,) = [line for line in status.output.splitlines() if line.startswith("worker-alpha")]
    since = re.search(r"not answering since (\d\d:\d\d:\d\d) UTC", line)
    assert since is not None
    # When it was heard last, not when that was noticed.
    moments = [stopped_at + timedelta(seconds=offset) for offset in range(-2, 3)]
    assert since[1] in {f"{moment:%H:%M:%S}" for moment in moments}
    assert status.exit_code == 1
    assert "worker-alpha is not answering since" in doctor.output
    assert wait_until(lambda: state_of(home) == "ready", limit_s=WAIT_S)
    assert [each["pid"] for each in told(home) if each["name"] == "worker-alpha"] == [worker["pid"]]


def test_halt_and_resume_end_in_facts(home: Path) -> None:
    file = Home(home).halt_file("sandbox")
    halted = run(home, "halt", "sandbox", "--detail", "a test")
    assert halted.exit_code == 0
    assert halted.output.startswith("sandbox: halted")
    assert file.exists()
    unread = run(home, "resume", "sandbox")
    assert unread.exit_code == 1
    assert unread.stderr.startswith("sandbox is halted: by operator: a test")
    assert "nothing was sent, because nobody can be asked here" in unread.stderr
    assert file.exists()
    lifted = resumed(home, "sandbox")
    assert lifted.exit_code == 0
    assert lifted.stderr.startswith("sandbox is halted: by operator: a test")
    assert lifted.stdout.startswith("sandbox: resumed")
    assert not file.exists()


def test_resume_lifts_no_halt_that_came_after_what_was_read(home: Path) -> None:
    file = Home(home).halt_file("sandbox")
    assert run(home, "halt", "sandbox", "--detail", "the first").exit_code == 0
    shown = run(home, "resume", "sandbox")
    typed = re.search(r"--shown (\d+)", shown.output)
    assert typed is not None
    assert run(home, "halt", "sandbox", "--detail", "another").exit_code == 0
    late = run(home, "resume", "sandbox", "--shown", typed[1])
    assert late.exit_code == 1
    assert "nothing was sent: a halt file stands" in late.output
    assert file.exists()
    # Nor does the record of it let that pass, once the file is gone.
    file.unlink()
    late = run(home, "resume", "sandbox", "--shown", typed[1])
    assert late.exit_code == 1
    assert "shown_outdated" in late.output
    assert resumed(home, "sandbox").exit_code == 0
    assert not file.exists()


def test_resume_takes_away_no_halt_file_that_came_after_what_was_read(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Home(home).halt_file("sandbox")
    assert run(home, "halt", "sandbox", "--detail", "the first").exit_code == 0

    def say_yes_too_late(question: str, typed: str) -> None:
        file.unlink()
        write_private(file, b"")

    with monkeypatch.context() as patch:
        patch.setattr("infra.cli.control._ask", say_yes_too_late)
        run(home, "resume", "sandbox")
    assert file.exists()
    assert wait_until(lambda: "by halt file" in run(home, "status").stdout, limit_s=WAIT_S)
    assert resumed(home, "sandbox").exit_code == 0
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
    assert resumed(home, "sandbox-paper").exit_code == 0


def test_halt_of_one_symbol_makes_no_file(home: Path) -> None:
    result = run(home, "halt", "sandbox-two", "--symbol", "AAPL")
    assert result.exit_code == 0
    assert result.output.startswith("sandbox-two, AAPL: halted")
    assert not Home(home).halt_file("sandbox-two").exists()


def test_resume_of_another_scope_names_the_halts_that_stay(home: Path) -> None:
    account = "sandbox-two"
    assert run(home, "halt", account, "--symbol", "MSFT").exit_code == 0
    whole = resumed(home, account)
    assert "halted or frozen by symbol: " in whole.stderr
    assert f"MSFT is still held; `tiger-mcp resume {account} --symbol MSFT`" in whole.stdout
    assert (
        f"MSFT is halted; `tiger-mcp resume {account} --symbol MSFT`" in run(home, "status").stdout
    )
    assert run(home, "halt", account).exit_code == 0
    of_symbol = resumed(home, account, "--symbol", "MSFT")
    assert f"{account} itself is still halted; `tiger-mcp resume {account}`" in of_symbol.stdout
    assert "MSFT is still held" not in of_symbol.stdout
    assert resumed(home, account).exit_code == 0


def test_release_of_an_unknown_order_is_refused(home: Path) -> None:
    result = run(home, "release", "sandbox", "ord-none")
    assert result.exit_code == 1
    assert "sandbox: no order ord-none is known" in result.output
    by_desk = run(home, "release", "sandbox", "ord-none", "--shown", "1")
    assert by_desk.exit_code == 1
    assert "order_unknown" in by_desk.output
