"""Where each row of the predecessors' table is performed: one cluster, one client, and the truth.

The truth is what the sandbox's own control API shows, or what the broker's unmodified SDK reads of
the same sandbox.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from mcp import Client
from tigeropen.quote.quote_client import QuoteClient
from tigeropen.tiger_open_config import TigerOpenClientConfig
from tigeropen.trade.trade_client import TradeClient

from infra.home import Home
from infra.sandbox.broker.records import Order
from infra.sandbox.control.views import BookView
from infra.sandbox.logins.files import (
    LOGIN_FILE,
    LoginFile,
    login_folder,
    read_ports,
)
from tests.support.cluster import ACCOUNT, answer, fault, sandbox_of
from tests.support.gateway import rows_of

LOGINS: Final = ("alpha", "beta")
WAIT_S: Final = 20.0
NEW_YORK: Final = ZoneInfo("America/New_York")
DAY: Final = timedelta(days=1)
FOR_FUTURES: Final = 50_000.0
SDK_TIMEOUT_S: Final = 5
# Far from any price, so that it rests.
LOW: Final = "1.00"
Holds = Callable[[dict[str, Any]], bool]
Case = Callable[["Stage"], Awaitable[None]]


class Stage:
    """A client of the service, and ways to see what is true."""

    def __init__(self, home: Path, client: Client) -> None:
        self.home = home
        self.client = client
        self.control = sandbox_of(home)
        self.number = self.number_of(ACCOUNT)
        self.today = self.control.clock().now.date()
        # The last whole trading day; an option's near expiry and a monthly one.
        self.day = self.expiry = self.monthly = ""
        self.option = self.future = self.index_future = ""
        config = _config(home)
        self.quotes: Any = QuoteClient(config, is_grab_permission=False)
        self.trades: Any = TradeClient(config)

    async def prepare(self) -> None:
        """Look up days and contracts that there are now, and pay for futures."""
        self.today = self.control.clock().now.astimezone(NEW_YORK).date()
        before = {"begin": str(self.today - timedelta(days=10)), "end": str(self.today - DAY)}
        days = await self.rows("get_market_status", view="calendar", market="US", **before)
        self.day = [each["date"] for each in days if each["kind"] == "TRADING"][-1]
        expiries = await self.rows("get_option_chain", symbol="AAPL")
        self.expiry = expiries[2]["expiry"]
        self.monthly = [each["expiry"] for each in expiries if each["kind"] == "monthly"][1]
        near = ["bid>=1", "strike>=225"]
        chain = await self.rows("get_option_chain", symbol="AAPL", expiry=self.expiry, filters=near)
        self.option = chain[0]["symbol"]
        self.future, self.index_future = [
            (await self.rows("find_contracts", security="future", query=each))[0]["symbol"]
            for each in ("CL", "ES")
        ]
        # The methods about segments take no account: they use the client's own.
        self.trades._account = self.number
        await self.sdk(
            self.trades.transfer_segment_fund,
            from_segment="SEC",
            to_segment="FUT",
            currency="USD",
            amount=FOR_FUTURES,
        )
        async with asyncio.timeout(WAIT_S):
            while await self._futures_cash() < FOR_FUTURES:
                pass

    async def _futures_cash(self) -> float:
        read = await self.sdk(self.trades.get_prime_assets, account=self.number)
        found: float = read.segments["C"].cash_balance
        return found

    def number_of(self, alias: str) -> str:
        """Return an account's number at the broker."""
        for name in LOGINS:
            for each in _login(self.home, name).accounts:
                if each.alias == alias:
                    return each.account
        raise AssertionError(f"expected an account called {alias}")

    def switch(self, **switches: bool) -> None:
        """Change switches of the sandbox."""
        self.control.set_settings(msgspec.structs.replace(self.control.settings(), **switches))

    def instructions(self) -> str:
        """Return what every client is told at the start."""
        return self.client.instructions or ""

    async def ask(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer of a call that must succeed."""
        return await answer(self.client, tool, **arguments)

    async def rows(self, tool: str, **arguments: Any) -> list[dict[str, Any]]:
        """Return the rows of a market tool's answer, by the names of its columns."""
        told = await self.ask(tool, **arguments)
        assert told["environment"] == "sandbox"
        return rows_of(told)

    async def row(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return the only row of a market tool's answer."""
        (row,) = await self.rows(tool, **arguments)
        return row

    async def own(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer of a call about the account."""
        return await self.ask(tool, account=ACCOUNT, **arguments)

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """Return what a call that must be refused says."""
        return await fault(self.client, tool, **arguments)

    async def until(self, tool: str, holds: Holds, **arguments: Any) -> dict[str, Any]:
        """Return the first answer about the account that holds; bounded."""
        async with asyncio.timeout(WAIT_S):
            while True:
                told = await self.own(tool, **arguments)
                if holds(told):
                    return told

    async def sdk(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        """Return what the broker's own SDK reads."""
        return await asyncio.to_thread(method, *given, **named)

    def book(self) -> BookView:
        """Return the account as the broker has it."""
        return self.control.book(self.number)

    def booked(self, tiger_order_id: str) -> Order:
        """Return one order as the broker has it."""
        return next(o for o in self.book().orders if str(o.global_id) == tiger_order_id)

    def call_option(self, strike: str, limit_price: str) -> dict[str, Any]:
        """Return the terms of one call on a stock."""
        named = {"expiry": self.monthly, "strike": strike, "right": "call"}
        return {"security": "option", "quantity": "1", "limit_price": limit_price, **named}

    def call_key(self, symbol: str, strike: int) -> str:
        """Return what the broker calls such an option."""
        day = date.fromisoformat(self.monthly)
        return f"{symbol:<6}{day:%y%m%d}C{strike:05d}000"

    async def preview(self, symbol: str, **more: Any) -> dict[str, Any]:
        """Return a preview whose checks all passed."""
        told = await self.own("preview_order", **terms(symbol, **more))
        failed = [row for row in rows_of(told["checks"]) if row["result"] == "failed"]
        assert (told["status"], told["can_submit"], failed) == ("previewed", True, []), told
        return told

    async def placed(self, symbol: str, **more: Any) -> dict[str, Any]:
        """Preview and submit an order, and return what it ended in: the broker has it."""
        preview = await self.preview(symbol, **more)
        told = await self.own("submit_order", preview_id=preview["preview_id"])
        assert told["status"] == "accepted", told
        return told

    async def order(self, order_id: str, phase: str) -> dict[str, Any]:
        """Return an order's row once it has a phase."""
        told = await self.until(
            "get_orders",
            lambda seen: [row["phase"] for row in rows_of(seen["orders"])] == [phase],
            order_ids=[order_id],
        )
        (row,) = rows_of(told["orders"])
        return row

    async def cancelled(self, order_id: str) -> None:
        """Cancel an order and wait until the broker's listing shows it."""
        await self.own("cancel_orders", order_ids=[order_id])
        await self.order(order_id, "cancelled")


def terms(symbol: str, **more: Any) -> dict[str, Any]:
    """Return the terms of a limit order far from the price, with changes; None takes one away."""
    plain = {
        "symbol": symbol,
        "side": "buy",
        "order_type": "limit",
        "quantity": "10",
        "limit_price": LOW,
        "reason": "a row of the table",
    }
    return {name: value for name, value in (plain | more).items() if value is not None}


def same(told: Any, read: Any) -> bool:
    """Say whether a figure of ours is the broker's; one that is absent is none."""
    if told is None or told == "":
        return read is None or read != read
    return Decimal(str(told)) == Decimal(str(read))


def _login(home: Path, name: str) -> LoginFile:
    file = login_folder(Home(home).sandbox, name) / LOGIN_FILE
    return msgspec.json.decode(file.read_bytes(), type=LoginFile)


def _config(home: Path) -> Any:
    folder = Home(home).sandbox
    ports = read_ports(folder)
    assert ports is not None, "the sandbox said where it listens"
    config = TigerOpenClientConfig(
        enable_dynamic_domain=False, props_path=str(login_folder(folder, LOGINS[0]))
    )
    config.server_url = config.quote_server_url = f"http://127.0.0.1:{ports.http}/gateway"
    config.tiger_public_key = _login(home, LOGINS[0]).tiger_public_key
    config.retry_max_tries = 0
    config.timeout = SDK_TIMEOUT_S
    return config
