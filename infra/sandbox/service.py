"""Joins the parts into a running sandbox: home, book, engine, the two ports and the price clock."""

import asyncio
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from infra.sandbox.broker.engine import Engine
from infra.sandbox.control.routes import Control
from infra.sandbox.home import LoginSpec, Ports, create_home, gateway_key, locked, write_ports
from infra.sandbox.settings import Settings
from infra.sandbox.store import BookStore
from infra.sandbox.wire.envelope import Authenticator, Replier
from infra.sandbox.wire.gateway import Gateway
from infra.sandbox.wire.http_server import HttpListener

TICK_S = 1.0

logger = logging.getLogger("sandbox")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a sandbox is to run."""

    home: Path
    http_port: int = 0  # 0: the system picks
    control_port: int = 0
    seed: int = 1
    is_signed: bool = True
    price_drift: bool = True
    logins: tuple[LoginSpec, ...] = ()


def system_clock() -> datetime:
    """Return the time, cut to Tiger's resolution of a millisecond."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


async def serve(options: Options) -> None:
    """Run a sandbox until SIGTERM or SIGINT.

    Raises:
        SandboxHomeError: the home is in use, or its logins are others than asked for.
        StoredBookError: the stored book does not decode.
    """
    options.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(options.home):
        await _Service(options).run()


class _Service:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._logins = create_home(options.home, options.logins)
        self._store = BookStore(options.home)
        self._engine = _engine(options, self._store)
        self._gateway = Gateway(
            engine=self._engine,
            authenticator=Authenticator(self._logins),
            replier=Replier(gateway_key(options.home), is_signed=options.is_signed),
            clock=system_clock,
        )
        control = Control(
            engine=self._engine, gateway=self._gateway, clock=system_clock, switch=self._switch
        )
        self._tiger_port = HttpListener(self._gateway.answer)
        self._control_port = HttpListener(control.answer)
        for login in self._logins:
            for item in login.accounts:
                self._engine.open_account(
                    tiger_id=login.tiger_id, account=item.account, kind=item.kind
                )

    async def run(self) -> None:
        stop = _stop_event()
        try:
            await self._tiger_port.open(self._options.http_port)
            await self._control_port.open(self._options.control_port)
            self._announce()
            await self._tick_until(stop)
        finally:
            await self._tiger_port.close()
            await self._control_port.close()
            self._engine.keep_prices()
            self._store.close()
        logger.info("sandbox stopped")

    def _announce(self) -> None:
        ports = Ports(
            ready=True,
            http=self._tiger_port.port,
            control=self._control_port.port,
            pid=os.getpid(),
        )
        write_ports(self._options.home, ports)
        logger.info("sandbox ready on port %d, control on port %d", ports.http, ports.control)
        sys.stdout.write(msgspec.json.encode(ports).decode() + "\n")
        sys.stdout.flush()

    async def _tick_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                async with asyncio.timeout(TICK_S):
                    await stop.wait()
            except TimeoutError:
                if self._engine.settings.price_drift:
                    self._engine.advance(system_clock(), step_count=1)

    async def _switch(self, settings: Settings) -> None:
        self._engine.settings = settings
        if settings.refuse_connections:
            await self._tiger_port.close()
        else:
            await self._tiger_port.open(self._tiger_port.port)


def _engine(options: Options, store: BookStore) -> Engine:
    engine = Engine(seed=options.seed, save=store.save)
    engine.settings = Settings(price_drift=options.price_drift)
    store.replay(engine.restore)
    return engine


def _stop_event() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    # Not `add_signal_handler`: that one does not exist on Windows.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop
