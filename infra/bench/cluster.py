"""A whole cluster in a home of its own, and an ear on its facts.

The bench takes no short way into a running part: it sends what a gateway sends, hears what a
gateway hears, and reads the sandbox's control port.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import msgspec

from core import codec
from core.codec import Recorded
from core.commands import Envelope, ModelCommand, Sealed, signed_bytes
from core.ports import EventMessage
from core.subjects import Kind, subject
from infra.bench.ear import Ear
from infra.bench.fault import BenchError
from infra.bench.processes import gateway_command
from infra.bench.stdio_client import StdioServer
from infra.clock import SystemClock
from infra.config import Settings, child_environment, load_settings
from infra.home import Home, Installation
from infra.keyring import FileSigner
from infra.nats.link import LoopThread
from infra.nats.topology import GATEWAY
from infra.sandbox.control.client import SandboxControl
from infra.sandbox.home import (
    AccountSpec,
    LoginSpec,
    create_home,
)
from infra.sandbox.logins.files import (
    read_ports,
)
from infra.supervisor import detached
from infra.supervisor.installation import login_settings
from infra.supervisor.status import Phase

WAIT_S: Final = 20.0
_CALL_LIMIT_S: Final = 10.0
_COMMAND_LIFE_S: Final = 120.0


class Heard:
    """A fact, and the wall clock (seconds since 1970) when this process heard it."""

    def __init__(self, at_s: float, message: EventMessage) -> None:
        self.at_s = at_s
        self._message = message
        _, self.account, self.type = message.subject.split(".", 2)

    @cached_property
    def fact(self) -> Recorded:
        """The fact itself; read when it is asked for, so that hearing costs next to nothing."""
        message = self._message
        return codec.decode(message.subject, message.body, sequence=message.sequence)


class Cluster:
    """One cluster; `up` first, `down` last."""

    def __init__(
        self, folder: Path, logins: Sequence[LoginSpec], *, strangers: Sequence[LoginSpec] = ()
    ) -> None:
        """Make the home; the sandbox also knows `strangers`, whom no worker serves."""
        self.home = Home(folder)
        self.settings: Settings = load_settings(home=folder)
        known = create_home(self.home.sandbox, (*logins, *strangers))
        served = {login.name for login in logins}
        self.installation = Installation(
            ledger_id="tmbench",
            logins=tuple(
                login_settings(self.home, login) for login in known if login.name in served
            ),
        )
        self.home.save(self.installation)
        self.home.logs.mkdir(exist_ok=True)
        self.facts: list[Heard] = []
        self._counts: Counter[str] = Counter()
        self._news = threading.Condition()
        self._loop = LoopThread("bench")
        self._clock = SystemClock()
        self._bus: Ear | None = None
        self._signer: FileSigner | None = None

    def up(self) -> None:
        """Start everything and listen.

        Raises:
            BenchError: a process did not come up.
        """
        status = detached.ensure_up(self.settings)
        if status.phase is not Phase.READY:
            raise BenchError(f"expected a cluster that is ready, was {status.message}")
        self._loop.run(self._listen(), WAIT_S)

    def down(self) -> None:
        """Stop everything."""
        if self._bus is not None:
            self._loop.run(self._bus.close(), _CALL_LIMIT_S)
        self._loop.stop()
        detached.stop(self.settings)

    @property
    def sandbox(self) -> SandboxControl:
        """Return the broker's control port."""
        ports = read_ports(self.home.sandbox)
        assert ports is not None, "the cluster is up"
        return SandboxControl(ports.control)

    @property
    def http_port(self) -> int:
        """Return the broker's Tiger port."""
        ports = read_ports(self.home.sandbox)
        assert ports is not None, "the cluster is up"
        return ports.http

    def gateway(self) -> StdioServer:
        """Start a gateway as an MCP client does; `initialize` is still to come."""
        return StdioServer(
            gateway_command(self.home.path),
            environment=child_environment(self.settings),
            log=self.home.logs / "gateway.log",
        )

    def count(self, type_: str) -> int:
        """Return how many facts of a type were heard."""
        return self._counts[type_]

    def seen(
        self, type_: str, *, account: str = "", causation_id: str = "", after: int = 0
    ) -> list[Heard]:
        """Return the facts of a type among those heard from place `after` on."""
        return [
            heard
            for heard in self.facts[after:]
            if heard.type == type_
            and account in ("", heard.account)
            and causation_id in ("", heard.fact.causation_id)
        ]

    def fact(
        self, type_: str, *, account: str = "", causation_id: str = "", after: int = 0
    ) -> Heard:
        """Wait for a fact.

        Raises:
            BenchError: it does not come.
        """
        self.until(
            lambda: bool(self.seen(type_, account=account, causation_id=causation_id, after=after)),
            what=type_,
        )
        return self.seen(type_, account=account, causation_id=causation_id, after=after)[0]

    def until(self, is_so: Callable[[], bool], *, what: str, limit_s: float = WAIT_S) -> None:
        """Wait until something is so; looked at after each fact.

        Raises:
            BenchError: it is not so within the limit.
        """
        with self._news:
            if not self._news.wait_for(is_so, limit_s):
                raise BenchError(f"expected {what} within {limit_s:.0f} s")

    def send(self, orders: Sequence[tuple[str, str, str, ModelCommand]]) -> None:
        """Store signed commands, all at once: account, name, command id and body of each."""
        assert self._bus is not None, "a cluster that is up has a link"
        sealed = [self._seal(*order) for order in orders]
        self._loop.run(self._bus.publish_all(sealed), WAIT_S)

    def _seal(
        self, account: str, name: str, command_id: str, command: ModelCommand
    ) -> tuple[str, bytes, str]:
        assert self._signer is not None, "a cluster that is up has a signer"
        now = self._clock.now()
        where = subject(Kind.COMMAND, account, name)
        envelope = msgspec.json.encode(
            Envelope(
                command_id=command_id,
                correlation_id=command_id,
                principal="bench",
                issued_at=now,
                expires_at=now + timedelta(seconds=_COMMAND_LIFE_S),
                body=msgspec.Raw(msgspec.json.encode(command)),
            )
        )
        sealed = Sealed(
            key_id=self._signer.key_id,
            signature=self._signer.sign(signed_bytes(where, envelope)),
            envelope=msgspec.Raw(envelope),
        )
        return where, msgspec.json.encode(sealed), f"{account}/{command_id}"

    async def _listen(self) -> None:
        self._signer = FileSigner(self.settings.keys, GATEWAY)
        self._bus = await Ear.open(self.settings)
        for login in self.installation.logins:
            for account in login.accounts:
                await self._bus.listen(f"{Kind.EVENT}.{account.alias}.>", self._hear)
        await self._bus.flush()

    def _hear(self, message: EventMessage) -> None:
        heard = Heard(time.time(), message)
        with self._news:
            self.facts.append(heard)
            self._counts[heard.type] += 1
            self._news.notify_all()


def login_spec(name: str, *aliases: str) -> LoginSpec:
    """Return a login with prime accounts."""
    return LoginSpec(
        name=name, accounts=tuple(AccountSpec(alias=alias, kind="prime") for alias in aliases)
    )
