"""An order's terms as the SDK's own order object: the one place that says them in Tiger's words.

Floats exist from here on only; the SDK and the wire know nothing else.

Source: tigeropen 3.8.0, `common/util/order_utils.py` and `trade/request/model.py`.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from msgspec.structs import replace
from tigeropen.trade.domain.contract import Contract as SdkContract
from tigeropen.trade.domain.contract import ContractLeg
from tigeropen.trade.domain.order import AlgoParams, OrderLeg
from tigeropen.trade.domain.order import Order as SdkOrder

from adapters.tiger_worker import words
from core.terms import OptionLeg, OrderSpec, OrderType, SecurityType, StopLoss

_OCA: Final = "OCA"
_CUSTOM_COMBINATION: Final = "CUSTOM"


def sdk_order_of(spec: OrderSpec, *, number: str, order_number: str, mark: str) -> SdkOrder:
    """Return a fresh SDK order of these terms; a call changes it.

    Args:
        number: the account's number at the broker.
        order_number: as reserved; empty for none.
        mark: what the order bears, to be known again by; empty for none.
    """
    order = SdkOrder(
        number,
        None if spec.legs else contract_of(spec),
        words.SIDE_WORDS[spec.side],
        words.TYPE_WORDS[spec.order_type],
        order_id=int(order_number) if order_number else None,
        **_prices(spec),
    )
    if spec.cash_amount is None:
        order.quantity, order.quantity_scale = whole_and_scale(spec.quantity)
    else:
        order.total_cash_amount = float(spec.cash_amount)
    order.user_mark = mark or None
    order.time_in_force = words.FORCE_WORDS[spec.time_in_force]
    order.outside_rth = spec.outside_regular_hours
    if spec.good_till is not None:
        order.expire_time = to_ms(spec.good_till)
    if spec.session is not None:
        order.trading_session_type = words.SESSION_WORDS[spec.session]
    _add_parts(order, spec)
    return order


def sdk_change_of(spec: OrderSpec, *, number: str, order_number: str) -> SdkOrder:
    """Return what changes an open order to these terms; what hangs on it stays as it is.

    With its parts an order that stands beside another would be sent as a new group of two.
    """
    alone = replace(spec, take_profit=None, stop_loss=None, or_stop=None)
    return sdk_order_of(alone, number=number, order_number=order_number, mark="")


def sdk_preview_of(spec: OrderSpec, *, number: str) -> SdkOrder:
    """Return the order whose preview says what one of these terms would cost.

    The SDK's preview has no fields for the slices of an iceberg, and the broker's none for two
    orders of which one cancels the other: each costs what its limit order alone does.

    Source: tigeropen 3.8.0, `trade/trade_client.py`, `preview_order`.
    """
    alone = replace(spec, or_stop=None)
    if spec.order_type is OrderType.ICEBERG:
        alone = replace(alone, order_type=OrderType.LIMIT, display_quantity=None)
    return sdk_order_of(alone, number=number, order_number="", mark="")


def contract_of(spec: OrderSpec) -> SdkContract:
    """Return the SDK's contract of an order of one contract."""
    return SdkContract(
        spec.symbol,
        spec.currency,
        sec_type=words.SECURITY_WORDS[spec.security],
        expiry=None if spec.expiry is None else expiry_text(spec.expiry),
        strike=None if spec.strike is None else float(spec.strike),
        put_call=None if spec.right is None else words.RIGHT_WORDS[spec.right],
        multiplier=None if spec.multiplier is None else float(spec.multiplier),
    )


def whole_and_scale(quantity: Decimal) -> tuple[int, int]:
    """Return a quantity as Tiger takes it: an integer and a scale (1.11 is 111 and 2)."""
    exponent = quantity.normalize().as_tuple().exponent
    assert isinstance(exponent, int), "a quantity is finite"
    scale = max(0, -exponent)
    return int(quantity.scaleb(scale)), scale


def expiry_text(expiry: date) -> str:
    """Return an expiry as orders and contracts write it (yyyyMMdd)."""
    return f"{expiry:%Y%m%d}"


def to_ms(when: datetime) -> int:
    """Return a moment in milliseconds since 1970."""
    return (when - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _prices(spec: OrderSpec) -> dict[str, Any]:
    trigger = spec.stop_price if spec.stop_price is not None else spec.trailing_amount
    return {
        "limit_price": _float(spec.limit_price),
        "aux_price": _float(trigger),
        "trailing_percent": _float(spec.trailing_percent),
    }


def _add_parts(order: SdkOrder, spec: OrderSpec) -> None:
    if spec.or_stop is not None:
        order.order_type = _OCA
        order.order_legs = [_limit_leg(spec), _stop_leg(spec.or_stop, spec)]
    elif spec.has_children:
        order.order_legs = _attached(spec)
    if spec.legs:
        order.combo_type = _CUSTOM_COMBINATION
        order.contract_legs = [_leg(spec.symbol, leg) for leg in spec.legs]
    if spec.algo is not None or spec.order_type in (OrderType.TWAP, OrderType.VWAP):
        order.algo_params = _algo(spec)
    if spec.display_quantity is not None:
        order.display_size = int(spec.display_quantity)


def _leg(symbol: str, leg: OptionLeg) -> ContractLeg:
    assert leg.expiry is not None, "a leg that we send is an option"
    assert leg.strike is not None, "an option has a strike"
    assert leg.right is not None, "an option is a call or a put"
    return ContractLeg(
        symbol=symbol,
        sec_type=words.SECURITY_WORDS[SecurityType.OPTION],
        expiry=expiry_text(leg.expiry),
        strike=float(leg.strike),
        put_call=words.RIGHT_WORDS[leg.right],
        action=words.SIDE_WORDS[leg.side],
        ratio=leg.ratio,
    )


def _attached(spec: OrderSpec) -> list[OrderLeg]:
    force = words.FORCE_WORDS[spec.time_in_force]
    legs: list[OrderLeg] = []
    if spec.take_profit is not None:
        legs.append(
            OrderLeg("PROFIT", float(spec.take_profit.limit_price), force, outside_rth=False)
        )
    if spec.stop_loss is not None:
        loss = spec.stop_loss
        legs.append(
            OrderLeg(
                "LOSS",
                _float(loss.stop_price),
                force,
                outside_rth=False,
                limit_price=_float(loss.limit_price),
                trailing_percent=_float(loss.trailing_percent),
            )
        )
    return legs


def _limit_leg(spec: OrderSpec) -> OrderLeg:
    force = words.FORCE_WORDS[spec.time_in_force]
    return OrderLeg(
        words.TYPE_WORDS[OrderType.LIMIT],
        _float(spec.limit_price),
        force,
        outside_rth=spec.outside_regular_hours,
    )


def _stop_leg(stop: StopLoss, spec: OrderSpec) -> OrderLeg:
    order_type = OrderType.STOP if stop.limit_price is None else OrderType.STOP_LIMIT
    return OrderLeg(
        words.TYPE_WORDS[order_type],
        _float(stop.stop_price),
        words.FORCE_WORDS[spec.time_in_force],
        outside_rth=False,
        limit_price=_float(stop.limit_price),
    )


def _algo(spec: OrderSpec) -> AlgoParams:
    plan = spec.algo
    if plan is None:
        return AlgoParams()
    return AlgoParams(
        start_time=None if plan.start_at is None else to_ms(plan.start_at),
        end_time=None if plan.end_at is None else to_ms(plan.end_at),
        participation_rate=_float(plan.participation_rate),
    )


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
