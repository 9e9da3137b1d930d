"""Joins the parts into a running sandbox: home, book, engine, the two ports and the price clock."""

import asyncio
import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import msgspec

from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import Record
from infra.sandbox.clock import Clock, RealClock, VirtualClock
from infra.sandbox.control.logins import LoginRoutes
from infra.sandbox.control.push_routes import PushRoutes
from infra.sandbox.control.routes import Control
from infra.sandbox.home import (
    Login,
    LoginSpec,
    create_home,
    gateway_key,
    locked,
    write_ports,
)
from infra.sandbox.logins.files import (
    Ports,
    last_ports,
)
from infra.sandbox.logins.gate import Gate, open_gate
from infra.sandbox.logins.oauth_http import OAuthEndpoints
from infra.sandbox.logins.switches import LoginSwitches
from infra.sandbox.methods.calls import Call
from infra.sandbox.push.authentication import PushAuthenticator
from infra.sandbox.push.certificate import tls_context
from infra.sandbox.push.server import PushServer
from infra.sandbox.replica import Replicas
from infra.sandbox.settings import Settings
from infra.sandbox.store import BookStore
from infra.sandbox.welcome import welcome
from infra.sandbox.wire.envelope import Replier
from infra.sandbox.wire.gateway import Gateway
from infra.sandbox.wire.http_server import HOST, HttpListener

TICK_S = 1.0

Port = TypeVar("Port")
_NOT_TO_BE_HAD = (errno.EADDRINUSE, errno.EACCES)

logger = logging.getLogger("sandbox")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a sandbox is to run."""

    home: Path
    # 0: the system picks; none: that of the last start where it is free, so that clients find it.
    http_port: int | None = None
    control_port: int | None = None
    push_port: int | None = None
    push_tls_port: int | None = None
    seed: int = 1
    is_signed: bool = True
    price_drift: bool = True
    clock_start: datetime | None = None  # of a virtual clock; none: the system's time
    logins: tuple[LoginSpec, ...] = ()


class PortTakenError(OSError):
    """A port that was asked for can not be had."""


async def serve(options: Options) -> None:
    """Run a sandbox until SIGTERM or SIGINT.

    Raises:
        SandboxHomeError: the home is in use, or its logins are others than asked for.
        StoredBookError: the stored book does not decode.
        PortTakenError: a fixed port is in use, or not allowed.
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
        self._clock = _clock(options, self._engine)
        gate = open_gate(options.home, self._logins, switches=self._login_switches, now=self._now)
        self._gateway = Gateway(
            engine=self._engine,
            replicas=Replicas(
                engine=self._engine,
                make=lambda save: _empty_engine(options, save),
                records=self._store.records,
            ),
            gate=gate,
            oauth=self._oauth(gate),
            replier=Replier(gateway_key(options.home), is_signed=options.is_signed),
            now=self._now,
            sleep=self._clock.sleep,
        )
        self._push = self._push_server(gate)
        control = Control(
            engine=self._engine,
            gateway=self._gateway,
            clock=self._clock,
            now=self._now,
            on_second=self._on_second,
            switch=self._switch,
            more={
                **LoginRoutes(gate=gate, logins=self._logins, now=self._now).routes,
                **PushRoutes(self._push).routes,
            },
        )
        self._tiger_port = HttpListener(self._gateway.answer)
        self._control_port = HttpListener(control.answer)
        self._push_ports = 0, 0  # plain and TLS
        self._last_ports = last_ports(options.home)
        for login in self._logins:
            for item in login.accounts:
                self._engine.open_account(
                    tiger_id=login.tiger_id, account=item.account, kind=item.kind
                )

    async def run(self) -> None:
        stop = _stop_event()
        try:
            options, last = self._options, self._last_ports
            await _had(self._tiger_port.open, options.http_port, last.http, option="--http")
            await _had(
                self._control_port.open, options.control_port, last.control, option="--control"
            )
            await self._open_push(options.push_port, options.push_tls_port)
            # What is loaded by now stays: no full collection has to walk it while orders wait.
            gc.collect()
            gc.freeze()
            self._announce()
            await self._tick_until(stop)
        finally:
            await self._tiger_port.close()
            await self._control_port.close()
            await self._push.close()
            self._engine.keep_prices()
            self._store.close()
        logger.info("sandbox stopped")

    def _push_server(self, gate: Gate) -> PushServer:
        def call_of(login: Login, business: bytes) -> Call:
            return Call(
                login=login,
                device_id="",
                gate=gate,
                business=business,
                engine=self._engine,
                now=self._now(),
            )

        push = PushServer(
            engine=self._engine,
            call_of=call_of,
            authenticator=PushAuthenticator(
                self._logins, token_login=gate.authorizations.login_for_access_token
            ),
            now=self._now,
            sleep=self._clock.sleep,
        )
        self._engine.listeners.append(push.accounts.record_applied)
        self._engine.prices.listeners.append(push.market.prices_moved)
        return push

    async def _open_push(self, port: int | None, tls_port: int | None) -> None:
        context = tls_context(self._options.home, now=RealClock().now())
        last = self._last_ports
        plain = await _had(self._push.open, port, last.push, option="--push")
        tls = await _had(
            lambda each: self._push.open(each, context),
            tls_port,
            last.push_tls,
            option="--push-tls",
        )
        self._push_ports = plain, tls

    def _announce(self) -> None:
        ports = Ports(
            ready=True,
            http=self._tiger_port.port,
            control=self._control_port.port,
            pid=os.getpid(),
            push=self._push_ports[0],
            push_tls=self._push_ports[1],
        )
        write_ports(self._options.home, ports)
        logger.info("sandbox ready on port %d, control on port %d", ports.http, ports.control)
        sys.stdout.write(msgspec.json.encode(ports).decode() + "\n")
        sys.stdout.flush()
        is_signed = self._options.is_signed
        sys.stderr.write(welcome(self._options.home, ports, self._logins, is_signed=is_signed))

    def _oauth(self, gate: Gate) -> OAuthEndpoints:
        return OAuthEndpoints(
            gate.authorizations,
            base_url=lambda: f"http://{HOST}:{self._tiger_port.port}",
            switches=self._login_switches,
            now=self._now,
        )

    def _login_switches(self) -> LoginSwitches:
        return self._engine.settings.logins

    def _now(self) -> datetime:
        skew = timedelta(milliseconds=self._engine.settings.clock_skew_ms)
        return self._clock.now() + skew

    def _on_second(self) -> None:
        if self._engine.settings.price_drift:
            self._engine.advance(self._now(), step_count=1)
        else:
            self._engine.tick(self._now())

    async def _tick_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                # A virtual clock is moved by its controller, and calls on its seconds itself.
                async with asyncio.timeout(None if self._clock.is_virtual else TICK_S):
                    await stop.wait()
            except TimeoutError:
                self._on_second()

    async def _switch(self, settings: Settings) -> None:
        was_refusing = self._engine.settings.refuse_connections
        if settings.refuse_connections and not was_refusing:
            await self._tiger_port.close()
            await self._push.close()
        elif was_refusing and not settings.refuse_connections:
            await self._tiger_port.open(self._tiger_port.port)
            await self._open_push(*self._push_ports)
        self._engine.settings = settings
        # What the old settings held back may go on.
        self._engine.settle(self._now())


def _engine(options: Options, store: BookStore) -> Engine:
    engine = _empty_engine(options, store.save, store.commit)
    store.replay(engine.restore)
    return engine


def _empty_engine(
    options: Options, save: Callable[[Record], None], commit: Callable[[], None] = lambda: None
) -> Engine:
    engine = Engine(seed=options.seed, save=save, commit=commit)
    engine.settings = Settings(price_drift=options.price_drift)
    return engine


def _clock(options: Options, engine: Engine) -> Clock:
    if options.clock_start is None:
        return RealClock()
    # Time does not go back: a home may hold orders that are younger than the start asked for.
    known = (order.updated_at for order in engine.book.orders.values())
    return VirtualClock(max((options.clock_start, *known)))


async def _had(
    opening: Callable[[int], Awaitable[Port]], asked: int | None, last: int, *, option: str
) -> Port:
    if asked is None and last:
        try:
            return await opening(last)
        except OSError as error:
            if error.errno not in _NOT_TO_BE_HAD:
                raise
            logger.warning(
                "port %d of the last start is not free, so another is taken; who was told of it "
                "finds this sandbox again with %s %d, once that is free",
                *(last, option, last),
            )
    port = asked or 0
    try:
        return await opening(port)
    except OSError as error:
        if error.errno not in _NOT_TO_BE_HAD:
            raise
        raise PortTakenError(
            f"port {port} is {'in use' if error.errno == errno.EADDRINUSE else 'not allowed'}; "
            f"give another with {option}, or {option} 0 to let the system pick"
        ) from None


def _stop_event() -> asyncio.Event:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    # Not `add_signal_handler`: that one does not exist on Windows.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set))
    return stop
