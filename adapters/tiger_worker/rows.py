"""Rows of Tiger's listings as items and figures of the domain.

Whatever a row holds, it is read or raises `CorruptRecordError`; one row that cannot be read says
nothing about the others.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from adapters.tiger_worker import words
from adapters.tiger_worker.row_terms import multiplier_of, objects_in, spec_of
from adapters.tiger_worker.words import Row
from core.errors import CorruptRecordError
from core.events import CashFigure, PositionFigure
from core.items import (
    BalancesSeen,
    ContractFacts,
    EstimateFacts,
    ExecutionSeen,
    OrderSeen,
    QuoteFacts,
    RowKind,
    RowUnreadable,
)
from core.money import FRACTION_MIN, Money
from core.terms import SecurityType, contract_word

# Tiger is younger than the one, and this service will be gone by the other. An order that is dated
# outside would make the listings go back for ever.
OPENED_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
_OPENED_TO: Final = datetime(2200, 1, 1, tzinfo=UTC)


def order_of(row: Row, executions: Sequence[ExecutionSeen]) -> OrderSeen:
    """Return one listed order with its executions.

    Raises:
        CorruptRecordError: a field without which an order is none.
    """
    status = words.text(row, "status")
    remark = words.broker_text(row.get("remark"))
    tiger_order_id = words.broker_id(row.get("id"))
    symbol = symbol_in(row)
    if not symbol:
        raise CorruptRecordError("expected a symbol in an order's row")
    quantity, filled = words.scaled(row, "totalQuantity"), words.scaled(row, "filledQuantity")
    if quantity < 0 or filled < 0:
        raise CorruptRecordError("expected no quantity below 0 in an order's row")
    return OrderSeen(
        tiger_order_id=tiger_order_id,
        order_number=words.text(row, "orderId"),
        mark=words.text(row, "userMark"),
        symbol=symbol,
        market=words.name(row, "market"),
        currency=words.currency(row, "currency"),
        side=words.side_of(row.get("action")),
        order_type=words.type_of(row.get("orderType")),
        quantity=quantity,
        limit_price=words.optional_number(row, "limitPrice"),
        phase=words.seen_phase(status, remark),
        status_word=status,
        remark=remark,
        filled_quantity=filled,
        average_price=words.optional_number(row, "avgFillPrice") or None,
        source=words.broker_text(row.get("source")),
        opened_at=_opened_at(row),
        charges=_charges(row),
        parent_tiger_id=_id_or_none(row, "parentId"),
        spec=spec_of(row, symbol=symbol),
        is_changing=words.text(row, "replaceStatus") == "RECEIVED",
        executions=tuple(executions),
    )


def key_of(row: Row) -> str:
    """Return what tells an order's row from others: the broker's id, or all of it without one."""
    try:
        return words.broker_id(row.get("id"))
    except CorruptRecordError:
        # Two rows that cannot be read may be about two symbols.
        return repr(row)


def unreadable(kind: RowKind, row: Row, error: CorruptRecordError) -> RowUnreadable:
    """Return what a person is told of a row that cannot be read, the same for the same row."""
    try:
        symbol = symbol_in(row)
    except CorruptRecordError:
        symbol = ""
    key = key_of(row)
    tiger_order_id = key if kind is RowKind.ORDER and key.isdecimal() else ""
    called = tiger_order_id or symbol or f"{kind} of no name"
    return RowUnreadable(
        kind=kind, symbol=symbol, detail=f"{called}: {error}", tiger_order_id=tiger_order_id
    )


def _opened_at(row: Row) -> datetime:
    found = words.moment(row, "openTime")
    if not OPENED_FROM <= found < _OPENED_TO:
        raise CorruptRecordError("expected the time of its opening in an order's row")
    return found


def _id_or_none(row: Row, name: str) -> str:
    # Tiger writes 0 where there is none.
    found = words.text(row, name)
    return found if found.strip("0") else ""


def symbol_in(row: Row) -> str:
    """Return what we call a row's symbol: of a future its code, which says the month too.

    Tiger's symbol of a future is its family's, the same for every month.

    Raises:
        CorruptRecordError: it is no name.
    """
    if words.security_of(row.get("secType")) is SecurityType.FUTURE:
        return words.name(row, "identifier") or words.name(row, "symbol")
    return words.name(row, "symbol")


def contract_in(row: Row) -> str:
    """Return what a row is about as one word; see `OrderSpec.contract`."""
    if words.security_of(row.get("secType")) not in (None, SecurityType.OPTION):
        # A warrant has an expiry, a strike and a right too, but its symbol alone names it.
        return symbol_in(row)
    return contract_word(
        symbol_in(row),
        words.expiry_of(row.get("expiry")),
        words.right_of(row.get("right")),
        words.optional_number(row, "strike"),
    )


def execution_of(row: Row) -> ExecutionSeen:
    """Return one listed execution.

    Raises:
        CorruptRecordError: a field without which an execution is none.
    """
    price = _money(words.optional_number(row, "filledPrice"), row, "currency")
    if price is None:
        raise CorruptRecordError("expected price and currency in an execution's row")
    execution_id, quantity = words.name(row, "id"), words.scaled(row, "filledQuantity")
    if not execution_id or quantity < 0:
        raise CorruptRecordError("expected an id and a quantity in an execution's row")
    return ExecutionSeen(
        execution_id=execution_id,
        quantity=quantity,
        price=price,
        executed_at=words.moment(row, "transactionTime"),
        contract=contract_in(row),
        side=words.side_of(row["action"]) if row.get("action") else None,
    )


def position_of(row: Row) -> PositionFigure:
    """Return one listed position.

    Raises:
        CorruptRecordError: it does not say what is held, or how much of it.
    """
    symbol, contract = symbol_in(row), contract_in(row)
    if not symbol:
        raise CorruptRecordError("expected a symbol in a position's row")
    return PositionFigure(
        symbol=symbol,
        market=words.name(row, "market"),
        currency=words.name(row, "currency"),
        quantity=_held(row),
        average_cost=words.told_number(row, "averageCost"),
        market_price=words.told_number(row, "latestPrice"),
        unrealized_profit=words.told_number(row, "unrealizedPnl"),
        contract="" if contract == symbol else contract,
        security=words.security_of(row.get("secType")) or SecurityType.STOCK,
        multiplier=multiplier_of(row),
    )


def balances_of(data: Row, observed_at: datetime) -> BalancesSeen:
    """Return the securities segment of an account's assets, and its cash that cannot be read.

    Raises:
        CorruptRecordError: there is no such segment, or its own figures are none.
    """
    segments = [s for s in objects_in(data, "segments") if s.get("category") == "S"]
    if not segments:
        raise CorruptRecordError("expected a securities segment in the assets")
    segment = segments[0]
    cash: list[CashFigure] = []
    odd: list[RowUnreadable] = []
    for entry in objects_in(segment, "currencyAssets"):
        try:
            cash.append(_cash_of(entry))
        except CorruptRecordError as error:
            odd.append(unreadable(RowKind.CASH, {}, error))
    return BalancesSeen(
        currency=words.name(segment, "currency"),
        net_liquidation=words.optional_number(segment, "netLiquidation"),
        buying_power=words.optional_number(segment, "buyingPower"),
        initial_margin=words.optional_number(segment, "initMargin"),
        maintenance_margin=words.optional_number(segment, "maintainMargin"),
        cash=tuple(cash),
        observed_at=observed_at,
        unreadable=tuple(odd),
    )


def _cash_of(entry: Row) -> CashFigure:
    return CashFigure(
        currency=words.currency(entry, "currency"),
        balance=words.number(entry, "cashBalance"),
        available=words.told_number(entry, "cashAvailableForTrade"),
    )


def contract_of(row: Row) -> ContractFacts:
    """Return what the broker says of a contract."""
    ticks = sorted(
        (words.number(tick, "begin"), words.number(tick, "tickSize"))
        for tick in objects_in(row, "tickSizes")
    )
    return ContractFacts(
        symbol=symbol_in(row),
        market=words.text(row, "market"),
        currency=words.text(row, "currency"),
        lot_size=_lot_size(row),
        is_tradeable=bool(row.get("tradeable")),
        tick_sizes=tuple(ticks),
        security=words.security_of(row.get("secType")) or SecurityType.STOCK,
        expiry=words.expiry_of(row.get("expiry")),
        strike=words.optional_number(row, "strike") or None,
        right=words.right_of(row.get("right")),
        multiplier=multiplier_of(row),
    )


def _lot_size(row: Row) -> Decimal:
    lot = words.optional_number(row, "lotSize") or Decimal(1)
    # Parts of a share may trade: the least is then what an order can say.
    return FRACTION_MIN if row.get("supportFractionalShare") and lot == 1 else lot


def quote_facts_of(row: Row) -> QuoteFacts:
    """Return what a preview needs of a quote."""
    return QuoteFacts(
        symbol=words.text(row, "symbol"),
        bid=words.optional_number(row, "bidPrice") or None,
        ask=words.optional_number(row, "askPrice") or None,
        last=words.optional_number(row, "latestPrice") or None,
        at=words.moment(row, "latestTime" if row.get("latestTime") else "timestamp"),
    )


def estimate_of(data: Row) -> EstimateFacts:
    """Return the broker's own preview of an order, as the SDK hands it out (snake_case).

    `initial_margin` is what the order itself would bind, below 0 where it frees some; the broker
    states the whole account's, before and after.

    Source: tigeropen 3.8.0, `trade/trade_client.py`, `preview_order` (read 2026-11-23).
    """
    return EstimateFacts(
        passed=bool(data.get("is_pass")),
        message=words.broker_text(data.get("message")),
        commission=_money(_fees(data), data, "commission_currency"),
        initial_margin=_money(_bound(data), data, "margin_currency"),
    )


# A tax alone is not what an order costs.
def _fees(data: Row) -> Decimal | None:
    return None if words.optional_number(data, "commission") is None else _charges(data)


def _bound(data: Row) -> Decimal | None:
    before = words.optional_number(data, "init_margin_before")
    after = words.optional_number(data, "init_margin")
    return None if before is None or after is None else after - before


def _charges(row: Row) -> Decimal | None:
    # `gst` is a tax that Tiger states beside its commission.
    parts = (words.optional_number(row, "commission"), words.optional_number(row, "gst"))
    known = [abs(part) for part in parts if part is not None]
    return sum(known, start=Decimal(0)) if known else None


def _held(row: Row) -> Decimal:
    # `positionQty` is current; `position` with its scale is what older replies carry alone.
    quantity = words.optional_number(row, "positionQty")
    return words.scaled(row, "position") if quantity is None else quantity


def _money(amount: Decimal | None, data: Row, currency_name: str) -> Money | None:
    currency = words.text(data, currency_name)
    if amount is None or not currency:
        return None
    return Money(amount=amount, currency=words.currency(data, currency_name))
