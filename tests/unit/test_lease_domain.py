"""The lock domain: shared only by processes of which the login's lock lets one alone live."""

import sys
from pathlib import Path

import pytest

from infra.login_lock import take_login_lock
from infra.nats.home_lock import HomeLock
from infra.nats.lease_domain import lock_domain, read_boot_identity

TIGER_ID = "20150001"


def held(folder: Path) -> HomeLock:
    lock = take_login_lock(TIGER_ID, folder=folder)
    assert lock is not None
    return lock


def domain(folder: Path, *, is_own_server: bool = False, boot: str | None = "boot-1") -> str:
    with held(folder) as lock:
        return lock_domain(lock, is_own_server=is_own_server, boot=boot)


@pytest.mark.parametrize("is_own_server", [False, True])
def test_one_lock_file_is_one_domain_however_often_it_is_taken(
    tmp_path: Path, is_own_server: bool
) -> None:
    assert domain(tmp_path, is_own_server=is_own_server) == domain(
        tmp_path, is_own_server=is_own_server
    )


@pytest.mark.parametrize("is_own_server", [False, True])
def test_two_lock_files_of_one_name_are_two_domains(tmp_path: Path, is_own_server: bool) -> None:
    one = domain(tmp_path / "one", is_own_server=is_own_server)
    assert one != domain(tmp_path / "two", is_own_server=is_own_server)


@pytest.mark.skipif(sys.platform == "win32", reason="a file that is open is not removed there")
def test_lock_file_in_the_place_of_a_removed_one_is_another_domain(tmp_path: Path) -> None:
    with held(tmp_path) as lock:
        before = lock_domain(lock, is_own_server=True, boot=None)
        lock.path.unlink()
        # Its holder may live on, without the lock.
        assert domain(tmp_path, is_own_server=True) != before


def test_another_start_of_the_machine_is_another_domain_on_a_shared_server(tmp_path: Path) -> None:
    assert domain(tmp_path, boot="boot-1") != domain(tmp_path, boot="boot-2")


def test_machine_without_a_name_for_its_start_shares_no_domain(tmp_path: Path) -> None:
    assert domain(tmp_path, boot=None) != domain(tmp_path, boot=None)


def test_start_on_the_homes_own_server_waits_for_no_earlier_start_of_the_machine(
    tmp_path: Path,
) -> None:
    one, two = (domain(tmp_path, is_own_server=True, boot=boot) for boot in ("boot-1", "boot-2"))
    assert one == two
    assert one != domain(tmp_path, is_own_server=False)


def test_domain_tells_nothing_of_the_machine(tmp_path: Path) -> None:
    found = domain(tmp_path, boot="boot-1")
    assert "boot-1" not in found
    assert len(found) == 32


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such name")
def test_start_of_this_machine_has_one_name() -> None:
    assert read_boot_identity()
    assert read_boot_identity() == read_boot_identity()
