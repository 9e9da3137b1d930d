"""Keys, ports, the lock on the home, and the server's version."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import ConfigError
from infra.nats.home_lock import HomeLock, LockOwner, read_owner
from infra.nats.keys import (
    create_missing,
    public_nkey,
    read_public_keys,
    read_signing_key,
    read_verify_key,
    signing_key_path,
)
from infra.nats.layout import NatsHome
from infra.nats.ports import Ports, read_or_choose_ports, read_ports
from infra.nats.server import find_binary, parse_version
from infra.nats.topology import LoginPlan, Topology, role_names

TOPOLOGY = Topology(logins=(LoginPlan(name="x", accounts=("a1",)),), operators=("operator", "ann"))
ME = LockOwner(pid=os.getpid(), purpose="test")

HOLD = """
import os, sys
from pathlib import Path
from infra.nats.home_lock import HomeLock, LockOwner
lock = HomeLock.try_acquire(Path(sys.argv[1]), owner=LockOwner(pid=os.getpid(), purpose="holder"))
print("held" if lock else "refused", flush=True)
sys.stdin.readline()
"""


def holder(path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def first_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_a_lock_held_by_another_process_is_refused_until_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "home.lock"
    with holder(path) as process:
        assert first_line(process) == "held"
        assert HomeLock.try_acquire(path, owner=ME) is None
        assert read_owner(path) == LockOwner(pid=process.pid, purpose="holder")
        process.send_signal(signal.SIGTERM)
        process.wait(5)
    lock = HomeLock.try_acquire(path, owner=ME)
    assert lock is not None
    with lock, holder(path) as process:
        assert first_line(process) == "refused"
        assert read_owner(path) == ME
        process.communicate("\n")


def test_a_lock_is_free_after_release(tmp_path: Path) -> None:
    for _ in range(2):
        lock = HomeLock.try_acquire(tmp_path / "lock", owner=ME)
        assert lock is not None
        lock.release()


@pytest.mark.skipif(sys.platform == "win32", reason="there a lock cannot be inherited")
def test_a_child_that_inherits_the_lock_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    lock = HomeLock.try_acquire(path, owner=ME)
    assert lock is not None
    wait_for_line = [sys.executable, "-c", "import sys; sys.stdin.readline()"]
    with subprocess.Popen(wait_for_line, stdin=subprocess.PIPE, pass_fds=(lock.fileno(),)) as child:
        lock.release()
        assert HomeLock.try_acquire(path, owner=ME) is None
        child.communicate(b"\n")
    again = HomeLock.try_acquire(path, owner=ME)
    assert again is not None
    again.release()


def test_a_lock_without_a_readable_owner_has_none(tmp_path: Path) -> None:
    assert read_owner(tmp_path / "absent") is None
    (tmp_path / "lock").write_text("not json")
    assert read_owner(tmp_path / "lock") is None


def test_ports_are_chosen_once(tmp_path: Path) -> None:
    path = tmp_path / "run" / "ports.json"
    assert read_ports(path) is None
    chosen = read_or_choose_ports(path)
    assert chosen.client != chosen.monitor
    assert read_or_choose_ports(path) == chosen
    assert read_ports(path) == chosen


@pytest.mark.parametrize("text", ["", "{}", '{"client":1,"monitor":1}', '{"client":"x"}'])
def test_damaged_ports_stop_the_start(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ports.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        read_or_choose_ports(path)


def test_ports_say_their_addresses() -> None:
    ports = Ports(client=4222, monitor=8222)
    assert ports.client_url == "nats://127.0.0.1:4222"
    assert ports.monitor_url == "http://127.0.0.1:8222"


def test_keys_are_made_once_and_for_their_owner_alone(tmp_path: Path) -> None:
    home = NatsHome(tmp_path / "home")
    created = create_missing(home, TOPOLOGY)
    assert set(created) == {*role_names(TOPOLOGY), "gateway.sign", "operator.sign", "ann.sign"}
    before = {path.name: path.read_bytes() for path in home.keys_dir.iterdir()}
    assert create_missing(home, TOPOLOGY) == ()
    assert {path.name: path.read_bytes() for path in home.keys_dir.iterdir()} == before
    if sys.platform != "win32":
        for path in home.keys_dir.iterdir():
            expected = 0o644 if path.suffix == ".pub" else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == expected


def test_every_role_has_a_key_of_its_own(tmp_path: Path) -> None:
    home = NatsHome(tmp_path)
    create_missing(home, TOPOLOGY)
    keys = read_public_keys(home, TOPOLOGY)
    assert set(keys) == set(role_names(TOPOLOGY))
    assert len(set(keys.values())) == len(keys)
    assert all(key.startswith("U") for key in keys.values())


def test_what_a_signing_key_signs_its_public_file_verifies(tmp_path: Path) -> None:
    home = NatsHome(tmp_path)
    create_missing(home, TOPOLOGY)
    path = signing_key_path(home, "ann")
    signature = read_signing_key(path).sign(b"approve")
    read_verify_key(path.with_suffix(".pub")).verify(signature, b"approve")


def test_a_lost_public_file_is_derived_again(tmp_path: Path) -> None:
    home = NatsHome(tmp_path)
    create_missing(home, TOPOLOGY)
    public = signing_key_path(home, "gateway").with_suffix(".pub")
    before = public.read_bytes()
    public.unlink()
    assert create_missing(home, TOPOLOGY) == ()
    assert public.read_bytes() == before


@pytest.mark.skipif(sys.platform == "win32", reason="modes say nothing there")
def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    home = NatsHome(tmp_path)
    create_missing(home, TOPOLOGY)
    home.seed_path("gateway").chmod(0o640)
    with pytest.raises(ConfigError):
        read_public_keys(home, TOPOLOGY)
    signing_key_path(home, "gateway").chmod(0o604)
    with pytest.raises(ConfigError):
        read_signing_key(signing_key_path(home, "gateway"))


@pytest.mark.parametrize("content", [b"", b"SUAnot-a-seed", b"\xff\xfe", b"c2hvcnQ="])
def test_a_damaged_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "role.seed"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError):
        public_nkey(path)
    with pytest.raises(ConfigError):
        read_signing_key(path)
    with pytest.raises(ConfigError):
        read_verify_key(path)


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        public_nkey(tmp_path / "absent.seed")


@pytest.mark.parametrize(
    "text,version",
    [
        ("nats-server: v2.15.1", (2, 15, 1)),
        ("nats-server: v2.15.1\n", (2, 15, 1)),
        ("2.16.0", (2, 16, 0)),
        ("nats-server: v2.16.0-RC.1", None),
        ("nats-server: v2.15", None),
        ("", None),
    ],
)
def test_a_version_is_a_release_or_nothing(text: str, version: tuple[int, int, int] | None) -> None:
    assert parse_version(text) == version


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize("answer", ["nats-server: v2.15.0", "nats-server: v2.9.10", "hello"])
def test_an_old_or_unknown_server_is_refused(tmp_path: Path, answer: str) -> None:
    binary = tmp_path / "nats-server"
    binary.write_text(f"#!/bin/sh\necho '{answer}'\n")
    binary.chmod(0o755)
    with pytest.raises(ConfigError):
        find_binary(binary)


def test_a_missing_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        find_binary(tmp_path / "absent")


def test_the_installed_server_is_found() -> None:
    assert find_binary().name.startswith("nats-server")
