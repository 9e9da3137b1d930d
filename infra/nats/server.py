"""The embedded nats-server: found, checked, started, reloaded, stopped.

Two servers on one store lost an acknowledged event, so the server inherits the lock on the home and
holds it for its whole life, also when the supervisor that started it is gone.
"""

import os
import re
import signal
import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path
from typing import Final

from core.errors import ConfigError
from infra.nats.home_lock import HomeLock
from infra.nats.layout import NatsHome
from infra.nats.monitor import is_healthy, read_status, wait_until
from infra.nats.ports import Ports

if sys.platform == "win32":
    from infra.nats.windows_job import end_with_this_process

VERSION_MIN: Final = (2, 15, 1)
START_LIMIT_S: Final = 30.0
STOP_LIMIT_S: Final = 10.0
RELOAD_LIMIT_S: Final = 5.0
_COMMAND_LIMIT_S: Final = 10.0
_LOG_TAIL_LINES: Final = 5
# After the first reload a new login's own imports still answer 503; after the second they work.
_RELOADS: Final = 2


class NatsServer:
    """A running nats-server that this process started; `start_server` is the way to one."""

    def __init__(self, home: NatsHome, ports: Ports, child: subprocess.Popen[bytes]) -> None:
        self.home = home
        self.ports = ports
        self._child = child

    @property
    def pid(self) -> int:
        """Return the server's process id."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """Say whether the process still runs."""
        return self._child.poll() is None

    def stop(self, *, limit_s: float = STOP_LIMIT_S) -> None:
        """Ask the server to end, then end it; return when it is gone."""
        # What was acknowledged is on disk already; a kill loses nothing but a line in the log.
        self._child.terminate()
        try:
            self._child.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def find_binary(given: Path | None = None) -> Path:
    """Return the server's program: the given one, or the one installed beside this Python.

    Raises:
        ConfigError: when there is none, or it is older than `VERSION_MIN`.
    """
    suffix = ".exe" if sys.platform == "win32" else ""
    binary = given or Path(sysconfig.get_path("scripts")) / f"nats-server{suffix}"
    if not binary.is_file():
        raise ConfigError(f"expected nats-server at {binary}, was no file")
    answer = _run([str(binary), "--version"])
    version = parse_version(answer.stdout)
    if version is None or version < VERSION_MIN:
        raise ConfigError(
            f"expected nats-server {version_text(VERSION_MIN)} or later at {binary}, "
            f"was {answer.stdout.strip()[:80]!r}"
        )
    return binary


def parse_version(text: str) -> tuple[int, int, int] | None:
    """Return the version that a text ends in; nothing for a preview or anything else."""
    found = re.search(r"(?:^|[\sv])(\d+)\.(\d+)\.(\d+)\s*$", text)
    if found is None:
        return None
    major, minor, patch = (int(part) for part in found.groups())
    return major, minor, patch


def version_text(version: tuple[int, int, int]) -> str:
    """Return a version as people write it."""
    return ".".join(str(part) for part in version)


def check_config(binary: Path, config_path: Path) -> None:
    """Let the server itself judge a configuration before it is used.

    Raises:
        ConfigError: with the server's own sentence.
    """
    answer = _run([str(binary), "-t", "-c", str(config_path)])
    if answer.returncode != 0:
        raise ConfigError(f"expected a valid {config_path}, was {answer.stderr.strip()[-400:]}")


def start_server(
    home: NatsHome,
    *,
    binary: Path,
    ports: Ports,
    lock: HomeLock,
    limit_s: float = START_LIMIT_S,
) -> NatsServer:
    """Start the server on the home's configuration and wait until it is healthy.

    Raises:
        ConfigError: when the configuration is refused, a port is taken, or it does not come up.
    """
    check_config(binary, home.config_path)
    if is_healthy(ports.monitor_url):
        raise ConfigError(f"expected port {ports.monitor} free for this home, was another server")
    child = _spawn([str(binary), "-c", str(home.config_path)], lock)
    server = NatsServer(home, ports, child)
    wait_until(lambda: not server.is_alive or is_healthy(ports.monitor_url), limit_s=limit_s)
    if not server.is_alive:
        raise ConfigError(_why_ended(home, ports))
    if not is_healthy(ports.monitor_url):
        server.stop()
        raise ConfigError(f"expected a healthy nats-server in {limit_s} s, was: {_log_tail(home)}")
    return server


def reload_server(home: NatsHome, ports: Ports, *, limit_s: float = RELOAD_LIMIT_S) -> None:
    """Let the running server of a home take its new configuration; connections stay.

    On Windows, which has no such signal, the supervisor restarts the server instead.

    Raises:
        ConfigError: when the server did not take it.
    """
    if sys.platform == "win32":
        raise ConfigError("expected a system with SIGHUP, was Windows: restart the server instead")
    pid = read_pid(home)
    for _ in range(_RELOADS):
        before = read_status(ports.monitor_url).config_load_time
        is_loaded = partial(_is_loaded_after, before, ports)
        os.kill(pid, signal.SIGHUP)
        if not wait_until(is_loaded, limit_s=limit_s):
            raise ConfigError(f"expected the new configuration taken, was: {_log_tail(home)}")


def read_pid(home: NatsHome) -> int:
    """Return the process id that the running server wrote.

    Raises:
        ConfigError: when there is none.
    """
    try:
        return int(home.pid_path.read_text())
    except (FileNotFoundError, ValueError):
        raise ConfigError(f"expected a process id in {home.pid_path}, was none") from None


def _spawn(command: list[str], lock: HomeLock) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        child = subprocess.Popen(  # noqa: S603  # our own program and file
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
        end_with_this_process(child)
        return child
    return subprocess.Popen(  # noqa: S603  # our own program and file
        command,
        stdin=subprocess.DEVNULL,
        # Its log goes to a file: writing to a pipe of a dead supervisor would end the server.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock.fileno(),),
        # Ctrl-C in the terminal is for the supervisor, which stops the server last.
        start_new_session=True,
    )


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603  # our own program and file
            command, capture_output=True, text=True, check=False, timeout=_COMMAND_LIMIT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"expected {command[0]} to run, was {error}") from None


def _is_loaded_after(config_load_time: str, ports: Ports) -> bool:
    return read_status(ports.monitor_url).config_load_time != config_load_time


def _why_ended(home: NatsHome, ports: Ports) -> str:
    words = _log_tail(home)
    if "address already in use" in words:
        return (
            f"expected ports {ports.client} and {ports.monitor} free, one is in use by another "
            f"program; end it, or delete {home.ports_path} and start again"
        )
    return f"expected nats-server to run, was ended: {words}"


def _log_tail(home: NatsHome) -> str:
    try:
        lines = home.log_path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "no log was written"
    return " | ".join(lines[-_LOG_TAIL_LINES:])
