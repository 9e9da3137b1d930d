"""`tiger-mcp status` names what lies among the halt files and halts no account."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.tiger_worker.halt_journal import CancelJournal, HaltNote
from infra.cli.__main__ import main
from infra.cli.halt_files import stray_halt_files
from infra.home import Home
from infra.supervisor.installation import load_or_make

ALIAS = "sandbox"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path)
    load_or_make(made)
    made.halt.mkdir()
    return made


def said(home: Home) -> str:
    return CliRunner().invoke(main, ["--home", str(home.path), "status"]).output


@pytest.mark.parametrize("name", ["sandobx", "SANDBOX", "sandbox-paper.txt", "notes.new", "x\x1b"])
def test_a_mistyped_halt_file_needs_a_person(home: Home, name: str) -> None:
    (home.halt / name).touch()
    (line,) = stray_halt_files(home)
    assert line.startswith("halt file ")
    assert "has the name of no account, so it halts none" in line
    assert ALIAS in line
    assert line.isprintable()
    # Although no cluster runs that could be asked.
    assert f"a person is needed:\n  {line}\n" in said(home)


def test_a_halt_file_and_what_a_worker_keeps_beside_it_need_nobody(home: Home) -> None:
    home.halt_file(ALIAS).touch()
    journal = CancelJournal(home.halt_journal(ALIAS))
    journal.keep_note(HaltNote(file="1"))
    journal.bind("l1:1")
    home.halt_journal(ALIAS).touch()
    for draft in ("note-draft", "bound-draft", "0123456789abcdef.new"):
        (home.halt / f"{ALIAS}.{draft}").touch()
    assert len(list(home.halt.iterdir())) == 7
    assert stray_halt_files(home) == ()
    assert "a person is needed" not in said(home)


def test_without_a_list_of_accounts_what_a_file_halts_is_not_known(home: Home) -> None:
    home.halt_file(ALIAS).touch()
    home.installation_file.write_bytes(b"{")
    (line,) = stray_halt_files(home)
    assert f"halt an account is not known: {ALIAS}" in line


def test_a_home_without_halt_files_needs_nobody(tmp_path: Path) -> None:
    assert stray_halt_files(Home(tmp_path)) == ()
