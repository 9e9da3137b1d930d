"""The demonstration ends well, notices a difference, and leaves nothing running."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from infra.home import Home
from infra.nats.monitor import wait_until
from infra.supervisor.status import read_status

WAIT_S: Final = 60.0


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--plant-difference",), 1)])
def test_the_demonstration_compares_the_book_with_the_ledger(
    arguments: tuple[str, ...], code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "infra.demo", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == code, ended.stdout[-3000:] + ended.stderr[-2000:]
    assert "none is left" in ended.stdout
    assert ("at the broker" in ended.stdout) == bool(arguments)


@pytest.mark.skipif(sys.platform == "win32", reason="a console's signals are others there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demonstration_leaves_nothing_running(
    tmp_path: Path, number: signal.Signals
) -> None:
    demonstration = subprocess.Popen(
        [sys.executable, "-P", "-m", "infra.demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    pids: set[int] = set()

    def is_starting() -> bool:
        for home in tmp_path.glob("tiger-mcp-demo-*/home"):
            status = read_status(Home(home))
            pids.update({status.pid, *(p.pid for p in status.processes if p.pid)} if status else ())
        return bool(pids)

    try:
        assert wait_until(is_starting, limit_s=WAIT_S)
        demonstration.send_signal(number)
        said, _ = demonstration.communicate(timeout=WAIT_S)
    finally:
        demonstration.kill()
    assert demonstration.returncode == 1, said
    assert "interrupted" in said
    assert "none is left" in said
    assert "Traceback" not in said
    assert not [pid for pid in pids if is_alive(pid)]
    # The one that watches over the supervisor ends after it.
    assert wait_until(lambda: not started_with(str(tmp_path)), limit_s=WAIT_S), said
    assert not list(tmp_path.glob("tiger-mcp-demo-*"))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def started_with(folder: str) -> list[str]:
    """Return the command line of every process that names a folder; none where none are shown."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = file.read_bytes().decode(errors="replace")
            if folder in line:
                found.append(line)
    return found
