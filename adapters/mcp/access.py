"""A record of every tool call and every resource read: who, what, on which account, what came.

Records are kept in memory and sent in batches on `access.<account>.<tool>`, beside the calls and
never before one is answered: a call neither waits for a record nor fails with it. What no longer
fits while NATS is away is counted, and the count is a record of its own once NATS is back. Calls
that name no account of the service are under `access.system`, and of a name that is none of ours
only a digest is kept: it may be anything, an account's number or a token.
"""

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Set
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.methods import is_input_required

from adapters.mcp.access_lost import Losses
from adapters.mcp.access_sending import Addressed, Lanes
from adapters.mcp.callers import Caller, current
from core.ports import Bus, Clock, Ids

RECORDS_MAX: Final = 10_000
GATHER_S: Final = 0.2
RETRY_S: Final = 1.0
DRAIN_LIMIT_S: Final = 2.0
_WRITTEN_AT_ONCE: Final = 10
READ_RESOURCE: Final = "read_resource"
ACCOUNTS_URI: Final = "tiger://accounts/"
_UNKNOWN_TOOL: Final = "unknown_tool"
_CODE_LENGTH_MAX: Final = 40
_TEXT_LENGTH_MAX: Final = 100
_DIGEST_LENGTH: Final = 12

_log = structlog.get_logger()


class AccessRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call; schema 1. `digest` is the hex SHA-256 of the arguments as sorted compact JSON."""

    at: datetime
    principal: str
    tool: str
    outcome: str
    digest: str
    elapsed_ms: int
    protocol: str
    # What the client calls itself; no right stands on it. Before 2026-07-28 HTTP does not tell it.
    client: str = ""
    token_id: str = ""
    # The program that the token was issued to, where its issuer says so.
    token_client: str = ""
    account: str = ""
    # The state that a good answer names, such as `accepted`.
    status: str = ""
    # What joins this record to the ledger.
    command_id: str = ""


class AccessBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The body of one message: calls of one tool on one account, oldest first."""

    schema: int = 1
    records: tuple[AccessRecord, ...]


class _Heard(NamedTuple):
    """A call that is over."""

    at: datetime
    caller: Caller
    ctx: ServerRequestContext[Any, Any]
    tool: object
    arguments: Mapping[str, Any]
    outcome: str
    status: str
    command_id: str
    elapsed_ms: int


class AccessLog:
    """Takes a record of each call and sends them in the background."""

    def __init__(
        self,
        clock: Clock,
        ids: Ids,
        *,
        tools: Callable[[], frozenset[str]],
        accounts: Callable[[], frozenset[str]],
        records_max: int = RECORDS_MAX,
    ) -> None:
        """Make a log; `tools` and `accounts` say which names a subject may have."""
        self._clock = clock
        self._ids = ids
        self._tools = tools
        self._accounts = accounts
        self._records_max = records_max
        # Not written as records yet.
        self._heard: deque[_Heard] = deque()
        # One account whose subject is closed takes at most half of the room.
        self._lanes = Lanes(
            ids, accounts=accounts, batch=_batch, lane_records_max=(records_max + 1) // 2
        )
        self._losses = Losses(ids)
        # Every account that there was since the start: its name stays one that may be written.
        self._known_accounts: set[str] = set()
        self._news = asyncio.Event()

    @property
    def lost(self) -> int:
        """Return how many records were given up and are not told of yet."""
        return self._losses.count

    @property
    def left(self) -> int:
        """Return of how many calls the stream has neither a record nor the loss, for sure."""
        return self._waiting + self.lost

    @property
    def _waiting(self) -> int:
        return len(self._heard) + self._lanes.held

    async def middleware(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        """Pass a request on; keep a record of it when it is over, however it ended."""
        if ctx.method not in ("tools/call", "resources/read") or ctx.request_id is None:
            return await call_next(ctx)
        began_s = self._clock.boot_s()
        outcome, status, command_id = "failed", "", ""
        try:
            result = await call_next(ctx)
            outcome, status, command_id = _outcome(result)
            return result
        except MCPError as error:
            outcome = f"protocol_error {error.code}"
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            elapsed_ms = int((self._clock.boot_s() - began_s) * 1000)
            self._keep(ctx, outcome, status, command_id, elapsed_ms)

    async def keep_sending(self, bus: Callable[[], Bus | None]) -> None:
        """Send records as they come, for ever; `bus` gives the way to NATS while there is one."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._losses.keep_telling(bus))
            while True:
                # Also where nothing can be sent: arguments are kept no longer than they have to be.
                await self._write()
                link = bus()
                if link is not None:
                    self._lanes.start(link, group)
                # A lane that rests, or has no link, is tried again without news.
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S if self._waiting else None):
                        await self._news.wait()
                await asyncio.sleep(GATHER_S)
                self._news.clear()

    async def drain(self, bus: Callable[[], Awaitable[Bus | None]]) -> None:
        """Send what is left, for a bounded time, once nobody else sends; the log tells the rest.

        `bus` is asked, within that time, if there is something to send; None ends the drain.
        """
        self._lanes.hurry()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_LIMIT_S):
                    await self._write()
                    link = await bus() if self.left else None
                    while link is not None and await self._send_all(link):
                        await self._write()
        finally:
            if self.left:
                _log.warning("access.records_lost", lost=self.left)

    # True: the stream has something more, and there is more to send.
    async def _send_all(self, bus: Bus) -> bool:
        async with asyncio.TaskGroup() as group:
            started = self._lanes.start(bus, group)
            group.create_task(self._losses.tell(bus))
        return any(each.result() for each in started) and self.left > 0

    def _keep(
        self,
        ctx: ServerRequestContext[Any, Any],
        outcome: str,
        status: str,
        command_id: str,
        elapsed_ms: int,
    ) -> None:
        now = self._clock.now()
        self._news.set()
        if self._waiting >= self._records_max:
            self._losses.add(now)
            return
        tool, arguments = _asked(ctx)
        self._heard.append(
            _Heard(
                at=now,
                caller=current(),
                ctx=ctx,
                tool=tool,
                arguments=arguments,
                outcome=outcome,
                status=status,
                command_id=command_id,
                elapsed_ms=elapsed_ms,
            )
        )

    # Beside the calls: what is worked out here takes longer than many a read.
    async def _write(self) -> None:
        while self._heard:
            tools, accounts = self._tools() | {READ_RESOURCE}, self._accounts_so_far()
            for _ in range(min(len(self._heard), _WRITTEN_AT_ONCE)):
                record = _record(self._heard.popleft(), tools, accounts)
                name = record.tool if record.tool in tools else _UNKNOWN_TOOL
                if not self._lanes.take(Addressed(record.account, name, record)):
                    self._losses.add(record.at)
            # Whoever ends this here finds every record in one place or the other.
            await asyncio.sleep(0)

    def _accounts_so_far(self) -> set[str]:
        self._known_accounts |= self._accounts()
        return self._known_accounts


def _record(heard: _Heard, tools: Set[str], accounts: Set[str]) -> AccessRecord:
    caller = heard.caller
    return AccessRecord(
        at=heard.at,
        principal=caller.principal,
        token_id=caller.token_id,
        token_client=_cut(caller.client),
        client=_client(heard.ctx),
        tool=_named(heard.tool, tools),
        account=_named(_account(heard.arguments), accounts),
        digest=_digest(heard.arguments),
        outcome=heard.outcome,
        status=heard.status,
        command_id=heard.command_id,
        elapsed_ms=heard.elapsed_ms,
        protocol=heard.ctx.protocol_version,
    )


def _batch(records: tuple[AccessRecord, ...]) -> AccessBatch:
    return AccessBatch(records=records)


def _outcome(result: HandlerResult) -> tuple[str, str, str]:
    if not isinstance(result, Mapping):
        return "ok", "", ""
    if result.get("isError"):
        first: Mapping[str, Any] = next(iter(result.get("content") or ()), {})
        code, colon, _ = str(first.get("text", "")).partition(":")
        is_code = colon and len(code) <= _CODE_LENGTH_MAX and code.replace("_", "").isalpha()
        return code if is_code else "error", "", ""
    if is_input_required(result):
        # A question to the person; the call that brings its answer has a record of its own.
        return "input_required", "", ""
    told = result.get("structuredContent")
    if not isinstance(told, Mapping):
        return "ok", "", ""
    return "ok", _cut(told.get("status")), _cut(told.get("command_id"))


# What was asked for, before anybody has checked its shape.
def _asked(ctx: ServerRequestContext[Any, Any]) -> tuple[object, Mapping[str, Any]]:
    params = ctx.params or {}
    if ctx.method == "resources/read":
        return READ_RESOURCE, {"uri": params.get("uri")}
    arguments = params.get("arguments")
    return params.get("name"), arguments if isinstance(arguments, Mapping) else {}


def _account(arguments: Mapping[str, Any]) -> object:
    uri = arguments.get("uri")
    if isinstance(uri, str) and uri.startswith(ACCOUNTS_URI):
        return uri.removeprefix(ACCOUNTS_URI).partition("/")[0]
    return arguments.get("account")


# The standard encoder takes everything that a client's JSON may hold; what is too deep for it has
# no digest, and was refused by its tool.
def _digest(arguments: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(arguments, sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()


def _client(ctx: ServerRequestContext[Any, Any]) -> str:
    params = ctx.session.client_params
    if params is None:
        return ""
    return _cut(f"{params.client_info.name} {params.client_info.version}")


# A name that is one of ours, else what tells it from others and does not show it.
def _named(told: object, known: Set[str]) -> str:
    if not isinstance(told, str) or not told or told in known:
        return told if isinstance(told, str) else ""
    digest = hashlib.sha256(told.encode(errors="backslashreplace")).hexdigest()
    return f"sha256:{digest[:_DIGEST_LENGTH]}"


# What a client sent, on one line and bounded.
def _cut(text: object) -> str:
    if not isinstance(text, str):
        return ""
    return "".join(each if each.isprintable() else " " for each in text[:_TEXT_LENGTH_MAX])
