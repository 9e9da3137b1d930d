"""Tiger's methods that list an account's orders and executions."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec

from infra.sandbox.broker.fees import charges_due
from infra.sandbox.broker.fund_book import segment_of
from infra.sandbox.broker.records import Fill, Order
from infra.sandbox.market.instruments import Instrument, find
from infra.sandbox.methods.answers import BROKER_ZONE, charges_json, fill_json, order_json
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.figures import Json
from infra.sandbox.methods.paging import page_of
from infra.sandbox.methods.parameter_values import date_of, invalid
from infra.sandbox.methods.trading import find_order
from infra.sandbox.wire.envelope import business_error, to_ms

ORDERS_LIMIT = 100
ORDERS_LIMIT_MAX = 300
FILLS_LIMIT = 20
FILLS_LIMIT_MAX = 100
ALL = (None, "", "ALL")
# A time as Tiger takes it: milliseconds, or a text in Tiger's own zone.
Moment = int | str | None


class DerivativeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which contract is wanted of a symbol that has several."""

    symbol: str | None = None
    sec_type: str | None = None
    expiry: str | None = None
    strike: Decimal | None = None
    right: str | None = None


class OrdersParameters(DerivativeFilter, frozen=True, kw_only=True):
    """Parameters of the order listings.

    `states` and `is_brief` are left unread: Tiger heeds them for global accounts only.

    Source: Tiger's page "trade-java", order list (read 2026-11-23).
    """

    account: str = ""
    id: int = 0
    order_id: int = 0
    parent_id: int = 0  # the main order's, by either id
    market: str | None = None
    seg_type: str | None = None
    start_date: Moment = None  # inclusive
    end_date: Moment = None  # exclusive
    limit: int = ORDERS_LIMIT
    sort_by: Literal["LATEST_CREATED", "LATEST_STATUS_UPDATED"] = "LATEST_CREATED"
    page_token: str | None = None
    show_charges: bool = False


class FillsParameters(DerivativeFilter, frozen=True, kw_only=True):
    """Parameters of `order_transactions` (dates: yyyyMMdd)."""

    account: str = ""
    order_id: int = 0  # the global id, in spite of its name
    start_date: Moment = None  # inclusive
    end_date: Moment = None  # exclusive
    since_date: str | None = None  # inclusive
    to_date: str | None = None  # inclusive
    limit: int = FILLS_LIMIT
    page_token: str | None = None


def orders(call: Call) -> object:
    """Return one order by id, or list all orders."""
    asked = parameters(call, OrdersParameters)
    if asked.id or asked.order_id:
        return _single_order(call, asked)
    return _orders(call, asked, lambda _: True)


def active_orders(call: Call) -> object:
    """List orders that can still fill."""
    return _orders(call, parameters(call, OrdersParameters), lambda order: order.is_open)


def inactive_orders(call: Call) -> object:
    """List orders that ended without being filled: cancelled, expired, rejected."""
    return _orders(
        call,
        parameters(call, OrdersParameters),
        lambda order: order.status in ("Cancelled", "Inactive", "Invalid"),
    )


def filled_orders(call: Call) -> object:
    """List filled orders of a span of time, which must be given."""
    asked = parameters(call, OrdersParameters)
    for name, value in (("start_date", asked.start_date), ("end_date", asked.end_date)):
        if value is None:
            raise business_error(f"field '{name}' cannot be empty")
    return _orders(call, asked, lambda order: order.status == "Filled")


def order_transactions(call: Call) -> object:
    """List executions of an order or of a contract."""
    asked = parameters(call, FillsParameters)
    account = account_of(call, asked.account)
    if not asked.order_id and not asked.symbol:
        raise business_error("field 'order_id' or 'symbol' cannot be empty")
    is_wanted = _fill_filter(asked)
    page, token = page_of(
        [fill for fill in call.engine.book.fills_of(account.account) if is_wanted(fill)],
        key=lambda fill: (to_ms(fill.filled_at), fill.fill_id),
        limit=limit_of(asked.limit, FILLS_LIMIT_MAX),
        token=asked.page_token,
        business=call.business,
    )
    return {"items": [fill_json(fill) for fill in page], "nextPageToken": token}


def contract_filter(asked: DerivativeFilter) -> Callable[[str, Instrument | None], bool]:
    """Return a function that says of (symbol, contract) whether it is wanted.

    Raises:
        GatewayError: 1010, for a malformed field.
    """
    expiry = date_of(asked.expiry, "expiry")

    def is_wanted(symbol: str, instrument: Instrument | None) -> bool:
        if instrument is None:
            return asked.symbol in (*ALL, symbol)
        return (
            asked.symbol in (*ALL, symbol, instrument.key, instrument.underlying)
            and expiry in (None, instrument.expiry)
            and asked.strike in (None, instrument.strike)
            and asked.right in (*ALL, instrument.right)
        )

    return is_wanted


def limit_of(asked: int, most: int) -> int:
    """Return how many items a page has.

    Raises:
        GatewayError: 1010, for a number that is none.
    """
    if asked <= 0:
        raise invalid("limit")
    return min(asked, most)


def _single_order(call: Call, asked: OrdersParameters) -> Json:
    account = account_of(call, asked.account)
    order = find_order(call, account, global_id=asked.id, order_number=asked.order_id)
    answer = order_json(order, fills=_fills_by_order(call, account.account, [order]))
    instrument = find(order.contract_key)
    if not asked.show_charges or instrument is None:
        return answer
    charges = charges_due(
        instrument.market,
        quantity=order.filled_quantity,
        amount=order.filled_amount * order.multiplier,
        sec_type=instrument.sec_type,
    )
    return answer | {"charges": charges_json(charges)}


def _orders(call: Call, asked: OrdersParameters, is_wanted: Callable[[Order], bool]) -> object:
    account = account_of(call, asked.account)
    is_by_change = asked.sort_by == "LATEST_STATUS_UPDATED"

    def time_ms(order: Order) -> int:
        return to_ms(order.status_changed_at if is_by_change else order.opened_at)

    is_in_scope = _order_filter(call, asked)
    begin, end = _ms(asked.start_date, "start_date"), _ms(asked.end_date, "end_date")
    page, token = page_of(
        [
            order
            for order in call.engine.book.orders_of(account.account)
            if is_wanted(order) and is_in_scope(order) and _is_within(time_ms(order), begin, end)
        ],
        key=lambda order: (time_ms(order), order.global_id),
        limit=limit_of(asked.limit, ORDERS_LIMIT_MAX),
        token=asked.page_token,
        business=call.business,
    )
    fills = _fills_by_order(call, account.account, [order for order in page if order.legs])
    return {
        "items": [
            order_json(order, fills=[item for item in fills if item.global_id == order.global_id])
            for order in page
        ],
        "nextPageToken": token,
    }


def _fills_by_order(call: Call, account: str, orders_shown: list[Order]) -> list[Fill]:
    # Only what an order of legs did is told leg by leg.
    wanted = {order.global_id for order in orders_shown if order.legs}
    if not wanted:
        return []
    fills = call.engine.book.fills_of(account)
    return [fill for fill in fills if fill.global_id in wanted]


def _order_filter(call: Call, asked: OrdersParameters) -> Callable[[Order], bool]:
    is_contract = contract_filter(asked)
    book, wanted = call.engine.book, asked.parent_id
    parent = book.find(asked.account, global_id=wanted, order_number=None) or book.find(
        asked.account, global_id=None, order_number=wanted
    )
    parent_id = parent.global_id if parent is not None else wanted
    # Without a word on either, Tiger lists the securities segment.
    segment = asked.seg_type or ("SEC" if asked.sec_type in ALL else None)

    def is_in_scope(order: Order) -> bool:
        instrument = find(order.legs[0].key if order.legs else order.contract_key)
        return (
            asked.sec_type in (*ALL, order.sec_type)
            and segment in (*ALL, segment_of(order.sec_type))
            and asked.market in (*ALL, "US" if instrument is None else instrument.market)
            and parent_id in (0, order.parent_id)
            and is_contract(order.symbol, None if order.legs else instrument)
        )

    return is_in_scope


def _fill_filter(asked: FillsParameters) -> Callable[[Fill], bool]:
    is_contract = contract_filter(asked)
    begin, end = _ms(asked.start_date, "start_date"), _ms(asked.end_date, "end_date")
    since, until = date_of(asked.since_date, "since_date"), date_of(asked.to_date, "to_date")

    def is_wanted(fill: Fill) -> bool:
        if asked.order_id:
            # An order's id decides alone about what is wanted.
            return fill.global_id == asked.order_id
        day = fill.filled_at.astimezone(BROKER_ZONE).date()
        return (
            asked.sec_type in (*ALL, fill.sec_type)
            and is_contract(fill.symbol, find(fill.contract_key))
            and _is_within(to_ms(fill.filled_at), begin, end)
            and (since is None or day >= since)
            and (until is None or day <= until)
        )

    return is_wanted


def _ms(value: Moment, field: str) -> int | None:
    if value is None or isinstance(value, int):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise invalid(field) from None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=BROKER_ZONE))


def _is_within(time_ms: int, begin_ms: int | None, end_ms: int | None) -> bool:
    return (begin_ms is None or time_ms >= begin_ms) and (end_ms is None or time_ms < end_ms)
