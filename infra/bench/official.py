"""Tiger's own MCP server, `tigermcp`, as the yardstick: an environment of its own, and its start.

It runs unchanged. Only the key with which the SDK checks replies is the sandbox's, so that both
sides do the same work; and it starts only where nothing but loopback can be reached.
"""

import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from infra.bench.fault import BenchError, RefusedError
from infra.bench.isolation import only_loopback
from infra.bench.stdio_client import StdioServer
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    LoginFile,
    login_folder,
)

VERSION: Final = "0.1.7"
# It does not start with the second generation of the MCP SDK.
REQUIREMENTS: Final = (f"tigermcp=={VERSION}", "mcp<2", "tigeropen>=3.8,<3.9")
_INSTALL_LIMIT_S: Final = 600.0
_CHECK: Final = "import importlib.metadata as m; print(m.version('tigermcp'), m.version('mcp'))"
# The SDK has no setting for the key that checks replies.
_LAUNCH: Final = """
import sys
import tigeropen.tiger_open_config as config
config.TIGER_PUBLIC_KEY = sys.argv.pop()
from tigermcp.server import main
main()
"""


def default_folder() -> Path:
    """Return where the environment is kept between runs."""
    return Path.home() / ".cache" / "tiger-mcp-bench" / f"tigermcp-{VERSION}"


def install(folder: Path) -> str:
    """Make the environment unless it is there; return its versions, or "" if that is not possible.

    Needs the package registry the first time, so it is called before the network is left.
    """
    python = _python(folder)
    if not python.is_file():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=_INSTALL_LIMIT_S)
        except (subprocess.SubprocessError, OSError):
            return ""
    return versions(folder)


def versions(folder: Path) -> str:
    """Return the versions of `tigermcp` and of its MCP SDK, or "" if it is not installed."""
    python = _python(folder)
    if not python.is_file():
        return ""
    told = subprocess.run([str(python), "-c", _CHECK], capture_output=True, text=True, check=False)
    words = told.stdout.split()
    return f"tigermcp {words[0]} with mcp {words[1]}" if len(words) == 2 else ""


def start(
    folder: Path,
    *,
    sandbox: Path,
    login: str,
    http_port: int,
    environment: Mapping[str, str],
    log: Path,
) -> StdioServer:
    """Start the server on a login of a sandbox; `environment` is that of a process of ours.

    Raises:
        RefusedError: it could reach more than this machine, or it is not installed.
    """
    if not only_loopback():
        raise RefusedError(
            "the official server asks a third party where to connect, so it runs only where "
            "nothing but loopback exists (Linux with unprivileged network namespaces)"
        )
    if not versions(folder):
        raise RefusedError(f"{', '.join(REQUIREMENTS)} could not be installed into {folder.name}")
    properties = login_folder(sandbox, login)
    file = msgspec.json.decode((properties / LOGIN_FILE).read_bytes(), type=LoginFile)
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("TIGERMCP_") and "proxy" not in name.lower()
    }
    server = StdioServer(
        [str(_python(folder)), "-P", "-c", _LAUNCH, file.tiger_public_key],
        environment=kept
        | {
            "TIGEROPEN_PROPS_PATH": str(properties),
            "TIGEROPEN_SERVER_URL": f"http://127.0.0.1:{http_port}/gateway",
        },
        log=log,
    )
    try:
        server.initialize()
    except BenchError:
        server.close()
        raise
    return server


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
