"""`python -P -m projections --home H`: join the parts of the projector and run it."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Final

import click
import structlog

from core.errors import ServiceError
from core.subjects import SYSTEM_STREAM, ledger_stream
from infra.access import link_settings
from infra.clock import SystemClock
from infra.config import Settings, load_settings
from infra.home import Home
from infra.ledger.history import LedgerReader
from infra.logs import configure
from infra.nats.link import connect
from infra.nats.topology import PROJECTOR
from projections.runner import Runner
from projections.store import ViewStore

_READY: Final = '{"ready": true}\n'
_FAILED: Final = 1

_log: Final = structlog.get_logger(__name__)


@click.command()
@click.option("--home", type=click.Path(path_type=Path), default=None, help="Folder of the home.")
def main(home: Path | None) -> None:
    """Fold the ledgers of a home into views and answer questions until told to stop."""
    settings = load_settings(home=home)
    configure("projector", settings.log_level)
    failed: tuple[Exception, ...] = ()
    try:
        asyncio.run(_run(settings))
    except* ServiceError as group:
        # Leaving from inside this block would wrap the exit into a group.
        failed = group.exceptions
    for error in failed:
        _log.error("projector.stopped", cause=type(error).__name__, message=str(error))
    if failed:
        sys.exit(_FAILED)


async def _run(settings: Settings) -> None:
    home = Home(settings.home)
    installation = home.load()
    streams = (SYSTEM_STREAM, *(ledger_stream(login.name) for login in installation.logins))
    stop = _stop_signal()
    store = ViewStore.open(home.views)
    try:
        nc = await connect(
            link_settings(settings, role=PROJECTOR, name="projector"),
            on_error=lambda error: _log.warning("nats.error_reported", error=repr(error)),
            # A follower finds the closed link by itself and ends the process.
            on_closed=lambda: _log.info("nats.link_closed"),
            # The client also says so when we close it.
            on_disconnected=lambda: None if stop.is_set() else _log.warning("nats.link_lost"),
            on_reconnected=lambda: _log.info("nats.link_restored"),
        )
        followers = {
            stream: LedgerReader(nc, stream=stream, consumer=PROJECTOR) for stream in streams
        }
        try:
            await Runner(store, followers, nc, clock=SystemClock(), on_ready=_say_ready).run(stop)
        finally:
            await nc.close()
    finally:
        store.close()
    _log.info("projector.ended")


def _say_ready() -> None:
    sys.stdout.write(_READY)
    sys.stdout.flush()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    # The loop's own signal handlers do not exist on Windows; these do everywhere.
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda _number, _frame: loop.call_soon_threadsafe(stop.set))
    return stop


if __name__ == "__main__":
    main()
