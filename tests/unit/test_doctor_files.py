"""The doctor on the home, its keys, locks and ports: real broken states, each mended again."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from infra.doctor.examination import examine
from infra.doctor.files import (
    MIB,
    check_disk,
    check_home,
    check_installation,
    check_keys,
    check_locks,
    disk_finding,
)
from infra.doctor.finding import Finding, Verdict
from infra.doctor.owning import owner_objection
from infra.doctor.room import Room
from infra.doctor.running import (
    check_cluster,
    check_http_port,
    check_http_tls,
    check_nats_address,
    check_ports,
    cluster_findings,
)
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.keys import create_missing
from infra.nats.layout import NatsHome
from infra.nats.ports import read_or_choose_ports
from infra.sandbox.push.certificate import CERTIFICATE_FILE, KEY_FILE, tls_context
from infra.supervisor.installation import load_or_make, topology_of
from infra.supervisor.status import (
    SUPERVISOR,
    Phase,
    ProcessState,
    ProcessStatus,
    Status,
    supervisor_lock_path,
    write_status,
)
from tests.support.doctor import NOW, READING, room_of


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = room_of(tmp_path / "home")
    installation = load_or_make(room.home)
    create_missing(NatsHome(room.settings.home), topology_of(installation))
    room.settings.home.chmod(0o700)
    return room


def only(findings: Iterator[Finding]) -> Finding:
    (found,) = findings
    return found


def test_disk_is_judged_by_what_is_free(tmp_path: Path) -> None:
    assert only(check_disk(room_of(tmp_path / "not" / "there"))).verdict is not None
    assert disk_finding(tmp_path, 10_000 * MIB).verdict is Verdict.OK
    assert disk_finding(tmp_path, 1_000 * MIB).verdict is Verdict.WARNING
    assert disk_finding(tmp_path, 100 * MIB).verdict is Verdict.FAILED


def test_without_a_home_each_check_says_what_to_type(tmp_path: Path) -> None:
    room = room_of(tmp_path / "home")
    checks = (check_home, check_installation, check_keys, check_locks, check_cluster)
    for check in checks:
        found = only(check(room))
        assert (found.verdict, found.mend) == (Verdict.NOT_CHECKED, "tiger-mcp up")
    assert not room.settings.home.exists()


def test_sound_home_is_ok(room: Room) -> None:
    for check in (check_home, check_installation, check_keys):
        assert only(check(room)).verdict is Verdict.OK


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702])
def test_home_that_others_may_write_fails(room: Room, mode: int) -> None:
    room.settings.home.chmod(mode)
    found = only(check_home(room))
    assert found.verdict is Verdict.FAILED
    assert found.mend == f"chmod 700 {room.settings.home}"


def test_home_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    assert only(check_home(room_of(tmp_path / "home"))).verdict is Verdict.FAILED


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_home_that_cannot_be_made_fails_and_blames_no_disk() -> None:
    room = room_of(Path("/proc/x"))
    found = only(check_home(room))
    assert (found.verdict, found.mend) == (Verdict.FAILED, "choose another: --home FOLDER")
    assert "/proc" in found.seen
    assert only(check_disk(room)).verdict is Verdict.NOT_CHECKED


def test_home_below_a_file_or_a_folder_that_may_not_be_written_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    assert only(check_home(room_of(tmp_path / "file" / "home"))).verdict is Verdict.FAILED
    assert only(check_home(room_of(tmp_path / "home"))).verdict is Verdict.NOT_CHECKED
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path)
    found = only(check_home(room_of(tmp_path / "not" / "there")))
    assert found.verdict is Verdict.FAILED
    assert str(tmp_path) in found.seen


def test_home_that_others_may_read_is_ok(room: Room) -> None:
    room.settings.home.chmod(0o755)
    assert only(check_home(room)).verdict is Verdict.OK


def test_home_of_another_user_fails(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    assert owner_objection(room, "home", room.settings.home) is None
    monkeypatch.setattr(os, "getuid", lambda: room.settings.home.stat().st_uid + 1)
    found = only(check_home(room))
    assert found.verdict is Verdict.FAILED
    assert "chown" in found.mend


def test_damaged_or_readable_list_of_accounts_fails_and_tells_no_number(room: Room) -> None:
    file = room.home.installation_file
    numbers = [a.number for login in room.home.load().logins for a in login.accounts]
    assert not any(number in only(check_installation(room)).seen for number in numbers)
    file.chmod(0o644)
    assert only(check_installation(room)).mend == f"chmod 600 {file}"
    file.write_bytes(file.read_bytes()[:-10])
    found = only(check_installation(room))
    assert found.verdict is Verdict.FAILED
    assert "truncated" in found.seen
    assert not any(number in found.seen + found.mend for number in numbers)


@pytest.mark.parametrize("name", ["gateway.seed", "gateway.sign"])
def test_key_that_others_may_read_fails_until_it_is_mended(room: Room, name: str) -> None:
    key = room.settings.keys / name
    key.chmod(0o644)
    found = only(check_keys(room))
    assert (found.verdict, found.mend) == (Verdict.FAILED, f"chmod 600 {key}")
    subprocess.run(found.mend.split(), check=True)
    assert only(check_keys(room)).verdict is Verdict.OK


@pytest.mark.parametrize("name", ["gateway.seed", "gateway.sign", "gateway.pub"])
def test_damaged_key_fails_and_is_not_shown(room: Room, name: str) -> None:
    key = room.settings.keys / name
    key.write_text("SUDAMAGED")
    found = only(check_keys(room))
    assert found.verdict is Verdict.FAILED
    assert "SUDAMAGED" not in found.seen + found.mend


def test_missing_key_fails_with_its_role(room: Room) -> None:
    (room.settings.keys / "gateway.seed").unlink()
    found = only(check_keys(room))
    assert found.verdict is Verdict.FAILED
    assert "gateway" in found.seen


@pytest.mark.parametrize("name", ["operator.sign", "operator.pub", "gateway.sign", "gateway.pub"])
def test_missing_half_of_a_signing_pair_fails(room: Room, name: str) -> None:
    (room.settings.keys / name).unlink()
    found = only(check_keys(room))
    assert found.verdict is Verdict.FAILED
    assert name in found.seen
    assert "tiger-mcp up" in found.mend


def test_halves_of_two_pairs_fail(room: Room) -> None:
    keys = room.settings.keys
    (keys / "operator.pub").write_bytes((keys / "gateway.pub").read_bytes())
    found = only(check_keys(room))
    assert found.verdict is Verdict.FAILED
    assert "does not belong" in found.seen


def test_lock_held_by_a_living_supervisor_is_ok(room: Room) -> None:
    owner = LockOwner(pid=os.getpid(), purpose=SUPERVISOR)
    supervisor = HomeLock.try_acquire(supervisor_lock_path(room.home), owner=owner)
    held = HomeLock.try_acquire(NatsHome(room.settings.home).lock_path, owner=owner)
    assert supervisor is not None
    assert held is not None
    with supervisor, held:
        assert only(check_locks(room)).verdict is Verdict.OK
    assert only(check_locks(room)).verdict is Verdict.OK


def test_lock_that_a_leftover_of_a_dead_process_holds_fails(room: Room) -> None:
    path = NatsHome(room.settings.home).lock_path
    # Stands for a nats-server that inherited the lock from a supervisor now gone.
    held = HomeLock.try_acquire(path, owner=LockOwner(pid=1_999_999, purpose=SUPERVISOR))
    assert held is not None
    with held:
        found = only(check_locks(room))
        assert (found.verdict, found.mend) == (Verdict.FAILED, "tiger-mcp down")
        assert "1999999" in found.seen
    assert only(check_locks(room)).verdict is Verdict.OK


def test_port_of_ours_taken_by_a_stranger_fails_until_it_is_free(room: Room) -> None:
    ports = read_or_choose_ports(NatsHome(room.settings.home).ports_path)
    assert only(check_ports(room)).verdict is Verdict.OK
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports.client))
        stranger.listen()
        found = only(check_ports(room))
        assert found.verdict is Verdict.FAILED
        assert str(ports.client) in found.seen
        assert "ports.json" in found.mend
    assert only(check_ports(room)).verdict is Verdict.OK


def test_damaged_file_of_ports_fails(room: Room) -> None:
    path = NatsHome(room.settings.home).ports_path
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"client": 1}')
    assert only(check_ports(room)).verdict is Verdict.FAILED


def test_http_port_in_use_is_a_warning(room: Room) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        settings = msgspec.structs.replace(room.settings, http_port=stranger.getsockname()[1])
        busy = msgspec.structs.replace(room, settings=settings)
        found = only(check_http_port(busy))
        assert found.verdict is Verdict.WARNING
        assert "TIGER_MCP_HTTP_PORT" in found.mend
    assert only(check_http_port(busy)).verdict is Verdict.OK


def with_settings(room: Room, **changes: object) -> Room:
    return msgspec.structs.replace(room, settings=msgspec.structs.replace(room.settings, **changes))


def test_address_of_another_machine_is_not_told_as_a_port_in_use(room: Room) -> None:
    found = only(check_http_port(with_settings(room, http_host="192.0.2.1")))
    assert found.verdict is Verdict.FAILED
    assert "no address of this machine" in found.seen


def test_nats_server_of_somebody_else_is_tried(room: Room) -> None:
    assert list(check_nats_address(room)) == []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        there = with_settings(
            room, nats_url=f"nats://127.0.0.1:{port}", nats_monitor=f"http://127.0.0.1:{port}"
        )
        assert [each.verdict for each in check_nats_address(there)] == [Verdict.OK] * 2
    found = list(check_nats_address(there))
    assert [each.verdict for each in found] == [Verdict.FAILED] * 2
    assert [each.seen.partition(":")[0] for each in found] == ["NATS_URL", "TIGER_MCP_NATS_MONITOR"]


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b"])
def test_nats_server_whose_name_is_none_fails(room: Room, host: str) -> None:
    given = with_settings(room, nats_url=f"nats://{host}", nats_monitor=f"http://{host}")
    found = list(check_nats_address(given))
    assert [each.verdict for each in found] == [Verdict.FAILED] * 2
    assert all(f"the name {host} is not found" in each.seen for each in found)


def test_monitor_address_that_is_none_fails(room: Room) -> None:
    given = with_settings(room, nats_url="nats://no-such-host.invalid", nats_monitor="http://[::1")
    assert "names no host and port" in list(check_nats_address(given))[1].seen


def test_files_for_tls_are_looked_at(room: Room, tmp_path: Path) -> None:
    assert list(check_http_tls(room)) == []
    tls_context(tmp_path, now=NOW)
    certificate, key = tmp_path / CERTIFICATE_FILE, tmp_path / KEY_FILE
    there = with_settings(room, http_tls_certificate=certificate, http_tls_key=key)
    assert only(check_http_tls(there)).verdict is Verdict.OK
    swapped = with_settings(room, http_tls_certificate=key, http_tls_key=certificate)
    assert "that belongs to it" in only(check_http_tls(swapped)).seen
    half = with_settings(room, http_tls_key=key)
    assert "is not set" in only(check_http_tls(half)).seen
    key.unlink()
    found = only(check_http_tls(there))
    assert (found.verdict, str(key) in found.seen) == (Verdict.FAILED, True)


def status_of(phase: Phase, *states: ProcessState) -> Status:
    processes = tuple(
        ProcessStatus(name=f"worker-{n}", pid=1, state=state, restarts=0, since=NOW, detail="why")
        for n, state in enumerate(states)
    )
    return Status(pid=1, phase=phase, step="", started_at=NOW, updated_at=NOW, processes=processes)


@pytest.mark.parametrize(
    "status, verdict",
    [
        (status_of(Phase.READY, ProcessState.READY), Verdict.OK),
        (status_of(Phase.STARTING, ProcessState.STARTING), Verdict.WARNING),
        (status_of(Phase.DEGRADED, ProcessState.WAITING), Verdict.WARNING),
        (status_of(Phase.DEGRADED, ProcessState.CRASH_LOOP), Verdict.FAILED),
        (status_of(Phase.DEGRADED, ProcessState.LOGIN_IN_USE), Verdict.FAILED),
        (status_of(Phase.DEGRADED, ProcessState.NOT_ANSWERING), Verdict.FAILED),
    ],
)
def test_cluster_is_judged_by_its_processes(status: Status, verdict: Verdict) -> None:
    (found,) = cluster_findings(status)
    assert found.verdict is verdict
    assert bool(found.mend) is (verdict is not Verdict.OK)


def test_start_that_failed_is_told_in_its_own_words(room: Room) -> None:
    status = msgspec.structs.replace(status_of(Phase.FAILED), message="the port was taken")
    write_status(room.home, status)
    found = only(check_cluster(room))
    assert found.verdict is Verdict.FAILED
    assert "the port was taken" in found.seen


def test_file_that_does_not_decode_ends_no_examination(room: Room) -> None:
    read_or_choose_ports(NatsHome(room.settings.home).ports_path)
    (room.home.run / "sandbox-ports.json").write_text("{}")
    silent = [sys.executable, "-c", ""]
    found = list(examine(room, complaint=lambda _: "", reading=READING, serve_command=silent))
    ports = next(each for each in found if each.check == "ports")
    assert ports.verdict is Verdict.FAILED
    assert "decode" in ports.seen
    assert found[-1].check == "clients"
