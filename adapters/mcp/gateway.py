"""The gateway's way to the cluster: made in the background, remade when lost, asked by every tool.

`initialize` never waits for it. A tool that needs it waits a bounded time and then says why.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeVar

import msgspec
import structlog

from adapters.mcp.access import AccessLog
from adapters.mcp.callers import GuardedBus, current
from adapters.mcp.facts import Facts
from adapters.mcp.faults import Fault, fault, no_answer, told_fault
from adapters.mcp.parts import Connected, Parts
from core.asks import AskReply
from core.errors import CommandError, ConfigError, CorruptRecordError, LinkError, StoppedError
from core.modes import Environment, Mode
from core.ports import Bus, EventMessage
from core.subjects import SYSTEM, Kind, subject
from core.views import AccountsAnswer, AccountsQuery, Query

_log = structlog.get_logger()
_encoder: Final = msgspec.json.Encoder()
_ACCOUNTS_SUBJECT: Final = f"{Kind.VIEW}.{SYSTEM}.accounts"
_STARTING_TEXT: Final = "the service is still starting"
_NAMED_MAX: Final = 20

T = TypeVar("T")


class Gateway:
    """One MCP server's link, and what it has heard."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.facts = Facts()
        self._connected: Connected | None = None
        # Set while there is a link, or while none will come before a person acts.
        self._settled = asyncio.Event()
        self._stopped = ""
        self._why_not = _STARTING_TEXT
        # Set once nothing more will be sent, after which the link may go.
        self._drained = asyncio.Event()
        self._heard: set[str] = set()
        self._environments: dict[str, Environment] = {}
        # Told of each fact that comes in, after the gateway itself has taken it.
        self.on_fact: Callable[[EventMessage], None] = _ignore
        self.tools: frozenset[str] = frozenset()
        self.access = AccessLog(
            parts.clock,
            parts.ids,
            tools=lambda: self.tools,
            accounts=lambda: frozenset(parts.accounts()),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the link up in the background while the block runs, and until records are sent.

        What nobody foresaw in making it ends the block, and so the process.
        """

        # A client may be gone before the first link is there.
        async def bus_soon() -> Bus | None:
            await self._settled.wait()
            return self._bus()

        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._keep_connected(), name="gateway link")
            keeper.add_done_callback(lambda _: self._settled.set())
            sender = group.create_task(self.access.keep_sending(self._bus), name="access records")
            try:
                yield
            finally:
                try:
                    sender.cancel()
                    await asyncio.wait({sender})
                    await self.access.drain(bus_soon)
                finally:
                    self._drained.set()
                    keeper.cancel()

    @property
    def is_ready(self) -> bool:
        """Say whether there is a link now."""
        return self._connected is not None

    async def link(self) -> Connected:
        """Return the link, as this caller may use it; waits a bounded time while one is made.

        Raises:
            ToolError: there is none yet, with the cause.
        """
        caller = current()
        if self._connected is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.parts.waits.ready_s):
                    await self._settled.wait()
        if self._connected is None and self._stopped:
            raise fault(
                Fault.UNAVAILABLE,
                f"{self._stopped}; nothing was sent, and no tool can start it. Tell the person.",
            )
        if self._connected is None:
            # The cause names files and addresses of this machine.
            why_not = self._why_not if caller.is_local else _STARTING_TEXT
            raise fault(
                Fault.STARTING,
                f"{why_not}; nothing was sent. Try again in a few seconds. "
                "If it stays so, a person should type `tiger-mcp status`.",
            )
        if caller.is_local:
            return self._connected
        return self._connected._replace(bus=GuardedBus(self._connected.bus, caller))

    def environments(self) -> dict[str, Environment]:
        """Return the accounts that exist for this caller, by alias, and each one's world."""
        caller = current()
        self._look_up_accounts()
        return {
            account: world
            for account, world in sorted(self._environments.items())
            if caller.sees(account)
        }

    async def environment(self, account: str) -> Environment:
        """Return the world of an account, once the link is there and its facts are heard.

        Raises:
            ToolError: there is no such account, naming those there are.
        """
        connected = await self.link()
        # What is not granted goes the way of what is not there, so that the time says nothing.
        found = self.environments().get(account)
        if found is None:
            names = list(self.environments())
            known = ", ".join(names[:_NAMED_MAX]) or "none yet"
            more = "" if len(names) <= _NAMED_MAX else f" and {len(names) - _NAMED_MAX} more"
            raise fault(
                Fault.UNKNOWN_ACCOUNT,
                f"account: there is no {account!r}. Known: {known}{more}. See list_accounts.",
            )
        await self._hear(connected, account)
        return found

    async def writable(self, account: str) -> Environment:
        """Return the world of an account on which a model may act.

        Raises:
            ToolError: there is no such account, or a person has made it read-only.
        """
        environment = await self.environment(account)
        if self.parts.modes().get(account) is Mode.READ_ONLY:
            raise fault(
                Fault.ACCOUNT_READ_ONLY,
                f"{account} is read-only; nothing was sent. Only a person can change that, typed "
                "on their machine; no tool and no argument can.",
            )
        return environment

    def is_read_only(self) -> bool:
        """Say whether this caller may act on no account, as far as is known here."""
        caller = current()
        modes = [mode for account, mode in self.parts.modes().items() if caller.sees(account)]
        return bool(modes) and all(mode is Mode.READ_ONLY for mode in modes)

    async def view(self, account: str, what: str, query: Query, answer: type[T]) -> T:
        """Ask the projector about one account.

        Raises:
            ToolError: it does not answer or refuses.
        """
        return await self._view(subject(Kind.VIEW, account, what), query, answer)

    async def view_accounts(self, answer: type[T]) -> T:
        """Ask the projector about every account that exists for this caller.

        Raises:
            ToolError: it does not answer.
        """
        found = await self._view(_ACCOUNTS_SUBJECT, AccountsQuery(), answer)
        if isinstance(found, AccountsAnswer):
            caller = current()
            seen = tuple(row for row in found.accounts if caller.sees(row.alias))
            return msgspec.structs.replace(found, accounts=seen)
        return found

    async def ask(self, account: str, what: str, question: msgspec.Struct, answer: type[T]) -> T:
        """Have the account's worker ask the broker now.

        Raises:
            ToolError: it does not answer, or says why it cannot.
        """
        connected = await self.link()
        try:
            body = await connected.bus.request(
                subject(Kind.ASK, account, what),
                _encoder.encode(question),
                timeout_s=self.parts.waits.ask_s,
            )
        except LinkError as error:
            _log.warning("ask.unanswered", account=account, what=what, cause=str(error))
            raise no_answer(f"the worker of {account}") from None
        except CommandError as error:
            raise told_fault(error.code, str(error), field=error.field) from None
        reply = _decoded(body, AskReply)
        if reply.fault is not None:
            told = reply.fault
            raise told_fault(told.code, told.message, field=told.field)
        return _decoded(reply.data or b"", answer)

    async def _view(self, where: str, query: Query, answer: type[T]) -> T:
        connected = await self.link()
        try:
            body = await connected.bus.request(
                where, _encoder.encode(query), timeout_s=self.parts.waits.view_s
            )
        except LinkError as error:
            _log.warning("view.unanswered", subject=where, cause=str(error))
            raise no_answer("the projector") from None
        except CommandError as error:
            raise told_fault(error.code, str(error), field=error.field) from None
        return _decoded(body, answer)

    def _look_up_accounts(self) -> None:
        self._environments = dict(self.parts.accounts())
        # One that was removed lost its rights; should it come back, it is heard anew.
        self._heard.intersection_update(self._environments)

    def _bus(self) -> Bus | None:
        return None if self._connected is None else self._connected.bus

    def _take(self, message: EventMessage) -> None:
        self.facts.hear(message)
        self.on_fact(message)

    async def _keep_connected(self) -> None:
        while True:
            try:
                connected = await self._connect()
            except (LinkError, ConfigError, OSError) as error:
                self._unsettle(stopped=str(error) if isinstance(error, StoppedError) else "")
                self._why_not = f"the service cannot be reached: {str(error)[:300]}"
                _log.warning("link.failed", cause=str(error))
                await asyncio.sleep(self.parts.waits.reconnect_s)
                continue
            try:
                await self._serve(connected)
            except asyncio.CancelledError:
                # Where a process ends in haste all of its tasks are cancelled at once.
                await self._drained.wait()
                raise
            finally:
                self._connected = None
                self._unsettle()
                with suppress(OSError):
                    # The other end may be gone already, which is why this one is closed.
                    await connected.close()
            self._why_not = "the link to the service was lost and is being made anew"
            _log.warning("link.lost")

    # A cluster that was taken down says so at once: what takes longer is a start.
    async def _connect(self) -> Connected:
        loop = asyncio.get_running_loop()
        starts = loop.call_later(self.parts.waits.stopped_s, self._unsettle)
        try:
            return await self.parts.connect()
        finally:
            starts.cancel()

    def _unsettle(self, *, stopped: str = "") -> None:
        self._stopped = stopped
        if stopped:
            self._settled.set()
        else:
            self._settled.clear()

    async def _serve(self, connected: Connected) -> None:
        self._heard.clear()
        self._look_up_accounts()
        for account in self._environments:
            await self._hear(connected, account)
        self._connected = connected
        self._settled.set()
        _log.info("link.ready", accounts=len(self._environments))
        await connected.lost.wait()

    async def _hear(self, connected: Connected, account: str) -> None:
        if account in self._heard:
            return
        self._heard.add(account)
        try:
            await connected.bus.listen(f"{Kind.EVENT}.{account}.>", self._take)
        except LinkError as error:
            # Outcomes are then looked up in the view instead.
            self._heard.discard(account)
            _log.warning("facts.not_heard", account=account, cause=str(error))


def _ignore(_: EventMessage) -> None:
    """Take no interest in a fact."""


def _decoded(body: bytes | msgspec.Raw, answer: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError as error:
        raise CorruptRecordError(f"expected {answer.__name__}, was {error}") from error
