"""Which of Tiger's methods are served. A new one is a function and a line here."""

from collections.abc import Callable, Mapping

import msgspec

from infra.sandbox import listing_methods, quote_methods, trade_methods
from infra.sandbox.calls import Call
from infra.sandbox.wire import METHOD_UNKNOWN, common_error

Method = Callable[[Call], object]

# Tiger's older methods send `data` as a text that holds JSON, its newer ones as JSON.
TEXT_METHODS: Mapping[str, Method] = {
    "accounts": listing_methods.accounts,
    "active_orders": listing_methods.active_orders,
    "cancel_order": trade_methods.cancel_order,
    "filled_orders": listing_methods.filled_orders,
    "inactive_orders": listing_methods.inactive_orders,
    "modify_order": trade_methods.modify_order,
    "order_no": trade_methods.order_no,
    "orders": listing_methods.orders,
    "place_order": trade_methods.place_order,
    "positions": listing_methods.positions,
    "preview_order": trade_methods.preview_order,
}
# `user_license` is left out on purpose: with a licence, an SDK that looks domains up would leave
# the sandbox for production.
OBJECT_METHODS: Mapping[str, Method] = {
    "contract": quote_methods.contract,
    "contracts": quote_methods.contracts,
    "get_quote_permission": quote_methods.quote_permission,
    "grab_quote_permission": quote_methods.quote_permission,
    "market_state": quote_methods.market_state,
    "order_transactions": listing_methods.order_transactions,
    "prime_assets": listing_methods.prime_assets,
    "quote_delay": quote_methods.quote_delay,
    "quote_real_time": quote_methods.quote_real_time,
}


def run(name: str, call: Call) -> object:
    """Do one call and return what goes into `data`.

    Raises:
        GatewayError: the call was refused.
    """
    if (method := TEXT_METHODS.get(name)) is not None:
        return msgspec.json.encode(method(call)).decode()
    if (method := OBJECT_METHODS.get(name)) is not None:
        return method(call)
    raise common_error(METHOD_UNKNOWN)
