"""What a token grants its caller, and that nothing leads past it."""

from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from adapters.mcp import callers
from adapters.mcp.callers import (
    LOCAL,
    NOBODY,
    Caller,
    Right,
    current,
    permit,
    read_grants,
)
from core.errors import CommandError, LinkError

# Rights


def test_roles_grant_what_they_say() -> None:
    told = {role: callers.RIGHTS[role] for role in callers.Role}
    assert told == {
        "viewer": {Right.READ},
        "trader": {Right.READ, Right.TRADE},
        "approver": {Right.READ, Right.APPROVE},
        "auditor": {Right.READ, Right.AUDIT},
        "admin": set(Right),
    }


def test_scopes_add_up_by_account_and_others_are_passed_over() -> None:
    told = ("openid", "tiger", "tiger:a:viewer", "tiger:a:auditor", "tiger:*:approver")
    caller = Caller("ann", "t", read_grants(told))
    assert caller.rights("a") == {Right.READ, Right.AUDIT, Right.APPROVE}
    assert caller.rights("b") == {Right.READ, Right.APPROVE}


@pytest.mark.parametrize("scope", ["tiger:A:viewer", "tiger:system:viewer", "tiger:a.b:viewer"])
def test_a_grant_names_an_account_or_all(scope: str) -> None:
    with pytest.raises(CommandError):
        read_grants((scope,))


class Bus:
    """Counts what reaches it."""

    def __init__(self) -> None:
        self.reached: list[str] = []

    async def publish(
        self, subject: str, body: bytes, *, message_id: str, timeout_s: float
    ) -> bool:
        self.reached.append(subject)
        return False

    async def request(self, subject: str, body: bytes, *, timeout_s: float) -> bytes:
        self.reached.append(subject)
        return b""

    async def listen(self, subject: str, handler: Callable[[Any], None]) -> None:
        raise LinkError("not here")


async def test_no_way_to_the_cluster_leads_past_the_grants() -> None:
    bus = Bus()
    guarded = callers.GuardedBus(
        bus, Caller("ann", "t", read_grants(("tiger:a:viewer", "tiger:b:trader")))
    )
    await guarded.request("view.a.orders", b"", timeout_s=1)
    await guarded.request("ask.b.quotes", b"", timeout_s=1)
    await guarded.request("view.system.accounts", b"", timeout_s=1)
    await guarded.publish("cmd.b.order.submit", b"", message_id="m", timeout_s=1)
    allowed = list(bus.reached)
    assert len(allowed) == 4
    for subject in ("cmd.a.order.submit", "cmd.c.order.submit", "cmd.system.x", "ctl.b.x"):
        with pytest.raises(ToolError, match="forbidden"):
            await guarded.publish(subject, b"", message_id="m", timeout_s=1)
    for subject in ("view.c.orders", "ask.c.quotes", "view.system.health", "log.b.x"):
        with pytest.raises(ToolError, match="forbidden"):
            await guarded.request(subject, b"", timeout_s=1)
    assert bus.reached == allowed


def test_a_request_without_a_caller_is_nobody() -> None:
    def ask() -> None:
        assert current() is NOBODY
        assert not current().may_somewhere(Right.READ)
        with pytest.raises(ToolError, match="forbidden"):
            permit("list_accounts", is_read=True, arguments={})

    # A context in which nobody said anything.
    Context().run(ask)
    assert LOCAL.rights("any") == set(Right)
