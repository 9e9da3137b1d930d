"""What `place_order`, `preview_order` and `modify_order` are called with, as the desk's terms.

Form is checked here, and a fault names its field; whether the broker takes such an order is the
engine's to say.

Source: tigeropen 3.8.0, `trade/request/model.py`, `PlaceModifyOrderParams` (read 2026-11-23).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

import msgspec

from infra.sandbox.broker.records import (
    AlgoTerms,
    AttachedTerms,
    IcebergTerms,
    OrderLeg,
    OrderRequest,
    PriceType,
    SessionType,
)
from infra.sandbox.methods.parameter_values import (
    NamedContract,
    contract_of,
    finite,
    invalid,
    moment_of,
    side_of,
    word,
)
from infra.sandbox.wire.envelope import business_error

USER_MARK_LENGTH_MAX = 200
ORDER_NUMBER_MAX = 2**31 - 1
QUANTITY_SCALE_MAX = 9
QUANTITY_MAX = Decimal(10) ** 12
LEG_COUNT_MAX = 4
OCA_COUNT_MIN = 2
ALGO_TYPES = frozenset({"TWAP", "VWAP"})


class LegParameters(NamedContract, frozen=True, kw_only=True):
    """One leg of an order of several options."""

    action: str = ""
    ratio: int = 1


class TagValue(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of an algorithm; the SDK sends those that are not set as null."""

    tag: str
    value: Any = None


class TermsParameters(NamedContract, frozen=True, kw_only=True):
    """What a single order and each order of an OCA group have in common."""

    order_type: str = ""
    action: str = ""
    total_quantity: Decimal | None = None
    total_quantity_scale: int = 0
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None
    time_in_force: str | None = None
    outside_rth: bool | None = None


class OrderParameters(TermsParameters, frozen=True, kw_only=True):
    """Parameters of `place_order`, `preview_order` and `modify_order` (times: milliseconds)."""

    account: str = ""
    id: int = 0
    order_id: int = 0
    user_mark: str | None = None
    cash_amount: Decimal | None = None
    trailing_percent: Decimal | None = None
    trail_stop_price: Decimal | None = None
    adjust_limit: Decimal | None = None
    expire_time: int | None = None
    trading_session_type: str | None = None
    contract_legs: tuple[LegParameters, ...] | None = None
    combo_type: str | None = None
    attach_type: str | None = None
    profit_taker_price: Decimal | None = None
    profit_taker_tif: str | None = None
    profit_taker_rth: bool | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    stop_loss_trailing_percent: Decimal | None = None
    stop_loss_trailing_amount: Decimal | None = None
    stop_loss_tif: str | None = None
    stop_loss_rth: bool | None = None
    oca_orders: tuple[TermsParameters, ...] | None = None
    algo_params: tuple[TagValue, ...] | None = None
    display_size: Decimal | None = None
    min_display_size: Decimal | None = None
    check_intervals: int | None = None
    price_type: str | None = None
    start_time: int | None = None
    end_time: int | None = None


def request_of(asked: OrderParameters, *, tiger_id: str) -> OrderRequest:
    """Return the order that is asked for.

    Raises:
        GatewayError: 1010, for a field that is missing or malformed.
        OrderRefusedError: no such contract is traded here.
    """
    legs = _legs(asked.contract_legs or ())
    instrument = None if legs else contract_of(asked)
    cash_amount = finite(asked.cash_amount, "cash_amount")
    return OrderRequest(
        tiger_id=tiger_id,
        account=asked.account,
        symbol=instrument.symbol if instrument else (asked.contract_legs or ())[0].symbol,
        key=instrument.key if instrument else "",
        side=side_of(asked.action),
        order_type=asked.order_type,
        quantity=Decimal(0) if cash_amount is not None else quantity_of(asked),
        quantity_scale=asked.total_quantity_scale,
        cash_amount=cash_amount,
        limit_price=finite(asked.limit_price, "limit_price"),
        aux_price=finite(asked.aux_price, "aux_price"),
        trailing_percent=finite(asked.trailing_percent, "trailing_percent"),
        trail_stop_price=finite(asked.trail_stop_price, "trail_stop_price"),
        adjust_limit=finite(asked.adjust_limit, "adjust_limit") or None,
        time_in_force=asked.time_in_force or "DAY",
        expire_at=expiry_moment(asked),
        # Tiger's server takes an absent value for true.
        outside_rth=asked.outside_rth is not False,
        session_type=word(asked.trading_session_type, SessionType, "trading_session_type"),
        user_mark=_user_mark(asked),
        order_number=_order_number(asked),
        legs=legs,
        combo_type=asked.combo_type,
        attached=_attached(asked),
        algo=_algo(asked),
        iceberg=_iceberg(asked),
    )


def oca_requests_of(asked: OrderParameters, *, tiger_id: str) -> tuple[OrderRequest, ...]:
    """Return the orders of a group of which one cancels the others.

    Raises:
        GatewayError: 1010, for a field that is missing or malformed.
        OrderRefusedError: no such contract is traded here.
    """
    group = asked.oca_orders or ()
    if len(group) < OCA_COUNT_MIN:
        raise business_error(f"field 'oca_orders' needs {OCA_COUNT_MIN} orders or more")
    return tuple(
        _oca_request(terms, asked, tiger_id=tiger_id, number=None if at else _order_number(asked))
        for at, terms in enumerate(group)
    )


def quantity_of(asked: TermsParameters) -> Decimal:
    """Return the quantity that number and scale stand for.

    Raises:
        GatewayError: 1010, for one that is missing or that no scale could have written.
    """
    quantity, scale = asked.total_quantity, asked.total_quantity_scale
    if quantity is None:
        raise business_error("field 'total_quantity' cannot be empty")
    if not quantity.is_finite() or not 0 <= scale <= QUANTITY_SCALE_MAX:
        raise invalid("total_quantity")
    if not -QUANTITY_MAX < quantity < QUANTITY_MAX:
        raise invalid("total_quantity")
    with localcontext() as context:
        context.prec = 60
        exact = quantity.scaleb(-scale)
        if exact != round(exact, QUANTITY_SCALE_MAX):
            raise invalid("total_quantity")
        return exact


def expiry_moment(asked: OrderParameters) -> datetime | None:
    """Return until when an order with a date is good; none for any other.

    Raises:
        GatewayError: 1010.
    """
    if asked.time_in_force != "GTD":
        return None
    if asked.expire_time is None:
        raise business_error("field 'expire_time' cannot be empty")
    return moment_of(asked.expire_time, "expire_time")


def _oca_request(
    terms: TermsParameters, asked: OrderParameters, *, tiger_id: str, number: int | None
) -> OrderRequest:
    instrument = contract_of(terms)
    return OrderRequest(
        tiger_id=tiger_id,
        account=asked.account,
        symbol=instrument.symbol,
        key=instrument.key,
        side=side_of(terms.action),
        order_type=terms.order_type,
        quantity=quantity_of(terms),
        quantity_scale=terms.total_quantity_scale,
        limit_price=finite(terms.limit_price, "limit_price"),
        aux_price=finite(terms.aux_price, "aux_price"),
        time_in_force=terms.time_in_force or "DAY",
        outside_rth=terms.outside_rth is not False,
        user_mark=_user_mark(asked),
        order_number=number,
    )


def _legs(asked: Sequence[LegParameters]) -> tuple[OrderLeg, ...]:
    if not asked:
        return ()
    if not 2 <= len(asked) <= LEG_COUNT_MAX:
        raise business_error(f"field 'contract_legs' needs 2 to {LEG_COUNT_MAX} legs")
    if any(leg.ratio < 1 for leg in asked):
        raise invalid("ratio")
    return tuple(
        OrderLeg(key=contract_of(leg).key, side=side_of(leg.action), ratio=leg.ratio)
        for leg in asked
    )


def _attached(asked: OrderParameters) -> tuple[AttachedTerms, ...]:
    match asked.attach_type:
        case None | "":
            return ()
        case "PROFIT":
            return (_profit_taker(asked),)
        case "LOSS":
            return (_stop_loss(asked),)
        case "BRACKETS":
            return _profit_taker(asked), _stop_loss(asked)
        case _:
            raise invalid("attach_type")


def _profit_taker(asked: OrderParameters) -> AttachedTerms:
    if asked.profit_taker_price is None:
        raise business_error("field 'profit_taker_price' cannot be empty")
    return AttachedTerms(
        role="PROFIT",
        price=finite(asked.profit_taker_price, "profit_taker_price"),
        time_in_force=asked.profit_taker_tif or "DAY",
        outside_rth=bool(asked.profit_taker_rth),
    )


def _stop_loss(asked: OrderParameters) -> AttachedTerms:
    percent = finite(asked.stop_loss_trailing_percent, "stop_loss_trailing_percent")
    amount = finite(asked.stop_loss_trailing_amount, "stop_loss_trailing_amount")
    if asked.stop_loss_price is None and percent is None and amount is None:
        raise business_error("field 'stop_loss_price' cannot be empty")
    return AttachedTerms(
        role="LOSS",
        price=finite(asked.stop_loss_price, "stop_loss_price"),
        limit_price=finite(asked.stop_loss_limit_price, "stop_loss_limit_price"),
        trailing_percent=percent,
        trailing_amount=amount,
        time_in_force=asked.stop_loss_tif or "DAY",
        outside_rth=bool(asked.stop_loss_rth),
    )


class _AlgoValues(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    # The tags as the SDK sends them, in the names of its own class.
    start_time: int | None = None
    end_time: int | None = None
    no_take_liq: bool | None = None
    allow_past_end_time: bool | None = None
    participation_rate: Decimal | None = None


def _algo(asked: OrderParameters) -> AlgoTerms | None:
    if asked.order_type not in ALGO_TYPES:
        return None
    tags = {item.tag: item.value for item in asked.algo_params or ()}
    try:
        values = msgspec.convert(tags, _AlgoValues, strict=False)
    except msgspec.ValidationError:
        raise invalid("algo_params") from None
    return AlgoTerms(
        start_at=moment_of(values.start_time, "start_time"),
        end_at=moment_of(values.end_time, "end_time"),
        participation_rate=finite(values.participation_rate, "participation_rate"),
        is_passive=bool(values.no_take_liq),
        may_run_over=bool(values.allow_past_end_time),
    )


def _iceberg(asked: OrderParameters) -> IcebergTerms | None:
    if asked.order_type != "ICEBERG":
        return None
    display_size = finite(asked.display_size, "display_size")
    if display_size is None:
        raise business_error("field 'display_size' cannot be empty")
    return IcebergTerms(
        display_size=display_size,
        min_display_size=finite(asked.min_display_size, "min_display_size"),
        check_interval_s=asked.check_intervals,
        price_type=word(asked.price_type, PriceType, "price_type") or "LIMIT_PRICE",
        start_at=moment_of(asked.start_time, "start_time"),
        end_at=moment_of(asked.end_time, "end_time"),
    )


def _user_mark(asked: OrderParameters) -> str:
    user_mark = asked.user_mark or ""
    if len(user_mark) > USER_MARK_LENGTH_MAX:
        raise business_error(f"field 'user_mark' cannot exceed {USER_MARK_LENGTH_MAX} characters")
    return user_mark


def _order_number(asked: OrderParameters) -> int | None:
    if not 0 <= asked.order_id <= ORDER_NUMBER_MAX:
        raise invalid("order_id")
    return asked.order_id or None
