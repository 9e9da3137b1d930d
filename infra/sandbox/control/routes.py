"""The control port: look into the book and the journal, order faults, set prices and switches.

For tests and tools, on loopback only. Its answers are plain JSON with exact decimals as texts.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, timedelta
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec

from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.engine import Engine
from infra.sandbox.clock import Clock, ClockError, Now
from infra.sandbox.control import outside
from infra.sandbox.control.views import (
    AdvanceCommand,
    BookView,
    ClockCommand,
    ClockView,
    Count,
    DividendCommand,
    ErrorView,
    ExternalOrder,
    FaultAdded,
    FaultsView,
    Health,
    JournalView,
    OutsideCash,
    OutsideChange,
    OutsideFill,
    OutsideOrder,
    OutsidePosition,
    PriceCommand,
    SplitCommand,
    WaitCommand,
    WaitResult,
)
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import FaultRule
from infra.sandbox.wire.gateway import Gateway
from infra.sandbox.wire.http_server import HttpReply, HttpRequest

WAIT_S_MAX = 60.0
STEP_COUNT_MAX = 10_000

Route = Callable[[HttpRequest], Awaitable[object]]
Body = TypeVar("Body")


class Control:
    """Answers requests to the control port.

    Args:
        engine: the broker.
        gateway: the Tiger port's side: faults, journal, held requests.
        clock: the sandbox's time.
        now: the broker's time, which may be skewed.
        on_second: what is due on every second of a clock that is moved.
        switch: puts settings in force.
        more: routes of other parts, by HTTP method and path.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        gateway: Gateway,
        clock: Clock,
        now: Now,
        on_second: Callable[[], None],
        switch: Callable[[Settings], Awaitable[None]],
        more: Mapping[tuple[str, str], Route] | None = None,
    ) -> None:
        self._engine = engine
        self._gateway = gateway
        self._clock = clock
        self._now = now
        self._on_second = on_second
        self._switch = switch
        self._routes: dict[tuple[str, str], Route] = {
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
            ("POST", "/external_cancel"): self._external_cancel,
            ("POST", "/external_modify"): self._external_modify,
            ("POST", "/external_fill"): self._external_fill,
            ("POST", "/external_cash"): self._external_cash,
            ("POST", "/external_position"): self._external_position,
            ("POST", "/dividend"): self._dividend,
            ("POST", "/split"): self._split,
            ("GET", "/settings"): self._settings,
            ("POST", "/settings"): self._change_settings,
            ("POST", "/advance"): self._advance,
            ("GET", "/clock"): self._tell_time,
            ("POST", "/clock"): self._move_clock,
            **(more or {}),
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
        except (ClockError, OSError) as error:
            return _reply(409, ErrorView(error=str(error)))
        except (msgspec.MsgspecError, ValueError, OverflowError) as error:
            return _reply(400, ErrorView(error=str(error)))
        except RecursionError:
            return _reply(400, ErrorView(error="expected a body that is less deeply nested"))

    async def _health(self, _request: HttpRequest) -> object:
        accounts = tuple(self._engine.book.accounts)
        return Health(ready=True, accounts=accounts, held_count=self._gateway.held_count)

    async def _book(self, request: HttpRequest) -> object:
        return self._view_of(_query(request).get("account", ""))

    async def _journal(self, request: HttpRequest) -> object:
        query = _query(request)
        since = int(query.get("since", "0"))
        return JournalView(
            entries=self._gateway.journal.entries(since=since, method=query.get("method"))
        )

    async def _journal_count(self, request: HttpRequest) -> object:
        return Count(count=self._gateway.journal.count(_query(request).get("method")))

    async def _wait(self, request: HttpRequest) -> object:
        command = _body(request, WaitCommand)
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
        return FaultAdded(fault_id=self._gateway.add_fault(_body(request, FaultRule)))

    async def _clear_faults(self, request: HttpRequest) -> object:
        fault_id = _query(request).get("id")
        if fault_id is None:
            self._gateway.clear_faults()
        else:
            self._gateway.faults.remove(int(fault_id))
        return FaultsView(faults=self._gateway.faults.all())

    async def _release(self, _request: HttpRequest) -> object:
        return Count(count=self._gateway.release())

    async def _set_price(self, request: HttpRequest) -> object:
        command = _body(request, PriceCommand)
        self._engine.set_price(command.symbol, command.price, self._now())
        return self._engine.prices.quote(command.symbol)

    async def _external_order(self, request: HttpRequest) -> object:
        return outside.app_order(self._engine, _body(request, ExternalOrder), self._now())

    async def _external_cancel(self, request: HttpRequest) -> object:
        return outside.app_cancel(self._engine, _body(request, OutsideOrder), self._now())

    async def _external_modify(self, request: HttpRequest) -> object:
        return outside.app_modify(self._engine, _body(request, OutsideChange), self._now())

    async def _external_fill(self, request: HttpRequest) -> object:
        return outside.fill(self._engine, _body(request, OutsideFill), self._now())

    async def _external_cash(self, request: HttpRequest) -> object:
        command = _body(request, OutsideCash)
        outside.pay(self._engine, command, self._now())
        return self._view_of(command.account)

    async def _external_position(self, request: HttpRequest) -> object:
        command = _body(request, OutsidePosition)
        outside.move_position(self._engine, command, self._now())
        return self._view_of(command.account)

    async def _dividend(self, request: HttpRequest) -> object:
        command = _body(request, DividendCommand)
        outside.pay_dividend(self._engine, command, self._now())
        return self._engine.prices.quote(command.symbol)

    async def _split(self, request: HttpRequest) -> object:
        command = _body(request, SplitCommand)
        outside.split(self._engine, command, self._now())
        return self._engine.prices.quote(command.symbol)

    async def _settings(self, _request: HttpRequest) -> object:
        return self._engine.settings

    async def _change_settings(self, request: HttpRequest) -> object:
        # What is not sent stays, so the old settings are overlaid and checked as a whole.
        changes = _body(request, dict[str, object])
        merged = msgspec.to_builtins(self._engine.settings) | changes
        settings = msgspec.convert(merged, Settings)
        await self._switch(settings)
        return settings

    async def _advance(self, request: HttpRequest) -> object:
        command = _body(request, AdvanceCommand)
        if not 0 <= command.step_count <= STEP_COUNT_MAX:
            raise ValueError(f"expected step_count from 0 to {STEP_COUNT_MAX}")
        self._engine.advance(self._now(), step_count=command.step_count)
        self._engine.keep_prices()
        return Count(count=self._engine.prices.step_count)

    async def _tell_time(self, _request: HttpRequest) -> object:
        return ClockView(now=self._now(), is_virtual=self._clock.is_virtual)

    async def _move_clock(self, request: HttpRequest) -> object:
        command = _body(request, ClockCommand)
        if (command.advance_ms is None) is (command.to is None):
            raise ValueError("expected either advance_ms or set")
        to = command.to
        if command.advance_ms is not None:
            to = self._clock.now() + timedelta(milliseconds=command.advance_ms)
        if to is None or to.tzinfo is None:
            raise ValueError("expected a time with its zone")
        await self._clock.move(to.astimezone(UTC), self._on_second)
        return await self._tell_time(request)

    def _view_of(self, number: str) -> BookView:
        account = outside.account_called(self._engine, number)
        return BookView(
            account=account.account,
            kind=account.kind,
            orders=tuple(self._engine.book.orders_of(account.account)),
            fills=tuple(self._engine.book.fills_of(account.account)),
            positions=account.positions,
            cash=account.cash,
            opening_cash=dict(account.opening_cash),
        )


def _body(request: HttpRequest, model: type[Body]) -> Body:
    return msgspec.json.decode(request.body, type=model)


def _query(request: HttpRequest) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(request.target).query))


def _reply(status: int, answer: object) -> HttpReply:
    return HttpReply(status=status, body=msgspec.json.encode(answer))
