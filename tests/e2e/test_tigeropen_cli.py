"""Tiger's own command line, as installed, works on the sandbox and reaches no other machine.

The command line looks no domains up (its config is built with `enable_dynamic_domain=False`), so
`TIGEROPEN_SERVER_URL` alone keeps it on the sandbox. It can not be told the sandbox's key, which
is why the sandbox leaves the signature out of its replies (`--unsigned`).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.sandbox.logins.files import (
    login_folder,
)
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.settings import Settings
from tests.support.sandbox import Sandbox, running_sandbox

COMMAND_S_MAX = 60.0
LEFT_LOOPBACK = 97
# Python runs this before the program. It ends a process that looks up or calls another machine.
GUARD = f"""
import os, socket, sys

# Its own name is looked up on the way to the MAC address that is Tiger's device id.
ALLOWED = (None, "127.0.0.1", "localhost", "::1", socket.gethostname())

def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto"):
        host = arguments[1][0] if isinstance(arguments[1], tuple) else "127.0.0.1"
    else:
        return
    if isinstance(host, bytes):
        host = host.decode()
    if host not in ALLOWED:
        sys.stderr.write(f"left loopback for {{host}}")
        sys.stderr.flush()
        os._exit({LEFT_LOOPBACK})

sys.addaudithook(watch)
"""


class CommandLine:
    """The installed `tigeropen`, with an environment of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path, *, login: str | None = "desk") -> None:
        program = shutil.which("tigeropen", path=str(Path(sys.executable).parent))
        assert program is not None, "expected the executable of the tigeropen package"
        self.program = program
        guard = folder / "guard"
        guard.mkdir()
        (guard / "sitecustomize.py").write_text(GUARD)
        base = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.environment = base | {
            "HOME": str(folder),
            "PYTHONPATH": str(guard),
            "PYTHONUTF8": "1",
            "TIGEROPEN_HOME": str(folder / "oauth"),
            "TIGEROPEN_SERVER_URL": sandbox.url,
        }
        if login is not None:
            self.environment["TIGEROPEN_PROPS_PATH"] = str(login_folder(sandbox.home, login))

    def run(self, *arguments: str) -> str:
        """Run one command that must succeed, and return what it prints."""
        done = subprocess.run(
            [self.program, *arguments],
            env=self.environment,
            capture_output=True,
            timeout=COMMAND_S_MAX,
            text=True,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def read(self, *arguments: str) -> Any:
        """Run one command, and return the JSON that it prints."""
        return json.loads(self.run("--format", "json", *arguments))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox"), "--unsigned") as started:
        yield started


@pytest.fixture
def line(sandbox: Sandbox, tmp_path: Path) -> CommandLine:
    return CommandLine(sandbox, tmp_path)


def test_accounts_and_assets(sandbox: Sandbox, line: CommandLine) -> None:
    accounts = [item["account"] for item in line.read("account", "info")]
    assert accounts == [item.account for item in sandbox.login().accounts]
    assets = line.read("account", "assets")
    assert assets["account"] == sandbox.account("main")
    assert assets["segments"]["S"]["cash_balance"] > 0


def test_quotes_and_market_state(line: CommandLine) -> None:
    (brief,) = line.read("quote", "briefs", "AAPL")
    assert (brief["symbol"], brief["latest_price"] > 0) == ("AAPL", True)
    states = line.read("quote", "market-status", "--market", "US")
    assert [state["market"] for state in states] == ["US"]


def test_order_is_placed_listed_read_and_cancelled(sandbox: Sandbox, line: CommandLine) -> None:
    account = sandbox.account("main")
    order = ("--symbol", "AAPL", "--action", "BUY", "--quantity", "1", "--limit-price", "1")
    told = line.run("trade", "order", "place", *order, "--yes")
    identity = int(told.rpartition(":")[2])
    (placed,) = sandbox.control.book(account).orders
    assert (placed.global_id, placed.symbol, placed.is_open) == (identity, "AAPL", True)
    assert [item["id"] for item in line.read("trade", "order", "list")] == [identity]
    assert line.read("trade", "order", "get", str(identity))["id"] == identity
    line.run("trade", "order", "cancel", str(identity), "--yes")
    (cancelled,) = sandbox.control.book(account).orders
    assert cancelled.status == "Cancelled"


def test_filled_order_shows_in_positions_and_transactions(line: CommandLine) -> None:
    order = ("--symbol", "TSLA", "--action", "BUY", "--quantity", "2", "--order-type", "MKT")
    line.run("trade", "order", "place", *order, "--yes")
    (position,) = line.read("trade", "position", "list", "--symbol", "TSLA")
    assert (position["symbol"], position["quantity"]) == ("TSLA", 2)


def test_refusal_ends_with_its_code_and_an_exit_code(line: CommandLine) -> None:
    done = subprocess.run(
        [line.program, "trade", "order", "cancel", "1", "--yes"],
        env=line.environment,
        capture_output=True,
        timeout=COMMAND_S_MAX,
        text=True,
    )
    assert done.returncode == 1
    assert "API Error [1200]" in done.stdout


def test_device_login_and_an_order_without_a_key(sandbox: Sandbox, tmp_path: Path) -> None:
    switches = LoginSwitches(device_poll_interval_s=1)
    sandbox.control.set_settings(Settings(price_drift=False, logins=switches))
    line = CommandLine(sandbox, tmp_path, login=None)
    line.environment["TIGEROPEN_OAUTH2_ISSUER"] = f"http://127.0.0.1:{sandbox.ports.http}"
    line.environment["TIGEROPEN_ACCOUNT"] = sandbox.account("second", login="second")
    with subprocess.Popen(
        [line.program, "auth", "login"],
        env=line.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    ) as login:
        assert login.stdout is not None
        for told in login.stdout:
            if "user_code=" in told:
                break
        (waiting,) = sandbox.control.authorizations()
        assert waiting.client_name == "Tiger OpenAPI CLI"
        assert waiting.user_code in told
        sandbox.control.decide(waiting.user_code, "second")
        login.stdout.read()
        assert login.wait(COMMAND_S_MAX) == 0
    assert [item["account"] for item in line.read("account", "info")] == [
        sandbox.account("second", login="second")
    ]
    line.run("auth", "logout")
    assert "tigeropen auth login" in line.run("auth", "status")


def test_guard_ends_a_process_that_leaves_loopback(line: CommandLine) -> None:
    look_up = "import tigeropen.tiger_open_config as c; c.TigerOpenClientConfig()"
    done = subprocess.run(
        [sys.executable, "-c", look_up],
        env=line.environment,
        capture_output=True,
        timeout=COMMAND_S_MAX,
        text=True,
    )
    assert done.returncode == LEFT_LOOPBACK
    assert "cg.play-analytics.com" in done.stderr
