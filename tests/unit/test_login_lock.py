"""The lock of a login: one place per user, whatever the environment says."""

import os
import pwd
from pathlib import Path

import pytest

from core.errors import ConfigError
from infra.login_lock import is_in_place, login_locks, take_login_lock

TIGER_ID = "20150001"


def test_two_environments_lead_to_one_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = set()
    for name in ("one", "two"):
        monkeypatch.setenv("HOME", str(tmp_path / name))
        found.add(login_locks())
    monkeypatch.delenv("HOME")
    found.add(login_locks())
    user = Path(pwd.getpwuid(os.getuid()).pw_dir)
    assert found == {user / ".local" / "state" / "tiger-mcp" / "logins"}


def test_login_is_held_once_and_again_after_its_release(tmp_path: Path) -> None:
    folder = tmp_path / "locks"
    held = take_login_lock(TIGER_ID, folder=folder)
    assert held is not None
    assert take_login_lock(TIGER_ID, folder=folder) is None
    other = take_login_lock("20150002", folder=folder)
    assert other is not None
    held.release()
    again = take_login_lock(TIGER_ID, folder=folder)
    assert again is not None
    for lock in (other, again):
        lock.release()


def test_no_name_of_a_lock_tells_its_login(tmp_path: Path) -> None:
    with take_login_lock(TIGER_ID, folder=tmp_path) or pytest.fail("it was free"):
        assert not any(TIGER_ID in file.name for file in tmp_path.iterdir())


@pytest.mark.parametrize("is_replaced", [False, True])
def test_lock_whose_file_is_gone_is_no_more_in_place(tmp_path: Path, is_replaced: bool) -> None:
    lock = take_login_lock(TIGER_ID, folder=tmp_path)
    assert lock is not None
    assert is_in_place(lock)
    lock.path.unlink()
    if is_replaced:
        lock.path.touch()
    assert not is_in_place(lock)
    lock.release()


def test_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError):
        take_login_lock(TIGER_ID, folder=tmp_path / "file" / "logins")


@pytest.mark.parametrize("folder", ["", "relative"])
def test_user_without_a_folder_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    entry = pwd.struct_passwd(("ann", "x", 1, 1, "", folder, "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    with pytest.raises(ConfigError):
        login_locks()


def test_user_whom_the_database_does_not_know_stops_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(ConfigError):
        login_locks()
