"""`python -P -m adapters.mcp --home H`: join the parts of the gateway and serve one client.

`tiger-mcp serve` calls `run` with a `prepare` that first makes sure that a cluster is up. What the
connection needs is imported by `prepare`'s side of the start, so that `initialize` need not wait.
"""

import argparse
import asyncio
import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import structlog

from adapters.mcp.parts import Connected, Parts
from adapters.mcp.server import serve_stdio
from core.errors import ConfigError
from core.events import Environment
from infra.clock import RandomIds, SystemClock
from infra.config import Settings, load_settings
from infra.home import Home
from infra.logs import configure
from infra.version import code_version

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


def run(settings: Settings, *, prepare: Prepare | None = None) -> None:
    """Serve one client until it goes away.

    Args:
        settings: of this process.
        prepare: called in a thread before each try to connect, so that `initialize` is answered
            meanwhile; raises LinkError or ConfigError to be called again.
    """
    configure("gateway", settings.log_level)
    asyncio.run(serve_stdio(home_parts(settings, prepare=prepare)))


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

    return Parts(
        connect=reach,
        accounts=lambda: _accounts(Home(settings.home)),
        clock=SystemClock(),
        ids=RandomIds(),
        version=code_version(),
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


# A home that is not made yet has no accounts; it is made by whoever brings the cluster up.
def _accounts(home: Home) -> Mapping[str, Environment]:
    try:
        installation = home.load()
    except ConfigError:
        return {}
    return {
        account.alias: account.environment
        for login in installation.logins
        for account in login.accounts
    }


if __name__ == "__main__":
    main()
