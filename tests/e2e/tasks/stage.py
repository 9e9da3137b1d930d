"""The world around a task: what was there before, and what must be true afterwards.

What a person did before, and what the market does, goes through the sandbox's control port and a
client of its own that is not counted. What is true afterwards is read from the broker's own book
and journal, and from the ledger as an auditor reads it.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import psutil
from mcp import Client
from nats.aio.client import Client as NatsClient
from tigeropen.common.util import web_utils
from tigeropen.tiger_open_config import TigerOpenClientConfig
from tigeropen.trade.trade_client import TradeClient

from core import codec
from core.modes import Mode
from core.subjects import ledger_stream
from infra.config import Settings
from infra.demo.ledgers import linked
from infra.home import Home, Installation
from infra.ledger.history import LedgerReader
from infra.nats.topology import NOTARY
from infra.sandbox.broker.records import Order
from infra.sandbox.control.client import SandboxControl
from infra.sandbox.home import (
    GATEWAY_PUBLIC_KEY_FILE,
    AccountSpec,
    LoginSpec,
    create_home,
)
from infra.sandbox.logins.files import (
    login_folder,
    read_ports,
)
from infra.sandbox.settings import Settings as Switches
from infra.sandbox.wire.http_server import HOST
from infra.supervisor.installation import load_or_make, login_settings
from infra.supervisor.status import live_status
from tests.support import week_later
from tests.support.cluster import Era, answer, cluster, sandbox_of, served
from tests.support.gateway import rows_of

WAIT_S: Final = 30.0
PLACE, MODIFY, CANCEL = "place_order", "modify_order", "cancel_order"
WRITES: Final = (PLACE, MODIFY, CANCEL)
VIEW_ONLY: Final = "hongkong-view"
HONG_KONG: Final = LoginSpec(
    name="gamma",
    licence="TBHK",
    accounts=(
        AccountSpec(alias="hongkong", kind="prime"),
        AccountSpec(alias=VIEW_ONLY, kind="prime"),
    ),
)


class Was(NamedTuple):
    """How far everything was when a task began."""

    requests: dict[str, int]
    orders: dict[str, int]
    holdings: dict[str, dict[str, Decimal]]
    facts: dict[str, int]


class Stage:
    """One running home: its broker, its ledger, and a client for what people do beside tasks."""

    def __init__(
        self,
        path: Path,
        installation: Installation,
        clients: Mapping[Era, Client],
        week_later: Client,
        notary: NatsClient,
    ) -> None:
        self.path = path
        self.clients = clients
        self.client = clients["auto"]
        self.week_later = week_later
        self.control: SandboxControl = sandbox_of(path)
        self.numbers = {
            account.alias: account.number
            for login in installation.logins
            for account in login.accounts
        }
        self.ledger = _Ledger(installation, notary)
        self.was = Was({}, {}, {}, {})

    async def begin(self) -> None:
        """Remember how far everything is."""
        await self.ledger.read()
        books = {alias: self.control.book(number) for alias, number in self.numbers.items()}
        self.was = Was(
            requests={method: self.control.request_count(method) for method in WRITES},
            orders={alias: len(book.orders) for alias, book in books.items()},
            holdings={alias: self.holdings(alias) for alias in books},
            facts={alias: len(self.ledger.facts[alias]) for alias in books},
        )

    async def clear(self) -> None:
        """Take faults, switches and open orders away, so that the next task finds none."""
        self.control.release()
        self.control.clear_faults()
        self.control.set_settings(Switches(price_drift=False))
        for alias in self.numbers:
            if any(order.is_open for order in self.control.book(self.numbers[alias]).orders):
                await answer(self.client, "cancel_orders", account=alias, all_open=True)
                await self.until(
                    "get_orders", lambda t: not rows_of(t["orders"]), account=alias, status="open"
                )

    def requests(self, method: str) -> int:
        """Return how many requests of a method came since the task began."""
        return self.control.request_count(method) - self.was.requests[method]

    def orders(self, alias: str) -> tuple[Order, ...]:
        """Return the orders that came into an account's book since the task began."""
        return self.control.book(self.numbers[alias]).orders[self.was.orders[alias] :]

    def holdings(self, alias: str) -> dict[str, Decimal]:
        """Return what an account holds, by contract."""
        held = self.control.book(self.numbers[alias]).positions
        return {key: each.quantity for key, each in held.items() if each.quantity}

    def facts(self, alias: str) -> Counter[str]:
        """Return how often each fact was recorded since the task began."""
        return Counter(
            recorded.type for recorded in self.ledger.facts[alias][self.was.facts[alias] :]
        )

    async def until(
        self, tool: str, holds: Callable[[dict[str, Any]], bool], **arguments: Any
    ) -> dict[str, Any]:
        """Read until something shows."""
        async with asyncio.timeout(WAIT_S):
            while True:
                told = await answer(self.client, tool, **arguments)
                if holds(told):
                    return told

    async def ordered(self, alias: str, **terms: Any) -> str:
        """Have a person order something, and return what became of the order's submission."""
        shown = await answer(self.client, "preview_order", account=alias, **terms)
        assert shown["can_submit"], shown
        told = await answer(
            self.client, "submit_order", account=alias, preview_id=shown["preview_id"]
        )
        order_id: str = told["order_id"]
        return order_id

    async def in_phase(self, alias: str, order_id: str, phase: str) -> None:
        """Wait until an order is in a phase."""
        await self.until(
            "get_orders",
            lambda told: any(row["phase"] == phase for row in rows_of(told["orders"])),
            account=alias,
            order_ids=[order_id],
        )

    def worker(self, login: str) -> psutil.Process:
        """Return the process of a login's worker."""
        status = live_status(Home(self.path))
        assert status is not None
        (pid,) = [each.pid for each in status.processes if each.name == f"worker-{login}"]
        return psutil.Process(pid)

    def app(self, login: str) -> Any:
        """Return Tiger's own client for a login, for what a person does in the app."""
        folder = Home(self.path).sandbox
        ports = read_ports(folder)
        assert ports is not None
        config = TigerOpenClientConfig(
            enable_dynamic_domain=False, props_path=str(login_folder(folder, login))
        )
        config.tiger_public_key = (folder / GATEWAY_PUBLIC_KEY_FILE).read_text(encoding="utf-8")
        config.server_url = config.quote_server_url = f"http://{HOST}:{ports.http}/gateway"
        return TradeClient(config)


class _Ledger:
    """Every account's facts, read with the notary's rights, each chain checked."""

    def __init__(self, installation: Installation, notary: NatsClient) -> None:
        self._readers = {
            login.name: LedgerReader(notary, stream=ledger_stream(login.name), consumer=NOTARY)
            for login in installation.logins
        }
        self._read_to = dict.fromkeys(self._readers, 0)
        aliases = [account.alias for login in installation.logins for account in login.accounts]
        self._tails = dict.fromkeys(aliases, codec.EMPTY_TAIL)
        self.facts: dict[str, list[codec.Recorded]] = {alias: [] for alias in aliases}

    async def read(self) -> None:
        """Read what was stored since."""
        for name, reader in self._readers.items():
            async for record in reader.read_all(self._read_to[name]):
                alias = record.subject.split(".")[1]
                recorded, self._tails[alias] = codec.follow(
                    self._tails[alias], record.subject, record.body, sequence=record.sequence
                )
                self._read_to[name] = record.sequence
                self.facts[alias].append(recorded)

    def orders(self, alias: str) -> set[str]:
        """Return the broker's ids of every order that is recorded."""
        return self._named(alias, "tiger_order_id")

    def fills(self, alias: str) -> set[str]:
        """Return the broker's ids of every fill that is recorded."""
        return self._named(alias, "execution_id")

    def _named(self, alias: str, name: str) -> set[str]:
        found = {str(getattr(each.data, name, "")) for each in self.facts[alias]}
        return found - {""}


@contextlib.asynccontextmanager
async def staged(path: Path) -> AsyncIterator[Stage]:
    """Run a home with four accounts that trade, one for looking alone, and a login with a token."""
    installation = await asyncio.to_thread(_installed, Home(path))
    async with (
        cluster(path) as settings,
        served(path) as client,
        served(path, mode="legacy") as older,
        served(path, program=week_later.PROGRAM) as later,
    ):
        await answer(client, "list_accounts")
        async with _noted(settings) as notary:
            clients: dict[Era, Client] = {"auto": client, "legacy": older}
            stage = Stage(path, installation, clients, later, notary)
            stage.control.set_settings(Switches(price_drift=False))
            for alias in stage.numbers:
                await stage.until("get_account", lambda t: t["state"] == "active", account=alias)
            yield stage


@contextlib.asynccontextmanager
async def _noted(settings: Settings) -> AsyncIterator[NatsClient]:
    async with linked(settings, NOTARY) as notary:
        try:
            yield notary
        finally:
            # Tiger's client keeps its connections in one pool per process.
            web_utils.http_pool.clear()


def _installed(home: Home) -> Installation:
    home.path.mkdir()
    made = load_or_make(home)
    logins = create_home(home.sandbox, (HONG_KONG,))
    installation = msgspec.structs.replace(
        made,
        logins=tuple(
            msgspec.structs.replace(
                settings,
                accounts=tuple(
                    msgspec.structs.replace(each, mode=Mode.READ_ONLY)
                    if each.alias == VIEW_ONLY
                    else each
                    for each in settings.accounts
                ),
            )
            for settings in (login_settings(home, login) for login in logins)
        ),
    )
    home.save(installation)
    return installation


Act = Callable[[Stage], Awaitable[None]]
