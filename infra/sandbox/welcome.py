"""What a sandbox tells who started it: who can log in, and how to point a client at it."""

from collections.abc import Sequence
from pathlib import Path

from infra.sandbox.home import (
    GATEWAY_PUBLIC_KEY_FILE,
    Login,
)
from infra.sandbox.logins.files import (
    Ports,
    login_folder,
)
from infra.sandbox.wire.http_server import HOST


def welcome(home: Path, ports: Ports, logins: Sequence[Login], *, is_signed: bool) -> str:
    """Return the lines for stderr; the program that started it reads the one on stdout."""
    url = f"http://{HOST}:{ports.http}/gateway"
    lines = [
        f"The sandbox broker takes Tiger's requests at {url} (play money),",
        f"pushes on {HOST}:{ports.push} (TCP) and {HOST}:{ports.push_tls} (TLS),",
        f"and is controlled at http://{HOST}:{ports.control} (Ctrl-C stops it).",
        "",
        "Logins; each folder holds a tiger_openapi_config.properties:",
    ]
    for login in logins:
        accounts = ", ".join(f"{item.alias} {item.account} {item.kind}" for item in login.accounts)
        lines.append(f"  {login_folder(home, login.name)}  ({accounts})")
    return "\n".join([*lines, "", *_snippet(home, url, logins[0].name, is_signed=is_signed), ""])


def _snippet(home: Path, url: str, name: str, *, is_signed: bool) -> list[str]:
    key_file = str(home / GATEWAY_PUBLIC_KEY_FILE)
    lines = [
        "  from pathlib import Path",
        "  from tigeropen.tiger_open_config import TigerOpenClientConfig",
        "  from tigeropen.trade.trade_client import TradeClient",
        "  config = TigerOpenClientConfig(",
        f"      enable_dynamic_domain=False, props_path={str(login_folder(home, name))!r})",
        f"  config.server_url = config.quote_server_url = {url!r}",
    ]
    if is_signed:
        lines.append(f"  config.tiger_public_key = Path({key_file!r}).read_text()")
    return [*lines, "  client = TradeClient(config)"]
