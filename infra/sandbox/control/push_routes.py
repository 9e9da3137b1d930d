"""The control port's push side: who is connected, what happened, and what shall go wrong."""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlsplit

import msgspec

from infra.sandbox.control.push_views import (
    PushChoice,
    PushConnectionsView,
    PushConnectionView,
    PushFaultsView,
    PushJournalView,
    PushWaitCommand,
)
from infra.sandbox.control.views import Count, FaultAdded, WaitResult
from infra.sandbox.push.faults import PushFaultRule
from infra.sandbox.push.server import PushServer
from infra.sandbox.push.session import Session
from infra.sandbox.wire.http_server import HttpRequest

WAIT_S_MAX = 60.0

Route = Callable[[HttpRequest], Awaitable[object]]


class PushRoutes:
    """Answers requests about the push side."""

    def __init__(self, push: PushServer) -> None:
        self._push = push
        self.routes: dict[tuple[str, str], Route] = {
            ("GET", "/push/connections"): self._connections,
            ("GET", "/push/journal"): self._journal,
            ("POST", "/push/wait"): self._wait,
            ("GET", "/push/faults"): self._list_faults,
            ("POST", "/push/faults"): self._add_fault,
            ("DELETE", "/push/faults"): self._clear_faults,
            ("POST", "/push/release"): self._release,
            ("POST", "/push/kick"): self._kick,
            ("POST", "/push/cut"): self._cut,
            ("POST", "/push/pause"): self._pause,
            ("POST", "/push/resume"): self._resume,
        }

    async def _connections(self, _request: HttpRequest) -> object:
        sessions = self._push.sessions.values()
        return PushConnectionsView(connections=tuple(_view_of(session) for session in sessions))

    async def _journal(self, request: HttpRequest) -> object:
        query = dict(parse_qsl(urlsplit(request.target).query))
        return PushJournalView(
            entries=self._push.journal.entries(since=int(query.get("since", "0")))
        )

    async def _wait(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=PushWaitCommand)
        if not 0 <= command.timeout_s <= WAIT_S_MAX:
            raise ValueError(f"expected timeout_s from 0 to {WAIT_S_MAX}")
        journal = self._push.journal
        reached = await journal.wait_for(
            command.happening, count=command.count, timeout_s=command.timeout_s
        )
        return WaitResult(reached=reached, count=journal.count(command.happening))

    async def _list_faults(self, _request: HttpRequest) -> object:
        return PushFaultsView(faults=self._push.faults.all())

    async def _add_fault(self, request: HttpRequest) -> object:
        rule = msgspec.json.decode(request.body, type=PushFaultRule)
        return FaultAdded(fault_id=self._push.faults.add(rule))

    async def _clear_faults(self, _request: HttpRequest) -> object:
        self._push.faults.clear()
        return PushFaultsView(faults=())

    async def _release(self, _request: HttpRequest) -> object:
        return Count(count=self._push.delivery.release())

    async def _kick(self, request: HttpRequest) -> object:
        return self._for_each(request, self._push.kick)

    async def _cut(self, request: HttpRequest) -> object:
        return self._for_each(request, lambda session: session.connection.cut("cut on demand"))

    async def _pause(self, request: HttpRequest) -> object:
        return self._for_each(request, lambda session: session.connection.pause())

    async def _resume(self, request: HttpRequest) -> object:
        return self._for_each(request, lambda session: session.connection.resume())

    def _for_each(self, request: HttpRequest, act: Callable[[Session], None]) -> Count:
        choice = msgspec.json.decode(request.body or b"{}", type=PushChoice)
        chosen = self._push.chosen(choice.tiger_id)
        for session in chosen:
            act(session)
        return Count(count=len(chosen))


def _view_of(session: Session) -> PushConnectionView:
    connection = session.connection
    return PushConnectionView(
        connection_id=connection.connection_id,
        tiger_id=session.login.tiger_id,
        transport=connection.transport,
        opened_at=connection.opened_at,
        accounts=tuple(sorted(session.subscriptions.accounts)),
        subscriptions=session.subscriptions.listing(),
        queued_count=connection.queued_count,
        sent_count=connection.sent_count,
        is_paused=connection.is_paused,
    )
