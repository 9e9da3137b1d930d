"""`serve --http` on a taken port says so, and does not say before that it started."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from adapters.mcp.__main__ import check_free
from core.errors import ConfigError
from infra.home import Home
from infra.supervisor.installation import load_or_make

LIMIT_S: Final = 30.0


def test_a_taken_port_is_told_with_the_setting_to_change(tmp_path: Path) -> None:
    load_or_make(Home(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "infra.cli", "--home", str(tmp_path), "serve", "--http"],
            env=os.environ | {"TIGER_MCP_HTTP_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    assert ended.returncode == 1, ended.stderr
    assert f"port {port} of 127.0.0.1 is taken" in ended.stderr
    assert "set TIGER_MCP_HTTP_PORT to another" in ended.stderr
    assert "http.started" not in ended.stderr
    assert "Errno" not in ended.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_port_whose_server_ended_is_free(host: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        served, _ = other.accept()
        with pytest.raises(ConfigError):
            check_free(host, port)
        # Closed first here, so that its end is waited for.
        served.close()
        client.close()
    check_free(host, port)
