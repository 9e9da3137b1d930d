"""`python -P -m adapters.mcp --home H`: join the parts of the gateway and serve one client.

`tiger-mcp serve` calls `run` with a `prepare` that first makes sure that a cluster is up. What the
connection needs is imported by `prepare`'s side of the start, so that `initialize` need not wait.
"""

import argparse
import asyncio
import errno
import importlib
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from adapters.mcp.eras import Era
from adapters.mcp.parts import Connected, Parts
from adapters.mcp.server import serve_stdio
from adapters.mcp.times import in_zone
from core.errors import ConfigError
from core.modes import Environment, Mode
from infra.clock import RandomIds, SystemClock
from infra.config import Settings, StdioEra, load_settings
from infra.home import Home, check_private
from infra.logs import configure
from infra.system_zone import system_zone
from infra.version import code_version

if TYPE_CHECKING:
    from adapters.mcp.http_service import HttpSettings
    from adapters.mcp.tokens import TokenRules

Prepare = Callable[[], object]
# A restart of the server takes less; after it somebody has to start the cluster.
LINK_DOWN_MAX_S: Final = 5.0
_LATE: Final = ("infra.access", "infra.keyring", "infra.nats.bus", "infra.nats.link")

_log = structlog.get_logger()


def main() -> None:
    """Serve the home named on the command line, whose cluster somebody else keeps up."""
    parser = argparse.ArgumentParser(description="The MCP gateway on stdin and stdout.")
    parser.add_argument("--home", type=Path, default=None, help="folder of the installation")
    run(load_settings(home=parser.parse_args().home))


def run(settings: Settings, *, prepare: Prepare | None = None, era: StdioEra | None = None) -> None:
    """Serve one client until it goes away.

    Args:
        settings: of this process.
        era: stands over the one in the settings.
        prepare: called in a thread before each try to connect, so that `initialize` is answered
            meanwhile; raises LinkError or ConfigError to be called again.
    """
    configure("gateway", settings.log_level)
    parts = home_parts(settings, prepare=prepare)
    asyncio.run(serve_stdio(parts, Era(era or settings.stdio_era)))


def run_http(settings: Settings, *, rules: "TokenRules", prepare: Prepare | None = None) -> None:
    """Serve any number of clients over HTTP until told to stop.

    Args:
        settings: of this process.
        rules: which tokens count.
        prepare: as `run`.

    Raises:
        ConfigError: a setting does not fit the others, or the port is taken.
    """
    # Only here: on stdio nobody waits for what checks tokens.
    from adapters.mcp.http_service import serve_http

    configure("http", settings.log_level)
    http = http_settings(settings, rules)
    check_free(http.host, http.port)
    _log.info("http.started", url=http.url)
    asyncio.run(serve_http(home_parts(settings, prepare=prepare), http))


def http_settings(settings: Settings, rules: "TokenRules") -> "HttpSettings":
    """Return where and as what the service listens.

    Raises:
        ConfigError: a setting does not fit the others.
    """
    from adapters.mcp.http_service import HttpSettings
    from adapters.mcp.limits import Limits

    if settings.http_tls_key is not None:
        check_private(settings.http_tls_key)
    return HttpSettings(
        host=settings.http_host,
        port=settings.http_port,
        url=rules.audience,
        rules=rules,
        origins=tuple(each for each in settings.http_origins.replace(",", " ").split()),
        tls_certificate=settings.http_tls_certificate,
        tls_key=settings.http_tls_key,
        limits=Limits(per_minute=settings.http_rate_per_min),
    )


def check_free(host: str, port: int) -> None:
    """Refuse a port on which somebody listens; what else may be wrong with it, listening shows.

    Raises:
        ConfigError: it is taken.
    """
    for family, kind, protocol, _, place in socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    ):
        try:
            # As the server will ask for it: what a server left that ended is no obstacle.
            with socket.socket(family, kind, protocol) as probe:
                if sys.platform != "win32":
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind(place)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise ConfigError(
                    f"port {port} of {host} is taken; end what listens there, or set "
                    "TIGER_MCP_HTTP_PORT to another"
                ) from None
            _log.debug("http.place_unusable", host=host, port=port, reason=error.strerror)


def home_parts(settings: Settings, *, prepare: Prepare | None = None) -> Parts:
    """Return the parts of a gateway on one home; nothing is read or reached yet."""

    def get_ready() -> None:
        for name in _LATE:
            importlib.import_module(name)
        if prepare is not None:
            prepare()

    async def reach() -> Connected:
        await asyncio.to_thread(get_ready)
        return await _connected(settings)

    zone = settings.timezone or system_zone()
    accounts = _AccountList(Home(settings.home))
    return Parts(
        connect=reach,
        accounts=accounts.environments,
        clock=SystemClock(),
        ids=RandomIds(),
        version=code_version(),
        modes=accounts.modes,
        zone=zone,
        to_local=in_zone(zone),
        asks=settings.questions == "ask",
    )


async def _connected(settings: Settings) -> Connected:
    from infra.access import link_settings
    from infra.keyring import FileSigner
    from infra.nats.bus import NatsBus
    from infra.nats.link import connect
    from infra.nats.topology import GATEWAY

    lost = asyncio.Event()
    patience = _Patience(lost)
    signer = FileSigner(settings.keys, GATEWAY)
    client = await connect(
        link_settings(settings, role=GATEWAY, name=GATEWAY),
        on_error=lambda error: _log.warning("nats.error_reported", error=repr(error)),
        on_closed=lost.set,
        on_disconnected=patience.begin,
        on_reconnected=patience.end,
    )
    return Connected(bus=NatsBus(client), signer=signer, lost=lost, close=client.close)


class _Patience:
    """Gives a link up that stays down, so that whoever keeps the cluster up is asked again."""

    def __init__(self, lost: asyncio.Event) -> None:
        self._lost = lost
        self._alarm: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The link went down; the client tries again by itself for a while."""
        _log.warning("nats.link_lost")
        if self._alarm is None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(LINK_DOWN_MAX_S, self._lost.set)

    def end(self) -> None:
        """The link is back."""
        _log.info("nats.link_restored")
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


class _AccountList:
    """What the home's list of accounts says now; read anew whenever it was written."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stamp: tuple[int, int, int] | None = None
        # A home that is not made yet has none; it is made by whoever brings the cluster up.
        self._environments: Mapping[str, Environment] = {}
        self._modes: Mapping[str, Mode] = {}

    def environments(self) -> Mapping[str, Environment]:
        self._read()
        return self._environments

    def modes(self) -> Mapping[str, Mode]:
        self._read()
        return self._modes

    def _read(self) -> None:
        try:
            found = self._home.installation_file.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                logins = self._home.load().logins
                accounts = [each for login in logins for each in login.accounts]
                self._environments = {each.alias: each.environment for each in accounts}
                self._modes = {each.alias: each.mode for each in accounts}
                self._stamp = stamp
        except (ConfigError, OSError) as error:
            _log.debug("accounts.unreadable", cause=str(error))


if __name__ == "__main__":
    main()
