"""The walk over every tool: a home of its own, clients of both eras, and what was found.

The calls come from `tool_walk_calls`, the rules from `tool_walk_verdicts`. Several clients work at
the same time, so what they meet differs from run to run; what they ask does not.
"""

import asyncio
import contextlib
import json
import re
import sys
from collections import Counter, deque
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
from tests.support.tool_walk_calls import ERAS, Call, Kind, filled
from tests.support.tool_walk_names import RESTING, Names
from tests.support.tool_walk_values import (
    ACCOUNTS,
    CALLER_MARK,
    HALTED_ACCOUNT,
    TRADED,
    WATCHED_ACCOUNT,
)
from tests.support.tool_walk_verdicts import Judge
from tests.support.tool_walk_words import Arguments, Schema, words_in

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
_SEEN: Final = re.compile(r"w-[0-9a-f]{8}")
_TROUBLE: Final = re.compile(r'Traceback|"level": "(error|critical)"')
# Ends of a write that did nothing, or not for sure.
_UNDONE: Final = frozenset({"refused", "rejected", "not_sent", "not_applied", "unknown", "pending"})


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


class Walker:
    """Sends calls through one client of each era at once and keeps what was found."""

    def __init__(
        self,
        clients: Mapping[Era, Client],
        judge: Judge,
        names: Names,
        *,
        tools: Mapping[str, Schema],
    ) -> None:
        self.findings: list[Finding] = []
        self.outcomes: Counter[tuple[str, str, Kind, str]] = Counter()
        # Of the schemas, as `words_of` has them; those of calls that did what they say.
        self.answered: set[str] = set()
        self._clients = clients
        self._judge = judge
        self._names = names
        self._tools = tools

    async def walk(self, calls: Sequence[Call]) -> None:
        """Send every call through the client of its era."""
        async with asyncio.TaskGroup() as group:
            for era, client in self._clients.items():
                share = deque(call for call in calls if call.era == era)
                for _ in range(AT_ONCE):
                    group.create_task(self._work(client, share))

    async def prepare(self, control: SandboxControl, text: str) -> None:
        """Wait until every account works, and let there be orders, fills and names to ask about.

        Of the orders some rest, some fill, the reply to one is lost, and two are rejected with the
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
        for what, terms in RESTING.items():
            self._names.name(TRADED[0], what, await self._order(client, TRADED[0], "MSFT", terms))
        sale = {"side": "sell", **_at("5000.00")}
        await self._order(client, TRADED[0], "GOOG", sale)
        for account, symbol, price in (
            (TRADED[0], "AAPL", "1.00"),
            (TRADED[0], "AAPL", "900.00"),
            (TRADED[0], "GOOG", "900.00"),
            (TRADED[1], "MSFT", "1.00"),
            (HALTED_ACCOUNT, "MSFT", "1.00"),
        ):
            await self._order(client, account, symbol, _at(price))
        for account, symbol, effect in (
            (TRADED[0], "QQQ", faults.EmptyBody()),
            (TRADED[1], "AAPL", faults.RejectNow(remark=text)),
            (TRADED[1], "AAPL", faults.RejectLate(remark=text)),
        ):
            control.add_fault(effect, method="place_order")
            await self._order(client, account, symbol, _at("1.00"))

    async def _order(
        self, client: Client, account: str, symbol: str, terms: Mapping[str, str]
    ) -> str:
        asked = {"account": account, "symbol": symbol, "side": "buy", "quantity": "2", **terms}
        asked["reason"] = "to have one"
        preview = await answer(client, "preview_order", **asked)
        chosen = {"account": account, "preview_id": preview["preview_id"]}
        self._names.submitted.add(preview["preview_id"])
        told = await answer(client, "submit_order", **chosen)
        self._names.keep(chosen, told)
        return str(told["order_id"])

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
            await self._go_on(client, call, sent, result.structured_content or {})

    # A sensible answer that has more pages is asked for the next one; a change that was warned of
    # is asked for again, as a person who wants it would have it.
    async def _go_on(
        self, client: Client, call: Call, sent: Arguments, told: Mapping[str, Any]
    ) -> None:
        self._names.keep(sent, told)
        if told.get("status") not in _UNDONE:
            self.answered |= words_in(call.tool, self._tools[call.tool], sent)
        if call.kind is Kind.KNOWN and told.get("cursor") and "cursor" not in sent:
            following = sent | {"cursor": told["cursor"]}
            await self._send(client, call._replace(arguments=following))
        seen = _SEEN.search(str(told.get("next_step")))
        if call.kind is Kind.KNOWN and seen is not None and "warned" not in sent:
            await self._send(client, call._replace(arguments=sent | {"warned": seen[0]}))


def _at(price: str) -> dict[str, str]:
    return {"order_type": "limit", "limit_price": price}


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
