"""What a person types of a halt, and its file: only what was shown is lifted or taken away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result

from core import codec
from core.commands import HaltAccount, PersonCommand, ReleaseOrder, ResumeAccount
from core.modes import Environment
from core.views import AccountRow, AsOf
from infra.cli.__main__ import main
from infra.cli.control import _identity
from infra.config import Settings
from infra.home import Home
from infra.supervisor.installation import load_or_make

NOW: Final = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ALIAS: Final = "sandbox"
SHOWN_N: Final = 50
LIFTING: Final = {"halt": (), "resume": ("--shown", str(SHOWN_N))}
NOTHING: Final = {"halt": "nothing was halted", "resume": "nothing was sent"}


class Typed:
    """What a person types, with views and a worker that answer what they are told to."""

    def __init__(self, home: Path) -> None:
        load_or_make(Home(home))
        self.home = home
        self.file = Home(home).halt_file(ALIAS)
        # What the views tell of the file that halted last.
        self.told_file, self.told_n = "", 0
        # Each control, and whether the halt file stood when it was sent.
        self.sent: list[tuple[PersonCommand, bool]] = []

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["--home", str(self.home), *words])

    def put(self) -> None:
        """Halt by file, which nobody has recorded yet."""
        assert self.run("halt", ALIAS).exit_code != 2
        assert self.file.exists()
        self.sent.clear()

    def tell(self, n: int) -> None:
        """Have the views show the file that stands as recorded by event `n`."""
        self.told_file, self.told_n = _identity(self.file), n

    async def shown(self, *_: object) -> AccountRow:
        return AccountRow(
            alias=ALIAS,
            login=ALIAS,
            environment=Environment.SANDBOX,
            mode=None,
            state="halted",
            detail="",
            halted_symbols=(),
            halt_file=self.told_file,
            halt_file_n=self.told_n,
            open_orders=0,
            doubtful_orders=0,
            as_of=AsOf(n=SHOWN_N, sequence=SHOWN_N, recorded_at=NOW),
        )

    async def shown_order(self, *_: object, shown_n: int) -> tuple[None, int]:
        return None, SHOWN_N

    async def send(
        self, client: object, settings: Settings, account: str, command: PersonCommand
    ) -> codec.Recorded | None:
        self.sent.append((command, self.file.exists()))
        return None


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    made = Typed(tmp_path)

    @asynccontextmanager
    async def reached(_: Settings) -> AsyncIterator[None]:
        yield

    for name, stands_in in (
        ("operator_link", reached),
        ("shown_account", made.shown),
        ("shown_order", made.shown_order),
        ("send_control", made.send),
    ):
        monkeypatch.setattr(f"infra.cli.control.{name}", stands_in)
    return made


def agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.cli.control._ask", lambda question, line: None)


def resume(n: int = SHOWN_N) -> ResumeAccount:
    return ResumeAccount(symbol="", shown_n=n)


def test_halt_names_the_file_that_it_put(typed: Typed) -> None:
    typed.run("halt", ALIAS)
    halt = HaltAccount(symbol="", detail="typed by a person", file=_identity(typed.file))
    assert typed.sent == [(halt, True)]
    typed.sent.clear()
    typed.run("halt", ALIAS, "--symbol", "AAPL")
    (command, _), *_ = typed.sent
    assert isinstance(command, HaltAccount)
    assert command.file == ""


def spoil(typed: Typed, how: str) -> None:
    """Leave the home without a list of accounts that could be read."""
    file = Home(typed.home).installation_file
    file.unlink()
    if how == "damaged":
        file.write_bytes(b"{")


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_halt_waits_for_no_list_of_accounts_that_can_be_read(typed: Typed, how: str) -> None:
    spoil(typed, how)
    result = typed.run("halt", ALIAS)
    halt = HaltAccount(symbol="", detail="typed by a person", file=_identity(typed.file))
    assert typed.sent == [(halt, True)]
    assert "the list of accounts cannot be read" in result.stderr
    assert f"it is not checked that {ALIAS} is one" in result.stderr
    assert "`tiger-mcp status` must say that it is halted" in result.stderr


@pytest.mark.parametrize("how", ["damaged", "missing"])
def test_halt_that_nobody_checked_and_nobody_heard_is_no_success(tmp_path: Path, how: str) -> None:
    typed = Typed(tmp_path)
    spoil(typed, how)
    result = typed.run("halt", ALIAS)
    assert result.exit_code == 1
    assert typed.file.exists()
    assert f"the halt file is in place, {typed.file}" in result.stderr


@pytest.mark.parametrize("name", ["SANDBOX", "../sandbox", "a b"])
def test_what_names_no_account_anywhere_makes_no_file(typed: Typed, name: str) -> None:
    spoil(typed, "damaged")
    assert typed.run("halt", name).exit_code == 1
    assert typed.sent == []
    assert not Home(typed.home).halt.exists()


def test_halt_in_a_home_that_is_not_there_makes_none(tmp_path: Path) -> None:
    home = tmp_path / "none"
    assert CliRunner().invoke(main, ["--home", str(home), "halt", ALIAS]).exit_code == 1
    assert not home.exists()


@pytest.mark.parametrize("word", ["aapl", " AAPL ", "Aapl\n"])
def test_symbol_is_taken_as_a_person_types_it(typed: Typed, word: str) -> None:
    typed.run("halt", ALIAS, "--symbol", word)
    typed.run("resume", ALIAS, "--symbol", word, "--shown", str(SHOWN_N))
    (halted, _), (resumed, _) = typed.sent
    assert isinstance(halted, HaltAccount)
    assert isinstance(resumed, ResumeAccount)
    assert (halted.symbol, resumed.symbol) == ("AAPL", "AAPL")


# The capitals of the last ones are two other symbols.
@pytest.mark.parametrize(
    "word", ["AAPL 20270115 150.0 CALL", "BRK/B", "苹果", "\x1b[2J", "\udcff", "ß", "ı"]
)
@pytest.mark.parametrize("verb", ["halt", "resume"])
def test_what_is_no_symbol_is_one_sentence_and_halts_nothing(
    typed: Typed, verb: str, word: str
) -> None:
    result = typed.run(verb, ALIAS, "--symbol", word, *LIFTING[verb])
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith(f"Error: {NOTHING[verb]}: expected symbol as AAPL or 00700")
    assert len(result.output.splitlines()) == 1
    assert typed.sent == []
    assert not typed.file.exists()


@pytest.mark.parametrize("words", [("release", "--shown", "1"), ("adopt",)])
@pytest.mark.parametrize("odd", ["\udcff", "\x1b[2J"])
def test_id_that_is_no_text_is_one_sentence(typed: Typed, words: tuple[str, ...], odd: str) -> None:
    verb, *options = words
    result = typed.run(verb, ALIAS, odd, *options)
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith("Error: nothing was sent: expected an id")
    assert result.output.isascii()
    assert typed.sent == []


# Nothing is what a variable that is not set leaves of a symbol; it means no whole account.
@pytest.mark.parametrize("word", ["", " "])
@pytest.mark.parametrize("verb", ["halt", "resume"])
def test_empty_symbol_is_not_the_whole_account(typed: Typed, verb: str, word: str) -> None:
    result = typed.run(verb, ALIAS, "--symbol", word, *LIFTING[verb])
    assert result.exit_code == 1
    assert f"{NOTHING[verb]}: --symbol is empty" in result.output
    assert typed.sent == []
    assert not typed.file.exists()


@pytest.mark.parametrize("symbol", [(), ("--symbol", "AAPL")], ids=["account", "symbol"])
def test_resume_of_what_is_still_to_come_is_not_sent(typed: Typed, symbol: tuple[str, ...]) -> None:
    typed.put()
    typed.tell(SHOWN_N)
    result = typed.run("resume", ALIAS, *symbol, "--shown", str(SHOWN_N + 1))
    assert result.exit_code == 1
    assert f"--shown {SHOWN_N + 1} was shown to nobody, the events of {ALIAS} go to {SHOWN_N}" in (
        result.output
    )
    assert typed.sent == []
    assert typed.file.exists()


def test_release_of_what_is_still_to_come_is_not_sent(typed: Typed) -> None:
    result = typed.run("release", ALIAS, "ord-1", "--shown", str(SHOWN_N + 1))
    assert result.exit_code == 1
    assert "was shown to nobody" in result.output
    assert typed.sent == []
    typed.run("release", ALIAS, "ord-1", "--shown", str(SHOWN_N))
    assert typed.sent == [(ReleaseOrder(order_id="ord-1", shown_n=SHOWN_N), False)]


def test_resume_of_what_was_shown_takes_the_file_away_that_it_told_of(typed: Typed) -> None:
    typed.put()
    typed.tell(SHOWN_N)
    typed.run("resume", ALIAS, "--shown", str(SHOWN_N))
    assert typed.sent == [(resume(), False)]
    assert not typed.file.exists()


@pytest.mark.parametrize("told_n", [None, SHOWN_N + 1], ids=["never", "later"])
def test_resume_of_what_was_shown_before_a_file_was_put_leaves_it_and_sends_nothing(
    typed: Typed, told_n: int | None
) -> None:
    typed.put()
    if told_n is not None:
        typed.tell(told_n)
    result = typed.run("resume", ALIAS, "--shown", str(SHOWN_N))
    assert result.exit_code == 1
    assert "a halt file stands" in result.output
    assert typed.file.exists()
    assert typed.sent == []


def test_another_file_than_the_one_that_was_told_stays(typed: Typed) -> None:
    typed.put()
    typed.tell(SHOWN_N)
    first = typed.told_file
    while _identity(typed.file) == first:
        typed.put()
    assert typed.run("resume", ALIAS, "--shown", str(SHOWN_N)).exit_code == 1
    assert typed.file.exists()


def test_file_that_is_not_recorded_yet_stands_above_the_question(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    agree(monkeypatch)
    typed.put()
    result = typed.run("resume", ALIAS)
    assert "a halt file stands besides" in result.output
    assert typed.sent == [(resume(), False)]


def test_resume_of_a_symbol_is_about_no_file(typed: Typed) -> None:
    typed.put()
    typed.run("resume", ALIAS, "--symbol", "AAPL", "--shown", str(SHOWN_N))
    assert typed.sent == [(ResumeAccount(symbol="AAPL", shown_n=SHOWN_N), True)]
    assert typed.file.exists()


def test_file_that_was_moved_away_and_back_while_a_person_is_asked_stays(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed.put()
    typed.tell(SHOWN_N)
    before = typed.file.stat()

    def move_away_and_back(question: str, line: str) -> None:
        aside = typed.home / "aside"
        # The kernel's clock of files goes in steps.
        while typed.file.stat().st_ctime_ns == before.st_ctime_ns:
            typed.file.rename(aside)
            aside.rename(typed.file)

    monkeypatch.setattr("infra.cli.control._ask", move_away_and_back)
    typed.run("resume", ALIAS)
    after = typed.file.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert typed.sent == [(resume(), True)]
