"""The broker: the sandbox's own engine and methods on the virtual clock, behind a bad network.

The SDK's own client builds the request and reads the reply; only its HTTP call is replaced.
"""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Protocol, cast

import msgspec
import urllib3.exceptions
from tigeropen.common.consts import THREAD_LOCAL
from tigeropen.common.exceptions import RequestException, ResponseException
from tigeropen.tiger_open_client import TigerOpenClient
from tigeropen.trade.trade_client import TradeClient

from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import (
    Order,
    OrderRequest,
    OrderTraded,
    OrderWritten,
    Record,
)
from infra.sandbox.home import Login, LoginAccount
from infra.sandbox.methods import table
from infra.sandbox.methods.calls import Call
from infra.sandbox.settings import Settings
from infra.sandbox.wire.envelope import GatewayError, to_ms
from tests.simulation.machine import BEGIN, Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather

TIGER_ID: Final = "20150001"
# The SDK gives up waiting, the service ends the process, and by then nothing may arrive any more.
SDK_TIMEOUT_S: Final = 10.0
DEADLINE_S: Final = 20.0
WRITES: Final = frozenset({"place_order", "cancel_order", "modify_order"})
LISTINGS: Final = frozenset({"orders", "active_orders", "order_transactions", "positions"})
LIES: Final = frozenset({"stale", "empty", "behind"})
# How old a stale reading may be.
STALE_S: Final = 40.0


class BrokerTwin:
    """The broker's side: what it has, and what it answers."""

    def __init__(self, scheduler: Scheduler, weather: Weather, numbers: list[str]) -> None:
        rng = scheduler.rng
        self._scheduler = scheduler
        self._weather = weather
        self.offset_s = (rng.random() * 6 - 3) if weather.broker_skew else 0.0
        self._seed = rng.randrange(1 << 30)
        self._records: list[Record] = []
        # What is to happen to the next place, whatever the weather.
        self.next_place = ""
        # How many records the lists of orders show, while they stand still.
        self.shown: int | None = None
        # Told the method and the account of each reading, and that an account's order changed.
        self.on_reading: Callable[[str, str], None] = lambda *_: None
        self.on_change: Callable[[str], None] = lambda _: None
        self.engine = Engine(seed=self._seed, save=self._save)
        for number in numbers:
            self.engine.open_account(tiger_id=TIGER_ID, account=number, kind="prime")
        self.engine.settings = Settings(
            # A doubled place must not be hidden by the broker's own guard; a doubling network must.
            duplicate_orders="refuse_1100" if weather.post_doubled else "accept",
            price_drift=False,
            fill_quantity_max=Decimal(40) if weather.partial_fills else None,
            defer_cancels=bool(weather.slow_cancels),
        )
        accounts = tuple(
            LoginAccount(alias=f"a{index}", account=number, kind="prime")
            for index, number in enumerate(numbers)
        )
        self._login = Login(
            name="alpha",
            tiger_id=TIGER_ID,
            accounts=accounts,
            tiger_public_key="",
            developer_public_key="",
        )
        # How many records there were, and when.
        self._marks: list[tuple[float, int]] = []

    def _save(self, record: Record) -> None:
        self._records.append(record)
        if isinstance(record, OrderWritten | OrderTraded):
            self.on_change(record.order.account)

    def stand_still(self, seconds: float) -> None:
        """Have the lists of orders show for so long what there is now."""
        self.shown = len(self._records)
        self._scheduler.after(seconds, lambda: setattr(self, "shown", None))

    def now(self) -> datetime:
        """Return the broker's clock."""
        return BEGIN + timedelta(seconds=self._scheduler.now_s + self.offset_s)

    def tick(self, steps: int = 1) -> None:
        """Let the market move, and remember how the book stands."""
        self.engine.advance(self.now(), step_count=steps)
        self._marks.append((self._scheduler.now_s, len(self._records)))

    def orders(self, number: str) -> list[Order]:
        """Return an account's orders as they are."""
        return list(self.engine.book.orders_of(number))

    def place_elsewhere(
        self, number: str, symbol: str, quantity: int, side: Any, *, mark: str = ""
    ) -> None:
        """Have somebody else place a market order: the phone app, or a copy of this service."""
        request = OrderRequest(
            tiger_id=TIGER_ID,
            account=number,
            symbol=symbol,
            side=side,
            order_type="MKT",
            quantity=Decimal(quantity),
            source="OpenApi" if mark else "android",
            user_mark=mark,
            external_id=None if mark else f"phone{self._scheduler.now_s}",
        )
        self.engine.place(request, self.now())

    def execute(self, method: str, business: str, *, fault: str = "") -> dict[str, Any]:
        """Do one request and return the reply's document."""
        reply: dict[str, Any] = {"timestamp": to_ms(self.now()), "success": True}
        try:
            data = table.run(method, self._call(business, fault))
        except GatewayError as error:
            return reply | {"code": error.code, "message": error.message, "success": False}
        # What the wire would do to it.
        return reply | {"code": 0, "message": "success", "data": json.loads(_encode(data))}

    def _call(self, business: str, fault: str) -> Call:
        return Call(
            login=self._login,
            business=business.encode(),
            engine=self._engine_for(fault),
            # No method of trading asks who was let in.
            gate=cast(Any, None),
            device_id="",
            now=self.now(),
            reject="rejected late" if fault == "late_reject" else None,
        )

    def _engine_for(self, fault: str) -> Engine:
        """Return the broker as it is, or as it was a while ago, as a replica that lags shows it."""
        oldest_s = self._scheduler.now_s - STALE_S
        young = [count for at_s, count in self._marks if at_s >= oldest_s]
        if fault == "stale" and young:
            return self._past(young[int(self._scheduler.rng.random() * len(young))])
        return self.engine if fault != "behind" or self.shown is None else self._past(self.shown)

    def _past(self, count: int) -> Engine:
        past = Engine(seed=self._seed, save=lambda _: None)
        for record in self._records[:count]:
            past.restore(record)
        return past


def _encode(data: object) -> bytes:
    return msgspec.json.encode(data)


class RequestChecks(Protocol):
    """What watches the requests."""

    in_flight: dict[str, tuple[str, str, str, Decimal]]

    def requested(self, process: Process, method: str, fields: dict[str, Any]) -> None:
        """The SDK is called."""

    def executed(self, method: str, fields: dict[str, Any]) -> None:
        """The broker is about to do it."""

    def deceived(self, number: str) -> None:
        """A reading of this account is not the truth."""


class _Box:
    def __init__(self) -> None:
        self.reply: dict[str, Any] | None = None


class Wire(TigerOpenClient):  # type: ignore[misc]  # the SDK has no types
    """Replaces the SDK's HTTP call."""

    def __init__(
        self,
        scheduler: Scheduler,
        broker: BrokerTwin,
        process: Process,
        weather: Weather,
        *,
        outage: Callable[[], str],
        checks: "RequestChecks",
        note: Callable[[str], None],
    ) -> None:
        self._scheduler = scheduler
        self._broker = broker
        self._process = process
        self._weather = weather
        self._outage = outage
        self._checks = checks
        self._note = note

    def execute(self, request: Any, url: str | None = None) -> dict[str, Any]:
        """Send a request and return the reply's document, as the SDK's own does."""
        THREAD_LOCAL.logger = None
        params = request.get_params()
        method, business = params["method"], params["biz_content"]
        self._checks.requested(self._process, method, json.loads(business))
        self._process.effect()
        fault = self._fault(method)
        if fault:
            self._note(f"{method}: {fault}")
        reply = self._exchange(method, business, fault)
        self._process.effect()
        return reply

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._scheduler.rng.random() < chance

    def _fault(self, method: str) -> str:
        """Draw what goes wrong with a request."""
        weather = self._weather
        if (outage := self._outage()) != "":
            return outage
        if method == "place_order" and self._broker.next_place:
            fault, self._broker.next_place = self._broker.next_place, ""
            return fault
        if method in WRITES:
            names = [
                *("lost", "reply_lost", "late", "hangs", "refused", "reset"),
                *("code", "empty", "rejected", "doubled"),
            ]
            for name in names:
                if self._happens(getattr(weather, f"post_{name}")):
                    return name
            if method == "place_order" and self._happens(weather.late_reject):
                return "late_reject"
            return ""
        for name in ("fails", "slow", "hangs"):
            if self._happens(getattr(weather, f"read_{name}")):
                return name
        if method in LISTINGS:
            if self._broker.shown is not None and method in ("orders", "active_orders"):
                return "behind"
            for name in ("stale", "empty"):
                if self._happens(getattr(weather, f"read_{name}")):
                    return name
        return ""

    def _exchange(self, method: str, business: str, fault: str) -> dict[str, Any]:
        rng = self._scheduler.rng
        done, back_s = True, 0.002 + rng.random() * 0.01
        out_s = 0.002 + rng.random() * 0.01
        is_answered, times = True, 1
        wait_s: float | None = SDK_TIMEOUT_S
        match fault:
            case "refused":
                self._refuse(urllib3.exceptions.NewConnectionError)
            case "blackhole":
                self._scheduler.park(SDK_TIMEOUT_S)
                self._refuse(urllib3.exceptions.ConnectTimeoutError)
            case "lost":
                done = False
            case "reply_lost":
                is_answered = False
            case "late":
                out_s, is_answered = SDK_TIMEOUT_S + rng.random() * 9.9, False
            case "last_moment":
                out_s, is_answered = DEADLINE_S - 0.1, False
            case "hangs":
                out_s, wait_s, is_answered = rng.random() * 19.9, None, False
                done = rng.random() < 0.7
                self._process.hanging += 1
            case "reset":
                wait_s, is_answered, done = out_s + back_s, False, rng.random() < 0.5
            case "code" | "empty" | "rejected" | "fails":
                done = fault in ("code", "empty") and rng.random() < 0.5
                return self._odd_reply(method, business, fault, done=done)
            case "doubled":
                times = 2
            case "slow":
                back_s = rng.random() * 12
            case _:
                pass
        box = _Box()
        if done:
            for _ in range(times):
                arrive = self._arrival(box, method, business, fault, back_s, is_answered)
                self._scheduler.after(out_s, arrive)
                out_s += rng.random() * 3
        return self._wait(box, wait_s)

    def _arrival(
        self,
        box: _Box,
        method: str,
        business: str,
        fault: str,
        back_s: float,
        is_answered: bool,
    ) -> Callable[[], None]:
        task = self._scheduler.current
        assert task is not None
        token = task.token + 1

        fields = json.loads(business)
        if method == "place_order":
            self._checks.in_flight[str(fields.get("user_mark"))] = (
                fields["account"],
                fields["symbol"],
                fields["action"],
                Decimal(fields["total_quantity"]),
            )

        def arrive() -> None:
            self._checks.executed(method, fields)
            if method not in WRITES:
                self._broker.on_reading(method, fields.get("account", ""))
            reply = self._broker.execute(method, business, fault=fault)
            if method in WRITES:
                code = reply["code"]
                self._note(f"broker does {method} for {_named(business)}: {code}")
            if fault == "empty":
                reply["data"] = _emptied(reply.get("data"))
            if fault in LIES and self._broker.execute(method, business)["data"] != reply["data"]:
                self._checks.deceived(fields["account"])

            def come_back() -> None:
                box.reply = reply
                self._scheduler.wake(task, token)

            if is_answered and box.reply is None:
                self._scheduler.after(back_s, come_back)

        return arrive

    def _wait(self, box: _Box, wait_s: float | None) -> dict[str, Any]:
        self._scheduler.park(wait_s)
        if box.reply is None:
            # As the SDK's `do_request`: the cause is the context alone.
            error = RequestException("POST request failed")
            error.__context__ = TimeoutError("read timed out")
            raise error
        return box.reply

    def _odd_reply(self, method: str, business: str, fault: str, *, done: bool) -> dict[str, Any]:
        self._scheduler.park(0.01)
        if done:
            self._checks.executed(method, json.loads(business))
            reply = self._broker.execute(method, business)
            self._note(f"broker does {method} for {_named(business)}: {reply['code']}")
        stamp = to_ms(self._broker.now())
        rng = self._scheduler.rng
        if fault == "rejected":
            message = "standard account response error(bad_request:not now)"
            return {"code": 1200, "message": message, "timestamp": stamp}
        if fault == "code":
            code = (1, 2, 1100, 4, 1200)[int(rng.random() * (5 if not done else 3))]
            return {"code": code, "message": "fail: try again", "timestamp": stamp}
        if fault == "fails" and rng.random() < 0.5:
            raise ResponseException("invalid http status 502")
        if fault == "fails":
            return {"code": 5, "message": "rate limit", "timestamp": stamp}
        return {}

    @staticmethod
    def _refuse(kind: Any) -> None:
        error = RequestException("POST request failed")
        error.__context__ = kind(None, "no connection")
        raise error


class ClientTwin(TradeClient, Wire):  # type: ignore[misc]  # the SDK has no types
    """The SDK's own trade client on our wire."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        Wire.__init__(self, *arguments, **more)
        self._account = None
        self._lang = "en_US"
        self._secret_key = None
        self._timezone = None


def _named(business: str) -> str:
    fields = json.loads(business)
    return str(fields.get("user_mark") or fields.get("id"))


def _emptied(data: Any) -> Any:
    parsed = json.loads(data) if isinstance(data, str) else data
    emptied = {**parsed, "items": [], "nextPageToken": ""}
    return json.dumps(emptied) if isinstance(data, str) else emptied
