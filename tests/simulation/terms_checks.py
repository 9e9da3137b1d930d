"""Whether what is asked of the broker is what was intended, and that what somebody wanted."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from core.commands import ModifyOrder, PreviewOrder, StopAsked
from core.terms import OrderSpec, OrderType, Side, StopLoss, TimeInForce

# Source: tigeropen 3.8.0, `common/consts`, `OrderType` (read 2026-11-23).
_WORDS: Final = {
    OrderType.MARKET: "MKT",
    OrderType.LIMIT: "LMT",
    OrderType.STOP: "STP",
    OrderType.STOP_LIMIT: "STP_LMT",
    OrderType.TRAILING_STOP: "TRAIL",
}
_PRICES: Final = ("limit_price", "stop_price", "trailing_amount", "trailing_percent")


def unlike_intent(spec: OrderSpec, fields: Mapping[str, Any]) -> list[str]:
    """Return the fields of a place or change that say something else than the intended terms."""
    pair = fields.get("oca_orders")
    main = fields if pair is None else pair[0]
    wanted = _main_fields(spec) | _attached_fields(spec)
    found = _unlike(wanted, main)
    if (pair is None) != (spec.or_stop is None):
        found.append("oca_orders")
    if pair is not None and spec.or_stop is not None:
        found += [f"stop's {name}" for name in _unlike(_stop_fields(spec, spec.or_stop), pair[1])]
    return found


def unlike_intended_change(spec: OrderSpec, fields: Mapping[str, Any]) -> list[str]:
    """Return the fields of a change that say something else; what hangs on an order stays as is."""
    return _unlike(_main_fields(spec), fields)


def unlike_wish(spec: OrderSpec, wish: PreviewOrder) -> list[str]:
    """Return the terms of a preview that are others than what somebody wanted."""
    wanted = {
        "symbol": wish.symbol,
        "side": wish.side,
        "order_type": wish.order_type,
        "quantity": _number(wish.quantity),
        "time_in_force": wish.time_in_force,
        "outside_regular_hours": wish.outside_regular_hours,
        "security": wish.security,
        "take_profit": _number(wish.take_profit_price),
        "stop_loss": _asked(wish.stop_loss),
        "or_stop": _asked(wish.or_stop),
        **{name: _number(getattr(wish, name)) for name in _PRICES},
    }
    made = {name: getattr(spec, name) for name in wanted}
    made["take_profit"] = None if spec.take_profit is None else spec.take_profit.limit_price
    made["stop_loss"], made["or_stop"] = _stop_of(spec.stop_loss), _stop_of(spec.or_stop)
    return [name for name, value in wanted.items() if made[name] != value]


def unlike_change(before: OrderSpec, spec: OrderSpec, wish: ModifyOrder) -> list[str]:
    """Return the terms of an intended change that are neither those of before nor asked for."""
    found = []
    for name in before.__struct_fields__:
        asked = _number(getattr(wish, name)) if name in ("quantity", *_PRICES) else None
        if getattr(spec, name) != (getattr(before, name) if asked is None else asked):
            found.append(name)
    return found


def _main_fields(spec: OrderSpec) -> dict[str, Any]:
    stop = spec.trailing_amount if spec.stop_price is None else spec.stop_price
    return {
        "symbol": spec.symbol,
        "action": _word(spec.side),
        "order_type": _WORDS[spec.order_type],
        "total_quantity": spec.quantity,
        "limit_price": spec.limit_price,
        "aux_price": stop,
        "trailing_percent": spec.trailing_percent,
        "time_in_force": "DAY" if spec.time_in_force is TimeInForce.DAY else "GTC",
        "outside_rth": spec.outside_regular_hours,
    }


def _attached_fields(spec: OrderSpec) -> dict[str, Any]:
    profit, loss = spec.take_profit, spec.stop_loss
    return {
        "profit_taker_price": None if profit is None else profit.limit_price,
        "stop_loss_price": None if loss is None else loss.stop_price,
    }


def _stop_fields(spec: OrderSpec, stop: StopLoss) -> dict[str, Any]:
    return {
        "symbol": spec.symbol,
        "action": _word(spec.side),
        "total_quantity": spec.quantity,
        "limit_price": stop.limit_price,
        "aux_price": stop.stop_price,
        "trailing_percent": stop.trailing_percent,
    }


def _unlike(wanted: Mapping[str, Any], fields: Mapping[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if value != _told(fields.get(name), value)]


# Prices travel as floats.
def _told(value: Any, wanted: Any) -> Any:
    is_figure = isinstance(value, int | float) and not isinstance(wanted, bool)
    return Decimal(str(value)) if is_figure else value


def _word(side: Side) -> str:
    return "BUY" if side is Side.BUY else "SELL"


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _asked(stop: StopAsked | None) -> tuple[Decimal | None, ...] | None:
    if stop is None:
        return None
    return _number(stop.stop_price), _number(stop.limit_price), _number(stop.trailing_percent)


def _stop_of(stop: StopLoss | None) -> tuple[Decimal | None, ...] | None:
    return None if stop is None else (stop.stop_price, stop.limit_price, stop.trailing_percent)
