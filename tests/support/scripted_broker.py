"""The SDK's client with answers given beforehand, and rows as Tiger sends them."""

from collections import deque
from datetime import datetime
from typing import Any, Final, cast

from adapters.tiger_worker.broker import AccountBroker
from adapters.tiger_worker.session import Session
from tests.support import core_facts as facts
from tests.support.worker_parts import ManualClock

NUMBER: Final = "51230321"


class ScriptedClient:
    """The SDK's client with answers given beforehand; `asked` are the requests, in order."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, deque[Any]] = {}

    def answer(self, method: str, *answers: object) -> None:
        """Give the next answers to a method; an exception is raised."""
        self.answers.setdefault(method, deque()).extend(answers)

    def execute(self, request: Any, url: str) -> Any:
        """Answer one request."""
        params = request.get_params()
        return self._next(params["method"], request.biz_model.to_openapi_dict())

    def place_order(self, order: Any) -> Any:
        """Answer a place."""
        return self._next("place_order", {"order_id": order.order_id})

    def cancel_order(self, *, account: str, id: int) -> Any:
        """Answer a cancel."""
        return self._next("cancel_order", {"account": account, "id": id})

    def preview_order(self, order: Any) -> Any:
        """Answer a preview."""
        return self._next("preview_order", {"order_id": order.order_id})

    def _next(self, method: str, fields: dict[str, Any]) -> Any:
        self.asked.append((method, fields))
        answer = self.answers[method].popleft()
        if isinstance(answer, BaseException):
            raise answer
        return answer


class _ScriptedSession:
    def __init__(self, client: ScriptedClient) -> None:
        self.client = client
        self.server_url = "http://127.0.0.1:1/gateway"


def scripted_broker(client: ScriptedClient, clock: ManualClock | None = None) -> AccountBroker:
    """Return an account's broker on a scripted client."""
    session = cast(Session, _ScriptedSession(client))
    return AccountBroker(session, number=NUMBER, clock=clock or ManualClock())


def ok(data: object, *, at: datetime = facts.NOW) -> dict[str, object]:
    """Return the envelope of a successful reply."""
    return {"code": 0, "data": data, "timestamp": int(at.timestamp() * 1000)}


def order_row(**fields: object) -> dict[str, Any]:
    """Return one row of a listing, as Tiger sends it."""
    return {
        "id": 40130857465156608,
        "orderId": 901,
        "userMark": facts.mark_of(),
        "symbol": "AAPL",
        "secType": "STK",
        "market": "US",
        "currency": "USD",
        "action": "BUY",
        "orderType": "LMT",
        "totalQuantity": 100,
        "totalQuantityScale": 0,
        "filledQuantity": 0,
        "filledQuantityScale": 0,
        "limitPrice": 10.5,
        "avgFillPrice": 0,
        "status": "Submitted",
        "remark": "",
        "source": "OpenApi",
        "openTime": int(facts.NOW.timestamp() * 1000),
    } | fields
