"""Orders through real clients while every second a random process is killed or paused.

Four accounts of three logins; gateways, workers, projector, nats-server and the broker die by -9
or stand still. At the end the broker's book and the ledger must say the same, nothing may be
doubled, and every order must have an honest state.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from mcp import Client

from core.account_state import AccountState
from core.errors import LinkError
from core.orders import Phase
from infra.config import Settings
from infra.demo.compare import Comparison, compare
from infra.demo.ledgers import states_of
from infra.home import Home, Installation
from infra.sandbox.home import AccountSpec, LoginSpec, create_home
from infra.supervisor import detached
from infra.supervisor.installation import login_settings
from infra.supervisor.status import live_status
from tests.support.cluster import cluster, sandbox_of, served

pytestmark = pytest.mark.asyncio(loop_scope="module")
LOGINS: Final = (
    LoginSpec(
        name="one",
        accounts=(
            AccountSpec(alias="first", kind="prime"),
            AccountSpec(alias="second", kind="paper"),
        ),
    ),
    LoginSpec(name="two", accounts=(AccountSpec(alias="third", kind="prime"),)),
    LoginSpec(name="three", accounts=(AccountSpec(alias="fourth", kind="paper"),)),
)
ACCOUNTS: Final = ("first", "second", "third", "fourth")
SYMBOLS: Final = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN", "GOOG", "SPY")
CLIENTS: Final = 3
EVERY_S: Final = 1.0
PAUSE_S_MAX: Final = 3.0
SETTLE_S: Final = 120.0
CALL_LIMIT_S: Final = 20.0
SESSION_LIMIT_S: Final = 60.0
# Orders that each client has on their way at the same time.
AT_ONCE: Final = 6
# What a submit may end in; `pending` and no answer at all are asked again.
ENDS: Final = frozenset({"accepted", "rejected", "refused", "not_sent", "unknown"})
# States in which nobody has to look at an order any more, or in which a person is asked to.
HONEST: Final = frozenset(
    {
        Phase.WORKING,
        Phase.FILLED,
        Phase.CANCELLED,
        Phase.EXPIRED,
        Phase.REJECTED,
        Phase.NOT_SENT,
        Phase.NOT_FOUND,
    }
)


class Chaos(NamedTuple):
    """What a run is asked for."""

    orders: int
    seed: int


@pytest.fixture(scope="module")
def chaos(request: pytest.FixtureRequest) -> Chaos:
    config = request.config
    return Chaos(config.getoption("--chaos-orders"), config.getoption("--chaos-seed"))


def make_home(path: Path) -> Installation:
    home = Home(path)
    home.path.mkdir(parents=True)
    known = create_home(home.sandbox, LOGINS)
    installation = Installation(
        ledger_id="tmchaos", logins=tuple(login_settings(home, login) for login in known)
    )
    home.save(installation)
    home.logs.mkdir(exist_ok=True)
    return installation


def gateways() -> list[int]:
    """Return the process ids of the gateways that this process started."""
    program = shutil.which("ps")
    assert program is not None, "ps lists processes"
    listing = subprocess.run(
        [program, "-A", "-ww", "-o", "pid=,ppid=,command="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split(None, 2) for line in listing.splitlines()]
    return [int(row[0]) for row in rows if row[1] == str(os.getpid()) and row[-1].endswith("serve")]


def victims(home: Path) -> Iterator[tuple[str, int]]:
    """Return what may be hit now: every process but the supervisor, which hits nobody back."""
    status = live_status(Home(home))
    for process in status.processes if status is not None else ():
        if process.pid is not None:
            yield process.name, process.pid
    for pid in gateways():
        yield "gateway", pid


class Weather:
    """Hits a random process about once a second, until it is over."""

    def __init__(self, home: Path, seed: int) -> None:
        self.tally: Counter[str] = Counter()
        self._home = home
        self._choice = random.Random(seed)
        self._over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def blowing(self) -> AsyncIterator[None]:
        """Blow for a while; afterwards nobody is left paused."""
        task = asyncio.create_task(self._blow())
        try:
            yield
        finally:
            self._over.set()
            await task

    async def _blow(self) -> None:
        while not await self._is_over_within(EVERY_S):
            found = sorted(await asyncio.to_thread(lambda: list(victims(self._home))))
            if found:
                await self._hit(*self._choice.choice(found))

    async def _hit(self, name: str, pid: int) -> None:
        is_kill = self._choice.random() < 0.5
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if is_kill else signal.SIGSTOP)
            self.tally[f"{'killed' if is_kill else 'paused'} {name}"] += 1
            if not is_kill:
                await self._is_over_within(self._choice.uniform(0.1, PAUSE_S_MAX))
                os.kill(pid, signal.SIGCONT)

    async def _is_over_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._over.wait()
        return self._over.is_set()


class Trader:
    """One client that places orders, and asks again until it knows what became of each."""

    def __init__(self, home: Path, seed: int) -> None:
        self.ends: Counter[str] = Counter()
        self._home = home
        self._choice = random.Random(seed)

    async def trade(self, orders: int) -> None:
        """Place so many orders, whatever happens to the gateway meanwhile."""
        wanted: list[dict[str, Any]] = [self._terms() for _ in range(orders)]
        while wanted:
            try:
                # A client whose gateway died may wait for it for ever.
                async with (
                    asyncio.timeout(SESSION_LIMIT_S),
                    served(self._home) as client,
                    asyncio.TaskGroup() as group,
                ):
                    for _ in range(AT_ONCE):
                        group.create_task(self._work(client, wanted))
            except Exception as error:  # noqa: BLE001 - a killed gateway ends in many ways
                self.ends[f"gateway lost: {type(error).__name__}"] += 1

    async def _work(self, client: Client, wanted: list[dict[str, Any]]) -> None:
        while wanted:
            terms = wanted.pop()
            is_known = False
            try:
                await self._place(client, terms)
                is_known = True
            finally:
                if not is_known:
                    # Whatever became of it, it is asked about again, with the same preview.
                    wanted.append(terms)

    async def _place(self, client: Client, terms: dict[str, Any]) -> None:
        if "preview_id" not in terms:
            preview = await self._call(client, "preview_order", **terms["order"])
            if preview is None or "preview_id" not in preview:
                self.ends["no preview"] += 1
                return
            terms["preview_id"] = preview["preview_id"]
        chosen = {"account": terms["order"]["account"], "preview_id": terms["preview_id"]}
        status = ""
        while status not in ENDS:
            answer = await self._call(client, "submit_order", **chosen)
            status = "refused" if answer is None else str(answer.get("status"))
        self.ends[status] += 1

    async def _call(self, client: Client, tool: str, **arguments: Any) -> dict[str, Any] | None:
        async with asyncio.timeout(CALL_LIMIT_S):
            result = await client.call_tool(tool, arguments)
        return None if result.is_error else result.structured_content

    def _terms(self) -> dict[str, Any]:
        is_market = self._choice.random() < 0.5
        order = {
            "account": self._choice.choice(ACCOUNTS),
            "symbol": self._choice.choice(SYMBOLS),
            "side": "buy",
            "order_type": "market" if is_market else "limit",
            "quantity": str(self._choice.randint(1, 9)),
            "reason": "chaos",
        }
        return {"order": order if is_market else order | {"limit_price": "1.00"}}


async def test_nothing_is_doubled_lost_or_guessed_while_processes_die(
    tmp_path_factory: pytest.TempPathFactory, chaos: Chaos, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path_factory.mktemp("chaos") / "home"
    installation = make_home(home)
    async with cluster(home) as settings:
        await asyncio.to_thread(detached.ensure_up, settings)
        weather = Weather(home, chaos.seed)
        traders = [Trader(home, chaos.seed * 100 + number) for number in range(CLIENTS)]
        shares = [chaos.orders // CLIENTS + (n < chaos.orders % CLIENTS) for n in range(CLIENTS)]
        async with weather.blowing(), asyncio.TaskGroup() as group:
            for trader, share in zip(traders, shares, strict=True):
                group.create_task(trader.trade(share))
        found, states = await settled(settings, installation, home)
        ends = sum((trader.ends for trader in traders), Counter[str]())
        with capsys.disabled():
            print(f"\n{dict(weather.tally)}\n{dict(ends)}")  # noqa: T201 - long work shows itself
        assert {alias: result.differences for alias, result in found.items()} == dict.fromkeys(
            ACCOUNTS, ()
        )
        check_states(states, home, installation)


async def settled(
    settings: Settings, installation: Installation, home: Path
) -> tuple[dict[str, Comparison], dict[str, AccountState]]:
    """Wait until the accounts are compared with the broker again, and return what was found."""
    await asyncio.to_thread(detached.ensure_up, settings)
    numbers = {
        account.alias: account.number for login in installation.logins for account in login.accounts
    }
    async with asyncio.timeout(SETTLE_S):
        while True:
            try:
                states = await states_of(settings, installation)
                control = sandbox_of(home)
                books = {a: await asyncio.to_thread(control.book, n) for a, n in numbers.items()}
            except (OSError, LinkError):
                # Whoever was killed last is still on its way back.
                continue
            found = {alias: compare(books[alias], states[alias]) for alias in numbers}
            is_open = any(
                order.phase not in HONEST
                for state in states.values()
                for order in state.orders.values()
            )
            is_stale = any(state.is_stale for state in states.values())
            if not (is_open or is_stale or any(c.differences for c in found.values())):
                return found, states


def check_states(states: dict[str, AccountState], home: Path, installation: Installation) -> None:
    """Hold every order against the broker's own book, by the mark that it bears."""
    control = sandbox_of(home)
    for login in installation.logins:
        for account in login.accounts:
            marks = Counter(
                row.user_mark for row in control.book(account.number).orders if row.user_mark
            )
            assert set(marks.values()) <= {1}, "no intent has two orders"
            ours = {order.mark: order for order in states[account.alias].orders.values()}
            assert set(marks) <= set(ours), "no order is lost from view"
            absent = {mark: order.phase for mark, order in ours.items() if mark not in marks}
            assert set(absent.values()) <= {Phase.NOT_SENT, Phase.NOT_FOUND, Phase.REJECTED}
