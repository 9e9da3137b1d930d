"""Tiger's methods that act: order numbers, placing, previewing, changing and cancelling orders."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.checks import OrderRefusedError
from infra.sandbox.broker.records import Order, OrderChange
from infra.sandbox.market.instruments import find
from infra.sandbox.methods.answers import order_json
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.figures import Json
from infra.sandbox.methods.order_parameters import (
    OrderParameters,
    expiry_moment,
    oca_requests_of,
    quantity_of,
    request_of,
)
from infra.sandbox.methods.parameter_values import finite
from infra.sandbox.methods.previews import preview_json
from infra.sandbox.wire.envelope import GatewayError, account_error, business_error, refusal


class AccountParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of a method that only names an account."""

    account: str = ""


class OrderReference(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters that name one order, by either id."""

    account: str = ""
    id: int = 0
    order_id: int = 0


def order_no(call: Call) -> object:
    """Reserve the user's next order number."""
    account_of(call, parameters(call, AccountParameters).account)
    return {"orderId": call.engine.reserve_number(call.login.tiger_id)}


def place_order(call: Call) -> object:
    """Take an order, with its attached legs, or a group of which one cancels the others."""
    asked = parameters(call, OrderParameters)
    account = account_of(call, asked.account)
    try:
        if asked.oca_orders is not None:
            requests = oca_requests_of(asked, tiger_id=call.login.tiger_id)
            return _placed(call, call.engine.place_oca(requests, call.now), is_group=True)
        request = request_of(asked, tiger_id=call.login.tiger_id)
        order = call.engine.place(request, call.now, reject=call.reject)
    except OrderRefusedError as error:
        raise refusal(account.kind, error) from None
    children = call.engine.book.children_of(order.global_id)
    return _placed(call, (order, *children), is_group=False)


def preview_order(call: Call) -> object:
    """Say whether an order would be taken, and what it would bind."""
    asked = parameters(call, OrderParameters)
    account = account_of(call, asked.account)
    try:
        request = request_of(asked, tiger_id=call.login.tiger_id)
    except OrderRefusedError as error:
        return {"account": account.account, "isPass": False, "message": error.text}
    return preview_json(call.engine, account, request, call.now)


def modify_order(call: Call) -> object:
    """Change an open order's terms; what is not sent stays."""
    asked = parameters(call, OrderParameters)
    account = account_of(call, asked.account)
    order = find_order(call, account, global_id=asked.id, order_number=asked.order_id)
    if asked.order_type not in ("", order.order_type):
        raise account_error(account.kind, "bad_request:The order type can not be modified")
    try:
        call.engine.modify(order, call.now, _change(order, asked))
    except OrderRefusedError as error:
        raise refusal(account.kind, error) from None
    return {"id": order.global_id}


def cancel_order(call: Call) -> object:
    """Take a cancel request; the reply says that it was taken, not that it is done."""
    asked = parameters(call, OrderReference)
    account = account_of(call, asked.account)
    order = find_order(call, account, global_id=asked.id, order_number=asked.order_id)
    try:
        call.engine.cancel(order, call.now)
    except OrderRefusedError as error:
        raise refusal(account.kind, error) from None
    return {"id": order.global_id}


def find_order(call: Call, account: Account, *, global_id: int, order_number: int) -> Order:
    """Return an account's order.

    Raises:
        GatewayError: 1010 without an id; 1200 or 1300 for an id that the account does not have.
    """
    if not global_id and not order_number:
        raise business_error("field 'id' cannot be empty")
    order = call.engine.book.find(account.account, global_id=global_id, order_number=order_number)
    if order is None:
        raise no_order(account)
    return order


def no_order(account: Account) -> GatewayError:
    """Return the error for an id that an account does not have."""
    return account_error(account.kind, "not_found:Order does not exist")


def _placed(call: Call, orders: Sequence[Order], *, is_group: bool) -> Json:
    # Attached legs are told as the ids below the order's; a group has no order above it, and is
    # named by its first.
    first = orders[0]
    below = orders if is_group else orders[1:]
    return {
        "id": first.global_id,
        "orderId": first.order_number,
        "subIds": [order.global_id for order in below],
        "orders": [order_json(order, latest=_latest(call, order)) for order in orders],
    }


def _latest(call: Call, order: Order) -> Decimal | None:
    return None if find(order.contract_key) is None else call.engine.prices.last(order.contract_key)


def _change(order: Order, asked: OrderParameters) -> OrderChange:
    def kept(value: Decimal | None, field: str, before: Decimal | None) -> Decimal | None:
        return before if value is None else finite(value, field)

    expire_at = expiry_moment(asked)
    return OrderChange(
        quantity=order.quantity if asked.total_quantity is None else quantity_of(asked),
        limit_price=kept(asked.limit_price, "limit_price", order.limit_price),
        aux_price=kept(asked.aux_price, "aux_price", order.aux_price),
        trailing_percent=kept(asked.trailing_percent, "trailing_percent", order.trailing_percent),
        trail_stop_price=kept(asked.trail_stop_price, "trail_stop_price", order.trail_stop_price),
        time_in_force=asked.time_in_force or order.time_in_force,
        expire_at=expire_at or order.expire_at,
        outside_rth=order.outside_rth if asked.outside_rth is None else asked.outside_rth,
    )
