"""Rows of Tiger's listings as items and figures of the domain."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from adapters.tiger_worker import words
from adapters.tiger_worker.words import Row
from core.asks import Quote
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
from core.money import Money
from core.terms import (
    OptionLeg,
    OrderSpec,
    OrderType,
    SecurityType,
    TermsError,
    TimeInForce,
    contract_word,
)


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
        symbol=words.text(row, "symbol"),
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
    """Return all terms of a listed order, or None where we have no words for some of them."""
    order_type, force = words.type_of(row.get("orderType")), words.force_of(row.get("timeInForce"))
    security = words.security_of(row.get("secType"))
    if order_type is None or force is None or security is None:
        return None
    is_combination = security is SecurityType.COMBINATION
    trailing_percent = words.optional_number(row, "trailingPercent") or None
    try:
        return OrderSpec(
            symbol=words.text(row, "symbol"),
            market=words.text(row, "market"),
            currency=words.text(row, "currency"),
            side=words.side_of(row.get("action")),
            order_type=order_type,
            quantity=words.scaled(row, "totalQuantity"),
            limit_price=words.optional_number(row, "limitPrice") or None,
            time_in_force=force,
            outside_regular_hours=bool(row.get("outsideRth")),
            security=security,
            expiry=None if is_combination else words.expiry_of(row.get("expiry")),
            strike=None if is_combination else words.optional_number(row, "strike") or None,
            right=None if is_combination else words.right_of(row.get("right")),
            multiplier=_multiplier(row),
            stop_price=_trigger(row, order_type, OrderType.STOP, OrderType.STOP_LIMIT),
            trailing_amount=None
            if trailing_percent
            else _trigger(row, order_type, OrderType.TRAILING_STOP),
            trailing_percent=trailing_percent,
            good_till=words.moment(row, "expireTime")
            if force is TimeInForce.GOOD_TILL_DATE
            else None,
            legs=tuple(_leg_of(leg) for leg in _objects(row, "legs")) if is_combination else (),
            display_quantity=words.optional_number(row, "displaySize"),
        )
    except TermsError:
        return None


def _trigger(row: Row, order_type: OrderType, *of: OrderType) -> Decimal | None:
    return words.optional_number(row, "auxPrice") if order_type in of else None


def _multiplier(row: Row) -> Decimal | None:
    found = words.optional_number(row, "multiplier")
    return None if found in (None, Decimal(0), Decimal(1)) else found


def _leg_of(row: Row) -> OptionLeg:
    right, expiry = words.right_of(row.get("right")), words.expiry_of(row.get("expiry"))
    if right is None or expiry is None:
        raise CorruptRecordError("expected right and expiry in a leg's row")
    return OptionLeg(
        right=right,
        expiry=expiry,
        strike=words.number(row, "strike"),
        side=words.side_of(row.get("action")),
        ratio=int(words.optional_number(row, "ratio") or 1),
    )


def contract_in(row: Row) -> str:
    """Return what a row is about as one word; see `OrderSpec.contract`."""
    return contract_word(
        words.text(row, "symbol"),
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
    symbol, contract = words.text(row, "symbol"), contract_in(row)
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
        symbol=words.text(row, "symbol"),
        market=words.text(row, "market"),
        currency=words.text(row, "currency"),
        lot_size=words.optional_number(row, "lotSize") or Decimal(1),
        is_tradeable=bool(row.get("tradeable")),
        tick_sizes=tuple(ticks),
        security=words.security_of(row.get("secType")) or SecurityType.STOCK,
        expiry=words.expiry_of(row.get("expiry")),
        strike=words.optional_number(row, "strike") or None,
        right=words.right_of(row.get("right")),
        multiplier=_multiplier(row),
    )


def quote_facts_of(row: Row) -> QuoteFacts:
    """Return what a preview needs of a quote."""
    return QuoteFacts(
        symbol=words.text(row, "symbol"),
        bid=words.optional_number(row, "bidPrice") or None,
        ask=words.optional_number(row, "askPrice") or None,
        last=words.optional_number(row, "latestPrice") or None,
        at=words.moment(row, "latestTime" if row.get("latestTime") else "timestamp"),
    )


def quote_of(row: Row, contract: ContractFacts) -> Quote:
    """Return a quote with the listing it belongs to."""
    facts = quote_facts_of(row)
    return Quote(
        symbol=facts.symbol,
        market=contract.market,
        currency=contract.currency,
        last=facts.last,
        bid=facts.bid,
        ask=facts.ask,
        bid_size=words.optional_number(row, "bidSize"),
        ask_size=words.optional_number(row, "askSize"),
        previous_close=words.optional_number(row, "preClose"),
        volume=words.optional_number(row, "volume"),
        at=facts.at,
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
