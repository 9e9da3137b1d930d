"""Rows of Tiger's listings as items and figures of the domain."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from adapters.tiger_worker import words
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
)
from core.money import FRACTION_MIN, Money
from core.previewing import COMBINATION_UNIT
from core.terms import (
    WITH_LIMIT,
    WITH_STOP,
    OptionLeg,
    OrderSpec,
    OrderType,
    SecurityType,
    TermsError,
    TimeInForce,
    contract_word,
)

_COMBINATION_WORD: Final = words.SECURITY_WORDS[SecurityType.COMBINATION]


def order_of(row: Row, executions: Sequence[ExecutionSeen]) -> OrderSeen:
    """Return one listed order with its executions.

    Raises:
        CorruptRecordError: a field without which an order is none.
    """
    status = words.text(row, "status")
    remark = words.broker_text(row.get("remark"))
    tiger_order_id = words.text(row, "id")
    if not tiger_order_id.isdecimal() or not tiger_order_id.strip("0"):
        raise CorruptRecordError("expected an id of the broker in an order's row")
    quantity, filled = words.scaled(row, "totalQuantity"), words.scaled(row, "filledQuantity")
    if quantity < 0 or filled < 0:
        raise CorruptRecordError("expected no quantity below 0 in an order's row")
    return OrderSeen(
        tiger_order_id=tiger_order_id,
        order_number=words.text(row, "orderId"),
        mark=words.text(row, "userMark"),
        symbol=symbol_in(row),
        market=words.text(row, "market"),
        currency=words.text(row, "currency"),
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
        opened_at=words.moment(row, "openTime"),
        charges=_charges(row),
        parent_tiger_id=_id_or_none(row, "parentId"),
        spec=_spec_of(row),
        is_changing=words.text(row, "replaceStatus") == "RECEIVED",
        executions=tuple(executions),
    )


def _id_or_none(row: Row, name: str) -> str:
    # Tiger writes 0 where there is none.
    found = words.text(row, name)
    return found if found.strip("0") else ""


def _spec_of(row: Row) -> OrderSpec | None:
    """Return the terms of a listed order, or None where we have no words for its contract.

    An order whose type has no word, or whose prices do not fit its type, stands as a market order
    of its contract: that is what its fills and a worst case need.
    """
    try:
        contract = _contract_terms(row)
    except (TermsError, CorruptRecordError):
        return None
    order_type = words.type_of(row.get("orderType"))
    if contract is None or order_type is None:
        return contract
    try:
        return replace(contract, order_type=order_type, **_prices(row, order_type))
    except TermsError:
        return contract


def _contract_terms(row: Row) -> OrderSpec | None:
    """Return a market order of a row's contract, side, size and time."""
    security, force = words.security_of(row.get("secType")), words.force_of(row.get("timeInForce"))
    if security is None:
        return None
    good_till = words.optional_moment(row, "expireTime")
    if force is not TimeInForce.GOOD_TILL_DATE:
        good_till = None
    elif good_till is None:
        force = None
    is_combination = security is SecurityType.COMBINATION
    is_option = security is SecurityType.OPTION
    cash_amount = words.optional_number(row, "totalCashAmount") or None
    return OrderSpec(
        symbol=symbol_in(row),
        market=words.text(row, "market"),
        currency=words.text(row, "currency"),
        side=words.side_of(row.get("action")),
        order_type=OrderType.MARKET,
        # Of an order by amount the size is not known before it has filled.
        quantity=words.scaled(row, "totalQuantity") if cash_amount is None else Decimal(0),
        limit_price=None,
        # The longest of them, for a word that we do not know.
        time_in_force=force or TimeInForce.GOOD_TILL_CANCELLED,
        outside_regular_hours=bool(row.get("outsideRth")),
        security=security,
        expiry=None if is_combination else words.expiry_of(row.get("expiry")),
        strike=words.optional_number(row, "strike") if is_option else None,
        right=words.right_of(row.get("right")) if is_option else None,
        multiplier=_multiplier(row) or (COMBINATION_UNIT if is_combination else None),
        cash_amount=cash_amount,
        good_till=good_till,
        legs=tuple(_leg_of(leg) for leg in _objects(row, "legs")) if is_combination else (),
    )


def _prices(row: Row, order_type: OrderType) -> dict[str, Decimal | None]:
    """Return the prices that an order of this type has; others are figures of the broker's own."""
    limit_price = words.optional_number(row, "limitPrice")
    if not limit_price and words.text(row, "secType") != _COMBINATION_WORD:
        # Several legs may trade at nothing on balance; one contract never does.
        limit_price = None
    trigger = words.optional_number(row, "auxPrice") or None
    percent = words.optional_number(row, "trailingPercent") or None
    is_trailing = order_type is OrderType.TRAILING_STOP
    display_size = row.get("display_size", row.get("displaySize"))
    return {
        "limit_price": limit_price if order_type in WITH_LIMIT else None,
        "stop_price": trigger if order_type in WITH_STOP else None,
        "trailing_amount": trigger if is_trailing and percent is None else None,
        "trailing_percent": percent if is_trailing else None,
        "display_quantity": words.optional_number({"it": display_size}, "it")
        if order_type is OrderType.ICEBERG
        else None,
    }


def _multiplier(row: Row) -> Decimal | None:
    found = words.optional_number(row, "multiplier")
    return None if found in (None, Decimal(0), Decimal(1)) else found


def _leg_of(row: Row) -> OptionLeg:
    right = words.right_of(row.get("right"))
    return OptionLeg(
        right=right,
        # A leg of the underlying itself has none of the three.
        expiry=None if right is None else words.expiry_of(row.get("expiry")),
        strike=None if right is None else words.number(row, "strike"),
        side=words.side_of(row.get("action")),
        ratio=int(words.optional_number(row, "ratio") or 1),
    )


def symbol_in(row: Row) -> str:
    """Return what we call a row's symbol: of a future its code, which says the month too.

    Tiger's symbol of a future is its family's, the same for every month.
    """
    if words.security_of(row.get("secType")) is SecurityType.FUTURE:
        return words.text(row, "identifier") or words.text(row, "symbol")
    return words.text(row, "symbol")


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
    """Return one listed execution."""
    price = _money(row, "filledPrice", "currency")
    if price is None:
        raise CorruptRecordError("expected price and currency in an execution's row")
    return ExecutionSeen(
        execution_id=words.text(row, "id"),
        quantity=words.scaled(row, "filledQuantity"),
        price=price,
        executed_at=words.moment(row, "transactionTime"),
        contract=contract_in(row),
        side=words.side_of(row["action"]) if row.get("action") else None,
    )


def position_of(row: Row) -> PositionFigure:
    """Return one listed position."""
    symbol, contract = symbol_in(row), contract_in(row)
    return PositionFigure(
        symbol=symbol,
        market=words.text(row, "market"),
        currency=words.text(row, "currency"),
        quantity=_held(row),
        average_cost=words.number(row, "averageCost"),
        market_price=words.optional_number(row, "latestPrice"),
        unrealized_profit=words.optional_number(row, "unrealizedPnl"),
        contract="" if contract == symbol else contract,
        security=words.security_of(row.get("secType")) or SecurityType.STOCK,
        multiplier=_multiplier(row),
    )


def balances_of(data: Row, observed_at: datetime) -> BalancesSeen:
    """Return the securities segment of an account's assets.

    Raises:
        CorruptRecordError: there is no such segment.
    """
    segments = [s for s in _objects(data, "segments") if s.get("category") == "S"]
    if not segments:
        raise CorruptRecordError("expected a securities segment in the assets")
    segment = segments[0]
    cash = (
        CashFigure(
            currency=words.text(entry, "currency"),
            balance=words.number(entry, "cashBalance"),
            available=words.optional_number(entry, "cashAvailableForTrade"),
        )
        for entry in _objects(segment, "currencyAssets")
    )
    return BalancesSeen(
        currency=words.text(segment, "currency"),
        net_liquidation=words.optional_number(segment, "netLiquidation"),
        buying_power=words.optional_number(segment, "buyingPower"),
        initial_margin=words.optional_number(segment, "initMargin"),
        maintenance_margin=words.optional_number(segment, "maintainMargin"),
        cash=tuple(cash),
        observed_at=observed_at,
    )


def contract_of(row: Row) -> ContractFacts:
    """Return what the broker says of a contract."""
    ticks = sorted(
        (words.number(tick, "begin"), words.number(tick, "tickSize"))
        for tick in _objects(row, "tickSizes")
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
        multiplier=_multiplier(row),
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
    """Return the broker's own preview of an order, as the SDK hands it out (snake_case)."""
    return EstimateFacts(
        passed=bool(data.get("is_pass")),
        message=words.broker_text(data.get("message")),
        commission=_money(data, "commission", "commission_currency"),
        initial_margin=_money(data, "init_margin", "margin_currency"),
    )


def _charges(row: Row) -> Decimal | None:
    # `gst` is a tax that Tiger states beside its commission.
    parts = (words.optional_number(row, "commission"), words.optional_number(row, "gst"))
    known = [abs(part) for part in parts if part is not None]
    return sum(known, start=Decimal(0)) if known else None


def _objects(row: Row, name: str) -> list[Row]:
    found = row.get(name) or []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise CorruptRecordError(f"expected a list of objects in {name}")
    return found


def _held(row: Row) -> Decimal:
    # `positionQty` is current; `position` with its scale is what older replies carry alone.
    quantity = words.optional_number(row, "positionQty")
    return words.scaled(row, "position") if quantity is None else quantity


def _money(data: Row, amount_name: str, currency_name: str) -> Money | None:
    amount = words.optional_number(data, amount_name)
    currency = words.text(data, currency_name)
    if amount is None or not currency:
        return None
    try:
        return Money(amount=amount, currency=currency)
    except ValueError:
        raise CorruptRecordError(f"expected a currency, was {currency[:10]!r}") from None
