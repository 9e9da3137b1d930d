"""Tiger's methods that show an account: orders, executions, positions and assets."""

from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Literal

import msgspec

from infra.sandbox.broker.book import OpenInterest
from infra.sandbox.broker.margin import funds_of
from infra.sandbox.broker.records import Fill, Order
from infra.sandbox.market.instruments import CATALOGUE
from infra.sandbox.methods.answers import assets_json, fill_json, order_json, position_json
from infra.sandbox.methods.calls import Call, account_of, parameters
from infra.sandbox.methods.paging import page_of
from infra.sandbox.methods.trading import AccountParameters, find_order
from infra.sandbox.wire.envelope import business_error, to_ms

ORDERS_LIMIT = 100
ORDERS_LIMIT_MAX = 300
FILLS_LIMIT = 20
FILLS_LIMIT_MAX = 100
# Dates without a time are read in Tiger's default zone.
BROKER_ZONE = timezone(timedelta(hours=8))
ALL = (None, "", "ALL")


class OrdersParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of the order listings (times: milliseconds)."""

    account: str = ""
    id: int = 0
    order_id: int = 0
    sec_type: str | None = None
    market: str | None = None
    symbol: str | None = None
    seg_type: str | None = None
    start_date: int | None = None  # inclusive
    end_date: int | None = None  # exclusive
    limit: int = ORDERS_LIMIT
    sort_by: Literal["LATEST_CREATED", "LATEST_STATUS_UPDATED"] = "LATEST_CREATED"
    page_token: str | None = None


class FillsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `order_transactions` (times: milliseconds; dates: yyyyMMdd)."""

    account: str = ""
    order_id: int = 0  # the global id, in spite of its name
    symbol: str | None = None
    sec_type: str | None = None
    start_date: int | None = None
    end_date: int | None = None
    since_date: str | None = None  # inclusive
    to_date: str | None = None  # inclusive
    limit: int = FILLS_LIMIT
    page_token: str | None = None


class PositionsParameters(msgspec.Struct, frozen=True, kw_only=True):
    """Parameters of `positions`."""

    account: str = ""
    sec_type: str = "STK"
    currency: str | None = None
    market: str | None = None
    symbol: str | None = None


def accounts(call: Call) -> object:
    """List the login's accounts, or the one that is named."""
    wanted = parameters(call, AccountParameters).account
    if wanted:
        account_of(call, wanted)
    return {
        "items": [
            {
                "account": item.account,
                "capability": "RegTMargin",
                "status": "Funded",
                "accountType": "STANDARD" if item.kind == "prime" else "PAPER",
            }
            for item in call.login.accounts
            if wanted in ("", item.account)
        ]
    }


def orders(call: Call) -> object:
    """Return one order by id, or list all orders."""
    asked = parameters(call, OrdersParameters)
    if asked.id or asked.order_id:
        account = account_of(call, asked.account)
        return order_json(
            find_order(call, account, global_id=asked.id, order_number=asked.order_id)
        )
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
    """List executions of an order or of a stock."""
    asked = parameters(call, FillsParameters)
    account = account_of(call, asked.account)
    if not asked.order_id and not asked.symbol:
        raise business_error("field 'order_id' or 'symbol' cannot be empty")
    chosen = [
        fill
        for fill in call.engine.book.fills_of(account.account, mark=call.stale)
        if _is_wanted_fill(fill, asked)
    ]
    page, token = page_of(
        chosen,
        key=lambda fill: (to_ms(fill.filled_at), fill.fill_id),
        limit=_limit(asked.limit, FILLS_LIMIT_MAX),
        token=asked.page_token,
        business=call.business,
    )
    return {"items": [fill_json(fill) for fill in page], "nextPageToken": token}


def positions(call: Call) -> object:
    """List what an account holds; other security types than stocks are never held."""
    asked = parameters(call, PositionsParameters)
    account = account_of(call, asked.account)
    items = [
        position_json(
            account.account,
            symbol,
            position=position,
            interest=account.open_interest.get(symbol, OpenInterest()),
            last=call.engine.prices.last(symbol),
        )
        for symbol, position in sorted(account.positions.items())
        if position.quantity
        and asked.sec_type in (*ALL, "STK")
        and asked.symbol in (*ALL, symbol)
        and asked.market in (*ALL, CATALOGUE[symbol].market)
        and asked.currency in (*ALL, CATALOGUE[symbol].currency)
    ]
    return {"items": items}


def prime_assets(call: Call) -> object:
    """Return an account's figures, in US dollars."""
    account = account_of(call, parameters(call, AccountParameters).account)
    funds = funds_of(account, call.engine.prices)
    return assets_json(account, funds, updated_at_ms=to_ms(call.now))


def _orders(call: Call, asked: OrdersParameters, is_wanted: Callable[[Order], bool]) -> object:
    account = account_of(call, asked.account)
    is_by_change = asked.sort_by == "LATEST_STATUS_UPDATED"

    def time_ms(order: Order) -> int:
        return to_ms(order.status_changed_at if is_by_change else order.opened_at)

    chosen = [
        order
        for order in call.engine.book.orders_of(account.account, mark=call.stale)
        if is_wanted(order)
        and _is_in_scope(order, asked)
        and _is_within(time_ms(order), asked.start_date, asked.end_date)
    ]
    page, token = page_of(
        chosen,
        key=lambda order: (time_ms(order), order.global_id),
        limit=_limit(asked.limit, ORDERS_LIMIT_MAX),
        token=asked.page_token,
        business=call.business,
    )
    return {"items": [order_json(order) for order in page], "nextPageToken": token}


def _is_in_scope(order: Order, asked: OrdersParameters) -> bool:
    return (
        asked.sec_type in (*ALL, "STK")
        and asked.seg_type in (*ALL, "SEC")
        and asked.symbol in (*ALL, order.symbol)
        and asked.market in (*ALL, CATALOGUE[order.symbol].market)
    )


def _is_wanted_fill(fill: Fill, asked: FillsParameters) -> bool:
    day = fill.filled_at.astimezone(BROKER_ZONE).strftime("%Y%m%d")
    return (
        asked.order_id in (0, fill.global_id)
        and asked.symbol in (*ALL, fill.symbol)
        and asked.sec_type in (*ALL, "STK")
        and _is_within(to_ms(fill.filled_at), asked.start_date, asked.end_date)
        and (not asked.since_date or day >= asked.since_date)
        and (not asked.to_date or day <= asked.to_date)
    )


def _is_within(time_ms: int, start_ms: int | None, end_ms: int | None) -> bool:
    return (start_ms is None or time_ms >= start_ms) and (end_ms is None or time_ms < end_ms)


def _limit(asked: int, most: int) -> int:
    if asked <= 0:
        raise business_error("field 'limit' is invalid")
    return min(asked, most)
