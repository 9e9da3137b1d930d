"""What is judged, each as a process of its own on one sandbox cluster."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from click.testing import CliRunner

from infra.cli.__main__ import main
from infra.supervisor import detached
from tests.support.cluster import settings_of

START_LIMIT_S: Final = 60.0
STOP_LIMIT_S: Final = 30.0


class Build(StrEnum):
    """Which server: the one that is shipped, or one with the suite's fixtures in it."""

    SHIPPED = "shipped"
    FIXTURES = "fixtures"
    SESSIONS = "fixtures_in_sessions"


class Service(NamedTuple):
    """A running server, and a token that may do everything on it."""

    url: str
    token: str


@contextlib.contextmanager
def cluster_on(home: Path) -> Iterator[Path]:
    """Run a sandbox cluster on a new home."""
    settings = settings_of(home)
    try:
        detached.ensure_up(settings)
        yield home
    finally:
        detached.stop(settings)


@contextlib.contextmanager
def running(build: Build, home: Path) -> Iterator[Service]:
    """Run one server on a home, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"TIGER_MCP_HTTP_PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, *_program(build, home)],
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    log: list[str] = []
    is_up = threading.Event()
    reader = threading.Thread(target=_read, args=(process, log, is_up))
    reader.start()
    try:
        assert is_up.wait(START_LIMIT_S), log
        assert process.poll() is None, log
        told = ["--home", str(home), "token", "issue", "suite", "--grant", "*=admin"]
        issued = CliRunner().invoke(main, told, env=settings)
        assert issued.exit_code == 0, issued.output
        yield Service(f"http://127.0.0.1:{port}/mcp", issued.stdout.strip())
    finally:
        process.terminate()
        process.wait(STOP_LIMIT_S)
        reader.join(STOP_LIMIT_S)


def _program(build: Build, home: Path) -> Sequence[str]:
    given = ("--home", str(home))
    if build is Build.SHIPPED:
        return ("-P", "-m", "infra.cli", *given, "serve", "--http")
    sessions = ("--sessions",) if build is Build.SESSIONS else ()
    return ("-P", "-m", "tests.conformance.fixture_server", *given, *sessions)


def _read(process: subprocess.Popen[str], log: list[str], is_up: threading.Event) -> None:
    assert process.stderr is not None
    with process.stderr as lines:
        for line in lines:
            log.append(line)
            if "Uvicorn running" in line:
                is_up.set()
    is_up.set()
