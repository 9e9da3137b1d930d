"""Does a request under a fault that changes what is done, or what a listing shows.

The faults that only lose, delay or spoil a reply are in `gateway`.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any

import msgspec

from infra.sandbox.broker.engine import Engine
from infra.sandbox.broker.records import (
    IdsSkipped,
    NumberReserved,
    Order,
    OrderTraded,
    OrderWritten,
    Record,
)
from infra.sandbox.methods import table
from infra.sandbox.methods.calls import Call, account_of
from infra.sandbox.replica import Replicas
from infra.sandbox.wire.envelope import account_error
from infra.sandbox.wire.faults import (
    ORDER_LISTINGS,
    AnyEffect,
    HiddenOrder,
    LostPage,
    PartialThenCancel,
    RejectLate,
    RejectNow,
    SilentLoss,
    StaleList,
    TakenFault,
)

ORDER_VIEWS = ORDER_LISTINGS | {"order_transactions"}


class Bending:
    """Runs methods, bent or not."""

    def __init__(self, engine: Engine, replicas: Replicas) -> None:
        self._engine = engine
        self._replicas = replicas
        # By account: orders that its listings do not show, and in how many more.
        self._hidden: dict[str, dict[int, int]] = defaultdict(dict)

    def run(self, method: str, account: str, call: Call, fault: TakenFault | None) -> object:
        """Do one call and return what goes into `data`.

        Raises:
            GatewayError: the call was refused.
        """
        if method in ORDER_VIEWS and self._hidden.get(account):
            call = self._with_orders_hidden(account, call)
        match fault.effect if fault else None:
            case None:
                return table.run(method, call)
            case StaleList():
                assert fault is not None, "it has an effect"
                assert fault.past is not None, "a stale listing has a past"
                return table.run(method, msgspec.structs.replace(call, engine=fault.past))
            case LostPage(is_last=is_last):
                return _without_items(table.run(method, call), is_last=is_last)
            case SilentLoss():
                return self._lose(method, call)
            case effect:
                assert effect is not None, "none is a case of its own"
                return self._place(method, account, call, effect)

    def clear(self) -> None:
        """Show hidden orders again."""
        self._hidden.clear()

    def _place(self, method: str, account: str, call: Call, effect: AnyEffect) -> object:
        match effect:
            case RejectNow(remark=remark):
                kind = account_of(call, account).kind
                raise account_error(kind, f"bad_request:{remark}")
            case RejectLate(remark=remark):
                return table.run(method, msgspec.structs.replace(call, reject=remark))
            case HiddenOrder(listing_count=listing_count):
                data = table.run(method, call)
                self._hidden[account][_placed_id(data)] = listing_count
                return data
            case PartialThenCancel():
                return self._fill_and_cancel(method, call, effect)
            case _:
                return table.run(method, call)

    def _with_orders_hidden(self, account: str, call: Call) -> Call:
        hidden = self._hidden[account]
        engine = self._replicas.copy(without=frozenset(hidden))
        self._hidden[account] = {key: left - 1 for key, left in hidden.items() if left > 1}
        return msgspec.structs.replace(call, engine=engine)

    def _lose(self, method: str, call: Call) -> object:
        lost: list[Record] = []
        twin = self._replicas.copy(save=lost.append)
        data = table.run(method, msgspec.structs.replace(call, engine=twin))
        # The client was told numbers and ids: nobody else may be.
        for record in lost:
            if isinstance(record, NumberReserved):
                self._engine.keep(record)
        self._engine.keep(IdsSkipped(id_last=max(_ids_in(lost))))
        return data

    def _fill_and_cancel(self, method: str, call: Call, effect: PartialThenCancel) -> object:
        settings = self._engine.settings
        # An order that the book could fill at once gets the part only.
        self._engine.settings = msgspec.structs.replace(settings, fill_quantity_max=effect.quantity)
        try:
            data = table.run(method, call)
        finally:
            self._engine.settings = settings
        order = self._engine.book.orders[_placed_id(data)]
        if order.is_open and not order.filled_quantity and effect.quantity < order.quantity:
            order = self._engine.fill(
                order, call.now, quantity=effect.quantity, price=self._price_of(order)
            )
        if order.is_open:
            self._engine.end(order, "Cancelled", call.now, remark=effect.remark)
        return data

    def _price_of(self, order: Order) -> Decimal:
        if order.limit_price is not None:
            return order.limit_price
        return self._engine.prices.last(order.key or order.symbol)


def _without_items(data: object, *, is_last: bool) -> object:
    page: dict[str, Any] = msgspec.json.decode(data) if isinstance(data, str) else data  # type: ignore[assignment]
    if "items" not in page:
        return data
    emptied = page | {"items": []} | ({"nextPageToken": ""} if is_last else {})
    return msgspec.json.encode(emptied).decode() if isinstance(data, str) else emptied


def _placed_id(data: object) -> int:
    assert isinstance(data, str), "`place_order` sends its data as a text"
    return int(msgspec.json.decode(data, type=dict[str, Any])["id"])


def _ids_in(records: list[Record]) -> list[int]:
    orders = [each.order.global_id for each in records if isinstance(each, OrderWritten)]
    fills = [each.fill.fill_id for each in records if isinstance(each, OrderTraded)]
    return [*orders, *fills]
