"""Who calls, and what that principal may do on which account.

On stdio the boundary is the user who started the process: everything is allowed that the service
allows. On HTTP each request carries a token, and its grants are the caller's whole world: an
account that is not granted does not exist, in lists, in errors, and in the time they take.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp.faults import Fault, fault
from core.errors import CommandError
from core.ids import is_alias
from core.ports import Bus
from core.subjects import SYSTEM, Kind

# Grants the role on every account of the service.
EVERY_ACCOUNT: Final = "*"
# Every token must carry the first scope; those with the prefix grant.
SERVICE_SCOPE: Final = "tiger"
SCOPE_PREFIX: Final = f"{SERVICE_SCOPE}:"


class Right(StrEnum):
    """What may be done."""

    READ = "read"
    TRADE = "trade"
    AUDIT = "audit"  # the record itself, with who did what
    APPROVE = "approve"
    ADMINISTER = "administer"


class Role(StrEnum):
    """What a token grants on an account."""

    VIEWER = "viewer"
    TRADER = "trader"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"


RIGHTS: Final[Mapping[Role, frozenset[Right]]] = {
    Role.VIEWER: frozenset({Right.READ}),
    Role.TRADER: frozenset({Right.READ, Right.TRADE}),
    Role.APPROVER: frozenset({Right.READ, Right.APPROVE}),
    Role.AUDITOR: frozenset({Right.READ, Right.AUDIT}),
    Role.ADMIN: frozenset(Right),
}
# A tool that is not here needs READ if it only reads, else TRADE.
_TOOL_RIGHTS: Final[Mapping[str, Right]] = {
    "search_audit": Right.AUDIT,
    "refresh_token": Right.ADMINISTER,
}
_NO_RIGHTS: Final[frozenset[Right]] = frozenset()
_SUBJECT_RIGHTS: Final[Mapping[str, Right]] = {
    Kind.COMMAND: Right.TRADE,
    Kind.ASK: Right.READ,
    Kind.VIEW: Right.READ,
}
_VIEW_RIGHTS: Final[Mapping[str, Right]] = {"audit": Right.AUDIT}
# The one question about the whole service; its answer is cut to the caller's accounts.
_ACCOUNTS_SUBJECT: Final = f"{Kind.VIEW}.{SYSTEM}.accounts"


class Caller(NamedTuple):
    """One principal: its name, the token's id, and its rights on each account.

    `client` is the program that the token was issued to, "" where the issuer names none.
    """

    principal: str
    token_id: str
    grants: Mapping[str, frozenset[Right]]
    is_local: bool = False
    expires_at: datetime | None = None
    client: str = ""

    def rights(self, account: str) -> frozenset[Right]:
        """Return the rights on an account, none for one that the caller shall not know of."""
        everywhere = self.grants.get(EVERY_ACCOUNT, _NO_RIGHTS)
        return self.grants.get(account, _NO_RIGHTS) | everywhere

    def sees(self, account: str) -> bool:
        """Say whether the account exists for this caller."""
        return Right.READ in self.rights(account)

    def may_somewhere(self, right: Right) -> bool:
        """Say whether the caller has a right on any account."""
        return any(right in rights for rights in self.grants.values())


LOCAL: Final = Caller("local", "", {EVERY_ACCOUNT: frozenset(Right)}, is_local=True)
# Where nobody said who calls, as in a server's own tasks, nothing is allowed.
NOBODY: Final = Caller("nobody", "", {})
CALLER: Final[ContextVar[Caller]] = ContextVar("caller", default=NOBODY)


def current() -> Caller:
    """Return who calls now."""
    return CALLER.get()


def right_for(tool: str, *, is_read: bool) -> Right:
    """Return the right that a tool needs."""
    return _TOOL_RIGHTS.get(tool, Right.READ if is_read else Right.TRADE)


def permit(tool: str, *, is_read: bool, arguments: Mapping[str, object]) -> None:
    """Refuse a tool that the caller has no right to, before any of it runs.

    An account that the caller does not see passes: the tool then says what it says of any account
    that does not exist.

    Raises:
        ToolError: the right is missing.
    """
    caller = current()
    if caller.is_local:
        return
    needed = right_for(tool, is_read=is_read)
    account = arguments.get("account")
    if isinstance(account, str):
        if caller.sees(account) and needed not in caller.rights(account):
            raise forbidden(needed, account)
    elif not caller.may_somewhere(needed):
        raise forbidden(needed, "any account")


class GuardedBus:
    """The bus as one caller may use it: the second wall, where every way to the cluster meets."""

    def __init__(self, bus: Bus, caller: Caller) -> None:
        self._bus = bus
        self._caller = caller
        self.listen = bus.listen

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        """Store a command on an account that the caller may trade.

        Raises:
            ToolError: it may not.
            LinkError: as the bus.
        """
        self._check(subject)
        return await self._bus.publish(subject, body, message_id=message_id, timeout_s=timeout_s)

    async def request(self, subject: str, body: bytes, *, timeout_s: float) -> bytes:
        """Ask about an account that the caller may read.

        Raises:
            ToolError: it may not.
            LinkError, CommandError: as the bus.
        """
        self._check(subject)
        return await self._bus.request(subject, body, timeout_s=timeout_s)

    def _check(self, subject: str) -> None:
        kind, account, what, *_ = subject.split(".")
        needed = _SUBJECT_RIGHTS.get(kind, Right.ADMINISTER)
        if kind == Kind.VIEW:
            needed = _VIEW_RIGHTS.get(what, needed)
        if subject == _ACCOUNTS_SUBJECT:
            allowed = self._caller.may_somewhere(Right.READ)
        else:
            allowed = needed in self._caller.rights(account)
        if not allowed:
            raise forbidden(needed, "this account")


def forbidden(needed: Right, where: str) -> ToolError:
    """Return the error for a right that the token lacks; `where` is the account, in words."""
    return fault(
        Fault.FORBIDDEN,
        f"the token of this connection does not grant the right to {needed} on {where}; nothing "
        "was sent. Ask the person who issued it: `tiger-mcp token issue`. No tool can grant it.",
    )


def read_grants(scopes: tuple[str, ...]) -> dict[str, frozenset[Right]]:
    """Return the rights by account that scopes of the form `tiger:<account>:<role>` grant.

    Scopes that begin otherwise are another service's and are passed over.

    Raises:
        CommandError: one of ours names no such role, or is of another form.
    """
    grants: dict[str, frozenset[Right]] = {}
    for scope in scopes:
        if not scope.startswith(SCOPE_PREFIX):
            continue
        account, _, role = scope.removeprefix(SCOPE_PREFIX).partition(":")
        is_known = is_alias(account) or account == EVERY_ACCOUNT
        if not is_known or role not in frozenset(Role):
            raise CommandError("expected tiger:<account>:<role>", field="scope")
        grants[account] = grants.get(account, _NO_RIGHTS) | RIGHTS[Role(role)]
    return grants
