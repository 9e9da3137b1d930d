"""Rows of Tiger's listings as items and figures of the domain.

Whatever a row holds, it is read or raises `CorruptRecordError`; one row that cannot be read says
nothing about the others.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from adapters.tiger_worker import words
from adapters.tiger_worker.row_digests import digest_of
from adapters.tiger_worker.row_terms import multiplier_of, objects_in, spec_of
from adapters.tiger_worker.words import Row
from core.account_events import CashFigure, PositionFigure
from core.errors import CorruptRecordError
from core.items import ContractFacts, EstimateFacts, QuoteFacts
from core.money import FRACTION_MIN, Money
from core.readings import (
    BalancesSeen,
    ExecutionSeen,
    FigureUnread,
    OrderSeen,
    RowKind,
    RowUnreadable,
)
from core.terms import SecurityType, contract_word

# Tiger is younger than the one, and this service will be gone by the other. An order that is dated
# outside would make the listings go back for ever.
OPENED_FROM: Final = datetime(2000, 1, 1, tzinfo=UTC)
_OPENED_TO: Final = datetime(2200, 1, 1, tzinfo=UTC)
_CENTS: Final = 2


def order_of(row: Row, executions: Sequence[ExecutionSeen]) -> OrderSeen:
    """Return one listed order with its executions.

    Raises:
        CorruptRecordError: a field without which an order is none.
    """
    status = words.text(row, "status")
    remark = words.broker_text(row.get("remark"))
    tiger_order_id = words.broker_id(row.get("id"))
    symbol = _class_and_symbol(row, "an order's")
    quantity, filled = words.scaled(row, "totalQuantity"), words.scaled(row, "filledQuantity")
    if quantity < 0 or filled < 0:
        raise CorruptRecordError("expected no quantity below 0 in an order's row")
    return OrderSeen(
        tiger_order_id=tiger_order_id,
        order_number=words.text(row, "orderId"),
        mark=words.text(row, "userMark"),
        symbol=symbol,
        market=words.needed(row, "market", "an order's"),
        currency=words.currency(row, "currency"),
        side=words.side_of(row.get("action")),
        order_type=words.type_of(row.get("orderType")),
        quantity=quantity,
        limit_price=words.told_number(row, "limitPrice"),
        phase=words.seen_phase(status, remark),
        status_word=status,
        remark=remark,
        filled_quantity=filled,
        average_price=words.told_number(row, "avgFillPrice") or None,
        source=words.broker_text(row.get("source")),
        opened_at=_opened_at(row),
        charges=_told_charges(row),
        parent_tiger_id=_id_or_none(row, "parentId"),
        spec=spec_of(row, symbol=symbol),
        is_changing=words.text(row, "replaceStatus") == "RECEIVED",
        executions=tuple(executions),
    )


def _class_and_symbol(row: Row, whose: str) -> str:
    """Return a row's symbol; without its class nobody knows of what.

    Raises:
        CorruptRecordError: one of the two is missing.
    """
    words.needed(row, "secType", whose)
    symbol = symbol_in(row)
    if not symbol:
        raise CorruptRecordError(f"expected a symbol in {whose} row")
    return symbol


def key_of(row: Row) -> str:
    """Return what tells an order's row from others: the broker's id, or all of it without one."""
    try:
        return words.broker_id(row.get("id"))
    except CorruptRecordError:
        # Two rows that cannot be read may be about two symbols.
        return repr(row)


def unreadable(kind: RowKind, row: Row, error: CorruptRecordError) -> RowUnreadable:
    """Return what a person is told of a row that cannot be read, the same for the same row.

    One without an id is told from others by what of it stays while it stands, as a short digest.
    """
    symbol = _symbol_or_none(row)
    key = key_of(row)
    tiger_order_id = key if kind is RowKind.ORDER and key.isdecimal() else ""
    called = tiger_order_id or f"{symbol or f'{kind} of no name'} ({digest_of(kind, row)})"
    return RowUnreadable(
        kind=kind, symbol=symbol, detail=f"{called}: {error}", tiger_order_id=tiger_order_id
    )


def _symbol_or_none(row: Row) -> str:
    try:
        symbol = symbol_in(row)
        # Of a future the symbol is not what we call it, and only its class says that it is one.
        is_it_named = bool(words.text(row, "secType")) or not words.text(row, "identifier")
    except CorruptRecordError:
        return ""
    return symbol if is_it_named else ""


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
        CorruptRecordError: it is no name, or a future's that does not say which month.
    """
    symbol = words.name(row, "symbol")
    if words.security_of(row.get("secType")) is not SecurityType.FUTURE:
        return symbol
    code = words.name(row, "identifier")
    if not code and symbol.isalpha():
        raise CorruptRecordError("expected a future's code in a row")
    return code or symbol


def contract_in(row: Row) -> str:
    """Return what a row is about as one word; see `OrderSpec.contract`.

    Raises:
        CorruptRecordError: it is an option, and does not say which.
    """
    security = words.security_of(row.get("secType"))
    if security not in (None, SecurityType.OPTION):
        # A warrant has an expiry, a strike and a right too, but its symbol alone names it.
        return symbol_in(row)
    expiry, right = words.expiry_of(row.get("expiry")), words.right_in(row, "right")
    strike = words.optional_number(row, "strike") or None
    told = {part is not None for part in (expiry, right, strike)}
    if len(told) > 1 or (security is SecurityType.OPTION and told == {False}):
        # Named by its symbol alone, an option would be the stock.
        raise CorruptRecordError("expected expiry, strike and right in an option's row")
    return contract_word(symbol_in(row), expiry, right, strike)


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
        contract=_told_contract(row),
        side=words.side_of(row["action"]) if row.get("action") else None,
    )


# Tiger documents no terms of an option in an execution. Only a combination's legs need them.
def _told_contract(row: Row) -> str:
    try:
        return contract_in(row)
    except CorruptRecordError:
        return ""


def position_of(row: Row) -> PositionFigure:
    """Return one listed position.

    Raises:
        CorruptRecordError: it does not say what is held, or how much of it.
    """
    symbol, contract = _class_and_symbol(row, "a position's"), contract_in(row)
    security = words.security_of(row.get("secType"))
    if security is None:
        # Held under the same symbol, it would count as the stock.
        raise CorruptRecordError("expected a class of security in a position's row")
    return PositionFigure(
        symbol=symbol,
        market=words.needed(row, "market", "a position's"),
        currency=words.name(row, "currency"),
        quantity=_held(row),
        average_cost=words.told_number(row, "averageCost"),
        market_price=words.told_number(row, "latestPrice"),
        unrealized_profit=words.told_number(row, "unrealizedPnl"),
        contract="" if contract == symbol else contract,
        security=security,
        multiplier=multiplier_of(row),
    )


def balances_of(data: Row, observed_at: datetime) -> BalancesSeen:
    """Return the securities segment of an account's assets, and what of it is no number.

    Raises:
        CorruptRecordError: there is no such segment.
    """
    segments = [s for s in objects_in(data, "segments") if s.get("category") == "S"]
    if not segments:
        raise CorruptRecordError("expected a securities segment in the assets")
    segment = segments[0]
    unread: list[FigureUnread] = []
    return BalancesSeen(
        currency=_name_or_none(segment, unread),
        net_liquidation=_total(segment, "netLiquidation", "net_liquidation", unread),
        buying_power=_total(segment, "buyingPower", "buying_power", unread),
        initial_margin=_total(segment, "initMargin", "initial_margin", unread),
        maintenance_margin=_total(segment, "maintainMargin", "maintenance_margin", unread),
        cash=tuple(_cash_in(segment, unread)),
        observed_at=observed_at,
        unread=tuple(unread),
    )


def _name_or_none(segment: Row, unread: list[FigureUnread]) -> str:
    try:
        return words.name(segment, "currency")
    except CorruptRecordError as error:
        unread.append(FigureUnread(field="currency", detail=str(error)))
        return ""


def _total(segment: Row, wire_name: str, field: str, unread: list[FigureUnread]) -> Decimal | None:
    """Return a figure, None where it is left out or no number; the latter is told in `unread`."""
    try:
        found = words.optional_number(segment, wire_name)
        if found is None and segment.get(wire_name) is not None:
            raise CorruptRecordError(f"expected a number in {wire_name}")
    except CorruptRecordError as error:
        unread.append(FigureUnread(field=field, detail=str(error)))
        return None
    return found


def _cash_in(segment: Row, unread: list[FigureUnread]) -> Iterator[CashFigure]:
    """Yield cash as the broker calls it; what is no amount is told in `unread`."""
    try:
        entries = objects_in(segment, "currencyAssets")
    except CorruptRecordError as error:
        unread.append(FigureUnread(field="cash", detail=str(error)))
        return
    for entry in entries:
        try:
            code = words.name(entry, "currency")
        except CorruptRecordError:
            # A word that nobody can write down: it is cash of no known name.
            code = ""
        try:
            balance = words.number(entry, "cashBalance")
        except CorruptRecordError as error:
            unread.append(FigureUnread(field="cash", detail=str(error), currency=code))
            continue
        available = words.told_number(entry, "cashAvailableForTrade")
        yield CashFigure(currency=code, balance=balance, available=available)


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


def delayed_quote_of(row: Row) -> QuoteFacts:
    """Return what a delayed quote tells: the last price of some minutes ago, and no side."""
    return QuoteFacts(
        symbol=words.text(row, "symbol"),
        bid=None,
        ask=None,
        last=words.optional_number(row, "close") or None,
        at=words.moment(row, "time"),
        is_delayed=True,
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


# The broker's figures are binary, and what is left of two shows it.
def _bound(data: Row) -> Decimal | None:
    before = words.optional_number(data, "init_margin_before")
    after = words.optional_number(data, "init_margin")
    return None if before is None or after is None else round(after - before, _CENTS)


def _charges(row: Row) -> Decimal | None:
    # `gst` is a tax that Tiger states beside its commission.
    parts = (words.optional_number(row, "commission"), words.optional_number(row, "gst"))
    known = [abs(part) for part in parts if part is not None]
    return sum(known, start=Decimal(0)) if known else None


def _told_charges(row: Row) -> Decimal | None:
    try:
        return _charges(row)
    except CorruptRecordError:
        # What an order has cost keeps nobody from knowing what became of it; cash tells of it too.
        return None


def _held(row: Row) -> Decimal:
    # `positionQty` is current; `position` with its scale is what older replies carry alone.
    quantity = words.optional_number(row, "positionQty")
    return words.scaled(row, "position") if quantity is None else quantity


def _money(amount: Decimal | None, data: Row, currency_name: str) -> Money | None:
    currency = words.text(data, currency_name)
    if amount is None or not currency:
        return None
    return Money(amount=amount, currency=words.currency(data, currency_name))
