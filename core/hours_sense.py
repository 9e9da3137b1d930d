"""Whether an order can trade in the hours that it asks for.

Source: Tiger's page place-order and the messages of its gateway (read 2026-11-23): outside regular
hours trade limit and stop-limit orders of US stocks and funds on their exchanges.
"""

from typing import Final

from core.terms import OrderSpec, OrderType, SecurityType, TradingSession

_PRICED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.ICEBERG})


def hours_warnings(spec: OrderSpec) -> dict[str, str]:
    """Return why an order that asks for other hours will not trade then, by the warning's name."""
    if not spec.outside_regular_hours and spec.session in (None, TradingSession.REGULAR):
        return {}
    if spec.security is SecurityType.FUTURE:
        return {}
    if spec.market != "US" or spec.security is not SecurityType.STOCK:
        text = "it trades in regular hours only: other hours are for US stocks alone"
    elif spec.order_type not in _PRICED:
        text = (
            f"outside regular hours nothing trades without a limit, so this {spec.order_type} "
            "order waits for the next regular hours, at whatever price there is then"
        )
    else:
        return {}
    return {"hours_regular": text}
