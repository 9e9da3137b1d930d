"""A whole local cluster under its supervisor: started by a race, killed in parts, taken down."""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Final

import psutil
import pytest

from adapters.tiger_worker.credentials import read_credentials
from infra.config import Settings
from infra.home import Home
from infra.login_lock import login_locks, take_login_lock
from infra.supervisor.detached import _end_leftovers, ensure_up, stop
from infra.supervisor.status import Phase, ProcessState, Status, live_status, supervisor_pid
from tests.support.cluster import WAIT_S, wait_for

NAMES: Final = {
    "nats-server",
    "warden",
    "sandbox",
    "projector",
    "worker-alpha",
    "worker-beta",
}
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="kills as POSIX does")


def pids_of(status: Status) -> dict[str, int]:
    return {process.name: process.pid for process in status.processes if process.pid is not None}


def is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def processes_of(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            is_ours = str(home) in " ".join(process.cmdline())
            if is_ours and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def ready_status(settings: Settings) -> Status | None:
    status = live_status(Home(settings.home))
    return status if status is not None and status.phase is Phase.READY else None


def is_ready_with_other(settings: Settings, name: str, old_pid: int) -> bool:
    status = ready_status(settings)
    return status is not None and pids_of(status).get(name, old_pid) != old_pid


def state_of(settings: Settings, name: str) -> ProcessState | None:
    status = live_status(Home(settings.home))
    processes = () if status is None else status.processes
    return next((each.state for each in processes if each.name == name), None)


def test_two_starts_at_the_same_instant_make_one_cluster(settings: Settings) -> None:
    barrier = threading.Barrier(2)
    found: list[Status] = []

    def start() -> None:
        barrier.wait(WAIT_S)
        found.append(ensure_up(settings))

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * WAIT_S)
    assert [status.phase for status in found] == [Phase.READY, Phase.READY]
    assert found[0].pid == found[1].pid
    assert set(pids_of(found[0])) == NAMES
    commands = [" ".join(process.cmdline()) for process in processes_of(settings.home)]
    assert len([command for command in commands if "nats-server" in command]) == 1
    assert len([command for command in commands if "infra.supervisor --home" in command]) == 1


def test_down_leaves_nothing_running_and_keeps_the_home(settings: Settings) -> None:
    pids = pids_of(ensure_up(settings))
    ports = (settings.home / "run" / "ports.json").read_bytes()
    installation = Home(settings.home).load()
    assert stop(settings)
    wait_for(lambda: processes_of(settings.home) == [])
    assert all(is_gone(pid) for pid in pids.values())
    assert not stop(settings)
    assert ensure_up(settings).phase is Phase.READY
    assert (settings.home / "run" / "ports.json").read_bytes() == ports
    assert Home(settings.home).load() == installation


def test_down_beside_a_start_never_ends_the_new_server(settings: Settings) -> None:
    pid = pids_of(ensure_up(settings))["nats-server"]
    # What `down` does last, at a moment when a supervisor lives again.
    assert not _end_leftovers(settings)
    status = ready_status(settings)
    assert status is not None
    assert pids_of(status)["nats-server"] == pid


@posix_only
def test_killed_supervisor_takes_every_child_with_it_and_the_next_start_works(
    settings: Settings,
) -> None:
    before = ensure_up(settings)
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: all(is_gone(pid) for pid in pids_of(before).values()))
    after = ensure_up(settings)
    assert after.phase is Phase.READY
    assert after.pid != before.pid


@posix_only
def test_next_start_ends_a_server_that_outlived_its_supervisor(settings: Settings) -> None:
    before = ensure_up(settings)
    pids = pids_of(before)
    # Without its warden nobody ends the server, which still holds the home.
    psutil.Process(pids["warden"]).suspend()
    os.kill(before.pid, signal.SIGKILL)
    wait_for(lambda: is_gone(before.pid) and supervisor_pid(Home(settings.home)) is None)
    assert not is_gone(pids["nats-server"])
    after = ensure_up(settings)
    assert after.phase is Phase.READY
    assert is_gone(pids["nats-server"])
    psutil.Process(pids["warden"]).resume()
    wait_for(lambda: is_gone(pids["warden"]))
    # The old warden wakes up late and must leave the new server alone.
    assert pids_of(after)["nats-server"] == pids_of(ensure_up(settings))["nats-server"]


@posix_only
def test_killed_server_is_started_again_on_the_same_port(settings: Settings) -> None:
    before = pids_of(ensure_up(settings))
    ports = (settings.home / "run" / "ports.json").read_bytes()
    os.kill(before["nats-server"], signal.SIGKILL)
    wait_for(lambda: is_ready_with_other(settings, "nats-server", before["nats-server"]))
    assert (settings.home / "run" / "ports.json").read_bytes() == ports


@posix_only
def test_killed_worker_is_started_again(settings: Settings) -> None:
    before = pids_of(ensure_up(settings))
    os.kill(before["worker-alpha"], signal.SIGKILL)
    wait_for(lambda: is_ready_with_other(settings, "worker-alpha", before["worker-alpha"]))


def test_login_that_an_ending_worker_still_holds_is_waited_for(settings: Settings) -> None:
    ensure_up(settings)
    stop(settings)
    home = Home(settings.home)
    login = read_credentials(home.path / home.load().login("alpha").properties, is_sandbox=True)
    held = take_login_lock(login.tiger_id, folder=login_locks())
    assert held is not None
    found: list[Status] = []
    start = threading.Thread(target=lambda: found.append(ensure_up(settings)))
    with held:
        start.start()
        wait_for(lambda: state_of(settings, "worker-alpha") is ProcessState.LOGIN_IN_USE)
        assert found == []
    start.join(2 * WAIT_S)
    assert [status.phase for status in found] == [Phase.READY]


def test_process_that_cannot_start_is_reported_and_not_hidden(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_up(settings)
    stop(settings)
    (settings.home / "sandbox" / "registry.json").write_text("not JSON")
    monkeypatch.setenv("TIGER_MCP_START_LIMIT_S", "4")
    status = ensure_up(settings)
    assert status.phase is Phase.DEGRADED
    states = {process.name: process.state for process in status.processes}
    assert states["nats-server"] is ProcessState.READY
    assert states["sandbox"] is not ProcessState.READY
