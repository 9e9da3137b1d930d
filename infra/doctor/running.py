"""What runs: the cluster of the home, and who has the ports that it wants."""

import errno
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from core.errors import ConfigError
from infra.doctor.files import installation_of
from infra.doctor.finding import Finding, failed, not_checked, ok, warning
from infra.doctor.room import Room, typed
from infra.doctor.wire import UnreachableError, connect
from infra.nats.home_lock import HomeLock, LockOwner
from infra.nats.layout import NatsHome
from infra.nats.ports import LOOPBACK, read_ports
from infra.supervisor.installation import has_sandbox
from infra.supervisor.sandbox_ports import SandboxPorts
from infra.supervisor.status import (
    PROBE,
    Phase,
    ProcessState,
    ProcessStatus,
    Status,
    live_status,
    read_status,
    supervisor_pid,
)

_START: Final = "tiger-mcp up"
_NATS_PORT: Final = 4222
_MONITOR_PORT: Final = 8222
_MENDS: Final = {
    ProcessState.LOGIN_IN_USE: "stop the other process that uses this Tiger login: "
    "tiger-mcp --home OTHER down; or, where it names another machine, tiger-mcp down there",
    ProcessState.NOT_ANSWERING: "wait, then tiger-mcp logs NAME says what it did last; "
    "tiger-mcp down, tiger-mcp up starts it anew",
    ProcessState.CRASH_LOOP: "tiger-mcp logs NAME says why it ends; then tiger-mcp down, "
    "tiger-mcp up",
}


def check_cluster(room: Room) -> Iterator[Finding]:
    """Look whether the cluster runs, and at each of its processes."""
    if not room.settings.home.is_dir():
        yield not_checked("cluster", "there is no home yet", mend=_START)
        return
    status = live_status(room.home)
    if status is None:
        yield _at_rest(read_status(room.home))
        return
    yield from cluster_findings(status)


def cluster_findings(status: Status) -> list[Finding]:
    """Judge what a living supervisor says."""
    found = [
        failed(
            "cluster",
            _trouble_of(each),
            mend=_MENDS[each.state].replace("NAME", each.name),
        )
        for each in status.processes
        if each.state in _MENDS
    ]
    late = [each.name for each in status.processes if each.state is not ProcessState.READY]
    if not found and (late or status.phase is not Phase.READY):
        seen = f"it is {status.phase}, not ready: {', '.join(late) or 'itself'}"
        found.append(warning("cluster", seen, mend="wait, then: tiger-mcp status"))
    return found or [ok("cluster", f"{len(status.processes)} processes are ready")]


def _trouble_of(process: ProcessStatus) -> str:
    why = process.detail or "it said no reason"
    if process.state is ProcessState.NOT_ANSWERING:
        return f"{process.name} is not answering since {process.since:%H:%M:%S} UTC: {why}"
    return f"{process.name} is {process.state}: {why}"


def _at_rest(last: Status | None) -> Finding:
    if last is not None and last.phase is Phase.FAILED:
        seen = f"the last start failed: {last.message}"
        return failed("cluster", seen, mend="mend what it says, then: tiger-mcp up")
    return not_checked("cluster", "no cluster runs", mend=_START)


def check_ports(room: Room) -> Iterator[Finding]:
    """Look whether the ports that this home chose are free, or our own."""
    if room.settings.nats_url is not None:
        yield not_checked("ports", "NATS_URL names a server that somebody else runs")
        return
    file = NatsHome(room.settings.home).ports_path
    try:
        ports = read_ports(file)
    except ConfigError as error:
        yield failed("ports", str(error), mend=f"{typed('rm', file)}; then tiger-mcp up")
        return
    if ports is None:
        yield not_checked("ports", "none were chosen yet; free ones are taken at the first start")
        return
    wanted = {ports.client: file, ports.monitor: file, **_sandbox_ports(room)}
    if supervisor_pid(room.home) is not None:
        yield ok("ports", f"{_told(wanted)} belong to our own cluster")
        return
    taken = {port: place for port, place in wanted.items() if not is_free(LOOPBACK, port)}
    if not taken:
        yield ok("ports", f"{_told(wanted)} are free")
    elif _is_home_held(room):
        yield failed("ports", f"{_told(taken)} are held by our own leftover", mend="tiger-mcp down")
    else:
        for port, place in taken.items():
            yield failed(
                "ports",
                f"port {port} is taken by another program",
                mend=f"end that program; or {typed('rm', place)}, and others are chosen",
            )


def check_nats_address(room: Room) -> Iterator[Finding]:
    """Look whether a server that somebody else runs can be reached; our own has no setting."""
    given = (
        ("NATS_URL", room.settings.nats_url, _NATS_PORT),
        ("TIGER_MCP_NATS_MONITOR", room.settings.nats_monitor, _MONITOR_PORT),
    )
    for name, url, port in given:
        if url is not None:
            yield _address_finding(name, url, port)


def _address_finding(name: str, url: str, default_port: int) -> Finding:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or default_port
    except ValueError:
        host, port = "", default_port
    if not host:
        return failed("nats address", f"{name} names no host and port", mend=f"mend {name}")
    try:
        connect(host, port)
    except UnreachableError as error:
        mend = f"start that server, open the way to it, or mend {name}"
        return failed("nats address", f"{name}: {error}", mend=mend)
    return ok("nats address", f"{name}: {host} port {port} takes connections")


def check_http_tls(room: Room) -> Iterator[Finding]:
    """Look whether `serve --http` could speak TLS with the files that are set, if any are."""
    files = {
        "TIGER_MCP_HTTP_TLS_CERTIFICATE": room.settings.http_tls_certificate,
        "TIGER_MCP_HTTP_TLS_KEY": room.settings.http_tls_key,
    }
    if not any(files.values()):
        return
    found = [
        failed("http tls", seen, mend=f"set {name} to the file, or unset both")
        for name, file in files.items()
        if (seen := _file_objection(name, file))
    ]
    certificate, key = files.values()
    if not found and certificate is not None and key is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # With a password given, a locked key does not ask for one here.
            context.load_cert_chain(certificate, key, password="")
        except (ssl.SSLError, ValueError):
            seen = f"{certificate} and {key} are no certificate and the key that belongs to it"
            found.append(failed("http tls", seen, mend="give both in PEM, the key unlocked"))
    yield from found or [ok("http tls", f"{certificate} and its key are a pair")]


def _file_objection(name: str, file: Path | None) -> str:
    if file is None:
        return f"{name} is not set, and the other is"
    if not file.is_file():
        return f"{name}: {file} is not there"
    return "" if os.access(file, os.R_OK) else f"{name}: {file} cannot be read"


def check_http_port(room: Room) -> Iterator[Finding]:
    """Look whether `serve --http` could listen."""
    settings = room.settings
    try:
        is_usable = is_free(settings.http_host, settings.http_port)
    except OSError:
        seen = f"{settings.http_host} is no address of this machine"
        yield failed("http port", seen, mend="set TIGER_MCP_HTTP_HOST to 127.0.0.1")
        return
    where = f"{settings.http_host} port {settings.http_port}"
    if is_usable:
        yield ok("http port", f"{where} is free for serve --http")
        return
    yield warning(
        "http port",
        f"{where} is in use",
        mend="fine if that is your own serve --http; otherwise set TIGER_MCP_HTTP_PORT",
    )


def is_free(host: str, port: int) -> bool:
    """Say whether this machine would let us listen there now.

    Raises:
        OSError: the host is none, or none of this machine's.
    """
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        # As servers do on POSIX, so that a connection just closed does not count.
        if sys.platform != "win32":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise
            return False
        return True


def _sandbox_ports(room: Room) -> dict[int, Path]:
    installation = installation_of(room)
    file = room.home.run / "sandbox-ports.json"
    if installation is None or not has_sandbox(installation) or not file.exists():
        return {}
    ports = msgspec.json.decode(file.read_bytes(), type=SandboxPorts)
    return {ports.http: file, ports.control: file}


def _is_home_held(room: Room) -> bool:
    path = NatsHome(room.settings.home).lock_path
    if not path.exists():
        return False
    lock = HomeLock.try_acquire(path, owner=LockOwner(pid=os.getpid(), purpose=PROBE))
    if lock is None:
        return True
    lock.release()
    return False


def _told(ports: Mapping[int, Path]) -> str:
    return ", ".join(str(port) for port in ports)
