"""The walk over every tool: a home of its own, clients of both eras, and what was found.

The calls come from `tool_walk_calls`, the rules from `tool_walk_verdicts`. Several clients work at
the same time, so what they meet differs from run to run; what they ask does not.
"""

import asyncio
import contextlib
import json
import re
import sys
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.shared.message import SessionMessage
from mcp.types import CallToolResult, Implementation

from core.modes import Mode
from infra.home import Home, Installation
from infra.sandbox.control.client import SandboxControl
from infra.sandbox.home import AccountSpec, LoginSpec, create_home
from infra.sandbox.wire import faults
from infra.supervisor.installation import login_settings
from tests.support.cluster import Era, answer, text_of
from tests.support.tool_walk_calls import ERAS, Arguments, Call, Kind, Schema, filled
from tests.support.tool_walk_values import (
    ACCOUNTS,
    CALLER_MARK,
    HALTED_ACCOUNT,
    TRADED,
    WATCHED_ACCOUNT,
)
from tests.support.tool_walk_verdicts import Judge

LOGINS: Final = (
    LoginSpec(
        name="one",
        accounts=(
            AccountSpec(alias=TRADED[0], kind="prime"),
            AccountSpec(alias=HALTED_ACCOUNT, kind="paper"),
        ),
    ),
    LoginSpec(
        name="two",
        licence="TBHK",
        accounts=(
            AccountSpec(alias=TRADED[1], kind="prime"),
            AccountSpec(alias=WATCHED_ACCOUNT, kind="paper"),
        ),
    ),
)
# A client says itself what it is called.
WHO: Final = Implementation(name=f"{CALLER_MARK}\x1b[2J\u202e {'so ' * 80}", version="1")
# Per client.
AT_ONCE: Final = 4
CALL_LIMIT_S: Final = 60.0
READY_LIMIT_S: Final = 30.0
_SHOWN_LENGTH_MAX: Final = 1_500
_POOL_MAX: Final = 50
_TROUBLE: Final = re.compile(r'Traceback|"level": "(error|critical)"')
_OF_AN_ACCOUNT: Final = frozenset({"order", "preview"})
_NOTHING: Final = {
    "order": "ord-00000000000000000000000000000000",
    "others": "ord-00000000000000000000000000000000",
    "preview": "prv-00000000000000000000000000000000",
    "cursor": "0",
}


class Finding(NamedTuple):
    """One answer that broke a rule: the call as it was sent, and what came."""

    call: Call
    sent: Arguments
    breaches: tuple[str, ...]
    told: str

    def __str__(self) -> str:
        sent = json.dumps(self.sent, ensure_ascii=True)
        return (
            f"call {self.call.number} ({self.call.era}, {self.call.kind}): {self.call.tool} "
            f"{sent[:_SHOWN_LENGTH_MAX]}\n  {'; '.join(self.breaches)}\n"
            f"  told: {self.told[:_SHOWN_LENGTH_MAX]}"
        )


def make_home(path: Path) -> Installation:
    """Make the walk's home: two logins, four accounts, one of which a model may only read."""
    home = Home(path)
    home.path.mkdir(parents=True)
    logins = tuple(login_settings(home, login) for login in create_home(home.sandbox, LOGINS))
    installation = Installation(ledger_id="tmwalk", logins=logins)
    save_modes(home, installation, {WATCHED_ACCOUNT: Mode.READ_ONLY})
    home.logs.mkdir(exist_ok=True)
    return home.load()


def save_modes(home: Home, installation: Installation, modes: Mapping[str, Mode]) -> None:
    """Write an installation whose named accounts have other modes."""
    logins = tuple(
        msgspec.structs.replace(
            login,
            accounts=tuple(
                msgspec.structs.replace(each, mode=modes.get(each.alias, each.mode))
                for each in login.accounts
            ),
        )
        for login in installation.logins
    )
    home.save(msgspec.structs.replace(installation, logins=logins))


def let_the_broker_speak(control: SandboxControl, text: str, seed: int) -> None:
    """Have the broker answer some orders and readings with a text, and some with nothing."""
    for method, effect, chance in (
        ("place_order", faults.RejectNow(remark=text), "0.1"),
        ("place_order", faults.RejectLate(remark=text), "0.2"),
        ("place_order", faults.PartialThenCancel(quantity=Decimal(1), remark=text), "0.1"),
        ("place_order", faults.EmptyBody(), "0.1"),
        ("preview_order", faults.ErrorCode(code=1200, message=text), "0.1"),
        ("preview_order", faults.MalformedBody(), "0.1"),
        ("modify_order", faults.ErrorCode(code=1200, message=text), "0.2"),
        ("modify_order", faults.MalformedBody(), "0.1"),
        ("cancel_order", faults.ErrorCode(code=1200, message=text), "0.2"),
        ("cancel_order", faults.DropAfterAcceptance(), "0.1"),
        ("kline", faults.ErrorCode(code=1010, message=text), "0.1"),
        ("quote_real_time", faults.EmptyBody(), "0.05"),
        ("market_state", faults.ErrorCode(code=2200, message=text), "0.1"),
    ):
        control.add_fault(effect, method=method, count=None, probability=Decimal(chance), seed=seed)


class Names:
    """What the walk has met and may ask about: ids by account, cursors, and what is listed."""

    def __init__(self) -> None:
        self.submitted: set[str] = set()
        self._pools: dict[tuple[str, str], deque[str]] = defaultdict(
            lambda: deque(maxlen=_POOL_MAX)
        )

    async def learn(self, client: Client) -> None:
        """Ask for an expiry, an option and a future that there are now."""
        chain = await answer(client, "get_option_chain", symbol="AAPL")
        expiries = [str(row[0]) for row in chain["rows"]]
        self._pools["", "expiry"].extend(expiries[2:4])
        options = await answer(client, "get_option_chain", symbol="AAPL", expiry=expiries[2])
        self._pools["", "option"].append(options["rows"][len(options["rows"]) // 2][0])
        futures = await answer(client, "find_contracts", security="future", query="CL")
        self._pools["", "future"].append(futures["rows"][0][0])

    def found(self, arguments: Arguments, what: str, n: int) -> str:
        """Return one name of a kind, of the account that is asked about or of another one."""
        account = str(arguments.get("account", ""))
        if what == "others":
            account, what = next(each for each in TRADED if each != account), "order"
        pool = self._pools[account if what in _OF_AN_ACCOUNT else "", what]
        return pool[n % len(pool)] if pool else _NOTHING[what]

    def keep(self, sent: Arguments, told: Mapping[str, Any]) -> None:
        """Take the ids and the cursor of an answer."""
        account = str(sent.get("account", ""))
        for name, what in (("order_id", "order"), ("preview_id", "preview")):
            if told.get(name) and told[name] not in self._pools[account, what]:
                self._pools[account, what].append(told[name])
        if told.get("cursor"):
            self._pools["", "cursor"].append(told["cursor"])


class Walker:
    """Sends calls through one client of each era at once and keeps what was found."""

    def __init__(self, clients: Mapping[Era, Client], judge: Judge, names: Names) -> None:
        self.findings: list[Finding] = []
        self.outcomes: Counter[tuple[str, str, Kind, str]] = Counter()
        self._clients = clients
        self._judge = judge
        self._names = names

    async def walk(self, calls: Sequence[Call]) -> None:
        """Send every call through the client of its era."""
        async with asyncio.TaskGroup() as group:
            for era, client in self._clients.items():
                share = deque(call for call in calls if call.era == era)
                for _ in range(AT_ONCE):
                    group.create_task(self._work(client, share))

    async def prepare(self, control: SandboxControl, text: str) -> None:
        """Wait until every account works, and let there be orders, fills and names to ask about.

        Of the orders one rests, one fills, the reply to one is lost, and two are rejected with the
        broker's text.
        """
        client = self._clients[ERAS[0]]
        for account in ACCOUNTS:
            async with asyncio.timeout(READY_LIMIT_S):
                state = "starting"
                while state in ("starting", "stale"):
                    told = await client.call_tool("get_account", {"account": account})
                    state = (told.structured_content or {}).get("state", state)
        await self._names.learn(client)
        await self._order(client, TRADED[0], "AAPL", "1.00")
        await self._order(client, TRADED[0], "AAPL", "900.00")
        for account, symbol, effect in (
            (TRADED[0], "QQQ", faults.EmptyBody()),
            (TRADED[1], "AAPL", faults.RejectNow(remark=text)),
            (TRADED[1], "AAPL", faults.RejectLate(remark=text)),
        ):
            control.add_fault(effect, method="place_order")
            await self._order(client, account, symbol, "1.00")

    async def _order(self, client: Client, account: str, symbol: str, price: str) -> None:
        terms = {"symbol": symbol, "side": "buy", "order_type": "limit", "quantity": "2"}
        asked = {"account": account, **terms, "limit_price": price, "reason": "to have one"}
        preview = await answer(client, "preview_order", **asked)
        chosen = {"account": account, "preview_id": preview["preview_id"]}
        self._names.submitted.add(preview["preview_id"])
        self._names.keep(chosen, await answer(client, "submit_order", **chosen))

    async def _work(self, client: Client, calls: deque[Call]) -> None:
        while calls:
            await self._send(client, calls.popleft())

    async def _send(self, client: Client, call: Call) -> None:
        sent = filled(call.arguments, lambda what, n: self._names.found(call.arguments, what, n))
        if call.tool == "submit_order":
            self._names.submitted.add(str(sent.get("preview_id")))
        try:
            async with asyncio.timeout(CALL_LIMIT_S):
                result = await client.call_tool(call.tool, sent)
        except (MCPError, RuntimeError, ValueError, TimeoutError) as error:
            # A protocol error, an answer that its own schema forbids, or no answer.
            breach = f"no result: {type(error).__name__}"
            self.findings.append(Finding(call, sent, (breach,), str(error)))
            self.outcomes[call.tool, call.era, call.kind, "no_result"] += 1
            return
        if breaches := self._judge.breaches(call, sent, result):
            self.findings.append(Finding(call, sent, tuple(breaches), text_of(result)))
        self.outcomes[call.tool, call.era, call.kind, _outcome(result)] += 1
        if not result.is_error:
            self._names.keep(sent, result.structured_content or {})


def _outcome(result: CallToolResult) -> str:
    if result.is_error:
        return text_of(result).partition(":")[0]
    return str((result.structured_content or {}).get("status", "answered"))


class Overheard:
    """A client's stream from the server that keeps whatever was no message."""

    def __init__(self, inner: Any, stray: list[str]) -> None:
        self._inner = inner
        self._stray = stray

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message."""
        item: SessionMessage | Exception = await self._inner.receive()
        if isinstance(item, Exception):
            self._stray.append(repr(item))
        return item

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        item: SessionMessage | Exception = await self._inner.__anext__()
        if isinstance(item, Exception):
            self._stray.append(repr(item))
        return item

    async def aclose(self) -> None:
        """Close it."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()


@contextlib.asynccontextmanager
async def watched(home: Path, era: Era, stray: list[str]) -> AsyncIterator[Client]:
    """Serve a home on stdio to a real client, and keep each line of stdout that is no message."""
    server = StdioServerParameters(
        command=sys.executable, args=["-P", "-m", "infra.cli", "--home", str(home), "serve"]
    )

    @contextlib.asynccontextmanager
    async def transport() -> AsyncIterator[Any]:
        opened = await asyncio.to_thread((home / "gateway.log").open, "a")
        with contextlib.closing(opened) as log:
            async with stdio_client(server, errlog=log) as (reader, writer):
                yield Overheard(reader, stray), writer

    async with Client(transport(), mode=era, client_info=WHO) as client:
        yield client


async def tools_of(client: Client) -> dict[str, Schema]:
    """Return the input schema of every tool that is listed now, by name."""
    return {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}


async def reads_of(client: Client) -> frozenset[str]:
    """Return the names of the tools that say of themselves that they only read."""
    listed = (await client.list_tools()).tools
    return frozenset(
        tool.name for tool in listed if tool.annotations and tool.annotations.read_only_hint
    )


def troubles_in(logs: Iterable[Path]) -> list[str]:
    """Return the lines of logs that tell of what only a bug brings about."""
    return [
        f"{path.name}: {line[:_SHOWN_LENGTH_MAX]}"
        for path in logs
        for line in path.read_text().splitlines()
        if _TROUBLE.search(line)
    ]
