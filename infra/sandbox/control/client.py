"""A typed client of the control port, for tests and tools.

Synchronous and thread-safe: each call has its own connection, so one thread can wait while
another one places orders.
"""

import http.client
from decimal import Decimal
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from infra.sandbox.broker.records import Order, Side
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
from infra.sandbox.market.prices import Quote
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import ActiveFault, AnyEffect, FaultRule
from infra.sandbox.wire.http_server import HOST
from infra.sandbox.wire.request_journal import RequestEntry

TIMEOUT_S = 5.0
Answer = TypeVar("Answer")


class SandboxControlError(Exception):
    """The control port refused a request; the text is its reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason


class SandboxControl:
    """One sandbox's control port."""

    def __init__(self, port: int) -> None:
        self._port = port

    def health(self) -> Health:
        """Return whether it runs, and its accounts."""
        return self._call("GET", "/health", Health)

    def book(self, account: str) -> BookView:
        """Return an account as the broker has it."""
        return self._call("GET", f"/book?{urlencode({'account': account})}", BookView)

    def journal(self, *, since: int = 0, method: str | None = None) -> tuple[RequestEntry, ...]:
        """Return the requests that arrived after a number."""
        query = {"since": since} | ({} if method is None else {"method": method})
        return self._call("GET", f"/journal?{urlencode(query)}", JournalView).entries

    def request_count(self, method: str | None = None) -> int:
        """Return how many requests have arrived since the start, of one method or all."""
        query = "" if method is None else f"?{urlencode({'method': method})}"
        return self._call("GET", f"/journal/count{query}", Count).count

    def wait_for(self, method: str | None, *, count: int, timeout_s: float = TIMEOUT_S) -> bool:
        """Wait until this many requests have arrived since the start; say whether they have."""
        command = WaitCommand(method=method, count=count, timeout_s=timeout_s)
        return self._call(
            "POST", "/wait", WaitResult, body=command, timeout_s=timeout_s + TIMEOUT_S
        ).reached

    def add_fault(
        self,
        effect: AnyEffect,
        *,
        method: str | None = None,
        account: str | None = None,
        count: int | None = 1,
        probability: Decimal | None = None,
        seed: int = 0,
    ) -> int:
        """Put a fault in force and return its id."""
        rule = FaultRule(
            effect=effect,
            method=method,
            account=account,
            count=count,
            probability=probability,
            seed=seed,
        )
        return self._call("POST", "/faults", FaultAdded, body=rule).fault_id

    def faults(self) -> tuple[ActiveFault, ...]:
        """Return the faults in force."""
        return self._call("GET", "/faults", FaultsView).faults

    def clear_faults(self) -> None:
        """Remove all faults; what is held stays held."""
        self._call("DELETE", "/faults", FaultsView)

    def release(self) -> int:
        """Let all held requests go on, and return how many there were."""
        return self._call("POST", "/release", Count).count

    def set_price(self, symbol: str, price: Decimal) -> Quote:
        """Put a stock at a price, and fill what that crosses."""
        command = PriceCommand(symbol=symbol, price=price)
        return self._call("POST", "/price", Quote, body=command)

    def external_order(
        self,
        account: str,
        symbol: str,
        *,
        side: Side,
        quantity: Decimal,
        limit_price: Decimal | None = None,
    ) -> Order:
        """Place an order as from the phone app; without a limit at the market."""
        command = ExternalOrder(
            account=account, symbol=symbol, side=side, quantity=quantity, limit_price=limit_price
        )
        return self._call("POST", "/external_order", Order, body=command)

    def settings(self) -> Settings:
        """Return the switches."""
        return self._call("GET", "/settings", Settings)

    def set_settings(self, settings: Settings) -> None:
        """Set all switches."""
        self._call("POST", "/settings", Settings, body=settings)

    def advance(self, step_count: int = 1) -> int:
        """Move prices on, settle deferred cancels and match; return the steps since the start."""
        command = AdvanceCommand(step_count=step_count)
        return self._call("POST", "/advance", Count, body=command).count

    def _call(
        self,
        method: str,
        target: str,
        answer: type[Answer],
        *,
        body: object = None,
        timeout_s: float = TIMEOUT_S,
    ) -> Answer:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=timeout_s)
        try:
            connection.request(method, target, None if body is None else msgspec.json.encode(body))
            response = connection.getresponse()
            content = response.read()
        finally:
            connection.close()
        if response.status != http.client.OK:
            reason = msgspec.json.decode(content, type=ErrorView).error
            raise SandboxControlError(response.status, reason)
        return msgspec.json.decode(content, type=answer)
