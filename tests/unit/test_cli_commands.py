"""The command line without a cluster: it says what to do, on stderr, without a traceback."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from core import codec
from core.account_events import AccountHalted
from core.errors import ConfigError
from core.ports import EventMessage
from infra.cli.__main__ import COMMANDS, main
from infra.cli.events import Line, readable
from infra.cli.serve import Prepare
from infra.cli.terminal import shown
from infra.config import Settings
from infra.home import Home
from infra.supervisor.installation import load_or_make, topology_of
from infra.supervisor.status import Phase, Status, write_status

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def run(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--home", str(home), *arguments])


def test_every_command_that_a_text_names_exists() -> None:
    named = {
        word
        for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *sources())
        for word in re.findall(r"`tiger-mcp ([a-z]+)", path.read_text())
    }
    assert named - set(COMMANDS) == set()


def sources() -> Iterator[Path]:
    for folder in ("core", "adapters", "projections", "infra"):
        yield from (ROOT / folder).glob("**/*.py")


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"demo", "bench", "sandbox"}))
def test_every_command_explains_itself(tmp_path: Path, name: str) -> None:
    result = run(tmp_path, name, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_version_is_told() -> None:
    assert CliRunner().invoke(main, ["--version"]).output.startswith("tiger-mcp ")


def test_unknown_command_is_refused(tmp_path: Path) -> None:
    assert run(tmp_path, "fly").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("account", "list"),
        ("halt", "sandbox"),
        ("resume", "sandbox"),
        ("release", "sandbox", "ord-1"),
        ("events", "tail"),
        ("nats", "config"),
    ],
)
def test_without_an_installation_the_next_step_is_named(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    result = run(tmp_path / "home", *arguments)
    assert result.exit_code == 1
    assert "tiger-mcp up" in result.output
    assert isinstance(result.exception, SystemExit)


def test_down_without_a_cluster_is_no_fault(tmp_path: Path) -> None:
    assert run(tmp_path / "home", "down").exit_code == 0


def test_bad_setting_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIGER_MCP_LOGLEVEL", "info")
    result = run(tmp_path, "status")
    assert result.exit_code == 1
    assert "TIGER_MCP_LOGLEVEL" in result.output


@pytest.mark.parametrize(
    "arguments", [("token", "issue", "ann", "--grant", "sandbox=viewer"), ("serve", "--http")]
)
def test_address_that_no_client_could_use_is_refused_by_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    load_or_make(Home(tmp_path))
    monkeypatch.setenv("TIGER_MCP_HTTP_URL", "http://[::1")
    result = run(tmp_path, *arguments)
    assert result.exit_code == 1
    assert result.output.startswith("Error: TIGER_MCP_HTTP_URL: expected an address")


def test_status_of_a_failed_start_says_why(tmp_path: Path) -> None:
    failed = Status(
        pid=1,
        phase=Phase.FAILED,
        step="",
        started_at=NOW,
        updated_at=NOW,
        message="expected port 4222 free",
    )
    write_status(Home(tmp_path), failed)
    assert "expected port 4222 free" in run(tmp_path, "status").output


def test_halt_works_by_the_file_while_nats_is_down(tmp_path: Path) -> None:
    home = Home(tmp_path)
    load_or_make(home)
    result = run(tmp_path, "halt", "sandbox")
    assert result.exit_code == 0
    assert "the halt file is in place" in result.output
    assert home.halt_file("sandbox").exists()


@pytest.mark.parametrize("content", [None, b"", b"x"], ids=["missing", "empty", "damaged"])
@pytest.mark.parametrize("of_key", ["home", "setting"])
def test_halt_by_file_is_told_whatever_became_of_the_persons_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, of_key: str
) -> None:
    home = Home(tmp_path)
    load_or_make(home)
    keys = home.path / "keys" if of_key == "home" else tmp_path / "elsewhere"
    keys.mkdir(exist_ok=True)
    if of_key == "setting":
        monkeypatch.setenv("TIGER_MCP_NATS_KEYS", str(keys))
    if content is not None:
        (keys / "operator.seed").write_bytes(content)
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1:1")
    monkeypatch.setenv("TIGER_MCP_NATS_MONITOR", "http://127.0.0.1:1")
    result = run(tmp_path, "halt", "sandbox")
    assert result.exit_code == 0
    assert "the halt file is in place" in result.output
    assert str(keys / "operator.seed") in result.output
    assert home.halt_file("sandbox").exists()
    symbol = run(tmp_path, "halt", "sandbox", "--symbol", "AAPL")
    assert isinstance(symbol.exception, SystemExit)
    assert "`tiger-mcp halt sandbox` without --symbol works without NATS" in symbol.output


def test_a_halt_is_not_refused_for_its_words(tmp_path: Path) -> None:
    home = Home(tmp_path)
    load_or_make(home)
    assert run(tmp_path, "halt", "sandbox", "--detail", "x\x1b[2J").exit_code == 0
    assert msgspec.json.decode(home.halt_file("sandbox").read_bytes()) == "x\\u001b[2J"


@given(st.text())
def test_what_is_shown_is_one_printable_line_and_the_same_json(text: str) -> None:
    assert shown(text).isprintable()
    assert text.isprintable() == (shown(text) == text)
    in_json = json.dumps(text, ensure_ascii=False)
    assert json.loads(shown(in_json)) == text


def test_halt_of_a_symbol_needs_nats(tmp_path: Path) -> None:
    home = Home(tmp_path)
    load_or_make(home)
    assert run(tmp_path, "halt", "sandbox", "--symbol", "AAPL").exit_code == 1
    assert not home.halt_file("sandbox").exists()


def test_resume_keeps_the_halt_file_while_nats_is_down(tmp_path: Path) -> None:
    home = Home(tmp_path)
    load_or_make(home)
    run(tmp_path, "halt", "sandbox")
    assert run(tmp_path, "resume", "sandbox").exit_code == 1
    assert home.halt_file("sandbox").exists()


def test_control_of_an_unknown_account_names_the_known_ones(tmp_path: Path) -> None:
    load_or_make(Home(tmp_path))
    result = run(tmp_path, "halt", "nope")
    assert result.exit_code == 1
    assert "sandbox, sandbox-paper, sandbox-two" in result.output


def test_each_home_has_an_installation_of_its_own(tmp_path: Path) -> None:
    one, two = Home(tmp_path / "one"), Home(tmp_path / "two")
    first = load_or_make(one)
    assert load_or_make(one) == first
    assert load_or_make(two).ledger_id != first.ledger_id
    assert topology_of(first).gateway_accounts == ("sandbox", "sandbox-paper", "sandbox-two")
    assert all((one.path / login.properties).exists() for login in first.logins)


def test_serve_imports_neither_the_broker_nor_nats_before_the_gateway() -> None:
    code = (
        "import sys, infra.cli.__main__, infra.cli.serve, adapters.mcp.__main__\n"
        "print([name for name in ('tigeropen', 'pandas', 'nats', 'cryptography.hazmat.primitives"
        ".asymmetric.ed25519', 'eventsourcing') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.strip() == "[]"


def halted(n: int) -> codec.Recorded:
    return codec.Recorded(
        type="account.halted",
        event_id=f"evt-{n}",
        account="sandbox",
        n=n,
        recorded_at=NOW,
        correlation_id="cor-1",
        causation_id="",
        actor="person:operator",
        code_version="0",
        data=AccountHalted(command_id="c", person="operator", symbol="", detail="because"),
    )


def test_fact_is_shown_on_one_line() -> None:
    assert readable(halted(3)) == (
        "10:00:00.000 sandbox #3 account.halted command_id=c person=operator detail=because"
    )


def test_missed_fact_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    line = Line(as_json=False)
    prev = codec.FIRST_PREV
    for n, is_heard in ((1, True), (2, True), (3, False), (4, True), (5, True)):
        subject, body = codec.encode(halted(n), prev=prev)
        prev = codec.digest(subject, body)
        if is_heard:
            line.hear(EventMessage(subject.replace("log", "evt", 1), n, body))
    captured = capsys.readouterr()
    assert [shown.split()[2] for shown in captured.out.splitlines()] == ["#1", "#2", "#4", "#5"]
    assert captured.err.startswith("gap or damage before sequence 4")


def test_serve_starts_no_cluster_again_that_a_person_stopped(tmp_path: Path) -> None:
    moment = NOW
    stopped = Status(
        pid=1, phase=Phase.STOPPED, step="", started_at=moment, updated_at=moment, processes=()
    )
    write_status(Home(tmp_path), stopped)
    prepare = Prepare(Settings(home=tmp_path), was_up=True)
    with pytest.raises(ConfigError, match="tiger-mcp up"):
        prepare()
