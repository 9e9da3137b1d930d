"""Resources: what a tool answers, under an address that a client can watch.

A notice says that a resource changed, never how; the client reads it again. Notices follow the
facts of the ledger, a few of one moment as one, and reach only those who may see the account.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ResourceNotFoundError, ToolError
from mcp.server.subscriptions import ServerEvent
from mcp.shared.subscriptions import ResourceUpdated
from mcp.types import Resource, TextContent

from adapters.mcp.access import ACCOUNTS_URI
from adapters.mcp.auditing import audit_of, encoded, is_audited, may_audit
from adapters.mcp.callers import Caller, Right, current, right_for
from adapters.mcp.faults import Fault
from adapters.mcp.gateway import Gateway
from adapters.mcp.tool_shape import GatewayTool
from core.ids import is_alias
from core.ports import EventMessage

ACCOUNTS: Final = "tiger://accounts"
# Facts of one moment are one notice.
GATHER_S: Final = 0.25
_JSON: Final = "application/json"
_POSITIONS: Final = "positions"
_ORDERS: Final = "orders"
# Part of an account's address -> the tool whose answer it is, and what it shows.
PARTS: Final[Mapping[str, tuple[str, str]]] = {
    _POSITIONS: ("get_positions", "what the account holds, by the broker's own figures"),
    _ORDERS: ("get_orders", "the account's newest orders and what became of them"),
}
_OBSERVED: Final = "account.positions_observed"

AUDIT: Final = "audit"
_AUDIT_WHAT: Final = (
    "what was recorded of it, by whose wish, newest first; its `next` is the page before"
)

Listener = Callable[[ServerEvent], None]


def uri_of(account: str, part: str) -> str:
    """Return the address of one part of an account."""
    return f"{ACCOUNTS_URI}{account}/{part}"


class Resources:
    """The addresses that a server reads, each answered by a tool."""

    def __init__(self, gateway: Gateway, tools: Mapping[str, GatewayTool]) -> None:
        self._gateway = gateway
        self._tools = tools

    def add_to(self, server: MCPServer[None]) -> None:
        """Register every resource and template."""
        server.resource(
            ACCOUNTS,
            name="accounts",
            title="Accounts",
            description="The accounts there are, their world, mode and state.",
            mime_type=_JSON,
        )(self.accounts)
        for part, (_, what) in PARTS.items():
            server.resource(
                uri_of("{account}", part),
                name=part,
                title=part.capitalize(),
                description=f"By account: {what}.",
                mime_type=_JSON,
            )(self._reader(part))
        server.resource(
            f"{uri_of('{account}', AUDIT)}{{?before}}",
            name=AUDIT,
            title=AUDIT.capitalize(),
            description=f"By account, for those with the right: {_AUDIT_WHAT}.",
            mime_type=_JSON,
        )(self.audit)

    def listed(self) -> list[Resource]:
        """Return an entry for each part of each account that exists for this caller."""
        return [
            Resource(
                uri=uri_of(account, part),
                name=f"{account}-{part}",
                title=f"{part.capitalize()} of {account} ({environment})",
                mime_type=_JSON,
            )
            for account, environment in self._gateway.environments().items()
            for part in (*PARTS, *((AUDIT,) if may_audit(account) else ()))
        ]

    async def accounts(self) -> str:
        """Return the list of accounts.

        Raises:
            ResourceError: the service does not answer.
        """
        return await self._read("list_accounts", {})

    async def audit(self, account: str, before: str = "") -> str:
        """Return a page of what was recorded of an account.

        Raises:
            ResourceError: the caller may not, or the service does not answer.
        """
        # As a tool's argument would be.
        if not is_alias(account):
            raise ResourceNotFoundError(f"{Fault.UNKNOWN_ACCOUNT}: there is no such account.")
        address = uri_of(account, AUDIT)
        try:
            return encoded(await audit_of(self._gateway, account, before=before, address=address))
        except ToolError as error:
            raise _as_resource_error(error) from None

    def _reader(self, part: str) -> Callable[[str], Any]:
        name, _ = PARTS[part]

        async def read(account: str) -> str:
            return await self._read(name, {"account": account})

        return read

    async def _read(self, tool: str, arguments: dict[str, str]) -> str:
        try:
            told = await self._tools[tool].run(arguments, None, convert_result=True)
        except ToolError as error:
            raise _as_resource_error(error) from None
        (content,) = told.content
        assert isinstance(content, TextContent), "every tool answers in one text"
        return content.text


def _as_resource_error(error: ToolError) -> ResourceError:
    text = str(error)
    is_absent = text.startswith((Fault.UNKNOWN_ACCOUNT, Fault.INVALID_ARGUMENT))
    return (ResourceNotFoundError if is_absent else ResourceError)(text)


class NoticeBus:
    """The SDK's `SubscriptionBus`: each listener hears of what its caller may see, and no more."""

    def __init__(self, still_counts: Callable[[Caller], bool] = lambda _: True) -> None:
        """Make a bus; a caller for whom `still_counts` says no hears nothing any more."""
        self._still_counts = still_counts
        self._listeners: dict[object, tuple[Caller, Listener]] = {}
        self._pending: dict[tuple[str, str], Right] = {}
        self._timer: asyncio.TimerHandle | None = None

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener for the caller of this request; returns what takes it away again."""
        key = object()
        self._listeners[key] = (current(), listener)

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    async def publish(self, event: ServerEvent) -> None:
        """Deliver an event that concerns no single account."""
        self._deliver(event, account="")

    def hear(self, message: EventMessage) -> None:
        """Take a fact: what it changes is told soon, once."""
        if not self._listeners:
            return
        _, account, name = message.subject.split(".", 2)
        for uri in _changed(account, name):
            self._pending[uri, account] = Right.READ
        if is_audited(message):
            self._pending[uri_of(account, AUDIT), account] = Right.AUDIT
        if self._pending and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self._flush)

    def _flush(self) -> None:
        self._timer = None
        pending, self._pending = self._pending, {}
        for (uri, account), needed in pending.items():
            self._deliver(ResourceUpdated(uri=uri), account=account, needed=needed)

    def _deliver(self, event: ServerEvent, *, account: str, needed: Right = Right.READ) -> None:
        for caller, listener in list(self._listeners.values()):
            if (not account or needed in caller.rights(account)) and self._still_counts(caller):
                listener(event)


def _changed(account: str, name: str) -> list[str]:
    family = name.partition(".")[0]
    if name == _OBSERVED:
        return [uri_of(account, _POSITIONS)]
    # An account's line in the list counts its open and its doubtful orders.
    if family == "order":
        return [uri_of(account, _ORDERS), ACCOUNTS]
    return [ACCOUNTS]


def seen_tools(names: Mapping[str, bool]) -> frozenset[str]:
    """Return which tools, told with whether each only reads, this caller may use anywhere."""
    caller = current()
    return frozenset(
        name
        for name, is_read in names.items()
        if caller.may_somewhere(right_for(name, is_read=is_read))
    )
