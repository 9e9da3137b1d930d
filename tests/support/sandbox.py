"""A sandbox broker as its own process, and the real SDK pointed at it."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tigeropen.common.util import web_utils
from tigeropen.push.push_client import PushClient
from tigeropen.quote.quote_client import QuoteClient
from tigeropen.tiger_open_config import TigerOpenClientConfig
from tigeropen.trade.trade_client import TradeClient

from infra.sandbox.control.client import SandboxControl
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    LoginFile,
    Ports,
    login_folder,
)

START_S_MAX = 30.0
STOP_S_MAX = 30.0
SDK_TIMEOUT_S = 5
ROOT = Path(__file__).resolve().parents[2]


class Sandbox:
    """One sandbox process; it can be killed and started again on the same home."""

    def __init__(self, home: Path, *options: str) -> None:
        self.home = home
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        command = [sys.executable, "-P", "-m", "infra.sandbox", "--home", str(self.home)]
        self._process = subprocess.Popen(
            [*command, *self._options],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert self._process.stdout is not None, "stdout was asked for"
        readable, _, _ = select.select([self._process.stdout], [], [], START_S_MAX)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            self.stop()
            raise RuntimeError(f"the sandbox was not ready within {START_S_MAX} s")
        self.ports = msgspec.json.decode(line, type=Ports)
        self.control = SandboxControl(self.ports.control)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the process by a signal, and return its exit code."""
        assert self._process is not None, "the process was started"
        self._process.send_signal(number)
        try:
            code = self._process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    @property
    def url(self) -> str:
        """Where the Tiger protocol is spoken."""
        return f"http://127.0.0.1:{self.ports.http}/gateway"

    def login(self, name: str = "desk") -> LoginFile:
        """Return a login's ids and accounts."""
        content = (login_folder(self.home, name) / LOGIN_FILE).read_bytes()
        return msgspec.json.decode(content, type=LoginFile)

    def account(self, alias: str = "main", *, login: str = "desk") -> str:
        """Return an account's number by its alias."""
        return next(item.account for item in self.login(login).accounts if item.alias == alias)

    def config(self, name: str = "desk", *, timeout_s: int = SDK_TIMEOUT_S) -> Any:
        """Return the SDK's configuration for a login, with every road to the outside closed."""
        config = TigerOpenClientConfig(
            enable_dynamic_domain=False, props_path=str(login_folder(self.home, name))
        )
        config.server_url = config.quote_server_url = self.url
        config.tiger_public_key = self.login(name).tiger_public_key
        config.retry_max_tries = 0
        config.timeout = timeout_s
        return config

    def trade_client(self, name: str = "desk", *, timeout_s: int = SDK_TIMEOUT_S) -> Any:
        """Return the SDK's trade client for a login."""
        return TradeClient(self.config(name, timeout_s=timeout_s))

    def quote_client(self, name: str = "desk") -> Any:
        """Return the SDK's quote client for a login."""
        return QuoteClient(self.config(name), is_grab_permission=False)

    def push_client(
        self,
        config: Any,
        *,
        use_tls: bool = False,
        heartbeats_ms: tuple[int, int] = (10_000, 10_000),
    ) -> Any:
        """Return the SDK's push client for a configuration; it is not connected yet."""
        return PushClient(
            "127.0.0.1",
            self.ports.push_tls if use_tls else self.ports.push,
            use_ssl=use_tls,
            heartbeats=heartbeats_ms,
            client_config=config,
        )


@contextmanager
def running_sandbox(home: Path, *options: str) -> Iterator[Sandbox]:
    """Run a sandbox with frozen prices on free ports; options are added to its command line."""
    sandbox = Sandbox(home, "--price-drift", "off", *options)
    try:
        yield sandbox
    finally:
        # The SDK keeps its connections in one pool per process; they would outlive the server.
        web_utils.http_pool.clear()
        sandbox.stop()


def raw_call(client: Any, method: str, business: dict[str, object] | None = None) -> Any:
    """Send one signed request through the SDK and return the parsed envelope."""
    return client.execute(_RawRequest(method, business))


class _RawRequest:
    """The SDK's request with parameters as they are, for what its models can not say."""

    def __init__(self, method: str, business: dict[str, object] | None) -> None:
        self._method = method
        self._business = business

    def get_params(self) -> dict[str, object]:
        params: dict[str, object] = {"method": self._method, "version": None}
        if self._business is not None:
            params["biz_content"] = json.dumps(
                self._business, sort_keys=True, separators=(",", ":"), ensure_ascii=False
            )
        return params
