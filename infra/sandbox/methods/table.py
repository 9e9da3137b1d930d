"""Which of Tiger's methods are served. A new one is a function and a line here."""

from collections.abc import Callable, Mapping

import msgspec

from infra.sandbox.methods import listings, quotes, trading
from infra.sandbox.methods.calls import Call
from infra.sandbox.wire.envelope import METHOD_UNKNOWN, common_error

Method = Callable[[Call], object]

# Tiger's older methods send `data` as a text that holds JSON, its newer ones as JSON.
TEXT_METHODS: Mapping[str, Method] = {
    "accounts": listings.accounts,
    "active_orders": listings.active_orders,
    "cancel_order": trading.cancel_order,
    "filled_orders": listings.filled_orders,
    "inactive_orders": listings.inactive_orders,
    "modify_order": trading.modify_order,
    "order_no": trading.order_no,
    "orders": listings.orders,
    "place_order": trading.place_order,
    "positions": listings.positions,
    "preview_order": trading.preview_order,
}
# `user_license` is left out on purpose: with a licence, an SDK that looks domains up would leave
# the sandbox for production.
OBJECT_METHODS: Mapping[str, Method] = {
    "contract": quotes.contract,
    "contracts": quotes.contracts,
    "get_quote_permission": quotes.quote_permission,
    "grab_quote_permission": quotes.quote_permission,
    "market_state": quotes.market_state,
    "order_transactions": listings.order_transactions,
    "prime_assets": listings.prime_assets,
    "quote_delay": quotes.quote_delay,
    "quote_real_time": quotes.quote_real_time,
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
