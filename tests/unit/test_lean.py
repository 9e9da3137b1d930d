"""A service's process loads no more than it uses, and whoever shows colours still can."""

import json
import subprocess
import sys
from pathlib import Path

from infra.lean import left_out

ROOT = Path(__file__).parents[2]
LIMIT_S = 30


def loaded(*arguments: str) -> set[str]:
    """Run a Python to its end, its stdin open meanwhile; return the modules that it imported."""
    child = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-P", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stderr is not None
        lines = child.stderr.read().splitlines()
        child.wait(LIMIT_S)
    finally:
        child.kill()
        child.communicate()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def test_serve_loads_no_colours(tmp_path: Path) -> None:
    # It is refused, once everything is loaded.
    refused = ("serve", "--http", "--era", "modern")
    found = loaded("-m", "infra.cli", "--home", str(tmp_path), *refused)
    assert {"structlog", "adapters.mcp.server"} <= found
    assert "rich.console" not in found


def test_child_of_the_supervisor_loads_no_colours() -> None:
    found = loaded("-m", "infra.supervisor.child", "projections", "--help")
    assert {"structlog", "projections"} <= found
    assert "rich.console" not in found


def test_worker_loads_nothing_of_the_sandbox_broker() -> None:
    found = loaded("-m", "infra.supervisor.child", "adapters.tiger_worker", "--help")
    assert "adapters.tiger_worker.broker" in found
    of_sandbox = {name for name in found if name.startswith("infra.sandbox.")}
    assert of_sandbox == {"infra.sandbox.logins", "infra.sandbox.logins.files"}


def test_what_is_left_out_is_there_again_afterwards() -> None:
    code = (
        "import sys\n"
        "from infra.lean import left_out\n"
        "with left_out():\n"
        "    from mcp.server import MCPServer\n"
        "    MCPServer(name='bare')\n"
        "print('rich' in sys.modules)\n"
        "import rich.console\n"
        "print('rich' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]


def test_what_is_loaded_already_stays() -> None:
    with left_out(("json", "infra.not_there")):
        assert sys.modules["json"] is json
        assert "infra.not_there" in sys.modules
    assert "infra.not_there" not in sys.modules
