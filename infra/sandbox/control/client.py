"""A typed client of the control port, for tests and tools.

Synchronous and thread-safe: each call has its own connection, so one thread can wait while
another one places orders.
"""

import http.client
from datetime import datetime
from decimal import Decimal
from typing import TypeVar
from urllib.parse import urlencode

import msgspec

from infra.sandbox.broker.records import Order, Side
from infra.sandbox.control.logins import (
    AuthorizationsView,
    DecisionCommand,
    EndAccessCommand,
    EndedView,
    UserTokenCommand,
    UserTokenView,
    WaitingAuthorization,
)
from infra.sandbox.control.push_client import PushControl
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
from infra.sandbox.logins.switches import DAY_S
from infra.sandbox.market.prices import Quote
from infra.sandbox.settings import Settings
from infra.sandbox.wire.faults import ActiveFault, AnyEffect, FaultRule
from infra.sandbox.wire.http_server import HOST
from infra.sandbox.wire.request_journal import RequestEntry

TIMEOUT_S = 20.0
# A virtual clock walks over every second of up to seven days.
CLOCK_TIMEOUT_S = 600.0
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
        self.push = PushControl(self._call)

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
        return self.add_rule(
            FaultRule(
                effect=effect,
                method=method,
                account=account,
                count=count,
                probability=probability,
                seed=seed,
            )
        )

    def faults(self) -> tuple[ActiveFault, ...]:
        """Return the faults in force."""
        return self._call("GET", "/faults", FaultsView).faults

    def add_rule(self, rule: FaultRule) -> int:
        """Put a fault in force and return its id."""
        return self._call("POST", "/faults", FaultAdded, body=rule).fault_id

    def remove_fault(self, fault_id: int) -> None:
        """Remove one fault."""
        self._call("DELETE", f"/faults?{urlencode({'id': fault_id})}", FaultsView)

    def clear_faults(self) -> None:
        """Remove all faults and show hidden orders again; what is held stays held."""
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

    def external_cancel(self, account: str, global_id: int) -> Order:
        """Cancel an order as in the phone app."""
        command = OutsideOrder(account=account, global_id=global_id)
        return self._call("POST", "/external_cancel", Order, body=command)

    def external_modify(
        self,
        account: str,
        global_id: int,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
    ) -> Order:
        """Change an order as in the phone app; what is not given stays."""
        command = OutsideChange(
            account=account, global_id=global_id, quantity=quantity, limit_price=limit_price
        )
        return self._call("POST", "/external_modify", Order, body=command)

    def external_fill(
        self,
        account: str,
        global_id: int,
        *,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
    ) -> Order:
        """Fill an open order, whatever the market says; by default all of it, at its limit."""
        command = OutsideFill(account=account, global_id=global_id, quantity=quantity, price=price)
        return self._call("POST", "/external_fill", Order, body=command)

    def external_cash(self, account: str, currency: str, amount: Decimal) -> BookView:
        """Pay cash into an account, or out of it (negative)."""
        command = OutsideCash(account=account, currency=currency, amount=amount)
        return self._call("POST", "/external_cash", BookView, body=command)

    def external_position(
        self, account: str, key: str, *, quantity: Decimal, price: Decimal
    ) -> BookView:
        """Bring a holding into an account, or take it out (negative), without a trade."""
        command = OutsidePosition(account=account, key=key, quantity=quantity, price=price)
        return self._call("POST", "/external_position", BookView, body=command)

    def dividend(self, symbol: str, amount: Decimal) -> Quote:
        """Pay every holder of a stock (unit: per share), and return its new prices."""
        command = DividendCommand(symbol=symbol, amount=amount)
        return self._call("POST", "/dividend", Quote, body=command)

    def split(self, symbol: str, ratio: Decimal) -> Quote:
        """Make so many shares of each, and return the new prices; open orders end."""
        return self._call("POST", "/split", Quote, body=SplitCommand(symbol=symbol, ratio=ratio))

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

    def clock(self) -> ClockView:
        """Return the broker's time."""
        return self._call("GET", "/clock", ClockView)

    def advance_clock(self, advance_ms: int) -> datetime:
        """Move a virtual clock on, with all that falls due, and return the broker's time."""
        return self._move(ClockCommand(advance_ms=advance_ms))

    def set_clock(self, to: datetime) -> datetime:
        """Move a virtual clock to a time, with all that falls due; return the broker's time."""
        return self._move(ClockCommand(to=to))

    def _move(self, command: ClockCommand) -> datetime:
        return self._call("POST", "/clock", ClockView, body=command, timeout_s=CLOCK_TIMEOUT_S).now

    def issue_user_token(self, login: str, *, life_s: int = 30 * DAY_S) -> str:
        """Put a new user token into a TBHK login's file; a life of 0 or less is over."""
        command = UserTokenCommand(login=login, life_s=life_s)
        return self._call("POST", "/logins/user_token", UserTokenView, body=command).token

    def authorizations(self) -> tuple[WaitingAuthorization, ...]:
        """Return the authorizations that wait for their holder, oldest first."""
        return self._call("GET", "/logins/authorizations", AuthorizationsView).waiting

    def decide(
        self,
        user_code: str,
        login: str | None,
        *,
        accounts: tuple[str, ...] | None = None,
        scopes: tuple[str, ...] | None = None,
    ) -> None:
        """Say a holder's yes to an application, or, without a login, no."""
        command = DecisionCommand(
            user_code=user_code, login=login, accounts=accounts, scopes=scopes
        )
        self._call("POST", "/logins/authorizations", AuthorizationsView, body=command)

    def end_access(self, login: str, *, is_revoked: bool = False) -> int:
        """End a login's access tokens, or its authorizations; return how many it had."""
        command = EndAccessCommand(login=login, is_revoked=is_revoked)
        return self._call("POST", "/logins/end_access", EndedView, body=command).count

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
