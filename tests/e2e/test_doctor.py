"""`tiger-mcp doctor` as a person types it, on a real home: sound, then broken in real ways."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.doctor.broker import check_broker
from infra.doctor.credentials import properties_path
from infra.doctor.finding import Finding, Verdict
from infra.doctor.room import Room
from infra.sandbox.control.client import SandboxControl
from infra.sandbox.wire.faults import ClockSkew, ErrorCode, HttpStatus
from infra.supervisor import detached
from tests.support.cluster import sandbox_of, settings_of
from tests.support.doctor import READING, fields_of

ROOT = Path(__file__).parents[2]
CLI = [sys.executable, "-P", "-m", "infra.cli"]


def doctor(home: Path, user: Path, *words: str, path: str = "") -> tuple[int, dict[str, Any]]:
    """Run the command as this user and return its exit code and its report."""
    project = user / "project"
    project.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        [*CLI, "--home", str(home), "doctor", "--json", *words],
        cwd=project,
        capture_output=True,
        check=False,
        env={"HOME": str(user), "PATH": os.environ["PATH"], "PYTHONPATH": path or str(ROOT)},
    )
    assert result.stdout, result.stderr
    report: dict[str, Any] = json.loads(result.stdout)
    return result.returncode, report


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["verdict"] for each in report["findings"]}


def failures(report: dict[str, Any]) -> dict[str, dict[str, str]]:
    found = report["findings"]
    return {each["check"]: each for each in found if each["verdict"] == Verdict.FAILED}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose cluster runs."""
    home = tmp_path_factory.mktemp("doctor") / "home"
    settings = settings_of(home)
    detached.ensure_up(settings)
    yield home
    detached.stop(settings)


@pytest.fixture
def room(home: Path, tmp_path: Path) -> Room:
    return Room(
        settings=settings_of(home), user_home=tmp_path, project=tmp_path, now=datetime.now(UTC)
    )


@pytest.fixture
def control(home: Path) -> Iterator[SandboxControl]:
    control = sandbox_of(home)
    yield control
    control.clear_faults()


def broker(room: Room) -> dict[str, Finding]:
    return {each.check: each for each in check_broker(room, READING)}


def secrets(room: Room) -> set[str]:
    """Return every number, id, key and token that this home holds."""
    logins = room.home.load().logins
    found = {account.number for login in logins for account in login.accounts}
    for login in logins:
        values = fields_of(room, login)
        found |= {value for name, value in values.items() if "key" in name or "id" in name}
    found |= {file.read_text().strip() for file in room.settings.keys.glob("*.s*")}
    return {each for each in found if each}


def test_running_home_with_a_registered_client_is_sound(home: Path, room: Room) -> None:
    user = room.user_home
    entry = {"command": sys.executable, "args": ["-P", "-m", "infra.cli", "serve"]}
    (user / ".claude.json").write_text(json.dumps({"mcpServers": {"tiger": entry}}))
    code, report = doctor(home, user)
    assert failures(report) == {}
    assert code == 0
    found = verdicts(report)
    assert found["broker alpha"] == found["broker beta"] == found["clock"] == Verdict.OK
    assert found["stdout"] == found["cluster"] == found["Claude Code, tiger"] == Verdict.OK
    assert Verdict.NOT_CHECKED not in found.values()
    told = json.dumps(report)
    assert [secret for secret in secrets(room) if secret in told] == []


def test_without_a_home_it_works_makes_none_and_says_what_to_type(tmp_path: Path) -> None:
    home = tmp_path / "none"
    code, report = doctor(home, tmp_path)
    assert (code, failures(report)) == (0, {})
    assert not home.exists()
    mends = {each["mend"] for each in report["findings"] if each["verdict"] == Verdict.NOT_CHECKED}
    assert "tiger-mcp up" in mends
    assert verdicts(report)["stdout"] == Verdict.OK


def test_entry_whose_arguments_print_something_leaves_the_report_whole(tmp_path: Path) -> None:
    entry = {"command": sys.executable, "args": ["-P", "-m", "infra.cli", "--version"]}
    (tmp_path / ".claude.json").write_text(json.dumps({"mcpServers": {"tiger": entry}}))
    code, report = doctor(tmp_path / "home", tmp_path, "--offline")
    assert (code, verdicts(report)["Claude Code, tiger"]) == (1, Verdict.FAILED)


def test_bad_setting_is_a_finding_too(tmp_path: Path) -> None:
    result = subprocess.run(
        [*CLI, "doctor"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"TIGER_MCP_LOGLEVEL": "debug", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)},
    )
    assert result.returncode == 1
    assert "TIGER_MCP_LOGLEVEL" in result.stdout
    assert "1 failed" in result.stdout


def test_noise_of_a_wrapper_and_of_the_interpreter_is_heard(tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    noise.mkdir()
    (noise / "sitecustomize.py").write_text("print('loading my tools', flush=True)\n")
    wrapper = tmp_path / "wrapper"
    wrapper.write_text("#!/bin/sh\necho starting\n")
    wrapper.chmod(0o700)
    by_wrapper = listen_by(tmp_path, "--serve-command", str(wrapper))
    assert by_wrapper["stdout"] == Verdict.FAILED
    path = os.pathsep.join((str(ROOT), str(noise)))
    assert "no JSON-RPC" in noisy_interpreter(tmp_path, path)


def listen_by(tmp_path: Path, *words: str) -> dict[str, str]:
    code, report = doctor(tmp_path / "home", tmp_path, "--offline", *words)
    assert code == 1
    return verdicts(report)


def noisy_interpreter(tmp_path: Path, path: str) -> str:
    """Return what a person reads whose Python prints at its start; that line comes first."""
    result = subprocess.run(
        [*CLI, "--home", str(tmp_path / "home"), "doctor", "--offline"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": path},
    )
    assert result.returncode == 1
    assert re.search(r"(?m)^failed +stdout: 1 lines", result.stdout), result.stdout
    return result.stdout


def test_wrong_clock_is_found_and_mended(room: Room, control: SandboxControl) -> None:
    control.add_fault(ClockSkew(skew_s=3600), method="accounts")
    assert broker(room)["clock"].verdict is Verdict.FAILED
    control.clear_faults()
    control.add_fault(ClockSkew(skew_s=-5), method="accounts")
    assert broker(room)["clock"].verdict is Verdict.WARNING
    control.clear_faults()
    assert broker(room)["clock"].verdict is Verdict.OK


def test_barred_address_and_a_proxy_between_are_found(room: Room, control: SandboxControl) -> None:
    control.add_fault(ErrorCode(code=4, message="access forbidden(ip)"), method="accounts")
    barred = broker(room)["broker alpha"]
    assert "white list" in barred.seen
    assert barred.mend.startswith("tiger-mcp down, then tiger-mcp up")
    control.clear_faults()
    control.add_fault(HttpStatus(status=502), method="accounts")
    found = broker(room)
    assert "proxy" in found["broker alpha"].mend
    control.clear_faults()
    assert broker(room)["broker alpha"].verdict is Verdict.OK


def test_key_that_the_broker_does_not_know_is_found(room: Room) -> None:
    logins = room.home.load().logins
    first, other = properties_path(room, logins[0]), fields_of(room, logins[1])
    kept = first.read_text()
    lines = kept.splitlines()
    stolen = [f"{name}={text}" for name, text in other.items() if name.startswith("private_key")]
    first.write_text("\n".join([x for x in lines if not x.startswith("private_key")] + stolen))
    try:
        found = broker(room)["broker alpha"]
    finally:
        first.write_text(kept)
    assert found.verdict is Verdict.FAILED
    assert "key" in found.seen
    assert broker(room)["broker alpha"].verdict is Verdict.OK


def test_open_files_fail_with_commands_that_mend_them_and_show_no_secret(
    home: Path, room: Room
) -> None:
    key = room.settings.keys / "gateway.sign"
    properties = properties_path(room, room.home.load().logins[0])
    key.chmod(0o644)
    properties.chmod(0o644)
    code, report = doctor(home, room.user_home)
    found = failures(report)
    assert code == 1
    assert set(found) == {"keys", "credentials alpha"}
    told = json.dumps(report)
    assert [secret for secret in secrets(room) if secret in told] == []
    for each in found.values():
        subprocess.run(each["mend"].split(), check=True)
    assert (key.stat().st_mode | properties.stat().st_mode) & 0o077 == 0
