"""The doctor on what clients have registered, on three platforms, sound and broken."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from infra.cli.__main__ import main
from infra.cli.doctor import complaint_about
from infra.doctor.clients import check_clients, client_files, register_step
from infra.doctor.finding import Finding, Verdict
from infra.doctor.room import Room, our_command
from tests.support.doctor import room_of

COMMAND = our_command()[0]
SOUND: dict[str, Any] = {"command": COMMAND, "args": ["serve"]}


def write(path: Path, servers: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"mcpServers": servers}))


def code_file(room: Room) -> Path:
    return room.project / ".mcp.json"


def desktop_file(room: Room) -> Path:
    return next(each.path for each in client_files(room) if each.is_desktop)


def look(room: Room) -> list[Finding]:
    return list(check_clients(room, complaint_about))


def judged(tmp_path: Path, entry: dict[str, Any], *, is_desktop: bool = False) -> list[Finding]:
    room = room_of(tmp_path / "home")
    write(desktop_file(room) if is_desktop else code_file(room), {"tiger": entry})
    return look(room)


def test_nobody_registered_says_the_command_that_registers(tmp_path: Path) -> None:
    (found,) = look(room_of(tmp_path / "home"))
    assert found.verdict is Verdict.NOT_CHECKED
    assert found.mend == register_step()
    assert found.mend.startswith("claude mcp add --scope user tiger -- ")
    assert found.mend.endswith(" serve")


@pytest.mark.parametrize(
    "platform, place",
    [
        ("linux", ".config/Claude"),
        ("darwin", "Library/Application Support/Claude"),
        ("win32", "AppData/Roaming/Claude"),
        ("win32", "AppData/Local/Packages/Claude_abc123/LocalCache/Roaming/Claude"),
    ],
)
def test_desktop_is_found_on_each_platform(tmp_path: Path, platform: str, place: str) -> None:
    room = room_of(tmp_path / "home", platform=platform)
    write(room.user_home / place / "claude_desktop_config.json", {"tiger": SOUND})
    (found,) = look(room)
    assert (found.check, found.verdict) == ("Claude Desktop, tiger", Verdict.OK)


def test_claude_code_is_found_in_each_of_its_scopes(tmp_path: Path) -> None:
    room = room_of(tmp_path / "home")
    write(code_file(room), {"project": SOUND})
    body = {
        "mcpServers": {"user": SOUND, "other": {"command": "npx", "args": ["-y", "weather"]}},
        "projects": {
            str(room.project): {"mcpServers": {"local": SOUND}},
            "/elsewhere": {"mcpServers": {"far": {"command": "tiger-mcp"}}},
        },
    }
    (room.user_home / ".claude.json").write_text(json.dumps(body))
    found = look(room)
    assert [each.check.split(", ")[1] for each in found] == ["project", "user", "local"]
    assert {each.verdict for each in found} == {Verdict.OK}


@pytest.mark.parametrize("is_desktop", [True, False])
def test_sound_entry_is_ok(tmp_path: Path, is_desktop: bool) -> None:
    (found,) = judged(tmp_path, SOUND, is_desktop=is_desktop)
    assert found.verdict is Verdict.OK


@pytest.mark.parametrize(
    "entry, word",
    [
        ({"command": "/no/such/tiger-mcp", "args": ["serve"]}, "not there"),
        ({"command": "bin/tiger-mcp", "args": ["serve"]}, "folder"),
        ({"command": "", "args": ["-m", "infra.cli", "serve"]}, "no command"),
        ({"command": COMMAND, "args": []}, "expected serve"),
        ({"command": COMMAND, "args": "serve"}, "no list"),
        ({"command": COMMAND, "args": ["up"]}, "expected serve"),
        ({"command": COMMAND, "args": ["--version"]}, "expected serve"),
        ({"command": COMMAND, "args": ["serve", "--transport", "stdio"]}, "No such option"),
        ({"command": COMMAND, "args": ["serve", "--http"]}, "stdio"),
        ({"command": COMMAND, "args": ["run"]}, "No such command"),
        ({"command": COMMAND, "args": ["--home", "/a\0b", "serve"]}, "zero byte"),
        ({"command": sys.executable, "args": ["-P", "-m", "infra.cli", "fly"]}, "No such command"),
    ],
)
def test_entry_that_cannot_start_us_fails_with_what_to_write(
    tmp_path: Path, entry: dict[str, Any], word: str
) -> None:
    (found,) = judged(tmp_path, entry)
    assert found.verdict is Verdict.FAILED
    assert word in found.seen
    assert found.mend.startswith('write "')
    assert "serve" in found.mend or COMMAND in found.mend


def test_arguments_behind_another_program_are_judged_too(tmp_path: Path) -> None:
    home = room_of(tmp_path / "home").settings.home
    wheel = tmp_path / "tiger_mcp.whl"
    wheel.touch()
    uvx = fetcher(tmp_path)
    good: list[tuple[str, list[str]]] = [
        (sys.executable, ["-P", "-m", "infra.cli", "--home", str(home), "serve"]),
        (sys.executable, ["-P", "-m", "infra.cli", "serve", "--era", "legacy"]),
        (uvx, ["--from", str(wheel), "tiger-mcp", "serve"]),
        (uvx, [f"--from={wheel}", "tiger-mcp", f"--home={home}", "serve"]),
        (uvx, ["--from", "git+https://git.example/us.git", "tiger-mcp", "serve"]),
    ]
    for command, arguments in good:
        (found,) = judged(tmp_path, {"command": command, "args": arguments})
        assert found.verdict is Verdict.OK, found


def fetcher(folder: Path) -> str:
    """Return a program of that name, which is looked at and never started."""
    program = folder / "uvx"
    program.write_text("")
    program.chmod(0o700)
    return str(program)


@pytest.mark.parametrize(
    "arguments, verdict, word",
    [
        (["tiger-mcp", "serve"], Verdict.WARNING, "public registry"),
        (["tiger-mcp@latest", "serve"], Verdict.WARNING, "public registry"),
        (["--from", "tiger-mcp", "tiger-mcp", "serve"], Verdict.WARNING, "public registry"),
        (["--from", "tiger_mcp==0.1", "tiger-mcp", "serve"], Verdict.WARNING, "public registry"),
        (["--from=tiger-mcp[all]", "tiger-mcp", "serve"], Verdict.WARNING, "public registry"),
        (["--from", "/no/such/us.whl", "tiger-mcp", "serve"], Verdict.FAILED, "is not there"),
        (["--from", "/no/such/project", "tiger-mcp", "serve"], Verdict.FAILED, "is not there"),
        (["--from", "dist/us.whl", "tiger-mcp", "serve"], Verdict.FAILED, "folder that the client"),
        (["--from", "us.whl", "tiger-mcp", "serve"], Verdict.FAILED, "folder that the client"),
    ],
)
def test_what_fetches_us_must_have_somewhere_of_ours_to_fetch_from(
    tmp_path: Path, arguments: list[str], verdict: Verdict, word: str
) -> None:
    (found,) = judged(tmp_path, {"command": fetcher(tmp_path), "args": arguments})
    assert (found.verdict, word in found.seen) == (verdict, True), found
    assert COMMAND in found.mend


@pytest.mark.parametrize(
    "entry",
    [
        {"args": ["--home", "/another", "serve"]},
        {"args": ["--home=/another", "serve"]},
        {"args": ["--home", "relative", "serve"]},
        {"args": ["serve"], "env": {"TIGER_MCP_HOME": "/another"}},
        {"args": ["serve"], "env": {"TIGER_MCP_HOME": "~/another"}},
    ],
)
def test_entry_of_another_home_is_a_warning(tmp_path: Path, entry: dict[str, Any]) -> None:
    (found,) = judged(tmp_path, {"command": COMMAND} | entry)
    assert found.verdict is Verdict.WARNING, found
    assert str(room_of(tmp_path / "home").settings.home) in found.seen


def test_entry_of_the_examined_home_is_ok(tmp_path: Path) -> None:
    home = str(room_of(tmp_path / "home").settings.home)
    for entry in ({"args": ["--home", home, "serve"]}, {"env": {"TIGER_MCP_HOME": home}}):
        (found,) = judged(tmp_path, SOUND | entry)
        assert found.verdict is Verdict.OK, found


def test_variable_that_desktop_hands_on_is_a_warning(tmp_path: Path) -> None:
    entry = SOUND | {"env": {"TIGER_MCP_NATS_KEYS": "${HOME}/keys"}}
    (code,) = judged(tmp_path / "a", entry)
    (desktop,) = judged(tmp_path / "b", entry, is_desktop=True)
    assert (code.verdict, desktop.verdict) == (Verdict.OK, Verdict.WARNING)
    assert "TIGER_MCP_NATS_KEYS" in desktop.seen


def test_url_that_is_none_fails(tmp_path: Path) -> None:
    (found,) = judged(tmp_path, {"type": "http", "url": "http://[::1/mcp"})
    assert found.verdict is Verdict.FAILED
    assert "no address" in found.seen


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["serve", "--help"]])
def test_judging_arguments_prints_nothing(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert complaint_about(arguments)
    assert "".join(capsys.readouterr()) == ""


def test_command_from_the_path_is_a_warning_for_desktop_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(COMMAND).parent))
    entry = {"command": Path(COMMAND).name, "args": ["serve"]}
    (code,) = judged(tmp_path / "a", entry)
    (desktop,) = judged(tmp_path / "b", entry, is_desktop=True)
    assert (code.verdict, desktop.verdict) == (Verdict.OK, Verdict.WARNING)
    assert COMMAND in desktop.mend


SECRET = "MIICXgIBAAKBgQ" * 12


@pytest.mark.parametrize(
    "env",
    [
        {"TIGEROPEN_PRIVATE_KEY": "abcdef"},
        {"TIGEROPEN_TOKEN": "abcdef"},
        {"MY_PASSWORD": "abcdef"},
        {"SOMETHING": SECRET},
        {"SOMETHING": "-----BEGIN RSA PRIVATE KEY-----abcdef"},
    ],
)
def test_secret_in_env_fails_and_is_not_shown(tmp_path: Path, env: dict[str, str]) -> None:
    (found,) = judged(tmp_path, SOUND | {"env": env})
    assert found.verdict is Verdict.FAILED
    assert next(iter(env)) in found.seen
    assert "abcdef" not in found.seen + found.mend
    assert SECRET[:10] not in found.seen + found.mend


@pytest.mark.parametrize(
    "env",
    [
        {"TIGER_MCP_LOG_LEVEL": "debug"},
        {"TIGER_MCP_NATS_KEYS": "/some/keys"},
        {"MY_TOKEN": "${MY_TOKEN}"},
        {"PATH": "/usr/bin"},
    ],
)
def test_harmless_env_is_ok(tmp_path: Path, env: dict[str, str]) -> None:
    (found,) = judged(tmp_path, SOUND | {"env": env})
    assert found.verdict is Verdict.OK


@pytest.mark.parametrize("env", [{"TIGER_MCP_LOGLEVEL": "debug"}, {"TIGER_MCP_HTTP_PORT": "http"}])
def test_setting_that_stops_the_start_fails(tmp_path: Path, env: dict[str, str]) -> None:
    (found,) = judged(tmp_path, SOUND | {"env": env})
    assert found.verdict is Verdict.FAILED
    assert next(iter(env)) in found.seen


@pytest.mark.parametrize(
    "entry, is_desktop, verdict",
    [
        ({"type": "http", "url": "https://desk.example/mcp"}, False, Verdict.OK),
        ({"type": "http", "url": "http://127.0.0.1:8765/mcp"}, False, Verdict.OK),
        ({"type": "http", "url": "http://desk.example/mcp"}, False, Verdict.FAILED),
        ({"type": "http", "url": "https://desk.example/mcp"}, True, Verdict.FAILED),
        (
            {"url": "https://d.example/mcp", "headers": {"Authorization": "Bearer abcdef"}},
            False,
            Verdict.FAILED,
        ),
        (
            {"url": "https://d.example/mcp", "headers": {"Authorization": "Bearer ${T}"}},
            False,
            Verdict.OK,
        ),
    ],
)
def test_address_is_judged(
    tmp_path: Path, entry: dict[str, Any], is_desktop: bool, verdict: Verdict
) -> None:
    (found,) = judged(tmp_path, entry, is_desktop=is_desktop)
    assert found.verdict is verdict
    assert "abcdef" not in found.seen + found.mend


def test_tigers_own_server_beside_us_is_a_warning(tmp_path: Path) -> None:
    room = room_of(tmp_path / "home")
    write(code_file(room), {"tiger": SOUND, "tigermcp": {"command": "uvx", "args": ["tigermcp"]}})
    assert [each.verdict for each in look(room)] == [Verdict.OK, Verdict.WARNING]


def test_file_with_a_comma_too_many_fails_and_the_others_are_read(tmp_path: Path) -> None:
    room = room_of(tmp_path / "home")
    write(code_file(room), {"tiger": SOUND})
    desktop = desktop_file(room)
    desktop.parent.mkdir(parents=True)
    desktop.write_text('{"mcpServers": {"a": {"command": "C:\\Users"},}}')
    found = look(room)
    assert [each.verdict for each in found] == [Verdict.FAILED, Verdict.OK]
    assert str(desktop) in found[0].seen


@pytest.mark.parametrize("body", ["[]", '{"mcpServers": []}', '{"mcpServers": {"tiger-mcp": 1}}'])
def test_file_of_another_shape_breaks_nothing(tmp_path: Path, body: str) -> None:
    room = room_of(tmp_path / "home")
    code_file(room).parent.mkdir(parents=True)
    code_file(room).write_text(body)
    assert Verdict.OK not in {each.verdict for each in look(room)}


def test_command_line_with_an_open_quote_is_refused_in_a_sentence(tmp_path: Path) -> None:
    words = ["--home", str(tmp_path / "home"), "doctor", "--serve-command", '"unbalanced']
    told = CliRunner().invoke(main, words)
    assert (told.exit_code, type(told.exception)) == (2, SystemExit)
    assert "--serve-command" in told.output


@given(st.lists(st.text(max_size=12), max_size=4))
def test_no_arguments_break_the_command_line(arguments: list[str]) -> None:
    assert isinstance(complaint_about(arguments), str)
