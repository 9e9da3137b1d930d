"""The control port: look into the book and the journal, order faults, set prices and switches.

For tests and tools, on loopback only. Its answers are plain JSON with exact decimals as texts.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl, urlsplit

import msgspec

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import OrderRequest
from infra.sandbox.control.views import (
    AdvanceCommand,
    BookView,
    Count,
    ErrorView,
    ExternalOrder,
    FaultAdded,
    FaultsView,
    Health,
    JournalView,
    PriceCommand,
    WaitCommand,
    WaitResult,
)
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import FaultRule
from infra.sandbox.wire.gateway import Clock, Gateway
from infra.sandbox.wire.http_server import HttpReply, HttpRequest

WAIT_S_MAX = 60.0
STEP_COUNT_MAX = 10_000
APP_SOURCE = "android"


class Control:
    """Answers requests to the control port."""

    def __init__(
        self,
        *,
        engine: Engine,
        gateway: Gateway,
        clock: Clock,
        switch: Callable[[Settings], Awaitable[None]],
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._clock = clock
        self._switch = switch
        self._routes: dict[tuple[str, str], Callable[[HttpRequest], Awaitable[object]]] = {
            ("GET", "/health"): self._health,
            ("GET", "/book"): self._book,
            ("GET", "/journal"): self._journal,
            ("GET", "/journal/count"): self._journal_count,
            ("POST", "/wait"): self._wait,
            ("GET", "/faults"): self._list_faults,
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._clear_faults,
            ("POST", "/release"): self._release,
            ("POST", "/price"): self._set_price,
            ("POST", "/external_order"): self._external_order,
            ("GET", "/settings"): self._settings,
            ("POST", "/settings"): self._change_settings,
            ("POST", "/advance"): self._advance,
        }

    async def answer(self, request: HttpRequest) -> HttpReply | None:
        """Return the reply to a control request."""
        route = self._routes.get((request.method, urlsplit(request.target).path))
        if route is None:
            return _reply(404, ErrorView(error="no such route"))
        try:
            return _reply(200, await route(request))
        except OrderRefusedError as error:
            return _reply(409, ErrorView(error=error.text))
        except (msgspec.MsgspecError, ValueError) as error:
            return _reply(400, ErrorView(error=str(error)))

    async def _health(self, _request: HttpRequest) -> object:
        accounts = tuple(self._engine.book.accounts)
        return Health(ready=True, accounts=accounts, held_count=self._gateway.held_count)

    async def _book(self, request: HttpRequest) -> object:
        account = self._engine.book.accounts.get(_query(request).get("account", ""))
        if account is None:
            raise ValueError("expected the number of an account")
        return BookView(
            account=account.account,
            kind=account.kind,
            orders=tuple(self._engine.book.orders_of(account.account)),
            fills=tuple(self._engine.book.fills_of(account.account)),
            positions=account.positions,
            cash=account.cash,
            opening_cash=dict(account.opening_cash),
        )

    async def _journal(self, request: HttpRequest) -> object:
        query = _query(request)
        since = int(query.get("since", "0"))
        return JournalView(
            entries=self._gateway.journal.entries(since=since, method=query.get("method"))
        )

    async def _journal_count(self, request: HttpRequest) -> object:
        return Count(count=self._gateway.journal.count(_query(request).get("method")))

    async def _wait(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=WaitCommand)
        if not 0 <= command.timeout_s <= WAIT_S_MAX:
            raise ValueError(f"expected timeout_s from 0 to {WAIT_S_MAX}")
        journal = self._gateway.journal
        reached = await journal.wait_for(
            method=command.method, count=command.count, timeout_s=command.timeout_s
        )
        return WaitResult(reached=reached, count=journal.count(command.method))

    async def _list_faults(self, _request: HttpRequest) -> object:
        return FaultsView(faults=self._gateway.faults.all())

    async def _add_fault(self, request: HttpRequest) -> object:
        rule = msgspec.json.decode(request.body, type=FaultRule)
        return FaultAdded(fault_id=self._gateway.faults.add(rule, self._engine.book.mark()))

    async def _clear_faults(self, _request: HttpRequest) -> object:
        self._gateway.faults.clear()
        return FaultsView(faults=())

    async def _release(self, _request: HttpRequest) -> object:
        return Count(count=self._gateway.release())

    async def _set_price(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=PriceCommand)
        self._engine.set_price(command.symbol, command.price, self._clock())
        return self._engine.prices.quote(command.symbol)

    async def _external_order(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=ExternalOrder)
        account = self._engine.book.accounts.get(command.account)
        if account is None:
            raise ValueError("expected the number of an account")
        now = self._clock()
        wanted = OrderRequest(
            tiger_id=account.tiger_id,
            account=command.account,
            symbol=command.symbol,
            side=command.side,
            order_type="MKT" if command.limit_price is None else "LMT",
            quantity=command.quantity,
            limit_price=command.limit_price,
            source=APP_SOURCE,
            # App orders carry a text of the app's making, seen to be a time stamp.
            external_id=f"{now.timestamp():.6f}",
        )
        return self._engine.place(wanted, now)

    async def _settings(self, _request: HttpRequest) -> object:
        return self._engine.settings

    async def _change_settings(self, request: HttpRequest) -> object:
        # What is not sent stays, so the old settings are overlaid and checked as a whole.
        changes = msgspec.json.decode(request.body, type=dict[str, object])
        merged = msgspec.to_builtins(self._engine.settings) | changes
        settings = msgspec.convert(merged, Settings)
        await self._switch(settings)
        return settings

    async def _advance(self, request: HttpRequest) -> object:
        command = msgspec.json.decode(request.body, type=AdvanceCommand)
        if not 0 <= command.step_count <= STEP_COUNT_MAX:
            raise ValueError(f"expected step_count from 0 to {STEP_COUNT_MAX}")
        self._engine.advance(self._clock(), step_count=command.step_count)
        return Count(count=self._engine.prices.step_count)


def _query(request: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.target).query))


def _reply(status: int, answer: object) -> HttpReply:
    return HttpReply(status=status, body=msgspec.json.encode(answer))
