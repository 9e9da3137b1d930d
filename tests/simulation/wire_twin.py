"""The SDK's wire: its client builds the request and reads the reply; only its HTTP call is ours.

Behind it is a bad network, and then the broker's twin.
"""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any, Final, Protocol

import urllib3.exceptions
from tigeropen.common.consts import THREAD_LOCAL
from tigeropen.common.exceptions import RequestException, ResponseException
from tigeropen.tiger_open_client import TigerOpenClient
from tigeropen.trade.trade_client import TradeClient

from infra.sandbox.wire.envelope import to_ms
from tests.simulation.broker_twin import BrokerTwin
from tests.simulation.machine import Process
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import Weather

# The SDK gives up waiting, the service ends the process, and by then nothing may arrive any more.
SDK_TIMEOUT_S: Final = 10.0
DEADLINE_S: Final = 20.0
WRITES: Final = frozenset({"place_order", "cancel_order", "modify_order"})
LISTINGS: Final = frozenset({"orders", "active_orders", "order_transactions", "positions"})
LIES: Final = frozenset({"stale", "empty", "behind"})
# Where one of these fails, a round tells of no order; any that is slow only makes it later.
HOLD_UP: Final = frozenset({"orders"})


class ReadingsWatch(Protocol):
    """What counts for how long all worked."""

    def reading_failed(self, *, is_listing: bool, is_lie: bool) -> None:
        """A reading failed, came late or lied."""

    def request(self, method: str) -> AbstractContextManager[None]:
        """A request is on its way."""


class RequestChecks(Protocol):
    """What watches the requests."""

    in_flight: dict[str, tuple[str, str, str, Decimal]]
    watch: ReadingsWatch

    def requested(self, process: Process, method: str, fields: dict[str, Any]) -> None:
        """The SDK is called."""

    def executed(self, method: str, fields: dict[str, Any]) -> None:
        """The broker is about to do it."""

    def deceived(self, number: str) -> None:
        """A reading of this account is not the truth."""

    def executions_listed(self, number: str, tiger_order_id: str, *, is_lie: bool) -> None:
        """The executions of an order are listed, as they are or otherwise."""


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
        fault = self._fault(method, json.loads(business))
        if fault:
            self._note(f"{method}: {fault}")
        if fault and method not in WRITES:
            is_listing = method in HOLD_UP or fault != "fails"
            self._checks.watch.reading_failed(is_listing=is_listing, is_lie=fault in LIES)
        with self._checks.watch.request(method):
            reply = self._exchange(method, business, fault)
        self._process.effect()
        return reply

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._scheduler.rng.random() < chance

    def _fault(self, method: str, fields: dict[str, Any]) -> str:
        """Draw what goes wrong with a request."""
        weather = self._weather
        if (outage := self._outage()) != "":
            return outage
        if method == "place_order" and self._broker.next_place:
            fault, self._broker.next_place = self._broker.next_place, ""
            return fault
        if method == "cancel_order" and self._broker.next_cancel:
            fault, self._broker.next_cancel = self._broker.next_cancel, ""
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
        if self._broker.is_away(method, fields):
            return "fails"
        for name in ("fails", "slow", "hangs"):
            if self._happens(getattr(weather, f"read_{name}")):
                return name
        if method in LISTINGS:
            if self._broker.shown is not None and method in ("orders", "active_orders"):
                return "behind"
            if self._broker.shown_positions is not None and method == "positions":
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
            first = (fields.get("oca_orders") or [fields])[0]
            self._checks.in_flight[str(fields.get("user_mark"))] = (
                fields["account"],
                first["symbol"],
                first["action"],
                Decimal(first["total_quantity"]),
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
            is_lie = (
                fault in LIES and self._broker.execute(method, business)["data"] != reply["data"]
            )
            if is_lie:
                self._checks.deceived(fields["account"])
            if method == "order_transactions":
                tiger_order_id = str(fields["order_id"])
                self._checks.executions_listed(fields["account"], tiger_order_id, is_lie=is_lie)

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
