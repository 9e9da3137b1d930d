"""Tiger's methods that act: order numbers, placing, previewing, changing and cancelling orders."""

from decimal import Decimal, localcontext

import msgspec

from infra.sandbox.broker.book import Account
from infra.sandbox.broker.checks import OrderRefusedError, working_price
from infra.sandbox.broker.fees import fees_due
from infra.sandbox.broker.margin import INITIAL_MARGIN, MAINTENANCE_MARGIN, funds_of
from infra.sandbox.broker.records import Order, OrderRequest, Side
from infra.sandbox.market.instruments import CATALOGUE, PRICE_MAX, USD_PER_UNIT
from infra.sandbox.methods.answers import order_json
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.wire.envelope import GatewayError, account_error, business_error, refusal

USER_MARK_LENGTH_MAX = 200
ORDER_NUMBER_MAX = 2**31 - 1
QUANTITY_SCALE_MAX = 9


class AccountParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of a method that only names an account."""

    account: str = ""


class OrderParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `place_order`, `preview_order` and `modify_order`.

    The fields without a type are features that are not served yet; their presence is a refusal.
    """

    account: str = ""
    id: int = 0
    order_id: int = 0
    symbol: str = ""
    sec_type: str = "STK"
    currency: str | None = None
    order_type: str = ""
    action: str = ""
    total_quantity: Decimal | None = None
    total_quantity_scale: int = 0
    limit_price: Decimal | None = None
    time_in_force: str | None = None
    outside_rth: bool | None = None
    user_mark: str | None = None
    attach_type: object = None
    oca_orders: object = None
    contract_legs: object = None
    algo_params: object = None
    cash_amount: object = None


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
    """Take an order."""
    asked = parameters(call, OrderParameters)
    account = account_of(call, asked.account)
    request = _request(call, asked, account)
    try:
        order = call.engine.place(request, call.now, reject=call.reject)
    except OrderRefusedError as error:
        raise refusal(account.kind, error) from None
    return {
        "id": order.global_id,
        "orderId": order.order_number,
        "subIds": [],
        "orders": [order_json(order)],
    }


def preview_order(call: Call) -> object:
    """Say whether an order would be taken, and what it would bind."""
    asked = parameters(call, OrderParameters)
    account = account_of(call, asked.account)
    request = _request(call, asked, account)
    reason = call.engine.check(request)
    verdict = {"account": account.account, "isPass": reason is None, "message": reason or ""}
    if request.symbol not in CATALOGUE:
        return verdict
    instrument, funds = CATALOGUE[request.symbol], funds_of(account, call.engine.prices)
    amount = request.quantity * working_price(request, call.engine.prices)
    fees = fees_due(instrument.market, quantity=request.quantity, amount=amount)
    usd = amount * USD_PER_UNIT[instrument.currency]
    return verdict | {
        "initMarginBefore": float(funds.initial_margin),
        "initMargin": float(funds.initial_margin + usd * INITIAL_MARGIN),
        "maintMarginBefore": float(funds.maintenance_margin),
        "maintMargin": float(funds.maintenance_margin + usd * MAINTENANCE_MARGIN),
        "equityWithLoanBefore": float(funds.net_liquidation),
        "equityWithLoan": float(funds.net_liquidation),
        "marginCurrency": "USD",
        "commission": float(fees),
        "commissionCurrency": instrument.currency,
        "gst": 0.0,
        "availableEE": float(max(Decimal(0), funds.available)),
        "excessLiquidity": float(funds.net_liquidation - funds.maintenance_margin),
        "overnightLiquidity": float(funds.net_liquidation - funds.maintenance_margin),
    }


def modify_order(call: Call) -> object:
    """Change an open order's quantity and limit price; what is not sent stays."""
    asked = parameters(call, OrderParameters)
    account = account_of(call, asked.account)
    order = find_order(call, account, global_id=asked.id, order_number=asked.order_id)
    if asked.order_type not in ("", order.order_type):
        raise account_error(account.kind, "bad_request:The order type can not be modified")
    quantity = order.quantity if asked.total_quantity is None else _quantity(asked)
    limit_price = order.limit_price if asked.limit_price is None else asked.limit_price
    try:
        call.engine.modify(order, call.now, quantity=quantity, limit_price=limit_price)
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
        raise account_error(account.kind, "not_found:Order does not exist")
    return order


def _request(call: Call, asked: OrderParameters, account: Account) -> OrderRequest:
    if (reason := _unsupported(asked)) is not None:
        raise account_error(account.kind, f"bad_request:{reason}")
    user_mark = asked.user_mark or ""
    if len(user_mark) > USER_MARK_LENGTH_MAX:
        raise business_error(f"field 'user_mark' cannot exceed {USER_MARK_LENGTH_MAX} characters")
    if not 0 <= asked.order_id <= ORDER_NUMBER_MAX:
        raise business_error("field 'order_id' is invalid")
    limit_price = asked.limit_price
    if limit_price is not None and not (limit_price.is_finite() and abs(limit_price) <= PRICE_MAX):
        raise business_error("field 'limit_price' is invalid")
    return OrderRequest(
        tiger_id=call.login.tiger_id,
        account=account.account,
        symbol=asked.symbol,
        side=_side(asked.action),
        order_type=asked.order_type,
        quantity=_quantity(asked),
        quantity_scale=asked.total_quantity_scale,
        limit_price=limit_price,
        time_in_force=asked.time_in_force or "DAY",
        # Tiger's server takes an absent value for true.
        outside_rth=asked.outside_rth is not False,
        user_mark=user_mark,
        order_number=asked.order_id or None,
    )


def _unsupported(asked: OrderParameters) -> str | None:
    extras = (asked.attach_type, asked.oca_orders, asked.contract_legs, asked.algo_params)
    if asked.sec_type != "STK" or any(extra is not None for extra in extras):
        return "Only plain stock orders are supported"
    if asked.cash_amount is not None:
        return "Orders by amount are not supported"
    instrument = CATALOGUE.get(asked.symbol)
    if instrument and asked.currency not in (None, "", "ALL", instrument.currency):
        return "We don't support trading of this stock now"
    return None


def _side(action: str) -> Side:
    match action:
        case "BUY" | "SELL":
            return action
        case _:
            raise business_error("field 'action' is invalid")


def _quantity(asked: OrderParameters) -> Decimal:
    quantity, scale = asked.total_quantity, asked.total_quantity_scale
    if quantity is None:
        raise business_error("field 'total_quantity' cannot be empty")
    if not quantity.is_finite() or not 0 <= scale <= QUANTITY_SCALE_MAX:
        raise _bad_quantity()
    with localcontext() as context:
        context.prec = 60
        exact = quantity.scaleb(-scale)
        if abs(quantity) >= Decimal(10) ** 12 or exact != round(exact, QUANTITY_SCALE_MAX):
            raise _bad_quantity()
        return exact


def _bad_quantity() -> GatewayError:
    return business_error("field 'total_quantity' is invalid")
